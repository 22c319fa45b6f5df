#include "tools/worker/connectors/local_database.h"

#include "core/base/rfc3339.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A database is opened once in a process and shared: SQLite has one writer at a
 * time, and a mutex is a better queue for it than waiting and trying again. Some
 * stay open when nobody uses them: closing one locks out whoever reads it. */

enum { SCHEMA_VERSION = 1, BUSY_TIMEOUT_MS = 30 * 1000, IDLE_MAX = 16 };

struct database {
    struct database *next;
    char *path;
    unsigned users; /* under databases_lock, like the next two */
    dev_t device;   /* of the file, to know when it was taken away */
    ino_t file;
    pthread_mutex_t lock; /* for what follows */
    sqlite3 *sqlite;
};

static pthread_mutex_t databases_lock = PTHREAD_MUTEX_INITIALIZER;
static struct database *databases;

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS sync_meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS sync_state ("
    " sync TEXT NOT NULL, source TEXT NOT NULL, entity TEXT NOT NULL,"
    " run TEXT NOT NULL, run_generation INTEGER NOT NULL, epoch INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, phase TEXT NOT NULL, position TEXT NOT NULL,"
    " done INTEGER NOT NULL, deleted INTEGER NOT NULL, rejected INTEGER NOT NULL,"
    " rows_before INTEGER NOT NULL, updated_at TEXT NOT NULL,"
    " PRIMARY KEY (sync, source, entity));";

sqlite3 *database_sqlite(const struct database *database)
{
    return database->sqlite;
}

static enum problem_class sqlite_class(int code)
{
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        return PROBLEM_FATAL;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_ERROR: /* somebody else's table */
        return PROBLEM_CONFIG;
    default:
        return PROBLEM_TRANSIENT;
    }
}

bool sqlite_failed(const struct database *database, struct problem *problem)
{
    return problem_set(problem, sqlite_class(sqlite3_extended_errcode(database->sqlite)),
                       "%.200s: %.200s", database->path, sqlite3_errmsg(database->sqlite));
}

bool execute(const struct database *database, const char *sql, struct problem *problem)
{
    return sqlite3_exec(database->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ||
           sqlite_failed(database, problem);
}

bool prepare(const struct database *database, const char *sql, sqlite3_stmt **statement,
             struct problem *problem)
{
    return sqlite3_prepare_v2(database->sqlite, sql, -1, statement, NULL) == SQLITE_OK ||
           sqlite_failed(database, problem);
}

bool run_statement(const struct database *database, sqlite3_stmt *statement,
                   struct problem *problem)
{
    bool good = sqlite3_step(statement) == SQLITE_DONE || sqlite_failed(database, problem);

    sqlite3_reset(statement);
    return good;
}

void bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
}

void bind_bytes(sqlite3_stmt *statement, int place, struct bytes text)
{
    sqlite3_bind_text64(statement, place, (const char *)text.data, text.size, SQLITE_STATIC,
                        SQLITE_UTF8);
}

void bind_time(sqlite3_stmt *statement, int place, int64_t time_ms)
{
    struct civil c = civil_from_ms(time_ms);
    char text[RFC3339_SIZE + 32];
    int size;

    if (time_ms == 0) {
        sqlite3_bind_null(statement, place);
        return;
    }
    size = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month,
                    c.day, c.hour, c.minute, c.second, c.ms);
    sqlite3_bind_text(statement, place, text, size, SQLITE_TRANSIENT);
}

bool read_number(const struct database *database, const char *name, int64_t *number,
                 struct problem *problem)
{
    sqlite3_stmt *statement = NULL;
    bool good =
        prepare(database, "SELECT value FROM sync_meta WHERE name = ?1", &statement, problem);

    *number = 0;
    if (good) {
        int code;

        bind_text(statement, 1, name);
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            *number = sqlite3_column_int64(statement, 0);
        good = code == SQLITE_ROW || code == SQLITE_DONE || sqlite_failed(database, problem);
    }
    sqlite3_finalize(statement);
    return good;
}

bool write_number(const struct database *database, const char *name, int64_t number,
                  struct problem *problem)
{
    sqlite3_stmt *statement = NULL;
    bool good =
        prepare(database, "INSERT OR REPLACE INTO sync_meta VALUES (?1, ?2)", &statement, problem);

