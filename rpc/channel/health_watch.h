#ifndef RPC_HEALTH_WATCH_H
#define RPC_HEALTH_WATCH_H

#include "rpc/channel/backoff.h"
#include "rpc/channel/client_end.h"

/* Asks a server, over one connection, whether a service can be used
 * (grpc.health.v1.Health/Watch), and goes on asking: a watch that ends is begun
 * again after a while. A server that knows no health service is healthy, as
 * gRPC's client-side health checking has it. Loop's thread only. */

struct health_watch;

struct health_watch_options {
    struct loop *loop;
    const char *service; /* "": the server as a whole; borrowed */
    int64_t patience_ms; /* for a first answer; after that it counts as not serving */
    struct backoff backoff;
    struct random *random;
    /* Gives the watch's call a stream. False if the connection is gone. */
    bool (*attach)(void *context, struct client_end *end);
    /* From the loop; `reason` says why not. Only what has changed. */
    void (*on_health)(void *context, bool serving, const char *reason);
    void *context;
};

/* NULL if out of memory. */
struct health_watch *health_watch_start(const struct health_watch_options *options);
/* Frees; on_health() does not come any more. NULL is fine. */
void health_watch_stop(struct health_watch *watch);

#endif
