#include "rpc/h2/h2_state.h"
#include "rpc/limits.h"

/* What nghttp2 tells: its frames become what our streams' users hear. */

enum { HEADER_OVERHEAD = 32 }; /* RFC 9113, 6.5.2 */

static struct h2_stream *stream_of(struct h2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session->ng, id);
}

/* ---- What comes in. ---- */

static bool is_request(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static void calm(struct h2_session *session)
{
    h2_terminate(session, H2_END_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream;

    if (session->over || !is_request(frame) || session->options.role == H2_CLIENT)
        return 0;
    stream = h2_stream_new(&session->streams, session, &h2_stream_ops, frame->hd.stream_id);
    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    stream->base.user = session->owner->ops->accept(session->owner, &stream->base);
    if (stream->base.user == NULL) {
        h2_stream_free(stream);
        h2_count(session, H2_COUNT_STREAMS_REFUSED);
        nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, stream);
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);

    (void)ng;
    (void)flags;
    if (session->over) /* nothing of the rest is worth looking at */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream == NULL)
        return 0;
    stream->header_bytes += name_size + value_size + HEADER_OVERHEAD;
    if (stream->header_bytes > session->options.header_bytes_max) {
        stream->base.headers_too_large = true;
        if (stream->header_bytes > session->options.header_bytes_max * H2_HEADERS_BOMB_FACTOR)
            calm(session);
        return 0;
    }
    if (stream->base.user != NULL)
        stream->base.user->ops->on_header(stream->base.user, bytes_of(name, name_size),
                                          bytes_of(value, value_size));
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = stream_of(session, id);

    (void)flags;
    h2_budget_data(&session->budget);
    nghttp2_session_consume_connection(ng, size);
    if (stream == NULL || stream->base.user == NULL || session->over) {
        nghttp2_session_consume_stream(ng, id, size);
        return 0;
    }
    stream->moved_bytes += size;
    stream->body_bytes += size;
    stream->base.user->ops->on_data(stream->base.user, bytes_of(data, size));
    return 0;
}

static void take_stream_frame(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);

    if (stream == NULL)
        return;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        stream->moved = true;
        stream->waited_ms = 0;
        h2_stream_end_headers(stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        h2_stream_end_remote(stream);
}

/* The notice of GOAWAY has been seen: all that was on its way has come. */
static void finish_drain(struct h2_session *session)
{
    session->draining = false;
    nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->ng), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;

    (void)ng;
    session->frame_count++;
    if (session->over)
        return 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        take_stream_frame(session, frame);
        break;
    case NGHTTP2_SETTINGS:
        session->is_up = true;
        break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && session->draining)
            finish_drain(session);
        break;
    case NGHTTP2_GOAWAY:
        session->told_to_calm |= frame->goaway.error_code == NGHTTP2_ENHANCE_YOUR_CALM;
        h2_set_going(session);
        break;
    default:
        break;
    }
    return 0;
}

/* ---- What goes out. ---- */

/* An answer that ended before its request: the rest is not wanted (RFC 9113,
 * 8.1). */
static void end_local(struct h2_session *session, int32_t id)
{
    struct h2_stream *stream = stream_of(session, id);

    if (stream == NULL)
        return;
    stream->local_ended = true;
    if (session->options.role == H2_SERVER && !stream->remote_ended)
        nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
}

static bool is_fault(uint32_t error)
{
    return error != NGHTTP2_NO_ERROR && error != NGHTTP2_CANCEL && error != NGHTTP2_REFUSED_STREAM;
}

static void note_headers_sent(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);

    if (stream != NULL)
        stream->is_sent = true;
}

static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error,
                            void *context)
{
    struct h2_session *session = context;

    (void)ng;
    if (frame->hd.type == NGHTTP2_WINDOW_UPDATE && error == NGHTTP2_ERR_FLOW_CONTROL)
        session->window_faults++;
    return 0;
}

/* SETTINGS that make a stream's window overflow are the connection's error (RFC
 * 9113, 6.9.2), and so may be DATA beyond our window; nghttp2 resets the stream, as
 * for a window update that is too large. */
static void judge_window(struct h2_session *session)
{
    if (session->window_faults > 0)
        session->window_faults--;
    else
        h2_terminate(session, H2_END_PROTOCOL, NGHTTP2_FLOW_CONTROL_ERROR);
}

static void note_reset_sent(struct h2_session *session, const nghttp2_frame *frame)
{
    h2_count(session, H2_COUNT_RESETS_SENT);
    if (frame->rst_stream.error_code == NGHTTP2_FLOW_CONTROL_ERROR)
        judge_window(session);
    if (is_fault(frame->rst_stream.error_code) && session->options.role == H2_SERVER &&
        !h2_budget_fault(&session->budget))
        calm(session);
}

/* nghttp2 may have found a mistake before we wanted to end it: the first counts. */
static void note_goaway_sent(struct h2_session *session, uint32_t error)
{
    if (error != NGHTTP2_NO_ERROR && error != NGHTTP2_ENHANCE_YOUR_CALM)
        session->end = H2_END_PROTOCOL;
    else if (error != NGHTTP2_NO_ERROR && session->end == H2_END_NONE)
        session->end = H2_END_FLOOD;
    h2_set_going(session);
}

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;

    (void)ng;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        h2_budget_data(&session->budget);
        h2_budget_answer(&session->budget);
        break;
    case NGHTTP2_HEADERS:
        h2_budget_answer(&session->budget);
        if (session->options.role == H2_CLIENT)
            h2_budget_request(&session->budget);
        note_headers_sent(session, frame);
        break;
    case NGHTTP2_RST_STREAM:
        note_reset_sent(session, frame);
        break;
    case NGHTTP2_GOAWAY:
        note_goaway_sent(session, frame->goaway.error_code);
        break;
    default:
        break;
    }
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        end_local(session, frame->hd.stream_id);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error, void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream = stream_of(session, id);

    if (stream == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(ng, id, NULL);
    h2_stream_close(stream, (enum stream_error)error);
    return 0;
}

/* A request that was cancelled before it was sent, or that the peer, going
 * away, takes no more. nghttp2 may not have opened its stream yet. */
static int on_frame_not_sent(nghttp2_session *ng, const nghttp2_frame *frame, int reason,
                             void *context)
{
    struct h2_session *session = context;
    struct h2_stream *stream;

    if (!is_request(frame) || session->options.role != H2_CLIENT)
        return 0;
    stream = h2_stream_find(&session->streams, frame->hd.stream_id);
    if (stream == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, NULL);
    h2_stream_close(stream, reason == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED ? STREAM_REFUSED
                                                                           : STREAM_INTERNAL_ERROR);
    return 0;
}

nghttp2_session_callbacks *h2_events_new(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return callbacks;
}
