#include "core/queue/queue_state.h"

#include "core/base/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Purges. Without a filter: a new purge epoch makes everything older invisible
 * at once, and a sweep takes it off the disk, a piece a turn.
 *
 * With a filter there is no epoch to step over, so a durable order is written
 * first: what to take, and the ticket at which it was given; what ends later
 * has a greater one. Each turn then takes a bounded piece, the runs and the
 * order's counts in one batch, and the caller is answered when nothing is left.
 * Requests are served in between. An order outlives a crash and is carried
 * through: what a purge takes is never half of it, and each run is counted
 * once. The alternative, hiding matching runs from every reader until they are
 * swept, would make all readers pay for each purge and still not know the
 * counts that the answer has to give. */

enum { CHUNKS_MAX = 1024, CHUNK_BYTES_PER_TURN = 256 << 10, SPEC_BYTES_PER_TURN = 8 << 20 };

/* The clock may have been set back by so much and a run that ended before a
 * time is still found. */
static const int64_t CLOCK_STEP_MS = 24 * 3600 * 1000;

struct purge_order {
    struct link link;
    struct org *org;
    uint64_t ticket;            /* what ended before it is taken */
    struct purge_record record; /* its name is `name` */
    char *name;
    bool dry_run, done;
    struct purge_request *request; /* NULL: nobody waits any more */
    uint64_t turn, done_turn;      /* when it was written, and when nothing was left */
    enum ending_kind kind;         /* how far it is: this kind, */
    uint64_t from;                 /* this record, */
    uint32_t next;                 /* this one of its runs */
};

static struct key order_key(const struct purge_order *order)
{
    return key_ticket(order->org->place, order->ticket);
}

static void write_order(struct queue *queue, const struct purge_order *order)
{
    struct key key = order_key(order);

    if (order->dry_run)
        return;
    if (order->done)
        txn_erase(queue->txn, FAMILY_PURGE, key_bytes(&key));
    else
        txn_put(queue->txn, FAMILY_PURGE, key_bytes(&key),
                record_write_purge(&order->record, queue->mem));
}

static struct purge_order *add_order(struct queue *queue, struct org *org, uint64_t ticket,
                                     const struct purge_record *record)
{
    struct purge_order *order = calloc(1, sizeof *order);

    if (order == NULL)
        abort();
    order->org = org;
    order->ticket = ticket;
    order->record = *record;
    order->turn = queue->turn;
    order->name = text_copy(record->name);
    order->record.name = bytes_of_text(order->name);
    list_append(&queue->purges, &order->link);
    queue->purge_count++;
    return order;
}

static void free_order(struct queue *queue, struct purge_order *order)
{
    queue->purge_count--;
    list_remove(&order->link);
    free(order->name);
    free(order);
}

/* ---- asking for one ---- */

static bool has_filter(const struct purge_request *req)
{
    return req->older_than_ms != 0 || req->name.size > 0 || req->state != RUN_NONE;
}

static enum err check_request(struct purge_request *req)
{
    struct why *why = &req->base.why;

