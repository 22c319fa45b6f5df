#ifndef WORKER_CONNECTOR_H
#define WORKER_CONNECTOR_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/limits.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What the worker asks of everything that data comes from or goes to.
 *
 * Sources tell what they read as events (struct sink): records and deletions,
 * and how far they are. Targets take them in batches, each one
 * transaction of rows and position. Neither has threads: the engine (run.h)
 * calls one source or target of a run from several threads, at most one of
 * them working on the same entity. */

enum {
    DOCUMENT_SIZE_MAX = 16 << 20,
    POSITION_SIZE_MAX = 512,
    RUN_ENTITIES_MAX = ENTITIES_MAX,
    COLLECTIONS_MAX = 256,
};

/* Why something could not be done, and so what happens to the job. */
enum problem_class {
    PROBLEM_NONE,
    PROBLEM_RATE_LIMITED,    /* go on after retry_after_ms */
    PROBLEM_TRANSIENT,       /* try again */
    PROBLEM_CONFIG,          /* a person must change something */
    PROBLEM_FATAL,           /* trying again cannot help */
    PROBLEM_LOST,            /* another worker goes on with this run */
};

struct problem {
    enum problem_class class;
    int64_t retry_after_ms;
    char text[480];          /* for a person; no secrets */
};

/* Fills the problem and returns false, so that failing takes one line. */
bool problem_set(struct problem *problem, enum problem_class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One event of a source: this is the entity's record now, or it is gone. */
struct record {
    struct bytes key;            /* the source's own, immutable id */
    struct bytes document;       /* one JSON object, byte for byte; empty if deleted */
    int64_t updated_at_ms;       /* 0: the source does not say */
    bool deleted;
};

/* Where a source's events go. Each bool is "go on": after false the source
 * returns READ_STOPPED and calls no more. Bytes are lent for the call. */
struct sink {
    bool (*record)(struct sink *sink, const struct record *record);
    /* Everything up to here was told: a later read may go on behind it. Called
     * often (at least once in a few hundred records); at most POSITION_SIZE_MAX. */
    bool (*position)(struct sink *sink, struct bytes position);
    /* A record that cannot be taken. False once too many were. */
    bool (*reject)(struct sink *sink, const char *where, const char *reason);
    /* Lets time pass; returns early, and false, when the run is to stop. */
    bool (*wait)(struct sink *sink, int64_t ms);
};

struct read_request {
    const char *entity;
    int64_t low_ms;                     /* what changed since, inclusive; 0: everything */
    const char *const *collections;     /* narrows entities that can be (entity_spec) */
    size_t collection_count;
    struct bytes position;              /* where to go on; empty: at the beginning */
};

enum read_end { READ_DONE, READ_STOPPED, READ_FAILED };

struct entity_spec {
    char name[NAME_SIZE_MAX + 1];
    /* The member of its documents (an array of handles) that a filter by
     * collections narrows by; NULL: the filter does not concern it. */
    const char *narrowed_by;
};

struct entity_specs {
    struct entity_spec items[RUN_ENTITIES_MAX];
    size_t count;
};

struct source {
    const struct source_kind *kind;
};

struct source_kind {
    const char *name;
    /* `config` is the connection's file, `data` the job's data object; both are
     * borrowed for the call. Gives the source. */
    bool (*open)(const json_t *config, const json_t *data, struct source **source,
                 struct problem *problem);
    bool (*discover)(struct source *source, struct entity_specs *specs, struct problem *problem);
    enum read_end (*read)(struct source *source, const struct read_request *request,
                          struct sink *sink, struct problem *problem);
    /* How many records such a read tells from its beginning; false: not known.
     * May run beside a read of the same entity. */
    bool (*count)(struct source *source, const struct read_request *request, uint64_t *total);
    void (*close)(struct source *source);
};

/* Whose work is written. All text is borrowed until the target is closed. */
struct target_scope {
    const char *data_dir;
    const char *org;
    const char *sync;            /* its name */
    const char *source;          /* the connection's name: rows of two sources do not mix */
    const char *run;             /* the job's id */
    uint32_t run_generation;     /* grows when the run starts over */
    uint64_t epoch;              /* of the lease: an earlier one may write nothing more */
};

enum entity_phase { ENTITY_READING, ENTITY_READ, ENTITY_SWEPT };

/* How far an entity of a run is. */
struct entity_state {
    enum entity_phase phase;
    uint64_t done;               /* records told so far, deletions included */
    uint64_t deleted;
    uint64_t rejected;
    size_t position_size;
    char position[POSITION_SIZE_MAX];
};

/* What is stored in one transaction: rows, and the state behind them. */
struct batch {
    const char *entity;
    const struct record *records;
    size_t count;
    const struct entity_state *state;
};

/* What of an entity a run reads. */
struct extent {
    const char *entity;
    bool whole;                         /* no lower bound: what is not seen is gone */
    const char *narrowed_by;            /* NULL: no filter concerns it */
    const char *const *collections;
    size_t collection_count;
    bool allow_mass_delete;
};

struct target {
    const struct target_kind *kind;
};

struct target_kind {
    const char *name;
    /* Gives the target. */
    bool (*open)(const json_t *config, const struct target_scope *scope, struct target **target,
                 struct problem *problem);
    /* Before the first batch of an entity. `state` holds what the server last
     * heard of, or zeros; a target that keeps positions itself replaces it by
     * its own (zeros if it has none of this run): what it holds is the truth. */
    bool (*begin)(struct target *target, const struct extent *extent,
                  struct entity_state *state, struct problem *problem);
    /* Rows older than those that are there do not overwrite them. PROBLEM_LOST
     * if a later lease has begun: then nothing is stored. */
    bool (*write)(struct target *target, const struct batch *batch, struct problem *problem);
    /* Only if the extent is whole, and everything was read: what was not seen
     * since begin() is deleted, inside the extent. Not if records were rejected;
     * and not if it would be most of the rows (PROBLEM_CONFIG). `state` is
     * stored with it: its `deleted` counted up, its phase ENTITY_SWEPT. */
    bool (*sweep)(struct target *target, const struct extent *extent,
                  struct entity_state *state, struct problem *problem);
    void (*close)(struct target *target);
};

/* The built-in ones; NULL if there is none of that name. */
const struct source_kind *source_kind_find(const char *name);
const struct target_kind *target_kind_find(const char *name);

/* The name as one part of a path: every byte but [A-Za-z0-9_-] and a '.' that
 * leads to no confusion becomes %XX. False if it does not fit. */
bool path_part(const char *name, char *text, size_t size);

/* 1 to 128 of [A-Za-z0-9._-], and not a name the targets use themselves. */
bool entity_name_is_valid(const char *name);

#endif
