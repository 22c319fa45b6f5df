#include "tools/bench/worker.h"

#include <stdlib.h>

/* A worker of single calls: each of its lanes leases a job, completes it, and
 * begins again. */

enum { LEASE_WAIT_S = 10 };

struct lane {
    struct client_call call; /* the lease, then the completion */
    struct unary *worker;
    bool leasing;
    uint64_t epoch;
    uint32_t job;
    char job_id[32]; /* "": none */
};

struct unary {
    struct worker base;
    struct lane *lanes;
    unsigned lane_count, busy;
};

static void lease(struct lane *lane);
static void complete(struct lane *lane);

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct lane *lane = container_of(call, struct lane, call);
    const Sync__V1__LeaseJobsResponse *answer = (const Sync__V1__LeaseJobsResponse *)message;

    if (!lane->leasing || answer->n_jobs == 0 ||
        !worker_take(&lane->worker->base, answer->jobs[0], &lane->job))
        return;
    lane->epoch = answer->jobs[0]->lease->epoch;
    strncpy(lane->job_id, answer->jobs[0]->lease->job_id, sizeof lane->job_id - 1);
}

static void lane_ends(struct lane *lane)
{
    if (--lane->worker->busy == 0)
        worker_is_idle(&lane->worker->base);
}

static void on_lease_done(struct lane *lane, const struct rpc_status *status)
{
    struct worker *worker = &lane->worker->base;

    lane->leasing = false;
    if (status->code != RPC_OK && !worker->stopping)
        load_fail(worker->load, status);
    if (status->code == RPC_OK && lane->job_id[0] != '\0')
        complete(lane);
    else if (status->code == RPC_OK && !worker->stopping)
        lease(lane);
    else
        lane_ends(lane);
}

static void on_complete_done(struct lane *lane, const struct rpc_status *status)
{
    struct worker *worker = &lane->worker->base;

    lane->job_id[0] = '\0';
    if (status->code == RPC_OK)
        load_complete(worker->load, lane->job);
    else
        load_fail(worker->load, status);
    if (worker->stopping)
        lane_ends(lane);
    else
        lease(lane);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct lane *lane = container_of(call, struct lane, call);

    if (lane->leasing)
        on_lease_done(lane, status);
    else
        on_complete_done(lane, status);
}

static void start_call(struct lane *lane, const char *path,
                       const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request)
{
    lane->call = (struct client_call){
        .path = path,
        .response = response,
        .request = request,
        .on_message = on_message,
        .on_done = on_done,
    };
    client_call_start(lane->worker->base.channel, &lane->call);
}

static void lease(struct lane *lane)
{
    Sync__V1__LeaseJobsRequest request = SYNC__V1__LEASE_JOBS_REQUEST__INIT;
    Sync__V1__WorkerInfo info;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;

    lane->leasing = true;
    worker_fill_info(&lane->worker->base, &info);
    wait.seconds = LEASE_WAIT_S;
    request.worker = &info;
    request.max_jobs = 1;
    request.wait = &wait;
    start_call(lane, "/sync.v1.WorkerService/LeaseJobs", &sync__v1__lease_jobs_response__descriptor,
               &request.base);
}

static void complete(struct lane *lane)
{
    Sync__V1__CompleteJobRequest request = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;
    Sync__V1__Lease held = SYNC__V1__LEASE__INIT;

    held.job_id = lane->job_id;
    held.epoch = lane->epoch;
    request.lease = &held;
    start_call(lane, "/sync.v1.WorkerService/CompleteJob",
               &sync__v1__complete_job_response__descriptor, &request.base);
}

static bool open_unary(struct worker *worker)
{
    struct unary *unary = container_of(worker, struct unary, base);

    unary->lane_count = worker->load->options.slots;
    unary->lanes = calloc(unary->lane_count, sizeof *unary->lanes);
    for (unsigned i = 0; unary->lanes != NULL && i < unary->lane_count; i++)
        unary->lanes[i].worker = unary;
    return unary->lanes != NULL;
}

static void start_unary(struct worker *worker)
{
    struct unary *unary = container_of(worker, struct unary, base);

    unary->busy = unary->lane_count;
    for (unsigned i = 0; i < unary->lane_count; i++)
        lease(&unary->lanes[i]);
}

static void stop_unary(struct worker *worker)
{
    struct unary *unary = container_of(worker, struct unary, base);

    for (unsigned i = 0; i < unary->lane_count; i++)
        if (unary->lanes[i].leasing)
            client_call_cancel(&unary->lanes[i].call);
}

static void close_unary(struct worker *worker)
{
    free(container_of(worker, struct unary, base)->lanes);
}

const struct worker_kind unary_worker = {
    .size = sizeof(struct unary),
    .open = open_unary,
    .start = start_unary,
    .stop = stop_unary,
    .close = close_unary,
};
