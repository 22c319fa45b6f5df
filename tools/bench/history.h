#ifndef TOOLS_BENCH_HISTORY_H
#define TOOLS_BENCH_HISTORY_H

#include "tools/bench/client.h"
#include "tools/bench/report.h"
#include "tools/bench/restart.h"

/* Whether what has passed through slows down what follows: so many jobs, in
 * equal parts, each measured by itself; behind each part, leases call by call
 * from a server that does nothing else; in the end a start after SIGKILL. */

struct history_part {
    uint64_t passed;                    /* jobs so far */
    struct measurement measurement;
    struct histogram lease_us;          /* of those single leases */
};

struct history_options {
    const char *program, *parent;
    struct load_options load;           /* producers, workers and what they do */
    uint64_t jobs;
    unsigned parts;
    void (*on_tick)(uint64_t passed, uint64_t jobs);
    void (*on_part)(const struct history_part *part, unsigned number, void *ctx);
    void *ctx;
};

MUST_USE enum err history_run(const struct history_options *options, struct restart *restart,
                              struct why *why);

#endif
