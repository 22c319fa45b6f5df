#include "core/limits.h"
#include "rpc/methods/method.h"

/* PauseJob, ResumeJob, CancelJob, RetryJob: one core request, four verbs. The
 * messages differ, so each has its own prepare(); the four answers have the
 * same single field. */

/* Exactly one of the two says what is meant. */
static enum err read_target(struct method_call *m, const char *name, const char *id)
{
    struct control_request *control = &m->core.control;

    if (name[0] != '\0' && id[0] != '\0')
        return refuse_field(&m->why, "id", "and name were both given: give one of them");
    if (name[0] == '\0' && id[0] == '\0')
        return refuse_field(&m->why, "name", "is missing: give the sync's name, or a job's id");
    control->name = bytes_of_text(name);
    return id[0] != '\0' ? read_run_id(id, "id", &control->id, &m->why) : OK;
}

static enum err prepare_control(struct method_call *m, enum control_verb verb, const char *name,
                                const char *id, const char *reason)
{
    struct control_request *control = &m->core.control;

    control->base.verb = QUEUE_CONTROL;
    control->verb = verb;
    control->org = m->org;
    control->actor = bytes_of_text(call_actor(m->call));
    control->reason = bytes_of_text(reason);
    return read_target(m, name, id);
}

static enum err prepare_pause(struct method_call *m)
{
    const Sync__V1__PauseJobRequest *request = m->request;
    enum err e = prepare_control(m, CONTROL_PAUSE, request->name, request->id, request->reason);

    return e == OK ? read_duration(request->wait, "wait", WAIT_MS_MAX, &m->core.control.wait_ms,
                                   &m->why)
                   : e;
}

static enum err prepare_cancel(struct method_call *m)
{
    const Sync__V1__CancelJobRequest *request = m->request;
    enum err e = prepare_control(m, CONTROL_CANCEL, request->name, request->id, request->reason);

    return e == OK ? read_duration(request->wait, "wait", WAIT_MS_MAX, &m->core.control.wait_ms,
                                   &m->why)
                   : e;
}

static enum err prepare_resume(struct method_call *m)
{
    const Sync__V1__ResumeJobRequest *request = m->request;
    bool said = request->from_checkpoint_set_case ==
                SYNC__V1__RESUME_JOB_REQUEST__FROM_CHECKPOINT_SET_FROM_CHECKPOINT;

    m->core.control.start_over = said && !request->from_checkpoint;
    return prepare_control(m, CONTROL_RESUME, request->name, request->id, request->reason);
}

static enum err prepare_retry(struct method_call *m)
{
    const Sync__V1__RetryJobRequest *request = m->request;

    if (request->id[0] == '\0')
        return refuse_field(&m->why, "id", "is missing: a job is retried by its id");
    return prepare_control(m, CONTROL_RETRY, "", request->id, request->reason);
}

static Sync__V1__Job *build_answer(struct method_call *m, struct builder *builder)
{
    return build_job(builder, &m->core.control.info, JOB_OVERVIEW, method_now_ms(m->methods));
}

static void *reply_pause(struct method_call *m, struct builder *builder)
{
    Sync__V1__PauseJobResponse *response =
        build_message(builder, &sync__v1__pause_job_response__descriptor);

    if (response != NULL)
        response->job = build_answer(m, builder);
    return response;
}

static void *reply_resume(struct method_call *m, struct builder *builder)
{
    Sync__V1__ResumeJobResponse *response =
        build_message(builder, &sync__v1__resume_job_response__descriptor);

    if (response != NULL)
        response->job = build_answer(m, builder);
    return response;
}

static void *reply_cancel(struct method_call *m, struct builder *builder)
{
    Sync__V1__CancelJobResponse *response =
        build_message(builder, &sync__v1__cancel_job_response__descriptor);

    if (response != NULL)
        response->job = build_answer(m, builder);
    return response;
}

static void *reply_retry(struct method_call *m, struct builder *builder)
{
    Sync__V1__RetryJobResponse *response =
        build_message(builder, &sync__v1__retry_job_response__descriptor);

    if (response != NULL)
        response->job = build_answer(m, builder);
    return response;
}

METHOD_START(pause_job)
{
    static const struct method_steps steps = { .prepare = prepare_pause, .reply = reply_pause };

    method_run(call, context, request, &steps);
}

METHOD_START(resume_job)
{
    static const struct method_steps steps = { .prepare = prepare_resume, .reply = reply_resume };

    method_run(call, context, request, &steps);
}

METHOD_START(cancel_job)
{
    static const struct method_steps steps = { .prepare = prepare_cancel, .reply = reply_cancel };

    method_run(call, context, request, &steps);
}

METHOD_START(retry_job)
{
    static const struct method_steps steps = { .prepare = prepare_retry, .reply = reply_retry };

    method_run(call, context, request, &steps);
}
