#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/rfc3339.h"
#include "core/schedule.h"

static const int64_t SECOND_MS = 1000, HOUR_MS = 3600 * 1000, DAY_MS = 24 * 3600 * 1000;

static struct zones *zones;

static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_true(rfc3339_read(bytes_of_text(text), &ms));
    return ms;
}

static struct schedule_rule rule_of(enum schedule_repeat repeat, const char *start,
                                    int32_t time_of_day_s)
{
    struct schedule_rule rule = { .repeat = repeat,
                                  .start_at_ms = at(start),
                                  .time_of_day_s = time_of_day_s };
    struct why why;

    assert_int_equal(schedule_complete(&rule, zones, at("2026-01-01T00:00:00Z"), &why), OK);
    return rule;
}

static bool next_of(const struct schedule_rule *rule, int64_t from_ms, int64_t *next)
{
    struct schedule schedule;

    assert_int_equal(schedule_open(rule, zones, 0, &schedule, NULL), OK);
    return schedule_next(&schedule, from_ms, next);
}

/* The firings from `from` on are these, and the next ones after those. */
static void fires_at(const struct schedule_rule *rule, const char *from, const char *const *times)
{
    int64_t next, when = at(from);

    for (; *times != NULL; times++) {
        char text[RFC3339_SIZE];

        assert_true(next_of(rule, when, &next));
        rfc3339_write(next, text);
        assert_string_equal(text, *times);
        when = next + 1;
    }
}

#define FIRES(rule, from, ...) fires_at(&(rule), (from), (const char *const[]){ __VA_ARGS__, NULL })

static void hourly_takes_its_minute_from_the_time_or_the_start(void **state)
{
    struct schedule_rule by_start = rule_of(REPEAT_HOURLY, "2026-03-01T10:17:30Z", -1);
    struct schedule_rule by_time = rule_of(REPEAT_HOURLY, "2026-03-01T10:17:30Z", 5 * 60);

    (void)state;
    FIRES(by_start, "2026-01-01T00:00:00Z", "2026-03-01T10:17:30Z", "2026-03-01T11:17:30Z");
    FIRES(by_time, "2026-01-01T00:00:00Z", "2026-03-01T11:05:00Z", "2026-03-01T12:05:00Z");
    FIRES(by_time, "2026-12-31T23:05:01Z", "2027-01-01T00:05:00Z");
}

static void daily_fires_at_its_time_of_day(void **state)
{
    struct schedule_rule midnight = rule_of(REPEAT_DAILY, "2023-01-15T00:00:00Z", 0);
    struct schedule_rule later = rule_of(REPEAT_DAILY, "2026-02-27T12:00:00Z", 6 * 3600 + 1);

    (void)state;
    FIRES(midnight, "2023-01-01T00:00:00Z", "2023-01-15T00:00:00Z", "2023-01-16T00:00:00Z");
    FIRES(later, "2026-01-01T00:00:00Z", "2026-02-28T06:00:01Z", "2026-03-01T06:00:01Z");
}

/* 2026-01-01 is a Thursday. */
static void weekly_takes_its_day_from_the_start(void **state)
{
    struct schedule_rule thursday = rule_of(REPEAT_WEEKLY, "2026-01-01T00:00:00Z", 8 * 3600);
    struct schedule_rule missed = rule_of(REPEAT_WEEKLY, "2026-01-01T09:00:00Z", 8 * 3600);

    (void)state;
    FIRES(thursday, "2026-01-01T00:00:00Z", "2026-01-01T08:00:00Z", "2026-01-08T08:00:00Z");
    FIRES(missed, "2026-01-01T00:00:00Z", "2026-01-08T08:00:00Z", "2026-01-15T08:00:00Z");
}

static void day_31_in_a_short_month_is_its_last_day(void **state)
{
    struct schedule_rule last = rule_of(REPEAT_MONTHLY, "2026-01-31T06:00:00Z", -1);
    struct schedule_rule thirtieth = rule_of(REPEAT_MONTHLY, "2027-11-30T23:59:59Z", -1);

    (void)state;
    FIRES(last, "2026-01-01T00:00:00Z", "2026-01-31T06:00:00Z", "2026-02-28T06:00:00Z",
          "2026-03-31T06:00:00Z", "2026-04-30T06:00:00Z");
    FIRES(last, "2028-02-01T00:00:00Z", "2028-02-29T06:00:00Z", "2028-03-31T06:00:00Z");
    FIRES(last, "2100-02-01T00:00:00Z", "2100-02-28T06:00:00Z");
    FIRES(thirtieth, "2027-11-30T23:59:59Z", "2027-11-30T23:59:59Z", "2027-12-30T23:59:59Z",
          "2028-01-30T23:59:59Z", "2028-02-29T23:59:59Z", "2028-03-30T23:59:59Z");
}

