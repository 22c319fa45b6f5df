#include "rpc/call/call_pool.h"
#include "rpc/call/call_state.h"
#include "rpc/grpc/grpc_header.h"
#include "rpc/grpc/grpc_message.h"

/* A request's way from the stream to the method: headers are judged, bytes
 * become messages, and the method starts, or the call fails with what gRPC
 * prescribes for the mistake. */

static void fail(struct rpc_call *call, enum rpc_code code, const char *text)
{
    struct rpc_status status;

    rpc_status_set(&status, code, "%s", text);
    call_end(call, &status);
}

static bool is(struct bytes name, const char *text, size_t size)
{
    return name.size == size && memcmp(name.data, text, size) == 0;
}

#define IS(name, text) is((name), (text), sizeof(text) - 1)

static void note_timeout(struct rpc_call *call, struct bytes value)
{
    if (!grpc_timeout_parse(value, &call->timeout_ms))
        call->bad_timeout = true;
}

/* Nearly every client says so with every call, and for few of them it matters:
 * it is read when an answer is to be compressed. */
static void note_accepted(struct rpc_call *call, struct bytes value)
{
    if (grpc_coding_accepted(call->accepts) == GRPC_IDENTITY)
        call->accepts = bytes_of(arena_copy(call->arena, value.data, value.size), value.size);
}

static void note_pseudo_header(struct rpc_call *call, struct bytes name, struct bytes value)
{
    if (IS(name, ":method")) {
        call->is_post = IS(value, "POST");
        call->is_head = IS(value, "HEAD");
    } else if (IS(name, ":path")) {
        call->has_path = true;
        call->method = rpc_registry_find(call_pool_registry(call->pool), value, &call->service);
    }
}

static void on_header(struct stream_user *user, struct bytes name, struct bytes value)
{
    struct rpc_call *call = container_of(user, struct rpc_call, user);

    if (call->headers_ended || name.size == 0)
        return; /* a request has no trailers */
    if (name.data[0] == ':')
        note_pseudo_header(call, name, value);
    else if (IS(name, "content-type"))
        call->is_grpc = grpc_content_type_is_ours(value);
    else if (IS(name, "grpc-timeout"))
        note_timeout(call, value);
    else if (IS(name, "grpc-encoding"))
        call->coding = grpc_coding_of(value);
    else if (IS(name, "grpc-accept-encoding"))
        note_accepted(call, value);
    else if (!grpc_name_is_reserved(name))
        call_metadata_add(call, &call->metadata, name, value);
}

static void on_deadline(struct loop_timer *timer)
{
    struct rpc_call *call = container_of(timer, struct rpc_call, deadline);
    bool stuck = buffer_size(&call->out) > 0;

    call_hold(call);
    fail(call, RPC_DEADLINE_EXCEEDED, "the deadline has passed");
    call_set_over(call);
    /* The peer does not read: a status would wait behind what waits already. */
    if (stuck && call->user.stream != NULL) {
        stream_leave(&call->user, STREAM_CANCEL);
        call_release(call);
    }
    call_release(call);
}

static void start_deadline(struct rpc_call *call)
{
    if (call->timeout_ms == INT64_MAX)
        return;
    call->deadline_ms = loop_mono_ms() + call->timeout_ms;
    call->deadline.fire = on_deadline;
    loop_timer_start(call_loop(call), &call->deadline, call->timeout_ms);
}

static bool is_streaming_request(const struct rpc_call *call)
{
    return call->method->kind == RPC_CLIENT_STREAM || call->method->kind == RPC_BIDI;
}

static void begin(struct rpc_call *call)
{
    call->begun = true;
    call->method->start(call, call->service->context, call->request);
}

static bool is_admitted(struct rpc_call *call)
{
    struct rpc_hooks *hooks = rpc_registry_hooks(call_pool_registry(call->pool));
    struct rpc_status status;

    if (hooks == NULL || hooks->admit == NULL || hooks->admit(hooks, call, &status))
        return true;
    call_end(call, &status);
    return false;
}

static void refuse_encoding(struct rpc_call *call)
{
    call_metadata_add(call, &call->trailers, bytes_of_text("grpc-accept-encoding"),
                      bytes_of_text(GRPC_CODINGS));
    fail(call, RPC_UNIMPLEMENTED, "this grpc-encoding is not supported");
}

static void on_headers_end(struct stream_user *user)
{
    struct rpc_call *call = container_of(user, struct rpc_call, user);

    if (call->headers_ended)
        return;
    call->headers_ended = true;
    call_note_begin(call);
    if (!call->is_post || !call->is_grpc)
        return; /* on_end() answers: only then it is certain that it is HTTP at all */
    if (user->stream->headers_too_large)
        fail(call, RPC_RESOURCE_EXHAUSTED, "the headers are too large");
    else if (call->method == NULL)
        fail(call, RPC_UNIMPLEMENTED, "there is no such service or method");
    else if (call->bad_timeout)
        fail(call, RPC_INVALID_ARGUMENT, "grpc-timeout is not a timeout");
    else if (call->coding == GRPC_CODING_UNKNOWN)
        refuse_encoding(call);
    if (call->ended)
        return;
    start_deadline(call);
    if (call->timeout_ms == 0)
        on_deadline(&call->deadline);
    else if (is_admitted(call) && is_streaming_request(call))
        begin(call);
}

static ProtobufCMessage *unpack(struct rpc_call *call, ProtobufCAllocator *allocator,
                                struct bytes data)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(call->method->request, allocator, data.size, data.data);

    if (message != NULL)
        return message;
    if (call->arena_is_full)
        fail(call, RPC_RESOURCE_EXHAUSTED, "the message takes too much memory");
    else
        fail(call, RPC_INTERNAL, "the message does not parse");
    return NULL;
}

