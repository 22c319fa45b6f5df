#include "gateway/gateway.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/list.h"
#include "gateway/exchange.h"
#include "gateway/http_server.h"
#include "rpc/channel.h"
#include "rpc/loop.h"

/* The server and the channel share one loop, so that a request never changes
 * threads; opening and closing come from outside it. */

struct gateway {
    /* The loop's thread, while it runs. */
    struct loop *loop;
    struct channel *channel;
    struct http_server *server;

    /* Between the loop and gateway_close(). */
    struct loop_task stop, abort;
    pthread_mutex_t lock;
    pthread_cond_t idle_changed; /* on the monotonic clock */
    bool idle;
};

static void handle(void *context, struct http_request *request)
{
    struct gateway *gateway = context;

    exchange_begin(gateway->channel, request);
}

static enum err open_channel(struct gateway *gateway, const struct gateway_options *options,
                             struct why *why)
{
    const struct channel_options remote = { .address = options->rpc_address };

    if (options->registry != NULL)
        return channel_open_local(gateway->loop, options->registry, &gateway->channel);
    return channel_open(gateway->loop, &remote, &gateway->channel, why);
}

static enum err open_server(struct gateway *gateway, const struct gateway_options *options,
                            struct why *why)
{
    struct http_server_options http = {
        .address = options->address,
        .body_bytes_max = options->body_bytes_max,
        .header_bytes_max = options->header_bytes_max,
        .connections_max = options->connections_max,
        .timeout_ms = options->timeout_ms,
        .handle = handle,
        .context = gateway,
    };

    if (http.body_bytes_max == 0)
        http.body_bytes_max = (size_t)1024 * 1024;
    if (http.header_bytes_max == 0)
        http.header_bytes_max = (size_t)16 * 1024;
    if (http.connections_max == 0)
        http.connections_max = 1000;
    if (http.timeout_ms == 0)
        http.timeout_ms = 30000;
    return http_server_open(gateway->loop, &http, &gateway->server, why);
}

/* A peer that is gone while we write to it must be an error, not a signal; the
 * new thread inherits what is blocked here. */
static enum err start_loop(struct gateway *gateway, struct why *why)
{
    sigset_t pipe, before;
    enum err e;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    e = loop_start(gateway->loop, "gateway");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e == OK ? OK : err_because(why, e, "cannot start the gateway's thread");
}

static struct gateway *new_gateway(void)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    pthread_condattr_t attributes;

    if (gateway == NULL)
        return NULL;
    gateway->loop = loop_new();
    if (gateway->loop == NULL) {
        free(gateway);
        return NULL;
    }
    pthread_mutex_init(&gateway->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&gateway->idle_changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return gateway;
}

/* The loop does not run. */
static void free_gateway(struct gateway *gateway)
{
    channel_close(gateway->channel);
    http_server_free(gateway->server);
    loop_free(gateway->loop);
    pthread_cond_destroy(&gateway->idle_changed);
    pthread_mutex_destroy(&gateway->lock);
    free(gateway);
}

enum err gateway_open(const struct gateway_options *options, struct gateway **gateway,
                      struct why *why)
{
    struct gateway *opened = new_gateway();
    enum err e;

    assert(options->registry != NULL || options->rpc_address != NULL);
    if (opened == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory or descriptors");
    e = open_channel(opened, options, why);
    if (e == OK)
        e = open_server(opened, options, why);
    if (e == OK)
        e = start_loop(opened, why);
    if (e != OK) {
        free_gateway(opened);
        return e;
    }
    *gateway = opened;
    return OK;
}

const char *gateway_address(const struct gateway *gateway)
{
    return http_server_address(gateway->server);
}

static void on_idle(void *context)
{
    struct gateway *gateway = context;

    pthread_mutex_lock(&gateway->lock);
    gateway->idle = true;
    pthread_cond_broadcast(&gateway->idle_changed);
    pthread_mutex_unlock(&gateway->lock);
}

static void stop(struct loop_task *task)
{
    struct gateway *gateway = container_of(task, struct gateway, stop);

    http_server_stop(gateway->server, on_idle, gateway);
}

static void abort_connections(struct loop_task *task)
{
    struct gateway *gateway = container_of(task, struct gateway, abort);

    http_server_abort(gateway->server);
}

static struct timespec monotonic_in(int64_t delay_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(delay_ms / 1000);
    at.tv_nsec += (long)(delay_ms % 1000 * 1000000);
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static bool await_idle(struct gateway *gateway, int64_t at_most_ms)
{
    struct timespec end = monotonic_in(at_most_ms);
    bool idle;
    int e = 0;

    pthread_mutex_lock(&gateway->lock);
    while (!gateway->idle && e != ETIMEDOUT)
        e = pthread_cond_timedwait(&gateway->idle_changed, &gateway->lock, &end);
    idle = gateway->idle;
    pthread_mutex_unlock(&gateway->lock);
    return idle;
}

/* After the grace every call is cancelled; that takes no longer than a turn or
 * two of the loop, for nobody has to agree to it. */
void gateway_close(struct gateway *gateway, int64_t grace_ms)
{
    if (gateway == NULL)
        return;
    gateway->stop.run = stop;
    loop_post(gateway->loop, &gateway->stop);
    if (!await_idle(gateway, grace_ms > 0 ? grace_ms : 0)) {
        gateway->abort.run = abort_connections;
        loop_post(gateway->loop, &gateway->abort);
        while (!await_idle(gateway, 1000))
            ;
    }
    loop_join(gateway->loop);
    free_gateway(gateway);
}
