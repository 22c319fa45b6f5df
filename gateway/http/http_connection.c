#include "gateway/http/http_connection_state.h"

#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/list.h"
#include "gateway/http/http_request.h"

/* A connection reads one request at a time, hands it over, and reads the next
 * when the answer is written. What went wrong with a request ends the
 * connection, but politely: the rest of what the peer sends is read past for a
 * while, so that a reset does not overtake the answer.
 *
 * Whatever it waits for from its peer has a bound in time, and its place is the
 * next but so many to go (see rpc/places.h). */

void http_connection_disown_request(struct http_connection *connection)
{
    struct http_request *request = connection->request;

    connection->request = NULL;
    if (request == NULL)
        return;
    request->connection = NULL;
    if (connection->state != HANDLING && connection->state != STREAMING)
        http_request_free(request);
    else if (request->on_gone != NULL)
        request->on_gone(request);
}

static void free_connection(struct http_connection *connection)
{
    struct http_connections *all = connection->all;

    stop_deadline(connection);
    loop_timer_stop(all->loop, &connection->unread);
    loop_timer_stop(all->loop, &connection->turn);
    list_remove(&connection->link);
    place_give_back(&all->places, &connection->place);
    holding_set(&all->holdings, &connection->holding, 0);
    all->counts.open--;
    all->counts.ended[connection->end]++;
    http_connection_disown_request(connection);
    evbuffer_free(connection->body);
    http_wire_close(&connection->wire);
    free(connection);
}

void http_connection_close(struct http_connection *connection)
{
    holding_set(&connection->all->holdings, &connection->holding, 0);
    connection->dead = true;
    if (!connection->running)
        free_connection(connection);
}

void http_connection_end(struct http_connection *connection, enum http_end why)
{
    connection->end = why;
    http_connection_close(connection);
}

void http_connection_count_holding(struct http_connection *connection)
{
    holding_set(&connection->all->holdings, &connection->holding,
                evbuffer_get_length(connection->body) + evbuffer_get_length(output_of(connection)));
}

bool http_connection_make_room(struct http_connection *connection)
{
    struct holdings *holdings = &connection->all->holdings;
    struct holding *victim;

    http_connection_count_holding(connection);
    while ((victim = holdings_victim(holdings, &connection->holding)) != NULL)
        http_connection_end(container_of(victim, struct http_connection, holding), HTTP_END_MEMORY);
    return !holdings_are_full(holdings);
}

/* Everything is written: nothing more will be, the peer may finish. */
static void half_close(struct http_connection *connection)
{
    if (connection->peer_done) {
        http_connection_close(connection);
        return;
    }
    http_wire_shut_down(&connection->wire);
    start_deadline(connection, HTTP_LINGER_MS);
}

void http_connection_drop_input(struct http_connection *connection)
{
    struct evbuffer *input = input_of(connection);

    connection->lingered += evbuffer_get_length(input);
    evbuffer_drain(input, evbuffer_get_length(input));
}

void http_connection_linger(struct http_connection *connection)
{
    stop_deadline(connection); /* what is unsent has the write timeout */
    connection->state = LINGERING;
    place_linger(&connection->all->places, &connection->place);
    http_connection_drop_input(connection);
    if (evbuffer_get_length(output_of(connection)) == 0)
        half_close(connection);
}

void http_connection_tell_of_stop(struct http_connection *connection)
{
    struct http_request *request = connection->request;

    if (request != NULL && request->on_stop != NULL)
        request->on_stop(request);
}

void http_connection_run(struct http_connection *connection)
{
    if (connection->running)
        return;
    connection->running = true;
    while (!connection->dead && http_connection_step(connection))
        ;
    connection->running = false;
    if (connection->dead)
        free_connection(connection);
}

static struct http_connection *connection_of(struct http_wire *wire)
{
    return container_of(wire, struct http_connection, wire);
}

static void on_input(struct http_wire *wire)
{
    http_connection_run(connection_of(wire));
}

static void on_sent(struct http_wire *wire)
{
    struct http_connection *connection = connection_of(wire);

    if (connection->state == LINGERING)
        half_close(connection);
    else if (connection->state != STREAMING)
        http_connection_run(connection);
    else if (connection->request->on_writable != NULL)
        connection->request->on_writable(connection->request);
}

/* Its alert may be on its way to the peer: let it arrive. */
static void end_without_tls(struct http_connection *connection)
{
    connection->last = true;
    connection->end = HTTP_END_HANDSHAKE;
    if (connection->state == LINGERING)
        half_close(connection);
    else
        http_connection_linger(connection);
}

static void on_end(struct http_wire *wire, enum http_wire_end end)
{
    struct http_connection *connection = connection_of(wire);

    if (end == HTTP_WIRE_NO_TLS) {
        end_without_tls(connection);
        return;
    }
    if (end == HTTP_WIRE_BROKEN || connection->state == STREAMING) {
        http_connection_close(connection);
        return;
    }
    connection->peer_done = true;
    if (connection->state == LINGERING && evbuffer_get_length(output_of(connection)) == 0)
        http_connection_close(connection);
    else
        http_connection_run(connection);
}

