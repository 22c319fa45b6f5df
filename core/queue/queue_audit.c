#include "core/queue/queue_state.h"

#include <stdlib.h>

/* The audit log: who did what, in the batch that did it. Each entry stands
 * twice, with its organisation's and in the list of everybody's; the second one
 * is in the order in which entries grow too old. */

static const struct org_place everybody = { 0, 0 }; /* no organisation has the number 0 */

static int64_t due_ms(const struct queue *queue, int64_t at_ms)
{
    int64_t keep = queue->options.keep_audit_ms;

    return keep == 0 || keep > INT64_MAX - at_ms ? INT64_MAX : at_ms + keep;
}

void audit_add(struct queue *queue, const struct request *request, const struct org *org,
               const char *action, struct bytes actor, struct bytes subject, struct bytes reason)
{
    struct audit_record audit = { .at_ms = queue->now_ms,
                                  .actor = actor,
                                  .action = bytes_of_text(action),
                                  .subject = subject,
                                  .reason = reason,
                                  .peer = request->peer };
    uint64_t ticket = queue_ticket(queue);
    struct key key = key_ticket(everybody, ticket);
    struct bytes value;

    if (org != NULL) {
        audit.org = org_id(org);
        audit.org_number = org->place.number;
    }
    value = record_write_audit(&audit, queue->mem);
    txn_put(queue->txn, FAMILY_AUDIT, key_bytes(&key), value);
    if (org != NULL) {
        key = key_ticket(org->place, ticket);
        txn_put(queue->txn, FAMILY_AUDIT, key_bytes(&key), value);
    }
    if (queue->audit_due_ms == INT64_MAX)
        queue->audit_due_ms = due_ms(queue, queue->now_ms);
}

enum err audit_check_reason(struct bytes reason, struct why *why)
{
    if (reason.size <= REASON_SIZE_MAX)
        return OK;
    return err_field(why, "reason", "reason is longer than %d bytes", REASON_SIZE_MAX);
}

struct audit_sweep {
    struct queue *queue;
    unsigned count;
    int64_t due_ms; /* of the first one that stays */
    enum err e;
    struct why *why;
};

static bool visit_entry(void *ctx, struct bytes key, struct bytes value)
{
    struct audit_sweep *sweep = ctx;
    struct queue *queue = sweep->queue;
    uint64_t ticket = key_ticket_read(key);
    struct audit_record audit;
    struct key own;

    sweep->e = record_read_audit(value, queue->mem, &audit, sweep->why);
    if (sweep->e != OK)
        return false;
    sweep->due_ms = due_ms(queue, audit.at_ms);
    if (sweep->due_ms > queue->now_ms || sweep->count == SWEEP_RUNS_MAX)
        return false;
    sweep->count++;
    sweep->due_ms = INT64_MAX;
    queue->audit_from = ticket + 1;
    if (audit.org_number != 0) {
        own = key_ticket((struct org_place){ key_slot(audit.org), audit.org_number }, ticket);
        txn_erase(queue->txn, FAMILY_AUDIT, key_bytes(&own));
    }
    txn_erase(queue->txn, FAMILY_AUDIT, bytes_copy(queue->mem, key));
    return true;
}

/* Takes what is too old; with all of `taken` it only looks when the oldest is due. */
static enum err look(struct queue *queue, unsigned taken, struct why *why)
{
    struct key from = key_ticket(everybody, queue->audit_from);
    struct key all = key_of_org(everybody), to = key_after(&all);
    struct store_range range = { FAMILY_AUDIT, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    struct audit_sweep sweep = { .queue = queue, .count = taken, .due_ms = INT64_MAX, .why = why };
    enum err e = txn_scan(queue->txn, &range, visit_entry, &sweep, why);

    queue->audit_due_ms = sweep.due_ms;
    return e == OK ? sweep.e : e;
}

enum err audit_load(struct queue *queue, struct why *why)
{
    queue->audit_from = 0;
    return look(queue, SWEEP_RUNS_MAX, why);
}

void audit_sweep(struct queue *queue)
{
    struct why why = { .text = "" };
    enum err e;

    if (queue->audit_due_ms > queue->now_ms)
        return;
    e = look(queue, 0, &why);
    if (e != OK)
        queue_fail_turn(queue, e, &why);
}
