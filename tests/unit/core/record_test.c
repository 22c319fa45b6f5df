#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/store/key.h"
#include "core/store/record.h"
#include "core/schedule.h"
#include "tests/support/queue_fixture.h"

#define SAME(field)       assert_int_equal(b.field, a.field)
#define SAME_BYTES(field) assert_true(bytes_equal(b.field, a.field))

static struct arena *mem;
static struct zones *zones;

static struct bytes text(const char *text)
{
    return bytes_of_text(text);
}

static struct schedule_rule a_rule(void)
{
    return (struct schedule_rule){ .start_at_ms = 1000,
                                   .end_at_ms = 2000,
                                   .repeat = REPEAT_MONTHLY,
                                   .time_of_day_s = 3600,
                                   .timezone = text("UTC"),
                                   .cron = text("* * * * *"),
                                   .interval_ms = 5000,
                                   .jitter_ms = 6000,
                                   .max_runs = 7,
                                   .overlap = OVERLAP_CANCEL_OTHER,
                                   .catch_up_ms = 8000 };
}

static void assert_same_rule(struct schedule_rule a, struct schedule_rule b)
{
    SAME(start_at_ms);
    SAME(end_at_ms);
    SAME(repeat);
    SAME(time_of_day_s);
    SAME_BYTES(timezone);
    SAME_BYTES(cron);
    SAME(interval_ms);
    SAME(jitter_ms);
    SAME(max_runs);
    SAME(overlap);
    SAME(catch_up_ms);
}

static struct run_spec full_spec(void)
{
    return (struct run_spec){ .name = text("nightly"),
                              .type = RUN_TYPE_SCHEDULED,
                              .priority = RUN_PRIORITY_CRITICAL,
                              .source = text("shopify"),
                              .target = text("local"),
                              .entity = text("products"),
                              .mode = RUN_TYPE_INCREMENTAL,
                              .updated_since_ms = 11,
                              .narrowed = true,
                              .concurrency = 12,
                              .retry_on_fail = true,
                              .retries_max = 13,
                              .data = bytes_of("a\0b", 3),
                              .has_schedule = true,
                              .schedule = a_rule(),
                              .queued_at_ms = 14,
                              .queued_by = text("alice") };
}

static struct run full_run(void)
{
    static struct entity_progress entities[2];
    static struct entity_window windows[2];

    entities[0] = (struct entity_progress){ text("products"), 1, 2, 3, true, false };
    entities[1] = (struct entity_progress){ text("orders"), UINT64_MAX, 0, 0, false, true };
    windows[0] = (struct entity_window){ text("products"), 21 };
    windows[1] = (struct entity_window){ text(""), INT64_MAX };
    return (struct run){ .state = RUN_PAUSING,
                         .epoch = 1,
                         .generation = 2,
                         .attempts = 3,
                         .failures = 4,
                         .fruitless = 5,
                         .expiries = 6,
                         .moved = true,
                         .checkpointed = true,
                         .head = true,
                         .order = UINT64_MAX,
                         .queued_at_ms = 7,
                         .started_at_ms = 8,
                         .paused_at_ms = 9,
                         .resumed_at_ms = 10,
                         .leased_at_ms = 11,
                         .nominal_ms = 12,
                         .worked_ms = 13,
                         .lease_ttl_ms = 14,
                         .worker = text("w1"),
                         .progress = 99,
                         .entities = entities,
                         .entity_count = 2,
                         .error = text("broke"),
                         .error_class = FAILURE_RATE_LIMITED,
                         .error_at_ms = 15,
                         .action = { text("alice"), text("load"), 16 },
                         .effective_type = RUN_TYPE_ENTITY,
                         .window_high_ms = 17,
                         .windows = windows,
                         .window_count = 2,
                         .windows_set = true };
}

static void assert_same_arrays(const struct run *x, const struct run *y)
{
    assert_int_equal(x->entity_count, y->entity_count);
    for (uint32_t i = 0; i < x->entity_count; i++) {
        struct entity_progress a = x->entities[i], b = y->entities[i];

        SAME_BYTES(entity);
        SAME(done);
        SAME(total);
        SAME(deleted);
        SAME(total_known);
        SAME(complete);
    }
    assert_int_equal(x->window_count, y->window_count);
    for (uint32_t i = 0; i < x->window_count; i++) {
        struct entity_window a = x->windows[i], b = y->windows[i];

        SAME_BYTES(entity);
        SAME(low_ms);
    }
}

