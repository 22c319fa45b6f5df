#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "tests/support/queue_fixture.h"

/* A whole life with one fault in it, for every place where a fault can be: runs
 * that were acknowledged finish, checkpoints that were acknowledged are found
 * again, and the counters agree with the runs. */

static const int64_t MINUTE_MS = 60 * 1000;

enum { TRIES_MAX = 100 };

/* What clients were told. */
struct told {
    run_id job, timer;
    bool checkpointed;
};

/* A machine that does not know what is on its disk is started anew. */
static void restart_if_uncertain(struct queue_fixture *f)
{
    if (f->store.base.ops->stats(&f->store.base).uncertain)
        reopen(f);
}

static void time_passes(struct queue_fixture *f, int64_t ms)
{
    pass(f, ms);
    restart_if_uncertain(f);
}

/* Whether the answer is one: nothing else than the fault may be in its way. */
static bool is_final(struct queue_fixture *f, enum err e)
{
    restart_if_uncertain(f);
    check(f);
    if (e == OK || e == ERR_STALE || e == ERR_NOT_FOUND || e == ERR_CONFLICT)
        return true;
    assert_true(e == ERR_UNAVAILABLE || e == ERR_UNCERTAIN);
    return false;
}

static run_id submit_until_accepted(struct queue_fixture *f, const struct run_spec *spec)
{
    struct run_info info;
    enum err e;

    do
        e = submit(f, spec, &info);
    while (!is_final(f, e));
    assert_int_equal(e, OK);
    return info.id;
}

static enum err control_until_answered(struct queue_fixture *f, enum control_verb verb,
                                       const char *name)
{
    enum err e;

    do
        e = control(f, verb, name, NULL);
    while (!is_final(f, e));
    return e;
}

/* The next lease: a lost answer's run comes back when that lease has ended. */
static struct assignment lease_until_given(struct queue_fixture *f)
{
    struct assignment job;

    for (int i = 0; i < TRIES_MAX; i++) {
        enum err e = lease(f, &job);

        restart_if_uncertain(f);
        if (e == OK)
            return job;
        time_passes(f, MINUTE_MS);
    }
    fail_msg("no job comes any more");
    return job;
}

static enum err report_until_answered(struct queue_fixture *f, const struct assignment *job,
                                      enum report_kind kind, const char *text)
{
    enum err e;

    do {
        struct report_request req = { .kind = kind,
                                      .lease = { job->info.id, job->epoch },
                                      .checkpoint = bytes_of_text(text) };

        e = ask(f, &req.base, QUEUE_REPORT);
    } while (!is_final(f, e));
    return e;
}

static struct run_spec a_timer(void)
{
    struct run_spec spec = a_spec("timer");

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.interval_ms = 10 * MINUTE_MS;
    spec.schedule.start_at_ms = FIXTURE_START_MS + 10 * MINUTE_MS;
    spec.schedule.max_runs = 2;
    return spec;
}

static void begin(struct queue_fixture *f, struct told *told)
{
    struct run_spec spec = a_spec("job"), timer = a_timer();
    struct assignment job;

    told->timer = submit_until_accepted(f, &timer);
    told->job = submit_until_accepted(f, &spec);
    job = lease_until_given(f);
    if (job.info.id == told->job)
        told->checkpointed = report_until_answered(f, &job, REPORT_CHECKPOINT, "page 7") == OK;
    assert_int_equal(control_until_answered(f, CONTROL_PAUSE, "job"), OK);
    (void)report_until_answered(f, &job, REPORT_RELEASE, "");
    time_passes(f, MINUTE_MS);
    assert_int_equal(control_until_answered(f, CONTROL_PAUSE, "timer"), OK);
    assert_int_equal(control_until_answered(f, CONTROL_RESUME, "timer"), OK);
    (void)control_until_answered(f, CONTROL_RESUME, "job");
}

/* One that fails, then everything to its end. */
static void finish(struct queue_fixture *f, struct told *told)
{
    struct assignment job = lease_until_given(f);
    struct org_view org;

    (void)report_until_answered(f, &job, REPORT_FAIL, "");
    for (int i = 0; i < TRIES_MAX; i++) {
        enum err e = lease(f, &job);

        restart_if_uncertain(f);
        if (e == OK && job.info.id == told->job && told->checkpointed)
            assert_true(bytes_equal(job.checkpoint, bytes_of_text("page 7")));
        if (e == OK)
            (void)report_until_answered(f, &job, REPORT_COMPLETE, "");
        else
            time_passes(f, 2 * MINUTE_MS);
    }
    fault_disarm(&f->store.get);
    fault_disarm(&f->store.scan);
    fault_disarm(&f->store.commit);
    time_passes(f, 1000);
    org = org_of(f);
    assert_int_equal(org.active + org.queued + org.paused + org.scheduled, 0);
}

