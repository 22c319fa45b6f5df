#ifndef TOOLS_BENCH_FAIRNESS_H
#define TOOLS_BENCH_FAIRNESS_H

#include "tools/bench/backlog.h"
#include "tools/bench/load.h"

/* What one organisation's backlog costs another: a job of the second, again and
 * again, one at a time; how many leases the first is given, and how much time
 * passes, from the answer that it is queued until a worker has it. Both are
 * looked at where the answers arrive: what was handed out just before, and is
 * still on its way, counts as well. */

struct fairness_options {
    struct backlog_options backlog;     /* of the large organisation */
    struct load_options load;           /* workers, slots, hold_ms; the rest is set here */
    uint64_t rounds;
    void (*on_tick)(uint64_t done, uint64_t rounds);
};

struct fairness_side {
    struct histogram passed;            /* leases that went before */
    struct histogram wait_us;
    uint64_t completed;                 /* jobs of the large organisation */
    double leases_per_s;                /* of both */
};

struct fairness_result {
    uint64_t backlog;
    struct fairness_side idle;          /* a worker asks for one job after another, but only
                                           once the single one is queued */
    struct fairness_side busy;          /* every slot works on the backlog all the time */
    struct ledger_verdict singles;      /* of the busy half; the idle one stops at the first error */
    uint64_t calls_failed;
    char first_error[300];
    struct client_counts left;          /* of the large organisation, in the end */
};

MUST_USE enum err fairness_run(const struct fairness_options *options,
                               struct fairness_result *result, struct why *why);
/* Each single job was completed exactly once, and of the large organisation's no
 * job is missing and none counted twice. */
bool fairness_is_sound(const struct fairness_result *result);

#endif
