#include "rpc/methods/method.h"
#include "rpc/methods/report.h"

/* The unary reports of workers: Heartbeat, ReportProgress, SaveCheckpoint,
 * CompleteJob, FailJob, ReleaseJob. A lease is named by its job and epoch, so
 * no organisation is. */

static enum err prepare_heartbeat(struct method_call *m)
{
    const Sync__V1__HeartbeatRequest *request = m->request;

    m->core.base.verb = QUEUE_HEARTBEAT;
    return report_leases(request->leases, request->n_leases, m->mem, &m->core.heartbeat, &m->why);
}

static void *reply_heartbeat(struct method_call *m, struct builder *builder)
{
    return build_heartbeat(builder, &m->core.heartbeat);
}

static enum err prepare_progress(struct method_call *m)
{
    return report_progress(m->request, m->mem, &m->core.report, &m->why);
}

static void *reply_progress(struct method_call *m, struct builder *builder)
{
    Sync__V1__ReportProgressResponse *response =
        build_message(builder, &sync__v1__report_progress_response__descriptor);

    if (response != NULL)
        response->directive = (Sync__V1__Directive)m->core.report.directive;
    return response;
}

static enum err prepare_checkpoint(struct method_call *m)
{
    return report_checkpoint(m->request, m->mem, &m->core.report, &m->why);
}

static void *reply_checkpoint(struct method_call *m, struct builder *builder)
{
    Sync__V1__SaveCheckpointResponse *response =
        build_message(builder, &sync__v1__save_checkpoint_response__descriptor);

    if (response != NULL)
        response->directive = (Sync__V1__Directive)m->core.report.directive;
    return response;
}

static enum err prepare_complete(struct method_call *m)
{
    return report_complete(m->request, m->mem, &m->core.report, &m->why);
}

static void *reply_complete(struct method_call *m, struct builder *builder)
{
    (void)m;
    return build_message(builder, &sync__v1__complete_job_response__descriptor);
}

static enum err prepare_fail(struct method_call *m)
{
    return report_fail(m->request, m->mem, &m->core.report, &m->why);
}

static void *reply_fail(struct method_call *m, struct builder *builder)
{
    Sync__V1__FailJobResponse *response =
        build_message(builder, &sync__v1__fail_job_response__descriptor);

    if (response == NULL)
        return NULL;
    response->will_retry = m->core.report.will_retry;
    response->not_before = build_time(builder, m->core.report.not_before_ms);
    return response;
}

static enum err prepare_release(struct method_call *m)
{
    return report_release(m->request, m->mem, &m->core.report, &m->why);
}

static void *reply_release(struct method_call *m, struct builder *builder)
{
    (void)m;
    return build_message(builder, &sync__v1__release_job_response__descriptor);
}

METHOD_START(heartbeat)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_heartbeat,
                                               .reply = reply_heartbeat };

    method_run(call, context, request, &steps);
}

METHOD_START(report_progress)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_progress,
                                               .reply = reply_progress };

    method_run(call, context, request, &steps);
}

METHOD_START(save_checkpoint)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_checkpoint,
                                               .reply = reply_checkpoint };

    method_run(call, context, request, &steps);
}

METHOD_START(complete_job)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_complete,
                                               .reply = reply_complete };

    method_run(call, context, request, &steps);
}

METHOD_START(fail_job)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_fail,
                                               .reply = reply_fail };

    method_run(call, context, request, &steps);
}

METHOD_START(release_job)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_release,
                                               .reply = reply_release };

    method_run(call, context, request, &steps);
}
