#include "tests/unit/rpc/call_cases.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 20 * 1000 };

static bool admit(struct rpc_hooks *hooks, struct rpc_call *call, struct rpc_status *status)
{
    (void)hooks;
    if (call_metadata(call, "x-refuse", NULL) == NULL)
        return true;
    rpc_status_set(status, RPC_PERMISSION_DENIED, "refused: %s", call_method(call)->name);
    return false;
}

static void note_ended(struct rpc_hooks *hooks, struct rpc_call *call, enum rpc_code code,
                       int64_t duration_us)
{
    struct call_fixture *f = container_of(hooks, struct call_fixture, hooks);

    assert_non_null(call_method(call));
    assert_in_range(duration_us, 0, 20 * 1000 * 1000);
    f->ended_code = (int)code;
    f->ended++;
}

int call_fixture_open(struct call_fixture *f)
{
    memset(f, 0, sizeof *f);
    f->loop = loop_new();
    f->registry = rpc_registry_new();
    echo_service_init(&f->echo);
    rpc_registry_add(f->registry, &f->echo.service);
    f->hooks = (struct rpc_hooks){ admit, note_ended };
    rpc_registry_set_hooks(f->registry, &f->hooks);
    return f->loop != NULL ? 0 : -1;
}

void call_fixture_close(struct call_fixture *f)
{
    loop_free(f->loop);
    rpc_registry_free(f->registry);
}

struct poll {
    struct loop_timer timer;
    struct loop *loop;
};

static void stop_loop(struct loop_timer *timer)
{
    loop_stop(container_of(timer, struct poll, timer)->loop);
}

void run_until(struct call_fixture *f, bool (*holds)(void *context), void *context)
{
    struct poll poll = { .timer.fire = stop_loop, .loop = f->loop };
    int64_t end_ms = loop_mono_ms() + PATIENCE_MS;

    while (!holds(context)) {
        assert_true(loop_mono_ms() < end_ms);
        loop_timer_start(f->loop, &poll.timer, 1);
        loop_run(f->loop);
    }
    loop_timer_stop(f->loop, &poll.timer);
}

static void note_metadata(struct noted_call *noted)
{
    const char *value = client_call_metadata(&noted->call, "x-echo-initial", NULL);

    if (value != NULL)
        snprintf(noted->initial, sizeof noted->initial, "%s", value);
    value = client_call_metadata_at(&noted->call, "x-echo-initial", 1, NULL);
    if (value != NULL)
        snprintf(noted->second_initial, sizeof noted->second_initial, "%s", value);
    noted->trailer_count = 0;
    while (client_call_metadata_at(&noted->call, "x-echo-bin", noted->trailer_count, NULL) != NULL)
        noted->trailer_count++;
    value = client_call_metadata(&noted->call, "x-echo-bin", &noted->trailer_size);
    if (value != NULL && noted->trailer_size <= sizeof noted->trailer)
        memcpy(noted->trailer, value, noted->trailer_size);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct noted_call *noted = container_of(call, struct noted_call, call);
    const Test__V1__EchoReply *reply = (const Test__V1__EchoReply *)message;

    assert_false(noted->done);
    noted->messages++;
    noted->compressed_messages += client_call_message_was_compressed(call);
    noted->bytes += (int64_t)reply->payload.len;
    noted->last_index = reply->index;
    noted->last_total_bytes = reply->total_bytes;
    noted->last_time_left_ms = reply->time_left_ms;
    snprintf(noted->text, sizeof noted->text, "%s", reply->text);
    note_metadata(noted);
    if (noted->pause_each)
        client_call_pause_reading(call);
    if (noted->cancel_at_first)
        client_call_cancel(call);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct noted_call *noted = container_of(call, struct noted_call, call);

    assert_false(noted->done);
    noted->done = true;
    noted->status = *status;
    noted->status_text_size = client_call_status_text(call).size;
    noted->status_text_is_asked =
        bytes_equal(client_call_status_text(call), bytes_of_text(noted->request.fail_message));
    note_metadata(noted);
    loop_stop(noted->f->loop);
}

