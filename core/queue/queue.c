#include "core/queue/queue_state.h"

#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The queue's beginning and end, its door, and the table of what it can be asked. */

enum {
    TICKET_RESERVE_MS = 10 * 1000,
};

static const int64_t DAY_MS = 24 * 3600 * 1000;

static void (*const handlers[QUEUE_VERB_COUNT])(struct queue *, struct request *);

void queue_options_default(struct queue_options *options)
{
    *options = (struct queue_options){
        .lease_ttl_ms = 60 * 1000,
        .ack_ms = 5 * 1000,
        .backoff_base_ms = 5 * 1000,
        .backoff_cap_ms = 15 * 60 * 1000,
        .lookback_ms = 5 * 60 * 1000,
        .attempts_max = 20,
        .expiries_max = 5,
        .orgs_max = 100 * 1000,
        .zone_directory = zone_directory,
        .keep_completed_ms = 7 * DAY_MS,
        .keep_failed_ms = 30 * DAY_MS,
        .keep_runs = 1000,
        .keep_audit_ms = 90 * DAY_MS,
        .disk_free_min_bytes = 512 << 20,
    };
}

enum err queue_open(const struct queue_deps *deps, struct queue **out, struct why *why)
{
    struct queue *queue = calloc(1, sizeof *queue);
    enum err e;

    if (queue == NULL)
        return err_because(why, ERR_LIMIT, "out of memory");
    queue->deps = *deps;
    queue->options = deps->options;
    queue->txn = txn_new(deps->store);
    queue->mem = arena_new(TURN_BYTES_MAX);
    queue->zones = zones_new(deps->options.zone_directory);
    queue->sealed.mem = arena_new(TURN_BYTES_MAX);
    link_init(&queue->sealed.answers);
    queue->turn = 1;
    link_init(&queue->workers);
    link_init(&queue->orphans);
    link_init(&queue->posted);
    link_init(&queue->answers);
    link_init(&queue->postponed);
    link_init(&queue->lease_waits);
    link_init(&queue->control_waits);
    link_init(&queue->late_answers);
    link_init(&queue->dirty_orgs);
    link_init(&queue->sweep_orgs);
    link_init(&queue->ended_orgs);
    link_init(&queue->purges);
    link_init(&queue->purge_waits);
    for (int i = 0; i < RUN_PRIORITY_COUNT; i++)
        link_init(&queue->turns[i]);
    if (queue->txn == NULL || queue->mem == NULL || queue->sealed.mem == NULL
        || queue->zones == NULL) {
        queue_close(queue);
        return err_because(why, ERR_LIMIT, "out of memory");
    }
    e = queue_begin(queue, why);
    if (e != OK) {
        queue_close(queue);
        return e;
    }
    queue->opened_mono_ms = queue->mono_ms;
    *out = queue;
    return OK;
}

void answer_list(struct link *list, enum err e, const char *text)
{
    while (link_is_linked(list)) {
        struct request *request = container_of(list->next, struct request, link);

        list_remove(&request->link);
        (void)err_because(&request->why, e, "%s", text);
        request->done(request, e);
    }
}

void queue_close(struct queue *queue)
{
    if (queue == NULL)
        return;
    assert(queue->sealed.turn == 0);
    /* Before their owners hear of it: the board reads what is theirs. */
    while (link_is_linked(&queue->workers))
        worker_gone(queue, container_of(queue->workers.next, struct worker, link));
    answer_list(&queue->posted, ERR_UNAVAILABLE, "the server is shutting down");
    answer_list(&queue->lease_waits, ERR_UNAVAILABLE, "the server is shutting down");
    answer_stored_controls(queue);
    purge_give_up(queue, "the server is shutting down");
    queue_forget(queue);
    heap_free(&queue->deadlines);
    heap_free(&queue->retention);
    heap_free(&queue->flushes);
    txn_free(queue->txn);
    arena_free(queue->mem);
    zones_free(queue->zones);
    arena_free(queue->sealed.mem);
    free(queue);
}

void queue_post(struct queue *queue, struct request *request)
{
    assert(request->verb < QUEUE_VERB_COUNT);
    link_init(&request->link);
    request->result = OK;
    request->why.field[0] = request->why.text[0] = '\0';
    list_append(&queue->posted, &request->link);
}

