#include "rpc/call/call_pool.h"
#include "rpc/call/call_state.h"
#include "rpc/grpc/grpc_header.h"
#include "rpc/grpc/grpc_message.h"

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

/* Who compresses is answered in kind: that a caller could expand an answer does
 * not say that its network is slower than both sides' processors. */
static enum grpc_coding choose_coding(const struct rpc_call *call)
{
    bool as_asked = call->compress == RPC_COMPRESS_ALWAYS ||
                    (call->compress == RPC_COMPRESS_AUTO && call->coding != GRPC_IDENTITY);

    return as_asked ? grpc_coding_accepted(call->accepts) : GRPC_IDENTITY;
}

static void send_headers(struct rpc_call *call)
{
    enum { OWN_HEADERS = 3 };
    struct stream_header some[8], *headers = some;
    const size_t needed = call->initial.count + OWN_HEADERS;
    size_t count = 0;

    call->headers_sent = true;
    call->answer_coding = choose_coding(call);
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
    if (call->answer_coding != GRPC_IDENTITY)
        headers[count++] = (struct stream_header)STREAM_HEADER(
            "grpc-encoding", grpc_coding_name(call->answer_coding));
    count += put_metadata(headers + count, &call->initial);
    call->user.stream->ops->send_headers(call->user.stream, headers, count, false);
}

/* Status and trailing metadata; `count` headers are there already. */
static size_t put_status(struct rpc_call *call, struct stream_header *headers, size_t count)
{
    headers[count++] = (struct stream_header)STREAM_HEADER("grpc-status", code_text(call->code));
    if (call->status_text.size > 0)
        headers[count++] = (struct stream_header)STREAM_HEADER("grpc-message", call->status_text);
    if (call->status_details.size > 0)
        headers[count++] =
            (struct stream_header)STREAM_HEADER("grpc-status-details-bin", call->status_details);
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
        arena_alloc(call->arena, (STATUS_HEADERS_MAX + call->trailers.count) * sizeof *headers);
    size_t count = 0;

    call->headers_sent = true;
    if (headers == NULL) {
        stream->ops->send_headers(stream, bare, 3, true);
        return;
    }
    headers[count++] = bare[0];
    headers[count++] = bare[1];
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
        call_note_kept(call);
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

/* Trailers without headers are for failures (PROTOCOL-HTTP2, Responses), and
 * would turn initial metadata into trailing. */
static void end(struct rpc_call *call, enum rpc_code code)
{
    call->ended = true;
    call->code = code;
    loop_timer_stop(call_loop(call), &call->deadline);
    if (call->user.stream == NULL)
        return;
    drop_pending(call);
    if (!call->headers_sent && (code == RPC_OK || call->initial.count > 0))
        send_headers(call);
    if (!call->headers_sent)
        send_trailers_only(call);
    else
        wake(call);
}

/* What the caller takes besides the trailing metadata. A client that gets more
 * than it takes forgets the code, too. */
static size_t room_for_status(const struct rpc_call *call)
{
    enum { HEADER_OVERHEAD = 32, OTHER_BYTES = 300 }; /* other: names, code, content-type */
    size_t used = OTHER_BYTES + call->trailers.bytes + call->trailers.count * HEADER_OVERHEAD;
    size_t max = call->user.stream->ops->headers_max(call->user.stream);

    return max > used ? max - used : 0;
}

static struct bytes encode_to_fit(struct rpc_call *call, struct bytes text, size_t room)
{
    struct bytes encoded = grpc_message_encode(text, call->arena);

    while (encoded.size > room) {
        text = grpc_text_cut(text, text.size * room / encoded.size);
        encoded = grpc_message_encode(text, call->arena);
    }
    return encoded;
}

static void keep_status(struct rpc_call *call, struct bytes text, struct bytes details)
{
    size_t room = room_for_status(call);

    call->status_text = encode_to_fit(call, grpc_text_cut(text, CALL_STATUS_MAX), room);
    if (details.size == 0 || details.size > CALL_STATUS_MAX)
        return;
    details = grpc_binary_encode(details, call->arena);
    if (details.size <= room - call->status_text.size)
        call->status_details = details;
}

void call_end(struct rpc_call *call, const struct rpc_status *status)
{
    if (call_is_over(call))
        return;
    if (status->code != RPC_OK && call->user.stream != NULL)
        keep_status(call, bytes_of_text(status->message), rpc_status_pack(status, call->arena));
    end(call, status->code);
}

void call_fail_with(struct rpc_call *call, enum rpc_code code, struct bytes text,
                    struct bytes details)
{
    assert(code != RPC_OK);
    if (call_is_over(call))
        return;
    if (call->user.stream != NULL)
        keep_status(call, text, details);
    end(call, code);
}

static const char *plain_text(unsigned http_status)
{
    if (http_status == 405)
        return "gRPC calls are POST requests.\n";
    return http_status == 431 ? "The headers are too large.\n"
                              : "This server speaks gRPC (application/grpc).\n";
}

/* HEAD asks for the headers that a body would have. */
void call_end_plain(struct rpc_call *call, unsigned http_status)
{
    struct stream *stream = call->user.stream;
    struct bytes body = bytes_of_text(plain_text(http_status));
    char status[8], size[24];

    if (!call->is_head && !buffer_append(&call->out, body))
        body = bytes_of(NULL, 0);
    snprintf(status, sizeof status, "%u", http_status);
    snprintf(size, sizeof size, "%zu", body.size);
    const struct stream_header headers[] = {
        STREAM_HEADER(":status", bytes_of_text(status)),
        STREAM_HEADER_TEXT("content-type", "text/plain; charset=utf-8"),
        STREAM_HEADER("content-length", bytes_of_text(size)),
        STREAM_HEADER_TEXT("allow", "POST"),
    };

    call->ended = call->plain_http = call->headers_sent = true;
    call->code = RPC_UNIMPLEMENTED;
    stream->ops->send_headers(stream, headers, http_status == 405 ? 4 : 3, call->is_head);
}

static bool pack(struct rpc_call *call, const ProtobufCMessage *message)
{
    const struct grpc_packing packing = { call_pool_coder(call->pool), call->answer_coding,
                                          call->compress };
    struct rpc_status status;

    if (grpc_message_pack(&call->out, message, &packing))
        return true;
    rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
    call_end(call, &status);
    return false;
}

void call_send_initial(struct rpc_call *call)
{
    if (!call_is_over(call) && !call->headers_sent)
        send_headers(call);
}

void call_compress(struct rpc_call *call, enum rpc_compress compress)
{
    call->compress = compress;
}

bool call_send(struct rpc_call *call, const ProtobufCMessage *response)
{
    assert(response->descriptor == call->method->response);
    if (call_is_over(call))
        return false;
    call_send_initial(call);
    if (!pack(call, response))
        return false;
    call_note_kept(call);
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

/* A value that HTTP cannot carry is left out: it came from a caller's data. So
 * is what goes beyond the bound. */
static void add(struct rpc_call *call, struct call_metadata_list *list, const char *name,
                struct bytes value)
{
    assert(grpc_name_is_valid(bytes_of_text(name)) && !grpc_name_is_reserved(bytes_of_text(name)));
    if (grpc_name_is_binary(bytes_of_text(name)))
        value = grpc_binary_encode(value, call->arena);
    if (value.data == NULL || !grpc_value_is_valid(value))
        return;
    list->bytes += strlen(name) + value.size;
    if (list->bytes <= CALL_METADATA_MAX)
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
