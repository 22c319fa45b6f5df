#include "rpc/client/client_parts.h"

#include "rpc/tls.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client's beginning, its end, and how it stands. */

enum { TIMEOUT_MS = 30 * 1000, ATTEMPTS = 4, WATCH_BACKOFF_MS = 100, WATCH_BACKOFF_MAX_MS = 5000 };

/* ---- Outcomes. ---- */

static const char out_of_memory[] = "out of memory";

void client_set_status(struct sync_status *status, enum sync_code code, const char *format, ...)
{
    va_list arguments;

    *status = (struct sync_status){ .code = code };
    va_start(arguments, format);
    vsnprintf(status->message, sizeof status->message, format, arguments);
    va_end(arguments);
}

void client_refuse(struct sync_status *status, const char *field, const char *format, ...)
{
    va_list arguments;

    *status = (struct sync_status){ .code = SYNC_INVALID_ARGUMENT };
    va_start(arguments, format);
    vsnprintf(status->field_reason, sizeof status->field_reason, format, arguments);
    va_end(arguments);
    snprintf(status->field, sizeof status->field, "%s", field);
    /* The reason, but for its last 50 bytes, finds room behind any field. */
    snprintf(status->message, sizeof status->message, "%s %.190s", status->field,
             status->field_reason);
}

enum sync_code client_tell(struct sync_status *status, const struct sync_status *outcome)
{
    if (status != NULL)
        *status = *outcome;
    return outcome->code;
}

void client_read_status(struct sync_status *status, const struct rpc_status *from)
{
    *status = (struct sync_status){ .code = (enum sync_code)from->code,
                                    .retry_after_ms = from->retry_after_ms };
    snprintf(status->message, sizeof status->message, "%s", from->message);
    snprintf(status->field, sizeof status->field, "%s", from->violation.field);
    snprintf(status->field_reason, sizeof status->field_reason, "%s", from->violation.description);
}

const char *sync_client_code_name(enum sync_code code)
{
    return rpc_code_name((unsigned)code < RPC_CODE_COUNT ? (enum rpc_code)code : RPC_UNKNOWN);
}

const char *sync_client_version(void)
{
    return SYNC_VERSION;
}

bool client_take(void *own, size_t own_size, const void *given, const char *name,
                 struct sync_status *status)
{
    size_t size = 0;

    if (given != NULL)
        memcpy(&size, given, sizeof size);
    if (size < sizeof size) {
        client_set_status(status, SYNC_INVALID_ARGUMENT,
                          "%s is missing, or does not begin with its size", name);
        return false;
    }
    memset(own, 0, own_size);
    memcpy(own, given, size < own_size ? size : own_size);
    return true;
}

bool client_may_wait(const struct sync_client *client, struct sync_status *status)
{
    if (!loop_is_current(client->loop))
        return true;
    client_set_status(status, SYNC_FAILED_PRECONDITION,
                      "a callback may not wait: use the function that ends in _start");
    return false;
}

/* ---- Opening. ---- */

static void add_metadata(struct sync_client *client, const char *name, const void *value,
                         size_t size)
{
    client->metadata[client->metadata_count++] =
        (struct client_metadata){ arena_text(client->mem, name),
                                  bytes_of(arena_copy(client->mem, value, size), size) };
}

static bool keep_metadata(struct sync_client *client, const struct sync_client_options *options)
{
    enum { OWN = 2 };
    const char *bearer = "";

    client->metadata =
        arena_alloc(client->mem, (options->metadata_count + OWN) * sizeof *client->metadata);
    if (options->token != NULL)
        bearer = arena_printf(client->mem, "Bearer %s", options->token);
    if (client->metadata == NULL || bearer == NULL)
        return false;
    if (options->org != NULL)
        add_metadata(client, "orgid", options->org, strlen(options->org));
    if (options->token != NULL)
        add_metadata(client, "authorization", bearer, strlen(bearer));
    for (size_t i = 0; i < options->metadata_count; i++)
        add_metadata(client, options->metadata[i].name, options->metadata[i].value,
                     options->metadata[i].size);
    for (size_t i = 0; i < client->metadata_count; i++)
        if (client->metadata[i].name == NULL || client->metadata[i].value.data == NULL)
            return false;
    return true;
}

static struct channel_options channel_options_of(const struct sync_client_options *from)
{
    return (struct channel_options){
        .address = from->addresses != NULL ? from->addresses : "127.0.0.1:9470",
        .policy = from->round_robin ? CHANNEL_ROUND_ROBIN : CHANNEL_PICK_FIRST,
        .message_bytes_max = from->message_bytes_max,
        .connect_timeout_ms = from->connect_timeout_ms,
        .keepalive_ms = from->keepalive_ms,
        .keepalive_timeout_ms = from->keepalive_timeout_ms,
        .keepalive_without_calls = from->keepalive_without_calls,
        .health_service = from->health_service,
        .retry = { .attempts_max = from->attempts_max > 0 ? from->attempts_max : ATTEMPTS,
                   .backoff_ms = from->backoff_ms,
                   .backoff_max_ms = from->backoff_max_ms,
                   .hedge_ms = from->hedge_ms },
    };
}

static enum err open_channel(struct sync_client *client, const struct sync_client_options *from,
                             struct why *why)
{
    const struct tls_client_options tls = { .ca_file = from->tls_ca_file,
                                            .cert_file = from->tls_cert_file,
                                            .key_file = from->tls_key_file,
                                            .server_name = from->tls_server_name };
    struct channel_options options = channel_options_of(from);

