#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/store/key.h"
#include "core/limits.h"

static const struct org_place org = { 7, 0x01020304 };

static int order(struct key a, struct key b)
{
    return bytes_compare(key_bytes(&a), key_bytes(&b));
}

/* key lies in [prefix, key_after(prefix)): a scan over the prefix finds it. */
static bool is_under(struct key key, struct key prefix)
{
    struct key after = key_after(&prefix);

    return order(prefix, key) <= 0 && (after.size == 0 || order(key, after) < 0);
}

static struct bytes text(const char *text)
{
    return bytes_of_text(text);
}

static void a_higher_class_comes_first(void **state)
{
    (void)state;
    for (int p = RUN_PRIORITY_LOW; p < RUN_PRIORITY_CRITICAL; p++) {
        enum run_priority low = (enum run_priority)p, high = (enum run_priority)(p + 1);

        assert_true(order(key_ready(org, high, UINT32_MAX, false, UINT64_MAX),
                          key_ready(org, low, 0, true, 0)) < 0);
    }
}

static void inside_a_lane_the_resumed_come_first_then_the_older(void **state)
{
    const enum run_priority p = RUN_PRIORITY_NORMAL;

    (void)state;
    assert_true(order(key_ready(org, p, 5, true, UINT64_MAX), key_ready(org, p, 5, false, 0)) < 0);
    assert_true(order(key_ready(org, p, 5, false, 255), key_ready(org, p, 5, false, 256)) < 0);
    assert_true(order(key_ready(org, p, 5, false, INT64_MAX),
                      key_ready(org, p, 5, false, (uint64_t)INT64_MAX + 1)) < 0);
    assert_true(order(key_ready(org, p, 5, false, UINT64_MAX), key_ready(org, p, 6, true, 0)) < 0);
}

static void every_ready_key_lies_under_its_lane_its_class_and_its_organisation(void **state)
{
    const uint32_t lanes[] = { 0, 1, 0xff, 0xffff, 0xffffffff };

    (void)state;
    for (int p = RUN_PRIORITY_LOW; p <= RUN_PRIORITY_CRITICAL; p++)
        for (int i = 0; i < 5; i++) {
            enum run_priority priority = (enum run_priority)p;
            struct key key = key_ready(org, priority, lanes[i], i % 2 == 0, UINT64_MAX);

            assert_true(is_under(key, key_ready_lane(org, priority, lanes[i])));
            assert_true(is_under(key, key_ready_class(org, priority)));
            assert_true(is_under(key, key_of_org(org)));
            assert_false(is_under(key, key_ready_lane(org, priority, lanes[(i + 1) % 5])));
            assert_int_equal(key_lane_read(key_bytes(&key)), lanes[i]);
            assert_int_equal(key_head_read(key_bytes(&key)), i % 2 == 0);
            assert_int_equal(key_run_read(key_bytes(&key)), UINT64_MAX);
        }
}

static void a_name_that_begins_another_keeps_its_own_line(void **state)
{
    struct key behind_a = key_behind(org, text("a"), UINT64_MAX);
    struct key behind_ab = key_behind(org, text("a-b"), 0);

    (void)state;
    assert_true(is_under(behind_a, key_behind_name(org, text("a"))));
    assert_false(is_under(behind_ab, key_behind_name(org, text("a"))));
    assert_false(is_under(behind_a, key_behind_name(org, text("a-b"))));
    assert_false(
        is_under(key_watermark(org, text("ab"), text("")), key_watermarks(org, text("a"))));
    assert_true(is_under(key_watermark(org, text("a"), text("")), key_watermarks(org, text("a"))));
    assert_true(is_under(key_watermark(org, text("a"), bytes_of("\xff\xff", 2)),
                         key_watermarks(org, text("a"))));
}

