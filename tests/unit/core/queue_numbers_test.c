#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

/* What the service and an organisation tell of themselves. */

static struct service_info service(struct queue_fixture *f)
{
    struct service_info_request req = { .info = { .uptime_ms = -1 } };

    assert_int_equal(ask(f, &req.base, QUEUE_SERVICE_INFO), OK);
    return req.info;
}

static void active_jobs_are_runs_that_hold_a_lease(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name held;

    (void)submitted(f, "a");
    (void)submitted(f, "b");
    assert_int_equal(service(f).active, 0);
    held = leased(f);
    assert_int_equal(service(f).active, 1);
    assert_int_equal(control_run(f, CONTROL_PAUSE, held.id, NULL), OK);
    assert_int_equal(service(f).active, 1); /* the worker has not let go */
    assert_int_equal(org_of(f).active, 1);
    assert_int_equal(release(f, held), OK);
    assert_int_equal(service(f).active, 0);
    assert_int_equal(org_of(f).active, 0);
}

static void queued_jobs_are_those_that_wait_for_a_worker(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec later = a_spec("later");

    later.type = RUN_TYPE_SCHEDULED;
    later.has_schedule = true;
    later.schedule.repeat = REPEAT_DAILY;
    later.schedule.time_of_day_s = 3600;
    (void)submitted(f, "a");
    (void)submitted(f, "a");
    assert_int_equal(submit(f, &later, NULL), OK);
    assert_int_equal(service(f).queued, 2);
    (void)leased(f);
    assert_int_equal(service(f).queued, 1);
    assert_int_equal(org_of(f).queued, 1);
}

static void last_sync_is_the_end_of_the_last_completed_run(void **state)
{
    struct queue_fixture *f = *state;
    int64_t ended_ms;

    (void)submitted(f, "a");
    assert_int_equal(org_of(f).last_sync_ms, 0);
    pass(f, 1000);
    assert_int_equal(complete(f, leased(f)), OK);
    ended_ms = f->clock.now_ms;
    pass(f, 1000);
    (void)submitted(f, "b");
    assert_int_equal(fail_with(f, leased(f), FAILURE_FATAL, NULL), OK);
    (void)submitted(f, "c");
    assert_int_equal(control(f, CONTROL_CANCEL, "c", NULL), OK);
    crash(f);
    assert_int_equal(org_of(f).last_sync_ms, ended_ms);
}

static void uptime_is_that_of_this_life(void **state)
{
    struct queue_fixture *f = *state;
    int64_t before_ms = service(f).uptime_ms;

    pass(f, 90000);
    assert_int_equal(service(f).uptime_ms, before_ms + 90000);
    crash(f);
    assert_int_equal(service(f).uptime_ms, 0);
}

static void a_service_whose_disk_is_nearly_full_is_degraded(void **state)
{
    struct queue_fixture *f = *state;

    assert_false(service(f).degraded);
    f->store.stats.free_bytes = f->options.disk_free_min_bytes - 1;
    assert_true(service(f).degraded);
    (void)submitted(f, "taken");
    f->store.stats.free_bytes = f->options.disk_free_min_bytes;
    assert_false(service(f).degraded);
}

static void a_service_is_degraded_until_its_store_takes_something_again(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");

    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
    assert_true(service(f).degraded);
    assert_true(service(f).degraded); /* asking stores nothing */
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_false(service(f).degraded);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(active_jobs_are_runs_that_hold_a_lease),
        TEST(queued_jobs_are_those_that_wait_for_a_worker),
        TEST(last_sync_is_the_end_of_the_last_completed_run),
        TEST(uptime_is_that_of_this_life),
        TEST(a_service_whose_disk_is_nearly_full_is_degraded),
        TEST(a_service_is_degraded_until_its_store_takes_something_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