    if (req->older_than_ms < 0)
        return err_field(why, "olderThan", "olderThan lies before 1970");
    if (req->name.size > 0 && !name_is_valid(req->name))
        return err_field(why, "name", "name must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    if (req->state != RUN_NONE && !run_is_ended(req->state))
        return err_field(why, "status", "status must be completed, failed or cancelled");
    return audit_check_reason(req->reason, why);
}

/* "all", or the filter: "name=orders status=failed olderThan=1767225600000". */
static void audit(struct queue *queue, const struct purge_request *req, const struct org *org)
{
    char text[NAME_SIZE_MAX + 96] = "all", time[32] = "";

    if (req->older_than_ms != 0)
        snprintf(time, sizeof time, " olderThan=%lld", (long long)req->older_than_ms);
    if (has_filter(req))
        snprintf(text, sizeof text, "%s%.*s%s%s%s", req->name.size > 0 ? " name=" : "",
                 (int)req->name.size, req->name.size > 0 ? (const char *)req->name.data : "",
                 req->state != RUN_NONE ? " status=" : "",
                 req->state != RUN_NONE ? run_state_shown(req->state) : "", time);
    audit_add(queue, &req->base, org, "purge", req->actor,
              bytes_of_text(text[0] == ' ' ? text + 1 : text), req->reason);
}

static void purge_all(struct queue *queue, struct purge_request *req, struct org *org)
{
    struct counters *c = &org->counters;

    req->completed = c->kept_completed;
    req->failed = c->kept_failed;
    req->cancelled = c->kept_cancelled;
    if (req->dry_run)
        return;
    audit(queue, req, org);
    if (req->completed + req->failed + req->cancelled == 0)
        return;
    queue->totals.kept_completed -= c->kept_completed;
    queue->totals.kept_failed -= c->kept_failed;
    queue->totals.kept_cancelled -= c->kept_cancelled;
    c->kept_completed = c->kept_failed = c->kept_cancelled = 0;
    c->purge_epoch++;
    history_drop(org);
    for (enum ending_kind kind = 0; kind < ENDING_KIND_COUNT; kind++)
        org->retained[kind].ticket = 0;
    org_touch(queue, org);
    if (!link_is_linked(&org->sweep_link))
        list_append(&queue->sweep_orgs, &org->sweep_link);
}

static void begin_order(struct queue *queue, struct purge_request *req, struct org *org)
{
    struct purge_record record = { .older_than_ms = req->older_than_ms,
                                   .name = req->name,
                                   .state = req->state,
                                   .purge_epoch = org->counters.purge_epoch };
    struct purge_order *order;

    history_write(queue, org); /* what has ended so far gets lower tickets */
    req->ticket = queue_ticket(queue);
    order = add_order(queue, org, req->ticket, &record);
    order->request = req;
    order->dry_run = req->dry_run;
    write_order(queue, order);
    if (!req->dry_run)
        audit(queue, req, org);
}

void handle_purge(struct queue *queue, struct request *request)
{
    struct purge_request *req = container_of(request, struct purge_request, base);
    struct org *org = NULL;
    enum err e = check_request(req);

    req->completed = req->failed = req->cancelled = 0;
    if (e == OK)
        e = org_find(queue, req->org, &org, &request->why);
    if (e == OK)
        e = org_admit(queue, org, &request->why);
    if (e == OK && has_filter(req) && queue->purge_count == PURGES_MAX)
        e = err_because(&request->why, ERR_LIMIT,
                        "%d purges are under way: try again when one is over", PURGES_MAX);
    if (e == OK && has_filter(req)) {
        begin_order(queue, req, org);
        return;
    }
    if (e == OK)
        purge_all(queue, req, org);
    answer(queue, request, e == ERR_NOT_FOUND ? OK : e);
}

/* ---- carrying it through ---- */

/* Records of ends, collected first: what lies in them is looked up afterwards. */
struct piece {
    struct queue *queue;
    struct purge_order *order;
    struct {
        uint64_t ticket;
        struct bytes value;
    } chunks[CHUNKS_MAX];
    unsigned count;
    size_t bytes;
    bool more;
    unsigned looks, taken;
    size_t spec_bytes;
};

static bool visit_chunk(void *ctx, struct bytes key, struct bytes value)
{
    struct piece *piece = ctx;

    if (piece->count == CHUNKS_MAX || piece->bytes > CHUNK_BYTES_PER_TURN) {
        piece->more = true;
        return false;
    }
    piece->chunks[piece->count].ticket = key_ticket_read(key);
    piece->chunks[piece->count++].value = bytes_copy(piece->queue->mem, value);
    piece->bytes += value.size;
    return true;
}

static bool is_full(const struct piece *piece)
{
    return piece->looks >= PURGE_LOOKS_MAX || piece->taken == SWEEP_RUNS_MAX ||
           piece->spec_bytes > SPEC_BYTES_PER_TURN || queue_turn_is_full(piece->queue);
}

/* The hash has said that it may be. */
static enum err check_name(struct piece *piece, run_id id, bool *match, struct why *why)
{
    struct queue *queue = piece->queue;
    struct key key = key_run(piece->order->org->place, id);
    struct run_spec spec;
    struct bytes value;
    enum err e = txn_get(queue->txn, FAMILY_SPEC, key_bytes(&key), queue->mem, &value, why);

    if (e == ERR_NOT_FOUND)
        return err_because(why, ERR_CORRUPT, "a job has lost its specification");
    if (e == OK)
        e = record_read_spec(value, queue->mem, &spec, why);
    if (e != OK)
        return e;
    piece->spec_bytes += value.size;
    *match = bytes_equal(spec.name, piece->order->record.name);
    return OK;
}

static void count(struct purge_record *record, enum run_state state)
{
    record->completed += state == RUN_COMPLETED;
    record->failed += state == RUN_FAILED;
    record->cancelled += state == RUN_CANCELLED;
}

/* *stays: the filter spares it. */
static enum err take(struct piece *piece, uint64_t ticket, const struct ending *ending, bool *stays,
                     struct why *why)
{
    struct purge_order *order = piece->order;
    const struct purge_record *filter = &order->record;
    struct queue *queue = piece->queue;
    bool there, match = true;
    struct run run;
    enum err e;

