#ifndef GATEWAY_LIMITS_H
#define GATEWAY_LIMITS_H

#include "core/base/json_scan.h"

#include <stddef.h>
#include <stdint.h>

/* Every bound of the gateway. */

/* What users may set; 0 is the default, which stands below. */
struct http_limits {
    size_t head_bytes;                       /* of a request */
    size_t body_bytes;
    size_t memory_bytes;                     /* bodies and unread answers of everybody */
    unsigned connections;
    unsigned connections_per_address;        /* 0: three quarters of all */
    unsigned requests_per_connection;
    unsigned watches;                        /* event streams; 0: half of the connections */
    int64_t head_ms;                         /* from a connection's or a head's first byte to its end */
    int64_t body_ms;                         /* besides what its bytes may take */
    int64_t idle_ms;                         /* between two requests */
    int64_t write_ms;                        /* in which a peer must read something */
    unsigned bytes_per_s;                    /* the slowest peer that is served */
};

enum {
    HTTP_HEAD_BYTES = 16 * 1024,
    HTTP_BODY_BYTES = 1024 * 1024,
    HTTP_MEMORY_BYTES = 64 * 1024 * 1024,
    HTTP_CONNECTIONS = 1000,
    HTTP_REQUESTS_PER_CONNECTION = 10000,
    HTTP_HEAD_MS = 10 * 1000,
    HTTP_BODY_MS = 20 * 1000,
    HTTP_IDLE_MS = 75 * 1000,
    HTTP_WRITE_MS = 30 * 1000,
    HTTP_BYTES_PER_S = 1024,
};

/* What nobody may. */
enum {
    HTTP_HEADERS_MAX = 64,                   /* header fields of one request */
    HTTP_EMPTY_LINES_MAX = 8,                /* before a request */
    HTTP_METHOD_SIZE_MAX = 32,
    HTTP_CHUNK_LINE_MAX = 256,               /* a chunk's size and its extensions; all trailers */
    HTTP_EXTENSION_BYTES_MAX = 16 * 1024,    /* extensions of all chunks of a body */
    HTTP_INPUT_BYTES_MAX = 16 * 1024,        /* read ahead, besides a head */
    HTTP_OUTPUT_BYTES_MAX = 256 * 1024,      /* unsent answers of one connection */
    HTTP_UNSENT_BYTES = 64 * 1024,           /* that the kernel keeps for one connection */
    HTTP_TURN_REQUESTS_MAX = 4,              /* of one connection before others have theirs */
    HTTP_LINGER_MS = 2000,                   /* for a refused body to go by */
    HTTP_LINGER_BYTES_MAX = 8 * 1024 * 1024,
    HTTP_ACCEPTS_PER_TURN = 16,              /* before those that are in have their turn */

    GATE_BODY_BYTES = 4 * 1024,              /* larger ones wait at the gate */
    GATE_BODY_FACTOR = 8,                    /* memory that a body needs, besides its own */
    GATE_LIST_BYTES = 4 * 1024 * 1024,       /* memory that a list needs, about */
    GATE_JOB_BYTES = 1024 * 1024,            /* and a job with its data */
    GATE_BYTES_MAX = 16 * 1024 * 1024,       /* of all that are under way */
    GATE_TURN_MS = 5,                        /* of each turn of the loop */

    REQUEST_ID_MAX = 128,
    HEADER_VALUE_MAX = 256,                  /* of a header that means something to us */

    JSON_DEPTH_MAX = JSON_DATA_DEPTH_MAX + 1,    /* the document around it included */
    FIELD_PATH_MAX = 256,                    /* "data.filters.collections[3]" */
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,     /* JSON text of one answer */

    ROUTE_SEGMENTS_MAX = 8,
    QUERY_PARAMETERS_MAX = 32,

    CALL_TIMEOUT_MS = 30 * 1000,
    METRICS_TIMEOUT_MS = 5 * 1000,           /* then the page does without the totals */
    CALL_WAIT_TIMEOUT_MS = 75 * 1000,        /* of a call that may wait 60 s for a worker */
};

_Static_assert(CALL_WAIT_TIMEOUT_MS > CALL_TIMEOUT_MS, "a waiting call gets more time");
_Static_assert(HTTP_HEAD_BYTES >= 8000 + 1024, "request lines of 8000 bytes work (RFC 9112, 3)");
_Static_assert(HTTP_MEMORY_BYTES >= 16 * HTTP_BODY_BYTES, "a few bodies do not use up everything");
_Static_assert(HTTP_OUTPUT_BYTES_MAX * (HTTP_CONNECTIONS / 2) > HTTP_MEMORY_BYTES,
               "unread answers are bounded together, not only each");
_Static_assert(GATE_BYTES_MAX >= 2 * GATE_BODY_FACTOR * HTTP_BODY_BYTES, "two at a time, at least");
_Static_assert(GATE_BYTES_MAX >= 2 * GATE_LIST_BYTES, "two at a time, at least");
_Static_assert(HTTP_IDLE_MS > 60 * 1000, "longer than proxies keep an idle connection");

/* Puts the defaults where there is a 0. */
struct http_limits http_limits_or_default(const struct http_limits *limits);

#endif
