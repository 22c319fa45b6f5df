#include "tests/unit/rpc/remote_fixture.h"

#include <stdlib.h>

/* Which messages travel compressed, between our own client and server. */

static int setup(void **state)
{
    static struct call_fixture f;

    *state = &f;
    return remote_fixture_open(&f, (struct rpc_server_options){ 0 }, (struct channel_options){ 0 });
}

static int teardown(void **state)
{
    return remote_fixture_close(*state);
}

static void wait_for(struct noted_call *noted)
{
    client_call_start(noted->f->channel, &noted->call);
    noted_call_wait(noted);
    if (noted->status.code != RPC_OK)
        print_error("%s\n", noted->status.message);
    assert_int_equal(noted->status.code, RPC_OK);
}

static void init_say(struct noted_call *say, struct call_fixture *f, int32_t answer_bytes)
{
    noted_call_init(say, f, "/test.v1.Echo/Say");
    say->request.answer_bytes = answer_bytes;
}

static void nothing_is_compressed_unasked(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call say;

    init_say(&say, f, 100000);
    wait_for(&say);
    assert_int_equal(say.compressed_messages, 0);
    assert_int_equal(f->echo.compressed, 0);
}

static void a_caller_that_compresses_is_answered_in_kind(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call large, small;

    init_say(&large, f, 100000);
    large.call.compress = RPC_COMPRESS_ALWAYS;
    wait_for(&large);
    assert_int_equal(f->echo.compressed, 1);
    assert_int_equal(large.compressed_messages, 1);
    assert_int_equal(large.bytes, 100000);

    init_say(&small, f, 100);
    small.call.compress = RPC_COMPRESS_ALWAYS;
    wait_for(&small);
    assert_int_equal(f->echo.compressed, 2);
    assert_int_equal(small.compressed_messages, 0);
}

static void a_method_may_compress_for_whoever_accepts_it(void **state)
{
    const struct client_metadata always = { "x-compress", bytes_of_text("always") };
    struct noted_call say;

    init_say(&say, *state, 10);
    say.call.metadata = &always;
    say.call.metadata_count = 1;
    wait_for(&say);
    assert_int_equal(say.compressed_messages, 1);
    assert_int_equal(say.bytes, 10);
}

static void a_method_may_refuse_to_compress(void **state)
{
    const struct client_metadata never = { "x-compress", bytes_of_text("never") };
    struct noted_call say;

    init_say(&say, *state, 100000);
    say.call.compress = RPC_COMPRESS_ALWAYS;
    say.call.metadata = &never;
    say.call.metadata_count = 1;
    wait_for(&say);
    assert_int_equal(say.compressed_messages, 0);
}

static void each_message_of_a_stream_is_chosen(void **state)
{
    enum { SIZE = 50000 };
    const enum rpc_compress choices[] = { RPC_COMPRESS_NEVER, RPC_COMPRESS_ALWAYS,
                                          RPC_COMPRESS_AUTO };
    struct call_fixture *f = *state;
    uint8_t *payload = calloc(1, SIZE);
    struct noted_call chat;

    noted_call_init(&chat, f, "/test.v1.Echo/Chat");
    chat.request.payload = (ProtobufCBinaryData){ SIZE, payload };
    chat.call.streaming_request = true;
    chat.call.request = NULL;
    chat.call.compress = RPC_COMPRESS_ALWAYS;
    client_call_start(f->channel, &chat.call);
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        client_call_compress(&chat.call, choices[i]);
        client_call_send(&chat.call, &chat.request.base);
    }
    client_call_half_close(&chat.call);
    noted_call_wait(&chat);
    assert_int_equal(chat.status.code, RPC_OK);
    assert_int_equal(chat.messages, 3);
    assert_int_equal(chat.bytes, 3 * SIZE);
    assert_int_equal(f->echo.compressed, 2);
    assert_int_equal(chat.compressed_messages, 3);
    free(payload);
}

/* Bytes without a pattern: gzip would only add to them. */
static void what_would_get_larger_is_left_as_it_is(void **state)
{
    enum { SIZE = 20000 };
    uint8_t *payload = malloc(SIZE);
    struct noted_call say;

    for (uint32_t i = 0, x = 1; i < SIZE; i++) {
        x = x * 1664525 + 1013904223;
        payload[i] = (uint8_t)(x >> 24);
    }
    init_say(&say, *state, 0);
    say.request.payload = (ProtobufCBinaryData){ SIZE, payload };
    say.call.compress = RPC_COMPRESS_ALWAYS;
    wait_for(&say);
    assert_int_equal(say.f->echo.compressed, 1);
    assert_int_equal(say.compressed_messages, 0);
    assert_int_equal(say.bytes, SIZE);
    free(payload);
}

/* It fits compressed, but not expanded: on either side. */
static void the_limit_of_a_message_holds_for_what_it_expands_to(void **state)
{
    enum { SIZE = (4 << 20) + 1 };
    const struct client_metadata always = { "x-compress", bytes_of_text("always") };
    struct noted_call ask, hear;
    uint8_t *payload = calloc(1, SIZE);

    init_say(&ask, *state, 0);
    ask.request.payload = (ProtobufCBinaryData){ SIZE, payload };
    ask.call.compress = RPC_COMPRESS_ALWAYS;
    client_call_start(ask.f->channel, &ask.call);
    noted_call_wait(&ask);
    assert_int_equal(ask.status.code, RPC_RESOURCE_EXHAUSTED);

    init_say(&hear, *state, SIZE);
    hear.call.metadata = &always;
    hear.call.metadata_count = 1;
    client_call_start(hear.f->channel, &hear.call);
    noted_call_wait(&hear);
    assert_int_equal(hear.status.code, RPC_RESOURCE_EXHAUSTED);
    free(payload);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_compressed_unasked),
        TEST(a_caller_that_compresses_is_answered_in_kind),
        TEST(a_method_may_compress_for_whoever_accepts_it),
        TEST(a_method_may_refuse_to_compress),
        TEST(each_message_of_a_stream_is_chosen),
        TEST(what_would_get_larger_is_left_as_it_is),
        TEST(the_limit_of_a_message_holds_for_what_it_expands_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
