#ifndef GATEWAY_LIMITS_H
#define GATEWAY_LIMITS_H

/* Every bound of the gateway that is not an option of gateway.h. */

enum {
    HTTP_HEADERS_MAX = 64,                   /* header fields of one request */
    HTTP_CHUNK_LINE_MAX = 256,               /* a chunk's size and its extensions */
    HTTP_OUTPUT_BYTES_MAX = 256 * 1024,      /* unsent answers of one connection */
    HTTP_LINGER_MS = 2000,                   /* for a refused body to go by */
    HTTP_LINGER_BYTES_MAX = 8 * 1024 * 1024,
    REQUEST_ID_MAX = 128,
    HEADER_VALUE_MAX = 256,                  /* of a header that means something to us */

    DATA_DEPTH_MAX = 32,                     /* nesting inside a job's `data` */
    JSON_DEPTH_MAX = DATA_DEPTH_MAX + 1,     /* the document around it included */
    FIELD_PATH_MAX = 256,                    /* "data.filters.collections[3]" */
    ENUM_WORD_MAX = 48,
    ANSWER_BYTES_MAX = 64 * 1024 * 1024,     /* JSON text of one answer */

    ROUTE_SEGMENTS_MAX = 8,
    QUERY_PARAMETERS_MAX = 32,

    CALL_TIMEOUT_MS = 30 * 1000,
    METRICS_TIMEOUT_MS = 5 * 1000,           /* then the page does without the totals */
    CALL_WAIT_TIMEOUT_MS = 75 * 1000,        /* of a call that may wait 60 s for a worker */
};

_Static_assert(CALL_WAIT_TIMEOUT_MS > CALL_TIMEOUT_MS, "a waiting call gets more time");

#endif
