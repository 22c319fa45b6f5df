#ifndef RPC_GRPC_MESSAGE_H
#define RPC_GRPC_MESSAGE_H

#include "rpc/grpc/grpc_coding.h"
#include "rpc/grpc/grpc_frame.h"
#include "rpc/service.h"

/* From a protobuf message to its frame and back, as both ends of a call do it:
 * packed, perhaps compressed, with the prefix in front. */

enum { GRPC_COMPRESS_MIN_BYTES = 1 << 10 }; /* below, RPC_COMPRESS_AUTO leaves it */

struct grpc_packing {
    struct grpc_coder *coder; /* NULL: no memory for one; as it is */
    enum grpc_coding coding;  /* GRPC_IDENTITY: as it is */
    enum rpc_compress compress;
};

/* Appends the message's frame. RPC_COMPRESS_AUTO compresses large messages
 * that get smaller by it, RPC_COMPRESS_ALWAYS any. False if out of memory, or
 * above 4 GiB: nothing was appended. */
bool grpc_message_pack(struct buffer *out, const ProtobufCMessage *message,
                       const struct grpc_packing *packing);

/* Expands a compressed message into `plain` and lets it point there. False:
 * *status says why; `max` bounds the room. */
bool grpc_message_expand(struct grpc_message *message, struct grpc_coder *coder,
                         enum grpc_coding coding, size_t max, struct buffer *plain,
                         struct rpc_status *status);

#endif
