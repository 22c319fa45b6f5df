#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>

/* What is kept of what is over, asserted: each ended run is told of by the
 * record of its end, each name's history and each purge under way are counted
 * right, each audit entry stands in both of its lists, each answer that is
 * remembered has the timer that forgets it. */

enum { CHECK_BYTES_MAX = 1 << 30 };

struct past {
    struct queue *queue;
    struct arena *mem;
    struct arena *scratch;  /* of what is looked at just now */
    struct key endings_key; /* of the record read last, */
    struct arena *endings_mem;
    struct endings_record endings; /* this one */
    uint32_t orders, audits_of_orgs, audits_of_everybody;
};

static void scan(struct past *past, enum store_family family, const struct key *prefix,
                 store_visit_fn *visit, void *ctx)
{
    struct store_reader *reader = &past->queue->deps.store->reader;
    struct why why = { .text = "" };
    struct store_range range = { .family = family };
    struct key to;
    enum err e;

    if (prefix != NULL) {
        to = key_after(prefix);
        range.from = key_bytes(prefix);
        range.to = key_bytes(&to);
    }
    e = reader->ops->scan(reader, &range, visit, ctx, &why);
    assert(e == OK);
}

static const struct endings_record *read_endings(struct past *past, const struct key *key)
{
    struct store_reader *reader = &past->queue->deps.store->reader;
    struct why why = { .text = "" };
    struct bytes value;
    enum err e;

    if (bytes_equal(key_bytes(key), key_bytes(&past->endings_key)))
        return &past->endings;
    arena_reset(past->endings_mem);
    e = reader->ops->get(reader, FAMILY_ENDINGS, key_bytes(key), past->endings_mem, &value, &why);
    assert(e == OK);
    e = record_read_endings(value, past->endings_mem, &past->endings, &why);
    assert(e == OK);
    past->endings_key = *key;
    return &past->endings;
}

/* Of the ended runs, keys and records are collected first. */
struct ended_run {
    struct org *org;
    run_id id;
    struct bytes record;
    struct ended_run *next;
};

struct ended_runs {
    struct past *past;
    struct ended_run *first;
};

static bool visit_ended(void *ctx, struct bytes key, struct bytes value)
{
    struct ended_runs *runs = ctx;
    struct org *org = org_at(runs->past->queue, key_org_read(key));
    struct ended_run *run;

    assert(org != NULL);
    if (key_epoch_read(key) != org->counters.purge_epoch)
        return true;
    run = arena_alloc(runs->past->mem, sizeof *run);
    assert(run != NULL);
    *run = (struct ended_run){ org, key_run_read(key), bytes_copy(runs->past->mem, value),
                               runs->first };
    runs->first = run;
    return true;
}

static bool tells_of(const struct endings_record *record, run_id id, enum run_state state)
{
    for (uint32_t i = 0; i < record->count; i++)
        if (record->endings[i].run == id)
            return record->endings[i].state == state;
    return false;
}

static void check_ended(struct past *past, const struct ended_run *ended)
{
    const struct org *org = ended->org;
    const struct endings_record *record;
    struct run run;
    struct why why;
    struct key key;
    enum err e;

    arena_reset(past->scratch);
    e = record_read_run(ended->record, past->scratch, &run, &why);
    assert(e == OK && run_is_ended(run.state) && run.ended_ticket != 0);
    key = key_endings(org->place, org->counters.purge_epoch, ending_kind(run.state),
                      run.ended_ticket);
    record = read_endings(past, &key);
    assert(record->ended_at_ms == run.ended_at_ms);
    assert(tells_of(record, ended->id, run.state));
    assert(org->retained[ending_kind(run.state)].due.place != 0);
    assert(run.ended_ticket >= org->retained[ending_kind(run.state)].ticket);
}

static bool visit_endings(void *ctx, struct bytes key, struct bytes value)
{
    struct past *past = ctx;
    const struct org *org = org_at(past->queue, key_org_read(key));

    (void)value;
    assert(org != NULL && key_epoch_read(key) <= org->counters.purge_epoch);
    assert(key_epoch_read(key) == org->counters.purge_epoch ||
           org->counters.swept_epoch < org->counters.purge_epoch);
    return true;
}

