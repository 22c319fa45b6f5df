#include "rpc/client_end.h"

#include "rpc/grpc_header.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARENA_EXTRA = 4 << 20,
    SEND_BOUND = 256 << 10,
    SEND_LOW = 64 << 10,
    KEEP_BYTES = 4 << 10,
    FREE_MAX = 256,
    MESSAGE_BYTES_DEFAULT = 4 << 20,
};

static const struct stream_user_ops client_stream_ops;
static void take_turn(struct loop_task *task);

void channel_init(struct channel *channel, const struct channel_ops *ops, struct loop *loop,
                  size_t message_bytes_max)
{
    channel->ops = ops;
    channel->loop = loop;
    channel->message_bytes_max = message_bytes_max > 0 ? message_bytes_max : MESSAGE_BYTES_DEFAULT;
    channel->holds = 1;
    link_init(&channel->ends);
}

static void release_channel(struct channel *channel)
{
    if (--channel->holds == 0)
        channel->ops->free(channel);
}

/* ---- Where ends come from and go to. ---- */

static void *allocate(void *context, size_t size)
{
    struct client_end *end = context;
    void *memory = arena_alloc(end->message_arena, size);

    end->arena_is_full |= memory == NULL;
    return memory;
}

static void keep(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static void free_end(struct client_end *end)
{
    arena_free(end->arena);
    arena_free(end->message_arena);
    buffer_clear(&end->out, 0);
    buffer_clear(&end->pending, 0);
    grpc_reader_clear(&end->reader, 0);
    free(end);
}

static struct client_end *make_end(const struct channel *channel)
{
    struct client_end *end = calloc(1, sizeof *end);

    if (end == NULL)
        return NULL;
    end->arena = arena_new(ARENA_EXTRA);
    end->message_arena = arena_new(ARENA_EXTRA + 2 * channel->message_bytes_max);
    end->reader.message_max = channel->message_bytes_max;
    if (end->arena == NULL || end->message_arena == NULL) {
        free_end(end);
        return NULL;
    }
    return end;
}

static void wipe(struct client_end *end)
{
    struct client_end kept = {
        .arena = end->arena,
        .message_arena = end->message_arena,
        .out = end->out,
        .pending = end->pending,
        .reader = end->reader,
    };

    arena_reset(kept.arena);
    arena_reset(kept.message_arena);
    buffer_clear(&kept.out, KEEP_BYTES);
    buffer_clear(&kept.pending, KEEP_BYTES);
    grpc_reader_clear(&kept.reader, KEEP_BYTES);
    *end = kept;
}

static void recycle(struct client_end *end)
{
    struct channel *channel = end->channel;

    if (channel->closed || channel->free_count == FREE_MAX) {
        free_end(end);
    } else {
        wipe(end);
        end->next_free = channel->free;
        channel->free = end;
        channel->free_count++;
    }
    release_channel(channel);
}

static struct client_end *take_end(struct channel *channel)
{
    struct client_end *end = channel->free;

    if (end == NULL)
        return make_end(channel);
    channel->free = end->next_free;
    channel->free_count--;
    return end;
}

/* Whatever may end the call and goes on afterwards stands between these two:
 * the end is freed by the outermost, when the call is done and no task of it is
 * posted. */
static void enter(struct client_end *end)
{
    end->entered++;
}

static void leave(struct client_end *end)
{
    if (--end->entered == 0 && end->call == NULL && !end->turn_is_posted)
        recycle(end);
}

/* ---- The outcome. ---- */

void client_end_finish(struct client_end *end, const struct rpc_status *status)
{
    struct client_call *call = end->call;

    if (call == NULL)
        return;
    enter(end);
    end->call = NULL;
    call->end = NULL;
    loop_timer_stop(end->channel->loop, &end->deadline);
    list_remove(&end->waiting);
    list_remove(&end->link);
    stream_leave(&end->user, STREAM_CANCEL);
    call->on_done(call, status);
    leave(end);
}

static void post_turn(struct client_end *end)
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
    stream_leave(&end->user, STREAM_CANCEL);
    post_turn(end);
}

static void finish_with(struct client_end *end, enum rpc_code code, const char *text)
{
    struct rpc_status status;

    rpc_status_set(&status, code, "%s", text);
    client_end_finish(end, &status);
}

static void on_deadline(struct loop_timer *timer)
{
    finish_with(container_of(timer, struct client_end, deadline), RPC_DEADLINE_EXCEEDED,
                "the deadline has passed");
}

/* ---- What is sent. ---- */

static bool pack(struct client_end *end, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *room = size <= UINT32_MAX ? buffer_room(&end->out, GRPC_PREFIX_SIZE + size) : NULL;
    struct rpc_status status;

    if (room == NULL) {
        rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "the request is too large");
        client_end_finish_later(end, &status);
        return false;
    }
    grpc_frame_prefix(room, (uint32_t)size);
    protobuf_c_message_pack(message, room + GRPC_PREFIX_SIZE);
    buffer_added(&end->out, GRPC_PREFIX_SIZE + size);
    return true;
}

