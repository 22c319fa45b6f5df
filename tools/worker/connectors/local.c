#include "tools/worker/connectors/connectors.h"
#include "tools/worker/connectors/local_database.h"
#include "tools/worker/connectors/config.h"

#include "core/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Target "local": one SQLite database per organisation, DATA/ORG.db, a table
 * per entity. A batch's rows and its position are one transaction, so a crash
 * at any moment leaves both or neither, and a run goes on exactly there.
 *
 *   <entity>    key, document (JSON), updated_at, generation, deleted_at,
 *               source, synced_at (when document or deleted_at last changed)
 *   sync_state  how far the latest run of each sync is, per source and entity
 *   sync_meta   the schema's version; generations: how many times an entity
 *               was begun to be read as a whole
 *
 * A row is stamped with its entity's generation whenever anybody sees it. What
 * still has an older one when a whole read is over, is gone at the source. */

enum { SQL_SIZE = 2048, PATH_SIZE = 4096 };

struct local {
    struct target base;
    const struct target_scope *scope;
    struct database *database;
};

static const char *const phases[] = {
    [ENTITY_READING] = "reading", [ENTITY_READ] = "read", [ENTITY_SWEPT] = "swept"
};

static int64_t now_ms(void)
{
    return clock_now_ms(clock_real());
}

static bool open_local(const json_t *config, const struct target_scope *scope,
                       struct target **target, struct problem *problem)
{
    static const char *const names[] = { "kind", NULL };
    struct local *local;
    char org[PATH_SIZE], path[2 * PATH_SIZE];

    if (!config_known(config, names, problem))
        return false;
    if (!path_part(scope->org, org, sizeof org))
        return problem_set(problem, PROBLEM_CONFIG, "the organisation's id is no file name");
    snprintf(path, sizeof path, "%s/%s.db", scope->data_dir, org);
    local = calloc(1, sizeof *local);
    if (local == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    *local = (struct local){ .base.kind = &local_target, .scope = scope };
    local->database = database_take(path, problem);
    if (local->database == NULL) {
        free(local);
        return false;
    }
    *target = &local->base;
    return true;
}

static void close_local(struct target *target)
{
    struct local *local = (struct local *)target;

    database_release(local->database);
    free(local);
}

/* The bound parameters 1 to 3 of every statement on sync_state. */
static void bind_place(const struct local *local, sqlite3_stmt *statement, const char *entity)
{
    bind_text(statement, 1, local->scope->sync);
    bind_text(statement, 2, local->scope->source);
    bind_text(statement, 3, entity);
}

static enum entity_phase read_phase(const char *text)
{
    for (enum entity_phase phase = ENTITY_READING; phase <= ENTITY_SWEPT; phase++)
        if (text != NULL && strcmp(text, phases[phase]) == 0)
            return phase;
    return ENTITY_READING;
}

static void read_state(sqlite3_stmt *statement, struct entity_state *state)
{
    int size = sqlite3_column_bytes(statement, 4);

    *state = (struct entity_state){
        .phase = read_phase((const char *)sqlite3_column_text(statement, 3)),
        .done = (uint64_t)sqlite3_column_int64(statement, 5),
        .deleted = (uint64_t)sqlite3_column_int64(statement, 6),
        .rejected = (uint64_t)sqlite3_column_int64(statement, 7),
    };
    if (size > 0 && size <= POSITION_SIZE_MAX) {
        memcpy(state->position, sqlite3_column_text(statement, 4), (size_t)size);
        state->position_size = (size_t)size;
    }
}

/* Finds what this run has stored before; *found says whether it did. */
static bool find_state(const struct local *local, const char *entity, struct entity_state *state,
                       bool *found, struct problem *problem)
{
    static const char sql[] =
        "SELECT run, run_generation, epoch, phase, position, done, deleted, rejected"
        " FROM sync_state WHERE sync = ?1 AND source = ?2 AND entity = ?3";
    const struct target_scope *scope = local->scope;
    sqlite3_stmt *statement = NULL;
    int code;

    *found = false;
    if (!prepare(local->database, sql, &statement, problem))
        return false;
    bind_place(local, statement, entity);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(statement, 0), scope->run) == 0) {
        int64_t generation = sqlite3_column_int64(statement, 1);

        if (generation > scope->run_generation ||
            sqlite3_column_int64(statement, 2) > (int64_t)scope->epoch)
            problem_set(problem, PROBLEM_LOST, "a later attempt of this run has begun");
        *found = generation == scope->run_generation;
        read_state(statement, state);
    }
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return sqlite_failed(local->database, problem);
    return problem->class == PROBLEM_NONE;
}

