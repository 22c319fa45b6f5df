#include "rpc/methods/method.h"

/* PurgeJobs: what of the organisation has ended, or the part of it that a
 * filter names. */

static enum err read_status(Sync__V1__JobStatus status, enum run_state *state, struct why *why)
{
    switch ((int)status) {
    case SYNC__V1__JOB_STATUS__JOB_STATUS_UNSPECIFIED:
        *state = RUN_NONE;
        return OK;
    case SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED:
        *state = RUN_COMPLETED;
        return OK;
    case SYNC__V1__JOB_STATUS__JOB_STATUS_FAILED:
        *state = RUN_FAILED;
        return OK;
    case SYNC__V1__JOB_STATUS__JOB_STATUS_CANCELLED:
        *state = RUN_CANCELLED;
        return OK;
    default:
        return refuse_field(why, "status", "must be completed, failed or cancelled");
    }
}

static enum err prepare(struct method_call *m)
{
    const Sync__V1__PurgeJobsRequest *request = m->request;
    struct purge_request *purge = &m->core.purge;
    enum err e = read_status(request->status, &purge->state, &m->why);

    purge->base.verb = QUEUE_PURGE;
    purge->org = m->org;
    purge->actor = bytes_of_text(call_actor(m->call));
    purge->name = bytes_of_text(request->name);
    purge->dry_run = request->dry_run;
    purge->reason = bytes_of_text(request->reason);
    return e == OK ? read_time(request->older_than, "olderThan", &purge->older_than_ms, &m->why)
                   : e;
}

static void *reply(struct method_call *m, struct builder *builder)
{
    Sync__V1__PurgeJobsResponse *response =
        build_message(builder, &sync__v1__purge_jobs_response__descriptor);
    Sync__V1__PurgedJobs *purged = build_message(builder, &sync__v1__purged_jobs__descriptor);

    if (response == NULL || purged == NULL)
        return NULL;
    purged->completed = m->core.purge.completed;
    purged->failed = m->core.purge.failed;
    purged->cancelled = m->core.purge.cancelled;
    response->purged_jobs = purged;
    return response;
}

METHOD_START(purge_jobs)
{
    static const struct method_steps steps = { .prepare = prepare, .reply = reply };

    method_run(call, context, request, &steps);
}