static void assert_same_run(struct run a, struct run b)
{
    SAME(state);
    SAME(epoch);
    SAME(generation);
    SAME(attempts);
    SAME(failures);
    SAME(fruitless);
    SAME(expiries);
    SAME(moved);
    SAME(checkpointed);
    SAME(ready);
    SAME(head);
    SAME(order);
    SAME(queued_at_ms);
    SAME(started_at_ms);
    SAME(paused_at_ms);
    SAME(resumed_at_ms);
    SAME(ended_at_ms);
    SAME(ended_ticket);
    SAME(not_before_ms);
    SAME(leased_at_ms);
    SAME(nominal_ms);
    SAME(worked_ms);
    SAME(lease_ttl_ms);
    SAME_BYTES(worker);
    SAME(progress);
    SAME_BYTES(error);
    SAME(error_class);
    SAME(error_at_ms);
    SAME_BYTES(action.actor);
    SAME_BYTES(action.reason);
    SAME(action.at_ms);
    SAME(effective_type);
    SAME(window_high_ms);
    SAME(windows_set);
    assert_same_arrays(&a, &b);
}

static void a_run_is_read_as_it_was_written(void **state)
{
    struct run runs[] = {
        full_run(),
        { .state = RUN_QUEUED, .progress = -1, .ready = true, .order = 1 },
        { .state = RUN_BACKOFF, .progress = 0, .not_before_ms = 1 },
        { .state = RUN_COMPLETED, .progress = 100, .ended_at_ms = 1, .ended_ticket = 2 },
    };
    struct why why;

    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct run read;

        assert_int_equal(record_read_run(record_write_run(&runs[i], mem), mem, &read, &why), OK);
        assert_same_run(runs[i], read);
    }
}

static void a_specification_is_read_as_it_was_written(void **state)
{
    struct run_spec specs[] = { full_spec(), a_spec("plain") };
    struct why why;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct run_spec a = specs[i], b;

        assert_int_equal(record_read_spec(record_write_spec(&a, mem), mem, &b, &why), OK);
        SAME_BYTES(name);
        SAME(type);
        SAME(priority);
        SAME_BYTES(source);
        SAME_BYTES(target);
        SAME_BYTES(entity);
        SAME(mode);
        SAME(updated_since_ms);
        SAME(narrowed);
        SAME(concurrency);
        SAME(retry_on_fail);
        SAME(retries_max);
        SAME_BYTES(data);
        SAME(has_schedule);
        SAME(queued_at_ms);
        SAME_BYTES(queued_by);
        if (a.has_schedule)
            assert_same_rule(a.schedule, b.schedule);
    }
}

static void a_sync_is_read_as_it_was_written(void **state)
{
    struct sync_record a = { 1, 2, 3, 4, true, true, { text("bob"), text("why"), 5 }, 6, 7, 8,
                             { 9, 0, 11 }, 3, 12, { 13, 14 }, 2, 15, 16 };
    struct sync_record b;
    struct why why;

    (void)state;
    assert_int_equal(record_read_sync(record_write_sync(&a, mem), mem, &b, &why), OK);
    SAME(head_run);
    SAME(latest_run);
    SAME(last_ended_run);
    SAME(behind);
    SAME(paused);
    SAME(scheduled);
    SAME_BYTES(action.actor);
    SAME_BYTES(action.reason);
    SAME(action.at_ms);
    SAME(completed);
    SAME(failed);
    SAME(cancelled);
    SAME(duration_count);
    SAME(last_completed_at_ms);
    SAME(recent_count);
    SAME(history_chunks);
    SAME(history_from);
    assert_memory_equal(a.durations_ms, b.durations_ms, sizeof a.durations_ms);
    assert_memory_equal(a.recent, b.recent, sizeof a.recent);
}

static void a_schedule_is_read_as_it_was_written(void **state)
{
    struct schedule_record a = { a_rule(), 1, 2, 3, 4, 5, 6, { 7, 8, 9 }, { 1, 2, 0, 3 } }, b;
    struct why why;

    (void)state;
    assert_int_equal(record_read_schedule(record_write_schedule(&a, mem), mem, &b, &why), OK);
    assert_same_rule(a.rule, b.rule);
    SAME(mark_ms);
    SAME(due_ms);
    SAME(nominal_ms);
    SAME(fired);
    SAME(skipped);
    SAME(pending_run);
    assert_memory_equal(a.next_runs_ms, b.next_runs_ms, sizeof a.next_runs_ms);
    assert_memory_equal(a.skipped_by, b.skipped_by, sizeof a.skipped_by);
}

