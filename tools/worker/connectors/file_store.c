#include "tools/worker/connectors/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files are opened by name inside the folder, and the folder itself is synced
 * after each change of names. */

static const char state_name[] = "sync_state.json", state_new_name[] = "sync_state.json.new";

enum { FILE_NAME_SIZE = NAME_SIZE_MAX + 16 };

struct file_store {
    char *path;
    int folder;
    int lock_fd;
    pthread_mutex_t lock;
    json_t *state; /* while locked */
};

/* What the system says is only rarely for ever: a full disk is emptied. */
static bool failed(const struct file_store *store, const char *name, struct problem *problem)
{
    bool config = errno == EACCES || errno == EPERM || errno == EROFS || errno == ENOTDIR ||
                  errno == ENAMETOOLONG;

    return problem_set(problem, config ? PROBLEM_CONFIG : PROBLEM_TRANSIENT, "%.200s/%.100s: %s",
                       store->path, name, strerror(errno));
}

static bool make_folder(const char *path, struct problem *problem)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST ||
           problem_set(problem, PROBLEM_CONFIG, "%.200s: %s", path, strerror(errno));
}

static bool make_path(struct file_store *store, const char *data_dir, const char *org,
                      const char *sync, struct problem *problem)
{
    char org_part[512], sync_part[512], parent[4096], path[8192];

    if (!path_part(org, org_part, sizeof org_part) ||
        !path_part(sync, sync_part, sizeof sync_part) ||
        (size_t)snprintf(parent, sizeof parent, "%s/%s", data_dir, org_part) >= sizeof parent)
        return problem_set(problem, PROBLEM_CONFIG, "the path of the target is too long");
    snprintf(path, sizeof path, "%s/%s", parent, sync_part);
    if (!make_folder(parent, problem) || !make_folder(path, problem))
        return false;
    store->path = strdup(path);
    return store->path != NULL || problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
}

static bool open_folder(struct file_store *store, struct problem *problem)
{
    store->folder = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder < 0)
        return failed(store, "", problem);
    store->lock_fd = openat(store->folder, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return store->lock_fd >= 0 || failed(store, ".lock", problem);
}

void file_store_close(struct file_store *store)
{
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    if (store->folder >= 0)
        close(store->folder);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store);
}

struct file_store *file_store_open(const char *data_dir, const char *org, const char *sync,
                                   struct problem *problem)
{
    struct file_store *store = calloc(1, sizeof *store);

    if (store == NULL) {
        problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
        return NULL;
    }
    *store = (struct file_store){ .folder = -1, .lock_fd = -1 };
    pthread_mutex_init(&store->lock, NULL);
    if (!make_path(store, data_dir, org, sync, problem) || !open_folder(store, problem)) {
        file_store_close(store);
        return NULL;
    }
    return store;
}

static bool load_state(struct file_store *store, struct problem *problem)
{
    int fd = openat(store->folder, state_name, O_RDONLY | O_CLOEXEC);
    json_error_t error;

    if (fd < 0 && errno == ENOENT) {
        store->state = json_object();
        return true;
    }
    if (fd < 0)
        return failed(store, state_name, problem);
    store->state = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);
    close(fd);
    return json_is_object(store->state) ||
           problem_set(problem, PROBLEM_FATAL, "%.200s/%s does not parse: %.100s", store->path,
                       state_name, error.text);
}

bool file_store_lock(struct file_store *store, struct problem *problem)
{
    pthread_mutex_lock(&store->lock);
    while (flock(store->lock_fd, LOCK_EX) < 0) {
        if (errno == EINTR)
            continue;
        failed(store, ".lock", problem);
        pthread_mutex_unlock(&store->lock);
        return false;
    }
    if (load_state(store, problem))
        return true;
    file_store_unlock(store);
    return false;
}

void file_store_unlock(struct file_store *store)
{
    json_decref(store->state);
    store->state = NULL;
    flock(store->lock_fd, LOCK_UN);
    pthread_mutex_unlock(&store->lock);
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));

    return value > 0 ? (uint64_t)value : 0;
}

bool file_store_load(struct file_store *store, const char *entity, struct file_entry *entry,
                     struct problem *problem)
{
    const json_t *object = json_object_get(store->state, entity);
    const json_t *position = json_object_get(object, "position");
    const char *run = json_string_value(json_object_get(object, "run"));
    size_t size = json_string_length(position);

    if (size > POSITION_SIZE_MAX)
        return problem_set(problem, PROBLEM_FATAL, "%.200s/%s has a position that is too long",
                           store->path, state_name);
    *entry = (struct file_entry){
        .run_generation = (uint32_t)number_of(object, "run_generation"),
        .epoch = number_of(object, "epoch"),
        .replacing = json_is_true(json_object_get(object, "replacing")),
        .part_size = number_of(object, "part_size"),
        .size = number_of(object, "size"),
        .rows = number_of(object, "rows"),
        .state = { .phase = (enum entity_phase)(number_of(object, "phase") % 3),
                   .done = number_of(object, "done"),
                   .deleted = number_of(object, "deleted"),
                   .rejected = number_of(object, "rejected"),
                   .position_size = size },
    };
    snprintf(entry->run, sizeof entry->run, "%s", run != NULL ? run : "");
    if (size > 0)
        memcpy(entry->state.position, json_string_value(position), size);
    return true;
}

