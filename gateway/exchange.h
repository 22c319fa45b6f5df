#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "gateway/http_server.h"
#include "rpc/channel.h"

/* One HTTP request turned into one call, and its outcome into one answer. The
 * request is answered exactly once, here or when the call is done. */
void exchange_begin(struct channel *channel, struct http_request *request);

#endif
