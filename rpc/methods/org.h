#ifndef RPC_METHODS_ORG_H
#define RPC_METHODS_ORG_H

#include "rpc/call.h"

/* Which organisation a call is for: its request's org_id, or its `orgid`
 * metadata. Where both are given they must agree. ERR_INVALID names "orgid".
 * The id is lent by the call. */
MUST_USE enum err org_of_call(struct rpc_call *call, const ProtobufCMessage *request,
                              struct bytes *org, struct why *why);

/* The request's org_id; "" if it has none. */
const char *org_in_message(const ProtobufCMessage *request);

#endif
