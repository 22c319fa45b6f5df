#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

static const int64_t HOUR_MS = 3600 * 1000;

static struct run run_now(struct queue_fixture *f, run_id id)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    return info.run;
}

/* Each brings the only run of "a" into its state. */
static run_id in_queued(struct queue_fixture *f)
{
    return submitted(f, "a");
}

static run_id in_active(struct queue_fixture *f)
{
    (void)submitted(f, "a");
    return leased(f).id;
}

static run_id in_backoff(struct queue_fixture *f)
{
    struct lease_name held;

    (void)submitted(f, "a");
    held = leased(f);
    assert_int_equal(fail_with(f, held, FAILURE_TRANSIENT, NULL), OK);
    return held.id;
}

static run_id in_scheduled(struct queue_fixture *f)
{
    struct run_spec spec = a_spec("a");
    struct run_info info;

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.interval_ms = HOUR_MS;
    spec.schedule.start_at_ms = f->clock.now_ms + HOUR_MS;
    assert_int_equal(submit(f, &spec, &info), OK);
    return info.id;
}

static run_id in_paused(struct queue_fixture *f)
{
    run_id id = in_queued(f);

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    return id;
}

static run_id in_pausing(struct queue_fixture *f)
{
    run_id id = in_active(f);

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    return id;
}

static run_id in_cancelling(struct queue_fixture *f)
{
    run_id id = in_active(f);

    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    return id;
}

static run_id in_completed(struct queue_fixture *f)
{
    run_id id = submitted(f, "a");

    assert_int_equal(complete(f, leased(f)), OK);
    return id;
}

static run_id in_failed(struct queue_fixture *f)
{
    run_id id = submitted(f, "a");

    assert_int_equal(fail_with(f, leased(f), FAILURE_FATAL, NULL), OK);
    return id;
}

static run_id in_cancelled(struct queue_fixture *f)
{
    run_id id = submitted(f, "a");

    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    return id;
}

#define NO RUN_NONE /* refused with 409, nothing changed */

/* What each verb makes of each state, by id. By name the answer is the same,
 * but for ended runs: there retry does not exist. */
static const struct {
    run_id (*reach)(struct queue_fixture *f);
    enum run_state from, paused, resumed, cancelled, retried;
} table[] = {
    { in_queued, RUN_QUEUED, RUN_PAUSED, RUN_QUEUED, RUN_CANCELLED, NO },
    { in_backoff, RUN_BACKOFF, RUN_PAUSED, RUN_BACKOFF, RUN_CANCELLED, NO },
    { in_scheduled, RUN_SCHEDULED, RUN_PAUSED, RUN_SCHEDULED, RUN_CANCELLED, NO },
    { in_active, RUN_ACTIVE, RUN_PAUSING, RUN_ACTIVE, RUN_CANCELLING, NO },
    { in_pausing, RUN_PAUSING, RUN_PAUSING, RUN_ACTIVE, RUN_CANCELLING, NO },
    { in_cancelling, RUN_CANCELLING, NO, NO, RUN_CANCELLING, NO },
    { in_paused, RUN_PAUSED, RUN_PAUSED, RUN_QUEUED, RUN_CANCELLED, NO },
    { in_completed, RUN_COMPLETED, NO, NO, NO, NO },
    { in_failed, RUN_FAILED, NO, NO, NO, RUN_QUEUED },
    { in_cancelled, RUN_CANCELLED, NO, NO, RUN_CANCELLED, RUN_QUEUED },
};

static enum run_state wanted(size_t row, enum control_verb verb)
{
    return verb == CONTROL_PAUSE    ? table[row].paused
           : verb == CONTROL_RESUME ? table[row].resumed
           : verb == CONTROL_CANCEL ? table[row].cancelled
                                    : table[row].retried;
}

static void assert_same_run(const struct run *a, const struct run *b)
{
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->order, b->order);
    assert_int_equal(a->ready, b->ready);
    assert_int_equal(a->paused_at_ms, b->paused_at_ms);
    assert_int_equal(a->resumed_at_ms, b->resumed_at_ms);
    assert_int_equal(a->ended_at_ms, b->ended_at_ms);
    assert_int_equal(a->action.at_ms, b->action.at_ms);
}

static void check_cell(size_t row, enum control_verb verb, bool by_name)
{
    struct queue_fixture f = { .pushes = 0 };
    enum run_state want = wanted(row, verb);
    struct run_info info = { .id = 0 };
    struct run before;
    run_id id;
    enum err e;

    queue_fixture_init(&f);
    id = table[row].reach(&f);
    before = run_now(&f, id);
    assert_int_equal(before.state, table[row].from);
    fake_clock_advance(&f.clock, 1);
    e = by_name ? control(&f, verb, "a", &info) : control_run(&f, verb, id, &info);
    if (by_name && run_is_ended(table[row].from))
        want = NO;
    assert_int_equal(e, want == NO ? ERR_CONFLICT : OK);
    if (want == NO || want == table[row].from) {
        struct run after = run_now(&f, id);

        assert_same_run(&after, &before);
    }
    if (want == NO) {
        assert_true(strlen(f.why.text) > 0);
    } else {
        assert_int_equal(info.id, id);
        assert_int_equal(info.run.state, want);
        assert_int_equal(run_now(&f, id).state, want);
    }
    queue_fixture_free(&f);
}

