#include "core/queue/queue_state.h"

#include <assert.h>

/* Idempotency keys: the answer to an accepted request is kept for a day, so
 * that a caller who did not hear it may ask again. Answers of one period (a
 * day) lie together: a timer for each period sweeps it when the last of them
 * has expired, and looking for a key means looking into the periods around. */

enum { SWEEP_KEYS_PER_TURN = 512 };

static uint32_t period_of(int64_t ms)
{
    return (uint32_t)(ms / IDEMPOTENCY_MS);
}

static enum err check_key(const struct submit_request *req, struct why *why)
{
    struct bytes key = req->request_id;

    if (key.size > REQUEST_ID_SIZE_MAX)
        return err_field(why, "requestId", "requestId is longer than %d characters",
                         REQUEST_ID_SIZE_MAX);
    for (size_t i = 0; i < key.size; i++)
        if (key.data[i] < ' ' || key.data[i] > '~')
            return err_field(why, "requestId",
                             "requestId has a character that is not printable ASCII");
    return OK;
}

/* Whose key, and which. */
static void digest_of_key(const struct submit_request *req, uint8_t digest[SHA256_SIZE])
{
    struct sha256 hash;

    _Static_assert((int)KEY_DIGEST_SIZE <= (int)SHA256_SIZE, "the first of its bytes are stored");
    sha256_begin(&hash);
    sha256_add(&hash, req->caller);
    sha256_add(&hash, bytes_of("", 1));
    sha256_add(&hash, req->request_id);
    sha256_end(&hash, digest);
}

static enum err find_in(struct queue *queue, struct org *org, uint32_t period,
                        const uint8_t *digest, struct arena *mem,
                        struct idempotency_record *record, struct why *why)
{
    struct key key = key_idempotency(org->place, period, digest);
    struct bytes value;
    enum err e = txn_get(queue->txn, FAMILY_IDEMPOTENCY, key_bytes(&key), mem, &value, why);

    return e == OK ? record_read_idempotency(value, mem, record, why) : e;
}

/* The newest one, if it is in force. Behind this period lies what was written
 * before the clock was set back: it must not speak again for what came later. */
static enum err find(struct queue *queue, struct org *org, struct submit_request *req,
                     struct idempotency_record *newest)
{
    uint32_t now = period_of(queue->now_ms);
    uint8_t digest[SHA256_SIZE];

    *newest = (struct idempotency_record){ .id = 0 };
    digest_of_key(req, digest);
    for (uint32_t period = now > 0 ? now - 1 : 0; period <= now + 1; period++) {
        struct idempotency_record record;
        enum err e = find_in(queue, org, period, digest, req->base.mem, &record, &req->base.why);

        if (e != OK && e != ERR_NOT_FOUND)
            return e;
        if (e == OK && record.ticket >= newest->ticket)
            *newest = record;
    }
    return newest->id != 0 && newest->expires_at_ms > queue->now_ms ? OK : ERR_NOT_FOUND;
}

static void fill(const struct idempotency_record *record, struct submit_request *req)
{
    req->replayed = true;
    req->info = (struct run_info){
        .id = record->id,
        .org = req->org,
        .spec = { .name = record->name },
        .run = record->run,
        .duplicate = record->duplicate,
        .wait = record->wait,
        .estimated_start_ms = record->estimated_start_ms,
        .estimated_completion_ms = record->estimated_completion_ms,
        .estimate_low_ms = record->estimate_low_ms,
        .estimate_high_ms = record->estimate_high_ms,
    };
    if (record->estimate_basis.size > 0)
        req->info.estimate_basis = arena_copy(req->base.mem, record->estimate_basis.data,
                                              record->estimate_basis.size);
    memcpy(req->info.next_runs_ms, record->next_runs_ms, sizeof req->info.next_runs_ms);
}

enum err idempotency_replay(struct queue *queue, struct submit_request *req)
{
    struct idempotency_record record;
    struct why *why = &req->base.why;
    struct org *org;
    enum err e;

    req->replayed = false;
    if (req->request_id.size == 0)
        return ERR_NOT_FOUND;
    e = check_key(req, why);
    if (e == OK)
        e = org_find(queue, req->org, &org, why);
    if (e == OK)
        e = find(queue, org, req, &record);
    if (e != OK)
        return e;
    if (!bytes_equal(record.digest, bytes_of(req->digest, SHA256_SIZE))) {
        (void)err_field(why, "requestId",
                        "requestId was used for another request within the last day");
        return ERR_CONFLICT;
    }
    fill(&record, req);
    return OK;
}

