#include "core/schedule.h"

#include "core/base/rfc3339.h"

enum { SECOND_MS = 1000, HOUR_S = 3600, DAY_S = 24 * HOUR_S };
static const int64_t HOUR_MS = 1000 * HOUR_S, DAY_MS = 1000 * DAY_S;
static const int64_t INTERVAL_MAX_MS = INT64_C(3660) * 1000 * DAY_S;
static const int64_t LAST_MS = INT64_C(253402300799) * 1000; /* the last second of 9999 */

/* ---- rules ---- */

static bool repeats(const struct schedule_rule *rule)
{
    return rule->repeat > REPEAT_NONE;
}

/* repeat, cron and interval are three ways to say the same. */
static enum err check_kind(const struct schedule_rule *rule, struct why *why)
{
    if (rule->repeat >= REPEAT_COUNT)
        return err_field(why, "schedule.repeat",
                         "schedule.repeat must be none, hourly, daily, weekly or monthly");
    if (rule->interval_ms != 0 && rule->repeat != REPEAT_ABSENT)
        return err_field(
            why, "schedule.interval",
            "schedule.interval and schedule.repeat exclude each other: give one of them");
    if (rule->cron.size > 0 && rule->repeat != REPEAT_ABSENT)
        return err_field(why, "schedule.cron",
                         "schedule.cron and schedule.repeat exclude each other: give one of them");
    if (rule->cron.size > 0 && rule->interval_ms != 0)
        return err_field(
            why, "schedule.cron",
            "schedule.cron and schedule.interval exclude each other: give one of them");
    if (rule->interval_ms != 0 && rule->time_of_day_s >= 0)
        return err_field(why, "schedule.time", "schedule.time goes with repeat, not with interval");
    if (rule->cron.size > 0 && rule->time_of_day_s >= 0)
        return err_field(why, "schedule.time", "schedule.time goes with repeat, not with cron");
    if (rule->start_at_ms == 0 && !repeats(rule) && rule->interval_ms == 0 && rule->cron.size == 0)
        return err_field(why, "schedule.startAt",
                         "schedule.startAt is missing, and repeat, cron and interval too: nothing "
                         "says when to run");
    return OK;
}

static enum err check_ranges(const struct schedule_rule *rule, struct why *why)
{
    if (rule->overlap > OVERLAP_CANCEL_OTHER)
        return err_field(why, "schedule.overlap",
                         "schedule.overlap must be skip, bufferOne or cancelOther");
    if (rule->start_at_ms < 0 || rule->start_at_ms > LAST_MS)
        return err_field(why, "schedule.startAt",
                         "schedule.startAt must lie in the years 1970 to 9999");
    if (rule->end_at_ms < 0)
        return err_field(why, "schedule.endAt",
                         "schedule.endAt must lie in the years 1970 to 9999");
    if (rule->interval_ms != 0 &&
        (rule->interval_ms < SECOND_MS || rule->interval_ms > INTERVAL_MAX_MS))
        return err_field(why, "schedule.interval",
                         "schedule.interval must be one second to 3,660 days");
    if (rule->time_of_day_s >= DAY_S)
        return err_field(why, "schedule.time", "schedule.time must be HH:MM or HH:MM:SS");
    if (rule->jitter_ms < 0 || rule->jitter_ms > JITTER_MS_MAX)
        return err_field(why, "schedule.jitter", "schedule.jitter must be 0 to 24 hours");
    if (rule->catch_up_ms < 0 || rule->catch_up_ms > DAY_MS)
        return err_field(why, "schedule.catchUpWindow",
                         "schedule.catchUpWindow must be 0 to 24 hours");
    return OK;
}

static enum err find_zone(const struct schedule_rule *rule, struct zones *zones,
                          const struct zone **zone, struct why *why)
{
    struct why reason;
    enum err e = zones_find(zones, rule->timezone, zone, &reason);

    if (e == OK)
        return OK;
    if (e == ERR_UNAVAILABLE)
        return err_because(why, ERR_LIMIT, "schedule.timezone: %s", reason.text);
    return err_field(why, "schedule.timezone", "schedule.timezone: %s", reason.text);
}