static void on_writable(struct client_call *call)
{
    container_of(call, struct noted_call, call)->writable++;
}

void noted_call_init(struct noted_call *noted, struct call_fixture *f, const char *method)
{
    memset(noted, 0, sizeof *noted);
    test__v1__echo_request__init(&noted->request);
    noted->f = f;
    noted->call.path = method;
    noted->call.response = &test__v1__echo_reply__descriptor;
    noted->call.request = &noted->request.base;
    noted->call.on_message = on_message;
    noted->call.on_done = on_done;
    noted->call.on_writable = on_writable;
}

static bool is_done(void *context)
{
    return ((struct noted_call *)context)->done;
}

void noted_call_wait(struct noted_call *noted)
{
    run_until(noted->f, is_done, noted);
}

static void assert_status(const struct noted_call *noted, enum rpc_code code)
{
    if (noted->status.code != code)
        print_error("%s: %s\n", rpc_code_name(noted->status.code), noted->status.message);
    assert_int_equal(noted->status.code, code);
}

static void call_and_wait(struct noted_call *noted)
{
    client_call_start(noted->f->channel, &noted->call);
    noted_call_wait(noted);
}

/* ---- Unary. ---- */

static void a_unary_call_is_answered(void **state)
{
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.request.text = "hello";
    client_call_start(say.f->channel, &say.call);
    assert_false(say.done);
    assert_int_equal(say.messages, 0);
    noted_call_wait(&say);
    assert_status(&say, RPC_OK);
    assert_int_equal(say.messages, 1);
    assert_string_equal(say.text, "hello");
    assert_true(say.last_time_left_ms == INT64_MAX);
}

static void an_empty_message_is_a_message(void **state)
{
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    call_and_wait(&say);
    assert_status(&say, RPC_OK);
    assert_int_equal(say.messages, 1);
}

static void metadata_travels_both_ways(void **state)
{
    const uint8_t binary[] = { 0, 1, 0xff, 0x80, '\n' };
    const struct client_metadata metadata[] = {
        { "x-echo-initial", bytes_of_text("a value, with a comma") },
        { "x-echo-bin", bytes_of(binary, sizeof binary) },
    };
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.call.metadata = metadata;
    say.call.metadata_count = 2;
    call_and_wait(&say);
    assert_status(&say, RPC_OK);
    assert_string_equal(say.initial, "a value, with a comma");
    assert_int_equal(say.trailer_size, sizeof binary);
    assert_memory_equal(say.trailer, binary, sizeof binary);
}

static void values_of_one_name_keep_their_order(void **state)
{
    const uint8_t zero = 0;
    const struct client_metadata metadata[] = {
        { "x-echo-initial", bytes_of_text("first") }, { "x-echo-bin", bytes_of("\1\2", 2) },
        { "x-echo-initial", bytes_of_text("") },      { "x-echo-bin", bytes_of(NULL, 0) },
        { "x-echo-initial", bytes_of_text("third") }, { "x-echo-bin", bytes_of(&zero, 1) },
    };
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.call.metadata = metadata;
    say.call.metadata_count = 6;
    call_and_wait(&say);
    assert_status(&say, RPC_OK);
    assert_string_equal(say.initial, "first");
    assert_string_equal(say.second_initial, "");
    assert_int_equal(say.trailer_count, 3);
    assert_int_equal(say.trailer_size, 2);
}

