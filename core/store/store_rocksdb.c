#include "core/store.h"
#include "core/base/list.h"

#include <assert.h>
#include <errno.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* The store over RocksDB: a column family for each key family, one write-ahead
 * log for all of them, synced before commit returns. A commit that fails leaves
 * it open whether the log has it, so the store then refuses every later one:
 * only reading the log anew, by opening the store again, can tell. */

enum {
    CACHE_BYTES_DEFAULT = 32 << 20,
    WRITE_BUFFER_BYTES_DEFAULT = 64 << 20,
    RESERVE_BYTES = 64 << 20, /* of the disk, left free: see has_room() */
    BATCH_KEPT_BYTES_MAX = 8 << 20,
    TOMBSTONE_WINDOW = 512,                    /* a file with so many keys in a row ... */
    TOMBSTONE_TRIGGER = 256,                   /* ... of which so many are erased is compacted */
    FAMILIES_ON_DISK = STORE_FAMILY_COUNT + 1, /* RocksDB wants its "default" too */
};

struct rocks {
    struct store base;
    char *directory; /* NULL: in memory */
    rocksdb_env_t *env;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *synced;
    rocksdb_readoptions_t *newest;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *families[FAMILIES_ON_DISK];
    rocksdb_writebatch_t *batch;
    atomic_bool uncertain; /* a commit failed */
    atomic_uint snapshots; /* open ones */
    atomic_uint_fast64_t commits, written_bytes;
};

struct rocks_snapshot {
    struct store_reader base;
    struct rocks *rocks;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *options;
};

static struct rocks *rocks_of(struct store *store)
{
    return container_of(store, struct rocks, base);
}

/* Takes RocksDB's message. */
static enum err because(struct why *why, enum err code, const char *doing, char *message)
{
    if (strncmp(message, "Corruption", 10) == 0 && code != ERR_UNCERTAIN)
        code = ERR_CORRUPT;
    err_because(why, code, "the store failed %s: %s", doing, message);
    rocksdb_free(message);
    return code;
}

/* ---- reading ---- */

static enum err get(struct rocks *rocks, const rocksdb_readoptions_t *options,
                    enum store_family family, struct bytes key, struct arena *mem,
                    struct bytes *value, struct why *why)
{
    char *message = NULL;
    rocksdb_pinnableslice_t *slice;
    const char *data;
    size_t size;

    slice = rocksdb_get_pinned_cf(rocks->db, options, rocks->families[family],
                                  (const char *)key.data, key.size, &message);
    if (message != NULL)
        return because(why, ERR_UNAVAILABLE, "to read", message);
    if (slice == NULL)
        return ERR_NOT_FOUND;
    data = rocksdb_pinnableslice_value(slice, &size);
    *value = bytes_of(arena_copy(mem, data, size), size);
    rocksdb_pinnableslice_destroy(slice);
    if (value->data == NULL)
        return err_because(why, ERR_LIMIT, "%zu stored bytes exceed the memory for one request",
                           size);
    return OK;
}

static void set_bounds(rocksdb_readoptions_t *options, const struct store_range *range)
{
    rocksdb_readoptions_set_iterate_lower_bound(options, (const char *)range->from.data,
                                                range->from.size);
    if (range->to.size > 0)
        rocksdb_readoptions_set_iterate_upper_bound(options, (const char *)range->to.data,
                                                    range->to.size);
}

static void visit_each(rocksdb_iterator_t *it, enum store_direction direction,
                       store_visit_fn *visit, void *ctx)
{
    bool backward = direction == STORE_BACKWARD;

    (backward ? rocksdb_iter_seek_to_last : rocksdb_iter_seek_to_first)(it);
    for (; rocksdb_iter_valid(it); (backward ? rocksdb_iter_prev : rocksdb_iter_next)(it)) {
        size_t key_size, value_size;
        const char *key = rocksdb_iter_key(it, &key_size);
        const char *value = rocksdb_iter_value(it, &value_size);

        if (!visit(ctx, bytes_of(key, key_size), bytes_of(value, value_size)))
            return;
    }
}

