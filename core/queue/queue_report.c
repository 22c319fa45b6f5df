#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>

/* What workers say: heartbeats, progress, checkpoints, and how it ended. Every
 * report is fenced by the lease's epoch and renews the lease. */

enum { FLUSH_MS = 1000, REPORTED_BYTES_MAX = 256 << 10 };

static struct lease *held(struct queue *queue, const struct lease_name *name, struct why *why)
{
    struct lease *lease = lease_find(queue, name->id);
    char text[RUN_ID_TEXT_SIZE];

    if (lease != NULL && lease->epoch == name->epoch)
        return lease;
    run_id_write(name->id, text);
    if (lease == NULL)
        (void)err_because(why, ERR_STALE, "job %s is not leased (any more): stop working on it", text);
    else
        (void)err_because(why, ERR_STALE, "job %s is leased under epoch %u, not %u: stop working on it",
                          text, lease->epoch, name->epoch);
    return NULL;
}

static enum err check_count(uint32_t count, uint32_t max, const char *field, struct why *why)
{
    return count <= max ? OK : err_field(why, field, "%s: at most %u at a time", field, max);
}

void handle_heartbeat(struct queue *queue, struct request *request)
{
    struct heartbeat_request *req = container_of(request, struct heartbeat_request, base);
    enum err e = check_count(req->count, HEARTBEAT_LEASES_MAX, "leases", &request->why);

    if (e == OK) {
        req->directives = arena_alloc(request->mem, req->count * sizeof *req->directives + 1);
        if (req->directives == NULL)
            e = err_because(&request->why, ERR_LIMIT, "the answer is too large");
    }
    for (uint32_t i = 0; i < req->count && e == OK; i++) {
        struct lease *lease = held(queue, &req->leases[i], NULL);

        req->directives[i] = lease != NULL ? lease->directive : DIRECTIVE_NONE;
        if (lease != NULL)
            lease_renew(queue, lease);
    }
    answer(queue, request, e);
}

void handle_acknowledge(struct queue *queue, struct request *request)
{
    handle_heartbeat(queue, request);
}

/* Keeps what was reported until it is worth a write. */
static void remember(struct queue *queue, struct lease *lease, const struct report_request *req)
{
    struct arena *mem = arena_new(REPORTED_BYTES_MAX);
    struct entity_progress *entities;

    if (mem == NULL)
        return;      /* the next report will do */
    entities = arena_alloc(mem, req->entity_count * sizeof *entities);
    for (uint32_t i = 0; i < req->entity_count && entities != NULL; i++) {
        const struct bytes *name = &req->entities[i].entity;

        entities[i] = req->entities[i];
        entities[i].entity = bytes_of(arena_copy(mem, name->data, name->size), name->size);
    }
    arena_free(lease->reported);
    lease->reported = mem;
    lease->entities = entities;
    lease->entity_count = entities != NULL ? req->entity_count : 0;
    if (lease->flush.place == 0
        && !heap_insert(&queue->flushes, &lease->flush, lease->flushed_mono_ms + FLUSH_MS))
        abort();
}

static enum err flush(struct queue *queue, struct lease *lease, struct why *why)
{
    struct loaded_run loaded;
    enum err e = run_load(queue, lease->org, lease->run, &loaded, why);

    if (e != OK)
        return e;
    lease_take_reported(queue, lease, &loaded);
    run_save(queue, &loaded);
    if (queue->deps.board != NULL)
        board_progress(queue->deps.board, loaded.id, &loaded.run);
    return OK;
}

void report_flush_due(struct queue *queue)
{
    struct heap_item *item;

    while ((item = heap_first(&queue->flushes)) != NULL && item->key <= queue->mono_ms
           && !queue_turn_is_full(queue)) {
        struct why why;
        enum err e = flush(queue, container_of(item, struct lease, flush), &why);

        if (e != OK) {
            queue_fail_turn(queue, e, &why);
            return;
        }
    }
}