    *stays = (filter->state != RUN_NONE && filter->state != ending->state) ||
             (filter->name.size > 0 && key_name_hash(filter->name) != ending->name);
    if (*stays)
        return OK;
    piece->taken++;
    e = history_load(queue, order->org, ending->run, &run, &there, why);
    if (e != OK || !there || run.ended_ticket != ticket)
        return e;
    if (filter->name.size > 0)
        e = check_name(piece, ending->run, &match, why);
    *stays = !match;
    if (e != OK || !match)
        return e;
    count(&order->record, run.state);
    if (!order->dry_run)
        history_erase(queue, order->org, ending->run, &run);
    return OK;
}

/* False in *all: the rest is for the next turn. */
static enum err take_chunk(struct piece *piece, uint64_t ticket, struct bytes value, bool *all,
                           struct why *why)
{
    struct purge_order *order = piece->order;
    struct endings_record record;
    bool stay = order->next > 0; /* of the first part nobody knows any more */
    enum err e = record_read_endings(value, piece->queue->mem, &record, why);

    *all = true;
    piece->looks++;
    if (e != OK)
        return e;
    if (order->record.older_than_ms != 0 && record.ended_at_ms >= order->record.older_than_ms)
        return OK;
    for (; order->next < record.count; order->next++) {
        bool stays;

        if (is_full(piece)) {
            *all = false;
            order->from = ticket;
            return OK;
        }
        piece->looks++;
        e = take(piece, ticket, &record.endings[order->next], &stays, why);
        if (e != OK)
            return e;
        stay |= stays;
    }
    if (!stay && !order->dry_run) {
        struct key key =
            key_endings(order->org->place, order->record.purge_epoch, order->kind, ticket);

        txn_erase(piece->queue->txn, FAMILY_ENDINGS, key_bytes(&key));
    }
    return OK;
}

static bool is_beyond(const struct purge_order *order, uint64_t ticket)
{
    return order->record.older_than_ms != 0 &&
           (int64_t)(ticket >> 12) - CLOCK_STEP_MS >= order->record.older_than_ms;
}

/* A piece of the records of one kind; *all: none are left. */
static enum err take_kind(struct piece *piece, bool *all, struct why *why)
{
    struct purge_order *order = piece->order;
    struct org_place place = order->org->place;
    uint32_t epoch = order->record.purge_epoch;
    struct key from = key_endings(place, epoch, order->kind, order->from);
    struct key to = key_endings(place, epoch, order->kind, order->ticket);
    struct store_range range = { FAMILY_ENDINGS, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    enum err e;

    piece->count = 0;
    piece->more = false;
    e = txn_scan(piece->queue->txn, &range, visit_chunk, piece, why);
    for (unsigned i = 0; i < piece->count && e == OK; i++) {
        uint64_t ticket = piece->chunks[i].ticket;

        if (ticket != order->from)
            order->next = 0;
        order->from = ticket;
        if (is_beyond(order, ticket)) {
            *all = true;
            return OK;
        }
        *all = !is_full(piece);
        if (*all)
            e = take_chunk(piece, ticket, piece->chunks[i].value, all, why);
        if (e != OK || !*all)
            return e;
        order->from = ticket + 1;
        order->next = 0;
    }
    *all = !piece->more;
    return e;
}

static bool wants(const struct purge_order *order, enum ending_kind kind)
{
    return order->record.state == RUN_NONE || ending_kind(order->record.state) == kind;
}

static enum err advance(struct queue *queue, struct purge_order *order, struct why *why)
{
    struct piece *piece = arena_alloc(queue->mem, sizeof *piece);
    enum err e = OK;
    bool all = true;

