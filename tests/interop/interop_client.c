#include "grpc/testing/test.pb-c.h"
#include "rpc/channel.h"
#include "rpc/tls.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The interop cases (gRPC, doc/interop-test-descriptions) as a client of
 * rpc/channel, for any server that has grpc.testing.TestService:
 *
 *   interop_client --server_host HOST --server_port PORT --test_case NAME
 *                  [--use_tls=true --ca_file FILE] [--soak_iterations N]
 *
 * Ends with 0 if the case passed; otherwise it says what was wrong. */

enum { PATIENCE_S = 60, LARGE_REQUEST = 271828, LARGE_RESPONSE = 314159, SIZES = 4 };

static const int32_t request_sizes[SIZES] = { 27182, 8, 1828, 45904 };
static const int32_t response_sizes[SIZES] = { 31415, 9, 2653, 58979 };
static uint8_t zeros[LARGE_REQUEST];

#define SERVICE "/grpc.testing.TestService/"

struct client {
    struct loop *loop;
    struct channel *channel;
    struct channel_options options;
    unsigned soak_iterations;
};

/* A call, and what came of it. */
struct talk {
    struct client_call call;
    struct client *client;
    bool done;
    struct rpc_status status;
    size_t messages;
    size_t last_size;    /* of the last message's payload */
    size_t sizes[SIZES]; /* of the first ones' */
    bool compressed[SIZES];
    char initial[64], trailer[64], text[256];
    size_t trailer_size;
};

__attribute__((format(printf, 2, 3), noreturn)) static void fail_case(const struct talk *talk,
                                                                      const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s: ", talk->call.path);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (%zu messages, %s: %s)\n", talk->messages, rpc_code_name(talk->status.code),
            talk->status.message);
    exit(EXIT_FAILURE);
}

/* ---- Calls. ---- */

static size_t payload_size(const ProtobufCMessage *message)
{
    const Grpc__Testing__Payload *payload = NULL;

    if (message->descriptor == &grpc__testing__simple_response__descriptor)
        payload = ((const Grpc__Testing__SimpleResponse *)message)->payload;
    else if (message->descriptor == &grpc__testing__streaming_output_call_response__descriptor)
        payload = ((const Grpc__Testing__StreamingOutputCallResponse *)message)->payload;
    else if (message->descriptor == &grpc__testing__streaming_input_call_response__descriptor)
        return (size_t)((const Grpc__Testing__StreamingInputCallResponse *)message)
            ->aggregated_payload_size;
    return payload != NULL ? payload->body.len : 0;
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct talk *talk = container_of(call, struct talk, call);

    talk->last_size = payload_size(message);
    if (talk->messages < SIZES) {
        talk->sizes[talk->messages] = talk->last_size;
        talk->compressed[talk->messages] = client_call_message_was_compressed(call);
    }
    talk->messages++;
    loop_stop(talk->client->loop);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct talk *talk = container_of(call, struct talk, call);
    const char *value = client_call_metadata(call, "x-grpc-test-echo-initial", NULL);
    struct bytes text = client_call_status_text(call);

    talk->done = true;
    talk->status = *status;
    snprintf(talk->initial, sizeof talk->initial, "%s", value != NULL ? value : "");
    snprintf(talk->text, sizeof talk->text, "%.*s", (int)text.size, (const char *)text.data);
    value = client_call_metadata(call, "x-grpc-test-echo-trailing-bin", &talk->trailer_size);
    if (value != NULL && talk->trailer_size <= sizeof talk->trailer)
        memcpy(talk->trailer, value, talk->trailer_size);
    loop_stop(talk->client->loop);
}

static void talk_init(struct talk *talk, struct client *client, const char *path,
                      const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request)
{
    *talk = (struct talk){ .client = client };
    talk->call = (struct client_call){ .path = path,
                                       .response = response,
                                       .request = request,
                                       .on_message = on_message,
                                       .on_done = on_done };
}

static void start(struct talk *talk)
{
    client_call_start(talk->client->channel, &talk->call);
}

