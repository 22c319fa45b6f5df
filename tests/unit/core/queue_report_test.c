#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

static struct run run_now(struct queue_fixture *f, run_id id)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    return info.run;
}

static void another_epoch_is_stale(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name held, old, wrong;

    (void)submitted(f, "a");
    old = leased(f);
    pass(f, 60000);
    pass(f, 5001);
    held = leased(f);
    assert_int_equal(held.epoch, old.epoch + 1);
    wrong = (struct lease_name){ held.id, held.epoch + 1 };
    assert_int_equal(heartbeat(f, old), DIRECTIVE_NONE);
    assert_int_equal(progress(f, old, 1, 2), ERR_STALE);
    assert_int_equal(checkpoint(f, old, "x"), ERR_STALE);
    assert_int_equal(complete(f, old), ERR_STALE);
    assert_int_equal(fail_with(f, old, FAILURE_TRANSIENT, NULL), ERR_STALE);
    assert_int_equal(release(f, old), ERR_STALE);
    assert_int_equal(complete(f, wrong), ERR_STALE);
    assert_int_equal(run_now(f, held.id).checkpointed, false);
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(complete(f, held), ERR_STALE);
}

static void a_heartbeat_names_the_leases_that_are_lost(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name names[4];
    struct heartbeat_request req = { .leases = names, .count = 4 };

    (void)submitted(f, "a");
    (void)submitted(f, "b");
    (void)submitted(f, "c");
    for (int i = 0; i < 3; i++)
        names[i] = leased(f);
    names[3] = (struct lease_name){ names[2].id + 4096, 1 };
    assert_int_equal(complete(f, names[0]), OK);
    assert_int_equal(control_run(f, CONTROL_PAUSE, names[1].id, NULL), OK);
    assert_int_equal(ask(f, &req.base, QUEUE_HEARTBEAT), OK);
    assert_int_equal(req.directives[0], DIRECTIVE_NONE);
    assert_int_equal(req.directives[1], DIRECTIVE_PAUSE_IT);
    assert_int_equal(req.directives[2], DIRECTIVE_GO_ON);
    assert_int_equal(req.directives[3], DIRECTIVE_NONE);
    req.count = HEARTBEAT_LEASES_MAX + 1;
    assert_int_equal(ask(f, &req.base, QUEUE_HEARTBEAT), ERR_INVALID);
}

static void any_report_renews_the_lease(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);

    pass(f, 59999);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_GO_ON);
    pass(f, 59999);
    assert_int_equal(progress(f, held, 1, 10), OK);
    pass(f, 59999);
    assert_int_equal(checkpoint(f, held, "x"), OK);
    pass(f, 59999);
    assert_string_equal(shown(f, id), "active");
    pass(f, 1);
    assert_string_equal(shown(f, id), "queued");
}

/* A lease is judged by the monotonic clock alone. */
static void a_change_of_the_time_of_day_ends_no_lease(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);

    f->clock.now_ms += INT64_C(86400000) * 365;
    pass(f, 59999);
    assert_string_equal(shown(f, id), "active");
    f->clock.now_ms -= INT64_C(86400000) * 700;
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(run_now(f, id).worked_ms, 0);
}

static void fail_once(struct queue_fixture *f, enum failure_class failure, bool *again)
{
    assert_int_equal(fail_with(f, leased(f), failure, again), OK);
    pass(f, 15 * 60 * 1000);
}

static void a_transient_failure_is_retried_until_the_budget_is_used_up(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    bool again;

    for (int i = 0; i < 3; i++) {
        fail_once(f, FAILURE_TRANSIENT, &again);
        assert_true(again);
    }
    fail_once(f, FAILURE_TRANSIENT, &again);
    assert_false(again);
    assert_string_equal(shown(f, id), "failed");
    assert_int_equal(run_now(f, id).failures, 4);
    assert_int_equal(run_now(f, id).error_class, FAILURE_TRANSIENT);
    assert_true(bytes_equal(run_now(f, id).error, bytes_of_text("it broke")));
    assert_int_equal(org_of(f).failed, 1);
}

static void the_budget_counts_attempts_without_a_newer_checkpoint(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    char text[2] = "a";
    bool again;

    for (int i = 0; i < 10; i++, text[0]++) {
        struct lease_name held = leased(f);

        assert_int_equal(checkpoint(f, held, text), OK);
        assert_int_equal(fail_with(f, held, FAILURE_TRANSIENT, &again), OK);
        assert_true(again);
        pass(f, 15 * 60 * 1000);
    }
    for (int i = 0; i < 4; i++) {
        struct lease_name held = leased(f);

        assert_int_equal(checkpoint(f, held, "j"), OK); /* the same one is no progress */
        assert_int_equal(fail_with(f, held, FAILURE_TRANSIENT, &again), OK);
        pass(f, 15 * 60 * 1000);
    }
    assert_false(again);
    assert_string_equal(shown(f, id), "failed");
}

