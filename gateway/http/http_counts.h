#ifndef GATEWAY_HTTP_COUNTS_H
#define GATEWAY_HTTP_COUNTS_H

#include "core/base/metrics.h"
#include "rpc/places.h"

/* What the HTTP server counts of its connections, and of the requests that it
 * refused by itself. The loop's. */

/* Why one ended. */
enum http_end {
    HTTP_END_PEER,      /* its peer closed or broke it, or asked for its end */
    HTTP_END_IDLE,      /* nothing was asked for too long */
    HTTP_END_LATE,      /* a request did not arrive in time */
    HTTP_END_UNREAD,    /* the peer read its answers too slowly */
    HTTP_END_REFUSED,   /* a request was refused in a way that nothing may follow */
    HTTP_END_SPENT,     /* it has had as many requests as one may */
    HTTP_END_CROWDED,   /* it waited the longest when another one came */
    HTTP_END_MEMORY,    /* it kept memory the longest when that ran out */
    HTTP_END_HANDSHAKE, /* of TLS: it failed */
    HTTP_END_STOP,      /* the server stops */
    HTTP_END_COUNT
};

enum { HTTP_FLAW_STATUSES = 9 };

struct http_counts {
    unsigned open;
    uint64_t accepted;
    uint64_t refused[PLACE_REFUSAL_COUNT];
    uint64_t ended[HTTP_END_COUNT];
    uint64_t flaws[HTTP_FLAW_STATUSES];
};

/* A request was answered with that status before it reached the handler. */
void http_counts_flaw(struct http_counts *counts, int status);

void http_counts_write(const struct http_counts *counts, struct metrics_text *text);

#endif