static bool take_over(const struct local *local, const char *entity, struct problem *problem)
{
    static const char sql[] = "UPDATE sync_state SET epoch = ?4"
                              " WHERE sync = ?1 AND source = ?2 AND entity = ?3";
    sqlite3_stmt *statement = NULL;
    bool good = prepare(local->database, sql, &statement, problem);

    if (good) {
        bind_place(local, statement, entity);
        sqlite3_bind_int64(statement, 4, (int64_t)local->scope->epoch);
        good = run_statement(local->database, statement, problem);
    }
    sqlite3_finalize(statement);
    return good;
}

static void generation_name(const struct local *local, const char *entity, char name[512])
{
    snprintf(name, 512, "generation/%s/%s", local->scope->source, entity);
}

static bool make_table(const struct local *local, const char *entity, struct problem *problem)
{
    char sql[SQL_SIZE];

    snprintf(sql, sizeof sql,
             "CREATE TABLE IF NOT EXISTS \"%s\" ("
             " key TEXT NOT NULL, document TEXT NOT NULL, updated_at TEXT,"
             " generation INTEGER NOT NULL, deleted_at TEXT, source TEXT NOT NULL,"
             " synced_at TEXT NOT NULL, PRIMARY KEY (source, key))",
             entity);
    return execute(local->database, sql, problem);
}

/* The rows an extent speaks of, with the source as ?1 and handles from ?10 on. */
static void extent_sql(const struct extent *extent, struct sqlite3_str *sql)
{
    sqlite3_str_appendall(sql, " WHERE source = ?1 AND deleted_at IS NULL");
    if (extent->narrowed_by == NULL)
        return;
    sqlite3_str_appendf(sql,
                        " AND EXISTS (SELECT 1 FROM json_each(document, '$.%q')"
                        " WHERE value IN (",
                        extent->narrowed_by);
    for (size_t i = 0; i < extent->collection_count; i++)
        sqlite3_str_appendf(sql, "%s?%d", i > 0 ? ", " : "", (int)i + 10);
    sqlite3_str_appendall(sql, "))");
}

