#ifndef RPC_CALL_METRICS_H
#define RPC_CALL_METRICS_H

#include "core/base/metrics.h"
#include "rpc/service.h"

/* How often each method was called, with which outcome, and how long it took:
 * hooks of a registry that are a source of metrics as well. */

struct call_metrics;

/* Gives the hooks of a registry whose services have all been added. `next`, if
 * not NULL, is asked as well. NULL if out of memory. */
struct call_metrics *call_metrics_new(struct rpc_registry *registry, struct rpc_hooks *next);
/* No call goes through the registry any more. NULL is fine. */
void call_metrics_free(struct call_metrics *metrics);

struct metrics_source *call_metrics_source(struct call_metrics *metrics);

#endif
