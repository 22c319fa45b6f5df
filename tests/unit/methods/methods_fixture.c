#include "tests/unit/methods/methods_fixture.h"

#include "rpc/methods/method.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

enum { PATIENCE_S = 20 };

int methods_setup(void **state)
{
    struct methods_fixture *f = calloc(1, sizeof *f);
    struct queue_deps deps = { .clock = clock_real(), .random = random_real() };
    struct methods_options options = { .version = "1.2.3" };
    struct why why;

    if (f == NULL)
        return -1;
    fake_store_init(&f->store);
    deps.store = &f->store.base;
    queue_options_default(&deps.options);
    deps.options.ack_ms = 60 * 1000;     /* what goes back earlier was given back */
    if (engine_open(&deps, &f->engine, &why) != OK)
        return -1;
    options.engine = f->engine;
    f->methods = methods_new(&options);
    f->registry = rpc_registry_new();
    methods_register(f->methods, f->registry);
    f->loop = loop_new();
    if (channel_open_local(f->loop, f->registry, &f->channel) != OK ||
        loop_start(f->loop, "test") != OK)
        return -1;
    *state = f;
    return 0;
}

static bool has_streams(struct methods *methods)
{
    bool has;

    pthread_mutex_lock(&methods->lock);
    has = link_is_linked(&methods->streams);
    pthread_mutex_unlock(&methods->lock);
    return has;
}

/* Whatever calls that are over still have on its way goes to the engine and
 * comes back: loop, engine, loop, as often as the longest chain needs it. */
static void settle(struct methods_fixture *f)
{
    Sync__V1__GetServiceInfoRequest request = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;
    int64_t end_ms = loop_mono_ms() + PATIENCE_S * 1000;

    while (has_streams(f->methods) && loop_mono_ms() < end_ms)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_false(has_streams(f->methods));
    for (int i = 0; i < 4; i++)
        assert_non_null(ask(f, SYNC_PATH, GetServiceInfo, get_service_info, &request));
}

int methods_teardown(void **state)
{
    struct methods_fixture *f = *state;

    settle(f);
    engine_close(f->engine);
    loop_join(f->loop);
    channel_close(f->channel);
    loop_free(f->loop);
    methods_free(f->methods);
    rpc_registry_free(f->registry);
    fake_store_free(&f->store);
    for (size_t i = 0; i < f->kept_count; i++)
        protobuf_c_message_free_unpacked(f->kept[i], NULL);
    free(f);
    return 0;
}

static void *keep(struct methods_fixture *f, ProtobufCMessage *message)
{
    if (message == NULL)
        return NULL;
    assert_true(f->kept_count < KEPT_MAX);
    f->kept[f->kept_count++] = message;
    return message;
}

void *ask_as(struct methods_fixture *f, const char *org, const char *path,
             const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request)
{
    struct client_metadata metadata = { "orgid", bytes_of_text(org) };

    return keep(f, channel_call_wait(f->channel, path, response, request, &metadata, org != NULL,
                                     PATIENCE_S * 1000, &f->status));
}

void assert_failed(struct methods_fixture *f, enum rpc_code code, const char *field)
{
    assert_string_equal(rpc_code_name(f->status.code), rpc_code_name(code));
    assert_string_equal(f->status.violation.field, field);
    assert_true(f->status.message[0] != '\0');
    if (field[0] != '\0')
        assert_non_null(strstr(f->status.message, field));
}

struct simple_job {
    Sync__V1__QueueJobRequest request;
    Sync__V1__JobData data;
};

static void simple_job_init(struct simple_job *job, const char *name)
{
    sync__v1__queue_job_request__init(&job->request);
    sync__v1__job_data__init(&job->data);
    job->data.source = (char *)"demo";
    job->data.target = (char *)"local";
    job->request.name = (char *)(uintptr_t)name;
    job->request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    job->request.data = &job->data;
}

Sync__V1__Job *queue_job(struct methods_fixture *f, const char *name)
{
    Sync__V1__QueueJobResponse *response;
    struct simple_job job;

    simple_job_init(&job, name);
    response = ask(f, SYNC_PATH, QueueJob, queue_job, &job.request);
    assert_string_equal(f->status.message, "");
    assert_non_null(response);
    return response->job;
}

