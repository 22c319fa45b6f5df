#ifndef GATEWAY_STATUS_TEXT_H
#define GATEWAY_STATUS_TEXT_H

#include "rpc/status.h"

/* RPC names fields as the protobuf has them ("options.max_retries"), JSON as
 * "options.maxRetries", and what HTTP has in a header by that ("Idempotency-Key").
 * Renames the field of a status, also where its sentences mention it. */
void status_text_to_json_names(struct rpc_status *status);

#endif
