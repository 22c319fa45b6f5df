#ifndef CORE_BOARD_H
#define CORE_BOARD_H

#include "core/base/clock.h"
#include "core/queue.h"

/* What the queue lets readers on other threads know of the present: which
 * workers are connected and how busy, what waits and what is worked on, how fast
 * work is being done, and when leases run out. Small, under one lock, bounded.
 * Estimates are made from it and from a run's own history. Any thread. */

struct board;

struct board *board_new(struct clock *clock);   /* NULL if out of memory */
void board_free(struct board *board);

/* What the store knows of a run's name and organisation. */
struct board_history {
    const int64_t *durations_ms;         /* of its sync's completed runs, newest last */
    uint32_t count;
    bool sync_paused, earlier_run, at_limit;   /* what holds a queued run back */
    uint32_t max_active, weight;         /* of its organisation; 0: none, 1 */
    uint64_t active;                     /* its organisation's leases */
    run_id head_id;                      /* the first run of its name, if that is another; */
    const struct run *head;              /* NULL: unknown */
    double place;                        /* about how many of its name go before it */
};

/* Where a run stands among those behind the first of its name, of which there are
 * so many: about, by when they were queued. */
double board_place_in_line(run_id run, run_id first, run_id newest, uint32_t behind);

/* Fills wait, lease_left_ms and estimated_* of a run that was read from the
 * store; next_runs_ms is left alone. Nothing is invented: what is not known
 * stays 0. O(1) in what waits and works: some hundred leases are looked at.
 *
 * estimated_start_ms is when a worker takes it, estimated_completion_ms when it
 * ends; as likely too early as too late. estimate_low/high_ms belong to the
 * start while the run waits, to the end while it is worked on, and hold what
 * happens four times out of five. estimate_basis says what they stand on:
 *   "idle_worker"    a compatible worker has a free slot now
 *   "not_before"     it may not start before that time, and a slot is free
 *   "queue_rate"     the work ahead of it, and when those at work will be free
 *   "progress_rate"  how fast this run itself goes on (blended with history)
 *   "history"        how long runs of this sync, or of this organisation, took */
void board_estimate(struct board *board, struct run_info *info,
                    const struct board_history *history);

/* How many there are at present. */
struct board_now {
    uint64_t workers, slots, free_slots;
    uint64_t leases;
};

struct board_now board_now(struct board *board);

/* How long a run of such a history takes; 0 if nothing is known. */
int64_t board_typical_ms(const int64_t *durations_ms, uint32_t count);

/* How good the estimates were: each completed run's end as it was estimated when
 * its last attempt began, against what happened. The error is relative to how
 * long that attempt took. Since the board was made. */
enum { BOARD_ERROR_BUCKETS = 9 };
extern const double board_error_bounds[BOARD_ERROR_BUCKETS - 1];   /* the last one has none */

struct board_accuracy {
    uint64_t buckets[BOARD_ERROR_BUCKETS];   /* runs with an error up to the bound */
    uint64_t compared, inside;               /* runs; those that ended between low and high */
    uint64_t unknown;                        /* completed runs that had no estimate */
    double error_sum;
};

void board_read_accuracy(struct board *board, struct board_accuracy *accuracy);

/* The queue's side: called on the queue's thread. Each costs O(1). */

/* Between the two the worker's sources, targets and id are borrowed. A worker
 * without push(), which leases call by call, counts as connected for a minute
 * after it has left. */
void board_worker_joined(struct board *board, const struct worker *worker);
void board_worker_left(struct board *board, const struct worker *worker);
/* worker->held is another than it was. */
void board_worker_held(struct board *board, const struct worker *worker);

/* A run stands in the ready order, or not any more. typical_ms: how long it will
 * take; 0: unknown. */
struct board_line {
    struct bytes org, source, target;
    enum run_priority priority;
    uint32_t weight;             /* of the organisation */
};

void board_run_ready(struct board *board, const struct board_line *line, bool head, uint64_t order,
                     int64_t typical_ms);
void board_run_taken(struct board *board, const struct board_line *line, bool head, uint64_t order);
/* After a restart: about so many are ready there, the first of this order. */
void board_line_found(struct board *board, const struct board_line *line, uint64_t first,
                      uint64_t last, uint64_t count);
/* Nothing is ready there any more. */
void board_line_ended(struct board *board, const struct board_line *line);

/* A worker begins to work on it, after so much work in earlier attempts. */
struct board_start {
    struct bytes org, source, target;
    int64_t typical_ms, worked_ms;
};

void board_run_started(struct board *board, run_id run, const struct board_start *start);

/* The lease of a run: given or renewed until then; over. Gone without a lease
 * is fine. */
void board_lease_set(struct board *board, run_id run, int64_t deadline_mono_ms);
void board_lease_gone(struct board *board, run_id run);
/* The queue has lost its memory: no lease is known, no worker holds any, and
 * nothing is known to be ready. */
void board_leases_forgotten(struct board *board);

/* A worker has reported progress of a run that is leased. */
void board_progress(struct board *board, run_id run, const struct run *state);

/* A run of the organisation ended as completed, having been worked on so long.
 * Before board_lease_gone(). */
void board_completed(struct board *board, struct bytes org, run_id run, int64_t worked_ms);

#endif