static void metadata_that_nobody_takes_fails_its_call_only(void **state)
{
    enum { SIZE = 2 << 20 };
    struct client_metadata metadata = { "x-huge", { NULL, SIZE } };
    struct noted_call huge, say;
    uint8_t *value = malloc(SIZE);

    memset(value, 'v', SIZE);
    metadata.value.data = value;
    for (int binary = 0; binary < 2; binary++) {
        noted_call_init(&say, *state, "/test.v1.Echo/Say"); /* the server has said what it takes */
        call_and_wait(&say);
        assert_status(&say, RPC_OK);
        metadata.name = binary ? "x-huge-bin" : "x-huge";
        noted_call_init(&huge, *state, "/test.v1.Echo/Say");
        huge.call.metadata = &metadata;
        huge.call.metadata_count = 1;
        call_and_wait(&huge);
        assert_status(&huge, RPC_RESOURCE_EXHAUSTED);
    }
    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    call_and_wait(&say);
    assert_status(&say, RPC_OK);
    free(value);
}

static void a_failure_keeps_initial_and_trailing_metadata(void **state)
{
    const struct client_metadata metadata[] = { { "x-echo-initial", bytes_of_text("i") },
                                                { "x-echo-bin", bytes_of("\377", 1) } };
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.call.metadata = metadata;
    say.call.metadata_count = 2;
    say.request.fail_code = RPC_OUT_OF_RANGE;
    call_and_wait(&say);
    assert_status(&say, RPC_OUT_OF_RANGE);
    assert_string_equal(say.initial, "i");
    assert_int_equal(say.trailer_size, 1);
}

/* Of control characters and of characters of all lengths: whole as far as the
 * client takes it, otherwise cut between characters, and with its code. */
static void a_status_text_may_be_long(void **state)
{
    static const char piece[] = "\t\n\x7f% \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    enum { PIECE = sizeof piece - 1, SIZE = 20000 / PIECE * PIECE, MORE = 60000 / PIECE * PIECE };
    struct noted_call say, more;
    char *text = calloc(1, MORE + 1);

    for (size_t i = 0; i < MORE; i++)
        text[i] = piece[i % PIECE];
    noted_call_init(&more, *state, "/test.v1.Echo/Say");
    more.request.fail_code = RPC_DATA_LOSS;
    more.request.fail_message = text;
    call_and_wait(&more);
    assert_status(&more, RPC_DATA_LOSS);
    assert_in_range(more.status_text_size, SIZE, 32 << 10);

    text[SIZE] = '\0';
    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.request.fail_code = RPC_DATA_LOSS;
    say.request.fail_message = text;
    call_and_wait(&say);
    assert_status(&say, RPC_DATA_LOSS);
    assert_true(say.status_text_is_asked);
    assert_in_range(strlen(say.status.message), 252, 255);
    free(text);
}

static void an_answer_that_is_not_single_is_unimplemented(void **state)
{
    struct noted_call none, several;

    noted_call_init(&none, *state, "/test.v1.Echo/Expand");
    none.call.single_answer = true;
    call_and_wait(&none);
    assert_status(&none, RPC_UNIMPLEMENTED);

    noted_call_init(&several, *state, "/test.v1.Echo/Expand");
    several.call.single_answer = true;
    several.request.count = 2;
    call_and_wait(&several);
    assert_status(&several, RPC_UNIMPLEMENTED);
    assert_int_equal(several.messages, 1);
}

static void a_failure_brings_its_status_and_details(void **state)
{
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.request.fail_code = RPC_INVALID_ARGUMENT;
    say.request.fail_message = "\t\n100% \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 ";
    say.request.fail_field = "data.entity";
    call_and_wait(&say);
    assert_status(&say, RPC_INVALID_ARGUMENT);
    assert_string_equal(say.status.message, say.request.fail_message);
    assert_string_equal(say.status.violation.field, "data.entity");
    assert_string_equal(say.status.violation.description, "as asked");
    assert_int_equal(say.status.retry_after_ms, 1500);
    assert_int_equal(say.messages, 0);
}

static void unknown_methods_and_services_are_unimplemented(void **state)
{
    const char *const paths[] = { "/test.v1.Echo/Nothing", "/test.v1.Nobody/Say", "/x", "/" };

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct noted_call call;
        noted_call_init(&call, *state, paths[i]);
        call_and_wait(&call);
        assert_status(&call, RPC_UNIMPLEMENTED);
    }
}

