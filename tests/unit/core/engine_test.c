#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/list.h"
#include "core/engine.h"
#include "core/view.h"
#include "tests/support/fake_store.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct engine_fixture {
    struct fake_store store;
    struct random_seeded random;
    struct engine *engine;
    struct why why;
};

static int set_up(void **state)
{
    struct engine_fixture *f = calloc(1, sizeof *f);
    struct queue_deps deps = { .store = &f->store.base,
                               .clock = clock_real(),
                               .random = &f->random.base };

    fake_store_init(&f->store);
    random_seeded_init(&f->random, 1);
    queue_options_default(&deps.options);
    if (engine_open(&deps, &f->engine, &f->why) != OK)
        fail_msg("%s", f->why.text);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct engine_fixture *f = *state;

    engine_close(f->engine);
    fake_store_free(&f->store);
    free(f);
    return 0;
}

/* ---- one job queued ---- */

struct submission {
    struct submit_request request;
    struct engine *engine;
    sem_t answered;
    atomic_uint answers;
    enum err result;
    unsigned again; /* how often done() posts it anew */
    char name[16];
};

static void submission_done(struct request *request, enum err e)
{
    struct submission *s = container_of(request, struct submission, request.base);

    s->result = e;
    atomic_fetch_add(&s->answers, 1);
    if (s->again > 0) {
        s->again--;
        arena_reset(s->request.base.mem);
        engine_post(s->engine, &s->request.base);
        return;
    }
    sem_post(&s->answered);
}

static void submission_init(struct submission *s, struct engine_fixture *f, unsigned number)
{
    *s = (struct submission){ .engine = f->engine };
    snprintf(s->name, sizeof s->name, "sync%u", number);
    sem_init(&s->answered, 0, 0);
    s->request.base = (struct request){ .verb = QUEUE_SUBMIT,
                                        .mem = arena_new(1 << 20),
                                        .done = submission_done };
    s->request.org = bytes_of_text("org");
    s->request.actor = bytes_of_text("tester");
    s->request.spec = (struct run_spec){
        .name = bytes_of_text(s->name),
        .type = RUN_TYPE_FULL,
        .priority = RUN_PRIORITY_NORMAL,
        .source = bytes_of_text("demo"),
        .target = bytes_of_text("local"),
        .concurrency = 1,
    };
}

static void submission_free(struct submission *s)
{
    sem_destroy(&s->answered);
    arena_free(s->request.base.mem);
}

static enum err submit(struct engine_fixture *f, unsigned number)
{
    struct submission s;

    submission_init(&s, f, number);
    engine_post(f->engine, &s.request.base);
    sem_wait(&s.answered);
    submission_free(&s);
    return s.result;
}

/* ---- one read: how many runs the organisation has ---- */

struct counting {
    struct read_request request;
    sem_t answered;
    enum err result;
    uint64_t queued;
};

static enum err count_queued(struct read_request *request, struct store_reader *snapshot,
                             struct why *why)
{
    struct counting *c = container_of(request, struct counting, request);
    struct view view = { snapshot, NULL, arena_new(1 << 20) };
    struct org_view org;
    enum err e = view_org(&view, bytes_of_text("org"), &org, why);

    c->queued = e == OK ? org.queued : 0;
    arena_free(view.mem);
    return e;
}

static void counting_done(struct read_request *request, enum err e)
{
    struct counting *c = container_of(request, struct counting, request);

    c->result = e;
    sem_post(&c->answered);
}

static struct counting count(struct engine_fixture *f)
{
    struct counting c = { .request = { count_queued, counting_done, .why = { .text = "" } } };

    sem_init(&c.answered, 0, 0);
    engine_read(f->engine, &c.request);
    sem_wait(&c.answered);
    sem_destroy(&c.answered);
    return c;
}

/* ---- a worker that waits ---- */

struct waiter {
    struct worker worker;
    struct worker_request join;
    struct lease_request lease;
    struct bytes any;
    sem_t joined, answered;
    enum err result;
};

