#include "tools/worker/client.h"

#include "tools/worker/attempt.h"

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/random.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Everything but the attempts lives on the loop's thread. They hand their
 * reports over and sleep until these are answered. */

enum {
    BACKOFF_MS_MIN = 100, BACKOFF_MS_MAX = 5000, HEARTBEAT_MS_DEFAULT = 20 * 1000,
    DRAIN_MS_MAX = 10 * 1000,
};

struct client {
    struct report_port port;
    const struct client_settings *settings;
    struct attempt_settings attempt_settings;
    struct connection_names sources, targets;

    /* the loop's */
    struct channel *channel;
    struct client_call call;
    bool open;                   /* a call was started and is not done */
    bool welcome;                /* the server has answered the hello */
    bool draining, gave_up;
    int64_t backoff_ms;
    int64_t heartbeat_ms;
    struct loop_timer retry, heartbeat, drain_end;
    uint64_t next_id;
    uint64_t heartbeat_id;       /* 0: none is unanswered */
    int64_t heartbeat_sent_ms;
    struct link jobs;            /* struct job */
    unsigned job_count;
    unsigned owed;               /* credit that a job used up which could not be started */
    struct link reports;         /* struct report that are not answered, in order */
    struct loop_task start_task, drain_task, close_task;

    /* shared with client_start() and client_drain() */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool started, drained;
    enum err start_err;
    struct why start_why;
};

struct job {
    struct link link;
    struct client *client;
    struct attempt *attempt;
    pthread_t thread;
    int64_t ttl_ms;
    struct loop_task ended;
};

/* One report on its way; lies on the stack of the attempt's thread. */
struct report {
    struct link link;
    struct loop_task task;
    struct client *client;
    struct attempt *attempt;
    Sync__V1__WorkRequest *request;
    struct report_result *result;
    int64_t sent_ms;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
};

static void open_stream(struct client *client);
static void end_drain_if_done(struct client *client);

static const Sync__V1__Lease *lease_of(const struct job *job)
{
    return attempt_assignment(job->attempt)->lease;
}

static struct job *find_job(struct client *client, const Sync__V1__Lease *lease)
{
    list_each(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (lease_of(job)->epoch == lease->epoch &&
            strcmp(lease_of(job)->job_id, lease->job_id) == 0)
            return job;
    }
    return NULL;
}

static struct job *job_of(struct client *client, const struct attempt *attempt)
{
    list_each(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (job->attempt == attempt)
            return job;
    }
    return NULL;
}

static int64_t to_ms(const Google__Protobuf__Duration *duration, int64_t otherwise_ms)
{
    int64_t ms = duration != NULL ? duration->seconds * 1000 + duration->nanos / 1000000 : 0;

    return ms > 0 ? ms : otherwise_ms;
}

static void send_request(struct client *client, Sync__V1__WorkRequest *request)
{
    /* What waits unsent is bounded by the jobs: each has one report at a time. */
    (void)client_call_send(&client->call, &request->base);
}

/* The last touch of the report: its thread may go on, and it is gone. */
static void answer_report(struct report *report)
{
    list_remove(&report->link);
    pthread_mutex_lock(&report->lock);
    report->done = true;
    pthread_cond_signal(&report->answered);
    pthread_mutex_unlock(&report->lock);
}

static void drop_report(struct report *report, enum rpc_code code, const char *message)
{
    report->result->code = code;
    snprintf(report->result->message, sizeof report->result->message, "%s", message);
    answer_report(report);
}

static void send_report(struct report *report)
{
    report->sent_ms = loop_mono_ms();
    send_request(report->client, report->request);
}

/* On the loop. */
static void take_report(struct loop_task *task)
{
    struct report *report = container_of(task, struct report, task);
    struct client *client = report->client;

    list_append(&client->reports, &report->link);
    report->request->id = ++client->next_id;
    if (attempt_is_lost(report->attempt))
        drop_report(report, RPC_ABORTED, "the lease is lost");
    else if (client->gave_up)
        drop_report(report, RPC_CANCELLED, "the worker ends");
    else if (client->welcome)
        send_report(report);
}

/* On an attempt's thread. */
static void report_and_wait(struct report_port *port, struct attempt *attempt,
                            Sync__V1__WorkRequest *request, struct report_result *result)
{
    struct client *client = container_of(port, struct client, port);
    struct report report = { .task.run = take_report, .client = client, .attempt = attempt,
                             .request = request, .result = result };

    link_init(&report.link);
    pthread_mutex_init(&report.lock, NULL);
    pthread_cond_init(&report.answered, NULL);
    loop_post(client->settings->loop, &report.task);
    pthread_mutex_lock(&report.lock);
    while (!report.done)
        pthread_cond_wait(&report.answered, &report.lock);
    pthread_mutex_unlock(&report.lock);
    pthread_cond_destroy(&report.answered);
    pthread_mutex_destroy(&report.lock);
}

