#include "rpc/methods/method.h"

/* PurgeJobs: everything of the organisation that has ended. */

static enum err refuse_filter(struct method_call *m, const char *field)
{
    return err_because(&m->why, ERR_UNSUPPORTED,
                       "%s: this server purges all ended jobs or none; leave it out", field);
}

static enum err prepare(struct method_call *m)
{
    const Sync__V1__PurgeJobsRequest *request = m->request;
    struct purge_request *purge = &m->core.purge;

    if (request->older_than != NULL)
        return refuse_filter(m, "olderThan");
    if (request->name[0] != '\0')
        return refuse_filter(m, "name");
    if (request->status != SYNC__V1__JOB_STATUS__JOB_STATUS_UNSPECIFIED)
        return refuse_filter(m, "status");
    purge->base.verb = QUEUE_PURGE;
    purge->org = m->org;
    purge->actor = bytes_of_text(call_actor(m->call));
    purge->dry_run = request->dry_run;
    return OK;
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
