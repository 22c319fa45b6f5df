#ifndef TOOLS_BENCH_RESTART_H
#define TOOLS_BENCH_RESTART_H

#include "tools/bench/process.h"

/* SIGKILL, and how soon the next server on the same data hands out a job, of
 * which there must be one. */

struct restart {
    int64_t open_ms;                /* start to listening */
    int64_t first_lease_ms;         /* start to first lease */
    int64_t bytes;                  /* resident then */
};

MUST_USE enum err restart_run(struct process *server, const char *program, struct restart *restart,
                              struct why *why);

#endif