static bool sync_folder(const struct file_store *store, struct problem *problem)
{
    return fsync(store->folder) == 0 || failed(store, "", problem);
}

static bool write_state(const struct file_store *store, struct problem *problem)
{
    int fd = openat(store->folder, state_new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool good;

    if (fd < 0)
        return failed(store, state_new_name, problem);
    good = json_dumpfd(store->state, fd, JSON_INDENT(1)) == 0 && fsync(fd) == 0;
    if (!good)
        failed(store, state_new_name, problem);
    close(fd);
    if (!good)
        return false;
    if (renameat(store->folder, state_new_name, store->folder, state_name) < 0)
        return failed(store, state_name, problem);
    return sync_folder(store, problem);
}

bool file_store_save(struct file_store *store, const char *entity, const struct file_entry *entry,
                     struct problem *problem)
{
    const struct entity_state *state = &entry->state;
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s%, s:b, s:I, s:I, s:I}", "run",
                  entry->run, "run_generation", (json_int_t)entry->run_generation, "epoch",
                  (json_int_t)entry->epoch, "phase", (json_int_t)state->phase, "done",
                  (json_int_t)state->done, "deleted", (json_int_t)state->deleted, "rejected",
                  (json_int_t)state->rejected, "position", state->position, state->position_size,
                  "replacing", (int)entry->replacing, "part_size", (json_int_t)entry->part_size,
                  "size", (json_int_t)entry->size, "rows", (json_int_t)entry->rows);

    if (object == NULL || json_object_set_new(store->state, entity, object) < 0)
        return problem_set(problem, PROBLEM_TRANSIENT, "the state cannot be written as JSON");
    return write_state(store, problem);
}

static void file_name(const char *entity, bool part, char name[FILE_NAME_SIZE])
{
    snprintf(name, FILE_NAME_SIZE, "%s.ndjson%s", entity, part ? ".part" : "");
}

bool file_store_size(struct file_store *store, const char *entity, bool part, uint64_t *size,
                     struct problem *problem)
{
    char name[FILE_NAME_SIZE];
    struct stat there;

    file_name(entity, part, name);
    *size = 0;
    if (fstatat(store->folder, name, &there, 0) < 0)
        return errno == ENOENT || failed(store, name, problem);
    *size = (uint64_t)there.st_size;
    return true;
}

static bool write_all(int fd, struct bytes bytes, uint64_t offset)
{
    while (bytes.size > 0) {
        ssize_t wrote = pwrite(fd, bytes.data, bytes.size, (off_t)offset);

        if (wrote < 0 && errno != EINTR)
            return false;
        if (wrote > 0) {
            bytes = bytes_of(bytes.data + wrote, bytes.size - (size_t)wrote);
            offset += (uint64_t)wrote;
        }
    }
    return true;
}

bool file_store_append(struct file_store *store, const char *entity, bool part, uint64_t size,
                       struct bytes bytes, struct problem *problem)
{
    char name[FILE_NAME_SIZE];
    uint64_t there;
    bool good;
    int fd;

    file_name(entity, part, name);
    if (!file_store_size(store, entity, part, &there, problem))
        return false;
    if (there < size)
        return problem_set(problem, PROBLEM_TRANSIENT, "%.200s/%.100s is shorter than it was",
                           store->path, name);
    fd = openat(store->folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return failed(store, name, problem);
    good = ftruncate(fd, (off_t)size) == 0 && write_all(fd, bytes, size) && fsync(fd) == 0;
    if (!good)
        failed(store, name, problem);
    close(fd);
    return good;
}

bool file_store_replace(struct file_store *store, const char *entity, uint64_t size,
                        struct problem *problem)
{
    char part[FILE_NAME_SIZE], name[FILE_NAME_SIZE];
    uint64_t part_size, replaced_size;

    file_name(entity, true, part);
    file_name(entity, false, name);
    if (!file_store_size(store, entity, true, &part_size, problem) ||
        !file_store_size(store, entity, false, &replaced_size, problem))
        return false;
    if (part_size < size)
        return replaced_size == size ||
               problem_set(problem, PROBLEM_TRANSIENT, "%.200s/%.100s is shorter than it was",
                           store->path, part);
    if (!file_store_append(store, entity, true, size, bytes_of(NULL, 0), problem))
        return false;
    if (renameat(store->folder, part, store->folder, name) < 0)
        return failed(store, name, problem);
    return sync_folder(store, problem);
}