static void the_small_records_are_read_as_they_were_written(void **state)
{
    struct meta meta = { SCHEMA_VERSION, 2, UINT64_MAX }, meta_read;
    struct counters counters = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 }, counters_read;
    struct watermark_record marks = { .count = WATERMARK_HISTORY_MAX }, marks_read;
    struct org_record a = { 1, text("Example"), 2, 3, 4, 5, UINT64_MAX, 6, 7, 8 }, b;
    struct why why;

    (void)state;
    assert_int_equal(record_read_meta(record_write_meta(&meta, mem), mem, &meta_read, &why), OK);
    assert_memory_equal(&meta, &meta_read, sizeof meta);
    assert_int_equal(
        record_read_counters(record_write_counters(&counters, mem), mem, &counters_read, &why), OK);
    assert_memory_equal(&counters, &counters_read,
                        offsetof(struct counters, generation) + sizeof counters.generation);
    for (int i = 0; i < WATERMARK_HISTORY_MAX; i++)
        marks.changes[i] = (struct watermark_value){ i, 100 + i, (run_id)i };
    assert_int_equal(
        record_read_watermark(record_write_watermark(&marks, mem), mem, &marks_read, &why), OK);
    assert_int_equal(marks_read.count, marks.count);
    assert_memory_equal(marks.changes, marks_read.changes, sizeof marks.changes);
    assert_int_equal(record_read_org(record_write_org(&a, mem), mem, &b, &why), OK);
    SAME(number);
    SAME_BYTES(name);
    SAME(created_at_ms);
    SAME(max_active);
    SAME(max_requests_per_second);
    SAME(weight);
    SAME(max_queued);
    SAME(keep_completed_ms);
    SAME(keep_failed_ms);
    SAME(keep_runs);
}

static void ends_are_read_as_they_were_written(void **state)
{
    struct ending endings[] = { { 1, 2, RUN_COMPLETED }, { UINT64_MAX, UINT32_MAX, RUN_FAILED } };
    struct endings_record ends = { 3, endings, 2 }, ends_read;
    struct history_record history = { { 4, UINT64_MAX }, 2 }, history_read;
    struct why why;

    (void)state;
    assert_int_equal(record_read_endings(record_write_endings(&ends, mem), mem, &ends_read, &why), OK);
    assert_int_equal(ends_read.ended_at_ms, 3);
    assert_int_equal(ends_read.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ends_read.endings[i].run, endings[i].run);
        assert_int_equal(ends_read.endings[i].name, endings[i].name);
        assert_int_equal(ends_read.endings[i].state, endings[i].state);
    }
    assert_int_equal(record_read_history(record_write_history(&history, mem), mem, &history_read,
                                         &why), OK);
    assert_int_equal(history_read.count, 2);
    assert_memory_equal(history_read.runs, history.runs, 2 * sizeof history.runs[0]);
}

static void a_purge_is_read_as_it_was_written(void **state)
{
    struct purge_record a = { 1, text("orders"), RUN_FAILED, 2, 3, 4, 5 }, b;
    struct why why;

    (void)state;
    assert_int_equal(record_read_purge(record_write_purge(&a, mem), mem, &b, &why), OK);
    SAME(older_than_ms);
    SAME_BYTES(name);
    SAME(state);
    SAME(purge_epoch);
    SAME(completed);
    SAME(failed);
    SAME(cancelled);
}

static void an_audit_entry_is_read_as_it_was_written(void **state)
{
    struct audit_record a = { 1, text("bob"), text("pause"), text("acme"), text("orders"),
                              text("why"), text("10.0.0.1:5"), 6 }, b;
    struct why why;

    (void)state;
    assert_int_equal(record_read_audit(record_write_audit(&a, mem), mem, &b, &why), OK);
    SAME(at_ms);
    SAME_BYTES(actor);
    SAME_BYTES(action);
    SAME_BYTES(org);
    SAME_BYTES(subject);
    SAME_BYTES(reason);
    SAME_BYTES(peer);
    SAME(org_number);
}

static struct idempotency_record an_answer(void)
{
    return (struct idempotency_record){ .digest = text("0123456789abcdef"),
                                        .ticket = 77,
                                        .expires_at_ms = 1,
                                        .id = UINT64_MAX,
                                        .name = text("product-sync"),
                                        .run = full_run(),
                                        .duplicate = true,
                                        .wait = WAIT_TURN,
                                        .estimated_start_ms = 2,
                                        .estimated_completion_ms = 3,
                                        .estimate_low_ms = 4,
                                        .estimate_high_ms = 5,
                                        .estimate_basis = text("queue_rate"),
                                        .next_runs_ms = { 6, 7, 8 } };
}

