#include "tests/unit/rpc/call_cases.h"

#include "rpc/server.h"
#include "tests/unit/rpc/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a server does with connections, and a channel without one: time-outs,
 * limits, draining, connecting again. */

enum { SHORT_MS = 100, PATIENCE_MS = 20 * 1000 };

static int setup(void **state)
{
    static struct call_fixture f;

    *state = &f;
    return call_fixture_open(&f);
}

static int teardown(void **state)
{
    struct call_fixture *f = *state;

    channel_close(f->channel);
    call_fixture_close(f);
    return 0;
}

static struct rpc_server *open_server(struct call_fixture *f, struct rpc_server_options options)
{
    struct rpc_server *server = NULL;
    struct why why = { .text = "" };

    if (options.address == NULL)
        options.address = "127.0.0.1:0";
    options.registry = f->registry;
    if (rpc_server_open(&options, &server, &why) != OK)
        print_error("%s\n", why.text);
    assert_non_null(server);
    return server;
}

static void open_channel(struct call_fixture *f, const char *address)
{
    const struct channel_options options = { .address = address };
    struct why why;

    assert_int_equal(channel_open(f->loop, &options, &f->channel, &why), OK);
}

static void send_text(int fd, const char *text, size_t size)
{
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
enum { PREFACE_SIZE = sizeof preface - 1 };

static void a_peer_that_says_nothing_is_closed(void **state)
{
    struct rpc_server *server =
        open_server(*state, (struct rpc_server_options){ .limits.handshake_ms = SHORT_MS });
    int silent = raw_peer_connect(server), half = raw_peer_connect(server);

    send_text(half, preface, 10);
    assert_true(raw_peer_await_close(silent));
    assert_true(raw_peer_await_close(half));
    rpc_server_close(server, 0);
}

static void a_peer_that_is_not_http2_is_closed(void **state)
{
    struct rpc_server *server = open_server(*state, (struct rpc_server_options){ 0 });
    int fd = raw_peer_connect(server);

    send_text(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_true(raw_peer_await_close(fd));
    rpc_server_close(server, 0);
}

static void an_idle_peer_that_does_not_answer_pings_is_closed(void **state)
{
    struct rpc_server *server =
        open_server(*state, (struct rpc_server_options){ .limits.keepalive_ms = SHORT_MS,
                                                         .limits.keepalive_timeout_ms = SHORT_MS });
    int fd = raw_peer_connect(server);

    send_text(fd, preface, PREFACE_SIZE);
    assert_true(raw_peer_await_close(fd));
    rpc_server_close(server, 0);
}

static bool is_done(void *context)
{
    return ((struct noted_call *)context)->done;
}

static void an_idle_peer_that_answers_pings_stays(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server =
        open_server(f, (struct rpc_server_options){ .limits.keepalive_ms = SHORT_MS,
                                                    .limits.keepalive_timeout_ms = SHORT_MS });
    struct noted_call say;

    open_channel(f, rpc_server_address(server));
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    say.request.delay_ms = 5 * SHORT_MS;
    client_call_start(f->channel, &say.call);
    noted_call_wait(&say);
    assert_int_equal(say.status.code, RPC_OK);
    channel_close(f->channel);
    f->channel = NULL;
    rpc_server_close(server, 0);
}

/* A client's request for 20 MB, written by hand, and nothing is read. */
static void a_peer_that_does_not_read_is_closed(void **state)
{
    static const char request[] =
        "\0\0\x58\1\4\0\0\0\1"
        "\x83\x86" /* POST, http */
        "\0\x05:path\x14/test.v1.Echo/Expand"
        "\0\x0a:authority\x01x"
        "\0\x0c"
        "content-type\x10"
        "application/grpc"
        "\0\x02te\x08trailers"
        "\0\0\x0b\0\1\0\0\0\1"
        "\0\0\0\0\x06\x18\x64\x20\xc0\x9a\x0c"    /* count 100, answer_bytes 200,000 */
        "\0\0\x04\x08\0\0\0\0\0\x3f\xff\xff\xff"  /* window of the connection */
        "\0\0\x04\x08\0\0\0\0\1\x3f\xff\xff\xff"; /* window of the stream */
    struct call_fixture *f = *state;
    struct rpc_server *server =
        open_server(f, (struct rpc_server_options){ .limits.write_ms = 2 * SHORT_MS });
    int fd = raw_peer_connect(server), tiny = 4096;
    int64_t end_ms = loop_mono_ms() + PATIENCE_MS;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny);
    send_text(fd, preface, PREFACE_SIZE);
    send_text(fd, request, sizeof request - 1);
    while (f->echo.over == 0)
        assert_true(loop_mono_ms() < end_ms);
    assert_int_equal(f->echo.started, 1);
    assert_in_range(f->echo.sent, 1, 99);
    close(fd);
    rpc_server_close(server, 0);
}

static void who_waits_the_longest_makes_room(void **state)
{
    const struct rpc_limits two = { .connections = 2, .connections_per_address = 2 };
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ .limits = two });
    int first = raw_peer_connect(server), second = raw_peer_connect(server);
    struct noted_call say;

    open_channel(f, rpc_server_address(server));
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    client_call_start(f->channel, &say.call);
    noted_call_wait(&say);
    assert_int_equal(say.status.code, RPC_OK);
    assert_true(raw_peer_await_close(first));
    close(second);
    channel_close(f->channel);
    f->channel = NULL;
    rpc_server_close(server, 0);
}

