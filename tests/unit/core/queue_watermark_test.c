#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

static const int64_t MINUTE_MS = 60 * 1000, LOOKBACK_MS = 5 * 60 * 1000;

static struct run_spec a_spec_of(const char *name, enum run_type type)
{
    struct run_spec spec = a_spec(name);

    spec.type = type;
    if (type == RUN_TYPE_ENTITY)
        spec.entity = bytes_of_text("products");
    return spec;
}

static struct assignment started(struct queue_fixture *f, const struct run_spec *spec)
{
    struct assignment job;

    assert_int_equal(submit(f, spec, NULL), OK);
    assert_int_equal(lease(f, &job), OK);
    return job;
}

static struct lease_name name_of(const struct assignment *job)
{
    return (struct lease_name){ job->info.id, job->epoch };
}

/* Runs one from begin to end; it covers the entity wholly. When it began. */
static int64_t covered(struct queue_fixture *f, enum run_type type, const char *entity)
{
    struct run_spec spec = a_spec_of("a", type);
    struct assignment job = started(f, &spec);
    int64_t begin = f->clock.now_ms;

    pass(f, MINUTE_MS / 2);
    assert_int_equal(complete_entity(f, name_of(&job), entity), OK);
    return begin;
}

static struct sync_view sync_of(struct queue_fixture *f)
{
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct sync_view sync;

    assert_int_equal(view_sync(&view, ORG, bytes_of_text("a"), &sync, &f->why), OK);
    return sync;
}

/* 0: there is none. */
static int64_t mark_of(struct queue_fixture *f, const char *entity)
{
    struct sync_view sync = sync_of(f);

    for (uint32_t i = 0; i < sync.watermark_count; i++)
        if (bytes_equal(sync.watermarks[i].entity, bytes_of_text(entity)))
            return sync.watermarks[i].changes[0].value_ms;
    return 0;
}

/* Where the run begins to read the entity; 0: at the beginning. */
static int64_t low_of(const struct assignment *job, const char *entity)
{
    int64_t low = 0;

    for (uint32_t i = 0; i < job->info.run.window_count; i++) {
        if (bytes_equal(job->info.run.windows[i].entity, bytes_of_text(entity)))
            return job->info.run.windows[i].low_ms;
        if (job->info.run.windows[i].entity.size == 0)
            low = job->info.run.windows[i].low_ms;
    }
    return low;
}

static enum err reset(struct queue_fixture *f, const char *entity, int64_t value_ms)
{
    struct reset_watermark_request req = { .org = ORG,
                                           .name = bytes_of_text("a"),
                                           .entity = bytes_of_text(entity),
                                           .value_ms = value_ms };

    return ask(f, &req.base, QUEUE_RESET_WATERMARK);
}

static void a_completed_full_run_sets_the_watermark_to_its_own_start(void **state)
{
    struct queue_fixture *f = *state;
    int64_t begin = covered(f, RUN_TYPE_FULL, "products");

    assert_int_equal(mark_of(f, "products"), begin);
    crash(f);
    assert_int_equal(mark_of(f, "products"), begin);
    assert_int_equal(mark_of(f, "orders"), 0);
}

static void a_safety_lag_keeps_the_watermark_back(void **state)
{
    struct queue_fixture *f = *state;

    f->options.safety_lag_ms = 1000;
    crash(f);
    assert_int_equal(mark_of(f, "products"), covered(f, RUN_TYPE_FULL, "products") - 1000);
}

static void an_incremental_run_without_a_watermark_reads_everything_and_sets_one(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_INCREMENTAL);
    struct assignment job = started(f, &spec);
    int64_t begin = f->clock.now_ms;

    assert_int_equal(job.info.run.window_count, 0);
    assert_int_equal(job.info.run.window_high_ms, begin);
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), begin);
}

static void an_incremental_run_begins_at_the_watermark_less_the_lookback(void **state)
{
    struct queue_fixture *f = *state;
    int64_t mark = covered(f, RUN_TYPE_FULL, "products"), begin;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_INCREMENTAL);
    struct assignment job;

    pass(f, 60 * MINUTE_MS);
    begin = f->clock.now_ms;
    job = started(f, &spec);
    assert_int_equal(low_of(&job, "products"), mark - LOOKBACK_MS);
    assert_int_equal(low_of(&job, "orders"), 0);
    assert_int_equal(job.info.run.effective_type, RUN_TYPE_INCREMENTAL);
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), begin);
}

