#include "rpc/net/connection_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* A connection's beginning and its end. */

/* ---- Its end. ---- */

static void tear_down(struct connection *connection)
{
    struct h2_session *session = connection->session;

    if (session == NULL)
        return;
    connection->session = NULL;
    connection->was_up = h2_session_is_up(session);
    connection->session_end = h2_session_end(session);
    loop_timer_stop(connection->options.loop, &connection->tick);
    connection_stop_io(connection);
    h2_session_free(session);
    if (!connection->closing)
        connection->options.owner->ops->on_closed(connection->options.owner, connection->reason);
    transport_close(&connection->transport);
    buffer_clear(&connection->unsent, 0);
}

static void free_connection(struct connection *connection)
{
    connection_scratch_free(connection->options.scratch);
    free(connection);
}

void connection_enter(struct connection *connection)
{
    connection->entered++;
}

/* The owner is told of what has changed meanwhile. */
static void tell_owner(struct connection *connection)
{
    struct connection_owner *owner = connection->options.owner;
    bool is_busy = !connection_is_idle(connection);
    size_t held = h2_session_held(connection->session);

    if (is_busy != connection->is_busy && owner->ops->on_idle != NULL)
        owner->ops->on_idle(owner, !is_busy);
    connection->is_busy = is_busy;
    if (held == connection->held || owner->ops->on_held == NULL)
        return;
    connection->held = held;
    owner->ops->on_held(owner, held);
}

void connection_leave(struct connection *connection)
{
    if (connection->entered > 1) {
        connection->entered--;
        return;
    }
    if (connection->session != NULL && !connection->closing && connection->reason == NULL)
        tell_owner(connection);
    if (connection->closing || connection->reason != NULL)
        tear_down(connection);
    connection->entered--;
    if (connection->session == NULL && !connection->flush_is_posted)
        free_connection(connection);
}

void connection_give_up(struct connection *connection, enum connection_end end, const char *reason)
{
    if (connection->reason != NULL)
        return;
    connection->reason = reason;
    connection->end = end;
}

/* What its session died of counts more than how the socket was closed after it. */
enum connection_end connection_end_of(const struct connection *connection)
{
    static const enum connection_end of_session[] = {
        [H2_END_PROTOCOL] = CONNECTION_END_PROTOCOL,
        [H2_END_FLOOD] = CONNECTION_END_FLOOD,
        [H2_END_PINGS] = CONNECTION_END_PINGS,
        [H2_END_HEADERS] = CONNECTION_END_LATE,
    };

    if (connection->session_end != H2_END_NONE)
        return of_session[connection->session_end];
    if (connection->end == CONNECTION_END_PEER || connection->end == CONNECTION_END_DONE)
        return connection->retiring != CONNECTION_END_DONE ? connection->retiring : connection->end;
    return connection->end;
}

void connection_finish(struct connection *connection)
{
    if (connection->finished)
        return;
    connection->finished = true;
    connection->finished_ms = loop_mono_ms();
}

void connection_dismiss(struct connection *connection, enum connection_end end)
{
    if (connection->session == NULL)
        return;
    connection_enter(connection);
    h2_session_stop(connection->session);
    connection_flush(connection);
    connection_give_up(connection, end, "the server needs its place for others");
    connection_leave(connection);
}

void connection_close(struct connection *connection)
{
    connection_enter(connection);
    connection->closing = true;
    connection_leave(connection);
}

/* ---- The session's owner. ---- */

static struct stream_user *accept_stream(struct h2_owner *owner, struct stream *stream)
{
    struct connection *connection = container_of(owner, struct connection, h2_owner);

    if (connection->closing)
        return NULL;
    return connection->options.owner->ops->accept(connection->options.owner, stream);
}

static void on_output(struct h2_owner *owner)
{
    connection_post_flush(container_of(owner, struct connection, h2_owner));
}

static void on_going(struct h2_owner *owner)
{
    struct connection *connection = container_of(owner, struct connection, h2_owner);

    if (!connection->closing && connection->options.owner->ops->on_going != NULL)
        connection->options.owner->ops->on_going(connection->options.owner);
}

static const struct h2_owner_ops h2_ops = { accept_stream, on_output, on_going };

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

static void discard(struct connection *connection)
{
    connection_stop_io(connection);
    h2_session_free(connection->session);
    transport_close(&connection->transport);
    free_connection(connection);
}

struct connection *connection_open(int fd, const struct connection_options *options)
{
    struct connection *connection = calloc(1, sizeof *connection);
    const int on = 1;

    if (connection == NULL ||
        !transport_open(&connection->transport, fd, options->tls, TRANSPORT_HTTP2)) {
        free(connection);
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->is_open = options->tls == NULL;
    connection->retiring = CONNECTION_END_DONE;
    connection->options = *options;
    connection->options.scratch->holds++;
    connection->h2_owner.ops = &h2_ops;
    connection->session = h2_session_new(&options->h2, &connection->h2_owner);
    if (connection->session == NULL || !connection_start_io(connection)) {
        discard(connection);
        return NULL;
    }
    connection_start_clock(connection);
    connection_post_flush(connection);
    return connection;
}

bool connection_request(struct connection *connection, struct stream_user *user)
{
    return connection->session != NULL && connection->reason == NULL &&
           h2_session_request(connection->session, user);
}

bool connection_is_open(const struct connection *connection)
{
    return connection->is_open;
}

const char *connection_peer_name(const struct connection *connection)
{
    return transport_peer_name(&connection->transport);
}

bool connection_is_up(const struct connection *connection)
{
    return connection->session != NULL ? h2_session_is_up(connection->session) : connection->was_up;
}

bool connection_is_idle(const struct connection *connection)
{
    return connection->session != NULL && h2_session_stream_count(connection->session) == 0;
}

bool connection_is_told_to_calm(const struct connection *connection)
{
    return connection->session != NULL && h2_session_is_told_to_calm(connection->session);
}

void connection_drain(struct connection *connection)
{
    if (connection->session != NULL)
        h2_session_drain(connection->session);
}
