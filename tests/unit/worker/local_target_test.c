#include "tests/unit/worker/folder.h"
#include "tools/worker/connectors/connectors.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

struct fixture {
    char dir[FOLDER_PATH_SIZE];
    struct target_scope scope;
    struct target *target;
    struct extent extent;
    struct entity_state state;
    struct problem problem;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    folder_make(f->dir);
    f->scope = (struct target_scope){ .data_dir = f->dir,
                                      .org = "acme",
                                      .sync = "nightly",
                                      .source = "shop",
                                      .run = "job_1",
                                      .run_generation = 1,
                                      .epoch = 1 };
    f->extent = (struct extent){ .entity = "products", .whole = true };
    *state = f;
    return 0;
}

static void close_target(struct fixture *f)
{
    if (f->target != NULL)
        f->target->kind->close(f->target);
    f->target = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close_target(f);
    connectors_close();
    folder_remove(f->dir);
    free(f);
    return 0;
}

/* A new attempt: what its scope says now. */
static void open_target(struct fixture *f)
{
    json_t *config = json_pack("{s:s}", "kind", "local");

    close_target(f);
    f->problem = (struct problem){ 0 };
    if (!target_kind_find("local")->open(config, &f->scope, &f->target, &f->problem))
        fail_msg("%s", f->problem.text);
    json_decref(config);
}

static bool begin(struct fixture *f)
{
    open_target(f);
    f->state = (struct entity_state){ 0 };
    return f->target->kind->begin(f->target, &f->extent, &f->state, &f->problem);
}

static void begin_run(struct fixture *f, const char *run)
{
    f->scope.run = run;
    if (!begin(f))
        fail_msg("%s", f->problem.text);
}

static bool write_record(struct fixture *f, const struct record *record)
{
    struct batch batch = {
        .entity = f->extent.entity, .records = record, .count = 1, .state = &f->state
    };

    f->state.done++;
    f->state.position_size = record->key.size;
    memcpy(f->state.position, record->key.data, record->key.size);
    return f->target->kind->write(f->target, &batch, &f->problem);
}

static bool put(struct fixture *f, const char *key, const char *document, int64_t time_ms)
{
    return write_record(f, &(struct record){ .key = bytes_of_text(key),
                                             .document = bytes_of_text(document),
                                             .updated_at_ms = time_ms });
}

static bool del(struct fixture *f, const char *key, int64_t time_ms)
{
    return write_record(
        f,
        &(struct record){ .key = bytes_of_text(key), .deleted = true, .updated_at_ms = time_ms });
}

static bool sweep(struct fixture *f)
{
    f->state.phase = ENTITY_READ;
    return f->target->kind->sweep(f->target, &f->extent, &f->state, &f->problem);
}

/* The first column of all rows, joined by commas, as any SQLite tool sees it. */
static const char *query(struct fixture *f, const char *sql)
{
    static char answer[4096];
    char path[2 * FOLDER_PATH_SIZE];
    sqlite3_stmt *statement;
    sqlite3 *sqlite;

    snprintf(path, sizeof path, "%s/%s.db", f->dir, f->scope.org);
    assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(sqlite));
    answer[0] = '\0';
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        size_t size = strlen(answer);

        snprintf(answer + size, sizeof answer - size, "%s%s", size > 0 ? "," : "",
                 text != NULL ? text : "NULL");
    }
    sqlite3_finalize(statement);
    sqlite3_close(sqlite);
    return answer;
}

static const char *alive(struct fixture *f)
{
    return query(f, "SELECT key FROM products WHERE deleted_at IS NULL ORDER BY key");
}

static void rows_can_be_queried(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "7", "{\"title\":\"Oak\"}", 1735689600000));
    assert_true(put(f, "8", "{\"title\":\"Tin\"}", 0));
    assert_string_equal(query(f, "SELECT document ->> '$.title' FROM products ORDER BY key"),
                        "Oak,Tin");
    assert_string_equal(query(f, "SELECT updated_at FROM products ORDER BY key"),
                        "2025-01-01T00:00:00.000Z,NULL");
    assert_string_equal(query(f, "SELECT done || ' ' || position FROM sync_state"), "2 8");
}

