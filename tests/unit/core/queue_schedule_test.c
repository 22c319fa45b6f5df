#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

static const int64_t MINUTE_MS = 60 * 1000, HOUR_MS = 3600 * 1000, DAY_MS = 24 * 3600 * 1000;

/* Every hour, on the hour; the clock begins on one. */
static struct run_spec hourly(const char *name)
{
    struct run_spec spec = a_spec(name);

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.repeat = REPEAT_HOURLY;
    spec.schedule.start_at_ms = FIXTURE_START_MS + HOUR_MS;
    return spec;
}

static run_id scheduled(struct queue_fixture *f, const struct run_spec *spec)
{
    struct run_info info;

    assert_int_equal(submit(f, spec, &info), OK);
    return info.id;
}

static struct sync_view sync_of(struct queue_fixture *f, const char *name)
{
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct sync_view sync;

    assert_int_equal(view_sync(&view, ORG, bytes_of_text(name), &sync, &f->why), OK);
    return sync;
}

static void long_leases(struct queue_fixture *f)
{
    f->options.lease_ttl_ms = DAY_MS;
    crash(f);
}

static void finish(struct queue_fixture *f)
{
    assert_int_equal(complete(f, leased(f)), OK);
}

/* The nominal time of the next run; -1: none is ready. */
static int64_t next_nominal(struct queue_fixture *f)
{
    struct assignment job;

    if (lease(f, &job) != OK)
        return -1;
    assert_int_equal(complete(f, (struct lease_name){ job.info.id, job.epoch }), OK);
    return job.info.run.nominal_ms - FIXTURE_START_MS;
}

static void answers_carry_the_next_five_runs(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    struct run_info info;

    spec.schedule.max_runs = 3;
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.run.state, RUN_SCHEDULED);
    for (int i = 0; i < 5; i++)
        assert_int_equal(info.next_runs_ms[i], i < 3 ? FIXTURE_START_MS + (i + 1) * HOUR_MS : 0);
    spec.schedule.max_runs = 0;
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.next_runs_ms[4], FIXTURE_START_MS + 5 * HOUR_MS);
}

static void the_past_before_a_schedule_was_made_is_not_replayed(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    struct run_info info;
    struct assignment job;

    spec.schedule.start_at_ms = FIXTURE_START_MS - 30 * DAY_MS - 20 * MINUTE_MS;
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(info.run.state, RUN_SCHEDULED);
    assert_int_equal(info.run.nominal_ms, FIXTURE_START_MS + 40 * MINUTE_MS);
    pass(f, 40 * MINUTE_MS - 1);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    pass(f, 1);
    finish(f);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(sync_of(f, "a").skipped, 0);
}

/* What is erased may still lie on the disk, to be walked over. */
static void timers_are_looked_for_behind_those_that_have_fired(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    (void)scheduled(f, &spec);
    for (int i = 1; i <= 4; i++) {
        uint64_t from_ms = 0;

        fake_clock_advance(&f->clock, HOUR_MS);
        queue_turn(f->queue);
        for (int byte = 1; byte <= 8; byte++)
            from_ms = from_ms << 8 | f->store.scanned_from[FAMILY_TIMER].data[byte];
        assert_int_equal(from_ms, FIXTURE_START_MS + i * HOUR_MS);
        finish(f);
    }
}

static void missed_firings_collapse_into_the_latest_within_the_window(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    spec.schedule.catch_up_ms = 3 * HOUR_MS;
    (void)scheduled(f, &spec);
    f->clock.now_ms += 10 * HOUR_MS + 30 * MINUTE_MS;
    crash(f);
    pass(f, 0);
    assert_int_equal(next_nominal(f), 10 * HOUR_MS);
    assert_int_equal(next_nominal(f), -1);
    pass(f, 30 * MINUTE_MS);
    assert_int_equal(next_nominal(f), 11 * HOUR_MS);
}