/* Calls until the server has closed the connection at least twice between them:
 * none fails, however it falls. */
static void call_across(struct call_fixture *f, const struct rpc_server *server, int64_t for_ms)
{
    int64_t end_ms = loop_mono_ms() + for_ms;

    open_channel(f, rpc_server_address(server));
    while (loop_mono_ms() < end_ms) {
        struct noted_call say;
        noted_call_init(&say, f, "/test.v1.Echo/Say");
        say.request.delay_ms = SHORT_MS / 2;
        client_call_start(f->channel, &say.call);
        noted_call_wait(&say);
        if (say.status.code != RPC_OK)
            print_error("%s\n", say.status.message);
        assert_int_equal(say.status.code, RPC_OK);
    }
    channel_close(f->channel);
    f->channel = NULL;
}

static void an_old_connection_goes_and_no_call_is_lost(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server =
        open_server(f, (struct rpc_server_options){ .limits.age_ms = 12 * SHORT_MS });

    call_across(f, server, 30 * SHORT_MS);
    rpc_server_close(server, 0);
}

static void calls_that_outlast_the_grace_of_an_old_connection_are_broken_off(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server =
        open_server(f, (struct rpc_server_options){ .limits.age_ms = SHORT_MS,
                                                    .limits.age_grace_ms = SHORT_MS });
    struct noted_call say;

    open_channel(f, rpc_server_address(server));
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    say.request.delay_ms = -1; /* never */
    client_call_start(f->channel, &say.call);
    noted_call_wait(&say);
    assert_int_equal(say.status.code, RPC_UNAVAILABLE);
    channel_close(f->channel);
    f->channel = NULL;
    rpc_server_close(server, 0);
}

static void an_address_in_use_is_told(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ 0 }), *second;
    struct rpc_server_options options = { .address = rpc_server_address(server),
                                          .registry = f->registry };
    struct why why;

    assert_int_equal(rpc_server_open(&options, &second, &why), ERR_UNAVAILABLE);
    assert_non_null(strstr(why.text, rpc_server_address(server)));
    assert_non_null(strstr(why.text, "in use"));
    options.address = "no address";
    assert_int_equal(rpc_server_open(&options, &second, &why), ERR_INVALID);
    rpc_server_close(server, 0);
}

static void many_threads_answer(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ .threads = 4 });

    for (int i = 0; i < 20; i++) {
        struct noted_call say;
        open_channel(f, rpc_server_address(server));
        noted_call_init(&say, f, "/test.v1.Echo/Say");
        client_call_start(f->channel, &say.call);
        noted_call_wait(&say);
        assert_int_equal(say.status.code, RPC_OK);
        channel_close(f->channel);
        f->channel = NULL;
    }
    rpc_server_close(server, 0);
}

/* ---- Draining. ---- */

struct closing {
    struct rpc_server *server;
    int64_t grace_ms;
};

static void *close_server(void *context)
{
    struct closing *closing = context;

    rpc_server_close(closing->server, closing->grace_ms);
    return NULL;
}

static bool has_started(void *context)
{
    return ((struct call_fixture *)context)->echo.started > 0;
}

/* Starts a Say that takes delay_ms, then closes the server beside it. */
static void close_under(struct call_fixture *f, struct noted_call *say, int delay_ms,
                        int64_t grace_ms)
{
    struct closing closing = { open_server(f, (struct rpc_server_options){ 0 }), grace_ms };
    pthread_t thread;

    open_channel(f, rpc_server_address(closing.server));
    noted_call_init(say, f, "/test.v1.Echo/Say");
    say->request.delay_ms = delay_ms;
    client_call_start(f->channel, &say->call);
    run_until(f, has_started, f);
    pthread_create(&thread, NULL, close_server, &closing);
    noted_call_wait(say);
    pthread_join(thread, NULL);
}

