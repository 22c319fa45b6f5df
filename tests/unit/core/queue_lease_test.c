#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

static run_id submitted_as(struct queue_fixture *f, const char *org, const char *name,
                           enum run_priority priority)
{
    struct run_spec spec = a_spec(name);
    struct run_info info;

    spec.priority = priority;
    assert_int_equal(submit_to(f, org, &spec, &info), OK);
    return info.id;
}

static void a_higher_priority_goes_first(void **state)
{
    struct queue_fixture *f = *state;
    run_id low = submitted_as(f, "org123", "a", RUN_PRIORITY_LOW);
    run_id normal = submitted_as(f, "org123", "b", RUN_PRIORITY_NORMAL);
    run_id critical = submitted_as(f, "org123", "c", RUN_PRIORITY_CRITICAL);
    run_id high = submitted_as(f, "org123", "d", RUN_PRIORITY_HIGH);

    assert_int_equal(leased(f).id, critical);
    assert_int_equal(leased(f).id, high);
    assert_int_equal(leased(f).id, normal);
    assert_int_equal(leased(f).id, low);
}

/* Whatever they read and write: lanes are no order of their own. */
static void inside_a_class_the_first_in_is_the_first_out(void **state)
{
    struct queue_fixture *f = *state;
    const char *sources[] = { "demo", "file", "shopify" };
    run_id ids[30];
    char name[16];

    for (int i = 0; i < 30; i++) {
        struct run_spec spec = a_spec(name);
        struct run_info info;

        spec.name.size = (size_t)snprintf(name, sizeof name, "job-%d", i);
        spec.source = bytes_of_text(sources[i % 3]);
        assert_int_equal(submit(f, &spec, &info), OK);
        ids[i] = info.id;
    }
    for (int i = 0; i < 15; i++)
        assert_int_equal(leased(f).id, ids[i]);
    crash(f);
    for (int i = 15; i < 30; i++)
        assert_int_equal(leased(f).id, ids[i]);
}

static void organisations_take_turns_inside_a_class(void **state)
{
    struct queue_fixture *f = *state;
    run_id ids[3][4];
    char name[16];

    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        ids[0][i] = submitted_as(f, "org-a", name, RUN_PRIORITY_NORMAL);
    }
    for (int org = 1; org < 3; org++)
        for (int i = 0; i < 4; i++) {
            snprintf(name, sizeof name, "job-%d", i);
            ids[org][i] = submitted_as(f, org == 1 ? "org-b" : "org-c", name, RUN_PRIORITY_NORMAL);
        }
    for (int i = 0; i < 4; i++)
        for (int org = 0; org < 3; org++)
            assert_int_equal(leased(f).id, ids[org][i]);
}

static void a_run_goes_only_to_a_worker_that_can(void **state)
{
    struct queue_fixture *f = *state;
    struct bytes demo = bytes_of_text("demo"), file = bytes_of_text("file");
    struct worker worker = { .id = bytes_of_text("w2"),
                             .sources = &file,
                             .targets = &demo,
                             .source_count = 1,
                             .target_count = 1,
                             .slots = 1 };
    struct run_spec spec = a_spec("b");
    struct assignment job;
    struct run_info info;
    run_id first = submitted(f, "a");

    assert_int_equal(join(f, &worker), OK);
    assert_int_equal(lease_for(f, &worker, false, &job), ERR_NOT_FOUND);
    spec.source = file;
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(lease_for(f, &worker, false, &job), ERR_NOT_FOUND);
    spec.name = bytes_of_text("c");
    spec.target = demo;
    assert_int_equal(submit(f, &spec, &info), OK);
    assert_int_equal(lease_for(f, &worker, false, &job), OK);
    assert_int_equal(job.info.id, info.id);
    assert_int_equal(leased(f).id, first);
    assert_int_equal(leave(f, &worker), OK);
}

static void an_organisation_has_a_limit_of_active_runs(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request limit = { .org = ORG, .limits = { .max_active = 2 } };
    struct lease_name first, second;
    struct assignment job;

    assert_int_equal(ask(f, &limit.base, QUEUE_PUT_ORG), OK);
    (void)submitted(f, "a");
    (void)submitted(f, "b");
    (void)submitted(f, "c");
    first = leased(f);
    second = leased(f);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_not_equal(submitted_as(f, "other", "x", RUN_PRIORITY_LOW), 0);
    assert_int_equal(lease(f, &job), OK);
    assert_true(bytes_equal(job.info.org, bytes_of_text("other")));
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    crash(f);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(complete(f, second), OK);
    (void)leased(f);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(complete(f, first), OK);
}

