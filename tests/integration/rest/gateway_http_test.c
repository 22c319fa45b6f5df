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
#include "core/base/json_scan.h"
#include "rpc/call.h"
#include "rpc/server.h"
#include "sync/v1/sync.pb-c.h"

/* The gateway on a real socket in front of a service that the test plays. */

struct fixture {
    struct rpc_registry *registry;
    struct gateway *gateway;
};

static sem_t held, over; /* a call that waits has begun, has ended */
static _Atomic(struct rpc_call *) waiting;
static atomic_int queued;

static void get_service_info(struct rpc_call *call, void *context, const ProtobufCMessage *request)
{
    Sync__V1__GetServiceInfoResponse response = SYNC__V1__GET_SERVICE_INFO_RESPONSE__INIT;

    (void)context;
    (void)request;
    response.version = "1.0.0";
    response.status = "active";
    response.uptime = "0d 0h 0m";
    call_reply(call, &response.base);
}

static void on_over(struct rpc_call *call)
{
    struct rpc_call *expected = call;

    atomic_compare_exchange_strong(&waiting, &expected, NULL);
    sem_post(&over);
    call_release(call);
}

static void hold(struct rpc_call *call)
{
    call_on_over(call_hold(call), on_over);
    atomic_store(&waiting, call);
    sem_post(&held);
}

/* Tells what it was called with. "slow": waits. */
static void queue_job(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    const Sync__V1__QueueJobRequest *request = (const Sync__V1__QueueJobRequest *)message;
    Sync__V1__QueueJobResponse response = SYNC__V1__QUEUE_JOB_RESPONSE__INIT;
    Sync__V1__Job job = SYNC__V1__JOB__INIT;

    (void)context;
    atomic_fetch_add(&queued, 1);
    if (strcmp(request->name, "slow") == 0) {
        hold(call);
        return;
    }
    job.id = "job_1";
    job.name = request->name;
    job.org_id = (char *)(uintptr_t)call_metadata(call, "orgid", NULL);
    job.worker_id = (char *)(uintptr_t)call_metadata(call, "authorization", NULL);
    job.status = SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED;
    job.data = request->data;
    response.job = &job;
    call_reply(call, &response.base);
}

/* "missing", "wrong", "busy": fails so. "slow": waits. */
static void pause_job(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    const Sync__V1__PauseJobRequest *request = (const Sync__V1__PauseJobRequest *)message;
    struct rpc_status status = { .code = RPC_OK };

    (void)context;
    if (strcmp(request->name, "slow") == 0) {
        hold(call);
        return;
    }
    rpc_status_set(&status, RPC_NOT_FOUND, "there is no sync of that name");
    if (strcmp(request->name, "wrong") == 0) {
        rpc_status_set(&status, RPC_INVALID_ARGUMENT, "reason.max_size is 5");
        strcpy(status.violation.field, "reason.max_size");
        strcpy(status.violation.description, "too long");
    }
    if (strcmp(request->name, "busy") == 0) {
        rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "too many requests");
        status.retry_after_ms = 2500;
    }
    call_fail(call, &status);
}

static const struct rpc_method methods[] = {
    { "GetServiceInfo", RPC_UNARY, RPC_RIGHT_NONE, &sync__v1__get_service_info_request__descriptor,
      &sync__v1__get_service_info_response__descriptor, get_service_info },
    { "QueueJob", RPC_UNARY, RPC_RIGHT_UPDATE, &sync__v1__queue_job_request__descriptor,
      &sync__v1__queue_job_response__descriptor, queue_job },
    { "PauseJob", RPC_UNARY, RPC_RIGHT_UPDATE, &sync__v1__pause_job_request__descriptor,
      &sync__v1__pause_job_response__descriptor, pause_job },
};
static const struct rpc_service service = { "sync.v1.SyncService", methods,
                                            sizeof methods / sizeof methods[0], NULL };

