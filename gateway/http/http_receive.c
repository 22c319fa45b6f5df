#include "gateway/http/http_connection_state.h"

#include <event2/buffer.h>

#include "gateway/http/http_request.h"

/* What comes in, from the first byte of a head to the request that is handed
 * over. Each step takes what is there; run() calls it again. */

void http_connection_await_request(struct http_connection *connection)
{
    const struct http_limits *limits = limits_of(connection);

    connection->state = READING_HEAD;
    connection->begun = false;
    connection->seen = 0;
    connection->empty_lines = 0;
    place_wait(&connection->all->places, &connection->place);
    start_deadline(connection, connection->served == 0 ? limits->head_ms : limits->idle_ms);
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
        return http_connection_refuse_head(connection, flaw);
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
        return http_connection_refuse_head(connection, flaw);
    if (input.size > limits_of(connection)->head_bytes)
        return http_connection_refuse_head(connection, http_head_too_large(input));
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
    skip_empty_lines(connection); /* whose halves may come one by one */
    length = evbuffer_get_length(input);
    all = bytes_of(evbuffer_pullup(input, -1), length);
    size = http_head_find_end(all, &connection->seen);
    if (size > size_max)
        return http_connection_refuse_head(connection,
                                           http_head_too_large(bytes_of(all.data, size_max)));
    if (size > 0) {
        if (!take_head(connection, size))
            return false;
        begin_body(connection);
        return true;
    }
    if (connection->peer_done || (length == 0 && connection->last)) {
        http_connection_linger(connection);
        return false;
    }
    return length > 0 ? await_rest(connection, all) : false;
}

static bool body_fits(struct http_connection *connection)
{
    static const struct http_flaw too_large = { 413, "The request body is larger than the limit" };

    return evbuffer_get_length(connection->body) + connection->chunks.left <=
               limits_of(connection)->body_bytes ||
           http_connection_refuse_head(connection, too_large);
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
    return http_connection_make_room(connection) ||
           http_connection_refuse_head(connection, no_room);
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
            return http_connection_refuse_head(connection, flaw);
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

static void hand_over(struct http_connection *connection)
{
    struct http_request *request = connection->request;
    size_t size = evbuffer_get_length(connection->body);
    uint8_t *body = arena_alloc(request->mem, size + 1);

    if (body == NULL) {
        http_connection_refuse_head(connection, (struct http_flaw){ 503, "Out of memory" });
        return;
    }
    evbuffer_remove(connection->body, body, size);
    http_request_take_body(request, bytes_of(body, size));
    http_connection_count_holding(connection);
    stop_deadline(connection);
    place_busy(&connection->place);
    if (connection->turn_requests++ == 0)
        loop_timer_start(connection->all->loop, &connection->turn, 0);
    connection->state = HANDLING;
    connection->all->options.handle(connection->all->options.context, request);
    if (connection->all->stopping)
        http_connection_tell_of_stop(connection);
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
        http_connection_close(connection);
    return whole;
}

static bool read_past(struct http_connection *connection)
{
    http_connection_drop_input(connection);
    if (connection->lingered > HTTP_LINGER_BYTES_MAX)
        http_connection_close(connection);
    return false;
}

bool http_connection_step(struct http_connection *connection)
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
