#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

/* Purges with a filter: what they take, what they answer, and what they cost. */

static run_id ended_as(struct queue_fixture *f, const char *name, enum run_state how)
{
    run_id id = submitted(f, name);

    if (how == RUN_CANCELLED)
        assert_int_equal(control_run(f, CONTROL_CANCEL, id, NULL), OK);
    else if (how == RUN_COMPLETED)
        assert_int_equal(complete(f, leased(f)), OK);
    else
        assert_int_equal(fail_with(f, leased(f), FAILURE_FATAL, NULL), OK);
    return id;
}

static void wait_for(struct queue_fixture *f, struct purge_request *req)
{
    ask_later(f, &req->base, QUEUE_PURGE);
    for (int turn = 0; turn < 10000 && !is_answered(&req->base); turn++)
        queue_turn(f->queue);
    assert_true(is_answered(&req->base));
}

static void assert_takes(struct queue_fixture *f, struct purge_request req, uint64_t completed,
                         uint64_t failed, uint64_t cancelled)
{
    req.org = ORG;
    wait_for(f, &req);
    assert_int_equal(req.base.result, OK);
    assert_int_equal(req.completed, completed);
    assert_int_equal(req.failed, failed);
    assert_int_equal(req.cancelled, cancelled);
}

static void a_purge_by_name_takes_that_names_runs(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request by_name = { .name = bytes_of_text("a") };
    run_id done = ended_as(f, "a", RUN_COMPLETED), failed = ended_as(f, "a", RUN_FAILED);
    run_id other = ended_as(f, "b", RUN_COMPLETED), lives;

    lives = submitted(f, "a");
    assert_takes(f, by_name, 1, 1, 0);
    assert_string_equal(shown(f, done), "gone");
    assert_string_equal(shown(f, failed), "gone");
    assert_string_equal(shown(f, other), "completed");
    assert_string_equal(shown(f, lives), "queued");
    assert_takes(f, by_name, 0, 0, 0);
    assert_takes(f, (struct purge_request){ .org = ORG }, 1, 0, 0);
}

static void a_purge_by_status_takes_runs_in_that_state(void **state)
{
    struct queue_fixture *f = *state;
    const enum run_state states[] = { RUN_FAILED, RUN_CANCELLED, RUN_COMPLETED };

    for (int i = 0; i < 3; i++)
        for (int n = 0; n <= i; n++)
            (void)ended_as(f, "a", states[i]);
    assert_takes(f, (struct purge_request){ .state = RUN_FAILED }, 0, 1, 0);
    assert_takes(f, (struct purge_request){ .state = RUN_CANCELLED }, 0, 0, 2);
    assert_takes(f, (struct purge_request){ .state = RUN_CANCELLED }, 0, 0, 0);
    assert_takes(f, (struct purge_request){ .state = RUN_COMPLETED }, 3, 0, 0);
}

static void a_purge_of_what_is_older_counts_from_the_end_of_a_run(void **state)
{
    struct queue_fixture *f = *state;
    run_id slow = submitted(f, "slow"), quick;
    struct lease_name held = leased(f);
    int64_t then;

    quick = ended_as(f, "quick", RUN_COMPLETED);
    pass(f, 1000);
    then = f->clock.now_ms;
    assert_int_equal(complete(f, held), OK);
    assert_takes(f, (struct purge_request){ .older_than_ms = then }, 1, 0, 0);
    assert_string_equal(shown(f, quick), "gone");
    assert_string_equal(shown(f, slow), "completed");
    assert_takes(f, (struct purge_request){ .older_than_ms = then + 1 }, 1, 0, 0);
}

static void filters_are_taken_together(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request all = { .name = bytes_of_text("a"), .state = RUN_FAILED };
    run_id old;

    old = ended_as(f, "a", RUN_FAILED);
    (void)ended_as(f, "a", RUN_COMPLETED);
    (void)ended_as(f, "b", RUN_FAILED);
    pass(f, 10);
    all.older_than_ms = f->clock.now_ms;
    (void)ended_as(f, "a", RUN_FAILED);
    assert_takes(f, all, 0, 1, 0);
    assert_string_equal(shown(f, old), "gone");
    assert_takes(f, (struct purge_request){ .org = ORG }, 1, 2, 0);
}

static void a_dry_run_with_a_filter_only_counts(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request dry = { .name = bytes_of_text("a"), .dry_run = true };
    run_id id = ended_as(f, "a", RUN_FAILED);

    assert_takes(f, dry, 0, 1, 0);
    assert_takes(f, dry, 0, 1, 0);
    assert_string_equal(shown(f, id), "failed");
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_PURGE), 0);
}

static void a_filter_that_makes_no_sense_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request req = { .org = ORG, .name = bytes_of_text("no name") };

    assert_int_equal(ask(f, &req.base, QUEUE_PURGE), ERR_INVALID);
    assert_string_equal(f->why.field, "name");
    req = (struct purge_request){ .org = ORG, .state = RUN_ACTIVE };
    assert_int_equal(ask(f, &req.base, QUEUE_PURGE), ERR_INVALID);
    assert_string_equal(f->why.field, "status");
    req = (struct purge_request){ .org = bytes_of_text("nobody"), .state = RUN_FAILED };
    assert_int_equal(ask(f, &req.base, QUEUE_PURGE), OK);
    assert_int_equal(req.failed, 0);
}

