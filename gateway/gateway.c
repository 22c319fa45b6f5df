#include "gateway/gateway.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>

#include "core/base/list.h"
#include "core/base/log.h"
#include "gateway/exchange.h"
#include "gateway/http/http_server.h"
#include "gateway/limits.h"
#include "gateway/openapi/openapi.h"
#include "rpc/channel.h"
#include "rpc/loop.h"

/* The server and the channel share one loop, so that a request never changes
 * threads; opening and closing come from outside it. */

enum {
    DRAIN_LOOK_MS = 10,
    DRAIN_PATIENCE_MS = 10 * 1000, /* then the log says what it still waits for */
};

struct gateway {
    /* The loop's thread, while it runs. */
    struct loop *loop;
    struct exchanges exchanges; /* with the channel */
    struct http_server *server;
    struct json_writer openapi; /* the document; the same for everybody */

    struct loop_timer drain;
    int64_t grace_end_ms, warn_ms;
    bool aborted, warned;

    /* Between gateway_close() and the loop. */
    struct loop_task stop;
    sem_t drained;
};

static void handle(void *context, struct http_request *request)
{
    struct gateway *gateway = context;

    exchange_begin(&gateway->exchanges, request);
}

static enum err open_channel(struct gateway *gateway, const struct gateway_options *options,
                             struct why *why)
{
    const struct channel_options remote = { .address = options->rpc_address };

    if (options->registry != NULL)
        return channel_open_local(gateway->loop, options->registry, &gateway->exchanges.channel);
    return channel_open(gateway->loop, &remote, &gateway->exchanges.channel, why);
}

static enum err open_server(struct gateway *gateway, const struct gateway_options *options,
                            struct why *why)
{
    struct http_server_options http = {
        .address = options->address,
        .limits = http_limits_or_default(&options->limits),
        .tls = options->tls,
        .handle = handle,
        .context = gateway,
    };

    gateway->exchanges.metrics = options->metrics;
    /* Over TLS the certificate has the names. */
    gateway->exchanges.hosts = options->tls != NULL ? "*" : options->hosts;
    gateway->exchanges.streams_max = http.limits.watches;
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

    if (gateway == NULL)
        return NULL;
    gateway->loop = loop_new();
    gateway->exchanges.traffic = traffic_new();
    gateway->openapi = (struct json_writer){ .size_max = ANSWER_BYTES_MAX };
    openapi_write(&gateway->openapi);
    if (gateway->loop == NULL || gateway->exchanges.traffic == NULL || gateway->openapi.failed) {
        json_writer_free(&gateway->openapi);
        traffic_free(gateway->exchanges.traffic);
        loop_free(gateway->loop);
        free(gateway);
        return NULL;
    }
    gateway->exchanges.gate.loop = gateway->loop;
    gateway->exchanges.gate.cost_max = GATE_BYTES_MAX;
    gate_init(&gateway->exchanges.gate);
    gateway->exchanges.openapi = bytes_of(gateway->openapi.text, gateway->openapi.size);
    sem_init(&gateway->drained, 0, 0);
    return gateway;
}

/* The loop does not run. */
static void free_gateway(struct gateway *gateway)
{
    gate_close(&gateway->exchanges.gate);
    channel_close(gateway->exchanges.channel);
    http_server_free(gateway->server);
    loop_free(gateway->loop);
    traffic_free(gateway->exchanges.traffic);
    json_writer_free(&gateway->openapi);
    sem_destroy(&gateway->drained);
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

/* Methods may hold calls whose client is gone. Their answers come to this loop,
 * so it must stay until they have let go. */
static void look_whether_drained(struct loop_timer *timer)
{
    struct gateway *gateway = container_of(timer, struct gateway, drain);
    int64_t now_ms = loop_mono_ms();

    if (now_ms >= gateway->grace_end_ms && !gateway->aborted) {
        gateway->aborted = true;
        http_server_abort(gateway->server);
    }
    if (http_server_is_idle(gateway->server) && channel_is_quiet(gateway->exchanges.channel)) {
        sem_post(&gateway->drained);
        return;
    }
    if (now_ms >= gateway->warn_ms && !gateway->warned) {
        gateway->warned = true;
        log_event(LOG_WARNING, "closing waits for calls that are still held",
                  LOG_TEXT("of", "gateway"));
    }
    loop_timer_start(gateway->loop, timer, DRAIN_LOOK_MS);
}

static void stop(struct loop_task *task)
{
    struct gateway *gateway = container_of(task, struct gateway, stop);

    http_server_stop(gateway->server);
    gateway->drain.fire = look_whether_drained;
    look_whether_drained(&gateway->drain);
}

void gateway_close(struct gateway *gateway, int64_t grace_ms)
{
    if (gateway == NULL)
        return;
    gateway->grace_end_ms = loop_mono_ms() + grace_ms;
    gateway->warn_ms = gateway->grace_end_ms + DRAIN_PATIENCE_MS;
    gateway->stop.run = stop;
    loop_post(gateway->loop, &gateway->stop);
    while (sem_wait(&gateway->drained) != 0)
        ;
    loop_join(gateway->loop);
    free_gateway(gateway);
}
