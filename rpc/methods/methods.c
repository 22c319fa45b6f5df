#include "rpc/methods/methods.h"

#include "rpc/methods/method.h"

#include <assert.h>
#include <stdlib.h>

/* The tables of the three services: what is offered, and who may call it. */

enum { LEASE_TTL_MS_DEFAULT = 60 * 1000, WATCH_HEARTBEAT_MS_DEFAULT = 15 * 1000 };

#define METHOD(Name, kind, right, message, start)                                                  \
    {                                                                                              \
#Name, kind, right, &sync__v1__##message##_request__descriptor,                            \
            &sync__v1__##message##_response__descriptor, method_##start                            \
    }
#define UNARY(Name, right, name) METHOD(Name, RPC_UNARY, right, name, name)

static const struct rpc_method sync_methods[] = {
    UNARY(QueueJob, RPC_RIGHT_UPDATE, queue_job),
    UNARY(QueueJobs, RPC_RIGHT_UPDATE, queue_jobs),
    UNARY(GetServiceInfo, RPC_RIGHT_NONE, get_service_info),
    UNARY(GetOrgInfo, RPC_RIGHT_READ, get_org_info),
    UNARY(GetJob, RPC_RIGHT_READ, get_job),
    UNARY(ListJobs, RPC_RIGHT_READ, list_jobs),
    UNARY(PauseJob, RPC_RIGHT_UPDATE, pause_job),
    UNARY(ResumeJob, RPC_RIGHT_UPDATE, resume_job),
    UNARY(CancelJob, RPC_RIGHT_UPDATE, cancel_job),
    UNARY(RetryJob, RPC_RIGHT_UPDATE, retry_job),
    UNARY(PurgeJobs, RPC_RIGHT_DELETE, purge_jobs),
    UNARY(ListSyncs, RPC_RIGHT_READ, list_syncs),
    UNARY(GetSync, RPC_RIGHT_READ, get_sync),
    UNARY(DeleteSchedule, RPC_RIGHT_DELETE, delete_schedule),
    UNARY(ResetWatermark, RPC_RIGHT_DELETE, reset_watermark),
    METHOD(WatchJobs, RPC_SERVER_STREAM, RPC_RIGHT_READ, watch_jobs, watch_jobs),
};

static const struct rpc_method worker_methods[] = {
    METHOD(Work, RPC_BIDI, RPC_RIGHT_WORKER, work, work),
    UNARY(LeaseJobs, RPC_RIGHT_WORKER, lease_jobs),
    UNARY(Heartbeat, RPC_RIGHT_WORKER, heartbeat),
    UNARY(ReportProgress, RPC_RIGHT_WORKER, report_progress),
    UNARY(SaveCheckpoint, RPC_RIGHT_WORKER, save_checkpoint),
    UNARY(CompleteJob, RPC_RIGHT_WORKER, complete_job),
    UNARY(FailJob, RPC_RIGHT_WORKER, fail_job),
    UNARY(ReleaseJob, RPC_RIGHT_WORKER, release_job),
};

static const struct rpc_method admin_methods[] = {
    UNARY(PutOrg, RPC_RIGHT_ADMIN, put_org),
    UNARY(GetOrg, RPC_RIGHT_ADMIN, get_org),
    UNARY(ListOrgs, RPC_RIGHT_ADMIN, list_orgs),
    METHOD(CreateToken, RPC_UNARY, RPC_RIGHT_ADMIN, create_token, not_built),
    METHOD(ListTokens, RPC_UNARY, RPC_RIGHT_ADMIN, list_tokens, not_built),
    METHOD(RevokeToken, RPC_UNARY, RPC_RIGHT_ADMIN, revoke_token, not_built),
    UNARY(Backup, RPC_RIGHT_ADMIN, backup),
    UNARY(Drain, RPC_RIGHT_ADMIN, drain),
    UNARY(ListAudit, RPC_RIGHT_ADMIN, list_audit),
};

enum { SERVICE_COUNT = 3 };

/* What the header calls struct methods, and the services that point at it. */
struct offered {
    struct methods methods;
    struct rpc_service services[SERVICE_COUNT];
};

static struct offered *offered_of(struct methods *methods)
{
    return container_of(methods, struct offered, methods);
}

static struct rpc_service service(const char *name, const struct rpc_method *methods, size_t count,
                                  struct methods *context)
{
    return (struct rpc_service){
        .name = name, .methods = methods, .method_count = count, .context = context
    };
}

#define SERVICE(name, table, context) service(name, table, sizeof(table) / sizeof *(table), context)

struct methods *methods_new(const struct methods_options *options)
{
    struct offered *offered = calloc(1, sizeof *offered);
    struct methods *methods;

    if (offered == NULL)
        return NULL;
    methods = &offered->methods;
    if (pthread_mutex_init(&methods->lock, NULL) != 0) {
        free(offered);
        return NULL;
    }
    methods->engine = options->engine;
    methods->version = options->version;
    methods->lease_ttl_ms = options->lease_ttl_ms;
    if (methods->lease_ttl_ms == 0)
        methods->lease_ttl_ms = LEASE_TTL_MS_DEFAULT;
    methods->watch_heartbeat_ms = options->watch_heartbeat_ms;
    if (methods->watch_heartbeat_ms == 0)
        methods->watch_heartbeat_ms = WATCH_HEARTBEAT_MS_DEFAULT;
    link_init(&methods->streams);
    offered->services[0] = SERVICE("sync.v1.SyncService", sync_methods, methods);
    offered->services[1] = SERVICE("sync.v1.WorkerService", worker_methods, methods);
    offered->services[2] = SERVICE("sync.v1.AdminService", admin_methods, methods);
    return methods;
}

void methods_free(struct methods *methods)
{
    if (methods == NULL)
        return;
    assert(!link_is_linked(&methods->streams));
    pthread_mutex_destroy(&methods->lock);
    free(offered_of(methods));
}

void methods_register(struct methods *methods, struct rpc_registry *registry)
{
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        rpc_registry_add(registry, &offered_of(methods)->services[i]);
}

/* Its own memory: the engine may answer after the methods are gone. */
static void drain_done(struct request *req, enum err e)
{
    (void)e; /* what core could not be told, the streams' end says, too */
    free(container_of(req, struct drain_request, base));
}

static void drain_core(struct methods *methods)
{
    struct drain_request *drain = calloc(1, sizeof *drain);

    if (drain == NULL)
        return;
    drain->base.verb = QUEUE_DRAIN;
    drain->base.done = drain_done;
    drain->actor = bytes_of_text("the server itself");
    engine_post(methods->engine, &drain->base);
}

void methods_drain(struct methods *methods)
{
    bool first;

    pthread_mutex_lock(&methods->lock);
    first = !methods->draining;
    methods->draining = true;
    if (first) {
        drain_core(methods);
        list_each(link, &methods->streams)
            open_stream_drain(container_of(link, struct open_stream, link));
    }
    pthread_mutex_unlock(&methods->lock);
}