    if (from->tls || tls.ca_file != NULL || tls.cert_file != NULL || tls.key_file != NULL ||
        tls.server_name != NULL)
        options.tls = &tls;
    return channel_open(client->loop, &options, &client->channel, why);
}

/* Signals are the program's affair, so its handlers do not run on our thread. */
static enum err start_thread(struct loop *loop)
{
    sigset_t all, before;
    enum err e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = loop_start(loop, "sync-client");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

static enum err open_parts(struct sync_client *client, const struct sync_client_options *options,
                           struct why *why)
{
    enum err e = client_check_options(options, why);

    if (e != OK)
        return e;
    link_init(&client->watches);
    client->wait_for_ready = options->wait_for_ready;
    client->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS;
    client->backoff = (struct backoff){ WATCH_BACKOFF_MS, WATCH_BACKOFF_MAX_MS, 160, 20 };
    client->mem = arena_new(CLIENT_MEMORY_MAX);
    client->loop = loop_new();
    if (client->mem == NULL || client->loop == NULL || !keep_metadata(client, options))
        return err_because(why, ERR_UNAVAILABLE, out_of_memory);
    e = open_channel(client, options, why);
    if (e == OK && start_thread(client->loop) != OK)
        return err_because(why, ERR_UNAVAILABLE, "there is no thread to be had");
    return e;
}

static void free_client(struct sync_client *client)
{
    channel_close(client->channel);
    loop_free(client->loop);
    arena_free(client->mem);
    free(client);
}

enum sync_code sync_client_open(const struct sync_client_options *options,
                                struct sync_client **client, struct sync_status *status)
{
    struct sync_status outcome = { .code = SYNC_OK };
    struct sync_client_options own;
    struct sync_client *opened;
    struct why why = { .text = "" };
    enum err e;

    *client = NULL;
    if (!client_take(&own, sizeof own, options, "options", &outcome))
        return client_tell(status, &outcome);
    opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        client_set_status(&outcome, SYNC_RESOURCE_EXHAUSTED, out_of_memory);
        return client_tell(status, &outcome);
    }
    e = open_parts(opened, &own, &why);
    if (e == OK) {
        *client = opened;
        return client_tell(status, &outcome);
    }
    client_set_status(&outcome, e == ERR_INVALID ? SYNC_INVALID_ARGUMENT : SYNC_RESOURCE_EXHAUSTED,
                      "%s", why.text);
    snprintf(outcome.field, sizeof outcome.field, "%s", why.field);
    free_client(opened);
    return client_tell(status, &outcome);
}

/* ---- Closing. ---- */

struct closing {
    struct loop_task task;
    struct sync_client *client;
    sem_t done;
};

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) != 0 && errno == EINTR)
        ;
}

/* On the loop, so that it comes behind all that was begun before. */
static void close_channel(struct loop_task *task)
{
    struct closing *closing = container_of(task, struct closing, task);
    struct sync_client *client = closing->client;

    atomic_store(&client->closing, true);
    client_end_watches(client);
    channel_close(client->channel);
    client->channel = NULL;
    sem_post(&closing->done);
}

void sync_client_close(struct sync_client *client)
{
    struct closing closing = { .task.run = close_channel, .client = client };

    if (client == NULL)
        return;
    assert(!loop_is_current(client->loop)); /* from a callback: it would wait for itself */
    sem_init(&closing.done, 0, 0);
    loop_post(client->loop, &closing.task);
    wait_for(&closing.done);
    sem_destroy(&closing.done);
    loop_join(client->loop);
    free_client(client);
}

/* ---- How it stands. ---- */

enum sync_state sync_client_state(const struct sync_client *client)
{
    return (enum sync_state)channel_state(client->channel);
}

struct connecting {
    struct loop_task task;
    struct loop_timer timer;
    struct channel_watch watch;
    struct sync_client *client;
    int64_t timeout_ms;
    sem_t done;
};

static void end_connecting(struct connecting *connecting)
{
    channel_unwatch(&connecting->watch);
    loop_timer_stop(connecting->client->loop, &connecting->timer);
    sem_post(&connecting->done);
}

static void on_state(struct channel_watch *watch, enum channel_state state)
{
    if (state == CHANNEL_READY)
        end_connecting(container_of(watch, struct connecting, watch));
}

static void on_too_late(struct loop_timer *timer)
{
    end_connecting(container_of(timer, struct connecting, timer));
}

static void connect(struct loop_task *task)
{
    struct connecting *connecting = container_of(task, struct connecting, task);
    struct sync_client *client = connecting->client;

    if (channel_state(client->channel) == CHANNEL_READY) {
        sem_post(&connecting->done);
        return;
    }
    loop_timer_start(client->loop, &connecting->timer, connecting->timeout_ms);
    channel_watch(client->channel, &connecting->watch);
}

enum sync_code sync_client_connect(struct sync_client *client, int64_t timeout_ms,
                                   struct sync_status *status)
{
    struct connecting connecting = { .task.run = connect,
                                     .timer.fire = on_too_late,
                                     .watch.on_state = on_state,
                                     .client = client,
                                     .timeout_ms = timeout_ms };
    struct sync_status outcome = { .code = SYNC_OK };

    if (!client_may_wait(client, &outcome))
        return client_tell(status, &outcome);
    link_init(&connecting.watch.link);
    sem_init(&connecting.done, 0, 0);
    loop_post(client->loop, &connecting.task);
    wait_for(&connecting.done);
    sem_destroy(&connecting.done);
    if (channel_state(client->channel) != CHANNEL_READY)
        client_set_status(&outcome, SYNC_DEADLINE_EXCEEDED, "no server was reached in time");
    return client_tell(status, &outcome);
}