/* The beginning of its day. */
static int64_t midnight(int64_t wall_s)
{
    int64_t past = wall_s % DAY_S;

    return wall_s - (past < 0 ? past + DAY_S : past);
}

/* Firings lie on whole seconds: the first one at or after the start. */
static void fill_in(struct schedule_rule *rule, const struct zone *zone, int64_t now_ms)
{
    int64_t wall;

    if (rule->start_at_ms == 0)
        rule->start_at_ms = now_ms;
    rule->start_at_ms = (rule->start_at_ms + SECOND_MS - 1) / SECOND_MS * SECOND_MS;
    if (rule->time_of_day_s >= 0 || rule->interval_ms != 0 || rule->cron.size > 0)
        return;
    wall = zone_wall(zone, rule->start_at_ms / SECOND_MS);
    rule->time_of_day_s = (int32_t)(wall - midnight(wall));
}

static enum err check_fires(const struct schedule *schedule, int64_t now_ms, struct why *why)
{
    const struct schedule_rule *rule = schedule->rule;
    int64_t first;

    if (rule->end_at_ms != 0 && rule->end_at_ms < rule->start_at_ms)
        return err_field(why, "schedule.endAt", "schedule.endAt lies before its start");
    if (schedule_next(schedule, now_ms, &first))
        return OK;
    if (rule->end_at_ms == 0 || (!repeats(rule) && rule->cron.size == 0 && rule->interval_ms == 0))
        return err_field(why, "schedule.startAt",
                         "schedule.startAt: it would never run, its times lie in the past");
    return err_field(why, "schedule.endAt", "schedule.endAt: it would never run before its end");
}

enum err schedule_complete(struct schedule_rule *rule, struct zones *zones, int64_t now_ms,
                           struct why *why)
{
    struct schedule schedule = { .rule = rule };
    enum err e = check_kind(rule, why);

    if (e == OK)
        e = check_ranges(rule, why);
    if (e == OK)
        e = find_zone(rule, zones, &schedule.zone, why);
    if (e == OK && rule->cron.size > 0)
        e = cron_read(rule->cron, &schedule.cron, why);
    if (e != OK)
        return e;
    fill_in(rule, schedule.zone, now_ms);
    return check_fires(&schedule, now_ms, why);
}

bool schedule_is_sound(const struct schedule_rule *rule)
{
    bool by_wall = rule->interval_ms == 0 && rule->cron.size == 0;
    struct cron cron;

    return rule->start_at_ms > 0 && rule->start_at_ms <= LAST_MS && rule->end_at_ms >= 0 &&
           rule->repeat < REPEAT_COUNT && rule->overlap <= OVERLAP_CANCEL_OTHER &&
           rule->time_of_day_s >= (by_wall ? 0 : -1) && rule->time_of_day_s < DAY_S &&
           rule->interval_ms >= 0 && rule->interval_ms <= INTERVAL_MAX_MS &&
           (rule->cron.size == 0 || cron_read(rule->cron, &cron, NULL) == OK) &&
           rule->jitter_ms >= 0 && rule->jitter_ms <= JITTER_MS_MAX && rule->catch_up_ms >= 0 &&
           rule->catch_up_ms <= DAY_MS;
}

enum err schedule_open(const struct schedule_rule *rule, struct zones *zones, uint64_t seed,
                       struct schedule *schedule, struct why *why)
{
    *schedule = (struct schedule){ .rule = rule, .seed = seed };
    if (rule->cron.size > 0) {
        enum err e = cron_read(rule->cron, &schedule->cron, why);

        if (e != OK)
            return ERR_CORRUPT;
    }
    return zones_find(zones, rule->timezone, &schedule->zone, why);
}

/* ---- on the wall ---- */

/* The first time at or after `from` that leaves `offset` when divided by `period`. */
static int64_t next_in_cycle(int64_t from, int64_t period, int64_t offset)
{
    int64_t past = (from - offset) % period;

    if (past < 0)
        past += period;
    return past == 0 ? from : from + period - past;
}

