#ifndef RPC_METHODS_METHODS_H
#define RPC_METHODS_METHODS_H

#include "core/engine.h"
#include "rpc/service.h"

/* The product's services over an engine: protobuf in, core request, protobuf
 * out; one file per method. */

struct methods;

struct methods_options {
    struct engine *engine;           /* borrowed */
    const char *version;             /* borrowed; "1.0.0" */
    int64_t lease_ttl_ms;            /* for workers that name none; 0: 60,000 */
    int64_t watch_heartbeat_ms;      /* between two heartbeats of a watch; 0: 15,000 */
};

/* Gives the three services. NULL if out of memory. */
struct methods *methods_new(const struct methods_options *options);
/* Every call must be over. NULL is fine. */
void methods_free(struct methods *methods);
/* Adds sync.v1.SyncService, WorkerService and AdminService. */
void methods_register(struct methods *methods, struct rpc_registry *registry);
/* Ends every Work and WatchJobs stream cleanly, so that a server can drain:
 * workers are told DRAIN first. Any thread. */
void methods_drain(struct methods *methods);

#endif
