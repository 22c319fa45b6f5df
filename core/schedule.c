#include "core/schedule.h"

#include "core/base/rfc3339.h"

enum { SECOND_MS = 1000, HOUR_S = 3600, DAY_S = 24 * HOUR_S };
static const int64_t HOUR_MS = 1000 * HOUR_S, DAY_MS = 1000 * DAY_S;
static const int64_t INTERVAL_MAX_MS = INT64_C(3660) * 1000 * DAY_S;
static const int64_t LAST_MS = INT64_C(253402300799) * 1000;    /* the last second of 9999 */

static enum err check_supported(const struct schedule_rule *rule, struct why *why)
{
    bool is_utc = rule->timezone.size == 0 || bytes_equal(rule->timezone, bytes_of_text("UTC"));

    if (rule->cron.size > 0)
        return err_because(why, ERR_UNSUPPORTED, "schedule.cron is not supported yet: use repeat or interval");
    if (!is_utc)
        return err_because(why, ERR_UNSUPPORTED, "schedule.timezone is not supported yet: only UTC is");
    if (rule->jitter_ms != 0)
        return err_because(why, ERR_UNSUPPORTED, "schedule.jitter is not supported yet");
    return OK;
}

enum err schedule_complete(struct schedule_rule *rule, int64_t now_ms, struct why *why)
{
    bool repeats = rule->repeat > REPEAT_NONE;
    enum err e = check_supported(rule, why);

    if (e != OK)
        return e;
    if (rule->repeat >= REPEAT_COUNT)
        return err_field(why, "schedule.repeat",
                         "schedule.repeat must be none, hourly, daily, weekly or monthly");
    if (rule->overlap > OVERLAP_CANCEL_OTHER)
        return err_field(why, "schedule.overlap",
                         "schedule.overlap must be skip, bufferOne or cancelOther");
    if (rule->start_at_ms < 0 || rule->start_at_ms > LAST_MS)
        return err_field(why, "schedule.startAt", "schedule.startAt must lie in the years 1970 to 9999");
    if (rule->interval_ms != 0 && (rule->interval_ms < SECOND_MS || rule->interval_ms > INTERVAL_MAX_MS))
        return err_field(why, "schedule.interval",
                         "schedule.interval must be one second to 3,660 days");
    if (rule->interval_ms != 0 && rule->repeat != REPEAT_ABSENT)
        return err_field(why, "schedule.interval",
                         "schedule.interval and schedule.repeat exclude each other: give one of them");
    if (rule->interval_ms != 0 && rule->time_of_day_s >= 0)
        return err_field(why, "schedule.time", "schedule.time goes with repeat, not with interval");
    if (rule->time_of_day_s >= DAY_S)
        return err_field(why, "schedule.time", "schedule.time must be HH:MM or HH:MM:SS");
    if (rule->start_at_ms == 0 && !repeats && rule->interval_ms == 0)
        return err_field(why, "schedule.startAt",
                         "schedule.startAt is missing, and repeat and interval too: nothing says when to run");
    if (rule->catch_up_ms < 0 || rule->catch_up_ms > DAY_MS)
        return err_field(why, "schedule.catchUpWindow", "schedule.catchUpWindow must be 0 to 24 hours");
    if (rule->start_at_ms == 0)
        rule->start_at_ms = now_ms;
    /* Firings lie on whole seconds: the first one at or after the start. */
    rule->start_at_ms = (rule->start_at_ms + SECOND_MS - 1) / SECOND_MS * SECOND_MS;
    if (rule->end_at_ms != 0 && rule->end_at_ms < rule->start_at_ms)
        return err_field(why, "schedule.endAt", "schedule.endAt lies before its start");
    if (rule->time_of_day_s < 0)
        rule->time_of_day_s = (int32_t)(rule->start_at_ms / SECOND_MS % DAY_S);
    return OK;
}

