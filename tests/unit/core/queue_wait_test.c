#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

/* Why a run waits, as every answer tells it. */

static enum wait_reason in_list(struct queue_fixture *f, run_id id)
{
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct run_filter filter = { .live = true };
    struct run_info *runs;
    uint32_t count;
    run_id next;

    assert_int_equal(view_runs(&view, ORG, &filter, 200, &runs, &count, &next, &f->why), OK);
    for (uint32_t i = 0; i < count; i++)
        if (runs[i].id == id)
            return runs[i].wait;
    return WAIT_NONE;
}

static void assert_waits(struct queue_fixture *f, run_id id, enum wait_reason reason)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    assert_int_equal(info.wait, reason);
    assert_int_equal(in_list(f, id), reason);
}

static void a_job_that_is_free_to_go_waits_for_its_turn(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("products");
    struct run_info info;

    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.wait, WAIT_TURN);
    assert_waits(f, info.id, WAIT_TURN);
    (void)leased(f);
    assert_waits(f, info.id, WAIT_NONE);
}

static void a_job_that_no_worker_can_do_says_so(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("products");
    struct run_info info;

    assert_int_equal(leave(f, &f->worker), OK);
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.wait, WAIT_NO_WORKER);
    assert_int_equal(info.estimated_start_ms, 0);
    assert_waits(f, info.id, WAIT_NO_WORKER);
    assert_int_equal(join(f, &f->worker), OK);
    assert_waits(f, info.id, WAIT_TURN);
}

static void a_worker_that_leases_call_by_call_is_not_missed_between_two_calls(void **state)
{
    struct queue_fixture *f = *state;
    struct worker simple = f->worker;
    run_id id = submitted(f, "products");

    assert_int_equal(leave(f, &f->worker), OK);
    simple.joined = false;
    simple.push = NULL;
    simple.link = simple.leases = (struct link){ 0 };
    assert_int_equal(join(f, &simple), OK);
    assert_int_equal(leave(f, &simple), OK);
    assert_waits(f, id, WAIT_TURN);
    pass(f, 59 * 1000);
    assert_waits(f, id, WAIT_TURN);
    pass(f, 2 * 1000);
    assert_waits(f, id, WAIT_NO_WORKER);
}

static void a_paused_job_waits_for_that(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "products");
    struct run_spec spec = a_spec("products");
    struct run_info info;

    assert_int_equal(control(f, CONTROL_PAUSE, "products", &info), OK);
    assert_int_equal(info.wait, WAIT_PAUSED);
    assert_waits(f, id, WAIT_PAUSED);
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.wait, WAIT_PAUSED); /* all of its name are */
    assert_int_equal(control(f, CONTROL_RESUME, "products", &info), OK);
    assert_int_equal(info.wait, WAIT_TURN);
    assert_waits(f, id, WAIT_TURN);
}

static void a_later_job_of_a_name_waits_for_the_earlier_one(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("products");
    struct lease_name first;
    struct run_info info;

    (void)submitted(f, "products");
    first = leased(f);
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.wait, WAIT_EARLIER_RUN);
    assert_waits(f, info.id, WAIT_EARLIER_RUN);
    assert_int_equal(complete(f, first), OK);
    assert_waits(f, info.id, WAIT_TURN);
}

static void a_job_of_an_organisation_at_its_limit_waits_for_that(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request req = { .org = ORG, .limits = { .max_active = 1 } };
    struct run_spec spec = a_spec("orders");
    struct lease_name first;
    struct run_info info;

    assert_int_equal(ask(f, &req.base, QUEUE_PUT_ORG), OK);
    (void)submitted(f, "products");
    first = leased(f);
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.wait, WAIT_LIMIT);
    assert_waits(f, info.id, WAIT_LIMIT);
    assert_int_equal(complete(f, first), OK);
    assert_waits(f, info.id, WAIT_TURN);
}

static void a_job_that_failed_waits_for_its_next_attempt(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "products");
    bool again;

    assert_int_equal(fail_with(f, leased(f), FAILURE_TRANSIENT, &again), OK);
    assert_true(again);
    assert_waits(f, id, WAIT_BACKOFF);
    pass(f, 60 * 1000);
    assert_waits(f, id, WAIT_TURN);
}

static void a_scheduled_job_waits_for_its_time(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("nightly");
    struct run_info info;

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.start_at_ms = FIXTURE_START_MS + 3600 * 1000;
    spec.schedule.repeat = REPEAT_NONE;
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.wait, WAIT_SCHEDULE);
    assert_int_equal(info.estimated_start_ms, FIXTURE_START_MS + 3600 * 1000);
    assert_waits(f, info.id, WAIT_SCHEDULE);
}

/* The fixture's worker, with one slot. */
static void work_one_by_one(struct queue_fixture *f)
{
    f->worker.slots = 1;
    board_worker_held(f->board, &f->worker);
}

static void work_for_ten_seconds(struct queue_fixture *f)
{
    struct lease_name name = leased(f);

    pass(f, 10 * 1000);
    assert_int_equal(complete(f, name), OK);
}

static void after_a_restart_the_backlog_is_still_ahead(void **state)
{
    struct queue_fixture *f = *state;
    struct run_info info;
    run_id last = 0;

    work_one_by_one(f);
    for (int i = 0; i < 21; i++)
        last = submitted(f, (const char[]){ (char)('a' + i), '\0' });
    crash(f);
    work_one_by_one(f);
    work_for_ten_seconds(f);
    assert_int_equal(get_run(f, last, &info), OK);
    assert_in_range(info.estimated_start_ms - f->clock.now_ms, 170 * 1000, 200 * 1000);
    work_for_ten_seconds(f);
    assert_int_equal(get_run(f, last, &info), OK);
    assert_in_range(info.estimated_start_ms - f->clock.now_ms, 160 * 1000, 190 * 1000);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_that_is_free_to_go_waits_for_its_turn),
        TEST(a_job_that_no_worker_can_do_says_so),
        TEST(a_worker_that_leases_call_by_call_is_not_missed_between_two_calls),
        TEST(a_paused_job_waits_for_that),
        TEST(a_later_job_of_a_name_waits_for_the_earlier_one),
        TEST(a_job_of_an_organisation_at_its_limit_waits_for_that),
        TEST(a_job_that_failed_waits_for_its_next_attempt),
        TEST(a_scheduled_job_waits_for_its_time),
        TEST(after_a_restart_the_backlog_is_still_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
