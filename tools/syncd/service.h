#ifndef TOOLS_SYNCD_SERVICE_H
#define TOOLS_SYNCD_SERVICE_H

#include "tools/syncd/config.h"

/* The whole house, put together: store, engine, services, gRPC server, gateway;
 * opened from the ground up and closed from the top down. */

struct service;

/* Listening and, if so configured, its ports file written when it returns.
 * tls: borrowed; NULL: plain text. */
MUST_USE enum err service_open(const struct syncd_config *config, struct tls_context *tls,
                               struct service **service, struct why *why);

const char *service_rpc_address(const struct service *service);    /* lent */
const char *service_http_address(const struct service *service);   /* NULL: none */

/* The store is in an unknown state: every request is refused from now on. */
bool service_has_failed(const struct service *service);

/* Drains: workers are told to let go, no new calls, those that run may take
 * grace_ms altogether. Then closes everything. NULL is fine. */
void service_close(struct service *service, int64_t grace_ms);

#endif
