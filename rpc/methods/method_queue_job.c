#include "rpc/methods/method.h"

/* QueueJob: one job, on stable storage when answered. An answer that was given
 * before says so in its metadata. */

static enum err prepare(struct method_call *m)
{
    m->core.submit.org = m->org;
    return read_submit(m->request, call_actor(m->call), m->mem, &m->core.submit, &m->why);
}

static void *reply(struct method_call *m, struct builder *builder)
{
    Sync__V1__QueueJobResponse *response =
        build_message(builder, &sync__v1__queue_job_response__descriptor);

    if (m->core.submit.replayed)
        call_add_initial(m->call, "idempotency-replayed", bytes_of_text("true"));
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
