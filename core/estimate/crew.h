#ifndef CORE_CREW_H
#define CORE_CREW_H

#include "core/board.h"

/* Which workers are there, what they can do and how busy they are. Those that
 * can do the same share one row, a kind, so that asking "who could take this?"
 * does not grow with their number. A worker that leases call by call is there
 * only while a call waits: between two calls it is remembered for a while, so
 * that what it will do next is not said to have no worker. No lock: the board's. */

struct crew;

enum { CREW_ABSENCE_MS = 60 * 1000 };

struct crew *crew_new(void);    /* NULL if out of memory */
void crew_free(struct crew *crew);

/* Between the two the worker's sources, targets and id are borrowed. */
void crew_joined(struct crew *crew, const struct worker *worker, int64_t mono_ms);
/* One that never joined is fine. */
void crew_left(struct crew *crew, const struct worker *worker, int64_t mono_ms);
/* worker->held is another than it was. */
void crew_held(struct crew *crew, const struct worker *worker);
/* Nobody holds anything. */
void crew_forget_held(struct crew *crew);

struct crew_count {
    uint32_t workers;                        /* the absent included */
    uint64_t slots, free_slots, absent_slots;/* slots: the absent included; free: not */
    uint64_t kinds;                          /* a bit for each; the last one stands for many */
};

/* Who could take a run of this source and target. */
struct crew_count crew_who_can(struct crew *crew, struct bytes source, struct bytes target,
                               int64_t mono_ms);

/* Those that are connected; leases are left at 0. */
struct board_now crew_now(const struct crew *crew);

/* Grows when kinds come or go. */
uint64_t crew_version(const struct crew *crew);

#endif