static void wait_for_messages(struct talk *talk, size_t count)
{
    while (!talk->done && talk->messages < count)
        loop_run(talk->client->loop);
    if (talk->messages < count)
        fail_case(talk, "message %zu did not come", count);
}

static void wait_for_status(struct talk *talk, enum rpc_code code)
{
    while (!talk->done)
        loop_run(talk->client->loop);
    if (talk->status.code != code)
        fail_case(talk, "%s was expected", rpc_code_name(code));
}

static void run(struct talk *talk, enum rpc_code code)
{
    start(talk);
    wait_for_status(talk, code);
}

static void expect_messages(const struct talk *talk, size_t count)
{
    if (talk->messages != count)
        fail_case(talk, "%zu messages were expected", count);
}

static void expect_size(const struct talk *talk, size_t size)
{
    if (talk->last_size != size)
        fail_case(talk, "a payload of %zu, not %zu, was expected", size, talk->last_size);
}

static void expect_compressed(const struct talk *talk, size_t i, bool compressed)
{
    if (talk->compressed[i] != compressed)
        fail_case(talk, "message %zu was %scompressed", i, compressed ? "not " : "");
}

static void expect_sizes(const struct talk *talk, const int32_t *sizes, size_t count)
{
    expect_messages(talk, count);
    for (size_t i = 0; i < count; i++)
        if (talk->sizes[i] != (size_t)sizes[i])
            fail_case(talk, "answer %zu has %zu bytes", i, talk->sizes[i]);
}

static void expect_text(const struct talk *talk, const char *text)
{
    if (strcmp(talk->text, text) != 0)
        fail_case(talk, "the text \"%s\" was expected", text);
}

/* ---- Requests: each lies in one struct with what it points to. ---- */

struct simple {
    Grpc__Testing__SimpleRequest request;
    Grpc__Testing__Payload payload;
    Grpc__Testing__EchoStatus status;
    Grpc__Testing__BoolValue expect, compress;
};

static void large_simple(struct simple *simple)
{
    grpc__testing__simple_request__init(&simple->request);
    grpc__testing__payload__init(&simple->payload);
    grpc__testing__bool_value__init(&simple->expect);
    grpc__testing__bool_value__init(&simple->compress);
    grpc__testing__echo_status__init(&simple->status);
    simple->payload.body = (ProtobufCBinaryData){ LARGE_REQUEST, zeros };
    simple->request.payload = &simple->payload;
    simple->request.response_size = LARGE_RESPONSE;
}

static void init_unary(struct talk *talk, struct client *client, const struct simple *simple)
{
    talk_init(talk, client, SERVICE "UnaryCall", &grpc__testing__simple_response__descriptor,
              &simple->request.base);
    talk->call.single_answer = true;
}

struct output {
    Grpc__Testing__StreamingOutputCallRequest request;
    Grpc__Testing__ResponseParameters parameters[SIZES], *pointers[SIZES];
    Grpc__Testing__Payload payload;
    Grpc__Testing__EchoStatus status;
};

/* Asks for `count` answers of these sizes. */
static void output_init(struct output *output, const int32_t *sizes, size_t count)
{
    grpc__testing__streaming_output_call_request__init(&output->request);
    grpc__testing__payload__init(&output->payload);
    grpc__testing__echo_status__init(&output->status);
    for (size_t i = 0; i < count; i++) {
        grpc__testing__response_parameters__init(&output->parameters[i]);
        output->parameters[i].size = sizes[i];
        output->pointers[i] = &output->parameters[i];
    }
    output->request.n_response_parameters = count;
    output->request.response_parameters = output->pointers;
}

static void output_set_payload(struct output *output, int32_t size)
{
    output->payload.body = (ProtobufCBinaryData){ (size_t)size, zeros };
    output->request.payload = &output->payload;
}

static void init_duplex(struct talk *talk, struct client *client, const char *path)
{
    talk_init(talk, client, path, &grpc__testing__streaming_output_call_response__descriptor, NULL);
    talk->call.streaming_request = true;
}

static void init_output(struct talk *talk, struct client *client, const struct output *output)
{
    talk_init(talk, client, SERVICE "StreamingOutputCall",
              &grpc__testing__streaming_output_call_response__descriptor, &output->request.base);
}

