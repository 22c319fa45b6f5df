#ifndef RPC_H2_SESSION_H
#define RPC_H2_SESSION_H

#include "rpc/stream.h"

#include <stdatomic.h>

/* One HTTP/2 connection, server's or client's side, without a socket: bytes in,
 * bytes out, streams between them. The only module that knows nghttp2.
 *
 * Nothing here blocks or keeps time; h2_session_sweep() is its clock. Functions
 * may be called from a stream user's callbacks, except h2_session_receive(),
 * h2_session_output() and h2_session_free(). */

struct h2_session;
struct h2_owner;

enum h2_role { H2_SERVER, H2_CLIENT };

/* What sessions count, those of all threads together. */
enum h2_count {
    H2_COUNT_STREAMS_REFUSED,
    H2_COUNT_STREAMS_STALLED, /* reset because they did not go on */
    H2_COUNT_STREAMS_HELD,    /* reset because they made us keep too much */
    H2_COUNT_RESETS_RECEIVED,
    H2_COUNT_RESETS_SENT,
    H2_COUNT_PINGS_RECEIVED,
    H2_COUNTS
};

struct h2_counts {
    atomic_uint_fast64_t of[H2_COUNTS];
};

struct h2_options {
    enum h2_role role;
    unsigned streams_max;     /* the peer may have open at once */
    size_t header_bytes_max;  /* of one header block, as HTTP/2 counts */
    size_t held_bytes_max;    /* that the peer may make us keep; 0: it does not matter */
    int64_t ping_interval_ms; /* the peer may ping as often as that; <= 0: as it likes */
    struct h2_counts *counts; /* NULL: nobody wants to know */
};

/* How long a stream may make no progress. */
struct h2_patience {
    int64_t headers_ms; /* from a header block's first byte to its last */
    int64_t body_ms;    /* the rest of a request, which is needed to go on */
    int64_t write_ms;   /* an answer that waits for the peer's window */
};

/* Why a session ended, if not because both sides had said all. */
enum h2_end {
    H2_END_NONE,
    H2_END_PROTOCOL, /* the peer broke the protocol */
    H2_END_FLOOD,    /* ... or asked for too much that moves nothing */
    H2_END_PINGS,
    H2_END_HEADERS, /* a header block did not come to its end */
};

struct h2_owner_ops {
    /* Server: a request begins. Gives the stream its user; NULL refuses it. */
    struct stream_user *(*accept)(struct h2_owner *owner, struct stream *stream);
    /* There is something to be sent: call h2_session_output() soon, from
     * elsewhere. */
    void (*on_output)(struct h2_owner *owner);
    /* The peer takes no new streams any more. */
    void (*on_going)(struct h2_owner *owner);
};

struct h2_owner {
    const struct h2_owner_ops *ops;
};

/* The preface and our SETTINGS wait to be sent. NULL if out of memory. */
struct h2_session *h2_session_new(const struct h2_options *options, struct h2_owner *owner);
/* Ends the streams that are left with STREAM_BROKEN, or STREAM_UNSENT. NULL is fine. */
void h2_session_free(struct h2_session *session);

/* False: the connection is over; send what waits, then close. */
bool h2_session_receive(struct h2_session *session, struct bytes bytes);

/* Bytes that the streams' users keep for the peer. */
size_t h2_session_held(const struct h2_session *session);
/* Resets the largest streams until the rest is within held_bytes_max. To be called
 * after on_output(), whether or not something can be sent. */
void h2_session_shed(struct h2_session *session);

/* Lends the next bytes to be sent, at most about 16 KiB, until the next call.
 * Empty: none for now. */
struct bytes h2_session_output(struct h2_session *session);

/* Neither side has anything left to say. */
bool h2_session_is_done(const struct h2_session *session);
/* The peer's SETTINGS have come. */
bool h2_session_is_up(const struct h2_session *session);
/* No new streams: a GOAWAY came or went. */
bool h2_session_is_going(const struct h2_session *session);
/* The peer said goodbye because it was asked for too much: pings, say. */
bool h2_session_is_told_to_calm(const struct h2_session *session);
size_t h2_session_stream_count(const struct h2_session *session);
/* Frames that wait to be sent, whatever holds them up. */
size_t h2_session_backlog(const struct h2_session *session);

/* Client: gives user->stream; the user sends its headers next, at once. False if the
 * session takes no more streams or memory is out. */
bool h2_session_request(struct h2_session *session, struct stream_user *user);

void h2_session_ping(struct h2_session *session);
/* Says GOAWAY, so that no new stream is lost: first a notice, then, when the
 * peer has seen it, the last stream's id. Streams go on to their end. */
void h2_session_drain(struct h2_session *session);

/* Says GOAWAY, and no more: the connection is about to be closed. */
void h2_session_stop(struct h2_session *session);

/* Whole frames received so far: a peer that sends half of one is not alive. */
uint64_t h2_session_frame_count(const struct h2_session *session);

enum h2_end h2_session_end(const struct h2_session *session);

/* Called every elapsed_ms. Resets streams on which the peer makes no progress
 * although something waits for it: an answer for its window, a method for the
 * rest of its request (which may not drip in for ever, either). */
void h2_session_sweep(struct h2_session *session, int64_t elapsed_ms,
                      const struct h2_patience *patience);

#endif