    if (good) {
        bind_text(statement, 1, name);
        sqlite3_bind_int64(statement, 2, number);
        good = run_statement(database, statement, problem);
    }
    sqlite3_finalize(statement);
    return good;
}

static bool make_schema(const struct database *database, struct problem *problem)
{
    int64_t version;

    if (!execute(database, schema, problem) || !read_number(database, "schema", &version, problem))
        return false;
    if (version > SCHEMA_VERSION)
        return problem_set(problem, PROBLEM_CONFIG,
                           "%.200s was written by a newer version of this program", database->path);
    return version == SCHEMA_VERSION || write_number(database, "schema", SCHEMA_VERSION, problem);
}

static bool end_transaction(const struct database *database, bool good, struct problem *problem)
{
    if (good && execute(database, "COMMIT", problem))
        return true;
    sqlite3_exec(database->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

static bool open_sqlite(struct database *database, struct problem *problem)
{
    if (sqlite3_open_v2(database->path, &database->sqlite,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return database->sqlite != NULL ? sqlite_failed(database, problem)
                                        : problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    sqlite3_busy_timeout(database->sqlite, BUSY_TIMEOUT_MS);
    if (!execute(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", problem) ||
        !execute(database, "BEGIN IMMEDIATE", problem))
        return false;
    return end_transaction(database, make_schema(database, problem), problem);
}

static void database_free(struct database *database)
{
    sqlite3_close(database->sqlite);
    pthread_mutex_destroy(&database->lock);
    free(database->path);
    free(database);
}

static struct database *database_new(const char *path, struct problem *problem)
{
    struct database *database = calloc(1, sizeof *database);
    struct stat stat_of;

    if (database == NULL || (database->path = strdup(path)) == NULL) {
        problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
        free(database);
        return NULL;
    }
    pthread_mutex_init(&database->lock, NULL);
    if (!open_sqlite(database, problem)) {
        database_free(database);
        return NULL;
    }
    if (stat(path, &stat_of) == 0) {
        database->device = stat_of.st_dev;
        database->file = stat_of.st_ino;
    }
    database->next = databases;
    databases = database;
    return database;
}

static void unlist(struct database *database)
{
    struct database **at = &databases;

    while (*at != database)
        at = &(*at)->next;
    *at = database->next;
}

static bool is_still_there(const struct database *database)
{
    struct stat stat_of;

    return stat(database->path, &stat_of) == 0 && stat_of.st_dev == database->device &&
           stat_of.st_ino == database->file;
}

/* Closes the least recently opened that nobody uses, until so many are left. */
static void close_idle(unsigned left)
{
    unsigned idle = 0;

    for (struct database *at = databases, *next; at != NULL; at = next) {
        next = at->next;
        if (at->users == 0 && ++idle > left) {
            unlist(at);
            database_free(at);
        }
    }
}

static struct database *find_database(const char *path)
{
    for (struct database *at = databases; at != NULL; at = at->next) {
        if (strcmp(at->path, path) != 0)
            continue;
        if (at->users > 0 || is_still_there(at))
            return at;
        unlist(at);
        database_free(at);
        return NULL;
    }
    return NULL;
}

struct database *database_take(const char *path, struct problem *problem)
{
    struct database *database;

    pthread_mutex_lock(&databases_lock);
    database = find_database(path);
    if (database == NULL)
        database = database_new(path, problem);
    if (database != NULL)
        database->users++;
    pthread_mutex_unlock(&databases_lock);
    return database;
}

void database_release(struct database *database)
{
    pthread_mutex_lock(&databases_lock);
    database->users--;
    close_idle(IDLE_MAX);
    pthread_mutex_unlock(&databases_lock);
}

void databases_close(void)
{
    pthread_mutex_lock(&databases_lock);
    close_idle(0);
    pthread_mutex_unlock(&databases_lock);
}

bool transaction_begin(struct database *database, struct problem *problem)
{
    pthread_mutex_lock(&database->lock);
    if (execute(database, "BEGIN IMMEDIATE", problem))
        return true;
    pthread_mutex_unlock(&database->lock);
    return false;
}

bool transaction_end(struct database *database, bool good, struct problem *problem)
{
    good = end_transaction(database, good, problem);
    pthread_mutex_unlock(&database->lock);
    return good;
}
