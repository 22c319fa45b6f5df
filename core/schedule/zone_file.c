#include "core/schedule/zone_file.h"

#include <stdlib.h>

/* A table of changes, and a rule for the time behind it: the POSIX TZ text in
 * the file's footer.
 *
 * Read by ourselves, for the two libraries that could do it were wrong. Debian
 * 12's ICU has a copy of the database of its own, years old (16 zones wrong
 * between 2020 and 2037); libical 3.0 reads the system's, but turns it into
 * recurrence rules (Pacific/Easter wrong from 2020 to 2022). Both fail
 * tests/integration/zones. */

enum { HOUR_S = 3600 };

/* ---- the rule in the footer (POSIX TZ, with the extensions of RFC 9636, 3.3.2) ---- */

static void skip(struct bytes *text, size_t size)
{
    text->data += size;
    text->size -= size;
}

static bool take(struct bytes *text, char c)
{
    if (text->size == 0 || text->data[0] != (uint8_t)c)
        return false;
    skip(text, 1);
    return true;
}

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* "CET", or "<+01>". */
static bool skip_abbreviation(struct bytes *text)
{
    size_t size = 0;

    if (take(text, '<')) {
        while (size < text->size && text->data[size] != '>')
            size++;
        skip(text, size);
        return size >= 3 && take(text, '>');
    }
    while (size < text->size && is_letter(text->data[size]))
        size++;
    skip(text, size);
    return size >= 3;
}