static void counters_agree_with_runs(struct queue_fixture *f)
{
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct run_filter all = { .live = false };
    struct org_view org = org_of(f);
    uint64_t counts[RUN_STATE_COUNT] = { 0 };
    struct run_info *runs;
    uint32_t count;
    run_id next;

    assert_int_equal(view_runs(&view, ORG, &all, 1000, &runs, &count, &next, &f->why), OK);
    assert_int_equal(next, 0);
    for (uint32_t i = 0; i < count; i++)
        counts[runs[i].run.state]++;
    assert_int_equal(org.completed, counts[RUN_COMPLETED]);
    assert_int_equal(org.failed, counts[RUN_FAILED]);
    assert_int_equal(org.cancelled, counts[RUN_CANCELLED]);
    assert_int_equal(count, org.completed + org.failed + org.cancelled);
    assert_int_equal(org.failed, 0);
}

/* Everything that was acknowledged, looked at anew from the disk. */
static void look_back(struct queue_fixture *f, const struct told *told)
{
    uint64_t completed, failed, cancelled;

    for (int i = 0; i < 2; i++) {
        counters_agree_with_runs(f);
        assert_string_equal(shown(f, told->job), "completed");
        assert_string_equal(shown(f, told->timer), "completed");
        crash(f);
    }
    assert_int_equal(purge(f, &completed, &failed, &cancelled), OK);
    while (queue_turn(f->queue) == 0)
        continue;
    assert_string_equal(shown(f, told->job), "gone");
}

/* Meta, organisation, counters, two syncs, a watermark of each: what stays when
 * all runs are purged. */
enum { ENTRIES_LEFT = 7 };

/* False: the fault was never reached. */
static bool live_with(size_t which, unsigned nth, enum err code, bool keep)
{
    struct queue_fixture f = { .pushes = 0 };
    struct told told = { .checkpointed = false };
    struct fault *faults[] = { &f.store.get, &f.store.scan, &f.store.commit };
    bool reached;

    queue_fixture_init(&f);
    f.store.keep_uncertain = keep;
    fault_arm(faults[which], nth, code);
    begin(&f, &told);
    f.store.keep_uncertain = keep;
    finish(&f, &told);
    reached = faults[which]->calls >= nth;
    look_back(&f, &told);
    assert_int_equal(fake_store_count(&f.store) - fake_store_count_of(&f.store, FAMILY_AUDIT),
                     ENTRIES_LEFT);
    queue_fixture_free(&f);
    return reached;
}

/* Every place in turn, until the life is over before the fault comes. */
static void live_with_each(size_t which, enum err code, bool keep)
{
    unsigned nth = 1;

    while (nth < 3000 && live_with(which, nth, code, keep))
        nth++;
    assert_true(nth > 20 && nth < 3000);
}

static void a_life_without_faults_ends_well(void **state)
{
    (void)state;
    assert_true(live_with(2, 0, OK, false));
}

static void any_commit_may_not_happen(void **state)
{
    (void)state;
    live_with_each(2, ERR_UNAVAILABLE, false);
}

static void any_read_may_fail(void **state)
{
    (void)state;
    live_with_each(0, ERR_UNAVAILABLE, false);
}

static void any_scan_may_fail(void **state)
{
    (void)state;
    live_with_each(1, ERR_UNAVAILABLE, false);
}

static void any_commit_may_be_uncertain_and_lost(void **state)
{
    (void)state;
    live_with_each(2, ERR_UNCERTAIN, false);
}

static void any_commit_may_be_uncertain_and_kept(void **state)
{
    (void)state;
    live_with_each(2, ERR_UNCERTAIN, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_without_faults_ends_well),
        cmocka_unit_test(any_commit_may_not_happen),
        cmocka_unit_test(any_read_may_fail),
        cmocka_unit_test(any_scan_may_fail),
        cmocka_unit_test(any_commit_may_be_uncertain_and_lost),
        cmocka_unit_test(any_commit_may_be_uncertain_and_kept),
    };

    log_open(LOG_FORMAT_TEXT, (enum log_level)(LOG_ERROR + 1)); /* a fault a line: too many */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
