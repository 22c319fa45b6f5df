#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Leases: who works on what, until when. Matching happens once a turn, after
 * every request was handled: what became ready meets who waits for work. */

enum { LEASE_BYTES_MAX = 2 << 20 };    /* of one answer, unless a single job is larger */

_Static_assert((int)DATA_SIZE_MAX + (int)CHECKPOINT_SIZE_MAX < (int)LEASE_BYTES_MAX,
               "the largest job fits into an answer");

static uint64_t hash_of(struct bytes worker_id)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < worker_id.size; i++)
        h = (h ^ worker_id.data[i]) * 1099511628211u;
    return h;
}

struct lease *lease_find(struct queue *queue, run_id run)
{
    struct lease *lease;

    HASH_FIND(by_run, queue->leases, &run, sizeof run, lease);
    return lease;
}

enum directive directive_of(const struct queue *queue, enum run_state state)
{
    if (state == RUN_PAUSING)
        return DIRECTIVE_PAUSE_IT;
    if (state == RUN_CANCELLING)
        return DIRECTIVE_CANCEL_IT;
    return queue->draining ? DIRECTIVE_DRAIN_IT : DIRECTIVE_GO_ON;
}

static void set_deadline(struct queue *queue, struct lease *lease, int64_t mono_ms)
{
    struct effect *effect;

    if (lease->grace_mono_ms != 0 && mono_ms > lease->grace_mono_ms)
        mono_ms = lease->grace_mono_ms;
    if (lease->deadline.place == 0) {
        if (!heap_insert(&queue->deadlines, &lease->deadline, mono_ms))
            abort();
    } else {
        heap_move(&queue->deadlines, &lease->deadline, mono_ms);
    }
    effect = effect_add(queue, EFFECT_LEASED);
    effect->run = lease->run;
    effect->deadline_mono_ms = mono_ms;
}

static void start_grace(struct queue *queue, struct lease *lease)
{
    int64_t grace = queue->options.pause_grace_ms != 0 ? queue->options.pause_grace_ms
                                                       : lease->ttl_ms;

    lease->grace_mono_ms = queue->mono_ms + grace;
    if (lease->deadline.place == 0 || lease->deadline.key > lease->grace_mono_ms)
        set_deadline(queue, lease, lease->grace_mono_ms);
}

struct lease *lease_add(struct queue *queue, struct org *org, run_id run, const struct run *state)
{
    struct lease *lease = calloc(1, sizeof *lease);

    if (lease == NULL)
        abort();
    lease->run = run;
    lease->org = org;
    lease->epoch = state->epoch;
    lease->acknowledged = true;
    lease->ttl_ms = state->lease_ttl_ms;
    lease->worker_hash = hash_of(state->worker);
    lease->directive = directive_of(queue, state->state);
    lease->flushed_mono_ms = queue->mono_ms;
    list_append(&queue->orphans, &lease->of_worker);
    HASH_ADD(by_run, queue->leases, run, sizeof lease->run, lease);
    set_deadline(queue, lease, queue->mono_ms + lease->ttl_ms);
    if (lease->directive == DIRECTIVE_PAUSE_IT || lease->directive == DIRECTIVE_CANCEL_IT)
        start_grace(queue, lease);
    return lease;
}

static void set_worker(struct queue *queue, struct lease *lease, struct worker *worker)
{
    list_remove(&lease->of_worker);
    if (lease->worker != NULL) {
        lease->worker->held--;
        if (queue->deps.board != NULL)
            board_worker_held(queue->deps.board, lease->worker);
    }
    lease->worker = worker;
    list_append(worker != NULL ? &worker->leases : &queue->orphans, &lease->of_worker);
    if (worker != NULL) {
        worker->held++;
        if (queue->deps.board != NULL)
            board_worker_held(queue->deps.board, worker);
    }
}

static void own(struct owned *owned, struct bytes bytes)
{
    uint8_t *data = realloc(owned->data, bytes.size + 1);

    if (data == NULL)
        abort();
    if (bytes.size > 0)
        memcpy(data, bytes.data, bytes.size);
    *owned = (struct owned){ data, bytes.size };
}

void lease_remember(struct lease *lease, struct bytes record)
{
    own(&lease->record, record);
}

void lease_remember_spec(struct queue *queue, struct lease *lease, const struct run_spec *spec)
{
    struct run_spec slim = *spec;

    slim.data = bytes_of(NULL, 0);
    own(&lease->spec, record_write_spec(&slim, queue->mem));
}