static void older_rows_do_not_overwrite_newer_ones(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "7", "{\"v\":2}", 2000));
    assert_true(put(f, "7", "{\"v\":1}", 1000));
    assert_string_equal(query(f, "SELECT document FROM products"), "{\"v\":2}");
    assert_true(put(f, "7", "{\"v\":3}", 2000));
    assert_string_equal(query(f, "SELECT document FROM products"), "{\"v\":3}");
}

static void an_older_row_still_counts_as_seen(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "7", "{\"v\":2}", 2000));
    begin_run(f, "job_2");
    assert_true(put(f, "7", "{\"v\":1}", 1000));
    assert_true(sweep(f));
    assert_string_equal(alive(f), "7");
}

static void an_unchanged_row_is_only_stamped(void **state)
{
    struct fixture *f = *state;
    char before[64];

    begin_run(f, "job_1");
    assert_true(put(f, "7", "{\"v\":1}", 1000));
    query(f, "UPDATE products SET synced_at = 'marked'");
    snprintf(before, sizeof before, "%s", query(f, "SELECT generation FROM products"));
    begin_run(f, "job_2");
    assert_true(put(f, "7", "{\"v\":1}", 1000));
    assert_string_equal(query(f, "SELECT synced_at FROM products"), "marked");
    assert_int_equal(atoi(query(f, "SELECT generation FROM products")), atoi(before) + 1);
}

static void deletions_leave_tombstones_that_newer_rows_undo(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "7", "{\"v\":1}", 1000));
    assert_true(del(f, "7", 2000));
    assert_true(del(f, "9", 2000));
    assert_string_equal(query(f, "SELECT key || deleted_at FROM products"),
                        "71970-01-01T00:00:02.000Z");
    assert_true(put(f, "7", "{\"v\":1}", 1500));
    assert_string_equal(alive(f), "");
    assert_true(put(f, "7", "{\"v\":2}", 3000));
    assert_string_equal(alive(f), "7");
    assert_true(del(f, "7", 2500));
    assert_string_equal(alive(f), "7");
}

static void a_sweep_buries_what_was_not_seen(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    for (int i = 1; i <= 4; i++)
        assert_true(put(f, (char[]){ (char)('0' + i), '\0' }, "{}", 1000));
    assert_true(sweep(f));
    assert_int_equal(f->state.deleted, 0);
    begin_run(f, "job_2");
    assert_true(put(f, "1", "{}", 1000));
    assert_true(put(f, "3", "{}", 1000));
    assert_true(put(f, "5", "{}", 1000));
    assert_string_equal(alive(f), "1,2,3,4,5");
    assert_true(sweep(f));
    assert_int_equal(f->state.deleted, 2);
    assert_string_equal(alive(f), "1,3,5");
    assert_string_equal(query(f, "SELECT phase FROM sync_state"), "swept");
}

static void rows_of_another_source_are_not_swept(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "1", "{}", 1000));
    f->scope.source = "other";
    begin_run(f, "job_2");
    assert_true(put(f, "2", "{}", 1000));
    assert_true(sweep(f));
    assert_string_equal(alive(f), "1,2");
}

static void a_narrowed_sweep_stays_inside_its_collections(void **state)
{
    static const char *const handles[] = { "summer", "it's new" };
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "1", "{\"collections\":[\"summer\"]}", 1000));
    assert_true(put(f, "2", "{\"collections\":[\"it's new\",\"x\"]}", 1000));
    assert_true(put(f, "3", "{\"collections\":[\"winter\"]}", 1000));
    assert_true(put(f, "4", "{\"collections\":[]}", 1000));
    assert_true(put(f, "5", "{}", 1000));
    f->extent.narrowed_by = "collections";
    f->extent.collections = handles;
    f->extent.collection_count = 2;
    begin_run(f, "job_2");
    assert_true(put(f, "2", "{\"collections\":[\"it's new\",\"x\"]}", 1000));
    assert_true(sweep(f));
    assert_string_equal(alive(f), "2,3,4,5");
}

static void a_sweep_of_most_rows_needs_permission(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    for (int i = 1; i <= 4; i++)
        assert_true(put(f, (char[]){ (char)('0' + i), '\0' }, "{}", 1000));
    assert_true(sweep(f));
    begin_run(f, "job_2");
    assert_true(put(f, "1", "{}", 1000));
    for (int i = 5; i <= 9; i++)
        assert_true(put(f, (char[]){ (char)('0' + i), '\0' }, "{}", 1000));
    assert_false(sweep(f));
    assert_int_equal(f->problem.class, PROBLEM_CONFIG);
    assert_non_null(strstr(f->problem.text, "allowMassDelete"));
    assert_string_equal(alive(f), "1,2,3,4,5,6,7,8,9");
    f->extent.allow_mass_delete = true;
    assert_true(sweep(f));
    assert_string_equal(alive(f), "1,5,6,7,8,9");
}

