#include "rpc/methods/method.h"

/* GetServiceInfo: the whole service, for everybody. */

static enum err prepare(struct method_call *m)
{
    m->core.base.verb = QUEUE_SERVICE_INFO;
    return OK;
}

static const char *status_of(const struct method_call *m)
{
    const struct service_info *info = &m->core.service_info.info;

    if (info->draining)
        return "draining";
    return info->degraded || engine_has_failed(m->methods->engine) ? "degraded" : "active";
}

static void *reply(struct method_call *m, struct builder *builder)
{
    const struct service_info *info = &m->core.service_info.info;
    Sync__V1__GetServiceInfoResponse *response =
        build_message(builder, &sync__v1__get_service_info_response__descriptor);

    if (response == NULL)
        return NULL;
    response->version = build_text(builder, bytes_of_text(m->methods->version));
    response->status = build_text(builder, bytes_of_text(status_of(m)));
    response->active_jobs = info->active;
    response->completed_jobs = info->completed;
    response->failed_jobs = info->failed;
    response->queued_jobs = info->queued;
    response->uptime = build_uptime(builder, info->uptime_ms);
    response->uptime_seconds = (uint64_t)(info->uptime_ms / 1000);
    return response;
}

METHOD_START(get_service_info)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare,
                                               .reply = reply };

    method_run(call, context, request, &steps);
}
