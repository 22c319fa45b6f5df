#include "tools/bench/client.h"

#include "sync/v1/worker.pb-c.h"
#include "tools/bench/load.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALL_MS = 120 * 1000, WAIT_S = 60 };

void client_close(struct client *client)
{
    if (client->loop == NULL)
        return;
    loop_join(client->loop);
    channel_close(client->channel);
    loop_free(client->loop);
    *client = (struct client){ .loop = NULL };
}

enum err client_open(struct client *client, const char *address, struct why *why)
{
    struct channel_options options = { .address = address };
    enum err e;

    *client = (struct client){ .loop = loop_new() };
    if (client->loop == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    e = channel_open(client->loop, &options, &client->channel, why);
    if (e == OK)
        e = loop_start(client->loop, "rpc");
    if (e != OK)
        client_close(client);
    return e;
}

/* Gives the answer. */
static enum err call(struct client *client, const char *path,
                     const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request,
                     ProtobufCMessage **answer, struct why *why)
{
    struct rpc_status status = { .code = RPC_OK };

    *answer =
        channel_call_wait(client->channel, path, response, request, NULL, 0, CALL_MS, &status);
    if (*answer != NULL)
        return OK;
    return err_because(why, ERR_UNAVAILABLE, "%s: %.180s", rpc_code_name(status.code),
                       status.message);
}

void batch_free(struct batch *batch)
{
    free(batch->jobs);
    free(batch->list);
    free(batch->names);
    free(batch->data.json);
}

enum err batch_new(struct batch *batch, unsigned count, unsigned payload_bytes, struct why *why)
{
    static char place[] = "bench";

    batch->count = count;
    batch->jobs = calloc(count, sizeof *batch->jobs);
    batch->list = calloc(count, sizeof(void *));
    batch->names = calloc(count, sizeof *batch->names);
    sync__v1__job_data__init(&batch->data);
    batch->data.json = malloc(payload_bytes + 1);
    if (batch->jobs == NULL || batch->list == NULL || batch->names == NULL ||
        batch->data.json == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    load_write_payload(batch->data.json, payload_bytes, 0);
    batch->data.source = batch->data.target = place;
    for (unsigned i = 0; i < count; i++) {
        sync__v1__queue_job_request__init(&batch->jobs[i]);
        batch->jobs[i].name = batch->names[i];
        batch->jobs[i].type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
        batch->jobs[i].data = &batch->data;
        batch->list[i] = &batch->jobs[i];
    }
    return OK;
}

static enum err check_results(const Sync__V1__QueueJobsResponse *answer, struct why *why)
{
    for (size_t i = 0; i < answer->n_results; i++)
        if (answer->results[i]->outcome_case != SYNC__V1__QUEUE_JOBS_RESULT__OUTCOME_JOB)
            return err_because(why, ERR_UNAVAILABLE, "a job was refused: %.180s",
                               answer->results[i]->error->message);
    return OK;
}

enum err client_queue(struct client *client, const char *org, struct batch *batch, uint64_t first,
                      unsigned count, struct why *why)
{
    Sync__V1__QueueJobsRequest request = SYNC__V1__QUEUE_JOBS_REQUEST__INIT;
    ProtobufCMessage *answer;
    enum err e;

    for (unsigned i = 0; i < count; i++)
        snprintf(batch->names[i], sizeof batch->names[i], "backlog-%llu",
                 (unsigned long long)(first + i));
    request.org_id = (char *)(uintptr_t)org;
    request.jobs = batch->list;
    request.n_jobs = count;
    e = call(client, "/sync.v1.SyncService/QueueJobs", &sync__v1__queue_jobs_response__descriptor,
             &request.base, &answer, why);
    if (e != OK)
        return e;
    e = check_results((Sync__V1__QueueJobsResponse *)answer, why);
    protobuf_c_message_free_unpacked(answer, NULL);
    return e;
}

static void read_lease(const Sync__V1__JobAssignment *job, struct client_lease *lease)
{
    snprintf(lease->org, sizeof lease->org, "%s", job->org_id);
    snprintf(lease->job_id, sizeof lease->job_id, "%s", job->lease->job_id);
    lease->epoch = job->lease->epoch;
}

enum err client_lease(struct client *client, struct client_lease *lease, struct why *why)
{
    static char any[] = "*", id[] = "bench";
    char *anything[] = { any };
    Sync__V1__LeaseJobsRequest request = SYNC__V1__LEASE_JOBS_REQUEST__INIT;
    Sync__V1__WorkerInfo info = SYNC__V1__WORKER_INFO__INIT;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    Sync__V1__LeaseJobsResponse *leased;
    ProtobufCMessage *answer;
    enum err e;

    info.worker_id = id;
    info.sources = info.targets = anything;
    info.n_sources = info.n_targets = 1;
    info.slots = 1;
    wait.seconds = WAIT_S;
    request.worker = &info;
    request.max_jobs = 1;
    request.wait = &wait;
    e = call(client, "/sync.v1.WorkerService/LeaseJobs", &sync__v1__lease_jobs_response__descriptor,
             &request.base, &answer, why);
    if (e != OK)
        return e;
    leased = (Sync__V1__LeaseJobsResponse *)answer;
    if (leased->n_jobs == 1)
        read_lease(leased->jobs[0], lease);
    else
        e = err_because(why, ERR_NOT_FOUND, "no job was handed out");
    protobuf_c_message_free_unpacked(answer, NULL);
    return e;
}

enum err client_complete(struct client *client, const struct client_lease *lease, struct why *why)
{
    Sync__V1__CompleteJobRequest request = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;
    Sync__V1__Lease held = SYNC__V1__LEASE__INIT;
    ProtobufCMessage *answer;
    enum err e;

    held.job_id = (char *)(uintptr_t)lease->job_id;
    held.epoch = lease->epoch;
    request.lease = &held;
    e = call(client, "/sync.v1.WorkerService/CompleteJob",
             &sync__v1__complete_job_response__descriptor, &request.base, &answer, why);
    if (e == OK)
        protobuf_c_message_free_unpacked(answer, NULL);
    return e;
}

enum err client_count(struct client *client, const char *org, struct client_counts *counts,
                      struct why *why)
{
    Sync__V1__GetOrgInfoRequest request = SYNC__V1__GET_ORG_INFO_REQUEST__INIT;
    const Sync__V1__OrgSyncStatus *status;
    ProtobufCMessage *answer;
    enum err e;

    request.org_id = (char *)(uintptr_t)org;
    e = call(client, "/sync.v1.SyncService/GetOrgInfo",
             &sync__v1__get_org_info_response__descriptor, &request.base, &answer, why);
    if (e != OK)
        return e;
    status = ((Sync__V1__GetOrgInfoResponse *)answer)->sync_status;
    *counts = (struct client_counts){ (uint64_t)status->queued_jobs, (uint64_t)status->active_jobs,
                                      (uint64_t)status->completed_jobs };
    protobuf_c_message_free_unpacked(answer, NULL);
    return OK;
}
