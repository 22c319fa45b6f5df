#ifndef RPC_STATUS_H
#define RPC_STATUS_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* The outcome of a call, as gRPC defines it (doc/statuscodes). */

enum rpc_code {
    RPC_OK = 0,
    RPC_CANCELLED,
    RPC_UNKNOWN,
    RPC_INVALID_ARGUMENT,
    RPC_DEADLINE_EXCEEDED,
    RPC_NOT_FOUND,
    RPC_ALREADY_EXISTS,
    RPC_PERMISSION_DENIED,
    RPC_RESOURCE_EXHAUSTED,
    RPC_FAILED_PRECONDITION,
    RPC_ABORTED,
    RPC_OUT_OF_RANGE,
    RPC_UNIMPLEMENTED,
    RPC_INTERNAL,
    RPC_UNAVAILABLE,
    RPC_DATA_LOSS,
    RPC_UNAUTHENTICATED,
    RPC_CODE_COUNT
};

const char *rpc_code_name(enum rpc_code code); /* "INVALID_ARGUMENT" */

struct rpc_status {
    enum rpc_code code;
    char message[256];  /* UTF-8, for a person */
    struct {            /* at most one field is named */
        char field[64]; /* empty: none */
        char description[240];
    } violation;
    int64_t retry_after_ms; /* 0: not said */
};

/* core's error as the caller sees it, with BadRequest and RetryInfo where they
 * apply: ERR_INVALID INVALID_ARGUMENT, NOT_FOUND, EXISTS ALREADY_EXISTS,
 * CONFLICT FAILED_PRECONDITION, STALE ABORTED, DENIED PERMISSION_DENIED, LIMIT
 * RESOURCE_EXHAUSTED, TIMEOUT DEADLINE_EXCEEDED, CANCELLED, UNSUPPORTED
 * UNIMPLEMENTED, UNAVAILABLE, UNCERTAIN UNKNOWN, CORRUPT DATA_LOSS. */
void rpc_status_from_err(struct rpc_status *status, enum err e, const struct why *why);

void rpc_status_set(struct rpc_status *status, enum rpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* google.rpc.Status for grpc-status-details-bin; empty if there are no details. */
struct bytes rpc_status_pack(const struct rpc_status *status, struct arena *mem);
/* Fills violation and retry_after_ms from such bytes; what does not parse is ignored. */
void rpc_status_unpack(struct rpc_status *status, struct bytes details);

#endif