/* Their lease is somebody else's: nobody will answer these. */
static void lose_job(struct client *client, struct job *job)
{
    attempt_lose(job->attempt);
    list_each_safe(link, &client->reports) {
        struct report *report = container_of(link, struct report, link);

        if (report->attempt == job->attempt)
            drop_report(report, RPC_ABORTED, "the lease is lost");
    }
}

static void *run_job(void *context)
{
    struct job *job = context;

    attempt_run(job->attempt);
    loop_post(job->client->settings->loop, &job->ended);
    return NULL;
}

static void grant(struct client *client, unsigned slots)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkReady ready = SYNC__V1__WORK_READY__INIT;

    if (!client->welcome || client->draining || slots == 0)
        return;
    ready.slots = slots;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_READY;
    request.ready = &ready;
    send_request(client, &request);
}

static void job_free(struct job *job)
{
    attempt_free(job->attempt);
    free(job);
}

static void end_job(struct loop_task *task)
{
    struct job *job = container_of(task, struct job, ended);
    struct client *client = job->client;

    pthread_join(job->thread, NULL);
    list_remove(&job->link);
    client->job_count--;
    job_free(job);
    grant(client, 1);
    end_drain_if_done(client);
}

/* The stream lends its messages; an attempt needs its assignment for long. */
static Sync__V1__JobAssignment *copy_assignment(const Sync__V1__JobAssignment *assignment)
{
    size_t size = sync__v1__job_assignment__get_packed_size(assignment);
    uint8_t *packed = malloc(size + 1);
    Sync__V1__JobAssignment *copy = NULL;

    if (packed != NULL) {
        sync__v1__job_assignment__pack(assignment, packed);
        copy = sync__v1__job_assignment__unpack(NULL, size, packed);
    }
    free(packed);
    return copy;
}

/* Earlier leases of the same job that still work here have lost it. */
static void lose_earlier(struct client *client, const Sync__V1__Lease *lease)
{
    list_each_safe(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (strcmp(lease_of(job)->job_id, lease->job_id) == 0 && lease_of(job)->epoch < lease->epoch)
            lose_job(client, job);
    }
}

static bool start_job(struct client *client, const Sync__V1__JobAssignment *assignment)
{
    Sync__V1__JobAssignment *copy = copy_assignment(assignment);
    struct job *job = calloc(1, sizeof *job);

    if (copy == NULL || job == NULL) {
        if (copy != NULL)
            sync__v1__job_assignment__free_unpacked(copy, NULL);
        free(job);
        return false;
    }
    *job = (struct job){ .client = client, .ended.run = end_job,
                         .ttl_ms = to_ms(copy->lease_ttl, 3 * client->heartbeat_ms) };
    job->attempt = attempt_new(&client->attempt_settings, copy, loop_mono_ms() + job->ttl_ms);
    if (job->attempt == NULL || pthread_create(&job->thread, NULL, run_job, job) != 0) {
        job_free(job);
        return false;
    }
    list_append(&client->jobs, &job->link);
    client->job_count++;
    return true;
}

/* True if it is to be acknowledged: it works here now, or did before. */
static bool take_assignment(struct client *client, const Sync__V1__JobAssignment *assignment)
{
    if (client->draining || assignment->lease == NULL || assignment->data == NULL)
        return false;
    if (find_job(client, assignment->lease) != NULL)
        return true;
    lose_earlier(client, assignment->lease);
    if (client->job_count < client->settings->slots && start_job(client, assignment))
        return true;
    client->owed++;
    return false;
}

/* Those that are not acknowledged go back by themselves, and cost nothing. */
static void take_assignments(struct client *client, const Sync__V1__WorkAssignments *message)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkAck ack = SYNC__V1__WORK_ACK__INIT;
    Sync__V1__Lease **leases = calloc(message->n_jobs + 1, sizeof(Sync__V1__Lease *));

    for (size_t i = 0; leases != NULL && i < message->n_jobs; i++)
        if (take_assignment(client, message->jobs[i]))
            leases[ack.n_leases++] = message->jobs[i]->lease;
    if (ack.n_leases > 0) {
        ack.leases = leases;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_ACK;
        request.ack = &ack;
        send_request(client, &request);
    }
    free(leases);
}

static void take_directive(struct client *client, const Sync__V1__LeaseDirective *message)
{
    list_each(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (message->lease == NULL || find_job(client, message->lease) == job)
            attempt_direct(job->attempt, message->directive);
    }
}

static void take_result(struct client *client, uint64_t id, const Sync__V1__WorkResult *message)
{
    list_each_safe(link, &client->reports) {
        struct report *report = container_of(link, struct report, link);
        struct job *job;

        if (report->request->id != id)
            continue;
        report->result->code = (enum rpc_code)message->code;
        report->result->directive = message->directive;
        snprintf(report->result->message, sizeof report->result->message, "%s",
                 message->message);
        job = job_of(client, report->attempt);
        if (message->code == RPC_OK && job != NULL)
            attempt_renew(report->attempt, report->sent_ms + job->ttl_ms);
        answer_report(report);
        return;
    }
}

