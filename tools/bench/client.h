#ifndef TOOLS_BENCH_CLIENT_H
#define TOOLS_BENCH_CLIENT_H

#include "rpc/channel.h"
#include "sync/v1/sync.pb-c.h"

/* A client that only ever waits for one call: what is measured call by call, and
 * what fills a queue beforehand. Its loop runs on a thread of its own. */

struct client {
    struct loop *loop;
    struct channel *channel;
};

MUST_USE enum err client_open(struct client *client, const char *address, struct why *why);
/* A zeroed one is fine. */
void client_close(struct client *client);

/* Jobs that are queued together: names and payloads are made once, and the names
 * numbered anew each time. */
struct batch {
    Sync__V1__QueueJobRequest *jobs, **list;
    Sync__V1__JobData data;
    char (*names)[32];
    unsigned count;                 /* at most so many in a call */
};

MUST_USE enum err batch_new(struct batch *batch, unsigned count, unsigned payload_bytes,
                            struct why *why);
/* A zeroed one is fine. */
void batch_free(struct batch *batch);

/* Queues so many of them for the organisation, as "backlog-FIRST" and on. */
MUST_USE enum err client_queue(struct client *client, const char *org, struct batch *batch,
                               uint64_t first, unsigned count, struct why *why);

struct client_lease {
    char org[32], job_id[32];
    uint64_t epoch;
};

/* Whatever comes first. ERR_NOT_FOUND: no job was handed out within a minute. */
MUST_USE enum err client_lease(struct client *client, struct client_lease *lease, struct why *why);
MUST_USE enum err client_complete(struct client *client, const struct client_lease *lease,
                                  struct why *why);

/* How the organisation's jobs stand. */
struct client_counts {
    uint64_t queued, active, completed;
};

MUST_USE enum err client_count(struct client *client, const char *org,
                               struct client_counts *counts, struct why *why);

#endif