static void twenty_attempts_are_the_end_whatever_the_checkpoints(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    char text[2] = "a";
    bool again = true;
    int attempts = 0;

    for (; again; attempts++, text[0]++) {
        struct lease_name held = leased(f);

        assert_int_equal(checkpoint(f, held, text), OK);
        assert_int_equal(fail_with(f, held, FAILURE_TRANSIENT, &again), OK);
        pass(f, 15 * 60 * 1000);
    }
    assert_int_equal(attempts, 20);
    assert_string_equal(shown(f, id), "failed");
}

static void config_and_fatal_failures_are_not_retried(void **state)
{
    struct queue_fixture *f = *state;
    enum failure_class classes[] = { FAILURE_CONFIG, FAILURE_FATAL };
    bool again;

    for (int i = 0; i < 2; i++) {
        run_id id = submitted(f, "a");

        fail_once(f, classes[i], &again);
        assert_false(again);
        assert_string_equal(shown(f, id), "failed");
        assert_int_equal(run_now(f, id).error_class, classes[i]);
    }
}

static run_id submitted_with_retries(struct queue_fixture *f, bool on_fail, uint32_t max)
{
    struct run_spec spec = a_spec("a");
    struct run_info info;

    spec.retry_on_fail = on_fail;
    spec.retries_max = max;
    assert_int_equal(submit(f, &spec, &info), OK);
    return info.id;
}

static void retry_on_fail_false_wins(void **state)
{
    struct queue_fixture *f = *state;
    bool again;

    (void)submitted_with_retries(f, false, 100);
    fail_once(f, FAILURE_TRANSIENT, &again);
    assert_false(again);
}

static void max_retries_zero_means_none(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name held;
    bool again;

    (void)submitted_with_retries(f, true, 0);
    held = leased(f);
    assert_int_equal(checkpoint(f, held, "x"), OK);
    assert_int_equal(fail_with(f, held, FAILURE_TRANSIENT, &again), OK);
    assert_false(again);
}

/* It waits as long as the worker says, and costs no retry. */
static void rate_limited_costs_nothing(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted_with_retries(f, false, 0);
    struct assignment job;
    bool again;

    for (int i = 0; i < 40; i++) {
        assert_int_equal(fail_with(f, leased(f), FAILURE_RATE_LIMITED, &again), OK);
        assert_true(again);
        assert_int_equal(run_now(f, id).not_before_ms, f->clock.now_ms + 7000);
        pass(f, 6999);
        assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
        pass(f, 1);
    }
    assert_int_equal(run_now(f, id).failures, 0);
}

static void rate_limited_without_a_delay_waits_a_second(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct report_request req = { .kind = REPORT_FAIL, .failure = FAILURE_RATE_LIMITED };
    struct assignment job;

    req.lease = leased(f);
    assert_int_equal(ask(f, &req.base, QUEUE_REPORT), OK);
    assert_int_equal(req.not_before_ms, f->clock.now_ms + 1000);
    pass(f, 999);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    pass(f, 1);
    assert_int_equal(leased(f).id, id);
}

static void a_backoff_doubles_from_five_seconds_to_fifteen_minutes(void **state)
{
    struct queue_fixture *f = *state;
    int64_t bound = 5000;
    run_id id = submitted_with_retries(f, true, 100);

    for (int i = 0; i < 12; i++) {
        f->random.value = (uint64_t)bound - 1; /* the longest wait */
        assert_int_equal(fail_with(f, leased(f), FAILURE_TRANSIENT, NULL), OK);
        assert_int_equal(run_now(f, id).not_before_ms, f->clock.now_ms + bound);
        crash(f);
        pass(f, bound - 1);
        assert_int_equal(run_now(f, id).state, RUN_BACKOFF);
        pass(f, 1);
        assert_int_equal(run_now(f, id).state, RUN_QUEUED);
        bound = bound * 2 < 900000 ? bound * 2 : 900000;
    }
}

static void expire(struct queue_fixture *f)
{
    (void)leased(f);
    pass(f, 60000);
    pass(f, 15 * 60 * 1000);
}

static void five_expiries_in_a_row_fail_the_run(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted_with_retries(f, true, 100);

    for (int i = 0; i < 4; i++)
        expire(f);
    assert_string_equal(shown(f, id), "queued");
    expire(f);
    assert_string_equal(shown(f, id), "failed");
    assert_int_equal(run_now(f, id).error_class, FAILURE_LEASE_EXPIRED);
}

static void a_worker_that_was_heard_of_breaks_the_row_of_expiries(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted_with_retries(f, true, 100);

    for (int i = 0; i < 4; i++)
        expire(f);
    fail_once(f, FAILURE_TRANSIENT, NULL);
    for (int i = 0; i < 4; i++)
        expire(f);
    assert_int_equal(release(f, leased(f)), OK);
    for (int i = 0; i < 4; i++)
        expire(f);
    assert_string_equal(shown(f, id), "queued");
    expire(f);
    assert_string_equal(shown(f, id), "failed");
}