static void an_empty_source_does_not_empty_the_target(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "1", "{}", 1000));
    assert_true(sweep(f));
    begin_run(f, "job_2");
    assert_false(sweep(f));
    assert_int_equal(f->problem.class, PROBLEM_CONFIG);
    assert_string_equal(alive(f), "1");
}

static void bad_records_keep_all_rows(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "1", "{}", 1000));
    assert_true(put(f, "2", "{}", 1000));
    assert_true(put(f, "3", "{}", 1000));
    begin_run(f, "job_2");
    assert_true(put(f, "1", "{}", 1000));
    assert_true(put(f, "2", "{}", 1000));
    f->state.rejected = 1;
    assert_true(sweep(f));
    assert_string_equal(alive(f), "1,2,3");
}

static void a_row_seen_by_another_run_meanwhile_is_kept(void **state)
{
    struct fixture *f = *state, other;

    begin_run(f, "job_1");
    assert_true(put(f, "1", "{}", 1000));
    assert_true(put(f, "2", "{}", 1000));
    begin_run(f, "job_2");
    assert_true(put(f, "1", "{}", 1000));
    other = *f;
    other.target = NULL;
    other.scope.sync = "changes";
    other.extent.whole = false;
    begin_run(&other, "job_3");
    assert_true(put(&other, "3", "{}", 1000));
    close_target(&other);
    assert_true(sweep(f));
    assert_string_equal(alive(f), "1,3");
}

static void an_attempt_goes_on_where_the_last_one_stopped(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "41", "{}", 1000));
    assert_true(put(f, "42", "{}", 1000));
    f->scope.epoch = 2;
    begin_run(f, "job_1");
    assert_int_equal(f->state.done, 2);
    assert_int_equal(f->state.position_size, 2);
    assert_memory_equal(f->state.position, "42", 2);
}

static void a_run_that_starts_over_has_no_position(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    assert_true(put(f, "41", "{}", 1000));
    f->scope.run_generation = 2;
    begin_run(f, "job_1");
    assert_int_equal(f->state.done, 0);
    assert_int_equal(f->state.position_size, 0);
}

static void what_the_server_heard_is_not_believed_if_the_rows_are_not_there(void **state)
{
    struct fixture *f = *state;

    open_target(f);
    f->state = (struct entity_state){ .done = 500, .position_size = 1, .position = "9" };
    assert_true(f->target->kind->begin(f->target, &f->extent, &f->state, &f->problem));
    assert_int_equal(f->state.done, 0);
    assert_int_equal(f->state.position_size, 0);
}

static void a_lease_that_is_over_writes_nothing(void **state)
{
    struct fixture *f = *state, late;

    begin_run(f, "job_1");
    assert_true(put(f, "1", "{}", 1000));
    late = *f;
    late.target = NULL;
    open_target(&late);
    late.state = f->state;
    f->scope.epoch = 2;
    begin_run(f, "job_1");
    assert_false(put(&late, "2", "{}", 1000));
    assert_int_equal(late.problem.class, PROBLEM_LOST);
    assert_false(begin(&late));
    assert_int_equal(late.problem.class, PROBLEM_LOST);
    assert_string_equal(alive(f), "1");
    assert_true(put(f, "3", "{}", 1000));
    close_target(&late);
}

static void names_are_only_names(void **state)
{
    struct fixture *f = *state;

    f->scope.org = "../evil/x.db";
    f->extent.entity = "select-from.where";
    begin_run(f, "job_1");
    assert_true(put(f, "1", "{}", 1000));
    f->scope.org = "%2E.%2Fevil%2Fx%2Edb";
    assert_string_equal(query(f, "SELECT key FROM \"select-from.where\""), "1");
}

static void somebody_else_s_table_is_not_touched(void **state)
{
    struct fixture *f = *state;

    begin_run(f, "job_1");
    query(f, "CREATE TABLE orders (mine TEXT)");
    f->extent.entity = "orders";
    assert_false(begin(f));
    assert_int_equal(f->problem.class, PROBLEM_CONFIG);
}