void answer(struct queue *queue, struct request *request, enum err e)
{
    if (e == ERR_UNAVAILABLE || e == ERR_UNCERTAIN || e == ERR_CORRUPT)
        queue_fail_turn(queue, e, &request->why);
    request->result = e;
    list_append(&queue->answers, &request->link);
}

void queue_fail_turn(struct queue *queue, enum err e, const struct why *why)
{
    if (queue->turn_error != OK)
        return;
    queue->turn_error = e;
    queue->turn_why = *why;
}

struct effect *effect_add(struct queue *queue, enum effect_kind kind)
{
    struct effect *effect = arena_alloc(queue->mem, sizeof *effect);

    if (effect == NULL)
        abort();
    effect->kind = kind;
    *queue->effects_end = effect;
    queue->effects_end = &effect->next;
    return effect;
}

/* Ids are given out ahead of the clock if need be, and never twice: the store
 * knows a number that all of them lie below. */
uint64_t queue_ticket(struct queue *queue)
{
    uint64_t now = (uint64_t)queue->now_ms << 12;

    queue->ticket = now > queue->ticket ? now : queue->ticket + 1;
    if (queue->ticket >= queue->meta.ticket_limit) {
        queue->meta.ticket_limit = queue->ticket + ((uint64_t)TICKET_RESERVE_MS << 12);
        queue->meta_dirty = true;
    }
    return queue->ticket;
}

run_id queue_new_run_id(struct queue *queue, const struct org *org)
{
    return queue_ticket(queue) << 8 | org->place.slot;
}

void queue_handle_posted(struct queue *queue)
{
    for (int i = 0; i < TURN_REQUESTS_MAX && link_is_linked(&queue->posted); i++) {
        struct request *request = container_of(queue->posted.next, struct request, link);

        list_remove(&request->link);
        handlers[request->verb](queue, request);
        if (queue->turn_error != OK || queue_turn_is_full(queue))
            break;
    }
    while (link_is_linked(&queue->postponed)) {
        struct link *last = queue->postponed.prev;

        list_remove(last);
        list_prepend(&queue->posted, last);
    }
}

static bool is_degraded(const struct queue *queue)
{
    struct store_stats stats = queue->deps.store->ops->stats(queue->deps.store);

    return queue->failing || stats.free_bytes < queue->options.disk_free_min_bytes;
}

static void handle_service_info(struct queue *queue, struct request *request)
{
    struct service_info *info = &container_of(request, struct service_info_request, base)->info;

    *info = (struct service_info){
        .active = queue->totals.active,
        .queued = queue->totals.queued,
        .completed = queue->totals.completed,
        .failed = queue->totals.failed,
        .cancelled = queue->totals.cancelled,
        .uptime_ms = queue->mono_ms - queue->opened_mono_ms,
        .draining = queue->draining,
        .degraded = is_degraded(queue),
    };
    answer(queue, request, OK);
}

static void handle_drain(struct queue *queue, struct request *request)
{
    struct drain_request *req = container_of(request, struct drain_request, base);

    audit_add(queue, request, NULL, "drain", req->actor, bytes_of(NULL, 0), bytes_of(NULL, 0));
    queue->draining = true;
    for (struct lease *lease = queue->leases; lease != NULL; lease = lease->by_run.next)
        if (lease->directive == DIRECTIVE_GO_ON)
            lease_set_directive(queue, lease, DIRECTIVE_DRAIN_IT);
    req->leases = HASH_CNT(by_run, queue->leases);
    answer(queue, request, OK);
}

static void (*const handlers[QUEUE_VERB_COUNT])(struct queue *, struct request *) = {
    [QUEUE_SUBMIT] = handle_submit,
    [QUEUE_CONTROL] = handle_control,
    [QUEUE_PURGE] = handle_purge,
    [QUEUE_PUT_ORG] = handle_put_org,
    [QUEUE_DELETE_SCHEDULE] = handle_delete_schedule,
    [QUEUE_RESET_WATERMARK] = handle_reset_watermark,
    [QUEUE_JOIN] = handle_join,
    [QUEUE_LEAVE] = handle_leave,
    [QUEUE_LEASE] = handle_lease,
    [QUEUE_LEASE_STOP] = handle_lease_stop,
    [QUEUE_ACKNOWLEDGE] = handle_acknowledge,
    [QUEUE_HEARTBEAT] = handle_heartbeat,
    [QUEUE_REPORT] = handle_report,
    [QUEUE_SERVICE_INFO] = handle_service_info,
    [QUEUE_DRAIN] = handle_drain,
};