/* Due when the last answer of the period has expired. */
static void set_timer(struct queue *queue, struct org *org, uint32_t period)
{
    struct timer timer = { .due_ms = ((int64_t)period + 2) * IDEMPOTENCY_MS,
                           .kind = TIMER_IDEMPOTENCY,
                           .org = org->place,
                           .run = period };
    struct key key = key_timer(&timer);

    txn_put(queue->txn, FAMILY_TIMER, key_bytes(&key), bytes_of(NULL, 0));
    queue_timer_due(queue, &timer);
}

void idempotency_keep(struct queue *queue, struct org *org, const struct submit_request *req)
{
    const struct run_info *info = &req->info;
    struct idempotency_record record = {
        .digest = bytes_of(req->digest, SHA256_SIZE),
        .expires_at_ms = queue->now_ms + IDEMPOTENCY_MS,
        .id = info->id,
        .name = info->spec.name,
        .run = info->run,
        .duplicate = info->duplicate,
        .wait = info->wait,
        .estimated_start_ms = info->estimated_start_ms,
        .estimated_completion_ms = info->estimated_completion_ms,
        .estimate_low_ms = info->estimate_low_ms,
        .estimate_high_ms = info->estimate_high_ms,
        .estimate_basis = bytes_of_text(info->estimate_basis),
    };
    uint32_t period = period_of(queue->now_ms);
    uint8_t digest[SHA256_SIZE];
    struct key key;

    if (req->request_id.size == 0)
        return;
    record.ticket = queue_ticket(queue);
    digest_of_key(req, digest);
    key = key_idempotency(org->place, period, digest);
    memcpy(record.next_runs_ms, info->next_runs_ms, sizeof record.next_runs_ms);
    txn_put(queue->txn, FAMILY_IDEMPOTENCY, key_bytes(&key),
            record_write_idempotency(&record, queue->mem));
    if (org->idempotency_period != period)
        set_timer(queue, org, period);
    org->idempotency_period = period;
}

struct sweep {
    struct queue *queue;
    struct swept *swept;
    unsigned count;
    bool goes_on;
};

static bool visit_swept(void *ctx, struct bytes key, struct bytes value)
{
    struct sweep *sweep = ctx;

    (void)value;
    if (sweep->count == SWEEP_KEYS_PER_TURN)
        return false;
    txn_erase(sweep->queue->txn, FAMILY_IDEMPOTENCY, bytes_copy(sweep->queue->mem, key));
    swept_note(sweep->swept, key);
    sweep->count++;
    return true;
}

/* Goes on behind the piece before, if that was of this period. */
static enum err sweep_piece(struct sweep *sweep, const struct store_range *period, struct why *why)
{
    struct store_range range = *period;
    struct swept from = *sweep->swept; /* which moves on while it is scanned */
    enum err e;

    sweep->goes_on = from.size > period->from.size &&
                     memcmp(from.data, period->from.data, period->from.size) == 0;
    if (sweep->goes_on)
        range.from = bytes_of(from.data, from.size);
    e = txn_scan(sweep->queue->txn, &range, visit_swept, sweep, why);
    if (e == OK && sweep->count < SWEEP_KEYS_PER_TURN)
        sweep->swept->size = 0;
    return e;
}

/* A piece of the period; its timer stays due until nothing is left. A clock that
 * was set back may have added answers before the place where it goes on: the last
 * look begins at the beginning. */
enum err idempotency_sweep(struct queue *queue, const struct timer *timer, struct why *why)
{
    struct org *org = org_at(queue, timer->org);
    uint32_t period = (uint32_t)timer->run;
    struct key from = key_idempotency_period(timer->org, period), to = key_after(&from);
    struct store_range range = { FAMILY_IDEMPOTENCY, key_bytes(&from), key_bytes(&to),
                                 STORE_FORWARD };
    struct sweep sweep = { .queue = queue };
    enum err e;

    if (org == NULL)
        return OK;
    sweep.swept = &org->swept_answers;
    e = sweep_piece(&sweep, &range, why);
    if (e != OK)
        return e;
    if (sweep.count == SWEEP_KEYS_PER_TURN || sweep.goes_on) {
        set_timer(queue, org, period);
        return OK;
    }
    if (org->idempotency_period == period)
        org->idempotency_period = 0;
    queue->deps.store->ops->forget(queue->deps.store, &range);
    return OK;
}
