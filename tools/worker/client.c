#include "tools/worker/client_parts.h"

#include "core/base/log.h"
#include "core/base/random.h"

#include <assert.h>
#include <stdlib.h>

/* Everything but the attempts lives on the loop's thread. They hand their
 * reports over and sleep until these are answered. */

enum {
    BACKOFF_MS_MIN = 100,
    BACKOFF_MS_MAX = 5000,
    HEARTBEAT_MS_DEFAULT = 20 * 1000,
    DRAIN_MS_MAX = 10 * 1000,
};

int64_t client_duration_ms(const Google__Protobuf__Duration *duration, int64_t otherwise_ms)
{
    int64_t ms = duration != NULL ? duration->seconds * 1000 + duration->nanos / 1000000 : 0;

    return ms > 0 ? ms : otherwise_ms;
}

void client_send(struct client *client, Sync__V1__WorkRequest *request)
{
    /* What waits unsent is bounded by the jobs: each has one report at a time. */
    (void)client_call_send(&client->call, &request->base);
}

void client_grant(struct client *client, unsigned slots)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkReady ready = SYNC__V1__WORK_READY__INIT;

    if (!client->welcome || client->draining || slots == 0)
        return;
    ready.slots = slots;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_READY;
    request.ready = &ready;
    client_send(client, &request);
}

static void on_heartbeat_due(struct loop_timer *timer)
{
    struct client *client = container_of(timer, struct client, heartbeat);

    if (!client->welcome)
        return;
    jobs_send_heartbeat(client);
    client_grant(client, client->owed);
    client->owed = 0;
    loop_timer_start(client->settings->loop, timer, client->heartbeat_ms);
}

static void take_welcome(struct client *client, const Sync__V1__WorkWelcome *message)
{
    client->welcome = true;
    client->backoff_ms = 0;
    client->owed = 0;
    client->heartbeat_ms = client_duration_ms(message->heartbeat_interval, HEARTBEAT_MS_DEFAULT);
    log_event(LOG_INFO, "connected", LOG_TEXT("server", client->settings->server),
              LOG_TEXT("worker", message->worker_id), LOG_INT("slots", client->settings->slots),
              LOG_INT("jobs", client->job_count));
    /* First what is ours still; then what waited meanwhile; then more work. */
    on_heartbeat_due(&client->heartbeat);
    reports_send_again(client);
    if (client->job_count < client->settings->slots)
        client_grant(client, client->settings->slots - client->job_count);
}

static void on_message(struct client_call *call, const ProtobufCMessage *base)
{
    struct client *client = container_of(call, struct client, call);
    const Sync__V1__WorkResponse *message = (const Sync__V1__WorkResponse *)base;

    switch (message->message_case) {
    case SYNC__V1__WORK_RESPONSE__MESSAGE_WELCOME:
        take_welcome(client, message->welcome);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE_ASSIGNMENTS:
        jobs_take(client, message->assignments);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE:
        jobs_direct(client, message->directive);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE_RESULT:
        reports_take_result(client, message->id, message->result);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE_HEARTBEAT:
        jobs_take_heartbeat(client, message->heartbeat,
                            message->id != 0 && message->id == client->heartbeat_id);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE__NOT_SET:
    case _SYNC__V1__WORK_RESPONSE__MESSAGE__CASE_IS_INT_SIZE:
        break;
    }
}

static int64_t next_backoff_ms(struct client *client)
{
    struct random *random = random_real();
    int64_t most_ms = client->backoff_ms;

    client->backoff_ms = most_ms == 0                   ? BACKOFF_MS_MIN
                         : most_ms * 2 < BACKOFF_MS_MAX ? most_ms * 2
                                                        : BACKOFF_MS_MAX;
    return client->backoff_ms / 2 +
           (int64_t)random_below(random, (uint64_t)client->backoff_ms / 2 + 1);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct client *client = container_of(call, struct client, call);
    int64_t delay_ms = next_backoff_ms(client);
    bool was_welcome = client->welcome;

    client->open = client->welcome = false;
    client->heartbeat_id = 0;
    loop_timer_stop(client->settings->loop, &client->heartbeat);
    if (client->draining && client->job_count == 0) {
        client_end_if_drained(client);
        return;
    }
    /* One line when it goes, one for each longest wait: not one for each try. */
    if (was_welcome || client->backoff_ms == BACKOFF_MS_MIN || client->backoff_ms == BACKOFF_MS_MAX)
        log_event(LOG_WARNING, "not connected", LOG_TEXT("server", client->settings->server),
                  LOG_TEXT("code", rpc_code_name(status->code)),
                  LOG_TEXT("message", status->message), LOG_INT("retry_ms", delay_ms));
    loop_timer_start(client->settings->loop, &client->retry, delay_ms);
}

static void list_names(const struct connection_names *names, char *list[CONNECTIONS_MAX])
{
    for (size_t i = 0; i < names->count; i++)
        list[i] = (char *)(uintptr_t)names->names[i];
}

/* The folder as it is now; what was known before, if it cannot be read. */
static void refresh_names(struct client *client)
{
    struct connection_names sources = client->sources, targets = client->targets;
    struct problem problem;

    if (connection_list(client->settings->connections_dir, &client->sources, &client->targets,
                        &problem))
        return;
    client->sources = sources;
    client->targets = targets;
    log_event(LOG_WARNING, "connections not read again", LOG_TEXT("message", problem.text));
}

