#ifndef CORE_RUN_H
#define CORE_RUN_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* One execution of a sync (the API's "job") and the rules for what may happen
 * to it. No I/O, no clock, no allocation: a run is a value, and run_apply() is
 * a pure function of it. */

/*        name         shown as      leased  ended */
#define RUN_STATES(X)                                 \
    X(NONE,        "none",       false,  false)   \
    X(QUEUED,      "queued",     false,  false)   \
    X(BACKOFF,     "queued",     false,  false)   \
    X(SCHEDULED,   "scheduled",  false,  false)   \
    X(ACTIVE,      "active",     true,   false)   \
    X(PAUSING,     "paused",     true,   false)   \
    X(CANCELLING,  "active",     true,   false)   \
    X(PAUSED,      "paused",     false,  false)   \
    X(COMPLETED,   "completed",  false,  true)    \
    X(FAILED,      "failed",     false,  true)    \
    X(CANCELLED,   "cancelled",  false,  true)

#define RUN_EVENTS(X)                                                           \
    X(DUE,      "its time comes")           /* of a schedule, of a backoff */   \
    X(LEASE,    "a worker takes it")                                            \
    X(RETURN,   "the push was not taken")   /* costs nothing */                 \
    X(RELEASE,  "the worker lets go")       /* paused, cancelled or draining */ \
    X(COMPLETE, "the worker is done")                                           \
    X(RETRY,    "the attempt failed")       /* error or expiry, a try is left */\
    X(GIVE_UP,  "the last attempt failed")                                      \
    X(PAUSE,    "pause")                                                        \
    X(RESUME,   "resume")                                                       \
    X(RESCHEDULE, "resume its schedule")    /* of a firing paused before its time */ \
    X(CANCEL,   "cancel")                                                       \
    X(REVIVE,   "retry")                    /* a person's retry of an ended run */

enum run_state {
#define RUN_STATE(name, shown, leased, ended) RUN_##name,
    RUN_STATES(RUN_STATE)
#undef RUN_STATE
    RUN_STATE_COUNT
};

enum run_event {
#define RUN_EVENT(name, text) EVENT_##name,
    RUN_EVENTS(RUN_EVENT)
#undef RUN_EVENT
    RUN_EVENT_COUNT
};

enum run_type { RUN_TYPE_NONE, RUN_TYPE_FULL, RUN_TYPE_INCREMENTAL, RUN_TYPE_ENTITY,
                RUN_TYPE_SCHEDULED, RUN_TYPE_COUNT };
enum run_priority { RUN_PRIORITY_NONE, RUN_PRIORITY_LOW, RUN_PRIORITY_NORMAL,
                    RUN_PRIORITY_HIGH, RUN_PRIORITY_CRITICAL, RUN_PRIORITY_COUNT };
enum failure_class { FAILURE_NONE, FAILURE_TRANSIENT, FAILURE_CONFIG, FAILURE_FATAL,
                     FAILURE_RATE_LIMITED, FAILURE_LEASE_EXPIRED, FAILURE_CLASS_COUNT };
enum wait_reason { WAIT_NONE, WAIT_PAUSED, WAIT_EARLIER_RUN, WAIT_LIMIT, WAIT_BACKOFF,
                   WAIT_SCHEDULE, WAIT_NO_WORKER, WAIT_TURN };
enum directive { DIRECTIVE_NONE, DIRECTIVE_GO_ON, DIRECTIVE_PAUSE_IT, DIRECTIVE_CANCEL_IT,
                 DIRECTIVE_DRAIN_IT };
enum schedule_repeat { REPEAT_ABSENT, REPEAT_NONE, REPEAT_HOURLY, REPEAT_DAILY,
                       REPEAT_WEEKLY, REPEAT_MONTHLY, REPEAT_COUNT };
enum schedule_overlap { OVERLAP_DEFAULT, OVERLAP_SKIP, OVERLAP_BUFFER_ONE,
                        OVERLAP_CANCEL_OTHER };

/* Unique for ever, ordered by time: (ms since 1970 : 44)(sequence : 12)(slot : 8). */
typedef uint64_t run_id;

enum { RUN_ID_TEXT_SIZE = 18 };   /* "job_" + 13 characters + NUL */
void run_id_write(run_id id, char text[RUN_ID_TEXT_SIZE]);
/* False if the text is not what run_id_write() writes. */
bool run_id_read(struct bytes text, run_id *id);

