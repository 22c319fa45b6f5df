#include "rpc/h2/h2_stream.h"

#include "rpc/h2/h2_session.h"
#include "rpc/limits.h"

#include <stdlib.h>

struct h2_stream *h2_stream_new(struct h2_streams *streams, struct h2_session *session,
                                const struct stream_ops *ops, int32_t id)
{
    struct h2_stream *stream = calloc(1, sizeof *stream);

    if (stream == NULL)
        return NULL;
    stream->base.ops = ops;
    stream->session = session;
    stream->streams = streams;
    stream->id = id;
    list_append(&streams->list, &stream->link);
    streams->count++;
    return stream;
}

void h2_stream_free(struct h2_stream *stream)
{
    list_remove(&stream->link);
    stream->streams->count--;
    stream->streams->held -= stream->held;
    free(stream);
}

void h2_stream_close(struct h2_stream *stream, enum stream_error error)
{
    struct stream_user *user = stream->base.user;

    stream->base.user = NULL;
    if (user != NULL) {
        user->stream = NULL;
        user->ops->on_close(user, error);
    }
    h2_stream_free(stream);
}

struct h2_stream *h2_stream_find(const struct h2_streams *streams, int32_t id)
{
    list_each(link, &streams->list) {
        struct h2_stream *stream = container_of(link, struct h2_stream, link);
        if (stream->id == id)
            return stream;
    }
    return NULL;
}

void h2_stream_end_headers(struct h2_stream *stream)
{
    stream->headers_ended = true;
    stream->header_bytes = 0; /* the bound is a block's */
    if (stream->base.user != NULL)
        stream->base.user->ops->on_headers_end(stream->base.user);
}

void h2_stream_end_remote(struct h2_stream *stream)
{
    stream->remote_ended = true;
    if (stream->base.user != NULL)
        stream->base.user->ops->on_end(stream->base.user);
}

static bool has_moved(struct h2_stream *stream)
{
    bool moved = stream->moved || stream->moved_bytes >= H2_PROGRESS_BYTES_MIN;

    stream->moved = false;
    if (moved)
        stream->moved_bytes = 0;
    return moved;
}

/* Bytes of a body that came take off what they may take. */
static bool drips(const struct h2_stream *stream, int64_t body_ms)
{
    int64_t earned_ms = (int64_t)(stream->body_bytes * 1000 / H2_BODY_BYTES_PER_S);

    return stream->waited_ms - earned_ms >= H2_BODY_WAITS_MAX * body_ms;
}

bool h2_stream_is_stalled(struct h2_stream *stream, int64_t elapsed_ms,
                          const struct h2_patience *patience)
{
    struct stream_user *user = stream->base.user;
    bool moved = has_moved(stream), sends, waits;

    if (user == NULL)
        return false;
    sends = stream->answered && !stream->deferred && !stream->local_ended;
    waits = !stream->remote_ended && user->ops->is_waiting(user);
    stream->waited_ms = waits ? stream->waited_ms + elapsed_ms : 0;
    stream->stalled_ms = (sends || waits) && !moved ? stream->stalled_ms + elapsed_ms : 0;
    if (waits && (stream->stalled_ms >= patience->body_ms || drips(stream, patience->body_ms)))
        return true;
    return sends && stream->stalled_ms >= patience->write_ms;
}
