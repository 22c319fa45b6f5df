#ifndef CORE_DEMAND_H
#define CORE_DEMAND_H

#include "core/run.h"

/* Who waits before whom, counted and not looked up: how many runs stand in the
 * ready order, by organisation, class and pair of source and target, and about
 * how many of them go before a given one. Bounded by the organisations that
 * wait, not by their runs: where a run stands among those of its own line is
 * known to a sixteenth of it. No lock and no clock: the board's. */

struct demand;

/* A pair of source and target that somebody waits for or works on. */
struct pair {
    struct bytes source, target;
    uint64_t kinds;     /* of workers that can do it, a bit each, as of `version` */
    uint64_t version;
};

struct demand *demand_new(void);     /* NULL if out of memory */
void demand_free(struct demand *demand);

/* Lends the pair, which stays until it was let go as often. NULL: there are too
 * many; such runs are not told apart by what they need. */
struct pair *demand_hold_pair(struct demand *demand, struct bytes source, struct bytes target);
void demand_let_pair_go(struct demand *demand, struct pair *pair);

/* A place in the ready order, present or future. */
struct demand_place {
    struct bytes org, source, target;
    enum run_priority priority;
    uint32_t weight;                 /* of the organisation */
    bool head;
    uint64_t order;
};

void demand_add(struct demand *demand, const struct demand_place *place, double work_ms);
void demand_remove(struct demand *demand, const struct demand_place *place);
/* So many wait there, from the place's order to the last, about evenly: after a
 * restart. */
void demand_seed(struct demand *demand, const struct demand_place *place, uint64_t last,
                 uint64_t count);
/* The last one was taken: nobody waits there. */
void demand_end(struct demand *demand, const struct demand_place *place);
void demand_clear(struct demand *demand);

/* Runs, and how long they will take together; those whose time is not known do
 * not count into the latter. */
struct demand_sum {
    double runs, timed_runs, work_ms;
};

/* What goes before the place: of its organisation, and in all, while
 * organisations take turns by weight and classes by rank. Only runs count that
 * some worker who could take the place might take instead. */
void demand_ahead(struct demand *demand, const struct demand_place *place,
                  bool (*competes)(void *ctx, struct pair *pair), void *ctx,
                  struct demand_sum *own, struct demand_sum *all);

#endif
