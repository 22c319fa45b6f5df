#include "tests/unit/rpc/call_cases.h"

#include "rpc/channel/client_end.h"
#include "tests/unit/rpc/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Calls whose attempts fail, against a server that does as it is told. */

enum { LONG_MS = 3600 * 1000 };

struct fixture {
    struct call_fixture calls; /* the loop and the channel */
    struct scripted_server server;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (call_fixture_open(&f->calls) != 0)
        return -1;
    scripted_server_open(&f->server, f->calls.loop);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    channel_close(f->calls.channel);
    scripted_server_close(&f->server);
    call_fixture_close(&f->calls);
    free(f);
    return 0;
}

static void script(struct fixture *f, const struct script_step *steps, unsigned count)
{
    memcpy(f->server.steps, steps, count * sizeof *steps);
    f->server.step_count = count;
}

#define SCRIPT(f, ...)                                                                             \
    script(f, (const struct script_step[]){ __VA_ARGS__ },                                         \
           sizeof((const struct script_step[]){ __VA_ARGS__ }) / sizeof(struct script_step))

static void open_channel(struct fixture *f, struct channel_options options)
{
    struct why why;

    if (options.address == NULL)
        options.address = f->server.address;
    assert_int_equal(channel_open(f->calls.loop, &options, &f->calls.channel, &why), OK);
}

static const struct channel_options quick = {
    .retry = { .attempts_max = 4, .backoff_ms = 1, .backoff_max_ms = 2 }
};

static void init_say(struct fixture *f, struct noted_call *call)
{
    noted_call_init(call, &f->calls, "/test.v1.Echo/Say");
    call->call.idempotent = true;
    call->call.single_answer = true;
}

static void start(struct noted_call *call)
{
    client_call_start(call->f->channel, &call->call);
}

static enum rpc_code say(struct fixture *f)
{
    struct noted_call call;

    init_say(f, &call);
    start(&call);
    noted_call_wait(&call);
    return call.status.code;
}

struct waited_requests {
    struct fixture *f;
    unsigned count;
};

static bool have_come(void *context)
{
    struct waited_requests *waited = context;

    return waited->f->server.request_count >= waited->count;
}

static void wait_for_requests(struct fixture *f, unsigned count)
{
    struct waited_requests waited = { f, count };

    run_until(&f->calls, have_come, &waited);
}

static const struct script_step ok = { .act = SCRIPT_OK };
static const struct script_step down = { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE };

/* ---- What the server has not seen. ---- */

static void a_refused_call_is_sent_again_though_it_may_not_happen_twice(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_REFUSE }, ok);
    open_channel(f, (struct channel_options){ 0 });
    init_say(f, &call);
    call.call.idempotent = false;
    call.request.text = "all of it";
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
    assert_int_equal(f->server.request_count, 2);
    assert_int_equal(f->server.requests[1].previous_attempts, -1); /* it does not count */
    assert_int_equal(f->server.requests[1].body_bytes, 5 + 2 + 9);
}

static void a_call_that_is_refused_again_is_told(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, { .act = SCRIPT_REFUSE });
    open_channel(f, (struct channel_options){ 0 });
    assert_int_equal(say(f), RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 2);
}

/* Answers on the first connection with SETTINGS and, once a request has come,
 * a GOAWAY that says that no stream was looked at; then it stops listening. */
static void *go_away(void *context)
{
    static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
    static const uint8_t goaway[] = { 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    int listener = *(int *)context, fd = accept(listener, NULL, NULL);
    char bytes[4096];
    size_t size = 0;

    close(listener);
    (void)!write(fd, settings, sizeof settings);
    while (size < sizeof bytes && memmem(bytes, size, "look for this", 13) == NULL) {
        ssize_t more = read(fd, bytes + size, sizeof bytes - size);
        if (more <= 0)
            break;
        size += (size_t)more;
    }
    (void)!write(fd, goaway, sizeof goaway);
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    close(fd);
    return NULL;
}

static void a_call_above_goaways_last_stream_goes_to_the_next_connection(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t size = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char list[160];
    pthread_t thread;
    struct noted_call call;

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&name, &size);
    pthread_create(&thread, NULL, go_away, &listener);
    snprintf(list, sizeof list, "127.0.0.1:%d,%s", ntohs(name.sin_port), f->server.address);
    SCRIPT(f, ok);
    open_channel(f, (struct channel_options){ .address = list });
    init_say(f, &call);
    call.call.idempotent = false;
    call.request.text = "look for this";
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
    assert_int_equal(f->server.request_count, 1);
    channel_close(f->calls.channel);
    f->calls.channel = NULL;
    pthread_join(thread, NULL);
}

