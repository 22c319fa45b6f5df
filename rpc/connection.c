#include "rpc/connection.h"

#include "rpc/buffer.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* transport_read() and transport_write() are all that knows how bytes get from
 * and to the peer. */

enum {
    READ_BYTES = 64 << 10,
    READS_PER_TURN = 4,       /* then others have their turn */
    GATHER_BYTES = 256 << 10, /* into one write */
    BACKLOG_MAX = 2000,       /* frames behind a blocked socket: stop reading */
    LINGER_MS = 1000,         /* for the peer to read our last words */
    TICK_MS_MIN = 10,
    TICK_MS_MAX = 2000,
};

struct connection_scratch {
    size_t holds; /* its owner's, and one for each connection */
    uint8_t in[READ_BYTES];
    struct buffer out;
};

struct connection {
    struct h2_owner h2_owner;
    struct connection_options options;
    struct h2_session *session; /* NULL: torn down */
    int fd;
    struct event *readable, *writable;
    bool is_reading;
    struct buffer unsent; /* what the socket did not take */
    struct loop_task flush;
    bool flush_is_posted;
    unsigned entered; /* depth of what runs on it: it is not freed meanwhile */
    bool finished;    /* close once all is written */
    bool lingering;   /* all is written; what still comes is dropped */
    int64_t lingering_ms;
    bool closing; /* by its owner, from inside */
    bool was_up;  /* before it was torn down */
    const char *reason;

    struct loop_timer tick;
    uint64_t frame_count; /* at the last tick */
    int64_t tick_ms, opened_ms, alive_ms, progress_ms, pinged_ms;
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

/* ---- Its end. ---- */

static void tear_down(struct connection *connection)
{
    struct h2_session *session = connection->session;

    if (session == NULL)
        return;
    connection->session = NULL;
    connection->was_up = h2_session_is_up(session);
    loop_timer_stop(connection->options.loop, &connection->tick);
    if (connection->readable != NULL)
        event_free(connection->readable);
    if (connection->writable != NULL)
        event_free(connection->writable);
    close(connection->fd);
    h2_session_free(session);
    if (!connection->closing)
        connection->options.owner->ops->on_closed(connection->options.owner, connection->reason);
    buffer_clear(&connection->unsent, 0);
}

static void free_connection(struct connection *connection)
{
    connection_scratch_free(connection->options.scratch);
    free(connection);
}

static void enter(struct connection *connection)
{
    connection->entered++;
}

static void leave(struct connection *connection)
{
    if (connection->entered > 1) {
        connection->entered--;
        return;
    }
    if (connection->closing || connection->reason != NULL)
        tear_down(connection);
    connection->entered--;
    if (connection->session == NULL && !connection->flush_is_posted)
        free_connection(connection);
}

/* It is torn down by the outermost leave(). */
static void give_up(struct connection *connection, const char *reason)
{
    if (connection->reason == NULL)
        connection->reason = reason;
}

void connection_close(struct connection *connection)
{
    enter(connection);
    connection->closing = true;
    leave(connection);
}

/* ---- Output. ---- */

static void keep_unsent(struct connection *connection, struct bytes rest)
{
    if (!buffer_append(&connection->unsent, rest))
        give_up(connection, "out of memory");
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
            give_up(connection, "the peer closed the connection");
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
            give_up(connection, "the peer closed the connection");
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
            give_up(connection, "out of memory");
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
    enter(connection);
    if (connection->session != NULL && connection->reason == NULL && !connection->closing) {
        write_output(connection);
        choose_reading(connection);
    }
    leave(connection);
}

static void flush(struct loop_task *task)
{
    struct connection *connection = container_of(task, struct connection, flush);

    connection->flush_is_posted = false;
    flush_now(connection);
}

static void on_output(struct h2_owner *owner)
{
    struct connection *connection = container_of(owner, struct connection, h2_owner);

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
            give_up(connection, "the peer closed the connection");
        if (outcome != TRANSPORT_DONE)
            return;
        if (connection->finished)
            continue;
        if (!h2_session_receive(connection->session, bytes_of(scratch->in, size))) {
            connection->finished = true;
            on_output(&connection->h2_owner);
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
    enter(connection);
    read_input(connection);
    leave(connection);
}

static struct stream_user *accept_stream(struct h2_owner *owner, struct stream *stream)
{
    struct connection *connection = container_of(owner, struct connection, h2_owner);

    if (connection->closing)
        return NULL;
    return connection->options.owner->ops->accept(connection->options.owner, stream);
}

static void on_going(struct h2_owner *owner)
{
    struct connection *connection = container_of(owner, struct connection, h2_owner);

    if (!connection->closing && connection->options.owner->ops->on_going != NULL)
        connection->options.owner->ops->on_going(connection->options.owner);
}

static const struct h2_owner_ops h2_ops = { accept_stream, on_output, on_going };

/* ---- Time. ---- */

static void keep_alive(struct connection *connection, int64_t now_ms)
{
    const struct connection_limits *limits = &connection->options.limits;
    uint64_t frame_count = h2_session_frame_count(connection->session);

    if (frame_count != connection->frame_count)
        connection->alive_ms = now_ms;
    connection->frame_count = frame_count;
    if (now_ms - connection->alive_ms < limits->keepalive_ms) {
        connection->pinged_ms = 0;
        return;
    }
    if (connection->pinged_ms == 0) {
        /* A client without calls lets the server decide how long it stays. */
        if (connection->options.h2.role == H2_SERVER ||
            h2_session_stream_count(connection->session) > 0) {
            connection->pinged_ms = now_ms;
            h2_session_ping(connection->session);
        }
    } else if (now_ms - connection->pinged_ms > limits->handshake_ms) {
        give_up(connection, "the peer does not answer");
    }
}

static void look_after(struct connection *connection)
{
    const struct connection_limits *limits = &connection->options.limits;
    int64_t now_ms = loop_mono_ms();

    if (!h2_session_is_up(connection->session) &&
        now_ms - connection->opened_ms > limits->handshake_ms) {
        give_up(connection, "the peer did not begin to speak HTTP/2 in time");
        return;
    }
    if (buffer_size(&connection->unsent) > 0 &&
        now_ms - connection->progress_ms > limits->stall_ms) {
        give_up(connection, "the peer does not read");
        return;
    }
    if (connection->lingering) {
        if (now_ms - connection->lingering_ms > LINGER_MS)
            give_up(connection, "the connection has ended");
        return;
    }
    h2_session_sweep(connection->session, connection->tick_ms, limits->stall_ms);
    if (h2_session_is_up(connection->session))
        keep_alive(connection, now_ms);
}

static void on_tick(struct loop_timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, tick);

    loop_timer_start(connection->options.loop, &connection->tick, connection->tick_ms);
    enter(connection);
    look_after(connection);
    leave(connection);
}

static int64_t choose_tick_ms(const struct connection_limits *limits)
{
    int64_t tick_ms = limits->handshake_ms;

    if (limits->stall_ms < tick_ms)
        tick_ms = limits->stall_ms;
    if (limits->keepalive_ms < tick_ms)
        tick_ms = limits->keepalive_ms;
    tick_ms /= 4;
    if (tick_ms < TICK_MS_MIN)
        return TICK_MS_MIN;
    return tick_ms < TICK_MS_MAX ? tick_ms : TICK_MS_MAX;
}

/* ---- Its beginning. ---- */

struct connection_scratch *connection_scratch_new(void)
{
    struct connection_scratch *scratch = calloc(1, sizeof *scratch);