void client_call_start(struct channel *channel, struct client_call *call)
{
    struct client_end *end = take_end(channel);

    if (end == NULL)
        abort(); /* no memory to say that there is no memory */
    channel->holds++;
    end->user.ops = &client_stream_ops;
    end->channel = channel;
    end->call = call;
    end->allocator = (ProtobufCAllocator){ allocate, keep, end };
    end->metadata_last = &end->metadata;
    end->deadline_ms = INT64_MAX;
    end->half_closed = !call->streaming_request;
    link_init(&end->waiting);
    list_append(&channel->ends, &end->link);
    call->end = call->answer = end;
    if (call->timeout_ms > 0) {
        end->deadline.fire = on_deadline;
        end->deadline_ms = loop_mono_ms() + call->timeout_ms;
        loop_timer_start(channel->loop, &end->deadline, call->timeout_ms);
    }
    if (call->request == NULL || pack(end, call->request))
        channel->ops->start(channel, end);
}

/* Values that HTTP cannot carry are left out, as are gRPC's own names. */
static size_t put_metadata(struct client_end *end, struct stream_header *headers)
{
    size_t count = 0;

    for (size_t i = 0; i < end->call->metadata_count; i++) {
        const struct client_metadata *metadata = &end->call->metadata[i];
        struct bytes name = bytes_of_text(metadata->name), value = metadata->value;

        if (!grpc_name_is_valid(name) || grpc_name_is_reserved(name))
            continue;
        if (grpc_name_is_binary(name))
            value = grpc_binary_encode(value, end->arena);
        if (grpc_value_is_valid(value))
            headers[count++] = (struct stream_header){ name, value };
    }
    return count;
}

static int64_t time_left_ms(const struct client_end *end)
{
    int64_t left_ms = end->deadline_ms - loop_mono_ms();

    return left_ms > 0 ? left_ms : 1;
}

void client_end_send_headers(struct client_end *end, const char *authority)
{
    enum { OWN_HEADERS = 8 };
    struct stream *stream = end->user.stream;
    struct stream_header *headers =
        arena_alloc(end->arena, (OWN_HEADERS + end->call->metadata_count) * sizeof *headers);
    char timeout[GRPC_TIMEOUT_SIZE];
    struct rpc_status status;
    size_t count = 0;

    if (headers == NULL) {
        rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "the metadata is too large");
        client_end_finish_later(end, &status);
        return;
    }
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT(":method", "POST");
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT(":scheme", "http");
    headers[count++] = (struct stream_header)STREAM_HEADER(":path", bytes_of_text(end->call->path));
    headers[count++] = (struct stream_header)STREAM_HEADER(":authority", bytes_of_text(authority));
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT("te", "trailers");
    headers[count++] = (struct stream_header)STREAM_HEADER_TEXT("content-type", "application/grpc");
    headers[count++] =
        (struct stream_header)STREAM_HEADER_TEXT("user-agent", "sync-grpc-c/" SYNC_VERSION);
    if (end->deadline_ms != INT64_MAX) {
        grpc_timeout_format(time_left_ms(end), timeout);
        headers[count++] =
            (struct stream_header)STREAM_HEADER("grpc-timeout", bytes_of_text(timeout));
    }
    count += put_metadata(end, headers + count);
    stream->ops->send_headers(stream, headers, count, false);
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

    if (end == NULL || end->half_closed || !pack(end, message))
        return false;
    wake(end);
    if (buffer_size(&end->out) <= SEND_BOUND)
        return true;
    end->wants_writable = true;
    return false;
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

    if (end == NULL)
        return;
    rpc_status_set(&status, RPC_CANCELLED, "the caller cancelled");
    client_end_finish_later(end, &status);
}

static size_t pull(struct stream_user *user, uint8_t *data, size_t room, bool *is_last)
{
    struct client_end *end = container_of(user, struct client_end, user);
    struct bytes waiting = buffer_bytes(&end->out);
    size_t size = waiting.size < room ? waiting.size : room;

    if (size > 0) {
        memcpy(data, waiting.data, size);
        buffer_take(&end->out, size);
    }
    *is_last = end->half_closed && size == waiting.size;
    if (end->wants_writable && buffer_size(&end->out) <= SEND_LOW)
        post_turn(end);
    return size;
}

static size_t no_trailers(struct stream_user *user, const struct stream_header **trailers)
{
    (void)user;
    (void)trailers;
    return 0;
}

/* ---- What comes back. ---- */

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
    client_end_finish(end, &status);
}

static void on_headers_end(struct stream_user *user)
{
    struct client_end *end = container_of(user, struct client_end, user);
    struct bytes http_status = header(end, ":status");

    if (end->answer_is_grpc)
        return; /* trailers */
    if (http_status.size == 3 && http_status.data[0] == '1') {
        end->metadata = NULL; /* an informational answer: the real one follows */
        end->metadata_last = &end->metadata;
        return;
    }
    end->answer_is_grpc = grpc_content_type_is_ours(header(end, "content-type"));
    if (header(end, "grpc-status").data != NULL)
        end->answer_is_grpc = true;
    if (!bytes_equal(http_status, bytes_of_text("200")))
        refuse_http(end,
                    http_status.data != NULL ? (const char *)http_status.data : "without status");
    else if (!end->answer_is_grpc)
        finish_with(end, RPC_UNKNOWN, "the server's answer is not gRPC");
}

