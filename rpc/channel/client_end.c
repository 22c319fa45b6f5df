#include "rpc/channel/client_attempt.h"
#include "rpc/grpc/grpc_header.h"
#include "rpc/grpc/grpc_message.h"
#include "rpc/channel/hedge.h"

#include <stdlib.h>

/* A call's life at the client: how it starts, what it sends, how it ends. What
 * comes back is client_answer.c's. */

enum { SEND_BOUND = 256 << 10, SEND_LOW = 64 << 10 };

/* ---- Its end. ---- */

void client_end_finish(struct client_end *end, const struct rpc_status *status)
{
    struct client_call *call = end->call;

    if (call == NULL)
        return;
    client_end_enter(end);
    end->call = NULL;
    call->end = NULL;
    loop_timer_stop(end->channel->loop, &end->deadline);
    client_attempt_stop(end);
    list_remove(&end->waiting);
    list_remove(&end->link);
    stream_leave(&end->user, STREAM_CANCEL);
    call->on_done(call, status);
    client_end_leave(end);
}

static void take_turn(struct loop_task *task)
{
    struct client_end *end = container_of(task, struct client_end, turn);

    end->turn_is_posted = false;
    client_end_enter(end);
    if (end->has_outcome)
        client_end_finish(end, &end->outcome);
    if (end->call != NULL && !end->paused)
        client_end_read_pending(end);
    if (end->call != NULL && end->wants_writable && client_attempt_unsent(end) <= SEND_LOW) {
        end->wants_writable = false;
        if (end->call->on_writable != NULL)
            end->call->on_writable(end->call);
    }
    client_end_leave(end);
}

void client_end_post_turn(struct client_end *end)
{
    if (end->turn_is_posted)
        return;
    end->turn_is_posted = true;
    end->turn.run = take_turn;
    loop_post(end->channel->loop, &end->turn);
}

void client_end_finish_later(struct client_end *end, const struct rpc_status *status)
{
    if (end->has_outcome)
        return;
    end->has_outcome = true;
    end->outcome = *status;
    client_attempt_stop(end);
    list_remove(&end->waiting);
    stream_leave(&end->user, STREAM_CANCEL);
    client_end_post_turn(end);
}

void client_end_finish_with(struct client_end *end, enum rpc_code code, const char *text)
{
    struct rpc_status status;

    rpc_status_set(&status, code, "%s", text);
    client_end_finish(end, &status);
}

static void on_deadline(struct loop_timer *timer)
{
    client_end_finish_with(container_of(timer, struct client_end, deadline), RPC_DEADLINE_EXCEEDED,
                           "the deadline has passed");
}

/* ---- What is sent. ---- */

bool client_end_pack(struct client_end *end, const ProtobufCMessage *message)
{
    struct grpc_packing packing = { NULL, end->coding, end->compress };
    struct rpc_status status;

    if (end->coding != GRPC_IDENTITY)
        packing.coder = client_end_coder(end);
    if (grpc_message_pack(&end->out, message, &packing))
        return true;
    rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "the request is too large");
    client_end_finish_later(end, &status);
    return false;
}

struct client_end *client_end_open(struct channel *channel, struct client_call *call)
{
    struct client_end *end = client_end_take(channel);

    if (end == NULL)
        abort(); /* no memory to say that there is no memory */
    end->user.ops = &client_end_stream_ops;
    end->call = call;
    end->metadata_last = &end->metadata;
    end->deadline_ms = INT64_MAX;
    end->half_closed = !call->streaming_request;
    end->compress = call->compress;
    if (call->compress == RPC_COMPRESS_ALWAYS && !channel->is_local)
        end->coding = GRPC_GZIP;
    link_init(&end->waiting);
    list_append(&channel->ends, &end->link);
    call->end = call->answer = end;
    if (call->timeout_ms > 0) {
        end->deadline.fire = on_deadline;
        end->deadline_ms = loop_mono_ms() + call->timeout_ms;
        loop_timer_start(channel->loop, &end->deadline, call->timeout_ms);
    }
    return end;
}

void client_call_start(struct channel *channel, struct client_call *call)
{
    struct client_end *end;

    call->hedge = NULL;
    if (hedge_is_for(channel, call)) {
        hedge_start(channel, call);
        return;
    }
    end = client_end_open(channel, call);
    if (call->request == NULL || client_end_pack(end, call->request))
        channel->ops->start(channel, end);
}

const char *client_metadata_flaw(const struct client_metadata *metadata)
{
    struct bytes name = bytes_of_text(metadata->name);

    if (!grpc_name_is_valid(name))
        return "must have a name of lower case letters, digits, \"_\", \"-\" and \".\"";
    if (grpc_name_is_reserved(name))
        return "has a name that is gRPC's own";
    if (!grpc_name_is_binary(name) && !grpc_value_is_valid(metadata->value))
        return "must be printable ASCII, not beginning or ending in a space";
    return NULL;
}

/* Values that HTTP cannot carry are left out, as are gRPC's own names. False if
 * the arena is full. */
static bool put_metadata(struct client_end *end, struct stream_header *headers, size_t *count)
{
    for (size_t i = 0; i < end->call->metadata_count; i++) {
        const struct client_metadata *metadata = &end->call->metadata[i];
        struct bytes name = bytes_of_text(metadata->name), value = metadata->value;

        if (client_metadata_flaw(metadata) != NULL)
            continue;
        if (grpc_name_is_binary(name)) {
            value = grpc_binary_encode(value, end->arena);
            if (value.data == NULL)
                return false;
        }
        headers[(*count)++] = (struct stream_header){ name, value };
    }
    return true;
}