    if (scratch != NULL)
        scratch->holds = 1;
    return scratch;
}

void connection_scratch_free(struct connection_scratch *scratch)
{
    if (scratch == NULL || --scratch->holds > 0)
        return;
    buffer_clear(&scratch->out, 0);
    free(scratch);
}

static bool open_parts(struct connection *connection)
{
    struct event_base *base = loop_event_base(connection->options.loop);

    connection->readable =
        event_new(base, connection->fd, EV_READ | EV_PERSIST, on_readable, connection);
    connection->writable = event_new(base, connection->fd, EV_WRITE, on_writable, connection);
    connection->session = h2_session_new(&connection->options.h2, &connection->h2_owner);
    return connection->readable != NULL && connection->writable != NULL &&
           connection->session != NULL && event_add(connection->readable, NULL) == 0;
}

static void discard(struct connection *connection)
{
    h2_session_free(connection->session);
    if (connection->readable != NULL)
        event_free(connection->readable);
    if (connection->writable != NULL)
        event_free(connection->writable);
    close(connection->fd);
    free_connection(connection);
}

struct connection *connection_open(int fd, const struct connection_options *options)
{
    struct connection *connection = calloc(1, sizeof *connection);
    const int on = 1;

    if (connection == NULL) {
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->fd = fd;
    connection->options = *options;
    connection->options.scratch->holds++;
    connection->h2_owner.ops = &h2_ops;
    connection->is_reading = true;
    connection->flush.run = flush;
    connection->tick.fire = on_tick;
    if (!open_parts(connection)) {
        discard(connection);
        return NULL;
    }
    connection->opened_ms = connection->alive_ms = connection->progress_ms = loop_mono_ms();
    connection->tick_ms = choose_tick_ms(&options->limits);
    loop_timer_start(options->loop, &connection->tick, connection->tick_ms);
    on_output(&connection->h2_owner);
    return connection;
}

bool connection_request(struct connection *connection, struct stream_user *user)
{
    return connection->session != NULL && connection->reason == NULL &&
           h2_session_request(connection->session, user);
}

bool connection_is_up(const struct connection *connection)
{
    return connection->session != NULL ? h2_session_is_up(connection->session) : connection->was_up;
}

void connection_drain(struct connection *connection)
{
    if (connection->session != NULL)
        h2_session_drain(connection->session);
}
