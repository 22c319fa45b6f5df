#include "rpc/net/connection_state.h"

#include <event2/event.h>

/* Bytes between the session and the transport. */

/* ---- Waiting. ---- */

static void close_by_peer(struct connection *connection)
{
    connection_give_up(connection,
                       connection->is_open ? CONNECTION_END_PEER : CONNECTION_END_HANDSHAKE,
                       transport_why(&connection->transport));
}

bool connection_has_unsent(const struct connection *connection)
{
    return buffer_size(&connection->unsent) > 0 || transport_has_unsent(&connection->transport);
}

/* A peer that reads a little now and then makes none. With nothing to read, its
 * time has not begun. */
static void note_progress(struct connection *connection)
{
    if (connection_has_unsent(connection) &&
        connection->transport.sent - connection->sent < CONNECTION_PROGRESS_BYTES_MIN)
        return;
    connection->progress_ms = loop_mono_ms();
    connection->sent = connection->transport.sent;
}

static void await_room(struct connection *connection)
{
    if (!transport_needs_input(&connection->transport)) /* then on_readable() goes on */
        event_add(connection->writable, NULL);
}

/* True if the transport keeps nothing back. */
static bool is_sent(struct connection *connection)
{
    enum transport_outcome outcome = transport_flush(&connection->transport);

    if (outcome != TRANSPORT_DONE)
        note_progress(connection);
    if (outcome == TRANSPORT_CLOSED)
        close_by_peer(connection);
    else if (outcome == TRANSPORT_BLOCKED)
        event_add(connection->writable, NULL);
    return outcome == TRANSPORT_DONE;
}

/* ---- Output. ---- */

static void keep_unsent(struct connection *connection, struct bytes rest)
{
    if (!buffer_append(&connection->unsent, rest))
        connection_give_up(connection, CONNECTION_END_MEMORY, "out of memory");
    else
        await_room(connection);
}

/* Writes, keeps what the socket does not take. True if it took all. */
static bool write_bytes(struct connection *connection, struct bytes bytes)
{
    while (bytes.size > 0) {
        size_t size;
        enum transport_outcome outcome = transport_write(&connection->transport, bytes, &size);
        if (outcome == TRANSPORT_CLOSED) {
            close_by_peer(connection);
            return false;
        }
        if (outcome == TRANSPORT_BLOCKED) {
            keep_unsent(connection, bytes);
            return false;
        }
        bytes = bytes_of(bytes.data + size, bytes.size - size);
    }
    return is_sent(connection);
}

static bool write_unsent(struct connection *connection)
{
    struct buffer *unsent = &connection->unsent;

    while (buffer_size(unsent) > 0) {
        size_t size;
        enum transport_outcome outcome =
            transport_write(&connection->transport, buffer_bytes(unsent), &size);
        if (outcome == TRANSPORT_CLOSED)
            close_by_peer(connection);
        else if (outcome == TRANSPORT_BLOCKED)
            await_room(connection);
        if (outcome != TRANSPORT_DONE)
            return false;
        note_progress(connection);
        buffer_take(unsent, size);
    }
    buffer_clear(unsent, 0);
    return is_sent(connection);
}