static void take_heartbeat(struct client *client, const Sync__V1__HeartbeatResponse *message)
{
    for (size_t i = 0; i < message->n_lost; i++) {
        struct job *job = find_job(client, message->lost[i]);

        if (job != NULL)
            lose_job(client, job);
    }
    for (size_t i = 0; i < message->n_directives; i++) {
        const Sync__V1__LeaseDirective *directive = message->directives[i];
        struct job *job = directive->lease != NULL ? find_job(client, directive->lease) : NULL;

        if (job != NULL) {
            attempt_renew(job->attempt, client->heartbeat_sent_ms + job->ttl_ms);
            attempt_direct(job->attempt, directive->directive);
        }
    }
}

static void send_heartbeat(struct client *client)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__HeartbeatRequest heartbeat = SYNC__V1__HEARTBEAT_REQUEST__INIT;
    Sync__V1__Lease **leases = calloc(client->job_count + 1, sizeof(Sync__V1__Lease *));

    if (leases != NULL && client->job_count > 0) {
        list_each(link, &client->jobs) {
            struct job *job = container_of(link, struct job, link);

            leases[heartbeat.n_leases++] = (Sync__V1__Lease *)(uintptr_t)lease_of(job);
        }
        heartbeat.leases = leases;
        request.id = client->heartbeat_id = ++client->next_id;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_HEARTBEAT;
        request.heartbeat = &heartbeat;
        client->heartbeat_sent_ms = loop_mono_ms();
        send_request(client, &request);
    }
    free(leases);
}

static void on_heartbeat_due(struct loop_timer *timer)
{
    struct client *client = container_of(timer, struct client, heartbeat);

    if (!client->welcome)
        return;
    send_heartbeat(client);
    grant(client, client->owed);
    client->owed = 0;
    loop_timer_start(client->settings->loop, timer, client->heartbeat_ms);
}

static void take_welcome(struct client *client, const Sync__V1__WorkWelcome *message)
{
    client->welcome = true;
    client->backoff_ms = 0;
    client->owed = 0;
    client->heartbeat_ms = to_ms(message->heartbeat_interval, HEARTBEAT_MS_DEFAULT);
    log_event(LOG_INFO, "connected", LOG_TEXT("server", client->settings->server),
              LOG_TEXT("worker", message->worker_id),
              LOG_INT("slots", client->settings->slots), LOG_INT("jobs", client->job_count));
    /* First what is ours still; then what waited meanwhile; then more work. */
    on_heartbeat_due(&client->heartbeat);
    list_each(link, &client->reports)
        send_report(container_of(link, struct report, link));
    if (client->job_count < client->settings->slots)
        grant(client, client->settings->slots - client->job_count);
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
        take_assignments(client, message->assignments);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE:
        take_directive(client, message->directive);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE_RESULT:
        take_result(client, message->id, message->result);
        break;
    case SYNC__V1__WORK_RESPONSE__MESSAGE_HEARTBEAT:
        if (message->id == client->heartbeat_id)
            take_heartbeat(client, message->heartbeat);
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

    client->backoff_ms = most_ms == 0 ? BACKOFF_MS_MIN
                         : most_ms * 2 < BACKOFF_MS_MAX ? most_ms * 2 : BACKOFF_MS_MAX;
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
        end_drain_if_done(client);
        return;
    }
    /* One line when it goes, one for each longest wait: not one for each try. */
    if (was_welcome || client->backoff_ms == BACKOFF_MS_MIN ||
        client->backoff_ms == BACKOFF_MS_MAX)
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
        .path = "/sync.v1.WorkerService/Work", .response = &sync__v1__work_response__descriptor,
        .request = &request.base, .streaming_request = true,
        .on_message = on_message, .on_done = on_done,
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
    const struct channel_options options = { .address = client->settings->server };
    enum err e = channel_open(client->settings->loop, &options, &client->channel,
                              &client->start_why);

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
static void end_drain_if_done(struct client *client)
{
    if (!client->draining || client->job_count > 0)
        return;
    if (client->open) {
        client_call_cancel(&client->call);    /* on_done() comes back here */
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
    list_each_safe(link, &client->reports)
        drop_report(container_of(link, struct report, link), RPC_CANCELLED, "the worker ends");
}

static void drain_on_loop(struct loop_task *task)
{
    struct client *client = container_of(task, struct client, drain_task);

    client->draining = true;
    list_each(link, &client->jobs)
        attempt_direct(container_of(link, struct job, link)->attempt,
                       SYNC__V1__DIRECTIVE__DIRECTIVE_DRAIN);
    loop_timer_start(client->settings->loop, &client->drain_end, DRAIN_MS_MAX);
    end_drain_if_done(client);
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
    client->port.report = report_and_wait;
    client->settings = settings;
    client->attempt_settings = (struct attempt_settings){
        .connections_dir = settings->connections_dir, .data_dir = settings->data_dir,
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
    if (!settings->any_connection && !connection_list(settings->connections_dir, &made->sources,
                                                      &made->targets, &problem)) {
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
