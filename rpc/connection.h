#ifndef RPC_CONNECTION_H
#define RPC_CONNECTION_H

#include "rpc/h2_session.h"
#include "rpc/loop.h"
#include "rpc/transport.h"

/* A TCP connection with an HTTP/2 session on it, either side, plain or TLS. It reads and
 * writes when libevent says that it can, gathers the output of a turn of the
 * loop into one write, and closes a peer that is silent where it must not be.
 * Loop's thread only. */

struct connection;
struct connection_owner;

struct connection_limits {
    int64_t handshake_ms;         /* until the peer's SETTINGS, TLS's handshake included */
    int64_t stall_ms;             /* no progress while something waits */
    int64_t keepalive_ms;         /* silent: ask */
    int64_t keepalive_timeout_ms; /* for an answer; 0: handshake_ms */
    bool keepalive_without_calls; /* client: otherwise the server decides how long it stays */
};

struct connection_owner_ops {
    /* Server: a request begins. */
    struct stream_user *(*accept)(struct connection_owner *owner, struct stream *stream);
    /* TLS: the handshake is over. May be NULL. */
    void (*on_open)(struct connection_owner *owner);
    /* The peer has begun to speak HTTP/2. May be NULL. */
    void (*on_up)(struct connection_owner *owner);
    /* The peer takes no new streams. */
    void (*on_going)(struct connection_owner *owner);
    /* It is gone, streams and all; `reason` is for a person. Not after
     * connection_close(). */
    void (*on_closed)(struct connection_owner *owner, const char *reason);
};

struct connection_owner {
    const struct connection_owner_ops *ops;
};

/* Memory that the connections of a loop share, each for the length of a turn.
 * Freeing it leaves it to the connections that are still there. */
struct connection_scratch;
struct connection_scratch *connection_scratch_new(void);
void connection_scratch_free(struct connection_scratch *scratch);

struct connection_options {
    struct loop *loop;
    struct connection_scratch *scratch;
    struct connection_limits limits;
    struct h2_options h2;
    struct tls_context *tls; /* borrowed for the call; NULL: plain */
    struct connection_owner *owner;
};

/* Takes the connected, non-blocking socket. NULL if out of memory: then it is
 * closed. */
struct connection *connection_open(int fd, const struct connection_options *options);

/* Client: gives user->stream; the user sends its headers at once. False if it
 * takes no more streams. */
bool connection_request(struct connection *connection, struct stream_user *user);
/* Plain ones are from the start. */
bool connection_is_open(const struct connection *connection);
/* The name in the peer's certificate, which was verified; NULL if none was asked
 * for. Lent. */
const char *connection_peer_name(const struct connection *connection);
/* The peer has begun to speak HTTP/2. */
bool connection_is_up(const struct connection *connection);

/* No new streams; closes when the last has ended. */
void connection_drain(struct connection *connection);
/* Ends its streams, closes and frees. May be called from their callbacks. */
void connection_close(struct connection *connection);

#endif
