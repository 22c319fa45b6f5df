#ifndef RPC_SERVER_STATE_H
#define RPC_SERVER_STATE_H

#include "rpc/call/call_pool.h"
#include "rpc/holdings.h"
#include "rpc/net/listener.h"
#include "rpc/server.h"
#include "rpc/net/server_counts.h"

#include <semaphore.h>

/* The inside of a server, for the files that make it: server.c (threads, opening
 * and closing) and server_connections.c (who gets in, and who must go). */

struct server_thread {
    struct rpc_server *server;
    struct loop *loop;
    struct listener *listener;
    struct listener_owner listener_owner;
    struct call_pool *calls;
    struct connection_scratch *scratch;
    struct link connections;
    struct places places;
    bool has_places;
    struct holdings holdings;
    struct loop_task start_task, close_task;
    struct loop_timer drain_timer;
    int64_t grace_end_ms, warn_ms;
    bool warned;
    sem_t closed;
};

struct rpc_server {
    struct rpc_server_options options;
    char address[ADDRESS_TEXT_SIZE];
    struct server_thread *threads;
    unsigned thread_count;
    struct server_counts counts;
    struct metrics_source metrics;
};

/* False if out of memory. */
bool server_connections_init(struct server_thread *thread);
void server_connections_drain(struct server_thread *thread);
void server_connections_close(struct server_thread *thread);
/* There are none any more. */
void server_connections_free(struct server_thread *thread);

#endif
