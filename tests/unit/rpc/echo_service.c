#include "tests/unit/rpc/echo_service.h"

#include <assert.h>

struct echo_call { /* in the call's arena */
    struct echo_service *echo;
    struct rpc_call *call;
    const Test__V1__EchoRequest *request;
    struct loop_timer delay;
    int next;
    int64_t total_bytes;
    int messages;
};

static void note_over(struct rpc_call *call)
{
    struct echo_call *own = call_tag(call);

    if (own->delay.item.place != 0) {
        loop_timer_stop(call_loop(call), &own->delay);
        own->echo->cancelled++;
        call_release(call);
    }
    own->echo->over++;
}

/* All values of the name, in order. */
static void echo_metadata(struct rpc_call *call, const char *name,
                          void (*add)(struct rpc_call *, const char *, struct bytes))
{
    const char *value;
    size_t size;

    for (size_t i = 0; (value = call_metadata_at(call, name, i, &size)) != NULL; i++)
        add(call, name, bytes_of(value, size));
}

static struct echo_call *open_call(struct rpc_call *call, struct echo_service *echo,
                                   const ProtobufCMessage *request)
{
    struct echo_call *own = arena_alloc(call_arena(call), sizeof *own);

    assert(own != NULL);
    own->echo = echo;
    own->call = call;
    own->request = (const Test__V1__EchoRequest *)request;
    echo->started++;
    call_set_tag(call, own);
    call_on_over(call, note_over);
    echo_metadata(call, "x-echo-initial", call_add_initial);
    echo_metadata(call, "x-echo-bin", call_add_trailer);
    if (call_metadata(call, "x-compress", NULL) != NULL)
        call_compress(call, strcmp(call_metadata(call, "x-compress", NULL), "always") == 0
                                ? RPC_COMPRESS_ALWAYS
                                : RPC_COMPRESS_NEVER);
    if (request != NULL && call_message_was_compressed(call))
        echo->compressed++;
    return own;
}

static void fill_payload(struct echo_call *own, Test__V1__EchoReply *reply, int32_t size)
{
    if (size <= 0)
        return;
    reply->payload.len = (size_t)size;
    reply->payload.data = arena_alloc(call_arena(own->call), (size_t)size);
    assert(reply->payload.data != NULL);
}

static bool fails(struct echo_call *own)
{
    const Test__V1__EchoRequest *request = own->request;
    struct rpc_status status;

    if (request->fail_code == 0)
        return false;
    if (request->fail_field[0] == '\0') {
        call_fail_with(own->call, (enum rpc_code)request->fail_code,
                       bytes_of_text(request->fail_message), bytes_of(NULL, 0));
        return true;
    }
    rpc_status_set(&status, (enum rpc_code)request->fail_code, "%s", request->fail_message);
    strncpy(status.violation.field, request->fail_field, sizeof status.violation.field - 1);
    strcpy(status.violation.description, "as asked");
    status.retry_after_ms = 1500;
    call_fail(own->call, &status);
    return true;
}

static void answer(struct echo_call *own)
{
    const Test__V1__EchoRequest *request = own->request;
    Test__V1__EchoReply reply = TEST__V1__ECHO_REPLY__INIT;

    if (fails(own))
        return;
    reply.text = request->text;
    reply.payload = request->payload;
    if (request->answer_bytes > 0)
        fill_payload(own, &reply, request->answer_bytes);
    reply.time_left_ms = call_time_left_ms(own->call);
    call_reply(own->call, &reply.base);
}

static void answer_late(struct loop_timer *timer)
{
    struct echo_call *own = container_of(timer, struct echo_call, delay);

    answer(own);
    call_release(own->call);
}

static void say(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    struct echo_call *own = open_call(call, context, message);

    if (own->request->delay_ms == 0) {
        answer(own);
        return;
    }
    call_hold(call);
    own->delay.fire = answer_late;
    loop_timer_start(call_loop(call), &own->delay,
                     own->request->delay_ms > 0 ? own->request->delay_ms : 3600 * 1000);
}

static void expand_more(struct rpc_call *call)
{
    struct echo_call *own = call_tag(call);
    Test__V1__EchoReply reply = TEST__V1__ECHO_REPLY__INIT;
    bool more = true;

    reply.text = own->request->text;
    if (own->request->answer_bytes > 0) {
        static uint8_t payload[1 << 20];
        assert((size_t)own->request->answer_bytes <= sizeof payload);
        reply.payload = (ProtobufCBinaryData){ (size_t)own->request->answer_bytes, payload };
    }
    while (more && own->next < own->request->count) {
        reply.index = own->next++;
        more = call_send(call, &reply.base);
        own->echo->sent++;
    }
    if (own->next == own->request->count && !fails(own))
        call_finish(call);
}

static void expand(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    open_call(call, context, message);
    call_on_writable(call, expand_more);
    expand_more(call);
}

/* Whoever sees it counted may resume the call. */
static void count(struct echo_call *own, const Test__V1__EchoRequest *request)
{
    own->messages++;
    own->echo->compressed += call_message_was_compressed(own->call);
    own->total_bytes += (int64_t)(request->payload.len + strlen(request->text));
    if (own->echo->slow_reader) {
        own->echo->paused = own->call;
        call_pause_reading(own->call);
    }
    own->echo->received++;
}

static void collect_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    struct echo_call *own = call_tag(call);

    own->request = (const Test__V1__EchoRequest *)message;
    count(own, own->request);
    fails(own);
}

static void collect_end(struct rpc_call *call)
{
    struct echo_call *own = call_tag(call);
    Test__V1__EchoReply reply = TEST__V1__ECHO_REPLY__INIT;

    reply.total_bytes = own->total_bytes;
    reply.index = own->messages;
    call_reply(call, &reply.base);
}

static void collect(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    open_call(call, context, message);
    call_on_message(call, collect_message);
    call_on_half_close(call, collect_end);
}

static void chat_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    struct echo_call *own = call_tag(call);
    Test__V1__EchoReply reply = TEST__V1__ECHO_REPLY__INIT;

    own->request = (const Test__V1__EchoRequest *)message;
    count(own, own->request);
    if (fails(own))
        return;
    reply.text = own->request->text;
    reply.payload = own->request->payload;
    reply.index = own->next++;
    call_send(call, &reply.base);
}

static void chat(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    open_call(call, context, message);
    call_on_message(call, chat_message);
    call_on_half_close(call, call_finish);
}

static const struct rpc_method methods[] = {
    { "Say", RPC_UNARY, RPC_RIGHT_NONE, &test__v1__echo_request__descriptor,
      &test__v1__echo_reply__descriptor, say },
    { "Expand", RPC_SERVER_STREAM, RPC_RIGHT_NONE, &test__v1__echo_request__descriptor,
      &test__v1__echo_reply__descriptor, expand },
    { "Collect", RPC_CLIENT_STREAM, RPC_RIGHT_NONE, &test__v1__echo_request__descriptor,
      &test__v1__echo_reply__descriptor, collect },
    { "Chat", RPC_BIDI, RPC_RIGHT_NONE, &test__v1__echo_request__descriptor,
      &test__v1__echo_reply__descriptor, chat },
};

void echo_service_init(struct echo_service *echo)
{
    memset(echo, 0, sizeof *echo);
    echo->service = (struct rpc_service){ "test.v1.Echo", methods, 4, echo };
}
