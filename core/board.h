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

/* Fills wait, lease_left_ms, estimated_* and next_runs_ms of a run that was
 * read from the store. `ahead` is how many runs of its organisation wait before
 * it (0 if unknown), history the durations of its sync's completed runs.
 * Nothing is invented: what is not known stays 0. */
struct board_history {
    const int64_t *durations_ms;
    uint32_t count;
    bool sync_paused, earlier_run;   /* what holds a queued run back */
    uint64_t ahead;
};

void board_estimate(struct board *board, struct run_info *info,
                    const struct board_history *history);

#endif
