#include "rpc/client/invocation.h"

#include "rpc/channel/message_copy.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

/* Either way the call is a task on the loop. One that is waited for borrows all
 * it needs; one that is not has copies of it. */

struct running {
    struct client_call call;
    struct loop_task task;
    struct sync_client *client;
    ProtobufCMessage *request; /* a copy; NULL: borrowed */
    struct arena *mem;         /* of metadata beside the client's; NULL: none */
    ProtobufCMessage *answer;
    struct sync_status status;
    struct invocation_end *end; /* NULL: somebody waits */
    sem_t done;
};

static void drop_answer(struct running *running)
{
    if (running->answer != NULL)
        protobuf_c_message_free_unpacked(running->answer, NULL);
    running->answer = NULL;
}

static void free_running(struct running *running)
{
    drop_answer(running);
    if (running->request != NULL)
        protobuf_c_message_free_unpacked(running->request, NULL);
    arena_free(running->mem);
    free(running);
}

static void tell(struct running *running)
{
    if (running->end == NULL) {
        sem_post(&running->done);
        return;
    }
    running->end->on_end(running->end, &running->status, running->answer);
    free_running(running);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct running *running = container_of(call, struct running, call);

    drop_answer(running);
    running->answer = message_copy(message);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct running *running = container_of(call, struct running, call);

    client_read_status(&running->status, status);
    if (status->code != RPC_OK)
        drop_answer(running);
    else if (running->answer == NULL)
        client_set_status(&running->status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
    tell(running);
}

static void start(struct loop_task *task)
{
    struct running *running = container_of(task, struct running, task);

    client_call_start(running->client->channel, &running->call);
}

static void refuse(struct loop_task *task)
{
    tell(container_of(task, struct running, task));
}

/* The client's metadata, and this call's behind it. False if out of memory. */
static bool set_metadata(struct running *running, const struct invocation *invocation)
{
    const struct sync_client *client = running->client;
    size_t count = client->metadata_count;
    struct client_metadata *all;

    running->call.metadata = client->metadata;
    running->call.metadata_count = count;
    if (invocation->metadata_count == 0)
        return true;
    running->mem = arena_new(CLIENT_MEMORY_MAX);
    if (running->mem == NULL)
        return false;
    all = arena_alloc(running->mem, (count + invocation->metadata_count) * sizeof *all);
    for (size_t i = 0; all != NULL && i < count; i++)
        all[i] = client->metadata[i];
    for (size_t i = 0; all != NULL && i < invocation->metadata_count; i++) {
        const struct sync_metadata *from = &invocation->metadata[i];
        struct client_metadata *to = &all[count++];
        to->name = arena_text(running->mem, from->name);
        to->value = bytes_of(arena_copy(running->mem, from->value, from->size), from->size);
        if (to->name == NULL || to->value.data == NULL)
            return false;
    }
    running->call.metadata = all;
    running->call.metadata_count = count;
    return all != NULL;
}

static bool init(struct running *running, struct sync_client *client,
                 const struct invocation *invocation)
{
    int64_t timeout_ms = invocation->timeout_ms != 0 ? invocation->timeout_ms : client->timeout_ms;

    running->client = client;
    running->task.run = start;
    running->call = (struct client_call){
        .path = invocation->path,
        .response = invocation->answer_type,
        .request = invocation->request,
        .timeout_ms = timeout_ms > 0 ? timeout_ms : 0,
        .wait_for_ready = client->wait_for_ready,
        .idempotent = invocation->idempotent,
        .single_answer = true,
        .on_message = on_message,
        .on_done = on_done,
    };
    return set_metadata(running, invocation);
}

ProtobufCMessage *invocation_wait(struct sync_client *client, const struct invocation *invocation,
                                  struct sync_status *status)
{
    struct running running = { 0 };

    if (!client_may_wait(client, status))
        return NULL;
    if (!init(&running, client, invocation)) {
        arena_free(running.mem);
        client_set_status(status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    sem_init(&running.done, 0, 0);
    loop_post(client->loop, &running.task);
    while (sem_wait(&running.done) != 0 && errno == EINTR)
        ;
    sem_destroy(&running.done);
    arena_free(running.mem);
    *status = running.status;
    return running.answer;
}

bool invocation_start(struct sync_client *client, const struct invocation *invocation,
                      struct invocation_end *end)
{
    struct running *running = atomic_load(&client->closing) ? NULL : calloc(1, sizeof *running);

    if (running == NULL)
        return false;
    running->end = end;
    running->request = message_copy(invocation->request);
    if (running->request == NULL || !init(running, client, invocation)) {
        free_running(running);
        return false;
    }
    running->call.request = running->request;
    loop_post(client->loop, &running->task);
    return true;
}

bool invocation_refuse(struct sync_client *client, const struct sync_status *status,
                       struct invocation_end *end)
{
    struct running *running = atomic_load(&client->closing) ? NULL : calloc(1, sizeof *running);

    if (running == NULL)
        return false;
    running->end = end;
    running->status = *status;
    running->task.run = refuse;
    loop_post(client->loop, &running->task);
    return true;
}