static void connections_that_close_at_once_do_not_lose_calls_silently(void **state)
{
    struct fixture *f = *state;

    f->server.closes_at_once = true;
    open_channel(f, (struct channel_options){ 0 });
    assert_int_equal(say(f), RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 0);
    assert_int_equal(f->server.connection_count, 1);
}

static void a_server_that_does_not_say_how_it_is_holds_nobody_up(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT });
    open_channel(f, (struct channel_options){ .health_service = "", .connect_timeout_ms = 50 });
    init_say(f, &call);
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_non_null(strstr(call.status.message, "does not say how it is"));
    assert_int_equal(f->server.request_count, 1); /* about its health */
}

struct losing_watch {
    struct channel_watch watch;
    struct scripted_server *server;
    enum channel_state state;
};

static void lose_when_ready(struct channel_watch *watch, enum channel_state state)
{
    struct losing_watch *losing = container_of(watch, struct losing_watch, watch);

    losing->state = state;
    if (state == CHANNEL_READY)
        scripted_server_lose(losing->server);
}

static bool is_failing(void *context)
{
    return ((struct losing_watch *)context)->state == CHANNEL_FAILING;
}

static void who_says_that_it_is_well_and_closes_is_not_asked_without_a_pause(void **state)
{
    struct fixture *f = *state;
    struct losing_watch losing = { .watch.on_state = lose_when_ready, .server = &f->server };

    SCRIPT(f, { .act = SCRIPT_STATUS, .code = RPC_UNIMPLEMENTED }); /* as good as SERVING */
    open_channel(f, (struct channel_options){
                        .health_service = "", .backoff_ms = LONG_MS, .backoff_max_ms = LONG_MS });
    channel_watch(f->calls.channel, &losing.watch);
    run_until(&f->calls, is_failing, &losing);
    assert_int_equal(f->server.connection_count, 2);
    channel_unwatch(&losing.watch);
}

/* ---- By the policy. ---- */

static void a_failed_call_is_tried_again_and_says_the_how_manieth_it_is(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, down, down, ok);
    open_channel(f, quick);
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(f->server.request_count, 3);
    assert_int_equal(f->server.requests[0].previous_attempts, -1);
    assert_int_equal(f->server.requests[1].previous_attempts, 1);
    assert_int_equal(f->server.requests[2].previous_attempts, 2);
}

static void without_a_policy_it_is_not(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, down, ok);
    open_channel(f, (struct channel_options){ 0 });
    assert_int_equal(say(f), RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 1);
}

static void a_call_that_may_not_happen_twice_is_not_tried_again(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_LOSE }, ok);
    open_channel(f, quick);
    init_say(f, &call);
    call.call.idempotent = false;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 1);
}

static void a_server_that_dies_in_mid_call_is_asked_again(void **state)
{
    struct fixture *f = *state;
    struct channel_options options = quick;

    options.backoff_ms = options.backoff_max_ms = 1;
    options.retry.backoff_ms = options.retry.backoff_max_ms = 10;
    SCRIPT(f, { .act = SCRIPT_LOSE }, { .act = SCRIPT_LOSE }, ok);
    open_channel(f, options);
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(f->server.connection_count, 3);
}

static void a_proxys_503_is_tried_again(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, { .act = SCRIPT_HTTP_503 }, ok);
    open_channel(f, quick);
    assert_int_equal(say(f), RPC_OK);
}

static void the_last_attempts_failure_is_the_calls(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, down, down, down, { .act = SCRIPT_STATUS, .code = RPC_NOT_FOUND });
    open_channel(f, quick);
    assert_int_equal(say(f), RPC_NOT_FOUND);
    assert_int_equal(f->server.request_count, 4);
}

static void once_its_answer_has_begun_a_call_is_not_tried_again(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, { .act = SCRIPT_LATE, .code = RPC_UNAVAILABLE }, ok);
    open_channel(f, quick);
    assert_int_equal(say(f), RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 1);
}

