#include "tests/unit/methods/methods_fixture.h"

#include <stdio.h>
#include <string.h>

/* The Work stream, from hello to the last answer. */

static void open_stream(struct methods_fixture *f, struct peer *peer)
{
    peer_open(f, peer, WORKER_PATH "Work", &sync__v1__work_response__descriptor, NULL);
}

static void say_hello(struct peer *peer, const char *id)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkHello hello = SYNC__V1__WORK_HELLO__INIT;
    Sync__V1__WorkerInfo worker = SYNC__V1__WORKER_INFO__INIT;
    char *any[] = { (char *)"*" };

    worker.worker_id = (char *)id;
    worker.sources = worker.targets = any;
    worker.n_sources = worker.n_targets = 1;
    worker.slots = 4;
    hello.worker = &worker;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_HELLO;
    request.hello = &hello;
    peer_send(peer, &request.base);
}

static void say_ready(struct peer *peer, uint32_t slots)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkReady ready = SYNC__V1__WORK_READY__INIT;

    ready.slots = slots;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_READY;
    request.ready = &ready;
    peer_send(peer, &request.base);
}

static Sync__V1__WorkResponse *next(struct peer *peer, Sync__V1__WorkResponse__MessageCase what)
{
    Sync__V1__WorkResponse *response = peer_next(peer);

    assert_int_equal(response->message_case, what);
    return response;
}

static void connect_worker(struct methods_fixture *f, struct peer *peer, uint32_t slots)
{
    open_stream(f, peer);
    say_hello(peer, "w1");
    next(peer, SYNC__V1__WORK_RESPONSE__MESSAGE_WELCOME);
    if (slots > 0)
        say_ready(peer, slots);
}

static Sync__V1__Lease *next_lease(struct peer *peer)
{
    Sync__V1__WorkResponse *response = next(peer, SYNC__V1__WORK_RESPONSE__MESSAGE_ASSIGNMENTS);

    assert_int_equal(response->assignments->n_jobs, 1);
    return response->assignments->jobs[0]->lease;
}

static void say_ack(struct peer *peer, Sync__V1__Lease *lease, uint64_t id)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkAck ack = SYNC__V1__WORK_ACK__INIT;

    ack.leases = &lease;
    ack.n_leases = 1;
    request.id = id;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_ACK;
    request.ack = &ack;
    peer_send(peer, &request.base);
}

static void say_progress(struct peer *peer, Sync__V1__Lease *lease, uint64_t done, uint64_t id)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__ReportProgressRequest progress = SYNC__V1__REPORT_PROGRESS_REQUEST__INIT;
    Sync__V1__EntityProgress entity = SYNC__V1__ENTITY_PROGRESS__INIT;
    Sync__V1__EntityProgress *entities[] = { &entity };

    entity.entity = (char *)"products";
    entity.done = done;
    progress.lease = lease;
    progress.entities = entities;
    progress.n_entities = 1;
    request.id = id;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_PROGRESS;
    request.progress = &progress;
    peer_send(peer, &request.base);
}

static void say_checkpoint(struct peer *peer, Sync__V1__Lease *lease, const char *place,
                           uint64_t id)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__SaveCheckpointRequest save = SYNC__V1__SAVE_CHECKPOINT_REQUEST__INIT;

    save.lease = lease;
    save.checkpoint = (ProtobufCBinaryData){ strlen(place), (uint8_t *)(uintptr_t)place };
    request.id = id;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_CHECKPOINT;
    request.checkpoint = &save;
    peer_send(peer, &request.base);
}

static void say_complete(struct peer *peer, Sync__V1__Lease *lease, uint64_t id)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__CompleteJobRequest completed = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;

    completed.lease = lease;
    request.id = id;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_COMPLETE;
    request.complete = &completed;
    peer_send(peer, &request.base);
}

static void say_release(struct peer *peer, Sync__V1__Lease *lease, uint64_t id)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__ReleaseJobRequest release = SYNC__V1__RELEASE_JOB_REQUEST__INIT;

    release.lease = lease;
    request.id = id;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_RELEASE;
    request.release = &release;
    peer_send(peer, &request.base);
}

