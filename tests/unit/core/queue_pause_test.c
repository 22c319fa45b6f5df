#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

static struct run run_now(struct queue_fixture *f, run_id id)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    return info.run;
}

static void pausing_something_paused_keeps_its_time(void **state)
{
    struct queue_fixture *f = *state;
    struct run_info first, second;

    (void)submitted(f, "a");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", &first), OK);
    assert_int_equal(first.run.paused_at_ms, f->clock.now_ms);
    pass(f, 5000);
    crash(f);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", &second), OK);
    assert_int_equal(second.id, first.id);
    assert_int_equal(second.run.paused_at_ms, first.run.paused_at_ms);
}

static void a_completion_that_comes_while_pausing_is_accepted(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(complete(f, held), OK);
    assert_string_equal(shown(f, id), "completed");
    assert_int_equal(run_now(f, id).paused_at_ms, 0);
}

/* A pause holds back what there is; when that is gone, nothing is paused. */
static void what_is_queued_after_a_paused_run_has_ended_runs(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(complete(f, held), OK);
    id = submitted(f, "a");
    assert_int_equal(leased(f).id, id);
    assert_int_equal(control_run(f, CONTROL_PAUSE, id, NULL), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(control_run(f, CONTROL_CANCEL, id, NULL), OK);
    pass(f, 60000);
    assert_string_equal(shown(f, id), "cancelled");
    id = submitted(f, "a");
    assert_int_equal(leased(f).id, id);
}

static void while_a_name_is_paused_its_later_runs_wait(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second;
    struct lease_name held = leased(f);
    struct assignment job;

    second = submitted(f, "a");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(complete(f, held), OK);
    assert_string_equal(shown(f, first), "completed");
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    crash(f);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(leased(f).id, second);
}

/* There is nothing about a run that is being cancelled to pause or to resume;
 * about what comes behind it there is. */
static void while_its_first_run_is_being_cancelled_a_sync_can_be_resumed(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second;
    struct lease_name held = leased(f);
    struct run_info info;

    second = submitted(f, "a");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(control(f, CONTROL_RESUME, "a", &info), OK);
    assert_int_equal(info.id, second);
    assert_int_equal(run_now(f, first).state, RUN_CANCELLING);
    assert_int_equal(release(f, held), OK);
    assert_int_equal(leased(f).id, second);
}

static void while_its_first_run_is_being_cancelled_a_sync_can_be_paused(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second;
    struct lease_name held = leased(f);
    struct assignment job;
    struct run_info info;

    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), ERR_CONFLICT);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), ERR_CONFLICT);
    second = submitted(f, "a");
    (void)submitted(f, "a");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", &info), OK);
    assert_int_equal(info.id, second);
    assert_int_equal(release(f, held), OK);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    crash(f);
    assert_string_equal(shown(f, first), "cancelled");
    assert_string_equal(shown(f, second), "paused");
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(leased(f).id, second);
}

/* A cancel that is repeated is not about the next one. */
static void a_cancel_by_name_stays_with_the_run_that_is_being_cancelled(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second;
    struct run_info info;

    (void)leased(f);
    second = submitted(f, "a");
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", &info), OK);
    assert_int_equal(info.id, first);
    assert_string_equal(shown(f, second), "queued");
}

/* After the grace the epoch moves on: late reports are stale. */
static void a_worker_that_does_not_let_go_loses_the_run_after_the_grace(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    for (int i = 0; i < 5; i++) {
        pass(f, 11000);
        assert_int_equal(heartbeat(f, held), DIRECTIVE_PAUSE_IT);
    }
    pass(f, 5000);
    assert_int_equal(run_now(f, id).state, RUN_PAUSED);
    assert_int_equal(run_now(f, id).failures, 0);
    assert_int_equal(checkpoint(f, held, "late"), ERR_STALE);
    assert_int_equal(complete(f, held), ERR_STALE);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(leased(f).epoch, held.epoch + 1);
}

static void the_grace_is_what_the_setting_says(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name held;
    run_id id;

    f->options.pause_grace_ms = 7000;
    crash(f);
    id = submitted(f, "a");
    held = leased(f);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    pass(f, 6999);
    assert_int_equal(run_now(f, id).state, RUN_PAUSING);
    assert_int_equal(checkpoint(f, held, "in time"), OK);
    pass(f, 1);
    assert_int_equal(run_now(f, id).state, RUN_PAUSED);
    assert_int_equal(release(f, held), ERR_STALE);
}

