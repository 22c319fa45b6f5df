#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/store/txn.h"
#include "tests/support/fake_store.h"

#include <stdio.h>
#include <stdlib.h>

struct txn_fixture {
    struct fake_store fake;
    struct txn *txn;
    struct arena *mem;
    struct why why;
};

static int set_up(void **state)
{
    struct txn_fixture *f = calloc(1, sizeof *f);

    fake_store_init(&f->fake);
    f->txn = txn_new(&f->fake.base);
    f->mem = arena_new(1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct txn_fixture *f = *state;

    txn_free(f->txn);
    fake_store_free(&f->fake);
    arena_free(f->mem);
    free(f);
    return 0;
}

static void put(struct txn_fixture *f, const char *key, const char *value)
{
    txn_put(f->txn, FAMILY_READY, bytes_of_text(key), bytes_of_text(value));
}

static void erase(struct txn_fixture *f, const char *key)
{
    txn_erase(f->txn, FAMILY_READY, bytes_of_text(key));
}

static void commit(struct txn_fixture *f)
{
    assert_int_equal(txn_commit(f->txn, &f->why), OK);
}

static const char *text_of(struct txn_fixture *f, const char *key)
{
    struct bytes value;
    enum err e = txn_get(f->txn, FAMILY_READY, bytes_of_text(key), f->mem, &value, &f->why);

    if (e == ERR_NOT_FOUND)
        return "-";
    assert_int_equal(e, OK);
    return (const char *)value.data;
}

/* Collects what a scan visits; at the key `at` it writes something first. */
struct listing {
    char text[512];
    size_t size;
    struct txn_fixture *f;
    const char *at, *put, *erase;
    const char *stop;
};

static bool is_text(struct bytes key, const char *text)
{
    return text != NULL && bytes_equal(key, bytes_of_text(text));
}

static bool list_entry(void *ctx, struct bytes key, struct bytes value)
{
    struct listing *l = ctx;

    if (is_text(key, l->at) && l->put != NULL)
        put(l->f, l->put, "new");
    if (is_text(key, l->at) && l->erase != NULL)
        erase(l->f, l->erase);
    l->size +=
        (size_t)snprintf(l->text + l->size, sizeof l->text - l->size, "%.*s=%.*s ", (int)key.size,
                         (const char *)key.data, (int)value.size, (const char *)value.data);
    return !is_text(key, l->stop);
}

static const char *listed(struct txn_fixture *f, struct listing *l, const char *from,
                          const char *to, enum store_direction direction)
{
    struct store_range range = { FAMILY_READY, bytes_of_text(from), bytes_of_text(to), direction };

    l->f = f;
    l->size = 0;
    l->text[0] = '\0';
    assert_int_equal(txn_scan(f->txn, &range, list_entry, l, &f->why), OK);
    return l->text;
}

static const char *forward(struct txn_fixture *f, struct listing *l, const char *from,
                           const char *to)
{
    return listed(f, l, from, to, STORE_FORWARD);
}

static const char *backward(struct txn_fixture *f, struct listing *l, const char *from,
                            const char *to)
{
    return listed(f, l, from, to, STORE_BACKWARD);
}

static void a_turn_reads_its_own_writes(void **state)
{
    struct txn_fixture *f = *state;

    put(f, "a", "1");
    commit(f);
    put(f, "b", "2");
    assert_string_equal(text_of(f, "a"), "1");
    assert_string_equal(text_of(f, "b"), "2");
    put(f, "a", "3");
    assert_string_equal(text_of(f, "a"), "3");
    erase(f, "a");
    assert_string_equal(text_of(f, "a"), "-");
    put(f, "a", "");
    assert_string_equal(text_of(f, "a"), "");
}

static void a_key_written_often_is_written_once(void **state)
{
    struct txn_fixture *f = *state;

    put(f, "key", "12345");
    erase(f, "key");
    put(f, "key", "67");
    assert_int_equal(txn_count(f->txn), 1);
    assert_int_equal(txn_bytes(f->txn), 5);
    commit(f);
    assert_int_equal(f->fake.base.ops->stats(&f->fake.base).written_bytes, 5);
    assert_string_equal(text_of(f, "key"), "67");
}

static void an_empty_turn_costs_no_commit(void **state)
{
    struct txn_fixture *f = *state;

    commit(f);
    assert_int_equal(f->fake.commit.calls, 0);
}

static void a_dropped_turn_has_left_nothing(void **state)
{
    struct txn_fixture *f = *state;
    struct listing l = { 0 };

    put(f, "a", "1");
    txn_drop(f->txn);
    assert_int_equal(txn_count(f->txn), 0);
    assert_int_equal(txn_bytes(f->txn), 0);
    assert_string_equal(text_of(f, "a"), "-");
    assert_string_equal(forward(f, &l, "", ""), "");
    commit(f);
    assert_int_equal(f->fake.commit.calls, 0);
}

static void a_failed_commit_leaves_the_overlay_empty(void **state)
{
    struct txn_fixture *f = *state;

    put(f, "a", "1");
    fault_arm(&f->fake.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(txn_commit(f->txn, &f->why), ERR_UNAVAILABLE);
    assert_int_equal(txn_count(f->txn), 0);
    assert_string_equal(text_of(f, "a"), "-");
}

static void a_scan_shows_store_and_turn_as_one(void **state)
{
    struct txn_fixture *f = *state;
    struct listing l = { 0 };

    put(f, "b", "1"), put(f, "d", "1"), put(f, "f", "1"), put(f, "h", "1");
    commit(f);
    put(f, "a", "2"), put(f, "d", "2"), put(f, "e", "2"), put(f, "i", "2"), erase(f, "f");

    assert_string_equal(forward(f, &l, "", ""), "a=2 b=1 d=2 e=2 h=1 i=2 ");
    assert_string_equal(backward(f, &l, "", ""), "i=2 h=1 e=2 d=2 b=1 a=2 ");
    assert_string_equal(forward(f, &l, "b", "e"), "b=1 d=2 ");
    assert_string_equal(backward(f, &l, "b", "e"), "d=2 b=1 ");
    assert_string_equal(forward(f, &l, "e", "i"), "e=2 h=1 ");
    assert_string_equal(backward(f, &l, "f", ""), "i=2 h=1 ");
    assert_string_equal(forward(f, &l, "i", "a"), "");
}

static void a_scan_ends_when_its_visitor_says_so(void **state)
{
    struct txn_fixture *f = *state;
    struct listing at_turn = { .stop = "a" }, at_store = { .stop = "b" };

    put(f, "b", "1"), put(f, "d", "1");
    commit(f);
    put(f, "a", "2"), put(f, "c", "2");
    assert_string_equal(forward(f, &at_turn, "", ""), "a=2 ");
    assert_string_equal(forward(f, &at_store, "", ""), "a=2 b=1 ");
    assert_string_equal(backward(f, &at_store, "", ""), "d=1 c=2 b=1 ");
}

static void a_visitor_may_erase_what_it_sees(void **state)
{
    struct txn_fixture *f = *state;
    struct listing l = { .at = "b", .erase = "b" }, after = { 0 };

    put(f, "a", "1"), put(f, "b", "1"), put(f, "c", "1");
    commit(f);
    assert_string_equal(forward(f, &l, "", ""), "a=1 b=1 c=1 ");
    assert_string_equal(forward(f, &after, "", ""), "a=1 c=1 ");
}

static void what_a_visitor_writes_ahead_of_the_scan_is_seen_as_written(void **state)
{
    struct txn_fixture *f = *state;
    struct listing l = { .at = "b", .put = "c", .erase = "d" };

    put(f, "a", "1"), put(f, "b", "1"), put(f, "c", "1"), put(f, "d", "1"), put(f, "e", "1");
    commit(f);
    assert_string_equal(forward(f, &l, "", ""), "a=1 b=1 c=new e=1 ");
}

static void what_a_visitor_writes_behind_the_scan_is_not_seen(void **state)
{
    struct txn_fixture *f = *state;
    struct listing l = { .at = "c", .put = "a", .erase = "b" };

    put(f, "b", "1"), put(f, "c", "1"), put(f, "d", "1");
    commit(f);
    assert_string_equal(forward(f, &l, "", ""), "b=1 c=1 d=1 ");
    txn_drop(f->txn);
    l.put = "e";
    l.erase = "d";
    assert_string_equal(backward(f, &l, "", ""), "d=1 c=1 b=1 ");
}

static void a_scan_that_fails_says_so(void **state)
{
    struct txn_fixture *f = *state;
    struct listing l = { .f = f };
    struct store_range all = { .family = FAMILY_READY };

    put(f, "a", "1");
    fault_arm(&f->fake.scan, 1, ERR_UNAVAILABLE);
    assert_int_equal(txn_scan(f->txn, &all, list_entry, &l, &f->why), ERR_UNAVAILABLE);
}

/* ---- against a model ---- */

enum { KEYS = 64, STEPS = 60000, GIANT_BYTES = 300 << 10 };

/* What a reader must see: for each key a value, or 0 for none. */
struct model {
    uint32_t seen[KEYS], stored[KEYS];
    uint32_t sealed[KEYS]; /* what will be stored when that batch is */
    bool is_sealed;
    unsigned expected; /* next key a scan must show */
    bool forward;
    unsigned from, to;
};

static struct bytes key_of(unsigned i, char text[4])
{
    snprintf(text, 4, "%02u", i % 100);
    return bytes_of(text, 2);
}

static void skip_absent(struct model *m)
{
    while (m->expected >= m->from && m->expected < m->to && m->seen[m->expected] == 0)
        m->expected += m->forward ? 1u : -1u;
}

static bool check_entry(void *ctx, struct bytes key, struct bytes value)
{
    struct model *m = ctx;
    char text[4];
    uint32_t number;

    skip_absent(m);
    assert_in_range(m->expected, m->from, m->to - 1);
    assert_true(bytes_equal(key, key_of(m->expected, text)));
    memcpy(&number, value.data, sizeof number);
    assert_int_equal(number, m->seen[m->expected]);
    m->expected += m->forward ? 1u : -1u;
    return true;
}

static void check_scan(struct txn_fixture *f, struct model *m, struct random *random)
{
    char from[4], to[4];
    unsigned a = (unsigned)random_below(random, KEYS), b = (unsigned)random_below(random, KEYS);
    struct store_range range = { .family = FAMILY_READY };

    m->from = a < b ? a : b;
    m->to = (a < b ? b : a) + 1;
    m->forward = random_below(random, 2) == 0;
    m->expected = m->forward ? m->from : m->to - 1;
    range.from = key_of(m->from, from);
    range.to = key_of(m->to, to);
    range.direction = m->forward ? STORE_FORWARD : STORE_BACKWARD;
    assert_int_equal(txn_scan(f->txn, &range, check_entry, m, &f->why), OK);
    skip_absent(m);
    assert_false(m->expected >= m->from && m->expected < m->to);
}

static void check_get(struct txn_fixture *f, struct model *m, unsigned i)
{
    char text[4];
    struct bytes value;
    enum err e = txn_get(f->txn, FAMILY_READY, key_of(i, text), f->mem, &value, &f->why);

    assert_int_equal(e, m->seen[i] == 0 ? ERR_NOT_FOUND : OK);
    if (e == OK)
        assert_memory_equal(value.data, &m->seen[i], sizeof m->seen[i]);
    arena_reset(f->mem);
}

/* A batch on its way: it arrives, or is lost with what was put on top of it. */
static void settle(struct txn_fixture *f, struct model *m, bool lost)
{
    if (lost)
        fault_arm(&f->fake.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(txn_store(f->txn, &f->why), lost ? ERR_UNAVAILABLE : OK);
    txn_settle(f->txn);
    m->is_sealed = false;
    if (!lost) {
        memcpy(m->stored, m->sealed, sizeof m->stored);
        return;
    }
    txn_drop(f->txn);
    memcpy(m->seen, m->stored, sizeof m->seen);
}

static void end_turn(struct txn_fixture *f, struct model *m, struct random *random)
{
    switch (random_below(random, 4)) {
    case 0:
        txn_drop(f->txn);
        memcpy(m->seen, m->is_sealed ? m->sealed : m->stored, sizeof m->seen);
        break;
    case 1:
        if (m->is_sealed)
            settle(f, m, true);
        break;
    case 2:
        if (m->is_sealed)
            settle(f, m, false);
        commit(f);
        memcpy(m->stored, m->seen, sizeof m->stored);
        break;
    default:
        if (m->is_sealed)
            settle(f, m, false);
        memcpy(m->sealed, m->seen, sizeof m->sealed);
        m->is_sealed = txn_seal(f->txn);
    }
}

static void put_number(struct txn_fixture *f, unsigned i, uint32_t number, bool giant)
{
    static uint8_t value[GIANT_BYTES];
    char text[4];

    memcpy(value, &number, sizeof number);
    txn_put(f->txn, FAMILY_READY, key_of(i, text),
            bytes_of(value, giant ? sizeof value : sizeof number));
}

static void it_agrees_with_a_naive_model(void **state)
{
    struct txn_fixture *f = *state;
    struct random_seeded random;
    struct model m = { 0 };
    char text[4];

    random_seeded_init(&random, 1);
    for (uint32_t step = 1; step <= STEPS; step++) {
        unsigned i = (unsigned)random_below(&random.base, KEYS);
        uint64_t choice = random_below(&random.base, 100);

        if (choice < 45) {
            put_number(f, i, step, choice == 0);
            m.seen[i] = step;
        } else if (choice < 70) {
            txn_erase(f->txn, FAMILY_READY, key_of(i, text));
            m.seen[i] = 0;
        } else if (choice < 80) {
            check_scan(f, &m, &random.base);
        } else if (choice < 97) {
            check_get(f, &m, i);
        } else {
            end_turn(f, &m, &random.base);
        }
    }
    if (m.is_sealed)
        settle(f, &m, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_turn_reads_its_own_writes),
        TEST(a_key_written_often_is_written_once),
        TEST(an_empty_turn_costs_no_commit),
        TEST(a_dropped_turn_has_left_nothing),
        TEST(a_failed_commit_leaves_the_overlay_empty),
        TEST(a_scan_shows_store_and_turn_as_one),
        TEST(a_scan_ends_when_its_visitor_says_so),
        TEST(a_visitor_may_erase_what_it_sees),
        TEST(what_a_visitor_writes_ahead_of_the_scan_is_seen_as_written),
        TEST(what_a_visitor_writes_behind_the_scan_is_not_seen),
        TEST(a_scan_that_fails_says_so),
        TEST(it_agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