/* The window of a run stays what its first start made it. */
static void failure_pause_cancel_and_a_lost_lease_leave_the_watermark(void **state)
{
    struct queue_fixture *f = *state;
    int64_t mark = covered(f, RUN_TYPE_FULL, "products"), begin;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_INCREMENTAL);
    struct assignment job, again;

    pass(f, MINUTE_MS);
    begin = f->clock.now_ms;
    job = started(f, &spec);
    assert_int_equal(fail_with(f, name_of(&job), FAILURE_TRANSIENT, NULL), OK);
    assert_int_equal(mark_of(f, "products"), mark);
    pass(f, MINUTE_MS);
    assert_int_equal(lease(f, &again), OK);
    assert_int_equal(again.info.run.window_high_ms, begin);
    assert_int_equal(low_of(&again, "products"), low_of(&job, "products"));
    pass(f, 60000);
    pass(f, MINUTE_MS);
    assert_int_equal(lease(f, &again), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(release(f, name_of(&again)), OK);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(mark_of(f, "products"), mark);
    assert_int_equal(lease(f, &again), OK);
    assert_int_equal(again.info.run.generation, job.info.run.generation);
    assert_int_equal(complete_entity(f, name_of(&again), "products"), OK);
    assert_int_equal(mark_of(f, "products"), begin);
    job = started(f, &spec);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(release(f, name_of(&job)), OK);
    assert_int_equal(mark_of(f, "products"), begin);
}

static void only_what_was_covered_wholly_moves(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_FULL);
    struct assignment job = started(f, &spec);
    struct entity_progress entities[] = { { .entity = bytes_of_text("products"), .complete = true },
                                          { .entity = bytes_of_text("orders") } };
    struct report_request done = {
        .kind = REPORT_COMPLETE, .lease = name_of(&job), .entities = entities, .entity_count = 2
    };

    assert_int_equal(ask(f, &done.base, QUEUE_REPORT), OK);
    assert_int_equal(mark_of(f, "products"), FIXTURE_START_MS);
    assert_int_equal(mark_of(f, "orders"), 0);
}

static void a_narrowed_run_never_moves_the_watermark(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_ENTITY);
    struct assignment job;

    spec.narrowed = true;
    job = started(f, &spec);
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), 0);
    spec.narrowed = false;
    job = started(f, &spec);
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), FIXTURE_START_MS);
}

static void updated_since_is_the_lower_bound_of_its_run(void **state)
{
    struct queue_fixture *f = *state;
    int64_t mark = covered(f, RUN_TYPE_FULL, "products");
    struct run_spec spec = a_spec_of("a", RUN_TYPE_INCREMENTAL);
    struct assignment job;

    spec.updated_since_ms = mark - 12345;
    pass(f, MINUTE_MS);
    job = started(f, &spec);
    assert_int_equal(low_of(&job, "products"), mark - 12345);
    assert_int_equal(low_of(&job, "orders"), mark - 12345);
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), mark + MINUTE_MS + MINUTE_MS / 2);
}

/* A gap between what was covered and where it began: the mark stays. */
static void a_window_that_does_not_join_on_moves_nothing(void **state)
{
    struct queue_fixture *f = *state;
    int64_t mark = covered(f, RUN_TYPE_FULL, "products");
    struct run_spec spec = a_spec_of("a", RUN_TYPE_INCREMENTAL);
    struct assignment job;

    pass(f, MINUTE_MS);
    spec.updated_since_ms = mark + 1;
    job = started(f, &spec);
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), mark);
    spec.updated_since_ms = mark;
    job = started(f, &spec);
    assert_int_equal(complete_entity(f, name_of(&job), "orders"), OK);
    assert_int_equal(mark_of(f, "orders"), 0);
}

static void a_watermark_moves_only_forward(void **state)
{
    struct queue_fixture *f = *state;
    int64_t mark = covered(f, RUN_TYPE_FULL, "products");

    f->clock.now_ms -= 60 * MINUTE_MS;
    (void)covered(f, RUN_TYPE_FULL, "products");
    assert_int_equal(mark_of(f, "products"), mark);
}

/* A worker that tells nothing of entities, then one that does. */
static void the_watermark_of_everything_stands_for_entities_without_their_own(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_INCREMENTAL);
    struct assignment job = started(f, &spec);
    int64_t first = f->clock.now_ms, second;

    assert_int_equal(complete(f, name_of(&job)), OK);
    assert_int_equal(mark_of(f, ""), first);
    pass(f, MINUTE_MS);
    second = f->clock.now_ms;
    job = started(f, &spec);
    assert_int_equal(low_of(&job, "products"), first - LOOKBACK_MS);
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), second);
    job = started(f, &spec);
    assert_int_equal(low_of(&job, "products"), second - LOOKBACK_MS);
    assert_int_equal(low_of(&job, "orders"), first - LOOKBACK_MS);
    assert_int_equal(complete(f, name_of(&job)), OK);
}

