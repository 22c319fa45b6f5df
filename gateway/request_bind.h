#ifndef GATEWAY_REQUEST_BIND_H
#define GATEWAY_REQUEST_BIND_H

#include "gateway/error_answer.h"
#include "gateway/http/http_server.h"
#include "gateway/route.h"
#include "rpc/channel.h"

/* What an HTTP request says, as the call it stands for: the route, the request
 * message, the metadata. No I/O; everything lies in the request's memory. */

enum { BINDING_METADATA_MAX = 4 };

struct binding {
    const struct route *route;       /* NULL: it was asked what there is, see allow */
    const char *allow;               /* methods of the path, for OPTIONS */
    ProtobufCMessage *message;       /* NULL if the route has no RPC */
    const char *file;                /* the path's last segment */
    struct client_metadata metadata[BINDING_METADATA_MAX];
    size_t metadata_count;
    bool may_wait;                   /* the call may take as long as a worker needs */
};

/* False: *error is the answer. */
MUST_USE bool request_bind(const struct http_request *request, struct binding *binding,
                           struct error_answer *error);

#endif