/* More than the server says it takes would cost it, and perhaps us, the
 * connection. */
static bool fits(const struct client_end *end, const struct stream_header *headers, size_t count)
{
    enum { HEADER_OVERHEAD = 32 }; /* RFC 9113, 6.5.2 */
    struct stream *stream = end->user.stream;
    size_t size = 0;

    if (end->call->metadata_count == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        size += headers[i].name.size + headers[i].value.size + HEADER_OVERHEAD;
    return size <= stream->ops->headers_max(stream);
}

static size_t put_encodings(const struct client_end *end, struct stream_header *headers)
{
    size_t count = 0;

    if (end->channel->is_local)
        return 0;
    headers[count++] =
        (struct stream_header)STREAM_HEADER_TEXT("grpc-accept-encoding", GRPC_CODINGS);
    if (end->coding != GRPC_IDENTITY)
        headers[count++] =
            (struct stream_header)STREAM_HEADER("grpc-encoding", grpc_coding_name(end->coding));
    return count;
}

/* gRPC's proposal A6: how many attempts there were before this one. */
static size_t put_attempts(struct client_end *end, struct stream_header *headers)
{
    const char *count =
        end->attempt.count > 0 ? arena_printf(end->arena, "%u", end->attempt.count) : NULL;

    if (count == NULL)
        return 0;
    headers[0] =
        (struct stream_header)STREAM_HEADER("grpc-previous-rpc-attempts", bytes_of_text(count));
    return 1;
}

static int64_t time_left_ms(const struct client_end *end)
{
    int64_t left_ms = end->deadline_ms - loop_mono_ms();

    return left_ms > 0 ? left_ms : 1;
}

static size_t put_own_headers(struct client_end *end, struct stream_header *headers,
                              const char *scheme, const char *authority, const char *timeout)
{
    size_t count = 0;

    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT(":method", "POST");
    headers[count++] = (struct stream_header)STREAM_HEADER(":scheme", bytes_of_text(scheme));
    headers[count++] = (struct stream_header)STREAM_HEADER(":path", bytes_of_text(end->call->path));
    headers[count++] = (struct stream_header)STREAM_HEADER(":authority", bytes_of_text(authority));
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT("te", "trailers");
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT("content-type", "application/grpc");
    headers[count++] =
        (struct stream_header)STREAM_HEADER_TEXT("user-agent", "sync-grpc-c/" SYNC_VERSION);
    if (timeout[0] != '\0')
        headers[count++] =
            (struct stream_header)STREAM_HEADER("grpc-timeout", bytes_of_text(timeout));
    count += put_encodings(end, headers + count);
    return count + put_attempts(end, headers + count);
}

void client_end_send_headers(struct client_end *end, const char *scheme, const char *authority)
{
    enum { OWN_HEADERS = 11 };
    struct stream *stream = end->user.stream;
    struct stream_header *headers =
        arena_alloc(end->arena, (OWN_HEADERS + end->call->metadata_count) * sizeof *headers);
    char timeout[GRPC_TIMEOUT_SIZE] = "";
    struct rpc_status status;
    size_t count = 0;

    if (end->deadline_ms != INT64_MAX)
        grpc_timeout_format(time_left_ms(end), timeout);
    if (headers != NULL)
        count = put_own_headers(end, headers, scheme, authority, timeout);
    if (headers != NULL && put_metadata(end, headers, &count) && fits(end, headers, count)) {
        stream->ops->send_headers(stream, headers, count, false);
        return;
    }
    rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED,
                   "the metadata is larger than the server accepts");
    client_end_finish_later(end, &status);
}

static struct client_end *live_end(const struct client_call *call)
{
    struct client_end *end = call->end;

    return end != NULL && !end->has_outcome ? end : NULL;
}

static void wake(struct client_end *end)
{
    if (end->user.stream != NULL)
        end->user.stream->ops->wake(end->user.stream);
}

bool client_call_send(struct client_call *call, const ProtobufCMessage *message)
{
    struct client_end *end = live_end(call);

    if (end == NULL || end->half_closed || !client_end_pack(end, message))
        return false;
    wake(end);
    if (client_attempt_unsent(end) <= SEND_BOUND)
        return true;
    end->wants_writable = true;
    return false;
}

void client_call_compress(struct client_call *call, enum rpc_compress compress)
{
    if (call->end != NULL)
        call->end->compress = compress;
}

void client_call_half_close(struct client_call *call)
{
    struct client_end *end = live_end(call);

    if (end == NULL || end->half_closed)
        return;
    end->half_closed = true;
    wake(end);
}

void client_call_cancel(struct client_call *call)
{
    struct client_end *end = live_end(call);
    struct rpc_status status;

    if (call->hedge != NULL)
        hedge_cancel(call->hedge);
    if (end == NULL)
        return;
    rpc_status_set(&status, RPC_CANCELLED, "the caller cancelled");
    client_end_finish_later(end, &status);
}

size_t client_end_pull(struct stream_user *user, uint8_t *data, size_t room, bool *is_last)
{
    struct client_end *end = container_of(user, struct client_end, user);
    size_t unsent = client_attempt_unsent(end), size = unsent < room ? unsent : room;

    if (size > 0) {
        memcpy(data, buffer_bytes(&end->out).data + end->attempt.sent, size);
        client_attempt_note_sent(end, size);
    }
    *is_last = end->half_closed && size == unsent;
    if (end->wants_writable && client_attempt_unsent(end) <= SEND_LOW)
        client_end_post_turn(end);
    return size;
}