/* `statement` begins with `verb`, then come the rows of the extent, then `rest`. */
static bool prepare_extent(const struct local *local, const struct extent *extent, const char *verb,
                           const char *rest, sqlite3_stmt **statement, struct problem *problem)
{
    sqlite3_str *text = sqlite3_str_new(database_sqlite(local->database));
    char *sql;
    bool good;

    sqlite3_str_appendf(text, verb, extent->entity);
    extent_sql(extent, text);
    sqlite3_str_appendall(text, rest);
    sql = sqlite3_str_finish(text);
    if (sql == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    good = prepare(local->database, sql, statement, problem);
    sqlite3_free(sql);
    if (!good)
        return false;
    bind_text(*statement, 1, local->scope->source);
    if (extent->narrowed_by != NULL)
        for (size_t i = 0; i < extent->collection_count; i++)
            bind_text(*statement, (int)i + 10, extent->collections[i]);
    return true;
}

static bool count_rows(const struct local *local, const struct extent *extent, const char *rest,
                       int64_t generation, int64_t *count, struct problem *problem)
{
    sqlite3_stmt *statement = NULL;
    bool good =
        prepare_extent(local, extent, "SELECT count(*) FROM \"%w\"", rest, &statement, problem);

    if (good) {
        sqlite3_bind_int64(statement, 2, generation);
        good = sqlite3_step(statement) == SQLITE_ROW || sqlite_failed(local->database, problem);
    }
    *count = good ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return good;
}

static bool insert_state(const struct local *local, const char *entity, int64_t generation,
                         int64_t rows_before, struct problem *problem)
{
    static const char sql[] = "INSERT OR REPLACE INTO sync_state VALUES"
                              " (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'reading', '', 0, 0, 0, ?8, ?9)";
    sqlite3_stmt *statement = NULL;
    bool good = prepare(local->database, sql, &statement, problem);

    if (good) {
        bind_place(local, statement, entity);
        bind_text(statement, 4, local->scope->run);
        sqlite3_bind_int64(statement, 5, local->scope->run_generation);
        sqlite3_bind_int64(statement, 6, (int64_t)local->scope->epoch);
        sqlite3_bind_int64(statement, 7, generation);
        sqlite3_bind_int64(statement, 8, rows_before);
        bind_time(statement, 9, now_ms());
        good = run_statement(local->database, statement, problem);
    }
    sqlite3_finalize(statement);
    return good;
}

/* A read that begins: a whole one opens a new generation of the entity. */
static bool begin_anew(const struct local *local, const struct extent *extent,
                       struct problem *problem)
{
    int64_t generation, rows_before = 0;
    char name[512];

    generation_name(local, extent->entity, name);
    if (!make_table(local, extent->entity, problem) ||
        !read_number(local->database, name, &generation, problem))
        return false;
    if (extent->whole || generation == 0) {
        if (!count_rows(local, extent, "", 0, &rows_before, problem) ||
            !write_number(local->database, name, ++generation, problem))
            return false;
    }
    return insert_state(local, extent->entity, generation, rows_before, problem);
}

static bool begin_or_go_on(const struct local *local, const struct extent *extent,
                           struct entity_state *state, struct problem *problem)
{
    bool found;

    if (!find_state(local, extent->entity, state, &found, problem))
        return false;
    if (found)
        return take_over(local, extent->entity, problem);
    *state = (struct entity_state){ 0 };
    return begin_anew(local, extent, problem);
}

static bool begin_local(struct target *target, const struct extent *extent,
                        struct entity_state *state, struct problem *problem)
{
    struct local *local = (struct local *)target;

    problem->class = PROBLEM_NONE;
    return transaction_begin(local->database, problem) &&
           transaction_end(local->database, begin_or_go_on(local, extent, state, problem), problem);
}

/* Refuses an attempt whose lease is over: its row is somebody else's now. */
static bool update_state(const struct local *local, const char *entity,
                         const struct entity_state *state, struct problem *problem)
{
    static const char sql[] =
        "UPDATE sync_state SET phase = ?4, position = ?5, done = ?6, deleted = ?7,"
        " rejected = ?8, updated_at = ?9 WHERE sync = ?1 AND source = ?2 AND entity = ?3"
        " AND run = ?10 AND run_generation = ?11 AND epoch = ?12";
    sqlite3_stmt *statement = NULL;
    bool good = prepare(local->database, sql, &statement, problem);

    if (good) {
        bind_place(local, statement, entity);
        bind_text(statement, 4, phases[state->phase]);
        bind_bytes(statement, 5, bytes_of(state->position, state->position_size));
        sqlite3_bind_int64(statement, 6, (int64_t)state->done);
        sqlite3_bind_int64(statement, 7, (int64_t)state->deleted);
        sqlite3_bind_int64(statement, 8, (int64_t)state->rejected);
        bind_time(statement, 9, now_ms());
        bind_text(statement, 10, local->scope->run);
        sqlite3_bind_int64(statement, 11, local->scope->run_generation);
        sqlite3_bind_int64(statement, 12, (int64_t)local->scope->epoch);
        good = run_statement(local->database, statement, problem);
    }
    sqlite3_finalize(statement);
    if (good && sqlite3_changes(database_sqlite(local->database)) == 0)
        return problem_set(problem, PROBLEM_LOST, "a later attempt of this run has begun");
    return good;
}

/* The three statements of a batch; ?1 source, ?2 key, ?5 generation in each. */
struct row_statements {
    sqlite3_stmt *put, *stamp, *remove;
};

static bool prepare_rows(const struct local *local, const char *entity, struct row_statements *rows,
                         struct problem *problem)
{
    static const char put[] =
        "INSERT INTO \"%s\" (source, key, document, updated_at, generation, synced_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (source, key) DO UPDATE SET"
        " document = excluded.document, updated_at = excluded.updated_at,"
        " generation = excluded.generation, deleted_at = NULL, synced_at = excluded.synced_at"
        " WHERE (updated_at IS NULL OR excluded.updated_at IS NULL"
        " OR updated_at <= excluded.updated_at) AND (deleted_at IS NOT NULL"
        " OR document IS NOT excluded.document OR updated_at IS NOT excluded.updated_at)";
    static const char stamp[] = "UPDATE \"%s\" SET generation = ?5"
                                " WHERE source = ?1 AND key = ?2 AND generation < ?5";
    static const char remove[] =
        "UPDATE \"%s\" SET deleted_at = coalesce(?4, ?6), updated_at = coalesce(?4, updated_at),"
        " generation = ?5, synced_at = ?6 WHERE source = ?1 AND key = ?2 AND deleted_at IS NULL"
        " AND (updated_at IS NULL OR ?4 IS NULL OR updated_at <= ?4)";
    const char *const texts[] = { put, stamp, remove };
    sqlite3_stmt **const statements[] = { &rows->put, &rows->stamp, &rows->remove };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *sql = sqlite3_mprintf(texts[i], entity);
        bool good = sql != NULL ? prepare(local->database, sql, statements[i], problem)
                                : problem_set(problem, PROBLEM_TRANSIENT, "out of memory");

        sqlite3_free(sql);
        if (!good)
            return false;
        bind_text(*statements[i], 1, local->scope->source);
    }
    return true;
}

static bool put_row(const struct local *local, const struct row_statements *rows,
                    const struct record *record, struct problem *problem)
{
    bind_bytes(rows->put, 2, record->key);
    bind_bytes(rows->put, 3, record->document);
    bind_time(rows->put, 4, record->updated_at_ms);
    if (!run_statement(local->database, rows->put, problem))
        return false;
    if (sqlite3_changes(database_sqlite(local->database)) > 0)
        return true;
    bind_bytes(rows->stamp, 2, record->key);
    return run_statement(local->database, rows->stamp, problem);
}