static void a_server_that_asks_for_time_gets_it(void **state)
{
    struct fixture *f = *state;
    struct channel_options patient = quick;
    int64_t begun_ms = loop_mono_ms();

    patient.retry.backoff_ms = patient.retry.backoff_max_ms = LONG_MS;
    SCRIPT(f, { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE, .pushback = "30" },
           { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE, .retry_after_ms = 30 }, ok);
    open_channel(f, patient);
    assert_int_equal(say(f), RPC_OK);
    assert_true(loop_mono_ms() - begun_ms >= 60);
}

static void a_server_that_wants_no_other_attempt_gets_none(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE, .pushback = "-1" }, ok);
    open_channel(f, quick);
    assert_int_equal(say(f), RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 1);
}

static void a_wait_beyond_the_deadline_is_not_begun(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE, .pushback = "3600000" }, ok);
    open_channel(f, quick);
    init_say(f, &call);
    call.call.timeout_ms = LONG_MS / 2;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
}

static void the_deadline_holds_over_all_attempts(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, down, { .act = SCRIPT_SILENT });
    open_channel(f, quick);
    init_say(f, &call);
    call.call.timeout_ms = 100;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->server.request_count, 2);
}

/* A call waits between two attempts. */
static bool is_between(void *context)
{
    const struct client_end *end = ((struct noted_call *)context)->call.end;

    return end != NULL && end->attempt.count > 0 && end->user.stream == NULL;
}

static void start_and_wait_between(struct fixture *f, struct noted_call *call)
{
    struct channel_options slow = quick;

    slow.retry.backoff_ms = slow.retry.backoff_max_ms = LONG_MS;
    SCRIPT(f, down, ok);
    open_channel(f, slow);
    init_say(f, call);
    start(call);
    run_until(&f->calls, is_between, call);
}

static void a_call_may_be_cancelled_while_it_waits(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    start_and_wait_between(f, &call);
    client_call_cancel(&call.call);
    assert_false(call.done);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_CANCELLED);
    assert_int_equal(f->server.request_count, 1);
}

static void a_channel_may_be_closed_while_a_call_waits(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    start_and_wait_between(f, &call);
    channel_close(f->calls.channel);
    f->calls.channel = NULL;
    assert_true(call.done);
    assert_int_equal(call.status.code, RPC_CANCELLED);
}

static void while_most_calls_fail_none_is_tried_again(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, down);
    open_channel(f, quick);
    for (int i = 0; i < 4; i++)
        assert_int_equal(say(f), RPC_UNAVAILABLE);
    /* Four attempts, then one that shuts the throttle, then single ones. */
    assert_int_equal(f->server.request_count, 4 + 1 + 1 + 1);
}

static void a_call_without_a_server_is_tried_again_when_there_is_one(void **state)
{
    struct fixture *f = *state;
    struct channel_options options = quick;
    struct noted_call call;

    options.address = "127.0.0.1:1"; /* nobody listens on it */
    options.backoff_ms = options.backoff_max_ms = 1;
    options.retry.attempts_max = 3;
    open_channel(f, options);
    init_say(f, &call);
    call.call.idempotent = false; /* it is never sent */
    start(&call);
    run_until(&f->calls, is_between, &call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_non_null(strstr(call.status.message, "refused"));
}

/* ---- What is kept of the request. ---- */

static void a_stream_of_requests_is_sent_again_from_its_beginning(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;
    Test__V1__EchoRequest second = TEST__V1__ECHO_REQUEST__INIT;

    SCRIPT(f, { .act = SCRIPT_LOSE }, ok);
    open_channel(f, quick);
    noted_call_init(&call, &f->calls, "/test.v1.Echo/Collect");
    call.call.idempotent = call.call.streaming_request = true;
    call.request.text = "first";
    second.text = "second";
    start(&call);
    client_call_send(&call.call, &second.base);
    client_call_half_close(&call.call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
    assert_int_equal(f->server.request_count, 2);
    assert_int_equal(f->server.requests[0].body_bytes, 5 + 7 + 5 + 8);
    assert_int_equal(f->server.requests[1].body_bytes, 5 + 7 + 5 + 8);
}

static void a_request_above_the_bound_is_sent_once(void **state)
{
    enum { SIZE = 10000 };
    struct fixture *f = *state;
    struct channel_options small = quick;
    uint8_t payload[SIZE] = { 0 };
    struct noted_call call;

    small.retry.buffer_bytes_max = SIZE;
    SCRIPT(f, down, ok, down, ok);
    open_channel(f, small);
    init_say(f, &call);
    call.request.payload = (ProtobufCBinaryData){ SIZE - 100, payload };
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
    init_say(f, &call);
    call.request.payload = (ProtobufCBinaryData){ SIZE, payload };
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 3);
}

/* ---- Hedging. ---- */

static const struct channel_options hedged = { .retry = { .attempts_max = 3, .hedge_ms = 20 } };

static void the_first_of_several_attempts_that_answers_counts(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT }, { .act = SCRIPT_SILENT }, ok);
    open_channel(f, hedged);
    init_say(f, &call);
    call.request.text = "the same";
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
    assert_int_equal(call.messages, 1);
    assert_int_equal(f->server.request_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->server.requests[i].previous_attempts, i > 0 ? i : -1);
        assert_int_equal(f->server.requests[i].body_bytes, 5 + 2 + 8);
    }
}

