#include "tests/unit/methods/methods_fixture.h"

#include <stdio.h>
#include <string.h>

/* WatchJobs: the list, then what happens, in order. */

static void watch(struct methods_fixture *f, struct peer *peer,
                  const Sync__V1__WatchJobsRequest *request)
{
    peer_open(f, peer, SYNC_PATH "WatchJobs", &sync__v1__watch_jobs_response__descriptor,
              &request->base);
}

static Sync__V1__WatchJobsResponse *next(struct peer *peer,
                                         Sync__V1__WatchJobsResponse__EventCase what)
{
    Sync__V1__WatchJobsResponse *response = peer_next(peer);

    assert_int_equal(response->event_case, what);
    return response;
}

static Sync__V1__WatchJobsResponse *next_job(struct peer *peer, const char *name,
                                             Sync__V1__JobStatus status)
{
    Sync__V1__WatchJobsResponse *response = next(peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_JOB);

    assert_string_equal(response->job->name, name);
    assert_int_equal(response->job->status, status);
    return response;
}

static void stop(struct peer *peer)
{
    peer_cancel(peer);
    assert_int_equal(peer_end(peer), RPC_CANCELLED);
    peer_close(peer);
}

static void a_watch_begins_with_a_list_and_goes_on_with_events_in_order(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest request = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    Sync__V1__WatchJobsResponse *synced, *a, *b;
    struct peer peer;

    queue_job(f, "ended");
    complete_lease(f, lease_jobs(f, 1)->jobs[0]->lease);
    queue_job(f, "older");
    queue_job(f, "newer");
    watch(f, &peer, &request);
    assert_non_null(next_job(&peer, "newer", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED)->job->data);
    next_job(&peer, "older", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    next_job(&peer, "ended", SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED);
    synced = next(&peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED);

    pause_job(f, "older");
    queue_job(f, "third");
    a = next_job(&peer, "older", SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    b = next_job(&peer, "third", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    assert_true(synced->sequence < a->sequence && a->sequence < b->sequence);
    stop(&peer);
}

static void a_watch_goes_on_behind_the_event_it_had(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest request = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    struct peer peer;

    watch(f, &peer, &request);
    next(&peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED);
    queue_job(f, "a");
    request.after_sequence =
        next_job(&peer, "a", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED)->sequence;
    stop(&peer);
    queue_job(f, "b");
    watch(f, &peer, &request);
    next_job(&peer, "b", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    stop(&peer);
}

#define DATA "{\"source\":\"demo\",\"target\":\"local\",\"shop\":\"north\"}"

static void queue_with_data(struct methods_fixture *f, const char *name)
{
    Sync__V1__QueueJobRequest request = SYNC__V1__QUEUE_JOB_REQUEST__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;

    data.source = (char *)"demo";
    data.target = (char *)"local";
    data.json = (char *)DATA;
    request.name = (char *)(uintptr_t)name;
    request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    request.data = &data;
    assert_non_null(ask(f, SYNC_PATH, QueueJob, queue_job, &request));
}

static void an_event_shows_a_job_as_get_job_does(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest request = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    Sync__V1__Job *job;
    struct peer peer;

    watch(f, &peer, &request);
    next(&peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED);
    queue_with_data(f, "a");
    job = next_job(&peer, "a", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED)->job;
    assert_int_equal(job->wait_reason, SYNC__V1__WAIT_REASON__WAIT_REASON_NO_WORKER);
    assert_string_equal(job->data->json, DATA);
    queue_with_data(f, "a");
    job = next_job(&peer, "a", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED)->job;
    assert_int_equal(job->wait_reason, SYNC__V1__WAIT_REASON__WAIT_REASON_EARLIER_RUN);

    /* What is kept of a job at work is slim; its events are not. */
    complete_lease(f, lease_jobs(f, 1)->jobs[0]->lease);
    next_job(&peer, "a", SYNC__V1__JOB_STATUS__JOB_STATUS_ACTIVE);
    job = next_job(&peer, "a", SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED)->job;
    assert_string_equal(job->data->json, DATA);
    stop(&peer);
}

static void who_was_away_too_long_is_told_to_list(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest request = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    Sync__V1__WatchJobsResponse *response;
    struct peer peer;

    queue_job(f, "a");
    request.after_sequence = 1;
    watch(f, &peer, &request);
    response = next(&peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_RELIST);
    assert_true(response->sequence > 1);
    assert_true(response->relist->reason[0] != '\0');
    queue_job(f, "b");
    next_job(&peer, "b", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    stop(&peer);
}

static void a_watch_of_one_name_or_one_job_sees_nothing_else(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest by_name = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    Sync__V1__WatchJobsRequest by_id = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    struct peer named, one;

    queue_job(f, "a");
    by_name.name = (char *)"b";
    by_id.id = queue_job(f, "b")->id;
    watch(f, &named, &by_name);
    watch(f, &one, &by_id);
    next_job(&named, "b", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    next_job(&one, "b", SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    next(&named, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED);
    next(&one, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED);
    pause_job(f, "a");
    pause_job(f, "b");
    next_job(&named, "b", SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    next_job(&one, "b", SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    stop(&named);
    stop(&one);
}

static void a_watch_of_what_does_not_exist_is_refused(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest request = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    struct peer peer;
    char id[RUN_ID_TEXT_SIZE];

    request.id = (char *)"x";
    watch(f, &peer, &request);
    assert_int_equal(peer_end(&peer), RPC_NOT_FOUND);
    peer_close(&peer);
    run_id_write(4711, id);
    request.id = id;
    watch(f, &peer, &request);
    assert_int_equal(peer_end(&peer), RPC_NOT_FOUND);
    peer_close(&peer);
    request.id = (char *)"";
    request.org_id = (char *)"other";
    watch(f, &peer, &request);
    assert_int_equal(peer_end(&peer), RPC_INVALID_ARGUMENT);
    assert_string_equal(peer.status.violation.field, "orgid");
    peer_close(&peer);
}

/* Much more than the send bound and a page: the list stops in the middle, goes
 * on when the reader does, and what happened meanwhile comes after it. */
static void a_reader_that_stops_reading_misses_nothing(void **state)
{
    enum { JOBS = 300 };
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest request = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    Sync__V1__QueueJobRequest queue = SYNC__V1__QUEUE_JOB_REQUEST__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    struct peer peer;
    static char json[8000];
    char name[32];

    memset(json, ' ', sizeof json - 1);
    json[0] = '{';
    json[sizeof json - 2] = '}';
    data.source = (char *)"demo";
    data.target = (char *)"local";
    data.json = json;
    queue.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    queue.data = &data;
    queue.name = name;
    for (int i = 0; i < JOBS; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        assert_non_null(ask(f, SYNC_PATH, QueueJob, queue_job, &queue));
    }
    watch(f, &peer, &request);
    peer_pause_reading(&peer);
    for (int i = 0; i < JOBS; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        pause_job(f, name);
    }
    peer_resume_reading(&peer);
    for (int i = 0; i < JOBS; i++)
        next(&peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_JOB);
    next(&peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED);
    for (int i = 0; i < JOBS; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        next_job(&peer, name, SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    }
    stop(&peer);
}

static void a_draining_server_ends_its_watches(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__WatchJobsRequest request = SYNC__V1__WATCH_JOBS_REQUEST__INIT;
    struct peer peer;

    watch(f, &peer, &request);
    next(&peer, SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED);
    methods_drain(f->methods);
    assert_int_equal(peer_end(&peer), RPC_UNAVAILABLE);
    assert_non_null(strstr(peer.status.message, "draining"));
    peer_close(&peer);
    watch(f, &peer, &request);
    assert_int_equal(peer_end(&peer), RPC_UNAVAILABLE);
    peer_close(&peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, methods_setup, methods_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_watch_begins_with_a_list_and_goes_on_with_events_in_order),
        TEST(a_watch_goes_on_behind_the_event_it_had),
        TEST(an_event_shows_a_job_as_get_job_does),
        TEST(who_was_away_too_long_is_told_to_list),
        TEST(a_watch_of_one_name_or_one_job_sees_nothing_else),
        TEST(a_watch_of_what_does_not_exist_is_refused),
        TEST(a_reader_that_stops_reading_misses_nothing),
        TEST(a_draining_server_ends_its_watches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
