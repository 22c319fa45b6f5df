#ifndef CORE_QUEUE_H
#define CORE_QUEUE_H

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/random.h"
#include "core/base/sha256.h"
#include "core/run.h"
#include "core/store.h"

/* The job queue of all organisations: a step function.
 *
 * Ownership   Words used in core: a function LENDS a pointer (valid until the
 *             object goes), GIVES it (the caller frees it) or TAKES one (the
 *             callee frees it). A parameter without such a word is borrowed
 *             for the length of the call.
 * Threads     One thread at a time. core/engine.h is that thread in the server.
 * Requests    queue_post() only takes note. queue_turn() does the work of all
 *             posted requests, commits it in one durable batch, then calls
 *             every request's done() exactly once. done() never runs inside
 *             queue_post(); it may post more. The caller owns the request and
 *             must leave it alone until done(). Text and arrays that an answer
 *             carries lie in the request's `mem`.
 * Failure     A batch that could not be written answers every request of its
 *             turn ERR_UNAVAILABLE (nothing of it happened) or ERR_UNCERTAIN
 *             (nobody knows), and the queue rebuilds its memory from the store.
 * Memory      Grows with leases, workers, organisations and waiting requests;
 *             not with queued jobs. */

struct queue;
struct board;     /* see board.h */
struct watch_hub; /* see watch.h */

struct queue_options {
    int64_t lease_ttl_ms;        /* default 60,000 */
    int64_t ack_ms;              /* a pushed lease must be acknowledged: 5,000 */
    int64_t pause_grace_ms;      /* 0: the lease's length */
    int64_t backoff_base_ms, backoff_cap_ms;      /* 5,000 and 900,000 */
    int64_t lookback_ms, safety_lag_ms;           /* 300,000 and 0 */
    uint32_t attempts_max;       /* hard cap: 20 */
    uint32_t expiries_max;       /* 5 */
    uint32_t orgs_max;           /* 100,000 */
    const char *zone_directory;  /* of the time-zone database; borrowed */
    int64_t keep_completed_ms;   /* 7 days; of cancelled runs, too; 0: for ever, like the next ones */
    int64_t keep_failed_ms;      /* 30 days */
    uint32_t keep_runs;          /* 1,000 completed and cancelled ones of each name */
    int64_t keep_audit_ms;       /* 90 days */
    uint64_t disk_free_min_bytes;    /* with less the service is degraded: 512 MiB */
    bool audit_submits;          /* off: a job itself keeps who queued it, and when */
};

void queue_options_default(struct queue_options *options);

struct queue_deps {          /* borrowed: must outlive the queue */
    struct store *store;
    struct clock *clock;
    struct random *random;
    struct board *board;         /* may be NULL: nobody reads estimates */
    struct watch_hub *watch;     /* may be NULL: nobody watches */
    struct queue_options options;
};

/* Gives the queue, its caches loaded from the store. ERR_CORRUPT with a clear
 * text if the store was written by a newer program. */
MUST_USE enum err queue_open(const struct queue_deps *deps, struct queue **queue,
                             struct why *why);

/* Answers what is still posted or waiting with ERR_UNAVAILABLE; controls that
 * wait for a worker with OK: they are done. NULL is fine. */
void queue_close(struct queue *queue);

enum queue_verb {
    QUEUE_SUBMIT, QUEUE_CONTROL, QUEUE_PURGE, QUEUE_PUT_ORG, QUEUE_DELETE_SCHEDULE,
    QUEUE_RESET_WATERMARK, QUEUE_JOIN, QUEUE_LEAVE, QUEUE_LEASE, QUEUE_LEASE_STOP,
    QUEUE_ACKNOWLEDGE, QUEUE_HEARTBEAT, QUEUE_REPORT, QUEUE_SERVICE_INFO, QUEUE_DRAIN,
    QUEUE_VERB_COUNT
};

struct request {
    enum queue_verb verb;                                /* in  */
    struct arena *mem;                                   /* in: for the answer */
    void (*done)(struct request *req, enum err e);       /* in  */
    struct bytes peer;                                   /* in: where it comes from, for the audit log */
    struct why why;                                      /* out: when e != OK */
    enum err result;                                     /* queue's */
    struct link link;                                    /* queue's */
};

void queue_post(struct queue *queue, struct request *request);

/* One turn: due timers, every posted request, hand out leases, commit, answer.
 * Returns when the next timer is due on the monotonic clock, INT64_MAX for
 * never; 0 if there is more to do at once. */
int64_t queue_turn(struct queue *queue);

/* The same in parts, so that a batch can be stored while the next turn is
 * computed: an answer still leaves only when its batch is durable, and answers
 * leave in order.
 *   work    does what was posted and what is due, in the open turn; may be
 *           called again and again.
 *   seal    closes the open turn; false: there was nothing to store, and what
 *           there was to answer is answered. Only one turn at a time is sealed.
 *   store   writes the sealed turn. May run on another thread, beside post and
 *           work and nothing else.
 *   settle  answers the sealed turn; if it could not be stored, the open one
 *           fails with it. */
