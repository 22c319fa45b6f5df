#include "tests/unit/methods/methods_fixture.h"

#include <string.h>

/* The unary worker calls. */

static Sync__V1__Lease *lease_one(struct methods_fixture *f, const char *name)
{
    Sync__V1__LeaseJobsResponse *response;

    queue_job(f, name);
    response = lease_jobs(f, 1);
    assert_non_null(response);
    assert_int_equal(response->n_jobs, 1);
    assert_string_equal(response->jobs[0]->name, name);
    return response->jobs[0]->lease;
}

static void a_leased_job_comes_with_all_its_worker_needs(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Job *queued = queue_job(f, "orders");
    Sync__V1__LeaseJobsResponse *response = lease_jobs(f, 10);
    Sync__V1__JobAssignment *job;

    assert_non_null(response);
    assert_int_equal(response->n_jobs, 1);
    job = response->jobs[0];
    assert_string_equal(job->lease->job_id, queued->id);
    assert_int_equal(job->lease->epoch, 1);
    assert_string_equal(job->org_id, ORG);
    assert_int_equal(job->type, SYNC__V1__JOB_TYPE__JOB_TYPE_FULL);
    assert_string_equal(job->data->source, "demo");
    assert_int_equal(job->options->concurrency, 1);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(job->lease_ttl->seconds, 60);
    assert_int_equal(job->heartbeat_interval->seconds, 20);
    assert_int_equal(job->checkpoint.len, 0);
    assert_non_null(job->window_high);
    assert_string_equal(get_job(f, queued->id)->worker_id, "unary");
}

static void without_work_the_answer_is_empty(void **state)
{
    Sync__V1__LeaseJobsResponse *response = lease_jobs(*state, 1);

    assert_non_null(response);
    assert_int_equal(response->n_jobs, 0);
}

static void progress_and_a_checkpoint_survive_a_release(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__ReportProgressRequest progress = SYNC__V1__REPORT_PROGRESS_REQUEST__INIT;
    Sync__V1__SaveCheckpointRequest save = SYNC__V1__SAVE_CHECKPOINT_REQUEST__INIT;
    Sync__V1__ReleaseJobRequest release = SYNC__V1__RELEASE_JOB_REQUEST__INIT;
    Sync__V1__EntityProgress entity = SYNC__V1__ENTITY_PROGRESS__INIT;
    Sync__V1__EntityProgress *entities[] = { &entity };
    Sync__V1__ReportProgressResponse *reported;
    Sync__V1__LeaseJobsResponse *again;
    Sync__V1__Job *job;
    uint8_t place[] = { 1, 0, 2 };

    progress.lease = save.lease = release.lease = lease_one(f, "orders");
    entity.entity = (char *)"products";
    entity.done = 25;
    entity.total_set_case = SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL;
    entity.total = 100;
    progress.entities = save.entities = entities;
    progress.n_entities = save.n_entities = 1;
    reported = ask(f, WORKER_PATH, ReportProgress, report_progress, &progress);
    assert_non_null(reported);
    assert_int_equal(reported->directive, SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE);
    save.checkpoint = (ProtobufCBinaryData){ sizeof place, place };
    assert_non_null(ask(f, WORKER_PATH, SaveCheckpoint, save_checkpoint, &save));
    job = get_job(f, save.lease->job_id);
    assert_int_equal(job->progress, 25);
    assert_int_equal(job->n_entities, 1);
    assert_int_equal(job->entities[0]->total, 100);

    assert_non_null(ask(f, WORKER_PATH, ReleaseJob, release_job, &release));
    again = lease_jobs(f, 1);
    assert_int_equal(again->n_jobs, 1);
    assert_int_equal(again->jobs[0]->lease->epoch, 2);
    assert_int_equal(again->jobs[0]->checkpoint.len, sizeof place);
    assert_memory_equal(again->jobs[0]->checkpoint.data, place, sizeof place);
    assert_int_equal(again->jobs[0]->entities[0]->done, 25);
}

static void a_failure_waits_for_its_retry_or_ends_the_job(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__FailJobRequest request = SYNC__V1__FAIL_JOB_REQUEST__INIT;
    Sync__V1__FailJobResponse *response;
    Sync__V1__Job *job;

    request.lease = lease_one(f, "a");
    request.message = (char *)"connection reset";
    response = ask(f, WORKER_PATH, FailJob, fail_job, &request);
    assert_non_null(response);
    assert_true(response->will_retry);
    assert_non_null(response->not_before);
    job = get_job(f, request.lease->job_id);
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    assert_int_equal(job->wait_reason, SYNC__V1__WAIT_REASON__WAIT_REASON_BACKOFF);
    assert_non_null(job->not_before);
    assert_string_equal(job->error->message, "connection reset");
    assert_string_equal(job->error->class_, "transient");
    assert_int_equal(job->attempts, 1);

    request.lease = lease_one(f, "b");
    request.failure_class = SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_CONFIG;
    response = ask(f, WORKER_PATH, FailJob, fail_job, &request);
    assert_false(response->will_retry);
    assert_int_equal(get_job(f, request.lease->job_id)->status,
                     SYNC__V1__JOB_STATUS__JOB_STATUS_FAILED);
}

