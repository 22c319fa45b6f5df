#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

/* How long ended runs are kept. */

static const int64_t DAY_MS = 24 * 3600 * 1000;

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

/* Time passes, and the background's work is done. */
static void pass_all(struct queue_fixture *f, int64_t ms)
{
    pass(f, ms);
    while (queue_turn(f->queue) == 0)
        continue;
}

static uint64_t purged(struct queue_fixture *f)
{
    uint64_t completed, failed, cancelled;

    assert_int_equal(purge(f, &completed, &failed, &cancelled), OK);
    return completed + failed + cancelled;
}

static void completed_runs_are_kept_for_seven_days_and_failed_ones_for_thirty(void **state)
{
    struct queue_fixture *f = *state;
    run_id done = ended_as(f, "a", RUN_COMPLETED), failed = ended_as(f, "b", RUN_FAILED);
    run_id cancelled = ended_as(f, "c", RUN_CANCELLED), later;

    pass_all(f, DAY_MS);
    later = ended_as(f, "a", RUN_COMPLETED);
    pass_all(f, 6 * DAY_MS - 1);
    assert_string_equal(shown(f, done), "completed");
    assert_string_equal(shown(f, cancelled), "cancelled");
    pass_all(f, 1);
    assert_string_equal(shown(f, done), "gone");
    assert_string_equal(shown(f, cancelled), "gone");
    assert_string_equal(shown(f, later), "completed");
    assert_string_equal(shown(f, failed), "failed");
    crash(f);
    pass_all(f, DAY_MS);
    assert_string_equal(shown(f, later), "gone");
    pass_all(f, 22 * DAY_MS - 1);
    assert_string_equal(shown(f, failed), "failed");
    pass_all(f, 1);
    assert_string_equal(shown(f, failed), "gone");
    assert_int_equal(purged(f), 0);
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_SPEC), 0);
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_ENDINGS), 0);
}

static void lifetime_counters_do_not_change(void **state)
{
    struct queue_fixture *f = *state;
    struct org_view org;

    (void)ended_as(f, "a", RUN_COMPLETED);
    (void)ended_as(f, "a", RUN_FAILED);
    pass_all(f, 31 * DAY_MS);
    org = org_of(f);
    assert_int_equal(org.completed, 1);
    assert_int_equal(org.failed, 1);
}

static void a_run_that_lives_again_is_not_taken(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = ended_as(f, "a", RUN_FAILED);

    pass_all(f, 29 * DAY_MS);
    assert_int_equal(control_run(f, CONTROL_RETRY, id, NULL), OK);
    pass_all(f, 2 * DAY_MS);
    assert_string_equal(shown(f, id), "queued");
    assert_int_equal(fail_with(f, leased(f), FAILURE_FATAL, NULL), OK);
    pass_all(f, 30 * DAY_MS - 1);
    assert_string_equal(shown(f, id), "failed");
    pass_all(f, 1);
    assert_string_equal(shown(f, id), "gone");
}

static void a_thousand_completed_runs_of_a_name_are_kept(void **state)
{
    struct queue_fixture *f = *state;
    run_id ids[1100], failed, other;

    failed = ended_as(f, "a", RUN_FAILED);
    other = ended_as(f, "b", RUN_COMPLETED);
    for (int i = 0; i < 1100; i++) {
        ids[i] = ended_as(f, "a", i % 3 == 0 ? RUN_CANCELLED : RUN_COMPLETED);
        arena_reset(f->mem);
    }
    for (int i = 0; i < 1000; i++)
        assert_string_not_equal(shown(f, ids[1099 - i]), "gone");
    assert_string_equal(shown(f, ids[0]), "gone");
    assert_string_equal(shown(f, ids[1100 - 1000 - 2 * HISTORY_CHUNK_RUNS]), "gone");
    assert_string_equal(shown(f, failed), "failed");
    assert_string_equal(shown(f, other), "completed");
    assert_in_range(purged(f), 1002, 1002 + 2 * HISTORY_CHUNK_RUNS);
}