static enum err report_progress(struct queue *queue, struct lease *lease,
                                struct report_request *req, struct why *why)
{
    if (req->entity_count == 0)
        return OK;
    remember(queue, lease, req);
    if (queue->mono_ms - lease->flushed_mono_ms >= FLUSH_MS && lease->reported != NULL)
        return flush(queue, lease, why);
    return OK;
}

/* A checkpoint that says the same as the last one is no progress. */
static enum err store_checkpoint(struct queue *queue, struct loaded_run *loaded,
                                 struct bytes checkpoint, struct why *why)
{
    struct key key = key_run(loaded->org->place, loaded->id);
    struct bytes last = { NULL, 0 };
    enum err e = OK;

    if (loaded->run.checkpointed)
        e = txn_get(queue->txn, FAMILY_CHECKPOINT, key_bytes(&key), queue->mem, &last, why);
    if (e != OK)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    if (loaded->run.checkpointed && bytes_equal(last, checkpoint))
        return OK;
    txn_put(queue->txn, FAMILY_CHECKPOINT, key_bytes(&key), checkpoint);
    loaded->run.checkpointed = true;
    loaded->run.moved = true;
    loaded->run.fruitless = 0;
    loaded->run.expiries = 0;
    return OK;
}

static enum err report_complete(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    enum err e = run_apply(&loaded->run, EVENT_COMPLETE, why);

    assert(e == OK);
    loaded->run.progress = 100;
    loaded->run.error = bytes_of(NULL, 0);
    loaded->run.error_class = FAILURE_NONE;
    loaded->run.error_at_ms = 0;
    e = watermark_advance(queue, loaded, why);
    return e == OK ? run_ended(queue, loaded, why) : e;
}

static enum err report_release(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    enum err e = run_apply(&loaded->run, EVENT_RELEASE, why);

    assert(e == OK);
    loaded->run.expiries = 0;
    if (run_is_ended(loaded->run.state))
        return run_ended(queue, loaded, why);
    if (loaded->run.state == RUN_QUEUED) {
        loaded->run.head = true;     /* it goes on where it was as soon as it can */
        return run_put_back(queue, loaded, why);
    }
    run_save(queue, loaded);
    return OK;
}

/* Exponential backoff with full jitter: a random wait up to the bound, so that
 * what failed together does not come back together. */
static int64_t backoff_ms(struct queue *queue, uint32_t fruitless)
{
    int64_t bound = queue->options.backoff_base_ms;

    for (uint32_t i = 1; i < fruitless && bound < queue->options.backoff_cap_ms; i++)
        bound *= 2;
    if (bound > queue->options.backoff_cap_ms)
        bound = queue->options.backoff_cap_ms;
    return 1 + (int64_t)random_below(queue->deps.random, (uint64_t)bound);
}

static bool may_retry(const struct queue *queue, const struct loaded_run *loaded,
                      enum failure_class failure)
{
    const struct run *run = &loaded->run;

    if (failure == FAILURE_RATE_LIMITED)
        return true;
    if (failure == FAILURE_CONFIG || failure == FAILURE_FATAL || !loaded->spec.retry_on_fail
        || loaded->spec.retries_max == 0)
        return false;
    return run->fruitless <= loaded->spec.retries_max && run->failures < queue->options.attempts_max
        && run->expiries < queue->options.expiries_max;
}

enum err report_failed(struct queue *queue, struct loaded_run *loaded, enum failure_class failure,
                       struct bytes message, int64_t retry_after_ms, struct why *why)
{
    struct run *run = &loaded->run;
    bool again, limited = failure == FAILURE_RATE_LIMITED;
    enum err e;

