#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

static int64_t lease_left(struct queue_fixture *f, run_id id)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    return info.lease_left_ms;
}

static void a_failed_turn_leaves_leases_with_a_fresh_term(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct run_spec spec = a_spec("b");
    struct lease_name held = leased(f);

    pass(f, 50000);
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
    assert_int_equal(lease_left(f, id), 60000);
    pass(f, 59999);
    assert_string_equal(shown(f, id), "active");
    assert_int_equal(heartbeat(f, held), DIRECTIVE_GO_ON);
    pass(f, 60000);
    assert_string_equal(shown(f, id), "queued");
}

static void a_restart_gives_every_lease_a_fresh_term(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");

    (void)leased(f);
    pass(f, 50000);
    crash(f);
    assert_int_equal(lease_left(f, id), 60000);
    pass(f, 59999);
    assert_string_equal(shown(f, id), "active");
    pass(f, 1);
    assert_string_equal(shown(f, id), "queued");
}

static void after_a_failed_turn_a_connected_worker_is_still_pushed_to(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct run_spec spec = a_spec("b");

    (void)leased(f);
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
    assert_int_equal(f->worker.held, 1);
    assert_int_equal(f->pushes, 0);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(f->pushes, 1);
    assert_int_equal(f->pushed_run, id);
    assert_int_equal(f->pushed, DIRECTIVE_PAUSE_IT);
}

static void a_pause_that_waits_goes_on_waiting_when_a_later_turn_fails(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct control_request req = {
        .verb = CONTROL_PAUSE, .org = ORG, .name = bytes_of_text("a"), .wait_ms = 30000
    };
    struct run_spec spec = a_spec("b");
    struct lease_name held = leased(f);

    ask_later(f, &req.base, QUEUE_CONTROL);
    assert_false(is_answered(&req.base));
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
    assert_false(is_answered(&req.base));
    assert_string_equal(shown(f, id), "paused");
    assert_int_equal(release(f, held), OK);
    assert_true(is_answered(&req.base));
    assert_int_equal(req.base.result, OK);
    assert_int_equal(req.info.run.state, RUN_PAUSED);
}

/* It was accepted and is stored: no error may say otherwise. */
static void a_pause_that_waits_is_told_that_it_is_done_when_the_store_fails(void **state)
{
    struct queue_fixture *f = *state;
    struct control_request req = {
        .verb = CONTROL_PAUSE, .org = ORG, .name = bytes_of_text("a"), .wait_ms = 30000
    };
    struct run_spec spec = a_spec("b");

    (void)submitted(f, "a");
    (void)leased(f);
    ask_later(f, &req.base, QUEUE_CONTROL);
    fault_arm(&f->store.commit, 1, ERR_UNCERTAIN);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNCERTAIN);
    queue_turn(f->queue);
    assert_true(is_answered(&req.base));
    assert_int_equal(req.base.result, OK);
    assert_int_equal(req.info.run.state, RUN_PAUSING);
}

/* Whatever a request's memory held before it was posted. */
static void a_pause_that_waits_from_this_turn_fails_with_it(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct control_request req = { .base.result = ERR_INVALID,
                                   .turn = 0,
                                   .verb = CONTROL_PAUSE,
                                   .org = ORG,
                                   .name = bytes_of_text("a"),
                                   .wait_ms = 30000 };

    (void)leased(f);
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    ask_later(f, &req.base, QUEUE_CONTROL);
    assert_true(is_answered(&req.base));
    assert_int_equal(req.base.result, ERR_UNAVAILABLE);
    assert_string_equal(shown(f, id), "active");
}

/* In the failed turn the lease was over, or another's: the worker must not be
 * told so. */
static void a_heartbeat_in_a_failed_turn_says_nothing(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);
    struct report_request done = { .kind = REPORT_COMPLETE, .lease = held };
    struct heartbeat_request beat = { .leases = &held, .count = 1 };

    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    post(f, &done.base, QUEUE_REPORT);
    ask_later(f, &beat.base, QUEUE_HEARTBEAT);
    assert_int_equal(done.base.result, ERR_UNAVAILABLE);
    assert_int_equal(beat.base.result, ERR_UNAVAILABLE);
    assert_string_equal(shown(f, id), "active");
    assert_int_equal(heartbeat(f, held), DIRECTIVE_GO_ON);
}

static void a_store_that_cannot_be_read_for_a_while_stops_nothing_for_good(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct run_spec spec = a_spec("b");

    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    fault_arm(&f->store.scan, 1, ERR_UNAVAILABLE);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
    fault_arm(&f->store.scan, 1, ERR_UNAVAILABLE);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(leased(f).id, id);
}

static void a_worker_can_leave_a_queue_that_has_stopped(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("b");

    (void)submitted(f, "a");
    (void)leased(f);
    fault_arm(&f->store.commit, 1, ERR_UNCERTAIN);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNCERTAIN);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
    assert_int_equal(leave(f, &f->worker), OK);
    assert_false(f->worker.joined);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_failed_turn_leaves_leases_with_a_fresh_term),
        TEST(a_restart_gives_every_lease_a_fresh_term),
        TEST(after_a_failed_turn_a_connected_worker_is_still_pushed_to),
        TEST(a_pause_that_waits_goes_on_waiting_when_a_later_turn_fails),
        TEST(a_pause_that_waits_is_told_that_it_is_done_when_the_store_fails),
        TEST(a_pause_that_waits_from_this_turn_fails_with_it),
        TEST(a_heartbeat_in_a_failed_turn_says_nothing),
        TEST(a_store_that_cannot_be_read_for_a_while_stops_nothing_for_good),
        TEST(a_worker_can_leave_a_queue_that_has_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