static Sync__V1__WorkResult *next_result(struct peer *peer, uint64_t id)
{
    Sync__V1__WorkResponse *response = next(peer, SYNC__V1__WORK_RESPONSE__MESSAGE_RESULT);

    assert_int_equal(response->id, id);
    return response->result;
}

static void finish(struct peer *peer)
{
    peer_half_close(peer);
    assert_int_equal(peer_end(peer), RPC_OK);
    peer_close(peer);
}

static void a_worker_is_welcomed_with_its_terms(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WorkResponse *response;
    struct peer peer;

    open_stream(f, &peer);
    say_hello(&peer, "");
    response = next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_WELCOME);
    assert_memory_equal(response->welcome->worker_id, "worker-", 7);
    assert_int_equal(response->welcome->lease_ttl->seconds, 60);
    assert_int_equal(response->welcome->heartbeat_interval->seconds, 20);
    finish(&peer);
}

static void a_job_goes_down_the_stream_and_its_reports_come_up(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WorkResponse *acked;
    Sync__V1__Lease *lease;
    struct peer peer;
    Sync__V1__Job *job;

    connect_worker(f, &peer, 1);
    job = queue_job(f, "orders");
    lease = next_lease(&peer);
    assert_string_equal(lease->job_id, job->id);
    say_ack(&peer, lease, 7);
    acked = next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_HEARTBEAT);
    assert_int_equal(acked->id, 7);
    assert_int_equal(acked->heartbeat->n_directives, 1);
    say_progress(&peer, lease, 10, 8);
    say_checkpoint(&peer, lease, "after 10", 9);
    say_complete(&peer, lease, 10);
    assert_int_equal(next_result(&peer, 8)->directive, SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE);
    assert_int_equal(next_result(&peer, 9)->code, RPC_OK);
    assert_int_equal(next_result(&peer, 10)->code, RPC_OK);
    job = get_job(f, job->id);
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED);
    assert_int_equal(job->entities[0]->done, 10);
    finish(&peer);
}

static void no_more_jobs_come_than_there_is_credit_for(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Lease *first, *second;
    struct peer peer;

    queue_job(f, "a");
    queue_job(f, "b");
    queue_job(f, "c");
    connect_worker(f, &peer, 1);
    first = next_lease(&peer);
    say_complete(&peer, first, 1);
    assert_int_equal(next_result(&peer, 1)->code, RPC_OK); /* and no assignment before it */
    say_ready(&peer, 1);
    second = next_lease(&peer);
    assert_string_not_equal(first->job_id, second->job_id);
    finish(&peer);
}

static void a_pause_reaches_the_worker_at_once(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WorkResponse *response;
    Sync__V1__Lease *lease;
    struct peer peer;
    Sync__V1__Job *job;

    connect_worker(f, &peer, 1);
    job = queue_job(f, "orders");
    lease = next_lease(&peer);
    say_ack(&peer, lease, 0);
    job = pause_job(f, "orders");
    assert_int_equal(job->state, SYNC__V1__JOB_STATE__JOB_STATE_PAUSING);
    response = next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE);
    assert_int_equal(response->id, 0);
    assert_string_equal(response->directive->lease->job_id, job->id);
    assert_int_equal(response->directive->lease->epoch, lease->epoch);
    assert_int_equal(response->directive->directive, SYNC__V1__DIRECTIVE__DIRECTIVE_PAUSE);
    say_checkpoint(&peer, lease, "here", 1);
    assert_int_equal(next_result(&peer, 1)->directive, SYNC__V1__DIRECTIVE__DIRECTIVE_PAUSE);
    say_release(&peer, lease, 2);
    assert_int_equal(next_result(&peer, 2)->code, RPC_OK);
    job = get_job(f, job->id);
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    assert_int_equal(job->state, SYNC__V1__JOB_STATE__JOB_STATE_UNSPECIFIED);
    finish(&peer);
}

