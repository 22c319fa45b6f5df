#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/list.h"
#include "core/store.h"
#include "tests/support/fake_store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The contract of core/store.h, held against the fake, against RocksDB in
 * memory and against RocksDB in a directory. */

struct store_fixture {
    struct store *store;
    struct arena *mem;
    struct fake_store fake;
    char directory[64]; /* empty: not on a disk */
    struct why why;
};

static void open_rocksdb(struct store_fixture *f)
{
    struct store_rocksdb_options options = { 0 };

    if (f->directory[0] != '\0')
        options.directory = f->directory;
    if (store_rocksdb_open(&options, &f->store, &f->why) != OK)
        fail_msg("%s", f->why.text);
}

static int set_up_any(void **state)
{
    struct store_fixture *f = calloc(1, sizeof *f);

    f->mem = arena_new(1 << 20);
    *state = f;
    return 0;
}

static int set_up_fake(void **state)
{
    struct store_fixture *f;

    set_up_any(state);
    f = *state;
    fake_store_init(&f->fake);
    f->store = &f->fake.base;
    return 0;
}

static int set_up_memory(void **state)
{
    set_up_any(state);
    open_rocksdb(*state);
    return 0;
}

static int set_up_disk(void **state)
{
    struct store_fixture *f;

    set_up_any(state);
    f = *state;
    snprintf(f->directory, sizeof f->directory, "/tmp/store_test.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    open_rocksdb(f);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static bool is_fake(const struct store_fixture *f)
{
    return f->store == &f->fake.base;
}

static int tear_down(void **state)
{
    struct store_fixture *f = *state;

    f->store->ops->close(f->store);
    if (is_fake(f))
        fake_store_free(&f->fake);
    if (f->directory[0] != '\0')
        nftw(f->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    arena_free(f->mem);
    free(f);
    return 0;
}

/* ---- words of the tests ---- */

static struct store_write put(enum store_family family, const char *key, const char *value)
{
    return (struct store_write){ family, false, bytes_of_text(key), bytes_of_text(value) };
}

static struct store_write erase(enum store_family family, const char *key)
{
    return (struct store_write){ family, true, bytes_of_text(key), bytes_of(NULL, 0) };
}

static enum err commit(struct store_fixture *f, const struct store_write *writes, size_t count)
{
    return f->store->ops->commit(f->store, writes, count, &f->why);
}

#define COMMIT(f, ...)                                                                             \
    commit((f), (const struct store_write[]){ __VA_ARGS__ },                                       \
           sizeof((const struct store_write[]){ __VA_ARGS__ }) / sizeof(struct store_write))

/* The value as text; "-" if there is none. */
static const char *text_at(struct store_fixture *f, struct store_reader *reader,
                           enum store_family family, const char *key)
{
    struct bytes value;
    enum err e = reader->ops->get(reader, family, bytes_of_text(key), f->mem, &value, &f->why);

    if (e == ERR_NOT_FOUND)
        return "-";
    assert_int_equal(e, OK);
    return (const char *)value.data;
}

static const char *text_of(struct store_fixture *f, enum store_family family, const char *key)
{
    return text_at(f, &f->store->reader, family, key);
}

/* Collects "key=value " of what a scan visits. */
struct listing {
    char text[512];
    size_t size;
    unsigned visits_left;
};

static bool list_entry(void *ctx, struct bytes key, struct bytes value)
{
    struct listing *listing = ctx;

    listing->size += (size_t)snprintf(
        listing->text + listing->size, sizeof listing->text - listing->size, "%.*s=%.*s ",
        (int)key.size, (const char *)key.data, (int)value.size, (const char *)value.data);
    return --listing->visits_left > 0;
}

static struct listing listed(struct store_fixture *f, struct store_reader *reader, const char *from,
                             const char *to, enum store_direction direction, unsigned visits_max)
{
    struct listing listing = { .visits_left = visits_max };
    struct store_range range = { FAMILY_SYNC, bytes_of_text(from), bytes_of_text(to), direction };

    assert_int_equal(reader->ops->scan(reader, &range, list_entry, &listing, &f->why), OK);
    return listing;
}

#define ASSERT_LISTED(f, from, to, direction, expected)                                            \
    assert_string_equal(listed((f), &(f)->store->reader, (from), (to), (direction), 1000).text,    \
                        (expected))

/* ---- the contract ---- */

static void what_was_committed_is_read(void **state)
{
    struct store_fixture *f = *state;

    assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "-");
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "1"), put(FAMILY_SYNC, "b", "")), OK);
    assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "1");
    assert_string_equal(text_of(f, FAMILY_SYNC, "b"), "");

    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "2"), erase(FAMILY_SYNC, "b"),
                            erase(FAMILY_SYNC, "never there")),
                     OK);
    assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "2");
    assert_string_equal(text_of(f, FAMILY_SYNC, "b"), "-");
}