static void a_heartbeat_tells_directives_and_losses(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__HeartbeatRequest request = SYNC__V1__HEARTBEAT_REQUEST__INIT;
    Sync__V1__HeartbeatResponse *response;
    Sync__V1__Lease wrong = SYNC__V1__LEASE__INIT;
    Sync__V1__Lease *leases[3];

    leases[0] = lease_one(f, "a");
    leases[1] = lease_one(f, "b");
    pause_job(f, "b");
    wrong.job_id = leases[0]->job_id;
    wrong.epoch = 9;
    leases[2] = &wrong;
    request.leases = leases;
    request.n_leases = 3;
    response = ask(f, WORKER_PATH, Heartbeat, heartbeat, &request);
    assert_non_null(response);
    assert_int_equal(response->n_directives, 2);
    assert_int_equal(response->directives[0]->directive, SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE);
    assert_int_equal(response->directives[1]->directive, SYNC__V1__DIRECTIVE__DIRECTIVE_PAUSE);
    assert_int_equal(response->n_lost, 1);
    assert_int_equal(response->lost[0]->epoch, 9);
}

static void a_stale_epoch_is_aborted(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__CompleteJobRequest request = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;

    request.lease = lease_one(f, "a");
    request.lease->epoch = 2;
    assert_null(ask(f, WORKER_PATH, CompleteJob, complete_job, &request));
    assert_failed(f, RPC_ABORTED, "");
    request.lease->epoch = 1;
    complete_lease(f, request.lease);
}

static void reports_of_nothing_are_refused(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__SaveCheckpointRequest save = SYNC__V1__SAVE_CHECKPOINT_REQUEST__INIT;
    Sync__V1__FailJobRequest failed = SYNC__V1__FAIL_JOB_REQUEST__INIT;
    Sync__V1__Lease lease = SYNC__V1__LEASE__INIT;
    static uint8_t much[(256 << 10) + 1];

    assert_null(ask(f, WORKER_PATH, SaveCheckpoint, save_checkpoint, &save));
    assert_failed(f, RPC_INVALID_ARGUMENT, "lease");
    save.lease = failed.lease = &lease;
    assert_null(ask(f, WORKER_PATH, SaveCheckpoint, save_checkpoint, &save));
    assert_failed(f, RPC_INVALID_ARGUMENT, "lease.jobId");
    lease = *lease_one(f, "a");
    lease.epoch = UINT64_MAX;
    assert_null(ask(f, WORKER_PATH, SaveCheckpoint, save_checkpoint, &save));
    assert_failed(f, RPC_INVALID_ARGUMENT, "lease.epoch");
    lease.epoch = 1;
    assert_null(ask(f, WORKER_PATH, SaveCheckpoint, save_checkpoint, &save));
    assert_failed(f, RPC_INVALID_ARGUMENT, "checkpoint");
    save.checkpoint = (ProtobufCBinaryData){ sizeof much, much };
    assert_null(ask(f, WORKER_PATH, SaveCheckpoint, save_checkpoint, &save));
    assert_failed(f, RPC_INVALID_ARGUMENT, "checkpoint");
    save.checkpoint.len--;
    assert_non_null(ask(f, WORKER_PATH, SaveCheckpoint, save_checkpoint, &save));
    failed.failure_class = (Sync__V1__FailureClass)5; /* the server's own word */
    assert_null(ask(f, WORKER_PATH, FailJob, fail_job, &failed));
    assert_failed(f, RPC_INVALID_ARGUMENT, "failureClass");
}

