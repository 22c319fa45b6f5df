#ifndef CORE_ZONE_H
#define CORE_ZONE_H

#include <stdint.h>

/* What clocks on the wall show in a time zone. Pure; nothing here touches the
 * process's own time zone.
 *
 * An instant is seconds since 1970 UTC. A wall-clock time is what a clock in the
 * zone shows, written as the instant at which one in UTC shows the same; so that
 * civil dates of base/rfc3339.h serve for both. */

struct zone; /* lent by zones.h */

/* A time during which the zone keeps one distance from UTC. */
struct stretch {
    int64_t from_s, to_s; /* instants; to_s is the first of the next one */
    int32_t offset_s;     /* wall clock - instant; less than 26 h */
};

struct stretch zone_stretch(const struct zone *zone, int64_t instant_s);

static inline int64_t zone_wall(const struct zone *zone, int64_t instant_s)
{
    return instant_s + zone_stretch(zone, instant_s).offset_s;
}

/* The first instant at which the wall clock shows this time or a later one: the
 * first of the two if it shows it twice, the end of the gap if it skips it. */
int64_t zone_instant(const struct zone *zone, int64_t wall_s);

/* The first wall-clock time that no clock of the zone has shown before the
 * instant: zone_instant(w) >= i exactly if w >= zone_unreached(i). */
int64_t zone_unreached(const struct zone *zone, int64_t instant_s);

#endif
