#include "core/queue/queue_state.h"

#include "core/base/log.h"

/* What is due by the wall clock: schedules, backoffs, answers kept by key. Their timers lie in the
 * store; of each slot the first is known, so that a turn without a due one
 * costs a comparison. */

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
    struct key from = key_timer_from(slot, queue->slot_due_ms[slot]); /* none lies below */
    struct key to = key_after(&(struct key){ { slot }, 1 });
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

void queue_fire_timers(struct queue *queue)
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
