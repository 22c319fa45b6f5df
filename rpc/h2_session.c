#include "rpc/h2_session.h"

#include "rpc/h2_budget.h"
#include "rpc/h2_stream.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

/* nghttp2 keeps the protocol; this file turns its frames into our streams, and
 * adds what it leaves open: flow control by what users consumed, bounds on
 * headers, a budget for useless frames, time-outs for stalled streams.
 *
 * The connection's window is handed back at once and only the stream's follows
 * the user, so that one slow stream does not stop the others; what a connection
 * can make us hold is streams_max times a stream's window. */

enum {
    STREAM_WINDOW_BYTES = 256 << 10,
    CONNECTION_WINDOW_BYTES = 4 << 20,
    HEADERS_SENT_MAX = 8,    /* converted without an allocation */
    HEADER_OVERHEAD = 32,    /* RFC 9113, 6.5.2 */
    HEADERS_BOMB_FACTOR = 8, /* times the bound: not a mistake any more */
    RESETS_AT_ONCE = 2000,
    RESETS_PER_S = 200,
    SETTINGS_ENTRIES_MAX = 32,
    OUTBOUND_ACKS_MAX = 1000,
    CONTINUATIONS_MAX = 8,
};

struct h2_session {
    nghttp2_session *ng;
    struct h2_owner *owner;
    struct h2_options options;
    struct h2_budget budget;
    struct h2_streams streams;
    uint64_t frame_count; /* that came in whole */
    bool is_up, going, draining, over;
};

static const struct stream_ops h2_stream_ops;

static struct h2_stream *stream_of(struct h2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session->ng, id);
}

static void want_output(struct h2_session *session)
{
    session->owner->ops->on_output(session->owner);
}

/* Out of memory inside nghttp2, or the like: nothing can be trusted after it. */
static void check(struct h2_session *session, int result)
{
    if (result != 0 && nghttp2_is_fatal(result))
        session->over = true;
    want_output(session);
}

static void set_going(struct h2_session *session)
{
    if (session->going)
        return;
    session->going = true;
    session->owner->ops->on_going(session->owner);
}

static void terminate(struct h2_session *session, uint32_t error)
{
    nghttp2_session_terminate_session(session->ng, error);
    session->over = true;
}

/* ---- Streams. ---- */

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
    check(stream->session, with_nvs(stream, headers, count, submit, end));
}

static void wake(struct stream *base)
{
    struct h2_stream *stream = h2_stream_of(base);

    if (!stream->deferred)
        return; /* it will be asked anyway */
    stream->deferred = false;
    stream->moved = true;
    check(stream->session, nghttp2_session_resume_data(stream->session->ng, stream->id));
}

static void consume(struct stream *base, size_t size)
{
    struct h2_stream *stream = h2_stream_of(base);

    check(stream->session, nghttp2_session_consume_stream(stream->session->ng, stream->id, size));
}

static void leave(struct stream *base, enum stream_error error)
{
    struct h2_stream *stream = h2_stream_of(base);
    struct h2_session *session = stream->session;

    if (stream->id == 0) { /* nobody has heard of it */
        h2_stream_free(stream);
        return;
    }
    if (!stream->local_ended || !stream->remote_ended)
        check(session,
              nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id, error));
}

