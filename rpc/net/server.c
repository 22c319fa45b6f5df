#include "rpc/net/server_state.h"

#include "core/base/log.h"

#include <stdio.h>
#include <stdlib.h>

/* Threads that share nothing but what they count: each has its loop, its listener,
 * its connections and its calls. */

enum {
    THREADS_MAX = 64,
    DRAIN_LOOK_MS = 10,
    DRAIN_PATIENCE_MS = 10 * 1000, /* then the log says what it still waits for */
};

static void set_defaults(struct rpc_server_options *options)
{
    if (options->threads == 0)
        options->threads = 1;
    if (options->threads > THREADS_MAX)
        options->threads = THREADS_MAX;
    options->limits = rpc_limits_or_default(&options->limits);
}

/* ---- Closing, on each thread. ---- */

/* Methods may hold calls beyond the end of their connections. Their answers
 * come to this loop, so it must stay until they have let go. */
static void look_whether_drained(struct loop_timer *timer)
{
    struct server_thread *thread = container_of(timer, struct server_thread, drain_timer);
    int64_t now_ms = loop_mono_ms();

    if (now_ms >= thread->grace_end_ms)
        server_connections_close(thread);
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
    server_connections_drain(thread);
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
    server_connections_free(thread);
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
    sem_init(&thread->closed, 0, 0);
    thread->start_task.run = start_listening;
    thread->loop = loop_new();
    thread->scratch = connection_scratch_new();
    if (thread->loop != NULL)
        thread->calls = call_pool_new(thread->loop, server->options.registry,
                                      server->options.limits.message_bytes);
    if (!server_connections_init(thread) || thread->calls == NULL || thread->scratch == NULL)
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

static void write_metrics(struct metrics_source *source, struct metrics_text *text)
{
    server_counts_write(&container_of(source, struct rpc_server, metrics)->counts, text);
}

enum err rpc_server_open(const struct rpc_server_options *options, struct rpc_server **opened,
                         struct why *why)
{
    struct rpc_server *server = calloc(1, sizeof *server);
    enum err e;

    if (server == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    server->options = *options;
    server->metrics.write = write_metrics;
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

struct metrics_source *rpc_server_metrics(struct rpc_server *server)
{
    return &server->metrics;
}

const char *rpc_server_address(const struct rpc_server *server)
{
    return server->address;
}
