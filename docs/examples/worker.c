/* The smallest worker that does it right: leases a job, reports how far it is,
 * saves where it is, heeds what the server wants, completes the job.
 *
 *     protos=$(pkg-config --variable=protodir sync-client)
 *     protoc-c -I$protos --c_out=. sync/v1/worker.proto sync/v1/sync.proto \
 *         google/protobuf/duration.proto google/protobuf/timestamp.proto
 *     cc -I. worker.c $(find . -name '*.pb-c.c') \
 *         $(pkg-config --cflags --libs sync-client libprotobuf-c) -o worker
 *     ./worker 127.0.0.1:9470 1        one job, then it ends
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sync/client.h>

#include "sync/v1/worker.pb-c.h"

enum { STEPS = 10 };

static struct sync_client *client;

/* One call of WorkerService; NULL after saying what went wrong. */
static ProtobufCMessage *ask(const char *method, const ProtobufCMessage *request,
                             const ProtobufCMessageDescriptor *answer_type)
{
    struct sync_call call = SYNC_CALL_INIT;
    struct sync_status status;
    ProtobufCMessage *answer;

    call.method = method;
    call.request = request;
    call.answer_type = answer_type;
    /* What was done for a lease may be said twice. Leasing may not: if the first
     * answer was lost, nobody would know of its job until that lease ended. */
    call.idempotent = answer_type != &sync__v1__lease_jobs_response__descriptor;
    call.timeout_ms = 90 * 1000;
    if (sync_client_call(client, &call, &answer, &status) != SYNC_OK)
        fprintf(stderr, "%s: %s: %s\n", method, sync_client_code_name(status.code), status.message);
    return answer;
}

/* Waits for one job; the answer holds it. NULL: there was none. */
static Sync__V1__LeaseJobsResponse *lease_one(void)
{
    Sync__V1__LeaseJobsRequest request = SYNC__V1__LEASE_JOBS_REQUEST__INIT;
    Sync__V1__WorkerInfo worker = SYNC__V1__WORKER_INFO__INIT;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;
    char any[] = "*", *anything[] = { any }, id[] = "example";
    Sync__V1__LeaseJobsResponse *answer;

    worker.worker_id = id;
    worker.n_sources = worker.n_targets = 1;
    worker.sources = worker.targets = anything;
    worker.slots = 1;
    wait.seconds = 30;
    request.worker = &worker;
    request.max_jobs = 1;
    request.wait = &wait;
    answer = (Sync__V1__LeaseJobsResponse *)ask("/sync.v1.WorkerService/LeaseJobs", &request.base,
                                                &sync__v1__lease_jobs_response__descriptor);
    if (answer != NULL && answer->n_jobs == 0) {
        protobuf_c_message_free_unpacked(&answer->base, NULL);
        return NULL;
    }
    return answer;
}

/* Keeps the lease; false if the server wants the job back, or has given it to
 * somebody else. (A worker whose steps take long does this from a thread of its
 * own, several times in each lease_ttl.) */
static bool may_go_on(Sync__V1__Lease *lease)
{
    Sync__V1__HeartbeatRequest request = SYNC__V1__HEARTBEAT_REQUEST__INIT;
    Sync__V1__HeartbeatResponse *answer;
    bool go_on;

    request.n_leases = 1;
    request.leases = &lease;
    answer = (Sync__V1__HeartbeatResponse *)ask("/sync.v1.WorkerService/Heartbeat", &request.base,
                                                &sync__v1__heartbeat_response__descriptor);
    if (answer == NULL)
        return false;
    go_on = answer->n_lost == 0 && answer->n_directives == 1 &&
            answer->directives[0]->directive == SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE;
    protobuf_c_message_free_unpacked(&answer->base, NULL);
    return go_on;
}

/* Where it is, and how far that is: on stable storage once it is answered. */
static bool save(Sync__V1__Lease *lease, int step)
{
    Sync__V1__SaveCheckpointRequest request = SYNC__V1__SAVE_CHECKPOINT_REQUEST__INIT;
    Sync__V1__EntityProgress progress = SYNC__V1__ENTITY_PROGRESS__INIT, *all[] = { &progress };
    char name[] = "things", position[16];
    ProtobufCMessage *answer;

    snprintf(position, sizeof position, "%d", step);
    progress.entity = name;
    progress.done = (uint64_t)step;
    progress.total_set_case = SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL;
    progress.total = STEPS;
    progress.complete = step == STEPS;
    request.lease = lease;
    request.checkpoint.data = (uint8_t *)position;
    request.checkpoint.len = strlen(position);
    request.n_entities = 1;
    request.entities = all;
    answer = ask("/sync.v1.WorkerService/SaveCheckpoint", &request.base,
                 &sync__v1__save_checkpoint_response__descriptor);
    if (answer != NULL)
        protobuf_c_message_free_unpacked(answer, NULL);
    return answer != NULL;
}

static bool complete(Sync__V1__Lease *lease)
{
    Sync__V1__CompleteJobRequest request = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;
    ProtobufCMessage *answer;

    request.lease = lease;
    answer = ask("/sync.v1.WorkerService/CompleteJob", &request.base,
                 &sync__v1__complete_job_response__descriptor);
    if (answer != NULL)
        protobuf_c_message_free_unpacked(answer, NULL);
    return answer != NULL;
}

static bool release(Sync__V1__Lease *lease)
{
    Sync__V1__ReleaseJobRequest request = SYNC__V1__RELEASE_JOB_REQUEST__INIT;
    ProtobufCMessage *answer;

    request.lease = lease;
    answer = ask("/sync.v1.WorkerService/ReleaseJob", &request.base,
                 &sync__v1__release_job_response__descriptor);
    if (answer != NULL)
        protobuf_c_message_free_unpacked(answer, NULL);
    return answer != NULL;
}

/* From where an earlier attempt saved to the end, step by step. */
static bool work(const Sync__V1__JobAssignment *job)
{
    char position[16] = "";
    int step;

    if (job->checkpoint.len < sizeof position)
        memcpy(position, job->checkpoint.data, job->checkpoint.len);
    for (step = atoi(position); step < STEPS; step++) {
        printf("%s: step %d of %d\n", job->name, step + 1, STEPS); /* here the data moves */
        if (!save(job->lease, step + 1))
            return false;
        if (!may_go_on(job->lease))
            return release(job->lease);
    }
    printf("%s is done\n", job->name);
    return complete(job->lease);
}

int main(int argc, char **argv)
{
    struct sync_client_options options = SYNC_CLIENT_OPTIONS_INIT;
    struct sync_status status;
    int jobs;

    if (argc != 3) {
        fprintf(stderr, "usage: %s ADDRESS JOBS\n", argv[0]);
        return 2;
    }
    options.addresses = argv[1];
    if (sync_client_open(&options, &client, &status) != SYNC_OK) {
        fprintf(stderr, "%s\n", status.message);
        return 1;
    }
    for (jobs = atoi(argv[2]); jobs > 0; jobs--) {
        Sync__V1__LeaseJobsResponse *leased = lease_one();
        if (leased == NULL || !work(leased->jobs[0]))
            break;
        protobuf_c_message_free_unpacked(&leased->base, NULL);
    }
    sync_client_close(client);
    return jobs == 0 ? 0 : 1;
}
