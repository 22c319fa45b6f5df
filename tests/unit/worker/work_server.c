#include "tests/unit/worker/work_server.h"

#include "core/base/list.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

static struct work_server *server_of(struct rpc_call *call)
{
    return call_tag(call);
}

static void send_response(struct rpc_call *call, Sync__V1__WorkResponse *response)
{
    (void)call_send(call, &response->base);
}

static void send_welcome(struct rpc_call *call)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__WorkWelcome welcome = SYNC__V1__WORK_WELCOME__INIT;
    Google__Protobuf__Duration interval = GOOGLE__PROTOBUF__DURATION__INIT;

    interval.nanos = 100 * 1000 * 1000;
    welcome.heartbeat_interval = &interval;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_WELCOME;
    response.welcome = &welcome;
    send_response(call, &response);
}

static void push_job(struct work_server *server, struct rpc_call *call)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__WorkAssignments assignments = SYNC__V1__WORK_ASSIGNMENTS__INIT;
    Sync__V1__JobAssignment job = SYNC__V1__JOB_ASSIGNMENT__INIT, *jobs = &job;
    Sync__V1__Lease lease = SYNC__V1__LEASE__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    Google__Protobuf__Duration ttl = GOOGLE__PROTOBUF__DURATION__INIT;
    char id[32];

    snprintf(id, sizeof id, "job_%u", ++server->job_number);
    lease.job_id = id;
    lease.epoch = 1;
    data.source = (char *)(uintptr_t) "demo";
    data.target = (char *)(uintptr_t) "local";
    data.json = (char *)(uintptr_t)server->push_data;
    ttl.seconds = 60;
    job.lease = &lease;
    job.org_id = (char *)(uintptr_t) "acme";
    job.name = (char *)(uintptr_t) "nightly";
    job.data = &data;
    job.generation = 1;
    job.lease_ttl = &ttl;
    assignments.jobs = &jobs;
    assignments.n_jobs = 1;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_ASSIGNMENTS;
    response.assignments = &assignments;
    server->push_data = NULL;
    server->slots--;
    send_response(call, &response);
}

static void answer_heartbeat(struct work_server *server, struct rpc_call *call,
                             const Sync__V1__WorkRequest *request)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__HeartbeatResponse heartbeat = SYNC__V1__HEARTBEAT_RESPONSE__INIT;

    server->heartbeats++;
    if (server->lose) {
        heartbeat.lost = request->heartbeat->leases;
        heartbeat.n_lost = request->heartbeat->n_leases;
    }
    response.id = request->id;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_HEARTBEAT;
    response.heartbeat = &heartbeat;
    send_response(call, &response);
}

static void answer_report(struct work_server *server, struct rpc_call *call, uint64_t id)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__WorkResult result = SYNC__V1__WORK_RESULT__INIT;

    if (server->mute)
        return;
    result.directive = server->directive;
    response.id = id;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_RESULT;
    response.result = &result;
    send_response(call, &response);
}

static void see_hello(struct work_server *server, struct rpc_call *call,
                      const Sync__V1__WorkHello *hello)
{
    server->hellos++;
    server->slots = 0;
    snprintf(server->worker_id, sizeof server->worker_id, "%s", hello->worker->worker_id);
    send_welcome(call);
}

static void see(struct work_server *server, struct rpc_call *call,
                const Sync__V1__WorkRequest *request)
{
    switch (request->message_case) {
    case SYNC__V1__WORK_REQUEST__MESSAGE_HELLO:
        see_hello(server, call, request->hello);
        return;
    case SYNC__V1__WORK_REQUEST__MESSAGE_READY:
        server->slots += request->ready->slots;
        return;
    case SYNC__V1__WORK_REQUEST__MESSAGE_ACK:
        server->acks += (unsigned)request->ack->n_leases;
        return;
    case SYNC__V1__WORK_REQUEST__MESSAGE_HEARTBEAT:
        answer_heartbeat(server, call, request);
        return;
    case SYNC__V1__WORK_REQUEST__MESSAGE_PROGRESS:
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_CHECKPOINT:
        server->checkpoints++;
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_COMPLETE:
        server->completes++;
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_RELEASE:
        server->releases++;
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_FAIL:
    case SYNC__V1__WORK_REQUEST__MESSAGE__NOT_SET:
    case _SYNC__V1__WORK_REQUEST__MESSAGE__CASE_IS_INT_SIZE:
        assert(false && "nothing here fails");
    }
    answer_report(server, call, request->id);
}

