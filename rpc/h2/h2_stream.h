#ifndef RPC_H2_STREAM_H
#define RPC_H2_STREAM_H

#include "core/base/list.h"
#include "rpc/stream.h"

/* A stream of an HTTP/2 session: where it stands, and the session's list of
 * them. What is sent for it is the session's affair. */

struct h2_session;
struct h2_patience;

struct h2_streams {
    struct link list;
    size_t count;
    size_t held; /* bytes, by all their users */
};

struct h2_stream {
    struct stream base;
    struct h2_session *session;
    struct h2_streams *streams;
    struct link link;
    int32_t id;          /* 0: not sent yet */
    bool is_sent;        /* client: its request has begun to leave */
    bool answered;       /* server: the first header block is submitted */
    bool deferred;       /* nothing to pull until its user wakes it */
    bool moved;          /* since the last sweep */
    size_t moved_bytes;  /* since it last moved */
    uint64_t body_bytes; /* that came */
    bool headers_ended, local_ended, remote_ended;
    size_t header_bytes;
    size_t held;        /* by its user */
    int64_t stalled_ms; /* nothing moved */
    int64_t waited_ms;  /* for the rest of a request */
};

static inline struct h2_stream *h2_stream_of(struct stream *stream)
{
    return container_of(stream, struct h2_stream, base);
}

/* NULL if out of memory. */
struct h2_stream *h2_stream_new(struct h2_streams *streams, struct h2_session *session,
                                const struct stream_ops *ops, int32_t id);
void h2_stream_free(struct h2_stream *stream);
/* Tells the user, if it is still there, and frees. */
void h2_stream_close(struct h2_stream *stream, enum stream_error error);

struct h2_stream *h2_stream_find(const struct h2_streams *streams, int32_t id);

void h2_stream_end_headers(struct h2_stream *stream);
/* The peer has sent all. */
void h2_stream_end_remote(struct h2_stream *stream);

/* Called every elapsed_ms: true if it did not move although something waits for
 * the peer, or if the rest of a request takes several times as long. To move is
 * more than H2_PROGRESS_BYTES_MIN: a byte at a time is no progress. */
bool h2_stream_is_stalled(struct h2_stream *stream, int64_t elapsed_ms,
                          const struct h2_patience *patience);

#endif
