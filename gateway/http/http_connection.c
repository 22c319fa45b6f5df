#include "gateway/http/http_connection.h"

#include <assert.h>
#include <event2/buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/list.h"
#include "gateway/error_answer.h"
#include "gateway/http/http_answer_head.h"
#include "gateway/http/http_chunks.h"
#include "gateway/http/http_request.h"
#include "gateway/http/http_wire.h"

/* A connection reads one request at a time, hands it over, and reads the next
 * when the answer is written. What went wrong with a request ends the
 * connection, but politely: the rest of what the peer sends is read past for a
 * while, so that a reset does not overtake the answer.
 *
 * Whatever it waits for from its peer has a bound in time, and its place is the
 * next but so many to go (see rpc/places.h). */

enum state {
    READING_HEAD,
    READING_BODY,
    HANDLING,  /* the request is with the handler */
    STREAMING, /* and its answer has begun */
    LINGERING, /* the last answer is written or on its way; input is dropped */
};

struct http_connection {
    struct http_connections *all;
    struct link link;
    struct place place;
    struct holding holding; /* the body that is read and the answers unsent */
    struct http_wire wire;
    struct loop_timer deadline; /* of what the peer is to send */
    struct loop_timer unread;   /* of what it is to read */
    struct loop_timer turn;     /* the next one of the loop, when others had theirs */
    enum state state;
    enum http_end end; /* why it will end */
    unsigned served, turn_requests, empty_lines;
    int64_t body_begun_ms;
    size_t read_by_peer; /* since `unread` was started */
    bool begun;          /* some of the next head is here */
    bool last;           /* the answer under way is the last one */
    bool chunked;        /* so is the answer that has begun */
    bool peer_done;      /* it will send no more */
    bool running, dead;  /* inside run(); to be freed when it is left */
    size_t seen;         /* of the input, looked through for the head's end */
    size_t lingered;
    struct http_request *request;
    struct evbuffer *body;
    struct http_chunks chunks;
    char peer[64];
};

static void run(struct http_connection *connection);

static struct evbuffer *input_of(struct http_connection *connection)
{
    return connection->wire.input;
}

static struct evbuffer *output_of(struct http_connection *connection)
{
    return connection->wire.output;
}

static const struct http_limits *limits_of(const struct http_connection *connection)
{
    return &connection->all->options.limits;
}

static void start_deadline(struct http_connection *connection, int64_t delay_ms)
{
    loop_timer_start(connection->all->loop, &connection->deadline, delay_ms);
}

static void stop_deadline(struct http_connection *connection)
{
    loop_timer_stop(connection->all->loop, &connection->deadline);
}

/* The request stays with its handler; it only learns that nobody waits. */
static void disown_request(struct http_connection *connection)
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
    disown_request(connection);
    evbuffer_free(connection->body);
    http_wire_close(&connection->wire);
    free(connection);
}

static void close_connection(struct http_connection *connection)
{
    holding_set(&connection->all->holdings, &connection->holding, 0);
    connection->dead = true;
    if (!connection->running)
        free_connection(connection);
}

void http_connection_end(struct http_connection *connection, enum http_end why)
{
    connection->end = why;
    close_connection(connection);
}

static void count_holding(struct http_connection *connection)
{
    holding_set(&connection->all->holdings, &connection->holding,
                evbuffer_get_length(connection->body) + evbuffer_get_length(output_of(connection)));
}

/* False: there is no room for what this connection has just been given to keep,
 * and nobody else could make some. */
static bool make_room(struct http_connection *connection)
{
    struct holdings *holdings = &connection->all->holdings;
    struct holding *victim;

    count_holding(connection);
    while ((victim = holdings_victim(holdings, &connection->holding)) != NULL)
        http_connection_end(container_of(victim, struct http_connection, holding), HTTP_END_MEMORY);
    return !holdings_are_full(holdings);
}

/* Everything is written: nothing more will be, the peer may finish. */
static void half_close(struct http_connection *connection)
{
    if (connection->peer_done) {
        close_connection(connection);
        return;
    }
    http_wire_shut_down(&connection->wire);
    start_deadline(connection, HTTP_LINGER_MS);
}

