#include "rpc/server.h"

#include "core/base/log.h"
#include "rpc/call_pool.h"
#include "rpc/connection.h"
#include "rpc/listener.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Threads that share nothing but the count of connections: each has its loop,
 * its listener, its connections and its calls. */

enum {
    ACTOR_SIZE = 5 + TRANSPORT_PEER_NAME_SIZE, /* longer than with an address */
    THREADS_MAX = 64,
    DRAIN_LOOK_MS = 10,
    DRAIN_PATIENCE_MS = 10 * 1000, /* then the log says what it still waits for */
};

struct server_thread;

struct server_connection {
    struct connection_owner owner;
    struct server_thread *thread;
    struct connection *connection;
    struct link link;
    char actor[ACTOR_SIZE];
    bool has_called;
};

struct server_thread {
    struct rpc_server *server;
    struct loop *loop;
    struct listener *listener;
    struct listener_owner listener_owner;
    struct call_pool *calls;
    struct connection_scratch *scratch;
    struct link connections;
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
    atomic_uint connection_count;
};

static int64_t or_default(int64_t value, int64_t if_zero)
{
    return value > 0 ? value : if_zero;
}

static void set_defaults(struct rpc_server_options *options)
{
    if (options->threads == 0)
        options->threads = 1;
    if (options->threads > THREADS_MAX)
        options->threads = THREADS_MAX;
    if (options->message_bytes_max == 0)
        options->message_bytes_max = 4 << 20;
    if (options->connections_max == 0)
        options->connections_max = 10000;
    if (options->streams_max == 0)
        options->streams_max = 256;
    if (options->header_bytes_max == 0)
        options->header_bytes_max = 16 << 10;
    options->handshake_timeout_ms = or_default(options->handshake_timeout_ms, 10 * 1000);
    options->write_timeout_ms = or_default(options->write_timeout_ms, 30 * 1000);
    options->keepalive_ms = or_default(options->keepalive_ms, 60 * 1000);
}

/* ---- Connections. ---- */

/* Who calls is known once the handshake is over. */
static void name_caller(struct server_connection *own)
{
    const char *name = connection_peer_name(own->connection);

    own->has_called = true;
    if (name != NULL)
        snprintf(own->actor, sizeof own->actor, "cert:%s", name);
}

static struct stream_user *accept_stream(struct connection_owner *owner, struct stream *stream)
{
    struct server_connection *own = container_of(owner, struct server_connection, owner);

    if (!own->has_called)
        name_caller(own);
    return call_pool_accept(own->thread->calls, stream, own->actor);
}

static void forget(struct server_connection *own)
{
    atomic_fetch_sub(&own->thread->server->connection_count, 1);
    list_remove(&own->link);
    free(own);
}

static void on_closed(struct connection_owner *owner, const char *reason)
{
    struct server_connection *own = container_of(owner, struct server_connection, owner);

    log_event(LOG_DEBUG, "connection closed", LOG_TEXT("peer", own->actor),
              LOG_TEXT("why", reason));
    forget(own);
}

static const struct connection_owner_ops connection_ops = { .accept = accept_stream,
                                                            .on_closed = on_closed };

static struct connection *open_connection(struct server_connection *own, int fd)
{
    const struct rpc_server_options *server = &own->thread->server->options;
    const struct connection_options options = {
        .loop = own->thread->loop,
        .scratch = own->thread->scratch,
        .limits = { server->handshake_timeout_ms, server->write_timeout_ms, server->keepalive_ms },
        .h2 = { H2_SERVER, server->streams_max, server->header_bytes_max },
        .tls = server->tls,
        .owner = &own->owner,
    };

    return connection_open(fd, &options);
}

static void add_connection(struct server_thread *thread, int fd, const struct address *peer)
{
    struct server_connection *own = calloc(1, sizeof *own);
    char text[ADDRESS_TEXT_SIZE];

    if (own == NULL) {
        atomic_fetch_sub(&thread->server->connection_count, 1);
        close(fd);
        return;
    }
    own->owner.ops = &connection_ops;
    own->thread = thread;
    list_append(&thread->connections, &own->link);
    address_write(peer, text);
    snprintf(own->actor, sizeof own->actor, "anonymous@%s", text);
    own->connection = open_connection(own, fd);
    if (own->connection == NULL)
        forget(own);
}

static void on_accept(struct listener_owner *owner, int fd, const struct address *peer)
{
    struct server_thread *thread = container_of(owner, struct server_thread, listener_owner);
    struct rpc_server *server = thread->server;

    if (atomic_fetch_add(&server->connection_count, 1) >= server->options.connections_max) {
        atomic_fetch_sub(&server->connection_count, 1);
        close(fd);
        return;
    }
    add_connection(thread, fd, peer);
}

/* ---- Closing, on each thread. ---- */

static void close_connections(struct server_thread *thread)
{
    while (link_is_linked(&thread->connections)) {
        struct server_connection *own =
            container_of(thread->connections.next, struct server_connection, link);
        connection_close(own->connection);
        forget(own);
    }
}

/* Methods may hold calls beyond the end of their connections. Their answers
 * come to this loop, so it must stay until they have let go. */
