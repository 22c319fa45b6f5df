#include "core/queue/queue_state.h"

#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>

/* The turn: everything that was asked for, and everything that has come due,
 * becomes one batch; the answers leave when it is durable. Its parts are apart,
 * so that one batch can be on its way to the disk while the next is computed on
 * top of it; if the first is lost, so is the second. */

enum {
    CLOCK_LOOK_MS = 5000,
    RELOAD_MS = 1000,
};

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
            board_completed(board, effect->org, effect->run, effect->worked_ms);
        break;
    case EFFECT_STARTED:
        if (board != NULL)
            board_run_started(board, effect->run,
                              &(struct board_start){ effect->org, effect->source, effect->target,
                                                     effect->typical_ms, effect->worked_ms });
        break;
    }
}

static void apply_effects(struct queue *queue, const struct effect *effects, bool changed_unseen)
{
    for (const struct effect *effect = effects; effect != NULL; effect = effect->next)
        apply_effect(queue, effect);
    if (changed_unseen && queue->deps.watch != NULL)
        watch_skip(queue->deps.watch);    /* for who began to watch meanwhile */
}

static void send_answers(struct link *answers)
{
    while (link_is_linked(answers)) {
        struct request *request = container_of(answers->next, struct request, link);

        list_remove(&request->link);
        request->done(request, request->result);
    }
}

/* What lies in `mem` goes together: also the effects. */
static void clear_open(struct queue *queue)
{
    arena_reset(queue->mem);
    queue->effects = NULL;
    queue->effects_end = &queue->effects;
    queue->changed_unseen = false;
    queue->turn_error = OK;
}

static void look_at_clock(struct queue *queue)
{
    queue->now_ms = clock_now_ms(queue->deps.clock);
    queue->mono_ms = clock_mono_ms(queue->deps.clock);
    queue->unfinished = false;
    queue->watched = queue->deps.watch != NULL && watch_is_wanted(queue->deps.watch);
}

/* From what the store has. The board is told of the leases, connected workers
 * get back what they hold. */
enum err queue_begin(struct queue *queue, struct why *why)
{
    enum err e;

    look_at_clock(queue);
    clear_open(queue);
    e = queue_load(queue, why);
    if (e != OK) {
        queue_forget(queue);
        return e;
    }
    lease_adopt_all(queue);
    apply_effects(queue, queue->effects, queue->changed_unseen);
    clear_open(queue);
    queue->loaded = true;
    return OK;
}

bool queue_turn_is_full(struct queue *queue)
{
    bool full = arena_used_bytes(queue->mem) + txn_bytes(queue->txn) > TURN_BYTES_SOFT_MAX;

    queue->unfinished |= full;
    return full;
}

