#include "tools/bench/backlog.h"

#include "tools/bench/load.h"

#include <stdio.h>
#include <stdlib.h>

enum { CALL_MS = 120 * 1000 };

/* A channel with its loop on a thread of its own: this part only ever waits
 * for one call. */
struct client {
    struct loop *loop;
    struct channel *channel;
};

static void client_close(struct client *client)
{
    if (client->loop == NULL)
        return;
    loop_join(client->loop);
    channel_close(client->channel);
    loop_free(client->loop);
    *client = (struct client){ .loop = NULL };
}

static enum err client_open(struct client *client, const char *address, struct why *why)
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

static enum err status_err(const struct rpc_status *status, struct why *why)
{
    return err_because(why, ERR_UNAVAILABLE, "%s: %.180s", rpc_code_name(status->code),
                       status->message);
}

/* One batch, its names and payloads made once and numbered anew each time. */
struct batch {
    Sync__V1__QueueJobRequest *jobs, **list;
    Sync__V1__JobData data;
    char (*names)[32];
    unsigned count;
};

static void batch_free(struct batch *batch)
{
    free(batch->jobs);
    free(batch->list);
    free(batch->names);
    free(batch->data.json);
}

static enum err batch_new(struct batch *batch, const struct backlog_options *options,
                          struct why *why)
{
    static char place[] = "bench";

    batch->count = options->batch;
    batch->jobs = calloc(batch->count, sizeof *batch->jobs);
    batch->list = calloc(batch->count, sizeof(void *));
    batch->names = calloc(batch->count, sizeof *batch->names);
    sync__v1__job_data__init(&batch->data);
    batch->data.json = malloc(options->payload_bytes + 1);
    if (batch->jobs == NULL || batch->list == NULL || batch->names == NULL ||
        batch->data.json == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    load_write_payload(batch->data.json, options->payload_bytes, 0);
    batch->data.source = batch->data.target = place;
    for (unsigned i = 0; i < batch->count; i++) {
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

static enum err queue_batch(struct client *client, struct batch *batch, uint64_t first,
                            unsigned count, struct why *why)
{
    Sync__V1__QueueJobsRequest request = SYNC__V1__QUEUE_JOBS_REQUEST__INIT;
    struct rpc_status status = { .code = RPC_OK };
    ProtobufCMessage *answer;
    enum err e;

    for (unsigned i = 0; i < count; i++)
        snprintf(batch->names[i], sizeof batch->names[i], "backlog-%llu",
                 (unsigned long long)(first + i));
    request.org_id = (char[]){ "bench" };
    request.jobs = batch->list;
    request.n_jobs = count;
    answer = channel_call_wait(client->channel, "/sync.v1.SyncService/QueueJobs",
                               &sync__v1__queue_jobs_response__descriptor, &request.base, NULL, 0,
                               CALL_MS, &status);
    if (answer == NULL)
        return status_err(&status, why);
    e = check_results((Sync__V1__QueueJobsResponse *)answer, why);
    protobuf_c_message_free_unpacked(answer, NULL);
    return e;
}

static enum err queue_until(struct client *client, struct batch *batch,
                            const struct backlog_options *options, uint64_t *queued, uint64_t goal,
                            struct why *why)
{
    enum err e = OK;

    while (e == OK && *queued < goal) {
        unsigned count = goal - *queued < batch->count ? (unsigned)(goal - *queued) : batch->count;

        e = queue_batch(client, batch, *queued, count, why);
        *queued += count;
        if (options->on_tick != NULL)
            options->on_tick(*queued, options->jobs);
    }
    return e;
}

static enum err fill(const struct backlog_options *options, const struct process *server,
                     struct backlog_result *result, struct why *why)
{
    struct client client = { .loop = NULL };
    struct batch batch = { .count = 0 };
    uint64_t queued = 0;
    int64_t start_us = load_now_us();
    enum err e = client_open(&client, server->address, why);

    if (e == OK)
        e = batch_new(&batch, options, why);
    if (e == OK)
        e = queue_until(&client, &batch, options, &queued, options->small_jobs, why);
    result->small_bytes = process_usage(server).memory_bytes;
    if (e == OK)
        e = queue_until(&client, &batch, options, &queued, options->jobs, why);
    result->bytes = process_usage(server).memory_bytes;
    result->queueing_ms = (load_now_us() - start_us) / 1000;
    batch_free(&batch);
    client_close(&client);
    return e;
}

static enum err lease_one(struct client *client, struct why *why)
{
    static char any[] = "*", id[] = "bench";
    char *anything[] = { any };
    Sync__V1__LeaseJobsRequest request = SYNC__V1__LEASE_JOBS_REQUEST__INIT;
    Sync__V1__WorkerInfo info = SYNC__V1__WORKER_INFO__INIT;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    struct rpc_status status = { .code = RPC_OK };
    Sync__V1__LeaseJobsResponse *answer;
    bool leased;

    info.worker_id = id;
    info.sources = info.targets = anything;
    info.n_sources = info.n_targets = 1;
    info.slots = 1;
    wait.seconds = 60;
    request.worker = &info;
    request.max_jobs = 1;
    request.wait = &wait;
    answer = (Sync__V1__LeaseJobsResponse *)channel_call_wait(
        client->channel, "/sync.v1.WorkerService/LeaseJobs",
        &sync__v1__lease_jobs_response__descriptor, &request.base, NULL, 0, CALL_MS, &status);
    if (answer == NULL)
        return status_err(&status, why);
    leased = answer->n_jobs == 1;
    sync__v1__lease_jobs_response__free_unpacked(answer, NULL);
    return leased ? OK : err_because(why, ERR_CORRUPT, "no job was handed out");
}

static enum err restart(const struct backlog_options *options, struct process *server,
                        struct backlog_result *result, struct why *why)
{
    struct client client = { .loop = NULL };
    int64_t start_us;
    enum err e;

    process_kill(server);
    start_us = load_now_us();
    e = process_start(server, options->program, why);
    result->open_ms = (load_now_us() - start_us) / 1000;
    if (e == OK)
        e = client_open(&client, server->address, why);
    if (e == OK)
        e = lease_one(&client, why);
    result->first_lease_ms = (load_now_us() - start_us) / 1000;
    result->restarted_bytes = process_usage(server).memory_bytes;
    client_close(&client);
    return e;
}

enum err backlog_run(const struct backlog_options *options, struct backlog_result *result,
                     struct why *why)
{
    struct process server;
    enum err e = process_prepare(&server, options->parent, why);

    *result = (struct backlog_result){ .small_jobs = options->small_jobs, .jobs = options->jobs };
    if (e != OK)
        return e;
    e = process_start(&server, options->program, why);
    if (e == OK)
        e = fill(options, &server, result, why);
    if (e == OK)
        e = restart(options, &server, result, why);
    process_stop(&server);
    process_clean(&server);
    return e;
}