void queue_work(struct queue *queue);
bool queue_seal(struct queue *queue);
MUST_USE enum err queue_store(struct queue *queue, struct why *why);
void queue_settle(struct queue *queue, enum err e, const struct why *why);
int64_t queue_due(const struct queue *queue);

/* A run as an answer shows it. */
struct run_info {
    run_id id;
    struct bytes org;
    struct run_spec spec;
    struct run run;
    bool duplicate;                  /* of a SUBMIT: it has taken over a run that waited */
    enum wait_reason wait;           /* WAIT_NONE unless it waits */
    int64_t lease_left_ms;           /* of a leased run; 0: unknown */
    /* Estimates, 0 where nothing is known: see board.h. */
    int64_t estimated_start_ms, estimated_completion_ms, estimate_low_ms, estimate_high_ms;
    const char *estimate_basis;
    int64_t next_runs_ms[5];         /* of its schedule; 0: no more */
};

/* What a request does while a run of its name stands in line: waits or is
 * active. A schedule's firing whose time has not come does not stand in line,
 * and is not touched; the newest accepted request always leads to a run that
 * begins after it.
 *   QUEUE     a new run, behind the others.
 *   COALESCE  the last run in line that has not begun takes over the request:
 *             its spec is rewritten (the only time that happens), id, place in
 *             line and pause stay. Where all have begun (a run that goes on
 *             from what an earlier attempt has fixed counts as begun) a new run
 *             follows them, and the next request finds that one. With a
 *             schedule in it, the request sets the schedule, as QUEUE does.
 *   REJECT    ERR_EXISTS, whose text has the live run's id.
 *   REPLACE   waiting runs are cancelled, an active one's worker is told to
 *             stop; a new run follows. The sync stays paused if it was. More
 *             than a turn can take go over several turns; meanwhile the
 *             organisation's later SUBMITs wait. */
enum on_duplicate { ON_DUPLICATE_QUEUE, ON_DUPLICATE_COALESCE, ON_DUPLICATE_REJECT,
                    ON_DUPLICATE_REPLACE };

/* Queues a job. ERR_INVALID names the field. The schedule's rule, names and
 * ranges are checked here; `data` is not looked into.
 *
 * A request_id makes it safe to repeat: for a day (IDEMPOTENCY_MS) the same
 * caller of the same organisation gets, for the same key and digest, the answer
 * that was given the first time, whatever has become of the run; for another
 * digest ERR_CONFLICT, `why` naming the field requestId. Only an accepted
 * request is remembered, in the batch that makes it durable. */
struct submit_request {
    struct request base;
    struct bytes org, actor;         /* in */
    struct run_spec spec;            /* in */
    enum on_duplicate on_duplicate;  /* in */
    struct bytes request_id;         /* in: 1 to 255 of printable ASCII; empty: none */
    struct bytes caller;             /* in: whose key it is */
    uint8_t digest[SHA256_SIZE];     /* in: of all that was asked for, if there is a key */
    struct run_info info;            /* out */
    bool replayed;                   /* out: the answer is one that was given before */
    bool admitted;                   /* queue's: counted against the rate; false to begin with */
};

enum control_verb { CONTROL_PAUSE, CONTROL_RESUME, CONTROL_CANCEL, CONTROL_RETRY };

/* Acts on a sync by name (its live run and its schedule), or on a run by id.
 * RESUME also matches the run to a waiting worker in the same turn: then the
 * answer shows it active. RETRY goes by id only. */
struct control_request {
    struct request base;
    enum control_verb verb;          /* in */
    struct bytes org, name;          /* in; name empty: by id */
    run_id id;                       /* in */
    struct bytes actor, reason;      /* in */
    bool start_over;                 /* in: RESUME, RETRY */
    int64_t wait_ms;                 /* in: PAUSE, CANCEL: answer when the worker has let go,
                                        with OK whatever happens meanwhile: it is done */
    struct run_info info;            /* out */
    int64_t wait_until_ms;           /* queue's */
    uint64_t turn;                   /* queue's: which wrote what was asked for */
};

/* Deletes the organisation's ended runs; O(1) whatever their number. With a
 * filter it takes the matching ones a piece a turn, and is answered when the
 * last of them is gone; once begun it is carried through, also by the next
 * queue on this store. Runs that end after it was posted stay. ERR_UNCERTAIN:
 * it has begun and will be carried through, but nobody will say how many. */
struct purge_request {
    struct request base;
    struct bytes org, actor, reason; /* in */
    int64_t older_than_ms;           /* in: ended before; 0: whenever */
    struct bytes name;               /* in: empty: any */
    enum run_state state;            /* in: COMPLETED, FAILED, CANCELLED; NONE: any */
    bool dry_run;                    /* in: only count */
    uint64_t completed, failed, cancelled;   /* out */
    uint64_t ticket;                 /* queue's */
};

