#include "rpc/client/watch.h"

#include "rpc/client/job.h"

#include <stdlib.h>
#include <string.h>

/* A watch is one stream after the other, each beginning behind the last event
 * of the one before. */

static void hold(struct sync_watch *watch)
{
    watch->holds++;
}

static void release(struct sync_watch *watch)
{
    if (--watch->holds > 0)
        return;
    free(watch->name);
    free(watch->id);
    free(watch);
}

/* ---- Its end. ---- */

static void end(struct sync_watch *watch, const struct sync_status *status)
{
    if (watch->ended)
        return;
    watch->ended = true;
    loop_timer_stop(watch->client->loop, &watch->again);
    list_remove(&watch->link);
    watch->user.on_end(watch->user.context, status);
    release(watch);
}

static void end_with(struct sync_watch *watch, enum sync_code code, const char *text)
{
    struct sync_status status;

    client_set_status(&status, code, "%s", text);
    end(watch, &status);
}

/* The stream's on_done() ends it, if there is one. */
static void stop(struct sync_watch *watch)
{
    watch->stopped = true;
    if (watch->is_calling)
        client_call_cancel(&watch->call);
    else
        end_with(watch, SYNC_OK, "");
}

void client_end_watches(struct sync_client *client)
{
    while (link_is_linked(&client->watches)) {
        struct sync_watch *watch = container_of(client->watches.next, struct sync_watch, link);
        list_remove(&watch->link);
        if (!watch->is_calling) /* otherwise the channel's closing does */
            end_with(watch, SYNC_CANCELLED, "the client was closed");
    }
}

/* ---- Events. ---- */

static void deliver(struct sync_watch *watch, const struct sync_event *event, struct sync_job **job)
{
    if (!watch->stopped && !watch->ended && !watch->user.on_event(watch->user.context, event, job))
        stop(watch);
}

static void deliver_job(struct sync_watch *watch, const Sync__V1__WatchJobsResponse *answer)
{
    struct sync_job *job = job_new(answer->job);
    const struct sync_event event = { .kind = SYNC_EVENT_JOB,
                                      .job = job,
                                      .sequence = answer->sequence };

    if (job != NULL)
        deliver(watch, &event, &job);
    else
        watch->is_out_of_memory = true;
    sync_client_job_free(job);
    if (watch->is_out_of_memory)
        client_call_cancel(&watch->call);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct sync_watch *watch = container_of(call, struct sync_watch, call);
    const Sync__V1__WatchJobsResponse *answer =
        (const Sync__V1__WatchJobsResponse *)(const void *)message;
    struct sync_event event = { .sequence = answer->sequence };

    watch->has_begun = true;
    watch->failures = 0;
    watch->request.after_sequence = answer->sequence;
    if (answer->event_case == SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_JOB) {
        deliver_job(watch, answer);
    } else if (answer->event_case == SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED) {
        event.kind = SYNC_EVENT_SYNCED;
        deliver(watch, &event, NULL);
    } else if (answer->event_case == SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_RELIST) {
        watch->relist = true;
        client_call_cancel(call);
    }
}

/* ---- One stream after the other. ---- */

static void begin(struct sync_watch *watch)
{
    watch->is_calling = true;
    /* One that has begun waits for its server to come back. */
    watch->call.wait_for_ready = watch->has_begun || watch->client->wait_for_ready;
    client_call_start(watch->client->channel, &watch->call);
}

static void on_again(struct loop_timer *timer)
{
    struct sync_watch *watch = container_of(timer, struct sync_watch, again);

    watch->is_put_off = watch->paused;
    if (!watch->paused)
        begin(watch);
}

void watch_pause(struct sync_watch *watch)
{
    watch->paused = true;
    if (watch->is_calling)
        client_call_pause_reading(&watch->call);
}

static void on_resume(struct loop_task *task)
{
    struct sync_watch *watch = container_of(task, struct sync_watch, resume);
    bool must_begin = watch->is_put_off && !watch->ended;

    atomic_store(&watch->resume_is_posted, false);
    watch->paused = watch->is_put_off = false;
    if (watch->is_calling)
        client_call_resume_reading(&watch->call);
    else if (must_begin)
        begin(watch);
}

void watch_resume(struct sync_watch *watch)
{
    if (!atomic_exchange(&watch->resume_is_posted, true))
        loop_post(watch->client->loop, &watch->resume);
}

static void begin_anew(struct sync_watch *watch)
{
    const struct sync_event event = { .kind = SYNC_EVENT_RELIST };

    watch->relist = false;
    watch->request.after_sequence = 0;
    deliver(watch, &event, NULL);
    if (!watch->ended && !watch->stopped)
        loop_timer_start(watch->client->loop, &watch->again, 0);
}