static void a_worker_that_can_do_nothing_is_refused(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__LeaseJobsRequest request = SYNC__V1__LEASE_JOBS_REQUEST__INIT;
    Sync__V1__WorkerInfo worker = SYNC__V1__WORKER_INFO__INIT;
    Google__Protobuf__Duration ttl = GOOGLE__PROTOBUF__DURATION__INIT;
    char *any[] = { (char *)"*" };

    assert_null(ask(f, WORKER_PATH, LeaseJobs, lease_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "worker");
    request.worker = &worker;
    assert_null(ask(f, WORKER_PATH, LeaseJobs, lease_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "worker.sources");
    worker.sources = worker.targets = any;
    worker.n_sources = 1;
    assert_null(ask(f, WORKER_PATH, LeaseJobs, lease_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "worker.targets");
    worker.n_targets = 1;
    assert_null(ask(f, WORKER_PATH, LeaseJobs, lease_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "maxJobs");
    request.max_jobs = 1;
    ttl.seconds = 4;
    request.lease_ttl = &ttl;
    assert_null(ask(f, WORKER_PATH, LeaseJobs, lease_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "leaseTtl");
}

struct patient_lease {
    Sync__V1__LeaseJobsRequest request;
    Sync__V1__WorkerInfo worker;
    Google__Protobuf__Duration wait;
    char *any[1];
};

static void patient_lease_init(struct patient_lease *lease, int64_t seconds)
{
    *lease = (struct patient_lease){ .request = SYNC__V1__LEASE_JOBS_REQUEST__INIT,
                                     .worker = SYNC__V1__WORKER_INFO__INIT,
                                     .wait = GOOGLE__PROTOBUF__DURATION__INIT,
                                     .any = { (char *)"*" } };
    lease->worker.sources = lease->worker.targets = lease->any;
    lease->worker.n_sources = lease->worker.n_targets = 1;
    lease->wait.seconds = seconds;
    lease->request.worker = &lease->worker;
    lease->request.max_jobs = 1;
    lease->request.wait = &lease->wait;
}

static void open_lease_jobs(struct methods_fixture *f, struct peer *peer)
{
    struct patient_lease lease;

    patient_lease_init(&lease, 60);
    peer_open(f, peer, WORKER_PATH "LeaseJobs", &sync__v1__lease_jobs_response__descriptor,
              &lease.request.base);
}

/* Much less than the time after which a lease would run out by itself. */
static Sync__V1__LeaseJobsResponse *wait_and_lease(struct methods_fixture *f)
{
    Sync__V1__LeaseJobsResponse *response;
    struct patient_lease lease;

    patient_lease_init(&lease, 10);
    response = ask(f, WORKER_PATH, LeaseJobs, lease_jobs, &lease.request);
    assert_non_null(response);
    return response;
}

static void a_lease_that_waits_gets_the_next_job(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__LeaseJobsResponse *response;
    struct peer peer;

    open_lease_jobs(f, &peer);
    queue_job(f, "late");
    response = peer_next(&peer);
    assert_int_equal(response->n_jobs, 1);
    assert_string_equal(response->jobs[0]->name, "late");
    assert_int_equal(peer_end(&peer), RPC_OK);
    peer_close(&peer);
}

/* The lease stops waiting long before its minute is over, and a job is not
 * handed to somebody who is gone. */
static void a_caller_that_goes_away_takes_no_job_along(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Job *job;
    struct peer peer;

    open_lease_jobs(f, &peer);
    peer_cancel(&peer);
    assert_int_equal(peer_end(&peer), RPC_CANCELLED);
    peer_close(&peer);
    job = queue_job(f, "orders");
    await_status(f, job->id, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    assert_int_equal(lease_jobs(f, 1)->n_jobs, 1);
}

/* The lease is matched in a turn that cannot end before the caller is gone. */
static void a_job_leased_for_a_caller_that_is_gone_goes_back_at_once(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__LeaseJobsResponse *response;
    struct peer worker, user;

    open_lease_jobs(f, &worker);
    hold_store(f);
    open_queue_job(f, &user, "orders");
    peer_cancel(&worker);
    let_store_go(f);
    assert_int_equal(peer_end(&user), RPC_OK);
    assert_int_equal(peer_end(&worker), RPC_CANCELLED);
    response = wait_and_lease(f);
    assert_int_equal(response->n_jobs, 1);
    peer_close(&worker);
    peer_close(&user);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, methods_setup, methods_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_leased_job_comes_with_all_its_worker_needs),
        TEST(without_work_the_answer_is_empty),
        TEST(progress_and_a_checkpoint_survive_a_release),
        TEST(a_failure_waits_for_its_retry_or_ends_the_job),
        TEST(a_heartbeat_tells_directives_and_losses),
        TEST(a_stale_epoch_is_aborted),
        TEST(reports_of_nothing_are_refused),
        TEST(a_worker_that_can_do_nothing_is_refused),
        TEST(a_lease_that_waits_gets_the_next_job),
        TEST(a_caller_that_goes_away_takes_no_job_along),
        TEST(a_job_leased_for_a_caller_that_is_gone_goes_back_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