static void families_do_not_see_each_other(void **state)
{
    struct store_fixture *f = *state;
    struct store_write writes[STORE_FAMILY_COUNT];

    for (enum store_family family = 0; family < STORE_FAMILY_COUNT; family++)
        writes[family] = put(family, "k", store_family_name(family));
    assert_int_equal(commit(f, writes, STORE_FAMILY_COUNT), OK);
    for (enum store_family family = 0; family < STORE_FAMILY_COUNT; family++)
        assert_string_equal(text_of(f, family, "k"), store_family_name(family));
    ASSERT_LISTED(f, "", "", STORE_FORWARD, "k=sync ");
}

static void keys_and_values_may_be_any_bytes(void **state)
{
    struct store_fixture *f = *state;
    struct store_write writes[2] = { put(FAMILY_SYNC, "", "of the empty key"),
                                     put(FAMILY_SYNC, "", "") };
    struct bytes value;

    writes[1].key = bytes_of("\0\xff\0", 3);
    writes[1].value = bytes_of("\0\0", 2);
    assert_int_equal(commit(f, writes, 2), OK);
    assert_string_equal(text_of(f, FAMILY_SYNC, ""), "of the empty key");
    assert_int_equal(f->store->reader.ops->get(&f->store->reader, FAMILY_SYNC,
                                               bytes_of("\0\xff\0", 3), f->mem, &value, &f->why),
                     OK);
    assert_true(bytes_equal(value, bytes_of("\0\0", 2)));
}

static void fill_for_scans(struct store_fixture *f)
{
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "b", "1"), put(FAMILY_SYNC, "d", "2"),
                            put(FAMILY_SYNC, "da", "3"), put(FAMILY_SYNC, "f", "4"),
                            put(FAMILY_SYNC, "\xff\xff", "5")),
                     OK);
}

static void a_scan_visits_its_range_in_order(void **state)
{
    struct store_fixture *f = *state;

    fill_for_scans(f);
    ASSERT_LISTED(f, "", "", STORE_FORWARD, "b=1 d=2 da=3 f=4 \xff\xff=5 ");
    ASSERT_LISTED(f, "b", "f", STORE_FORWARD, "b=1 d=2 da=3 ");
    ASSERT_LISTED(f, "c", "e", STORE_FORWARD, "d=2 da=3 ");
    ASSERT_LISTED(f, "da", "", STORE_FORWARD, "da=3 f=4 \xff\xff=5 ");
    ASSERT_LISTED(f, "g", "h", STORE_FORWARD, "");
    ASSERT_LISTED(f, "d", "d", STORE_FORWARD, "");
    ASSERT_LISTED(f, "f", "b", STORE_FORWARD, "");
}

static void a_backward_scan_begins_at_the_greatest_key(void **state)
{
    struct store_fixture *f = *state;

    fill_for_scans(f);
    ASSERT_LISTED(f, "", "", STORE_BACKWARD, "\xff\xff=5 f=4 da=3 d=2 b=1 ");
    ASSERT_LISTED(f, "b", "f", STORE_BACKWARD, "da=3 d=2 b=1 ");
    ASSERT_LISTED(f, "c", "e", STORE_BACKWARD, "da=3 d=2 ");
    ASSERT_LISTED(f, "da", "", STORE_BACKWARD, "\xff\xff=5 f=4 da=3 ");
    ASSERT_LISTED(f, "f", "b", STORE_BACKWARD, "");
}

