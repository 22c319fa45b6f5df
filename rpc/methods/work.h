#ifndef RPC_METHODS_WORK_H
#define RPC_METHODS_WORK_H

#include "rpc/methods/method.h"
#include "rpc/methods/report.h"

/* One Work stream: a worker that is connected. Everything here happens on the
 * call's loop but for core's done()s and push(), which hand over to it.
 *
 *   NEW ──hello──▶ JOINING ──joined──▶ OPEN ──close──▶ LEAVING ──left──▶ LEFT
 *
 * The stream closes when the worker half-closes, is gone, breaks the rules, or
 * has let go of everything while the server drains. It ends, and its memory
 * goes, once it has left and all that was posted has come back.
 *
 * Leases do not end with the stream: a worker that comes back reports on them
 * under the same epochs. */

enum work_state { WORK_NEW, WORK_JOINING, WORK_OPEN, WORK_LEAVING, WORK_LEFT };

enum {
    WORK_CREDIT_MAX = 4096,
    WORK_REPORTS_MAX = 256,              /* in flight; then nothing more is read */
    WORK_REPORT_BYTES_MAX = 4 << 20,     /* all together */
    WORK_FREE_REPORTS_MAX = 64,
    WORK_LEASE_WAIT_MS = 60 * 1000,
    WORK_LEASE_PAUSE_MS = 1000,          /* after a LEASE that failed or did not wait */
};

struct work_report;

struct work_push {
    struct lease_name lease;
    enum directive directive;
};

/* Directives on their way from the queue's thread to the loop: one per run, the
 * newest. */
struct work_pushes {
    pthread_mutex_t lock;
    struct work_push *waiting;           /* under lock, like what follows */
    size_t count, room;
    bool posted;
    struct loop_task task;
};

struct work {                            /* in the call's arena */
    struct rpc_call *call;               /* held until the end */
    struct methods *methods;
    struct open_stream open;
    enum work_state state;
    bool closing, ended;
    bool draining;
    bool blocked;                        /* the worker does not read: wait for on_writable */
    bool reading_paused;

    struct arena *mem;                   /* the worker's texts */
    struct worker worker;
    struct worker_request join, leave;
    struct loop_task joined, left;
    uint32_t held;                       /* leases, as core last said */

    uint32_t credit;
    bool leasing;                        /* a LEASE is posted */
    struct lease_request lease;
    struct arena *lease_mem;
    uint32_t lease_held;                 /* what `held` becomes: from the queue's thread */
    enum err lease_result;
    int64_t lease_posted_ms;
    struct loop_task leased;
    struct loop_timer lease_again;

    uint32_t reports;                    /* in flight */
    size_t report_bytes;
    struct work_report *free_reports;
    uint32_t free_report_count;

    struct work_pushes pushes;
};

void work_send(struct work *work, const Sync__V1__WorkResponse *response);
/* Pauses or resumes reading, as what is in flight demands. */
void work_pace_reading(struct work *work);
/* Leaves; then, or when it has left already, ends if nothing is outstanding. */
void work_close(struct work *work);
/* After anything has come back: closes a stream that is drained, ends one that
 * is closed. May free the call: nothing after this line. */
void work_came_back(struct work *work);

/* Credit and assignments. */
void work_lease_init(struct work *work);
void work_lease_more(struct work *work);     /* posts a LEASE if there is a reason to */

/* Every report the worker sends, each answered with its id. */
void work_report(struct work *work, const Sync__V1__WorkRequest *request);
void work_report_free_all(struct work *work);

/* Directives. */
bool work_push_init(struct work *work);
void work_push_destroy(struct work *work);
void work_push_send(struct work *work);      /* what waits */

#endif
