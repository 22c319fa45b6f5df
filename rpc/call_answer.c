#include "rpc/call_state.h"
#include "rpc/grpc_header.h"

#include <assert.h>
#include <stdio.h>

/* An answer's way from the method to the stream. Messages are packed straight
 * into the buffer that the carrier pulls from; the status becomes the trailers
 * once that is empty, or the only header block when there was no message. */

static struct bytes code_text(enum rpc_code code)
{
    static const char *const texts[RPC_CODE_COUNT] = { "0",  "1",  "2",  "3",  "4",  "5",
                                                       "6",  "7",  "8",  "9",  "10", "11",
                                                       "12", "13", "14", "15", "16" };

    return bytes_of_text(texts[code]);
}

static size_t put_metadata(struct stream_header *headers, const struct call_metadata_list *list)
{
    size_t count = 0;

    for (const struct call_metadata *entry = list->first; entry != NULL; entry = entry->next)
        headers[count++] = (struct stream_header){ bytes_of_text(entry->name), entry->value };
    return count;
}

static void send_headers(struct rpc_call *call)
{
    struct stream_header some[8], *headers = some;
    const size_t needed = call->initial.count + 2;
    size_t count = 0;

    call->headers_sent = true;
    if (call->user.stream == NULL)
        return;
    if (needed > sizeof some / sizeof some[0])
        headers = arena_alloc(call->arena, needed * sizeof *headers);
    if (headers == NULL) { /* rather without metadata than not at all */
        headers = some;
        call->initial = (struct call_metadata_list){ 0 };
    }
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT(":status", "200");
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT("content-type", "application/grpc");
    count += put_metadata(headers + count, &call->initial);
    call->user.stream->ops->send_headers(call->user.stream, headers, count, false);
}

/* Status and trailing metadata; `count` headers are there already. */
static size_t put_status(struct rpc_call *call, struct stream_header *headers, size_t count)
{
    const struct rpc_status *status = call->status;
    struct bytes details;

    headers[count++] = (struct stream_header)STREAM_HEADER("grpc-status", code_text(call->code));
    if (status != NULL && status->message[0] != '\0') {
        struct bytes text = grpc_message_encode(bytes_of_text(status->message), call->arena);
        if (text.data != NULL)
            headers[count++] = (struct stream_header)STREAM_HEADER("grpc-message", text);
    }
    if (status != NULL) {
        details = rpc_status_pack(status, call->arena);
        if (details.size > 0)
            details = grpc_binary_encode(details, call->arena);
        if (details.size > 0)
            headers[count++] =
                (struct stream_header)STREAM_HEADER("grpc-status-details-bin", details);
    }
    return count + put_metadata(headers + count, &call->trailers);
}

enum { STATUS_HEADERS_MAX = 5 }; /* :status, content-type, grpc-status, -message, -details-bin */

static void send_trailers_only(struct rpc_call *call)
{
    static const struct stream_header bare[] = {
        STREAM_HEADER_TEXT(":status", "200"),
        STREAM_HEADER_TEXT("content-type", "application/grpc"),
        STREAM_HEADER_TEXT("grpc-status", "8"),
    };
    struct stream *stream = call->user.stream;
    struct stream_header *headers =
        arena_alloc(call->arena, (STATUS_HEADERS_MAX + call->initial.count + call->trailers.count) *
                                     sizeof *headers);
    size_t count = 0;

    call->headers_sent = true;
    if (headers == NULL) {
        stream->ops->send_headers(stream, bare, 3, true);
        return;
    }
    headers[count++] = bare[0];
    headers[count++] = bare[1];
    count += put_metadata(headers + count, &call->initial);
    count = put_status(call, headers, count);
    stream->ops->send_headers(stream, headers, count, true);
}

size_t call_pull_trailers(struct stream_user *user, const struct stream_header **trailers)
{
    static const struct stream_header full[] = { STREAM_HEADER_TEXT("grpc-status", "8") };
    static const struct stream_header fine[] = { STREAM_HEADER_TEXT("grpc-status", "0") };
    struct rpc_call *call = container_of(user, struct rpc_call, user);
    struct stream_header *headers;

    if (call->plain_http)
        return 0;
    if (call->code == RPC_OK && call->trailers.count == 0) {
        *trailers = fine;
        return 1;
    }
    headers =
        arena_alloc(call->arena, (STATUS_HEADERS_MAX + call->trailers.count) * sizeof *headers);
    *trailers = headers != NULL ? headers : full;
    return headers != NULL ? put_status(call, headers, 0) : 1;
}