static void beyond_the_catch_up_window_nothing_fires(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    spec.schedule.catch_up_ms = 10 * MINUTE_MS;
    (void)scheduled(f, &spec);
    f->clock.now_ms += 10 * HOUR_MS + 30 * MINUTE_MS;
    crash(f);
    pass(f, 0);
    assert_int_equal(next_nominal(f), -1);
    assert_true(sync_of(f, "a").skipped > 0);
    pass(f, 30 * MINUTE_MS);
    assert_int_equal(next_nominal(f), 11 * HOUR_MS);
}

static void a_clock_that_steps_back_never_fires_again(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    (void)scheduled(f, &spec);
    pass(f, 3 * HOUR_MS);
    assert_int_equal(next_nominal(f), 3 * HOUR_MS);
    for (int i = 0; i < 4; i++) {
        f->clock.now_ms -= HOUR_MS;
        crash(f);
        pass(f, 59 * MINUTE_MS);
        assert_int_equal(next_nominal(f), -1);
        pass(f, MINUTE_MS);
    }
    assert_int_equal(next_nominal(f), -1);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), 4 * HOUR_MS);
}

static void skip_drops_a_firing_while_a_run_lives(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    spec.schedule.overlap = OVERLAP_SKIP;
    (void)scheduled(f, &spec);
    pass(f, HOUR_MS);
    pass(f, HOUR_MS);
    assert_int_equal(org_of(f).queued, 1);
    assert_int_equal(sync_of(f, "a").skipped, 1);
    finish(f);
    assert_int_equal(next_nominal(f), -1);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), 3 * HOUR_MS);
}

static void by_default_one_firing_waits_for_the_run_that_is_active(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    struct lease_name held;

    long_leases(f);
    (void)scheduled(f, &spec);
    pass(f, HOUR_MS);
    held = leased(f);
    for (int i = 0; i < 3; i++)
        pass(f, HOUR_MS);
    assert_int_equal(org_of(f).queued, 1);
    assert_int_equal(sync_of(f, "a").skipped, 2);
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(next_nominal(f), 2 * HOUR_MS);
    assert_int_equal(next_nominal(f), -1);
}

static void cancel_other_makes_way_for_the_firing(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id first;
    struct lease_name held;

    long_leases(f);
    spec.schedule.overlap = OVERLAP_CANCEL_OTHER;
    first = scheduled(f, &spec);
    pass(f, HOUR_MS);
    pass(f, HOUR_MS);
    assert_string_equal(shown(f, first), "cancelled");
    held = leased(f);
    pass(f, HOUR_MS);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_CANCEL_IT);
    assert_int_equal(release(f, held), OK);
    assert_string_equal(shown(f, held.id), "cancelled");
    assert_int_equal(next_nominal(f), 3 * HOUR_MS);
}

static void a_paused_schedule_moves_its_mark_and_fires_nothing(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id id = scheduled(f, &spec);

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_string_equal(shown(f, id), "paused");
    assert_true(sync_of(f, "a").paused);
    pass(f, 5 * HOUR_MS + MINUTE_MS);
    assert_int_equal(next_nominal(f), -1);
    crash(f);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_string_equal(shown(f, id), "scheduled");
    assert_int_equal(next_nominal(f), -1);
    assert_int_equal(sync_of(f, "a").next_runs_ms[0], FIXTURE_START_MS + 6 * HOUR_MS);
    pass(f, 59 * MINUTE_MS);
    assert_int_equal(next_nominal(f), 6 * HOUR_MS);
}

static void queueing_the_name_again_replaces_its_schedule(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id first = scheduled(f, &spec), second;

    spec.schedule.start_at_ms += 30 * MINUTE_MS;
    second = scheduled(f, &spec);
    assert_string_equal(shown(f, first), "cancelled");
    assert_string_equal(shown(f, second), "scheduled");
    assert_int_equal(org_of(f).scheduled, 1);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), -1);
    pass(f, 30 * MINUTE_MS);
    assert_int_equal(next_nominal(f), HOUR_MS + 30 * MINUTE_MS);
}