static const struct stream_ops h2_stream_ops = {
    .send_headers = send_headers,
    .wake = wake,
    .consume = consume,
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
    stream->moved = true;
    if (size == 0 && !end) {
        stream->deferred = true;
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

/* ---- What comes in. ---- */

static bool is_request(const nghttp2_frame *frame)
{
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static void calm(struct h2_session *session)
{
    terminate(session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *context)
{
    struct h2_session *session = context;

    (void)ng;
    if (session->over)
        return 0;
    if (!h2_budget_frame(&session->budget, hd->type, hd->flags, hd->length))
        calm(session);
    else if (session->options.role == H2_SERVER && hd->type == NGHTTP2_HEADERS &&
             hd->stream_id % 2 == 1 && !h2_budget_stream_id(&session->budget, hd->stream_id))
        terminate(session, NGHTTP2_PROTOCOL_ERROR);
    return 0;
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
    if (session->over || stream == NULL)
        return 0;
    stream->header_bytes += name_size + value_size + HEADER_OVERHEAD;
    if (stream->header_bytes > session->options.header_bytes_max) {
        stream->base.headers_too_large = true;
        if (stream->header_bytes > session->options.header_bytes_max * HEADERS_BOMB_FACTOR)
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
    stream->moved = true;
    stream->base.user->ops->on_data(stream->base.user, bytes_of(data, size));
    return 0;
}

static void take_stream_frame(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);

    if (stream == NULL)
        return;
    stream->moved = true;
    if (frame->hd.type == NGHTTP2_HEADERS)
        h2_stream_end_headers(stream);
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
        set_going(session);
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

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *context)
{
    struct h2_session *session = context;

    (void)ng;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        h2_budget_data(&session->budget);
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            end_local(session, frame->hd.stream_id);
        break;
    case NGHTTP2_HEADERS:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            end_local(session, frame->hd.stream_id);
        break;
    case NGHTTP2_RST_STREAM:
        if (is_fault(frame->rst_stream.error_code) && session->options.role == H2_SERVER &&
            !h2_budget_fault(&session->budget))
            calm(session);
        break;
    case NGHTTP2_GOAWAY:
        set_going(session);
        break;
    default:
        break;
    }
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

/* ---- The session. ---- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return callbacks;
}

static nghttp2_option *make_options(void)
{
    nghttp2_option *option;

    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_AT_ONCE, RESETS_PER_S);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    return option;
}

static bool open_nghttp2(struct h2_session *session)
{
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = make_options();
    int result = NGHTTP2_ERR_NOMEM;

    if (callbacks != NULL && option != NULL && session->options.role == H2_SERVER)
        result = nghttp2_session_server_new2(&session->ng, callbacks, session, option);
    else if (callbacks != NULL && option != NULL)
        result = nghttp2_session_client_new2(&session->ng, callbacks, session, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return result == 0;
}

static bool send_settings(struct h2_session *session)
{
    const nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, session->options.streams_max },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)session->options.header_bytes_max },
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };
    /* A server does not speak of push. */
    size_t count = session->options.role == H2_CLIENT ? 4 : 3;

    return nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, entries, count) == 0 &&
           nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW_BYTES) == 0;
}

struct h2_session *h2_session_new(const struct h2_options *options, struct h2_owner *owner)
{
    struct h2_session *session = calloc(1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->options = *options;
    session->owner = owner;
    link_init(&session->streams.list);
    h2_budget_init(&session->budget);
    if (!open_nghttp2(session) || !send_settings(session)) {
        h2_session_free(session);
        return NULL;
    }
    return session;
}

void h2_session_free(struct h2_session *session)
{
    if (session == NULL)
        return;
    session->over = session->going = true;
    while (link_is_linked(&session->streams.list))
        h2_stream_close(container_of(session->streams.list.next, struct h2_stream, link),
                        STREAM_BROKEN);
    nghttp2_session_del(session->ng);
    free(session);
}

bool h2_session_receive(struct h2_session *session, struct bytes bytes)
{
    ssize_t result;

    if (session->over)
        return false;
    result = nghttp2_session_mem_recv(session->ng, bytes.data, bytes.size);
    if (result < 0)
        session->over = true;
    want_output(session);
    return !session->over;
}

struct bytes h2_session_output(struct h2_session *session)
{
    const uint8_t *data = NULL;
    ssize_t size = nghttp2_session_mem_send(session->ng, &data);

    if (size < 0) {
        session->over = true;
        size = 0;
    }
    return bytes_of(data, (size_t)size);
}

bool h2_session_is_done(const struct h2_session *session)
{
    return session->over ||
           (!nghttp2_session_want_read(session->ng) && !nghttp2_session_want_write(session->ng));
}

bool h2_session_is_up(const struct h2_session *session)
{
    return session->is_up;
}

bool h2_session_is_going(const struct h2_session *session)
{
    return session->going || session->over;
}

size_t h2_session_stream_count(const struct h2_session *session)
{
    return session->streams.count;
}

size_t h2_session_backlog(const struct h2_session *session)
{
    return nghttp2_session_get_outbound_queue_size(session->ng);
}

bool h2_session_request(struct h2_session *session, struct stream_user *user)
{
    const uint32_t ids_end = 0x7fffffff - 1000;
    struct h2_stream *stream;

    assert(session->options.role == H2_CLIENT && user->stream == NULL);
    if (nghttp2_session_get_next_stream_id(session->ng) > ids_end)
        set_going(session);
    stream = h2_session_is_going(session)
                 ? NULL
                 : h2_stream_new(&session->streams, session, &h2_stream_ops, 0);
    if (stream == NULL)
        return false;
    stream->base.user = user;
    user->stream = &stream->base;
    return true;
}

void h2_session_ping(struct h2_session *session)
{
    check(session, nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL));
}

void h2_session_drain(struct h2_session *session)
{
    if (session->draining || session->over)
        return;
    session->draining = true;
    nghttp2_submit_shutdown_notice(session->ng);
    h2_session_ping(session);
}

static void reset_stalled(struct h2_stream *stream)
{
    struct stream_user *user = stream->base.user;

    stream->base.user = NULL;
    user->stream = NULL;
    leave(&stream->base, STREAM_CANCEL);
    user->ops->on_close(user, STREAM_CANCEL);
}

static void sweep_stream(struct h2_stream *stream, int64_t elapsed_ms, int64_t stall_ms)
{
    if (!h2_stream_is_stalled(stream, elapsed_ms, stall_ms))
        return;
    /* Half a header block holds up the whole connection. */
    if (stream->session->options.role == H2_SERVER && !stream->headers_ended)
        calm(stream->session);
    else
        reset_stalled(stream);
}

void h2_session_sweep(struct h2_session *session, int64_t elapsed_ms, int64_t stall_ms)
{
    h2_budget_grow(&session->budget, elapsed_ms);
    list_each_safe(link, &session->streams.list)
        sweep_stream(container_of(link, struct h2_stream, link), elapsed_ms, stall_ms);
    if (session->over)
        want_output(session);
}

uint64_t h2_session_frame_count(const struct h2_session *session)
{
    return session->frame_count;
}
