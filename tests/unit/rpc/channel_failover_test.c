#include "tests/unit/rpc/call_cases.h"

#include "rpc/limits.h"
#include "rpc/net/address.h"
#include "rpc/standard/health.h"
#include "rpc/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A channel with several addresses: which of them its calls go to, when one of
 * them is dead, silent, unhealthy, goes away or comes back. What names mean is
 * the test's to say: getaddrinfo() is wrapped. */

enum { SERVERS = 3, LONG_MS = 3600 * 1000, PATIENCE_MS = 20 * 1000 };

/* ---- Names. ---- */

static struct {
    const char *addresses[4]; /* of server.example; NULL ends them */
    int asked;
} names;

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);

/* Addresses carry ports of their own here, so the port that was asked for is not
 * looked at. */
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    struct addrinfo numeric = *hints, **last = found;

    if (strcmp(host, "server.example") != 0 || (hints->ai_flags & AI_NUMERICHOST) != 0)
        return __real_getaddrinfo(host, port, hints, found);
    names.asked++;
    if (names.addresses[0] == NULL)
        return EAI_NONAME;
    numeric.ai_flags |= AI_NUMERICHOST;
    for (size_t i = 0; names.addresses[i] != NULL; i++) {
        const char *colon = strrchr(names.addresses[i], ':');
        char address[64];
        snprintf(address, sizeof address, "%.*s", (int)(colon - names.addresses[i]),
                 names.addresses[i]);
        assert_int_equal(__real_getaddrinfo(address, colon + 1, &numeric, last), 0);
        last = &(*last)->ai_next;
    }
    return 0;
}

/* ---- Servers. ---- */

struct place {
    struct rpc_registry *registry;
    struct echo_service echo;
    struct rpc_health *health;
    struct rpc_server *server; /* NULL: it is down */
    char address[64];
};

struct fixture {
    struct call_fixture calls; /* the loop and the channel */
    struct place places[SERVERS];
};

static void place_up(struct place *place)
{
    const struct rpc_server_options options = {
        .address = place->address[0] != '\0' ? place->address : "127.0.0.1:0",
        .registry = place->registry,
    };
    struct why why = { .text = "" };

    if (rpc_server_open(&options, &place->server, &why) != OK)
        print_error("%s\n", why.text);
    assert_non_null(place->server);
    snprintf(place->address, sizeof place->address, "%s", rpc_server_address(place->server));
}

static void place_down(struct place *place)
{
    rpc_server_close(place->server, 0);
    place->server = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    memset(&names, 0, sizeof names);
    if (call_fixture_open(&f->calls) != 0)
        return -1;
    for (int i = 0; i < SERVERS; i++) {
        struct place *place = &f->places[i];
        echo_service_init(&place->echo);
        place->registry = rpc_registry_new();
        rpc_registry_add(place->registry, &place->echo.service);
        place_up(place);
    }
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    channel_close(f->calls.channel);
    for (int i = 0; i < SERVERS; i++) {
        place_down(&f->places[i]);
        rpc_registry_free(f->places[i].registry);
        rpc_health_free(f->places[i].health);
    }
    call_fixture_close(&f->calls);
    free(f);
    return 0;
}

/* ---- Calls. ---- */

/* Opens a channel to the places, unless an address is given. */
static void open_channel(struct fixture *f, struct channel_options options)
{
    char list[256] = "";
    struct why why = { .text = "" };

    for (int i = 0; i < SERVERS; i++) {
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", i > 0 ? ", " : "",
                 f->places[i].address);
    }
    if (options.address == NULL)
        options.address = list;
    if (channel_open(f->calls.loop, &options, &f->calls.channel, &why) != OK)
        print_error("%s\n", why.text);
    assert_non_null(f->calls.channel);
}

static enum rpc_code say(struct fixture *f)
{
    struct noted_call call;

    noted_call_init(&call, &f->calls, "/test.v1.Echo/Say");
    client_call_start(f->calls.channel, &call.call);
    noted_call_wait(&call);
    return call.status.code;
}

/* A server that went away is noticed a moment later: the call that was already
 * on its way to it is lost. */
static void say_until_ok(struct fixture *f)
{
    int64_t end_ms = loop_mono_ms() + PATIENCE_MS;

    while (say(f) != RPC_OK)
        assert_true(loop_mono_ms() < end_ms);
}

