#include "rpc/methods/message_text.h"
#include "rpc/methods/work.h"

#include "core/limits.h"

#include <assert.h>

/* Work: the life of the stream, from hello to the last thing that comes back.
 * Leases, reports and directives have files of their own. */

enum { WORKER_BYTES_MAX = 256 << 10, HEARTBEATS_PER_LEASE = 3 };

void work_pace_reading(struct work *work)
{
    bool pause = work->state == WORK_JOINING || work->blocked ||
                 work->reports >= WORK_REPORTS_MAX || work->report_bytes >= WORK_REPORT_BYTES_MAX;

    if (pause == work->reading_paused)
        return;
    work->reading_paused = pause;
    if (pause)
        call_pause_reading(work->call);
    else
        call_resume_reading(work->call);
}

void work_send(struct work *work, const Sync__V1__WorkResponse *response)
{
    if (call_is_over(work->call) || call_send(work->call, &response->base))
        return;
    work->blocked = true;
    work_pace_reading(work);
}

static void post_leave(struct work *work)
{
    work->state = WORK_LEAVING;
    engine_post(work->methods->engine, &work->leave.base);
}

void work_close(struct work *work)
{
    work->closing = true;
    loop_timer_stop(call_loop(work->call), &work->lease_again);
    if (work->state == WORK_OPEN)
        post_leave(work);
}

static void end(struct work *work)
{
    struct rpc_call *call = work->call;

    work->ended = true;
    open_stream_remove(work->methods, &work->open);
    work_report_free_all(work);
    work_push_destroy(work);
    arena_free(work->lease_mem);
    arena_free(work->mem);
    call_finish(call);
    call_release(call);
}

static bool is_drained(const struct work *work)
{
    return work->state == WORK_OPEN && !work->closing && work->draining && !work->leasing &&
           work->reports == 0 && work->held == 0;
}

void work_came_back(struct work *work)
{
    struct rpc_status status;

    if (is_drained(work)) {
        rpc_status_set(&status, RPC_UNAVAILABLE, "the server is draining: connect again later");
        call_fail(work->call, &status);
        work_close(work);
    }
    if (work->closing && !work->ended && !work->leasing && work->reports == 0 &&
        (work->state == WORK_NEW || work->state == WORK_LEFT))
        end(work);
}

/* The rules were broken: the call ends at once, the worker leaves. */
static void refuse(struct work *work, enum err e, const struct why *why)
{
    call_fail_err(work->call, e, why);
    work_close(work);
    work_came_back(work);
}

static void send_welcome(struct work *work)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__WorkWelcome welcome = SYNC__V1__WORK_WELCOME__INIT;
    struct builder builder = { .mem = work->mem };

    welcome.worker_id = build_text(&builder, work->worker.id);
    welcome.lease_ttl = build_duration(&builder, work->lease.lease_ttl_ms);
    welcome.heartbeat_interval =
        build_duration(&builder, work->lease.lease_ttl_ms / HEARTBEATS_PER_LEASE);
    assert(!builder.full);
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_WELCOME;
    response.welcome = &welcome;
    work_send(work, &response);
}

static void send_drain(struct work *work)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__LeaseDirective directive = SYNC__V1__LEASE_DIRECTIVE__INIT;

    directive.directive = SYNC__V1__DIRECTIVE__DIRECTIVE_DRAIN;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE;
    response.directive = &directive;
    work_send(work, &response);
}

static void join_done(struct request *req, enum err e)
{
    struct work *work = container_of(req, struct work, join.base);

    assert(e == OK);
    (void)e;
    work->held = work->worker.held; /* the loop looks at it once OPEN */
    call_post(work->call, &work->joined);
}

static void joined(struct loop_task *task)
{
    struct work *work = container_of(task, struct work, joined);

    work->state = WORK_OPEN;
    if (work->closing) {
        post_leave(work);
        return;
    }
    send_welcome(work);
    work_push_send(work);
    if (work->draining)
        send_drain(work);
    work_pace_reading(work);
    work_came_back(work);
}

static void leave_done(struct request *req, enum err e)
{
    struct work *work = container_of(req, struct work, leave.base);

    (void)e;
    call_post(work->call, &work->left);
}

static void left(struct loop_task *task)
{
    struct work *work = container_of(task, struct work, left);

    work->state = WORK_LEFT;
    work_came_back(work);
}

static enum err read_lease_ttl(struct work *work, const Google__Protobuf__Duration *ttl,
                               struct why *why)
{
    enum err e = read_duration(ttl, "leaseTtl", LEASE_TTL_MS_MAX, &work->lease.lease_ttl_ms, why);