static enum err scan(struct rocks *rocks, const rocksdb_snapshot_t *snapshot,
                     const struct store_range *range, store_visit_fn *visit, void *ctx,
                     struct why *why)
{
    rocksdb_readoptions_t *options;
    rocksdb_iterator_t *it;
    char *message = NULL;

    if (range->to.size > 0 && bytes_compare(range->from, range->to) >= 0)
        return OK;
    options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_background_purge_on_iterator_cleanup(options, 1);
    if (snapshot != NULL)
        rocksdb_readoptions_set_snapshot(options, snapshot);
    set_bounds(options, range);
    it = rocksdb_create_iterator_cf(rocks->db, options, rocks->families[range->family]);
    visit_each(it, range->direction, visit, ctx);
    rocksdb_iter_get_error(it, &message);
    rocksdb_iter_destroy(it);
    rocksdb_readoptions_destroy(options);
    return message == NULL ? OK : because(why, ERR_UNAVAILABLE, "to read", message);
}

static enum err newest_get(struct store_reader *reader, enum store_family family, struct bytes key,
                           struct arena *mem, struct bytes *value, struct why *why)
{
    struct rocks *rocks = container_of(reader, struct rocks, base.reader);

    return get(rocks, rocks->newest, family, key, mem, value, why);
}

static enum err newest_scan(struct store_reader *reader, const struct store_range *range,
                            store_visit_fn *visit, void *ctx, struct why *why)
{
    return scan(container_of(reader, struct rocks, base.reader), NULL, range, visit, ctx, why);
}

static enum err snapshot_get(struct store_reader *reader, enum store_family family,
                             struct bytes key, struct arena *mem, struct bytes *value,
                             struct why *why)
{
    struct rocks_snapshot *snapshot = container_of(reader, struct rocks_snapshot, base);

    return get(snapshot->rocks, snapshot->options, family, key, mem, value, why);
}

static enum err snapshot_scan(struct store_reader *reader, const struct store_range *range,
                              store_visit_fn *visit, void *ctx, struct why *why)
{
    struct rocks_snapshot *snapshot = container_of(reader, struct rocks_snapshot, base);

    return scan(snapshot->rocks, snapshot->snapshot, range, visit, ctx, why);
}

static void snapshot_close(struct store_reader *reader)
{
    struct rocks_snapshot *snapshot = container_of(reader, struct rocks_snapshot, base);

    rocksdb_release_snapshot(snapshot->rocks->db, snapshot->snapshot);
    rocksdb_readoptions_destroy(snapshot->options);
    atomic_fetch_sub(&snapshot->rocks->snapshots, 1);
    free(snapshot);
}