struct org_limits {
    uint32_t max_active;             /* 0: none */
    uint64_t max_queued;
    uint32_t max_requests_per_second, weight;
    int64_t keep_completed_ms, keep_failed_ms;   /* 0: as the options say */
    uint32_t keep_runs;
};

/* Creates an organisation or changes it. */
struct put_org_request {
    struct request base;
    struct bytes org, name, actor;   /* in */
    struct org_limits limits;        /* in */
    int64_t created_at_ms;           /* out */
};

struct delete_schedule_request {
    struct request base;
    struct bytes org, name, actor, reason;
};

struct reset_watermark_request {
    struct request base;
    struct bytes org, name, entity, actor, reason;   /* entity empty: all */
    int64_t value_ms;                /* 0: forget it */
};

/* A worker that is connected. Joins before it leases; counted for estimates
 * and for waitReason. While joined, `push` is called after the commit that
 * gave one of its runs another directive (on the queue's thread). */
struct worker {
    struct bytes id;                             /* in: copied by JOIN */
    const struct bytes *sources, *targets;       /* in: "*" is any; borrowed while joined */
    uint32_t source_count, target_count, slots;  /* in */
    void (*push)(struct worker *worker, run_id run, uint32_t epoch, enum directive directive);
    struct link link;                            /* queue's, like what follows */
    struct link leases;
    uint32_t held;
    bool joined;
};

/* JOIN and LEAVE. After LEAVE's done() the worker is the caller's again; the
 * leases it holds go on until they expire or are reported on. A LEASE of the
 * same worker that still waits is answered ERR_CANCELLED by LEAVE. */
struct worker_request {
    struct request base;
    struct worker *worker;
};

struct assignment {
    struct run_info info;
    uint32_t epoch;
    struct bytes checkpoint;         /* empty: start */
    int64_t lease_ttl_ms;
};

/* Waits until there is work or wait_ms is over; then the count may be 0. */
struct lease_request {
    struct request base;
    struct worker *worker;           /* in: joined */
    uint32_t jobs_max;               /* in: 1 to LEASE_JOBS_MAX */
    int64_t wait_ms, lease_ttl_ms;   /* in; 0: don't wait, the default */
    bool acknowledge;                /* in: pushed; each must be acknowledged in ack_ms */
    struct assignment *jobs;         /* out, in mem */
    uint32_t count;                  /* out */
    int64_t wait_until_ms;           /* queue's */
};

enum { LEASE_JOBS_MAX = 256 };

/* Answers a LEASE that waits, with what it has (nothing). If the lease was
 * answered already that is no error. */
struct lease_stop_request {
    struct request base;
    struct lease_request *lease;
};

struct lease_name {
    run_id id;
    uint32_t epoch;
};

/* ACKNOWLEDGE and HEARTBEAT: renews each lease; tells which are lost. */
struct heartbeat_request {
    struct request base;
    const struct lease_name *leases; /* in */
    uint32_t count;                  /* in */
    enum directive *directives;      /* out, in mem: one each; DIRECTIVE_NONE: lost */
};

enum report_kind { REPORT_PROGRESS, REPORT_CHECKPOINT, REPORT_COMPLETE, REPORT_FAIL,
                   REPORT_RELEASE };

/* What a worker says of a lease. ERR_STALE: the lease is not (or no longer)
 * the one it names. Any report renews the lease. PROGRESS is kept in memory
 * and written about once a second; everything else is durable when answered. */
struct report_request {
    struct request base;
    enum report_kind kind;           /* in */
    struct lease_name lease;         /* in */
    const struct entity_progress *entities;   /* in */
    uint32_t entity_count;           /* in */
    struct bytes checkpoint;         /* in: CHECKPOINT, RELEASE; empty: keep the last */
    enum failure_class failure;      /* in: FAIL */
    struct bytes message;            /* in: FAIL */
    int64_t retry_after_ms;          /* in: FAIL, rate limited */
    enum directive directive;        /* out */
    bool will_retry;                 /* out: FAIL */
    int64_t not_before_ms;           /* out: FAIL */
};

struct service_info {
    uint64_t active, queued, completed, failed, cancelled;
    int64_t uptime_ms;
    bool draining;
    bool degraded;               /* the last turn could not be stored, or the disk is nearly full */
};

struct service_info_request {
    struct request base;
    struct service_info info;        /* out */
};

/* Hands out no more leases and gives every leased run DIRECTIVE_DRAIN_IT. */
struct drain_request {
    struct request base;
    struct bytes actor;              /* in */
    uint32_t leases;                 /* out: still held */
};

/* Asserts every relation between the caches and the store. For tests: slow. */
void queue_check(struct queue *queue);

#endif
