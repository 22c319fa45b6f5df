#ifndef RPC_CONNECTION_H
#define RPC_CONNECTION_H

#include "rpc/h2/h2_session.h"
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
    struct h2_patience patience;  /* no progress while something waits */
    int64_t keepalive_ms;         /* silent: ask */
    int64_t keepalive_timeout_ms; /* for an answer; 0: handshake_ms */
    bool keepalive_without_calls; /* client: otherwise the server decides how long it stays */
    int64_t idle_ms;              /* without a stream: say GOAWAY; <= 0: never */
    int64_t age_ms;               /* the same in any case */
    int64_t age_grace_ms;         /* then, for streams to end */
};

/* Why one ended. */
enum connection_end {
    CONNECTION_END_PEER,      /* its peer closed or broke it */
    CONNECTION_END_DONE,      /* both sides had said all */
    CONNECTION_END_HANDSHAKE, /* the peer did not begin to speak HTTP/2, or TLS, in time or at all
                               */
    CONNECTION_END_PROTOCOL,  /* the peer broke the protocol */
    CONNECTION_END_FLOOD,     /* ... asked for too much that moves nothing */
    CONNECTION_END_PINGS,     /* ... pinged too often */
    CONNECTION_END_LATE,      /* ... stopped in the middle of headers or of a record */
    CONNECTION_END_UNREAD,    /* ... read too slowly */
    CONNECTION_END_SILENT,    /* ... did not answer a PING */
    CONNECTION_END_IDLE,
    CONNECTION_END_AGE,
    CONNECTION_END_CROWDED, /* it waited the longest when another one came */
    CONNECTION_END_MEMORY,  /* it made us keep the most when that ran out, or there was none */
    CONNECTION_END_STOP,    /* its owner closed it */
    CONNECTION_END_COUNT
};

struct connection_owner_ops {
    /* Server: a request begins. */
    struct stream_user *(*accept)(struct connection_owner *owner, struct stream *stream);
    /* TLS: the handshake is over. May be NULL. */
    void (*on_open)(struct connection_owner *owner);
    /* The peer has begun to speak HTTP/2. May be NULL. */
    void (*on_up)(struct connection_owner *owner);
    /* Streams began where there were none, or the last has ended. May be NULL. */
    void (*on_idle)(struct connection_owner *owner, bool is_idle);
    /* It makes us keep so many bytes from now on. May be NULL. */
    void (*on_held)(struct connection_owner *owner, size_t size);
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

/* Nothing is asked of it, so its peer loses little if it is closed. */
bool connection_is_idle(const struct connection *connection);
/* Valid from on_closed(). */
enum connection_end connection_end_of(const struct connection *connection);

/* The peer went because it was asked for too much. In on_going(). */
bool connection_is_told_to_calm(const struct connection *connection);

/* No new streams; closes when the last has ended. */
void connection_drain(struct connection *connection);
/* Says GOAWAY if there is room for it, then ends as if the peer had closed it, for
 * that reason: on_closed() comes. */
void connection_dismiss(struct connection *connection, enum connection_end end);
/* Ends its streams, closes and frees. May be called from their callbacks. */
void connection_close(struct connection *connection);

#endif