static void take_only_message(struct rpc_call *call, struct bytes data)
{
    if (call->request != NULL)
        fail(call, RPC_UNIMPLEMENTED, "this method takes one message, not several");
    else
        call->request = unpack(call, &call->allocator, data);
}

static void take_stream_message(struct rpc_call *call, struct bytes data)
{
    ProtobufCMessage *message;

    if (call->message_arena == NULL)
        call->message_arena = arena_new(CALL_ARENA_EXTRA + 2 * call->reader.message_max);
    else
        arena_reset(call->message_arena);
    if (call->message_arena == NULL) {
        fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    message = unpack(call, &call->message_allocator, data);
    if (message != NULL && call->on_message != NULL)
        call->on_message(call, message);
    if (!call->paused) /* then it is still lent */
        arena_reset(call->message_arena);
}

static void take_plain_message(struct rpc_call *call, struct bytes data)
{
    if (is_streaming_request(call))
        take_stream_message(call, data);
    else
        take_only_message(call, data);
}

static void take_compressed_message(struct rpc_call *call, struct grpc_message *message)
{
    struct buffer plain = { 0 };
    struct rpc_status status;

    if (grpc_message_expand(message, call_pool_coder(call->pool), call->coding,
                            call->reader.message_max, &plain, &status))
        take_plain_message(call, message->data);
    else
        call_end(call, &status);
    buffer_clear(&plain, 0);
}

static void take_message(struct rpc_call *call, struct grpc_message *message)
{
    call->message_was_compressed = message->compressed;
    if (message->compressed)
        take_compressed_message(call, message);
    else
        take_plain_message(call, message->data);
}

/* Delivers messages until the input is used up, the method pauses, or the call
 * is over. */
static void feed(struct rpc_call *call, struct bytes *input)
{
    struct grpc_message message;

    call->feeding = true;
    while (!call->paused && !call_is_over(call)) {
        enum grpc_frame frame = grpc_reader_next(&call->reader, input, &message);
        if (frame == GRPC_FRAME_MORE)
            break;
        switch (frame) {
        case GRPC_FRAME_MESSAGE:
            take_message(call, &message);
            break;
        case GRPC_FRAME_TOO_LARGE:
            fail(call, RPC_RESOURCE_EXHAUSTED, "the message is larger than the server accepts");
            break;
        case GRPC_FRAME_BROKEN:
            fail(call, RPC_INTERNAL, "the message's prefix is broken");
            break;
        case GRPC_FRAME_MEMORY:
            fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
            break;
        case GRPC_FRAME_MORE:
            break;
        }
    }
    call->feeding = false;
}

static void consume(struct rpc_call *call, size_t size)
{
    if (size > 0 && call->user.stream != NULL)
        call->user.stream->ops->consume(call->user.stream, size);
}

static void finish_reading(struct rpc_call *call)
{
    if (!grpc_reader_is_between(&call->reader))
        fail(call, RPC_INTERNAL, "the stream ended inside a message");
    else if (is_streaming_request(call)) {
        if (call->on_half_close != NULL)
            call->on_half_close(call);
    } else if (call->request == NULL) {
        fail(call, RPC_UNIMPLEMENTED, "this method takes one message, and none came");
    } else {
        begin(call);
    }
}

static void finish_if_all_read(struct rpc_call *call)
{
    if (!call->peer_ended || call->paused || buffer_size(&call->pending) > 0 || call_is_over(call))
        return;
    call->peer_ended = false; /* once */
    finish_reading(call);
}

static void on_data(struct stream_user *user, struct bytes data)
{
    struct rpc_call *call = container_of(user, struct rpc_call, user);
    size_t size = data.size;

    if (!call->is_post || !call->is_grpc) {
        consume(call, size);
        return;
    }
    if (!call_is_over(call) && !call->paused && buffer_size(&call->pending) == 0)
        feed(call, &data);
    if (!call_is_over(call) && data.size > 0) {
        if (buffer_append(&call->pending, data))
            size -= data.size; /* held back: the peer must wait */
        else
            fail(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
    }
    call_note_kept(call);
    consume(call, size);
}

void call_read_pending(struct rpc_call *call)
{
    struct bytes data = buffer_bytes(&call->pending);
    size_t size = data.size;

    if (call->paused)
        return;
    feed(call, &data);
    if (call_is_over(call))
        return; /* call_end() let go of it */
    buffer_take(&call->pending, size - data.size);
    call_note_kept(call);
    consume(call, size - data.size);
    finish_if_all_read(call);
}

static void on_end(struct stream_user *user)
{
    struct rpc_call *call = container_of(user, struct rpc_call, user);

    call->peer_ended = true;
    if (call->ended)
        return;
    if (!call->is_post)
        call_end_plain(call, 405);
    else if (!call->is_grpc)
        call_end_plain(call, user->stream->headers_too_large ? 431 : 415);
    else
        finish_if_all_read(call);
}

static void on_close(struct stream_user *user, enum stream_error error)
{
    struct rpc_call *call = container_of(user, struct rpc_call, user);

    (void)error; /* to a method, gone is gone */
    call_set_over(call);
    call_release(call);
}

static bool is_waiting(struct stream_user *user)
{
    const struct rpc_call *call = container_of(user, struct rpc_call, user);

    return !call->begun && !call->ended;
}

const struct stream_user_ops call_stream_ops = {
    .on_header = on_header,
    .on_headers_end = on_headers_end,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .pull = call_pull,
    .trailers = call_pull_trailers,
    .is_waiting = is_waiting,
};
