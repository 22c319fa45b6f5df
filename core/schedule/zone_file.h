#ifndef CORE_ZONE_FILE_H
#define CORE_ZONE_FILE_H

#include "core/base/bytes.h"
#include "core/zone.h"

/* A zone's file in the time-zone database: TZif, RFC 9636. The inside of
 * struct zone, shared by zone.c, zones.c and zone_file.c and nobody else. */

enum { ZONE_OFFSET_MAX_S = 26 * 3600 - 1 }; /* RFC 9636, 3.2: more than -25 h, less than 26 h */

/* A day of each year and a time on it: when summer time begins, or ends. */
struct change_rule {
    enum { MONTH_WEEK_DAY, DAY_WITHOUT_LEAP, DAY_FROM_ZERO } form;
    int month, week, day;
    int32_t time_s;
};

struct rule {
    bool known, has_summer;
    int32_t standard_s, summer_s;  /* offsets from UTC */
    struct change_rule begin, end; /* of summer */
};

struct change {
    int64_t at_s;
    int32_t offset_s; /* from then on */
};

struct zone {
    int32_t first_offset_s; /* before the first change */
    struct change *changes;
    uint32_t count;
    struct rule rule; /* behind the last one */
};

/* Fills the zone; zone_wipe() frees what it holds. False if the file makes no
 * sense, or counts leap seconds; then nothing is held. */
bool zone_read(struct bytes file, struct zone *zone);
void zone_wipe(struct zone *zone);

#endif
