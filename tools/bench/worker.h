#ifndef TOOLS_BENCH_WORKER_H
#define TOOLS_BENCH_WORKER_H

#include "tools/bench/load.h"

/* One worker of a run: a connection of its own, and a way to get jobs and to
 * say that they are done. It tells workers_idle() once, after stop(), when no
 * call of it is left. */

struct worker {
    struct load *load;
    struct channel *channel;
    char id[24];
    bool stopping;
};

struct worker_kind {
    size_t size;                                /* of the struct that begins with a worker */
    bool (*open)(struct worker *worker);        /* false: out of memory */
    void (*start)(struct worker *worker);
    void (*stop)(struct worker *worker);
    void (*close)(struct worker *worker);
};

extern const struct worker_kind unary_worker, stream_worker;

void worker_is_idle(struct worker *worker);
/* What it can do: anything. The message borrows the worker's id. */
void worker_fill_info(struct worker *worker, Sync__V1__WorkerInfo *info);
/* Reads the job's number from an assignment, LOAD_FOREIGN if it is another
 * organisation's; false if it is none that was asked for. */
bool worker_take(struct worker *worker, const Sync__V1__JobAssignment *assignment, uint32_t *job);

#endif
