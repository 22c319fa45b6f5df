#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

static void a_queued_job_is_leased_and_completed(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "product-sync");
    struct assignment job;

    assert_string_equal(shown(f, id), "queued");
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.id, id);
    assert_int_equal(job.epoch, 1);
    assert_string_equal(shown(f, id), "active");
    assert_int_equal(org_of(f).active, 1);
    assert_int_equal(complete(f, (struct lease_name){ id, job.epoch }), OK);
    assert_string_equal(shown(f, id), "completed");
    assert_int_equal(org_of(f).active, 0);
    assert_int_equal(org_of(f).completed, 1);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
}

static void nothing_acknowledged_is_lost_in_a_crash(void **state)
{
    struct queue_fixture *f = *state;
    run_id waiting, active;
    struct lease_name held;
    struct assignment job;

    active = submitted(f, "a");
    held = leased(f);
    waiting = submitted(f, "b");
    crash(f);
    assert_string_equal(shown(f, active), "active");
    assert_string_equal(shown(f, waiting), "queued");
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.id, waiting);
}

static void a_lease_ends_when_its_time_is_up(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name first = leased(f);
    struct assignment job;

    pass(f, 59999);
    assert_string_equal(shown(f, id), "active");
    pass(f, 1);
    assert_string_equal(shown(f, id), "queued");
    assert_int_equal(complete(f, first), ERR_STALE);
    pass(f, 5001);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.epoch, 2);
    assert_int_equal(complete(f, first), ERR_STALE);
    assert_int_equal(complete(f, (struct lease_name){ id, 2 }), OK);
}

static void a_running_job_is_paused_and_goes_on_from_its_checkpoint(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);
    struct run_info info;
    struct assignment job;

    assert_int_equal(progress(f, held, 75, 100), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", &info), OK);
    assert_int_equal(info.run.state, RUN_PAUSING);
    assert_int_equal(f->pushes, 1);
    assert_int_equal(f->pushed, DIRECTIVE_PAUSE_IT);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_PAUSE_IT);
    assert_int_equal(checkpoint(f, held, "page 7"), OK);
    assert_int_equal(release(f, held), OK);
    assert_int_equal(get_run(f, id, &info), OK);
    assert_int_equal(info.run.state, RUN_PAUSED);
    assert_int_equal(info.run.progress, 75);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(control(f, CONTROL_RESUME, "a", &info), OK);
    assert_int_equal(info.run.state, RUN_QUEUED);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.checkpoint.size, 6);
    assert_memory_equal(job.checkpoint.data, "page 7", 6);
}

static void runs_of_one_name_wait_their_turn(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a"), third = submitted(f, "a");
    struct assignment job;
    struct lease_name held = leased(f);

    assert_int_equal(held.id, first);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(complete(f, held), OK);
    held = leased(f);
    assert_int_equal(held.id, second);
    crash(f);
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(leased(f).id, third);
}

static void a_daily_schedule_fires_at_its_time_and_again_the_next_day(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("nightly");
    struct run_info info;
    struct assignment job;

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.repeat = REPEAT_DAILY;
    spec.schedule.time_of_day_s = 6 * 3600;
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.run.state, RUN_SCHEDULED);
    assert_int_equal(info.run.not_before_ms, FIXTURE_START_MS + 6 * 3600 * 1000);
    pass(f, 6 * 3600 * 1000 - 1);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    pass(f, 1);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.id, info.id);
    assert_int_equal(org_of(f).scheduled, 1);
    assert_int_equal(complete(f, (struct lease_name){ job.info.id, job.epoch }), OK);
    crash(f);
    pass(f, 24 * 3600 * 1000);
    assert_int_equal(lease(f, &job), OK);
    assert_int_not_equal(job.info.id, info.id);
    assert_int_equal(job.info.run.nominal_ms, FIXTURE_START_MS + 30 * 3600 * 1000);
}

static void a_purge_takes_what_has_ended_and_nothing_else(void **state)
{
    struct queue_fixture *f = *state;
    run_id ended = submitted(f, "a"), live;
    uint64_t completed, failed, cancelled;
    struct lease_name held = leased(f);

    assert_int_equal(complete(f, held), OK);
    live = submitted(f, "b");
    assert_int_equal(purge(f, &completed, &failed, &cancelled), OK);
    assert_int_equal(completed, 1);
    assert_int_equal(failed, 0);
    assert_string_equal(shown(f, ended), "gone");
    assert_string_equal(shown(f, live), "queued");
    assert_int_equal(purge(f, &completed, &failed, &cancelled), OK);
    assert_int_equal(completed, 0);
    assert_int_equal(org_of(f).completed, 1);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_queued_job_is_leased_and_completed),
        TEST(nothing_acknowledged_is_lost_in_a_crash),
        TEST(a_lease_ends_when_its_time_is_up),
        TEST(a_running_job_is_paused_and_goes_on_from_its_checkpoint),
        TEST(runs_of_one_name_wait_their_turn),
        TEST(a_daily_schedule_fires_at_its_time_and_again_the_next_day),
        TEST(a_purge_takes_what_has_ended_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
