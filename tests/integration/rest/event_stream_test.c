#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/list.h"
#include "gateway/gateway.h"
#include "rpc/call.h"
#include "rpc/server.h"
#include "sync/v1/sync.pb-c.h"

/* Server-sent events on a real socket, from a WatchJobs that the test plays:
 * the name that is watched says what it does. */

enum { FLOOD = 2000, FLOOD_JOB_BYTES = 10000, PATIENCE_MS = 20000 };

static sem_t over; /* a watch has ended */
static atomic_int watching, flooded;
static _Atomic uint64_t asked_after;

/* False: the reader is behind. */
static bool send_job(struct rpc_call *call, uint64_t sequence, const char *id, const char *json)
{
    Sync__V1__WatchJobsResponse response = SYNC__V1__WATCH_JOBS_RESPONSE__INIT;
    Sync__V1__Job job = SYNC__V1__JOB__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;

    job.id = (char *)(uintptr_t)id;
    job.name = "product-sync";
    job.status = SYNC__V1__JOB_STATUS__JOB_STATUS_ACTIVE;
    job.progress = 75;
    job.data = &data;
    data.json = (char *)(uintptr_t)json;
    response.sequence = sequence;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_JOB;
    response.job = &job;
    return call_send(call, &response.base);
}

static void send_rest(struct rpc_call *call)
{
    Sync__V1__WatchJobsResponse response = SYNC__V1__WATCH_JOBS_RESPONSE__INIT;
    Sync__V1__WatchSynced synced = SYNC__V1__WATCH_SYNCED__INIT;
    Sync__V1__WatchRelistRequired relist = SYNC__V1__WATCH_RELIST_REQUIRED__INIT;
    Sync__V1__WatchHeartbeat heartbeat = SYNC__V1__WATCH_HEARTBEAT__INIT;

    response.sequence = 8;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED;
    response.synced = &synced;
    call_send(call, &response.base);
    response.sequence = 9;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_RELIST;
    response.relist = &relist;
    relist.reason = "events were lost";
    call_send(call, &response.base);
    response.sequence = 10;
    response.event_case = SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_HEARTBEAT;
    response.heartbeat = &heartbeat;
    call_send(call, &response.base);
}

/* As much as the reader takes. */
static void flood(struct rpc_call *call)
{
    static char json[FLOOD_JOB_BYTES];
    char id[32];

    memset(json, ' ', sizeof json - 1);
    json[0] = '{';
    json[sizeof json - 2] = '}';
    for (int i = atomic_load(&flooded); i < FLOOD; i++) {
        snprintf(id, sizeof id, "job_%d", i);
        atomic_fetch_add(&flooded, 1);
        if (!send_job(call, (uint64_t)i + 1, id, json))
            return;
    }
    if (!call_is_over(call))
        call_finish(call);
}

static void on_over(struct rpc_call *call)
{
    atomic_fetch_sub(&watching, 1);
    sem_post(&over);
    call_release(call);
}

static void watch_jobs(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    const Sync__V1__WatchJobsRequest *request = (const Sync__V1__WatchJobsRequest *)message;
    struct rpc_status status;

    (void)context;
    atomic_store(&asked_after, request->after_sequence);
    if (strcmp(request->name, "missing") == 0) {
        rpc_status_set(&status, RPC_NOT_FOUND, "there is no such job");
        call_fail(call, &status);
        return;
    }
    atomic_fetch_add(&watching, 1);
    call_on_over(call_hold(call), on_over);
    if (strcmp(request->name, "silent") == 0)
        return;
    if (strcmp(request->name, "flood") == 0) {
        call_on_writable(call, flood);
        flood(call);
        return;
    }
    send_job(call, 0, "job_1", "{\"a\":\n\r\n \"line\\nend\"}");
    send_job(call, 7, "job_2", "");
    send_rest(call);
    if (strcmp(request->name, "short") == 0)
        call_finish(call);
    if (strcmp(request->name, "broken") == 0) {
        rpc_status_set(&status, RPC_UNAVAILABLE, "going");
        call_fail(call, &status);
    }
}

static const struct rpc_method methods[] = {
    { "WatchJobs", RPC_SERVER_STREAM, RPC_RIGHT_READ, &sync__v1__watch_jobs_request__descriptor,
      &sync__v1__watch_jobs_response__descriptor, watch_jobs },
};
static const struct rpc_service service = { "sync.v1.SyncService", methods, 1, NULL };

struct fixture {
    struct rpc_registry *registry;
    struct rpc_server *server; /* NULL: the service is in this process */
    struct gateway *gateway;
};

