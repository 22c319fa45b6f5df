#include "tests/unit/rpc/call_cases.h"

#include "rpc/server.h"

#include <event2/event.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Every step of connecting and calling fails once: the n-th of all allocations,
 * sockets, connects, events and threads of the client, for every n. Whatever
 * happens, the call ends once, nothing is lost, and the channel recovers. */

static _Thread_local unsigned countdown; /* 1: the next step fails; 0: none does */
static _Thread_local bool armed;
static _Thread_local unsigned steps;

static bool fails(void)
{
    if (!armed)
        return false;
    steps++;
    return countdown > 0 && --countdown == 0;
}

#define WRAP(result, name, parameters, arguments, failure)                                         \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        return fails() ? (failure) : __real_##name arguments;                                      \
    }

static int refuse(int error)
{
    errno = error;
    return -1;
}

WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, realloc, (void *memory, size_t size), (memory, size), NULL)
WRAP(char *, strdup, (const char *text), (text), NULL)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), refuse(EMFILE))
WRAP(int, connect, (int fd, const struct sockaddr *name, socklen_t size), (fd, name, size),
     refuse(ENETUNREACH))
WRAP(struct event *, event_new,
     (struct event_base * base, evutil_socket_t fd, short what, event_callback_fn run,
      void *context),
     (base, fd, what, run, context), NULL)
WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context),
     (thread, attributes, run, context), EAGAIN)

static int setup(void **state)
{
    static struct call_fixture f;
    struct rpc_server_options options = { .address = "127.0.0.1:0" };
    struct rpc_server *server;
    struct why why;

    *state = &f;
    if (call_fixture_open(&f) != 0)
        return -1;
    options.registry = f.registry;
    if (rpc_server_open(&options, &server, &why) != OK)
        return -1;
    f.carrier = server;
    return 0;
}

static int teardown(void **state)
{
    struct call_fixture *f = *state;

    rpc_server_close(f->carrier, 0);
    call_fixture_close(f);
    return 0;
}

static void ignore_timer(struct loop_timer *timer)
{
    (void)timer;
}

/* Timers that find no memory end the program, so there is memory for them. */
static void make_room_for_timers(struct call_fixture *f)
{
    struct loop_timer timers[64] = { 0 };

    for (size_t i = 0; i < 64; i++) {
        timers[i].fire = ignore_timer;
        loop_timer_start(f->loop, &timers[i], 1000000);
    }
    for (size_t i = 0; i < 64; i++)
        loop_timer_stop(f->loop, &timers[i]);
}

/* A call and how it ended; starting it is not what is tested here. */
static enum rpc_code say(struct call_fixture *f)
{
    struct noted_call call;
    bool was_armed = armed;

    armed = false;
    noted_call_init(&call, f, "/test.v1.Echo/Say");
    call.call.idempotent = true;
    call.request.text = "hello";
    client_call_start(f->channel, &call.call);
    armed = was_armed;
    noted_call_wait(&call);
    armed = false;
    if (call.status.code == RPC_OK)
        assert_string_equal(call.text, "hello");
    return call.status.code;
}

static bool opens(struct call_fixture *f, const struct channel_options *options)
{
    struct why why = { .text = "" };
    enum err e;

    armed = true;
    e = channel_open(f->loop, options, &f->channel, &why);
    if (e != OK) {
        armed = false;
        assert_int_equal(e, ERR_UNAVAILABLE);
        assert_true(strlen(why.text) > 0);
    }
    return e == OK;
}

/* The n-th step fails, for every n that there is; gives their number. */
static unsigned fail_each_step(struct call_fixture *f, const struct channel_options *options)
{
    unsigned n = 0;

    make_room_for_timers(f);
    do {
        countdown = ++n;
        steps = 0;
        if (!opens(f, options))
            continue;
        say(f);
        countdown = 0;
        while (say(f) != RPC_OK)
            ;
        channel_close(f->channel);
    } while (steps >= n);
    return n - 1;
}

static void whatever_step_fails_the_channel_recovers(void **state)
{
    struct call_fixture *f = *state;
    const struct channel_options options = { .address = rpc_server_address(f->carrier),
                                             .backoff_ms = 1,
                                             .backoff_max_ms = 1 };

    assert_in_range(fail_each_step(f, &options), 10, 200);
}

static void whatever_step_fails_a_name_is_resolved_in_the_end(void **state)
{
    struct call_fixture *f = *state;
    char address[64];
    const struct channel_options options = {
        .address = address, .backoff_ms = 1, .backoff_max_ms = 1, .stagger_ms = 1
    };

    snprintf(address, sizeof address, "localhost%s", strrchr(rpc_server_address(f->carrier), ':'));
    assert_in_range(fail_each_step(f, &options), 10, 200);
}

static void whatever_step_fails_another_address_takes_over(void **state)
{
    struct call_fixture *f = *state;
    const char *address = rpc_server_address(f->carrier);
    char list[160];
    const struct channel_options options = { .address = list,
                                             .policy = CHANNEL_ROUND_ROBIN,
                                             .backoff_ms = 1,
                                             .backoff_max_ms = 1,
                                             .retry = { .attempts_max = 3, .backoff_ms = 1 } };

    snprintf(list, sizeof list, "%s,127.0.0.1:1,%s", address, address);
    assert_in_range(fail_each_step(f, &options), 20, 400);
}

/* On a connection that stands, in a call's memory of before: what is new is mostly
 * what compressing needs. */
static void whatever_step_fails_a_compressed_call_ends(void **state)
{
    struct call_fixture *f = *state;
    const struct channel_options options = { .address = rpc_server_address(f->carrier) };
    unsigned n = 0;

    do {
        struct noted_call call;
        struct why why;
        assert_int_equal(channel_open(f->loop, &options, &f->channel, &why), OK);
        assert_int_equal(say(f), RPC_OK);
        noted_call_init(&call, f, "/test.v1.Echo/Say");
        call.call.compress = RPC_COMPRESS_ALWAYS;
        countdown = ++n;
        steps = 0;
        armed = true;
        client_call_start(f->channel, &call.call);
        armed = false;
        noted_call_wait(&call);
        channel_close(f->channel);
    } while (steps >= n);
    assert_in_range(n - 1, 1, 50);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(whatever_step_fails_the_channel_recovers),
        TEST(whatever_step_fails_a_name_is_resolved_in_the_end),
        TEST(whatever_step_fails_another_address_takes_over),
        TEST(whatever_step_fails_a_compressed_call_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
