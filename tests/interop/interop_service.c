#include "tests/interop/interop_service.h"

#include "grpc/testing/test.pb-c.h"
#include "rpc/call.h"

#include <assert.h>

/* Every stream is a queue of answers to be sent, each after its interval; a
 * request adds to it. Reading rests while answers wait, so that a client that
 * asks and does not listen is held up. */

enum { PAYLOAD_MAX = 16 << 20 };

static uint8_t zeros[PAYLOAD_MAX];

struct reply {
    struct reply *next;
    int32_t size;
    int64_t wait_ms;
    enum rpc_compress compress;
};

struct talk { /* in the call's arena */
    struct rpc_call *call;
    struct reply *first, **last, *unused;
    struct loop_timer timer;
    bool has_waited, is_blocked, has_status, half_closed;
    struct bytes status_text;
    enum rpc_code status_code;
    int64_t received;
};

/* ---- What the methods have in common. ---- */

static void echo(struct rpc_call *call, const char *name,
                 void (*add)(struct rpc_call *, const char *, struct bytes))
{
    const char *value;
    size_t size;

    for (size_t i = 0; (value = call_metadata_at(call, name, i, &size)) != NULL; i++)
        add(call, name, bytes_of(value, size));
}

static void echo_metadata(struct rpc_call *call)
{
    echo(call, "x-grpc-test-echo-initial", call_add_initial);
    echo(call, "x-grpc-test-echo-trailing-bin", call_add_trailer);
}

static void fail(struct rpc_call *call, enum rpc_code code, const char *text)
{
    call_fail_with(call, code, bytes_of_text(text), bytes_of(NULL, 0));
}

static enum rpc_code code_of(const Grpc__Testing__EchoStatus *status)
{
    return status->code > 0 && status->code < RPC_CODE_COUNT ? (enum rpc_code)status->code
                                                             : RPC_UNKNOWN;
}

/* False: it failed, for the message was not sent as the request says. */
static bool was_sent_as_expected(struct rpc_call *call, const Grpc__Testing__BoolValue *compressed)
{
    if (compressed == NULL || (bool)compressed->value == call_message_was_compressed(call))
        return true;
    fail(call, RPC_INVALID_ARGUMENT,
         compressed->value ? "the message should be compressed"
                           : "the message should not be compressed");
    return false;
}

static enum rpc_compress choice_of(const Grpc__Testing__BoolValue *compressed)
{
    return compressed != NULL && compressed->value ? RPC_COMPRESS_ALWAYS : RPC_COMPRESS_NEVER;
}

static bool is_a_size(struct rpc_call *call, int32_t size)
{
    if (size >= 0 && size <= PAYLOAD_MAX)
        return true;
    fail(call, RPC_INVALID_ARGUMENT, "no payload can be of this size");
    return false;
}

static void fill(Grpc__Testing__Payload *payload, int32_t size)
{
    grpc__testing__payload__init(payload);
    payload->body.len = (size_t)size;
    payload->body.data = zeros;
}

/* ---- Unary. ---- */

static void empty_call(struct rpc_call *call, void *context, const ProtobufCMessage *request)
{
    Grpc__Testing__Empty nothing = GRPC__TESTING__EMPTY__INIT;

    (void)context;
    (void)request;
    echo_metadata(call);
    call_reply(call, &nothing.base);
}

static void unary_call(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    const Grpc__Testing__SimpleRequest *request = (const Grpc__Testing__SimpleRequest *)message;
    Grpc__Testing__SimpleResponse response = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
    Grpc__Testing__Payload payload;

    (void)context;
    echo_metadata(call);
    if (!was_sent_as_expected(call, request->expect_compressed) ||
        !is_a_size(call, request->response_size))
        return;
    if (request->response_status != NULL && request->response_status->code != 0) {
        fail(call, code_of(request->response_status), request->response_status->message);
        return;
    }
    if (request->response_compressed != NULL)
        call_compress(call, choice_of(request->response_compressed));
    fill(&payload, request->response_size);
    response.payload = &payload;
    call_reply(call, &response.base);
}