static void open_gateway(struct fixture *f)
{
    struct gateway_options options = { .address = "127.0.0.1:0", .hosts = "a", .limits.watches = 2 };
    struct why why = { .text = "" };

    if (f->server != NULL)
        options.rpc_address = rpc_server_address(f->server);
    else
        options.registry = f->registry;
    if (gateway_open(&options, &f->gateway, &why) != OK)
        fail_msg("%s", why.text);
}

enum place { HERE, ELSEWHERE };

static void open_fixture(void **state, enum place place)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct rpc_server_options options = { .address = "127.0.0.1:0" };

    f->registry = rpc_registry_new();
    rpc_registry_add(f->registry, &service);
    options.registry = f->registry;
    if (place == ELSEWHERE)
        assert_int_equal(rpc_server_open(&options, &f->server, NULL), OK);
    sem_init(&over, 0, 0);
    atomic_store(&watching, 0);
    atomic_store(&flooded, 0);
    open_gateway(f);
    *state = f;
}

static int setup(void **state)
{
    open_fixture(state, HERE);
    return 0;
}

static int setup_elsewhere(void **state)
{
    open_fixture(state, ELSEWHERE);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gateway_close(f->gateway, PATIENCE_MS);
    rpc_server_close(f->server, PATIENCE_MS);
    rpc_registry_free(f->registry);
    assert_int_equal(atomic_load(&watching), 0);
    free(f);
    return 0;
}

static struct sockaddr_in address_of(const struct fixture *f)
{
    const char *colon = strrchr(gateway_address(f->gateway), ':');

    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons((uint16_t)atoi(colon + 1)) };
}

/* A small window, so that a peer that does not read is noticed. */
static int dial(const struct fixture *f)
{
    struct sockaddr_in address = address_of(f);
    int fd = socket(AF_INET, SOCK_STREAM, 0), size = 16 * 1024;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int ask(const struct fixture *f, const char *text)
{
    int fd = dial(f);

    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    return fd;
}

/* Bytes that came, at most room; 0: the end. */
static size_t receive(int fd, char *data, size_t room)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    ssize_t size;

    if (poll(&wait, 1, PATIENCE_MS) != 1)
        fail_msg("nothing came");
    size = recv(fd, data, room, 0);
    return size > 0 ? (size_t)size : 0;
}

/* Receives until `end` was seen. */
static const char *receive_until(int fd, const char *end)
{
    static char text[64 * 1024];
    size_t size = 0;

    text[0] = '\0';
    while (strstr(text, end) == NULL) {
        assert_true(size < sizeof text - 1);
        assert_int_equal(receive(fd, text + size, 1), 1);
        text[++size] = '\0';
    }
    return text;
}

/* Up to the last chunk; to be freed. */
static char *receive_all(int fd)
{
    size_t room = (size_t)FLOOD * (FLOOD_JOB_BYTES + 1000), size = 0;
    char *text = calloc(1, room);

    assert_non_null(text);
    while (size < 5 || memcmp(text + size - 5, "0\r\n\r\n", 5) != 0) {
        size_t received = receive(fd, text + size, room - size - 1);

        assert_true(received > 0);
        size += received;
    }
    return text;
}

static void assert_at_end(int fd)
{
    char byte;

    assert_int_equal(receive(fd, &byte, 1), 0);
    close(fd);
}

static void wait_for_end(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    assert_int_equal(sem_timedwait(&over, &until), 0);
}

#define WATCH(query) "GET /sync/watch?" query " HTTP/1.1\r\nHost: a\r\norgid: acme\r\n\r\n"
#define EVENTS                                                                                     \
    "retry: 2000\n\n"                                                                              \
    "event: job\ndata: {\"id\":\"job_1\",\"name\":\"product-sync\",\"status\":\"active\","         \
    "\"progress\":75,\"data\":{\"a\":    \"line\\nend\"}}\n\n"                                     \
    "id: 7\nevent: job\ndata: {\"id\":\"job_2\",\"name\":\"product-sync\",\"status\":\"active\","  \
    "\"progress\":75,\"data\":{\"allowMassDelete\":false}}\n\n"                                    \
    "id: 8\nevent: synced\ndata: {}\n\n"                                                           \
    "id: 9\nevent: relist\ndata: {\"reason\":\"events were lost\"}\n\n"                            \
    ": heartbeat\nid: 10\n\n"