static void fill_late_answers(struct queue *queue)
{
    while (link_is_linked(&queue->late_answers)) {
        struct request *request = container_of(queue->late_answers.next, struct request, link);

        list_remove(&request->link);
        control_fill(queue, container_of(request, struct control_request, base));
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

    if (queue_begin(queue, &why) != OK)
        log_event(LOG_ERROR, "the store cannot be read", LOG_TEXT("error", why.text));
}

static struct control_request *control_of(struct link *link)
{
    struct request *request = container_of(link, struct request, link);

    return request->verb == QUEUE_CONTROL ? container_of(request, struct control_request, base) : NULL;
}

static bool is_stored(const struct queue *queue, const struct control_request *req)
{
    return req->turn <= queue->stored_turn;
}

/* What an earlier turn has stored is not undone by this one: those controls go
 * on waiting. The others are answered. */
static void keep_stored_controls(struct queue *queue)
{
    list_splice(&queue->answers, &queue->control_waits);
    list_each_safe(link, &queue->answers) {
        const struct control_request *req = control_of(link);

        if (req == NULL || !is_stored(queue, req))
            continue;
        list_remove(link);
        list_append(&queue->control_waits, link);
    }
}

/* Who waits for a worker to let go is told what is: the control itself is done. */
void answer_stored_controls(struct queue *queue)
{
    while (link_is_linked(&queue->control_waits)) {
        struct control_request *req = control_of(queue->control_waits.next);

        assert(is_stored(queue, req));
        list_remove(&req->base.link);
        req->base.done(&req->base, OK);
    }
}

/* Nothing of what was answered since happened, or nobody knows: say so, and
 * start over from what the store has. */
static void fail_open(struct queue *queue, enum err e, const struct why *why)
{
    list_splice(&queue->answers, &queue->late_answers);
    log_event(LOG_ERROR, "turn failed", LOG_TEXT("error", why->text), LOG_TEXT("kind", err_text(e)));
    queue->failing = true;
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
    clear_open(queue);
    if (e == ERR_UNCERTAIN) {
        queue->broken = true;
        log_event(LOG_ERROR, "queue stopped", LOG_TEXT("advice", "open the store anew: restart"));
    } else {
        reload(queue);
    }
    send_answers(&queue->answers);
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
    send_answers(&queue->answers);
    answer_list(&queue->posted, ERR_UNAVAILABLE, text);
    answer_list(&queue->lease_waits, ERR_UNAVAILABLE, text);
    answer_stored_controls(queue);
    purge_give_up(queue, text);
}

static bool somebody_waits(const struct queue *queue)
{
    return link_is_linked(&queue->posted) || link_is_linked(&queue->lease_waits)
        || link_is_linked(&queue->control_waits) || link_is_linked(&queue->purge_waits);
}

static int64_t next_wall_due_ms(const struct queue *queue)
{
    int64_t due = queue->timer_due_ms, retention = retention_due_ms(queue);

    due = retention < due ? retention : due;
    return queue->audit_due_ms < due ? queue->audit_due_ms : due;
}

int64_t queue_due(const struct queue *queue)
{
    int64_t due = INT64_MAX, wall_due = next_wall_due_ms(queue);
    const struct heap_item *first;

    if (queue->broken || !queue->loaded)
        return somebody_waits(queue) ? 0 : queue->broken ? INT64_MAX : queue->mono_ms + RELOAD_MS;
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

/* The sealed turn is durable: now the world may know. */
static void settle_well(struct queue *queue)
{
    struct sealed *sealed = &queue->sealed;

    queue->stored_turn = sealed->turn;
    purge_answer(queue, &sealed->answers);
    apply_effects(queue, sealed->effects, sealed->changed_unseen);
    sealed->turn = 0;
    send_answers(&sealed->answers);
    arena_reset(sealed->mem);
}

void queue_work(struct queue *queue)
{
    look_at_clock(queue);
    if (queue->broken) {
        refuse_all(queue, "the store failed: the server must be restarted");
        return;
    }
    if (!queue->loaded)
        reload(queue);
    if (!queue->loaded) {
        refuse_all(queue, "the store cannot be read");
        return;
    }
    if (queue->turn_error == OK)
        queue_fire_timers(queue);
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
        queue_handle_posted(queue);
    if (queue->turn_error == OK)
        purge_advance(queue);
    if (queue->turn_error == OK)
        lease_match(queue);
    lease_give_up_waits(queue);
    if (queue->turn_error == OK)
        control_released(queue);
    if (queue->turn_error == OK)
        fill_late_answers(queue);
}

static void put_counters(struct queue *queue)
{
    history_write_all(queue);
    org_write_counters(queue);
    if (queue->meta_dirty) {
        struct key key = key_meta();

        txn_put(queue->txn, FAMILY_META, key_bytes(&key),
                record_write_meta(&queue->meta, queue->mem));
        queue->meta_dirty = false;
    }
}

bool queue_seal(struct queue *queue)
{
    struct sealed *sealed = &queue->sealed;
    struct arena *spare = sealed->mem;

    assert(sealed->turn == 0);
    if (queue->turn_error != OK) {
        struct why why = queue->turn_why;

        fail_open(queue, queue->turn_error, &why);
        return false;
    }
    put_counters(queue);
    *sealed = (struct sealed){ queue->turn++, queue->mem, queue->effects, queue->changed_unseen,
                               .answers = sealed->answers };
    list_take_all(&sealed->answers, &queue->answers);
    queue->mem = spare;
    clear_open(queue);
    if (txn_seal(queue->txn))
        return true;
    settle_well(queue);      /* nothing to store: nothing to wait for */
    return false;
}

enum err queue_store(struct queue *queue, struct why *why)
{
    return txn_store(queue->txn, why);
}

void queue_settle(struct queue *queue, enum err e, const struct why *why)
{
    struct sealed *sealed = &queue->sealed;

    assert(sealed->turn != 0);
    txn_settle(queue->txn);
    if (e == OK) {
        queue->failing = false;
        settle_well(queue);
        return;
    }
    /* What was computed meanwhile stands on what is not there: it goes, too. */
    list_splice(&sealed->answers, &queue->answers);
    list_take_all(&queue->answers, &sealed->answers);
    arena_reset(sealed->mem);
    sealed->turn = 0;
    fail_open(queue, e, why);
}

int64_t queue_turn(struct queue *queue)
{
    struct why why = { .text = "" };

    queue_work(queue);
    if (queue_seal(queue))
        queue_settle(queue, queue_store(queue, &why), &why);
    return queue_due(queue);
}