static void a_worker_that_comes_back_goes_on_under_the_same_epoch(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Lease *lease;
    struct peer peer, again;
    Sync__V1__Job *job;

    connect_worker(f, &peer, 1);
    job = queue_job(f, "orders");
    lease = next_lease(&peer);
    say_progress(&peer, lease, 1, 1);
    next_result(&peer, 1);
    peer_cancel(&peer);
    assert_int_equal(peer_end(&peer), RPC_CANCELLED);
    peer_close(&peer);
    assert_int_equal(get_job(f, job->id)->status, SYNC__V1__JOB_STATUS__JOB_STATUS_ACTIVE);

    connect_worker(f, &again, 0);
    pause_job(f, "orders");
    next(&again, SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE);
    say_complete(&again, lease, 2);
    assert_int_equal(next_result(&again, 2)->code, RPC_OK);
    assert_int_equal(get_job(f, job->id)->status, SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED);
    finish(&again);
}

/* Not after the time in which a push must be acknowledged: that is a minute here. */
static void a_job_meant_for_a_worker_that_is_gone_goes_to_the_next_at_once(void **state)
{
    struct methods_fixture *f = *state;
    struct peer gone, next_one, user;

    connect_worker(f, &gone, 1);
    hold_store(f);
    open_queue_job(f, &user, "orders");
    peer_cancel(&gone);
    let_store_go(f);
    assert_int_equal(peer_end(&gone), RPC_CANCELLED);
    assert_int_equal(peer_end(&user), RPC_OK);
    connect_worker(f, &next_one, 1);
    next_lease(&next_one);
    finish(&next_one);
    peer_close(&gone);
    peer_close(&user);
}

static void a_wrong_report_is_answered_and_the_stream_goes_on(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Lease wrong = SYNC__V1__LEASE__INIT;
    struct peer peer;
    char id[RUN_ID_TEXT_SIZE];

    connect_worker(f, &peer, 0);
    say_complete(&peer, NULL, 1);
    assert_int_equal(next_result(&peer, 1)->code, RPC_INVALID_ARGUMENT);
    run_id_write(4711, id);
    wrong.job_id = id;
    wrong.epoch = 1;
    say_complete(&peer, &wrong, 2);
    assert_int_equal(next_result(&peer, 2)->code, RPC_ABORTED);
    finish(&peer);
}

static void a_heartbeat_names_what_is_lost(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__HeartbeatRequest heartbeat = SYNC__V1__HEARTBEAT_REQUEST__INIT;
    Sync__V1__Lease lost = SYNC__V1__LEASE__INIT;
    Sync__V1__Lease *leases[2] = { NULL, &lost };
    Sync__V1__WorkResponse *response;
    char id[RUN_ID_TEXT_SIZE];
    struct peer peer;

    run_id_write(4711, id);
    lost.job_id = id;
    lost.epoch = 3;
    queue_job(f, "orders");
    connect_worker(f, &peer, 1);
    leases[0] = next_lease(&peer);
    heartbeat.leases = leases;
    heartbeat.n_leases = 2;
    request.id = 5;
    request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_HEARTBEAT;
    request.heartbeat = &heartbeat;
    peer_send(&peer, &request.base);
    response = next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_HEARTBEAT);
    assert_int_equal(response->id, 5);
    assert_int_equal(response->heartbeat->n_directives, 1);
    assert_int_equal(response->heartbeat->n_lost, 1);
    assert_string_equal(response->heartbeat->lost[0]->job_id, id);
    finish(&peer);
}

static void the_rules_of_the_conversation_are_kept(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WorkRequest nothing = SYNC__V1__WORK_REQUEST__INIT;
    struct peer peer;

    open_stream(f, &peer);
    say_ready(&peer, 1);
    assert_int_equal(peer_end(&peer), RPC_INVALID_ARGUMENT);
    peer_close(&peer);

    connect_worker(f, &peer, 0);
    say_hello(&peer, "w1");
    assert_int_equal(peer_end(&peer), RPC_INVALID_ARGUMENT);
    peer_close(&peer);

    connect_worker(f, &peer, 0);
    peer_send(&peer, &nothing.base);
    assert_int_equal(peer_end(&peer), RPC_INVALID_ARGUMENT);
    peer_close(&peer);

    open_stream(f, &peer);
    say_hello(&peer, "\xc3(");
    assert_int_equal(peer_end(&peer), RPC_INVALID_ARGUMENT);
    assert_string_equal(peer.status.violation.field, "hello.worker.workerId");
    peer_close(&peer);
}