static bool others_are_cancelled(void *context)
{
    const struct fixture *f = context;

    return f->server.requests[0].cancelled && f->server.requests[1].cancelled;
}

static void the_other_attempts_are_cancelled(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, { .act = SCRIPT_SILENT }, { .act = SCRIPT_SILENT }, ok);
    open_channel(f, hedged);
    assert_int_equal(say(f), RPC_OK);
    run_until(&f->calls, others_are_cancelled, f);
}

static void one_that_answers_in_time_is_alone(void **state)
{
    struct fixture *f = *state;
    struct channel_options slow = hedged;

    slow.retry.hedge_ms = LONG_MS;
    SCRIPT(f, ok);
    open_channel(f, slow);
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(f->server.request_count, 1);
}

static void a_failure_that_may_pass_brings_the_next_attempt_forward(void **state)
{
    struct fixture *f = *state;
    struct channel_options slow = hedged;

    slow.retry.hedge_ms = LONG_MS;
    SCRIPT(f, down, down, ok);
    open_channel(f, slow);
    assert_int_equal(say(f), RPC_OK);
    assert_int_equal(f->server.request_count, 3);
}

static void a_failure_that_will_not_pass_ends_a_hedged_call(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, { .act = SCRIPT_SILENT }, { .act = SCRIPT_STATUS, .code = RPC_NOT_FOUND });
    open_channel(f, hedged);
    assert_int_equal(say(f), RPC_NOT_FOUND);
    assert_int_equal(f->server.request_count, 2);
}

static void where_all_hedges_fail_the_last_failure_is_told(void **state)
{
    struct fixture *f = *state;

    SCRIPT(f, down);
    open_channel(f, hedged);
    assert_int_equal(say(f), RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 3);
}

static void pushback_ends_hedging_but_not_what_is_under_way(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT },
           { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE, .pushback = "-1" }, ok);
    open_channel(f, hedged);
    init_say(f, &call);
    call.call.timeout_ms = 200;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->server.request_count, 2);
}

static void a_hedged_call_may_be_cancelled(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT });
    open_channel(f, hedged);
    init_say(f, &call);
    start(&call);
    wait_for_requests(f, 2);
    client_call_cancel(&call.call);
    assert_false(call.done);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_CANCELLED);
}

static void a_channel_may_be_closed_under_a_hedged_call(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT });
    open_channel(f, hedged);
    init_say(f, &call);
    start(&call);
    wait_for_requests(f, 2);
    channel_close(f->calls.channel);
    f->calls.channel = NULL;
    assert_true(call.done);
    assert_int_equal(call.status.code, RPC_CANCELLED);
}

static void close_channel(struct client_call *call, const struct rpc_status *status)
{
    struct noted_call *noted = container_of(call, struct noted_call, call);

    noted->done = true;
    noted->status = *status;
    channel_close(noted->f->channel);
    noted->f->channel = NULL;
    loop_stop(noted->f->loop);
}

/* Other attempts are still live then, and end with the channel. */
static void a_channel_may_be_closed_when_a_hedged_call_is_done(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT }, ok);
    open_channel(f, hedged);
    init_say(f, &call);
    call.call.on_done = close_channel;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_OK);
}

