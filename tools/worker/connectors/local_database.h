#ifndef WORKER_LOCAL_DATABASE_H
#define WORKER_LOCAL_DATABASE_H

#include "tools/worker/connectors/connector.h"

#include <sqlite3.h>

/* Inside of target "local": its SQLite databases, and statements on them.
 * Every failure fills the problem. */

struct database;

/* Lends the open database of that path, the same to all of this process;
 * NULL: failed. Made with its tables if it is not there. */
struct database *database_take(const char *path, struct problem *problem);
void database_release(struct database *database);
/* Closes those that nobody uses. */
void databases_close(void);

/* Every change happens between these two: one writer in this process, and among
 * processes whoever gets SQLite's lock. The end commits if all was good, and
 * answers whether it is stored. */
MUST_USE bool transaction_begin(struct database *database, struct problem *problem);
MUST_USE bool transaction_end(struct database *database, bool good, struct problem *problem);

sqlite3 *database_sqlite(const struct database *database);
/* Fills the problem from SQLite's last error; false. */
bool sqlite_failed(const struct database *database, struct problem *problem);
bool execute(const struct database *database, const char *sql, struct problem *problem);
bool prepare(const struct database *database, const char *sql, sqlite3_stmt **statement,
             struct problem *problem);
/* Runs a statement that answers no rows, and makes it ready to run again. */
bool run_statement(const struct database *database, sqlite3_stmt *statement,
                   struct problem *problem);

/* The bytes stay the caller's until the statement has run. */
void bind_text(sqlite3_stmt *statement, int place, const char *text);
void bind_bytes(sqlite3_stmt *statement, int place, struct bytes text);
/* RFC 3339, always with milliseconds, so that texts order like times. 0 is NULL. */
void bind_time(sqlite3_stmt *statement, int place, int64_t time_ms);

/* One number of sync_meta; 0 if it is not there. */
bool read_number(const struct database *database, const char *name, int64_t *number,
                 struct problem *problem);
bool write_number(const struct database *database, const char *name, int64_t number,
                  struct problem *problem);

#endif
