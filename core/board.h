#ifndef CORE_BOARD_H
#define CORE_BOARD_H

#include "core/base/clock.h"
#include "core/queue.h"

/* What the queue lets readers on other threads know of the present: which
 * workers are connected and how busy, how fast work is being done, and when
 * leases run out. Small, under one lock, bounded. Estimates are made from it
 * and from a run's own history. Any thread. */

struct board;

struct board *board_new(struct clock *clock);   /* NULL if out of memory */
void board_free(struct board *board);

/* Fills wait, lease_left_ms and estimated_* of a run that was read from the
 * store; next_runs_ms is left alone. `ahead` is how many runs of its
 * organisation wait before it (0 if unknown), durations_ms those of its sync's
 * completed runs. Nothing is invented: what is not known stays 0.
 *
 * estimate_basis says what the estimate stands on, and estimate_low/high_ms
 * belong to estimated_start_ms while the run waits, to estimated_completion_ms
 * while it is worked on:
 *   "idle_worker"    a compatible worker has a free slot now
 *   "not_before"     it may not start before that time, and a slot is free
 *   "queue_rate"     the work ahead and the measured rate of completion
 *   "progress_rate"  how fast this run itself goes on (blended with history)
 *   "history"        how long runs of this sync, or of this organisation, took */
struct board_history {
    const int64_t *durations_ms;
    uint32_t count;
    bool sync_paused, earlier_run, at_limit;   /* what holds a queued run back */
    uint64_t ahead;
};

void board_estimate(struct board *board, struct run_info *info,
                    const struct board_history *history);

/* How many there are at present. */
struct board_now {
    uint64_t workers, slots, free_slots;
    uint64_t leases;
};

struct board_now board_now(struct board *board);

/* The queue's side: called on the queue's thread, whenever the fact is a fact
 * (after the commit that made it one). Each costs O(1). */

/* Between the two the worker's sources, targets and id are borrowed. */
void board_worker_joined(struct board *board, const struct worker *worker);
void board_worker_left(struct board *board, const struct worker *worker);
/* worker->held is another than it was. */
void board_worker_held(struct board *board, const struct worker *worker);

/* The lease of a run: given or renewed until then; over. Gone without a lease
 * is fine. */
void board_lease_set(struct board *board, run_id run, int64_t deadline_mono_ms);
void board_lease_gone(struct board *board, run_id run);
/* The queue has lost its memory: no lease is known, no worker holds any. */
void board_leases_forgotten(struct board *board);

/* A worker has reported progress of a run that is leased: the sums over its
 * entities. For its recent rate. */
void board_progress(struct board *board, run_id run, const struct run *state);

/* A run of the organisation ended as completed, having been worked on so long. */
void board_completed(struct board *board, struct bytes org, int64_t worked_ms);

#endif