/* A schedule's rule: see schedule.h. Times are 0 where absent. */
struct schedule_rule {
    int64_t start_at_ms, end_at_ms;
    enum schedule_repeat repeat;
    int32_t time_of_day_s;     /* -1: that of start_at */
    struct bytes timezone;     /* empty: UTC */
    struct bytes cron;
    int64_t interval_ms, jitter_ms;
    uint32_t max_runs;         /* 0: no end */
    enum schedule_overlap overlap;
    int64_t catch_up_ms;       /* 0: one period, at most 24 h */
};

/* What was asked for. Written once, when the job is accepted. */
struct run_spec {
    struct bytes name;
    enum run_type type;
    enum run_priority priority;
    struct bytes source, target, entity;
    enum run_type mode;              /* of a scheduled job; NONE: by the watermark */
    int64_t updated_since_ms;        /* 0: none */
    bool narrowed;                   /* filters leave part of an entity out */
    uint32_t concurrency;
    bool retry_on_fail;
    uint32_t retries_max;
    struct bytes data;               /* the caller's, opaque to core */
    bool has_schedule;
    struct schedule_rule schedule;
    int64_t queued_at_ms;            /* set by the queue, like queued_by's copy */
    struct bytes queued_by;
};

struct entity_progress {
    struct bytes entity;
    uint64_t done, total, deleted;
    bool total_known, complete;
};

struct entity_window {
    struct bytes entity;             /* empty: all that are not listed */
    int64_t low_ms;                  /* inclusive; 0: everything */
};

struct action {
    struct bytes actor, reason;
    int64_t at_ms;                   /* 0: nobody did anything */
};

/* Where a run is. Times are 0 where absent. Text and arrays belong to
 * whoever holds the struct's arena. */
struct run {
    enum run_state state;
    uint32_t epoch;                  /* grows by one at each lease */
    uint32_t generation;             /* grows when the run starts over */
    uint32_t attempts;               /* leases taken up so far */
    uint32_t failures;               /* attempts that failed, in all */
    uint32_t fruitless;              /* consecutive failed attempts without a newer checkpoint */
    uint32_t expiries;               /* consecutive lease expiries */
    bool moved;                      /* a checkpoint came in this attempt */
    bool checkpointed;               /* the store holds one */
    bool ready;                      /* stands in the ready order: nothing holds it back */
    bool head;                       /* goes before its class: it was resumed */
    uint64_t order;                  /* its place there and among its name's runs; 0: none yet */
    int64_t queued_at_ms, started_at_ms, paused_at_ms, resumed_at_ms, ended_at_ms;
    uint64_t ended_ticket;           /* of the turn that it ended in */
    int64_t not_before_ms, leased_at_ms, nominal_ms;
    int64_t worked_ms;               /* in attempts that are over */
    int64_t typical_ms;              /* how long runs of its sync took when it became ready */
    int64_t lease_ttl_ms;
    struct bytes worker;
    int32_t progress;                /* percent; -1: unknown */
    struct entity_progress *entities;
    uint32_t entity_count;
    struct bytes error;
    enum failure_class error_class;
    int64_t error_at_ms;
    struct action action;
    enum run_type effective_type;    /* what a scheduled run turned out to be */
    int64_t window_high_ms;
    struct entity_window *windows;
    uint32_t window_count;
    bool windows_set;
};

/* Moves run by one event, or leaves it untouched and returns ERR_CONFLICT with
 * a sentence that names both. This is the only code that assigns run->state. */
MUST_USE enum err run_apply(struct run *run, enum run_event event, struct why *why);

/* Whether the table has a cell for it. */
bool run_allows(enum run_state state, enum run_event event);
enum run_state run_next_state(enum run_state state, enum run_event event);  /* RUN_NONE: refused */

bool run_is_leased(enum run_state state);   /* a worker holds it */
bool run_is_ended(enum run_state state);

/* True if the fields agree with the state. Asserted after every change and
 * required of every record loaded. */
bool run_is_sound(const struct run *run);

const char *run_state_name(enum run_state state);     /* "PAUSING" */
const char *run_state_shown(enum run_state state);    /* "paused" */
const char *run_event_name(enum run_event event);
const char *run_event_text(enum run_event event);
const char *failure_class_name(enum failure_class failure);  /* "transient" */

#endif