Sync__V1__Job *get_job(struct methods_fixture *f, const char *id)
{
    Sync__V1__GetJobRequest request = SYNC__V1__GET_JOB_REQUEST__INIT;
    Sync__V1__GetJobResponse *response;

    request.id = (char *)id;
    response = ask(f, SYNC_PATH, GetJob, get_job, &request);
    return response != NULL ? response->job : NULL;
}

Sync__V1__Job *await_status(struct methods_fixture *f, const char *id, Sync__V1__JobStatus status)
{
    int64_t end_ms = loop_mono_ms() + PATIENCE_S * 1000;

    for (;;) {
        Sync__V1__Job *job = get_job(f, id);

        assert_non_null(job);
        if (job->status == status)
            return job;
        assert_true(loop_mono_ms() < end_ms);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
}

Sync__V1__Job *pause_job(struct methods_fixture *f, const char *name)
{
    Sync__V1__PauseJobRequest request = SYNC__V1__PAUSE_JOB_REQUEST__INIT;
    Sync__V1__PauseJobResponse *response;

    request.name = (char *)name;
    response = ask(f, SYNC_PATH, PauseJob, pause_job, &request);
    return response != NULL ? response->job : NULL;
}

Sync__V1__LeaseJobsResponse *lease_jobs(struct methods_fixture *f, uint32_t max)
{
    Sync__V1__LeaseJobsRequest request = SYNC__V1__LEASE_JOBS_REQUEST__INIT;
    Sync__V1__WorkerInfo worker = SYNC__V1__WORKER_INFO__INIT;
    char *any[] = { (char *)"*" };

    worker.worker_id = (char *)"unary";
    worker.sources = worker.targets = any;
    worker.n_sources = worker.n_targets = 1;
    request.worker = &worker;
    request.max_jobs = max;
    return ask(f, WORKER_PATH, LeaseJobs, lease_jobs, &request);
}

void complete_lease(struct methods_fixture *f, Sync__V1__Lease *lease)
{
    Sync__V1__CompleteJobRequest request = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;

    request.lease = lease;
    assert_non_null(ask(f, WORKER_PATH, CompleteJob, complete_job, &request));
}

/* ---- Streams. ---- */

static ProtobufCMessage *copy(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = malloc(size + 1);
    ProtobufCMessage *copied;

    protobuf_c_message_pack(message, packed);
    copied = protobuf_c_message_unpack(message->descriptor, NULL, size, packed);
    free(packed);
    return copied;
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct peer *peer = container_of(call, struct peer, call);

    pthread_mutex_lock(&peer->lock);
    if (peer->count < KEPT_MAX)
        peer->messages[peer->count++] = copy(message);
    pthread_cond_signal(&peer->changed);
    pthread_mutex_unlock(&peer->lock);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct peer *peer = container_of(call, struct peer, call);

    pthread_mutex_lock(&peer->lock);
    peer->done = true;
    peer->status = *status;
    pthread_cond_signal(&peer->changed);
    pthread_mutex_unlock(&peer->lock);
}

struct errand {
    struct loop_task task;
    struct peer *peer;
    const ProtobufCMessage *message;
    void (*what)(struct peer *peer, const ProtobufCMessage *message);
    sem_t done;
};

static void run_errand(struct loop_task *task)
{
    struct errand *errand = container_of(task, struct errand, task);

    errand->what(errand->peer, errand->message);
    sem_post(&errand->done);
}

/* On the loop, where the call lives; returns when it is done. */
static void run_on_loop(struct peer *peer, const ProtobufCMessage *message,
                        void (*what)(struct peer *peer, const ProtobufCMessage *message))
{
    struct errand errand = {
        .task.run = run_errand, .peer = peer, .message = message, .what = what
    };

    sem_init(&errand.done, 0, 0);
    loop_post(peer->fixture->loop, &errand.task);
    while (sem_wait(&errand.done) != 0 && errno == EINTR)
        ;
    sem_destroy(&errand.done);
}

static void start(struct peer *peer, const ProtobufCMessage *message)
{
    peer->call.request = message;
    client_call_start(peer->fixture->channel, &peer->call);
}

void peer_open(struct methods_fixture *f, struct peer *peer, const char *path,
               const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request)
{
    *peer = (struct peer){ .fixture = f, .org = { "orgid", bytes_of_text(ORG) } };
    pthread_mutex_init(&peer->lock, NULL);
    pthread_cond_init(&peer->changed, NULL);
    peer->call.path = path;
    peer->call.response = response;
    peer->call.streaming_request = request == NULL;
    peer->call.metadata = &peer->org;
    peer->call.metadata_count = 1;
    peer->call.on_message = on_message;
    peer->call.on_done = on_done;
    run_on_loop(peer, request, start);
}

static void send(struct peer *peer, const ProtobufCMessage *message)
{
    client_call_send(&peer->call, message);
}

static void half_close(struct peer *peer, const ProtobufCMessage *message)
{
    (void)message;
    client_call_half_close(&peer->call);
}

static void cancel(struct peer *peer, const ProtobufCMessage *message)
{
    (void)message;
    client_call_cancel(&peer->call);
}

static void pause_reading(struct peer *peer, const ProtobufCMessage *message)
{
    (void)message;
    client_call_pause_reading(&peer->call);
}

static void resume_reading(struct peer *peer, const ProtobufCMessage *message)
{
    (void)message;
    client_call_resume_reading(&peer->call);
}

void open_queue_job(struct methods_fixture *f, struct peer *peer, const char *name)
{
    struct simple_job job;

    simple_job_init(&job, name);
    peer_open(f, peer, SYNC_PATH "QueueJob", &sync__v1__queue_job_response__descriptor,
              &job.request.base);
}

void hold_store(struct methods_fixture *f)
{
    pthread_mutex_lock(&f->store.lock);
}

void let_store_go(struct methods_fixture *f)
{
    pthread_mutex_unlock(&f->store.lock);
}

void peer_send(struct peer *peer, const ProtobufCMessage *message)
{
    run_on_loop(peer, message, send);
}

void peer_half_close(struct peer *peer)
{
    run_on_loop(peer, NULL, half_close);
}

void peer_cancel(struct peer *peer)
{
    run_on_loop(peer, NULL, cancel);
}

void peer_pause_reading(struct peer *peer)
{
    run_on_loop(peer, NULL, pause_reading);
}

void peer_resume_reading(struct peer *peer)
{
    run_on_loop(peer, NULL, resume_reading);
}

static bool has_message(const struct peer *peer)
{
    return peer->taken < peer->count;
}

static bool is_done(const struct peer *peer)
{
    return peer->done;
}

static bool wait_for(struct peer *peer, bool (*holds)(const struct peer *peer))
{
    struct timespec until;
    int result = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (!holds(peer) && !peer->done && result == 0)
        result = pthread_cond_timedwait(&peer->changed, &peer->lock, &until);
    return holds(peer);
}

void *peer_next(struct peer *peer)
{
    ProtobufCMessage *message = NULL;

    pthread_mutex_lock(&peer->lock);
    if (wait_for(peer, has_message))
        message = peer->messages[peer->taken++];
    pthread_mutex_unlock(&peer->lock);
    if (message == NULL)
        print_error("the stream ended or was silent: %s\n", peer->status.message);
    assert_non_null(message);
    return keep(peer->fixture, message);
}

enum rpc_code peer_end(struct peer *peer)
{
    bool done;

    pthread_mutex_lock(&peer->lock);
    done = wait_for(peer, is_done);
    pthread_mutex_unlock(&peer->lock);
    assert_true(done);
    return peer->status.code;
}

void peer_close(struct peer *peer)
{
    assert_true(peer->done);
    while (peer->taken < peer->count)
        protobuf_c_message_free_unpacked(peer->messages[peer->taken++], NULL);
    pthread_mutex_destroy(&peer->lock);
    pthread_cond_destroy(&peer->changed);
}