static void take_message(struct client_end *end, const struct grpc_message *message)
{
    struct client_call *call = end->call;
    ProtobufCMessage *unpacked;

    if (message->compressed) {
        finish_with(end, RPC_INTERNAL, "the server compressed a message without being asked");
        return;
    }
    arena_reset(end->message_arena);
    unpacked = protobuf_c_message_unpack(call->response, &end->allocator, message->data.size,
                                         message->data.data);
    if (unpacked != NULL)
        call->on_message(call, unpacked);
    else if (end->arena_is_full)
        finish_with(end, RPC_RESOURCE_EXHAUSTED, "the answer takes too much memory");
    else
        finish_with(end, RPC_INTERNAL, "the answer does not parse");
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
        finish_with(end, RPC_RESOURCE_EXHAUSTED, "the answer is larger than the client accepts");
    else if (frame == GRPC_FRAME_BROKEN)
        finish_with(end, RPC_INTERNAL, "the answer's framing is broken");
    else if (frame == GRPC_FRAME_MEMORY)
        finish_with(end, RPC_RESOURCE_EXHAUSTED, "out of memory");
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
    client_end_finish(end, &status);
}

/* Takes what can be delivered now and keeps the rest. */
static void take_data(struct client_end *end, struct bytes data)
{
    size_t size = data.size;

    if (!end->answer_is_grpc) {
        finish_with(end, RPC_UNKNOWN, "the server's answer is not gRPC");
        return;
    }
    if (is_reading(end) && buffer_size(&end->pending) == 0)
        feed(end, &data);
    if (end->call == NULL || end->has_outcome)
        return;
    if (!buffer_append(&end->pending, data))
        finish_with(end, RPC_RESOURCE_EXHAUSTED, "out of memory");
    consume(end, size - data.size);
}

static void on_data(struct stream_user *user, struct bytes data)
{
    struct client_end *end = container_of(user, struct client_end, user);

    enter(end);
    take_data(end, data);
    leave(end);
}

static void read_pending(struct client_end *end)
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

    if (error == STREAM_BROKEN) {
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

static void on_close(struct stream_user *user, enum stream_error error)
{
    struct client_end *end = container_of(user, struct client_end, user);
    struct rpc_status status;

    if (end->peer_ended) /* all has come; paused reading goes on from memory */
        return;
    if (header(end, "grpc-status").data != NULL)
        read_outcome(end, &status);
    else
        status_of_error(error, &status);
    client_end_finish(end, &status);
}

static bool is_waiting(struct stream_user *user)
{
    (void)user;
    return false; /* how long to wait is the deadline's affair */
}

static const struct stream_user_ops client_stream_ops = {
    .on_header = on_header,
    .on_headers_end = on_headers_end,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .pull = pull,
    .trailers = no_trailers,
    .is_waiting = is_waiting,
};

void client_call_pause_reading(struct client_call *call)
{
    if (call->end != NULL)
        call->end->paused = true;
}

void client_call_resume_reading(struct client_call *call)
{
    struct client_end *end = call->end;

    if (end == NULL || !end->paused)
        return;
    end->paused = false;
    post_turn(end);
}

static void take_turn(struct loop_task *task)
{
    struct client_end *end = container_of(task, struct client_end, turn);

    end->turn_is_posted = false;
    enter(end);
    if (end->has_outcome)
        client_end_finish(end, &end->outcome);
    if (end->call != NULL && !end->paused)
        read_pending(end);
    if (end->call != NULL && end->wants_writable && buffer_size(&end->out) <= SEND_LOW) {
        end->wants_writable = false;
        if (end->call->on_writable != NULL)
            end->call->on_writable(end->call);
    }
    leave(end);
}

const char *client_call_metadata(struct client_call *call, const char *name, size_t *size)
{
    struct client_end *end = call->answer;
    struct bytes value = header(end, name);

    if (value.data != NULL && grpc_name_is_binary(bytes_of_text(name)))
        value = grpc_binary_decode(value, end->arena);
    if (size != NULL)
        *size = value.size;
    return (const char *)value.data;
}

/* ---- The channel's end. ---- */

void channel_close(struct channel *channel)
{
    struct rpc_status status;

    if (channel == NULL)
        return;
    rpc_status_set(&status, RPC_CANCELLED, "the channel was closed");
    channel->closed = true;
    while (link_is_linked(&channel->ends))
        client_end_finish(container_of(channel->ends.next, struct client_end, link), &status);
    while (channel->free != NULL) {
        struct client_end *end = channel->free;
        channel->free = end->next_free;
        free_end(end);
    }
    channel->ops->close(channel);
    release_channel(channel);
}

bool channel_is_quiet(const struct channel *channel)
{
    return !link_is_linked(&channel->ends) && channel->ops->held(channel) == 0;
}

struct loop *channel_loop(const struct channel *channel)
{
    return channel->loop;
}
