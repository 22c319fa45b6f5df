#include "tests/unit/methods/methods_fixture.h"

#include <string.h>

/* Pause, resume, cancel, retry and purge. */

static Sync__V1__Job *resume_job(struct methods_fixture *f, const char *name)
{
    Sync__V1__ResumeJobRequest request = SYNC__V1__RESUME_JOB_REQUEST__INIT;
    Sync__V1__ResumeJobResponse *response;

    request.name = (char *)name;
    response = ask(f, SYNC_PATH, ResumeJob, resume_job, &request);
    return response != NULL ? response->job : NULL;
}

static Sync__V1__Job *cancel_job(struct methods_fixture *f, const char *id)
{
    Sync__V1__CancelJobRequest request = SYNC__V1__CANCEL_JOB_REQUEST__INIT;
    Sync__V1__CancelJobResponse *response;

    request.id = (char *)id;
    response = ask(f, SYNC_PATH, CancelJob, cancel_job, &request);
    return response != NULL ? response->job : NULL;
}

static Sync__V1__Job *retry_job(struct methods_fixture *f, const char *id)
{
    Sync__V1__RetryJobRequest request = SYNC__V1__RETRY_JOB_REQUEST__INIT;
    Sync__V1__RetryJobResponse *response;

    request.id = (char *)id;
    response = ask(f, SYNC_PATH, RetryJob, retry_job, &request);
    return response != NULL ? response->job : NULL;
}

static Sync__V1__PurgedJobs *purge_jobs(struct methods_fixture *f)
{
    Sync__V1__PurgeJobsRequest request = SYNC__V1__PURGE_JOBS_REQUEST__INIT;
    Sync__V1__PurgeJobsResponse *response = ask(f, SYNC_PATH, PurgeJobs, purge_jobs, &request);

    return response != NULL ? response->purged_jobs : NULL;
}

static void a_waiting_job_is_paused_and_resumed_by_name(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Job *queued = queue_job(f, "orders"), *job = pause_job(f, "orders");
    Google__Protobuf__Timestamp *since;

    assert_non_null(job);
    assert_string_equal(job->id, queued->id);
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    assert_int_equal(job->state, SYNC__V1__JOB_STATE__JOB_STATE_UNSPECIFIED);
    assert_non_null(job->paused_at);
    since = job->paused_at;

    job = pause_job(f, "orders");
    assert_int_equal(job->paused_at->seconds, since->seconds);
    assert_int_equal(job->paused_at->nanos, since->nanos);

    job = resume_job(f, "orders");
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    assert_non_null(job->resumed_at);
    assert_null(job->paused_at);
    job = get_job(f, job->id);
    assert_non_null(job->last_action);
    assert_true(job->last_action->actor[0] != '\0');
}

static void a_running_job_pauses_until_its_worker_lets_go(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__ReleaseJobRequest release = SYNC__V1__RELEASE_JOB_REQUEST__INIT;
    Sync__V1__LeaseJobsResponse *leased;
    Sync__V1__Job *job;

    queue_job(f, "orders");
    leased = lease_jobs(f, 1);
    assert_int_equal(leased->n_jobs, 1);
    job = pause_job(f, "orders");
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    assert_int_equal(job->state, SYNC__V1__JOB_STATE__JOB_STATE_PAUSING);
    assert_non_null(job->lease_held_until);

    release.lease = leased->jobs[0]->lease;
    assert_non_null(ask(f, WORKER_PATH, ReleaseJob, release_job, &release));
    job = get_job(f, job->id);
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    assert_int_equal(job->state, SYNC__V1__JOB_STATE__JOB_STATE_UNSPECIFIED);
    assert_null(job->lease_held_until);
}

static void a_job_is_cancelled_by_id_and_retried(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Job *job = cancel_job(f, queue_job(f, "orders")->id);

    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_CANCELLED);
    assert_non_null(job->ended_at);
    assert_null(pause_job(f, "orders"));
    assert_failed(f, RPC_FAILED_PRECONDITION, "");

    job = retry_job(f, job->id);
    assert_non_null(job);
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
}

