#include "rpc/methods/method.h"

/* GetJob: one job, with everything that is known of it. */

static enum err read(struct method_call *m, struct view *view)
{
    const Sync__V1__GetJobRequest *request = m->request;
    struct builder builder = { .mem = m->mem };
    Sync__V1__GetJobResponse *response;
    struct run_info info;
    run_id id;
    enum err e = read_run_id(request->id, "id", &id, &m->why);

    if (e == OK)
        e = view_run(view, m->org, id, &info, &m->why);
    if (e != OK)
        return e;
    response = build_message(&builder, &sync__v1__get_job_response__descriptor);
    if (response != NULL)
        response->job = build_job(&builder, &info, JOB_FULL, method_now_ms(m->methods));
    return method_respond(m, &builder, response);
}

METHOD_START(get_job)
{
    static const struct method_steps steps = { .read = read };

    method_run(call, context, request, &steps);
}
