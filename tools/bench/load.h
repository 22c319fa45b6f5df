#ifndef TOOLS_BENCH_LOAD_H
#define TOOLS_BENCH_LOAD_H

#include "core/base/random.h"
#include "rpc/channel.h"
#include "sync/v1/worker.pb-c.h"
#include "tools/bench/ledger.h"

/* One measured run: producers that keep so many queueing calls in flight, and
 * workers that complete what they are given; everything on one loop and one
 * thread, so that nothing needs a lock. */

enum load_mode { LOAD_UNARY, LOAD_STREAM };

struct load_options {
    const char *address;
    const struct tls_client_options *tls;   /* NULL: plain text */
    const char *org;            /* whose jobs are queued */
    uint64_t first;             /* the number of the first one: none is used twice */
    enum load_mode mode;
    unsigned producers, in_flight, workers, slots;
    unsigned names;             /* of syncs; jobs take turns over them */
    unsigned payload_bytes;
    unsigned ahead_max;         /* acknowledged and not completed: then producers wait */
    int64_t run_ms;             /* producing for so long, */
    uint64_t jobs_max;          /* or so many; 0: no bound */
    int64_t drain_ms_max;       /* for what is open then */
    int64_t hold_ms;            /* how long a worker on a stream works on another organisation's
                                   job: so long, more or less, lest all be done at once */
    int64_t lead_ms;            /* of the workers, before anything is queued */
    void (*on_tick)(const struct ledger *ledger, int64_t elapsed_ms, void *ctx);
    /* May be NULL. The server took a job; a worker got it, or one of another
     * organisation: LOAD_FOREIGN. */
    void (*on_acknowledged)(uint32_t job, void *ctx);
    void (*on_assigned)(uint32_t job, void *ctx);
    void *ctx;
};

/* Workers take jobs of every organisation; the ledger knows only its own. */
#define LOAD_FOREIGN UINT32_MAX

struct load_result {
    struct ledger ledger;
    uint64_t foreign_completed;
    int64_t elapsed_us;         /* first request to last completion */
    uint64_t calls_failed;
    char first_error[300];
};

/* ERR_UNAVAILABLE if the server cannot be reached. */
MUST_USE enum err load_run(const struct load_options *options, struct load_result *result,
                           struct why *why);

/* What the parts share. */

struct load {
    struct load_options options;
    struct load_result *result;
    struct ledger *ledger;
    struct loop *loop;
    struct producers *producers;
    struct workers *workers;
    struct loop_timer lead, end, tick;
    struct random_seeded random;
    bool producing, draining;
    int64_t start_us, last_us;
};

int64_t load_now_us(void);
/* A call did not go well. */
void load_fail(struct load *load, const struct rpc_status *status);
void load_acknowledge(struct load *load, uint32_t job);
/* A completion was confirmed. */
void load_complete(struct load *load, uint32_t job);
/* Nothing is in flight at the producers any more. */
void load_produced(struct load *load);
/* The last worker has let go. */
void load_idle(struct load *load);

/* {"n":17,"payload":"..."}: the number, and back. False if it is not ours. */
void load_write_payload(char *text, unsigned bytes, uint64_t job);
bool load_read_payload(const char *text, uint64_t *job);

enum err producers_open(struct load *load, struct producers **producers, struct why *why);
void producers_start(struct producers *producers);
/* Work was done: those that waited for it go on. */
void producers_continue(struct producers *producers);
bool producers_are_idle(const struct producers *producers);
void producers_close(struct producers *producers);

enum err workers_open(struct load *load, struct workers **workers, struct why *why);
void workers_start(struct workers *workers);
void workers_stop(struct workers *workers);
void workers_close(struct workers *workers);

#endif