static void a_call_under_way_ends_within_the_grace(void **state)
{
    struct noted_call say;

    close_under(*state, &say, 2 * SHORT_MS, PATIENCE_MS);
    assert_int_equal(say.status.code, RPC_OK);
}

static void after_the_grace_calls_are_broken_off(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call say;

    close_under(f, &say, -1, SHORT_MS);
    assert_int_equal(say.status.code, RPC_UNAVAILABLE);
    assert_int_equal(f->echo.cancelled, 1);
}

/* ---- A channel without its server. ---- */

static void a_call_without_a_server_fails_and_says_why(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ 0 });
    char address[64];
    struct noted_call say;

    snprintf(address, sizeof address, "%s", rpc_server_address(server));
    rpc_server_close(server, 0);
    open_channel(f, address);
    for (int i = 0; i < 3; i++) {
        noted_call_init(&say, f, "/test.v1.Echo/Say");
        client_call_start(f->channel, &say.call);
        assert_false(say.done);
        noted_call_wait(&say);
        assert_int_equal(say.status.code, RPC_UNAVAILABLE);
        assert_non_null(strstr(say.status.message, address));
        assert_non_null(strstr(say.status.message, "refused"));
    }
}

static void a_name_is_resolved(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ 0 });
    char address[64];
    struct noted_call say;

    snprintf(address, sizeof address, "localhost%s", strrchr(rpc_server_address(server), ':'));
    open_channel(f, address);
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    client_call_start(f->channel, &say.call);
    noted_call_wait(&say);
    assert_int_equal(say.status.code, RPC_OK);
    channel_close(f->channel);
    f->channel = NULL;
    rpc_server_close(server, 0);
}

static void a_name_that_is_not_found_is_told(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call say;

    open_channel(f, "no-such-host.invalid:1");
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    client_call_start(f->channel, &say.call);
    noted_call_wait(&say);
    assert_int_equal(say.status.code, RPC_UNAVAILABLE);
    assert_non_null(strstr(say.status.message, "no-such-host.invalid"));
}

static void a_channel_may_be_closed_while_it_resolves(void **state)
{
    struct call_fixture *f = *state;
    struct noted_call say;

    open_channel(f, "localhost:1");
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    client_call_start(f->channel, &say.call);
    channel_close(f->channel);
    f->channel = NULL;
    assert_int_equal(say.status.code, RPC_CANCELLED);
}

static void a_channel_connects_again(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ 0 });
    char address[64];
    struct noted_call say;

    snprintf(address, sizeof address, "%s", rpc_server_address(server));
    open_channel(f, address);
    for (int round = 0; round < 3; round++) {
        int tries = 0;
        do {
            noted_call_init(&say, f, "/test.v1.Echo/Say");
            client_call_start(f->channel, &say.call);
            noted_call_wait(&say);
            assert_in_range(tries++, 0, 100000);
        } while (say.status.code == RPC_UNAVAILABLE);
        assert_int_equal(say.status.code, RPC_OK);
        rpc_server_close(server, 0);
        server = open_server(f, (struct rpc_server_options){ .address = address });
    }
    channel_close(f->channel);
    f->channel = NULL;
    rpc_server_close(server, 0);
}

static void a_server_that_is_not_http2_is_unavailable(void **state)
{
    struct call_fixture *f = *state;
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t size = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), accepted;
    char address[64];
    struct noted_call say;

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&name, &size);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(name.sin_port));
    open_channel(f, address);
    noted_call_init(&say, f, "/test.v1.Echo/Say");
    client_call_start(f->channel, &say.call);
    accepted = accept(listener, NULL, NULL);
    send_text(accepted, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    run_until(f, is_done, &say);
    assert_int_equal(say.status.code, RPC_UNAVAILABLE);
    close(accepted);
    close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_peer_that_says_nothing_is_closed),
        TEST(a_peer_that_is_not_http2_is_closed),
        TEST(an_idle_peer_that_does_not_answer_pings_is_closed),
        TEST(an_idle_peer_that_answers_pings_stays),
        TEST(a_peer_that_does_not_read_is_closed),
        TEST(who_waits_the_longest_makes_room),
        TEST(an_old_connection_goes_and_no_call_is_lost),
        TEST(calls_that_outlast_the_grace_of_an_old_connection_are_broken_off),
        TEST(an_address_in_use_is_told),
        TEST(many_threads_answer),
        TEST(a_call_under_way_ends_within_the_grace),
        TEST(after_the_grace_calls_are_broken_off),
        TEST(a_call_without_a_server_fails_and_says_why),
        TEST(a_name_is_resolved),
        TEST(a_name_that_is_not_found_is_told),
        TEST(a_channel_may_be_closed_while_it_resolves),
        TEST(a_channel_connects_again),
        TEST(a_server_that_is_not_http2_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