static void an_interval_counts_from_its_start(void **state)
{
    struct schedule_rule rule = { .interval_ms = 90 * 60 * SECOND_MS,
                                  .time_of_day_s = -1,
                                  .start_at_ms = at("2026-01-01T10:00:00Z") };
    struct why why;

    (void)state;
    assert_int_equal(schedule_complete(&rule, zones, 0, &why), OK);
    FIRES(rule, "2025-01-01T00:00:00Z", "2026-01-01T10:00:00Z", "2026-01-01T11:30:00Z");
    FIRES(rule, "2026-01-02T00:00:00Z", "2026-01-02T01:00:00Z");
}

static void without_repeat_it_fires_once(void **state)
{
    struct schedule_rule once = rule_of(REPEAT_NONE, "2026-01-15T10:00:00Z", -1);
    struct schedule_rule later = rule_of(REPEAT_ABSENT, "2026-01-15T10:00:00Z", 9 * 3600);
    int64_t next;

    (void)state;
    FIRES(once, "2026-01-01T00:00:00Z", "2026-01-15T10:00:00Z");
    assert_false(next_of(&once, at("2026-01-15T10:00:01Z"), &next));
    FIRES(later, "2026-01-01T00:00:00Z", "2026-01-16T09:00:00Z");
    assert_false(next_of(&later, at("2026-01-16T09:00:01Z"), &next));
}

static void nothing_fires_after_the_end(void **state)
{
    struct schedule_rule rule = rule_of(REPEAT_DAILY, "2026-01-01T00:00:00Z", 0);
    int64_t next;

    (void)state;
    rule.end_at_ms = at("2026-01-03T00:00:00Z");
    FIRES(rule, "2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z");
    assert_false(next_of(&rule, at("2026-01-03T00:00:01Z"), &next));
    rule.end_at_ms -= 1;
    assert_false(next_of(&rule, at("2026-01-02T12:00:00Z"), &next));
}

static void nothing_fires_after_the_year_9999(void **state)
{
    struct schedule_rule rule = rule_of(REPEAT_MONTHLY, "9999-12-31T00:00:00Z", 0);
    int64_t next;

    (void)state;
    FIRES(rule, "2026-01-01T00:00:00Z", "9999-12-31T00:00:00Z");
    assert_false(next_of(&rule, at("9999-12-31T00:00:01Z"), &next));
}

/* A start that is left open is now, on a whole second. */
static void what_is_left_open_is_filled_in(void **state)
{
    struct schedule_rule rule = { .repeat = REPEAT_DAILY, .time_of_day_s = -1 };
    struct why why;

    (void)state;
    assert_int_equal(schedule_complete(&rule, zones, at("2026-05-05T05:05:05.001Z"), &why), OK);
    assert_int_equal(rule.start_at_ms, at("2026-05-05T05:05:06Z"));
    assert_int_equal(rule.time_of_day_s, 5 * 3600 + 5 * 60 + 6);
    assert_true(schedule_is_sound(&rule));
}

static void a_list_ends_with_the_runs_that_are_left(void **state)
{
    struct schedule_rule rule = rule_of(REPEAT_HOURLY, "2026-01-01T00:00:00Z", 0);
    int64_t runs[SCHEDULE_RUNS_SHOWN];
    struct schedule schedule;

    (void)state;
    assert_int_equal(schedule_open(&rule, zones, 0, &schedule, NULL), OK);
    schedule_list(&schedule, rule.start_at_ms, 1000, runs);
    for (int i = 0; i < SCHEDULE_RUNS_SHOWN; i++)
        assert_int_equal(runs[i], rule.start_at_ms + i * HOUR_MS);
    rule.max_runs = 10;
    schedule_list(&schedule, rule.start_at_ms, 8, runs);
    assert_int_equal(runs[1], rule.start_at_ms + HOUR_MS);
    assert_int_equal(runs[2], 0);
    schedule_list(&schedule, rule.start_at_ms, 10, runs);
    assert_int_equal(runs[0], 0);
}

/* Whether the firing of the start, the only one, is made up for so much later. */
static bool is_made_up_for(struct schedule_rule rule, int64_t late_ms)
{
    struct schedule schedule;

    rule.start_at_ms = at("2026-01-01T00:00:00Z");
    rule.end_at_ms = rule.start_at_ms;
    assert_int_equal(schedule_open(&rule, zones, 0, &schedule, NULL), OK);
    return schedule_look(&schedule, rule.start_at_ms - 1, rule.start_at_ms + late_ms).fires;
}

static void assert_window(struct schedule_rule rule, int64_t window_ms)
{
    assert_true(is_made_up_for(rule, 0));
    assert_true(is_made_up_for(rule, window_ms));
    assert_false(is_made_up_for(rule, window_ms + 1));
}