static void waiter_joined(struct request *request, enum err e)
{
    struct waiter *w = container_of(request, struct waiter, join.base);

    w->result = e;
    sem_post(&w->joined);
}

static void waiter_done(struct request *request, enum err e)
{
    struct waiter *w = container_of(request, struct waiter, lease.base);

    w->result = e;
    sem_post(&w->answered);
}

static void push(struct worker *worker, run_id run, uint32_t epoch, enum directive directive)
{
    (void)worker, (void)run, (void)epoch, (void)directive;
}

static void waiter_start(struct waiter *w, struct engine_fixture *f, int64_t wait_ms)
{
    *w = (struct waiter){ .any = bytes_of_text("*") };
    sem_init(&w->joined, 0, 0);
    sem_init(&w->answered, 0, 0);
    w->worker = (struct worker){ .id = bytes_of_text("w"),
                                 .sources = &w->any,
                                 .targets = &w->any,
                                 .source_count = 1,
                                 .target_count = 1,
                                 .slots = 1,
                                 .push = push };
    w->join.base =
        (struct request){ .verb = QUEUE_JOIN, .mem = arena_new(1 << 20), .done = waiter_joined };
    w->join.worker = &w->worker;
    w->lease.base =
        (struct request){ .verb = QUEUE_LEASE, .mem = arena_new(1 << 20), .done = waiter_done };
    w->lease.worker = &w->worker;
    w->lease.jobs_max = 1;
    w->lease.wait_ms = wait_ms;
    engine_post(f->engine, &w->join.base);
    sem_wait(&w->joined);
    assert_int_equal(w->result, OK);
    engine_post(f->engine, &w->lease.base);
}

/* A worker that is joined is lent: it leaves before its memory goes. */
static void waiter_leave(struct waiter *w, struct engine_fixture *f)
{
    w->join.base.verb = QUEUE_LEAVE;
    engine_post(f->engine, &w->join.base);
    sem_wait(&w->joined);
}

static void waiter_free(struct waiter *w)
{
    arena_free(w->join.base.mem);
    arena_free(w->lease.base.mem);
    sem_destroy(&w->joined);
    sem_destroy(&w->answered);
}

/* ---- tests ---- */

enum { THREADS = 4, JOBS_PER_THREAD = 250 };

struct client {
    struct engine_fixture *f;
    pthread_t thread;
    unsigned number;
    struct submission jobs[JOBS_PER_THREAD];
};

static void *post_jobs(void *arg)
{
    struct client *client = arg;

    for (unsigned i = 0; i < JOBS_PER_THREAD; i++) {
        submission_init(&client->jobs[i], client->f, client->number * JOBS_PER_THREAD + i);
        engine_post(client->f->engine, &client->jobs[i].request.base);
    }
    return NULL;
}

