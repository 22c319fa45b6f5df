#include "rpc/h2/h2_state.h"

#include <stdlib.h>

/* What a stream's user sends, handed to nghttp2: header blocks when they are
 * there, bytes when nghttp2 asks for them. */

enum { HEADERS_SENT_MAX = 12 }; /* converted without an allocation */

/* nghttp2 asks for the next DATA frame's content. */
static ssize_t pull(nghttp2_session *ng, int32_t id, uint8_t *data, size_t room, uint32_t *flags,
                    nghttp2_data_source *source, void *context);

static void to_nv(nghttp2_nv *nv, const struct stream_header *header)
{
    nv->name = (uint8_t *)(uintptr_t)header->name.data;
    nv->namelen = header->name.size;
    nv->value = (uint8_t *)(uintptr_t)header->value.data;
    nv->valuelen = header->value.size;
    nv->flags = NGHTTP2_NV_FLAG_NONE;
}

/* Either of the two ways a header block is submitted; nghttp2 copies it. */
static int submit(struct h2_stream *stream, const nghttp2_nv *nv, size_t count, bool end)
{
    nghttp2_session *ng = stream->session->ng;
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = pull };
    int32_t id;

    if (stream->session->options.role == H2_SERVER) {
        stream->answered = true;
        return nghttp2_submit_response(ng, stream->id, nv, count, end ? NULL : &provider);
    }
    id = nghttp2_submit_request(ng, NULL, nv, count, end ? NULL : &provider, stream);
    if (id < 0)
        return id;
    stream->id = id;
    return 0;
}

static int with_nvs(struct h2_stream *stream, const struct stream_header *headers, size_t count,
                    int (*use)(struct h2_stream *, const nghttp2_nv *, size_t, bool), bool end)
{
    nghttp2_nv some[HEADERS_SENT_MAX] = { { 0 } }, *nv = some;
    int result;

    if (count > HEADERS_SENT_MAX)
        nv = calloc(count, sizeof *nv);
    if (nv == NULL)
        return NGHTTP2_ERR_NOMEM;
    for (size_t i = 0; i < count; i++)
        to_nv(&nv[i], &headers[i]);
    result = use(stream, nv, count, end);
    if (nv != some)
        free(nv);
    return result;
}

static void send_headers(struct stream *base, const struct stream_header *headers, size_t count,
                         bool end)
{
    struct h2_stream *stream = h2_stream_of(base);

    stream->moved = true;
    h2_check(stream->session, with_nvs(stream, headers, count, submit, end));
}

static void wake(struct stream *base)
{
    struct h2_stream *stream = h2_stream_of(base);

    if (!stream->deferred)
        return; /* it will be asked anyway */
    stream->deferred = false;
    stream->moved = true;
    h2_check(stream->session, nghttp2_session_resume_data(stream->session->ng, stream->id));
}

static void consume(struct stream *base, size_t size)
{
    struct h2_stream *stream = h2_stream_of(base);

    h2_check(stream->session,
             nghttp2_session_consume_stream(stream->session->ng, stream->id, size));
}

static void hold(struct stream *base, size_t size)
{
    struct h2_stream *stream = h2_stream_of(base);
    struct h2_session *session = stream->session;

    session->streams.held += size - stream->held;
    stream->held = size;
    if (session->options.held_bytes_max > 0 &&
        session->streams.held > session->options.held_bytes_max)
        h2_want_output(session);
}

static size_t headers_max(const struct stream *base)
{
    const struct h2_stream *stream = container_of(base, const struct h2_stream, base);
    size_t max = nghttp2_session_get_remote_settings(stream->session->ng,
                                                     NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);

    return max < H2_HEADERS_SENT_BYTES_MAX / 2 ? max : H2_HEADERS_SENT_BYTES_MAX / 2;
}

static void leave(struct stream *base, enum stream_error error)
{
    struct h2_stream *stream = h2_stream_of(base);
    struct h2_session *session = stream->session;

    hold(base, 0);
    if (stream->id == 0) { /* nobody has heard of it */
        h2_stream_free(stream);
        return;
    }
    if (!stream->local_ended || !stream->remote_ended)
        h2_check(session,
                 nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id, error));
}

const struct stream_ops h2_stream_ops = {
    .send_headers = send_headers,
    .wake = wake,
    .consume = consume,
    .hold = hold,
    .headers_max = headers_max,
    .leave = leave,
};

static int submit_trailers(struct h2_stream *stream, const nghttp2_nv *nv, size_t count, bool end)
{
    (void)end;
    return nghttp2_submit_trailer(stream->session->ng, stream->id, nv, count);
}

static ssize_t pull(nghttp2_session *ng, int32_t id, uint8_t *data, size_t room, uint32_t *flags,
                    nghttp2_data_source *source, void *context)
{
    struct h2_stream *stream = source->ptr;
    struct stream_user *user = stream->base.user;
    const struct stream_header *trailers;
    bool end = false;
    size_t size, count;

    (void)ng;
    (void)id;
    (void)context;
    if (user == NULL) /* left: its RST_STREAM is on the way */
        return NGHTTP2_ERR_DEFERRED;
    size = user->ops->pull(user, data, room, &end);
    stream->moved_bytes += size;
    if (size == 0 && !end) {
        stream->deferred = stream->moved = true; /* all is sent */
        return NGHTTP2_ERR_DEFERRED;
    }
    if (end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        count = user->ops->trailers(user, &trailers);
        if (count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (with_nvs(stream, trailers, count, submit_trailers, true) != 0)
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)size;
}