static void events_have_an_id_a_name_and_one_line_of_data(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, "GET /sync/watch?name=short HTTP/1.0\r\norgid: acme\r\n\r\n");
    const char *head = receive_until(fd, "\r\n\r\n");

    assert_memory_equal(head, "HTTP/1.1 200 OK\r\n", 17);
    assert_non_null(strstr(head, "\r\nContent-Type: text/event-stream\r\n"));
    assert_non_null(strstr(head, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
    assert_null(strstr(head, "Content-Length"));
    assert_null(strstr(head, "Transfer-Encoding")); /* which HTTP/1.0 does not know */
    assert_string_equal(receive_until(fd, "id: 10\n\n"), EVENTS);
    assert_at_end(fd);
}

static void a_stream_that_ends_leaves_the_connection_to_the_next_request(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, WATCH("name=short") "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");

    assert_non_null(strstr(receive_until(fd, "\r\n\r\n"), "\r\nTransfer-Encoding: chunked\r\n"));
    assert_string_equal(receive_until(fd, "\r\n"), "d\r\n");
    receive_until(fd, "\r\n0\r\n\r\n");
    assert_memory_equal(receive_until(fd, "alive"), "HTTP/1.1 200 OK\r\n", 17);
    close(fd);
}

static void a_peer_that_asks_to_close_is_obeyed_at_the_end(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, "GET /sync/watch?name=short&orgid=acme HTTP/1.1\r\nHost: a\r\n"
                    "Connection: close\r\n\r\n");

    assert_non_null(strstr(receive_until(fd, "\r\n\r\n"), "\r\nConnection: close\r\n"));
    receive_until(fd, "\r\n0\r\n\r\n");
    assert_at_end(fd);
}

static void a_watch_that_is_refused_is_a_plain_error(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, WATCH("name=missing"));

    assert_memory_equal(receive_until(fd, "\r\n\r\n"), "HTTP/1.1 404 Not Found\r\n", 24);
    assert_non_null(strstr(receive_until(fd, "}"), "there is no such job"));
    close(fd);
}

static void a_watch_that_breaks_ends_cleanly_and_says_why(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, WATCH("name=broken"));

    assert_non_null(strstr(receive_until(fd, "\r\n0\r\n\r\n"), ": UNAVAILABLE\n\n"));
    close(fd);
}

static void the_head_comes_even_if_nothing_happens(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, WATCH("name=silent"));

    receive_until(fd, "retry: 2000\n\n");
    close(fd);
    wait_for_end();
}

static void a_watch_goes_on_behind_the_last_event_id(void **state)
{
    static const struct {
        const char *request;
        uint64_t after;
    } cases[] = {
        { WATCH("name=short"), 0 },
        { WATCH("name=short&lastEventId="), 0 },
        { WATCH("name=short&lastEventId=41"), 41 },
        { "GET /sync/watch?name=short HTTP/1.1\r\nHost: a\r\norgid: acme\r\n"
          "Last-Event-ID: 42\r\n\r\n",
          42 },
        /* A browser that comes back asks at the old address, with a new header. */
        { "GET /sync/watch?name=short&lastEventId=41 HTTP/1.1\r\nHost: a\r\norgid: acme\r\n"
          "Last-Event-ID: 43\r\n\r\n",
          43 },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = ask(f, cases[i].request);

        receive_until(fd, "\r\n0\r\n\r\n");
        assert_int_equal(atomic_load(&asked_after), cases[i].after);
        close(fd);
    }
}

static void what_is_wrong_with_a_watch_is_said(void **state)
{
    static const struct {
        const char *request, *says;
    } cases[] = {
        { WATCH("lastEventId=x"), "last event id" },
        { WATCH("lastEventId=-1"), "last event id" },
        { WATCH("orgid=other"), "do not agree" },
        { WATCH("orgid=acme&orgid=acme"), "more than once" },
        { WATCH("status=active"), "not a query parameter" },
        { "GET /sync/watch HTTP/1.1\r\nHost: a\r\n\r\n", "orgid header is required" },
        { "GET /sync/watch?orgid= HTTP/1.1\r\nHost: a\r\n\r\n", "orgid header is required" },
        { "GET /sync/watch?orgid=%C3%A9 HTTP/1.1\r\nHost: a\r\n\r\n", "printable ASCII" },
        { "GET /sync/info?orgid=acme HTTP/1.1\r\nHost: a\r\n\r\n", "orgid header is required" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = ask(f, cases[i].request);

        assert_memory_equal(receive_until(fd, "\r\n\r\n"), "HTTP/1.1 400 ", 13);
        assert_non_null(strstr(receive_until(fd, "requestId"), cases[i].says));
        close(fd);
    }
}

static void a_reader_that_does_not_read_costs_bounded_memory_and_misses_nothing(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, WATCH("name=flood"));
    const char *at = NULL;
    int seen = -1;
    char id[48], *all;

    /* It stops by itself: what was sent no longer grows. */
    receive_until(fd, "job_0");
    while (seen != atomic_load(&flooded)) {
        seen = atomic_load(&flooded);
        poll(NULL, 0, 100);
    }
    assert_true(seen < FLOOD / 2);
    all = receive_all(fd);
    for (int i = 1; i < FLOOD; i++) {
        snprintf(id, sizeof id, "id: %d\nevent: job\n", i + 1);
        at = strstr(i == 1 ? all : at, id);
        assert_non_null(at);
    }
    free(all);
    close(fd);
}