static void init_input(struct talk *talk, struct client *client)
{
    talk_init(talk, client, SERVICE "StreamingInputCall",
              &grpc__testing__streaming_input_call_response__descriptor, NULL);
    talk->call.streaming_request = true;
    talk->call.single_answer = true;
}

static void send_input(struct talk *talk, int32_t size, const Grpc__Testing__BoolValue *expect)
{
    Grpc__Testing__StreamingInputCallRequest request =
        GRPC__TESTING__STREAMING_INPUT_CALL_REQUEST__INIT;
    Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;

    payload.body = (ProtobufCBinaryData){ (size_t)size, zeros };
    request.payload = &payload;
    request.expect_compressed = (Grpc__Testing__BoolValue *)(uintptr_t)expect;
    client_call_send(&talk->call, &request.base);
}

/* ---- The cases. ---- */

static void call_empty(struct client *client, const char *path, enum rpc_code code)
{
    const Grpc__Testing__Empty nothing = GRPC__TESTING__EMPTY__INIT;
    struct talk talk;

    talk_init(&talk, client, path, &grpc__testing__empty__descriptor, &nothing.base);
    talk.call.single_answer = true;
    run(&talk, code);
    expect_messages(&talk, code == RPC_OK ? 1 : 0);
}

static void empty_unary(struct client *client)
{
    call_empty(client, SERVICE "EmptyCall", RPC_OK);
}

static void large_unary(struct client *client)
{
    struct simple simple;
    struct talk talk;

    large_simple(&simple);
    init_unary(&talk, client, &simple);
    run(&talk, RPC_OK);
    expect_size(&talk, LARGE_RESPONSE);
}

static void cacheable_unary(struct client *client)
{
    struct simple simple;
    struct talk talk;

    large_simple(&simple);
    init_unary(&talk, client, &simple);
    talk.call.path = SERVICE "CacheableUnaryCall";
    run(&talk, RPC_OK);
    expect_size(&talk, LARGE_RESPONSE);
}

static void probe_compressed_unary(struct client *client, struct simple *simple)
{
    struct talk probe;

    simple->expect.value = true;
    init_unary(&probe, client, simple);
    run(&probe, RPC_INVALID_ARGUMENT);
}

static void client_compressed_unary(struct client *client)
{
    struct simple simple;
    struct talk plain, compressed;

    large_simple(&simple);
    simple.request.expect_compressed = &simple.expect;
    probe_compressed_unary(client, &simple);
    init_unary(&compressed, client, &simple);
    compressed.call.compress = RPC_COMPRESS_ALWAYS;
    run(&compressed, RPC_OK);
    expect_size(&compressed, LARGE_RESPONSE);
    simple.expect.value = false;
    init_unary(&plain, client, &simple);
    run(&plain, RPC_OK);
    expect_size(&plain, LARGE_RESPONSE);
}

static void server_compressed_unary(struct client *client)
{
    struct simple simple;

    large_simple(&simple);
    simple.request.response_compressed = &simple.compress;
    for (int compress = 1; compress >= 0; compress--) {
        struct talk talk;
        simple.compress.value = compress;
        init_unary(&talk, client, &simple);
        run(&talk, RPC_OK);
        expect_size(&talk, LARGE_RESPONSE);
        expect_compressed(&talk, 0, compress);
    }
}

static void client_streaming(struct client *client)
{
    struct talk talk;

    init_input(&talk, client);
    start(&talk);
    for (int i = 0; i < SIZES; i++)
        send_input(&talk, request_sizes[i], NULL);
    client_call_half_close(&talk.call);
    wait_for_status(&talk, RPC_OK);
    expect_size(&talk, 74922);
}

static void probe_compressed_streaming(struct client *client,
                                       const Grpc__Testing__BoolValue *expect)
{
    struct talk probe;

    init_input(&probe, client);
    start(&probe);
    send_input(&probe, request_sizes[0], expect);
    client_call_half_close(&probe.call);
    wait_for_status(&probe, RPC_INVALID_ARGUMENT);
}

