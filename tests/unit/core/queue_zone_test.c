#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/rfc3339.h"
#include "core/zones.h"
#include "tests/support/queue_fixture.h"

static const int64_t MINUTE_MS = 60 * 1000, HOUR_MS = 3600 * 1000, DAY_MS = 24 * 3600 * 1000;

static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_true(rfc3339_read(bytes_of_text(text), &ms));
    return ms;
}

/* Fires by cron in a zone, from now on. */
static struct run_spec by_cron(const char *name, const char *cron, const char *zone)
{
    struct run_spec spec = a_spec(name);

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.time_of_day_s = -1;
    spec.schedule.cron = bytes_of_text(cron);
    spec.schedule.timezone = bytes_of_text(zone);
    return spec;
}

static struct run_info submitted_as(struct queue_fixture *f, const struct run_spec *spec)
{
    struct run_info info;

    assert_int_equal(submit(f, spec, &info), OK);
    return info;
}

static struct run_info run_of(struct queue_fixture *f, run_id id)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    return info;
}

static void go_to(struct queue_fixture *f, int64_t now_ms)
{
    f->clock.now_ms = now_ms;
    pass(f, 0);
}

/* Runs what is ready and gives its nominal time; 0: nothing is. */
static int64_t fired(struct queue_fixture *f)
{
    struct assignment job;

    if (lease(f, &job) != OK)
        return 0;
    assert_int_equal(complete(f, (struct lease_name){ job.info.id, job.epoch }), OK);
    return job.info.run.nominal_ms;
}

static void next_runs_are_nominal_times_of_the_wall_clock(void **state)
{
    static const char *const times[] = { "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z",
                                         "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z",
                                         "2026-04-01T00:30:00Z" };
    struct queue_fixture *f = *state;
    struct run_spec spec = by_cron("a", "30 2 * * *", "Europe/Berlin");
    struct run_info info;

    spec.schedule.start_at_ms = at("2026-03-28T00:00:00Z");
    spec.schedule.jitter_ms = HOUR_MS;
    info = submitted_as(f, &spec);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(info.next_runs_ms[i], at(times[i]));
        assert_int_equal(run_of(f, info.id).next_runs_ms[i], at(times[i]));
    }
}

static void a_firing_waits_for_its_jitter(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = by_cron("a", "0 12 * * *", "Europe/Berlin");
    int64_t nominal = FIXTURE_START_MS + 11 * HOUR_MS, due;
    struct run_info info;

    spec.schedule.jitter_ms = HOUR_MS;
    info = submitted_as(f, &spec);
    due = info.run.not_before_ms;
    assert_int_equal(info.run.nominal_ms, nominal);
    assert_in_range(due - nominal, 1, HOUR_MS);
    go_to(f, due - 1);
    assert_int_equal(fired(f), 0);
    go_to(f, due);
    assert_int_equal(fired(f), nominal);
    assert_int_equal(fired(f), 0);
    go_to(f, nominal + DAY_MS);
    assert_int_equal(fired(f), 0);
    go_to(f, nominal + DAY_MS + HOUR_MS);
    assert_int_equal(fired(f), nominal + DAY_MS);
}

static void jitter_is_the_same_after_a_restart(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = by_cron("a", "0 12 * * *", "Europe/Berlin");
    struct run_info info;

    spec.schedule.jitter_ms = 6 * HOUR_MS;
    info = submitted_as(f, &spec);
    crash(f);
    assert_int_equal(run_of(f, info.id).run.not_before_ms, info.run.not_before_ms);
    assert_int_equal(submitted_as(f, &spec).run.not_before_ms, info.run.not_before_ms);
}

static void a_paused_firing_waits_for_its_jitter_again_when_resumed(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = by_cron("a", "0 12 * * *", "Europe/Berlin");
    struct run_info info, resumed;

    spec.schedule.jitter_ms = 6 * HOUR_MS;
    info = submitted_as(f, &spec);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(control(f, CONTROL_RESUME, "a", &resumed), OK);
    assert_int_equal(resumed.run.not_before_ms, info.run.not_before_ms);
    assert_int_equal(control_run(f, CONTROL_CANCEL, info.id, NULL), OK);
    go_to(f, info.run.not_before_ms);
    assert_int_equal(fired(f), 0);
}

/* Around the hour that comes twice, by a clock that is set forth and back and a
 * server that dies: no nominal time fires twice, none before it has come. */
static void a_clock_that_jumps_both_ways_never_fires_twice(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = by_cron("a", "*/20 1-3 * * *", "Europe/Berlin");
    struct random_seeded dice;
    int64_t last = 0, greatest = 0;
    unsigned count = 0;

    random_seeded_init(&dice, 31);
    f->clock.now_ms = at("2026-10-24T00:00:00Z");
    spec.schedule.jitter_ms = 5 * MINUTE_MS;
    (void)submitted_as(f, &spec);
    for (int i = 0; i < 1500; i++) {
        int64_t nominal;

        f->clock.now_ms += (int64_t)random_below(&dice.base, 40 * 60000) - 18 * MINUTE_MS;
        greatest = f->clock.now_ms > greatest ? f->clock.now_ms : greatest;
        if (random_below(&dice.base, 10) == 0)
            crash(f);
        pass(f, 0);
        nominal = fired(f);
        if (nominal == 0)
            continue;
        assert_true(nominal > last && nominal <= greatest);
        last = nominal;
        count++;
        assert_int_equal(fired(f), 0);
    }
    assert_in_range(count, 9, 50);
}

