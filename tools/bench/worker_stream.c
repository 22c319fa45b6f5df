#include "tools/bench/worker.h"

/* A worker on one Work stream: jobs come down as long as it has granted slots,
 * completions go up, and their results grant new slots. */

struct stream {
    struct worker base;
    struct client_call call;
    unsigned freed; /* slots to be granted again */
    unsigned held;
};

static void grant(struct stream *stream, unsigned slots)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkReady ready = SYNC__V1__WORK_READY__INIT;

    ready.slots = slots;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_READY;
    request.ready = &ready;
    client_call_send(&stream->call, &request.base);
}

static void complete(struct stream *stream, const Sync__V1__JobAssignment *assignment)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__CompleteJobRequest done = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;
    uint32_t job;

    if (!worker_take(&stream->base, assignment, &job))
        return;
    stream->held++;
    done.lease = assignment->lease;
    request.id = (uint64_t)job + 1;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_COMPLETE;
    request.complete = &done;
    client_call_send(&stream->call, &request.base);
}

/* Slots go back in fours of what there are, not one by one. */
static void on_result(struct stream *stream, uint64_t id, const Sync__V1__WorkResult *result)
{
    struct load *load = stream->base.load;

    stream->held--;
    stream->freed++;
    if (stream->freed * 4 >= load->options.slots || stream->held == 0) {
        grant(stream, stream->freed);
        stream->freed = 0;
    }
    if (result->code == RPC_OK) {
        load_complete(load, (uint32_t)(id - 1));
    } else {
        struct rpc_status status;

        rpc_status_set(&status, (enum rpc_code)result->code, "%s", result->message);
        load_fail(load, &status);
    }
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct stream *stream = container_of(call, struct stream, call);
    const Sync__V1__WorkResponse *response = (const Sync__V1__WorkResponse *)message;

    if (response->message_case == SYNC__V1__WORK_RESPONSE__MESSAGE_ASSIGNMENTS) {
        for (size_t i = 0; i < response->assignments->n_jobs; i++)
            complete(stream, response->assignments->jobs[i]);
    } else if (response->message_case == SYNC__V1__WORK_RESPONSE__MESSAGE_RESULT &&
               response->id > 0) {
        on_result(stream, response->id, response->result);
    }
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct stream *stream = container_of(call, struct stream, call);

    if (status->code != RPC_OK && !stream->base.stopping)
        load_fail(stream->base.load, status);
    worker_is_idle(&stream->base);
}

static bool open_stream(struct worker *worker)
{
    (void)worker;
    return true;
}

static void start_stream(struct worker *worker)
{
    struct stream *stream = container_of(worker, struct stream, base);
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkHello hello = SYNC__V1__WORK_HELLO__INIT;
    Sync__V1__WorkerInfo info;

    worker_fill_info(worker, &info);
    hello.worker = &info;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_HELLO;
    request.hello = &hello;
    stream->call = (struct client_call){
        .path = "/sync.v1.WorkerService/Work",
        .response = &sync__v1__work_response__descriptor,
        .request = &request.base,
        .streaming_request = true,
        .on_message = on_message,
        .on_done = on_done,
    };
    client_call_start(worker->channel, &stream->call);
    grant(stream, worker->load->options.slots);
}

static void stop_stream(struct worker *worker)
{
    client_call_half_close(&container_of(worker, struct stream, base)->call);
}

static void close_stream(struct worker *worker)
{
    (void)worker;
}

const struct worker_kind stream_worker = {
    .size = sizeof(struct stream),
    .open = open_stream,
    .start = start_stream,
    .stop = stop_stream,
    .close = close_stream,
};