    if (e != OK)
        return e;
    if (work->lease.lease_ttl_ms == 0)
        work->lease.lease_ttl_ms = work->methods->lease_ttl_ms;
    if (work->lease.lease_ttl_ms < LEASE_TTL_MS_MIN)
        return refuse_field(why, "leaseTtl", "must be at least %d seconds",
                            LEASE_TTL_MS_MIN / 1000);
    return OK;
}

/* Nothing more is read until the worker is welcome. */
static void take_hello(struct work *work, const Sync__V1__WorkHello *hello)
{
    struct why why;
    enum err e = report_worker(hello->worker, work->mem, &work->worker, &why);

    if (e == OK)
        e = read_lease_ttl(work, hello->lease_ttl, &why);
    if (e != OK) {
        refuse(work, e, &why);
        return;
    }
    work->state = WORK_JOINING;
    work_pace_reading(work);
    engine_post(work->methods->engine, &work->join.base);
}

static void take_ready(struct work *work, const Sync__V1__WorkReady *ready)
{
    uint32_t room = WORK_CREDIT_MAX - work->credit;

    work->credit += ready->slots < room ? ready->slots : room;
    work_lease_more(work);
}

static void refuse_message(struct work *work, const char *text)
{
    struct why why;

    refuse(work, err_because(&why, ERR_INVALID, "%s", text), &why);
}

static void on_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    struct work *work = call_tag(call);
    const Sync__V1__WorkRequest *request = (const void *)message;
    bool is_hello = request->message_case == SYNC__V1__WORK_REQUEST__MESSAGE_HELLO;
    struct why why;
    enum err e;

    if (work->closing)
        return;
    e = message_check_text(message, &why);
    if (e != OK)
        refuse(work, e, &why);
    else if (is_hello != (work->state == WORK_NEW))
        refuse_message(work,
                       is_hello ? "hello was said already" : "the first message must be hello");
    else if (is_hello)
        take_hello(work, request->hello);
    else if (request->message_case == SYNC__V1__WORK_REQUEST__MESSAGE__NOT_SET)
        refuse_message(work, "a message on this stream says nothing that this server knows");
    else if (request->message_case == SYNC__V1__WORK_REQUEST__MESSAGE_READY)
        take_ready(work, request->ready);
    else
        work_report(work, request);
}

/* The worker has said all; it still gets its answers. */
static void on_half_close(struct rpc_call *call)
{
    struct work *work = call_tag(call);

    work_close(work);
    work_came_back(work);
}

static void on_over(struct rpc_call *call)
{
    struct work *work = call_tag(call);

    if (work->ended)
        return;
    work_close(work);
    work_came_back(work);
}

static void on_writable(struct rpc_call *call)
{
    struct work *work = call_tag(call);

    if (work->ended)
        return;
    work->blocked = false;
    work_pace_reading(work);
    work_lease_more(work);
}

static void drain(struct open_stream *open)
{
    struct work *work = container_of(open, struct work, open);

    if (work->ended || work->closing || call_is_over(work->call))
        return;
    work->draining = true;
    if (work->state == WORK_OPEN)
        send_drain(work);
    work_came_back(work);
}

static bool init(struct work *work, struct rpc_call *call, struct methods *methods)
{
    work->call = call;
    work->methods = methods;
    work->open = (struct open_stream){ .call = call, .drain = drain };
    work->mem = arena_new(WORKER_BYTES_MAX);
    work->join.worker = work->leave.worker = &work->worker;
    work->join.base.verb = QUEUE_JOIN;
    work->join.base.done = join_done;
    work->leave.base.verb = QUEUE_LEAVE;
    work->leave.base.done = leave_done;
    work->joined.run = joined;
    work->left.run = left;
    work_lease_init(work);
    if (work->mem == NULL || work->lease_mem == NULL || !work_push_init(work)) {
        arena_free(work->lease_mem);
        arena_free(work->mem);
        return false;
    }
    return true;
}

METHOD_START(work)
{
    struct work *work = arena_alloc(call_arena(call), sizeof *work);

    (void)request; /* a stream of them follows */
    if (work == NULL || !init(work, call, context)) {
        method_fail_full(call);
        return;
    }
    call_hold(call);
    call_set_tag(call, work);
    call_on_message(call, on_message);
    call_on_half_close(call, on_half_close);
    call_on_over(call, on_over);
    call_on_writable(call, on_writable);
    open_stream_add(work->methods, &work->open);
}