static void a_database_that_was_taken_away_is_made_anew(void **state)
{
    struct fixture *f = *state;
    char path[2 * FOLDER_PATH_SIZE];

    begin_run(f, "job_1");
    assert_true(put(f, "1", "{}", 1000));
    close_target(f);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/acme.db%s", f->dir,
                 (const char *const[]){ "", "-wal", "-shm" }[i]);
        (void)unlink(path);
    }
    begin_run(f, "job_1");
    assert_int_equal(f->state.done, 0);
    assert_true(put(f, "2", "{}", 1000));
    assert_string_equal(alive(f), "2");
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    json_t *config = json_object();

    begin_run(f, "job_1");
    query(f, "UPDATE sync_meta SET value = 99 WHERE name = 'schema'");
    close_target(f);
    connectors_close();
    assert_false(target_kind_find("local")->open(config, &f->scope, &f->target, &f->problem));
    assert_int_equal(f->problem.class, PROBLEM_CONFIG);
    assert_non_null(strstr(f->problem.text, "newer"));
    json_decref(config);
}

/* A child writes batches of ten until it is killed; it says each one it has
 * stored. */
static void write_until_killed(struct fixture *f, int told)
{
    begin_run(f, "job_1");
    for (unsigned next = (unsigned)f->state.done;; next += 10) {
        struct record records[10];
        char keys[10][16];
        struct batch batch = {
            .entity = "products", .records = records, .count = 10, .state = &f->state
        };

        for (unsigned i = 0; i < 10; i++) {
            snprintf(keys[i], sizeof keys[i], "%08u", next + i);
            records[i] =
                (struct record){ .key = bytes_of_text(keys[i]), .document = bytes_of_text("{}") };
        }
        f->state.done += 10;
        f->state.position_size = 8;
        memcpy(f->state.position, keys[9], 8);
        if (!f->target->kind->write(f->target, &batch, &f->problem) ||
            write(told, &f->state.done, sizeof f->state.done) < 0)
            _exit(1);
    }
}

static void rows_and_position_agree_after_a_kill(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 5; round++) {
        uint64_t told = 0, last = 0;
        char expected[64];
        int pipes[2];
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        f->scope.epoch++;
        connectors_close();
        child = fork();
        if (child == 0)
            write_until_killed(f, pipes[1]);
        close(pipes[1]);
        for (int batches = 0; batches < 3 + 7 * round; batches++)
            assert_int_equal(read(pipes[0], &told, sizeof told), sizeof told);
        kill(child, SIGKILL);
        while (read(pipes[0], &last, sizeof last) == sizeof last)
            told = last;
        close(pipes[0]);
        waitpid(child, NULL, 0);

        f->scope.epoch++;
        begin_run(f, "job_1");
        assert_in_range(f->state.done, told, told + 10);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)f->state.done);
        assert_string_equal(query(f, "SELECT count(*) FROM products"), expected);
        assert_int_equal(atoll(query(f, "SELECT max(key) FROM products")) + 1, f->state.done);
        close_target(f);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rows_can_be_queried),
        TEST(older_rows_do_not_overwrite_newer_ones),
        TEST(an_older_row_still_counts_as_seen),
        TEST(an_unchanged_row_is_only_stamped),
        TEST(deletions_leave_tombstones_that_newer_rows_undo),
        TEST(a_sweep_buries_what_was_not_seen),
        TEST(rows_of_another_source_are_not_swept),
        TEST(a_narrowed_sweep_stays_inside_its_collections),
        TEST(a_sweep_of_most_rows_needs_permission),
        TEST(an_empty_source_does_not_empty_the_target),
        TEST(bad_records_keep_all_rows),
        TEST(a_row_seen_by_another_run_meanwhile_is_kept),
        TEST(an_attempt_goes_on_where_the_last_one_stopped),
        TEST(a_run_that_starts_over_has_no_position),
        TEST(what_the_server_heard_is_not_believed_if_the_rows_are_not_there),
        TEST(a_lease_that_is_over_writes_nothing),
        TEST(names_are_only_names),
        TEST(somebody_else_s_table_is_not_touched),
        TEST(a_database_that_was_taken_away_is_made_anew),
        TEST(a_newer_schema_is_refused),
        TEST(rows_and_position_agree_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
