#ifndef TOOLS_BENCH_BACKLOG_H
#define TOOLS_BENCH_BACKLOG_H

#include "tools/bench/client.h"
#include "tools/bench/restart.h"

/* What a backlog costs: memory while it grows, and the time from a start after
 * SIGKILL until the first job is handed out. */

struct backlog_options {
    const char *program, *parent;   /* syncd, and where its data may lie */
    uint64_t jobs;                  /* more than small_jobs */
    uint64_t small_jobs;            /* the point to compare with */
    unsigned batch, payload_bytes;
    void (*on_tick)(uint64_t queued, uint64_t jobs);
};

struct backlog_result {
    uint64_t small_jobs, jobs;
    int64_t small_bytes, bytes;     /* resident */
    int64_t queueing_ms;
    struct restart restart;
};

MUST_USE enum err backlog_run(const struct backlog_options *options,
                              struct backlog_result *result, struct why *why);

/* Queues jobs `from` to `goal` for the organisation. */
MUST_USE enum err backlog_fill(struct client *client, const char *org,
                               const struct backlog_options *options, uint64_t from,
                               uint64_t goal, struct why *why);

#endif