/* A run that lived again and ended anew is one run, and is taken once. */
static void a_retried_run_is_counted_once(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request dry = { .name = bytes_of_text("a"), .dry_run = true };
    struct purge_request by_name = { .name = bytes_of_text("a") };
    run_id id = ended_as(f, "a", RUN_FAILED);

    assert_int_equal(control_run(f, CONTROL_RETRY, id, NULL), OK);
    assert_takes(f, dry, 0, 0, 0);
    assert_int_equal(fail_with(f, leased(f), FAILURE_FATAL, NULL), OK);
    assert_takes(f, dry, 0, 1, 0);
    assert_takes(f, by_name, 0, 1, 0);
    assert_takes(f, by_name, 0, 0, 0);
}

/* Retention is another matter. */
static int setup(void **state)
{
    struct queue_fixture *f;
    int status = queue_fixture_setup(state);

    f = *state;
    f->options.keep_runs = 0;
    crash(f);
    return status;
}

enum { MANY = 5 * SWEEP_RUNS_MAX };

/* So many runs that were cancelled, many a turn. */
static void cancel_many(struct queue_fixture *f, unsigned count)
{
    enum { AT_ONCE = 1000 };
    struct submit_request *submits = calloc(AT_ONCE, sizeof *submits);
    struct control_request *cancels = calloc(AT_ONCE, sizeof *cancels);

    assert_non_null(submits);
    assert_non_null(cancels);
    for (unsigned done = 0; done < count; done += AT_ONCE) {
        unsigned n = count - done < AT_ONCE ? count - done : AT_ONCE;

        for (unsigned i = 0; i < n; i++) {
            submits[i] = (struct submit_request){ .org = ORG, .spec = a_spec("a") };
            post(f, &submits[i].base, QUEUE_SUBMIT);
        }
        queue_turn(f->queue);
        for (unsigned i = 0; i < n; i++) {
            assert_int_equal(submits[i].base.result, OK);
            cancels[i] = (struct control_request){ .org = ORG,
                                                   .verb = CONTROL_CANCEL,
                                                   .id = submits[i].info.id };
            post(f, &cancels[i].base, QUEUE_CONTROL);
        }
        queue_turn(f->queue);
        arena_reset(f->mem);
    }
    free(submits);
    free(cancels);
}

static void other_requests_are_served_while_a_purge_goes_on(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request req = { .org = ORG, .state = RUN_CANCELLED };
    run_id between;

    cancel_many(f, MANY);
    ask_later(f, &req.base, QUEUE_PURGE);
    assert_false(is_answered(&req.base));
    between = submitted(f, "b");
    assert_int_equal(control_run(f, CONTROL_CANCEL, between, NULL), OK);
    assert_false(is_answered(&req.base));
    while (!is_answered(&req.base))
        queue_turn(f->queue);
    assert_int_equal(req.cancelled, MANY);
    assert_string_equal(shown(f, between), "cancelled"); /* it ended after the call */
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_PURGE), 0);
}

static void two_purges_at_a_time_count_each_run_once(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request reqs[2] = { { .org = ORG, .state = RUN_CANCELLED },
                                     { .org = ORG, .name = bytes_of_text("a") } };

    cancel_many(f, MANY);
    for (int i = 0; i < 2; i++)
        post(f, &reqs[i].base, QUEUE_PURGE);
    while (!is_answered(&reqs[0].base) || !is_answered(&reqs[1].base))
        queue_turn(f->queue);
    assert_int_equal(reqs[0].cancelled + reqs[1].cancelled, MANY);
}

static void a_purge_of_everything_ends_those_with_a_filter(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request req = { .org = ORG, .state = RUN_CANCELLED }, all = { .org = ORG };

    cancel_many(f, MANY);
    ask_later(f, &req.base, QUEUE_PURGE);
    assert_int_equal(ask(f, &all.base, QUEUE_PURGE), OK);
    while (!is_answered(&req.base))
        queue_turn(f->queue);
    assert_int_equal(req.cancelled + all.cancelled, MANY);
}

static void so_many_purges_may_be_under_way(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request *reqs = calloc(PURGES_MAX + 1, sizeof *reqs);

    assert_non_null(reqs);
    (void)ended_as(f, "a", RUN_CANCELLED);
    for (int i = 0; i <= PURGES_MAX; i++) {
        reqs[i] = (struct purge_request){ .org = ORG, .state = RUN_CANCELLED };
        post(f, &reqs[i].base, QUEUE_PURGE);
    }
    queue_turn(f->queue);
    assert_true(is_answered(&reqs[PURGES_MAX].base));
    assert_int_equal(reqs[PURGES_MAX].base.result, ERR_LIMIT);
    for (int turn = 1; turn < PURGES_MAX; turn++)
        queue_turn(f->queue);
    for (int i = 0; i < PURGES_MAX; i++)
        assert_true(is_answered(&reqs[i].base));
    assert_takes(f, reqs[PURGES_MAX], 0, 0, 0);
    free(reqs);
}

