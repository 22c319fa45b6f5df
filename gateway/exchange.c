#include "gateway/exchange_parts.h"

#include <stdio.h>
#include <time.h>

#include "core/base/list.h"
#include "gateway/dashboard.h"
#include "gateway/host.h"
#include "gateway/limits.h"
#include "gateway/json/transcode.h"

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void exchange_count(struct exchange *exchange, int status)
{
    traffic_count(exchange->all->traffic, exchange->binding.route, status,
                  now_us() - exchange->begun_us);
    gate_leave(&exchange->all->gate, &exchange->ticket);
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

static void send_message(struct exchange *exchange)
{
    struct answer_headers headers = { .count = 0 };

    if (client_call_metadata(&exchange->call, "idempotency-replayed", NULL) != NULL)
        answer_add_header(&headers, "Idempotency-Replayed", "true");
    exchange_count(exchange, 200);
    answer_json(exchange->http, 200, &exchange->body, &headers);
}

static void send_error(struct exchange *exchange, const struct error_answer *error)
{
    exchange_count(exchange, error->status);
    json_writer_free(&exchange->body);
    answer_error(exchange->http, error);
}

static void send_status(struct exchange *exchange, const struct rpc_status *status)
{
    exchange_count(exchange, answer_status_code(status));
    json_writer_free(&exchange->body);
    answer_status(exchange->http, status);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct exchange *exchange = container_of(call, struct exchange, call);

    if (status->code != RPC_OK)
        send_status(exchange, status);
    else if (exchange->is_refused)
        send_error(exchange,
                   &(struct error_answer){ .status = 503, .message = exchange->binding.route->no });
    else if (!exchange->has_message || exchange->body.failed)
        send_error(exchange,
                   &(struct error_answer){ .status = 500, .message = "The answer got lost" });
    else
        send_message(exchange);
}

void exchange_cancel(struct http_request *http)
{
    struct exchange *exchange = http->tag;

    client_call_cancel(&exchange->call);
}

static void name_caller(struct exchange *exchange)
{
    const struct http_request *http = exchange->http;

    if (http->certificate != NULL)
        snprintf(exchange->actor, sizeof exchange->actor, "cert:%s", http->certificate);
    else
        snprintf(exchange->actor, sizeof exchange->actor, "anonymous@%s", http->peer);
}

void exchange_start_call(struct exchange *exchange, int64_t timeout_ms,
                         void (*message)(struct client_call *call, const ProtobufCMessage *),
                         void (*done)(struct client_call *call, const struct rpc_status *status))
{
    struct binding *binding = &exchange->binding;

    exchange->call = (struct client_call){
        .path = binding->route->rpc,
        .response = binding->route->response,
        .request = binding->message,
        .metadata = binding->metadata,
        .metadata_count = binding->metadata_count,
        .timeout_ms = timeout_ms,
        .peer = exchange->actor,
        .on_message = message,
        .on_done = done,
    };
    name_caller(exchange);
    exchange->http->tag = exchange;
    exchange->http->on_gone = exchange_cancel;
    client_call_start(exchange->all->channel, &exchange->call);
}

static void answer_by_call(struct exchange *exchange)
{
    exchange_start_call(exchange,
                        exchange->binding.may_wait ? CALL_WAIT_TIMEOUT_MS : CALL_TIMEOUT_MS,
                        on_message, on_done);
}

static void answer_constants(struct exchange *exchange)
{
    json_begin_object(&exchange->body);
    write_constants(&exchange->body, exchange->binding.route);
    json_end_object(&exchange->body);
    exchange_count(exchange, 200);
    answer_json(exchange->http, 200, &exchange->body, NULL);
}

static void answer_openapi(struct exchange *exchange)
{
    exchange_count(exchange, 200);
    answer_text(exchange->http, "application/json", exchange->all->openapi, NULL);
}

static void answer_file(struct exchange *exchange)
{
    struct answer_headers headers = { .count = 0 };
    struct dashboard_file file;

    if (!dashboard_find(exchange->binding.file, &file)) {
        send_error(exchange, &(struct error_answer){ .status = 404,
                                                     .message = "The dashboard has no such file" });
        return;
    }
    answer_add_header(&headers, "Content-Security-Policy", dashboard_policy);
    answer_add_header(&headers, "Referrer-Policy", "no-referrer");
    exchange_count(exchange, 200);
    answer_text(exchange->http, file.content_type, file.body, &headers);
}

/* To OPTIONS. */
static void answer_allow(struct exchange *exchange)
{
    struct answer_headers headers = { .count = 0 };

    answer_add_header(&headers, "Allow", exchange->binding.allow);
    exchange_count(exchange, 204);
    answer_json(exchange->http, 204, &exchange->body, &headers);
}

static void answer(struct exchange *exchange)
{
    const struct route *route = exchange->binding.route;

    if (route == NULL) {
        answer_allow(exchange);
        return;
    }
    switch (route->form) {
    case FORM_EVENTS:
        event_stream_begin(exchange);
        break;
    case FORM_METRICS:
        metrics_page_begin(exchange);
        break;
    case FORM_OPENAPI:
        answer_openapi(exchange);
        break;
    case FORM_FILE:
        answer_file(exchange);
        break;
    case FORM_JSON:
    default:
        if (route->rpc == NULL)
            answer_constants(exchange);
        else
            answer_by_call(exchange);
    }
}

static void give_up(struct http_request *http)
{
    send_error(http->tag,
               &(struct error_answer){ .status = 499, .message = "The client went away" });
}

/* Organisations are served evenly, however much one of them asks for. */
static uint64_t asker_of(const struct http_request *http)
{
    const char *org = http_head_find(&http->head, "orgid");
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (; org != NULL && *org != '\0'; org++)
        hash = (hash ^ (uint8_t)*org) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static void pass_gate(struct exchange *exchange, size_t cost,
                      void (*enter)(struct gate_ticket *ticket))
{
    exchange->ticket =
        (struct gate_ticket){ .enter = enter, .cost = cost, .asker = asker_of(exchange->http) };
    exchange->http->tag = exchange;
    exchange->http->on_gone = give_up;
    if (gate_ask(&exchange->all->gate, &exchange->ticket))
        enter(&exchange->ticket);
}

static void answer_now(struct gate_ticket *ticket)
{
    answer(container_of(ticket, struct exchange, ticket));
}

/* What is nobody's in particular is told under any name. */
static bool is_meant_for_us(const struct exchange *exchange)
{
    const struct route *route = exchange->binding.route; /* NULL: OPTIONS */
    const char *host = http_head_find(&exchange->http->head, "host");

    return route == NULL || !route->needs_org || host == NULL ||
           host_is_known(host, exchange->all->hosts);
}

/* The two passes never meet: what has a large body is no list. */
static void bind_and_answer(struct exchange *exchange)
{
    static const struct error_answer misdirected = {
        .status = 421,
        .message = "This service does not know itself by the name in Host: use its address, or "
                   "name it in --http-hosts"
    };
    const struct route *route;
    struct error_answer error;

    exchange->http->on_gone = NULL;
    if (!request_bind(exchange->http, &exchange->binding, &error)) {
        send_error(exchange, &error);
        return;
    }
    if (!is_meant_for_us(exchange)) {
        send_error(exchange, &misdirected);
        return;
    }
    route = exchange->binding.route;
    if (route != NULL && route->answer_bytes > 0 && exchange->ticket.enter == NULL)
        pass_gate(exchange, route->answer_bytes, answer_now);
    else
        answer(exchange);
}

static void bind_now(struct gate_ticket *ticket)
{
    bind_and_answer(container_of(ticket, struct exchange, ticket));
}

void exchange_begin(struct exchanges *all, struct http_request *request)
{
    struct exchange *exchange = arena_alloc(request->mem, sizeof *exchange);
    const struct error_answer error = { .status = 503, .message = "Out of memory" };

    if (exchange == NULL) {
        answer_error(request, &error);
        return;
    }
    exchange->all = all;
    exchange->http = request;
    exchange->begun_us = now_us();
    exchange->body.size_max = ANSWER_BYTES_MAX;
    if (request->body.size > GATE_BODY_BYTES)
        pass_gate(exchange, GATE_BODY_FACTOR * request->body.size, bind_now);
    else
        bind_and_answer(exchange);
}