    if (piece == NULL)
        abort();
    piece->queue = queue;
    piece->order = order;
    piece->looks = piece->taken = 0;
    piece->spec_bytes = piece->bytes = 0;
    while (e == OK && all && order->kind < ENDING_KIND_COUNT &&
           order->record.purge_epoch == order->org->counters.purge_epoch) {
        if (wants(order, order->kind))
            e = take_kind(piece, &all, why);
        if (e == OK && all) {
            order->kind++;
            order->from = order->next = 0;
        }
    }
    order->done = e == OK && all; /* a newer epoch has taken what was left, too */
    order->done_turn = queue->turn;
    write_order(queue, order);
    return e;
}

/* The first that still has something to do. */
static struct purge_order *next_order(const struct queue *queue)
{
    list_each(link, &queue->purges) {
        struct purge_order *order = container_of(link, struct purge_order, link);

        if (!order->done)
            return order;
    }
    return NULL;
}

/* Of one order a turn; they take turns. */
void purge_advance(struct queue *queue)
{
    struct purge_order *order = next_order(queue);
    struct why why = { .text = "" };
    enum err e;

    if (order == NULL || queue_turn_is_full(queue))
        return;
    list_remove(&order->link);
    list_append(&queue->purges, &order->link);
    e = advance(queue, order, &why);
    if (e != OK)
        queue_fail_turn(queue, e, &why);
}

bool purge_is_due(const struct queue *queue)
{
    return next_order(queue) != NULL;
}

static bool is_stored(const struct queue *queue, const struct purge_order *order)
{
    return !order->dry_run && order->turn <= queue->stored_turn;
}

void purge_answer(struct queue *queue, struct link *answers)
{
    list_each_safe(link, &queue->purges) {
        struct purge_order *order = container_of(link, struct purge_order, link);
        struct purge_request *req = order->request;

        if (!order->done || order->done_turn > queue->stored_turn)
            continue;
        if (req != NULL) {
            req->completed = order->record.completed;
            req->failed = order->record.failed;
            req->cancelled = order->record.cancelled;
            list_append(answers, &req->base.link);
        }
        free_order(queue, order);
    }
}

/* ---- when the store fails, and over restarts ---- */

void purge_failed(struct queue *queue)
{
    list_each_safe(link, &queue->purges) {
        struct purge_order *order = container_of(link, struct purge_order, link);

        if (is_stored(queue, order))
            continue;
        if (order->request != NULL)
            list_append(&queue->answers, &order->request->base.link);
        free_order(queue, order);
    }
}

/* Whoever waits goes on waiting: the order is in the store. */
void purge_forget(struct queue *queue)
{
    while (link_is_linked(&queue->purges)) {
        struct purge_order *order = container_of(queue->purges.next, struct purge_order, link);

        if (order->request != NULL)
            list_append(&queue->purge_waits, &order->request->base.link);
        free_order(queue, order);
    }
}

static struct purge_request *who_waits(struct queue *queue, uint64_t ticket)
{
    list_each(link, &queue->purge_waits) {
        struct request *request = container_of(link, struct request, link);
        struct purge_request *req = container_of(request, struct purge_request, base);

        if (req->ticket == ticket) {
            list_remove(link);
            return req;
        }
    }
    return NULL;
}

struct purge_loading {
    struct queue *queue;
    enum err e;
    struct why *why;
};

static bool visit_order(void *ctx, struct bytes key, struct bytes value)
{
    struct purge_loading *loading = ctx;
    struct queue *queue = loading->queue;
    struct org *org = org_at(queue, key_org_read(key));
    struct purge_record record;
    struct purge_order *order;

    if (org == NULL) {
        loading->e =
            err_because(loading->why, ERR_CORRUPT, "a purge of an organisation that is not there");
        return false;
    }
    loading->e = record_read_purge(value, queue->mem, &record, loading->why);
    if (loading->e != OK)
        return false;
    order = add_order(queue, org, key_ticket_read(key), &record);
    order->turn = 0;
    order->request = who_waits(queue, order->ticket);
    log_event(LOG_INFO, "a purge goes on", LOG_TEXT("org", org->id));
    return true;
}

enum err purge_load(struct queue *queue, struct why *why)
{
    struct purge_loading loading = { queue, OK, why };
    struct store_range range = { .family = FAMILY_PURGE };
    enum err e = txn_scan(queue->txn, &range, visit_order, &loading, why);