static void drop_input(struct http_connection *connection)
{
    struct evbuffer *input = input_of(connection);

    connection->lingered += evbuffer_get_length(input);
    evbuffer_drain(input, evbuffer_get_length(input));
}

static void linger(struct http_connection *connection)
{
    stop_deadline(connection); /* what is unsent has the write timeout */
    connection->state = LINGERING;
    place_linger(&connection->all->places, &connection->place);
    drop_input(connection);
    if (evbuffer_get_length(output_of(connection)) == 0)
        half_close(connection);
}

static void write_head(struct http_connection *connection, const struct http_answer *answer,
                       enum http_framing framing, const char *request_id)
{
    char head[HTTP_ANSWER_HEAD_SIZE];
    size_t size = http_answer_head_write(answer, framing, request_id, connection->last, head);

    evbuffer_add(output_of(connection), head, size);
}

static void write_answer(struct http_connection *connection, const struct http_answer *answer,
                         const char *request_id, bool without_body)
{
    write_head(connection, answer, HTTP_FRAMED_BY_LENGTH, request_id);
    if (!without_body)
        evbuffer_add(output_of(connection), answer->body.data, answer->body.size);
    (void)make_room(connection); /* an answer is due in any case */
}

/* Answers a request that will not be read to its end, and reads no other. */
static void refuse(struct http_connection *connection, int status, const char *text)
{
    static const struct http_header retry = { "Retry-After", "1" };
    struct error_answer error = { .status = status, .message = text };
    struct json_writer writer = { .size_max = ANSWER_BYTES_MAX };
    struct http_answer answer = { .status = status };
    const char *id = connection->request != NULL ? connection->request->id : NULL;
    char new_id[HTTP_REQUEST_ID_SIZE];

    http_request_id_make(new_id);
    id = id != NULL ? id : new_id;
    error_answer_write(&writer, &error, id);
    answer.body = bytes_of(writer.text, writer.failed ? 0 : writer.size);
    answer.headers = &retry;
    answer.header_count = status == 503;
    connection->last = true;
    connection->end = status == 408 ? HTTP_END_LATE : HTTP_END_REFUSED;
    evbuffer_drain(connection->body, evbuffer_get_length(connection->body));
    write_answer(connection, &answer, id, false);
    json_writer_free(&writer);
    if (connection->request != NULL)
        disown_request(connection);
    linger(connection);
}

/* The first request is due at once: who connects has something to ask. */
static void await_request(struct http_connection *connection)
{
    const struct http_limits *limits = limits_of(connection);

    connection->state = READING_HEAD;
    connection->begun = false;
    connection->seen = 0;
    connection->empty_lines = 0;
    place_wait(&connection->all->places, &connection->place);
    start_deadline(connection, connection->served == 0 ? limits->head_ms : limits->idle_ms);
}

/* A request that does not reach the handler, which would count it. */
static bool refuse_head(struct http_connection *connection, struct http_flaw flaw)
{
    http_counts_flaw(&connection->all->counts, flaw.status);
    refuse(connection, flaw.status, flaw.text);
    return false;
}

/* A request may outlive its connection. */
static const char *name_of_peer(const struct http_connection *connection, struct arena *mem)
{
    const char *name = http_wire_peer_name(&connection->wire);

    return name != NULL ? arena_text(mem, name) : NULL;
}

/* Takes the head, which is `size` bytes, out of the input. */
static bool take_head(struct http_connection *connection, size_t size)
{
    struct evbuffer *input = input_of(connection);
    struct http_request *request = http_request_new(connection->all, connection->peer);
    struct http_flaw flaw = { 503, "Out of memory" };
    bool ok = false;

    connection->request = request;
    if (request != NULL) {
        request->connection = connection;
        request->certificate = name_of_peer(connection, request->mem);
        ok = http_request_read_head(
            request, bytes_of(evbuffer_pullup(input, (ev_ssize_t)size), size), &flaw);
    }
    evbuffer_drain(input, size);
    if (!ok)
        return refuse_head(connection, flaw);
    if (++connection->served == limits_of(connection)->requests_per_connection) {
        connection->last = true;
        connection->end = HTTP_END_SPENT;
    }
    if (!request->head.keep_alive)
        connection->last = true;
    return true;
}

