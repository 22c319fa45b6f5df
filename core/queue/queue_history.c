#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>

/* What has ended, in the order of the ends: one record per organisation and
 * turn, not per run, tells of them. Retention and filtered purges read it from
 * its front, so what they cost is what they take, not what is kept. A record
 * stays as it is when one of its runs is taken or lives again; a run that is
 * still the one it tells of has the record's ticket. */

enum { ENDINGS_ROOM = 16 };

enum ending_kind ending_kind(enum run_state state)
{
    assert(run_is_ended(state));
    return state == RUN_FAILED ? ENDING_FAILED : ENDING_DONE;
}

static void make_room(struct queue *queue, struct endings *endings)
{
    uint32_t room = endings->count == 0 ? ENDINGS_ROOM : 2 * endings->room;
    struct ending *items;

    if (endings->count > 0 && endings->count < endings->room)
        return;
    items = arena_alloc(queue->mem, room * sizeof *items);
    if (items == NULL)
        abort();
    for (uint32_t i = 0; i < endings->count; i++)
        items[i] = endings->items[i];
    endings->items = items;
    endings->room = room;
}

static void put_history(struct queue *queue, struct loaded_run *loaded, struct sync_record *sync)
{
    struct key key = key_history(loaded->org->place, loaded->spec.name, queue_ticket(queue));
    struct history_record history = { .count = sync->recent_count };

    for (uint32_t i = 0; i < sync->recent_count; i++)
        history.runs[i] = sync->recent[i];
    txn_put(queue->txn, FAMILY_HISTORY, key_bytes(&key),
            record_write_history(&history, queue->mem));
    sync->recent_count = 0;
    sync->history_chunks++;
}

enum err history_add(struct queue *queue, struct loaded_run *loaded, struct sync_record *sync,
                     struct why *why)
{
    struct endings *endings = &loaded->org->endings;

    if (endings->count == 0) {
        endings->ticket = queue_ticket(queue);
        list_append(&queue->ended_orgs, &endings->link);
    }
    make_room(queue, endings);
    endings->items[endings->count++] =
        (struct ending){ loaded->id, key_name_hash(loaded->spec.name), loaded->run.state };
    loaded->run.ended_ticket = endings->ticket;
    if (ending_kind(loaded->run.state) != ENDING_DONE)
        return OK;
    assert(sync->recent_count < HISTORY_CHUNK_RUNS);
    sync->recent[sync->recent_count++] = loaded->id;
    if (sync->recent_count < HISTORY_CHUNK_RUNS)
        return OK;
    put_history(queue, loaded, sync);
    return retention_trim_name(queue, loaded, sync, why);
}

void history_leave(struct loaded_run *loaded)
{
    struct endings *endings = &loaded->org->endings;

    loaded->run.ended_ticket = 0;
    for (uint32_t i = endings->count; i-- > 0;)
        if (endings->items[i].run == loaded->id) {
            endings->items[i] = endings->items[--endings->count];
            break;
        }
    if (endings->count == 0)
        list_remove(&endings->link);
}

void history_drop(struct org *org)
{
    org->endings.count = 0;
    list_remove(&org->endings.link);
}

static void write_kind(struct queue *queue, struct org *org, enum ending_kind kind)
{
    const struct endings *endings = &org->endings;
    struct endings_record record = { .ended_at_ms = queue->now_ms };
    struct key key;

    record.endings = arena_alloc(queue->mem, endings->count * sizeof *record.endings);
    if (record.endings == NULL)
        abort();
    for (uint32_t i = 0; i < endings->count; i++)
        if (ending_kind(endings->items[i].state) == kind)
            record.endings[record.count++] = endings->items[i];
    if (record.count == 0)
        return;
    key = key_endings(org->place, org->counters.purge_epoch, kind, endings->ticket);
    txn_put(queue->txn, FAMILY_ENDINGS, key_bytes(&key), record_write_endings(&record, queue->mem));
    retention_ended(queue, org, kind);
}

void history_write(struct queue *queue, struct org *org)
{
    if (org->endings.count == 0)
        return;
    for (enum ending_kind kind = 0; kind < ENDING_KIND_COUNT; kind++)
        write_kind(queue, org, kind);
    history_drop(org);
}

void history_write_all(struct queue *queue)
{
    while (link_is_linked(&queue->ended_orgs))
        history_write(queue, container_of(queue->ended_orgs.next, struct org, endings.link));
}

enum err history_load(struct queue *queue, struct org *org, run_id id, struct run *run, bool *there,
                      struct why *why)
{
    struct key key = key_ended(org->place, org->counters.purge_epoch, id);
    struct bytes value;
    enum err e = txn_get(queue->txn, FAMILY_ENDED, key_bytes(&key), queue->mem, &value, why);

    *there = e == OK;
    if (e == OK)
        e = record_read_run(value, queue->mem, run, why);
    return e == ERR_NOT_FOUND ? OK : e;
}

void history_erase(struct queue *queue, struct org *org, run_id id, const struct run *run)
{
    struct key ended = key_ended(org->place, org->counters.purge_epoch, id);
    struct key key = key_run(org->place, id);

    txn_erase(queue->txn, FAMILY_ENDED, key_bytes(&ended));
    txn_erase(queue->txn, FAMILY_SPEC, key_bytes(&key));
    if (run->checkpointed)
        txn_erase(queue->txn, FAMILY_CHECKPOINT, key_bytes(&key));
    org_count(queue, org, run->state, RUN_NONE);
}
