#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

#include <stdio.h>
#include <string.h>

static void queue_many(struct queue_fixture *f, const char *org, enum run_priority priority,
                       unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        struct run_spec spec;

        snprintf(name, sizeof name, "%s-%d-%u", org, (int)priority, i);
        spec = a_spec(name);
        spec.priority = priority;
        assert_int_equal(submit_to(f, org, &spec, NULL), OK);
    }
}

static void limit(struct queue_fixture *f, const char *org, struct org_limits limits)
{
    struct put_org_request req = { .org = bytes_of_text(org), .limits = limits };

    assert_int_equal(ask(f, &req.base, QUEUE_PUT_ORG), OK);
}

/* How many of the next `count` leases are the organisation's. */
static unsigned share(struct queue_fixture *f, const char *org, unsigned count)
{
    unsigned its = 0;

    for (unsigned i = 0; i < count; i++) {
        struct assignment job;

        assert_int_equal(lease(f, &job), OK);
        its += bytes_equal(job.info.org, bytes_of_text(org));
    }
    return its;
}

/* Not even by a turn of the one that has it: the next worker that is free is its. */
static void a_large_backlog_delays_another_organisations_job_by_no_lease(void **state)
{
    struct queue_fixture *f = *state;

    queue_many(f, "large", RUN_PRIORITY_NORMAL, 2000);
    assert_int_equal(share(f, "large", 10), 10);
    queue_many(f, "small", RUN_PRIORITY_NORMAL, 1);
    assert_int_equal(share(f, "small", 1), 1);
    assert_int_equal(share(f, "large", 1), 1);
    queue_many(f, "tiny", RUN_PRIORITY_NORMAL, 1);
    queue_many(f, "new", RUN_PRIORITY_NORMAL, 1);
    assert_int_equal(share(f, "large", 2), 0);
    crash(f);
    assert_int_equal(share(f, "large", 1), 1);
}

static void coming_back_does_not_win_a_turn(void **state)
{
    struct queue_fixture *f = *state;
    unsigned its = 0;

    queue_many(f, "large", RUN_PRIORITY_NORMAL, 50);
    queue_many(f, "clever", RUN_PRIORITY_NORMAL, 1);
    for (unsigned i = 0; i < 20; i++) {
        unsigned got = share(f, "clever", 1);
        char name[16];
        struct run_spec spec;

        snprintf(name, sizeof name, "again-%u", i);
        spec = a_spec(name);
        if (got > 0)
            assert_int_equal(submit_to(f, "clever", &spec, NULL), OK);
        its += got;
    }
    assert_int_equal(its, 10);
}

static void organisations_take_turns_by_weight(void **state)
{
    struct queue_fixture *f = *state;

    limit(f, "heavy", (struct org_limits){ .weight = 3 });
    queue_many(f, "heavy", RUN_PRIORITY_NORMAL, 100);
    queue_many(f, "light", RUN_PRIORITY_NORMAL, 100);
    assert_int_equal(share(f, "heavy", 40), 30);
}

static void low_never_starves(void **state)
{
    struct queue_fixture *f = *state;
    unsigned low = 0;

    queue_many(f, "busy", RUN_PRIORITY_CRITICAL, 200);
    queue_many(f, "busy", RUN_PRIORITY_LOW, 20);
    for (int i = 0; i < 170; i++) {
        struct assignment job;

        assert_int_equal(lease(f, &job), OK);
        low += job.info.spec.priority == RUN_PRIORITY_LOW;
        assert_true(i >= 16 || low == 0);     /* nor does it push ahead */
    }
    assert_int_equal(low, 10);
}

static void above_its_active_limit_an_organisations_jobs_wait_and_say_so(void **state)
{
    struct queue_fixture *f = *state;
    struct assignment job;
    struct run_info info;
    run_id second;

    limit(f, "org123", (struct org_limits){ .max_active = 1 });
    submitted(f, "a");
    second = submitted(f, "b");
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(lease(f, &(struct assignment){ .epoch = 0 }), ERR_NOT_FOUND);
    assert_int_equal(get_run(f, second, &info), OK);
    assert_int_equal(info.wait, WAIT_LIMIT);
    assert_int_equal(complete(f, (struct lease_name){ job.info.id, job.epoch }), OK);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.id, second);
}

static void above_its_request_rate_an_organisation_is_told_when_to_come_back(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");

    limit(f, "org123", (struct org_limits){ .max_requests_per_second = 2 });
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(submit(f, &spec, NULL), ERR_LIMIT);
    assert_int_equal(f->why.retry_after_ms, 500);
    assert_int_equal(submit_to(f, "other", &spec, NULL), OK);
    pass(f, 499);
    assert_int_equal(submit(f, &spec, NULL), ERR_LIMIT);
    pass(f, 1);
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(submit(f, &spec, NULL), ERR_LIMIT);
}

static void every_request_that_changes_something_counts_against_the_rate(void **state)
{
    struct queue_fixture *f = *state;
    struct control_request pause = { .org = ORG,
                                     .verb = CONTROL_PAUSE,
                                     .name = bytes_of_text("a") };
    struct purge_request purge_all = { .org = ORG };
    struct purge_request purge_some = { .org = ORG, .name = bytes_of_text("a") };
    struct delete_schedule_request unschedule = { .org = ORG, .name = bytes_of_text("a") };
    struct reset_watermark_request reset = { .org = ORG, .name = bytes_of_text("a") };
    const struct {
        struct request *request;
        enum queue_verb verb;
    } all[] = {
        { &pause.base, QUEUE_CONTROL },          { &purge_all.base, QUEUE_PURGE },
        { &purge_some.base, QUEUE_PURGE },       { &unschedule.base, QUEUE_DELETE_SCHEDULE },
        { &reset.base, QUEUE_RESET_WATERMARK },
    };

    submitted(f, "a");
    limit(f, "org123", (struct org_limits){ .max_requests_per_second = 1 });
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        pass(f, 1000);
        assert_int_not_equal(ask(f, all[i].request, all[i].verb), ERR_LIMIT);
        assert_int_equal(ask(f, all[i].request, all[i].verb), ERR_LIMIT);
        assert_true(f->why.retry_after_ms > 0);
    }
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_large_backlog_delays_another_organisations_job_by_no_lease),
        TEST(coming_back_does_not_win_a_turn),
        TEST(organisations_take_turns_by_weight),
        TEST(low_never_starves),
        TEST(above_its_active_limit_an_organisations_jobs_wait_and_say_so),
        TEST(above_its_request_rate_an_organisation_is_told_when_to_come_back),
        TEST(every_request_that_changes_something_counts_against_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