/* False once the session has no more to say for now. */
static bool gather(struct connection *connection, struct buffer *out)
{
    while (buffer_size(out) < CONNECTION_GATHER_BYTES) {
        struct bytes block = h2_session_output(connection->session);
        if (block.size == 0)
            return false;
        if (!buffer_append(out, block)) {
            connection_give_up(connection, CONNECTION_END_MEMORY, "out of memory");
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
    connection_finish(connection);
    connection->lingering = true;
    transport_shut_down(&connection->transport);
}

static void write_output(struct connection *connection)
{
    struct buffer *out = &connection->options.scratch->out;
    bool more = true;

    note_progress(connection);
    h2_session_shed(connection->session);
    if (!connection->is_open || !write_unsent(connection))
        return;
    while (more && connection->reason == NULL) {
        buffer_clear(out, 2 * CONNECTION_GATHER_BYTES);
        more = gather(connection, out);
        if (!write_bytes(connection, buffer_bytes(out)))
            return;
    }
    if (connection->reason == NULL &&
        (connection->finished || h2_session_is_done(connection->session)))
        linger(connection);
}

/* What the transport has in hand already makes no socket readable. */
static void read_again(struct connection *connection)
{
    if (transport_has_input(&connection->transport))
        event_active(connection->readable, EV_READ, 0);
}

/* A server that cannot write must not go on reading what makes it write more.
 * A client always reads, so that two that wait for each other get on. */
static void choose_reading(struct connection *connection)
{
    bool blocked = connection_has_unsent(connection) && connection->options.h2.role == H2_SERVER &&
                   h2_session_backlog(connection->session) > CONNECTION_BACKLOG_MAX;

    if (blocked == !connection->is_reading)
        return;
    connection->is_reading = !blocked;
    if (blocked) {
        event_del(connection->readable);
        return;
    }
    event_add(connection->readable, NULL);
    read_again(connection);
}

/* ---- The handshake. ---- */

/* An alert may be on its way to the peer: let it arrive. */
static void fail_handshake(struct connection *connection)
{
    if (connection->options.h2.role == H2_SERVER)
        linger(connection);
    else
        close_by_peer(connection);
}

/* A step of it. False: not over yet, or failed. */
static bool shake_hands(struct connection *connection)
{
    enum transport_outcome outcome;

    if (connection->is_open || connection->finished)
        return true;
    outcome = transport_handshake(&connection->transport);
    if (outcome == TRANSPORT_CLOSED)
        fail_handshake(connection);
    else
        is_sent(connection);
    if (outcome != TRANSPORT_DONE)
        return false;
    connection->is_open = true;
    connection_post_flush(connection);
    read_again(connection);
    if (connection->options.owner->ops->on_open != NULL)
        connection->options.owner->ops->on_open(connection->options.owner);
    return true;
}

void connection_flush(struct connection *connection)
{
    connection_enter(connection);
    if (connection->session != NULL && connection->reason == NULL && !connection->closing &&
        shake_hands(connection)) {
        write_output(connection);
        choose_reading(connection);
    }
    connection_leave(connection);
}

static void flush(struct loop_task *task)
{
    struct connection *connection = container_of(task, struct connection, flush);

    connection->flush_is_posted = false;
    connection_flush(connection);
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
    connection_flush(context);
}

/* ---- Input. ---- */

static void note_up(struct connection *connection)
{
    struct connection_owner *owner = connection->options.owner;

    if (connection->was_up || connection->closing || !h2_session_is_up(connection->session))
        return;
    connection->was_up = true;
    if (owner->ops->on_up != NULL)
        owner->ops->on_up(owner);
}

/* The peer may still be sending when it is told to stop, but not for ever. */
static void drop_input(struct connection *connection, size_t size)
{
    connection->dropped += size;
    if (connection->dropped > CONNECTION_LINGER_BYTES_MAX)
        connection_give_up(connection, CONNECTION_END_DONE, "the connection has ended");
}

static void read_input(struct connection *connection)
{
    struct connection_scratch *scratch = connection->options.scratch;

    for (unsigned i = 0; i < CONNECTION_READS_PER_TURN; i++) {
        size_t size;
        enum transport_outcome outcome =
            transport_read(&connection->transport, scratch->in, sizeof scratch->in, &size);
        if (outcome == TRANSPORT_CLOSED)
            close_by_peer(connection);
        if (outcome != TRANSPORT_DONE)
            return;
        if (connection->finished) {
            drop_input(connection, size);
            continue;
        }
        if (!h2_session_receive(connection->session, bytes_of(scratch->in, size))) {
            connection_finish(connection);
            connection_post_flush(connection);
            return;
        }
        note_up(connection);
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
    if (shake_hands(connection)) {
        read_input(connection);
        is_sent(connection); /* what reading made the transport say */
        if (transport_needs_input(&connection->transport))
            connection_post_flush(connection); /* it may have come */
        read_again(connection);
    }
    connection_leave(connection);
}

bool connection_start_io(struct connection *connection)
{
    struct event_base *base = loop_event_base(connection->options.loop);

    connection->flush.run = flush;
    connection->is_reading = true;
    connection->readable =
        event_new(base, connection->transport.fd, EV_READ | EV_PERSIST, on_readable, connection);
    connection->writable =
        event_new(base, connection->transport.fd, EV_WRITE, on_writable, connection);
    return connection->readable != NULL && connection->writable != NULL &&
           event_add(connection->readable, NULL) == 0;
}

void connection_stop_io(struct connection *connection)
{
    if (connection->readable != NULL)
        event_free(connection->readable);
    if (connection->writable != NULL)
        event_free(connection->writable);
}