static bool remove_row(const struct local *local, const struct row_statements *rows,
                       const struct record *record, struct problem *problem)
{
    bind_bytes(rows->remove, 2, record->key);
    bind_time(rows->remove, 4, record->updated_at_ms);
    return run_statement(local->database, rows->remove, problem);
}

static bool write_rows(const struct local *local, const struct batch *batch,
                       const struct row_statements *rows, struct problem *problem)
{
    int64_t generation, time_ms = now_ms();
    char name[512];

    generation_name(local, batch->entity, name);
    if (!read_number(local->database, name, &generation, problem))
        return false;
    sqlite3_bind_int64(rows->put, 5, generation);
    sqlite3_bind_int64(rows->stamp, 5, generation);
    sqlite3_bind_int64(rows->remove, 5, generation);
    bind_time(rows->put, 6, time_ms);
    bind_time(rows->remove, 6, time_ms);
    for (size_t i = 0; i < batch->count; i++) {
        const struct record *record = &batch->records[i];

        if (!(record->deleted ? remove_row : put_row)(local, rows, record, problem))
            return false;
    }
    return true;
}

static bool write_batch(const struct local *local, const struct batch *batch,
                        struct problem *problem)
{
    struct row_statements rows = { 0 };
    bool good = update_state(local, batch->entity, batch->state, problem);

    if (good && batch->count > 0)
        good = prepare_rows(local, batch->entity, &rows, problem) &&
               write_rows(local, batch, &rows, problem);
    sqlite3_finalize(rows.put);
    sqlite3_finalize(rows.stamp);
    sqlite3_finalize(rows.remove);
    return good;
}

static bool write_local(struct target *target, const struct batch *batch, struct problem *problem)
{
    struct local *local = (struct local *)target;

    return transaction_begin(local->database, problem) &&
           transaction_end(local->database, write_batch(local, batch, problem), problem);
}

static bool find_generation(const struct local *local, const char *entity, int64_t *generation,
                            int64_t *rows_before, struct problem *problem)
{
    static const char sql[] = "SELECT generation, rows_before FROM sync_state"
                              " WHERE sync = ?1 AND source = ?2 AND entity = ?3";
    sqlite3_stmt *statement = NULL;
    bool good = prepare(local->database, sql, &statement, problem);

    if (good) {
        bind_place(local, statement, entity);
        good = sqlite3_step(statement) == SQLITE_ROW || sqlite_failed(local->database, problem);
    }
    *generation = good ? sqlite3_column_int64(statement, 0) : 0;
    *rows_before = good ? sqlite3_column_int64(statement, 1) : 0;
    sqlite3_finalize(statement);
    return good;
}

static bool bury(const struct local *local, const struct extent *extent, int64_t generation,
                 struct problem *problem)
{
    sqlite3_stmt *statement = NULL;
    bool good = prepare_extent(local, extent, "UPDATE \"%w\" SET deleted_at = ?3, synced_at = ?3",
                               " AND generation < ?2", &statement, problem);

    if (good) {
        sqlite3_bind_int64(statement, 2, generation);
        bind_time(statement, 3, now_ms());
        good = run_statement(local->database, statement, problem);
    }
    sqlite3_finalize(statement);
    return good;
}

static bool sweep_rows(const struct local *local, const struct extent *extent,
                       struct entity_state *state, struct problem *problem)
{
    int64_t generation, before, gone;

    if (!find_generation(local, extent->entity, &generation, &before, problem) ||
        !count_rows(local, extent, " AND generation < ?2", generation, &gone, problem))
        return false;
    if (state->rejected > 0)
        gone = 0; /* nobody knows which rows the bad records were */
    if (gone * 2 > before && !extent->allow_mass_delete)
        return problem_set(problem, PROBLEM_CONFIG,
                           "%" PRId64 " of %" PRId64 " rows of %s are gone at the source; to "
                           "delete so many here, too, the job needs \"allowMassDelete\": true",
                           gone, before, extent->entity);
    if (gone > 0 && !bury(local, extent, generation, problem))
        return false;
    state->deleted += (uint64_t)gone;
    state->phase = ENTITY_SWEPT;
    return update_state(local, extent->entity, state, problem);
}

static bool sweep_local(struct target *target, const struct extent *extent,
                        struct entity_state *state, struct problem *problem)
{
    struct local *local = (struct local *)target;

    return transaction_begin(local->database, problem) &&
           transaction_end(local->database, sweep_rows(local, extent, state, problem), problem);
}

void connectors_close(void)
{
    databases_close();
}

const struct target_kind local_target = {
    .name = "local",
    .open = open_local,
    .begin = begin_local,
    .write = write_local,
    .sweep = sweep_local,
    .close = close_local,
};
