#ifndef GATEWAY_EXCHANGE_H
#define GATEWAY_EXCHANGE_H

#include "core/base/metrics.h"
#include "gateway/gate.h"
#include "gateway/http/http_server.h"
#include "gateway/traffic.h"
#include "rpc/channel.h"

/* One HTTP request turned into one call, and its outcome into one answer. The
 * request is answered exactly once, here or when the call is done. */

/* What all exchanges of a gateway share; the loop's. */
struct exchanges {
    struct channel *channel;
    unsigned streams, streams_max; /* open ones */
    struct traffic *traffic;
    struct metrics *metrics;       /* of the process; NULL: none */
    struct bytes openapi;          /* the document, as JSON */
    struct gate gate;              /* for requests that need much */
    const char *hosts;             /* see host.h */
};

void exchange_begin(struct exchanges *all, struct http_request *request);

#endif