static void a_wait_beyond_the_deadline_ends_a_hedged_call(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE, .pushback = "3600000" }, ok);
    open_channel(f, hedged);
    init_say(f, &call);
    call.call.timeout_ms = LONG_MS / 2;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_UNAVAILABLE);
    assert_int_equal(f->server.request_count, 1);
}

static bool first_attempt_is_over(void *context)
{
    const struct fixture *f = context;

    return f->server.request_count == 1 && !link_is_linked(&f->calls.channel->ends);
}

static void between_the_attempts_of_a_hedged_call_its_channel_is_not_quiet(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_STATUS, .code = RPC_UNAVAILABLE, .pushback = "3600000" }, ok);
    open_channel(f, hedged);
    init_say(f, &call);
    start(&call);
    run_until(&f->calls, first_attempt_is_over, f);
    assert_false(call.done);
    assert_false(channel_is_quiet(f->calls.channel));
    client_call_cancel(&call.call);
    noted_call_wait(&call);
    assert_true(channel_is_quiet(f->calls.channel));
}

static void a_call_that_may_not_happen_twice_is_not_hedged(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT });
    open_channel(f, hedged);
    init_say(f, &call);
    call.call.idempotent = false;
    call.call.timeout_ms = 100;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->server.request_count, 1);
}

/* A watch: that nothing comes for a while does not say that its server is slow. */
static void a_stream_of_answers_is_not_hedged(void **state)
{
    struct fixture *f = *state;
    struct noted_call call;

    SCRIPT(f, { .act = SCRIPT_SILENT });
    open_channel(f, hedged);
    init_say(f, &call);
    call.call.single_answer = false;
    call.call.timeout_ms = 100;
    start(&call);
    noted_call_wait(&call);
    assert_int_equal(call.status.code, RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->server.request_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refused_call_is_sent_again_though_it_may_not_happen_twice),
        TEST(a_call_that_is_refused_again_is_told),
        TEST(a_call_above_goaways_last_stream_goes_to_the_next_connection),
        TEST(connections_that_close_at_once_do_not_lose_calls_silently),
        TEST(a_server_that_does_not_say_how_it_is_holds_nobody_up),
        TEST(who_says_that_it_is_well_and_closes_is_not_asked_without_a_pause),
        TEST(a_failed_call_is_tried_again_and_says_the_how_manieth_it_is),
        TEST(without_a_policy_it_is_not),
        TEST(a_call_that_may_not_happen_twice_is_not_tried_again),
        TEST(a_server_that_dies_in_mid_call_is_asked_again),
        TEST(a_proxys_503_is_tried_again),
        TEST(the_last_attempts_failure_is_the_calls),
        TEST(once_its_answer_has_begun_a_call_is_not_tried_again),
        TEST(a_server_that_asks_for_time_gets_it),
        TEST(a_server_that_wants_no_other_attempt_gets_none),
        TEST(a_wait_beyond_the_deadline_is_not_begun),
        TEST(the_deadline_holds_over_all_attempts),
        TEST(a_call_may_be_cancelled_while_it_waits),
        TEST(a_channel_may_be_closed_while_a_call_waits),
        TEST(while_most_calls_fail_none_is_tried_again),
        TEST(a_call_without_a_server_is_tried_again_when_there_is_one),
        TEST(a_stream_of_requests_is_sent_again_from_its_beginning),
        TEST(a_request_above_the_bound_is_sent_once),
        TEST(the_first_of_several_attempts_that_answers_counts),
        TEST(the_other_attempts_are_cancelled),
        TEST(one_that_answers_in_time_is_alone),
        TEST(a_failure_that_may_pass_brings_the_next_attempt_forward),
        TEST(a_failure_that_will_not_pass_ends_a_hedged_call),
        TEST(where_all_hedges_fail_the_last_failure_is_told),
        TEST(pushback_ends_hedging_but_not_what_is_under_way),
        TEST(a_hedged_call_may_be_cancelled),
        TEST(a_channel_may_be_closed_under_a_hedged_call),
        TEST(a_channel_may_be_closed_when_a_hedged_call_is_done),
        TEST(a_wait_beyond_the_deadline_ends_a_hedged_call),
        TEST(between_the_attempts_of_a_hedged_call_its_channel_is_not_quiet),
        TEST(a_call_that_may_not_happen_twice_is_not_hedged),
        TEST(a_stream_of_answers_is_not_hedged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