/* The grace is over with the pause: the worker, which had no reason to hurry,
 * need not be heard of in what was left of it. */
static void a_pause_that_is_taken_back_gives_the_lease_its_term_again(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name held;
    run_id id;

    f->options.pause_grace_ms = 7000;
    crash(f);
    id = submitted(f, "a");
    held = leased(f);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    pass(f, 5000);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    pass(f, 59999);
    assert_int_equal(run_now(f, id).state, RUN_ACTIVE);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_GO_ON);
    assert_int_equal(run_now(f, id).failures, 0);
}

static enum directive report(struct queue_fixture *f, enum report_kind kind, struct lease_name held)
{
    struct report_request req = { .kind = kind,
                                  .lease = held,
                                  .checkpoint = bytes_of_text("page 1") };

    assert_int_equal(ask(f, &req.base, QUEUE_REPORT), OK);
    return req.directive;
}

static void the_worker_learns_of_a_pause_from_the_answer_to_every_report(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name held;

    (void)submitted(f, "a");
    held = leased(f);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_GO_ON);
    assert_int_equal(report(f, REPORT_PROGRESS, held), DIRECTIVE_GO_ON);
    assert_int_equal(report(f, REPORT_CHECKPOINT, held), DIRECTIVE_GO_ON);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_PAUSE_IT);
    assert_int_equal(report(f, REPORT_PROGRESS, held), DIRECTIVE_PAUSE_IT);
    assert_int_equal(report(f, REPORT_CHECKPOINT, held), DIRECTIVE_PAUSE_IT);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_CANCEL_IT);
    assert_int_equal(report(f, REPORT_PROGRESS, held), DIRECTIVE_CANCEL_IT);
    assert_int_equal(report(f, REPORT_CHECKPOINT, held), DIRECTIVE_CANCEL_IT);
}

static void no_retry_of_a_paused_sync_is_handed_out(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct assignment job;

    assert_int_equal(fail_with(f, leased(f), FAILURE_TRANSIENT, NULL), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    pass(f, 3600 * 1000);
    crash(f);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(leased(f).id, id);
}

static void time_spent_paused_counts_neither_in_durations_nor_in_retries(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct run_spec spec = a_spec("a");
    struct sync_view sync;

    spec.retries_max = 0; /* the first failed attempt would be the last */
    assert_int_equal(submit(f, &spec, NULL), OK);
    for (int i = 0; i < 25; i++) { /* more than the hard cap of attempts */
        struct lease_name held = leased(f);

        pass(f, 1000);
        assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
        assert_int_equal(release(f, held), OK);
        pass(f, 3600 * 1000);
        assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    }
    pass(f, 500); /* nor does it count that it waits */
    assert_int_equal(complete(f, leased(f)), OK);
    assert_int_equal(view_sync(&view, ORG, bytes_of_text("a"), &sync, &f->why), OK);
    assert_int_equal(sync.completed, 1);
    assert_int_equal(sync.mean_duration_ms, 25000);
}

static void a_cancelled_run_ends_with_its_lease_at_the_latest(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a"), next = submitted(f, "a");
    struct lease_name held = leased(f);

    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_CANCEL_IT);
    assert_int_equal(release(f, held), OK);
    assert_string_equal(shown(f, id), "cancelled");
    held = leased(f);
    assert_int_equal(held.id, next);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    pass(f, 60000);
    assert_string_equal(shown(f, next), "cancelled");
    assert_int_equal(org_of(f).cancelled, 2);
}