static void go_on(struct sync_watch *watch, const struct sync_status *status)
{
    const struct sync_event event = { .kind = SYNC_EVENT_LOST,
                                      .status = status,
                                      .sequence = watch->request.after_sequence };
    int64_t delay_ms = backoff_ms(&watch->client->backoff, ++watch->failures, random_real());

    deliver(watch, &event, NULL);
    if (!watch->ended && !watch->stopped)
        loop_timer_start(watch->client->loop, &watch->again, delay_ms);
}

static void on_done(struct client_call *call, const struct rpc_status *from)
{
    struct sync_watch *watch = container_of(call, struct sync_watch, call);
    struct sync_status status;

    hold(watch);
    watch->is_calling = false;
    client_read_status(&status, from);
    if (watch->client->closing)
        end_with(watch, SYNC_CANCELLED, "the client was closed");
    else if (watch->is_out_of_memory)
        end_with(watch, SYNC_RESOURCE_EXHAUSTED, "out of memory");
    else if (watch->stopped)
        end_with(watch, SYNC_OK, "");
    else if (watch->relist)
        begin_anew(watch);
    else if (watch->has_begun && (status.code == SYNC_UNAVAILABLE || status.code == SYNC_OK))
        go_on(watch, &status);
    else
        end(watch, &status);
    release(watch);
}

/* ---- From any thread. ---- */

static void on_start(struct loop_task *task)
{
    struct sync_watch *watch = container_of(task, struct sync_watch, start);

    list_append(&watch->client->watches, &watch->link);
    begin(watch);
}

static void on_stop(struct loop_task *task)
{
    struct sync_watch *watch = container_of(task, struct sync_watch, stop);

    if (!watch->ended)
        stop(watch);
    release(watch);
}

static char *copy(const char *text, bool *failed)
{
    char *copied = strdup(text != NULL ? text : "");

    *failed |= copied == NULL;
    return copied;
}

static bool set_request(struct sync_watch *watch, const struct sync_watch_request *request)
{
    bool failed = false;

    watch->name = copy(request->name, &failed);
    watch->id = copy(request->id, &failed);
    sync__v1__watch_jobs_request__init(&watch->request);
    watch->request.name = watch->name;
    watch->request.id = watch->id;
    watch->request.after_sequence = request->after_sequence;
    watch->call = (struct client_call){
        .path = "/sync.v1.SyncService/WatchJobs",
        .response = &sync__v1__watch_jobs_response__descriptor,
        .request = &watch->request.base,
        .metadata = watch->client->metadata,
        .metadata_count = watch->client->metadata_count,
        .idempotent = true,
        .on_message = on_message,
        .on_done = on_done,
    };
    return !failed;
}

static void init(struct sync_watch *watch)
{
    watch->holds = 2;
    watch->start.run = on_start;
    watch->stop.run = on_stop;
    watch->resume.run = on_resume;
    watch->again.fire = on_again;
    link_init(&watch->link);
}

struct sync_watch *watch_open(struct sync_client *client, const struct sync_watch_request *given,
                              const struct watch_user *user, struct sync_status *status)
{
    struct sync_watch_request request;
    struct sync_watch *watch;

    if (!client_take(&request, sizeof request, given, "the request", status))
        return NULL;
    watch = atomic_load(&client->closing) ? NULL : calloc(1, sizeof *watch);
    if (watch != NULL) {
        watch->client = client;
        watch->user = *user;
        init(watch);
        if (set_request(watch, &request))
            return watch;
        watch->holds = 1;
        release(watch);
    }
    client_set_status(status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
    return NULL;
}

void watch_start(struct sync_watch *watch)
{
    loop_post(watch->client->loop, &watch->start);
}

static bool call_on_event(void *context, const struct sync_event *event, struct sync_job **job)
{
    struct sync_watch *watch = context;

    (void)job; /* it is lent */
    return watch->on_event(watch->context, event);
}

static void call_on_end(void *context, const struct sync_status *status)
{
    struct sync_watch *watch = context;

    watch->on_end(watch->context, status);
}

struct sync_watch *sync_client_watch_start(struct sync_client *client,
                                           const struct sync_watch_request *request,
                                           sync_on_event on_event, sync_on_end on_end,
                                           void *context)
{
    const struct watch_user user = { call_on_event, call_on_end, NULL };
    struct sync_status status;
    struct sync_watch *watch = watch_open(client, request, &user, &status);

    if (watch == NULL)
        return NULL;
    watch->user.context = watch;
    watch->on_event = on_event;
    watch->on_end = on_end;
    watch->context = context;
    watch_start(watch);
    return watch;
}

void sync_client_watch_stop(struct sync_watch *watch)
{
    if (watch != NULL)
        loop_post(watch->client->loop, &watch->stop);
}