/* Day 31 in a short month is its last day. */
static int64_t next_in_months(int64_t from_s, int day, int32_t time_s)
{
    struct civil date = civil_from_ms(from_s * SECOND_MS);

    date.hour = date.minute = date.second = 0;
    for (;;) {
        int last = civil_days_in_month(date.year, date.month);
        int64_t candidate;

        date.day = day < last ? day : last;
        candidate = civil_to_ms(&date) / SECOND_MS + time_s;
        if (candidate >= from_s)
            return candidate;
        date.month = date.month % 12 + 1;
        date.year += date.month == 1;
    }
}

/* The first wall-clock time of the rule at or after this one. */
static int64_t next_on_wall(const struct schedule *schedule, int64_t wall_s)
{
    const struct schedule_rule *rule = schedule->rule;
    int64_t start_s = zone_wall(schedule->zone, rule->start_at_ms / SECOND_MS);
    int32_t time_s = rule->time_of_day_s;

    if (rule->cron.size > 0)
        return cron_next(&schedule->cron, wall_s);
    switch (rule->repeat) {
    case REPEAT_HOURLY:
        return next_in_cycle(wall_s, HOUR_S, time_s % HOUR_S);
    case REPEAT_WEEKLY:
        return next_in_cycle(wall_s, 7 * DAY_S, midnight(start_s) + time_s);
    case REPEAT_MONTHLY:
        return next_in_months(wall_s, civil_from_ms(start_s * SECOND_MS).day, time_s);
    case REPEAT_DAILY:
    case REPEAT_ABSENT:
    case REPEAT_NONE:
    case REPEAT_COUNT:
    default:
        return next_in_cycle(wall_s, DAY_S, time_s);
    }
}

/* ---- from the wall to instants ---- */

/* Each instant at which the wall clock shows a time of the rule. */
static int64_t next_elapsed(const struct schedule *schedule, int64_t from_s)
{
    for (;;) {
        struct stretch stretch = zone_stretch(schedule->zone, from_s);
        int64_t next = next_on_wall(schedule, from_s + stretch.offset_s) - stretch.offset_s;

        if (next < stretch.to_s || next * SECOND_MS > LAST_MS)
            return next;
        from_s = stretch.to_s;
    }
}

/* Each wall-clock time of the rule, once. */
static int64_t next_wall_clock(const struct schedule *schedule, int64_t from_s)
{
    int64_t wall = zone_unreached(schedule->zone, from_s);

    return zone_instant(schedule->zone, next_on_wall(schedule, wall));
}

static bool start_fires(const struct schedule *schedule)
{
    int64_t start = schedule->rule->start_at_ms / SECOND_MS;
    int64_t wall = zone_wall(schedule->zone, start);

    return schedule->rule->cron.size == 0 && next_on_wall(schedule, wall) == wall;
}

static int64_t next_from(const struct schedule *schedule, int64_t from_ms)
{
    const struct schedule_rule *rule = schedule->rule;
    int64_t from_s = from_ms / SECOND_MS + (from_ms % SECOND_MS > 0);
    bool elapsed =
        rule->cron.size > 0 ? !cron_names_hours(&schedule->cron) : rule->repeat == REPEAT_HOURLY;

    if (rule->interval_ms != 0)
        return next_in_cycle(from_ms, rule->interval_ms, rule->start_at_ms);
    if (from_ms == rule->start_at_ms && start_fires(schedule))
        return from_ms;
    return (elapsed ? next_elapsed(schedule, from_s) : next_wall_clock(schedule, from_s)) *
           SECOND_MS;
}

bool schedule_next(const struct schedule *schedule, int64_t from_ms, int64_t *nominal_ms)
{
    const struct schedule_rule *rule = schedule->rule;
    bool once = !repeats(rule) && rule->interval_ms == 0 && rule->cron.size == 0;
    int64_t start = rule->start_at_ms;

    if (from_ms > LAST_MS)
        return false;
    /* Once: at startAt, or at the first such time of day behind it. */
    *nominal_ms = next_from(schedule, once || from_ms < start ? start : from_ms);
    return *nominal_ms >= from_ms && *nominal_ms <= LAST_MS &&
           (rule->end_at_ms == 0 || *nominal_ms <= rule->end_at_ms);
}

