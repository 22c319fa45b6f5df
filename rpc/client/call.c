#include "rpc/client/invocation.h"

#include <stdio.h>
#include <stdlib.h>

/* Any method, for those who have made messages of the protos. */

static bool read_call(struct invocation *invocation, const struct sync_call *given,
                      struct sync_status *status)
{
    struct sync_call call;
    struct why why;

    if (!client_take(&call, sizeof call, given, "the call", status))
        return false;
    if (call.method == NULL || call.method[0] != '/' || call.request == NULL ||
        call.answer_type == NULL) {
        client_set_status(status, SYNC_INVALID_ARGUMENT,
                          "a call needs a method (\"/package.Service/Method\"), a request and the "
                          "type of its answer");
        return false;
    }
    if (client_check_metadata(call.metadata, call.metadata_count, &why) != OK) {
        client_set_status(status, SYNC_INVALID_ARGUMENT, "%s", why.text);
        snprintf(status->field, sizeof status->field, "%s", why.field);
        return false;
    }
    *invocation = (struct invocation){
        .path = call.method,
        .answer_type = call.answer_type,
        .request = call.request,
        .idempotent = call.idempotent,
        .timeout_ms = call.timeout_ms,
        .metadata = call.metadata,
        .metadata_count = call.metadata_count,
    };
    return true;
}

enum sync_code sync_client_call(struct sync_client *client, const struct sync_call *call,
                                struct ProtobufCMessage **answer, struct sync_status *status)
{
    struct sync_status outcome = { .code = SYNC_OK };
    struct invocation invocation;

    *answer = NULL;
    if (read_call(&invocation, call, &outcome))
        *answer = invocation_wait(client, &invocation, &outcome);
    return client_tell(status, &outcome);
}

struct call_callback {
    struct invocation_end end;
    sync_call_done done;
    void *context;
};

static void on_end(struct invocation_end *end, const struct sync_status *status,
                   const ProtobufCMessage *answer)
{
    struct call_callback *callback = container_of(end, struct call_callback, end);

    callback->done(callback->context, status, answer);
    free(callback);
}

bool sync_client_call_start(struct sync_client *client, const struct sync_call *call,
                            sync_call_done done, void *context)
{
    struct call_callback *callback = calloc(1, sizeof *callback);
    struct sync_status outcome = { .code = SYNC_OK };
    struct invocation invocation;
    bool started;

    if (callback == NULL)
        return false;
    *callback = (struct call_callback){ { on_end }, done, context };
    if (read_call(&invocation, call, &outcome))
        started = invocation_start(client, &invocation, &callback->end);
    else
        started = invocation_refuse(client, &outcome, &callback->end);
    if (!started)
        free(callback);
    return started;
}
