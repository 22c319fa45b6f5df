#include "tools/bench/load.h"

#include <stdio.h>
#include <stdlib.h>

/* The queueing half: each producer has a connection and keeps its calls in
 * flight; a call that is answered makes the next one at once. */

struct slot {
    struct client_call call;
    struct producers *producers;
    struct channel *channel;
    uint32_t job;
    struct slot *next_waiting;
};

struct producers {
    struct load *load;
    struct channel **channels;
    struct slot *slots;
    size_t slot_count, in_flight;
    struct slot *waiting; /* for workers to catch up */
    char *payload;
};

static void queue_next(struct slot *slot);

static bool may_produce(const struct load *load)
{
    return load->producing &&
           (load->options.jobs_max == 0 || load->ledger->count < load->options.jobs_max);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    (void)call;
    (void)message;
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct slot *slot = container_of(call, struct slot, call);
    struct producers *producers = slot->producers;
    struct load *load = producers->load;

    producers->in_flight--;
    if (status->code == RPC_OK) {
        load_acknowledge(load, slot->job);
    } else {
        ledger_refuse(load->ledger);
        load_fail(load, status);
        load->producing = false; /* a figure with failures is none */
    }
    queue_next(slot);
    if (producers->in_flight == 0 && !may_produce(load))
        load_produced(load);
}

static void start_call(struct slot *slot)
{
    struct producers *producers = slot->producers;
    struct load *load = producers->load;
    Sync__V1__QueueJobRequest request = SYNC__V1__QUEUE_JOB_REQUEST__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    char name[32];

    slot->job = ledger_ask(load->ledger, load_now_us());
    snprintf(name, sizeof name, "bench-%u", (unsigned)(slot->job % load->options.names));
    load_write_payload(producers->payload, load->options.payload_bytes,
                       load->options.first + slot->job);
    data.source = data.target = (char[]){ "bench" };
    data.json = producers->payload;
    request.org_id = (char *)(uintptr_t)load->options.org;
    request.name = name;
    request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    request.data = &data;
    slot->call = (struct client_call){
        .path = "/sync.v1.SyncService/QueueJob",
        .response = &sync__v1__queue_job_response__descriptor,
        .request = &request.base,
        .on_message = on_message,
        .on_done = on_done,
    };
    producers->in_flight++;
    client_call_start(slot->channel, &slot->call);
}

static void queue_next(struct slot *slot)
{
    struct producers *producers = slot->producers;

    if (!may_produce(producers->load))
        return;
    if (ledger_open(producers->load->ledger) < producers->load->options.ahead_max) {
        start_call(slot);
        return;
    }
    slot->next_waiting = producers->waiting;
    producers->waiting = slot;
}

enum err producers_open(struct load *load, struct producers **opened, struct why *why)
{
    struct channel_options options = { .address = load->options.address,
                                       .tls = load->options.tls };
    struct producers *producers = calloc(1, sizeof *producers);
    unsigned count = load->options.producers;
    enum err e = OK;

    *opened = producers;
    if (producers == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    producers->load = load;
    producers->slot_count = (size_t)count * load->options.in_flight;
    producers->slots = calloc(producers->slot_count, sizeof *producers->slots);
    producers->channels = calloc(count, sizeof *producers->channels);
    producers->payload = malloc(load->options.payload_bytes + 1);
    if (producers->slots == NULL || producers->channels == NULL || producers->payload == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    for (unsigned i = 0; e == OK && i < count; i++)
        e = channel_open(load->loop, &options, &producers->channels[i], why);
    for (size_t i = 0; i < producers->slot_count; i++) {
        producers->slots[i].producers = producers;
        producers->slots[i].channel = producers->channels[i % count];
    }
    return e;
}

void producers_start(struct producers *producers)
{
    for (size_t i = 0; i < producers->slot_count; i++)
        queue_next(&producers->slots[i]);
}

void producers_continue(struct producers *producers)
{
    const struct load *load = producers->load;

    while (producers->waiting != NULL && may_produce(load) &&
           ledger_open(load->ledger) < load->options.ahead_max) {
        struct slot *slot = producers->waiting;

        producers->waiting = slot->next_waiting;
        start_call(slot);
    }
}

bool producers_are_idle(const struct producers *producers)
{
    return producers->in_flight == 0;
}

void producers_close(struct producers *producers)
{
    if (producers == NULL)
        return;
    for (unsigned i = 0; producers->channels != NULL && i < producers->load->options.producers; i++)
        channel_close(producers->channels[i]);
    free(producers->channels);
    free(producers->slots);
    free(producers->payload);
    free(producers);
}