static void a_pause_may_wait_until_the_worker_has_let_go(void **state)
{
    struct queue_fixture *f = *state;
    struct control_request req = {
        .verb = CONTROL_PAUSE, .org = ORG, .name = bytes_of_text("a"), .wait_ms = 30000
    };
    struct control_request again = req;
    struct lease_name held;

    (void)submitted(f, "a");
    held = leased(f);
    ask_later(f, &req.base, QUEUE_CONTROL);
    assert_false(is_answered(&req.base));
    assert_int_equal(run_now(f, held.id).state, RUN_PAUSING);
    assert_int_equal(release(f, held), OK);
    assert_true(is_answered(&req.base));
    assert_int_equal(req.info.run.state, RUN_PAUSED);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    held = leased(f);
    ask_later(f, &again.base, QUEUE_CONTROL);
    pass(f, 29999);
    assert_false(is_answered(&again.base));
    pass(f, 1);
    assert_true(is_answered(&again.base));
    assert_int_equal(again.base.result, OK);
    assert_int_equal(again.info.run.state, RUN_PAUSING);
    again.wait_ms = WAIT_MS_MAX + 1;
    assert_int_equal(ask(f, &again.base, QUEUE_CONTROL), ERR_INVALID);
}

static void a_cancel_may_wait_until_the_worker_has_let_go(void **state)
{
    struct queue_fixture *f = *state;
    struct control_request req = {
        .verb = CONTROL_CANCEL, .org = ORG, .name = bytes_of_text("a"), .wait_ms = 30000
    };
    struct lease_name held;

    (void)submitted(f, "a");
    held = leased(f);
    ask_later(f, &req.base, QUEUE_CONTROL);
    assert_false(is_answered(&req.base));
    assert_int_equal(run_now(f, held.id).state, RUN_CANCELLING);
    assert_int_equal(release(f, held), OK);
    assert_true(is_answered(&req.base));
    assert_int_equal(req.base.result, OK);
    assert_int_equal(req.info.run.state, RUN_CANCELLED);
}

static void resume_finds_a_waiting_worker_in_the_same_step(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request waiting = { .worker = &f->worker, .jobs_max = 1, .wait_ms = 30000 };
    run_id id = submitted(f, "a");
    struct run_info info;

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    ask_later(f, &waiting.base, QUEUE_LEASE);
    assert_int_equal(control(f, CONTROL_RESUME, "a", &info), OK);
    assert_int_equal(info.id, id);
    assert_int_equal(info.run.state, RUN_ACTIVE);
    assert_true(is_answered(&waiting.base));
}

/* The wait of an attempt before is over when it is over: not sooner for a new one. */
static void a_backoff_that_was_paused_away_does_not_cut_the_next_one_short(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");

    f->random.value = 9999; /* the longest waits: 5 and 10 s */
    assert_int_equal(fail_with(f, leased(f), FAILURE_TRANSIENT, NULL), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(fail_with(f, leased(f), FAILURE_TRANSIENT, NULL), OK);
    assert_int_equal(run_now(f, id).state, RUN_BACKOFF);
    pass(f, 9999);
    assert_int_equal(run_now(f, id).state, RUN_BACKOFF);
    pass(f, 1);
    assert_int_equal(run_now(f, id).state, RUN_QUEUED);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(pausing_something_paused_keeps_its_time),
        TEST(a_completion_that_comes_while_pausing_is_accepted),
        TEST(what_is_queued_after_a_paused_run_has_ended_runs),
        TEST(while_a_name_is_paused_its_later_runs_wait),
        TEST(while_its_first_run_is_being_cancelled_a_sync_can_be_resumed),
        TEST(while_its_first_run_is_being_cancelled_a_sync_can_be_paused),
        TEST(a_cancel_by_name_stays_with_the_run_that_is_being_cancelled),
        TEST(a_worker_that_does_not_let_go_loses_the_run_after_the_grace),
        TEST(the_grace_is_what_the_setting_says),
        TEST(a_pause_that_is_taken_back_gives_the_lease_its_term_again),
        TEST(the_worker_learns_of_a_pause_from_the_answer_to_every_report),
        TEST(no_retry_of_a_paused_sync_is_handed_out),
        TEST(time_spent_paused_counts_neither_in_durations_nor_in_retries),
        TEST(a_cancelled_run_ends_with_its_lease_at_the_latest),
        TEST(a_pause_may_wait_until_the_worker_has_let_go),
        TEST(a_cancel_may_wait_until_the_worker_has_let_go),
        TEST(resume_finds_a_waiting_worker_in_the_same_step),
        TEST(a_backoff_that_was_paused_away_does_not_cut_the_next_one_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