static void cacheable_unary_call(struct rpc_call *call, void *context,
                                 const ProtobufCMessage *message)
{
    call_add_initial(call, "cache-control", bytes_of_text("max-age=60, public"));
    unary_call(call, context, message);
}

/* ---- A stream's answers. ---- */

static void pump(struct talk *talk);

static void on_interval(struct loop_timer *timer)
{
    struct talk *talk = container_of(timer, struct talk, timer);

    talk->has_waited = true;
    pump(talk);
}

static void on_writable(struct rpc_call *call)
{
    struct talk *talk = call_tag(call);

    talk->is_blocked = false;
    pump(talk);
}

static void on_over(struct rpc_call *call)
{
    struct talk *talk = call_tag(call);

    if (talk->timer.item.place != 0)
        loop_timer_stop(call_loop(call), &talk->timer);
}

static void send_first(struct talk *talk)
{
    Grpc__Testing__StreamingOutputCallResponse response =
        GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
    Grpc__Testing__Payload payload;
    struct reply *reply = talk->first;

    talk->first = reply->next;
    if (talk->first == NULL)
        talk->last = &talk->first;
    fill(&payload, reply->size);
    response.payload = &payload;
    call_compress(talk->call, reply->compress);
    talk->has_waited = false;
    talk->is_blocked = !call_send(talk->call, &response.base);
    reply->next = talk->unused;
    talk->unused = reply;
}

static void end_or_read_on(struct talk *talk)
{
    if (talk->has_status)
        call_fail_with(talk->call, talk->status_code, talk->status_text, bytes_of(NULL, 0));
    else if (talk->half_closed)
        call_finish(talk->call);
    else
        call_resume_reading(talk->call);
}

static void pump(struct talk *talk)
{
    while (talk->first != NULL && !talk->is_blocked && !call_is_over(talk->call)) {
        if (talk->first->wait_ms > 0 && !talk->has_waited) {
            if (talk->timer.item.place == 0)
                loop_timer_start(call_loop(talk->call), &talk->timer, talk->first->wait_ms);
            return;
        }
        send_first(talk);
    }
    if (talk->first == NULL && !call_is_over(talk->call))
        end_or_read_on(talk);
}

/* Each message is compressed or not as it is asked for, so the coding has to be
 * announced before the first. */
static struct talk *open_talk(struct rpc_call *call)
{
    struct talk *talk = arena_alloc(call_arena(call), sizeof *talk);

    assert(talk != NULL);
    talk->call = call;
    talk->last = &talk->first;
    talk->timer.fire = on_interval;
    call_set_tag(call, talk);
    call_on_over(call, on_over);
    call_on_writable(call, on_writable);
    echo_metadata(call);
    call_compress(call, RPC_COMPRESS_ALWAYS);
    call_send_initial(call);
    return talk;
}

static bool add_reply(struct talk *talk, const Grpc__Testing__ResponseParameters *wanted)
{
    struct reply *reply = talk->unused;

    if (!is_a_size(talk->call, wanted->size))
        return false;
    if (reply != NULL)
        talk->unused = reply->next;
    else
        reply = arena_alloc(call_arena(talk->call), sizeof *reply);
    if (reply == NULL) {
        fail(talk->call, RPC_RESOURCE_EXHAUSTED, "too many answers are asked for");
        return false;
    }
    *reply = (struct reply){ .size = wanted->size,
                             .wait_ms = (wanted->interval_us + 999) / 1000,
                             .compress = choice_of(wanted->compressed) };
    *talk->last = reply;
    talk->last = &reply->next;
    return true;
}

/* False: it failed. */
static bool add_request(struct talk *talk, const ProtobufCMessage *message)
{
    const Grpc__Testing__StreamingOutputCallRequest *request =
        (const Grpc__Testing__StreamingOutputCallRequest *)message;
    const Grpc__Testing__EchoStatus *status = request->response_status;

    for (size_t i = 0; i < request->n_response_parameters; i++)
        if (!add_reply(talk, request->response_parameters[i]))
            return false;
    if (status != NULL && status->code != 0) {
        talk->has_status = true;
        talk->status_code = code_of(status);
        talk->status_text = bytes_of_text(arena_text(call_arena(talk->call), status->message));
    }
    return true;
}

