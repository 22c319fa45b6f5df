#ifndef GATEWAY_HTTP_WIRE_H
#define GATEWAY_HTTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "rpc/loop.h"
#include "rpc/transport.h"

/* A connection's bytes: what its peer sends appears in `input`, what is added to
 * `output` is sent to it, in as few writes as a turn of the loop allows; plain or
 * TLS. Reading stops while `input` is full. Bytes leave `output` when the socket
 * has taken them, not before.
 *
 * Callbacks come from the loop, never from inside a call; each may close the
 * wire. Time-outs are the owner's. */

struct event;
struct evbuffer;
struct http_wire;

enum http_wire_end {
    HTTP_WIRE_PEER_DONE, /* it sends no more; what is in `output` still goes out */
    HTTP_WIRE_BROKEN,
    HTTP_WIRE_NO_TLS, /* the handshake failed: shut down, and drop what still comes */
};

struct http_wire_ops {
    void (*on_input)(struct http_wire *wire);                       /* there is more of it */
    void (*on_sent)(struct http_wire *wire);                        /* `output` has become empty */
    void (*on_end)(struct http_wire *wire, enum http_wire_end end); /* each at most once */
};

struct http_wire {
    struct evbuffer *input, *output;
    /* the wire's */
    const struct http_wire_ops *ops;
    struct loop *loop;
    struct transport transport;
    struct event *readable, *writable;
    size_t input_max;
    size_t taken;    /* of `output`, by the transport, which waits for the socket */
    bool is_open;    /* the handshake is over, well or not */
    bool is_paused;  /* not reading: `input` is full */
    bool is_at_end;  /* not reading: there is no more */
    bool is_blocked; /* waits for the socket to take bytes */
};

/* Takes the socket, which does not block. tls: borrowed for the call; NULL: plain.
 * False if out of memory: the socket is the caller's again. */
bool http_wire_open(struct http_wire *wire, const struct http_wire_ops *ops, struct loop *loop,
                    int fd, struct tls_context *tls, size_t input_max);
/* Nothing more will be added to `output`, which is empty. */
void http_wire_shut_down(struct http_wire *wire);
void http_wire_close(struct http_wire *wire);

/* See transport_peer_name(). */
const char *http_wire_peer_name(const struct http_wire *wire);

#endif
