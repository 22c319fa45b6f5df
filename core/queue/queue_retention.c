#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>

/* How long ended runs are kept. By age: the oldest record of ends is looked at
 * when it is due, and worked off a piece a turn. By number: each sixteenth run
 * of a name that is done takes the oldest sixteen beyond the bound with it; so
 * the newest `keep_runs` stay for certain, and up to 31 more. */

static int64_t keep_ms(const struct queue *queue, const struct org *org, enum ending_kind kind)
{
    int64_t own =
        kind == ENDING_FAILED ? org->record.keep_failed_ms : org->record.keep_completed_ms;

    if (own != 0)
        return own;
    return kind == ENDING_FAILED ? queue->options.keep_failed_ms : queue->options.keep_completed_ms;
}

static int64_t due_ms(const struct queue *queue, const struct org *org, enum ending_kind kind,
                      int64_t ended_at_ms)
{
    int64_t keep = keep_ms(queue, org, kind);

    return keep == 0 || keep > INT64_MAX - ended_at_ms ? INT64_MAX : ended_at_ms + keep;
}

static void look_at(struct queue *queue, struct org *org, enum ending_kind kind, int64_t when_ms)
{
    struct heap_item *item = &org->retained[kind].due;

    if (item->place != 0)
        heap_move(&queue->retention, item, when_ms);
    else if (!heap_insert(&queue->retention, item, when_ms))
        abort();
}

void retention_watch(struct queue *queue, struct org *org)
{
    const struct counters *c = &org->counters;

    if (c->kept_completed + c->kept_cancelled > 0)
        look_at(queue, org, ENDING_DONE, 0);
    if (c->kept_failed > 0)
        look_at(queue, org, ENDING_FAILED, 0);
}

void retention_ended(struct queue *queue, struct org *org, enum ending_kind kind)
{
    if (org->retained[kind].due.place == 0)
        look_at(queue, org, kind, due_ms(queue, org, kind, queue->now_ms));
}

void retention_forget(struct queue *queue, struct org *org)
{
    for (enum ending_kind kind = 0; kind < ENDING_KIND_COUNT; kind++)
        heap_remove(&queue->retention, &org->retained[kind].due);
}

int64_t retention_due_ms(const struct queue *queue)
{
    const struct heap_item *first = heap_first(&queue->retention);

    return first != NULL ? first->key : INT64_MAX;
}

/* The oldest record of a range. */
struct oldest {
    struct arena *mem;
    struct bytes key, value;
    bool found;
};

static bool visit_oldest(void *ctx, struct bytes key, struct bytes value)
{
    struct oldest *oldest = ctx;

    oldest->key = bytes_copy(oldest->mem, key);
    oldest->value = bytes_copy(oldest->mem, value);
    oldest->found = true;
    return false;
}

/* Of those that begin with `prefix`, at `from` or behind it: what lies before is
 * gone, but the store still steps over it. */
static enum err find_oldest(struct queue *queue, enum store_family family, const struct key *prefix,
                            const struct key *from, struct oldest *oldest, struct why *why)
{
    struct key to = key_after(prefix);
    struct store_range range = { family, key_bytes(from), key_bytes(&to), STORE_FORWARD };

    *oldest = (struct oldest){ .mem = queue->mem };
    return txn_scan(queue->txn, &range, visit_oldest, oldest, why);
}

/* The runs of one record, from where the last turn has stopped. */
static enum err take_endings(struct queue *queue, struct org *org, enum ending_kind kind,
                             const struct oldest *oldest, const struct endings_record *record,
                             unsigned *taken, struct why *why)
{
    struct retained *retained = &org->retained[kind];
    uint64_t ticket = key_ticket_read(oldest->key);

    if (retained->ticket != ticket)
        retained->next = 0;
    retained->ticket = ticket;
    for (; retained->next < record->count; retained->next++) {
        run_id id = record->endings[retained->next].run;
        struct run run;
        bool there;
        enum err e;

        if (*taken == SWEEP_RUNS_MAX || queue_turn_is_full(queue))
            return OK;
        ++*taken;
        e = history_load(queue, org, id, &run, &there, why);
        if (e != OK)
            return e;
        if (there && run.ended_ticket == ticket)
            history_erase(queue, org, id, &run);
    }
    txn_erase(queue->txn, FAMILY_ENDINGS, oldest->key);
    return OK;
}