static void look_whether_drained(struct loop_timer *timer)
{
    struct server_thread *thread = container_of(timer, struct server_thread, drain_timer);
    int64_t now_ms = loop_mono_ms();

    if (now_ms >= thread->grace_end_ms)
        close_connections(thread);
    if (!link_is_linked(&thread->connections) && call_pool_live(thread->calls) == 0) {
        sem_post(&thread->closed);
        return;
    }
    if (now_ms >= thread->warn_ms && !thread->warned) {
        thread->warned = true;
        log_event(LOG_WARNING, "closing waits for calls that are still held",
                  LOG_INT("calls", call_pool_live(thread->calls)));
    }
    loop_timer_start(thread->loop, timer, DRAIN_LOOK_MS);
}

static void begin_closing(struct loop_task *task)
{
    struct server_thread *thread = container_of(task, struct server_thread, close_task);

    listener_close(thread->listener);
    thread->listener = NULL;
    list_each_safe(link, &thread->connections)
        connection_drain(container_of(link, struct server_connection, link)->connection);
    thread->drain_timer.fire = look_whether_drained;
    look_whether_drained(&thread->drain_timer);
}

static void close_thread(struct server_thread *thread, int64_t grace_ms)
{
    thread->grace_end_ms = loop_mono_ms() + grace_ms;
    thread->warn_ms = thread->grace_end_ms + DRAIN_PATIENCE_MS;
    thread->close_task.run = begin_closing;
    loop_post(thread->loop, &thread->close_task);
}

static void free_thread(struct server_thread *thread)
{
    if (thread->loop != NULL)
        loop_join(thread->loop);
    listener_close(thread->listener);
    call_pool_free(thread->calls);
    loop_free(thread->loop);
    connection_scratch_free(thread->scratch);
    sem_destroy(&thread->closed);
}

void rpc_server_close(struct rpc_server *server, int64_t grace_ms)
{
    if (server == NULL)
        return;
    for (unsigned i = 0; i < server->thread_count; i++)
        close_thread(&server->threads[i], grace_ms);
    for (unsigned i = 0; i < server->thread_count; i++)
        while (sem_wait(&server->threads[i].closed) != 0)
            ;
    for (unsigned i = 0; i < server->thread_count; i++)
        free_thread(&server->threads[i]);
    free(server->threads);
    free(server);
}

/* ---- Opening. ---- */

static void start_listening(struct loop_task *task)
{
    listener_start(container_of(task, struct server_thread, start_task)->listener);
}

/* `address` gets its port from the first thread. */
static enum err open_thread(struct rpc_server *server, struct server_thread *thread,
                            struct address *address, struct why *why)
{
    thread->server = server;
    link_init(&thread->connections);
    sem_init(&thread->closed, 0, 0);
    thread->listener_owner.on_accept = on_accept;
    thread->start_task.run = start_listening;
    thread->loop = loop_new();
    thread->scratch = connection_scratch_new();
    if (thread->loop != NULL)
        thread->calls = call_pool_new(thread->loop, server->options.registry,
                                      server->options.message_bytes_max);
    if (thread->calls == NULL || thread->scratch == NULL)
        return err_because(why, ERR_UNAVAILABLE, "no memory or descriptors for an I/O thread");
    return listener_open(thread->loop, address, &thread->listener_owner, &thread->listener, why);
}

static enum err open_threads(struct rpc_server *server, struct address *address, struct why *why)
{
    for (unsigned i = 0; i < server->options.threads; i++) {
        enum err e = open_thread(server, &server->threads[i], address, why);
        server->thread_count++;
        if (e != OK)
            return e;
    }
    address_write(address, server->address);
    return OK;
}

static enum err start_threads(struct rpc_server *server, struct why *why)
{
    for (unsigned i = 0; i < server->thread_count; i++) {
        struct server_thread *thread = &server->threads[i];
        char name[16];
        snprintf(name, sizeof name, "rpc-%u", i);
        loop_post(thread->loop, &thread->start_task);
        if (loop_start(thread->loop, name) != OK)
            return err_because(why, ERR_UNAVAILABLE, "cannot start an I/O thread");
    }
    return OK;
}

static void discard(struct rpc_server *server)
{
    for (unsigned i = 0; i < server->thread_count; i++)
        free_thread(&server->threads[i]);
    free(server->threads);
    free(server);
}

static enum err open_server(struct rpc_server *server, struct why *why)
{
    struct addresses addresses;
    enum err e = address_resolve(server->options.address, &addresses, why);

    if (e == OK)
        e = listener_probe(&addresses.list[0], why);
    if (e == OK)
        e = open_threads(server, &addresses.list[0], why);
    if (e == OK)
        e = start_threads(server, why);
    return e;
}

enum err rpc_server_open(const struct rpc_server_options *options, struct rpc_server **opened,
                         struct why *why)
{
    struct rpc_server *server = calloc(1, sizeof *server);
    enum err e;

    if (server == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    server->options = *options;
    set_defaults(&server->options);
    server->threads = calloc(server->options.threads, sizeof *server->threads);
    e = server->threads != NULL ? open_server(server, why)
                                : err_because(why, ERR_UNAVAILABLE, "out of memory");
    if (e != OK) {
        discard(server);
        return e;
    }
    *opened = server;
    return OK;
}

const char *rpc_server_address(const struct rpc_server *server)
{
    return server->address;
}
