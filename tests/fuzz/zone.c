#include "core/base/rfc3339.h"
#include "core/schedule.h"
#include "core/schedule/zone_file.h"
#include "tests/fuzz/input.h"

#include <assert.h>

/* A file of the time-zone database. Whatever it says, as long as it is read its
 * clocks keep what zone.h promises of them, around each change and far away,
 * and schedules go on. */

enum { DAY_S = 24 * 3600, CHANGES_LOOKED_AT = 40 };
static const int64_t first_s = INT64_C(-62135596800); /* the beginning of year 1 */
static const int64_t last_s = INT64_C(253402300799);  /* the end of 9999 */

static void check_wall(const struct zone *zone, int64_t instant_s)
{
    int64_t wall_s = zone_wall(zone, instant_s), first = zone_instant(zone, wall_s);
    int64_t unreached_s = zone_unreached(zone, instant_s);

    assert(first <= instant_s && zone_wall(zone, first) >= wall_s);
    assert(zone_wall(zone, first - 1) < wall_s || first == instant_s);
    assert(zone_instant(zone, unreached_s) >= instant_s);
    assert(zone_instant(zone, unreached_s - 1) < instant_s);
}

static void check_instant(const struct zone *zone, int64_t instant_s)
{
    struct stretch here = zone_stretch(zone, instant_s);

    assert(here.from_s <= instant_s && instant_s < here.to_s);
    assert(here.offset_s >= -ZONE_OFFSET_MAX_S && here.offset_s <= ZONE_OFFSET_MAX_S);
    assert(zone_stretch(zone, here.from_s).offset_s == here.offset_s);
    if (here.to_s < last_s)
        assert(zone_stretch(zone, here.to_s).from_s == here.to_s);
    check_wall(zone, instant_s);
}

static void check_daily(const struct zone *zone, int64_t from_s)
{
    const struct schedule_rule rule = {
        .start_at_ms = 1000, .repeat = REPEAT_DAILY, .time_of_day_s = 2 * 3600 + 1800
    };
    const struct schedule schedule = { .rule = &rule, .zone = zone };
    int64_t at_ms = (from_s - DAY_S > 1 ? from_s - DAY_S : 1) * 1000, next_ms;

    for (int i = 0; i < 4 && schedule_next(&schedule, at_ms, &next_ms); i++) {
        assert(next_ms >= at_ms && next_ms - at_ms <= 4 * DAY_S * INT64_C(1000));
        at_ms = next_ms + 1;
    }
}

/* An hour's minute may take many changes to come; it comes, or 9999 is over. */
static void check_hourly(const struct zone *zone, int64_t from_s)
{
    const struct schedule_rule rule = {
        .start_at_ms = 1000, .repeat = REPEAT_HOURLY, .time_of_day_s = 1800
    };
    const struct schedule schedule = { .rule = &rule, .zone = zone };
    int64_t at_ms = (from_s > 1 ? from_s : 1) * 1000, next_ms;

    for (int i = 0; i < 4 && schedule_next(&schedule, at_ms, &next_ms); i++) {
        assert(next_ms >= at_ms);
        at_ms = next_ms + 1;
    }
}

static void check_around(const struct zone *zone, int64_t at_s)
{
    if (at_s < first_s + 2 * DAY_S || at_s > last_s - 2 * DAY_S)
        return;
    for (int64_t off_s = -2; off_s <= 2; off_s++)
        check_instant(zone, at_s + off_s);
    check_instant(zone, at_s - 3600);
    check_instant(zone, at_s + 3600);
    check_daily(zone, at_s);
    check_hourly(zone, at_s - 3600);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone zone;

    if (!zone_read(bytes_of(data, size), &zone))
        return 0;
    for (uint32_t i = 0; i < zone.count && i < CHANGES_LOOKED_AT; i++)
        check_around(&zone, zone.changes[i].at_s);
    for (int64_t year = 1971; year < 9999; year += 803)
        check_around(&zone, civil_to_ms(&(struct civil){ (int)year, 3, 30, 0, 0, 0, 0 }) / 1000);
    for (int month = 1; month <= 12; month++)
        check_around(&zone, zone_stretch(&zone, INT64_C(2000000000) + month * 31 * DAY_S).to_s);
    zone_wipe(&zone);
    return 0;
}