static void a_paused_schedule_that_is_replaced_stays_paused(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    (void)scheduled(f, &spec);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_string_equal(shown(f, scheduled(f, &spec)), "paused");
    pass(f, 2 * HOUR_MS);
    assert_int_equal(next_nominal(f), -1);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), 3 * HOUR_MS);
}

static void firing_and_mark_are_one_write(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    (void)scheduled(f, &spec);
    for (int64_t hour = 1; hour <= 6; hour++) {
        fault_arm(&f->store.commit, 1, hour % 2 ? ERR_UNAVAILABLE : ERR_UNCERTAIN);
        pass(f, HOUR_MS);
        f->store.keep_uncertain = hour % 4 == 0;
        reopen(f);
        pass(f, 0);
        assert_int_equal(next_nominal(f), hour * HOUR_MS);
        assert_int_equal(next_nominal(f), -1);
    }
}

static void after_max_runs_the_schedule_is_gone(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    spec.schedule.max_runs = 2;
    (void)scheduled(f, &spec);
    pass(f, HOUR_MS);
    finish(f);
    assert_true(sync_of(f, "a").has_schedule);
    pass(f, HOUR_MS);
    finish(f);
    assert_false(sync_of(f, "a").has_schedule);
    assert_int_equal(org_of(f).scheduled, 0);
    pass(f, DAY_MS);
    assert_int_equal(next_nominal(f), -1);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), ERR_CONFLICT);
}

static void a_schedule_ends_at_its_end(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    spec.schedule.end_at_ms = FIXTURE_START_MS + 2 * HOUR_MS;
    spec.schedule.overlap = OVERLAP_SKIP;
    (void)scheduled(f, &spec);
    pass(f, HOUR_MS);
    pass(f, HOUR_MS); /* held off: the first one has not run yet */
    assert_false(sync_of(f, "a").has_schedule);
    assert_int_equal(org_of(f).scheduled, 0);
    assert_int_equal(next_nominal(f), HOUR_MS);
}

static void cancel_by_name_removes_the_schedule(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id first = scheduled(f, &spec);

    pass(f, HOUR_MS);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_string_equal(shown(f, first), "cancelled");
    assert_int_equal(org_of(f).scheduled, 0);
    assert_false(sync_of(f, "a").has_schedule);
    crash(f);
    pass(f, 2 * HOUR_MS);
    assert_int_equal(next_nominal(f), -1);
}

static void a_firing_cancelled_by_id_goes_on_with_the_next(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id id = scheduled(f, &spec);

    assert_int_equal(control_run(f, CONTROL_CANCEL, id, NULL), OK);
    assert_string_equal(shown(f, id), "cancelled");
    assert_int_equal(org_of(f).scheduled, 1);
    crash(f);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), -1);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), 2 * HOUR_MS);
}

static void a_schedule_can_be_paused_while_its_run_is_being_cancelled(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id first = scheduled(f, &spec);
    struct lease_name held;

    pass(f, HOUR_MS);
    held = leased(f);
    assert_int_equal(held.id, first);
    assert_int_equal(control_run(f, CONTROL_CANCEL, first, NULL), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(release(f, held), OK);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), -1);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    pass(f, HOUR_MS);
    assert_int_equal(next_nominal(f), 3 * HOUR_MS);
}

static void a_schedule_can_be_deleted(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    struct delete_schedule_request req = { .org = ORG, .name = bytes_of_text("a") };
    run_id id = scheduled(f, &spec), plain;

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(ask(f, &req.base, QUEUE_DELETE_SCHEDULE), OK);
    assert_string_equal(shown(f, id), "cancelled");
    assert_int_equal(ask(f, &req.base, QUEUE_DELETE_SCHEDULE), ERR_NOT_FOUND);
    plain = submitted(f, "a");
    assert_int_equal(leased(f).id, plain);
    req.name = bytes_of_text("b");
    assert_int_equal(ask(f, &req.base, QUEUE_DELETE_SCHEDULE), ERR_NOT_FOUND);
}