static int started(const struct fixture *f, int place)
{
    return atomic_load(&f->places[place].echo.started);
}

struct waited_state {
    struct fixture *f;
    enum channel_state state;
};

static bool has_state(void *context)
{
    struct waited_state *waited = context;

    return channel_state(waited->f->calls.channel) == waited->state;
}

static void wait_for_state(struct fixture *f, enum channel_state state)
{
    struct waited_state waited = { f, state };

    run_until(&f->calls, has_state, &waited);
}

/* ---- In order. ---- */

static void calls_go_to_the_first_address(void **state)
{
    struct fixture *f = *state;

    open_channel(f, (struct channel_options){ 0 });
    for (int i = 0; i < 5; i++)
        assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 0), 5);
}

static void a_dead_address_before_a_live_one_is_passed_over(void **state)
{
    struct fixture *f = *state;

    place_down(&f->places[0]);
    open_channel(f, (struct channel_options){ .backoff_ms = LONG_MS, .backoff_max_ms = LONG_MS });
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 1), 1);
}

static void where_all_are_dead_the_call_says_so_of_one(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    for (int i = 0; i < SERVERS; i++)
        place_down(&f->places[i]);
    open_channel(f, (struct channel_options){ 0 });
    noted_call_init(&call, &f->calls, "/test.v1.Echo/Say");
    client_call_start(f->calls.channel, &call.call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_non_null(strstr(call.status.message, f->places[SERVERS - 1].address));
    assert_int_equal(channel_state(f->calls.channel), CHANNEL_FAILING);
}

static void when_the_first_is_lost_the_next_takes_over(void **state)
{
    struct fixture *f = *state;

    open_channel(f, (struct channel_options){ 0 });
    assert_int_equal(say(f), RPC_OK);
    place_down(&f->places[0]);
    say_until_ok(f);
    assert_int_equal(started(f, 0), 1);
    assert_int_equal(started(f, 1), 1);
    /* It comes back: calls stay where they are until that one is lost. */
    place_up(&f->places[0]);
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 1), 2);
    place_down(&f->places[1]);
    say_until_ok(f);
    assert_int_equal(started(f, 0), 2);
}

/* Each answer comes before its request has ended, and a reset behind it. */
static void a_server_that_answers_early_keeps_its_connection(void **state)
{
    enum { CALLS = 2 * H2_BUDGET_MAX / H2_COST_RESET };
    struct fixture *f = *state;

    open_channel(f, (struct channel_options){ 0 });
    for (int i = 0; i < CALLS; i++) {
        struct noted_call call;
        noted_call_init(&call, &f->calls, "/test.v1.Echo/None");
        call.call.streaming_request = true;
        call.call.request = NULL; /* what is sent would pay */
        client_call_start(f->calls.channel, &call.call);
        noted_call_wait(&call);
        assert_int_equal(call.status.code, RPC_UNIMPLEMENTED);
    }
}

static void *drain(void *context)
{
    rpc_server_close(context, PATIENCE_MS);
    return NULL;
}

static bool first_has_started(void *context)
{
    return started(context, 0) > 0;
}

/* From its GOAWAY on every call goes elsewhere, and none is lost on the way. */
static void a_server_that_drains_loses_no_call(void **state)
{
    struct fixture *f = *state;
    struct noted_call slow;
    pthread_t thread;

    open_channel(f, (struct channel_options){ 0 });
    noted_call_init(&slow, &f->calls, "/test.v1.Echo/Say");
    slow.request.delay_ms = 300;
    client_call_start(f->calls.channel, &slow.call);
    run_until(&f->calls, first_has_started, f);
    pthread_create(&thread, NULL, drain, f->places[0].server);
    while (started(f, 1) == 0)
        assert_int_equal(say(f), RPC_OK);
    noted_call_wait(&slow);
    assert_int_equal(slow.status.code, RPC_OK);
    pthread_join(thread, NULL);
    f->places[0].server = NULL;
}

/* A listener that accepts by its backlog alone, and never says a word. */
static int open_silent(char address[64])
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&name, &size);
    snprintf(address, 64, "127.0.0.1:%d", ntohs(name.sin_port));
    return fd;
}

static void a_silent_address_is_overtaken(void **state)
{
    struct fixture *f = *state;
    char silent[64], list[160];
    int fd = open_silent(silent);

    snprintf(list, sizeof list, "%s,%s", silent, f->places[1].address);
    open_channel(f, (struct channel_options){
                        .address = list, .connect_timeout_ms = LONG_MS, .stagger_ms = 10 });
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 1), 1);
    close(fd);
}

