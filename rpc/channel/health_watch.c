#include "rpc/channel/health_watch.h"

#include "grpc/health/v1/health.pb-c.h"

#include <stdlib.h>

enum { ANSWER_BYTES_MAX = 4 << 10 };

enum health { HEALTH_UNKNOWN, HEALTH_SERVING, HEALTH_NOT_SERVING };

/* A channel of its own, so that its call is one like all others; what it is
 * connected to is the owner's. */
struct health_watch {
    struct channel base;
    struct health_watch_options options;
    struct client_call call;
    Grpc__Health__V1__HealthCheckRequest request;
    struct loop_timer again, patience;
    enum health health;
    bool answered; /* in this call */
    unsigned failures;
};

static void start_stream(struct channel *channel, struct client_end *end)
{
    struct health_watch *watch = container_of(channel, struct health_watch, base);
    struct rpc_status status;

    if (watch->options.attach(watch->options.context, end))
        return;
    rpc_status_set(&status, RPC_UNAVAILABLE, "the connection is gone");
    client_end_finish_later(end, &status);
}

static void close_watch(struct channel *channel)
{
    struct health_watch *watch = container_of(channel, struct health_watch, base);

    loop_timer_stop(watch->options.loop, &watch->again);
    loop_timer_stop(watch->options.loop, &watch->patience);
}

static void free_watch(struct channel *channel)
{
    free(container_of(channel, struct health_watch, base));
}

static size_t none_held(const struct channel *channel)
{
    (void)channel;
    return 0;
}

static const struct channel_ops watch_ops = {
    .start = start_stream, .close = close_watch, .free = free_watch, .held = none_held
};

static const char does_not_say[] = "the server does not say how it is";

static void tell(struct health_watch *watch, enum health health, const char *reason)
{
    if (watch->health == health)
        return;
    watch->health = health;
    watch->options.on_health(watch->options.context, health == HEALTH_SERVING, reason);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct health_watch *watch = container_of(call, struct health_watch, call);
    const Grpc__Health__V1__HealthCheckResponse *answer =
        (const Grpc__Health__V1__HealthCheckResponse *)message;

    watch->answered = true;
    watch->failures = 0;
    loop_timer_stop(watch->options.loop, &watch->patience);
    if (answer->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING)
        tell(watch, HEALTH_SERVING, "");
    else
        tell(watch, HEALTH_NOT_SERVING, "the server says that it is not serving");
}

static void on_patience_over(struct loop_timer *timer)
{
    tell(container_of(timer, struct health_watch, patience), HEALTH_NOT_SERVING, does_not_say);
}

/* One that had answered is asked again at once: its connection may only be
 * closing. Until it has answered nobody knows. */
static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct health_watch *watch = container_of(call, struct health_watch, call);

    if (watch->base.closed)
        return;
    loop_timer_stop(watch->options.loop, &watch->patience);
    if (status->code == RPC_UNIMPLEMENTED) {
        tell(watch, HEALTH_SERVING, "");
        return;
    }
    if (!watch->answered)
        tell(watch, HEALTH_NOT_SERVING, does_not_say);
    watch->failures++;
    loop_timer_start(watch->options.loop, &watch->again,
                     watch->answered ? 0
                                     : backoff_ms(&watch->options.backoff, watch->failures,
                                                  watch->options.random));
}

static void ask(struct health_watch *watch)
{
    watch->answered = false;
    loop_timer_start(watch->options.loop, &watch->patience, watch->options.patience_ms);
    client_call_start(&watch->base, &watch->call);
}

static void on_again(struct loop_timer *timer)
{
    ask(container_of(timer, struct health_watch, again));
}

struct health_watch *health_watch_start(const struct health_watch_options *options)
{
    struct health_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL)
        return NULL;
    watch->options = *options;
    watch->again.fire = on_again;
    watch->patience.fire = on_patience_over;
    grpc__health__v1__health_check_request__init(&watch->request);
    watch->request.service = (char *)(uintptr_t)options->service;
    watch->call = (struct client_call){
        .path = "/grpc.health.v1.Health/Watch",
        .response = &grpc__health__v1__health_check_response__descriptor,
        .request = &watch->request.base,
        .on_message = on_message,
        .on_done = on_done,
    };
    channel_init(&watch->base, &watch_ops, options->loop, ANSWER_BYTES_MAX);
    ask(watch);
    return watch;
}

void health_watch_stop(struct health_watch *watch)
{
    if (watch != NULL)
        channel_close(&watch->base);
}
