#include "core/store/key.h"

#include "core/limits.h"

#include <assert.h>
#include <string.h>

enum { SLOT_SIZE = 1, ORG_SIZE = SLOT_SIZE + 4, TIMER_HEAD_SIZE = 1 + 8 + 1 + 4 };

_Static_assert(ORG_SIZE + NAME_SIZE_MAX + 1 + NAME_SIZE_MAX + 8 <= KEY_SIZE_MAX,
               "the longest key fits");

static void add_bytes(struct key *key, struct bytes bytes)
{
    assert(key->size + bytes.size <= KEY_SIZE_MAX);
    if (bytes.size > 0)
        memcpy(key->data + key->size, bytes.data, bytes.size);
    key->size += bytes.size;
}

static void add_number(struct key *key, uint64_t number, unsigned size)
{
    assert(key->size + size <= KEY_SIZE_MAX);
    for (unsigned i = 0; i < size; i++)
        key->data[key->size++] = (uint8_t)(number >> 8 * (size - 1 - i));
}

static uint64_t number_at(struct bytes key, size_t offset, unsigned size)
{
    uint64_t number = 0;

    assert(offset + size <= key.size);
    for (unsigned i = 0; i < size; i++)
        number = number << 8 | key.data[offset + i];
    return number;
}

/* FNV-1a: stored on disk, so it must never change. */
static uint64_t hash(uint64_t seed, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        seed = (seed ^ bytes.data[i]) * 1099511628211u;
    return seed;
}

static const uint64_t HASH_SEED = 14695981039346656037u;

uint8_t key_slot(struct bytes org_id)
{
    uint64_t h = hash(HASH_SEED, org_id);

    return (uint8_t)(h ^ h >> 32);
}

uint32_t key_lane(struct bytes source, struct bytes target)
{
    uint64_t h = hash(hash(hash(HASH_SEED, source), bytes_of("", 1)), target);

    return (uint32_t)(h ^ h >> 32);
}

struct key key_meta(void)
{
    struct key key = { .size = 0 };

    add_bytes(&key, bytes_of_text("meta"));
    return key;
}

struct key key_org(struct bytes org_id)
{
    struct key key = { .size = 0 };

    add_number(&key, key_slot(org_id), 1);
    add_bytes(&key, org_id);
    return key;
}

struct key key_of_org(struct org_place org)
{
    struct key key;

    key.size = 0;
    add_number(&key, org.slot, 1);
    add_number(&key, org.number, 4);
    return key;
}

struct key key_name(struct org_place org, struct bytes name)
{
    struct key key = key_of_org(org);

    add_bytes(&key, name);
    return key;
}

struct key key_run(struct org_place org, run_id id)
{
    struct key key = key_of_org(org);

    add_number(&key, id, 8);
    return key;
}

struct key key_ended_epoch(struct org_place org, uint32_t epoch)
{
    struct key key = key_of_org(org);

    add_number(&key, epoch, 4);
    return key;
}

struct key key_ended(struct org_place org, uint32_t epoch, run_id id)
{
    struct key key = key_ended_epoch(org, epoch);

    add_number(&key, id, 8);
    return key;
}

struct key key_ready_class(struct org_place org, enum run_priority priority)
{
    struct key key = key_of_org(org);

    add_number(&key, (uint64_t)(RUN_PRIORITY_CRITICAL - priority), 1);   /* highest first */
    return key;
}

struct key key_ready_lane(struct org_place org, enum run_priority priority, uint32_t lane)
{
    struct key key = key_ready_class(org, priority);

    add_number(&key, lane, 4);
    return key;
}

struct key key_ready(struct org_place org, enum run_priority priority, uint32_t lane, bool head,
                     uint64_t order)
{
    struct key key = key_ready_lane(org, priority, lane);

    add_number(&key, head ? 0 : 1, 1);
    add_number(&key, order, 8);
    return key;
}

static struct key name_and_nul(struct org_place org, struct bytes name)
{
    struct key key = key_name(org, name);

    add_number(&key, 0, 1);
    return key;
}

struct key key_behind_name(struct org_place org, struct bytes name)
{
    return name_and_nul(org, name);
}

struct key key_behind(struct org_place org, struct bytes name, uint64_t order)
{
    struct key key = name_and_nul(org, name);

    add_number(&key, order, 8);
    return key;
}

struct key key_watermarks(struct org_place org, struct bytes name)
{
    return name_and_nul(org, name);
}

struct key key_watermark(struct org_place org, struct bytes name, struct bytes entity)
{
    struct key key = name_and_nul(org, name);

    add_bytes(&key, entity);
    return key;
}

