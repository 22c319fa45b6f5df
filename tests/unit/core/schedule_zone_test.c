#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/rfc3339.h"
#include "core/schedule.h"

static const int64_t SECOND_MS = 1000, MINUTE_MS = 60 * 1000, HOUR_MS = 3600 * 1000,
                     DAY_MS = 24 * 3600 * 1000;

static struct zones *zones;

static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_true(rfc3339_read(bytes_of_text(text), &ms));
    return ms;
}

static struct schedule_rule completed(struct schedule_rule rule)
{
    struct why why = { .text = "" };

    if (schedule_complete(&rule, zones, at("2020-01-01T00:00:00Z"), &why) != OK)
        fail_msg("%s", why.text);
    assert_true(schedule_is_sound(&rule));
    return rule;
}

static struct schedule_rule repeating(enum schedule_repeat repeat, const char *zone,
                                      const char *start, int32_t time_of_day_s)
{
    return completed((struct schedule_rule){ .repeat = repeat,
                                             .timezone = bytes_of_text(zone),
                                             .start_at_ms = at(start),
                                             .time_of_day_s = time_of_day_s });
}

static struct schedule_rule by_cron(const char *cron, const char *zone, const char *start)
{
    return completed((struct schedule_rule){ .cron = bytes_of_text(cron),
                                             .timezone = bytes_of_text(zone),
                                             .start_at_ms = at(start),
                                             .time_of_day_s = -1 });
}

static struct schedule opened(const struct schedule_rule *rule, uint64_t seed)
{
    struct schedule schedule;

    assert_int_equal(schedule_open(rule, zones, seed, &schedule, NULL), OK);
    return schedule;
}

/* The firings from `from` on are these, and the next ones after those. */
static void fires_at(struct schedule_rule rule, const char *from, const char *const *times)
{
    struct schedule schedule = opened(&rule, 0);
    int64_t next, when = at(from);

    for (; *times != NULL; times++) {
        char text[RFC3339_SIZE];

        assert_true(schedule_next(&schedule, when, &next));
        rfc3339_write(next, text);
        assert_string_equal(text, *times);
        when = next + 1;
    }
}

#define FIRES(rule, from, ...) fires_at((rule), (from), (const char *const[]){ __VA_ARGS__, NULL })

enum { AT_2_30 = 2 * 3600 + 30 * 60 };

/* ---- the wall clock ---- */

static void the_time_of_day_is_the_zones(void **state)
{
    (void)state;
    FIRES(repeating(REPEAT_DAILY, "Asia/Kathmandu", "2026-01-01T00:00:00Z", 9 * 3600),
          "2026-01-01T00:00:00Z", "2026-01-01T03:15:00Z", "2026-01-02T03:15:00Z");
    FIRES(repeating(REPEAT_DAILY, "America/New_York", "2026-03-07T00:00:00Z", 9 * 3600),
          "2026-01-01T00:00:00Z", "2026-03-07T14:00:00Z", "2026-03-08T13:00:00Z");
    FIRES(repeating(REPEAT_DAILY, "", "2026-01-01T00:00:00Z", 9 * 3600), "2026-01-01T00:00:00Z",
          "2026-01-01T09:00:00Z");
}

