#include "tests/unit/methods/methods_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* GetServiceInfo, GetOrgInfo, GetJob, ListJobs, ListSyncs, GetSync. */

static Sync__V1__GetOrgInfoResponse *org_info(struct methods_fixture *f)
{
    Sync__V1__GetOrgInfoRequest request = SYNC__V1__GET_ORG_INFO_REQUEST__INIT;
    Sync__V1__GetOrgInfoResponse *response = ask(f, SYNC_PATH, GetOrgInfo, get_org_info, &request);

    assert_non_null(response);
    return response;
}

static void the_service_tells_its_version_its_state_and_its_uptime(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__GetServiceInfoRequest request = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;
    Sync__V1__GetServiceInfoResponse *info;

    queue_job(f, "waits");
    info = ask_as(f, NULL, SYNC_PATH "GetServiceInfo",
                  &sync__v1__get_service_info_response__descriptor, &request.base);
    assert_non_null(info);
    assert_string_equal(info->version, "1.2.3");
    assert_string_equal(info->status, "active");
    assert_string_equal(info->uptime, "0d 0h 0m");
    assert_int_equal(info->queued_jobs, 1);
    assert_int_equal(info->active_jobs, 0);
}

static void an_organisation_that_nobody_used_is_empty_and_no_error(void **state)
{
    Sync__V1__GetOrgInfoResponse *info = org_info(*state);

    assert_string_equal(info->organization->id, ORG);
    assert_string_equal(info->organization->name, ORG);
    assert_int_equal(info->sync_status->active_jobs, 0);
    assert_null(info->sync_status->last_sync);
    assert_int_equal(info->n_sync_jobs, 0);
}

static void an_organisation_lists_its_live_jobs_before_the_ended_ones(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__GetOrgInfoResponse *info;

    queue_job(f, "done");
    complete_lease(f, lease_jobs(f, 1)->jobs[0]->lease);
    queue_job(f, "runs");
    lease_jobs(f, 1);
    queue_job(f, "waits");
    info = org_info(f);
    assert_int_equal(info->n_sync_jobs, 3);
    assert_string_equal(info->sync_jobs[0]->name, "waits");
    assert_non_null(info->sync_jobs[0]->queued_at);
    assert_string_equal(info->sync_jobs[1]->name, "runs");
    assert_int_equal(info->sync_jobs[1]->status, SYNC__V1__JOB_STATUS__JOB_STATUS_ACTIVE);
    assert_non_null(info->sync_jobs[1]->started_at);
    assert_int_equal(info->sync_jobs[1]->progress_known_set_case,
                     SYNC__V1__JOB__PROGRESS_KNOWN_SET_PROGRESS_KNOWN);
    assert_false(info->sync_jobs[1]->progress_known);
    assert_string_equal(info->sync_jobs[2]->name, "done");
    assert_int_equal(info->sync_jobs[2]->progress, 100);
    assert_null(info->sync_jobs[2]->data);
    assert_int_equal(info->sync_status->active_jobs, 1);
    assert_int_equal(info->sync_status->completed_jobs, 1);
    assert_int_equal(info->sync_status->queued_jobs, 1);
    assert_non_null(info->sync_status->last_sync);
}

static void end_jobs(struct methods_fixture *f, int count)
{
    char name[32];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "ended-%d", i);
        queue_job(f, name);
        complete_lease(f, lease_jobs(f, 1)->jobs[0]->lease);
    }
}

static void an_organisation_lists_two_hundred_live_jobs_and_the_fifty_newest_ended_ones(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__GetOrgInfoResponse *info;
    char name[32];

    end_jobs(f, 55);
    for (int i = 0; i < 205; i++) {
        snprintf(name, sizeof name, "live-%d", i);
        queue_job(f, name);
    }
    info = org_info(f);
    assert_int_equal(info->n_sync_jobs, 250);
    assert_string_equal(info->sync_jobs[0]->name, "live-204");
    assert_string_equal(info->sync_jobs[199]->name, "live-5");
    assert_string_equal(info->sync_jobs[200]->name, "ended-54");
    assert_string_equal(info->sync_jobs[249]->name, "ended-5");
    assert_int_equal(info->sync_status->queued_jobs, 205);
    assert_int_equal(info->sync_status->completed_jobs, 55);
}