static void the_newest_run_of_a_schedule_is_the_latest_of_its_sync(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id first = scheduled(f, &spec), second;

    pass(f, HOUR_MS);
    assert_int_equal(sync_of(f, "a").latest, first);
    finish(f);
    pass(f, HOUR_MS);
    second = leased(f).id;
    assert_int_not_equal(second, first);
    assert_int_equal(sync_of(f, "a").latest, second);
}

static void assert_skips(struct queue_fixture *f, uint64_t missed, uint64_t overlap,
                         uint64_t paused, uint64_t cancelled)
{
    struct sync_view sync = sync_of(f, "a");

    assert_int_equal(sync.skipped_by[SKIP_MISSED], missed);
    assert_int_equal(sync.skipped_by[SKIP_OVERLAP], overlap);
    assert_int_equal(sync.skipped_by[SKIP_PAUSED], paused);
    assert_int_equal(sync.skipped_by[SKIP_CANCELLED], cancelled);
    assert_int_equal(sync.skipped, missed + overlap + paused + cancelled);
}

static void assert_last_action(struct queue_fixture *f, run_id id, const char *reason)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    assert_true(bytes_equal(info.run.action.reason, bytes_of_text(reason)));
    assert_true(bytes_equal(info.run.action.actor, bytes_of_text("schedule")));
}

static void every_skip_has_a_reason_and_a_counter(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");
    run_id first, second;

    spec.schedule.overlap = OVERLAP_SKIP;
    spec.schedule.catch_up_ms = 2 * HOUR_MS;
    first = scheduled(f, &spec);
    pass(f, 3 * HOUR_MS); /* the first and the second one are missed, the third one fires */
    assert_skips(f, 2, 0, 0, 0);
    assert_last_action(f, first, "skipped 2 firings: missed");
    pass(f, HOUR_MS);
    assert_skips(f, 2, 1, 0, 0);
    second = sync_of(f, "a").latest;
    assert_int_equal(second, first);
    finish(f);
    pass(f, HOUR_MS);
    second = leased(f).id;
    assert_last_action(f, second, "skipped 1 firing: an earlier run was not over");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    pass(f, HOUR_MS);
    assert_skips(f, 2, 1, 1, 0);
    crash(f);
    assert_skips(f, 2, 1, 1, 0);
}

static void a_firing_cancelled_by_itself_is_a_skip(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = hourly("a");

    assert_int_equal(control_run(f, CONTROL_CANCEL, scheduled(f, &spec), NULL), OK);
    assert_skips(f, 0, 0, 0, 1);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(answers_carry_the_next_five_runs),
        TEST(the_past_before_a_schedule_was_made_is_not_replayed),
        TEST(timers_are_looked_for_behind_those_that_have_fired),
        TEST(missed_firings_collapse_into_the_latest_within_the_window),
        TEST(beyond_the_catch_up_window_nothing_fires),
        TEST(a_clock_that_steps_back_never_fires_again),
        TEST(skip_drops_a_firing_while_a_run_lives),
        TEST(by_default_one_firing_waits_for_the_run_that_is_active),
        TEST(cancel_other_makes_way_for_the_firing),
        TEST(a_paused_schedule_moves_its_mark_and_fires_nothing),
        TEST(queueing_the_name_again_replaces_its_schedule),
        TEST(a_paused_schedule_that_is_replaced_stays_paused),
        TEST(firing_and_mark_are_one_write),
        TEST(after_max_runs_the_schedule_is_gone),
        TEST(a_schedule_ends_at_its_end),
        TEST(cancel_by_name_removes_the_schedule),
        TEST(a_firing_cancelled_by_id_goes_on_with_the_next),
        TEST(a_schedule_can_be_paused_while_its_run_is_being_cancelled),
        TEST(a_schedule_can_be_deleted),
        TEST(the_newest_run_of_a_schedule_is_the_latest_of_its_sync),
        TEST(every_skip_has_a_reason_and_a_counter),
        TEST(a_firing_cancelled_by_itself_is_a_skip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