static void progress_costs_at_most_a_write_a_second(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);
    uint64_t before = f->store.stats.commits;

    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(progress(f, held, i, 200), OK);
        fake_clock_advance(&f->clock, 9);
    }
    assert_true(f->store.stats.commits - before <= 2);
    pass(f, 1000);
    assert_int_equal(run_now(f, id).progress, 50);
    assert_true(f->store.stats.commits - before <= 3);
}

static void progress_never_falls_and_stays_below_a_hundred(void **state)
{
    struct queue_fixture *f = *state;
    uint64_t done[] = { 0, 10, 50, 30, 200, 100 };
    int32_t want[] = { 0, 10, 50, 50, 99, 99 };
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);

    assert_int_equal(run_now(f, id).progress, -1);
    assert_int_equal(progress(f, held, 5, 0), OK);
    pass(f, 1000);
    assert_int_equal(run_now(f, id).progress, -1);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(progress(f, held, done[i], 100), OK);
        pass(f, 1000);
        assert_int_equal(run_now(f, id).progress, want[i]);
    }
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(run_now(f, id).progress, 100);
}

static void a_checkpoint_is_durable_before_it_is_acknowledged(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);
    uint64_t before = f->store.stats.commits;
    struct assignment job;

    assert_int_equal(progress(f, held, 30, 100), OK);
    assert_int_equal(checkpoint(f, held, "page 3"), OK);
    assert_int_equal(f->store.stats.commits, before + 1);
    crash(f);
    assert_int_equal(run_now(f, id).progress, 30);
    pass(f, 60000);
    pass(f, 5001);
    assert_int_equal(lease(f, &job), OK);
    assert_true(bytes_equal(job.checkpoint, bytes_of_text("page 3")));
}

static void refused(struct queue_fixture *f, struct report_request req, const char *field)
{
    uint64_t before = f->store.stats.commits;

    assert_int_equal(ask(f, &req.base, QUEUE_REPORT), ERR_INVALID);
    assert_string_equal(f->why.field, field);
    assert_int_equal(f->store.stats.commits, before);
}

static void a_wrong_report_is_refused_and_changes_nothing(void **state)
{
    struct queue_fixture *f = *state;
    struct entity_progress *many = calloc(ENTITIES_MAX + 1, sizeof *many);
    char *text = calloc(1, CHECKPOINT_SIZE_MAX + 1);
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);
    struct report_request req = { .kind = REPORT_PROGRESS, .lease = held, .entities = many };

    req.entity_count = ENTITIES_MAX + 1;
    refused(f, req, "entities");
    req.entity_count = 1;
    many[0].entity = bytes_of(text, NAME_SIZE_MAX + 1);
    refused(f, req, "entities");
    req = (struct report_request){ .kind = REPORT_CHECKPOINT, .lease = held };
    refused(f, req, "checkpoint");
    req.checkpoint = bytes_of(text, CHECKPOINT_SIZE_MAX + 1);
    refused(f, req, "checkpoint");
    req = (struct report_request){ .kind = REPORT_FAIL, .lease = held };
    req.message = bytes_of(text, ERROR_SIZE_MAX + 1);
    refused(f, req, "message");
    req.message.size = 0;
    req.retry_after_ms = -1;
    refused(f, req, "retryAfter");
    req.retry_after_ms = 0;
    req.failure = FAILURE_CLASS_COUNT;
    refused(f, req, "failure");
    assert_string_equal(shown(f, id), "active");
    assert_int_equal(complete(f, held), OK);
    free(many);
    free(text);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(another_epoch_is_stale),
        TEST(a_heartbeat_names_the_leases_that_are_lost),
        TEST(any_report_renews_the_lease),
        TEST(a_change_of_the_time_of_day_ends_no_lease),
        TEST(a_transient_failure_is_retried_until_the_budget_is_used_up),
        TEST(the_budget_counts_attempts_without_a_newer_checkpoint),
        TEST(twenty_attempts_are_the_end_whatever_the_checkpoints),
        TEST(config_and_fatal_failures_are_not_retried),
        TEST(retry_on_fail_false_wins),
        TEST(max_retries_zero_means_none),
        TEST(rate_limited_costs_nothing),
        TEST(rate_limited_without_a_delay_waits_a_second),
        TEST(a_backoff_doubles_from_five_seconds_to_fifteen_minutes),
        TEST(five_expiries_in_a_row_fail_the_run),
        TEST(a_worker_that_was_heard_of_breaks_the_row_of_expiries),
        TEST(progress_costs_at_most_a_write_a_second),
        TEST(progress_never_falls_and_stays_below_a_hundred),
        TEST(a_checkpoint_is_durable_before_it_is_acknowledged),
        TEST(a_wrong_report_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
