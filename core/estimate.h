#ifndef CORE_ESTIMATE_H
#define CORE_ESTIMATE_H

#include "core/board.h"

/* When a run will begin and end: arithmetic on what is known, no clock, no
 * lock, no state. Where too little is known it says nothing. */

/* What the board knows of one run's surroundings. Fractions of a millisecond
 * matter: thousands of runs may end in one. */
struct estimate_facts {
    int64_t now_ms;
    uint32_t workers;                /* compatible ones that are connected */
    uint64_t slots, free_slots;      /* theirs */
    /* Of the organisation; 0 ended: nothing is known. */
    uint32_t ended;                  /* completions measured */
    double interval_ms;              /* between two of them, while there was work */
    double worked_ms;                /* by one of them */
    /* Of the run's recent past; 0: nothing is known. */
    double recent_rate;              /* units of progress per millisecond */
};

/* Why a run does not run, were it looked at now. */
enum wait_reason estimate_wait(const struct run_info *info, const struct board_history *history,
                               const struct estimate_facts *facts);

/* Sets info's estimated_*, estimate_* from info->wait and the run's state. */
void estimate_fill(struct run_info *info, const struct board_history *history,
                   const struct estimate_facts *facts);

#endif
