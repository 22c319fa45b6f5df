#include "rpc/channel/client_attempt.h"
#include "rpc/grpc/grpc_header.h"
#include "rpc/grpc/grpc_message.h"
#include "rpc/channel/hedge.h"

#include <stdlib.h>

/* An answer's way from the stream to the caller: headers, messages, and what
 * the trailers, or their absence, say about the outcome. */

static void on_header(struct stream_user *user, struct bytes name, struct bytes value)
{
    struct client_end *end = container_of(user, struct client_end, user);
    struct client_metadata_entry *entry = arena_alloc(end->arena, sizeof *entry);

    if (entry == NULL)
        return; /* more than the arena's bound of metadata: cut */
    entry->name = bytes_of(arena_copy(end->arena, name.data, name.size), name.size);
    entry->value = bytes_of(arena_copy(end->arena, value.data, value.size), value.size);
    if (entry->name.data == NULL || entry->value.data == NULL)
        return;
    *end->metadata_last = entry;
    end->metadata_last = &entry->next;
}

static struct bytes header(const struct client_end *end, const char *name)
{
    for (const struct client_metadata_entry *e = end->metadata; e != NULL; e = e->next)
        if (bytes_equal(e->name, bytes_of_text(name)))
            return e->value;
    return bytes_of(NULL, 0);
}

/* HTTP errors as gRPC maps them (doc/http-grpc-status-mapping). */
static enum rpc_code code_of_http(const char *status)
{
    static const struct {
        const char *status;
        enum rpc_code code;
    } codes[] = {
        { "400", RPC_INTERNAL },          { "401", RPC_UNAUTHENTICATED },
        { "403", RPC_PERMISSION_DENIED }, { "404", RPC_UNIMPLEMENTED },
        { "429", RPC_UNAVAILABLE },       { "502", RPC_UNAVAILABLE },
        { "503", RPC_UNAVAILABLE },       { "504", RPC_UNAVAILABLE },
    };

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strcmp(status, codes[i].status) == 0)
            return codes[i].code;
    return RPC_UNKNOWN;
}

static void refuse_http(struct client_end *end, const char *http_status)
{
    struct rpc_status status;

    rpc_status_set(&status, code_of_http(http_status), "the server answered HTTP %s", http_status);
    client_attempt_end(end, ATTEMPT_ANSWERED, &status);
}

static void on_headers_end(struct stream_user *user)
{
    struct client_end *end = container_of(user, struct client_end, user);
    struct bytes http_status = header(end, ":status");

    end->headers_too_large = user->stream->headers_too_large;
    if (end->answer_is_grpc)
        return; /* trailers */
    if (http_status.size == 3 && http_status.data[0] == '1') {
        end->metadata = NULL; /* an informational answer: the real one follows */
        end->metadata_last = &end->metadata;
        return;
    }
    end->answer_is_grpc = grpc_content_type_is_ours(header(end, "content-type")) ||
                          header(end, "grpc-status").data != NULL;
    if (header(end, "grpc-status").data != NULL)
        return; /* whatever HTTP says (doc/http-grpc-status-mapping) */
    if (!bytes_equal(http_status, bytes_of_text("200")))
        refuse_http(end,
                    http_status.data != NULL ? (const char *)http_status.data : "without status");
    else if (!end->answer_is_grpc)
        client_end_finish_with(end, RPC_UNKNOWN, "the server's answer is not gRPC");
    else
        client_attempt_answered(end);
}

static void take_plain_message(struct client_end *end, struct bytes data)
{
    struct client_call *call = end->call;
    ProtobufCMessage *unpacked;

    if (++end->messages > 1 && call->single_answer) {
        client_end_finish_with(end, RPC_UNIMPLEMENTED, "the server sent more than one answer");
        return;
    }
    arena_reset(end->message_arena);
    unpacked = protobuf_c_message_unpack(call->response, &end->allocator, data.size, data.data);
    if (unpacked != NULL)
        call->on_message(call, unpacked);
    else if (end->arena_is_full)
        client_end_finish_with(end, RPC_RESOURCE_EXHAUSTED, "the answer takes too much memory");
    else
        client_end_finish_with(end, RPC_INTERNAL, "the answer does not parse");
}