static void parts_are_read_as_they_were_written(void **state)
{
    struct key name = key_name(org, text("product-sync"));
    struct key mark = key_watermark(org, text("product-sync"), text("products"));
    struct key run = key_run(org, 0x1122334455667788), ended = key_ended(org, 9, 42);

    (void)state;
    assert_true(bytes_equal(key_name_read(key_bytes(&name)), text("product-sync")));
    assert_true(
        bytes_equal(key_entity_read(key_bytes(&mark), text("product-sync")), text("products")));
    assert_int_equal(key_run_read(key_bytes(&run)), 0x1122334455667788);
    assert_int_equal(key_run_read(key_bytes(&ended)), 42);
    assert_int_equal(key_org_read(key_bytes(&run)).slot, org.slot);
    assert_int_equal(key_org_read(key_bytes(&run)).number, org.number);
}

static void ended_runs_lie_under_their_purge_epoch_in_the_order_of_their_ids(void **state)
{
    (void)state;
    assert_true(order(key_ended(org, 1, UINT64_MAX), key_ended(org, 2, 0)) < 0);
    assert_true(order(key_ended(org, 1, 255), key_ended(org, 1, 256)) < 0);
    assert_true(is_under(key_ended(org, 0xff, UINT64_MAX), key_ended_epoch(org, 0xff)));
    assert_false(is_under(key_ended(org, 0x100, 0), key_ended_epoch(org, 0xff)));
}

static struct key timer_at(int64_t due_ms, enum timer_kind kind, run_id run, const char *name)
{
    struct timer timer = { due_ms, kind, org, run, text(name) };

    return key_timer(&timer);
}

static void timers_sort_by_the_time_they_are_due(void **state)
{
    const int64_t times[] = { 0, 1, 255, 256, 1767225600000, INT64_MAX - 1, INT64_MAX };

    (void)state;
    for (int i = 0; i < 7; i++) {
        struct key from = key_timer_from(org.slot, times[i]);

        assert_true(order(from, timer_at(times[i], TIMER_BACKOFF, 0, "")) < 0);
        if (i > 0)
            assert_true(order(timer_at(times[i - 1], TIMER_SCHEDULE, 0, "zzz"), from) < 0);
    }
}

static void a_timer_is_read_as_it_was_written(void **state)
{
    struct key backoff = timer_at(1234, TIMER_BACKOFF, 99, "");
    struct key schedule = timer_at(INT64_MAX, TIMER_SCHEDULE, 0, "nightly");
    struct key idempotency = timer_at(77, TIMER_IDEMPOTENCY, 20454, "");
    struct timer timer;

    (void)state;
    assert_true(key_timer_read(key_bytes(&backoff), &timer));
    assert_int_equal(timer.due_ms, 1234);
    assert_int_equal(timer.kind, TIMER_BACKOFF);
    assert_int_equal(timer.run, 99);
    assert_int_equal(timer.org.number, org.number);
    assert_int_equal(timer.org.slot, org.slot);
    assert_true(key_timer_read(key_bytes(&schedule), &timer));
    assert_int_equal(timer.due_ms, INT64_MAX);
    assert_int_equal(timer.kind, TIMER_SCHEDULE);
    assert_true(bytes_equal(timer.name, text("nightly")));
    assert_true(key_timer_read(key_bytes(&idempotency), &timer));
    assert_int_equal(timer.due_ms, 77);
    assert_int_equal(timer.kind, TIMER_IDEMPOTENCY);
    assert_int_equal(timer.run, 20454);
}

static void answers_of_one_period_lie_together(void **state)
{
    uint8_t low[KEY_DIGEST_SIZE] = { 0 }, high[KEY_DIGEST_SIZE];
    struct key period = key_idempotency_period(org, 7), next = key_idempotency_period(org, 8);
    struct key first, last, after = key_after(&period);

    (void)state;
    memset(high, 0xff, sizeof high);
    first = key_idempotency(org, 7, low);
    last = key_idempotency(org, 7, high);
    assert_true(order(period, first) < 0);
    assert_true(order(first, last) < 0);
    assert_true(order(last, after) < 0);
    assert_true(order(last, next) < 0);
}

