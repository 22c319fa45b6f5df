#ifndef GATEWAY_HTTP_CONNECTION_STATE_H
#define GATEWAY_HTTP_CONNECTION_STATE_H

#include "gateway/http/http_chunks.h"
#include "gateway/http/http_connection.h"
#include "gateway/http/http_wire.h"

/* The inside of a connection, for the files that make it: http_connection.c
 * (its beginning, its end, what its socket and its timers tell), http_receive.c
 * (from bytes to a request that is handed over), http_answer.c (from an answer
 * to bytes). */

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

static inline struct evbuffer *input_of(struct http_connection *connection)
{
    return connection->wire.input;
}

static inline struct evbuffer *output_of(struct http_connection *connection)
{
    return connection->wire.output;
}

static inline const struct http_limits *limits_of(const struct http_connection *connection)
{
    return &connection->all->options.limits;
}

static inline void start_deadline(struct http_connection *connection, int64_t delay_ms)
{
    loop_timer_start(connection->all->loop, &connection->deadline, delay_ms);
}

static inline void stop_deadline(struct http_connection *connection)
{
    loop_timer_stop(connection->all->loop, &connection->deadline);
}

/* ---- http_connection.c ---- */

/* As far as the input goes. The only place that frees a connection while its
 * own code is on the stack. */
void http_connection_run(struct http_connection *connection);
/* Now, or when run() is left; `end` says why. */
void http_connection_close(struct http_connection *connection);
/* When all is written; what still comes is dropped. */
void http_connection_linger(struct http_connection *connection);
void http_connection_drop_input(struct http_connection *connection);
/* The request stays with its handler; it only learns that nobody waits. */
void http_connection_disown_request(struct http_connection *connection);
/* Its answer may be one without an end. */
void http_connection_tell_of_stop(struct http_connection *connection);
void http_connection_count_holding(struct http_connection *connection);
/* False: there is no room for what this connection has just been given to keep,
 * and nobody else could make some. */
bool http_connection_make_room(struct http_connection *connection);

/* ---- http_receive.c ---- */

/* The first request is due at once: who connects has something to ask. */
void http_connection_await_request(struct http_connection *connection);
/* True if it got on and another step may follow. */
bool http_connection_step(struct http_connection *connection);

/* ---- http_answer.c ---- */

/* Answers a request that will not be read to its end, and reads no other. */
void http_connection_refuse(struct http_connection *connection, int status, const char *text);
/* The same for one that does not reach the handler, which would count it. */
bool http_connection_refuse_head(struct http_connection *connection, struct http_flaw flaw);

#endif