static void each_verb_in_each_state_does_what_the_table_says(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof table / sizeof table[0]; row++)
        for (int verb = CONTROL_PAUSE; verb <= CONTROL_RETRY; verb++)
            check_cell(row, (enum control_verb)verb, false);
}

static void by_name_it_is_the_same(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof table / sizeof table[0]; row++)
        for (int verb = CONTROL_PAUSE; verb <= CONTROL_CANCEL; verb++)
            check_cell(row, (enum control_verb)verb, true);
}

static void a_name_with_no_run_and_no_schedule_is_not_found(void **state)
{
    struct queue_fixture *f = *state;

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), ERR_NOT_FOUND);
    (void)submitted(f, "b");
    for (int verb = CONTROL_PAUSE; verb <= CONTROL_CANCEL; verb++) {
        assert_int_equal(control(f, (enum control_verb)verb, "a", NULL), ERR_NOT_FOUND);
        assert_non_null(strstr(f->why.text, "a"));
    }
    assert_int_equal(control_run(f, CONTROL_PAUSE, 12345, NULL), ERR_NOT_FOUND);
    assert_int_equal(control(f, CONTROL_PAUSE, "a b", NULL), ERR_INVALID);
    assert_string_equal(f->why.field, "name");
}

static void starting_over_is_a_new_generation_without_progress_or_checkpoint(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held = leased(f);
    uint32_t generation = run_now(f, id).generation;
    struct assignment job;
    struct run_info info;

    assert_int_equal(progress(f, held, 80, 100), OK);
    assert_int_equal(checkpoint(f, held, "page 8"), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(resume_from_nothing(f, "a", NULL), ERR_CONFLICT);
    assert_int_equal(release(f, held), OK);
    assert_int_equal(resume_from_nothing(f, "a", &info), OK);
    assert_int_equal(info.run.progress, -1);
    crash(f);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.checkpoint.size, 0);
    assert_int_equal(job.info.run.generation, generation + 1);
    assert_int_equal(job.info.run.progress, -1);
    assert_int_equal(job.info.run.entity_count, 0);
    assert_int_equal(job.info.id, id);
}

static void a_retried_run_goes_on_from_its_checkpoint_behind_the_others(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a"), other;
    struct lease_name held = leased(f);
    struct assignment job;

    assert_int_equal(checkpoint(f, held, "page 8"), OK);
    assert_int_equal(fail_with(f, held, FAILURE_FATAL, NULL), OK);
    other = submitted(f, "b");
    assert_int_equal(control_run(f, CONTROL_RETRY, id, NULL), OK);
    assert_int_equal(org_of(f).queued, 2);
    assert_int_equal(leased(f).id, other);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.id, id);
    assert_true(bytes_equal(job.checkpoint, bytes_of_text("page 8")));
}

static void who_when_and_why_is_kept(void **state)
{
    struct queue_fixture *f = *state;
    struct control_request req = { .verb = CONTROL_PAUSE,
                                   .org = ORG,
                                   .name = bytes_of_text("a"),
                                   .actor = bytes_of_text("alice"),
                                   .reason = bytes_of_text("too much load") };
    char reason[REASON_SIZE_MAX + 1];
    run_id id = submitted(f, "a");
    struct run run;

    assert_int_equal(ask(f, &req.base, QUEUE_CONTROL), OK);
    crash(f);
    run = run_now(f, id);
    assert_true(bytes_equal(run.action.actor, bytes_of_text("alice")));
    assert_true(bytes_equal(run.action.reason, bytes_of_text("too much load")));
    assert_int_equal(run.action.at_ms, FIXTURE_START_MS);
    memset(reason, 'x', sizeof reason);
    req.reason = bytes_of(reason, sizeof reason);
    assert_int_equal(ask(f, &req.base, QUEUE_CONTROL), ERR_INVALID);
    assert_string_equal(f->why.field, "reason");
}

/* The purge takes the run before the cancel's answer is put together. */
static void a_cancel_and_a_purge_of_one_turn_are_both_answered(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct control_request cancel = { .verb = CONTROL_CANCEL, .org = ORG, .id = id };
    struct purge_request purged = { .org = ORG };

    post(f, &cancel.base, QUEUE_CONTROL);
    ask_later(f, &purged.base, QUEUE_PURGE);
    assert_int_equal(cancel.base.result, OK);
    assert_int_equal(cancel.info.id, id);
    assert_int_equal(cancel.info.run.state, RUN_CANCELLED);
    assert_int_equal(purged.base.result, OK);
    assert_int_equal(purged.cancelled, 1);
    assert_string_equal(shown(f, id), "gone");
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_verb_in_each_state_does_what_the_table_says),
        TEST(by_name_it_is_the_same),
        TEST(a_name_with_no_run_and_no_schedule_is_not_found),
        TEST(starting_over_is_a_new_generation_without_progress_or_checkpoint),
        TEST(a_retried_run_goes_on_from_its_checkpoint_behind_the_others),
        TEST(who_when_and_why_is_kept),
        TEST(a_cancel_and_a_purge_of_one_turn_are_both_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