static void fill_worker(struct client *client, Sync__V1__WorkerInfo *worker,
                        char *sources[CONNECTIONS_MAX], char *targets[CONNECTIONS_MAX])
{
    static char any[] = "*";

    worker->worker_id = (char *)(uintptr_t)client->settings->worker_id;
    worker->version = (char *)(uintptr_t)SYNC_VERSION;
    worker->slots = client->settings->slots;
    worker->sources = sources;
    worker->targets = targets;
    if (client->settings->any_connection) {
        sources[0] = targets[0] = any;
        worker->n_sources = worker->n_targets = 1;
        return;
    }
    refresh_names(client);
    list_names(&client->sources, sources);
    list_names(&client->targets, targets);
    worker->n_sources = client->sources.count;
    worker->n_targets = client->targets.count;
}

static void open_stream(struct client *client)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkHello hello = SYNC__V1__WORK_HELLO__INIT;
    Sync__V1__WorkerInfo worker = SYNC__V1__WORKER_INFO__INIT;
    Google__Protobuf__Duration ttl = GOOGLE__PROTOBUF__DURATION__INIT;
    char *sources[CONNECTIONS_MAX], *targets[CONNECTIONS_MAX];

    fill_worker(client, &worker, sources, targets);
    hello.worker = &worker;
    if (client->settings->lease_ttl_ms > 0) {
        ttl.seconds = client->settings->lease_ttl_ms / 1000;
        ttl.nanos = (int32_t)(client->settings->lease_ttl_ms % 1000 * 1000000);
        hello.lease_ttl = &ttl;
    }
    request.id = ++client->next_id;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_HELLO;
    request.hello = &hello;
    client->call = (struct client_call){
        .path = "/sync.v1.WorkerService/Work",
        .response = &sync__v1__work_response__descriptor,
        .request = &request.base,
        .streaming_request = true,
        .on_message = on_message,
        .on_done = on_done,
    };
    client->open = true;
    client_call_start(client->channel, &client->call);
}

static void on_retry(struct loop_timer *timer)
{
    open_stream(container_of(timer, struct client, retry));
}

static void tell_started(struct client *client, enum err e)
{
    pthread_mutex_lock(&client->lock);
    client->started = true;
    client->start_err = e;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void start_on_loop(struct loop_task *task)
{
    struct client *client = container_of(task, struct client, start_task);
    const struct channel_options options = { .address = client->settings->server,
                                             .tls = client->settings->tls };
    enum err e =
        channel_open(client->settings->loop, &options, &client->channel, &client->start_why);

    if (e == OK)
        open_stream(client);
    tell_started(client, e);
}

/* A task of its own: a channel is not closed from inside one of its calls. */
static void close_on_loop(struct loop_task *task)
{
    struct client *client = container_of(task, struct client, close_task);

    channel_close(client->channel);
    client->channel = NULL;
    pthread_mutex_lock(&client->lock);
    client->drained = true;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

/* Nobody runs any more: let go of the stream, and let client_drain() return. */
void client_end_if_drained(struct client *client)
{
    if (!client->draining || client->job_count > 0)
        return;
    if (client->open) {
        client_call_cancel(&client->call); /* on_done() comes back here */
        return;
    }
    loop_timer_stop(client->settings->loop, &client->retry);
    loop_timer_stop(client->settings->loop, &client->drain_end);
    loop_post(client->settings->loop, &client->close_task);
}

/* The server is not there: what is stored at the targets is enough to go on. */
static void give_up(struct loop_timer *timer)
{
    struct client *client = container_of(timer, struct client, drain_end);

    client->gave_up = true;
    reports_drop(client, NULL, RPC_CANCELLED, "the worker ends");
}

static void drain_on_loop(struct loop_task *task)
{
    struct client *client = container_of(task, struct client, drain_task);

    client->draining = true;
    list_each(link, &client->jobs)
        attempt_direct(container_of(link, struct job, link)->attempt,
                       SYNC__V1__DIRECTIVE__DIRECTIVE_DRAIN);
    loop_timer_start(client->settings->loop, &client->drain_end, DRAIN_MS_MAX);
    client_end_if_drained(client);
}

void client_drain(struct client *client)
{
    client->drain_task.run = drain_on_loop;
    loop_post(client->settings->loop, &client->drain_task);
    pthread_mutex_lock(&client->lock);
    while (!client->drained)
        pthread_cond_wait(&client->changed, &client->lock);
    pthread_mutex_unlock(&client->lock);
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    assert(client->job_count == 0);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static enum err wait_for_start(struct client *client, struct why *why)
{
    pthread_mutex_lock(&client->lock);
    while (!client->started)
        pthread_cond_wait(&client->changed, &client->lock);
    pthread_mutex_unlock(&client->lock);
    if (client->start_err != OK)
        *why = client->start_why;
    return client->start_err;
}

static void client_init(struct client *client, const struct client_settings *settings)
{
    client->port.report = reports_carry;
    client->settings = settings;
    client->attempt_settings =
        (struct attempt_settings){ .connections_dir = settings->connections_dir,
                                   .data_dir = settings->data_dir,
                                   .port = &client->port };
    client->heartbeat_ms = HEARTBEAT_MS_DEFAULT;
    client->retry.fire = on_retry;
    client->heartbeat.fire = on_heartbeat_due;
    client->drain_end.fire = give_up;
    client->start_task.run = start_on_loop;
    client->close_task.run = close_on_loop;
    link_init(&client->jobs);
    link_init(&client->reports);
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
}

enum err client_start(const struct client_settings *settings, struct client **client,
                      struct why *why)
{
    struct client *made = calloc(1, sizeof *made);
    struct problem problem;
    enum err e;

    if (made == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    client_init(made, settings);
    if (!settings->any_connection &&
        !connection_list(settings->connections_dir, &made->sources, &made->targets, &problem)) {
        client_free(made);
        return err_because(why, ERR_INVALID, "%.200s", problem.text);
    }
    loop_post(settings->loop, &made->start_task);
    e = wait_for_start(made, why);
    if (e != OK) {
        client_free(made);
        return e;
    }
    *client = made;
    return OK;
}
