#include "core/zones.h"

#include "core/schedule/zone_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Zones that were read, the least used one making room for another. Whether a
 * file has been replaced is asked at each look-up: one stat(). */

const char *const zone_directory = "/usr/share/zoneinfo";

enum { ZONES_CACHED_MAX = 128, FILE_SIZE_MAX = 64 << 10 };

static const struct zone utc;

struct entry {
    char name[ZONE_NAME_SIZE_MAX + 1];
    struct zone zone;
    struct stat file; /* as it was when it was read */
    uint64_t used;
};

struct zones {
    const char *directory;
    uint64_t uses;
    unsigned count;
    struct entry *entries[ZONES_CACHED_MAX];
};

struct zones *zones_new(const char *directory)
{
    struct zones *zones = calloc(1, sizeof *zones);

    if (zones != NULL)
        zones->directory = directory;
    return zones;
}

static void entry_free(struct entry *entry)
{
    if (entry != NULL)
        zone_wipe(&entry->zone);
    free(entry);
}

void zones_free(struct zones *zones)
{
    if (zones == NULL)
        return;
    for (unsigned i = 0; i < zones->count; i++)
        entry_free(zones->entries[i]);
    free(zones);
}

static bool starts_with(struct bytes name, const char *start)
{
    size_t size = strlen(start);

    return name.size >= size && memcmp(name.data, start, size) == 0;
}

static bool is_name_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '-';
}

/* Parts of letters, digits and _ + -, with slashes between them: nothing that
 * leads out of the directory. Nor into its copies, one of which counts leap
 * seconds, nor to what the machine's owner has set. */
static bool is_name(struct bytes name)
{
    uint8_t before = '/';

    if (name.size == 0 || name.size > ZONE_NAME_SIZE_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];

        if (c == '/' ? before == '/' : !is_name_character(c))
            return false;
        before = c;
    }
    return before != '/' && !starts_with(name, "posix/") && !starts_with(name, "right/") &&
           !bytes_equal(name, bytes_of_text("posixrules")) &&
           !bytes_equal(name, bytes_of_text("localtime"));
}

static enum err no_such_zone(const struct entry *entry, struct why *why)
{
    return err_because(why, ERR_NOT_FOUND, "there is no time zone \"%s\"", entry->name);
}

static enum err unreadable(const struct entry *entry, struct why *why)
{
    return err_because(why, ERR_UNAVAILABLE, "time zone %s cannot be read: %s", entry->name,
                       strerror(errno));
}

/* The whole file, unless it is larger than any zone. */
static enum err read_whole(int fd, struct entry *entry, uint8_t *data, size_t *size,
                           struct why *why)
{
    ssize_t part;

    *size = 0;
    if (fstat(fd, &entry->file) != 0)
        return unreadable(entry, why);
    if (!S_ISREG(entry->file.st_mode))
        return no_such_zone(entry, why);
    while ((part = read(fd, data + *size, FILE_SIZE_MAX - *size)) > 0)
        *size += (size_t)part;
    return part < 0 ? unreadable(entry, why) : OK;
}

static enum err read_entry(int fd, struct entry *entry, struct why *why)
{
    uint8_t *data = malloc(FILE_SIZE_MAX);
    size_t size;
    enum err e;

    if (data == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    e = read_whole(fd, entry, data, &size, why);
    if (e == OK && (size < 4 || memcmp(data, "TZif", 4) != 0))
        e = no_such_zone(entry, why); /* zone.tab and the like */
    if (e == OK && !zone_read(bytes_of(data, size), &entry->zone))
        e = err_because(why, ERR_CORRUPT, "time zone %s: its file is damaged", entry->name);
    free(data);
    return e;
}

static void path_of(const struct zones *zones, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", zones->directory, name);
}

static enum err load(const struct zones *zones, struct entry *entry, struct why *why)
{
    char path[PATH_MAX];
    int fd;
    enum err e;

    path_of(zones, entry->name, path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return no_such_zone(entry, why);
    if (fd < 0)
        return unreadable(entry, why);
    e = read_entry(fd, entry, why);
    close(fd);
    return e;
}

static enum err read_new(const struct zones *zones, struct bytes name, struct entry **out,
                         struct why *why)
{
    struct entry *entry = calloc(1, sizeof *entry);
    enum err e;

    if (entry == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    memcpy(entry->name, name.data, name.size);
    e = load(zones, entry, why);
    if (e == OK)
        *out = entry;
    else
        entry_free(entry);
    return e;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads it again if its file has changed and can be read. */
static void refresh(const struct zones *zones, struct entry **entry)
{
    char path[PATH_MAX];
    struct entry *fresh;
    struct stat now;

    path_of(zones, (*entry)->name, path);
    if (stat(path, &now) != 0 || is_same_file(&now, &(*entry)->file))
        return;
    if (read_new(zones, bytes_of_text((*entry)->name), &fresh, NULL) != OK)
        return;
    entry_free(*entry);
    *entry = fresh;
}

/* Its place in the cache: a free one, or that of the zone not used for longest. */
static struct entry **place_for_new(struct zones *zones)
{
    struct entry **oldest = &zones->entries[0];

    if (zones->count < ZONES_CACHED_MAX)
        return &zones->entries[zones->count++];
    for (unsigned i = 1; i < zones->count; i++)
        if (zones->entries[i]->used < (*oldest)->used)
            oldest = &zones->entries[i];
    entry_free(*oldest);
    return oldest;
}

static struct entry **cached(struct zones *zones, struct bytes name)
{
    for (unsigned i = 0; i < zones->count; i++)
        if (bytes_equal(bytes_of_text(zones->entries[i]->name), name))
            return &zones->entries[i];
    return NULL;
}

enum err zones_find(struct zones *zones, struct bytes name, const struct zone **zone,
                    struct why *why)
{
    struct entry **place, *fresh;
    enum err e;

    *zone = &utc;
    if (name.size == 0 || bytes_equal(name, bytes_of_text("UTC")))
        return OK;
    if (!is_name(name)) /* and not shown again: it may be anything */
        return err_because(why, ERR_NOT_FOUND, "that is not the name of a time zone");
    place = cached(zones, name);
    if (place != NULL) {
        refresh(zones, place);
    } else {
        e = read_new(zones, name, &fresh, why);
        if (e != OK)
            return e;
        place = place_for_new(zones);
        *place = fresh;
    }
    (*place)->used = ++zones->uses;
    *zone = &(*place)->zone;
    return OK;
}