static void open_gateway(struct fixture *f, const struct gateway_options *wanted)
{
    struct gateway_options options = *wanted;
    struct why why = { .text = "" };

    options.address = "127.0.0.1:0";
    options.hosts = "a";
    if (options.rpc_address == NULL)
        options.registry = f->registry;
    if (gateway_open(&options, &f->gateway, &why) != OK)
        fail_msg("%s", why.text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->registry = rpc_registry_new();
    rpc_registry_add(f->registry, &service);
    sem_init(&held, 0, 0);
    sem_init(&over, 0, 0);
    atomic_store(&queued, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    gateway_close(f->gateway, 0);
    rpc_registry_free(f->registry);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *colon = strrchr(gateway_address(f->gateway), ':');
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_bytes(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* refused in the middle: the answer tells */
        text += sent;
        size -= (size_t)sent;
    }
}

static void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

struct answer {
    int status;
    char head[2048];
    char body[8192];
};

static bool receive_byte(int fd, char *byte)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    if (poll(&wait, 1, 20000) != 1)
        fail_msg("no answer within 20 s");
    return recv(fd, byte, 1, 0) == 1;
}

/* False if the connection ended before an answer came. */
static bool receive_head(int fd, struct answer *answer)
{
    size_t size = 0;

    memset(answer, 0, sizeof *answer);
    while (strstr(answer->head, "\r\n\r\n") == NULL) {
        assert_true(size < sizeof answer->head - 1);
        if (!receive_byte(fd, &answer->head[size]))
            return false;
        size++;
    }
    assert_int_equal(sscanf(answer->head, "HTTP/1.1 %d ", &answer->status), 1);
    return true;
}

static void receive_body(int fd, struct answer *answer)
{
    const char *length = strstr(answer->head, "Content-Length: ");
    size_t size = length != NULL ? strtoul(length + 16, NULL, 10) : 0;

    assert_true(size < sizeof answer->body);
    for (size_t i = 0; i < size; i++)
        assert_true(receive_byte(fd, &answer->body[i]));
    assert_int_equal(json_scan(bytes_of(answer->body, size), 20, NULL), OK);
}

static struct answer receive(int fd)
{
    struct answer answer;

    assert_true(receive_head(fd, &answer));
    receive_body(fd, &answer);
    return answer;
}

static void assert_closed(int fd)
{
    char byte;

    assert_false(receive_byte(fd, &byte));
    close(fd);
}

static struct answer ask(const struct fixture *f, const char *text)
{
    int fd = dial(f);
    struct answer answer;

    send_text(fd, text);
    answer = receive(fd);
    close(fd);
    return answer;
}

static void assert_error(const struct answer *answer, int status, const char *phrase)
{
    char expected[100];

    assert_int_equal(answer->status, status);
    snprintf(expected, sizeof expected, "{\"statusCode\":%d,\"message\":\"", status);
    assert_memory_equal(answer->body, expected, strlen(expected));
    snprintf(expected, sizeof expected, "\"error\":\"%s\"", phrase);
    assert_non_null(strstr(answer->body, expected));
    assert_non_null(strstr(answer->body, "\"requestId\":\""));
    assert_non_null(strstr(answer->head, "Content-Type: application/json\r\n"));
}

#define GET_SYNC   "GET /sync HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET(path)  "GET " path " HTTP/1.1\r\nHost: a\r\norgid: org1\r\n\r\n"
#define QUEUE_HEAD "POST /sync/queue HTTP/1.1\r\nHost: a\r\norgid: org1\r\n"
static const struct gateway_options defaults = { .address = NULL };

static void requests_follow_one_another_on_a_connection(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    for (int i = 0; i < 3; i++) {
        struct answer answer;

        send_text(fd, GET_SYNC);
        answer = receive(fd);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body,
                            "{\"version\":\"1.0.0\",\"status\":\"active\",\"activeJobs\":0,"
                            "\"completedJobs\":0,\"failedJobs\":0,\"queuedJobs\":0,"
                            "\"uptime\":\"0d 0h 0m\",\"uptimeSeconds\":0}");
    }
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    send_text(fd, GET_SYNC GET("/nothing") GET_SYNC "\r\n" GET("/healthz") GET_SYNC);
    assert_int_equal(receive(fd).status, 200);
    assert_int_equal(receive(fd).status, 404);
    assert_int_equal(receive(fd).status, 200);
    assert_int_equal(receive(fd).status, 200);
    assert_int_equal(receive(fd).status, 200);
    close(fd);
}

