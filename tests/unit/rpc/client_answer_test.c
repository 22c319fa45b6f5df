#include "tests/unit/rpc/call_cases.h"

#include "rpc/channel/client_end.h"
#include "rpc/grpc/grpc_coding.h"

#include <stdio.h>
#include <stdlib.h>

/* What a client makes of answers that no server of ours would give: the stream
 * is the test's own, and says what the test tells it to. */

struct told_channel {
    struct channel base;
    struct stream stream;
    char sent[4096]; /* "name: value\n" of the request */
    bool left;
    enum stream_error left_with;
};

struct fixture {
    struct call_fixture calls; /* the loop */
    struct told_channel *told; /* frees itself */
    struct noted_call say;
    enum stream_error close_with;
};

static struct told_channel *told_of(struct stream *stream)
{
    return container_of(stream, struct told_channel, stream);
}

static void note_headers(struct stream *stream, const struct stream_header *headers, size_t count,
                         bool end)
{
    struct told_channel *told = told_of(stream);

    (void)end;
    told->sent[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(told->sent);
        snprintf(told->sent + length, sizeof told->sent - length, "%.*s: %.*s\n",
                 (int)headers[i].name.size, (const char *)headers[i].name.data,
                 (int)headers[i].value.size, (const char *)headers[i].value.data);
    }
}

static void ignore_wake(struct stream *stream)
{
    (void)stream;
}

static void ignore_consume(struct stream *stream, size_t size)
{
    (void)stream;
    (void)size;
}

static size_t headers_max(const struct stream *stream)
{
    (void)stream;
    return SIZE_MAX;
}

static void note_leave(struct stream *stream, enum stream_error error)
{
    told_of(stream)->left = true;
    told_of(stream)->left_with = error;
}

static const struct stream_ops stream_ops = {
    .send_headers = note_headers,
    .wake = ignore_wake,
    .consume = ignore_consume,
    .headers_max = headers_max,
    .leave = note_leave,
};

static void start(struct channel *channel, struct client_end *end)
{
    struct told_channel *told = container_of(channel, struct told_channel, base);

    told->stream = (struct stream){ .ops = &stream_ops, .user = &end->user };
    end->user.stream = &told->stream;
    client_end_send_headers(end, "http", "told");
}

static void close_told(struct channel *channel)
{
    (void)channel;
}

static void free_told(struct channel *channel)
{
    free(container_of(channel, struct told_channel, base));
}

static size_t none_held(const struct channel *channel)
{
    (void)channel;
    return 0;
}

static const struct channel_ops told_ops = {
    .start = start, .close = close_told, .free = free_told, .held = none_held
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (call_fixture_open(&f->calls) != 0)
        return -1;
    f->told = calloc(1, sizeof *f->told);
    channel_init(&f->told->base, &told_ops, f->calls.loop, 1000);
    f->calls.channel = &f->told->base;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    channel_close(f->calls.channel);
    call_fixture_close(&f->calls);
    free(f);
    return 0;
}

/* ---- What the server says. ---- */

static void begin(struct fixture *f)
{
    noted_call_init(&f->say, &f->calls, "/test.v1.Echo/Say");
    client_call_start(f->calls.channel, &f->say.call);
}

static struct stream_user *user_of(struct fixture *f)
{
    return f->told->stream.user;
}

/* "name: value\n", several times. */
static void say_headers(struct fixture *f, const char *text)
{
    while (*text != '\0' && user_of(f) != NULL) {
        const char *colon = strchr(text + 1, ':'), *end = strchr(text, '\n');
        user_of(f)->ops->on_header(user_of(f), bytes_of(text, (size_t)(colon - text)),
                                   bytes_of(colon + 2, (size_t)(end - colon) - 2));
        text = end + 1;
    }
    if (user_of(f) != NULL)
        user_of(f)->ops->on_headers_end(user_of(f));
}

static void say_data(struct fixture *f, const void *data, size_t size)
{
    if (user_of(f) != NULL)
        user_of(f)->ops->on_data(user_of(f), bytes_of(data, size));
}

static void say_end(struct fixture *f)
{
    if (user_of(f) != NULL)
        user_of(f)->ops->on_end(user_of(f));
}

/* As the carrier does when a stream is no more. */
static void say_close(struct fixture *f, enum stream_error error)
{
    struct stream_user *user = user_of(f);

    if (user == NULL)
        return;
    f->told->stream.user = NULL;
    user->stream = NULL;
    user->ops->on_close(user, error);
}

static void assert_outcome(struct fixture *f, enum rpc_code code)
{
    noted_call_wait(&f->say);
    if (f->say.status.code != code)
        print_error("%s: %s\n", rpc_code_name(f->say.status.code), f->say.status.message);
    assert_int_equal(f->say.status.code, code);
}

#define GRPC_200 ":status: 200\ncontent-type: application/grpc\n"

