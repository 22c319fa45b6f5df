#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "core/base/err.h"
#include "gateway/limits.h"

/* The documented JSON API under /sync, translated into RPC calls: an HTTP/1.1
 * server on a loop and thread of its own, with a channel to the service, in
 * this process or elsewhere. Callers that must show a certificate are known to
 * methods as "cert:" and its common name, others as "anonymous@" and their address. */

struct gateway;
struct tls_context;     /* see rpc/tls.h */
struct metrics;
struct rpc_registry;

struct gateway_options {
    const char *address;                   /* "127.0.0.1:8470"; port 0: any free one */
    const struct rpc_registry *registry;   /* in this process; NULL: remote */
    const char *rpc_address;               /* remote: "127.0.0.1:9470" */
    struct http_limits limits;             /* 0: the defaults */
    struct tls_context *tls;               /* borrowed; NULL: plain */
    const char *hosts;                     /* names that plain requests may have in Host, besides
                                              localhost and addresses: see host.h; borrowed */
    struct metrics *metrics;               /* shown by /metrics besides its own; NULL: none */
};

/* Listening when it returns. ERR_UNAVAILABLE names the address and why. */
MUST_USE enum err gateway_open(const struct gateway_options *options, struct gateway **gateway,
                               struct why *why);
const char *gateway_address(const struct gateway *gateway);   /* with the bound port; lent */
/* Stops accepting, lets answers go out for at most grace_ms, frees. Blocks. */
void gateway_close(struct gateway *gateway, int64_t grace_ms);

#endif