static void a_large_message_goes_both_ways(void **state)
{
    enum { SIZE = 3 << 20 };
    struct noted_call say;
    uint8_t *payload = calloc(1, SIZE);

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.request.payload = (ProtobufCBinaryData){ SIZE, payload };
    call_and_wait(&say);
    assert_status(&say, RPC_OK);
    assert_int_equal(say.bytes, SIZE);
    free(payload);
}

static void a_message_above_the_limit_is_refused(void **state)
{
    enum { SIZE = (4 << 20) + 1 };
    struct noted_call say, too_long_an_answer;
    uint8_t *payload = calloc(1, SIZE);

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.request.payload = (ProtobufCBinaryData){ SIZE, payload };
    call_and_wait(&say);
    assert_status(&say, RPC_RESOURCE_EXHAUSTED);

    noted_call_init(&too_long_an_answer, *state, "/test.v1.Echo/Say");
    too_long_an_answer.request.answer_bytes = SIZE;
    call_and_wait(&too_long_an_answer);
    assert_status(&too_long_an_answer, RPC_RESOURCE_EXHAUSTED);
    free(payload);
}

static void a_hundred_calls_at_once_are_all_answered(void **state)
{
    enum { COUNT = 100 };
    struct noted_call *calls = calloc(COUNT, sizeof *calls);

    for (int i = 0; i < COUNT; i++) {
        noted_call_init(&calls[i], *state, "/test.v1.Echo/Say");
        calls[i].request.answer_bytes = 1000 + i;
        client_call_start(calls[i].f->channel, &calls[i].call);
    }
    for (int i = 0; i < COUNT; i++) {
        noted_call_wait(&calls[i]);
        assert_status(&calls[i], RPC_OK);
        assert_int_equal(calls[i].bytes, 1000 + i);
    }
    free(calls);
}

struct chain {
    struct client_call call;
    struct call_fixture *f;
    Test__V1__EchoRequest request;
    int left;
};

static void ignore_message(struct client_call *call, const ProtobufCMessage *message)
{
    (void)call;
    (void)message;
}

static void start_next(struct client_call *call, const struct rpc_status *status)
{
    struct chain *chain = container_of(call, struct chain, call);

    assert_int_equal(status->code, RPC_OK);
    if (--chain->left > 0)
        client_call_start(chain->f->channel, call);
}

static bool chain_is_done(void *context)
{
    return ((struct chain *)context)->left == 0;
}

static void a_call_may_be_started_again_from_its_end(void **state)
{
    struct chain chain = { .f = *state, .left = 500 };

    test__v1__echo_request__init(&chain.request);
    chain.call = (struct client_call){ .path = "/test.v1.Echo/Say",
                                       .response = &test__v1__echo_reply__descriptor,
                                       .request = &chain.request.base,
                                       .on_message = ignore_message,
                                       .on_done = start_next };
    client_call_start(chain.f->channel, &chain.call);
    run_until(chain.f, chain_is_done, &chain);
}

/* ---- Hooks. ---- */

static bool one_has_ended(void *context)
{
    return ((struct call_fixture *)context)->ended > 0;
}

static void a_call_that_is_not_admitted_never_starts(void **state)
{
    const char *const paths[] = { "/test.v1.Echo/Say", "/test.v1.Echo/Chat" };
    const struct client_metadata refuse = { "x-refuse", bytes_of_text("please") };
    struct call_fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        struct noted_call call;
        noted_call_init(&call, f, paths[i]);
        call.call.metadata = &refuse;
        call.call.metadata_count = 1;
        call_and_wait(&call);
        assert_status(&call, RPC_PERMISSION_DENIED);
        assert_string_equal(call.status.message, i == 0 ? "refused: Say" : "refused: Chat");
    }
    assert_int_equal(f->echo.started, 0);
}

static void the_end_of_a_call_is_told_with_its_code(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call say;

    noted_call_init(&say, f, "/test.v1.Echo/Say");
    say.request.fail_code = RPC_ABORTED;
    call_and_wait(&say);
    run_until(f, one_has_ended, f);
    assert_int_equal(f->ended, 1);
    assert_int_equal(f->ended_code, RPC_ABORTED);
}