static void many_reports_at_once_are_all_answered_in_order(void **state)
{
    enum { REPORTS = 1000 };
    struct methods_fixture *f = *state;
    Sync__V1__Lease *lease;
    struct peer peer;

    queue_job(f, "orders");
    connect_worker(f, &peer, 1);
    lease = next_lease(&peer);
    for (uint64_t i = 1; i <= REPORTS; i++)
        say_progress(&peer, lease, i, i);
    for (uint64_t i = 1; i <= REPORTS; i++)
        assert_int_equal(next_result(&peer, i)->code, RPC_OK);
    finish(&peer);
}

static void a_hundred_jobs_are_worked_off_with_four_slots(void **state)
{
    enum { JOBS = 100, SLOTS = 4 };
    struct methods_fixture *f = *state;
    Sync__V1__GetOrgInfoRequest request = SYNC__V1__GET_ORG_INFO_REQUEST__INIT;
    Sync__V1__GetOrgInfoResponse *info;
    uint64_t sent = 0, answered = 0;
    struct peer peer;
    char name[32];

    for (int i = 0; i < JOBS; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        queue_job(f, name);
    }
    connect_worker(f, &peer, SLOTS);
    while (answered < JOBS) {
        Sync__V1__WorkResponse *response = peer_next(&peer);

        if (response->message_case == SYNC__V1__WORK_RESPONSE__MESSAGE_RESULT) {
            assert_int_equal(response->result->code, RPC_OK);
            answered++;
            say_ready(&peer, 1);
            continue;
        }
        assert_int_equal(response->message_case, SYNC__V1__WORK_RESPONSE__MESSAGE_ASSIGNMENTS);
        for (size_t i = 0; i < response->assignments->n_jobs; i++)
            say_complete(&peer, response->assignments->jobs[i]->lease, ++sent);
    }
    assert_int_equal(sent, JOBS);
    info = ask(f, SYNC_PATH, GetOrgInfo, get_org_info, &request);
    assert_int_equal(info->sync_status->completed_jobs, JOBS);
    finish(&peer);
}

/* Seven times 600 KB do not fit into one message of 4 MiB, nor into the send
 * bound: the worker reads nothing until all are queued. */
static void large_jobs_come_in_several_messages_at_the_readers_pace(void **state)
{
    enum { JOBS = 7, BYTES = 600 * 1000 };
    struct methods_fixture *f = *state;
    Sync__V1__QueueJobRequest queue = SYNC__V1__QUEUE_JOB_REQUEST__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    static char json[BYTES + 1];
    struct peer peer;
    char name[32];
    size_t seen = 0;

    memset(json, ' ', BYTES);
    json[0] = '{';
    json[BYTES - 1] = '}';
    data.source = (char *)"demo";
    data.target = (char *)"local";
    data.json = json;
    queue.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    queue.data = &data;
    queue.name = name;
    connect_worker(f, &peer, 0);
    peer_pause_reading(&peer);
    for (int i = 0; i < JOBS; i++) {
        snprintf(name, sizeof name, "large-%d", i);
        assert_non_null(ask(f, SYNC_PATH, QueueJob, queue_job, &queue));
    }
    say_ready(&peer, JOBS);
    peer_resume_reading(&peer);
    while (seen < JOBS) {
        Sync__V1__WorkResponse *response =
            next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_ASSIGNMENTS);

        for (size_t i = 0; i < response->assignments->n_jobs; i++)
            say_ack(&peer, response->assignments->jobs[i]->lease, 0);
        seen += response->assignments->n_jobs;
    }
    assert_int_equal(seen, JOBS);
    finish(&peer);
}