    run->error = message;
    run->error_class = failure;
    run->error_at_ms = queue->now_ms;
    if (failure != FAILURE_LEASE_EXPIRED)
        run->expiries = 0;      /* the worker was heard of: no five in a row */
    if (!limited) {
        run->failures++;
        run->fruitless = run->moved ? 0 : run->fruitless + 1;
    }
    again = may_retry(queue, loaded, failure);
    e = run_apply(run, again ? EVENT_RETRY : EVENT_GIVE_UP, why);
    assert(e == OK);
    if (run_is_ended(run->state))
        return run_ended(queue, loaded, why);
    if (run->state == RUN_BACKOFF) {
        int64_t wait = limited ? (retry_after_ms > 0 ? retry_after_ms : 1000)
                               : backoff_ms(queue, run->fruitless);

        run->not_before_ms = queue->now_ms + wait;
        backoff_set_timer(queue, loaded);
    }
    run_save(queue, loaded);
    return OK;
}

static enum err check_report(const struct report_request *req, struct why *why)
{
    enum err e = check_count(req->entity_count, ENTITIES_MAX, "entities", why);

    if (e == OK && req->checkpoint.size > CHECKPOINT_SIZE_MAX)
        e = err_field(why, "checkpoint", "checkpoint is larger than %d bytes", CHECKPOINT_SIZE_MAX);
    if (e == OK && req->message.size > ERROR_SIZE_MAX)
        e = err_field(why, "message", "message is longer than %d bytes", ERROR_SIZE_MAX);
    if (e == OK && req->kind == REPORT_CHECKPOINT && req->checkpoint.size == 0)
        e = err_field(why, "checkpoint", "checkpoint is empty");
    if (e == OK && (req->retry_after_ms < 0 || req->retry_after_ms > 24 * 3600 * 1000))
        e = err_field(why, "retryAfter", "retryAfter must be 0 to 24 hours");
    if (e == OK && (req->failure >= FAILURE_CLASS_COUNT || req->failure == FAILURE_LEASE_EXPIRED))
        e = err_field(why, "failure", "failure must be transient, config, fatal or rate_limited");
    for (uint32_t i = 0; i < req->entity_count && e == OK; i++)
        if (req->entities[i].entity.size > NAME_SIZE_MAX)
            e = err_field(why, "entities", "entities[%u].entity is longer than %d bytes", i, NAME_SIZE_MAX);
    return e;
}

static enum err apply_report(struct queue *queue, struct lease *lease, struct report_request *req,
                             struct why *why)
{
    struct loaded_run loaded;
    enum err e = run_load(queue, lease->org, lease->run, &loaded, why);

    if (e != OK)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    lease_take_reported(queue, lease, &loaded);
    run_take_progress(&loaded, req->entities, req->entity_count, queue->mem);
    if (req->checkpoint.size > 0)
        e = store_checkpoint(queue, &loaded, req->checkpoint, why);
    if (e != OK)
        return e;
    switch (req->kind) {
    case REPORT_COMPLETE:
        return report_complete(queue, &loaded, why);
    case REPORT_FAIL:
        e = report_failed(queue, &loaded, req->failure != FAILURE_NONE ? req->failure : FAILURE_TRANSIENT,
                          req->message, req->retry_after_ms, why);
        req->will_retry = !run_is_ended(loaded.run.state);
        req->not_before_ms = loaded.run.not_before_ms;
        return e;
    case REPORT_RELEASE:
        return report_release(queue, &loaded, why);
    case REPORT_CHECKPOINT:
    case REPORT_PROGRESS:
    default:
        run_save(queue, &loaded);
        return OK;
    }
}

void handle_report(struct queue *queue, struct request *request)
{
    struct report_request *req = container_of(request, struct report_request, base);
    struct lease *lease = held(queue, &req->lease, &request->why);
    enum err e = lease == NULL ? ERR_STALE : check_report(req, &request->why);

    req->directive = DIRECTIVE_NONE;
    if (e == OK) {
        lease_renew(queue, lease);
        req->directive = lease->directive;
        e = req->kind == REPORT_PROGRESS ? report_progress(queue, lease, req, &request->why)
                                         : apply_report(queue, lease, req, &request->why);
    }
    answer(queue, request, e);
}