static const struct http_wire_ops wire_ops = { on_input, on_sent, on_end };

/* Of a request: it is late. Between requests, or after the last: goodbye. */
static void on_deadline(struct loop_timer *timer)
{
    struct http_connection *connection = container_of(timer, struct http_connection, deadline);
    bool late = connection->state == READING_BODY ||
                (connection->state == READING_HEAD && connection->begun);

    if (late)
        http_connection_refuse_head(
            connection, (struct http_flaw){ 408, "The request did not arrive in time" });
    else if (connection->state != READING_HEAD)
        http_connection_close(connection);
    else if (evbuffer_get_length(output_of(connection)) > 0)
        start_deadline(connection, limits_of(connection)->idle_ms); /* it still reads */
    else
        http_connection_end(connection, HTTP_END_IDLE);
}

static void on_turn(struct loop_timer *timer)
{
    struct http_connection *connection = container_of(timer, struct http_connection, turn);

    connection->turn_requests = 0;
    http_connection_run(connection);
}

/* Answers wait: has the peer read any of them since the last look? */
static void on_unread(struct loop_timer *timer)
{
    struct http_connection *connection = container_of(timer, struct http_connection, unread);
    const struct http_limits *limits = limits_of(connection);

    if ((int64_t)connection->read_by_peer < limits->write_ms * limits->bytes_per_s / 1000) {
        http_connection_end(connection, HTTP_END_UNREAD);
        return;
    }
    connection->read_by_peer = 0;
    loop_timer_start(connection->all->loop, timer, limits->write_ms);
}

/* Only counts: the buffer is in the middle of something. */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *change, void *context)
{
    struct http_connection *connection = context;
    struct loop *loop = connection->all->loop;

    connection->read_by_peer += change->n_deleted;
    http_connection_count_holding(connection);
    if (evbuffer_get_length(output) == 0) {
        loop_timer_stop(loop, &connection->unread);
    } else if (change->orig_size == 0) {
        connection->read_by_peer = 0;
        loop_timer_start(loop, &connection->unread, limits_of(connection)->write_ms);
    }
}

static bool open_wire(struct http_connection *connection, int fd)
{
    struct http_connections *all = connection->all;

    if (!http_wire_open(&connection->wire, &wire_ops, all->loop, fd, all->options.tls,
                        limits_of(connection)->head_bytes + HTTP_INPUT_BYTES_MAX)) {
        close(fd);
        return false;
    }
    if (evbuffer_add_cb(output_of(connection), on_output, connection) != NULL)
        return true;
    http_wire_close(&connection->wire);
    return false;
}

static struct http_connection *new_connection(struct http_connections *all, const char *peer)
{
    struct http_connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return NULL;
    connection->body = evbuffer_new();
    if (connection->body == NULL) {
        free(connection);
        return NULL;
    }
    connection->all = all;
    connection->deadline.fire = on_deadline;
    connection->unread.fire = on_unread;
    connection->turn.fire = on_turn;
    holding_init(&connection->holding);
    snprintf(connection->peer, sizeof connection->peer, "%s", peer);
    return connection;
}

/* Not whole yet: in no list and not counted. */
static void discard(struct http_connection *connection)
{
    evbuffer_free(connection->body);
    free(connection);
}

/* A peer that does not read must be noticed here, not hidden by the kernel's
 * buffers. */
static void set_socket_options(int fd)
{
    int on = 1, unsent = HTTP_UNSENT_BYTES;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

bool http_connection_open(struct http_connections *all, const struct http_arrival *arrival)
{
    struct http_connection *connection = new_connection(all, arrival->peer);

    if (connection == NULL) {
        close(arrival->fd);
        return false;
    }
    set_socket_options(arrival->fd);
    if (!open_wire(connection, arrival->fd)) {
        discard(connection);
        return false;
    }
    if (!place_take(&all->places, arrival->address, &connection->place)) {
        http_wire_close(&connection->wire);
        discard(connection);
        return false;
    }
    list_append(&all->open, &connection->link);
    all->counts.open++;
    all->counts.accepted++;
    http_connection_await_request(connection);
    if (arrival->welcome == WELCOME_TURN_AWAY)
        http_connection_refuse(connection, 503, "The service has too many connections");
    return true;
}

void http_connection_wind_up(struct http_connection *connection)
{
    bool idle = connection->state == READING_HEAD && !connection->begun;

    connection->last = true;
    connection->end = HTTP_END_STOP;
    if (idle)
        http_connection_linger(connection);
    else
        http_connection_tell_of_stop(connection);
}

struct http_connection *http_connection_of_link(struct link *link)
{
    return container_of(link, struct http_connection, link);
}

struct http_connection *http_connection_of_place(struct place *place)
{
    return container_of(place, struct http_connection, place);
}