static void what_is_no_timer_is_not_read_as_one(void **state)
{
    struct key backoff = timer_at(1234, TIMER_BACKOFF, 99, "");
    struct timer timer;

    (void)state;
    for (size_t size = 0; size < backoff.size; size++)
        assert_false(key_timer_read(bytes_of(backoff.data, size), &timer));
    backoff.data[1] = 0x80;
    assert_false(key_timer_read(key_bytes(&backoff), &timer));
    backoff.data[1] = 0;
    backoff.data[9] = 99;
    assert_false(key_timer_read(key_bytes(&backoff), &timer));
}

/* The next key behind everything that begins with the prefix, and no later. */
static void key_after_is_the_end_of_a_prefix(void **state)
{
    struct random_seeded dice;

    (void)state;
    random_seeded_init(&dice, 3);
    for (int i = 0; i < 20000; i++) {
        struct key prefix = { .size = 1 + (size_t)random_below(&dice.base, 4) }, other = prefix,
                   after;
        bool begins;

        for (size_t b = 0; b < 4; b++) {
            prefix.data[b] =
                random_below(&dice.base, 2) ? 0xff : (uint8_t)random_below(&dice.base, 3);
            other.data[b] =
                random_below(&dice.base, 2) ? 0xff : (uint8_t)random_below(&dice.base, 3);
        }
        other.size = 1 + (size_t)random_below(&dice.base, 4);
        after = key_after(&prefix);
        begins = other.size >= prefix.size && memcmp(other.data, prefix.data, prefix.size) == 0;
        assert_int_equal(is_under(other, prefix), begins);
        if (after.size > 0)
            assert_true(order(prefix, after) < 0);
    }
}

static void the_longest_names_fit(void **state)
{
    char long_text[NAME_SIZE_MAX];
    struct bytes name = bytes_of(long_text, sizeof long_text);
    struct timer timer = { 1, TIMER_SCHEDULE, org, 0, name }, read;
    struct key mark, due;

    (void)state;
    memset(long_text, 'x', sizeof long_text);
    mark = key_watermark(org, name, name);
    assert_true(mark.size <= KEY_SIZE_MAX);
    assert_true(bytes_equal(key_entity_read(key_bytes(&mark), name), name));
    assert_true(key_behind(org, name, 1).size <= KEY_SIZE_MAX);
    due = key_timer(&timer);
    assert_true(key_timer_read(key_bytes(&due), &read));
    assert_true(bytes_equal(read.name, name));
}

/* Stored on disk: these may never change. */
static void hashes_are_what_they_always_were(void **state)
{
    (void)state;
    assert_int_equal(key_slot(text("org123")), 0x7b);
    assert_int_equal(key_lane(text("demo"), text("local")), 0x11de8313);
    assert_int_not_equal(key_lane(text("ab"), text("c")), key_lane(text("a"), text("bc")));
    assert_int_not_equal(key_lane(text("a"), text("b")), key_lane(text("b"), text("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_higher_class_comes_first),
        cmocka_unit_test(inside_a_lane_the_resumed_come_first_then_the_older),
        cmocka_unit_test(every_ready_key_lies_under_its_lane_its_class_and_its_organisation),
        cmocka_unit_test(a_name_that_begins_another_keeps_its_own_line),
        cmocka_unit_test(parts_are_read_as_they_were_written),
        cmocka_unit_test(ended_runs_lie_under_their_purge_epoch_in_the_order_of_their_ids),
        cmocka_unit_test(timers_sort_by_the_time_they_are_due),
        cmocka_unit_test(a_timer_is_read_as_it_was_written),
        cmocka_unit_test(answers_of_one_period_lie_together),
        cmocka_unit_test(what_is_no_timer_is_not_read_as_one),
        cmocka_unit_test(key_after_is_the_end_of_a_prefix),
        cmocka_unit_test(the_longest_names_fit),
        cmocka_unit_test(hashes_are_what_they_always_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