static void an_address_that_does_not_speak_http2_in_time_is_given_up(void **state)
{
    struct fixture *f = *state;
    char silent[64], list[160];
    int fd = open_silent(silent);

    snprintf(list, sizeof list, "%s,%s", silent, f->places[1].address);
    open_channel(f, (struct channel_options){
                        .address = list, .connect_timeout_ms = 50, .stagger_ms = LONG_MS });
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 1), 1);
    close(fd);
}

/* ---- Names. ---- */

static void a_name_may_have_several_addresses(void **state)
{
    struct fixture *f = *state;

    place_down(&f->places[0]);
    names.addresses[0] = f->places[0].address;
    names.addresses[1] = f->places[1].address;
    open_channel(f, (struct channel_options){ .address = "server.example:1" });
    assert_int_equal(names.asked, 0);
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 1), 2);
    assert_int_equal(names.asked, 1);
}

static void after_a_loss_the_name_is_asked_again(void **state)
{
    struct fixture *f = *state;

    names.addresses[0] = f->places[0].address;
    open_channel(f, (struct channel_options){ .address = "server.example:1" });
    assert_int_equal(say(f), RPC_OK);
    names.addresses[0] = f->places[2].address;
    place_down(&f->places[0]);
    say_until_ok(f);
    assert_int_equal(started(f, 2), 1);
    assert_true(names.asked >= 2);
}

static void a_name_that_is_lost_leaves_its_last_addresses(void **state)
{
    struct fixture *f = *state;

    names.addresses[0] = f->places[0].address;
    names.addresses[1] = f->places[1].address;
    open_channel(f, (struct channel_options){ .address = "server.example:1" });
    assert_int_equal(say(f), RPC_OK);
    names.addresses[0] = NULL;
    place_down(&f->places[0]);
    say_until_ok(f);
    assert_int_equal(started(f, 1), 1);
}

static void a_name_that_appears_later_is_found(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    open_channel(f, (struct channel_options){ .address = "server.example:1" });
    assert_int_equal(say(f), RPC_UNAVAILABLE);
    noted_call_init(&call, &f->calls, "/test.v1.Echo/Say");
    call.call.wait_for_ready = true;
    client_call_start(f->calls.channel, &call.call);
    names.addresses[0] = f->places[0].address;
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
}

static void lists_of_addresses_are_checked(void **state)
{
    static const char *const wrong[] = { "",        ",",        "127.0.0.1:1,", "127.0.0.1",
                                         "a:1,b",   "::1:5",    "a:1,,b:2",     ":1",
                                         "a:65536", "a:999999", "a:b" };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct channel_options options = { .address = wrong[i] };
        struct channel *channel = NULL;
        struct why why;
        enum err e = channel_open(f->calls.loop, &options, &channel, &why);
        if (e != ERR_INVALID)
            print_error("\"%s\" is taken\n", wrong[i]);
        assert_int_equal(e, ERR_INVALID);
    }
}

static void a_long_list_is_cut_at_its_bound(void **state)
{
    char list[(ADDRESSES_MAX + 8) * 16] = "127.0.0.1:1";
    struct addresses addresses;
    struct why why;

    (void)state;
    for (int i = 2; i <= ADDRESSES_MAX + 8; i++) {
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, ",127.0.0.1:%d", i);
    }
    assert_int_equal(address_read_list(list, &addresses, &why), OK);
    assert_int_equal(addresses.count, ADDRESSES_MAX);
    assert_int_equal(addresses.list[ADDRESSES_MAX - 1].part, ADDRESSES_MAX - 1);
}