void schedule_list(const struct schedule *schedule, int64_t from_ms, uint64_t fired,
                   int64_t runs_ms[SCHEDULE_RUNS_SHOWN])
{
    uint32_t max = schedule->rule->max_runs;

    for (unsigned i = 0; i < SCHEDULE_RUNS_SHOWN; i++) {
        bool more = (max == 0 || fired + i < max) && schedule_next(schedule, from_ms, &runs_ms[i]);

        if (!more)
            runs_ms[i] = 0;
        else
            from_ms = runs_ms[i] + 1;
    }
}

/* ---- what is due ---- */

/* The finalizer of splitmix64: every bit of the result depends on all of `x`. */
static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* FNV-1a. */
uint64_t schedule_seed(struct bytes org, struct bytes name)
{
    uint64_t seed = 14695981039346656037u;

    for (size_t i = 0; i < org.size; i++)
        seed = (seed ^ org.data[i]) * 1099511628211u;
    seed *= 1099511628211u;
    for (size_t i = 0; i < name.size; i++)
        seed = (seed ^ name.data[i]) * 1099511628211u;
    return seed;
}

int64_t schedule_due_ms(const struct schedule *schedule, int64_t nominal_ms)
{
    int64_t span = schedule->rule->jitter_ms, next;

    if (span == 0)
        return nominal_ms;
    if (schedule_next(schedule, nominal_ms + 1, &next) && next - nominal_ms <= span)
        span = next - nominal_ms - 1;
    return nominal_ms +
           (int64_t)(mixed(mixed((uint64_t)nominal_ms) ^ schedule->seed) % (uint64_t)(span + 1));
}

/* How late a firing may still be made up for: catch_up_ms, or by default one
 * period, at most 24 h. */
static int64_t catch_up_ms(const struct schedule *schedule, int64_t nominal_ms)
{
    const struct schedule_rule *rule = schedule->rule;
    int64_t period = DAY_MS, next;

    if (rule->catch_up_ms != 0)
        return rule->catch_up_ms;
    if (rule->interval_ms != 0)
        period = rule->interval_ms;
    else if (rule->repeat == REPEAT_HOURLY)
        period = HOUR_MS;
    else if (rule->cron.size > 0 && schedule_next(schedule, nominal_ms + 1, &next))
        period = next - nominal_ms;
    return period < DAY_MS ? period : DAY_MS;
}

/* Before this, whatever is due is too late. */
static int64_t oldest_of_interest(const struct schedule *schedule, int64_t now_ms)
{
    const struct schedule_rule *rule = schedule->rule;
    int64_t window =
        rule->cron.size > 0 && rule->catch_up_ms == 0 ? DAY_MS : catch_up_ms(schedule, 0);

    return now_ms - window - rule->jitter_ms;
}

struct firing schedule_look(const struct schedule *schedule, int64_t mark_ms, int64_t now_ms)
{
    int64_t oldest = oldest_of_interest(schedule, now_ms), next;
    struct firing firing = { .mark_ms = mark_ms };
    uint64_t due = 0;

    if (!schedule_next(schedule, mark_ms + 1, &next))
        return firing;
    if (next < oldest) { /* there may be millions: they count as one */
        firing.missed++;
        firing.mark_ms = oldest - 1;
    }
    while (schedule_next(schedule, firing.mark_ms + 1, &next) &&
           schedule_due_ms(schedule, next) <= now_ms) {
        firing.nominal_ms = firing.mark_ms = next;
        due++;
    }
    firing.fires = due > 0 && schedule_due_ms(schedule, firing.nominal_ms) >=
                                  now_ms - catch_up_ms(schedule, firing.nominal_ms);
    firing.missed += due - firing.fires;
    return firing;
}