static void no_more_watches_than_the_limit_are_open(void **state)
{
    struct fixture *f = *state;
    int first = ask(f, WATCH("name=silent")), second = ask(f, WATCH("name=silent")), third;

    receive_until(first, "retry:");
    receive_until(second, "retry:");
    third = ask(f, WATCH("name=silent"));
    assert_non_null(strstr(receive_until(third, "\r\n\r\n"), "\r\nRetry-After: 5\r\n"));
    assert_non_null(strstr(receive_until(third, "requestId"), "too many open watches"));
    close(third);

    close(first); /* who goes makes room */
    wait_for_end();
    third = ask(f, WATCH("name=short"));
    receive_until(third, "\r\n0\r\n\r\n");
    close(third);
    close(second);
}

static void closing_the_gateway_ends_its_streams(void **state)
{
    struct fixture *f = *state;
    int open = ask(f, WATCH("name=long")), stalled = ask(f, WATCH("name=flood"));

    receive_until(open, "id: 10\n\n");
    receive_until(stalled, "job_0");
    gateway_close(f->gateway, 200);
    assert_non_null(strstr(receive_until(open, "\r\n0\r\n\r\n"), ": UNAVAILABLE\n\n"));
    assert_at_end(open);
    close(stalled);
    open_gateway(f);
}

static void *close_gateway(void *gateway)
{
    gateway_close(gateway, 10 * PATIENCE_MS);
    return NULL;
}

/* The first request and a part of the second come at once: when the first is
 * answered, the second has begun. */
static void a_watch_that_begins_while_the_gateway_closes_ends_at_once(void **state)
{
    struct fixture *f = *state;
    int fd =
        ask(f, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /sync/watch?name=long HTTP/1.1\r\n");
    const char *rest = "Host: a\r\norgid: acme\r\n\r\n";
    struct sockaddr_in address = address_of(f);
    int64_t begun_ms = loop_mono_ms();
    pthread_t closing;

    receive_until(fd, "alive");
    assert_int_equal(pthread_create(&closing, NULL, close_gateway, f->gateway), 0);
    for (int status = 0; status == 0;) { /* until nobody listens any more */
        int probe = socket(AF_INET, SOCK_STREAM, 0);

        status = connect(probe, (struct sockaddr *)&address, sizeof address);
        close(probe);
    }
    send(fd, rest, strlen(rest), MSG_NOSIGNAL);
    pthread_join(closing, NULL);
    assert_true(loop_mono_ms() - begun_ms < 9 * PATIENCE_MS);
    assert_non_null(strstr(receive_until(fd, "UNAVAILABLE"), "UNAVAILABLE"));
    close(fd);
    open_gateway(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_ELSEWHERE(name)                                                                       \
    {                                                                                              \
#name "_elsewhere", name, setup_elsewhere, teardown, NULL                                  \
    }
    const struct CMUnitTest tests[] = {
        TEST(events_have_an_id_a_name_and_one_line_of_data),
        TEST(a_stream_that_ends_leaves_the_connection_to_the_next_request),
        TEST(a_peer_that_asks_to_close_is_obeyed_at_the_end),
        TEST(a_watch_that_is_refused_is_a_plain_error),
        TEST(a_watch_that_breaks_ends_cleanly_and_says_why),
        TEST(the_head_comes_even_if_nothing_happens),
        TEST(a_watch_goes_on_behind_the_last_event_id),
        TEST(what_is_wrong_with_a_watch_is_said),
        TEST(a_reader_that_does_not_read_costs_bounded_memory_and_misses_nothing),
        TEST(no_more_watches_than_the_limit_are_open),
        TEST(closing_the_gateway_ends_its_streams),
        TEST(a_watch_that_begins_while_the_gateway_closes_ends_at_once),
        TEST_ELSEWHERE(events_have_an_id_a_name_and_one_line_of_data),
        TEST_ELSEWHERE(a_watch_that_is_refused_is_a_plain_error),
        TEST_ELSEWHERE(a_reader_that_does_not_read_costs_bounded_memory_and_misses_nothing),
        TEST_ELSEWHERE(no_more_watches_than_the_limit_are_open),
        TEST_ELSEWHERE(closing_the_gateway_ends_its_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