static void wait_for_work(struct queue_fixture *f, struct lease_request *req, int64_t wait_ms)
{
    *req = (struct lease_request){ .worker = &f->worker, .jobs_max = 2, .wait_ms = wait_ms };
    ask_later(f, &req->base, QUEUE_LEASE);
}

static void a_long_poll_is_answered_when_work_comes(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request req;
    run_id id;

    wait_for_work(f, &req, 30000);
    pass(f, 29999);
    assert_false(is_answered(&req.base));
    id = submitted(f, "a");
    assert_true(is_answered(&req.base));
    assert_int_equal(req.base.result, OK);
    assert_int_equal(req.count, 1);
    assert_int_equal(req.jobs[0].info.id, id);
}

static void a_long_poll_ends_empty_when_its_time_is_over(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request req;

    wait_for_work(f, &req, 30000);
    assert_int_equal(queue_turn(f->queue), f->clock.mono_ms + 30000);
    pass(f, 30000);
    assert_true(is_answered(&req.base));
    assert_int_equal(req.base.result, OK);
    assert_int_equal(req.count, 0);
}

static void a_long_poll_can_be_stopped(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request req, again;
    struct lease_stop_request stop = { .lease = &req };

    wait_for_work(f, &req, 30000);
    assert_int_equal(ask(f, &stop.base, QUEUE_LEASE_STOP), OK);
    assert_true(is_answered(&req.base));
    assert_int_equal(req.base.result, OK);
    assert_int_equal(req.count, 0);
    assert_int_equal(ask(f, &stop.base, QUEUE_LEASE_STOP), OK);
    wait_for_work(f, &again, 30000);
    assert_int_equal(leave(f, &f->worker), OK);
    assert_int_equal(again.base.result, ERR_CANCELLED);
}

static void a_wrong_lease_request_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request wrong[] = {
        { .jobs_max = 0 },
        { .jobs_max = LEASE_JOBS_MAX + 1 },
        { .jobs_max = 1, .wait_ms = -1 },
        { .jobs_max = 1, .wait_ms = WAIT_MS_MAX + 1 },
        { .jobs_max = 1, .lease_ttl_ms = LEASE_TTL_MS_MIN - 1 },
        { .jobs_max = 1, .lease_ttl_ms = LEASE_TTL_MS_MAX + 1 },
    };
    const char *fields[] = { "maxJobs", "maxJobs", "wait", "wait", "leaseTtl", "leaseTtl" };

    (void)submitted(f, "a");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        wrong[i].worker = &f->worker;
        assert_int_equal(ask(f, &wrong[i].base, QUEUE_LEASE), ERR_INVALID);
        assert_string_equal(f->why.field, fields[i]);
    }
    (void)leased(f);
}

static void a_push_must_be_acknowledged_within_five_seconds(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name held;
    struct assignment job;

    assert_int_equal(lease_for(f, &f->worker, true, &job), OK);
    held = (struct lease_name){ id, job.epoch };
    pass(f, 4999);
    assert_int_equal(heartbeat(f, held), DIRECTIVE_GO_ON);
    pass(f, 59999);
    assert_string_equal(shown(f, id), "active");
}

/* Nothing of it is left but the epoch, which fences what the worker may still say. */
static void a_push_that_is_not_acknowledged_goes_back_at_no_cost(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a"), next = submitted(f, "b");
    struct run_info info;
    struct assignment job;

    assert_int_equal(lease_for(f, &f->worker, true, &job), OK);
    pass(f, 5000);
    assert_int_equal(get_run(f, id, &info), OK);
    assert_int_equal(info.run.state, RUN_QUEUED);
    assert_int_equal(info.run.attempts, 0);
    assert_int_equal(info.run.failures, 0);
    assert_int_equal(info.run.worked_ms, 0);
    assert_int_equal(info.run.started_at_ms, 0);
    assert_int_equal(heartbeat(f, (struct lease_name){ id, job.epoch }), DIRECTIVE_NONE);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.id, id);
    assert_int_equal(job.epoch, 2);
    assert_int_equal(job.info.run.attempts, 1);
    assert_int_equal(leased(f).id, next);
}

static void a_worker_learns_of_a_pause_from_a_push(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");

    (void)leased(f);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(f->pushes, 1);
    assert_int_equal(f->pushed_run, id);
    assert_int_equal(f->pushed, DIRECTIVE_PAUSE_IT);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(f->pushed, DIRECTIVE_GO_ON);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(f->pushed, DIRECTIVE_CANCEL_IT);
    assert_int_equal(f->pushes, 3);
}

static void a_worker_that_comes_back_is_pushed_to_again(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");

    (void)leased(f);
    crash(f);
    assert_int_equal(f->worker.held, 1);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(f->pushed_run, id);
}