static void the_families_of_a_name_take_turns(void **state)
{
    static const int expected[] = { AF_INET6, AF_INET, AF_INET6 };
    struct addresses addresses;
    char text[ADDRESS_TEXT_SIZE];
    struct why why;

    (void)state;
    names.addresses[0] = "::1:1";
    names.addresses[1] = "::2:2";
    names.addresses[2] = "127.0.0.1:3";
    assert_int_equal(address_resolve_list("server.example:9", &addresses, &why), OK);
    assert_int_equal(addresses.count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(addresses.list[i].storage.ss_family, expected[i]);
    address_write(&addresses.list[2], text);
    assert_string_equal(text, "[::2]:2"); /* in their order */
}

/* ---- In turn. ---- */

static void in_turn_all_get_the_same_number_of_calls(void **state)
{
    struct fixture *f = *state;
    struct random_seeded random;

    random_seeded_init(&random, 5);
    open_channel(f,
                 (struct channel_options){ .policy = CHANNEL_ROUND_ROBIN, .random = &random.base });
    for (int i = 0; i < SERVERS; i++)
        while (started(f, i) == 0) /* until all are connected */
            assert_int_equal(say(f), RPC_OK);
    for (int i = 0; i < SERVERS; i++)
        f->places[i].echo.started = 0;
    for (int i = 0; i < 10 * SERVERS; i++)
        assert_int_equal(say(f), RPC_OK);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(started(f, i), 10);
}

static void in_turn_a_dead_one_is_left_out_until_it_is_back(void **state)
{
    struct fixture *f = *state;

    place_down(&f->places[1]);
    open_channel(f, (struct channel_options){
                        .policy = CHANNEL_ROUND_ROBIN, .backoff_ms = 1, .backoff_max_ms = 2 });
    while (started(f, 0) == 0 || started(f, 2) == 0)
        assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 1), 0);
    place_up(&f->places[1]);
    while (started(f, 1) == 0)
        assert_int_equal(say(f), RPC_OK);
}

static void in_turn_a_name_is_asked_again_when_one_is_lost(void **state)
{
    struct fixture *f = *state;

    names.addresses[0] = f->places[0].address;
    names.addresses[1] = f->places[1].address;
    open_channel(f, (struct channel_options){ .address = "server.example:1",
                                              .policy = CHANNEL_ROUND_ROBIN,
                                              .backoff_ms = 1,
                                              .backoff_max_ms = 5 });
    while (started(f, 0) == 0 || started(f, 1) == 0)
        assert_int_equal(say(f), RPC_OK);
    names.addresses[1] = f->places[2].address;
    place_down(&f->places[1]);
    while (started(f, 2) == 0)
        say(f);
}

static bool has_input(void *context)
{
    struct pollfd fd = { .fd = *(int *)context, .events = POLLIN };

    return poll(&fd, 1, 0) == 1;
}

/* A client's connection that waits for SETTINGS. */
static int accept_preface(struct fixture *f, int listener)
{
    int fd;

    run_until(&f->calls, has_input, &listener);
    fd = accept(listener, NULL, NULL);
    run_until(&f->calls, has_input, &fd);
    return fd;
}

struct raw_servers {
    int fds[2];
    int requests[2];
    uint8_t bytes[2][16 << 10];
    size_t sizes[2];
};

static int count_requests(const uint8_t *bytes, size_t size)
{
    int count = 0;

    for (size_t at = 24; at + 9 <= size; at += 9U + (bytes[at + 1] << 8) + bytes[at + 2])
        count += bytes[at + 3] == 1;
    return count;
}

static bool have_eight_requests(void *context)
{
    struct raw_servers *raw = context;

    for (int i = 0; i < 2; i++) {
        ssize_t more = recv(raw->fds[i], raw->bytes[i] + raw->sizes[i],
                            sizeof raw->bytes[i] - raw->sizes[i], MSG_DONTWAIT);
        if (more > 0)
            raw->sizes[i] += (size_t)more;
        raw->requests[i] = count_requests(raw->bytes[i], raw->sizes[i]);
    }
    return raw->requests[0] + raw->requests[1] == 8;
}