    return e != OK ? e : loading.e;
}

void purge_give_up(struct queue *queue, const char *text)
{
    purge_forget(queue);
    while (link_is_linked(&queue->purge_waits)) {
        struct request *request = container_of(queue->purge_waits.next, struct request, link);
        bool dry_run = container_of(request, struct purge_request, base)->dry_run;
        enum err e = dry_run ? ERR_UNAVAILABLE : ERR_UNCERTAIN;

        list_remove(&request->link);
        (void)err_because(&request->why, e, "%s%s", text,
                          dry_run ? "" : "; the purge will be carried through");
        request->done(request, e);
    }
}

void purge_check(const struct queue *queue, uint32_t stored)
{
    list_each(link, &queue->purges) {
        const struct purge_order *order = container_of(link, struct purge_order, link);

        assert(!order->done && (is_stored(queue, order) || order->dry_run));
        if (!order->dry_run)
            stored--;
    }
    assert(stored == 0);
}

/* ---- what unfiltered purges left on the disk ---- */

struct sweep {
    struct queue *queue;
    struct org *org;
    unsigned count;
};

void swept_note(struct swept *swept, struct bytes key)
{
    assert(key.size <= sizeof swept->data);
    memcpy(swept->data, key.data, key.size);
    swept->size = (uint8_t)key.size;
}

static bool visit_swept(void *ctx, struct bytes key, struct bytes value)
{
    struct sweep *sweep = ctx;
    struct txn *txn = sweep->queue->txn;
    struct key run = key_run(sweep->org->place, key_run_read(key));

    (void)value;
    if (sweep->count == SWEEP_RUNS_MAX)
        return false;
    txn_erase(txn, FAMILY_SPEC, key_bytes(&run));
    txn_erase(txn, FAMILY_CHECKPOINT, key_bytes(&run));
    txn_erase(txn, FAMILY_ENDED, bytes_copy(sweep->queue->mem, key));
    swept_note(&sweep->org->swept_ended, key);
    sweep->count++;
    return true;
}

static bool visit_swept_endings(void *ctx, struct bytes key, struct bytes value)
{
    struct sweep *sweep = ctx;

    (void)value;
    if (sweep->count == SWEEP_RUNS_MAX)
        return false;
    txn_erase(sweep->queue->txn, FAMILY_ENDINGS, bytes_copy(sweep->queue->mem, key));
    swept_note(&sweep->org->swept_endings, key);
    sweep->count++;
    return true;
}

/* A piece of a family. Old epochs get no new keys, so the next one goes on behind
 * it: to begin at the beginning would be to walk, each time, over all that is left
 * on the disk of the pieces before. */
static enum err sweep_family(struct sweep *sweep, const struct store_range *whole,
                             store_visit_fn *visit, struct swept *swept, struct why *why)
{
    struct store_range range = *whole;
    struct swept from = *swept; /* which moves on while it is scanned */

    if (from.size > 0)
        range.from = bytes_of(from.data, from.size);
    return txn_scan(sweep->queue->txn, &range, visit, sweep, why);
}

static void forget_swept(struct queue *queue, struct org *org, const struct store_range *ended,
                         const struct store_range *endings)
{
    org->swept_ended.size = org->swept_endings.size = 0;
    queue->deps.store->ops->forget(queue->deps.store, ended);
    queue->deps.store->ops->forget(queue->deps.store, endings);
}

/* Both families' keys of the epochs that are over. */
static enum err sweep_org(struct queue *queue, struct org *org, bool *all, struct why *why)
{
    struct key from = key_ended_epoch(org->place, org->counters.swept_epoch);
    struct key to = key_ended_epoch(org->place, org->counters.purge_epoch);
    struct store_range ended = { FAMILY_ENDED, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    struct store_range endings = ended;
    struct sweep sweep = { queue, org, 0 };
    enum err e = sweep_family(&sweep, &ended, visit_swept, &org->swept_ended, why);

    endings.family = FAMILY_ENDINGS;
    if (e == OK && sweep.count < SWEEP_RUNS_MAX)
        e = sweep_family(&sweep, &endings, visit_swept_endings, &org->swept_endings, why);
    *all = sweep.count < SWEEP_RUNS_MAX;
    if (e == OK && *all)
        forget_swept(queue, org, &ended, &endings);
    return e;
}

void purge_sweep(struct queue *queue)
{
    struct org *org;
    struct why why = { .text = "" };
    bool all;
    enum err e;

    if (!link_is_linked(&queue->sweep_orgs))
        return;
    org = container_of(queue->sweep_orgs.next, struct org, sweep_link);
    e = sweep_org(queue, org, &all, &why);
    if (e != OK) {
        queue_fail_turn(queue, e, &why);
        return;
    }
    list_remove(&org->sweep_link);
    if (!all) {
        list_append(&queue->sweep_orgs, &org->sweep_link);
        return;
    }
    org->counters.swept_epoch = org->counters.purge_epoch;
    org_touch(queue, org);
}
