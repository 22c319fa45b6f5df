#include "rpc/channel.h"
#include "rpc/channel/message_copy.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

/* A unary call from another thread: the call is started by a task on the loop,
 * and the answer, copied out of the call's memory, wakes the caller. */

struct waiting_call {
    struct client_call call;
    struct loop_task start;
    struct channel *channel;
    sem_t done;
    ProtobufCMessage *answer;
    struct rpc_status *status;
};

static void start(struct loop_task *task)
{
    struct waiting_call *waiting = container_of(task, struct waiting_call, start);

    client_call_start(waiting->channel, &waiting->call);
}

static void drop(struct waiting_call *waiting)
{
    if (waiting->answer != NULL)
        protobuf_c_message_free_unpacked(waiting->answer, NULL);
    waiting->answer = NULL;
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct waiting_call *waiting = container_of(call, struct waiting_call, call);

    drop(waiting);
    waiting->answer = message_copy(message);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct waiting_call *waiting = container_of(call, struct waiting_call, call);

    *waiting->status = *status;
    if (status->code != RPC_OK)
        drop(waiting);
    else if (waiting->answer == NULL)
        rpc_status_set(waiting->status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    sem_post(&waiting->done);
}

ProtobufCMessage *channel_call_wait(struct channel *channel, const char *path,
                                    const ProtobufCMessageDescriptor *response,
                                    const ProtobufCMessage *request,
                                    const struct client_metadata *metadata, size_t metadata_count,
                                    int64_t timeout_ms, struct rpc_status *status)
{
    struct waiting_call waiting = {
        .call = { .path = path,
                  .response = response,
                  .request = request,
                  .metadata = metadata,
                  .metadata_count = metadata_count,
                  .timeout_ms = timeout_ms,
                  .single_answer = true,
                  .on_message = on_message,
                  .on_done = on_done },
        .start.run = start,
        .channel = channel,
        .status = status,
    };

    sem_init(&waiting.done, 0, 0);
    loop_post(channel_loop(channel), &waiting.start);
    while (sem_wait(&waiting.done) != 0 && errno == EINTR)
        ;
    sem_destroy(&waiting.done);
    return waiting.answer;
}