/* Long enough for all else that was sent to be looked at. */
static void be_served_a_while(const struct fixture *f)
{
    int fd = dial(f);

    for (int i = 0; i < 200; i++) {
        send_text(fd, GET("/healthz"));
        assert_int_equal(receive(fd).status, 200);
    }
    close(fd);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const char text[] = "\r\n" QUEUE_HEAD "Transfer-Encoding: chunked\r\n\r\n"
                                          "8\r\n{\"name\":\r\n4;x\r\n\"a\"}\r\n0\r\n\r\n";
    struct fixture *f = *state;
    struct answer answer;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        send_bytes(fd, text + i, 1);
        if (i == 0)
            be_served_a_while(f); /* the empty line comes in two, for sure */
    }
    answer = receive(fd);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "\"name\":\"a\""));
    close(fd);
}

static void a_queued_job_goes_there_and_back(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    open_gateway(f, &defaults);
    answer = ask(f, QUEUE_HEAD "Authorization: Bearer t\r\nX-Request-Id: my-id\r\n"
                               "Content-Type: application/json\r\nContent-Length: 46\r\n\r\n"
                               "{\"name\":\"a\",\"data\":{ \"x\": [1.50] , \"y\":\"z\" } }");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body,
                        "{\"success\":true,\"job\":{\"id\":\"job_1\",\"name\":\"a\",\"status\":"
                        "\"queued\",\"data\":{ \"x\": [1.50] , \"y\":\"z\" },\"workerId\":"
                        "\"Bearer t\",\"orgId\":\"org1\"}}");
    assert_non_null(strstr(answer.head, "X-Request-Id: my-id\r\n"));
    assert_non_null(strstr(answer.head, "Cache-Control: no-store\r\n"));
}

static void statuses_of_calls_become_errors(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    open_gateway(f, &defaults);
    answer = ask(f, GET("/sync/pause/missing"));
    assert_error(&answer, 404, "Not Found");
    assert_non_null(strstr(answer.body, "\"message\":\"there is no sync of that name\""));
    assert_non_null(strstr(answer.body, "\"code\":\"NOT_FOUND\""));

    answer = ask(f, GET("/sync/pause/wrong"));
    assert_error(&answer, 400, "Bad Request");
    assert_non_null(strstr(answer.body, "\"message\":\"reason.maxSize is 5\""));
    assert_non_null(strstr(answer.body,
                           "\"details\":[{\"field\":\"reason.maxSize\",\"reason\":\"too long\"}]"));

    answer = ask(f, GET("/sync/pause/busy"));
    assert_error(&answer, 429, "Too Many Requests");
    assert_non_null(strstr(answer.head, "Retry-After: 3\r\n"));

    answer = ask(f, GET("/sync/info"));
    assert_error(&answer, 501, "Not Implemented");
}

static void what_is_not_there_is_said_in_the_same_shape(void **state)
{
    struct fixture *f = *state;
    struct answer answer;

    open_gateway(f, &defaults);
    answer = ask(f, GET("/nothing"));
    assert_error(&answer, 404, "Not Found");
    answer = ask(f, GET("/sync/queue"));
    assert_error(&answer, 405, "Method Not Allowed");
    assert_non_null(strstr(answer.head, "Allow: POST, OPTIONS\r\n"));
    answer = ask(f, QUEUE_HEAD "Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}");
    assert_error(&answer, 415, "Unsupported Media Type");
    answer = ask(f, "GET / HTTP/3.0\r\nHost: a\r\n\r\n");
    assert_error(&answer, 505, "HTTP Version Not Supported");
}

static void head_gets_the_head_alone(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    send_text(fd, "HEAD /sync HTTP/1.1\r\nHost: a\r\n\r\n" GET_SYNC);
    assert_true(receive_head(fd, &answer));
    assert_int_equal(answer.status, 200);
    assert_null(strstr(answer.head, "Content-Length: 0\r\n"));
    assert_int_equal(receive(fd).status, 200);
    close(fd);
}

static void two_readings_of_a_length_end_the_connection(void **state)
{
    static const char *const requests[] = {
        QUEUE_HEAD "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET_SYNC,
        QUEUE_HEAD "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde" GET_SYNC,
        "GET /sync HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" GET_SYNC,
        "GET /sync HTTP/1.1\nHost: a\n\n" GET_SYNC,
        QUEUE_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" GET_SYNC,
    };
    struct fixture *f = *state;

    open_gateway(f, &defaults);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = dial(f);
        struct answer answer;

        send_text(fd, requests[i]);
        answer = receive(fd);
        assert_error(&answer, 400, "Bad Request");
        assert_non_null(strstr(answer.head, "Connection: close\r\n"));
        assert_closed(fd);
    }
    assert_int_equal(atomic_load(&queued), 0);
}

