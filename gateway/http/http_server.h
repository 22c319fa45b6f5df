#ifndef GATEWAY_HTTP_SERVER_H
#define GATEWAY_HTTP_SERVER_H

#include "core/base/err.h"
#include "gateway/http/http_head.h"
#include "rpc/loop.h"

/* An HTTP/1.1 server on a loop: whole requests in, whole answers out. Requests
 * that are malformed, too large or too slow never reach the handler; they are
 * answered here in the API's error shape.
 *
 * Threads     The loop's, except for opening and freeing while it does not run.
 * Order       Pipelined requests of a connection are handled one at a time.
 * Memory      Bounded: a head for each connection, and limits.memory_bytes for
 *             all bodies and unread answers. */

struct http_server;
struct tls_context;              /* see rpc/tls.h */

struct http_request {
    struct http_head head;
    struct bytes body;
    const char *id;              /* X-Request-Id: the caller's, or a new one */
    const char *peer;            /* "127.0.0.1:52110" */
    const char *certificate;     /* the name in the peer's; NULL: it was not asked for one */
    struct arena *mem;           /* lives until the answer */
    /* May be set by the handler: the peer is gone, the answer will be dropped
     * (but is due all the same, soon). */
    void (*on_gone)(struct http_request *request);
    /* May be set, for answers in parts: what http_answer_write() was refused
     * for is sent; the server stops, end the answer soon. */
    void (*on_writable)(struct http_request *request);
    void (*on_stop)(struct http_request *request);
    void *tag;                   /* the handler's */
    struct http_connection *connection;   /* the server's; NULL: gone */
    struct http_connections *all;         /* the server's */
};

struct http_answer {
    int status;
    const struct http_header *headers;    /* besides Content-Type, Content-Length, X-Request-Id */
    size_t header_count;
    struct bytes body;
    const char *content_type;             /* NULL: application/json */
};

/* Exactly once for each request, inside handle() or later; then it is gone. */
void http_answer(struct http_request *request, const struct http_answer *answer);

/* An answer in parts, whose end is not known yet: begin, write and end instead
 * of http_answer(), each on the loop, begin and end exactly once. HTTP/1.1 gets
 * chunks and may go on with the next request; HTTP/1.0 reads to the end of the
 * connection. A peer that sends its end while this lasts is taken to be gone. */
void http_answer_begin(struct http_request *request, const struct http_answer *answer);
/* The parts go out as one chunk. False once more than HTTP_OUTPUT_BYTES_MAX
 * wait unsent: stop, and go on in on_writable(). */
bool http_answer_write(struct http_request *request, const struct bytes *parts, size_t count);
void http_answer_end(struct http_request *request);

struct http_server_options {
    const char *address;         /* "127.0.0.1:8470"; port 0: any free one */
    struct http_limits limits;   /* each is set */
    struct tls_context *tls;     /* borrowed; NULL: plain */
    void (*handle)(void *context, struct http_request *request);
    void *context;
};

/* Listening when it returns. ERR_UNAVAILABLE says why not. */
MUST_USE enum err http_server_open(struct loop *loop, const struct http_server_options *options,
                                   struct http_server **server, struct why *why);
const char *http_server_address(const struct http_server *server);

/* The counts of a request's server; lent. Loop's thread. */
struct http_counts;
const struct http_counts *http_counts_of(const struct http_request *request);

/* No new connections, and no further request on those there are. */
void http_server_stop(struct http_server *server);
/* True if no connection is open and every request is answered. */
bool http_server_is_idle(const struct http_server *server);
/* Closes every connection now. After http_server_stop(). */
void http_server_abort(struct http_server *server);
/* It is idle, or was never used. NULL is fine. */
void http_server_free(struct http_server *server);

#endif
