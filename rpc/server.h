#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include "rpc/limits.h"
#include "rpc/service.h"

/* A gRPC server on a TCP address: I/O threads with a loop and a listener each
 * (SO_REUSEPORT); a connection lives and dies on one of them. Callers that
 * must show a certificate are known to methods as "cert:" and its common name,
 * others as "anonymous@" and their address. */

struct rpc_server;
struct metrics_source;
struct tls_context; /* see rpc/tls.h */

struct rpc_server_options {
    const char *address;                 /* "127.0.0.1:9470"; port 0: any free one */
    const struct rpc_registry *registry; /* borrowed */
    struct tls_context *tls;             /* borrowed; NULL: plain */
    unsigned threads;                    /* 0: 1 */
    struct rpc_limits limits;
};

/* Listening when it returns. ERR_UNAVAILABLE names the address and why. */
MUST_USE enum err rpc_server_open(const struct rpc_server_options *options,
                                  struct rpc_server **server, struct why *why);

/* "127.0.0.1:43121": the port that was bound. Lent. */
const char *rpc_server_address(const struct rpc_server *server);

/* Connections and streams, counted. Lent: remove it before the server is closed. */
struct metrics_source *rpc_server_metrics(struct rpc_server *server);

/* Stops accepting, sends GOAWAY, lets calls end for at most grace_ms, then
 * closes and frees. Blocks. NULL is fine. */
void rpc_server_close(struct rpc_server *server, int64_t grace_ms);

#endif