static void a_body_over_the_limit_is_refused_and_the_refusal_arrives(void **state)
{
    enum { SIZE = 2 << 20 };
    struct fixture *f = *state;
    char *body = malloc(SIZE);
    int fd;

    open_gateway(f, &defaults);
    memset(body, ' ', SIZE);
    for (int chunked = 0; chunked < 2; chunked++) {
        struct answer answer;

        fd = dial(f);
        send_text(fd, chunked ? QUEUE_HEAD "Transfer-Encoding: chunked\r\n\r\n200000\r\n"
                              : QUEUE_HEAD "Content-Length: 2097152\r\n\r\n");
        send_bytes(fd, body, SIZE);
        answer = receive(fd);
        assert_error(&answer, 413, "Content Too Large");
        shutdown(fd, SHUT_WR);
        assert_closed(fd);
    }
    free(body);
    assert_int_equal(atomic_load(&queued), 0);
}

static void a_body_at_the_limit_is_read(void **state)
{
    struct fixture *f = *state;
    const struct gateway_options options = { .limits.body_bytes = 64 };
    char text[400], body[66];

    open_gateway(f, &options);
    memset(body, ' ', sizeof body);
    memcpy(body, "{\"name\":\"a\"}", 12);
    snprintf(text, sizeof text, QUEUE_HEAD "Content-Length: 64\r\n\r\n%.64s", body);
    assert_int_equal(ask(f, text).status, 200);
    snprintf(text, sizeof text, QUEUE_HEAD "Content-Length: 65\r\n\r\n%.65s", body);
    assert_int_equal(ask(f, text).status, 413);
}

static void headers_over_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;
    char text[20000] = "GET /sync HTTP/1.1\r\nHost: a\r\nX: ";
    struct answer answer;

    open_gateway(f, &defaults);
    memset(text + strlen(text), 'x', 17000);
    answer = ask(f, text);
    assert_error(&answer, 431, "Request Header Fields Too Large");
    strcat(text, "\r\n\r\n");
    answer = ask(f, text);
    assert_error(&answer, 431, "Request Header Fields Too Large");
}

static void expectations_are_met_or_refused(void **state)
{
    struct fixture *f = *state;
    struct answer answer;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    send_text(fd, QUEUE_HEAD "Expect: 100-continue\r\nContent-Length: 12\r\n\r\n");
    assert_true(receive_head(fd, &answer));
    assert_int_equal(answer.status, 100);
    send_text(fd, "{\"name\":\"a\"}");
    assert_int_equal(receive(fd).status, 200);
    close(fd);
    answer = ask(f, QUEUE_HEAD "Expect: 100-continue\r\nContent-Length: 2097152\r\n\r\n");
    assert_error(&answer, 413, "Content Too Large");
}

static void slow_requests_are_told_so_and_idle_connections_end(void **state)
{
    struct fixture *f = *state;
    const struct gateway_options options = { .limits = {
                                                 .head_ms = 100, .body_ms = 100, .idle_ms = 100 } };
    struct answer answer;
    int fd;

    open_gateway(f, &options);
    answer = ask(f, "GET /sync HTTP/1.1\r\nHos");
    assert_error(&answer, 408, "Request Timeout");
    answer = ask(f, QUEUE_HEAD "Content-Length: 10\r\n\r\n{");
    assert_error(&answer, 408, "Request Timeout");
    fd = dial(f);
    send_text(fd, GET_SYNC);
    assert_int_equal(receive(fd).status, 200);
    assert_closed(fd);
    assert_closed(dial(f));
}

static void one_more_connection_takes_the_place_of_the_longest_idle_one(void **state)
{
    struct fixture *f = *state;
    const struct gateway_options options = { .limits.connections = 2 };
    int first, second, third;

    open_gateway(f, &options);
    first = dial(f);
    second = dial(f);
    send_text(first, GET_SYNC);
    assert_int_equal(receive(first).status, 200);
    send_text(second, GET_SYNC);
    assert_int_equal(receive(second).status, 200);
    third = dial(f);
    send_text(third, GET_SYNC);
    assert_int_equal(receive(third).status, 200);
    assert_closed(first);
    send_text(second, GET_SYNC);
    assert_int_equal(receive(second).status, 200);
    close(second);
    close(third);
}