static void take_compressed_message(struct client_end *end, struct grpc_message *message)
{
    struct bytes encoding = header(end, "grpc-encoding");
    struct buffer plain = { 0 };
    struct rpc_status status;

    if (client_end_coder(end) == NULL)
        client_end_finish_with(end, RPC_RESOURCE_EXHAUSTED, "out of memory");
    else if (grpc_message_expand(message, end->channel->coder,
                                 encoding.size > 0 ? grpc_coding_of(encoding) : GRPC_IDENTITY,
                                 end->reader.message_max, &plain, &status))
        take_plain_message(end, message->data);
    else
        client_end_finish(end, &status);
    buffer_clear(&plain, 0);
}

static void take_message(struct client_end *end, struct grpc_message *message)
{
    end->message_was_compressed = message->compressed;
    if (message->compressed)
        take_compressed_message(end, message);
    else
        take_plain_message(end, message->data);
}

static bool is_reading(const struct client_end *end)
{
    return end->call != NULL && !end->has_outcome && !end->paused;
}

static void feed(struct client_end *end, struct bytes *input)
{
    struct grpc_message message;
    enum grpc_frame frame = GRPC_FRAME_MESSAGE;

    while (is_reading(end) && frame == GRPC_FRAME_MESSAGE) {
        frame = grpc_reader_next(&end->reader, input, &message);
        if (frame == GRPC_FRAME_MESSAGE)
            take_message(end, &message);
    }
    if (frame == GRPC_FRAME_TOO_LARGE)
        client_end_finish_with(end, RPC_RESOURCE_EXHAUSTED,
                               "the answer is larger than the client accepts");
    else if (frame == GRPC_FRAME_BROKEN)
        client_end_finish_with(end, RPC_INTERNAL, "the answer's framing is broken");
    else if (frame == GRPC_FRAME_MEMORY)
        client_end_finish_with(end, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static void consume(struct client_end *end, size_t size)
{
    if (size > 0 && end->user.stream != NULL)
        end->user.stream->ops->consume(end->user.stream, size);
}

static void read_outcome(struct client_end *end, struct rpc_status *status)
{
    struct bytes code = header(end, "grpc-status"), text, details;
    char *rest;
    unsigned long number;

    if (code.data == NULL && end->headers_too_large) {
        rpc_status_set(status, RPC_RESOURCE_EXHAUSTED,
                       "the answer's headers are larger than the client accepts");
        return;
    }
    if (code.data == NULL) {
        rpc_status_set(status, RPC_INTERNAL, "the server ended the call without a status");
        return;
    }
    number = strtoul((const char *)code.data, &rest, 10);
    if (code.size == 0 || *rest != '\0' || number >= RPC_CODE_COUNT)
        number = RPC_UNKNOWN;
    text = grpc_message_decode(header(end, "grpc-message"), end->arena);
    rpc_status_set(status, (enum rpc_code)number, "%.*s", (int)text.size,
                   text.data != NULL ? (const char *)text.data : "");
    details = header(end, "grpc-status-details-bin");
    if (details.size > 0)
        rpc_status_unpack(status, grpc_binary_decode(details, end->arena));
}

static void finish_if_all_read(struct client_end *end)
{
    struct rpc_status status;

    if (!end->peer_ended || !is_reading(end) || buffer_size(&end->pending) > 0)
        return;
    read_outcome(end, &status);
    if (status.code == RPC_OK && !grpc_reader_is_between(&end->reader))
        rpc_status_set(&status, RPC_INTERNAL, "the answer ended inside a message");
    else if (status.code == RPC_OK && end->call->single_answer && end->messages == 0)
        rpc_status_set(&status, RPC_UNIMPLEMENTED, "the server answered OK without a message");
    client_attempt_end(end, ATTEMPT_ANSWERED, &status);
}

/* Takes what can be delivered now and keeps the rest. */
static void take_data(struct client_end *end, struct bytes data)
{
    size_t size = data.size;

    client_attempt_answered(end);
    if (!end->answer_is_grpc) {
        client_end_finish_with(end, RPC_UNKNOWN, "the server's answer is not gRPC");
        return;
    }
    if (is_reading(end) && buffer_size(&end->pending) == 0)
        feed(end, &data);
    if (end->call == NULL || end->has_outcome)
        return;
    if (!buffer_append(&end->pending, data))
        client_end_finish_with(end, RPC_RESOURCE_EXHAUSTED, "out of memory");
    consume(end, size - data.size);
}

static void on_data(struct stream_user *user, struct bytes data)
{
    struct client_end *end = container_of(user, struct client_end, user);

    client_end_enter(end);
    take_data(end, data);
    client_end_leave(end);
}

void client_end_read_pending(struct client_end *end)
{
    struct bytes data = buffer_bytes(&end->pending);
    size_t size = data.size;

    feed(end, &data);
    if (end->call == NULL)
        return;
    buffer_take(&end->pending, size - data.size);
    consume(end, size - data.size);
    finish_if_all_read(end);
}

static void on_end(struct stream_user *user)
{
    struct client_end *end = container_of(user, struct client_end, user);

    end->peer_ended = true;
    finish_if_all_read(end);
}

/* RST_STREAM as gRPC maps it (PROTOCOL-HTTP2, Errors). */
static void status_of_error(enum stream_error error, struct rpc_status *status)
{
    enum rpc_code code = RPC_INTERNAL;

    if (error == STREAM_BROKEN || error == STREAM_UNSENT) {
        rpc_status_set(status, RPC_UNAVAILABLE, "the connection was lost");
        return;
    }
    if (error == STREAM_REFUSED)
        code = RPC_UNAVAILABLE;
    else if (error == STREAM_CANCEL)
        code = RPC_CANCELLED;
    else if (error == STREAM_ENHANCE_YOUR_CALM)
        code = RPC_RESOURCE_EXHAUSTED;
    else if (error == STREAM_INADEQUATE_SECURITY)
        code = RPC_PERMISSION_DENIED;
    rpc_status_set(status, code, "the server closed the stream (HTTP/2 error %d)", (int)error);
}

static enum attempt_end how_it_ended(enum stream_error error)
{
    if (error == STREAM_UNSENT)
        return ATTEMPT_UNSENT;
    return error == STREAM_REFUSED ? ATTEMPT_REFUSED : ATTEMPT_ANSWERED;
}

static void on_close(struct stream_user *user, enum stream_error error)
{
    struct client_end *end = container_of(user, struct client_end, user);
    struct rpc_status status;

    if (end->peer_ended) /* all has come; paused reading goes on from memory */
        return;
    if (header(end, "grpc-status").data != NULL)
        read_outcome(end, &status);
    else if (error == STREAM_CANCEL && end->deadline_ms <= loop_mono_ms())
        rpc_status_set(&status, RPC_DEADLINE_EXCEEDED, "the server cancelled at the deadline");
    else
        status_of_error(error, &status);
    client_attempt_end(end, how_it_ended(error), &status);
}

static size_t no_trailers(struct stream_user *user, const struct stream_header **trailers)
{
    (void)user;
    (void)trailers;
    return 0;
}

static bool is_waiting(struct stream_user *user)
{
    (void)user;
    return false; /* how long to wait is the deadline's affair */
}

const struct stream_user_ops client_end_stream_ops = {
    .on_header = on_header,
    .on_headers_end = on_headers_end,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .pull = client_end_pull,
    .trailers = no_trailers,
    .is_waiting = is_waiting,
};

void client_call_pause_reading(struct client_call *call)
{
    if (call->hedge != NULL)
        hedge_pause_reading(call->hedge, true);
    if (call->end != NULL)
        call->end->paused = true;
}

void client_call_resume_reading(struct client_call *call)
{
    struct client_end *end = call->end;

    if (call->hedge != NULL)
        hedge_pause_reading(call->hedge, false);
    if (end == NULL || !end->paused)
        return;
    end->paused = false;
    client_end_post_turn(end);
}

const char *client_call_metadata(struct client_call *call, const char *name, size_t *size)
{
    return client_call_metadata_at(call, name, 0, size);
}

const char *client_call_metadata_at(struct client_call *call, const char *name, size_t index,
                                    size_t *size)
{
    const struct bytes name_bytes = bytes_of_text(name);
    struct client_end *end = call->answer;
    struct bytes value = bytes_of(NULL, 0);
    const struct client_metadata_entry *entry = end != NULL ? end->metadata : NULL;

    for (; entry != NULL; entry = entry->next)
        if (bytes_equal(entry->name, name_bytes) &&
            grpc_value_at(name_bytes, entry->value, &index, &value))
            break;
    if (value.data != NULL && grpc_name_is_binary(name_bytes))
        value = grpc_binary_decode(value, end->arena);
    if (size != NULL)
        *size = value.size;
    return (const char *)value.data;
}

struct bytes client_call_status_text(struct client_call *call)
{
    struct client_end *end = call->answer;

    if (end == NULL)
        return bytes_of(NULL, 0);
    return grpc_message_decode(header(end, "grpc-message"), end->arena);
}

bool client_call_message_was_compressed(struct client_call *call)
{
    return call->answer != NULL && call->answer->message_was_compressed;
}