static void a_control_that_names_nothing_or_too_much_is_refused(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__PauseJobRequest request = SYNC__V1__PAUSE_JOB_REQUEST__INIT;
    Google__Protobuf__Duration wait = GOOGLE__PROTOBUF__DURATION__INIT;

    queue_job(f, "orders");
    assert_null(ask(f, SYNC_PATH, PauseJob, pause_job, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "name");
    request.name = (char *)"orders";
    request.id = (char *)"job_0000000000000";
    assert_null(ask(f, SYNC_PATH, PauseJob, pause_job, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "id");
    request.name = (char *)"";
    request.id = (char *)"7";
    assert_null(ask(f, SYNC_PATH, PauseJob, pause_job, &request));
    assert_failed(f, RPC_NOT_FOUND, "");
    request.name = (char *)"orders";
    request.id = (char *)"";
    wait.seconds = 61;
    request.wait = &wait;
    assert_null(ask(f, SYNC_PATH, PauseJob, pause_job, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "wait");
    assert_null(retry_job(f, ""));
    assert_failed(f, RPC_INVALID_ARGUMENT, "id");
}

static void an_unknown_name_and_anothers_job_are_not_found(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__CancelJobRequest request = SYNC__V1__CANCEL_JOB_REQUEST__INIT;

    assert_null(pause_job(f, "nobody"));
    assert_failed(f, RPC_NOT_FOUND, "");
    request.id = queue_job(f, "orders")->id;
    assert_null(ask_as(f, "other", SYNC_PATH "CancelJob",
                       &sync__v1__cancel_job_response__descriptor, &request.base));
    assert_failed(f, RPC_NOT_FOUND, "");
}

static void purging_counts_what_ended_and_then_nothing(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__PurgeJobsRequest dry = SYNC__V1__PURGE_JOBS_REQUEST__INIT;
    Sync__V1__PurgeJobsResponse *response;
    Sync__V1__PurgedJobs *purged;

    queue_job(f, "a");
    complete_lease(f, lease_jobs(f, 1)->jobs[0]->lease);
    cancel_job(f, queue_job(f, "b")->id);
    queue_job(f, "c");
    dry.dry_run = true;
    response = ask(f, SYNC_PATH, PurgeJobs, purge_jobs, &dry);
    assert_int_equal(response->purged_jobs->completed, 1);
    purged = purge_jobs(f);
    assert_int_equal(purged->completed, 1);
    assert_int_equal(purged->failed, 0);
    assert_int_equal(purged->cancelled, 1);
    purged = purge_jobs(f);
    assert_int_equal(purged->completed + purged->failed + purged->cancelled, 0);
    assert_non_null(pause_job(f, "c"));
}

static Sync__V1__PurgedJobs *purge_some(struct methods_fixture *f,
                                        Sync__V1__PurgeJobsRequest *request)
{
    Sync__V1__PurgeJobsResponse *response = ask(f, SYNC_PATH, PurgeJobs, purge_jobs, request);

    return response != NULL ? response->purged_jobs : NULL;
}

static void purging_by_a_filter_takes_what_matches(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__PurgeJobsRequest request = SYNC__V1__PURGE_JOBS_REQUEST__INIT;
    Google__Protobuf__Timestamp then = { .base.descriptor = NULL };

    cancel_job(f, queue_job(f, "a")->id);
    cancel_job(f, queue_job(f, "b")->id);
    request.name = (char *)"b";
    request.dry_run = true;
    assert_int_equal(purge_some(f, &request)->cancelled, 1);
    request.dry_run = false;
    assert_int_equal(purge_some(f, &request)->cancelled, 1);
    assert_int_equal(purge_some(f, &request)->cancelled, 0);
    request.name = (char *)"";
    request.status = SYNC__V1__JOB_STATUS__JOB_STATUS_FAILED;
    assert_int_equal(purge_some(f, &request)->cancelled, 0);
    google__protobuf__timestamp__init(&then);
    then.seconds = 1;
    request.status = SYNC__V1__JOB_STATUS__JOB_STATUS_CANCELLED;
    request.older_than = &then;
    assert_int_equal(purge_some(f, &request)->cancelled, 0);
    then.seconds = 4102444800;
    assert_int_equal(purge_some(f, &request)->cancelled, 1);
    assert_int_equal(purge_jobs(f)->cancelled, 0);
}

static void a_purge_filter_that_makes_no_sense_is_refused(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__PurgeJobsRequest request = SYNC__V1__PURGE_JOBS_REQUEST__INIT;

    request.status = SYNC__V1__JOB_STATUS__JOB_STATUS_ACTIVE;
    assert_null(purge_some(f, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "status");
    request.status = SYNC__V1__JOB_STATUS__JOB_STATUS_UNSPECIFIED;
    request.name = (char *)"no name";
    assert_null(purge_some(f, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "name");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, methods_setup, methods_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_waiting_job_is_paused_and_resumed_by_name),
        TEST(a_running_job_pauses_until_its_worker_lets_go),
        TEST(a_job_is_cancelled_by_id_and_retried),
        TEST(a_control_that_names_nothing_or_too_much_is_refused),
        TEST(an_unknown_name_and_anothers_job_are_not_found),
        TEST(purging_counts_what_ended_and_then_nothing),
        TEST(purging_by_a_filter_takes_what_matches),
        TEST(a_purge_filter_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
