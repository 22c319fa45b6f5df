#ifndef RPC_CLIENT_INVOCATION_H
#define RPC_CLIENT_INVOCATION_H

#include "rpc/client/client_parts.h"

/* One unary call of a client, from whatever thread: waited for, or with a
 * callback on the client's thread. */

struct invocation {
    const char *path;
    const ProtobufCMessageDescriptor *answer_type;
    const ProtobufCMessage *request;
    bool idempotent;
    int64_t timeout_ms;                   /* 0: the client's; below 0: none */
    const struct sync_metadata *metadata; /* beside the client's */
    size_t metadata_count;
};

/* Waits. Gives the answer, to be freed with protobuf_c_message_free_unpacked();
 * NULL unless the status is OK. */
ProtobufCMessage *invocation_wait(struct sync_client *client, const struct invocation *invocation,
                                  struct sync_status *status);

/* What to do with the outcome; embedded in whatever the caller allocates, and
 * freed by on_end(), which comes once, on the client's thread. The answer is
 * lent, NULL unless the status is OK. */
struct invocation_end {
    void (*on_end)(struct invocation_end *end, const struct sync_status *status,
                   const ProtobufCMessage *answer);
};

/* False if out of memory, or the client is being closed: on_end() does not come. */
bool invocation_start(struct sync_client *client, const struct invocation *invocation,
                      struct invocation_end *end);
/* on_end() comes with that status, and nothing is called. */
bool invocation_refuse(struct sync_client *client, const struct sync_status *status,
                       struct invocation_end *end);

#endif