static void streaming_output_call(struct rpc_call *call, void *context,
                                  const ProtobufCMessage *request)
{
    struct talk *talk = open_talk(call);

    (void)context;
    talk->half_closed = true;
    if (add_request(talk, request))
        pump(talk);
}

static void full_duplex_message(struct rpc_call *call, const ProtobufCMessage *request)
{
    struct talk *talk = call_tag(call);

    if (!add_request(talk, request))
        return;
    call_pause_reading(call);
    pump(talk);
}

/* Both duplex kinds: what waits is sent first. */
static void duplex_half_close(struct rpc_call *call)
{
    struct talk *talk = call_tag(call);

    talk->half_closed = true;
    pump(talk);
}

static void full_duplex_call(struct rpc_call *call, void *context, const ProtobufCMessage *nothing)
{
    (void)context;
    (void)nothing;
    open_talk(call);
    call_on_message(call, full_duplex_message);
    call_on_half_close(call, duplex_half_close);
}

static void half_duplex_message(struct rpc_call *call, const ProtobufCMessage *request)
{
    add_request(call_tag(call), request);
}

static void half_duplex_call(struct rpc_call *call, void *context, const ProtobufCMessage *nothing)
{
    (void)context;
    (void)nothing;
    open_talk(call);
    call_on_message(call, half_duplex_message);
    call_on_half_close(call, duplex_half_close);
}

/* ---- A stream of requests. ---- */

static void input_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    const Grpc__Testing__StreamingInputCallRequest *request =
        (const Grpc__Testing__StreamingInputCallRequest *)message;
    struct talk *talk = call_tag(call);

    if (was_sent_as_expected(call, request->expect_compressed) && request->payload != NULL)
        talk->received += (int64_t)request->payload->body.len;
}

static void input_half_close(struct rpc_call *call)
{
    Grpc__Testing__StreamingInputCallResponse response =
        GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;

    response.aggregated_payload_size = (int32_t)((struct talk *)call_tag(call))->received;
    call_reply(call, &response.base);
}

static void streaming_input_call(struct rpc_call *call, void *context,
                                 const ProtobufCMessage *nothing)
{
    struct talk *talk = arena_alloc(call_arena(call), sizeof *talk);

    (void)context;
    (void)nothing;
    assert(talk != NULL);
    call_set_tag(call, talk);
    echo_metadata(call);
    call_on_message(call, input_message);
    call_on_half_close(call, input_half_close);
}

static const struct rpc_method methods[] = {
    { "EmptyCall", RPC_UNARY, RPC_RIGHT_NONE, &grpc__testing__empty__descriptor,
      &grpc__testing__empty__descriptor, empty_call },
    { "UnaryCall", RPC_UNARY, RPC_RIGHT_NONE, &grpc__testing__simple_request__descriptor,
      &grpc__testing__simple_response__descriptor, unary_call },
    { "CacheableUnaryCall", RPC_UNARY, RPC_RIGHT_NONE, &grpc__testing__simple_request__descriptor,
      &grpc__testing__simple_response__descriptor, cacheable_unary_call },
    { "StreamingOutputCall", RPC_SERVER_STREAM, RPC_RIGHT_NONE,
      &grpc__testing__streaming_output_call_request__descriptor,
      &grpc__testing__streaming_output_call_response__descriptor, streaming_output_call },
    { "StreamingInputCall", RPC_CLIENT_STREAM, RPC_RIGHT_NONE,
      &grpc__testing__streaming_input_call_request__descriptor,
      &grpc__testing__streaming_input_call_response__descriptor, streaming_input_call },
    { "FullDuplexCall", RPC_BIDI, RPC_RIGHT_NONE,
      &grpc__testing__streaming_output_call_request__descriptor,
      &grpc__testing__streaming_output_call_response__descriptor, full_duplex_call },
    { "HalfDuplexCall", RPC_BIDI, RPC_RIGHT_NONE,
      &grpc__testing__streaming_output_call_request__descriptor,
      &grpc__testing__streaming_output_call_response__descriptor, half_duplex_call },
};

const struct rpc_service interop_service = { "grpc.testing.TestService", methods,
                                             sizeof methods / sizeof methods[0], NULL };
