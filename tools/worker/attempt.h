#ifndef WORKER_ATTEMPT_H
#define WORKER_ATTEMPT_H

#include "tools/worker/connectors/connector.h"

#include "rpc/status.h"
#include "sync/v1/worker.pb-c.h"

/* One attempt at a run: from its assignment to the report that ends it. It opens
 * source and target, reads the entities (as many at a time as the job's
 * concurrency says), stores them in batches, reports where it is, and does as
 * the server's directives say.
 *
 * Threads     attempt_run() has a thread of its own and starts one for each
 *             entity that is read at a time; these never report. All else may be
 *             called from any thread while it runs.
 * Lease       Nothing is written once the lease may be somebody else's: without
 *             news from the server batches wait, and go on or stop when it is
 *             back. */

struct attempt;

struct report_result {
    enum rpc_code code;          /* UNAVAILABLE: never delivered */
    char message[256];
    Sync__V1__Directive directive;
};

/* The way to the server. report() fills in the request's id, waits until the
 * server has answered, and renews the lease if it took it. */
struct report_port {
    void (*report)(struct report_port *port, struct attempt *attempt,
                   Sync__V1__WorkRequest *request, struct report_result *result);
};

struct attempt_settings {        /* borrowed while the attempt lives */
    const char *connections_dir;     /* NULL: built-in ones only */
    const char *data_dir;
    struct report_port *port;
};

/* Takes the assignment, which names its lease (allocated by protobuf-c's
 * default allocator). `lease_until_ms` is on the monotonic clock. NULL: out of
 * memory. */
struct attempt *attempt_new(const struct attempt_settings *settings,
                            Sync__V1__JobAssignment *assignment, int64_t lease_until_ms);
void attempt_free(struct attempt *attempt);

/* Returns when the last report was made, or the lease was lost. */
void attempt_run(struct attempt *attempt);

/* Lent as long as the attempt lives. */
const Sync__V1__JobAssignment *attempt_assignment(const struct attempt *attempt);
bool attempt_is_lost(struct attempt *attempt);

void attempt_direct(struct attempt *attempt, Sync__V1__Directive directive);
/* The server has handed the lease on: stop, write and report nothing. */
void attempt_lose(struct attempt *attempt);
void attempt_renew(struct attempt *attempt, int64_t lease_until_ms);

#endif
