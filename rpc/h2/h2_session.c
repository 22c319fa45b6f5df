#include "rpc/h2/h2_state.h"
#include "rpc/limits.h"

#include <assert.h>
#include <stdlib.h>

/* nghttp2 keeps the protocol; around it is turned into our streams, and what it
 * leaves open is added: flow control by what users consumed, bounds on
 * headers, a budget for useless frames, time-outs for stalled streams.
 *
 * The connection's window is handed back at once and only the stream's follows
 * the user, so that one slow stream does not stop the others; what a connection
 * can make us hold is streams_max times a stream's window. */

void h2_want_output(struct h2_session *session)
{
    session->owner->ops->on_output(session->owner);
}

/* Out of memory inside nghttp2, or the like: nothing can be trusted after it. */
void h2_check(struct h2_session *session, int result)
{
    if (result != 0 && nghttp2_is_fatal(result))
        session->over = true;
    h2_want_output(session);
}

void h2_set_going(struct h2_session *session)
{
    if (session->going)
        return;
    session->going = true;
    session->owner->ops->on_going(session->owner);
}

void h2_terminate(struct h2_session *session, enum h2_end end, uint32_t error)
{
    static const char too_many_pings[] = "too_many_pings"; /* gRPC's clients slow down then */

    if (end == H2_END_PINGS)
        nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session->ng), error,
                              (const uint8_t *)too_many_pings, sizeof too_many_pings - 1);
    nghttp2_session_terminate_session(session->ng, error);
    session->end = end;
    session->over = true;
}

void h2_count(struct h2_session *session, enum h2_count count)
{
    if (session->options.counts != NULL)
        atomic_fetch_add_explicit(&session->options.counts->of[count], 1, memory_order_relaxed);
}

static nghttp2_option *make_options(void)
{
    nghttp2_option *option;

    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, H2_OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_settings(option, H2_SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_stream_reset_rate_limit(option, H2_RESETS_AT_ONCE, H2_RESETS_PER_S);
    nghttp2_option_set_max_continuations(option, H2_CONTINUATIONS_MAX);
    nghttp2_option_set_max_send_header_block_length(option, H2_HEADERS_SENT_BYTES_MAX);
    return option;
}

static bool open_nghttp2(struct h2_session *session)
{
    nghttp2_session_callbacks *callbacks = h2_events_new();
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
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)session->options.header_bytes_max },
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };
    /* A server does not speak of push. */
    size_t count = session->options.role == H2_CLIENT ? 4 : 3;

    return nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, entries, count) == 0 &&
           nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0,
                                                 H2_CONNECTION_WINDOW_BYTES) == 0;
}

struct h2_session *h2_session_new(const struct h2_options *options, struct h2_owner *owner)
{
    struct h2_session *session = calloc(1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->options = *options;
    session->owner = owner;
    link_init(&session->streams.list);
    h2_budget_init(&session->budget, options->ping_interval_ms);
    session->scan.preface_left = options->role == H2_SERVER ? H2_PREFACE_SIZE : 0;
    if (!open_nghttp2(session) || !send_settings(session)) {
        h2_session_free(session);
        return NULL;
    }
    return session;
}

static void break_stream(const struct h2_session *session, struct h2_stream *stream)
{
    bool unsent = session->options.role == H2_CLIENT && !stream->is_sent;

    h2_stream_close(stream, unsent ? STREAM_UNSENT : STREAM_BROKEN);
}

void h2_session_free(struct h2_session *session)
{
    if (session == NULL)
        return;
    session->over = session->going = true;
    while (link_is_linked(&session->streams.list))
        break_stream(session, container_of(session->streams.list.next, struct h2_stream, link));
    nghttp2_session_del(session->ng);
    free(session);
}

static void reset(struct h2_stream *stream, enum h2_count why, enum stream_error error)
{
    struct stream_user *user = stream->base.user;

    h2_count(stream->session, why);
    stream->base.user = NULL;
    user->stream = NULL;
    h2_stream_ops.leave(&stream->base, error);
    user->ops->on_close(user, error);
}

static struct h2_stream *largest_of(const struct h2_streams *streams)
{
    struct h2_stream *largest = NULL;

    list_each(link, &streams->list) {
        struct h2_stream *stream = container_of(link, struct h2_stream, link);
        if (stream->base.user != NULL && (largest == NULL || stream->held > largest->held))
            largest = stream;
    }
    return largest;
}

void h2_session_shed(struct h2_session *session)
{
    struct h2_streams *streams = &session->streams;

    while (session->options.held_bytes_max > 0 && streams->held > session->options.held_bytes_max) {
        struct h2_stream *stream = largest_of(streams);
        if (stream == NULL)
            return;
        streams->held -= stream->held;
        stream->held = 0;
        reset(stream, H2_COUNT_STREAMS_HELD, STREAM_ENHANCE_YOUR_CALM);
    }
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

bool h2_session_is_told_to_calm(const struct h2_session *session)
{
    return session->told_to_calm;
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
        h2_set_going(session);
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
    h2_check(session, nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL));
}

void h2_session_drain(struct h2_session *session)
{
    if (session->draining || session->over)
        return;
    if (session->options.role == H2_CLIENT) { /* only its own streams are open */
        h2_check(session, nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR,
                                                NULL, 0));
        return;
    }
    session->draining = true;
    nghttp2_submit_shutdown_notice(session->ng);
    h2_session_ping(session);
}

void h2_session_stop(struct h2_session *session)
{
    if (!session->over)
        h2_terminate(session, H2_END_NONE, NGHTTP2_NO_ERROR);
}

static void sweep_stream(struct h2_stream *stream, int64_t elapsed_ms,
                         const struct h2_patience *patience)
{
    if (stream->session->options.role == H2_SERVER && !stream->headers_ended)
        return; /* sweep_block() */
    if (h2_stream_is_stalled(stream, elapsed_ms, patience))
        reset(stream, H2_COUNT_STREAMS_STALLED, STREAM_CANCEL);
}

/* Half a header block holds up the whole connection: of a request or its trailers,
 * on whatever stream. */
static void sweep_block(struct h2_session *session, int64_t elapsed_ms, int64_t headers_ms)
{
    if (session->options.role != H2_SERVER || !h2_scan_is_in_block(&session->scan))
        return;
    session->block_ms += elapsed_ms;
    if (session->block_ms >= headers_ms && !session->over)
        h2_terminate(session, H2_END_HEADERS, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_session_sweep(struct h2_session *session, int64_t elapsed_ms,
                      const struct h2_patience *patience)
{
    h2_budget_grow(&session->budget, elapsed_ms);
    list_each_safe(link, &session->streams.list)
        sweep_stream(container_of(link, struct h2_stream, link), elapsed_ms, patience);
    sweep_block(session, elapsed_ms, patience->headers_ms);
    if (session->over) {
        h2_want_output(session);
        h2_set_going(session);
    }
}

enum h2_end h2_session_end(const struct h2_session *session)
{
    return session->end;
}

size_t h2_session_held(const struct h2_session *session)
{
    return session->streams.held;
}

uint64_t h2_session_frame_count(const struct h2_session *session)
{
    return session->frame_count;
}
