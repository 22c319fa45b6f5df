#include "core/queue/queue_state.h"

#include <assert.h>

/* A name's line: at most one run of a name is active, later ones wait behind
 * it, first in, first out. Only the head of the line may stand in the ready
 * order. */

enum err sync_load(struct queue *queue, struct org *org, struct bytes name,
                   struct sync_record *sync, struct why *why)
{
    struct key key = key_name(org->place, name);
    struct bytes value;
    enum err e = txn_get(queue->txn, FAMILY_SYNC, key_bytes(&key), queue->mem, &value, why);

    *sync = (struct sync_record){ .head_run = 0 };
    if (e == ERR_NOT_FOUND)
        return OK;
    return e == OK ? record_read_sync(value, queue->mem, sync, why) : e;
}

void sync_save(struct queue *queue, struct org *org, struct bytes name,
               const struct sync_record *sync)
{
    struct key key = key_name(org->place, name);

    txn_put(queue->txn, FAMILY_SYNC, key_bytes(&key), record_write_sync(sync, queue->mem));
}

bool sync_exists(const struct sync_record *sync)
{
    return sync->latest_run != 0;
}

void sync_settle(struct sync_record *sync)
{
    if (sync->head_run == 0 && !sync->scheduled)
        sync->paused = false;
}

void sync_make_ready(struct queue *queue, struct loaded_run *loaded,
                     const struct sync_record *sync)
{
    struct run *run = &loaded->run;

    if (run->state != RUN_QUEUED || run->ready || sync->paused || sync->head_run != loaded->id)
        return;
    run->ready = true;
    run->typical_ms = board_typical_ms(sync->durations_ms, sync->duration_count);
    ready_insert(queue, loaded);
}

void sync_join(struct queue *queue, struct loaded_run *loaded, struct sync_record *sync)
{
    struct key key;
    uint8_t id[8];

    assert(loaded->run.state == RUN_QUEUED && loaded->run.order != 0);
    if (sync->head_run == 0) {
        sync->head_run = loaded->id;
        sync_make_ready(queue, loaded, sync);
        return;
    }
    sync->behind++;
    key = key_behind(loaded->org->place, loaded->spec.name, loaded->run.order);
    for (int i = 0; i < 8; i++)
        id[i] = (uint8_t)(loaded->id >> 8 * (7 - i));
    txn_put(queue->txn, FAMILY_BEHIND, key_bytes(&key), bytes_of(id, sizeof id));
}

static bool visit_next(void *ctx, struct bytes key, struct bytes value)
{
    run_id *next = ctx;

    (void)key;
    if (value.size == 8)
        *next = key_run_read(value);
    return false;
}

/* Begins behind the head: what stood before it is gone, and to walk over what is
 * left of that on the disk would cost more with each run of the name. */
enum err sync_load_next(struct queue *queue, const struct loaded_run *head,
                        struct loaded_run *loaded, struct why *why)
{
    struct org *org = head->org;
    struct bytes name = head->spec.name;
    struct key prefix = key_behind_name(org->place, name), to = key_after(&prefix);
    struct key from = key_behind(org->place, name, head->run.order + 1);
    struct store_range range = { FAMILY_BEHIND, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    run_id next = 0;
    enum err e = txn_scan(queue->txn, &range, visit_next, &next, why);

    if (e == OK && next != 0)
        e = run_load(queue, org, next, loaded, why);
    if (e == ERR_NOT_FOUND || (e == OK && next == 0))
        return err_because(why, ERR_CORRUPT, "a job that waited behind another is not there");
    return e;
}

/* The first run behind becomes the head. */
static enum err step_up(struct queue *queue, const struct loaded_run *head,
                        struct sync_record *sync, struct why *why)
{
    struct loaded_run loaded;
    struct key key;
    enum err e = sync_load_next(queue, head, &loaded, why);

    if (e != OK)
        return e;
    key = key_behind(head->org->place, head->spec.name, loaded.run.order);
    txn_erase(queue->txn, FAMILY_BEHIND, key_bytes(&key));
    sync->behind--;
    sync->head_run = loaded.id;
    sync_make_ready(queue, &loaded, sync);
    run_save(queue, &loaded);
    return OK;
}

enum err sync_leave(struct queue *queue, struct loaded_run *loaded, struct sync_record *sync,
                    struct why *why)
{
    struct key key;
    struct bytes value;
    enum err e;

    if (sync->head_run == loaded->id) {
        sync->head_run = 0;
        return sync->behind > 0 ? step_up(queue, loaded, sync, why) : OK;
    }
    if (loaded->run.order == 0)
        return OK;      /* a schedule's firing that never came to stand in line */
    key = key_behind(loaded->org->place, loaded->spec.name, loaded->run.order);
    e = txn_get(queue->txn, FAMILY_BEHIND, key_bytes(&key), queue->mem, &value, why);
    if (e == OK) {
        txn_erase(queue->txn, FAMILY_BEHIND, key_bytes(&key));
        sync->behind--;
    }
    return e == ERR_NOT_FOUND ? OK : e;
}