static void an_answer_is_read_as_it_was_written(void **state)
{
    struct idempotency_record a = an_answer(), b;
    struct why why;

    (void)state;
    assert_int_equal(
        record_read_idempotency(record_write_idempotency(&a, mem), mem, &b, &why), OK);
    SAME_BYTES(digest);
    SAME(expires_at_ms);
    SAME(ticket);
    SAME(id);
    SAME_BYTES(name);
    assert_same_run(a.run, b.run);
    SAME(duplicate);
    SAME(wait);
    SAME(estimated_start_ms);
    SAME(estimated_completion_ms);
    SAME(estimate_low_ms);
    SAME(estimate_high_ms);
    SAME_BYTES(estimate_basis);
    assert_memory_equal(a.next_runs_ms, b.next_runs_ms, sizeof a.next_runs_ms);
}

/* Reads bytes as every kind of record: what is accepted makes sense. */
static void read_as_everything(struct bytes b)
{
    struct arena *scratch = arena_new(1 << 20);
    struct why why = { .text = "" };
    struct schedule_record schedule;
    struct schedule rule;
    struct watermark_record marks;
    struct counters counters;
    struct sync_record sync;
    struct org_record org;
    struct run_spec spec;
    struct meta meta;
    struct run run;
    struct idempotency_record stored;
    struct endings_record endings;
    struct history_record history;
    struct purge_record order;
    struct audit_record entry;
    enum err errors[13];
    int64_t times[SCHEDULE_RUNS_SHOWN];

    errors[0] = record_read_run(b, scratch, &run, &why);
    assert_true(errors[0] != OK || run_is_sound(&run));
    errors[1] = record_read_spec(b, scratch, &spec, &why);
    assert_true(errors[1] != OK ||
                (spec.type < RUN_TYPE_COUNT && spec.priority < RUN_PRIORITY_COUNT));
    errors[2] = record_read_schedule(b, scratch, &schedule, &why);
    if (errors[2] == OK && schedule_open(&schedule.rule, zones, 0, &rule, &why) == OK)
        schedule_list(&rule, schedule.nominal_ms, 0, times);
    errors[3] = record_read_sync(b, scratch, &sync, &why);
    assert_true(errors[3] != OK || sync.duration_count <= DURATIONS_MAX);
    errors[4] = record_read_watermark(b, scratch, &marks, &why);
    assert_true(errors[4] != OK || marks.count <= WATERMARK_HISTORY_MAX);
    errors[5] = record_read_counters(b, scratch, &counters, &why);
    errors[6] = record_read_org(b, scratch, &org, &why);
    errors[7] = record_read_meta(b, scratch, &meta, &why);
    errors[8] = record_read_endings(b, scratch, &endings, &why);
    errors[9] = record_read_history(b, scratch, &history, &why);
    assert_true(errors[9] != OK || history.count <= HISTORY_CHUNK_RUNS);
    errors[10] = record_read_purge(b, scratch, &order, &why);
    errors[11] = record_read_audit(b, scratch, &entry, &why);
    errors[12] = record_read_idempotency(b, scratch, &stored, &why);
    assert_true(errors[12] != OK || (stored.id != 0 && run_is_sound(&stored.run)));
    for (int i = 0; i < 13; i++)
        assert_true(errors[i] == OK || errors[i] == ERR_CORRUPT);
    arena_free(scratch);
}

static void damage_in_every_way(struct bytes record)
{
    uint8_t *copy = malloc(record.size);

    assert_non_null(copy);
    for (size_t i = 0; i < record.size; i++) {
        const uint8_t wrong[] = { 0,
                                  1,
                                  0x7f,
                                  0x80,
                                  0xff,
                                  (uint8_t)(record.data[i] ^ 1),
                                  (uint8_t)(record.data[i] ^ 8),
                                  (uint8_t)(record.data[i] + 1) };
        uint8_t *cut = malloc(i + 1);

        assert_non_null(cut);
        memcpy(cut, record.data, i);
        read_as_everything(bytes_of(cut, i)); /* a copy of its own: overruns are seen */
        free(cut);
        for (size_t w = 0; w < sizeof wrong; w++) {
            memcpy(copy, record.data, record.size);
            copy[i] = wrong[w];
            read_as_everything(bytes_of(copy, record.size));
        }
    }
    free(copy);
}

