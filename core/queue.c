#include "core/queue_state.h"

#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The turn: everything that was asked for since the last one, and everything
 * that has come due, becomes one batch; the answers leave when it is durable. */

enum { CLOCK_LOOK_MS = 5000, TICKET_RESERVE_MS = 10 * 1000,
       RELOAD_MS = 1000 };

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
    };
}

/* What lies in `mem` goes together: also the effects. */
static void forget_turn(struct queue *queue)
{
    arena_reset(queue->mem);
    queue->effects = NULL;
    queue->effects_end = &queue->effects;
}

static void begin_turn(struct queue *queue)
{
    forget_turn(queue);
    queue->now_ms = clock_now_ms(queue->deps.clock);
    queue->mono_ms = clock_mono_ms(queue->deps.clock);
    queue->turn++;
    queue->turn_error = OK;
    queue->unfinished = false;
    queue->watched = queue->deps.watch != NULL && watch_is_wanted(queue->deps.watch);
    queue->changed_unseen = false;
}

static void apply_effects(struct queue *queue);
static void answer_stored_controls(struct queue *queue);

/* From what the store has. The board is told of the leases, connected workers
 * get back what they hold. */
static enum err load(struct queue *queue, struct why *why)
{
    enum err e = queue_load(queue, why);

    if (e != OK) {
        queue_forget(queue);
        return e;
    }
    lease_adopt_all(queue);
    apply_effects(queue);
    return OK;
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
    if (queue->txn == NULL || queue->mem == NULL || queue->zones == NULL) {
        queue_close(queue);
        return err_because(why, ERR_LIMIT, "out of memory");
    }
    begin_turn(queue);
    queue->opened_mono_ms = queue->mono_ms;
    e = load(queue, why);
    if (e != OK) {
        queue_close(queue);
        return e;
    }
    queue->loaded = true;
    *out = queue;
    return OK;
}

static void answer_list(struct link *list, enum err e, const char *text)
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

