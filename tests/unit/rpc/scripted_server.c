#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "rpc/grpc/grpc_header.h"
#include "tests/unit/rpc/scripted_server.h"

#include <stdlib.h>
#include <unistd.h>

struct scripted_connection {
    struct connection_owner owner;
    struct scripted_server *server;
    struct connection *connection;
    struct link link;
};

struct scripted_stream {
    struct stream_user user;
    struct scripted_connection *connection;
    const struct script_step *step;
    struct scripted_request *request;
    bool is_answered;
    struct arena *mem;
    struct stream_header headers[8];
    size_t header_count;
};

static void add_header(struct scripted_stream *own, const char *name, struct bytes value)
{
    own->headers[own->header_count++] = (struct stream_header){ bytes_of_text(name), value };
}

static void add_status(struct scripted_stream *own)
{
    struct rpc_status status;

    rpc_status_set(&status, own->step->code, "as written");
    status.retry_after_ms = own->step->retry_after_ms;
    add_header(own, "grpc-status", bytes_of_text(arena_printf(own->mem, "%d", (int)status.code)));
    if (own->step->pushback != NULL)
        add_header(own, "grpc-retry-pushback-ms", bytes_of_text(own->step->pushback));
    if (status.retry_after_ms > 0)
        add_header(own, "grpc-status-details-bin",
                   grpc_binary_encode(rpc_status_pack(&status, own->mem), own->mem));
}

static void send_headers(struct scripted_stream *own, bool end)
{
    own->user.stream->ops->send_headers(own->user.stream, own->headers, own->header_count, end);
    own->header_count = 0;
}

static void close_connection(struct scripted_connection *own)
{
    list_remove(&own->link);
    connection_close(own->connection);
    free(own);
}

static void answer(struct scripted_stream *own)
{
    if (own->is_answered || own->user.stream == NULL)
        return;
    own->is_answered = true;
    if (own->step->act == SCRIPT_LOSE) {
        close_connection(own->connection);
        return;
    }
    if (own->step->act == SCRIPT_SILENT)
        return;
    add_header(own, ":status", bytes_of_text(own->step->act == SCRIPT_HTTP_503 ? "503" : "200"));
    if (own->step->act == SCRIPT_HTTP_503) {
        send_headers(own, true);
        return;
    }
    add_header(own, "content-type", bytes_of_text("application/grpc"));
    if (own->step->act == SCRIPT_STATUS)
        add_status(own);
    send_headers(own, own->step->act == SCRIPT_STATUS);
}

static void on_header(struct stream_user *user, struct bytes name, struct bytes value)
{
    struct scripted_stream *own = container_of(user, struct scripted_stream, user);

    if (bytes_equal(name, bytes_of_text("grpc-previous-rpc-attempts")))
        own->request->previous_attempts =
            atoi((const char *)arena_copy(own->mem, value.data, value.size));
}

static void on_headers_end(struct stream_user *user)
{
    (void)user;
}

static void on_data(struct stream_user *user, struct bytes data)
{
    struct scripted_stream *own = container_of(user, struct scripted_stream, user);

    own->request->body_bytes += data.size;
    user->stream->ops->consume(user->stream, data.size);
}

static void on_end(struct stream_user *user)
{
    struct scripted_stream *own = container_of(user, struct scripted_stream, user);

    own->request->ended = true;
    answer(own);
}

static void on_close(struct stream_user *user, enum stream_error error)
{
    struct scripted_stream *own = container_of(user, struct scripted_stream, user);

    own->request->cancelled = error == STREAM_CANCEL;
    arena_free(own->mem);
    free(own);
}

static size_t pull(struct stream_user *user, uint8_t *data, size_t room, bool *end)
{
    (void)user;
    if (room < 5)
        return 0;
    memset(data, 0, 5); /* an empty message */
    *end = true;
    return 5;
}

static size_t trailers(struct stream_user *user, const struct stream_header **lent)
{
    struct scripted_stream *own = container_of(user, struct scripted_stream, user);

    add_status(own);
    *lent = own->headers;
    return own->header_count;
}

static bool is_waiting(struct stream_user *user)
{
    (void)user;
    return false;
}

static const struct stream_user_ops stream_ops = {
    .on_header = on_header,
    .on_headers_end = on_headers_end,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .pull = pull,
    .trailers = trailers,
    .is_waiting = is_waiting,
};

static struct stream_user *accept_stream(struct connection_owner *owner, struct stream *stream)
{
    struct scripted_connection *connection = container_of(owner, struct scripted_connection, owner);
    struct scripted_server *server = connection->server;
    unsigned number = server->request_count++;
    const struct script_step *step =
        &server->steps[number < server->step_count ? number : server->step_count - 1];
    struct scripted_stream *own;

    assert_in_range(number, 0, SCRIPT_STEPS_MAX - 1);
    server->requests[number] = (struct scripted_request){ .previous_attempts = -1 };
    if (step->act == SCRIPT_REFUSE)
        return NULL;
    own = calloc(1, sizeof *own);
    own->user = (struct stream_user){ &stream_ops, stream };
    own->connection = connection;
    own->step = step;
    own->request = &server->requests[number];
    own->mem = arena_new(64 << 10);
    return &own->user;
}

static void on_closed(struct connection_owner *owner, const char *reason)
{
    struct scripted_connection *own = container_of(owner, struct scripted_connection, owner);

    (void)reason;
    list_remove(&own->link);
    free(own);
}

static const struct connection_owner_ops connection_ops = { .accept = accept_stream,
                                                            .on_closed = on_closed };

static void on_accept(struct listener_owner *owner, int fd, const struct address *peer)
{
    struct scripted_server *server = container_of(owner, struct scripted_server, owner);
    struct scripted_connection *own = calloc(1, sizeof *own);
    const struct connection_options options = {
        .loop = server->loop,
        .scratch = server->scratch,
        .limits = { .handshake_ms = 20000, .patience = { 20000, 20000, 20000 },
                    .keepalive_ms = 20000 },
        .h2 = { .role = H2_SERVER, .streams_max = 100, .header_bytes_max = 16 << 10 },
        .owner = &own->owner,
    };

    (void)peer;
    server->connection_count++;
    if (server->closes_at_once) {
        close(fd);
        free(own);
        return;
    }
    own->owner.ops = &connection_ops;
    own->server = server;
    own->connection = connection_open(fd, &options);
    assert_non_null(own->connection);
    list_append(&server->connections, &own->link);
}

void scripted_server_open(struct scripted_server *server, struct loop *loop)
{
    struct addresses addresses;
    struct why why;

    *server = (struct scripted_server){ .loop = loop, .owner.on_accept = on_accept };
    link_init(&server->connections);
    server->scratch = connection_scratch_new();
    assert_int_equal(address_read("127.0.0.1:0", &addresses, &why), OK);
    assert_int_equal(
        listener_open(loop, &addresses.list[0], &server->owner, &server->listener, &why), OK);
    address_write(&addresses.list[0], server->address);
    listener_start(server->listener);
}

void scripted_server_lose(struct scripted_server *server)
{
    while (link_is_linked(&server->connections))
        close_connection(container_of(server->connections.next, struct scripted_connection, link));
}

void scripted_server_close(struct scripted_server *server)
{
    listener_close(server->listener);
    scripted_server_lose(server);
    connection_scratch_free(server->scratch);
}