static void a_scan_ends_when_its_visitor_says_so(void **state)
{
    struct store_fixture *f = *state;

    fill_for_scans(f);
    assert_string_equal(listed(f, &f->store->reader, "", "", STORE_FORWARD, 2).text, "b=1 d=2 ");
    assert_string_equal(listed(f, &f->store->reader, "", "", STORE_BACKWARD, 1).text,
                        "\xff\xff=5 ");
}

static void a_snapshot_stays_as_it_was(void **state)
{
    struct store_fixture *f = *state;
    struct store_reader *snapshot;

    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "old"), put(FAMILY_SYNC, "b", "old")), OK);
    assert_int_equal(f->store->ops->snapshot(f->store, &snapshot, &f->why), OK);
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "new"), erase(FAMILY_SYNC, "b"),
                            put(FAMILY_SYNC, "c", "new")),
                     OK);

    assert_string_equal(text_at(f, snapshot, FAMILY_SYNC, "a"), "old");
    assert_string_equal(text_at(f, snapshot, FAMILY_SYNC, "c"), "-");
    assert_string_equal(listed(f, snapshot, "", "", STORE_FORWARD, 9).text, "a=old b=old ");
    assert_string_equal(listed(f, snapshot, "", "", STORE_BACKWARD, 9).text, "b=old a=old ");
    ASSERT_LISTED(f, "", "", STORE_FORWARD, "a=new c=new ");
    snapshot->ops->close(snapshot);
}

static void a_value_that_exceeds_the_arena_is_a_limit(void **state)
{
    struct store_fixture *f = *state;
    struct arena *small = arena_new(8);
    struct bytes value;

    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "more than eight bytes")), OK);
    assert_int_equal(f->store->reader.ops->get(&f->store->reader, FAMILY_SYNC, bytes_of_text("a"),
                                               small, &value, &f->why),
                     ERR_LIMIT);
    arena_free(small);
}

static void statistics_count_commits_and_bytes(void **state)
{
    struct store_fixture *f = *state;
    struct store_stats stats;

    assert_int_equal(commit(f, NULL, 0), OK);
    assert_int_equal(f->store->ops->stats(f->store).commits, 0);
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "ab", "cde"), erase(FAMILY_SYNC, "f")), OK);
    stats = f->store->ops->stats(f->store);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.written_bytes, 6);
}

static void forgetting_changes_nothing_that_is_read(void **state)
{
    struct store_fixture *f = *state;
    struct store_range range = { FAMILY_SYNC, bytes_of_text("a"), bytes_of_text("c"), 0 };
    struct store_range all = { FAMILY_SYNC, bytes_of_text(""), bytes_of_text(""), 0 };

    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "b", "1"), put(FAMILY_SYNC, "d", "2")), OK);
    assert_int_equal(COMMIT(f, erase(FAMILY_SYNC, "b")), OK);
    f->store->ops->forget(f->store, &range);
    f->store->ops->forget(f->store, &all);
    ASSERT_LISTED(f, "", "", STORE_FORWARD, "d=2 ");
}

static void a_large_batch_is_one_commit(void **state)
{
    enum { COUNT = 20000, SIZE = 500 };
    struct store_fixture *f = *state;
    struct store_write *writes = calloc(COUNT, sizeof *writes);
    char(*keys)[8] = calloc(COUNT, sizeof *keys);
    uint8_t value[SIZE] = { 1 };
    struct listing last;

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "%06u", i % 1000000);
        writes[i] = (struct store_write){ FAMILY_SYNC, false, bytes_of_text(keys[i]),
                                          bytes_of(value, SIZE) };
    }
    writes[COUNT - 1].value = bytes_of_text("the end");
    assert_int_equal(commit(f, writes, COUNT), OK);
    assert_int_equal(f->store->ops->stats(f->store).commits, 1);
    last = listed(f, &f->store->reader, "", "", STORE_BACKWARD, 1);
    assert_string_equal(last.text, "019999=the end ");
    free(keys);
    free(writes);
}

/* ---- over a restart ---- */

static void restart(struct store_fixture *f)
{
    f->store->ops->close(f->store);
    if (is_fake(f))
        fake_store_crash(&f->fake, 0);
    else
        open_rocksdb(f);
}