static const uint8_t empty_message[5];

static void say_all(struct fixture *f, const char *headers, const char *trailers)
{
    begin(f);
    say_headers(f, headers);
    say_data(f, empty_message, sizeof empty_message);
    say_headers(f, trailers);
    say_end(f);
}

/* ---- Outcomes. ---- */

static void a_good_answer_is_taken(void **state)
{
    struct fixture *f = *state;

    say_all(f, GRPC_200, "grpc-status: 0\n");
    assert_outcome(f, RPC_OK);
    assert_int_equal(f->say.messages, 1);
}

/* A call that was refused is tried once more, on a stream of its own. */
static bool is_done_when_closed(void *context)
{
    struct fixture *f = context;

    say_close(f, f->close_with);
    return f->say.done;
}

/* PROTOCOL-HTTP2, Errors. */
static void resets_become_statuses(void **state)
{
    static const struct {
        int error;
        enum rpc_code code;
    } cases[] = {
        { 0x0, RPC_INTERNAL },
        { 0x1, RPC_INTERNAL },
        { 0x2, RPC_INTERNAL },
        { 0x3, RPC_INTERNAL },
        { 0x4, RPC_INTERNAL },
        { 0x6, RPC_INTERNAL },
        { 0x7, RPC_UNAVAILABLE },
        { 0x8, RPC_CANCELLED },
        { 0x9, RPC_INTERNAL },
        { 0xa, RPC_INTERNAL },
        { 0xb, RPC_RESOURCE_EXHAUSTED },
        { 0xc, RPC_PERMISSION_DENIED },
        { STREAM_BROKEN, RPC_UNAVAILABLE },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int answered = 0; answered < 2; answered++) {
            begin(f);
            if (answered)
                say_headers(f, GRPC_200);
            f->close_with = (enum stream_error)cases[i].error;
            run_until(&f->calls, is_done_when_closed, f);
            assert_outcome(f, cases[i].code);
        }
}

static void a_cancel_behind_the_deadline_is_the_deadline(void **state)
{
    struct fixture *f = *state;
    int64_t end_ms;

    noted_call_init(&f->say, &f->calls, "/test.v1.Echo/Say");
    f->say.call.timeout_ms = 1;
    client_call_start(f->calls.channel, &f->say.call);
    end_ms = loop_mono_ms() + 1;
    while (loop_mono_ms() <= end_ms) /* the timer waits for the loop, which does not run */
        ;
    say_close(f, STREAM_CANCEL);
    assert_outcome(f, RPC_DEADLINE_EXCEEDED);
}

static void a_status_counts_though_the_stream_is_reset(void **state)
{
    struct fixture *f = *state;

    begin(f);
    say_headers(f, GRPC_200);
    say_headers(f, "grpc-status: 10\ngrpc-message: no%20\n");
    say_close(f, STREAM_NO_ERROR);
    assert_outcome(f, RPC_ABORTED);
    assert_string_equal(f->say.status.message, "no ");
}

/* doc/http-grpc-status-mapping. */
static void http_errors_become_statuses(void **state)
{
    static const struct {
        const char *status;
        enum rpc_code code;
    } cases[] = {
        { "400", RPC_INTERNAL },          { "401", RPC_UNAUTHENTICATED },
        { "403", RPC_PERMISSION_DENIED }, { "404", RPC_UNIMPLEMENTED },
        { "429", RPC_UNAVAILABLE },       { "502", RPC_UNAVAILABLE },
        { "503", RPC_UNAVAILABLE },       { "504", RPC_UNAVAILABLE },
        { "418", RPC_UNKNOWN },           { "500", RPC_UNKNOWN },
        { "302", RPC_UNKNOWN },           { "204", RPC_UNKNOWN },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int grpc = 0; grpc < 2; grpc++) {
            char headers[100];
            snprintf(headers, sizeof headers, ":status: %s\ncontent-type: %s\n", cases[i].status,
                     grpc ? "application/grpc" : "text/html");
            begin(f);
            say_headers(f, headers);
            say_data(f, "<html>", 6);
            say_end(f);
            assert_outcome(f, cases[i].code);
        }
}

static void a_grpc_status_goes_before_that_of_http(void **state)
{
    struct fixture *f = *state;

    begin(f);
    say_headers(f, ":status: 503\ncontent-type: application/grpc\ngrpc-status: 5\n");
    say_end(f);
    assert_outcome(f, RPC_NOT_FOUND);
}

static void what_is_not_grpc_is_unknown(void **state)
{
    static const char *const headers[] = {
        ":status: 200\n",
        ":status: 200\ncontent-type: text/html\n",
        ":status: 200\ncontent-type: application/grpc-web\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        say_all(f, headers[i], "grpc-status: 0\n");
        assert_outcome(f, RPC_UNKNOWN);
        assert_int_equal(f->say.messages, 0);
    }
}