static void a_time_that_does_not_exist_fires_at_the_first_valid_instant_after_the_gap(void **state)
{
    (void)state;
    FIRES(repeating(REPEAT_DAILY, "Europe/Berlin", "2026-03-01T00:00:00Z", AT_2_30),
          "2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z",
          "2026-03-30T00:30:00Z");
    FIRES(repeating(REPEAT_DAILY, "America/Havana", "2026-03-01T00:00:00Z", 0),
          "2026-03-07T12:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z");
    FIRES(by_cron("30 2 * * *", "Europe/Berlin", "2026-03-01T00:00:00Z"), "2026-03-29T00:00:00Z",
          "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
}

static void one_that_exists_twice_fires_once_the_first_time(void **state)
{
    (void)state;
    FIRES(repeating(REPEAT_DAILY, "Europe/Berlin", "2026-10-01T00:00:00Z", AT_2_30),
          "2026-10-24T00:00:00Z", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z",
          "2026-10-26T01:30:00Z");
    FIRES(by_cron("*/30 2 * * *", "Europe/Berlin", "2026-10-01T00:00:00Z"), "2026-10-25T00:00:00Z",
          "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z");
}

/* All that a gap swallows is one firing: nominal times are unique. */
static void a_gap_fires_once(void **state)
{
    (void)state;
    FIRES(by_cron("*/10 2,3 * * *", "Europe/Berlin", "2026-03-29T00:30:00Z"),
          "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:10:00Z");
}

static void a_day_that_does_not_exist_fires_when_the_next_one_begins(void **state)
{
    (void)state;
    FIRES(repeating(REPEAT_DAILY, "Pacific/Apia", "2011-12-25T00:00:00Z", 9 * 3600),
          "2011-12-29T12:00:00Z", "2011-12-29T19:00:00Z", "2011-12-30T10:00:00Z",
          "2011-12-30T19:00:00Z", "2011-12-31T19:00:00Z");
}

static void weekly_and_monthly_take_their_day_from_the_start_in_the_schedules_zone(void **state)
{
    (void)state;
    /* Monday the 1st in Tokyo is Sunday the last in UTC. */
    FIRES(repeating(REPEAT_WEEKLY, "Asia/Tokyo", "2026-05-31T20:00:00Z", 8 * 3600),
          "2026-05-01T00:00:00Z", "2026-05-31T23:00:00Z", "2026-06-07T23:00:00Z");
    FIRES(repeating(REPEAT_MONTHLY, "Asia/Tokyo", "2026-05-31T20:00:00Z", 8 * 3600),
          "2026-05-01T00:00:00Z", "2026-05-31T23:00:00Z", "2026-06-30T23:00:00Z");
    FIRES(repeating(REPEAT_MONTHLY, "America/Los_Angeles", "2026-02-01T03:00:00Z", -1),
          "2026-01-01T00:00:00Z", "2026-02-01T03:00:00Z", "2026-03-01T03:00:00Z",
          "2026-04-01T02:00:00Z");
}

/* ---- elapsed time ---- */

static void intervals_run_on_elapsed_time(void **state)
{
    struct schedule_rule rule =
        completed((struct schedule_rule){ .interval_ms = 12 * HOUR_MS,
                                          .timezone = bytes_of_text("Europe/Berlin"),
                                          .start_at_ms = at("2026-03-28T12:00:00Z"),
                                          .time_of_day_s = -1 });

    (void)state;
    assert_int_equal(rule.time_of_day_s, -1);
    FIRES(rule, "2026-01-01T00:00:00Z", "2026-03-28T12:00:00Z", "2026-03-29T00:00:00Z",
          "2026-03-29T12:00:00Z");
}

static void hourly_runs_on_elapsed_hours_at_the_minute(void **state)
{
    (void)state;
    FIRES(repeating(REPEAT_HOURLY, "Europe/Berlin", "2026-03-01T00:00:00Z", 15 * 60),
          "2026-03-29T00:00:00Z", "2026-03-29T00:15:00Z", "2026-03-29T01:15:00Z");
    FIRES(repeating(REPEAT_HOURLY, "Europe/Berlin", "2026-10-01T00:00:00Z", 15 * 60),
          "2026-10-25T00:00:00Z", "2026-10-25T00:15:00Z", "2026-10-25T01:15:00Z",
          "2026-10-25T02:15:00Z");
    FIRES(by_cron("15 * * * *", "Europe/Berlin", "2026-10-01T00:00:00Z"), "2026-10-25T00:00:00Z",
          "2026-10-25T00:15:00Z", "2026-10-25T01:15:00Z", "2026-10-25T02:15:00Z");
    FIRES(repeating(REPEAT_HOURLY, "Asia/Kolkata", "2026-01-01T00:00:00Z", 0),
          "2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z", "2026-01-01T01:30:00Z");
}

static void where_a_clock_is_set_by_half_an_hour_the_minute_holds(void **state)
{
    (void)state;
    FIRES(repeating(REPEAT_HOURLY, "Australia/Lord_Howe", "2026-09-01T00:00:00Z", 15 * 60),
          "2026-10-03T14:00:00Z", "2026-10-03T14:45:00Z", "2026-10-03T16:15:00Z");
    FIRES(by_cron("45 * * * *", "Australia/Lord_Howe", "2026-04-01T00:00:00Z"),
          "2026-04-04T14:00:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z",
          "2026-04-04T16:15:00Z");
}

/* ---- where it begins ---- */

static void the_time_left_open_is_that_of_the_start_in_its_zone(void **state)
{
    struct schedule_rule rule = repeating(REPEAT_DAILY, "Asia/Kolkata", "2026-01-01T20:00:00Z", -1);

    (void)state;
    assert_int_equal(rule.time_of_day_s, 3600 + 30 * 60);
    FIRES(rule, "2026-01-01T00:00:00Z", "2026-01-01T20:00:00Z", "2026-01-02T20:00:00Z");
}

static void a_start_in_an_hour_that_comes_twice_fires_whichever_it_is(void **state)
{
    (void)state;
    FIRES(repeating(REPEAT_NONE, "Europe/Berlin", "2026-10-25T01:30:00Z", -1),
          "2026-10-01T00:00:00Z", "2026-10-25T01:30:00Z");
    FIRES(repeating(REPEAT_DAILY, "Europe/Berlin", "2026-10-25T01:30:00Z", -1),
          "2026-10-01T00:00:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z");
    FIRES(repeating(REPEAT_DAILY, "Europe/Berlin", "2026-10-25T00:30:00Z", -1),
          "2026-10-01T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    /* But what was shown for the first time before the start is over. */
    FIRES(repeating(REPEAT_DAILY, "Europe/Berlin", "2026-10-25T00:45:00Z", AT_2_30),
          "2026-10-01T00:00:00Z", "2026-10-26T01:30:00Z");
}

static void a_cron_starts_at_its_first_match(void **state)
{
    (void)state;
    FIRES(by_cron("0 3 * * *", "Europe/Berlin", "2026-07-01T01:00:00Z"), "2026-01-01T00:00:00Z",
          "2026-07-01T01:00:00Z", "2026-07-02T01:00:00Z");
    FIRES(by_cron("0 3 * * *", "Europe/Berlin", "2026-07-01T01:00:01Z"), "2026-01-01T00:00:00Z",
          "2026-07-02T01:00:00Z");
}

static enum err refused(struct schedule_rule rule, const char *field)
{
    struct why why = { .field = "" };
    enum err e = schedule_complete(&rule, zones, at("2026-01-01T00:00:00Z"), &why);

    assert_string_equal(why.field, field);
    assert_non_null(strstr(why.text, field));
    return e;
}

static void what_can_never_fire_is_refused(void **state)
{
    struct schedule_rule rule = { .time_of_day_s = -1, .cron = bytes_of_text("0 0 1 1 *") };

    (void)state;
    rule.end_at_ms = at("2026-06-01T00:00:00Z");
    rule.start_at_ms = at("2026-01-02T00:00:00Z");
    assert_int_equal(refused(rule, "schedule.endAt"), ERR_INVALID);
    rule.cron = bytes_of_text("0 0 31 6 *");
    assert_int_equal(refused(rule, "schedule.cron"), ERR_INVALID);
    rule = (struct schedule_rule){ .time_of_day_s = -1, .start_at_ms = at("2025-01-01T00:00:00Z") };
    assert_int_equal(refused(rule, "schedule.startAt"), ERR_INVALID);
}

/* ---- jitter ---- */

static struct schedule_rule jittery(int64_t jitter_ms)
{
    struct schedule_rule rule = repeating(REPEAT_DAILY, "Europe/Berlin", "2026-01-01T00:00:00Z", 0);

    rule.jitter_ms = jitter_ms;
    return rule;
}

static void jitter_is_the_same_each_time_it_is_asked_for(void **state)
{
    struct schedule_rule rule = jittery(HOUR_MS);
    uint64_t seed = schedule_seed(bytes_of_text("acme"), bytes_of_text("nightly"));
    struct schedule a = opened(&rule, seed), b;
    struct zones *others = zones_new(zone_directory);

    (void)state;
    assert_int_equal(schedule_open(&rule, others, seed, &b, NULL), OK);
    for (int day = 0; day < 400; day++) {
        int64_t nominal = rule.start_at_ms + day * DAY_MS;

        assert_int_equal(schedule_due_ms(&a, nominal), schedule_due_ms(&b, nominal));
    }
    /* It is on disks: this value must never change. */
    assert_int_equal(schedule_due_ms(&a, at("2026-02-01T23:00:00Z")) - at("2026-02-01T23:00:00Z"),
                     480336);
    zones_free(others);
}

static void jitter_lies_between_nothing_and_its_bound(void **state)
{
    struct schedule_rule rule = jittery(10);
    struct schedule schedule = opened(&rule, 1);
    int seen[11] = { 0 };

    (void)state;
    for (int day = 0; day < 1100; day++) {
        int64_t nominal = rule.start_at_ms + day * DAY_MS;
        int64_t jitter = schedule_due_ms(&schedule, nominal) - nominal;

        assert_in_range(jitter, 0, 10);
        seen[jitter]++;
    }
    for (int i = 0; i <= 10; i++)
        assert_in_range(seen[i], 50, 150);
    rule.jitter_ms = 0;
    assert_int_equal(schedule_due_ms(&schedule, 12345000), 12345000);
}

static void schedules_of_other_names_have_other_jitter(void **state)
{
    struct schedule_rule rule = jittery(DAY_MS);
    struct schedule a = opened(&rule, schedule_seed(bytes_of_text("ab"), bytes_of_text("c")));
    struct schedule b = opened(&rule, schedule_seed(bytes_of_text("a"), bytes_of_text("bc")));
    int same = 0;

    (void)state;
    for (int day = 0; day < 100; day++) {
        int64_t nominal = rule.start_at_ms + day * DAY_MS;

        same += schedule_due_ms(&a, nominal) == schedule_due_ms(&b, nominal);
    }
    assert_in_range(same, 0, 1);
}

static void a_firing_is_over_before_the_next_nominal_time(void **state)
{
    struct schedule_rule rule = by_cron("*/5 * * * *", "Europe/Berlin", "2026-01-01T00:00:00Z");
    struct schedule schedule;
    int64_t when = rule.start_at_ms, nominal, before = 0, latest = 0;

    (void)state;
    rule.jitter_ms = HOUR_MS;
    schedule = opened(&rule, 5);
    for (int i = 0; i < 1000; i++) {
        int64_t due;

        assert_true(schedule_next(&schedule, when, &nominal));
        due = schedule_due_ms(&schedule, nominal);
        assert_true(due >= nominal && nominal > before);
        latest = due - nominal > latest ? due - nominal : latest;
        before = due;
        when = nominal + 1;
    }
    assert_in_range(latest, 4 * MINUTE_MS, 5 * MINUTE_MS - 1);
}

/* ---- what is due ---- */

static void a_firing_is_due_at_its_jitter_not_at_its_nominal_time(void **state)
{
    struct schedule_rule rule = jittery(6 * HOUR_MS);
    struct schedule schedule = opened(&rule, 9);
    int64_t nominal = at("2026-01-04T23:00:00Z"), due = schedule_due_ms(&schedule, nominal);
    struct firing early = schedule_look(&schedule, nominal - 1, due - 1);
    struct firing in_time = schedule_look(&schedule, nominal - 1, due);

    (void)state;
    assert_true(due > nominal);
    assert_false(early.fires);
    assert_int_equal(early.mark_ms, nominal - 1);
    assert_true(in_time.fires);
    assert_int_equal(in_time.nominal_ms, nominal);
    assert_int_equal(in_time.mark_ms, nominal);
    assert_int_equal(in_time.missed, 0);
}

static void lateness_counts_from_the_due_time(void **state)
{
    struct schedule_rule rule = jittery(6 * HOUR_MS);
    struct schedule schedule;
    int64_t nominal = at("2026-01-04T23:00:00Z"), due;

    (void)state;
    rule.catch_up_ms = MINUTE_MS;
    schedule = opened(&rule, 9);
    due = schedule_due_ms(&schedule, nominal);
    assert_true(due > nominal + MINUTE_MS);
    assert_true(schedule_look(&schedule, nominal - 1, due + MINUTE_MS).fires);
    assert_false(schedule_look(&schedule, nominal - 1, due + MINUTE_MS + 1).fires);
    assert_int_equal(schedule_look(&schedule, nominal - 1, due + MINUTE_MS + 1).missed, 1);
}

static void the_default_window_of_a_cron_reaches_to_its_next_match(void **state)
{
    struct schedule_rule rule = by_cron("0 9,17 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z");
    struct schedule schedule;
    int64_t nine = at("2026-01-02T08:00:00Z");

    (void)state;
    rule.end_at_ms = nine;
    schedule = opened(&rule, 0);
    assert_true(schedule_look(&schedule, nine - 1, nine + 24 * HOUR_MS).fires);
    assert_false(schedule_look(&schedule, nine - 1, nine + 24 * HOUR_MS + 1).fires);
    rule.end_at_ms = 0;
    assert_true(schedule_look(&schedule, nine - 1, nine + 8 * HOUR_MS - 1).fires);
    assert_int_equal(schedule_look(&schedule, nine - 1, nine + 8 * HOUR_MS).nominal_ms,
                     nine + 8 * HOUR_MS);
}

static void what_was_missed_collapses_into_the_latest_and_is_counted(void **state)
{
    struct schedule_rule rule = by_cron("0 */2 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z");
    struct schedule schedule;
    int64_t ten = at("2026-01-02T09:00:00Z");
    struct firing firing;

    (void)state;
    rule.catch_up_ms = 3 * HOUR_MS;
    schedule = opened(&rule, 0);
    firing = schedule_look(&schedule, ten - 4 * HOUR_MS, ten + HOUR_MS);
    assert_true(firing.fires);
    assert_int_equal(firing.nominal_ms, ten);
    assert_int_equal(firing.missed, 1); /* eight o'clock; six is settled */
    assert_int_equal(firing.mark_ms, ten);
}

/* A server that was down for years looks at a day. */
static void a_long_stop_is_soon_over(void **state)
{
    struct schedule_rule rule = by_cron("* * * * *", "Europe/Berlin", "2020-01-01T00:00:00Z");
    struct schedule schedule;
    int64_t now = at("2036-01-01T12:00:30Z");
    struct firing firing;

    (void)state;
    rule.jitter_ms = 20 * SECOND_MS;
    schedule = opened(&rule, 3);
    firing = schedule_look(&schedule, at("2020-01-01T00:00:00Z"), now);
    assert_true(firing.fires);
    assert_int_equal(firing.nominal_ms, at("2036-01-01T12:00:00Z"));
    assert_in_range(firing.missed, 1440, 1450);
}

/* Looking again and again, by a clock that goes any way it likes: a nominal time
 * fires once at most, and never before it is due. */
static void a_clock_that_jumps_never_fires_twice(void **state)
{
    struct schedule_rule rules[] = {
        by_cron("*/20 1-3 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z"),
        repeating(REPEAT_HOURLY, "Australia/Lord_Howe", "2026-01-01T00:00:00Z", 0),
        repeating(REPEAT_DAILY, "America/Havana", "2026-01-01T00:00:00Z", 0),
    };
    struct random_seeded dice;

    (void)state;
    random_seeded_init(&dice, 21);
    for (int round = 0; round < 30; round++) {
        struct schedule_rule rule = rules[round % 3];
        struct schedule schedule;
        int64_t now = at("2026-03-01T00:00:00Z"), mark = now, last = 0;
        uint64_t fired = 0;

        rule.jitter_ms = round % 2 ? 10 * MINUTE_MS : 0;
        schedule = opened(&rule, (uint64_t)round);
        for (int i = 0; i < 3000; i++) {
            struct firing firing;

            now += (int64_t)random_below(&dice.base, 4 * 3600 * 1000) - 6000 * 1000;
            firing = schedule_look(&schedule, mark, now);
            assert_true(firing.mark_ms >= mark);
            mark = firing.mark_ms;
            if (!firing.fires)
                continue;
            assert_true(firing.nominal_ms > last && firing.nominal_ms <= now);
            last = firing.nominal_ms;
            fired++;
        }
        assert_true(fired > 20);
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
        cmocka_unit_test(the_time_of_day_is_the_zones),
        cmocka_unit_test(a_time_that_does_not_exist_fires_at_the_first_valid_instant_after_the_gap),
        cmocka_unit_test(one_that_exists_twice_fires_once_the_first_time),
        cmocka_unit_test(a_gap_fires_once),
        cmocka_unit_test(a_day_that_does_not_exist_fires_when_the_next_one_begins),
        cmocka_unit_test(weekly_and_monthly_take_their_day_from_the_start_in_the_schedules_zone),
        cmocka_unit_test(intervals_run_on_elapsed_time),
        cmocka_unit_test(hourly_runs_on_elapsed_hours_at_the_minute),
        cmocka_unit_test(where_a_clock_is_set_by_half_an_hour_the_minute_holds),
        cmocka_unit_test(the_time_left_open_is_that_of_the_start_in_its_zone),
        cmocka_unit_test(a_start_in_an_hour_that_comes_twice_fires_whichever_it_is),
        cmocka_unit_test(a_cron_starts_at_its_first_match),
        cmocka_unit_test(what_can_never_fire_is_refused),
        cmocka_unit_test(jitter_is_the_same_each_time_it_is_asked_for),
        cmocka_unit_test(jitter_lies_between_nothing_and_its_bound),
        cmocka_unit_test(schedules_of_other_names_have_other_jitter),
        cmocka_unit_test(a_firing_is_over_before_the_next_nominal_time),
        cmocka_unit_test(a_firing_is_due_at_its_jitter_not_at_its_nominal_time),
        cmocka_unit_test(lateness_counts_from_the_due_time),
        cmocka_unit_test(the_default_window_of_a_cron_reaches_to_its_next_match),
        cmocka_unit_test(what_was_missed_collapses_into_the_latest_and_is_counted),
        cmocka_unit_test(a_long_stop_is_soon_over),
        cmocka_unit_test(a_clock_that_jumps_never_fires_twice),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