static void what_a_lease_hands_over_is_what_was_asked_for(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    struct lease_request req = { .worker = &f->worker, .jobs_max = 5, .lease_ttl_ms = 7000 };

    spec.data = bytes_of_text("{\"filters\": {}}");
    spec.concurrency = 5;
    assert_int_equal(submit(f, &spec, NULL), OK);
    assert_int_equal(ask(f, &req.base, QUEUE_LEASE), OK);
    assert_int_equal(req.count, 1);
    assert_int_equal(req.jobs[0].lease_ttl_ms, 7000);
    assert_true(bytes_equal(req.jobs[0].info.spec.data, spec.data));
    assert_int_equal(req.jobs[0].info.spec.concurrency, 5);
    assert_int_equal(req.jobs[0].checkpoint.size, 0);
    assert_true(bytes_equal(req.jobs[0].info.run.worker, f->worker.id));
    pass(f, 7000);
    assert_string_equal(shown(f, req.jobs[0].info.id), "queued");
}

/* At most 2 MiB: the rest comes with the next answer. */
static void an_answer_with_large_jobs_is_bounded(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    struct lease_request req = { .worker = &f->worker, .jobs_max = 10 };
    void *data = calloc(1, DATA_SIZE_MAX);
    char name[16];

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        spec.name = bytes_of_text(name);
        spec.data = bytes_of(data, DATA_SIZE_MAX);
        assert_int_equal(submit(f, &spec, NULL), OK);
    }
    for (int left = 5; left > 0; left -= 2) {
        assert_int_equal(ask(f, &req.base, QUEUE_LEASE), OK);
        assert_int_equal(req.count, left > 2 ? 2 : left);
        assert_int_equal(req.jobs[0].info.spec.data.size, DATA_SIZE_MAX);
    }
    free(data);
}

/* A job is never handed over without its data. */
static void a_job_that_does_not_fit_into_the_answer_is_not_leased(void **state)
{
    struct queue_fixture *f = *state;
    struct lease_request req = { .worker = &f->worker, .jobs_max = 2 };
    struct run_spec spec = a_spec("a");
    struct arena *all = f->mem;
    void *data = calloc(1, 100 << 10);
    struct run_info info;
    enum err e;

    spec.data = bytes_of(data, 100 << 10);
    assert_int_equal(submit(f, &spec, &info), OK);
    f->mem = arena_new(64 << 10);
    e = ask(f, &req.base, QUEUE_LEASE);
    arena_free(f->mem);
    f->mem = all;
    assert_int_equal(e, ERR_LIMIT);
    assert_string_equal(shown(f, info.id), "queued");
    assert_int_equal(leased(f).id, info.id);
    free(data);
}

static void a_draining_queue_hands_out_nothing_and_tells_workers(void **state)
{
    struct queue_fixture *f = *state;
    struct drain_request drain = { .leases = 0 };
    struct lease_request waiting;
    struct lease_name held;
    struct assignment job;
    run_id id = submitted(f, "a");

    held = leased(f);
    wait_for_work(f, &waiting, 30000);
    assert_int_equal(ask(f, &drain.base, QUEUE_DRAIN), OK);
    assert_int_equal(drain.leases, 1);
    assert_int_equal(f->pushed, DIRECTIVE_DRAIN_IT);
    assert_true(is_answered(&waiting.base));
    assert_int_equal(heartbeat(f, held), DIRECTIVE_DRAIN_IT);
    assert_int_equal(release(f, held), OK);
    assert_string_equal(shown(f, id), "queued");
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    crash(f);
    assert_int_equal(lease(f, &job), OK);
    assert_int_equal(job.info.id, id);
    assert_int_equal(job.info.run.failures, 0);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_higher_priority_goes_first),
        TEST(inside_a_class_the_first_in_is_the_first_out),
        TEST(organisations_take_turns_inside_a_class),
        TEST(a_run_goes_only_to_a_worker_that_can),
        TEST(an_organisation_has_a_limit_of_active_runs),
        TEST(a_long_poll_is_answered_when_work_comes),
        TEST(a_long_poll_ends_empty_when_its_time_is_over),
        TEST(a_long_poll_can_be_stopped),
        TEST(a_wrong_lease_request_is_refused),
        TEST(a_push_must_be_acknowledged_within_five_seconds),
        TEST(a_push_that_is_not_acknowledged_goes_back_at_no_cost),
        TEST(a_worker_learns_of_a_pause_from_a_push),
        TEST(a_worker_that_comes_back_is_pushed_to_again),
        TEST(what_a_lease_hands_over_is_what_was_asked_for),
        TEST(an_answer_with_large_jobs_is_bounded),
        TEST(a_job_that_does_not_fit_into_the_answer_is_not_leased),
        TEST(a_draining_queue_hands_out_nothing_and_tells_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