/* ---- Deadlines and cancelling. ---- */

static bool server_call_is_over(void *context)
{
    struct call_fixture *f = context;

    return f->echo.over == f->echo.started && f->echo.started > 0;
}

static void a_call_ends_at_its_deadline_on_both_sides(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call first, say;

    noted_call_init(&first, f, "/test.v1.Echo/Say"); /* connecting takes time, too */
    call_and_wait(&first);
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    say.request.delay_ms = -1;
    say.call.timeout_ms = 200;
    call_and_wait(&say);
    assert_status(&say, RPC_DEADLINE_EXCEEDED);
    run_until(f, server_call_is_over, f);
    assert_int_equal(f->echo.cancelled, 1);
}

static void a_method_sees_the_time_that_is_left(void **state)
{
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    say.call.timeout_ms = 60 * 1000;
    call_and_wait(&say);
    assert_status(&say, RPC_OK);
    assert_in_range(say.last_time_left_ms, 40 * 1000, 60 * 1000);
}

static bool server_call_has_started(void *context)
{
    return ((struct call_fixture *)context)->echo.started > 0;
}

static void a_cancelled_call_ends_on_both_sides(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call say;

    noted_call_init(&say, f, "/test.v1.Echo/Say");
    say.request.delay_ms = -1;
    client_call_start(f->channel, &say.call);
    run_until(f, server_call_has_started, f);
    client_call_cancel(&say.call);
    assert_false(say.done);
    client_call_cancel(&say.call);
    noted_call_wait(&say);
    assert_status(&say, RPC_CANCELLED);
    client_call_cancel(&say.call);
    run_until(f, server_call_is_over, f);
    assert_int_equal(f->echo.cancelled, 1);
}

static void a_call_cancelled_before_it_left_ends(void **state)
{
    struct noted_call say;

    noted_call_init(&say, *state, "/test.v1.Echo/Say");
    client_call_start(say.f->channel, &say.call);
    client_call_cancel(&say.call);
    noted_call_wait(&say);
    assert_status(&say, RPC_CANCELLED);
    assert_int_equal(say.messages, 0);
}

static void a_stream_may_be_cancelled_from_its_first_message(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call expand;

    noted_call_init(&expand, f, "/test.v1.Echo/Expand");
    expand.request.count = 1000;
    expand.request.answer_bytes = 10000;
    expand.cancel_at_first = true;
    call_and_wait(&expand);
    assert_status(&expand, RPC_CANCELLED);
    assert_int_equal(expand.messages, 1);
    run_until(f, server_call_is_over, f);
}

static void closing_the_channel_ends_its_calls(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call calls[3];

    for (int i = 0; i < 3; i++) {
        noted_call_init(&calls[i], f, "/test.v1.Echo/Say");
        calls[i].request.delay_ms = -1;
        client_call_start(f->channel, &calls[i].call);
    }
    run_until(f, server_call_has_started, f);
    channel_close(f->channel);
    f->channel = NULL;
    for (int i = 0; i < 3; i++)
        assert_status(&calls[i], RPC_CANCELLED);
    run_until(f, server_call_is_over, f);
}

struct closing_call {
    struct client_call call;
    struct call_fixture *f;
    bool done;
};

static void close_channel(struct client_call *call, const ProtobufCMessage *message)
{
    struct closing_call *closing = container_of(call, struct closing_call, call);

    (void)message;
    channel_close(closing->f->channel);
    closing->f->channel = NULL;
}

static void note_done(struct client_call *call, const struct rpc_status *status)
{
    struct closing_call *closing = container_of(call, struct closing_call, call);

    assert_int_equal(status->code, RPC_CANCELLED);
    assert_false(closing->done);
    closing->done = true;
}

static bool closing_is_done(void *context)
{
    return ((struct closing_call *)context)->done;
}

