#include "rpc/client/invocation.h"
#include "rpc/client/job.h"

#include <stdlib.h>

/* What is done with jobs: a table of methods, each waited for or not. Every
 * answer is a message whose only field is the job. */

enum { REQUEST_MEMORY_MAX = 1 << 20 };

/* A request that is being made, with the memory that it lies in. */
struct asking {
    struct arena *mem;
    const ProtobufCMessage *request;
    int64_t extra_ms; /* that the server was asked to wait */
    struct sync_status status;
    union {
        Sync__V1__GetJobRequest get;
        Sync__V1__PauseJobRequest pause;
        Sync__V1__ResumeJobRequest resume;
        Sync__V1__CancelJobRequest cancel;
        Sync__V1__RetryJobRequest retry;
    } message;
};

struct verb {
    const char *path;
    const ProtobufCMessageDescriptor *answer_type;
    bool idempotent;
    /* False: the status says what is wrong with what was given. */
    bool (*make)(struct asking *asking, const void *given);
};

/* ---- Requests. ---- */

static char *text(const char *given)
{
    return (char *)(uintptr_t)(given != NULL ? given : "");
}

static bool make_queue(struct asking *asking, const void *given)
{
    const Sync__V1__QueueJobRequest *made = job_queue_request(given, asking->mem, &asking->status);

    if (made == NULL)
        return false;
    asking->request = &made->base;
    return true;
}

static bool make_get(struct asking *asking, const void *given)
{
    Sync__V1__GetJobRequest *message = &asking->message.get;

    sync__v1__get_job_request__init(message);
    message->id = text(given);
    asking->request = &message->base;
    return true;
}

/* Fills in what the requests of control have in common. */
static bool take_control(struct asking *asking, struct sync_control *control, const void *given,
                         char **id, char **name, char **reason)
{
    if (!client_take(control, sizeof *control, given, "the request", &asking->status))
        return false;
    *id = text(control->id);
    *name = text(control->name);
    *reason = text(control->reason);
    return true;
}

/* The worker is waited for: so long the answer may take, too. */
static Google__Protobuf__Duration *take_wait(struct asking *asking,
                                             const struct sync_control *control)
{
    asking->extra_ms = control->wait_ms;
    return job_duration(control->wait_ms, asking->mem);
}

static bool make_pause(struct asking *asking, const void *given)
{
    Sync__V1__PauseJobRequest *message = &asking->message.pause;
    struct sync_control control;

    sync__v1__pause_job_request__init(message);
    asking->request = &message->base;
    if (!take_control(asking, &control, given, &message->id, &message->name, &message->reason))
        return false;
    message->wait = take_wait(asking, &control);
    return true;
}

static bool make_resume(struct asking *asking, const void *given)
{
    Sync__V1__ResumeJobRequest *message = &asking->message.resume;
    struct sync_control control;

    sync__v1__resume_job_request__init(message);
    asking->request = &message->base;
    if (!take_control(asking, &control, given, &message->id, &message->name, &message->reason))
        return false;
    if (control.from_start) /* the value is false */
        message->from_checkpoint_set_case =
            SYNC__V1__RESUME_JOB_REQUEST__FROM_CHECKPOINT_SET_FROM_CHECKPOINT;
    return true;
}

static bool make_cancel(struct asking *asking, const void *given)
{
    Sync__V1__CancelJobRequest *message = &asking->message.cancel;
    struct sync_control control;

    sync__v1__cancel_job_request__init(message);
    asking->request = &message->base;
    if (!take_control(asking, &control, given, &message->id, &message->name, &message->reason))
        return false;
    message->wait = take_wait(asking, &control);
    return true;
}

static bool make_retry(struct asking *asking, const void *given)
{
    Sync__V1__RetryJobRequest *message = &asking->message.retry;
    struct sync_control control;
    char *by_id_only;

    sync__v1__retry_job_request__init(message);
    asking->request = &message->base;
    return take_control(asking, &control, given, &message->id, &by_id_only, &message->reason);
}

static const struct verb queue_verb = { "/sync.v1.SyncService/QueueJob",
                                        &sync__v1__queue_job_response__descriptor, true,
                                        make_queue };
static const struct verb get_verb = { "/sync.v1.SyncService/GetJob",
                                      &sync__v1__get_job_response__descriptor, true, make_get };
static const struct verb pause_verb = { "/sync.v1.SyncService/PauseJob",
                                        &sync__v1__pause_job_response__descriptor, true,
                                        make_pause };
static const struct verb resume_verb = { "/sync.v1.SyncService/ResumeJob",
                                         &sync__v1__resume_job_response__descriptor, true,
                                         make_resume };
static const struct verb cancel_verb = { "/sync.v1.SyncService/CancelJob",
                                         &sync__v1__cancel_job_response__descriptor, true,
                                         make_cancel };
/* A job that was queued again is not one that may be retried. */
static const struct verb retry_verb = { "/sync.v1.SyncService/RetryJob",
                                        &sync__v1__retry_job_response__descriptor, false,
                                        make_retry };

