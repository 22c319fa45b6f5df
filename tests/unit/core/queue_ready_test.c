#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/store/key.h"
#include "tests/support/queue_fixture.h"

/* The ready order beyond the 64 entries that a lane keeps in memory. */

enum { MANY = 1000 };

static run_id submit_numbered(struct queue_fixture *f, int number)
{
    char name[16];

    snprintf(name, sizeof name, "job-%d", number);
    return submitted(f, name);
}

static void a_thousand_jobs_come_in_order_over_crashes(void **state)
{
    struct queue_fixture *f = *state;
    static run_id ids[MANY];

    for (int i = 0; i < MANY; i++) {
        ids[i] = submit_numbered(f, i);
        if (i == MANY / 3)
            crash(f);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(leased(f).id, ids[i]);
        if (i % 300 == 150)
            crash(f);
    }
}

static void jobs_that_come_while_others_go_come_in_order(void **state)
{
    struct queue_fixture *f = *state;
    static run_id ids[MANY];
    struct assignment job;
    int in = 0, out = 0;

    while (out < MANY) {
        for (int i = 0; i < 7 && in < MANY; i++, in++)
            ids[in] = submit_numbered(f, in);
        for (int i = 0; i < (in < MANY ? 5 : 7) && out < in; i++, out++)
            assert_int_equal(leased(f).id, ids[out]);
        if (in % 210 == 0)
            crash(f);
    }
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
}

static void what_is_paused_beyond_the_window_is_stepped_over(void **state)
{
    struct queue_fixture *f = *state;
    run_id ids[200];

    for (int i = 0; i < 200; i++)
        ids[i] = submit_numbered(f, i);
    for (int i = 0; i < 200; i += 3)
        assert_int_equal(control_run(f, CONTROL_PAUSE, ids[i], NULL), OK);
    for (int i = 0; i < 200; i++)
        if (i % 3 != 0)
            assert_int_equal(leased(f).id, ids[i]);
    /* From now on in the order of their names' lines: the head of the class. */
    for (int i = 198; i >= 0; i -= 3)
        assert_int_equal(control_run(f, CONTROL_RESUME, ids[i], NULL), OK);
    for (int i = 0; i < 200; i += 3)
        assert_int_equal(leased(f).id, ids[i]);
}

static void a_resumed_run_goes_to_the_head_of_its_class(void **state)
{
    struct queue_fixture *f = *state;
    run_id ids[150], last;

    for (int i = 0; i < 150; i++)
        ids[i] = submit_numbered(f, i);
    last = submitted(f, "last");
    assert_int_equal(control(f, CONTROL_PAUSE, "last", NULL), OK);
    assert_int_equal(leased(f).id, ids[0]);
    assert_int_equal(control(f, CONTROL_RESUME, "last", NULL), OK);
    crash(f);
    assert_int_equal(leased(f).id, last);
    assert_int_equal(leased(f).id, ids[1]);
}

/* The window is used up, and what was consumed is never scanned again. */
static void a_resumed_run_comes_first_when_nothing_is_left_in_the_window(void **state)
{
    struct queue_fixture *f = *state;
    run_id ids[200];

    for (int i = 0; i < 200; i++)
        ids[i] = submit_numbered(f, i);
    for (int i = 0; i < 64; i++) {
        if (i == 60)
            assert_int_equal(control_run(f, CONTROL_PAUSE, ids[150], NULL), OK);
        assert_int_equal(leased(f).id, ids[i]);
    }
    assert_int_equal(control_run(f, CONTROL_RESUME, ids[150], NULL), OK);
    assert_int_equal(leased(f).id, ids[150]);
    for (int i = 64; i < 200; i++)
        if (i != 150)
            assert_int_equal(leased(f).id, ids[i]);
}

static void what_resumed_runs_push_out_of_the_window_is_found_again(void **state)
{
    struct queue_fixture *f = *state;
    run_id ids[200];

    for (int i = 0; i < 200; i++)
        ids[i] = submit_numbered(f, i);
    for (int i = 150; i < 160; i++)
        assert_int_equal(control_run(f, CONTROL_PAUSE, ids[i], NULL), OK);
    crash(f);
    assert_int_equal(leased(f).id, ids[0]);
    for (int i = 150; i < 160; i++)
        assert_int_equal(control_run(f, CONTROL_RESUME, ids[i], NULL), OK);
    for (int i = 150; i < 160; i++)
        assert_int_equal(leased(f).id, ids[i]);
    for (int i = 1; i < 200; i++)
        if (i < 150 || i >= 160)
            assert_int_equal(leased(f).id, ids[i]);
}

/* Over lanes too: another source and target are no reason to wait longer. */
static void a_resumed_run_goes_before_every_lane(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("other");
    struct run_info info;
    run_id first = submitted(f, "a");

    spec.source = bytes_of_text("file");
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "other", NULL), OK);
    assert_int_equal(control(f, CONTROL_RESUME, "other", NULL), OK);
    assert_int_equal(leased(f).id, info.id);
    assert_int_equal(leased(f).id, first);
}

static void a_push_that_was_not_taken_keeps_its_place_before_its_class(void **state)
{
    struct queue_fixture *f = *state;
    run_id older = submitted(f, "a"), resumed = submitted(f, "b");
    struct assignment job;

    assert_int_equal(control(f, CONTROL_PAUSE, "b", NULL), OK);
    assert_int_equal(control(f, CONTROL_RESUME, "b", NULL), OK);
    assert_int_equal(lease_for(f, &f->worker, true, &job), OK);
    assert_int_equal(job.info.id, resumed);
    pass(f, 5000);
    assert_int_equal(leased(f).id, resumed);
    assert_int_equal(leased(f).id, older);
}