static void the_catch_up_window_is_one_period_and_at_most_a_day(void **state)
{
    struct schedule_rule rule = { .repeat = REPEAT_HOURLY };

    (void)state;
    assert_window(rule, HOUR_MS);
    rule.repeat = REPEAT_WEEKLY;
    assert_window(rule, DAY_MS);
    rule = (struct schedule_rule){ .interval_ms = 5000 };
    assert_window(rule, 5000);
    rule.interval_ms = 3 * DAY_MS;
    assert_window(rule, DAY_MS);
    rule.catch_up_ms = 77;
    assert_window(rule, 77);
}

/* Whether it fires in this very second, told from the calendar alone. */
static bool matches(const struct schedule_rule *rule, int64_t ms)
{
    struct civil now = civil_from_ms(ms), start = civil_from_ms(rule->start_at_ms);
    int64_t day = ms / DAY_MS, start_day = rule->start_at_ms / DAY_MS;
    int of_hour = now.minute * 60 + now.second, of_day = now.hour * 3600 + of_hour;
    int last = civil_days_in_month(now.year, now.month);

    if (ms < rule->start_at_ms || (rule->end_at_ms != 0 && ms > rule->end_at_ms))
        return false;
    switch (rule->repeat) {
    case REPEAT_HOURLY:
        return of_hour == rule->time_of_day_s % 3600;
    case REPEAT_DAILY:
        return of_day == rule->time_of_day_s;
    case REPEAT_WEEKLY:
        return of_day == rule->time_of_day_s && (day - start_day) % 7 == 0;
    case REPEAT_MONTHLY:
        return of_day == rule->time_of_day_s && now.day == (start.day < last ? start.day : last);
    case REPEAT_ABSENT:
    case REPEAT_NONE:
    case REPEAT_COUNT:
    default:
        return false;
    }
}

/* The first match at or after from, by looking at each candidate second: those
 * of the right minute of the hour. */
static int64_t searched(const struct schedule_rule *rule, int64_t from)
{
    int64_t phase = (int64_t)(rule->time_of_day_s % 3600) * SECOND_MS;
    int64_t ms = from - from % HOUR_MS + phase;

    if (ms < from)
        ms += HOUR_MS;
    for (int i = 0; i < 24 * 70; i++, ms += HOUR_MS)
        if (matches(rule, ms))
            return ms;
    return -1;
}

static void the_next_firing_is_the_first_match(void **state)
{
    const int64_t begin = at("2023-12-01T00:00:00Z");
    struct random_seeded dice;

    (void)state;
    random_seeded_init(&dice, 5);
    for (int i = 0; i < 3000; i++) {
        struct schedule_rule rule = {
            .repeat = (enum schedule_repeat)(REPEAT_HOURLY + (int)random_below(&dice.base, 4)),
            .start_at_ms = begin + (int64_t)random_below(&dice.base, 400 * 86400) * SECOND_MS,
            .time_of_day_s = (int32_t)random_below(&dice.base, 86400),
        };
        int64_t from = begin + (int64_t)random_below(&dice.base, UINT64_C(800) * 86400000), next;
        int64_t last = -1;
        struct why why;

        assert_int_equal(schedule_complete(&rule, zones, begin, &why), OK);
        if (from < rule.start_at_ms - 30 * DAY_MS)
            from = rule.start_at_ms - 30 * DAY_MS; /* the search looks 70 days ahead */
        for (int firing = 0; firing < 5; firing++) {
            assert_true(next_of(&rule, from, &next));
            assert_int_equal(next, searched(&rule, from));
            assert_true(next > last && next >= rule.start_at_ms && next >= from);
            last = next;
            from = next + 1;
        }
    }
}

static int setup(void **state)
{
    (void)state;
    zones = zones_new(zone_directory);
    return zones == NULL;
}

static int teardown(void **state)
{
    (void)state;
    zones_free(zones);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hourly_takes_its_minute_from_the_time_or_the_start),
        cmocka_unit_test(daily_fires_at_its_time_of_day),
        cmocka_unit_test(weekly_takes_its_day_from_the_start),
        cmocka_unit_test(day_31_in_a_short_month_is_its_last_day),
        cmocka_unit_test(an_interval_counts_from_its_start),
        cmocka_unit_test(without_repeat_it_fires_once),
        cmocka_unit_test(nothing_fires_after_the_end),
        cmocka_unit_test(nothing_fires_after_the_year_9999),
        cmocka_unit_test(what_is_left_open_is_filled_in),
        cmocka_unit_test(a_list_ends_with_the_runs_that_are_left),
        cmocka_unit_test(the_catch_up_window_is_one_period_and_at_most_a_day),
        cmocka_unit_test(the_next_firing_is_the_first_match),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
