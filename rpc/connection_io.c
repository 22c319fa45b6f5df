#include "rpc/connection_state.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes to and from the peer. transport_read() and transport_write() are all that
 * knows how they get there. */

enum {
    READS_PER_TURN = 4,       /* then others have their turn */
    GATHER_BYTES = 256 << 10, /* into one write */
    BACKLOG_MAX = 2000,       /* frames behind a blocked socket: stop reading */
};

/* ---- The transport. ---- */

enum transport { TRANSPORT_DONE, TRANSPORT_BLOCKED, TRANSPORT_CLOSED };

static enum transport outcome_of(ssize_t result)
{
    if (result > 0)
        return TRANSPORT_DONE;
    if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return TRANSPORT_BLOCKED;
    return TRANSPORT_CLOSED;
}

static enum transport transport_read(struct connection *connection, uint8_t *data, size_t room,
                                     size_t *size)
{
    ssize_t result = recv(connection->fd, data, room, 0);

    *size = result > 0 ? (size_t)result : 0;
    return outcome_of(result);
}

static enum transport transport_write(struct connection *connection, struct bytes bytes,
                                      size_t *size)
{
    ssize_t result = send(connection->fd, bytes.data, bytes.size, MSG_NOSIGNAL);

    *size = result > 0 ? (size_t)result : 0;
    return outcome_of(result);
}

/* ---- Output. ---- */

static void keep_unsent(struct connection *connection, struct bytes rest)
{
    if (!buffer_append(&connection->unsent, rest))
        connection_give_up(connection, "out of memory");
    else
        event_add(connection->writable, NULL);
}

/* Writes, keeps what the socket does not take. True if it took all. */
static bool write_bytes(struct connection *connection, struct bytes bytes)
{
    while (bytes.size > 0) {
        size_t size;
        enum transport outcome = transport_write(connection, bytes, &size);
        if (outcome == TRANSPORT_CLOSED) {
            connection_give_up(connection, "the peer closed the connection");
            return false;
        }
        if (outcome == TRANSPORT_BLOCKED) {
            keep_unsent(connection, bytes);
            return false;
        }
        connection->progress_ms = loop_mono_ms();
        bytes = bytes_of(bytes.data + size, bytes.size - size);
    }
    return true;
}

static bool write_unsent(struct connection *connection)
{
    struct buffer *unsent = &connection->unsent;

    while (buffer_size(unsent) > 0) {
        size_t size;
        enum transport outcome = transport_write(connection, buffer_bytes(unsent), &size);
        if (outcome == TRANSPORT_CLOSED)
            connection_give_up(connection, "the peer closed the connection");
        else if (outcome == TRANSPORT_BLOCKED)
            event_add(connection->writable, NULL);
        if (outcome != TRANSPORT_DONE)
            return false;
        connection->progress_ms = loop_mono_ms();
        buffer_take(unsent, size);
    }
    buffer_clear(unsent, 0);
    return true;
}

/* False once the session has no more to say for now. */
static bool gather(struct connection *connection, struct buffer *out)
{
    while (buffer_size(out) < GATHER_BYTES) {
        struct bytes block = h2_session_output(connection->session);
        if (block.size == 0)
            return false;
        if (!buffer_append(out, block)) {
            connection_give_up(connection, "out of memory");
            return false;
        }
    }
    return true;
}

/* Closing while something of the peer's is unread would make the kernel send a
 * reset, and that may overtake our last words. */
static void linger(struct connection *connection)
{
    if (connection->lingering)
        return;
    connection->lingering = connection->finished = true;
    connection->lingering_ms = loop_mono_ms();
    shutdown(connection->fd, SHUT_WR);
}

static void write_output(struct connection *connection)
{
    struct buffer *out = &connection->options.scratch->out;
    bool more = true;

    if (!write_unsent(connection))
        return;
    while (more && connection->reason == NULL) {
        buffer_clear(out, 2 * GATHER_BYTES);
        more = gather(connection, out);
        if (!write_bytes(connection, buffer_bytes(out)))
            return;
    }
    if (connection->reason == NULL &&
        (connection->finished || h2_session_is_done(connection->session)))
        linger(connection);
}

/* A server that cannot write must not go on reading what makes it write more.
 * A client always reads, so that two that wait for each other get on. */
static void choose_reading(struct connection *connection)
{
    bool blocked = buffer_size(&connection->unsent) > 0 &&
                   connection->options.h2.role == H2_SERVER &&
                   h2_session_backlog(connection->session) > BACKLOG_MAX;

    if (blocked == !connection->is_reading)
        return;
    connection->is_reading = !blocked;
    if (blocked)
        event_del(connection->readable);
    else
        event_add(connection->readable, NULL);
}

static void flush_now(struct connection *connection)
{
    connection_enter(connection);
    if (connection->session != NULL && connection->reason == NULL && !connection->closing) {
        write_output(connection);
        choose_reading(connection);
    }
    connection_leave(connection);
}

static void flush(struct loop_task *task)
{
    struct connection *connection = container_of(task, struct connection, flush);

    connection->flush_is_posted = false;
    flush_now(connection);
}

void connection_post_flush(struct connection *connection)
{
    if (connection->flush_is_posted || connection->session == NULL)
        return;
    connection->flush_is_posted = true;
    loop_post_last(connection->options.loop, &connection->flush);
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    flush_now(context);
}

/* ---- Input. ---- */

static void read_input(struct connection *connection)
{
    struct connection_scratch *scratch = connection->options.scratch;

    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        size_t size;
        enum transport outcome = transport_read(connection, scratch->in, sizeof scratch->in, &size);
        if (outcome == TRANSPORT_CLOSED)
            connection_give_up(connection, "the peer closed the connection");
        if (outcome != TRANSPORT_DONE)
            return;
        if (connection->finished)
            continue;
        if (!h2_session_receive(connection->session, bytes_of(scratch->in, size))) {
            connection->finished = true;
            connection_post_flush(connection);
            return;
        }
        if (size < sizeof scratch->in || connection->closing)
            return;
    }
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;

    (void)fd;
    (void)what;
    connection_enter(connection);
    read_input(connection);
    connection_leave(connection);
}

bool connection_start_io(struct connection *connection)
{
    struct event_base *base = loop_event_base(connection->options.loop);

    connection->flush.run = flush;
    connection->is_reading = true;
    connection->readable =
        event_new(base, connection->fd, EV_READ | EV_PERSIST, on_readable, connection);
    connection->writable = event_new(base, connection->fd, EV_WRITE, on_writable, connection);
    return connection->readable != NULL && connection->writable != NULL &&
           event_add(connection->readable, NULL) == 0;
}

void connection_stop_io(struct connection *connection)
{
    if (connection->readable != NULL)
        event_free(connection->readable);
    if (connection->writable != NULL)
        event_free(connection->writable);
    close(connection->fd);
}