struct key key_idempotency_period(struct org_place org, uint32_t period)
{
    struct key key = key_of_org(org);

    add_number(&key, period, 4);
    return key;
}

struct key key_idempotency(struct org_place org, uint32_t period, const uint8_t *digest)
{
    struct key key = key_idempotency_period(org, period);

    add_bytes(&key, bytes_of(digest, KEY_DIGEST_SIZE));
    return key;
}

struct key key_history_name(struct org_place org, struct bytes name)
{
    return name_and_nul(org, name);
}

struct key key_history(struct org_place org, struct bytes name, uint64_t ticket)
{
    return key_behind(org, name, ticket);
}

uint32_t key_name_hash(struct bytes name)
{
    uint64_t h = hash(HASH_SEED, name);

    return (uint32_t)(h ^ h >> 32);
}

struct key key_endings_epoch(struct org_place org, uint32_t epoch)
{
    return key_ended_epoch(org, epoch);
}

struct key key_endings_kind(struct org_place org, uint32_t epoch, enum ending_kind kind)
{
    struct key key = key_ended_epoch(org, epoch);

    add_number(&key, kind, 1);
    return key;
}

struct key key_endings(struct org_place org, uint32_t epoch, enum ending_kind kind,
                       uint64_t ticket)
{
    struct key key = key_endings_kind(org, epoch, kind);

    add_number(&key, ticket, 8);
    return key;
}

struct key key_ticket(struct org_place org, uint64_t ticket)
{
    return key_run(org, ticket);
}

struct key key_timer_from(uint8_t slot, int64_t due_ms)
{
    struct key key = { .size = 0 };

    assert(due_ms >= 0);
    add_number(&key, slot, 1);
    add_number(&key, (uint64_t)due_ms, 8);
    return key;
}

struct key key_timer(const struct timer *timer)
{
    struct key key = key_timer_from(timer->org.slot, timer->due_ms);

    add_number(&key, timer->kind, 1);
    add_number(&key, timer->org.number, 4);
    if (timer->kind == TIMER_SCHEDULE)
        add_bytes(&key, timer->name);
    else
        add_number(&key, timer->run, 8);
    return key;
}

bool key_timer_read(struct bytes key, struct timer *timer)
{
    if (key.size <= TIMER_HEAD_SIZE || key.data[SLOT_SIZE] > 0x7f)
        return false;    /* no time is negative */
    *timer = (struct timer){ .due_ms = (int64_t)number_at(key, 1, 8),
                             .kind = (enum timer_kind)key.data[9],
                             .org = { key.data[0], (uint32_t)number_at(key, 10, 4) } };
    if (timer->kind == TIMER_SCHEDULE)
        timer->name = bytes_of(key.data + TIMER_HEAD_SIZE, key.size - TIMER_HEAD_SIZE);
    else if ((timer->kind == TIMER_BACKOFF || timer->kind == TIMER_IDEMPOTENCY)
             && key.size == TIMER_HEAD_SIZE + 8)
        timer->run = number_at(key, TIMER_HEAD_SIZE, 8);
    else
        return false;
    return true;
}

struct key key_after(const struct key *prefix)
{
    struct key key = *prefix;

    while (key.size > 0 && key.data[key.size - 1] == 0xff)
        key.size--;
    if (key.size > 0)
        key.data[key.size - 1]++;
    return key;      /* empty: to the end, which is what store_range means by it */
}

run_id key_run_read(struct bytes key)
{
    assert(key.size >= 8);
    return number_at(key, key.size - 8, 8);
}

uint64_t key_ticket_read(struct bytes key)
{
    return key_run_read(key);
}

uint32_t key_epoch_read(struct bytes key)
{
    return (uint32_t)number_at(key, ORG_SIZE, 4);
}

struct org_place key_org_read(struct bytes key)
{
    return (struct org_place){ key.data[0], (uint32_t)number_at(key, 1, 4) };
}

struct bytes key_name_read(struct bytes key)
{
    assert(key.size >= ORG_SIZE);
    return bytes_of(key.data + ORG_SIZE, key.size - ORG_SIZE);
}

struct bytes key_entity_read(struct bytes key, struct bytes name)
{
    size_t head = ORG_SIZE + name.size + 1;

    assert(key.size >= head);
    return bytes_of(key.data + head, key.size - head);
}

uint32_t key_lane_read(struct bytes ready_key)
{
    return (uint32_t)number_at(ready_key, ORG_SIZE + 1, 4);
}

bool key_head_read(struct bytes ready_key)
{
    return number_at(ready_key, ORG_SIZE + 5, 1) == 0;
}