void lease_drop(struct queue *queue, struct lease *lease)
{
    set_worker(queue, lease, NULL);
    list_remove(&lease->of_worker);
    HASH_DELETE(by_run, queue->leases, lease);
    heap_remove(&queue->deadlines, &lease->deadline);
    heap_remove(&queue->flushes, &lease->flush);
    arena_free(lease->reported);
    free(lease->record.data);
    free(lease->spec.data);
    free(lease);
}

void lease_free_all(struct queue *queue)
{
    struct lease *lease, *next;

    for (lease = queue->leases; lease != NULL; lease = next) {
        next = lease->by_run.next;
        lease_drop(queue, lease);
    }
}

void lease_renew(struct queue *queue, struct lease *lease)
{
    lease->acknowledged = true;
    set_deadline(queue, lease, queue->mono_ms + lease->ttl_ms);
}

/* The worker has had no reason to hurry: what was left of the grace is no term. */
static void end_grace(struct queue *queue, struct lease *lease)
{
    if (lease->grace_mono_ms == 0)
        return;
    lease->grace_mono_ms = 0;
    set_deadline(queue, lease,
                 queue->mono_ms + (lease->acknowledged ? lease->ttl_ms : queue->options.ack_ms));
}

void lease_set_directive(struct queue *queue, struct lease *lease, enum directive directive)
{
    struct effect *effect;

    if (lease->directive == directive)
        return;
    lease->directive = directive;
    if (directive == DIRECTIVE_PAUSE_IT || directive == DIRECTIVE_CANCEL_IT)
        start_grace(queue, lease);
    else
        end_grace(queue, lease);
    if (lease->worker == NULL || lease->worker->push == NULL)
        return;
    effect = effect_add(queue, EFFECT_PUSH);
    effect->worker = lease->worker;
    effect->run = lease->run;
    effect->epoch = lease->epoch;
    effect->directive = directive;
}

void lease_take_reported(struct queue *queue, struct lease *lease, struct loaded_run *loaded)
{
    if (lease->reported == NULL)
        return;
    run_take_progress(loaded, lease->entities, lease->entity_count, queue->mem);
    arena_free(lease->reported);
    lease->reported = NULL;
    lease->entity_count = 0;
    lease->flushed_mono_ms = queue->mono_ms;
    heap_remove(&queue->flushes, &lease->flush);
}

/* A worker that comes back under its name gets the directives of its leases
 * again. */
static void adopt(struct queue *queue, struct worker *worker)
{
    uint64_t hash = hash_of(worker->id);

    if (worker->push == NULL)
        return;
    list_each_safe(link, &queue->orphans) {
        struct lease *lease = container_of(link, struct lease, of_worker);

        if (lease->worker_hash == hash)
            set_worker(queue, lease, worker);
    }
}

void lease_adopt_all(struct queue *queue)
{
    list_each(link, &queue->workers)
        adopt(queue, container_of(link, struct worker, link));
}

void handle_join(struct queue *queue, struct request *request)
{
    struct worker *worker = container_of(request, struct worker_request, base)->worker;

    assert(!worker->joined);
    worker->joined = true;
    worker->held = 0;
    link_init(&worker->leases);
    link_init(&worker->link);
    list_append(&queue->workers, &worker->link);
    if (queue->deps.board != NULL)
        board_worker_joined(queue->deps.board, worker);
    adopt(queue, worker);
    answer(queue, request, OK);
}

void worker_gone(struct queue *queue, struct worker *worker)
{
    assert(worker->joined);
    while (link_is_linked(&worker->leases))
        set_worker(queue, container_of(worker->leases.next, struct lease, of_worker), NULL);
    for (struct effect *effect = queue->effects; effect != NULL; effect = effect->next)
        if (effect->worker == worker)
            effect->worker = NULL;
    worker->joined = false;
    list_remove(&worker->link);
    if (queue->deps.board != NULL)
        board_worker_left(queue->deps.board, worker);
}

void handle_leave(struct queue *queue, struct request *request)
{
    struct worker *worker = container_of(request, struct worker_request, base)->worker;

    list_each_safe(link, &queue->lease_waits) {
        struct request *waiting = container_of(link, struct request, link);

        if (container_of(waiting, struct lease_request, base)->worker != worker)
            continue;
        list_remove(link);
        answer(queue, waiting, err_because(&waiting->why, ERR_CANCELLED, "the worker has left"));
    }
    worker_gone(queue, worker);
    answer(queue, request, OK);
}

