#include "rpc/methods/method.h"

/* QueueJob: one job, on stable storage when answered. */

static enum err prepare(struct method_call *m)
{
    struct submit_request *submit = &m->core.submit;

    submit->base.verb = QUEUE_SUBMIT;
    submit->org = m->org;
    submit->actor = bytes_of_text(call_actor(m->call));
    return read_spec(m->request, m->mem, &submit->spec, &m->why);
}

static void *reply(struct method_call *m, struct builder *builder)
{
    Sync__V1__QueueJobResponse *response =
        build_message(builder, &sync__v1__queue_job_response__descriptor);

    if (response != NULL)
        response->job =
            build_job(builder, &m->core.submit.info, JOB_OVERVIEW, method_now_ms(m->methods));
    return response;
}

METHOD_START(queue_job)
{
    static const struct method_steps steps = { .prepare = prepare, .reply = reply };

    method_run(call, context, request, &steps);
}