static void client_compressed_streaming(struct client *client)
{
    Grpc__Testing__BoolValue expect = GRPC__TESTING__BOOL_VALUE__INIT;
    struct talk talk;

    expect.value = true;
    probe_compressed_streaming(client, &expect);
    init_input(&talk, client);
    talk.call.compress = RPC_COMPRESS_ALWAYS;
    start(&talk);
    send_input(&talk, request_sizes[0], &expect);
    expect.value = false;
    client_call_compress(&talk.call, RPC_COMPRESS_NEVER);
    send_input(&talk, request_sizes[3], &expect);
    client_call_half_close(&talk.call);
    wait_for_status(&talk, RPC_OK);
    expect_size(&talk, 73086);
}

static void server_streaming(struct client *client)
{
    struct output output;
    struct talk talk;

    output_init(&output, response_sizes, SIZES);
    init_output(&talk, client, &output);
    run(&talk, RPC_OK);
    expect_sizes(&talk, response_sizes, SIZES);
}

static void server_compressed_streaming(struct client *client)
{
    static const int32_t sizes[] = { 31415, 92653 };
    Grpc__Testing__BoolValue yes = GRPC__TESTING__BOOL_VALUE__INIT,
                             no = GRPC__TESTING__BOOL_VALUE__INIT;
    struct output output;
    struct talk talk;

    yes.value = true;
    output_init(&output, sizes, 2);
    output.parameters[0].compressed = &yes;
    output.parameters[1].compressed = &no;
    init_output(&talk, client, &output);
    run(&talk, RPC_OK);
    expect_sizes(&talk, sizes, 2);
    expect_compressed(&talk, 0, true);
    expect_compressed(&talk, 1, false);
}

static void ping_pong(struct client *client)
{
    struct talk talk;

    init_duplex(&talk, client, SERVICE "FullDuplexCall");
    start(&talk);
    for (size_t i = 0; i < SIZES; i++) {
        struct output output;
        output_init(&output, &response_sizes[i], 1);
        output_set_payload(&output, request_sizes[i]);
        client_call_send(&talk.call, &output.request.base);
        wait_for_messages(&talk, i + 1);
        expect_size(&talk, (size_t)response_sizes[i]);
    }
    client_call_half_close(&talk.call);
    wait_for_status(&talk, RPC_OK);
    expect_messages(&talk, SIZES);
}

static void half_duplex(struct client *client)
{
    struct talk talk;

    init_duplex(&talk, client, SERVICE "HalfDuplexCall");
    start(&talk);
    for (size_t i = 0; i < SIZES; i++) {
        struct output output;
        output_init(&output, &response_sizes[i], 1);
        client_call_send(&talk.call, &output.request.base);
    }
    client_call_half_close(&talk.call);
    wait_for_status(&talk, RPC_OK);
    expect_sizes(&talk, response_sizes, SIZES);
}

static void empty_stream(struct client *client)
{
    struct talk talk;

    init_duplex(&talk, client, SERVICE "FullDuplexCall");
    start(&talk);
    client_call_half_close(&talk.call);
    wait_for_status(&talk, RPC_OK);
    expect_messages(&talk, 0);
}

static void timeout_on_sleeping_server(struct client *client)
{
    struct output output;
    struct talk talk;

    empty_unary(client); /* connects */
    output_init(&output, response_sizes, 1);
    output.parameters[0].interval_us = 10 * 1000 * 1000;
    output_set_payload(&output, request_sizes[0]);
    init_duplex(&talk, client, SERVICE "FullDuplexCall");
    talk.call.timeout_ms = 1;
    start(&talk);
    client_call_send(&talk.call, &output.request.base);
    wait_for_status(&talk, RPC_DEADLINE_EXCEEDED);
}

static void cancel_after_begin(struct client *client)
{
    struct talk talk;

    empty_unary(client);
    init_input(&talk, client);
    start(&talk);
    client_call_cancel(&talk.call);
    wait_for_status(&talk, RPC_CANCELLED);
}