static void begin_body(struct http_connection *connection)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct http_head *head = &connection->request->head;

    connection->state = READING_BODY;
    connection->chunks = (struct http_chunks){ .done = false };
    evbuffer_drain(connection->body, evbuffer_get_length(connection->body));
    connection->body_begun_ms = loop_mono_ms();
    start_deadline(connection, limits_of(connection)->body_ms);
    if (head->expects_continue && (head->chunked || head->content_length > 0) &&
        evbuffer_get_length(input_of(connection)) == 0)
        evbuffer_add(output_of(connection), go_on, sizeof go_on - 1);
}

/* A few empty lines before a request are skipped (RFC 9112, 2.2). */
static void skip_empty_lines(struct http_connection *connection)
{
    struct evbuffer *input = input_of(connection);
    char two[2];

    while (connection->empty_lines < HTTP_EMPTY_LINES_MAX && evbuffer_copyout(input, two, 2) == 2 &&
           memcmp(two, "\r\n", 2) == 0) {
        connection->empty_lines++;
        evbuffer_drain(input, 2);
    }
}

/* There is something, and no end of it: late, too large, or no request at all? */
static bool await_rest(struct http_connection *connection, struct bytes input)
{
    struct http_flaw flaw;

    if (!http_head_may_follow(input, &flaw))
        return refuse_head(connection, flaw);
    if (input.size > limits_of(connection)->head_bytes)
        return refuse_head(connection, http_head_too_large(input));
    if (!connection->begun) {
        connection->begun = true;
        start_deadline(connection, limits_of(connection)->head_ms);
    }
    return false;
}

/* Not until the peer has read more of its answers, or, in a row of requests,
 * until the next turn of the loop. */
static bool may_ask(struct http_connection *connection)
{
    return evbuffer_get_length(output_of(connection)) <= HTTP_OUTPUT_BYTES_MAX &&
           connection->turn_requests < HTTP_TURN_REQUESTS_MAX;
}

/* Each of these steps is true if it got on and another may follow. */
static bool read_head(struct http_connection *connection)
{
    size_t size_max = limits_of(connection)->head_bytes;
    struct evbuffer *input = input_of(connection);
    size_t length, size;
    struct bytes all;

    if (!may_ask(connection))
        return false;
    if (!connection->begun)
        skip_empty_lines(connection);
    length = evbuffer_get_length(input);
    all = bytes_of(evbuffer_pullup(input, -1), length);
    size = http_head_find_end(all, &connection->seen);
    if (size > size_max)
        return refuse_head(connection, http_head_too_large(bytes_of(all.data, size_max)));
    if (size > 0) {
        if (!take_head(connection, size))
            return false;
        begin_body(connection);
        return true;
    }
    if (connection->peer_done || (length == 0 && connection->last)) {
        linger(connection);
        return false;
    }
    return length > 0 ? await_rest(connection, all) : false;
}

static bool body_fits(struct http_connection *connection)
{
    static const struct http_flaw too_large = { 413, "The request body is larger than the limit" };

    return evbuffer_get_length(connection->body) + connection->chunks.left <=
               limits_of(connection)->body_bytes ||
           refuse_head(connection, too_large);
}

/* What has come of a body prolongs the time that the rest may take: by as much
 * as the slowest peer that is served would have taken for it. */
static bool keep_body(struct http_connection *connection)
{
    static const struct http_flaw no_room = { 503, "The service has too much to do" };
    const struct http_limits *limits = limits_of(connection);
    int64_t size = (int64_t)evbuffer_get_length(connection->body);

    start_deadline(connection, connection->body_begun_ms - loop_mono_ms() + limits->body_ms +
                                   size * 1000 / limits->bytes_per_s);
    return make_room(connection) || refuse_head(connection, no_room);
}