void handle_lease(struct queue *queue, struct request *request)
{
    struct lease_request *req = container_of(request, struct lease_request, base);
    enum err e = OK;

    assert(req->worker->joined);
    req->count = 0;
    if (req->jobs_max == 0 || req->jobs_max > LEASE_JOBS_MAX)
        e = err_field(&request->why, "maxJobs", "maxJobs must be 1 to %d", LEASE_JOBS_MAX);
    else if (req->wait_ms < 0 || req->wait_ms > WAIT_MS_MAX)
        e = err_field(&request->why, "wait", "wait must be 0 to 60 seconds");
    else if (req->lease_ttl_ms != 0
             && (req->lease_ttl_ms < LEASE_TTL_MS_MIN || req->lease_ttl_ms > LEASE_TTL_MS_MAX))
        e = err_field(&request->why, "leaseTtl", "leaseTtl must be 5 seconds to 1 hour");
    if (e == OK) {
        req->jobs = arena_alloc(request->mem, req->jobs_max * sizeof *req->jobs);
        if (req->jobs == NULL)
            e = err_because(&request->why, ERR_LIMIT, "the answer is too large");
    }
    if (e != OK) {
        answer(queue, request, e);
        return;
    }
    if (req->lease_ttl_ms == 0)
        req->lease_ttl_ms = queue->options.lease_ttl_ms;
    req->wait_until_ms = queue->mono_ms + req->wait_ms;
    list_append(&queue->lease_waits, &request->link);
}

void handle_lease_stop(struct queue *queue, struct request *request)
{
    struct lease_request *stopped = container_of(request, struct lease_stop_request, base)->lease;

    list_each(link, &queue->lease_waits)
        if (link == &stopped->base.link) {
            list_remove(link);
            answer(queue, &stopped->base, OK);
            break;
        }
    answer(queue, request, OK);
}

static enum err load_checkpoint(struct queue *queue, const struct loaded_run *loaded,
                                struct bytes *checkpoint, struct why *why)
{
    struct key key = key_run(loaded->org->place, loaded->id);

    *checkpoint = bytes_of(NULL, 0);
    if (!loaded->run.checkpointed)
        return OK;
    return txn_get(queue->txn, FAMILY_CHECKPOINT, key_bytes(&key), queue->mem, checkpoint, why);
}

/* The run as it will be once it is leased; nothing is written yet. */
static enum err prepare_lease(struct queue *queue, const struct lease_request *req,
                              struct loaded_run *loaded, struct why *why)
{
    struct run *run = &loaded->run;
    enum err e;

    if (!run->windows_set) {
        e = watermark_open_window(queue, loaded, why);
        if (e != OK)
            return e;
    }
    e = run_apply(run, EVENT_LEASE, why);
    assert(e == OK);
    run->attempts++;
    run->leased_at_ms = queue->now_ms;
    if (run->started_at_ms == 0)
        run->started_at_ms = queue->now_ms;
    run->lease_ttl_ms = req->lease_ttl_ms;
    run->worker = req->worker->id;
    run->moved = false;
    run->head = false;
    return OK;
}

static void note_started(struct queue *queue, const struct loaded_run *loaded)
{
    struct effect *effect = effect_add(queue, EFFECT_STARTED);

    effect->run = loaded->id;
    effect->org = bytes_copy(queue->mem, org_id(loaded->org));
    effect->source = loaded->spec.source;
    effect->target = loaded->spec.target;
    effect->typical_ms = loaded->run.typical_ms;
    effect->worked_ms = loaded->run.worked_ms;
}

static void take_lease(struct queue *queue, const struct lease_request *req,
                       struct loaded_run *loaded)
{
    struct lease *lease = lease_add(queue, loaded->org, loaded->id, &loaded->run);

    lease_remember_spec(queue, lease, &loaded->spec);
    lease->acknowledged = !req->acknowledge;
    if (req->acknowledge)
        set_deadline(queue, lease, queue->mono_ms + queue->options.ack_ms);
    set_worker(queue, lease, req->worker);
    run_save(queue, loaded);
    note_started(queue, loaded);
}

/* False: the answer's memory does not hold it. */
static bool fill_assignment(struct queue *queue, struct lease_request *req,
                            const struct loaded_run *loaded, struct bytes checkpoint)
{
    struct assignment *job = &req->jobs[req->count];
    struct arena *mem = req->base.mem;

    job->epoch = loaded->run.epoch;
    job->lease_ttl_ms = req->lease_ttl_ms;
    job->checkpoint = bytes_of(NULL, 0);
    if (checkpoint.size > 0) {
        job->checkpoint.data = arena_copy(mem, checkpoint.data, checkpoint.size);
        job->checkpoint.size = checkpoint.size;
        if (job->checkpoint.data == NULL)
            return false;
    }
    return run_fill_info(queue, loaded, mem, &job->info);
}