static void damaged_bytes_make_sense_or_are_corrupt(void **state)
{
    struct run_spec spec = full_spec();
    struct run run = full_run();
    struct schedule_record schedule = { a_rule(), 1, 2, 3, 4, 5, 6, { 7, 8, 9 }, { 1, 2, 0, 3 } };
    struct sync_record sync = { .head_run = 1,
                                .action = { text("bob"), text("why"), 5 },
                                .durations_ms = { 1, 2 },
                                .duration_count = 2 };
    struct idempotency_record answer = an_answer();
    struct ending ending = { 1, 2, RUN_COMPLETED };
    struct endings_record ends = { 3, &ending, 1 };
    struct history_record history = { { 4, UINT64_MAX }, 2 };

    (void)state;
    damage_in_every_way(record_write_run(&run, mem));
    damage_in_every_way(record_write_spec(&spec, mem));
    damage_in_every_way(record_write_schedule(&schedule, mem));
    damage_in_every_way(record_write_sync(&sync, mem));
    damage_in_every_way(record_write_idempotency(&answer, mem));
    damage_in_every_way(record_write_endings(&ends, mem));
    damage_in_every_way(record_write_history(&history, mem));
}

/* A newer program's fields: number 100 as varint, 101 as bytes. */
static void unknown_fields_are_passed_over(void **state)
{
    const uint8_t unknown[] = { 0xa0, 0x06, 0x2a, 0xaa, 0x06, 0x02, 'h', 'i' };
    struct run a = full_run(), b;
    struct bytes record = record_write_run(&a, mem);
    uint8_t *longer = malloc(record.size + sizeof unknown);
    struct why why;

    (void)state;
    assert_non_null(longer);
    memcpy(longer, record.data, record.size);
    memcpy(longer + record.size, unknown, sizeof unknown);
    assert_int_equal(record_read_run(bytes_of(longer, record.size + sizeof unknown), mem, &b, &why),
                     OK);
    assert_same_run(a, b);
    free(longer);
}

static void a_full_memory_is_a_limit(void **state)
{
    struct run a = full_run(), b;
    struct bytes record = record_write_run(&a, mem);
    struct arena *small = arena_new(300);
    struct why why;

    (void)state;
    assert_int_equal(record_read_run(record, small, &b, &why), ERR_LIMIT);
    arena_free(small);
}

static void a_store_of_a_newer_program_is_refused_with_a_clear_text(void **state)
{
    struct queue_fixture *f = *state;
    struct meta meta = { .schema_version = SCHEMA_VERSION + 1, .ticket_limit = 1 };
    struct key key = key_meta();
    struct store_write write = { FAMILY_META, false, key_bytes(&key),
                                 record_write_meta(&meta, mem) };
    struct queue_deps deps = { &f->store.base, &f->clock.base, &f->random.base,
                               NULL,           NULL,           f->options };
    struct queue *queue = NULL;
    struct why why = { .text = "" };

    assert_int_equal(f->store.base.ops->commit(&f->store.base, &write, 1, &why), OK);
    assert_int_equal(queue_open(&deps, &queue, &why), ERR_CORRUPT);
    assert_null(queue);
    assert_non_null(strstr(why.text, "newer program"));
    assert_non_null(strstr(why.text, "schema version 2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_read_as_it_was_written),
        cmocka_unit_test(a_specification_is_read_as_it_was_written),
        cmocka_unit_test(a_sync_is_read_as_it_was_written),
        cmocka_unit_test(a_schedule_is_read_as_it_was_written),
        cmocka_unit_test(the_small_records_are_read_as_they_were_written),
        cmocka_unit_test(an_answer_is_read_as_it_was_written),
        cmocka_unit_test(ends_are_read_as_they_were_written),
        cmocka_unit_test(a_purge_is_read_as_it_was_written),
        cmocka_unit_test(an_audit_entry_is_read_as_it_was_written),
        cmocka_unit_test(damaged_bytes_make_sense_or_are_corrupt),
        cmocka_unit_test(unknown_fields_are_passed_over),
        cmocka_unit_test(a_full_memory_is_a_limit),
        cmocka_unit_test_setup_teardown(a_store_of_a_newer_program_is_refused_with_a_clear_text,
                                        queue_fixture_setup, queue_fixture_teardown),
    };
    int failed;

    mem = arena_new(64 << 20);
    zones = zones_new(zone_directory);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(mem);
    zones_free(zones);
    return failed;
}
