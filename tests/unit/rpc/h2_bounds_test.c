#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/h2/h2_budget.h"
#include "rpc/h2/h2_ids.h"
#include "rpc/h2/h2_scan.h"
#include "rpc/limits.h"

/* What a session remembers of its peer to bound it, by its arithmetic. */

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum { END_STREAM = 1, ACK = 1 };

/* How many such frames at once are fine. */
static int affordable(uint8_t type, uint8_t flags)
{
    struct h2_budget budget;
    int count = 0;

    h2_budget_init(&budget, 0);
    while (count < 100000 && h2_budget_frame(&budget, type, flags))
        count++;
    return count;
}

static void each_kind_of_useless_frame_has_its_price(void **state)
{
    (void)state;
    assert_int_equal(affordable(SETTINGS, 0), 200);
    assert_int_equal(affordable(SETTINGS, ACK), 10000);
    assert_int_equal(affordable(PING, 0), 2500);
    assert_int_equal(affordable(PING, ACK), 10000);
    assert_int_equal(affordable(RST_STREAM, 0), 1666);
    assert_int_equal(affordable(PRIORITY, 0), 10000);
    assert_int_equal(affordable(WINDOW_UPDATE, 0), 10000);
    assert_int_equal(affordable(0x42, 0), 10000);
    assert_int_equal(affordable(DATA, 0), 10000);
    assert_int_equal(affordable(DATA, END_STREAM), 100000);
    assert_int_equal(affordable(HEADERS, 0), 100000);
}

static void content_pays_for_its_frames_and_time_for_others(void **state)
{
    struct h2_budget budget;

    (void)state;
    h2_budget_init(&budget, 0);
    for (int i = 0; i < 100000; i++) {
        assert_true(h2_budget_frame(&budget, DATA, 0));
        assert_true(h2_budget_frame(&budget, WINDOW_UPDATE, 0));
        h2_budget_data(&budget);
    }
    for (int second = 0; second < 1000; second++) {
        for (int i = 0; i < 900; i++)
            assert_true(h2_budget_frame(&budget, PRIORITY, 0));
        h2_budget_grow(&budget, 1000);
    }
}

static void requests_pay_for_their_resets(void **state)
{
    struct h2_budget budget;

    (void)state;
    h2_budget_init(&budget, 0);
    for (int i = 0; i < 100000; i++) {
        h2_budget_request(&budget);
        assert_true(h2_budget_frame(&budget, RST_STREAM, 0));
    }
}

static void who_has_overdrawn_stays_so(void **state)
{
    struct h2_budget budget;

    (void)state;
    h2_budget_init(&budget, 0);
    while (h2_budget_frame(&budget, SETTINGS, 0))
        ;
    assert_false(h2_budget_frame(&budget, SETTINGS, 0));
    assert_false(h2_budget_fault(&budget));
}

static void keepalive_every_ten_seconds_is_fine_for_ever(void **state)
{
    struct h2_budget budget;

    (void)state;
    h2_budget_init(&budget, RPC_PING_INTERVAL_MS);
    for (int i = 0; i < 100000; i++) {
        assert_true(h2_budget_ping(&budget));
        h2_budget_grow(&budget, 10 * 1000);
    }
}

static void a_few_pings_at_once_are_fine(void **state)
{
    struct h2_budget budget;

    (void)state;
    h2_budget_init(&budget, RPC_PING_INTERVAL_MS);
    for (int i = 0; i < H2_PINGS_AT_ONCE; i++)
        assert_true(h2_budget_ping(&budget));
    assert_false(h2_budget_ping(&budget));
}

static void pings_every_second_are_too_many_unless_answers_come(void **state)
{
    struct h2_budget budget;
    int seconds = 0;

    (void)state;
    h2_budget_init(&budget, RPC_PING_INTERVAL_MS);
    for (int i = 0; i < 1000; i++) {
        assert_true(h2_budget_ping(&budget));
        h2_budget_grow(&budget, 1000);
        h2_budget_answer(&budget);
    }
    while (h2_budget_ping(&budget)) {
        h2_budget_grow(&budget, 1000);
        seconds++;
    }
    assert_in_range(seconds, H2_PINGS_AT_ONCE, 15);
}

static void without_an_interval_any_ping_is_fine(void **state)
{
    struct h2_budget budget;

    (void)state;
    h2_budget_init(&budget, -1);
    for (int i = 0; i < 100000; i++)
        assert_true(h2_budget_ping(&budget));
}