static enum err take_oldest(struct queue *queue, struct org *org, enum ending_kind kind,
                            unsigned *taken, struct why *why)
{
    uint32_t epoch = org->counters.purge_epoch;
    struct key prefix = key_endings_kind(org->place, epoch, kind);
    struct key from = key_endings(org->place, epoch, kind, org->retained[kind].ticket);
    struct endings_record record;
    struct oldest oldest;
    int64_t due;
    enum err e = find_oldest(queue, FAMILY_ENDINGS, &prefix, &from, &oldest, why);

    ++*taken;
    if (e == OK && !oldest.found)
        heap_remove(&queue->retention, &org->retained[kind].due);
    if (e != OK || !oldest.found)
        return e;
    e = record_read_endings(oldest.value, queue->mem, &record, why);
    if (e != OK)
        return e;
    due = due_ms(queue, org, kind, record.ended_at_ms);
    if (due > queue->now_ms) {
        look_at(queue, org, kind, due);
        return OK;
    }
    return take_endings(queue, org, kind, &oldest, &record, taken, why);
}

void retention_sweep(struct queue *queue)
{
    struct why why = { .text = "" };
    unsigned taken = 0;

    while (taken < SWEEP_RUNS_MAX && retention_due_ms(queue) <= queue->now_ms &&
           !queue_turn_is_full(queue)) {
        struct retained *retained =
            container_of(heap_first(&queue->retention), struct retained, due);
        struct org *org = retained->org;
        enum ending_kind kind = (enum ending_kind)(retained - org->retained);
        enum err e = take_oldest(queue, org, kind, &taken, &why);

        if (e != OK) {
            queue_fail_turn(queue, e, &why);
            return;
        }
    }
}

/* Of a record that tells of a name's runs, those that are still what they were. */
static enum err take_history(struct queue *queue, struct org *org, const struct oldest *oldest,
                             struct why *why)
{
    struct history_record history;
    uint64_t ticket = key_ticket_read(oldest->key);
    enum err e = record_read_history(oldest->value, queue->mem, &history, why);

    for (uint32_t i = 0; e == OK && i < history.count; i++) {
        struct run run;
        bool there;

        e = history_load(queue, org, history.runs[i], &run, &there, why);
        if (e == OK && there && ending_kind(run.state) == ENDING_DONE && run.ended_ticket < ticket)
            history_erase(queue, org, history.runs[i], &run);
    }
    txn_erase(queue->txn, FAMILY_HISTORY, oldest->key);
    return e;
}

enum err retention_trim_name(struct queue *queue, struct loaded_run *loaded,
                             struct sync_record *sync, struct why *why)
{
    enum { AT_ONCE_MAX = 2 }; /* more than come in: so a smaller bound is reached, too */
    struct org *org = loaded->org;
    struct key prefix = key_history_name(org->place, loaded->spec.name);
    uint64_t keep = org->record.keep_runs != 0 ? org->record.keep_runs : queue->options.keep_runs;
    enum err e = OK;

    for (int i = 0; i < AT_ONCE_MAX && e == OK && keep != 0; i++) {
        struct key from = key_history(org->place, loaded->spec.name, sync->history_from);
        struct oldest oldest;

        if (sync->history_chunks <= 1 ||
            (uint64_t)(sync->history_chunks - 1) * HISTORY_CHUNK_RUNS < keep)
            return OK;
        e = find_oldest(queue, FAMILY_HISTORY, &prefix, &from, &oldest, why);
        if (e != OK)
            return e;
        if (!oldest.found)
            return err_because(why, ERR_CORRUPT, "a sync has lost its history");
        e = take_history(queue, org, &oldest, why);
        sync->history_chunks--;
        sync->history_from = key_ticket_read(oldest.key);
    }
    return e;
}
