#include "tools/bench/worker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* A worker on one Work stream: jobs come down as long as it has granted slots,
 * completions go up, and their results grant new slots. */

/* A job that is being worked on. */
struct held {
    struct loop_timer timer;
    struct stream *stream;
    struct held *next_free;
    uint32_t job;
    uint64_t epoch;
    char job_id[32];
};

struct stream {
    struct worker base;
    struct client_call call;
    unsigned freed; /* slots to be granted again */
    unsigned held;
    struct held *jobs, *free; /* as many as slots; those that hold none */
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

static void complete(struct stream *stream, uint32_t job, Sync__V1__Lease *lease)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__CompleteJobRequest done = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;

    done.lease = lease;
    request.id = (uint64_t)job + 1;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_COMPLETE;
    request.complete = &done;
    client_call_send(&stream->call, &request.base);
}

static void on_worked(struct loop_timer *timer)
{
    struct held *held = container_of(timer, struct held, timer);
    struct stream *stream = held->stream;
    Sync__V1__Lease lease = SYNC__V1__LEASE__INIT;

    lease.job_id = held->job_id;
    lease.epoch = held->epoch;
    complete(stream, held->job, &lease);
    held->next_free = stream->free;
    stream->free = held;
}

/* From half of it to half as much again. */
static int64_t some_ms(struct load *load)
{
    int64_t hold_ms = load->options.hold_ms;

    return hold_ms / 2 + (int64_t)random_below(&load->random.base, (uint64_t)hold_ms + 1);
}

/* The server never pushes more than there are slots. */
static void work_on(struct stream *stream, uint32_t job, const Sync__V1__Lease *lease)
{
    struct load *load = stream->base.load;
    struct held *held = stream->free;

    assert(held != NULL);
    stream->free = held->next_free;
    held->job = job;
    held->epoch = lease->epoch;
    snprintf(held->job_id, sizeof held->job_id, "%s", lease->job_id);
    held->timer.fire = on_worked;
    loop_timer_start(load->loop, &held->timer, some_ms(load));
}

static void on_assignment(struct stream *stream, const Sync__V1__JobAssignment *assignment)
{
    uint32_t job;

    if (stream->base.stopping || !worker_take(&stream->base, assignment, &job))
        return;
    stream->held++;
    if (job == LOAD_FOREIGN && stream->base.load->options.hold_ms > 0)
        work_on(stream, job, assignment->lease);
    else
        complete(stream, job, assignment->lease);
}

/* Slots go back in fours of what there are, not one by one; where jobs take
 * their time, at once. */
static void on_result(struct stream *stream, uint64_t id, const Sync__V1__WorkResult *result)
{
    struct load *load = stream->base.load;

    stream->held--;
    stream->freed++;
    if (stream->freed * 4 >= load->options.slots || stream->held == 0 ||
        load->options.hold_ms > 0) {
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
            on_assignment(stream, response->assignments->jobs[i]);
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
    struct stream *stream = container_of(worker, struct stream, base);
    unsigned slots = worker->load->options.slots;

    stream->jobs = calloc(slots, sizeof *stream->jobs);
    for (unsigned i = 0; stream->jobs != NULL && i < slots; i++) {
        stream->jobs[i].stream = stream;
        stream->jobs[i].next_free = stream->free;
        stream->free = &stream->jobs[i];
    }
    return stream->jobs != NULL;
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

/* What it still works on is left to the server: that gives it to somebody else. */
static void stop_stream(struct worker *worker)
{
    struct stream *stream = container_of(worker, struct stream, base);

    for (unsigned i = 0; i < worker->load->options.slots; i++)
        loop_timer_stop(worker->load->loop, &stream->jobs[i].timer);
    client_call_half_close(&stream->call);
}

static void close_stream(struct worker *worker)
{
    free(container_of(worker, struct stream, base)->jobs);
}

const struct worker_kind stream_worker = {
    .size = sizeof(struct stream),
    .open = open_stream,
    .start = start_stream,
    .stop = stop_stream,
    .close = close_stream,
};
