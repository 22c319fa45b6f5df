#ifndef RPC_HEALTH_H
#define RPC_HEALTH_H

#include "rpc/service.h"

/* grpc.health.v1.Health: who asks learns whether a service can be used now; who
 * watches is told when that changes. All functions may be called from any
 * thread. */

struct rpc_health;

struct rpc_health *rpc_health_new(void);
/* When no server offers it any more. NULL is fine. */
void rpc_health_free(struct rpc_health *health);
/* Lent, for the registry. */
const struct rpc_service *rpc_health_service(const struct rpc_health *health);

/* "" is the server as a whole. A name that was never set is unknown. */
void rpc_health_set(struct rpc_health *health, const char *service, bool serving);
/* Before the server is closed: everything is NOT_SERVING for good, and all
 * watches end, so that they do not hold up draining. */
void rpc_health_drain(struct rpc_health *health);

#endif