static enum err rocks_snapshot(struct store *store, struct store_reader **out, struct why *why)
{
    static const struct store_reader_ops ops = { snapshot_get, snapshot_scan, snapshot_close };
    struct rocks_snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (snapshot == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory for a snapshot");
    snapshot->base.ops = &ops;
    snapshot->rocks = rocks_of(store);
    snapshot->snapshot = rocksdb_create_snapshot(snapshot->rocks->db);
    snapshot->options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(snapshot->options, snapshot->snapshot);
    atomic_fetch_add(&snapshot->rocks->snapshots, 1);
    *out = &snapshot->base;
    return OK;
}

/* ---- writing ---- */

static bool comes_before(const struct store_write *a, const struct store_write *b)
{
    return a->family != b->family ? a->family < b->family : bytes_compare(a->key, b->key) < 0;
}

/* Returns the bytes of keys and values. */
static uint64_t fill_batch(struct rocks *rocks, const struct store_write *writes, size_t count)
{
    uint64_t bytes = 0;

    rocksdb_writebatch_clear(rocks->batch);
    for (size_t i = 0; i < count; i++) {
        const struct store_write *w = &writes[i];
        rocksdb_column_family_handle_t *family = rocks->families[w->family];

        assert(i == 0 || comes_before(w - 1, w));
        bytes += w->key.size + w->value.size;
        if (w->erase)
            rocksdb_writebatch_delete_cf(rocks->batch, family, (const char *)w->key.data,
                                         w->key.size);
        else
            rocksdb_writebatch_put_cf(rocks->batch, family, (const char *)w->key.data, w->key.size,
                                      (const char *)w->value.data, w->value.size);
    }
    return bytes;
}

static uint64_t free_bytes(const struct rocks *rocks)
{
    struct statvfs disk;

    if (rocks->directory == NULL || statvfs(rocks->directory, &disk) != 0)
        return UINT64_MAX;
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

/* A full disk noticed before the write is an ordinary refusal; noticed by it,
 * an uncertain outcome. The reserve also lets compaction free space again. */
static bool has_room(const struct rocks *rocks, uint64_t bytes)
{
    return free_bytes(rocks) >= RESERVE_BYTES + 2 * bytes;
}

/* A batch keeps its memory for the next one, but not that of a giant. */
static void trim_batch(struct rocks *rocks, uint64_t bytes)
{
    if (bytes <= BATCH_KEPT_BYTES_MAX)
        return;
    rocksdb_writebatch_destroy(rocks->batch);
    rocks->batch = rocksdb_writebatch_create();
}

static enum err write_synced(struct rocks *rocks, struct why *why)
{
    char *message = NULL;

    rocksdb_write(rocks->db, rocks->synced, rocks->batch, &message);
    if (message == NULL)
        return OK;
    rocks->uncertain = true;
    return because(why, ERR_UNCERTAIN, "to write", message);
}

static enum err rocks_commit(struct store *store, const struct store_write *writes, size_t count,
                             struct why *why)
{
    struct rocks *rocks = rocks_of(store);
    uint64_t bytes;
    enum err e;

    if (rocks->uncertain)
        return err_because(why, ERR_UNCERTAIN,
                           "an earlier write failed: the store must be opened anew");
    if (count == 0)
        return OK;
    bytes = fill_batch(rocks, writes, count);
    if (!has_room(rocks, bytes))
        e = err_because(why, ERR_UNAVAILABLE, "the disk is full");
    else
        e = write_synced(rocks, why);
    trim_batch(rocks, bytes);
    if (e == OK) {
        atomic_fetch_add_explicit(&rocks->commits, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&rocks->written_bytes, bytes, memory_order_relaxed);
    }
    return e;
}

static enum err rocks_backup(struct store *store, const char *directory, struct why *why)
{
    struct rocks *rocks = rocks_of(store);
    rocksdb_checkpoint_t *checkpoint;
    char *message = NULL;
    struct stat st;

    if (rocks->directory == NULL)
        return err_because(why, ERR_UNSUPPORTED, "a store in memory cannot be backed up");
    if (lstat(directory, &st) == 0)
        return err_because(why, ERR_EXISTS, "%s exists already", directory);
    checkpoint = rocksdb_checkpoint_object_create(rocks->db, &message);
    if (message == NULL)
        rocksdb_checkpoint_create(checkpoint, directory, 0, &message);
    if (checkpoint != NULL)
        rocksdb_checkpoint_object_destroy(checkpoint);
    return message == NULL ? OK : because(why, ERR_UNAVAILABLE, "to write a copy", message);
}

/* Compacted, not dropped file by file: a dropped file may hold the very
 * tombstones that hide older entries in a file which is kept. */
static void rocks_forget(struct store *store, const struct store_range *range)
{
    struct rocks *rocks = rocks_of(store);
    char *message = NULL;

    rocksdb_suggest_compact_range_cf(
        rocks->db, rocks->families[range->family], (const char *)range->from.data, range->from.size,
        range->to.size > 0 ? (const char *)range->to.data : NULL, range->to.size, &message);
    rocksdb_free(message); /* a hint that was not taken is no failure */
}

static struct store_stats rocks_stats(struct store *store)
{
    struct rocks *rocks = rocks_of(store);

    return (struct store_stats){ atomic_load(&rocks->commits), atomic_load(&rocks->written_bytes),
                                 atomic_load(&rocks->uncertain), free_bytes(rocks) };
}

/* ---- opening and closing ---- */

static void close_database(struct rocks *rocks)
{
    if (rocks->db == NULL)
        return;
    rocksdb_cancel_all_background_work(rocks->db, 1);
    for (size_t i = 0; i < FAMILIES_ON_DISK; i++)
        rocksdb_column_family_handle_destroy(rocks->families[i]);
    rocksdb_close(rocks->db);
}

/* Also of one that was opened half way. */
static void rocks_close(struct store *store)
{
    struct rocks *rocks = rocks_of(store);

    assert(atomic_load(&rocks->snapshots) == 0);
    close_database(rocks);
    if (rocks->batch != NULL)
        rocksdb_writebatch_destroy(rocks->batch);
    if (rocks->newest != NULL)
        rocksdb_readoptions_destroy(rocks->newest);
    if (rocks->synced != NULL)
        rocksdb_writeoptions_destroy(rocks->synced);
    if (rocks->options != NULL)
        rocksdb_options_destroy(rocks->options);
    if (rocks->env != NULL)
        rocksdb_env_destroy(rocks->env);
    free(rocks->directory);
    free(rocks);
}

/* As RocksDB's own OPTIONS files say it. One set for all families. */
static const char options_text[] =
    "create_if_missing=true;create_missing_column_families=true;"

    /* Recovery. Commits follow one another, each synced before the next begins,
     * so what was acknowledged always ends before the log's first torn record:
     * replay up to there is exactly it, or it and one unacknowledged commit.
     * What was replayed is written and synced again at once (RocksDB's default):
     * after a failed fsync the log may be in the page cache only. */
    "wal_recovery_mode=kPointInTimeRecovery;paranoid_checks=true;"
    "skip_stats_update_on_db_open=true;"

    /* Memory: all memtables together, the log that a restart must replay, and
     * one cache for data, indexes and filters, in few shards: a filter block of
     * a large file does not fit into a small one and would be read each time. */
    "db_write_buffer_size=%zu;write_buffer_size=%zu;max_write_buffer_number=3;"
    "memtable_insert_with_hint_prefix_extractor=rocksdb.FixedPrefix.5;"
    "arena_block_size=262144;max_total_wal_size=%zu;max_open_files=512;"
    "block_based_table_factory={block_size=8192;format_version=5;"
    "block_cache={capacity=%zu;num_shard_bits=1;high_pri_pool_ratio=0.5};"
    "cache_index_and_filter_blocks=true;cache_index_and_filter_blocks_with_high_priority=true;"
    "pin_l0_filter_and_index_blocks_in_cache=true;filter_policy=bloomfilter:10:false};"
    "memtable_prefix_bloom_size_ratio=0.02;memtable_whole_key_filtering=true;"

    /* Two threads beside ours: one flushes, one compacts, neither in bursts. */
    "max_background_jobs=2;max_subcompactions=1;bytes_per_sync=1048576;"
    "level_compaction_dynamic_level_bytes=true;target_file_size_base=16777216;"
    "max_bytes_for_level_base=67108864;compression=kLZ4Compression;"
    "level0_slowdown_writes_trigger=30;level0_stop_writes_trigger=48;"

    /* Its own log: what goes wrong, and not much of it. */
    "info_log_level=WARN_LEVEL;keep_log_file_num=3;max_log_file_size=4194304;"
    "stats_dump_period_sec=0;stats_persist_period_sec=0";

static enum err make_options(struct rocks *rocks, const struct store_rocksdb_options *asked,
                             struct why *why)
{
    size_t cache = asked->cache_bytes > 0 ? asked->cache_bytes : (size_t)CACHE_BYTES_DEFAULT;
    size_t buffers = asked->write_buffer_bytes > 0 ? asked->write_buffer_bytes
                                                   : (size_t)WRITE_BUFFER_BYTES_DEFAULT;
    rocksdb_options_t *plain = rocksdb_options_create();
    char text[sizeof options_text + 128], *message = NULL;

    snprintf(text, sizeof text, options_text, buffers, buffers / 4, buffers, cache);
    rocks->options = rocksdb_options_create();
    rocksdb_get_options_from_string(plain, text, rocks->options, &message);
    rocksdb_options_destroy(plain);
    if (message != NULL)
        return because(why, ERR_UNSUPPORTED, "to understand its options", message);
    rocksdb_options_add_compact_on_deletion_collector_factory(rocks->options, TOMBSTONE_WINDOW,
                                                              TOMBSTONE_TRIGGER);
    if (rocks->directory == NULL) {
        rocks->env = rocksdb_create_mem_env();
        rocksdb_options_set_env(rocks->options, rocks->env);
    }
    return OK;
}

static bool is_ours(const char *name)
{
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++)
        if (strcmp(name, store_family_name(f)) == 0)
            return true;
    return strcmp(name, "default") == 0;
}

/* A family we do not know was made by a newer program. */
static enum err refuse_newer(struct rocks *rocks, const char *path, struct why *why)
{
    char *message = NULL, **names;
    enum err e = OK;
    size_t count;

