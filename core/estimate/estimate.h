#ifndef CORE_ESTIMATE_H
#define CORE_ESTIMATE_H

#include "core/board.h"
#include "core/estimate/demand.h"
#include "core/limits.h"

/* When a run will begin and end: arithmetic on what is known, no clock, no
 * lock, no state. Where too little is known it says nothing.
 *
 * Spans of time are taken for log-normal: what is off by half is as likely as
 * what is off by double. Low and high leave out a tenth at each end, or less. */

struct guess {
    bool known;
    double ms, low, high;      /* from now */
    const char *basis;
};

/* How long runs of a sync take: the newer ones say more. `spread` is the
 * standard deviation of the logarithm, doubts about few runs included. */
struct typical {
    double ms, spread;         /* 0: nothing is known */
};

struct typical estimate_typical(const int64_t *durations_ms, uint32_t count);

/* One run that is worked on. */
struct estimate_work {
    struct typical typical;    /* of its sync */
    double worked_ms;          /* up to now, pauses left out */
    double done, total;        /* units; total 0: unknown */
    double percent;            /* 0: unknown */
    double recent_rate;        /* units per millisecond, measured over recent_ms; 0: unknown */
    double recent_ms;
    double stale_ms;           /* since it last reported */
};

/* Of one run's state, worked_ms being those of its earlier attempts. */
void estimate_work_of(const struct run *run, struct estimate_work *work);

/* Until it ends. */
struct guess estimate_end(const struct estimate_work *work);

/* What the board knows of one run's surroundings. */
struct estimate_facts {
    int64_t now_ms;
    uint32_t workers;                /* compatible ones that are connected */
    uint64_t slots, free_slots;      /* theirs */
    /* Runs that compatible workers are busy with, and when each ends (0 where
     * it is not known). */
    uint32_t end_count, own_end_count;
    struct demand_sum ahead, own_ahead;
    /* How long a run takes, of the organisation or of all; 0: nothing is known. */
    double mean_ms;
    struct estimate_work work;       /* of the run itself, if it is worked on */
    struct guess head_end;           /* of the run before it under its name, if that is worked on */
    double ends_ms[BOARD_ENDS_MAX], own_ends_ms[BOARD_ENDS_MAX];  /* own: of the organisation */
};

/* Why a run does not run, were it looked at now. */
enum wait_reason estimate_wait(const struct run_info *info, const struct board_history *history,
                               const struct estimate_facts *facts);

/* Sets info's estimated_*, estimate_* from info->wait and the run's state. */
void estimate_fill(struct run_info *info, const struct board_history *history,
                   const struct estimate_facts *facts);

#endif