static void a_crash_does_not_leave_half_a_purge(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request req = { .org = ORG, .state = RUN_CANCELLED };

    cancel_many(f, MANY);
    ask_later(f, &req.base, QUEUE_PURGE);
    assert_false(is_answered(&req.base));
    crash(f);
    assert_int_equal(req.base.result, ERR_UNCERTAIN);
    while (queue_turn(f->queue) == 0)
        continue;
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_ENDED), 0);
    assert_takes(f, req, 0, 0, 0);
}

static void a_purge_goes_on_after_the_store_has_failed(void **state)
{
    struct queue_fixture *f = *state;
    struct fault *faults[] = { &f->store.get, &f->store.scan, &f->store.commit };

    for (int i = 0; i < 3; i++) {
        struct purge_request req = { .org = ORG, .state = RUN_CANCELLED };

        cancel_many(f, MANY);
        ask_later(f, &req.base, QUEUE_PURGE);
        fault_arm(faults[i], 1, ERR_UNAVAILABLE);
        while (!is_answered(&req.base))
            queue_turn(f->queue);
        assert_int_equal(req.base.result, OK);
        assert_int_equal(req.cancelled, MANY);
    }
}

static void a_purge_whose_order_is_not_stored_has_not_begun(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request req = { .org = ORG, .state = RUN_CANCELLED };

    cancel_many(f, MANY);
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(ask(f, &req.base, QUEUE_PURGE), ERR_UNAVAILABLE);
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_ENDED), MANY);
    assert_takes(f, req, 0, 0, MANY);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { VERY_MANY = 20000 };
#else
enum { VERY_MANY = 200000 };
#endif

/* Reads of the store in the dearest turn, until the request is answered. */
static unsigned dearest_turn(struct queue_fixture *f, struct purge_request *req, unsigned *turns)
{
    unsigned dearest = 0;

    post(f, &req->base, QUEUE_PURGE);
    for (*turns = 0; !is_answered(&req->base); ++*turns) {
        unsigned before = f->store.get.calls + f->store.scan.calls, cost;

        queue_turn(f->queue);
        cost = f->store.get.calls + f->store.scan.calls - before;
        dearest = cost > dearest ? cost : dearest;
    }
    return dearest;
}

static void no_turn_of_a_large_purge_does_more_than_its_piece(void **state)
{
    enum { PIECE = 2 * SWEEP_RUNS_MAX + 16 };
    struct queue_fixture *f = *state;
    struct purge_request nothing = { .org = ORG, .state = RUN_FAILED };
    struct purge_request old = { .org = ORG, .older_than_ms = FIXTURE_START_MS };
    struct purge_request named = { .org = ORG, .name = bytes_of_text("a") };
    struct purge_request all = { .org = ORG };
    unsigned turns;

    cancel_many(f, VERY_MANY);
    assert_true(dearest_turn(f, &nothing, &turns) < 16); /* what is spared costs nothing */
    assert_int_equal(turns, 1);
    assert_true(dearest_turn(f, &old, &turns) < 16);
    assert_true(turns <= 2 + VERY_MANY / 10000);
    assert_true(dearest_turn(f, &named, &turns) <= PIECE);
    assert_int_equal(named.cancelled, VERY_MANY);
    assert_true(turns <= VERY_MANY / SWEEP_RUNS_MAX + 2);
    cancel_many(f, VERY_MANY / 10);
    assert_true(dearest_turn(f, &all, &turns) < 16);
    assert_int_equal(turns, 1);
    assert_int_equal(all.cancelled, VERY_MANY / 10);
    for (int64_t due = 0; due == 0;) {
        unsigned before = f->store.get.calls + f->store.scan.calls;

        due = queue_turn(f->queue);
        assert_true(f->store.get.calls + f->store.scan.calls - before < 16);
    }
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_ENDED), 0);
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_SPEC), 0);
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_ENDINGS), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_purge_by_name_takes_that_names_runs),
        TEST(a_purge_by_status_takes_runs_in_that_state),
        TEST(a_purge_of_what_is_older_counts_from_the_end_of_a_run),
        TEST(filters_are_taken_together),
        TEST(a_dry_run_with_a_filter_only_counts),
        TEST(a_filter_that_makes_no_sense_is_refused),
        TEST(a_retried_run_is_counted_once),
        TEST(other_requests_are_served_while_a_purge_goes_on),
        TEST(two_purges_at_a_time_count_each_run_once),
        TEST(a_purge_of_everything_ends_those_with_a_filter),
        TEST(so_many_purges_may_be_under_way),
        TEST(a_crash_does_not_leave_half_a_purge),
        TEST(a_purge_goes_on_after_the_store_has_failed),
        TEST(a_purge_whose_order_is_not_stored_has_not_begun),
        TEST(no_turn_of_a_large_purge_does_more_than_its_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