size_t call_pull(struct stream_user *user, uint8_t *data, size_t room, bool *end)
{
    struct rpc_call *call = container_of(user, struct rpc_call, user);
    struct bytes waiting = buffer_bytes(&call->out);
    size_t size = waiting.size < room ? waiting.size : room;

    if (size > 0) {
        memcpy(data, waiting.data, size);
        buffer_take(&call->out, size);
    }
    *end = call->ended && size == waiting.size;
    if (call->wants_writable && buffer_size(&call->out) <= CALL_SEND_LOW && !call->ended)
        call_post_turn(call);
    return size;
}

static void wake(struct rpc_call *call)
{
    if (call->user.stream != NULL)
        call->user.stream->ops->wake(call->user.stream);
}

/* What the peer sent and nobody will read. */
static void drop_pending(struct rpc_call *call)
{
    size_t size = buffer_size(&call->pending);

    buffer_take(&call->pending, size);
    if (size > 0 && call->user.stream != NULL)
        call->user.stream->ops->consume(call->user.stream, size);
}

void call_end(struct rpc_call *call, const struct rpc_status *status)
{
    if (call_is_over(call))
        return;
    call->ended = true;
    call->code = status->code;
    if (status->code != RPC_OK)
        call->status = arena_copy(call->arena, status, sizeof *status);
    loop_timer_stop(call_loop(call), &call->deadline);
    if (call->user.stream == NULL)
        return;
    drop_pending(call);
    if (!call->headers_sent && call->initial.count > 0 && status->code == RPC_OK)
        send_headers(call);
    if (!call->headers_sent)
        send_trailers_only(call);
    else
        wake(call);
}

void call_end_plain(struct rpc_call *call, unsigned http_status)
{
    struct stream *stream = call->user.stream;
    const char *body = http_status == 405 ? "gRPC calls are POST requests.\n"
                                          : "This server speaks gRPC (application/grpc).\n";
    char status[8], size[24];

    snprintf(status, sizeof status, "%u", http_status);
    snprintf(size, sizeof size, "%zu",
             buffer_append(&call->out, bytes_of_text(body)) ? strlen(body) : 0);
    const struct stream_header headers[] = {
        STREAM_HEADER(":status", bytes_of_text(status)),
        STREAM_HEADER_TEXT("content-type", "text/plain; charset=utf-8"),
        STREAM_HEADER("content-length", bytes_of_text(size)),
        STREAM_HEADER_TEXT("allow", "POST"),
    };

    call->ended = call->plain_http = call->headers_sent = true;
    call->code = RPC_UNIMPLEMENTED;
    stream->ops->send_headers(stream, headers, http_status == 405 ? 4 : 3, false);
}

static bool pack(struct rpc_call *call, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *room = size <= UINT32_MAX ? buffer_room(&call->out, GRPC_PREFIX_SIZE + size) : NULL;
    struct rpc_status status;

    if (room == NULL) {
        rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
        call_end(call, &status);
        return false;
    }
    grpc_frame_prefix(room, (uint32_t)size);
    protobuf_c_message_pack(message, room + GRPC_PREFIX_SIZE);
    buffer_added(&call->out, GRPC_PREFIX_SIZE + size);
    return true;
}

bool call_send(struct rpc_call *call, const ProtobufCMessage *response)
{
    assert(response->descriptor == call->method->response);
    if (call_is_over(call))
        return false;
    if (!call->headers_sent)
        send_headers(call);
    if (!pack(call, response))
        return false;
    wake(call);
    if (buffer_size(&call->out) <= CALL_SEND_BOUND)
        return true;
    call->wants_writable = true;
    return false;
}

void call_reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    call_send(call, response);
    call_finish(call);
}

void call_finish(struct rpc_call *call)
{
    static const struct rpc_status fine = { .code = RPC_OK };

    call_end(call, &fine);
}

void call_fail(struct rpc_call *call, const struct rpc_status *status)
{
    call_end(call, status);
}

void call_fail_err(struct rpc_call *call, enum err e, const struct why *why)
{
    struct rpc_status status;

    rpc_status_from_err(&status, e, why);
    call_end(call, &status);
}

/* A value that HTTP cannot carry is left out: it came from a caller's data. */
static void add(struct rpc_call *call, struct call_metadata_list *list, const char *name,
                struct bytes value)
{
    assert(grpc_name_is_valid(bytes_of_text(name)) && !grpc_name_is_reserved(bytes_of_text(name)));
    if (grpc_name_is_binary(bytes_of_text(name)))
        value = grpc_binary_encode(value, call->arena);
    if (value.data == NULL || !grpc_value_is_valid(value))
        return;
    call_metadata_add(call, list, bytes_of_text(name), value);
}

void call_add_initial(struct rpc_call *call, const char *name, struct bytes value)
{
    add(call, &call->initial, name, value);
}

void call_add_trailer(struct rpc_call *call, const char *name, struct bytes value)
{
    add(call, &call->trailers, name, value);
}