static void a_scheduled_run_is_full_until_there_is_a_watermark(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_SCHEDULED);
    enum run_type want[] = { RUN_TYPE_FULL, RUN_TYPE_INCREMENTAL, RUN_TYPE_INCREMENTAL };
    struct assignment job;

    spec.has_schedule = true;
    spec.schedule.interval_ms = 10 * MINUTE_MS;
    assert_int_equal(submit(f, &spec, NULL), OK);
    for (int i = 0; i < 3; i++) {
        pass(f, i == 0 ? 0 : 10 * MINUTE_MS);
        assert_int_equal(lease(f, &job), OK);
        assert_int_equal(job.info.run.effective_type, want[i]);
        assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    }
    spec.mode = RUN_TYPE_FULL;
    assert_int_equal(submit(f, &spec, NULL), OK);
    pass(f, 0);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.run.effective_type, RUN_TYPE_FULL);
    assert_int_equal(job.info.run.window_count, 0);
}

static void a_full_run_reads_everything_as_a_new_generation(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_FULL);
    struct assignment first, second;

    first = started(f, &spec);
    assert_int_equal(complete_entity(f, name_of(&first), "products"), OK);
    pass(f, MINUTE_MS);
    second = started(f, &spec);
    assert_int_equal(second.info.run.window_count, 0);
    assert_true(second.info.run.generation > first.info.run.generation);
}

static void a_reset_watermark_is_kept_with_its_last_ten_values(void **state)
{
    struct queue_fixture *f = *state;
    struct sync_view sync;
    int64_t mark = 0;

    for (int i = 0; i < 12; i++) {
        mark = covered(f, RUN_TYPE_FULL, "products");
        pass(f, MINUTE_MS);
    }
    assert_int_equal(reset(f, "products", 5000), OK);
    sync = sync_of(f);
    assert_int_equal(sync.watermarks[0].count, 10);
    assert_int_equal(sync.watermarks[0].changes[0].value_ms, 5000);
    assert_int_equal(sync.watermarks[0].changes[0].run, 0);
    assert_int_equal(sync.watermarks[0].changes[1].value_ms, mark);
    assert_int_not_equal(sync.watermarks[0].changes[1].run, 0);
}

static void a_forgotten_watermark_makes_the_next_run_read_everything(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec_of("a", RUN_TYPE_INCREMENTAL);
    struct assignment job;

    (void)covered(f, RUN_TYPE_FULL, "products");
    (void)covered(f, RUN_TYPE_FULL, "orders");
    job = started(f, &spec);
    assert_int_equal(reset(f, "", 0), OK);
    /* What began before the reset does not bring the mark back. */
    assert_int_equal(complete_entity(f, name_of(&job), "products"), OK);
    assert_int_equal(mark_of(f, "products"), 0);
    assert_int_equal(mark_of(f, "orders"), 0);
    job = started(f, &spec);
    assert_int_equal(job.info.run.window_count, 0);
}

static void a_wrong_reset_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    char long_name[401];

    memset(long_name, 'x', sizeof long_name);
    long_name[400] = '\0';
    assert_int_equal(reset(f, "products", 1), ERR_NOT_FOUND);
    (void)submitted(f, "b");
    assert_int_equal(reset(f, "products", 1), ERR_NOT_FOUND);
    (void)submitted(f, "a");
    assert_int_equal(reset(f, "products", -1), ERR_INVALID);
    assert_string_equal(f->why.field, "value");
    assert_int_equal(reset(f, long_name, 1), ERR_INVALID);
    assert_string_equal(f->why.field, "entity");
    assert_int_equal(mark_of(f, "products"), 0);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_completed_full_run_sets_the_watermark_to_its_own_start),
        TEST(a_safety_lag_keeps_the_watermark_back),
        TEST(an_incremental_run_without_a_watermark_reads_everything_and_sets_one),
        TEST(an_incremental_run_begins_at_the_watermark_less_the_lookback),
        TEST(failure_pause_cancel_and_a_lost_lease_leave_the_watermark),
        TEST(only_what_was_covered_wholly_moves),
        TEST(a_narrowed_run_never_moves_the_watermark),
        TEST(updated_since_is_the_lower_bound_of_its_run),
        TEST(a_window_that_does_not_join_on_moves_nothing),
        TEST(a_watermark_moves_only_forward),
        TEST(the_watermark_of_everything_stands_for_entities_without_their_own),
        TEST(a_scheduled_run_is_full_until_there_is_a_watermark),
        TEST(a_full_run_reads_everything_as_a_new_generation),
        TEST(a_reset_watermark_is_kept_with_its_last_ten_values),
        TEST(a_forgotten_watermark_makes_the_next_run_read_everything),
        TEST(a_wrong_reset_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