/* Leases one run to the request. False: this answer is full. */
static bool give(struct queue *queue, struct lease_request *req, struct lane *lane,
                 const struct lane_entry *entry, size_t *bytes_left)
{
    struct loaded_run loaded;
    struct bytes checkpoint;
    struct why why;
    size_t size;
    enum err e = run_load(queue, lane->org, entry->run, &loaded, &why);

    if (e == OK)
        e = load_checkpoint(queue, &loaded, &checkpoint, &why);
    if (e == OK) {
        size = loaded.spec.data.size + checkpoint.size;
        if (size > *bytes_left && req->count > 0)
            return false;
        *bytes_left -= size < *bytes_left ? size : *bytes_left;
        e = prepare_lease(queue, req, &loaded, &why);
    }
    if (e != OK) {
        queue_fail_turn(queue, e == ERR_NOT_FOUND ? ERR_CORRUPT : e, &why);
        return false;
    }
    if (!fill_assignment(queue, req, &loaded, checkpoint)) {
        req->base.result = err_because(&req->base.why, ERR_LIMIT,
                                       "the next job does not fit into the memory of the answer");
        return false;
    }
    ready_served(queue, loaded.org, loaded.spec.priority);
    take_lease(queue, req, &loaded);
    req->count++;
    return true;
}

static void match_one(struct queue *queue, struct lease_request *req)
{
    size_t bytes_left = LEASE_BYTES_MAX;

    while (req->count < req->jobs_max && queue->turn_error == OK && !queue_turn_is_full(queue)) {
        struct lane_entry entry;
        struct lane *lane = ready_pick(queue, req->worker, &entry);

        if (lane == NULL || !give(queue, req, lane, &entry, &bytes_left))
            break;
    }
}

void lease_match(struct queue *queue)
{
    if (queue->draining)
        return;
    list_each_safe(link, &queue->lease_waits) {
        struct request *request = container_of(link, struct request, link);
        struct lease_request *req = container_of(request, struct lease_request, base);

        match_one(queue, req);
        if (req->count > 0 || request->result != OK) {
            list_remove(link);
            answer(queue, request, req->count > 0 ? OK : request->result);
        }
        if (queue->turn_error != OK)
            return;
    }
}

void lease_give_up_waits(struct queue *queue)
{
    list_each_safe(link, &queue->lease_waits) {
        struct request *request = container_of(link, struct request, link);
        struct lease_request *req = container_of(request, struct lease_request, base);

        if (!queue->draining && (queue->unfinished || req->wait_until_ms > queue->mono_ms))
            continue;      /* in an unfinished turn it may not have been looked at */
        list_remove(link);
        answer(queue, request, OK);
    }
}

/* Not taken up in time: it goes back as if nothing had been, but for the epoch,
 * which fences what the worker may still say. */
static enum err give_back(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    struct run *run = &loaded->run;
    enum err e = run_apply(run, EVENT_RETURN, why);

    assert(e == OK);
    run->attempts--;
    if (run->attempts == 0)
        run->started_at_ms = 0;
    run->leased_at_ms = queue->now_ms;     /* nobody has worked */
    if (run->state == RUN_QUEUED) {
        run->head = true;                  /* it was the first */
        return run_put_back(queue, loaded, why);
    }
    if (run_is_ended(run->state))
        return run_ended(queue, loaded, why);
    run_save(queue, loaded);
    return OK;
}

static enum err expire(struct queue *queue, struct lease *lease, struct why *why)
{
    struct loaded_run loaded;
    enum err e = run_load(queue, lease->org, lease->run, &loaded, why);

    if (e != OK)
        return e;
    if (!lease->acknowledged)
        return give_back(queue, &loaded, why);
    lease_take_reported(queue, lease, &loaded);
    if (loaded.run.state == RUN_ACTIVE) {
        loaded.run.expiries++;
        return report_failed(queue, &loaded, FAILURE_LEASE_EXPIRED,
                             bytes_of_text("the worker was not heard of until the lease ran out"), 0,
                             why);
    }
    /* Pausing or cancelling: that it never answered is no failure. */
    e = run_apply(&loaded.run, EVENT_RELEASE, why);
    assert(e == OK);
    if (run_is_ended(loaded.run.state))
        return run_ended(queue, &loaded, why);
    run_save(queue, &loaded);
    return OK;
}

void lease_expire_due(struct queue *queue)
{
    struct heap_item *item;

    while ((item = heap_first(&queue->deadlines)) != NULL && item->key <= queue->mono_ms
           && !queue_turn_is_full(queue)) {
        struct why why;
        enum err e = expire(queue, container_of(item, struct lease, deadline), &why);

        if (e != OK) {
            queue_fail_turn(queue, e, &why);
            return;
        }
    }
}