/* True when the whole body is there. */
static bool read_chunks(struct http_connection *connection)
{
    struct evbuffer *input = input_of(connection);
    struct http_flaw flaw;

    while (!connection->chunks.done && evbuffer_get_length(input) > 0) {
        struct bytes available = bytes_of(evbuffer_pullup(input, -1), evbuffer_get_length(input));
        struct bytes data;
        size_t used = http_chunks_read(&connection->chunks, available, &data, &flaw);

        if (used == 0)
            return refuse_head(connection, flaw);
        evbuffer_add(connection->body, data.data, data.size);
        evbuffer_drain(input, used);
        if (!body_fits(connection))
            return false;
    }
    return connection->chunks.done;
}

static bool read_plain_body(struct http_connection *connection)
{
    size_t left =
        (size_t)connection->request->head.content_length - evbuffer_get_length(connection->body);

    evbuffer_remove_buffer(input_of(connection), connection->body, left);
    return evbuffer_get_length(connection->body) == connection->request->head.content_length;
}

/* Its answer may be one without an end. */
static void tell_of_stop(struct http_connection *connection)
{
    struct http_request *request = connection->request;

    if (request != NULL && request->on_stop != NULL)
        request->on_stop(request);
}

static void hand_over(struct http_connection *connection)
{
    struct http_request *request = connection->request;
    size_t size = evbuffer_get_length(connection->body);
    uint8_t *body = arena_alloc(request->mem, size + 1);

    if (body == NULL) {
        refuse_head(connection, (struct http_flaw){ 503, "Out of memory" });
        return;
    }
    evbuffer_remove(connection->body, body, size);
    http_request_take_body(request, bytes_of(body, size));
    count_holding(connection);
    stop_deadline(connection);
    place_busy(&connection->place);
    if (connection->turn_requests++ == 0)
        loop_timer_start(connection->all->loop, &connection->turn, 0);
    connection->state = HANDLING;
    connection->all->options.handle(connection->all->options.context, request);
    if (connection->all->stopping)
        tell_of_stop(connection);
}

static bool read_body(struct http_connection *connection)
{
    bool whole =
        connection->request->head.chunked ? read_chunks(connection) : read_plain_body(connection);

    if (connection->state != READING_BODY || !keep_body(connection))
        return false;
    if (whole)
        hand_over(connection);
    else if (connection->peer_done)
        close_connection(connection);
    return whole;
}

static bool read_past(struct http_connection *connection)
{
    drop_input(connection);
    if (connection->lingered > HTTP_LINGER_BYTES_MAX)
        close_connection(connection);
    return false;
}

static bool step(struct http_connection *connection)
{
    switch (connection->state) {
    case READING_HEAD:
        return read_head(connection);
    case READING_BODY:
        return read_body(connection);
    case LINGERING:
        return read_past(connection);
    case HANDLING:
    case STREAMING:
    default:
        return false;
    }
}

/* As far as the input goes. The only place that frees a connection while its
 * own code is on the stack. */
static void run(struct http_connection *connection)
{
    if (connection->running)
        return;
    connection->running = true;
    while (!connection->dead && step(connection))
        ;
    connection->running = false;
    if (connection->dead)
        free_connection(connection);
}

/* The answer is written; on to the next request, or to the end. Leaves the
 * connection alive, for run() to free if it must. */
static void finish_answer(struct http_connection *connection)
{
    bool was_running = connection->running;

    connection->running = true;
    connection->request = NULL;
    if (connection->last)
        linger(connection);
    else
        await_request(connection);
    connection->running = was_running;
}

void http_answer(struct http_request *request, const struct http_answer *answer)
{
    struct http_connection *connection = request->connection;

    if (connection != NULL) {
        assert(connection->state == HANDLING && connection->request == request);
        connection->last = connection->last || connection->all->stopping;
        write_answer(connection, answer, request->id, strcmp(request->head.method, "HEAD") == 0);
        finish_answer(connection);
    }
    http_request_free(request);
    if (connection != NULL)
        run(connection);
}

void http_answer_begin(struct http_request *request, const struct http_answer *answer)
{
    struct http_connection *connection = request->connection;

    if (connection == NULL)
        return;
    assert(connection->state == HANDLING && connection->request == request);
    connection->state = STREAMING;
    connection->chunked = request->head.is_1_1;
    if (connection->all->stopping || !connection->chunked)
        connection->last = true;
    write_head(connection, answer,
               connection->chunked ? HTTP_FRAMED_BY_CHUNKS : HTTP_FRAMED_BY_CLOSE, request->id);
}