static void a_channel_may_be_closed_from_a_message(void **state)
{
    Test__V1__EchoRequest request = TEST__V1__ECHO_REQUEST__INIT;
    struct closing_call closing = { .f = *state };

    request.count = 10;
    closing.call = (struct client_call){ .path = "/test.v1.Echo/Expand",
                                         .response = &test__v1__echo_reply__descriptor,
                                         .request = &request.base,
                                         .on_message = close_channel,
                                         .on_done = note_done };
    client_call_start(closing.f->channel, &closing.call);
    run_until(closing.f, closing_is_done, &closing);
}

/* ---- Streams. ---- */

static void a_server_stream_arrives_whole_and_in_order(void **state)
{
    struct noted_call expand;

    noted_call_init(&expand, *state, "/test.v1.Echo/Expand");
    expand.request.text = "x";
    expand.request.count = 5000;
    expand.request.answer_bytes = 300;
    call_and_wait(&expand);
    assert_status(&expand, RPC_OK);
    assert_int_equal(expand.messages, 5000);
    assert_int_equal(expand.last_index, 4999);
    assert_int_equal(expand.bytes, 5000 * 300);
}

static void an_empty_server_stream_ends_ok(void **state)
{
    const struct client_metadata metadata = { "x-echo-initial", bytes_of_text("kept") };
    struct noted_call expand;

    noted_call_init(&expand, *state, "/test.v1.Echo/Expand");
    expand.call.metadata = &metadata;
    expand.call.metadata_count = 1;
    call_and_wait(&expand);
    assert_status(&expand, RPC_OK);
    assert_int_equal(expand.messages, 0);
    assert_string_equal(expand.initial, "kept");
}

static void a_server_stream_may_fail_after_messages(void **state)
{
    struct noted_call expand;

    noted_call_init(&expand, *state, "/test.v1.Echo/Expand");
    expand.request.count = 3;
    expand.request.fail_code = RPC_ABORTED;
    expand.request.fail_message = "enough";
    expand.request.fail_field = "f";
    call_and_wait(&expand);
    assert_status(&expand, RPC_ABORTED);
    assert_int_equal(expand.messages, 3);
    assert_string_equal(expand.status.message, "enough");
    assert_string_equal(expand.status.violation.field, "f");
}

struct paused_reader {
    struct noted_call expand;
    int sent_before;
    int64_t quiet_since_ms;
};

/* The server has stopped sending: no more came for a while. */
static bool sender_stands_still(void *context)
{
    struct paused_reader *reader = context;
    int sent = reader->expand.f->echo.sent;

    if (sent != reader->sent_before || sent == 0) {
        reader->sent_before = sent;
        reader->quiet_since_ms = loop_mono_ms();
    }
    return loop_mono_ms() - reader->quiet_since_ms > 100;
}

static void a_slow_reader_stalls_the_sender_at_a_bound(void **state)
{
    enum { COUNT = 2000, SIZE = 32 << 10 };
    struct paused_reader *reader = calloc(1, sizeof *reader);
    struct noted_call *expand = &reader->expand;

    noted_call_init(expand, *state, "/test.v1.Echo/Expand");
    expand->request.count = COUNT;
    expand->request.answer_bytes = SIZE;
    expand->pause_each = true;
    client_call_start(expand->f->channel, &expand->call);
    run_until(expand->f, sender_stands_still, reader);
    assert_int_equal(expand->messages, 1);
    /* Two windows' and a send bound's worth, and the sockets' buffers. */
    assert_in_range(expand->f->echo.sent, 1, (8 << 20) / SIZE);

    expand->pause_each = false;
    client_call_resume_reading(&expand->call);
    noted_call_wait(expand);
    assert_status(expand, RPC_OK);
    assert_int_equal(expand->messages, COUNT);
    free(reader);
}

