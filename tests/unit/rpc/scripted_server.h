#ifndef TESTS_UNIT_RPC_SCRIPTED_SERVER_H
#define TESTS_UNIT_RPC_SCRIPTED_SERVER_H

#include "rpc/net/connection.h"
#include "rpc/net/listener.h"
#include "rpc/status.h"

/* A server that does to each request what a test has written down, on the
 * test's own loop: so nothing happens but what the loop runs. */

enum script_act {
    SCRIPT_OK,       /* an empty message and OK */
    SCRIPT_STATUS,   /* a status alone, in the first headers */
    SCRIPT_LATE,     /* headers and a message, then the status */
    SCRIPT_REFUSE,   /* RST_STREAM, REFUSED_STREAM */
    SCRIPT_LOSE,     /* closes the connection */
    SCRIPT_SILENT,   /* no answer */
    SCRIPT_HTTP_503, /* a proxy's answer */
};

struct script_step {
    enum script_act act;
    enum rpc_code code;
    const char *pushback;   /* grpc-retry-pushback-ms; NULL: none */
    int64_t retry_after_ms; /* RetryInfo; 0: none */
};

enum { SCRIPT_STEPS_MAX = 32 };

struct scripted_request {
    int previous_attempts; /* what the client said; -1: nothing */
    size_t body_bytes;
    bool ended, cancelled;
};

struct scripted_server {
    struct loop *loop;
    char address[ADDRESS_TEXT_SIZE];
    struct script_step steps[SCRIPT_STEPS_MAX]; /* the last one is repeated */
    unsigned step_count;
    struct scripted_request requests[SCRIPT_STEPS_MAX];
    unsigned request_count, connection_count;
    bool closes_at_once; /* new connections, before a byte */
    /* its own */
    struct listener *listener;
    struct listener_owner owner;
    struct connection_scratch *scratch;
    struct link connections;
};

void scripted_server_open(struct scripted_server *server, struct loop *loop);
/* Closes all connections; it goes on accepting. */
void scripted_server_lose(struct scripted_server *server);
void scripted_server_close(struct scripted_server *server);

#endif
