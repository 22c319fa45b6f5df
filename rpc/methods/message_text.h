#ifndef RPC_METHODS_MESSAGE_TEXT_H
#define RPC_METHODS_MESSAGE_TEXT_H

#include "core/base/err.h"

#include <protobuf-c/protobuf-c.h>

/* Whether every string of a message is UTF-8, which protobuf promises and
 * protobuf-c does not look at. ERR_INVALID names the field. */
MUST_USE enum err message_check_text(const ProtobufCMessage *message, struct why *why);

#endif