/* Both servers are up in the same turn of the loop. */
static void in_turn_calls_that_waited_are_spread(void **state)
{
    static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
    static struct noted_call calls[8];
    static struct raw_servers raw;
    struct fixture *f = *state;
    char addresses[2][64], list[160];
    int listeners[2] = { open_silent(addresses[0]), open_silent(addresses[1]) };

    snprintf(list, sizeof list, "%s,%s", addresses[0], addresses[1]);
    open_channel(f, (struct channel_options){ .address = list, .policy = CHANNEL_ROUND_ROBIN });
    for (int i = 0; i < 8; i++) {
        noted_call_init(&calls[i], &f->calls, "/test.v1.Echo/Say");
        client_call_start(f->calls.channel, &calls[i].call);
    }
    for (int i = 0; i < 2; i++)
        raw.fds[i] = accept_preface(f, listeners[i]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(send(raw.fds[i], settings, sizeof settings, 0), (ssize_t)sizeof settings);
    run_until(&f->calls, have_eight_requests, &raw);
    assert_int_equal(raw.requests[0], 4);
    assert_int_equal(raw.requests[1], 4);
    for (int i = 0; i < 2; i++) {
        close(raw.fds[i]);
        close(listeners[i]);
    }
}

/* ---- States, and calls that wait. ---- */

static void a_call_may_wait_until_there_is_a_server(void **state)
{
    struct fixture *f = *state;
    struct noted_call patient, call;

    place_down(&f->places[0]);
    open_channel(f, (struct channel_options){
                        .address = f->places[0].address, .backoff_ms = 1, .backoff_max_ms = 2 });
    noted_call_init(&patient, &f->calls, "/test.v1.Echo/Say");
    patient.call.wait_for_ready = true;
    client_call_start(f->calls.channel, &patient.call);
    noted_call_init(&call, &f->calls, "/test.v1.Echo/Say");
    client_call_start(f->calls.channel, &call.call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_false(patient.done);
    place_up(&f->places[0]);
    noted_call_wait(&patient);
    assert_int_equal(patient.status.code, RPC_OK);
}

static void a_call_that_waits_has_its_deadline_and_may_be_cancelled(void **state)
{
    struct fixture *f = *state;
    struct noted_call late, cancelled;

    place_down(&f->places[0]);
    open_channel(f, (struct channel_options){ .address = f->places[0].address });
    noted_call_init(&late, &f->calls, "/test.v1.Echo/Say");
    late.call.wait_for_ready = true;
    late.call.timeout_ms = 20;
    client_call_start(f->calls.channel, &late.call);
    noted_call_init(&cancelled, &f->calls, "/test.v1.Echo/Say");
    cancelled.call.wait_for_ready = true;
    client_call_start(f->calls.channel, &cancelled.call);
    wait_for_state(f, CHANNEL_FAILING);
    client_call_cancel(&cancelled.call);
    noted_call_wait(&cancelled);
    assert_int_equal(cancelled.status.code, RPC_CANCELLED);
    noted_call_wait(&late);
    assert_int_equal(late.status.code, RPC_DEADLINE_EXCEEDED);
}

struct noted_watch {
    struct channel_watch watch;
    enum channel_state seen[32];
    unsigned count;
};

static void note_state(struct channel_watch *watch, enum channel_state state)
{
    struct noted_watch *noted = container_of(watch, struct noted_watch, watch);

    assert_in_range(noted->count, 0, 31);
    noted->seen[noted->count++] = state;
}

static bool saw(const struct noted_watch *noted, enum channel_state state)
{
    for (unsigned i = 0; i < noted->count; i++)
        if (noted->seen[i] == state)
            return true;
    return false;
}

static void who_watches_sees_the_states_and_keeps_it_connected(void **state)
{
    struct fixture *f = *state;
    struct noted_watch noted = { .watch.on_state = note_state };

    open_channel(f, (struct channel_options){
                        .address = f->places[0].address, .backoff_ms = 20, .backoff_max_ms = 20 });
    assert_int_equal(channel_state(f->calls.channel), CHANNEL_IDLE);
    channel_watch(f->calls.channel, &noted.watch);
    assert_int_equal(noted.count, 0);
    wait_for_state(f, CHANNEL_READY);
    place_down(&f->places[0]);
    wait_for_state(f, CHANNEL_FAILING);
    place_up(&f->places[0]);
    wait_for_state(f, CHANNEL_READY);
    assert_true(saw(&noted, CHANNEL_CONNECTING) && saw(&noted, CHANNEL_FAILING));
    channel_unwatch(&noted.watch);
    noted.count = 0;
    place_down(&f->places[0]);
    wait_for_state(f, CHANNEL_IDLE);
    assert_int_equal(noted.count, 0);
}

static void a_watched_channel_may_be_closed(void **state)
{
    struct fixture *f = *state;
    struct noted_watch noted = { .watch.on_state = note_state };

    open_channel(f, (struct channel_options){ 0 });
    channel_watch(f->calls.channel, &noted.watch);
    channel_close(f->calls.channel);
    f->calls.channel = NULL;
    channel_unwatch(&noted.watch);
    assert_int_equal(noted.count, 0);
}

static bool is_idle(void *context)
{
    struct fixture *f = context;

    return channel_state(f->calls.channel) != CHANNEL_READY;
}

static void without_calls_a_dead_peer_is_noticed_if_asked_for(void **state)
{
    /* SETTINGS, and then nothing: no answer to a ping. */
    static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
    struct fixture *f = *state;
    char address[64];
    int listener = open_silent(address), fd;

    open_channel(f, (struct channel_options){ .address = address,
                                              .keepalive_ms = 20,
                                              .keepalive_timeout_ms = 20,
                                              .keepalive_without_calls = true });
    channel_connect(f->calls.channel);
    fd = accept(listener, NULL, NULL);
    assert_int_equal(send(fd, settings, sizeof settings, 0), (ssize_t)sizeof settings);
    wait_for_state(f, CHANNEL_READY);
    run_until(&f->calls, is_idle, f);
    close(fd);
    close(listener);
}

/* Says SETTINGS, and reads until a PING has come. */
static int accept_until_ping(struct fixture *f, int listener, int64_t *waited_ms)
{
    static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 }, ping[] = { 0, 0, 8, 6, 0 };
    uint8_t bytes[4096];
    size_t size = 0;
    int fd;

    run_until(&f->calls, has_input, &listener);
    fd = accept(listener, NULL, NULL);
    assert_int_equal(send(fd, settings, sizeof settings, 0), (ssize_t)sizeof settings);
    *waited_ms = loop_mono_ms();
    while (memmem(bytes, size, ping, sizeof ping) == NULL) {
        ssize_t more;
        run_until(&f->calls, has_input, &fd);
        more = read(fd, bytes + size, sizeof bytes - size);
        assert_true(more > 0);
        size += (size_t)more;
    }
    *waited_ms = loop_mono_ms() - *waited_ms;
    return fd;
}

static void who_finds_pings_too_many_gets_fewer(void **state)
{
    enum { KEEPALIVE_MS = 40, TICK_MS = 10 };
    static const uint8_t calm[] = { 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb };
    static struct noted_watch noted = { .watch.on_state = note_state };
    struct fixture *f = *state;
    char address[64];
    int listener = open_silent(address), fds[2];
    int64_t waited_ms;

    open_channel(f, (struct channel_options){ .address = address,
                                              .keepalive_ms = KEEPALIVE_MS,
                                              .keepalive_timeout_ms = LONG_MS,
                                              .keepalive_without_calls = true,
                                              .backoff_ms = 1,
                                              .backoff_max_ms = 1 });
    channel_watch(f->calls.channel, &noted.watch);
    fds[0] = accept_until_ping(f, listener, &waited_ms);
    assert_int_equal(send(fds[0], calm, sizeof calm, 0), (ssize_t)sizeof calm);
    fds[1] = accept_until_ping(f, listener, &waited_ms);
    assert_true(waited_ms >= 2 * KEEPALIVE_MS - TICK_MS);
    channel_unwatch(&noted.watch);
    close(fds[0]);
    close(fds[1]);
    close(listener);
}

static void who_refuses_connections_gets_no_fewer_pings(void **state)
{
    enum { KEEPALIVE_MS = 20, REFUSALS = 10 };
    static const uint8_t refusal[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7,
                                       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb };
    static struct noted_watch noted = { .watch.on_state = note_state };
    struct fixture *f = *state;
    char address[64];
    int listener = open_silent(address), fd;
    int64_t waited_ms;

    open_channel(f, (struct channel_options){ .address = address,
                                              .keepalive_ms = KEEPALIVE_MS,
                                              .keepalive_timeout_ms = LONG_MS,
                                              .keepalive_without_calls = true,
                                              .backoff_ms = 1,
                                              .backoff_max_ms = 1 });
    channel_watch(f->calls.channel, &noted.watch);
    for (int i = 0; i < REFUSALS; i++) {
        fd = accept_preface(f, listener);
        assert_int_equal(send(fd, refusal, sizeof refusal, 0), (ssize_t)sizeof refusal);
        close(fd);
    }
    fd = accept_until_ping(f, listener, &waited_ms);
    assert_true(waited_ms < KEEPALIVE_MS << (REFUSALS - 1));
    channel_unwatch(&noted.watch);
    close(fd);
    close(listener);
}

/* ---- Health. ---- */

static void give_health(struct place *place, bool serving)
{
    place_down(place);
    place->health = rpc_health_new();
    rpc_registry_add(place->registry, rpc_health_service(place->health));
    rpc_health_set(place->health, "echo", serving);
    place_up(place);
}

static void an_unhealthy_address_is_not_used(void **state)
{
    struct fixture *f = *state;

    give_health(&f->places[0], false);
    give_health(&f->places[1], true);
    open_channel(f, (struct channel_options){ .health_service = "echo" });
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 1), 1);
    assert_int_equal(started(f, 0), 0);
}