static void an_idle_worker_is_sent_away_when_the_server_drains(void **state)
{
    struct methods_fixture *f = *state;
    struct peer peer;

    connect_worker(f, &peer, 2);
    methods_drain(f->methods);
    next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE);
    assert_int_equal(peer_end(&peer), RPC_UNAVAILABLE);
    peer_close(&peer);
}

static void a_busy_worker_may_let_go_before_the_server_drains(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WorkResponse *response;
    Sync__V1__Lease *lease;
    struct peer peer;
    bool for_all = false, for_one = false;

    queue_job(f, "orders");
    connect_worker(f, &peer, 2);
    lease = next_lease(&peer);
    say_ack(&peer, lease, 1);
    next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_HEARTBEAT);
    methods_drain(f->methods);
    for (int i = 0; i < 2; i++) {
        response = next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE);
        assert_int_equal(response->directive->directive, SYNC__V1__DIRECTIVE__DIRECTIVE_DRAIN);
        for_all |= response->directive->lease == NULL;
        for_one |= response->directive->lease != NULL;
    }
    assert_true(for_all && for_one);
    say_release(&peer, lease, 2);
    assert_int_equal(next_result(&peer, 2)->code, RPC_OK);
    assert_int_equal(peer_end(&peer), RPC_UNAVAILABLE);
    peer_close(&peer);
    assert_int_equal(get_job(f, lease->job_id)->status, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);

    open_stream(f, &peer); /* who comes too late is told so, too */
    say_hello(&peer, "w2");
    next(&peer, SYNC__V1__WORK_RESPONSE__MESSAGE_WELCOME);
    assert_int_equal(peer_end(&peer), RPC_UNAVAILABLE);
    peer_close(&peer);
}

/* Or the server could not stop before its minute is over. */
static void a_pause_that_waits_is_answered_when_the_server_drains(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__PauseJobRequest request = SYNC__V1__PAUSE_JOB_REQUEST__INIT;
    Google__Protobuf__Duration minute = GOOGLE__PROTOBUF__DURATION__INIT;
    Sync__V1__PauseJobResponse *response;
    struct peer worker, user;
    Sync__V1__Lease *lease;

    queue_job(f, "orders");
    connect_worker(f, &worker, 1);
    lease = next_lease(&worker);
    minute.seconds = 60;
    request.name = (char *)"orders";
    request.wait = &minute;
    peer_open(f, &user, SYNC_PATH "PauseJob", &sync__v1__pause_job_response__descriptor,
              &request.base);
    next(&worker, SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE);
    methods_drain(f->methods);
    response = peer_next(&user);
    assert_int_equal(response->job->state, SYNC__V1__JOB_STATE__JOB_STATE_PAUSING);
    assert_int_equal(peer_end(&user), RPC_OK);
    peer_close(&user);

    next(&worker, SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE);
    say_release(&worker, lease, 1);
    assert_int_equal(next_result(&worker, 1)->code, RPC_OK);
    assert_int_equal(peer_end(&worker), RPC_UNAVAILABLE);
    peer_close(&worker);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, methods_setup, methods_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_is_welcomed_with_its_terms),
        TEST(a_job_goes_down_the_stream_and_its_reports_come_up),
        TEST(no_more_jobs_come_than_there_is_credit_for),
        TEST(a_pause_reaches_the_worker_at_once),
        TEST(a_worker_that_comes_back_goes_on_under_the_same_epoch),
        TEST(a_job_meant_for_a_worker_that_is_gone_goes_to_the_next_at_once),
        TEST(a_wrong_report_is_answered_and_the_stream_goes_on),
        TEST(a_heartbeat_names_what_is_lost),
        TEST(the_rules_of_the_conversation_are_kept),
        TEST(many_reports_at_once_are_all_answered_in_order),
        TEST(a_hundred_jobs_are_worked_off_with_four_slots),
        TEST(large_jobs_come_in_several_messages_at_the_readers_pace),
        TEST(an_idle_worker_is_sent_away_when_the_server_drains),
        TEST(a_pause_that_waits_is_answered_when_the_server_drains),
        TEST(a_busy_worker_may_let_go_before_the_server_drains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
