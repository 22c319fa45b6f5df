#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/limits.h"
#include "core/watch.h"
#include "tests/support/fake_clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { RING = 8 };

struct watch_fixture {
    struct fake_clock clock;
    struct watch_hub *hub;
    struct arena *mem;
    unsigned calls; /* of ready() */
};

static int set_up(void **state)
{
    struct watch_fixture *f = calloc(1, sizeof *f);

    fake_clock_init(&f->clock, 1700000000000);
    f->hub = watch_hub_new(&f->clock.base, RING);
    f->mem = arena_new(8 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct watch_fixture *f = *state;

    watch_hub_free(f->hub);
    arena_free(f->mem);
    free(f);
    return 0;
}

static void count_call(void *ctx)
{
    ((struct watch_fixture *)ctx)->calls++;
}

static struct watch *open_watch(struct watch_fixture *f, const char *org, uint64_t after)
{
    struct watch *watch;

    assert_int_equal(watch_open(f->hub, bytes_of_text(org), after, count_call, f, &watch), OK);
    return watch;
}

static void publish(struct watch_fixture *f, const char *org, run_id id)
{
    struct run_info info = { .id = id, .org = bytes_of_text(org) };

    watch_publish(f->hub, &info);
}

/* The id of the next event; 0: none. */
static run_id next(struct watch_fixture *f, struct watch *watch)
{
    struct run_info info;
    uint64_t sequence;
    enum err e = watch_next(watch, f->mem, &info, &sequence);

    if (e == ERR_NOT_FOUND)
        return 0;
    assert_int_equal(e, OK);
    return info.id;
}

static void assert_lost(struct watch_fixture *f, struct watch *watch)
{
    struct run_info info;
    uint64_t sequence;

    assert_int_equal(watch_next(watch, f->mem, &info, &sequence), ERR_LIMIT);
    assert_true(sequence == watch_hub_sequence(f->hub));
}

static void events_come_in_order_to_those_of_their_organisation(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *a = open_watch(f, "a", 0), *b = open_watch(f, "b", 0);

    publish(f, "a", 1);
    publish(f, "b", 2);
    publish(f, "a", 3);
    assert_int_equal(next(f, a), 1);
    assert_int_equal(next(f, a), 3);
    assert_int_equal(next(f, a), 0);
    assert_int_equal(next(f, b), 2);
    assert_int_equal(next(f, b), 0);
    watch_close(a);
    watch_close(b);
}

static void a_watch_begins_with_what_comes_after_it(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *first = open_watch(f, "a", 0), *second;

    publish(f, "a", 1);
    second = open_watch(f, "a", 0);
    publish(f, "a", 2);
    assert_int_equal(next(f, first), 1);
    assert_int_equal(next(f, second), 2);
    watch_close(first);
    watch_close(second);
}

static void a_watch_may_go_on_where_another_stopped(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *watch = open_watch(f, "a", 0);
    struct run_info info;
    uint64_t sequence;

    publish(f, "a", 1);
    publish(f, "a", 2);
    assert_int_equal(watch_next(watch, f->mem, &info, &sequence), OK);
    watch_close(watch);
    publish(f, "a", 3); /* kept: somebody watched a moment ago */
    watch = open_watch(f, "a", sequence);
    assert_int_equal(next(f, watch), 2);
    assert_int_equal(next(f, watch), 3);
    assert_int_equal(next(f, watch), 0);
    watch_close(watch);
}

static void ready_is_called_once_until_there_is_nothing_left(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *watch = open_watch(f, "a", 0);

    publish(f, "a", 1);
    assert_int_equal(f->calls, 0); /* it never said that there was nothing */
    assert_int_equal(next(f, watch), 1);
    assert_int_equal(next(f, watch), 0);
    assert_int_equal(next(f, watch), 0);
    publish(f, "b", 2);
    assert_int_equal(f->calls, 0);
    publish(f, "a", 3);
    publish(f, "a", 4);
    assert_int_equal(f->calls, 1);
    assert_int_equal(next(f, watch), 3);
    publish(f, "a", 5);
    assert_int_equal(f->calls, 1);
    assert_int_equal(next(f, watch), 4);
    assert_int_equal(next(f, watch), 5);
    assert_int_equal(next(f, watch), 0);
    publish(f, "a", 6);
    assert_int_equal(f->calls, 2);
    watch_close(watch);
    publish(f, "a", 7);
    assert_int_equal(f->calls, 2);
}

static void a_reader_that_was_overtaken_is_told_and_goes_on(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *watch = open_watch(f, "a", 0);

    for (run_id id = 1; id <= RING; id++)
        publish(f, "a", id);
    assert_int_equal(next(f, watch), 1);
    publish(f, "b", 100);
    assert_int_equal(next(f, watch), 2); /* the ring is full, not over */
    for (run_id id = 1; id <= RING; id++)
        publish(f, "b", id);
    assert_lost(f, watch);
    assert_int_equal(next(f, watch), 0);
    publish(f, "a", 50);
    assert_int_equal(next(f, watch), 50);
    watch_close(watch);
}

static void events_are_bounded_in_bytes_too(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *watch = open_watch(f, "a", 0);
    uint8_t *data = calloc(1, WATCH_BYTES_MAX / 4);
    struct run_info info = { .org = bytes_of_text("a") };

    info.spec.data = bytes_of(data, WATCH_BYTES_MAX / 4);
    for (info.id = 1; info.id <= 3; info.id++)
        watch_publish(f->hub, &info);
    assert_int_equal(next(f, watch), 1);
    watch_publish(f->hub, &info);
    watch_publish(f->hub, &info);
    assert_lost(f, watch);
    watch_close(watch);
    free(data);
}

static void what_nobody_watches_is_not_kept(void **state)
{
    struct watch_fixture *f = *state;
    uint64_t sequence = watch_hub_sequence(f->hub);
    struct watch *watch;

    assert_false(watch_is_wanted(f->hub));
    publish(f, "a", 1);
    assert_true(watch_hub_sequence(f->hub) == sequence + 1);
    watch = open_watch(f, "a", sequence);
    assert_true(watch_is_wanted(f->hub));
    assert_lost(f, watch);
    watch_close(watch);
    assert_true(watch_is_wanted(f->hub));
    fake_clock_advance(&f->clock, WATCH_IDLE_MS);
    assert_false(watch_is_wanted(f->hub));
}

static void skipping_loses_events_and_wakes_readers(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *watch = open_watch(f, "a", 0);

    assert_int_equal(next(f, watch), 0);
    watch_skip(f->hub);
    assert_int_equal(f->calls, 1);
    assert_lost(f, watch);
    watch_close(watch);
}

static void a_sequence_of_another_life_is_lost(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *future = open_watch(f, "a", watch_hub_sequence(f->hub) + 1);
    struct watch *past = open_watch(f, "a", 1);

    assert_lost(f, future);
    assert_lost(f, past);
    watch_close(future);
    watch_close(past);
}

static void sequences_grow_over_a_restart(void **state)
{
    struct watch_fixture *f = *state;
    struct watch_hub *later;

    for (unsigned i = 0; i < 1000; i++)
        watch_skip(f->hub);
    fake_clock_advance(&f->clock, 1);
    later = watch_hub_new(&f->clock.base, 0);
    assert_true(watch_hub_sequence(later) > watch_hub_sequence(f->hub));
    watch_hub_free(later);
}

static void an_event_is_the_run_as_it_was_then(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *watch = open_watch(f, "a", 0);
    char name[] = "products", worker[] = "w1", entity[] = "orders", window[] = "items";
    struct entity_progress entities[2] = { { .done = 5 },
                                           { bytes_of_text(entity), 1, 2, 3, true, false } };
    struct entity_window windows[1] = { { bytes_of_text(window), 99 } };
    struct run_info info = {
        .id = 7, .org = bytes_of_text("a"), .wait = WAIT_TURN, .estimate_basis = "history",
        .spec = { .name = bytes_of_text(name), .data = bytes_of("\0\1", 2) },
        .run = { .state = RUN_ACTIVE, .epoch = 3, .worker = bytes_of_text(worker),
                 .entities = entities, .entity_count = 2, .windows = windows,
                 .window_count = 1 },
    }, seen;
    uint64_t sequence;

    watch_publish(f->hub, &info);
    memset(name, 'x', sizeof name), memset(worker, 'x', sizeof worker);
    memset(entity, 'x', sizeof entity), memset(window, 'x', sizeof window);
    memset(entities, 0, sizeof entities), memset(windows, 0, sizeof windows);

    assert_int_equal(watch_next(watch, f->mem, &seen, &sequence), OK);
    watch_close(watch);
    watch_hub_free(f->hub);
    f->hub = NULL;
    assert_int_equal(seen.run.epoch, 3);
    assert_int_equal(seen.wait, WAIT_TURN);
    assert_string_equal(seen.estimate_basis, "history");
    assert_true(bytes_equal(seen.spec.name, bytes_of_text("products")));
    assert_true(bytes_equal(seen.spec.data, bytes_of("\0\1", 2)));
    assert_true(bytes_equal(seen.run.worker, bytes_of_text("w1")));
    assert_int_equal(seen.run.entities[0].done, 5);
    assert_true(bytes_equal(seen.run.entities[1].entity, bytes_of_text("orders")));
    assert_int_equal(seen.run.windows[0].low_ms, 99);
    assert_true(bytes_equal(seen.run.windows[0].entity, bytes_of_text("items")));
}

static void an_event_that_does_not_fit_is_a_limit_and_passed_over(void **state)
{
    struct watch_fixture *f = *state;
    struct watch *watch = open_watch(f, "a", 0);
    struct run_info info = { .id = 1,
                             .org = bytes_of_text("a"),
                             .spec = { .data = bytes_of_text("more than ten bytes") } };
    struct arena *small = arena_new(10);
    uint64_t sequence;

    watch_publish(f->hub, &info);
    publish(f, "a", 2);
    assert_int_equal(watch_next(watch, small, &info, &sequence), ERR_LIMIT);
    assert_int_equal(watch_next(watch, small, &info, &sequence), OK);
    assert_int_equal(info.id, 2);
    arena_free(small);
    watch_close(watch);
}

/* ---- threads ---- */

struct follower {
    pthread_t thread;
    struct watch_hub *hub;
    atomic_bool called;
    run_id last;
    bool lost;
};

static void set_called(void *ctx)
{
    atomic_store(&((struct follower *)ctx)->called, true);
}

enum { EVENTS = 20000 };

static void *follow(void *arg)
{
    struct follower *follower = arg;
    struct arena *mem = arena_new(1 << 20);
    struct watch *watch;

    if (watch_open(follower->hub, bytes_of_text("a"), 0, set_called, follower, &watch) != OK)
        abort();
    while (follower->last != EVENTS) {
        struct run_info info;
        uint64_t sequence;
        enum err e = watch_next(watch, mem, &info, &sequence);

        if (e == OK && info.id <= follower->last)
            abort();
        if (e == OK)
            follower->last = info.id;
        if (e == ERR_LIMIT)
            follower->lost = true;
        arena_reset(mem);
    }
    watch_close(watch);
    arena_free(mem);
    return NULL;
}

static void readers_on_other_threads_see_events_in_order(void **state)
{
    struct watch_fixture *f = *state;
    struct follower followers[2] = { 0 };

    for (size_t i = 0; i < 2; i++) {
        followers[i].hub = f->hub;
        assert_int_equal(pthread_create(&followers[i].thread, NULL, follow, &followers[i]), 0);
    }
    for (run_id id = 1; id < EVENTS; id++)
        publish(f, "a", id);
    /* The last one again and again, until both have seen it. */
    for (size_t i = 0; i < 2; i++) {
        while (pthread_tryjoin_np(followers[i].thread, NULL) != 0)
            publish(f, "a", EVENTS);
        assert_int_equal(followers[i].last, EVENTS);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_come_in_order_to_those_of_their_organisation),
        TEST(a_watch_begins_with_what_comes_after_it),
        TEST(a_watch_may_go_on_where_another_stopped),
        TEST(ready_is_called_once_until_there_is_nothing_left),
        TEST(a_reader_that_was_overtaken_is_told_and_goes_on),
        TEST(events_are_bounded_in_bytes_too),
        TEST(what_nobody_watches_is_not_kept),
        TEST(skipping_loses_events_and_wakes_readers),
        TEST(a_sequence_of_another_life_is_lost),
        TEST(sequences_grow_over_a_restart),
        TEST(an_event_is_the_run_as_it_was_then),
        TEST(an_event_that_does_not_fit_is_a_limit_and_passed_over),
        TEST(readers_on_other_threads_see_events_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
