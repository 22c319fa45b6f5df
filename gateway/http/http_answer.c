#include "gateway/http/http_connection_state.h"

#include <assert.h>
#include <event2/buffer.h>

#include "gateway/error_answer.h"
#include "gateway/http/http_answer_head.h"
#include "gateway/http/http_request.h"

/* Answers: whole ones, those that come in parts, and refusals. */

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
    (void)http_connection_make_room(connection); /* an answer is due in any case */
}

void http_connection_refuse(struct http_connection *connection, int status, const char *text)
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
        http_connection_disown_request(connection);
    http_connection_linger(connection);
}

bool http_connection_refuse_head(struct http_connection *connection, struct http_flaw flaw)
{
    http_counts_flaw(&connection->all->counts, flaw.status);
    http_connection_refuse(connection, flaw.status, flaw.text);
    return false;
}

/* The answer is written; on to the next request, or to the end. Leaves the
 * connection alive, for http_connection_run() to free if it must. */
static void finish_answer(struct http_connection *connection)
{
    bool was_running = connection->running;

    connection->running = true;
    connection->request = NULL;
    if (connection->last)
        http_connection_linger(connection);
    else
        http_connection_await_request(connection);
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
        http_connection_run(connection);
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
    (void)http_connection_make_room(connection); /* what one stream may keep is bounded */
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
        http_connection_run(connection);
}