static void cancel_after_first_response(struct client *client)
{
    struct output output;
    struct talk talk;

    output_init(&output, response_sizes, 1);
    output_set_payload(&output, request_sizes[0]);
    init_duplex(&talk, client, SERVICE "FullDuplexCall");
    start(&talk);
    client_call_send(&talk.call, &output.request.base);
    wait_for_messages(&talk, 1);
    client_call_cancel(&talk.call);
    wait_for_status(&talk, RPC_CANCELLED);
}

static const struct client_metadata custom[] = {
    { "x-grpc-test-echo-initial",
      { (const uint8_t *)"test_initial_metadata_value",
        sizeof "test_initial_metadata_value" - 1 } },
    { "x-grpc-test-echo-trailing-bin", { (const uint8_t *)"\xab\xab\xab", 3 } },
};

static void expect_custom(const struct talk *talk)
{
    if (strcmp(talk->initial, "test_initial_metadata_value") != 0)
        fail_case(talk, "the initial metadata is \"%s\"", talk->initial);
    if (talk->trailer_size != 3 || memcmp(talk->trailer, "\xab\xab\xab", 3) != 0)
        fail_case(talk, "the trailing metadata has %zu bytes, or others", talk->trailer_size);
}

static void custom_metadata(struct client *client)
{
    struct simple simple;
    struct output output;
    struct talk unary, duplex;

    large_simple(&simple);
    init_unary(&unary, client, &simple);
    unary.call.metadata = custom;
    unary.call.metadata_count = 2;
    run(&unary, RPC_OK);
    expect_custom(&unary);

    output_init(&output, response_sizes, 1);
    output_set_payload(&output, request_sizes[0]);
    init_duplex(&duplex, client, SERVICE "FullDuplexCall");
    duplex.call.metadata = custom;
    duplex.call.metadata_count = 2;
    start(&duplex);
    client_call_send(&duplex.call, &output.request.base);
    client_call_half_close(&duplex.call);
    wait_for_status(&duplex, RPC_OK);
    expect_custom(&duplex);
}

static void fail_unary(struct client *client, char *text)
{
    struct simple simple;
    struct talk talk;

    large_simple(&simple);
    simple.status.code = RPC_UNKNOWN;
    simple.status.message = text;
    simple.request.response_status = &simple.status;
    init_unary(&talk, client, &simple);
    run(&talk, RPC_UNKNOWN);
    expect_text(&talk, text);
}

static void status_code_and_message(struct client *client)
{
    char text[] = "test status message";
    struct output output;
    struct talk duplex;

    fail_unary(client, text);
    output_init(&output, NULL, 0);
    output.status.code = RPC_UNKNOWN;
    output.status.message = text;
    output.request.response_status = &output.status;
    init_duplex(&duplex, client, SERVICE "FullDuplexCall");
    start(&duplex);
    client_call_send(&duplex.call, &output.request.base);
    client_call_half_close(&duplex.call);
    wait_for_status(&duplex, RPC_UNKNOWN);
    expect_text(&duplex, text);
}

static void special_status_message(struct client *client)
{
    char text[] = "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP "
                  "\xf0\x9f\x98\x88\t\n";

    fail_unary(client, text);
}

static void unimplemented_method(struct client *client)
{
    call_empty(client, SERVICE "UnimplementedCall", RPC_UNIMPLEMENTED);
}

static void unimplemented_service(struct client *client)
{
    call_empty(client, "/grpc.testing.UnimplementedService/UnimplementedCall", RPC_UNIMPLEMENTED);
}

/* Reads one message at a time and rests after each until it is asked again. */
static void slow_consumer(struct client *client)
{
    enum { ROUNDS = 50, SIZE = 100000 };
    static const int32_t sizes[SIZES] = { SIZE, SIZE, SIZE, SIZE };
    struct output output;
    struct talk talk;

    output_init(&output, sizes, SIZES);
    init_duplex(&talk, client, SERVICE "FullDuplexCall");
    start(&talk);
    for (int i = 0; i < ROUNDS; i++)
        client_call_send(&talk.call, &output.request.base);
    client_call_half_close(&talk.call);
    for (size_t seen = 0; seen < ROUNDS * SIZES; seen = talk.messages) {
        wait_for_messages(&talk, seen + 1);
        expect_size(&talk, SIZE);
        client_call_pause_reading(&talk.call);
        client_call_resume_reading(&talk.call);
    }
    wait_for_status(&talk, RPC_OK);
    expect_messages(&talk, ROUNDS * SIZES);
}