static void one_connection_too_many_is_told_so_when_all_are_at_work(void **state)
{
    struct fixture *f = *state;
    const struct gateway_options options = { .limits.connections = 2 };
    struct answer answer;
    int busy[2], third;

    open_gateway(f, &options);
    for (int i = 0; i < 2; i++) {
        busy[i] = dial(f);
        send_text(busy[i], GET("/sync/pause/slow"));
        sem_wait(&held);
    }
    third = dial(f);
    answer = receive(third);
    assert_error(&answer, 503, "Service Unavailable");
    assert_non_null(strstr(answer.head, "Retry-After: 1\r\n"));
    close(third);
    close(busy[0]);
    close(busy[1]);
}

static void a_connection_ends_after_so_many_requests(void **state)
{
    struct fixture *f = *state;
    const struct gateway_options options = { .limits.requests_per_connection = 2 };
    struct answer answer;
    int fd;

    open_gateway(f, &options);
    fd = dial(f);
    send_text(fd, GET_SYNC GET_SYNC GET_SYNC);
    answer = receive(fd);
    assert_non_null(strstr(answer.head, "Connection: keep-alive\r\n"));
    answer = receive(fd);
    assert_non_null(strstr(answer.head, "Connection: close\r\n"));
    assert_closed(fd);
}

static void http_1_0_is_answered_and_closed(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    send_text(fd, "GET /sync HTTP/1.0\r\n\r\n");
    assert_int_equal(receive(fd).status, 200);
    assert_closed(fd);
}

static void a_peer_that_has_said_all_still_gets_its_answer(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    send_text(fd, GET_SYNC GET_SYNC);
    shutdown(fd, SHUT_WR);
    assert_int_equal(receive(fd).status, 200);
    assert_int_equal(receive(fd).status, 200);
    assert_closed(fd);
}

static void break_off(int fd)
{
    const struct linger reset = { 1, 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

static void a_call_ends_when_its_client_breaks_off(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    send_text(fd, GET("/sync/pause/slow"));
    sem_wait(&held);
    break_off(fd);
    sem_wait(&over);
}

/* So large that only two of them are under way at a time. */
static int queue_large(const struct fixture *f, const char *name)
{
    enum { SIZE = 1000 * 1000 };
    static char body[SIZE + 1];
    int fd = dial(f), used = snprintf(body, sizeof body, "{\"name\":\"%s\"}", name);

    memset(body + used, ' ', (size_t)(SIZE - used));
    send_text(fd, QUEUE_HEAD "Content-Length: 1000000\r\n\r\n");
    send_bytes(fd, body, SIZE);
    return fd;
}

static void large_requests_take_turns_and_who_is_gone_has_none(void **state)
{
    struct fixture *f = *state;
    int first, second, third, fourth;

    open_gateway(f, &defaults);
    first = queue_large(f, "slow");
    sem_wait(&held);
    second = queue_large(f, "slow");
    sem_wait(&held);
    third = queue_large(f, "gone");
    fourth = queue_large(f, "last");
    be_served_a_while(f); /* until both are there; others need not wait */
    break_off(third);
    be_served_a_while(f);
    assert_int_equal(atomic_load(&queued), 2);
    break_off(first);
    sem_wait(&over);
    assert_int_equal(receive(fourth).status, 200);
    assert_int_equal(atomic_load(&queued), 3);
    break_off(second);
    sem_wait(&over);
    close(fourth);
}

static void answer_waiting_call(struct loop_task *task)
{
    Sync__V1__PauseJobResponse response = SYNC__V1__PAUSE_JOB_RESPONSE__INIT;
    struct rpc_call *call = atomic_load(&waiting);

    (void)task;
    if (call != NULL)
        call_reply(call, &response.base);
}

static void *close_gracefully(void *context)
{
    gateway_close(context, 20000);
    return NULL;
}

static void closing_waits_for_what_is_under_way(void **state)
{
    static struct loop_task task = { .run = answer_waiting_call };
    struct fixture *f = *state;
    struct answer answer;
    pthread_t closer;
    char byte;
    int fd, idle;

    open_gateway(f, &defaults);
    idle = dial(f);
    fd = dial(f);
    send_text(fd, GET("/sync/pause/slow"));
    sem_wait(&held);
    pthread_create(&closer, NULL, close_gracefully, f->gateway);
    assert_false(receive_byte(idle, &byte)); /* it has begun to close */
    call_post(atomic_load(&waiting), &task);
    answer = receive(fd);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "Connection: close\r\n"));
    close(fd);
    close(idle);
    pthread_join(closer, NULL);
    f->gateway = NULL;
}

