#ifndef WORKER_ATTEMPT_PARTS_H
#define WORKER_ATTEMPT_PARTS_H

#include "tools/worker/attempt.h"
#include "tools/worker/checkpoint.h"

#include <pthread.h>
#include <stdatomic.h>

/* Inside of an attempt: attempt.c leads it, plan.c decides what is read,
 * entity_sync.c reads one entity, reports.c talks to the server. */

/* Why reading stops before its end; a greater one overrules. */
enum stop { STOP_NONE, STOP_PAUSE, STOP_CANCEL, STOP_LOST };

/* One entity of the run. What its thread has stored is published under the
 * attempt's lock; the rest is that thread's own. */
struct entity_sync {
    struct attempt *attempt;
    struct entity_spec spec;
    struct extent extent;
    int64_t low_ms;                  /* 0: everything */

    /* under attempt->lock */
    struct entity_state stored;
    uint64_t total;
    bool total_known;
    struct problem problem;          /* class NONE: none */
};

struct attempt {
    const struct attempt_settings *settings;
    Sync__V1__JobAssignment *assignment;
    json_t *data;
    struct target_scope scope;
    struct source *source;
    struct target *target;
    struct entity_sync *entities;
    size_t entity_count;
    atomic_int stop;                 /* enum stop: written under lock, read anywhere */

    pthread_mutex_t lock;
    pthread_cond_t changed;          /* on the monotonic clock */
    int64_t lease_until_ms;
    size_t entity_next;              /* the first that no thread has taken */
    unsigned readers;                /* threads that are not done */
    bool moved;                      /* something was stored that no checkpoint tells */
    bool news;                       /* something else that no report has told */
};

/* Opens source and target, and finds what to read. */
bool attempt_plan(struct attempt *attempt, struct problem *problem);

/* Finds out how many records it has, if the source can say. */
void entity_sync_count(struct entity_sync *entity);

/* Reads one entity and stores it, to its end or until the attempt stops. */
void entity_sync_run(struct entity_sync *entity);

/* Waits until the lease is surely ours; false: the attempt is to stop without
 * another write. */
bool attempt_may_write(struct attempt *attempt);

/* Waits for a change of the attempt, at most until then (monotonic). Locked. */
void attempt_wait_locked(struct attempt *attempt, int64_t until_ms);

/* Reports of where all entities are; the first two may get lost, the last three
 * end the attempt and are tried again for a while. None is made twice at a time. */
void report_progress(struct attempt *attempt);
void report_checkpoint(struct attempt *attempt);
void report_complete(struct attempt *attempt);
void report_release(struct attempt *attempt);
void report_fail(struct attempt *attempt, struct problem *problem);

static inline enum stop attempt_stop(struct attempt *attempt)
{
    return (enum stop)atomic_load_explicit(&attempt->stop, memory_order_relaxed);
}

#endif