static void when_health_turns_calls_turn_with_it(void **state)
{
    struct fixture *f = *state;

    give_health(&f->places[0], true);
    give_health(&f->places[1], true);
    open_channel(f, (struct channel_options){ .health_service = "echo" });
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 0), 1);
    rpc_health_set(f->places[0].health, "echo", false);
    while (started(f, 1) == 0)
        assert_int_equal(say(f), RPC_OK);
    rpc_health_set(f->places[0].health, "echo", true);
    rpc_health_set(f->places[1].health, "echo", false);
    f->places[0].echo.started = 0;
    while (started(f, 0) == 0)
        say(f);
}

static void where_all_are_unhealthy_calls_fail_and_say_so(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    give_health(&f->places[0], false);
    open_channel(
        f, (struct channel_options){ .address = f->places[0].address, .health_service = "echo" });
    noted_call_init(&call, &f->calls, "/test.v1.Echo/Say");
    client_call_start(f->calls.channel, &call.call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_non_null(strstr(call.status.message, "not serving"));
    rpc_health_set(f->places[0].health, "echo", true);
    say_until_ok(f);
}

static void a_server_that_knows_no_health_is_healthy(void **state)
{
    struct fixture *f = *state;

    open_channel(f, (struct channel_options){ .health_service = "" });
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(started(f, 0), 1);
}

static bool has_started(void *context)
{
    return started(context, 0) > 0;
}

static void a_call_under_way_outlives_its_servers_health(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    give_health(&f->places[0], true);
    open_channel(f, (struct channel_options){ .health_service = "echo" });
    noted_call_init(&call, &f->calls, "/test.v1.Echo/Say");
    call.request.delay_ms = 200;
    client_call_start(f->calls.channel, &call.call);
    run_until(&f->calls, has_started, f);
    rpc_health_set(f->places[0].health, "echo", false);
    while (started(f, 1) == 0)
        assert_int_equal(say(f), RPC_OK);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(calls_go_to_the_first_address),
        TEST(a_dead_address_before_a_live_one_is_passed_over),
        TEST(where_all_are_dead_the_call_says_so_of_one),
        TEST(when_the_first_is_lost_the_next_takes_over),
        TEST(a_server_that_answers_early_keeps_its_connection),
        TEST(a_server_that_drains_loses_no_call),
        TEST(a_silent_address_is_overtaken),
        TEST(an_address_that_does_not_speak_http2_in_time_is_given_up),
        TEST(a_name_may_have_several_addresses),
        TEST(after_a_loss_the_name_is_asked_again),
        TEST(a_name_that_is_lost_leaves_its_last_addresses),
        TEST(a_name_that_appears_later_is_found),
        TEST(lists_of_addresses_are_checked),
        TEST(a_long_list_is_cut_at_its_bound),
        TEST(the_families_of_a_name_take_turns),
        TEST(in_turn_all_get_the_same_number_of_calls),
        TEST(in_turn_a_dead_one_is_left_out_until_it_is_back),
        TEST(in_turn_a_name_is_asked_again_when_one_is_lost),
        TEST(in_turn_calls_that_waited_are_spread),
        TEST(a_call_may_wait_until_there_is_a_server),
        TEST(a_call_that_waits_has_its_deadline_and_may_be_cancelled),
        TEST(who_watches_sees_the_states_and_keeps_it_connected),
        TEST(a_watched_channel_may_be_closed),
        TEST(without_calls_a_dead_peer_is_noticed_if_asked_for),
        TEST(who_finds_pings_too_many_gets_fewer),
        TEST(who_refuses_connections_gets_no_fewer_pings),
        TEST(an_unhealthy_address_is_not_used),
        TEST(when_health_turns_calls_turn_with_it),
        TEST(where_all_are_unhealthy_calls_fail_and_say_so),
        TEST(a_server_that_knows_no_health_is_healthy),
        TEST(a_call_under_way_outlives_its_servers_health),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