static bool visit_chunk(void *ctx, struct bytes key, struct bytes value)
{
    struct sync_record *sync = ctx;

    (void)value;
    assert(sync->history_chunks > 0 && key_ticket_read(key) >= sync->history_from);
    sync->history_chunks--;
    return true;
}

struct named {
    struct past *past;
    uint32_t chunks;
};

static bool visit_sync(void *ctx, struct bytes key, struct bytes value)
{
    struct named *named = ctx;
    struct why why;
    struct sync_record sync;
    struct key prefix = key_history_name(key_org_read(key), key_name_read(key));
    enum err e =
        record_read_sync(bytes_copy(named->past->mem, value), named->past->mem, &sync, &why);

    assert(e == OK && sync.recent_count < HISTORY_CHUNK_RUNS);
    named->chunks += sync.history_chunks;
    scan(named->past, FAMILY_HISTORY, &prefix, visit_chunk, &sync);
    assert(sync.history_chunks == 0);
    return true;
}

static bool visit_count(void *ctx, struct bytes key, struct bytes value)
{
    (void)key;
    (void)value;
    ++*(uint32_t *)ctx;
    return true;
}

static bool visit_order(void *ctx, struct bytes key, struct bytes value)
{
    struct past *past = ctx;

    (void)value;
    assert(org_at(past->queue, key_org_read(key)) != NULL);
    past->orders++;
    return true;
}

static bool visit_audit(void *ctx, struct bytes key, struct bytes value)
{
    struct past *past = ctx;
    struct audit_record audit;
    struct why why;
    enum err e = record_read_audit(bytes_copy(past->mem, value), past->mem, &audit, &why);

    assert(e == OK && audit.action.size > 0);
    if (key_org_read(key).number != 0) {
        past->audits_of_orgs++;
        return true;
    }
    assert(key_ticket_read(key) >= past->queue->audit_from);
    assert(past->queue->audit_due_ms != INT64_MAX || past->queue->options.keep_audit_ms == 0);
    past->audits_of_everybody += audit.org_number != 0;
    return true;
}

/* Answers that are remembered have the timer that forgets them. */
static bool visit_idempotency(void *ctx, struct bytes key, struct bytes value)
{
    struct past *past = ctx;
    struct store_reader *reader = &past->queue->deps.store->reader;
    uint32_t period = key_epoch_read(key);
    struct timer timer = { .due_ms = ((int64_t)period + 2) * IDEMPOTENCY_MS,
                           .kind = TIMER_IDEMPOTENCY,
                           .org = key_org_read(key),
                           .run = period };
    struct key due = key_timer(&timer);
    struct why why = { .text = "" };
    struct bytes found;
    enum err e = reader->ops->get(reader, FAMILY_TIMER, key_bytes(&due), past->mem, &found, &why);

    (void)value;
    assert(e == OK);
    return true;
}

void queue_check_past(struct queue *queue)
{
    struct past past = { .queue = queue,
                         .mem = arena_new(CHECK_BYTES_MAX),
                         .scratch = arena_new(CHECK_BYTES_MAX),
                         .endings_mem = arena_new(CHECK_BYTES_MAX) };
    struct ended_runs ended = { .past = &past };
    struct named named = { .past = &past };
    uint32_t chunks = 0;

    assert(past.mem != NULL && past.scratch != NULL && past.endings_mem != NULL);
    scan(&past, FAMILY_ENDED, NULL, visit_ended, &ended);
    for (const struct ended_run *run = ended.first; run != NULL; run = run->next)
        check_ended(&past, run);
    scan(&past, FAMILY_ENDINGS, NULL, visit_endings, &past);
    scan(&past, FAMILY_SYNC, NULL, visit_sync, &named);
    scan(&past, FAMILY_HISTORY, NULL, visit_count, &chunks);
    assert(named.chunks == chunks);
    scan(&past, FAMILY_PURGE, NULL, visit_order, &past);
    purge_check(queue, past.orders);
    scan(&past, FAMILY_AUDIT, NULL, visit_audit, &past);
    scan(&past, FAMILY_IDEMPOTENCY, NULL, visit_idempotency, &past);
    assert(past.audits_of_orgs == past.audits_of_everybody);
    assert(!link_is_linked(&queue->ended_orgs));
    arena_free(past.endings_mem);
    arena_free(past.scratch);
    arena_free(past.mem);
}