static void informational_answers_are_passed_over(void **state)
{
    struct fixture *f = *state;

    begin(f);
    say_headers(f, ":status: 103\nx-echo-initial: early\n");
    say_headers(f, ":status: 100\n");
    say_headers(f, GRPC_200 "x-echo-initial: real\n");
    say_data(f, empty_message, sizeof empty_message);
    say_headers(f, "grpc-status: 0\n");
    say_end(f);
    assert_outcome(f, RPC_OK);
    assert_string_equal(f->say.initial, "real");
}

static void codes_that_there_are_not_are_unknown(void **state)
{
    static const char *const codes[] = { "17", "99", "-1", "4294967296", "x", "2x", "" };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char trailers[100];
        snprintf(trailers, sizeof trailers, "grpc-status: %s\ngrpc-message: m\n", codes[i]);
        say_all(f, GRPC_200, trailers);
        assert_outcome(f, RPC_UNKNOWN);
        assert_string_equal(f->say.status.message, "m");
    }
}

static void an_end_without_a_status_is_internal(void **state)
{
    struct fixture *f = *state;

    say_all(f, GRPC_200, "");
    assert_outcome(f, RPC_INTERNAL);
    begin(f);
    say_headers(f, GRPC_200);
    say_end(f);
    assert_outcome(f, RPC_INTERNAL);
    begin(f);
    say_headers(f, GRPC_200);
    say_headers(f, "x-other: 1\n");
    say_end(f);
    assert_outcome(f, RPC_INTERNAL);
}

static void headers_above_the_bound_are_refused(void **state)
{
    struct fixture *f = *state;

    begin(f);
    say_headers(f, GRPC_200);
    f->told->stream.headers_too_large = true;
    say_headers(f, "x-first: of very many\n");
    say_end(f);
    assert_outcome(f, RPC_RESOURCE_EXHAUSTED);
}

static void messages_that_are_broken_fail_the_call(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum rpc_code code;
    } cases[] = {
        { "\0\0\0\0\2\xff\xff", 7, RPC_INTERNAL },     /* no message */
        { "\7\0\0\0\0", 5, RPC_INTERNAL },             /* no flag */
        { "\0\0\0\0\4\1", 6, RPC_INTERNAL },           /* cut */
        { "\0\0", 2, RPC_INTERNAL },                   /* cut in the prefix */
        { "\0\0\0\3\351", 5, RPC_RESOURCE_EXHAUSTED }, /* 1,001 bytes */
        { "\0\xff\xff\xff\xff", 5, RPC_RESOURCE_EXHAUSTED },
        { "\1\0\0\0\0", 5, RPC_INTERNAL }, /* compressed, but how? */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(f);
        say_headers(f, GRPC_200);
        say_data(f, cases[i].bytes, cases[i].size);
        say_headers(f, "grpc-status: 0\n");
        say_end(f);
        assert_outcome(f, cases[i].code);
        assert_int_equal(f->say.messages, 0);
    }
}

/* Says one compressed message of `size` zeros, cut off by `less` bytes. */
static void say_compressed(struct fixture *f, const char *encoding, size_t size, size_t less)
{
    struct grpc_coder *coder = grpc_coder_new();
    struct buffer packed = { 0 };
    uint8_t *plain = calloc(1, size + 1);
    char headers[200];

    plain[0] = 0x12; /* EchoReply.payload, and its size in two bytes */
    plain[1] = (uint8_t)((size - 3) & 127) | 128;
    plain[2] = (uint8_t)((size - 3) >> 7);
    assert_true(buffer_append(&packed, bytes_of("\1\0\0\0", 5)));
    assert_true(grpc_coder_compress(coder, GRPC_GZIP, bytes_of(plain, size), &packed));
    assert_in_range(buffer_size(&packed), 6, 250);
    packed.data[4] = (uint8_t)(buffer_size(&packed) - 5 - less);
    snprintf(headers, sizeof headers, GRPC_200 "%s", encoding);
    begin(f);
    say_headers(f, headers);
    say_data(f, buffer_bytes(&packed).data, buffer_size(&packed) - less);
    say_headers(f, "grpc-status: 0\n");
    say_end(f);
    buffer_clear(&packed, 0);
    grpc_coder_free(coder);
    free(plain);
}

