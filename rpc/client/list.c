#include "rpc/client/invocation.h"
#include "rpc/client/job.h"

#include <stdlib.h>

/* Pages of jobs. */

static struct invocation invocation_of(const Sync__V1__ListJobsRequest *request)
{
    return (struct invocation){
        .path = "/sync.v1.SyncService/ListJobs",
        .answer_type = &sync__v1__list_jobs_response__descriptor,
        .request = &request->base,
        .idempotent = true,
    };
}

static const Sync__V1__ListJobsRequest *make(const struct sync_list_request *given,
                                             struct arena **mem, struct sync_status *status)
{
    *mem = arena_new(CLIENT_MEMORY_MAX);
    if (*mem != NULL)
        return job_list_request(given, *mem, status);
    client_set_status(status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
    return NULL;
}

static struct sync_job_list *read_answer(const ProtobufCMessage *answer, struct sync_status *status)
{
    struct sync_job_list *list =
        job_list_new((const Sync__V1__ListJobsResponse *)(const void *)answer);

    if (list == NULL)
        client_set_status(status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
    return list;
}

enum sync_code sync_client_list(struct sync_client *client, const struct sync_list_request *given,
                                struct sync_job_list **list, struct sync_status *status)
{
    struct sync_status outcome = { .code = SYNC_OK };
    ProtobufCMessage *answer = NULL;
    struct arena *mem;
    const Sync__V1__ListJobsRequest *request = make(given, &mem, &outcome);

    *list = NULL;
    if (request != NULL) {
        const struct invocation invocation = invocation_of(request);
        answer = invocation_wait(client, &invocation, &outcome);
    }
    if (answer != NULL) {
        *list = read_answer(answer, &outcome);
        protobuf_c_message_free_unpacked(answer, NULL);
    }
    arena_free(mem);
    return client_tell(status, &outcome);
}

struct list_callback {
    struct invocation_end end;
    sync_list_done done;
    void *context;
};

static void on_end(struct invocation_end *end, const struct sync_status *status,
                   const ProtobufCMessage *answer)
{
    struct list_callback *callback = container_of(end, struct list_callback, end);
    struct sync_status outcome = *status;
    struct sync_job_list *list = answer != NULL ? read_answer(answer, &outcome) : NULL;

    callback->done(callback->context, &outcome, list);
    sync_client_list_free(list);
    free(callback);
}

bool sync_client_list_start(struct sync_client *client, const struct sync_list_request *given,
                            sync_list_done done, void *context)
{
    struct list_callback *callback = calloc(1, sizeof *callback);
    struct sync_status outcome = { .code = SYNC_OK };
    const Sync__V1__ListJobsRequest *request;
    struct arena *mem;
    bool started;

    if (callback == NULL)
        return false;
    *callback = (struct list_callback){ { on_end }, done, context };
    request = make(given, &mem, &outcome);
    if (request != NULL) {
        const struct invocation invocation = invocation_of(request);
        started = invocation_start(client, &invocation, &callback->end);
    } else {
        started = invocation_refuse(client, &outcome, &callback->end);
    }
    arena_free(mem);
    if (!started)
        free(callback);
    return started;
}
