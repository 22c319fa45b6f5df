#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

/* A turn's memory is bounded: what does not fit waits for the next one, which
 * comes at once. Each test brings more than one turn can hold. */

enum { COUNT = 100 };

static const int64_t HOUR_MS = 3600 * 1000;

static void *large; /* DATA_SIZE_MAX bytes */

static struct run_spec a_large_one(int number)
{
    static char name[16];
    struct run_spec spec;

    snprintf(name, sizeof name, "job-%d", number);
    spec = a_spec(name);
    spec.data = bytes_of(large, DATA_SIZE_MAX);
    return spec;
}

/* Turns until there is nothing to do at once. */
static unsigned turns_until_idle(struct queue_fixture *f)
{
    unsigned turns = 1;

    for (int64_t due = queue_turn(f->queue); due <= f->clock.mono_ms; turns++) {
        assert_true(turns < 1000);
        due = queue_turn(f->queue);
    }
    return turns;
}

static void many_of_the_largest_jobs_may_come_at_once(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request *requests = calloc(COUNT, sizeof *requests);

    for (int i = 0; i < COUNT; i++) {
        requests[i] = (struct submit_request){ .org = ORG, .spec = a_large_one(0) };
        post(f, &requests[i].base, QUEUE_SUBMIT);
    }
    assert_true(turns_until_idle(f) > 1);
    for (int i = 0; i < COUNT; i++) {
        assert_true(is_answered(&requests[i].base));
        assert_int_equal(requests[i].base.result, OK);
    }
    assert_int_equal(org_of(f).queued, COUNT);
    free(requests);
}

static void many_of_the_largest_jobs_may_be_leased_at_once(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request *requests = calloc(COUNT, sizeof *requests);

    for (int i = 0; i < COUNT; i++) {
        struct run_spec spec = a_large_one(i);

        assert_int_equal(submit(f, &spec, NULL), OK);
    }
    for (int i = 0; i < COUNT; i++) { /* none of them waits: there is work for each */
        requests[i] = (struct lease_request){ .worker = &f->worker, .jobs_max = 1 };
        post(f, &requests[i].base, QUEUE_LEASE);
    }
    assert_true(turns_until_idle(f) > 1);
    for (int i = 0; i < COUNT; i++) {
        assert_true(is_answered(&requests[i].base));
        assert_int_equal(requests[i].count, 1);
    }
    assert_int_equal(org_of(f).active, COUNT);
    free(requests);
}

static void many_backoffs_of_the_largest_jobs_may_be_over_at_once(void **state)
{
    struct queue_fixture *f = *state;

    for (int i = 0; i < COUNT; i++) {
        struct run_spec spec = a_large_one(i);

        assert_int_equal(submit(f, &spec, NULL), OK);
        assert_int_equal(fail_with(f, leased(f), FAILURE_RATE_LIMITED, NULL), OK);
    }
    fake_clock_advance(&f->clock, HOUR_MS);
    assert_true(turns_until_idle(f) > 1);
    for (int i = 0; i < COUNT; i++)
        (void)leased(f);
}

static void many_of_the_largest_schedules_may_be_due_at_once(void **state)
{
    struct queue_fixture *f = *state;

    for (int i = 0; i < COUNT; i++) {
        struct run_spec spec = a_large_one(i);

        spec.type = RUN_TYPE_SCHEDULED;
        spec.has_schedule = true;
        spec.schedule.start_at_ms = FIXTURE_START_MS + HOUR_MS;
        assert_int_equal(submit(f, &spec, NULL), OK);
    }
    fake_clock_advance(&f->clock, HOUR_MS);
    assert_true(turns_until_idle(f) > 1);
    assert_int_equal(org_of(f).queued, COUNT);
    assert_int_equal(org_of(f).scheduled, 0);
}

/* More than the 128 that are looked at in one slot and turn. */
static void a_thousand_timers_may_be_due_at_once(void **state)
{
    struct queue_fixture *f = *state;
    char name[16];

    for (int i = 0; i < 1000; i++) {
        struct run_spec spec = a_spec(name);

        spec.name.size = (size_t)snprintf(name, sizeof name, "job-%d", i);
        spec.type = RUN_TYPE_SCHEDULED;
        spec.has_schedule = true;
        spec.schedule.start_at_ms = FIXTURE_START_MS + HOUR_MS;
        assert_int_equal(submit(f, &spec, NULL), OK);
    }
    crash(f);
    fake_clock_advance(&f->clock, HOUR_MS);
    (void)turns_until_idle(f);
    assert_int_equal(org_of(f).queued, 1000);
}

/* The time of day may be set at any moment: the queue looks every five seconds. */
static void a_turn_says_when_the_next_one_is_due(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request waiting = { .worker = &f->worker, .jobs_max = 1, .wait_ms = 700 };
    struct run_spec spec = a_spec("a");

    assert_int_equal(queue_turn(f->queue), INT64_MAX);
    spec.has_schedule = true;
    spec.schedule.start_at_ms = FIXTURE_START_MS + HOUR_MS;
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(queue_turn(f->queue), f->clock.mono_ms + 5000);
    fake_clock_advance(&f->clock, HOUR_MS - 1200);
    assert_int_equal(queue_turn(f->queue), f->clock.mono_ms + 1200);
    ask_later(f, &waiting.base, QUEUE_LEASE);
    assert_int_equal(queue_turn(f->queue), f->clock.mono_ms + 700);
    pass(f, 1200);
    assert_true(is_answered(&waiting.base));
    assert_int_equal(waiting.count, 1);
    assert_int_equal(queue_turn(f->queue), f->clock.mono_ms + 60000);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(many_of_the_largest_jobs_may_come_at_once),
        TEST(many_of_the_largest_jobs_may_be_leased_at_once),
        TEST(many_backoffs_of_the_largest_jobs_may_be_over_at_once),
        TEST(many_of_the_largest_schedules_may_be_due_at_once),
        TEST(a_thousand_timers_may_be_due_at_once),
        TEST(a_turn_says_when_the_next_one_is_due),
    };
    int failed;

    large = calloc(1, DATA_SIZE_MAX);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(large);
    return failed;
}
