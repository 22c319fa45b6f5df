#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H

#include "gateway/uri.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* The API as a table: a new RPC is a row of it. A row says which verbs and path
 * lead to which RPC, where each field of the request comes from, and what the
 * answer has besides the response's members. */

enum verb { VERB_GET = 1, VERB_POST = 2, VERB_DELETE = 4 };

/* What an answer is. */
enum route_form {
    FORM_JSON,
    FORM_EVENTS,   /* server-sent events, until somebody goes */
    FORM_METRICS,  /* Prometheus' text */
    FORM_OPENAPI,  /* the description of all this */
    FORM_FILE,     /* of the dashboard, named by the path's last segment */
};

struct route {
    unsigned verbs;
    const char *pattern;      /* "/sync/pause/:name": the field `name` from the path */
    const char *rpc;          /* NULL: answered from here */
    const ProtobufCMessageDescriptor *request, *response;
    const char *query;        /* fields that may come as query parameters */
    const char *query_headers; /* headers that may, too: a browser's EventSource sets none */
    const char *body;         /* fields that may come as members of the body, POST only */
    enum route_form form;
    size_t answer_bytes;      /* memory for an answer that may be large; 0: it is not */
    bool body_required;
    bool needs_org;           /* the orgid header */
    bool changes;             /* something: BEHAVIOUR's rules for GET with side effects */
    const char *message;      /* constants of the answer: "success": true and "message" */
    bool success;
    const char *hidden;       /* fields of the response that the answer leaves out */
    const char *no;           /* the 503's message when accepts() says no */
    bool (*accepts)(const ProtobufCMessage *response);   /* NULL: any */
};

const struct route *route_table(size_t *count);

/* The route for a method and a path. NULL: none; then *allow is "" if the path
 * is unknown, else the methods it has, as for the Allow header. HEAD finds the
 * GET routes that change nothing and come to an end. */
enum { ROUTE_ALLOW_SIZE = 64 };
const struct route *route_find(const char *method, const struct uri *uri,
                               char allow[ROUTE_ALLOW_SIZE]);

/* Whether it is a method that HTTP knows (RFC 9110, 9 and RFC 5789). */
bool route_is_method(const char *method);

/* Calls `each` with every field that the pattern takes from the path. */
typedef enum err route_field_fn(void *context, const char *field, const char *value);
MUST_USE enum err route_each_path_field(const struct route *route, const struct uri *uri,
                                        route_field_fn *each, void *context);

#endif