static void ids_that_were_skipped_must_not_come_later(void **state)
{
    struct h2_ids ids = { 0 };

    (void)state;
    assert_true(h2_ids_begin(&ids, 1));
    assert_true(h2_ids_begin(&ids, 3));
    assert_true(h2_ids_begin(&ids, 9));
    assert_true(h2_ids_begin(&ids, 3)); /* trailers, perhaps */
    assert_false(h2_ids_begin(&ids, 5));
    assert_false(h2_ids_begin(&ids, 7));
    assert_true(h2_ids_begin(&ids, INT32_MAX));
    assert_false(h2_ids_begin(&ids, INT32_MAX - 2));
}

static void ids_that_have_ended_are_known_for_a_while(void **state)
{
    struct h2_ids ids = { 0 };

    (void)state;
    assert_false(h2_ids_has_ended(&ids, 0));
    for (int32_t id = 1; id < 1000; id += 2) {
        assert_false(h2_ids_has_ended(&ids, id));
        h2_ids_end(&ids, id);
        assert_true(h2_ids_has_ended(&ids, id));
    }
    assert_true(h2_ids_has_ended(&ids, 999 - 2 * 63));
    assert_false(h2_ids_has_ended(&ids, 999 - 2 * 64));
    assert_false(h2_ids_has_ended(&ids, 1001));
}

/* A preface and three frames: of 0, 3 and 300 bytes. */
static size_t put_frames(uint8_t bytes[400])
{
    static const uint8_t heads[3][H2_HEAD_SIZE] = {
        { 0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0 },
        { 0, 0, 3, DATA, END_STREAM, 0x80, 0, 0, 5 },
        { 0, 1, 44, HEADERS, 4, 0x7f, 0xff, 0xff, 0xff },
    };
    size_t at = H2_PREFACE_SIZE;

    memset(bytes, 0xff, 400);
    for (int i = 0; i < 3; i++) {
        memcpy(bytes + at, heads[i], H2_HEAD_SIZE);
        at += H2_HEAD_SIZE + (size_t)(i == 0 ? 0 : i == 1 ? 3 : 300);
    }
    return at;
}

static void heads_are_found_however_the_bytes_are_cut(void **state)
{
    uint8_t bytes[400];
    const size_t size = put_frames(bytes);

    (void)state;
    for (size_t cut = 1; cut <= size; cut++) {
        struct h2_scan scan = { .preface_left = H2_PREFACE_SIZE };
        struct h2_head heads[4];
        size_t count = 0;
        for (size_t from = 0; from < size; from += cut) {
            struct bytes piece = bytes_of(bytes + from, cut < size - from ? cut : size - from);
            size_t at = 0;
            while (h2_scan_next(&scan, piece, &at, &heads[count]))
                assert_in_range(++count, 1, 3);
        }
        assert_int_equal(count, 3);
        assert_int_equal(heads[0].type, SETTINGS);
        assert_int_equal(heads[1].id, 5);
        assert_int_equal(heads[1].flags, END_STREAM);
        assert_int_equal(heads[2].length, 300);
        assert_int_equal(heads[2].id, INT32_MAX);
    }
}

static void limits_that_nobody_sets_have_a_default(void **state)
{
    const struct rpc_limits none = { .connections = 10, .idle_ms = -1 };
    struct rpc_limits limits = rpc_limits_or_default(&none);

    (void)state;
    assert_int_equal(limits.connections, 10);
    assert_int_equal(limits.connections_per_address, 8);
    assert_int_equal(limits.idle_ms, -1);
    assert_int_equal(limits.age_ms, -1);
    assert_int_equal(limits.streams, RPC_STREAMS);
    assert_int_equal(limits.ping_interval_ms, RPC_PING_INTERVAL_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_useless_frame_has_its_price),
        cmocka_unit_test(content_pays_for_its_frames_and_time_for_others),
        cmocka_unit_test(requests_pay_for_their_resets),
        cmocka_unit_test(who_has_overdrawn_stays_so),
        cmocka_unit_test(keepalive_every_ten_seconds_is_fine_for_ever),
        cmocka_unit_test(a_few_pings_at_once_are_fine),
        cmocka_unit_test(pings_every_second_are_too_many_unless_answers_come),
        cmocka_unit_test(without_an_interval_any_ping_is_fine),
        cmocka_unit_test(ids_that_were_skipped_must_not_come_later),
        cmocka_unit_test(ids_that_have_ended_are_known_for_a_while),
        cmocka_unit_test(heads_are_found_however_the_bytes_are_cut),
        cmocka_unit_test(limits_that_nobody_sets_have_a_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
