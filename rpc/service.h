#ifndef RPC_SERVICE_H
#define RPC_SERVICE_H

#include "rpc/status.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* What a server offers: services are tables of methods. Authorisation,
 * deadlines, limits and metrics hang on the table once, for calls from the wire
 * and for calls from inside the process alike. */

enum rpc_kind { RPC_UNARY, RPC_SERVER_STREAM, RPC_CLIENT_STREAM, RPC_BIDI };

/* What the caller must be allowed (BEHAVIOUR of the product: permissions). */
enum rpc_right {
    RPC_RIGHT_NONE,
    RPC_RIGHT_READ,
    RPC_RIGHT_UPDATE,
    RPC_RIGHT_DELETE,
    RPC_RIGHT_WORKER,
    RPC_RIGHT_ADMIN
};

/* Which messages are sent compressed, to a peer that can expand them. */
enum rpc_compress {
    RPC_COMPRESS_AUTO, /* a server: as the client does, those above 1 KiB; a client: none */
    RPC_COMPRESS_NEVER,
    RPC_COMPRESS_ALWAYS /* whatever their size */
};

struct rpc_call; /* the server's end of a call: see call.h */

struct rpc_method {
    const char *name; /* "QueueJob" */
    enum rpc_kind kind;
    enum rpc_right right;
    const ProtobufCMessageDescriptor *request, *response;
    /* UNARY, SERVER_STREAM: called once with the request, which lies in the
     * call's arena. CLIENT_STREAM, BIDI: called once with NULL; then set what
     * is to be called with call_on_message() and call_on_half_close(). */
    void (*start)(struct rpc_call *call, void *context, const ProtobufCMessage *request);
};

struct rpc_service {
    const char *name; /* "sync.v1.SyncService" */
    const struct rpc_method *methods;
    size_t method_count;
    void *context; /* handed to start() */
};

/* What happens to every call, whatever carries it. Both may be NULL. */
struct rpc_hooks {
    /* Before the method starts, headers and deadline known. False refuses the
     * call with *status. */
    bool (*admit)(struct rpc_hooks *hooks, struct rpc_call *call, struct rpc_status *status);
    /* Once for each call that was for a known method, when it is over. */
    void (*ended)(struct rpc_hooks *hooks, struct rpc_call *call, enum rpc_code code,
                  int64_t duration_us);
};

/* The set of services a server offers; built at start-up, then only read. */
struct rpc_registry;

struct rpc_registry *rpc_registry_new(void);
void rpc_registry_free(struct rpc_registry *registry);
/* The service is borrowed and must outlive the registry. */
void rpc_registry_add(struct rpc_registry *registry, const struct rpc_service *service);
/* path: "/sync.v1.SyncService/QueueJob". NULLs if there is none. */
const struct rpc_method *rpc_registry_find(const struct rpc_registry *registry, struct bytes path,
                                           const struct rpc_service **service);
/* Borrowed; called on any loop's thread. */
void rpc_registry_set_hooks(struct rpc_registry *registry, struct rpc_hooks *hooks);
struct rpc_hooks *rpc_registry_hooks(const struct rpc_registry *registry);
const struct rpc_service *const *rpc_registry_services(const struct rpc_registry *registry,
                                                       size_t *count);

#endif