/* ---- a database that changes ---- */

struct database {
    char directory[64], zone[80];
};

static void put_zone(const struct database *database, const char *like)
{
    char target[128], fresh[80];

    snprintf(target, sizeof target, "%s/%s", zone_directory, like);
    snprintf(fresh, sizeof fresh, "%s/fresh", database->directory);
    assert_int_equal(symlink(target, fresh), 0);
    assert_int_equal(rename(fresh, database->zone), 0);
}

static struct database database_new(struct queue_fixture *f)
{
    struct database database = { .directory = "/tmp/queue_zone_test.XXXXXX" };

    assert_non_null(mkdtemp(database.directory));
    snprintf(database.zone, sizeof database.zone, "%s/Here", database.directory);
    f->options.zone_directory = strdup(database.directory);
    crash(f);
    return database;
}

static void database_free(struct queue_fixture *f, struct database *database)
{
    char *directory = (char *)f->options.zone_directory;

    f->options.zone_directory = zone_directory;
    crash(f);
    free(directory);
    (void)unlink(database->zone);
    assert_int_equal(rmdir(database->directory), 0);
}

static void a_zone_that_cannot_be_read_holds_up_its_schedules_and_nothing_else(void **state)
{
    struct queue_fixture *f = *state;
    struct database database = database_new(f);
    struct run_spec lost = by_cron("lost", "0 12 * * *", "Here");
    struct run_spec other = by_cron("other", "0 13 * * *", "UTC");

    put_zone(&database, "Europe/Berlin");
    (void)submitted_as(f, &lost);
    (void)submitted_as(f, &other);
    assert_int_equal(unlink(database.zone), 0);
    crash(f);
    go_to(f, FIXTURE_START_MS + 11 * HOUR_MS + 30 * MINUTE_MS);
    assert_int_equal(fired(f), 0);
    go_to(f, FIXTURE_START_MS + 13 * HOUR_MS);
    assert_int_equal(fired(f), FIXTURE_START_MS + 13 * HOUR_MS);
    assert_int_equal(submit(f, &lost, NULL), ERR_INVALID);
    assert_string_equal(f->why.field, "schedule.timezone");
    put_zone(&database, "Europe/Berlin");
    pass(f, MINUTE_MS);
    assert_int_equal(fired(f), FIXTURE_START_MS + 11 * HOUR_MS);
    database_free(f, &database);
}

static void a_firing_cancelled_while_its_zone_cannot_be_read_is_followed_by_the_next(void **state)
{
    struct queue_fixture *f = *state;
    struct database database = database_new(f);
    struct run_spec spec = by_cron("a", "0 12 * * *", "Here");
    struct run_info info;

    put_zone(&database, "Europe/Berlin");
    info = submitted_as(f, &spec);
    assert_int_equal(unlink(database.zone), 0);
    crash(f);
    assert_int_equal(control_run(f, CONTROL_CANCEL, info.id, NULL), OK);
    go_to(f, FIXTURE_START_MS + 12 * HOUR_MS);
    assert_int_equal(fired(f), 0);
    put_zone(&database, "Europe/Berlin");
    go_to(f, FIXTURE_START_MS + 35 * HOUR_MS);
    assert_int_equal(fired(f), FIXTURE_START_MS + 35 * HOUR_MS);
    database_free(f, &database);
}

/* Noon comes eight hours later there: the firing that waits moves with it. */
static void a_zone_whose_rules_change_counts_from_the_next_firing(void **state)
{
    struct queue_fixture *f = *state;
    struct database database = database_new(f);
    struct run_spec spec = by_cron("a", "0 12 * * *", "Here");
    struct run_info info;

    put_zone(&database, "Asia/Tokyo");
    info = submitted_as(f, &spec);
    assert_int_equal(info.run.nominal_ms, FIXTURE_START_MS + 3 * HOUR_MS);
    put_zone(&database, "Europe/Berlin");
    go_to(f, FIXTURE_START_MS + 3 * HOUR_MS);
    assert_int_equal(fired(f), 0);
    info = run_of(f, info.id);
    assert_int_equal(info.run.nominal_ms, FIXTURE_START_MS + 11 * HOUR_MS);
    assert_int_equal(info.next_runs_ms[0], FIXTURE_START_MS + 11 * HOUR_MS);
    go_to(f, FIXTURE_START_MS + 11 * HOUR_MS);
    assert_int_equal(fired(f), FIXTURE_START_MS + 11 * HOUR_MS);
    database_free(f, &database);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(next_runs_are_nominal_times_of_the_wall_clock),
        TEST(a_firing_waits_for_its_jitter),
        TEST(jitter_is_the_same_after_a_restart),
        TEST(a_paused_firing_waits_for_its_jitter_again_when_resumed),
        TEST(a_clock_that_jumps_both_ways_never_fires_twice),
        TEST(a_zone_that_cannot_be_read_holds_up_its_schedules_and_nothing_else),
        TEST(a_firing_cancelled_while_its_zone_cannot_be_read_is_followed_by_the_next),
        TEST(a_zone_whose_rules_change_counts_from_the_next_firing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