static void every_request_is_answered_once_whatever_thread_it_came_from(void **state)
{
    struct engine_fixture *f = *state;
    struct client *clients = calloc(THREADS, sizeof *clients);

    for (unsigned t = 0; t < THREADS; t++) {
        clients[t].f = f;
        clients[t].number = t;
        assert_int_equal(pthread_create(&clients[t].thread, NULL, post_jobs, &clients[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(clients[t].thread, NULL);
        for (unsigned i = 0; i < JOBS_PER_THREAD; i++) {
            sem_wait(&clients[t].jobs[i].answered);
            assert_int_equal(clients[t].jobs[i].result, OK);
        }
    }
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < JOBS_PER_THREAD; i++) {
            assert_int_equal(atomic_load(&clients[t].jobs[i].answers), 1);
            submission_free(&clients[t].jobs[i]);
        }
    assert_int_equal(count(f).queued, THREADS * JOBS_PER_THREAD);
    free(clients);
}

static void an_answer_may_post_again(void **state)
{
    struct engine_fixture *f = *state;
    struct submission s;

    submission_init(&s, f, 1);
    s.again = 9;
    engine_post(f->engine, &s.request.base);
    sem_wait(&s.answered);
    assert_int_equal(atomic_load(&s.answers), 10);
    submission_free(&s);
}

static void a_read_sees_what_was_answered_before_it_was_posted(void **state)
{
    struct engine_fixture *f = *state;

    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(submit(f, i), OK);
        assert_int_equal(count(f).queued, i);
    }
}

static void a_read_that_fails_is_answered_with_its_reason(void **state)
{
    struct engine_fixture *f = *state;
    struct counting c;

    assert_int_equal(submit(f, 1), OK);
    fault_arm(&f->store.get, 1, ERR_CORRUPT);
    c = count(f);
    assert_int_equal(c.result, ERR_CORRUPT);
    assert_string_not_equal(c.request.why.text, "");
}

static void a_wait_ends_in_time_though_nothing_is_posted(void **state)
{
    struct engine_fixture *f = *state;
    struct waiter w;

    waiter_start(&w, f, 30);
    sem_wait(&w.answered);
    assert_int_equal(w.result, OK);
    assert_int_equal(w.lease.count, 0);
    waiter_leave(&w, f);
    waiter_free(&w);
}

static void a_waiting_worker_gets_the_job_that_arrives(void **state)
{
    struct engine_fixture *f = *state;
    struct waiter w;

    waiter_start(&w, f, 60000);
    assert_int_equal(submit(f, 1), OK);
    sem_wait(&w.answered);
    assert_int_equal(w.result, OK);
    assert_int_equal(w.lease.count, 1);
    waiter_leave(&w, f);
    waiter_free(&w);
}

static void closing_answers_what_still_waits(void **state)
{
    struct engine_fixture *f = *state;
    struct submission s;
    struct waiter w;

    waiter_start(&w, f, 60000);
    submission_init(&s, f, 1);
    s.again = 3; /* posted by done() while the engine closes */
    engine_post(f->engine, &s.request.base);
    engine_close(f->engine);
    f->engine = NULL;
    assert_int_equal(sem_trywait(&w.answered), 0);
    assert_int_equal(sem_trywait(&s.answered), 0);
    assert_int_equal(atomic_load(&s.answers), 4);
    submission_free(&s);
    waiter_free(&w);
}

static void a_failed_store_is_noticed(void **state)
{
    struct engine_fixture *f = *state;

    assert_int_equal(submit(f, 1), OK);
    assert_false(engine_has_failed(f->engine));
    fault_arm(&f->store.commit, 1, ERR_UNCERTAIN);
    assert_int_equal(submit(f, 2), ERR_UNCERTAIN);
    assert_int_equal(submit(f, 3), ERR_UNAVAILABLE); /* a later turn: nothing is tried */
    assert_true(engine_has_failed(f->engine));
}

static void a_store_that_cannot_be_read_opens_no_engine(void **state)
{
    struct engine_fixture *f = *state;
    struct queue_deps deps = { .store = &f->store.base,
                               .clock = clock_real(),
                               .random = &f->random.base };
    struct engine *second;

    queue_options_default(&deps.options);
    assert_int_equal(submit(f, 1), OK);
    fault_arm(&f->store.get, 1, ERR_CORRUPT);
    fault_arm(&f->store.scan, 1, ERR_CORRUPT);
    assert_int_equal(engine_open(&deps, &second, &f->why), ERR_CORRUPT);
    fault_disarm(&f->store.get);
    fault_disarm(&f->store.scan);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_request_is_answered_once_whatever_thread_it_came_from),
        TEST(an_answer_may_post_again),
        TEST(a_read_sees_what_was_answered_before_it_was_posted),
        TEST(a_read_that_fails_is_answered_with_its_reason),
        TEST(a_wait_ends_in_time_though_nothing_is_posted),
        TEST(a_waiting_worker_gets_the_job_that_arrives),
        TEST(closing_answers_what_still_waits),
        TEST(a_failed_store_is_noticed),
        TEST(a_store_that_cannot_be_read_opens_no_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