static bool read_number(struct bytes *text, int least, int most, int *number)
{
    int digits = 0;

    for (*number = 0; text->size > 0 && is_digit(text->data[0]) && digits < 3; digits++) {
        *number = *number * 10 + (text->data[0] - '0');
        skip(text, 1);
    }
    return digits > 0 && *number >= least && *number <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool read_duration(struct bytes *text, int hours_max, int32_t *seconds)
{
    bool negative = take(text, '-');
    int hours, minutes = 0, rest = 0;

    if (!negative)
        (void)take(text, '+');
    if (!read_number(text, 0, hours_max, &hours))
        return false;
    if (take(text, ':') && !read_number(text, 0, 59, &minutes))
        return false;
    if (take(text, ':') && !read_number(text, 0, 59, &rest))
        return false;
    *seconds = hours * HOUR_S + minutes * 60 + rest;
    *seconds = negative ? -*seconds : *seconds;
    return true;
}

static bool read_change_rule(struct bytes *text, struct change_rule *rule)
{
    bool valid;

    *rule = (struct change_rule){ .time_s = 2 * HOUR_S };
    if (!take(text, ','))
        return false;
    if (take(text, 'M')) {
        rule->form = MONTH_WEEK_DAY;
        valid = read_number(text, 1, 12, &rule->month) && take(text, '.') &&
                read_number(text, 1, 5, &rule->week) && take(text, '.') &&
                read_number(text, 0, 6, &rule->day);
    } else if (take(text, 'J')) {
        rule->form = DAY_WITHOUT_LEAP;
        valid = read_number(text, 1, 365, &rule->day);
    } else {
        rule->form = DAY_FROM_ZERO;
        valid = read_number(text, 0, 365, &rule->day);
    }
    return valid && (!take(text, '/') || read_duration(text, 167, &rule->time_s));
}

/* Offsets in this text have the other sign: what must be added to get UTC. */
static bool read_rule(struct bytes text, struct rule *rule)
{
    int32_t west_s;

    *rule = (struct rule){ .known = text.size > 0 };
    if (!rule->known)
        return true;
    if (!skip_abbreviation(&text) || !read_duration(&text, 24, &west_s))
        return false;
    rule->standard_s = -west_s;
    if (text.size == 0)
        return true;
    rule->has_summer = true;
    rule->summer_s = rule->standard_s + HOUR_S;
    if (!skip_abbreviation(&text))
        return false;
    if (text.size > 0 && text.data[0] != ',') {
        if (!read_duration(&text, 24, &west_s))
            return false;
        rule->summer_s = -west_s;
    }
    return read_change_rule(&text, &rule->begin) && read_change_rule(&text, &rule->end) &&
           text.size == 0;
}

/* ---- the file ---- */

struct header {
    uint8_t version;
    uint32_t utc_flags, standard_flags, leap_seconds, changes, types, abbreviations;
};

enum { HEADER_SIZE = 44, TYPE_SIZE = 6 };

static int64_t number_at(const uint8_t *data, size_t size)
{
    uint64_t number = data[0] & 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | data[i];
    return (int64_t)number;
}

static bool read_header(struct bytes file, struct header *header)
{
    const uint8_t *counts = file.data + 20;

    if (file.size < HEADER_SIZE || memcmp(file.data, "TZif", 4) != 0)
        return false;
    *header = (struct header){
        .version = file.data[4],
        .utc_flags = (uint32_t)number_at(counts, 4),
        .standard_flags = (uint32_t)number_at(counts + 4, 4),
        .leap_seconds = (uint32_t)number_at(counts + 8, 4),
        .changes = (uint32_t)number_at(counts + 12, 4),
        .types = (uint32_t)number_at(counts + 16, 4),
        .abbreviations = (uint32_t)number_at(counts + 20, 4),
    };
    return true;
}

static uint64_t block_size(const struct header *h, unsigned time_size)
{
    return HEADER_SIZE + h->changes * (uint64_t)(time_size + 1) + h->types * (uint64_t)TYPE_SIZE +
           h->abbreviations + h->leap_seconds * (uint64_t)(time_size + 4) + h->standard_flags +
           h->utc_flags;
}

static bool read_offset(const struct header *h, const uint8_t *types, uint32_t type,
                        int32_t *offset_s)
{
    if (type >= h->types)
        return false;
    *offset_s = (int32_t)number_at(types + type * TYPE_SIZE, 4);
    return *offset_s >= -ZONE_OFFSET_MAX_S && *offset_s <= ZONE_OFFSET_MAX_S;
}

/* The changes lie in order, and the first type holds before them. */
static bool read_changes(const struct header *h, const uint8_t *times, unsigned time_size,
                         struct zone *zone)
{
    const uint8_t *indexes = times + h->changes * time_size, *types = indexes + h->changes;

    if (!read_offset(h, types, 0, &zone->first_offset_s))
        return false;
    for (uint32_t i = 0; i < h->changes; i++) {
        struct change *change = &zone->changes[i];

        change->at_s = number_at(times + i * time_size, time_size);
        if (!read_offset(h, types, indexes[i], &change->offset_s))
            return false;
        if (i > 0 && change->at_s <= change[-1].at_s)
            return false;
    }
    zone->count = h->changes;
    return true;
}

/* Between two line ends; absent in files of the first version. */
static bool read_footer(struct bytes rest, struct rule *rule)
{
    const uint8_t *end;

    if (!take(&rest, '\n'))
        return false;
    end = rest.size > 0 ? memchr(rest.data, '\n', rest.size) : NULL;
    return end != NULL && read_rule(bytes_of(rest.data, (size_t)(end - rest.data)), rule);
}

static bool read_block(struct bytes file, const struct header *h, unsigned time_size,
                       struct zone *zone)
{
    uint64_t size = block_size(h, time_size);

    if (size > file.size || h->leap_seconds > 0)
        return false; /* leap seconds: the "right" zones are not for us */
    zone->changes = calloc(h->changes + 1, sizeof *zone->changes);
    if (zone->changes == NULL || !read_changes(h, file.data + HEADER_SIZE, time_size, zone))
        return false;
    skip(&file, (size_t)size);
    return time_size == 4 || read_footer(file, &zone->rule);
}

/* A file of a later version repeats its contents with larger numbers. */
static bool read_file(struct bytes file, struct zone *zone)
{
    struct header header;
    uint64_t size;

    if (!read_header(file, &header))
        return false;
    if (header.version == 0)
        return read_block(file, &header, 4, zone);
    size = block_size(&header, 4);
    if (size > file.size)
        return false;
    skip(&file, (size_t)size);
    return read_header(file, &header) && read_block(file, &header, 8, zone);
}

bool zone_read(struct bytes file, struct zone *zone)
{
    *zone = (struct zone){ .changes = NULL };
    if (read_file(file, zone))
        return true;
    zone_wipe(zone);
    return false;
}

void zone_wipe(struct zone *zone)
{
    free(zone->changes);
    zone->changes = NULL;
}