static void closing_without_patience_breaks_off(void **state)
{
    struct fixture *f = *state;
    int fd;

    open_gateway(f, &defaults);
    fd = dial(f);
    send_text(fd, GET("/sync/pause/slow"));
    sem_wait(&held);
    gateway_close(f->gateway, 0);
    f->gateway = NULL;
    assert_int_equal(sem_trywait(&over), 0);
    assert_closed(fd);
}

static void the_service_may_be_elsewhere(void **state)
{
    struct fixture *f = *state;
    const struct rpc_server_options server_options = { .address = "127.0.0.1:0",
                                                       .registry = f->registry };
    struct gateway_options options = { .address = NULL };
    struct rpc_server *server;
    struct answer answer;
    char address[64];

    assert_int_equal(rpc_server_open(&server_options, &server, NULL), OK);
    snprintf(address, sizeof address, "%s", rpc_server_address(server));
    options.rpc_address = address;
    open_gateway(f, &options);
    answer = ask(f, QUEUE_HEAD "Content-Length: 12\r\n\r\n{\"name\":\"a\"}");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, "\"orgId\":\"org1\""));
    answer = ask(f, GET("/sync/pause/wrong"));
    assert_error(&answer, 400, "Bad Request");
    assert_non_null(strstr(answer.body, "\"field\":\"reason.maxSize\""));

    rpc_server_close(server, 0);
    answer = ask(f, GET_SYNC);
    assert_error(&answer, 503, "Service Unavailable");
    assert_non_null(strstr(answer.head, "Retry-After: "));
}

static void an_address_in_use_is_named(void **state)
{
    struct fixture *f = *state;
    struct gateway_options options = { .registry = f->registry };
    struct gateway *second;
    struct why why;

    open_gateway(f, &defaults);
    options.address = gateway_address(f->gateway);
    assert_int_equal(gateway_open(&options, &second, &why), ERR_UNAVAILABLE);
    assert_non_null(strstr(why.text, options.address));
    options.address = "nonsense";
    assert_int_equal(gateway_open(&options, &second, &why), ERR_UNAVAILABLE);
    options.address = "127.0.0.1:http-ish";
    assert_int_equal(gateway_open(&options, &second, &why), ERR_UNAVAILABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(requests_follow_one_another_on_a_connection),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(a_request_may_come_byte_by_byte),
        TEST(a_queued_job_goes_there_and_back),
        TEST(statuses_of_calls_become_errors),
        TEST(what_is_not_there_is_said_in_the_same_shape),
        TEST(head_gets_the_head_alone),
        TEST(two_readings_of_a_length_end_the_connection),
        TEST(a_body_over_the_limit_is_refused_and_the_refusal_arrives),
        TEST(a_body_at_the_limit_is_read),
        TEST(headers_over_the_limit_are_refused),
        TEST(expectations_are_met_or_refused),
        TEST(slow_requests_are_told_so_and_idle_connections_end),
        TEST(one_more_connection_takes_the_place_of_the_longest_idle_one),
        TEST(one_connection_too_many_is_told_so_when_all_are_at_work),
        TEST(a_connection_ends_after_so_many_requests),
        TEST(http_1_0_is_answered_and_closed),
        TEST(a_peer_that_has_said_all_still_gets_its_answer),
        TEST(a_call_ends_when_its_client_breaks_off),
        TEST(large_requests_take_turns_and_who_is_gone_has_none),
        TEST(closing_waits_for_what_is_under_way),
        TEST(closing_without_patience_breaks_off),
        TEST(the_service_may_be_elsewhere),
        TEST(an_address_in_use_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