static void an_unknown_job_and_a_wrong_id_are_told_apart(void **state)
{
    struct methods_fixture *f = *state;
    char id[RUN_ID_TEXT_SIZE];

    run_id_write(12345678, id);
    assert_null(get_job(f, id));
    assert_failed(f, RPC_NOT_FOUND, "");
    assert_null(get_job(f, "seven"));
    assert_failed(f, RPC_NOT_FOUND, "");
    assert_null(get_job(f, ""));
    assert_failed(f, RPC_INVALID_ARGUMENT, "id");
}

static void pages_of_jobs_follow_each_other_without_gap(void **state)
{
    enum { JOBS = 150 };
    struct methods_fixture *f = *state;
    Sync__V1__ListJobsRequest request = SYNC__V1__LIST_JOBS_REQUEST__INIT;
    char name[32], expected[16];
    int seen = 0;

    for (int i = 0; i < JOBS; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        queue_job(f, name);
    }
    request.page_size = 70;
    do {
        Sync__V1__ListJobsResponse *page = ask(f, SYNC_PATH, ListJobs, list_jobs, &request);

        assert_non_null(page);
        assert_true(page->n_jobs <= 70);
        for (size_t i = 0; i < page->n_jobs; i++) {
            snprintf(expected, sizeof expected, "job-%d", JOBS - 1 - seen++);
            assert_string_equal(page->jobs[i]->name, expected);
        }
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0');
    assert_int_equal(seen, JOBS);
}

static size_t count(struct methods_fixture *f, const Sync__V1__ListJobsRequest *request)
{
    Sync__V1__ListJobsResponse *page = ask(f, SYNC_PATH, ListJobs, list_jobs, request);

    assert_non_null(page);
    return page->n_jobs;
}

static void lists_are_narrowed_by_status_name_type_and_time(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__ListJobsRequest request = SYNC__V1__LIST_JOBS_REQUEST__INIT;
    Google__Protobuf__Timestamp long_ago = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

    queue_job(f, "a");
    queue_job(f, "b");
    pause_job(f, "b");
    request.status = SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED;
    assert_int_equal(count(f, &request), 1);
    request.status = SYNC__V1__JOB_STATUS__JOB_STATUS_FAILED;
    assert_int_equal(count(f, &request), 0);
    request.status = SYNC__V1__JOB_STATUS__JOB_STATUS_UNSPECIFIED;
    request.name = (char *)"a";
    assert_int_equal(count(f, &request), 1);
    request.name = (char *)"";
    request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_ENTITY;
    assert_int_equal(count(f, &request), 0);
    request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    long_ago.seconds = 1000;
    request.since = &long_ago;
    assert_int_equal(count(f, &request), 2);
    request.until = &long_ago;
    assert_int_equal(count(f, &request), 0);
}

static void wrong_pages_are_refused(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__ListJobsRequest request = SYNC__V1__LIST_JOBS_REQUEST__INIT;

    request.page_size = 1001;
    assert_null(ask(f, SYNC_PATH, ListJobs, list_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "pageSize");
    request.page_size = 1;
    request.page_token = (char *)"more";
    assert_null(ask(f, SYNC_PATH, ListJobs, list_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "pageToken");
    request.page_token = (char *)"";
    request.status = (Sync__V1__JobStatus)42;
    assert_null(ask(f, SYNC_PATH, ListJobs, list_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "status");
}

/* Twelve of 900 KB each: no answer may grow beyond what a client takes. */
static void jobs_with_a_lot_of_data_make_short_pages(void **state)
{
    enum { JOBS = 12, BYTES = 900 * 1000 };
    struct methods_fixture *f = *state;
    Sync__V1__QueueJobRequest queue = SYNC__V1__QUEUE_JOB_REQUEST__INIT;
    Sync__V1__ListJobsRequest request = SYNC__V1__LIST_JOBS_REQUEST__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    char *json = malloc(BYTES + 1);
    int seen = 0;

    memset(json, ' ', BYTES);
    json[0] = '{';
    json[BYTES - 1] = '}';
    json[BYTES] = '\0';
    data.source = (char *)"demo";
    data.target = (char *)"local";
    data.json = json;
    queue.name = (char *)"large";
    queue.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    queue.data = &data;
    for (int i = 0; i < JOBS; i++)
        assert_non_null(ask(f, SYNC_PATH, QueueJob, queue_job, &queue));
    do {
        Sync__V1__ListJobsResponse *page = ask(f, SYNC_PATH, ListJobs, list_jobs, &request);

        assert_non_null(page);
        assert_true(page->n_jobs > 0 && page->n_jobs < JOBS);
        for (size_t i = 0; i < page->n_jobs; i++)
            assert_true(strlen(page->jobs[i]->data->json) >= BYTES);
        seen += (int)page->n_jobs;
        request.page_token = page->next_page_token;
    } while (request.page_token[0] != '\0' && seen < JOBS);
    assert_int_equal(seen, JOBS);
    assert_int_equal(org_info(f)->n_sync_jobs, JOBS);
    free(json);
}

static void syncs_are_listed_by_name_with_their_jobs(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__ListSyncsRequest request = SYNC__V1__LIST_SYNCS_REQUEST__INIT;
    Sync__V1__GetSyncRequest get = SYNC__V1__GET_SYNC_REQUEST__INIT;
    Sync__V1__ListSyncsResponse *page;
    Sync__V1__GetSyncResponse *one;

    queue_job(f, "b");
    complete_lease(f, lease_jobs(f, 1)->jobs[0]->lease);
    queue_job(f, "a");
    pause_job(f, "a");
    request.page_size = 1;
    page = ask(f, SYNC_PATH, ListSyncs, list_syncs, &request);
    assert_int_equal(page->n_syncs, 1);
    assert_string_equal(page->syncs[0]->name, "a");
    assert_true(page->syncs[0]->paused);
    assert_non_null(page->syncs[0]->live_job);
    request.page_token = page->next_page_token;
    page = ask(f, SYNC_PATH, ListSyncs, list_syncs, &request);
    assert_int_equal(page->n_syncs, 1);
    assert_string_equal(page->syncs[0]->name, "b");
    assert_null(page->syncs[0]->live_job);
    assert_string_equal(page->syncs[0]->last_job->name, "b");

    get.name = (char *)"b";
    one = ask(f, SYNC_PATH, GetSync, get_sync, &get);
    assert_int_equal(one->sync->statistics->completed, 1);
    assert_non_null(one->sync->statistics->last_completed_at);
    get.name = (char *)"c";
    assert_null(ask(f, SYNC_PATH, GetSync, get_sync, &get));
    assert_failed(f, RPC_NOT_FOUND, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, methods_setup, methods_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_service_tells_its_version_its_state_and_its_uptime),
        TEST(an_organisation_that_nobody_used_is_empty_and_no_error),
        TEST(an_organisation_lists_its_live_jobs_before_the_ended_ones),
        TEST(an_organisation_lists_two_hundred_live_jobs_and_the_fifty_newest_ended_ones),
        TEST(an_unknown_job_and_a_wrong_id_are_told_apart),
        TEST(pages_of_jobs_follow_each_other_without_gap),
        TEST(lists_are_narrowed_by_status_name_type_and_time),
        TEST(wrong_pages_are_refused),
        TEST(jobs_with_a_lot_of_data_make_short_pages),
        TEST(syncs_are_listed_by_name_with_their_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