    names = rocksdb_list_column_families(rocks->options, path, &count, &message);
    rocksdb_free(message); /* no store there yet; or opening it will say what is wrong */
    for (size_t i = 0; i < count && e == OK; i++)
        if (!is_ours(names[i]))
            e = err_because(why, ERR_CORRUPT, "%s was written by a newer program: it holds \"%s\"",
                            path, names[i]);
    rocksdb_list_column_families_destroy(names, count);
    return e;
}

static enum err open_database(struct rocks *rocks, const char *path, struct why *why)
{
    const char *names[FAMILIES_ON_DISK];
    const rocksdb_options_t *options[FAMILIES_ON_DISK];
    char *message = NULL;

    for (int i = 0; i < FAMILIES_ON_DISK; i++) {
        names[i] = i < STORE_FAMILY_COUNT ? store_family_name((enum store_family)i) : "default";
        options[i] = rocks->options;
    }
    rocks->db = rocksdb_open_column_families(rocks->options, path, FAMILIES_ON_DISK, names, options,
                                             rocks->families, &message);
    return message == NULL ? OK : because(why, ERR_UNAVAILABLE, "to open", message);
}

static enum err make_directory(const char *directory, struct why *why)
{
    if (mkdir(directory, 0700) == 0 || errno == EEXIST)
        return OK;
    return err_because(why, ERR_UNAVAILABLE, "%s: %s", directory, strerror(errno));
}

static enum err open_rocks(struct rocks *rocks, const struct store_rocksdb_options *options,
                           struct why *why)
{
    const char *path = rocks->directory != NULL ? rocks->directory : "/memory";
    enum err e = make_options(rocks, options, why);

