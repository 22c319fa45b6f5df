#include "tests/support/queue_fixture.h"

#include <assert.h>
#include <stdlib.h>

struct waiting {
    bool done;
    enum err e;
};

/* Requests live on the caller's stack: the fixture turns until they are done. */
static struct waiting outcome;

static void note_done(struct request *request, enum err e)
{
    (void)request;
    assert(!outcome.done);
    outcome.done = true;
    outcome.e = e;
}

/* A request without done() is one that was answered: it cannot be twice. */
static void note_later(struct request *request, enum err e)
{
    request->done = NULL;
    request->result = e;
}

bool is_answered(const struct request *request)
{
    return request->done == NULL;
}

void post(struct queue_fixture *f, struct request *request, enum queue_verb verb)
{
    request->verb = verb;
    request->mem = f->mem;
    request->done = note_later;
    queue_post(f->queue, request);
}

void ask_later(struct queue_fixture *f, struct request *request, enum queue_verb verb)
{
    post(f, request, verb);
    queue_turn(f->queue);
}

enum err ask(struct queue_fixture *f, struct request *request, enum queue_verb verb)
{
    request->verb = verb;
    request->mem = f->mem;
    request->done = note_done;
    outcome.done = false;
    queue_post(f->queue, request);
    for (int i = 0; i < 10 && !outcome.done; i++) /* a turn may fail before it comes to it */
        queue_turn(f->queue);
    assert(outcome.done);
    f->why = request->why;
    return outcome.e;
}

static void take_push(struct worker *worker, run_id id, uint32_t epoch, enum directive directive)
{
    struct queue_fixture *f = container_of(worker, struct queue_fixture, worker);

    (void)epoch;
    f->pushes++;
    f->pushed_run = id;
    f->pushed = directive;
}

static void open_queue(struct queue_fixture *f)
{
    struct queue_deps deps = { &f->store.base, &f->clock.base, &f->random.base,
                               f->board,       f->watch,       f->options };
    struct why why;
    enum err e = queue_open(&deps, &f->queue, &why);

    assert(e == OK);
    f->any = bytes_of_text("*");
    f->worker = (struct worker){ .id = bytes_of_text("worker-1"),
                                 .sources = &f->any,
                                 .targets = &f->any,
                                 .source_count = 1,
                                 .target_count = 1,
                                 .slots = 1000,
                                 .push = take_push };
    e = join(f, &f->worker);
    assert(e == OK);
}

void queue_fixture_init(struct queue_fixture *f)
{
    fake_clock_init(&f->clock, FIXTURE_START_MS);
    fake_store_init(&f->store);
    fake_random_init(&f->random, UINT64_MAX);
    f->board = board_new(&f->clock.base);
    f->watch = watch_hub_new(&f->clock.base, 0);
    f->mem = arena_new((size_t)1 << 30);
    assert(f->board != NULL && f->watch != NULL && f->mem != NULL);
    queue_options_default(&f->options);
    open_queue(f);
}

void check(struct queue_fixture *f)
{
    struct fault get = f->store.get, scan = f->store.scan;

    fault_disarm(&f->store.get);
    fault_disarm(&f->store.scan);
    queue_check(f->queue);
    f->store.get = get;
    f->store.scan = scan;
}

static void close_queue(struct queue_fixture *f)
{
    check(f);
    if (f->worker.joined)
        (void)leave(f, &f->worker);
    queue_close(f->queue);
    f->queue = NULL;
}

void queue_fixture_free(struct queue_fixture *f)
{
    close_queue(f);
    watch_hub_free(f->watch);
    board_free(f->board);
    fake_store_free(&f->store);
    arena_free(f->mem);
}

int queue_fixture_setup(void **state)
{
    struct queue_fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    queue_fixture_init(f);
    *state = f;
    return 0;
}

int queue_fixture_teardown(void **state)
{
    queue_fixture_free(*state);
    free(*state);
    return 0;
}

void crash(struct queue_fixture *f)
{
    f->store.keep_uncertain = false;
    reopen(f);
}

/* What the queue still owes is forgotten, as the process is. */
void reopen(struct queue_fixture *f)
{
    check(f);
    queue_close(f->queue);
    board_free(f->board);
    fake_store_reopen(&f->store);
    f->board = board_new(&f->clock.base);
    assert(f->board != NULL);
    open_queue(f);
}

void pass(struct queue_fixture *f, int64_t ms)
{
    fake_clock_advance(&f->clock, ms);
    queue_turn(f->queue);
    check(f);
}

struct run_spec a_spec(const char *name)
{
    return (struct run_spec){ .name = bytes_of_text(name),
                              .type = RUN_TYPE_FULL,
                              .priority = RUN_PRIORITY_NORMAL,
                              .source = bytes_of_text("demo"),
                              .target = bytes_of_text("local"),
                              .concurrency = 1,
                              .retry_on_fail = true,
                              .retries_max = 3,
                              .schedule = { .time_of_day_s = -1 },
                              .data = bytes_of_text("{}") };
}

enum err submit_to(struct queue_fixture *f, const char *org, const struct run_spec *spec,
                   struct run_info *info)
{
    struct submit_request req = { .org = bytes_of_text(org),
                                  .actor = bytes_of_text("tester"),
                                  .spec = *spec };
    enum err e = ask(f, &req.base, QUEUE_SUBMIT);

    if (info != NULL)
        *info = req.info;
    return e;
}

enum err submit(struct queue_fixture *f, const struct run_spec *spec, struct run_info *info)
{
    return submit_to(f, "org123", spec, info);
}

