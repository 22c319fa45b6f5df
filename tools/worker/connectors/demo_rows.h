#ifndef WORKER_DEMO_ROWS_H
#define WORKER_DEMO_ROWS_H

#include <stdbool.h>
#include <stdint.h>

/* The life of the demo shop's rows, as a pure function of (seed, entity, id,
 * time): whoever asks about the same moment sees the same shop. Nothing is
 * stored; every row is computed.
 *
 * Seven eighths of an entity live for ever and change now and then. The others
 * share places: a row lives in its place for `lifetime_ms`, then it is gone and
 * a new one with a higher id is there. So an entity has always the same number
 * of rows, ids are never used again, and new rows have the highest ids. */

enum demo_entity { DEMO_PRODUCTS, DEMO_COLLECTIONS, DEMO_CUSTOMERS, DEMO_ORDERS,
                   DEMO_ENTITY_COUNT };

struct demo_shop {
    uint64_t seed;
    uint64_t counts[DEMO_ENTITY_COUNT];
    int64_t epoch_ms;            /* nothing is asked about earlier times */
    int64_t update_ms;           /* between two changes of a row, on average; 0: never */
    int64_t lifetime_ms;         /* 0: nothing disappears */
};

struct demo_row {
    uint64_t id;                 /* from 1 */
    uint64_t version;            /* changes since it was created */
    int64_t created_at_ms;
    int64_t updated_at_ms;       /* of a deleted row: when it went */
    bool deleted;
};

const char *demo_entity_name(enum demo_entity entity);

/* The first row with an id above `after` that is alive at `now_ms`; with a
 * `low_ms`, only what changed since then (inclusive), and also what was deleted
 * since. False if there is none. */
bool demo_row_next(const struct demo_shop *shop, enum demo_entity entity, int64_t now_ms,
                   int64_t low_ms, uint64_t after, struct demo_row *row);

/* 64 bits that depend on all of it, and on nothing else. */
uint64_t demo_dice(const struct demo_shop *shop, enum demo_entity entity, uint64_t id,
                   uint64_t what);

#endif