static void a_client_stream_is_counted(void **state)
{
    struct noted_call collect;

    noted_call_init(&collect, *state, "/test.v1.Echo/Collect");
    collect.call.streaming_request = true;
    collect.request.text = "12345";
    client_call_start(collect.f->channel, &collect.call);
    for (int i = 0; i < 99; i++)
        assert_true(client_call_send(&collect.call, &collect.request.base));
    client_call_half_close(&collect.call);
    assert_false(client_call_send(&collect.call, &collect.request.base));
    noted_call_wait(&collect);
    assert_status(&collect, RPC_OK);
    assert_int_equal(collect.last_index, 100);
    assert_int_equal(collect.last_total_bytes, 500);
}

static void a_client_stream_without_messages_is_answered(void **state)
{
    struct noted_call collect;

    noted_call_init(&collect, *state, "/test.v1.Echo/Collect");
    collect.call.streaming_request = true;
    collect.call.request = NULL;
    client_call_start(collect.f->channel, &collect.call);
    client_call_half_close(&collect.call);
    noted_call_wait(&collect);
    assert_status(&collect, RPC_OK);
    assert_int_equal(collect.last_index, 0);
}

static void a_server_may_end_a_stream_before_the_client(void **state)
{
    struct noted_call collect;

    noted_call_init(&collect, *state, "/test.v1.Echo/Collect");
    collect.call.streaming_request = true;
    collect.request.fail_code = RPC_FAILED_PRECONDITION;
    call_and_wait(&collect);
    assert_status(&collect, RPC_FAILED_PRECONDITION);
}

struct resume_task {
    struct loop_task task;
    struct echo_service *echo;
};

static void resume_paused(struct loop_task *task)
{
    struct echo_service *echo = container_of(task, struct resume_task, task)->echo;

    echo->slow_reader = false;
    call_resume_reading(echo->paused);
}

/* It is counted before it is paused, on the server's thread. */
static bool one_is_paused(void *context)
{
    return ((struct call_fixture *)context)->echo.paused != NULL;
}

static bool is_writable(void *context)
{
    return ((struct noted_call *)context)->writable > 0;
}

static void a_slow_server_stalls_the_client_at_a_bound(void **state)
{
    enum { SIZE = 32 << 10 };
    static uint8_t payload[SIZE];
    struct call_fixture *f = *state;
    struct resume_task resume = { .task.run = resume_paused, .echo = &f->echo };
    struct noted_call collect;
    int sent = 1;

    f->echo.slow_reader = true;
    noted_call_init(&collect, f, "/test.v1.Echo/Collect");
    collect.call.streaming_request = true;
    collect.request.payload = (ProtobufCBinaryData){ SIZE, payload };
    client_call_start(f->channel, &collect.call);
    run_until(f, one_is_paused, f);
    while (client_call_send(&collect.call, &collect.request.base))
        sent++;
    sent++;
    assert_in_range(sent, 8, (1 << 20) / SIZE);
    assert_int_equal(f->echo.received, 1);

    call_post(f->echo.paused, &resume.task);
    run_until(f, is_writable, &collect);
    client_call_half_close(&collect.call);
    noted_call_wait(&collect);
    assert_status(&collect, RPC_OK);
    assert_int_equal(collect.last_index, sent);
}

static bool has_four_messages(void *context)
{
    return ((struct noted_call *)context)->messages >= 4;
}

static void both_sides_of_a_chat_speak_in_turn(void **state)
{
    struct noted_call chat;

    noted_call_init(&chat, *state, "/test.v1.Echo/Chat");
    chat.call.streaming_request = true;
    chat.call.request = NULL;
    client_call_start(chat.f->channel, &chat.call);
    for (int i = 0; i < 4; i++)
        assert_true(client_call_send(&chat.call, &chat.request.base));
    run_until(chat.f, has_four_messages, &chat);
    assert_false(chat.done);
    chat.request.text = "last";
    client_call_send(&chat.call, &chat.request.base);
    client_call_half_close(&chat.call);
    noted_call_wait(&chat);
    assert_status(&chat, RPC_OK);
    assert_int_equal(chat.messages, 5);
    assert_int_equal(chat.last_index, 4);
    assert_string_equal(chat.text, "last");
}

