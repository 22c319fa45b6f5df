#ifndef CORE_KEY_H
#define CORE_KEY_H

#include "core/run.h"
#include "core/store.h"

/* Every key layout of the store, and nothing else knows them. Numbers are
 * big-endian, so that keys sort as their numbers do. All but META's begin with
 * the organisation's slot = hash(organisation id) mod 256: the unit in which
 * organisations could later be spread over threads and nodes.
 *
 *   META         "meta"
 *   ORG          slot  org id                          organisation -> its number
 *   COUNTERS     slot  org:4
 *   SYNC         slot  org:4  name
 *   SPEC         slot  org:4  run:8                    what was asked for
 *   WAITING      slot  org:4  run:8                    state of runs nobody holds
 *   ACTIVE       slot  org:4  run:8                    state of leased runs
 *   ENDED        slot  org:4  purge epoch:4  run:8     state of ended runs
 *   CHECKPOINT   slot  org:4  run:8
 *   READY        slot  org:4  class:1  lane:4  resumed first:1  order:8
 *   BEHIND       slot  org:4  name 0  order:8          runs whose turn comes later
 *   TIMER        slot  due ms:8  kind:1  org:4  run:8, name or period:8
 *   SCHEDULE     slot  org:4  name
 *   WATERMARK    slot  org:4  name 0  entity
 *   IDEMPOTENCY  slot  org:4  period:4  digest:16      answers of one period together
 *   ENDINGS      slot  org:4  purge epoch:4  kind:1  ticket:8   runs that ended in one turn
 *   HISTORY      slot  org:4  name 0  ticket:8         some ended runs of a name
 *   PURGE        slot  org:4  ticket:8                 a filtered purge under way
 *   AUDIT        slot  org:4  ticket:8, and once more under slot 0, org 0: of everybody
 *
 * A purge makes a new purge epoch: what lies under older ones is gone for every
 * reader at once and swept from the disk later. A lane is a pair of source and
 * target: a worker that cannot do one lane's runs steps over it whole. Its number
 * is a hash of the pair, or the next one that no other pair of the class has. */

/* Where an organisation's keys lie. */
struct org_place {
    uint8_t slot;
    uint32_t number;
};

enum { KEY_SIZE_MAX = 320 };

struct key {
    uint8_t data[KEY_SIZE_MAX];
    size_t size;
};

static inline struct bytes key_bytes(const struct key *key)
{
    return (struct bytes){ key->data, key->size };
}

uint8_t key_slot(struct bytes org_id);
uint32_t key_lane(struct bytes source, struct bytes target);

struct key key_meta(void);
struct key key_org(struct bytes org_id);
struct key key_of_org(struct org_place org);                     /* COUNTERS; prefix of most */
struct key key_name(struct org_place org, struct bytes name);    /* SYNC, SCHEDULE */
struct key key_run(struct org_place org, run_id id);             /* SPEC, WAITING, ACTIVE, CHECKPOINT */
struct key key_ended(struct org_place org, uint32_t epoch, run_id id);
struct key key_ended_epoch(struct org_place org, uint32_t epoch);         /* prefix */
struct key key_ready_class(struct org_place org, enum run_priority priority);  /* prefix */
struct key key_ready_lane(struct org_place org, enum run_priority priority, uint32_t lane);
struct key key_ready(struct org_place org, enum run_priority priority, uint32_t lane, bool head,
                     uint64_t order);
struct key key_behind_name(struct org_place org, struct bytes name);      /* prefix */
struct key key_behind(struct org_place org, struct bytes name, uint64_t order);
struct key key_watermark(struct org_place org, struct bytes name, struct bytes entity);
struct key key_watermarks(struct org_place org, struct bytes name);       /* prefix */

/* `digest` tells callers' keys apart: KEY_DIGEST_SIZE bytes of a good hash. */
enum { KEY_DIGEST_SIZE = 16 };
struct key key_idempotency(struct org_place org, uint32_t period, const uint8_t *digest);
struct key key_idempotency_period(struct org_place org, uint32_t period);       /* prefix */

/* Kept for different lengths of time: completed and cancelled runs, failed ones. */
enum ending_kind { ENDING_DONE, ENDING_FAILED, ENDING_KIND_COUNT };

uint32_t key_name_hash(struct bytes name);
struct key key_endings_epoch(struct org_place org, uint32_t epoch);       /* prefix */
struct key key_endings_kind(struct org_place org, uint32_t epoch, enum ending_kind kind);
struct key key_endings(struct org_place org, uint32_t epoch, enum ending_kind kind,
                       uint64_t ticket);
struct key key_history_name(struct org_place org, struct bytes name);     /* prefix */
struct key key_history(struct org_place org, struct bytes name, uint64_t ticket);
struct key key_ticket(struct org_place org, uint64_t ticket);             /* PURGE, AUDIT */

enum timer_kind { TIMER_BACKOFF = 1, TIMER_SCHEDULE = 2, TIMER_IDEMPOTENCY = 3 };

struct timer {
    int64_t due_ms;
    enum timer_kind kind;
    struct org_place org;
    uint64_t run;            /* BACKOFF; IDEMPOTENCY: the period */
    struct bytes name;       /* SCHEDULE */
};

struct key key_timer(const struct timer *timer);
struct key key_timer_from(uint8_t slot, int64_t due_ms);         /* first of that time */
/* The name is lent from the key. False: not a timer's key. */
bool key_timer_read(struct bytes key, struct timer *timer);

/* The first key behind every key that begins with `prefix`; empty where there is
 * none, which a store_range takes as "to the end". */
struct key key_after(const struct key *prefix);

/* Parts of stored keys, for scans. The key is long enough (asserted). */
run_id key_run_read(struct bytes key);            /* the last 8 bytes: run or order */
uint64_t key_ticket_read(struct bytes key);       /* the last 8 bytes */
uint32_t key_epoch_read(struct bytes key);        /* ENDED, ENDINGS */
struct org_place key_org_read(struct bytes key);
struct bytes key_name_read(struct bytes key);     /* SYNC, SCHEDULE */
struct bytes key_entity_read(struct bytes key, struct bytes name);
uint32_t key_lane_read(struct bytes ready_key);
bool key_head_read(struct bytes ready_key);

#endif