bool queue_turn_is_full(struct queue *queue)
{
    bool full = arena_used_bytes(queue->mem) + txn_bytes(queue->txn) > TURN_BYTES_SOFT_MAX;

    queue->unfinished |= full;
    return full;
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

void queue_timer_due(struct queue *queue, const struct timer *timer)
{
    uint8_t slot = timer->org.slot;

    if (timer->due_ms < queue->slot_due_ms[slot])
        queue->slot_due_ms[slot] = timer->due_ms;
    if (timer->due_ms < queue->timer_due_ms)
        queue->timer_due_ms = timer->due_ms;
}

struct due_timers {
    struct queue *queue;
    struct timer timers[128];
    unsigned count;
    int64_t next_due_ms;
};

static bool collect_timer(void *ctx, struct bytes key, struct bytes value)
{
    struct due_timers *due = ctx;
    struct timer timer;

    (void)value;
    if (!key_timer_read(bytes_copy(due->queue->mem, key), &timer)) {
        log_event(LOG_ERROR, "a stored timer makes no sense", LOG_INT("size", key.size));
        return true;
    }
    if (timer.due_ms > due->queue->now_ms || due->count == 128) {
        due->next_due_ms = timer.due_ms;
        return false;
    }
    due->timers[due->count++] = timer;
    return true;
}

static enum err fire_slot(struct queue *queue, uint8_t slot, struct why *why)
{
    struct due_timers due = { .queue = queue, .next_due_ms = INT64_MAX };
    struct key from = key_timer_from(slot, 0), to = key_after(&(struct key){ { slot }, 1 });
    struct store_range range = { FAMILY_TIMER, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    enum err e = txn_scan(queue->txn, &range, collect_timer, &due, why);

    queue->slot_due_ms[slot] = due.next_due_ms;    /* before firing: that may set new ones */
    for (unsigned i = 0; i < due.count && e == OK; i++) {
        struct key key = key_timer(&due.timers[i]);

        if (queue_turn_is_full(queue)) {
            queue_timer_due(queue, &due.timers[i]);
            break;
        }
        txn_erase(queue->txn, FAMILY_TIMER, key_bytes(&key));
        if (due.timers[i].kind == TIMER_SCHEDULE)
            e = schedule_fire(queue, &due.timers[i], why);
        else if (due.timers[i].kind == TIMER_IDEMPOTENCY)
            e = idempotency_sweep(queue, &due.timers[i], why);
        else
            e = backoff_over(queue, &due.timers[i], why);
    }
    return e;
}

static void fire_timers(struct queue *queue)
{
    struct why why = { .text = "" };

    if (queue->now_ms < queue->timer_due_ms)
        return;
    for (int slot = 0; slot < 256; slot++)
        if (queue->slot_due_ms[slot] <= queue->now_ms) {
            enum err e = fire_slot(queue, (uint8_t)slot, &why);

            if (e != OK) {
                queue_fail_turn(queue, e, &why);
                return;
            }
        }
    queue->timer_due_ms = INT64_MAX;
    for (int slot = 0; slot < 256; slot++)
        if (queue->slot_due_ms[slot] < queue->timer_due_ms)
            queue->timer_due_ms = queue->slot_due_ms[slot];
}

static void handle_posted(struct queue *queue)
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

static void fill_late_answers(struct queue *queue)
{
    while (link_is_linked(&queue->late_answers)) {
        struct request *request = container_of(queue->late_answers.next, struct request, link);

        list_remove(&request->link);
        control_fill(queue, container_of(request, struct control_request, base));
    }
}

static enum err commit(struct queue *queue, struct why *why)
{
    history_write_all(queue);
    org_write_counters(queue);
    if (queue->meta_dirty) {
        struct key key = key_meta();

        txn_put(queue->txn, FAMILY_META, key_bytes(&key),
                record_write_meta(&queue->meta, queue->mem));
        queue->meta_dirty = false;
    }
    return txn_commit(queue->txn, why);
}

static void apply_effect(struct queue *queue, const struct effect *effect)
{
    struct board *board = queue->deps.board;

    switch (effect->kind) {
    case EFFECT_CHANGED:
        watch_publish(queue->deps.watch, effect->info);
        break;
    case EFFECT_PUSH:
        if (effect->worker != NULL)
            effect->worker->push(effect->worker, effect->run, effect->epoch, effect->directive);
        break;
    case EFFECT_LEASED:
        if (board != NULL)
            board_lease_set(board, effect->run, effect->deadline_mono_ms);
        break;
    case EFFECT_UNLEASED:
        if (board != NULL)
            board_lease_gone(board, effect->run);
        break;
    case EFFECT_COMPLETED:
        if (board != NULL)
            board_completed(board, effect->org, effect->worked_ms);
        break;
    }
}

static void apply_effects(struct queue *queue)
{
    for (const struct effect *effect = queue->effects; effect != NULL; effect = effect->next)
        apply_effect(queue, effect);
    if (queue->changed_unseen && queue->deps.watch != NULL)
        watch_skip(queue->deps.watch);    /* for who began to watch meanwhile */
    queue->effects = NULL;
    queue->effects_end = &queue->effects;
}

static void send_answers(struct queue *queue)
{
    while (link_is_linked(&queue->answers)) {
        struct request *request = container_of(queue->answers.next, struct request, link);

        list_remove(&request->link);
        request->done(request, request->result);
    }
}

/* Requests that neither wrote nor read: their answer holds though the turn failed. */
static bool stands_alone(const struct request *request)
{
    switch (request->verb) {
    case QUEUE_JOIN:
    case QUEUE_LEAVE:
    case QUEUE_LEASE_STOP:
    case QUEUE_DRAIN:
        return true;
    case QUEUE_LEASE:
        return container_of(request, struct lease_request, base)->count == 0;
    case QUEUE_SUBMIT:
    case QUEUE_CONTROL:
    case QUEUE_PURGE:
    case QUEUE_PUT_ORG:
    case QUEUE_DELETE_SCHEDULE:
    case QUEUE_RESET_WATERMARK:
    case QUEUE_REPORT:
    case QUEUE_ACKNOWLEDGE:          /* these tell of others' changes in this turn */
    case QUEUE_HEARTBEAT:
    case QUEUE_SERVICE_INFO:
    case QUEUE_VERB_COUNT:
    default:
        return request->result == ERR_INVALID;
    }
}

static void reload(struct queue *queue)
{
    struct why why;

    forget_turn(queue);
    queue->loaded = load(queue, &why) == OK;
    if (!queue->loaded)
        log_event(LOG_ERROR, "the store cannot be read", LOG_TEXT("error", why.text));
}

static struct control_request *control_of(struct link *link)
{
    struct request *request = container_of(link, struct request, link);

    return request->verb == QUEUE_CONTROL ? container_of(request, struct control_request, base) : NULL;
}

/* What an earlier turn has stored is not undone by this one: those controls go
 * on waiting. The others are answered. */
static void keep_stored_controls(struct queue *queue)
{
    list_splice(&queue->answers, &queue->control_waits);
    list_each_safe(link, &queue->answers) {
        const struct control_request *req = control_of(link);

        if (req == NULL || !req->stored)
            continue;
        list_remove(link);
        list_append(&queue->control_waits, link);
    }
}

/* Who waits for a worker to let go is told what is: the control itself is done. */
static void answer_stored_controls(struct queue *queue)
{
    while (link_is_linked(&queue->control_waits)) {
        struct control_request *req = control_of(queue->control_waits.next);

        assert(req->stored);
        list_remove(&req->base.link);
        req->base.done(&req->base, OK);
    }
}

/* Nothing of this turn happened, or nobody knows: say so, and start over from
 * what the store has. */
static void turn_failed(struct queue *queue, enum err e, const struct why *why)
{
    log_event(LOG_ERROR, "turn failed", LOG_TEXT("error", why->text), LOG_TEXT("kind", err_text(e)));
    txn_drop(queue->txn);
    keep_stored_controls(queue);
    purge_failed(queue);
    list_each(link, &queue->answers) {
        struct request *request = container_of(link, struct request, link);

        if (stands_alone(request))
            continue;
        request->result = e == ERR_UNCERTAIN ? ERR_UNCERTAIN : ERR_UNAVAILABLE;
        request->why = *why;
        request->why.field[0] = '\0';
    }
    if (queue->deps.board != NULL)
        board_leases_forgotten(queue->deps.board);
    queue_forget(queue);
    queue->loaded = false;
    if (e != ERR_UNCERTAIN) {
        reload(queue);
        return;
    }
    queue->broken = true;
    log_event(LOG_ERROR, "queue stopped", LOG_TEXT("advice", "open the store anew: restart"));
}

/* Without the store's help. A worker that leaves does, whatever else is wrong. */
static void refuse_all(struct queue *queue, const char *text)
{
    struct link leaving;

    link_init(&leaving);
    list_each_safe(link, &queue->posted)
        if (container_of(link, struct request, link)->verb == QUEUE_LEAVE) {
            list_remove(link);
            list_append(&leaving, link);
        }
    while (link_is_linked(&leaving)) {
        struct request *request = container_of(leaving.next, struct request, link);

        list_remove(&request->link);
        handle_leave(queue, request);
    }
    send_answers(queue);
    answer_list(&queue->posted, ERR_UNAVAILABLE, text);
    answer_list(&queue->lease_waits, ERR_UNAVAILABLE, text);
    answer_stored_controls(queue);
    purge_give_up(queue, text);
}

static int64_t next_wall_due_ms(const struct queue *queue)
{
    int64_t due = queue->timer_due_ms, retention = retention_due_ms(queue);

    due = retention < due ? retention : due;
    return queue->audit_due_ms < due ? queue->audit_due_ms : due;
}

static int64_t next_due(const struct queue *queue)
{
    int64_t due = INT64_MAX, wall_due = next_wall_due_ms(queue);
    const struct heap_item *first;

    if (queue->unfinished || link_is_linked(&queue->posted) || link_is_linked(&queue->sweep_orgs)
        || purge_is_due(queue))
        return 0;
    if ((first = heap_first(&queue->deadlines)) != NULL && first->key < due)
        due = first->key;
    if ((first = heap_first(&queue->flushes)) != NULL && first->key < due)
        due = first->key;
    list_each(link, &queue->lease_waits) {
        const struct request *request = container_of(link, struct request, link);
        int64_t until = container_of(request, struct lease_request, base)->wait_until_ms;

        due = until < due ? until : due;
    }
    list_each(link, &queue->control_waits) {
        const struct request *request = container_of(link, struct request, link);
        int64_t until = container_of(request, struct control_request, base)->wait_until_ms;

        due = until < due ? until : due;
    }
    /* Timers go by the wall clock, which may jump: look at it now and then. */
    if (wall_due != INT64_MAX) {
        int64_t wait = wall_due - queue->now_ms;
        int64_t look = queue->mono_ms + (wait < 0 ? 0 : wait > CLOCK_LOOK_MS ? CLOCK_LOOK_MS : wait);

        due = look < due ? look : due;
    }
    return due;
}

int64_t queue_turn(struct queue *queue)
{
    struct why why = { .text = "" };
    enum err e;

    begin_turn(queue);
    if (queue->broken) {
        refuse_all(queue, "the store failed: the server must be restarted");
        return INT64_MAX;
    }
    if (!queue->loaded)
        reload(queue);
    if (!queue->loaded) {
        refuse_all(queue, "the store cannot be read");
        return queue->mono_ms + RELOAD_MS;
    }
    fire_timers(queue);
    if (queue->turn_error == OK)
        lease_expire_due(queue);
    if (queue->turn_error == OK)
        report_flush_due(queue);
    if (queue->turn_error == OK)
        purge_sweep(queue);    /* before new purges: their answers do not wait for it */
    if (queue->turn_error == OK)
        retention_sweep(queue);
    if (queue->turn_error == OK)
        audit_sweep(queue);
    if (queue->turn_error == OK)
        handle_posted(queue);
    if (queue->turn_error == OK)
        purge_advance(queue);
    if (queue->turn_error == OK)
        lease_match(queue);
    lease_give_up_waits(queue);
    if (queue->turn_error == OK)
        control_released(queue);
    if (queue->turn_error == OK)
        fill_late_answers(queue);

    e = queue->turn_error;
    why = queue->turn_why;
    if (e == OK)
        e = commit(queue, &why);
    if (e != OK) {
        list_splice(&queue->answers, &queue->late_answers);
        turn_failed(queue, e, &why);
    } else {
        list_each(link, &queue->control_waits)
            control_of(link)->stored = true;
        purge_answer(queue);
        apply_effects(queue);
    }
    send_answers(queue);
    return queue->broken || !queue->loaded ? 0 : next_due(queue);
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