static void rpc_soak(struct client *client)
{
    for (unsigned i = 0; i < client->soak_iterations; i++)
        large_unary(client);
}

static void open_channel(struct client *client)
{
    struct why why;

    if (channel_open(client->loop, &client->options, &client->channel, &why) == OK)
        return;
    fprintf(stderr, "interop_client: %s\n", why.text);
    exit(EXIT_FAILURE);
}

static void channel_soak(struct client *client)
{
    for (unsigned i = 0; i < client->soak_iterations; i++) {
        channel_close(client->channel);
        open_channel(client);
        large_unary(client);
    }
}

static const struct interop_case {
    const char *name;
    void (*run)(struct client *client);
} cases[] = {
    { "empty_unary", empty_unary },
    { "large_unary", large_unary },
    { "cacheable_unary", cacheable_unary },
    { "client_compressed_unary", client_compressed_unary },
    { "server_compressed_unary", server_compressed_unary },
    { "client_streaming", client_streaming },
    { "client_compressed_streaming", client_compressed_streaming },
    { "server_streaming", server_streaming },
    { "server_compressed_streaming", server_compressed_streaming },
    { "ping_pong", ping_pong },
    { "half_duplex", half_duplex },
    { "empty_stream", empty_stream },
    { "timeout_on_sleeping_server", timeout_on_sleeping_server },
    { "cancel_after_begin", cancel_after_begin },
    { "cancel_after_first_response", cancel_after_first_response },
    { "custom_metadata", custom_metadata },
    { "status_code_and_message", status_code_and_message },
    { "special_status_message", special_status_message },
    { "unimplemented_method", unimplemented_method },
    { "unimplemented_service", unimplemented_service },
    { "slow_consumer", slow_consumer },
    { "rpc_soak", rpc_soak },
    { "channel_soak", channel_soak },
};

/* ---- The program. ---- */

struct flags {
    const char *host, *port, *name;
    struct tls_client_options tls;
    bool use_tls;
    unsigned soak_iterations;
};

static struct flags read_flags(int argc, char **argv)
{
    static const struct option options[] = { { "server_host", required_argument, NULL, 'h' },
                                             { "server_port", required_argument, NULL, 'p' },
                                             { "test_case", required_argument, NULL, 'c' },
                                             { "use_tls", required_argument, NULL, 't' },
                                             { "ca_file", required_argument, NULL, 'a' },
                                             { "server_host_override", required_argument, NULL,
                                               'o' },
                                             { "soak_iterations", required_argument, NULL, 's' },
                                             { 0 } };
    struct flags flags = { .host = "127.0.0.1", .port = "", .name = "", .soak_iterations = 10 };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'h':
            flags.host = optarg;
            break;
        case 'p':
            flags.port = optarg;
            break;
        case 'c':
            flags.name = optarg;
            break;
        case 't':
            flags.use_tls = strcmp(optarg, "true") == 0;
            break;
        case 'a':
            flags.tls.ca_file = optarg;
            break;
        case 'o':
            flags.tls.server_name = optarg;
            break;
        case 's':
            flags.soak_iterations = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            exit(EXIT_FAILURE);
        }
    return flags;
}

static const struct interop_case *find_case(const char *name)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(cases[i].name, name) == 0)
            return &cases[i];
    fprintf(stderr, "interop_client: there is no case \"%s\"\n", name);
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    const struct flags flags = read_flags(argc, argv);
    const struct interop_case *chosen = find_case(flags.name);
    struct client client = { .loop = loop_new(), .soak_iterations = flags.soak_iterations };
    char address[256];

    alarm(PATIENCE_S);
    snprintf(address, sizeof address, "%s:%s", flags.host, flags.port);
    client.options.address = address;
    client.options.tls = flags.use_tls ? &flags.tls : NULL;
    open_channel(&client);
    chosen->run(&client);
    channel_close(client.channel);
    loop_free(client.loop);
    return EXIT_SUCCESS;
}