/* What an organisation has of its own goes before the server's settings. */
static void an_organisation_may_keep_less_or_more(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request put = {
        .org = ORG,
        .limits = { .keep_completed_ms = DAY_MS, .keep_failed_ms = 60 * DAY_MS, .keep_runs = 20 }
    };
    run_id done = ended_as(f, "a", RUN_COMPLETED), failed = ended_as(f, "a", RUN_FAILED);

    pass_all(f, 2 * DAY_MS);
    assert_int_equal(ask(f, &put.base, QUEUE_PUT_ORG), OK);
    assert_int_equal(org_of(f).limits.keep_runs, 20);
    pass_all(f, 0);
    assert_string_equal(shown(f, done), "gone");
    crash(f);
    pass_all(f, 40 * DAY_MS);
    assert_string_equal(shown(f, failed), "failed");
    for (int i = 0; i < 100; i++)
        (void)ended_as(f, "a", RUN_COMPLETED);
    assert_in_range(purged(f), 21, 21 + 2 * HISTORY_CHUNK_RUNS);
    put.limits.keep_failed_ms = -1;
    assert_int_equal(ask(f, &put.base, QUEUE_PUT_ORG), ERR_INVALID);
}

static void nothing_goes_where_retention_is_off(void **state)
{
    struct queue_fixture *f = *state;
    run_id first;

    f->options.keep_completed_ms = f->options.keep_failed_ms = f->options.keep_runs = 0;
    crash(f);
    first = ended_as(f, "a", RUN_COMPLETED);
    for (int i = 0; i < 100; i++)
        (void)ended_as(f, "a", RUN_COMPLETED);
    pass_all(f, 1000 * DAY_MS);
    assert_string_equal(shown(f, first), "completed");
}

/* Also when many are due at once, and the machine stops in the middle. */
static void a_turn_takes_no_more_than_its_piece(void **state)
{
    enum { RUNS = 3 * SWEEP_RUNS_MAX };
    struct queue_fixture *f = *state;
    size_t kept = RUNS;

    for (int i = 0; i < RUNS; i++) {
        (void)ended_as(f, "a", RUN_FAILED);
        arena_reset(f->mem);
    }
    fake_clock_advance(&f->clock, 30 * DAY_MS);
    for (int turn = 0; kept > 0; turn++) {
        size_t before = kept;

        assert_true(turn < 20);
        queue_turn(f->queue);
        kept = fake_store_count_of(&f->store, FAMILY_ENDED);
        assert_true(before - kept <= SWEEP_RUNS_MAX);
        if (turn == 2)
            crash(f);
        fault_arm(&f->store.commit, turn == 4 ? 1 : 0, ERR_UNAVAILABLE);
    }
    queue_check(f->queue);
}

/* Runs that were purged are not looked for again and again. */
static void purges_and_retention_do_not_disturb_each_other(void **state)
{
    struct queue_fixture *f = *state;
    run_id kept;

    for (int i = 0; i < 40; i++)
        (void)ended_as(f, "a", RUN_COMPLETED);
    assert_int_equal(purged(f), 40);
    kept = ended_as(f, "a", RUN_COMPLETED);
    pass_all(f, 7 * DAY_MS - 1);
    assert_string_equal(shown(f, kept), "completed");
    queue_check(f->queue);
    pass_all(f, 1);
    assert_string_equal(shown(f, kept), "gone");
    assert_int_equal(purged(f), 0);
    queue_check(f->queue);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(completed_runs_are_kept_for_seven_days_and_failed_ones_for_thirty),
        TEST(lifetime_counters_do_not_change),
        TEST(a_run_that_lives_again_is_not_taken),
        TEST(a_thousand_completed_runs_of_a_name_are_kept),
        TEST(an_organisation_may_keep_less_or_more),
        TEST(nothing_goes_where_retention_is_off),
        TEST(a_turn_takes_no_more_than_its_piece),
        TEST(purges_and_retention_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
