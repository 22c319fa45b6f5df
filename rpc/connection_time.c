#include "rpc/connection_state.h"

/* What must happen on a connection in time: looked at by a clock that ticks
 * several times in the shortest of its time-outs. */

enum {
    LINGER_MS = 1000, /* for the peer to read our last words */
    TICK_MS_MIN = 10,
    TICK_MS_MAX = 2000,
};

static int64_t pong_ms(const struct connection_limits *limits)
{
    return limits->keepalive_timeout_ms > 0 ? limits->keepalive_timeout_ms : limits->handshake_ms;
}

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
        if (connection->options.h2.role == H2_SERVER || limits->keepalive_without_calls ||
            h2_session_stream_count(connection->session) > 0) {
            connection->pinged_ms = now_ms;
            h2_session_ping(connection->session);
        }
    } else if (now_ms - connection->pinged_ms > pong_ms(limits)) {
        connection_give_up(connection, "the peer does not answer");
    }
}

static void look_after(struct connection *connection)
{
    const struct connection_limits *limits = &connection->options.limits;
    int64_t now_ms = loop_mono_ms();

    if (!h2_session_is_up(connection->session) && !connection->lingering &&
        now_ms - connection->opened_ms > limits->handshake_ms) {
        connection_give_up(connection, "the peer did not begin to speak HTTP/2 in time");
        return;
    }
    if (connection_has_unsent(connection) && now_ms - connection->progress_ms > limits->stall_ms) {
        connection_give_up(connection, "the peer does not read");
        return;
    }
    if (now_ms - limits->stall_ms > transport_stuck_since_ms(&connection->transport)) {
        connection_give_up(connection, "the peer stopped in the middle of a record");
        return;
    }
    if (connection->lingering) {
        if (now_ms - connection->lingering_ms > LINGER_MS)
            connection_give_up(connection, connection->is_open
                                               ? "the connection has ended"
                                               : transport_why(&connection->transport));
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
    connection_enter(connection);
    look_after(connection);
    connection_leave(connection);
}

static int64_t choose_tick_ms(const struct connection_limits *limits)
{
    int64_t tick_ms = limits->handshake_ms;

    if (limits->stall_ms < tick_ms)
        tick_ms = limits->stall_ms;
    if (limits->keepalive_ms < tick_ms)
        tick_ms = limits->keepalive_ms;
    if (pong_ms(limits) < tick_ms)
        tick_ms = pong_ms(limits);
    tick_ms /= 4;
    if (tick_ms < TICK_MS_MIN)
        return TICK_MS_MIN;
    return tick_ms < TICK_MS_MAX ? tick_ms : TICK_MS_MAX;
}

void connection_start_clock(struct connection *connection)
{
    connection->opened_ms = connection->alive_ms = connection->progress_ms = loop_mono_ms();
    connection->tick.fire = on_tick;
    connection->tick_ms = choose_tick_ms(&connection->options.limits);
    loop_timer_start(connection->options.loop, &connection->tick, connection->tick_ms);
}