/* Two pairs that hash alike. */
#define TWIN_A "erp-3440"
#define TWIN_B "erp-107241"

static run_id submit_from(struct queue_fixture *f, const char *name, const char *source)
{
    struct run_spec spec = a_spec(name);
    struct run_info info;

    spec.source = bytes_of_text(source);
    assert_int_equal(submit(f, &spec, &info), OK);
    return info.id;
}

static run_id next_for(struct queue_fixture *f, const char *source)
{
    struct bytes can = bytes_of_text(source);
    struct worker worker = { .id = can, .sources = &can, .targets = &f->any,
                             .source_count = 1, .target_count = 1, .slots = 1 };
    struct assignment job = { .epoch = 0 };
    enum err e;

    assert_int_equal(join(f, &worker), OK);
    e = lease_for(f, &worker, false, &job);
    assert_int_equal(leave(f, &worker), OK);
    assert_true(e == OK || e == ERR_NOT_FOUND);
    return e == OK ? job.info.id : 0;
}

static void pairs_that_hash_alike_are_told_apart(void **state)
{
    struct queue_fixture *f = *state;
    struct bytes target = bytes_of_text("local");
    run_id a, b;

    assert_int_equal(key_lane(bytes_of_text(TWIN_A), target),
                     key_lane(bytes_of_text(TWIN_B), target));
    a = submit_from(f, "a", TWIN_A);
    assert_int_equal(next_for(f, TWIN_B), 0);
    b = submit_from(f, "b", TWIN_B);
    assert_int_equal(next_for(f, TWIN_B), b);
    assert_int_equal(next_for(f, TWIN_B), 0);
    assert_int_equal(next_for(f, TWIN_A), a);
}

/* Its lane keeps the number beside the hash's, whose own is free again. */
static void of_pairs_that_hash_alike_one_stays_when_the_other_is_gone(void **state)
{
    struct queue_fixture *f = *state;
    run_id a = submit_from(f, "a", TWIN_A), b = submit_from(f, "b", TWIN_B), c, d;

    assert_int_equal(next_for(f, TWIN_A), a);
    crash(f);
    c = submit_from(f, "c", TWIN_B);
    d = submit_from(f, "d", TWIN_A);
    crash(f);
    assert_int_equal(next_for(f, TWIN_B), b);
    assert_int_equal(next_for(f, TWIN_B), c);
    assert_int_equal(next_for(f, TWIN_B), 0);
    assert_int_equal(next_for(f, TWIN_A), d);
}

/* A model: a plain array, searched for the least (resumed first, order). */
struct model_entry {
    run_id id;
    bool head;
    enum { WAITS, PAUSED, GONE } where;
};

static int least(const struct model_entry *entries, int count)
{
    int best = -1;

    for (int i = 0; i < count; i++)
        if (entries[i].where == WAITS && (best < 0 || (entries[i].head && !entries[best].head)))
            best = i; /* entries stand in the order of their ids */
    return best;
}

static void any_mixture_of_pauses_resumes_and_leases_keeps_the_order(void **state)
{
    struct queue_fixture *f = *state;
    static struct model_entry entries[MANY];
    struct random_seeded dice;
    struct assignment job;
    int count = 0;

    random_seeded_init(&dice, 42);
    for (int step = 0; step < 4000; step++) {
        uint64_t what = random_below(&dice.base, 100);
        int i = count > 0 ? (int)random_below(&dice.base, (uint64_t)count) : 0;
        struct model_entry *entry = &entries[i];

        if (what < 30 && count < MANY) {
            entries[count] =
                (struct model_entry){ .id = submit_numbered(f, count), .where = WAITS };
            count++;
        } else if (what < 55) {
            i = least(entries, count);
            assert_int_equal(lease(f, &job), i < 0 ? ERR_NOT_FOUND : OK);
            if (i >= 0) {
                assert_int_equal(job.info.id, entries[i].id);
                entries[i].where = GONE;
            }
        } else if (what < 75 && count > 0 && entry->where == WAITS) {
            assert_int_equal(control_run(f, CONTROL_PAUSE, entry->id, NULL), OK);
            entry->where = PAUSED;
        } else if (what < 98 && count > 0 && entry->where == PAUSED) {
            assert_int_equal(control_run(f, CONTROL_RESUME, entry->id, NULL), OK);
            entry->where = WAITS;
            entry->head = true;
        } else if (what >= 98) {
            crash(f);
        }
    }
    for (int i = least(entries, count); i >= 0; i = least(entries, count)) {
        assert_int_equal(leased(f).id, entries[i].id);
        entries[i].where = GONE;
    }
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_jobs_come_in_order_over_crashes),
        TEST(jobs_that_come_while_others_go_come_in_order),
        TEST(what_is_paused_beyond_the_window_is_stepped_over),
        TEST(a_resumed_run_goes_to_the_head_of_its_class),
        TEST(a_resumed_run_comes_first_when_nothing_is_left_in_the_window),
        TEST(what_resumed_runs_push_out_of_the_window_is_found_again),
        TEST(a_resumed_run_goes_before_every_lane),
        TEST(a_push_that_was_not_taken_keeps_its_place_before_its_class),
        TEST(pairs_that_hash_alike_are_told_apart),
        TEST(of_pairs_that_hash_alike_one_stays_when_the_other_is_gone),
        TEST(any_mixture_of_pauses_resumes_and_leases_keeps_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