bool schedule_is_sound(const struct schedule_rule *rule)
{
    return rule->start_at_ms > 0 && rule->start_at_ms <= LAST_MS && rule->end_at_ms >= 0
        && rule->repeat < REPEAT_COUNT && rule->overlap <= OVERLAP_CANCEL_OTHER
        && rule->time_of_day_s >= 0 && rule->time_of_day_s < DAY_S
        && rule->interval_ms >= 0 && rule->interval_ms <= INTERVAL_MAX_MS
        && rule->catch_up_ms >= 0 && rule->catch_up_ms <= DAY_MS;
}

/* The first time at or after from_ms that leaves `offset` when divided by `period`. */
static int64_t next_in_cycle(int64_t from_ms, int64_t period_ms, int64_t offset_ms)
{
    int64_t past = (from_ms - offset_ms) % period_ms;

    if (past < 0)
        past += period_ms;
    return past == 0 ? from_ms : from_ms + period_ms - past;
}

/* Day 31 in a short month is its last day. */
static int64_t next_in_months(int64_t from_ms, int day, int64_t time_ms)
{
    struct civil date = civil_from_ms(from_ms);

    date.hour = date.minute = date.second = date.ms = 0;
    for (;;) {
        int last = civil_days_in_month(date.year, date.month);
        int64_t candidate;

        date.day = day < last ? day : last;
        candidate = civil_to_ms(&date) + time_ms;
        if (candidate >= from_ms)
            return candidate;
        date.month = date.month % 12 + 1;
        date.year += date.month == 1;
    }
}

bool schedule_next(const struct schedule_rule *rule, int64_t from_ms, int64_t *nominal_ms)
{
    int64_t start = rule->start_at_ms, time_ms = (int64_t)rule->time_of_day_s * SECOND_MS;
    int64_t from = from_ms > start ? from_ms : start, next;

    if (rule->interval_ms != 0) {
        next = next_in_cycle(from, rule->interval_ms, start);
    } else switch (rule->repeat) {
    case REPEAT_HOURLY:
        next = next_in_cycle(from, HOUR_MS, time_ms % HOUR_MS);
        break;
    case REPEAT_DAILY:
        next = next_in_cycle(from, DAY_MS, time_ms);
        break;
    case REPEAT_WEEKLY:
        next = next_in_cycle(from, 7 * DAY_MS, start - start % DAY_MS + time_ms);
        break;
    case REPEAT_MONTHLY:
        next = next_in_months(from, civil_from_ms(start).day, time_ms);
        break;
    case REPEAT_ABSENT:
    case REPEAT_NONE:
    case REPEAT_COUNT:
    default:
        /* Once: at startAt, or at the first such time of day behind it. */
        next = next_in_cycle(start, DAY_MS, time_ms);
        if (next < from_ms)
            return false;
        break;
    }
    *nominal_ms = next;
    return next <= LAST_MS && (rule->end_at_ms == 0 || next <= rule->end_at_ms);
}

void schedule_list(const struct schedule_rule *rule, int64_t from_ms, uint32_t runs_max,
                   uint64_t fired, int64_t runs_ms[SCHEDULE_RUNS_SHOWN])
{
    for (unsigned i = 0; i < SCHEDULE_RUNS_SHOWN; i++) {
        bool more = (runs_max == 0 || fired + i < runs_max)
                 && schedule_next(rule, from_ms, &runs_ms[i]);

        if (!more)
            runs_ms[i] = 0;
        else
            from_ms = runs_ms[i] + 1;
    }
}

int64_t schedule_catch_up_ms(const struct schedule_rule *rule)
{
    if (rule->catch_up_ms != 0)
        return rule->catch_up_ms;
    if (rule->interval_ms != 0)
        return rule->interval_ms < DAY_MS ? rule->interval_ms : DAY_MS;
    return rule->repeat == REPEAT_HOURLY ? HOUR_MS : DAY_MS;
}