static void what_was_committed_survives_a_restart(void **state)
{
    struct store_fixture *f = *state;

    assert_int_equal(COMMIT(f, put(FAMILY_META, "m", "0"), put(FAMILY_SYNC, "a", "1"),
                            put(FAMILY_SYNC, "b", "2")),
                     OK);
    assert_int_equal(COMMIT(f, erase(FAMILY_SYNC, "a")), OK);
    restart(f);
    assert_string_equal(text_of(f, FAMILY_META, "m"), "0");
    ASSERT_LISTED(f, "", "", STORE_FORWARD, "b=2 ");
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "c", "3")), OK);
    restart(f);
    ASSERT_LISTED(f, "", "", STORE_FORWARD, "b=2 c=3 ");
}

static struct store *open_backup(struct store_fixture *f, const char *directory,
                                 struct fake_store *fake)
{
    struct store *copy;

    if (is_fake(f)) {
        assert_true(fake_store_open_backup(&f->fake, directory, fake));
        return &fake->base;
    }
    assert_int_equal(store_rocksdb_open(&(struct store_rocksdb_options){ .directory = directory },
                                        &copy, &f->why),
                     OK);
    return copy;
}

static void a_backup_is_a_store_as_of_then(void **state)
{
    struct store_fixture *f = *state;
    struct store *copy;
    struct fake_store fake;
    char directory[80];

    snprintf(directory, sizeof directory, "%s/backup", f->directory);
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "1")), OK);
    assert_int_equal(f->store->ops->backup(f->store, directory, &f->why), OK);
    assert_int_equal(f->store->ops->backup(f->store, directory, &f->why), ERR_EXISTS);
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "2")), OK);

    copy = open_backup(f, directory, &fake);
    assert_string_equal(text_at(f, &copy->reader, FAMILY_SYNC, "a"), "1");
    copy->ops->close(copy);
    if (is_fake(f))
        fake_store_free(&fake);
}

/* ---- RocksDB alone ---- */

static void a_directory_belongs_to_one_store_at_a_time(void **state)
{
    struct store_fixture *f = *state;
    struct store *second;

    assert_int_equal(
        store_rocksdb_open(&(struct store_rocksdb_options){ .directory = f->directory }, &second,
                           &f->why),
        ERR_UNAVAILABLE);
    assert_non_null(strstr(f->why.text, "lock"));
}

static void a_directory_that_cannot_be_made_is_named(void **state)
{
    struct store_fixture *f = *state;
    struct store *store;

    assert_int_equal(
        store_rocksdb_open(&(struct store_rocksdb_options){ .directory = "/proc/none/store" },
                           &store, &f->why),
        ERR_UNAVAILABLE);
    assert_non_null(strstr(f->why.text, "/proc/none/store"));
}

static int find_log(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    size_t size = strlen(path);

    (void)kind, (void)ftw;
    if (size < 4 || strcmp(path + size - 4, ".log") != 0 || st->st_size == 0)
        return 0;
    return truncate(path, st->st_size - 5) == 0 ? 0 : -1;
}

/* What a crash in the middle of a write leaves: the log ends inside a record. */
static void a_torn_last_record_is_as_if_never_written(void **state)
{
    struct store_fixture *f = *state;

    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "1")), OK);
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "b", "2"), put(FAMILY_SPEC, "b", "2")), OK);
    f->store->ops->close(f->store);
    assert_int_equal(nftw(f->directory, find_log, 16, FTW_PHYS), 0);
    open_rocksdb(f);
    ASSERT_LISTED(f, "", "", STORE_FORWARD, "a=1 ");
    assert_string_equal(text_of(f, FAMILY_SPEC, "b"), "-");
}

/* ---- the fake alone ---- */

static void a_fault_is_returned_by_the_call_it_was_armed_for(void **state)
{
    struct store_fixture *f = *state;
    struct store_reader *reader = &f->store->reader;
    struct store_range all = { .family = FAMILY_SYNC };
    struct listing listing = { .visits_left = 9 };
    struct bytes value;

    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "1")), OK);
    fault_arm(&f->fake.get, 2, ERR_CORRUPT);
    assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "1");
    assert_int_equal(
        reader->ops->get(reader, FAMILY_SYNC, bytes_of_text("a"), f->mem, &value, &f->why),
        ERR_CORRUPT);
    fault_arm(&f->fake.scan, 1, ERR_UNAVAILABLE);
    assert_int_equal(reader->ops->scan(reader, &all, list_entry, &listing, &f->why),
                     ERR_UNAVAILABLE);
    assert_int_equal(listing.size, 0);

    fault_arm(&f->fake.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "2")), ERR_UNAVAILABLE);
    assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "1");
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "2")), OK);
    assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "2");
}