run_id submitted(struct queue_fixture *f, const char *name)
{
    struct run_spec spec = a_spec(name);
    struct run_info info;
    enum err e = submit(f, &spec, &info);

    assert(e == OK);
    return info.id;
}

enum err lease_for(struct queue_fixture *f, struct worker *worker, bool acknowledge,
                   struct assignment *job)
{
    struct lease_request req = { .worker = worker, .jobs_max = 1, .acknowledge = acknowledge };
    enum err e = ask(f, &req.base, QUEUE_LEASE);

    if (e == OK && req.count == 0)
        return ERR_NOT_FOUND;
    if (e == OK)
        *job = req.jobs[0];
    return e;
}

enum err lease(struct queue_fixture *f, struct assignment *job)
{
    return lease_for(f, &f->worker, false, job);
}

struct lease_name leased(struct queue_fixture *f)
{
    struct assignment job;
    enum err e = lease(f, &job);

    assert(e == OK);
    return (struct lease_name){ job.info.id, job.epoch };
}

enum err join(struct queue_fixture *f, struct worker *worker)
{
    struct worker_request req = { .worker = worker };

    return ask(f, &req.base, QUEUE_JOIN);
}

enum err leave(struct queue_fixture *f, struct worker *worker)
{
    struct worker_request req = { .worker = worker };

    return ask(f, &req.base, QUEUE_LEAVE);
}

enum directive heartbeat(struct queue_fixture *f, struct lease_name name)
{
    struct heartbeat_request req = { .leases = &name, .count = 1 };

    return ask(f, &req.base, QUEUE_HEARTBEAT) == OK ? req.directives[0] : DIRECTIVE_NONE;
}

enum err progress(struct queue_fixture *f, struct lease_name name, uint64_t done, uint64_t total)
{
    struct entity_progress entity = {
        .entity = bytes_of_text("products"), .done = done, .total = total, .total_known = total != 0
    };
    struct report_request req = {
        .kind = REPORT_PROGRESS, .lease = name, .entities = &entity, .entity_count = 1
    };

    return ask(f, &req.base, QUEUE_REPORT);
}

enum err checkpoint(struct queue_fixture *f, struct lease_name name, const char *text)
{
    struct report_request req = { .kind = REPORT_CHECKPOINT,
                                  .lease = name,
                                  .checkpoint = bytes_of_text(text) };

    return ask(f, &req.base, QUEUE_REPORT);
}

enum err complete(struct queue_fixture *f, struct lease_name name)
{
    struct report_request req = { .kind = REPORT_COMPLETE, .lease = name };

    return ask(f, &req.base, QUEUE_REPORT);
}

enum err complete_entity(struct queue_fixture *f, struct lease_name name, const char *entity)
{
    struct entity_progress done = { .entity = bytes_of_text(entity), .done = 1, .complete = true };
    struct report_request req = {
        .kind = REPORT_COMPLETE, .lease = name, .entities = &done, .entity_count = 1
    };

    return ask(f, &req.base, QUEUE_REPORT);
}

enum err fail_with(struct queue_fixture *f, struct lease_name name, enum failure_class failure,
                   bool *will_retry)
{
    struct report_request req = { .kind = REPORT_FAIL,
                                  .lease = name,
                                  .failure = failure,
                                  .message = bytes_of_text("it broke"),
                                  .retry_after_ms = 7000 };
    enum err e = ask(f, &req.base, QUEUE_REPORT);

    if (will_retry != NULL)
        *will_retry = req.will_retry;
    return e;
}

enum err release(struct queue_fixture *f, struct lease_name name)
{
    struct report_request req = { .kind = REPORT_RELEASE, .lease = name };

    return ask(f, &req.base, QUEUE_REPORT);
}

static enum err do_control(struct queue_fixture *f, struct control_request *req,
                           struct run_info *info)
{
    enum err e;

    req->org = ORG;
    req->actor = bytes_of_text("tester");
    e = ask(f, &req->base, QUEUE_CONTROL);
    if (info != NULL)
        *info = req->info;
    return e;
}

enum err control(struct queue_fixture *f, enum control_verb verb, const char *name,
                 struct run_info *info)
{
    struct control_request req = { .verb = verb, .name = bytes_of_text(name) };

    return do_control(f, &req, info);
}

enum err control_run(struct queue_fixture *f, enum control_verb verb, run_id id,
                     struct run_info *info)
{
    struct control_request req = { .verb = verb, .id = id };

    return do_control(f, &req, info);
}

enum err resume_from_nothing(struct queue_fixture *f, const char *name, struct run_info *info)
{
    struct control_request req = { .verb = CONTROL_RESUME,
                                   .name = bytes_of_text(name),
                                   .start_over = true };

    return do_control(f, &req, info);
}

enum err purge(struct queue_fixture *f, uint64_t *completed, uint64_t *failed, uint64_t *cancelled)
{
    struct purge_request req = { .org = ORG };
    enum err e = ask(f, &req.base, QUEUE_PURGE);

    *completed = req.completed;
    *failed = req.failed;
    *cancelled = req.cancelled;
    return e;
}

enum err get_run(struct queue_fixture *f, run_id id, struct run_info *info)
{
    struct view view = { &f->store.base.reader, f->board, f->mem };

    return view_run(&view, ORG, id, info, &f->why);
}

const char *shown(struct queue_fixture *f, run_id id)
{
    struct run_info info;

    return get_run(f, id, &info) == OK ? run_state_shown(info.run.state) : "gone";
}

struct org_view org_of(struct queue_fixture *f)
{
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct org_view org = { .active = 0 };

    enum err e = view_org(&view, ORG, &org, &f->why);

    assert(e == OK || e == ERR_NOT_FOUND);
    return org;
}
