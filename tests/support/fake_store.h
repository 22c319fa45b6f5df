#ifndef TESTS_SUPPORT_FAKE_STORE_H
#define TESTS_SUPPORT_FAKE_STORE_H

#include "core/store.h"
#include "tests/support/fault.h"

#include <pthread.h>

/* A store in memory that keeps the whole contract of core/store.h, and breaks
 * when told to. It outlives whoever uses it: close() does nothing, so closing
 * and opening a queue on it is a restart, with fake_store_crash() between them
 * a crash.
 *
 * Faults. `get` and `scan` fail before they do anything; the scan visits
 * nobody. `commit` armed with ERR_UNAVAILABLE drops the batch. Armed with
 * ERR_UNCERTAIN it leaves the batch on its way to the disk, unacknowledged:
 * readers do not see it, every later commit returns ERR_UNCERTAIN, and what
 * became of it is decided when the store is opened anew. */

struct fake_node; /* of an immutable tree: see fake_store.c */
struct fake_backup;

struct fake_state {
    struct fake_node *roots[STORE_FAMILY_COUNT];
};

struct fake_store {
    struct store base;
    struct fault get, scan, commit;
    bool keep_uncertain; /* for fake_store_reopen() */
    unsigned snapshots;  /* open ones */
    unsigned forgotten;  /* calls of forget() */
    struct store_stats stats;
    struct {                 /* where the last scan of each family began: what lies */
        uint8_t data[512];   /* before it costs nothing, be it erased or not */
        size_t size;
    } scanned_from[STORE_FAMILY_COUNT];
    /* Its own. */
    struct fake_state durable, unacknowledged;
    bool uncertain;
    struct fake_backup *backups;
    pthread_mutex_t lock; /* of everything above */
};

void fake_store_init(struct fake_store *store);
/* No snapshot may be open. */
void fake_store_free(struct fake_store *store);

/* The machine stops and the store is opened anew. Of the commits that were not
 * acknowledged (there is one at most) the first `keep` have reached the disk;
 * those that were, always. */
void fake_store_crash(struct fake_store *store, unsigned keep);

/* The same; keep_uncertain decides. */
void fake_store_reopen(struct fake_store *store);

/* Commits that the next crash may keep or lose. */
unsigned fake_store_unacknowledged(struct fake_store *store);

/* Makes `copy` a store of what backup() wrote into that directory. False: no
 * such backup. */
bool fake_store_open_backup(struct fake_store *store, const char *directory,
                            struct fake_store *copy);

/* Entries of all families. */
size_t fake_store_count(struct fake_store *store);
size_t fake_store_count_of(struct fake_store *store, enum store_family family);

#endif