static void an_uncertain_commit_is_kept_or_lost_and_poisons_until_reopened(void **state)
{
    struct store_fixture *f = *state;

    for (unsigned keep = 0; keep <= 1; keep++) {
        assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "old")), OK);
        fault_arm(&f->fake.commit, 1, ERR_UNCERTAIN);
        assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "new")), ERR_UNCERTAIN);
        assert_int_equal(fake_store_unacknowledged(&f->fake), 1);
        assert_true(f->store->ops->stats(f->store).uncertain);
        assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "old");
        assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "b", "more")), ERR_UNCERTAIN);

        fake_store_crash(&f->fake, keep);
        assert_int_equal(fake_store_unacknowledged(&f->fake), 0);
        assert_string_equal(text_of(f, FAMILY_SYNC, "a"), keep > 0 ? "new" : "old");
        assert_string_equal(text_of(f, FAMILY_SYNC, "b"), "-");
    }
}

static void reopening_keeps_what_it_was_told_to(void **state)
{
    struct store_fixture *f = *state;

    fault_arm(&f->fake.commit, 1, ERR_UNCERTAIN);
    assert_int_equal(COMMIT(f, put(FAMILY_SYNC, "a", "1")), ERR_UNCERTAIN);
    f->fake.keep_uncertain = true;
    fake_store_reopen(&f->fake);
    assert_string_equal(text_of(f, FAMILY_SYNC, "a"), "1");
    assert_int_equal(COMMIT(f, erase(FAMILY_SYNC, "a")), OK);
    assert_int_equal(fake_store_count(&f->fake), 0);
}

/* clang-format off */
#define CONTRACT(X)                                                                          \
    X(what_was_committed_is_read) X(families_do_not_see_each_other)                          \
    X(keys_and_values_may_be_any_bytes) X(a_scan_visits_its_range_in_order)                  \
    X(a_backward_scan_begins_at_the_greatest_key) X(a_scan_ends_when_its_visitor_says_so)    \
    X(a_snapshot_stays_as_it_was) X(a_value_that_exceeds_the_arena_is_a_limit)               \
    X(statistics_count_commits_and_bytes) X(forgetting_changes_nothing_that_is_read)         \
    X(a_large_batch_is_one_commit)
#define LASTING(X) X(what_was_committed_survives_a_restart) X(a_backup_is_a_store_as_of_then)
#define DISK(X)                                                                              \
    X(a_directory_belongs_to_one_store_at_a_time) X(a_directory_that_cannot_be_made_is_named)\
    X(a_torn_last_record_is_as_if_never_written)
#define FAKE(X)                                                                              \
    X(a_fault_is_returned_by_the_call_it_was_armed_for)                                      \
    X(an_uncertain_commit_is_kept_or_lost_and_poisons_until_reopened)                        \
    X(reopening_keeps_what_it_was_told_to)
/* clang-format on */

int main(void)
{
#define ON_FAKE(test)   cmocka_unit_test_setup_teardown(test, set_up_fake, tear_down),
#define ON_MEMORY(test) cmocka_unit_test_setup_teardown(test, set_up_memory, tear_down),
#define ON_DISK(test)   cmocka_unit_test_setup_teardown(test, set_up_disk, tear_down),
    const struct CMUnitTest fake[] = { CONTRACT(ON_FAKE) LASTING(ON_FAKE) FAKE(ON_FAKE) };
    const struct CMUnitTest memory[] = { CONTRACT(ON_MEMORY) };
    const struct CMUnitTest disk[] = { CONTRACT(ON_DISK) LASTING(ON_DISK) DISK(ON_DISK) };

    return cmocka_run_group_tests_name("fake", fake, NULL, NULL) +
           cmocka_run_group_tests_name("RocksDB in memory", memory, NULL, NULL) +
           cmocka_run_group_tests_name("RocksDB on disk", disk, NULL, NULL);
}