/* ---- From another thread. ---- */

struct outsider {
    struct call_fixture *f;
    ProtobufCMessage *answer;
    struct rpc_status status, failure;
};

static void *call_from_outside(void *context)
{
    struct outsider *outsider = context;
    Test__V1__EchoRequest request = TEST__V1__ECHO_REQUEST__INIT;

    request.text = "from outside";
    outsider->answer = channel_call_wait(outsider->f->channel, "/test.v1.Echo/Say",
                                         &test__v1__echo_reply__descriptor, &request.base, NULL, 0,
                                         5000, &outsider->status);
    request.fail_code = RPC_NOT_FOUND;
    assert_null(channel_call_wait(outsider->f->channel, "/test.v1.Echo/Say",
                                  &test__v1__echo_reply__descriptor, &request.base, NULL, 0, 0,
                                  &outsider->failure));
    loop_stop(outsider->f->loop);
    return NULL;
}

static void a_thread_may_wait_for_an_answer(void **state)
{
    struct outsider outsider = { .f = *state };
    pthread_t thread;

    pthread_create(&thread, NULL, call_from_outside, &outsider);
    loop_run(outsider.f->loop);
    pthread_join(thread, NULL);
    assert_int_equal(outsider.status.code, RPC_OK);
    assert_int_equal(outsider.failure.code, RPC_NOT_FOUND);
    assert_string_equal(((Test__V1__EchoReply *)outsider.answer)->text, "from outside");
    protobuf_c_message_free_unpacked(outsider.answer, NULL);
}

int run_call_cases(const char *name, CMFixtureFunction setup, CMFixtureFunction teardown)
{
#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name, setup, teardown, NULL                                                         \
    }
    const struct CMUnitTest tests[] = {
        TEST(a_unary_call_is_answered),
        TEST(an_empty_message_is_a_message),
        TEST(metadata_travels_both_ways),
        TEST(values_of_one_name_keep_their_order),
        TEST(metadata_that_nobody_takes_fails_its_call_only),
        TEST(a_failure_keeps_initial_and_trailing_metadata),
        TEST(a_status_text_may_be_long),
        TEST(an_answer_that_is_not_single_is_unimplemented),
        TEST(a_failure_brings_its_status_and_details),
        TEST(unknown_methods_and_services_are_unimplemented),
        TEST(a_large_message_goes_both_ways),
        TEST(a_message_above_the_limit_is_refused),
        TEST(a_hundred_calls_at_once_are_all_answered),
        TEST(a_call_may_be_started_again_from_its_end),
        TEST(a_call_that_is_not_admitted_never_starts),
        TEST(the_end_of_a_call_is_told_with_its_code),
        TEST(a_call_ends_at_its_deadline_on_both_sides),
        TEST(a_method_sees_the_time_that_is_left),
        TEST(a_cancelled_call_ends_on_both_sides),
        TEST(a_call_cancelled_before_it_left_ends),
        TEST(a_stream_may_be_cancelled_from_its_first_message),
        TEST(closing_the_channel_ends_its_calls),
        TEST(a_channel_may_be_closed_from_a_message),
        TEST(a_server_stream_arrives_whole_and_in_order),
        TEST(an_empty_server_stream_ends_ok),
        TEST(a_server_stream_may_fail_after_messages),
        TEST(a_slow_reader_stalls_the_sender_at_a_bound),
        TEST(a_client_stream_is_counted),
        TEST(a_client_stream_without_messages_is_answered),
        TEST(a_server_may_end_a_stream_before_the_client),
        TEST(a_slow_server_stalls_the_client_at_a_bound),
        TEST(both_sides_of_a_chat_speak_in_turn),
        TEST(a_thread_may_wait_for_an_answer),
    };
#undef TEST
    return _cmocka_run_group_tests(name, tests, sizeof tests / sizeof tests[0], NULL, NULL);
}
