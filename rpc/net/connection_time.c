#include "rpc/net/connection_state.h"

/* What must happen on a connection in time: looked at by a clock that ticks
 * several times in the shortest of its time-outs. */

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
        connection_give_up(connection, CONNECTION_END_SILENT, "the peer does not answer");
    }
}

/* Says GOAWAY, so that no call is lost; a peer that goes on regardless is closed
 * after the grace. */
static void retire(struct connection *connection, enum connection_end end, int64_t now_ms)
{
    connection->retiring = end;
    connection->retired_ms = now_ms;
    connection_drain(connection);
}

static void grow_old(struct connection *connection, int64_t now_ms)
{
    const struct connection_limits *limits = &connection->options.limits;

    if (!connection_is_idle(connection))
        connection->busy_ms = now_ms;
    if (connection->retiring != CONNECTION_END_DONE) {
        if (now_ms - connection->retired_ms > limits->age_grace_ms)
            connection_give_up(connection, connection->retiring, "its time was over");
    } else if (limits->age_ms > 0 && now_ms - connection->opened_ms >= limits->age_ms) {
        retire(connection, CONNECTION_END_AGE, now_ms);
    } else if (limits->idle_ms > 0 && now_ms - connection->busy_ms >= limits->idle_ms) {
        retire(connection, CONNECTION_END_IDLE, now_ms);
    }
}

/* Nobody may hold up what is to end. */
static void look_after_end(struct connection *connection, int64_t now_ms)
{
    if (now_ms - connection->finished_ms <= CONNECTION_LINGER_MS)
        return;
    if (connection->is_open)
        connection_give_up(connection, CONNECTION_END_DONE, "the connection has ended");
    else
        connection_give_up(connection, CONNECTION_END_HANDSHAKE,
                           transport_why(&connection->transport));
}

static bool is_late(struct connection *connection, int64_t now_ms)
{
    const struct connection_limits *limits = &connection->options.limits;

    if (!h2_session_is_up(connection->session) &&
        now_ms - connection->opened_ms > limits->handshake_ms)
        connection_give_up(connection, CONNECTION_END_HANDSHAKE,
                           "the peer did not begin to speak HTTP/2 in time");
    else if (connection_has_unsent(connection) &&
             now_ms - connection->progress_ms > limits->patience.write_ms)
        connection_give_up(connection, CONNECTION_END_UNREAD, "the peer does not read");
    else if (now_ms - limits->patience.body_ms > transport_stuck_since_ms(&connection->transport))
        connection_give_up(connection, CONNECTION_END_LATE,
                           "the peer stopped in the middle of a record");
    return connection->reason != NULL;
}

static void look_after(struct connection *connection)
{
    int64_t now_ms = loop_mono_ms();

    if (connection->finished) {
        look_after_end(connection, now_ms);
        return;
    }
    if (is_late(connection, now_ms))
        return;
    h2_session_sweep(connection->session, connection->tick_ms,
                     &connection->options.limits.patience);
    if (!h2_session_is_up(connection->session))
        return;
    keep_alive(connection, now_ms);
    if (connection->options.h2.role == H2_SERVER)
        grow_old(connection, now_ms);
}

static void on_tick(struct loop_timer *timer)
{
    struct connection *connection = container_of(timer, struct connection, tick);

    loop_timer_start(connection->options.loop, &connection->tick, connection->tick_ms);
    connection_enter(connection);
    look_after(connection);
    connection_leave(connection);
}

static void take_smaller(int64_t *tick_ms, int64_t limit_ms)
{
    if (limit_ms > 0 && limit_ms < *tick_ms)
        *tick_ms = limit_ms;
}

static int64_t choose_tick_ms(const struct connection_limits *limits)
{
    int64_t tick_ms = limits->handshake_ms;

    take_smaller(&tick_ms, limits->patience.headers_ms);
    take_smaller(&tick_ms, limits->patience.body_ms);
    take_smaller(&tick_ms, limits->patience.write_ms);
    take_smaller(&tick_ms, limits->keepalive_ms);
    take_smaller(&tick_ms, pong_ms(limits));
    take_smaller(&tick_ms, limits->idle_ms);
    take_smaller(&tick_ms, limits->age_ms);
    tick_ms /= 4;
    if (tick_ms < CONNECTION_TICK_MS_MIN)
        return CONNECTION_TICK_MS_MIN;
    return tick_ms < CONNECTION_TICK_MS_MAX ? tick_ms : CONNECTION_TICK_MS_MAX;
}

void connection_start_clock(struct connection *connection)
{
    const int64_t now_ms = loop_mono_ms();

    connection->opened_ms = connection->alive_ms = now_ms;
    connection->progress_ms = connection->busy_ms = now_ms;
    connection->tick.fire = on_tick;
    connection->tick_ms = choose_tick_ms(&connection->options.limits);
    loop_timer_start(connection->options.loop, &connection->tick, connection->tick_ms);
}
