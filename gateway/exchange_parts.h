#ifndef GATEWAY_EXCHANGE_PARTS_H
#define GATEWAY_EXCHANGE_PARTS_H

#include "gateway/answer.h"
#include "gateway/exchange.h"
#include "gateway/request_bind.h"
#include "rpc/transport.h"

/* The inside of an exchange, for the files that make its answers. */

struct exchange { /* lives in the HTTP request's memory */
    struct exchanges *all;
    struct http_request *http;
    struct binding binding;
    struct client_call call;
    char actor[5 + TRANSPORT_PEER_NAME_SIZE]; /* who the call comes from */
    int64_t begun_us;
    struct json_writer body;
    bool has_message; /* so an event stream's answer has begun */
    bool is_refused; /* by the route's accepts() */
    struct gate_ticket ticket;
    struct loop_timer calm;       /* of an event stream */
    bool is_stopped;              /* because the gateway is */
    struct metrics_text *metrics; /* of a metrics page */
};

/* Notes how it ended, and leaves the gate. Just before the answer, which frees
 * it. */
void exchange_count(struct exchange *exchange, int status);

/* Starts the route's call with these outcomes. */
void exchange_start_call(struct exchange *exchange, int64_t timeout_ms,
                         void (*on_message)(struct client_call *call,
                                            const ProtobufCMessage *message),
                         void (*on_done)(struct client_call *call,
                                         const struct rpc_status *status));

/* Cancels the call: nobody waits for its answer any more. */
void exchange_cancel(struct http_request *http);

/* A watch as server-sent events (WHATWG HTML, "Server-sent events"): WatchJobs
 * in, `id`, `event` and `data` out, heartbeats as comments.
 *
 * A reader that does not read stops the call, whose server then stops, too: what
 * waits for it here is bounded. It is told to list again when it has fallen
 * too far behind, and cut off when it reads nothing for the server's time-out. */
void event_stream_begin(struct exchange *exchange);

/* The process's metrics and the service's totals, as Prometheus' text. */
void metrics_page_begin(struct exchange *exchange);

#endif
