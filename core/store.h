#ifndef CORE_STORE_H
#define CORE_STORE_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What core needs from a disk: ordered maps of bytes, one per key family, with
 * atomic, durable batches over all of them. store_rocksdb.c implements it for
 * real, tests/support/fake_store.c for tests. */

/* One ordered map each (a column family): the keys of one family lie together,
 * which is what makes a large batch cheap. core/store/key.h has the layouts. */
#define STORE_FAMILIES(X)                                                          \
    X(META) X(ORG) X(COUNTERS) X(SYNC) X(SPEC) X(WAITING) X(ACTIVE) X(ENDED)       \
    X(CHECKPOINT) X(READY) X(BEHIND) X(TIMER) X(SCHEDULE) X(WATERMARK)             \
    X(IDEMPOTENCY) X(AUDIT) X(ENDINGS) X(HISTORY) X(PURGE)

enum store_family {
#define STORE_FAMILY(name) FAMILY_##name,
    STORE_FAMILIES(STORE_FAMILY)
#undef STORE_FAMILY
    STORE_FAMILY_COUNT
};

/* "meta", "org", ... as stored on disk. */
const char *store_family_name(enum store_family family);

/* Called once per entry, in the order of the scan. Return false to stop. The
 * bytes are lent for the length of the call. */
typedef bool store_visit_fn(void *ctx, struct bytes key, struct bytes value);

enum store_direction { STORE_FORWARD, STORE_BACKWARD };

/* Entries with from <= key < to; an empty `to` means: to the end. Backward
 * begins at the greatest key. */
struct store_range {
    enum store_family family;
    struct bytes from, to;
    enum store_direction direction;
};

/* Reading: of the newest state, or of a snapshot. */
struct store_reader {
    const struct store_reader_ops *ops;
};

struct store_reader_ops {
    /* Gives the value, copied into mem. ERR_NOT_FOUND if there is none.
     * ERR_LIMIT if mem is full. */
    enum err (*get)(struct store_reader *reader, enum store_family family,
                    struct bytes key, struct arena *mem, struct bytes *value,
                    struct why *why);
    enum err (*scan)(struct store_reader *reader, const struct store_range *range,
                     store_visit_fn *visit, void *ctx, struct why *why);
    /* Ends a snapshot. Not for the store's own reader. */
    void (*close)(struct store_reader *reader);
};

struct store_write {
    enum store_family family;
    bool erase;             /* then value is empty */
    struct bytes key, value;
};

struct store_stats {
    uint64_t commits;       /* durable ones; each is one fsync of the log */
    uint64_t written_bytes; /* keys and values */
    bool uncertain;         /* a commit returned ERR_UNCERTAIN */
    uint64_t free_bytes;    /* of the disk; UINT64_MAX: unknown */
};

struct store;

/* commit: one thread at a time. Readers and snapshots: any thread. */
struct store_ops {
    /* All or nothing, and on disk when it returns OK. `writes` is sorted by
     * (family, key), each pair once. ERR_UNAVAILABLE: none of it happened.
     * ERR_UNCERTAIN: all of it or none of it happened, and only opening the
     * store anew will tell; every later commit returns ERR_UNCERTAIN too. */
    enum err (*commit)(struct store *store, const struct store_write *writes,
                       size_t count, struct why *why);
    /* Gives a reader of the state as it is now, to be closed. */
    enum err (*snapshot)(struct store *store, struct store_reader **snapshot,
                         struct why *why);
    /* Writes a consistent, openable copy into a directory that does not exist. */
    enum err (*backup)(struct store *store, const char *directory, struct why *why);
    /* A hint: everything in the range was erased; make scans over it cheap. */
    void (*forget)(struct store *store, const struct store_range *range);
    struct store_stats (*stats)(struct store *store);
    void (*close)(struct store *store);
};

struct store {
    const struct store_ops *ops;
    struct store_reader reader;   /* of the newest committed state */
};

/* Gives a store over RocksDB in `directory`, created if absent. One process at
 * a time (RocksDB's lock). After a crash everything that was committed is
 * there. */
struct store_rocksdb_options {
    const char *directory;      /* NULL: in memory, for tests */
    size_t cache_bytes;         /* block cache; 0: 32 MiB */
    size_t write_buffer_bytes;  /* all memtables together; 0: 64 MiB */
};

MUST_USE enum err store_rocksdb_open(const struct store_rocksdb_options *options,
                                     struct store **store, struct why *why);

#endif