    if (e == OK && rocks->directory != NULL)
        e = make_directory(path, why);
    if (e == OK)
        e = refuse_newer(rocks, path, why);
    if (e == OK)
        e = open_database(rocks, path, why);
    if (e != OK)
        return e;
    rocks->newest = rocksdb_readoptions_create();
    rocks->batch = rocksdb_writebatch_create();
    rocks->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->synced, 1);
    return OK;
}

enum err store_rocksdb_open(const struct store_rocksdb_options *options, struct store **store,
                            struct why *why)
{
    static const struct store_reader_ops reader_ops = { newest_get, newest_scan, NULL };
    static const struct store_ops ops = { rocks_commit, rocks_snapshot, rocks_backup,
                                          rocks_forget, rocks_stats,    rocks_close };
    struct rocks *rocks = calloc(1, sizeof *rocks);
    enum err e;

    if (rocks == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory for the store");
    rocks->base = (struct store){ &ops, { &reader_ops } };
    if (options->directory != NULL) {
        rocks->directory = strdup(options->directory);
        if (rocks->directory == NULL) {
            rocks_close(&rocks->base);
            return err_because(why, ERR_UNAVAILABLE, "out of memory for the store");
        }
    }
    e = open_rocks(rocks, options, why);
    if (e != OK) {
        rocks_close(&rocks->base);
        return e;
    }
    *store = &rocks->base;
    return OK;
}