static void on_message(struct rpc_call *call, const ProtobufCMessage *message)
{
    struct work_server *server = server_of(call);

    pthread_mutex_lock(&server->lock);
    see(server, call, (const Sync__V1__WorkRequest *)message);
    if (server->push_data != NULL && server->slots > 0)
        push_job(server, call);
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void on_over(struct rpc_call *call)
{
    struct work_server *server = server_of(call);

    pthread_mutex_lock(&server->lock);
    if (server->call == call)
        server->call = NULL;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    call_release(call);
}

static void on_half_close(struct rpc_call *call)
{
    call_finish(call);
}

static void start_work(struct rpc_call *call, void *context, const ProtobufCMessage *request)
{
    struct work_server *server = context;

    (void)request;
    pthread_mutex_lock(&server->lock);
    server->call = call_hold(call);
    pthread_mutex_unlock(&server->lock);
    call_set_tag(call, server);
    call_on_message(call, on_message);
    call_on_half_close(call, on_half_close);
    call_on_over(call, on_over);
}

void work_server_open(struct work_server *server)
{
    struct rpc_server_options options = { .address = "127.0.0.1:0" };
    struct why why;

    server->directive = SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->method = (struct rpc_method){ .name = "Work",
                                          .kind = RPC_BIDI,
                                          .request = &sync__v1__work_request__descriptor,
                                          .response = &sync__v1__work_response__descriptor,
                                          .start = start_work };
    server->service = (struct rpc_service){ .name = "sync.v1.WorkerService",
                                            .methods = &server->method,
                                            .method_count = 1,
                                            .context = server };
    server->registry = rpc_registry_new();
    rpc_registry_add(server->registry, &server->service);
    options.registry = server->registry;
    if (rpc_server_open(&options, &server->server, &why) != OK)
        fail_msg("%s", why.text);
}

void work_server_close(struct work_server *server)
{
    rpc_server_close(server->server, 1000);
    rpc_registry_free(server->registry);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
}

struct errand {
    struct loop_task task;
    struct work_server *server;
    struct rpc_call *call;
    bool break_it;
};

static void run_errand(struct loop_task *task)
{
    struct errand *errand = container_of(task, struct errand, task);
    struct work_server *server = errand->server;
    struct rpc_status status;

    if (errand->break_it) {
        rpc_status_set(&status, RPC_UNAVAILABLE, "the server dies");
        call_fail(errand->call, &status);
    } else {
        pthread_mutex_lock(&server->lock);
        if (server->push_data != NULL && server->slots > 0)
            push_job(server, errand->call);
        pthread_mutex_unlock(&server->lock);
    }
    call_release(errand->call);
    free(errand);
}

/* On the stream's own thread; nothing if there is no stream. */
static void post_errand(struct work_server *server, bool break_it)
{
    struct errand *errand = calloc(1, sizeof *errand);

    pthread_mutex_lock(&server->lock);
    if (server->call != NULL) {
        *errand = (struct errand){ .task.run = run_errand,
                                   .server = server,
                                   .call = call_hold(server->call),
                                   .break_it = break_it };
        call_post(errand->call, &errand->task);
        errand = NULL;
    }
    pthread_mutex_unlock(&server->lock);
    free(errand);
}

void work_server_push(struct work_server *server, const char *data)
{
    pthread_mutex_lock(&server->lock);
    server->push_data = data;
    pthread_mutex_unlock(&server->lock);
    post_errand(server, false);
}

void work_server_break(struct work_server *server)
{
    post_errand(server, true);
}

void work_server_wait(struct work_server *server, const unsigned *counter, unsigned number)
{
    struct timespec until;
    bool reached;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&server->lock);
    while (*counter < number &&
           pthread_cond_timedwait(&server->changed, &server->lock, &until) == 0)
        continue;
    reached = *counter >= number;
    pthread_mutex_unlock(&server->lock);
    assert_true(reached);
}
