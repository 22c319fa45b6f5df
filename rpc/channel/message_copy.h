#ifndef RPC_MESSAGE_COPY_H
#define RPC_MESSAGE_COPY_H

#include <protobuf-c/protobuf-c.h>

/* A copy in memory of its own, for messages that are lent. Free it with
 * protobuf_c_message_free_unpacked(copy, NULL). NULL if out of memory. */
ProtobufCMessage *message_copy(const ProtobufCMessage *message);

#endif
