#ifndef RPC_TRANSPORT_H
#define RPC_TRANSPORT_H

#include "core/base/bytes.h"

/* Bytes to and from a peer over a connected socket that does not block: plain,
 * or encrypted (TLS). Whoever has one waits for the socket by himself:
 *
 *   open, handshake until it is DONE, read and write, shut_down, close
 *
 * Loop's thread only. */

struct tls_context; /* see rpc/tls.h */
struct tls_session;

struct transport {
    int fd;
    struct tls_session *tls; /* NULL: plain */
    uint64_t sent;           /* bytes that the socket took, ever */
    bool is_broken;          /* CLOSED, and not by an orderly end of the peer's */
};

enum transport_outcome {
    TRANSPORT_DONE,
    /* Again when the socket is readable, or, if something waits to be written,
     * writable, unless transport_needs_input(). */
    TRANSPORT_BLOCKED,
    TRANSPORT_CLOSED /* by the peer, or broken: transport_why() */
};

/* What is spoken above TLS, told by ALPN (RFC 7301). HTTP/2 must be negotiated
 * (RFC 9113, 3.2), HTTP/1.1 is also spoken with a peer that names nothing. */
enum transport_protocol { TRANSPORT_HTTP2, TRANSPORT_HTTP1 };

/* Of the name in a peer's certificate. Longer ones are refused: cut off, they
 * might be another's. */
enum { TRANSPORT_PEER_NAME_SIZE = 121 };

/* Takes the socket. `tls` is borrowed for the call, and is the server's or the
 * client's; NULL: plain. False if out of memory: the socket is the caller's
 * again. */
bool transport_open(struct transport *transport, int fd, struct tls_context *tls,
                    enum transport_protocol protocol);

/* Before anything is read or written. Nothing to do for a plain one. */
enum transport_outcome transport_handshake(struct transport *transport);

/* DONE: *size bytes, at least one. Fewer than `room`: there are no more now. After
 * CLOSED because of a failure, it gives the raw bytes that still come, to be dropped. */
enum transport_outcome transport_read(struct transport *transport, uint8_t *data, size_t room,
                                      size_t *size);
/* True if there is more to read, whether or not the socket is readable. */
bool transport_has_input(const struct transport *transport);

/* DONE: *size bytes, at least one, are taken; some may wait for
 * transport_flush(). While they do, no others are taken. */
enum transport_outcome transport_write(struct transport *transport, struct bytes bytes,
                                       size_t *size);
/* The last write waits for the rest of something that the peer has begun to say
 * (a ticket, a key update): again after the next read, however writable the socket
 * is. */
bool transport_needs_input(const struct transport *transport);
/* DONE: nothing that was taken waits any more. */
enum transport_outcome transport_flush(struct transport *transport);
bool transport_has_unsent(const struct transport *transport);

/* When the peer began a piece that is still incomplete, so that what can be
 * read of it stays unread: monotonic ms; INT64_MAX: no such piece. */
int64_t transport_stuck_since_ms(const struct transport *transport);

/* Nothing more will be written; the peer is told. Reading goes on. */
void transport_shut_down(struct transport *transport);
/* Closes the socket. */
void transport_close(struct transport *transport);

/* Why it is closed, for a person. Lent until it is closed. */
const char *transport_why(const struct transport *transport);
/* The name in the peer's certificate, which was verified; NULL if none was
 * asked for. Lent until it is closed. */
const char *transport_peer_name(const struct transport *transport);

#endif
