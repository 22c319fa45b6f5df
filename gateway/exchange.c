#include "gateway/exchange.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/list.h"
#include "core/base/log.h"
#include "gateway/limits.h"
#include "gateway/request_bind.h"
#include "gateway/status_text.h"
#include "gateway/transcode.h"

struct exchange { /* lives in the HTTP request's memory */
    struct http_request *http;
    struct binding binding;
    struct client_call call;
    char actor[96]; /* who the call comes from, where nobody says so */
    struct json_writer body;
    bool has_message;
    bool is_refused; /* by the route's accepts() */
};

enum { ANSWER_HEADERS_MAX = 4 };

struct answer_headers {
    struct http_header list[ANSWER_HEADERS_MAX];
    size_t count;
};

static void add_header(struct answer_headers *headers, const char *name, const char *value)
{
    assert(headers->count < ANSWER_HEADERS_MAX);
    headers->list[headers->count++] = (struct http_header){ name, value };
}

static void log_answer(const struct http_request *http, int status)
{
    log_event(status >= 500 ? LOG_WARNING : LOG_DEBUG, "http",
              LOG_TEXT("method", http->head.method), LOG_TEXT("target", http->head.target),
              LOG_INT("status", status), LOG_TEXT("peer", http->peer),
              LOG_TEXT("requestId", http->id));
}

/* Frees the request and what lies in it: nothing after this. */
static void send_answer(struct http_request *http, int status, const struct json_writer *body,
                        const struct answer_headers *headers)
{
    struct http_answer answer = { .status = status,
                                  .headers = headers->list,
                                  .header_count = headers->count,
                                  .body = bytes_of(body->text, body->size) };
    char *text = body->text;

    log_answer(http, status);
    http_answer(http, &answer);
    free(text);
}

static const char *retry_after_seconds(const struct error_answer *error, char text[24])
{
    int64_t seconds = (error->retry_after_ms + 999) / 1000;

    snprintf(text, 24, "%" PRId64, seconds > 0 ? seconds : 1);
    return text;
}

static void send_error(struct http_request *http, const struct error_answer *error)
{
    struct json_writer body = { .size_max = ANSWER_BYTES_MAX };
    struct answer_headers headers = { .count = 0 };
    char seconds[24];

    error_answer_write(&body, error, http->id);
    if (error->allow != NULL)
        add_header(&headers, "Allow", error->allow);
    if (error->status == 429 || error->status == 503)
        add_header(&headers, "Retry-After", retry_after_seconds(error, seconds));
    if (error->status == 401)
        add_header(&headers, "WWW-Authenticate", "Bearer");
    send_answer(http, error->status, &body, &headers);
}

static void write_constants(struct json_writer *body, const struct route *route)
{
    if (route->success) {
        json_key(body, "success");
        json_bool(body, true);
    }
    if (route->message != NULL) {
        json_key(body, "message");
        json_text(body, route->message);
    }
}

/* The message is gone after this, so it becomes text at once. */
static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct exchange *exchange = container_of(call, struct exchange, call);
    const struct route *route = exchange->binding.route;

    if (exchange->has_message)
        return; /* a unary call has one */
    exchange->has_message = true;
    exchange->is_refused = route->accepts != NULL && !route->accepts(message);
    json_begin_object(&exchange->body);
    write_constants(&exchange->body, route);
    transcode_write_members(&exchange->body, message, route->hidden);
    json_end_object(&exchange->body);
}

static void send_status(struct exchange *exchange, const struct rpc_status *status)
{
    struct http_request *http = exchange->http;
    struct rpc_status shown = *status;
    struct error_answer error = { .status = http_status_of(status->code),
                                  .code = rpc_code_name(status->code),
                                  .retry_after_ms = status->retry_after_ms };

    status_text_to_json_names(&shown);
    if (strcmp(shown.violation.field, "requestId") == 0 && error.status == 409)
        error.status = 422;
    error.message = shown.message[0] != '\0' ? shown.message : http_reason(error.status);
    error.field = shown.violation.field;
    error.reason = shown.violation.description;
    send_error(http, &error);
}

static void send_message(struct exchange *exchange)
{
    struct answer_headers headers = { .count = 0 };

    if (client_call_metadata(&exchange->call, "idempotency-replayed", NULL) != NULL)
        add_header(&headers, "Idempotency-Replayed", "true");
    send_answer(exchange->http, 200, &exchange->body, &headers);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct exchange *exchange = container_of(call, struct exchange, call);
    char *text = exchange->body.text;

    if (status->code == RPC_OK && exchange->has_message && !exchange->is_refused &&
        !exchange->body.failed) {
        send_message(exchange);
        return;
    }
    if (status->code != RPC_OK)
        send_status(exchange, status);
    else if (exchange->is_refused)
        send_error(exchange->http,
                   &(struct error_answer){ .status = 503, .message = exchange->binding.route->no });
    else
        send_error(exchange->http,
                   &(struct error_answer){ .status = 500, .message = "The answer got lost" });
    free(text);
}

static void on_gone(struct http_request *http)
{
    struct exchange *exchange = http->tag;

    client_call_cancel(&exchange->call);
}

static void start_call(struct exchange *exchange, struct channel *channel)
{
    struct binding *binding = &exchange->binding;

    exchange->call = (struct client_call){
        .path = binding->route->rpc,
        .response = binding->route->response,
        .request = binding->message,
        .metadata = binding->metadata,
        .metadata_count = binding->metadata_count,
        .timeout_ms = binding->may_wait ? CALL_WAIT_TIMEOUT_MS : CALL_TIMEOUT_MS,
        .peer = exchange->actor,
        .on_message = on_message,
        .on_done = on_done,
    };
    snprintf(exchange->actor, sizeof exchange->actor, "anonymous@%s", exchange->http->peer);
    exchange->http->tag = exchange;
    exchange->http->on_gone = on_gone;
    client_call_start(channel, &exchange->call);
}

static void send_constants(struct exchange *exchange)
{
    const struct answer_headers none = { .count = 0 };

    json_begin_object(&exchange->body);
    write_constants(&exchange->body, exchange->binding.route);
    json_end_object(&exchange->body);
    send_answer(exchange->http, 200, &exchange->body, &none);
}

void exchange_begin(struct channel *channel, struct http_request *request)
{
    struct exchange *exchange = arena_alloc(request->mem, sizeof *exchange);
    struct error_answer error = { .status = 503, .message = "Out of memory" };

    if (exchange == NULL) {
        send_error(request, &error);
        return;
    }
    exchange->http = request;
    exchange->body.size_max = ANSWER_BYTES_MAX;
    if (!request_bind(request, &exchange->binding, &error))
        send_error(request, &error);
    else if (exchange->binding.route->rpc == NULL)
        send_constants(exchange);
    else
        start_call(exchange, channel);
}
