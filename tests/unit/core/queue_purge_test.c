#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

static void assert_purged(struct queue_fixture *f, uint64_t completed, uint64_t failed,
                          uint64_t cancelled)
{
    uint64_t counts[3];

    assert_int_equal(purge(f, &counts[0], &counts[1], &counts[2]), OK);
    assert_int_equal(counts[0], completed);
    assert_int_equal(counts[1], failed);
    assert_int_equal(counts[2], cancelled);
}

/* One run of "a" that ended so. */
static run_id ended(struct queue_fixture *f, enum run_state how)
{
    run_id id = submitted(f, "a");

    if (how == RUN_CANCELLED)
        assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    else if (how == RUN_COMPLETED)
        assert_int_equal(complete(f, leased(f)), OK);
    else
        assert_int_equal(fail_with(f, leased(f), FAILURE_FATAL, NULL), OK);
    return id;
}

static void sweep(struct queue_fixture *f)
{
    while (queue_turn(f->queue) == 0)
        continue;
}

/* Of the store, without the audit log and the syncs' histories: those stay. */
static size_t entries(struct queue_fixture *f)
{
    return fake_store_count(&f->store) - fake_store_count_of(&f->store, FAMILY_AUDIT)
         - fake_store_count_of(&f->store, FAMILY_HISTORY);
}

static void a_purge_counts_what_it_takes_and_a_second_one_nothing(void **state)
{
    struct queue_fixture *f = *state;

    assert_purged(f, 0, 0, 0);
    for (int i = 0; i < 3; i++)
        (void)ended(f, RUN_COMPLETED);
    for (int i = 0; i < 2; i++)
        (void)ended(f, RUN_FAILED);
    (void)ended(f, RUN_CANCELLED);
    crash(f);
    assert_purged(f, 3, 2, 1);
    assert_purged(f, 0, 0, 0);
    crash(f);
    assert_purged(f, 0, 0, 0);
    (void)ended(f, RUN_COMPLETED);
    assert_purged(f, 1, 0, 0);
}

static void lifetime_counters_survive_purges_and_restarts(void **state)
{
    struct queue_fixture *f = *state;
    struct service_info_request info = { .info = { .active = 0 } };
    struct org_view org;

    (void)ended(f, RUN_COMPLETED);
    (void)ended(f, RUN_FAILED);
    (void)ended(f, RUN_CANCELLED);
    assert_purged(f, 1, 1, 1);
    (void)ended(f, RUN_COMPLETED);
    crash(f);
    org = org_of(f);
    assert_int_equal(org.completed, 2);
    assert_int_equal(org.failed, 1);
    assert_int_equal(org.cancelled, 1);
    assert_int_equal(org.last_sync_ms, f->clock.now_ms);
    assert_int_equal(ask(f, &info.base, QUEUE_SERVICE_INFO), OK);
    assert_int_equal(info.info.completed, 2);
    assert_int_equal(info.info.failed, 1);
    assert_int_equal(info.info.cancelled, 1);
}

/* Specifications, checkpoints and states are gone from the disk, a piece a turn. */
static void the_sweep_leaves_nothing_behind(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_name held;
    size_t before;

    (void)ended(f, RUN_COMPLETED);
    assert_purged(f, 1, 0, 0);
    sweep(f);
    before = entries(f);
    for (int i = 0; i < 1500; i++) {
        (void)submitted(f, "a");
        held = leased(f);
        assert_int_equal(checkpoint(f, held, "x"), OK);
        assert_int_equal(fail_with(f, held, FAILURE_FATAL, NULL), OK);
        if (i == 700)
            crash(f);
    }
    assert_true(entries(f) > before + 3000);
    assert_purged(f, 0, 1500, 0);
    queue_turn(f->queue);
    queue_turn(f->queue); /* the second piece begins at a run, behind the first one */
    assert_int_equal(f->store.scanned_from[FAMILY_ENDED].size, 17);
    crash(f); /* in the middle of it */
    sweep(f);
    assert_int_equal(entries(f), before);
    assert_true(f->store.forgotten >= 1);
}

static void a_sweep_goes_on_after_the_store_has_failed(void **state)
{
    struct queue_fixture *f = *state;
    size_t before;

    (void)ended(f, RUN_COMPLETED);
    assert_purged(f, 1, 0, 0);
    sweep(f);
    before = entries(f);
    for (int i = 0; i < 3; i++) {
        (void)ended(f, RUN_COMPLETED);
        assert_purged(f, 1, 0, 0);
        fault_arm(i == 0 ? &f->store.commit : &f->store.scan, 1, ERR_UNAVAILABLE);
        queue_turn(f->queue);
        sweep(f);
        assert_int_equal(entries(f), before);
    }
}

