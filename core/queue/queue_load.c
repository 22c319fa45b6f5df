#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Building the caches from the store. The cost grows with organisations and
 * leases, not with queued or ended jobs. */

struct load {
    struct queue *queue;
    enum err e;
    struct why *why;
};

static enum err load_meta(struct queue *queue, struct why *why)
{
    struct key key = key_meta();
    struct bytes value;
    enum err e = txn_get(queue->txn, FAMILY_META, key_bytes(&key), queue->mem, &value, why);

    queue->meta = (struct meta){ .schema_version = SCHEMA_VERSION };
    queue->meta_dirty = e == ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND)
        return OK;
    if (e == OK)
        e = record_read_meta(value, queue->mem, &queue->meta, why);
    if (e == OK && queue->meta.schema_version > SCHEMA_VERSION)
        return err_because(why, ERR_CORRUPT,
                           "the store has schema version %u, this program knows %u: it was written "
                           "by a newer program; run that one, or restore a backup",
                           queue->meta.schema_version, (unsigned)SCHEMA_VERSION);
    if (e == OK && queue->ticket < queue->meta.ticket_limit)
        queue->ticket = queue->meta.ticket_limit;
    return e;
}

static bool visit_org(void *ctx, struct bytes key, struct bytes value)
{
    struct load *load = ctx;
    struct org_record record;

    load->e = record_read_org(value, load->queue->mem, &record, load->why);
    if (load->e != OK)
        return false;
    org_add(load->queue, bytes_of(key.data + 1, key.size - 1), &record);
    return true;
}

static bool visit_counters(void *ctx, struct bytes key, struct bytes value)
{
    struct load *load = ctx;
    struct queue *queue = load->queue;
    struct org *org = org_at(queue, key_org_read(key));
    struct counters *c, *t = &queue->totals;

    if (org == NULL) {
        load->e = err_because(load->why, ERR_CORRUPT, "counters of an organisation that is not there");
        return false;
    }
    c = &org->counters;
    load->e = record_read_counters(value, queue->mem, c, load->why);
    t->queued += c->queued;
    t->scheduled += c->scheduled;
    t->active += c->active;
    t->paused += c->paused;
    t->completed += c->completed;
    t->failed += c->failed;
    t->cancelled += c->cancelled;
    t->kept_completed += c->kept_completed;
    t->kept_failed += c->kept_failed;
    t->kept_cancelled += c->kept_cancelled;
    if (c->swept_epoch < c->purge_epoch)
        list_append(&queue->sweep_orgs, &org->sweep_link);
    return load->e == OK;
}

/* Every lease gets one fresh term: the monotonic clock of before is gone, and
 * its worker may be alive and at work. */
static bool visit_active(void *ctx, struct bytes key, struct bytes value)
{
    struct load *load = ctx;
    struct org *org = org_at(load->queue, key_org_read(key));
    struct run run;

    if (org == NULL) {
        load->e = err_because(load->why, ERR_CORRUPT, "a job of an organisation that is not there");
        return false;
    }
    load->e = record_read_run(value, load->queue->mem, &run, load->why);
    if (load->e == OK)
        lease_add(load->queue, org, key_run_read(key), &run);
    return load->e == OK;
}

static enum err scan_all(struct queue *queue, enum store_family family, store_visit_fn *visit,
                         struct why *why)
{
    struct load load = { queue, OK, why };
    struct store_range range = { .family = family };
    enum err e = txn_scan(queue->txn, &range, visit, &load, why);

    return e != OK ? e : load.e;
}

static bool visit_first_timer(void *ctx, struct bytes key, struct bytes value)
{
    struct queue *queue = ctx;
    struct timer timer;

    (void)value;
    if (key_timer_read(key, &timer))
        queue_timer_due(queue, &timer);
    return false;
}

static enum err load_timers(struct queue *queue, struct why *why)
{
    enum err e = OK;

    queue->timer_due_ms = INT64_MAX;
    for (int slot = 0; slot < 256; slot++)
        queue->slot_due_ms[slot] = INT64_MAX;
    for (int slot = 0; slot < 256 && e == OK; slot++) {
        struct key from = key_timer_from((uint8_t)slot, 0);
        struct key to = key_after(&(struct key){ { (uint8_t)slot }, 1 });
        struct store_range range = { FAMILY_TIMER, key_bytes(&from), key_bytes(&to), STORE_FORWARD };

        e = txn_scan(queue->txn, &range, visit_first_timer, queue, why);
    }
    return e;
}

enum err queue_load(struct queue *queue, struct why *why)
{
    enum err e;

    queue->totals = (struct counters){ .queued = 0 };
    e = load_meta(queue, why);
    if (e == OK)
        e = scan_all(queue, FAMILY_ORG, visit_org, why);
    if (e == OK)
        e = scan_all(queue, FAMILY_COUNTERS, visit_counters, why);
    if (e == OK)
        e = scan_all(queue, FAMILY_ACTIVE, visit_active, why);
    for (struct org *org = queue->orgs_by_id; org != NULL && e == OK; org = org->by_id.next)
        if (org->counters.queued > 0)
            e = ready_load(queue, org, why);
    for (struct org *org = queue->orgs_by_id; org != NULL && e == OK; org = org->by_id.next)
        retention_watch(queue, org);
    if (e == OK)
        e = load_timers(queue, why);
    if (e == OK)
        e = purge_load(queue, why);
    if (e == OK)
        e = audit_load(queue, why);
    return e;
}

void queue_forget(struct queue *queue)
{
    struct org *org, *next;

    lease_free_all(queue);
    memset(queue->passed_over, 0, sizeof queue->passed_over);
    purge_forget(queue);
    for (org = queue->orgs_by_id; org != NULL; org = next) {
        next = org->by_id.next;
        org_free(queue, org);
    }
    assert(queue->org_count == 0);
}