static bool make(struct asking *asking, const struct verb *verb, const void *given)
{
    *asking = (struct asking){ .mem = arena_new(REQUEST_MEMORY_MAX) };
    if (asking->mem != NULL)
        return verb->make(asking, given);
    client_set_status(&asking->status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
    return false;
}

static struct invocation invocation_of(const struct sync_client *client, const struct verb *verb,
                                       const struct asking *asking)
{
    bool waits = client->timeout_ms > 0 && asking->extra_ms > 0;

    return (struct invocation){
        .path = verb->path,
        .answer_type = verb->answer_type,
        .request = asking->request,
        .idempotent = verb->idempotent,
        .timeout_ms = waits ? client->timeout_ms + asking->extra_ms : 0,
    };
}

static const Sync__V1__Job *job_of(const ProtobufCMessage *answer)
{
    static const Sync__V1__Job none = SYNC__V1__JOB__INIT;
    const Sync__V1__Job *job = ((const Sync__V1__GetJobResponse *)(const void *)answer)->job;

    return job != NULL ? job : &none;
}

/* ---- Waited for. ---- */

static enum sync_code wait_for_job(struct sync_client *client, const struct verb *verb,
                                   const void *given, struct sync_job **job,
                                   struct sync_status *status)
{
    struct asking asking;
    ProtobufCMessage *answer = NULL;

    *job = NULL;
    if (make(&asking, verb, given)) {
        const struct invocation invocation = invocation_of(client, verb, &asking);
        answer = invocation_wait(client, &invocation, &asking.status);
    }
    if (answer != NULL) {
        *job = job_new(job_of(answer));
        if (*job == NULL)
            client_set_status(&asking.status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
        protobuf_c_message_free_unpacked(answer, NULL);
    }
    arena_free(asking.mem);
    return client_tell(status, &asking.status);
}

enum sync_code sync_client_queue(struct sync_client *client, const struct sync_job_request *request,
                                 struct sync_job **job, struct sync_status *status)
{
    return wait_for_job(client, &queue_verb, request, job, status);
}

enum sync_code sync_client_get(struct sync_client *client, const char *id, struct sync_job **job,
                               struct sync_status *status)
{
    return wait_for_job(client, &get_verb, id, job, status);
}

enum sync_code sync_client_pause(struct sync_client *client, const struct sync_control *control,
                                 struct sync_job **job, struct sync_status *status)
{
    return wait_for_job(client, &pause_verb, control, job, status);
}

enum sync_code sync_client_resume(struct sync_client *client, const struct sync_control *control,
                                  struct sync_job **job, struct sync_status *status)
{
    return wait_for_job(client, &resume_verb, control, job, status);
}

enum sync_code sync_client_cancel(struct sync_client *client, const struct sync_control *control,
                                  struct sync_job **job, struct sync_status *status)
{
    return wait_for_job(client, &cancel_verb, control, job, status);
}

enum sync_code sync_client_retry(struct sync_client *client, const struct sync_control *control,
                                 struct sync_job **job, struct sync_status *status)
{
    return wait_for_job(client, &retry_verb, control, job, status);
}

/* ---- With a callback. ---- */

struct job_callback {
    struct invocation_end end;
    sync_job_done done;
    void *context;
};

static void on_end(struct invocation_end *end, const struct sync_status *status,
                   const ProtobufCMessage *answer)
{
    struct job_callback *callback = container_of(end, struct job_callback, end);
    struct sync_job *job = answer != NULL ? job_new(job_of(answer)) : NULL;
    struct sync_status outcome = *status;

    if (answer != NULL && job == NULL)
        client_set_status(&outcome, SYNC_RESOURCE_EXHAUSTED, "out of memory");
    callback->done(callback->context, &outcome, job);
    sync_client_job_free(job);
    free(callback);
}

static bool start_for_job(struct sync_client *client, const struct verb *verb, const void *given,
                          sync_job_done done, void *context)
{
    struct job_callback *callback = calloc(1, sizeof *callback);
    struct asking asking;
    bool started;

    if (callback == NULL)
        return false;
    *callback = (struct job_callback){ { on_end }, done, context };
    if (make(&asking, verb, given)) {
        const struct invocation invocation = invocation_of(client, verb, &asking);
        started = invocation_start(client, &invocation, &callback->end);
    } else {
        started = invocation_refuse(client, &asking.status, &callback->end);
    }
    arena_free(asking.mem);
    if (!started)
        free(callback);
    return started;
}

bool sync_client_queue_start(struct sync_client *client, const struct sync_job_request *request,
                             sync_job_done done, void *context)
{
    return start_for_job(client, &queue_verb, request, done, context);
}

bool sync_client_get_start(struct sync_client *client, const char *id, sync_job_done done,
                           void *context)
{
    return start_for_job(client, &get_verb, id, done, context);
}

bool sync_client_pause_start(struct sync_client *client, const struct sync_control *control,
                             sync_job_done done, void *context)
{
    return start_for_job(client, &pause_verb, control, done, context);
}

bool sync_client_resume_start(struct sync_client *client, const struct sync_control *control,
                              sync_job_done done, void *context)
{
    return start_for_job(client, &resume_verb, control, done, context);
}

bool sync_client_cancel_start(struct sync_client *client, const struct sync_control *control,
                              sync_job_done done, void *context)
{
    return start_for_job(client, &cancel_verb, control, done, context);
}

bool sync_client_retry_start(struct sync_client *client, const struct sync_control *control,
                             sync_job_done done, void *context)
{
    return start_for_job(client, &retry_verb, control, done, context);
}