static void compressed_answers_are_expanded_within_the_bound(void **state)
{
    struct fixture *f = *state;

    say_compressed(f, "grpc-encoding: gzip\n", 1000, 0);
    assert_outcome(f, RPC_OK);
    assert_int_equal(f->say.bytes, 1000 - 3);
    assert_int_equal(f->say.compressed_messages, 1);
    say_compressed(f, "grpc-encoding: gzip\n", 1001, 0);
    assert_outcome(f, RPC_RESOURCE_EXHAUSTED);
    say_compressed(f, "grpc-encoding: gzip\n", 1000, 3);
    assert_outcome(f, RPC_INTERNAL);
    say_compressed(f, "grpc-encoding: deflate\n", 1000, 0);
    assert_outcome(f, RPC_INTERNAL);
    say_compressed(f, "grpc-encoding: snappy\n", 1000, 0);
    assert_outcome(f, RPC_INTERNAL);
    say_compressed(f, "grpc-encoding: identity\n", 1000, 0);
    assert_outcome(f, RPC_INTERNAL);
    say_compressed(f, "", 1000, 0);
    assert_outcome(f, RPC_INTERNAL);
}

static void values_are_read_in_every_form(void **state)
{
    struct fixture *f = *state;

    say_all(f, GRPC_200 "x-echo-initial: one\nx-echo-initial: two\n",
            "grpc-status: 0\nx-echo-bin: Zm9v,Zg==\nx-echo-bin: Zm8\n");
    assert_outcome(f, RPC_OK);
    assert_string_equal(f->say.initial, "one");
    assert_string_equal(f->say.second_initial, "two");
    assert_int_equal(f->say.trailer_count, 3);
    assert_memory_equal(f->say.trailer, "foo", 3);
}

/* ---- What is sent. ---- */

static void assert_sent(struct fixture *f, const char *header)
{
    if (strstr(f->told->sent, header) == NULL)
        print_error("%s not in:\n%s", header, f->told->sent);
    assert_non_null(strstr(f->told->sent, header));
}

static void requests_say_what_grpc_wants(void **state)
{
    struct fixture *f = *state;

    noted_call_init(&f->say, &f->calls, "/test.v1.Echo/Say");
    f->say.call.timeout_ms = 5000;
    f->say.call.compress = RPC_COMPRESS_ALWAYS;
    client_call_start(f->calls.channel, &f->say.call);
    assert_sent(f, ":method: POST\n");
    assert_sent(f, ":scheme: http\n");
    assert_sent(f, ":path: /test.v1.Echo/Say\n");
    assert_sent(f, ":authority: told\n");
    assert_sent(f, "te: trailers\n");
    assert_sent(f, "content-type: application/grpc\n");
    assert_sent(f, "grpc-accept-encoding: identity,deflate,gzip\n");
    assert_sent(f, "grpc-encoding: gzip\n");
    assert_sent(f, "grpc-timeout: ");
    client_call_cancel(&f->say.call);
    assert_outcome(f, RPC_CANCELLED);
    assert_true(f->told->left);
    assert_int_equal(f->told->left_with, STREAM_CANCEL);
}

static void metadata_that_may_not_be_sent_is_left_out(void **state)
{
    static const struct client_metadata metadata[] = {
        { "grpc-status", { (const uint8_t *)"x1", 2 } },
        { "te", { (const uint8_t *)"x2", 2 } },
        { ":path", { (const uint8_t *)"x3", 2 } },
        { "UPPER", { (const uint8_t *)"x4", 2 } },
        { "x-line", { (const uint8_t *)"x5\n", 3 } },
        { "x y", { (const uint8_t *)"x6", 2 } },
        { "x-fine", { (const uint8_t *)"fine", 4 } },
        { "x-bin", { (const uint8_t *)"\n\0x", 3 } },
    };
    struct fixture *f = *state;

    noted_call_init(&f->say, &f->calls, "/test.v1.Echo/Say");
    f->say.call.metadata = metadata;
    f->say.call.metadata_count = sizeof metadata / sizeof metadata[0];
    client_call_start(f->calls.channel, &f->say.call);
    assert_sent(f, "x-fine: fine\n");
    assert_sent(f, "x-bin: CgB4\n");
    for (char digit = '1'; digit <= '6'; digit++)
        assert_null(strstr(f->told->sent, (const char[]){ ' ', 'x', digit, '\0' }));
    client_call_cancel(&f->say.call);
    assert_outcome(f, RPC_CANCELLED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_good_answer_is_taken),
        TEST(resets_become_statuses),
        TEST(a_cancel_behind_the_deadline_is_the_deadline),
        TEST(a_status_counts_though_the_stream_is_reset),
        TEST(http_errors_become_statuses),
        TEST(a_grpc_status_goes_before_that_of_http),
        TEST(what_is_not_grpc_is_unknown),
        TEST(informational_answers_are_passed_over),
        TEST(codes_that_there_are_not_are_unknown),
        TEST(an_end_without_a_status_is_internal),
        TEST(headers_above_the_bound_are_refused),
        TEST(messages_that_are_broken_fail_the_call),
        TEST(compressed_answers_are_expanded_within_the_bound),
        TEST(values_are_read_in_every_form),
        TEST(requests_say_what_grpc_wants),
        TEST(metadata_that_may_not_be_sent_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