static void write_chunk(struct http_connection *connection, const struct bytes *parts, size_t count)
{
    struct evbuffer *output = output_of(connection);
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    assert(size > 0); /* an empty chunk would be the end */
    if (connection->chunked)
        evbuffer_add_printf(output, "%zx\r\n", size);
    for (size_t i = 0; i < count; i++)
        evbuffer_add(output, parts[i].data, parts[i].size);
    if (connection->chunked)
        evbuffer_add(output, "\r\n", 2);
    (void)make_room(connection); /* what one stream may keep is bounded */
}

bool http_answer_write(struct http_request *request, const struct bytes *parts, size_t count)
{
    struct http_connection *connection = request->connection;

    if (connection == NULL)
        return true; /* dropped */
    assert(connection->state == STREAMING);
    write_chunk(connection, parts, count);
    return evbuffer_get_length(output_of(connection)) <= HTTP_OUTPUT_BYTES_MAX;
}

void http_answer_end(struct http_request *request)
{
    struct http_connection *connection = request->connection;

    if (connection != NULL) {
        assert(connection->state == STREAMING && connection->request == request);
        connection->last = connection->last || connection->all->stopping;
        if (connection->chunked)
            evbuffer_add(output_of(connection), "0\r\n\r\n", 5);
        finish_answer(connection);
    }
    http_request_free(request);
    if (connection != NULL)
        run(connection);
}

static struct http_connection *connection_of(struct http_wire *wire)
{
    return container_of(wire, struct http_connection, wire);
}

static void on_input(struct http_wire *wire)
{
    run(connection_of(wire));
}

static void on_sent(struct http_wire *wire)
{
    struct http_connection *connection = connection_of(wire);

    if (connection->state == LINGERING)
        half_close(connection);
    else if (connection->state != STREAMING)
        run(connection);
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
        linger(connection);
}

static void on_end(struct http_wire *wire, enum http_wire_end end)
{
    struct http_connection *connection = connection_of(wire);

    if (end == HTTP_WIRE_NO_TLS) {
        end_without_tls(connection);
        return;
    }
    if (end == HTTP_WIRE_BROKEN || connection->state == STREAMING) {
        close_connection(connection);
        return;
    }
    connection->peer_done = true;
    if (connection->state == LINGERING && evbuffer_get_length(output_of(connection)) == 0)
        close_connection(connection);
    else
        run(connection);
}

static const struct http_wire_ops wire_ops = { on_input, on_sent, on_end };

/* Of a request: it is late. Between requests, or after the last: goodbye. */
static void on_deadline(struct loop_timer *timer)
{
    struct http_connection *connection = container_of(timer, struct http_connection, deadline);
    bool late = connection->state == READING_BODY ||
                (connection->state == READING_HEAD && connection->begun);

    if (late)
        refuse_head(connection, (struct http_flaw){ 408, "The request did not arrive in time" });
    else if (connection->state != READING_HEAD)
        close_connection(connection);
    else if (evbuffer_get_length(output_of(connection)) > 0)
        start_deadline(connection, limits_of(connection)->idle_ms); /* it still reads */
    else
        http_connection_end(connection, HTTP_END_IDLE);
}

static void on_turn(struct loop_timer *timer)
{
    struct http_connection *connection = container_of(timer, struct http_connection, turn);

    connection->turn_requests = 0;
    run(connection);
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
    count_holding(connection);
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
    await_request(connection);
    if (arrival->welcome == WELCOME_TURN_AWAY)
        refuse(connection, 503, "The service has too many connections");
    return true;
}

void http_connection_wind_up(struct http_connection *connection)
{
    bool idle = connection->state == READING_HEAD && !connection->begun;

    connection->last = true;
    connection->end = HTTP_END_STOP;
    if (idle)
        linger(connection);
    else
        tell_of_stop(connection);
}

struct http_connection *http_connection_of_link(struct link *link)
{
    return container_of(link, struct http_connection, link);
}

struct http_connection *http_connection_of_place(struct place *place)
{
    return container_of(place, struct http_connection, place);
}
