#include "rpc/channel/client_end.h"
#include "rpc/h2/h2_session.h"
#include "sync/v1/sync.pb-c.h"
#include "sync/v1/worker.pb-c.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/turned_loop.h"

#include <assert.h>
#include <stdlib.h>

/* What a server says to a client of ours that has one call of each kind under
 * way, in pieces. Whatever it says, each call ends exactly once, with a status
 * that says why. */

enum { CALLS = 4, PIECES_MAX = 4096, TURNS = 6 };

struct call {
    struct client_call call;
    unsigned messages, ends;
};

struct client {
    struct channel base;
    struct h2_owner owner;
    struct h2_session *session;
    struct loop *loop;
    struct call calls[CALLS];
    bool over, freed;
};

/* ---- A channel whose server is the input. ---- */

static void ignore(struct h2_owner *owner)
{
    (void)owner;
}

static const struct h2_owner_ops owner_ops = { NULL, ignore, ignore };

static void start(struct channel *channel, struct client_end *end)
{
    struct client *client = container_of(channel, struct client, base);
    struct rpc_status status;

    if (h2_session_request(client->session, &end->user)) {
        client_end_send_headers(end, "http", "fuzz");
        return;
    }
    /* A call that was refused, and is tried again on a connection that goes. */
    rpc_status_set(&status, RPC_UNAVAILABLE, "the connection takes no calls");
    client_end_finish_later(end, &status);
}

static void close_client(struct channel *channel)
{
    h2_session_free(container_of(channel, struct client, base)->session);
}

static void free_client(struct channel *channel)
{
    container_of(channel, struct client, base)->freed = true;
}

static size_t held(const struct channel *channel)
{
    (void)channel;
    return 0;
}

static const struct channel_ops channel_ops = {
    .start = start, .close = close_client, .free = free_client, .held = held
};

/* ---- The calls. ---- */

static void on_message(struct client_call *client, const ProtobufCMessage *message)
{
    struct call *call = container_of(client, struct call, call);

    assert(call->ends == 0 && message->descriptor == call->call.response);
    assert(protobuf_c_message_check(message));
    call->messages++;
}

static void on_done(struct client_call *client, const struct rpc_status *status)
{
    struct call *call = container_of(client, struct call, call);

    assert(call->ends++ == 0);
    assert((unsigned)status->code < RPC_CODE_COUNT && status->retry_after_ms >= 0);
    client_call_metadata(client, "x-request-id", NULL);
}

static void start_call(struct client *client, size_t index, const char *path,
                       const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request)
{
    static const struct client_metadata metadata[] = {
        { "orgid", { (const uint8_t *)"acme", 4 } },
        { "trace-bin", { (const uint8_t *)"\0\1\2", 3 } },
    };
    struct call *call = &client->calls[index];

    call->call = (struct client_call){
        .path = path,
        .response = response,
        .request = request,
        .streaming_request = request == NULL,
        .metadata = metadata,
        .metadata_count = 2,
        .on_message = on_message,
        .on_done = on_done,
    };
    client_call_start(&client->base, &call->call);
}

static void start_calls(struct client *client)
{
    Sync__V1__GetServiceInfoRequest info = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;
    Sync__V1__WatchJobsRequest watch = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    Sync__V1__GetJobRequest job = SYNC__V1__GET_JOB_REQUEST__INIT;

    job.id = (char *)"job_1";
    start_call(client, 0, "/sync.v1.SyncService/GetServiceInfo",
               &sync__v1__get_service_info_response__descriptor, &info.base);
    start_call(client, 1, "/sync.v1.SyncService/WatchJobs",
               &sync__v1__watch_jobs_response__descriptor, &watch.base);
    start_call(client, 2, "/sync.v1.WorkerService/Work", &sync__v1__work_response__descriptor,
               NULL);
    start_call(client, 3, "/sync.v1.SyncService/GetJob", &sync__v1__get_job_response__descriptor,
               &job.base);
}

/* ---- The connection. ---- */

static void settle(struct client *client)
{
    int pieces = 0;

    loop_turn(client->loop, TURNS);
    while (h2_session_output(client->session).size > 0)
        assert(++pieces < PIECES_MAX);
}

static void run_bytes(struct client *client, struct bytes input)
{
    unsigned piece = 1 + (unsigned)input.size % 97;

    while (input.size > 0 && !client->over) {
        client->over = !h2_session_receive(client->session, input_bytes(&input, piece));
        settle(client);
        piece = piece * 31 % 1021 + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct h2_options options = { .role = H2_CLIENT, .header_bytes_max = 64 << 10 };
    struct client *client = calloc(1, sizeof *client);

    client->loop = loop_new();
    client->owner.ops = &owner_ops;
    channel_init(&client->base, &channel_ops, client->loop, 0);
    client->session = h2_session_new(&options, &client->owner);
    start_calls(client);
    settle(client);
    run_bytes(client, bytes_of(data, size));
    channel_close(&client->base);
    loop_free(client->loop);
    for (size_t i = 0; i < CALLS; i++)
        assert(client->calls[i].ends == 1);
    assert(client->freed);
    free(client);
    return 0;
}