static void what_lives_outlives_a_purge(void **state)
{
    struct queue_fixture *f = *state;
    run_id paused, active, waiting, old = ended(f, RUN_COMPLETED);
    struct lease_name held;

    active = submitted(f, "active");
    held = leased(f);
    assert_int_equal(checkpoint(f, held, "x"), OK);
    paused = submitted(f, "paused");
    assert_int_equal(control(f, CONTROL_PAUSE, "paused", NULL), OK);
    waiting = submitted(f, "active");
    assert_purged(f, 1, 0, 0);
    sweep(f);
    assert_string_equal(shown(f, old), "gone");
    assert_string_equal(shown(f, active), "active");
    assert_string_equal(shown(f, paused), "paused");
    assert_string_equal(shown(f, waiting), "queued");
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(control(f, CONTROL_RESUME, "paused", NULL), OK);
    assert_int_equal(leased(f).id, paused);
    assert_int_equal(leased(f).id, waiting);
    assert_purged(f, 1, 0, 0);
}

static void syncs_schedules_and_watermarks_outlive_a_purge(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct run_spec spec = a_spec("a");
    struct sync_view sync;

    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(complete_entity(f, leased(f), "products"), OK);
    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.repeat = REPEAT_DAILY;
    spec.schedule.time_of_day_s = 3600;
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_purged(f, 1, 0, 0);
    sweep(f);
    assert_int_equal(view_sync(&view, ORG, bytes_of_text("a"), &sync, &f->why), OK);
    assert_true(sync.has_schedule);
    assert_int_equal(sync.watermark_count, 1);
    assert_int_equal(sync.completed, 1);
    pass(f, 3600 * 1000);
    assert_int_equal(complete(f, leased(f)), OK);
}

static void a_purged_run_cannot_be_retried(void **state)
{
    struct queue_fixture *f = *state;
    run_id kept, purged = ended(f, RUN_FAILED);

    assert_purged(f, 0, 1, 0);
    assert_int_equal(control_run(f, CONTROL_RETRY, purged, NULL), ERR_NOT_FOUND);
    sweep(f);
    assert_int_equal(control_run(f, CONTROL_RETRY, purged, NULL), ERR_NOT_FOUND);
    kept = ended(f, RUN_FAILED);
    assert_int_equal(control_run(f, CONTROL_RETRY, kept, NULL), OK);
    assert_purged(f, 0, 0, 0);
    assert_int_equal(complete(f, leased(f)), OK);
    assert_purged(f, 1, 0, 0);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), ERR_CONFLICT);
}

static void a_dry_run_only_counts(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request req = { .org = ORG, .dry_run = true };
    run_id id = ended(f, RUN_COMPLETED);

    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(f, &req.base, QUEUE_PURGE), OK);
        assert_int_equal(req.completed, 1);
    }
    assert_string_equal(shown(f, id), "completed");
}

static void a_purge_touches_one_organisation(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request other = { .org = bytes_of_text("other") };
    struct run_spec spec = a_spec("a");
    run_id id = ended(f, RUN_COMPLETED);

    assert_int_equal(submit_to(f, "other", &spec, NULL), OK);
    assert_int_equal(complete(f, leased(f)), OK);
    assert_int_equal(ask(f, &other.base, QUEUE_PURGE), OK);
    assert_int_equal(other.completed, 1);
    sweep(f);
    assert_string_equal(shown(f, id), "completed");
    other.org = bytes_of_text("not an id");
    assert_int_equal(ask(f, &other.base, QUEUE_PURGE), ERR_INVALID);
    assert_string_equal(f->why.field, "orgid");
}

/* Its cost does not grow with the history. */
static void a_purge_writes_no_more_for_more_history(void **state)
{
    struct queue_fixture *f = *state;
    uint64_t small, large;

    (void)ended(f, RUN_COMPLETED);
    f->store.stats.written_bytes = 0;
    fault_disarm(&f->store.commit);
    assert_purged(f, 1, 0, 0);
    small = f->store.stats.written_bytes;
    sweep(f);
    for (int i = 0; i < 400; i++)
        (void)ended(f, RUN_COMPLETED);
    f->store.stats.written_bytes = 0;
    assert_purged(f, 400, 0, 0);
    large = f->store.stats.written_bytes;
    assert_true(large <= small + 16);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_purge_counts_what_it_takes_and_a_second_one_nothing),
        TEST(lifetime_counters_survive_purges_and_restarts),
        TEST(the_sweep_leaves_nothing_behind),
        TEST(a_sweep_goes_on_after_the_store_has_failed),
        TEST(what_lives_outlives_a_purge),
        TEST(syncs_schedules_and_watermarks_outlive_a_purge),
        TEST(a_purged_run_cannot_be_retried),
        TEST(a_dry_run_only_counts),
        TEST(a_purge_touches_one_organisation),
        TEST(a_purge_writes_no_more_for_more_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
