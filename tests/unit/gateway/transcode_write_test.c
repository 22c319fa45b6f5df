#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/json/transcode.h"
#include "sync/v1/sync.pb-c.h"

static char *written(const ProtobufCMessage *message, const char *hidden)
{
    static char text[4096];
    struct json_writer writer = { .size_max = sizeof text - 1 };

    json_begin_object(&writer);
    transcode_write_members(&writer, message, hidden);
    json_end_object(&writer);
    assert_false(writer.failed);
    memcpy(text, writer.text, writer.size);
    text[writer.size] = '\0';
    json_writer_free(&writer);
    return text;
}

/* The job as it stands in an answer. */
static char *written_job(Sync__V1__Job *job, const char *hidden)
{
    Sync__V1__GetJobResponse response = SYNC__V1__GET_JOB_RESPONSE__INIT;

    response.job = job;
    return written(&response.base, hidden);
}

static void a_queued_job_is_written_as_documented(void **state)
{
    Google__Protobuf__Timestamp queued = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Timestamp start = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Sync__V1__Job job = SYNC__V1__JOB__INIT;
    Sync__V1__QueueJobResponse response = SYNC__V1__QUEUE_JOB_RESPONSE__INIT;

    (void)state;
    queued.seconds = 1672575000;
    start.seconds = 1672575120;
    job.id = "job789";
    job.name = "product-sync";
    job.status = SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED;
    job.queued_at = &queued;
    job.estimated_start = &start;
    response.job = &job;
    assert_string_equal(
        written(&response.base, "progress"),
        "{\"job\":{\"id\":\"job789\",\"name\":\"product-sync\",\"status\":\"queued\","
        "\"queuedAt\":\"2023-01-01T12:10:00Z\",\"estimatedStart\":\"2023-01-01T12:12:00Z\"}}");
}

static void numbers_and_bools_are_always_written(void **state)
{
    Sync__V1__PurgedJobs purged = SYNC__V1__PURGED_JOBS__INIT;
    Sync__V1__Sync sync = SYNC__V1__SYNC__INIT;

    (void)state;
    purged.completed = UINT64_MAX;
    assert_string_equal(written(&purged.base, NULL),
                        "{\"completed\":18446744073709551615,\"failed\":0,\"cancelled\":0}");
    sync.name = "a";
    assert_non_null(strstr(written(&sync.base, NULL), "\"paused\":false"));
}

static void what_is_absent_is_left_out(void **state)
{
    Sync__V1__Job job = SYNC__V1__JOB__INIT;

    (void)state;
    assert_string_equal(written_job(&job, NULL), "{\"job\":{\"progress\":0}}");
    job.duplicate_set_case = SYNC__V1__JOB__DUPLICATE_SET_DUPLICATE;
    job.attempts_set_case = SYNC__V1__JOB__ATTEMPTS_SET_ATTEMPTS;
    assert_string_equal(written_job(&job, NULL),
                        "{\"job\":{\"progress\":0,\"duplicate\":false,\"attempts\":0}}");
}

static void a_list_is_written_even_if_empty(void **state)
{
    Sync__V1__ListJobsResponse response = SYNC__V1__LIST_JOBS_RESPONSE__INIT;
    Sync__V1__Job job = SYNC__V1__JOB__INIT, *jobs[] = { &job, &job };

    (void)state;
    assert_string_equal(written(&response.base, NULL), "{\"jobs\":[]}");
    response.jobs = jobs;
    response.n_jobs = 2;
    response.next_page_token = "t";
    assert_string_equal(written(&response.base, NULL),
                        "{\"jobs\":[{\"progress\":0},{\"progress\":0}],\"nextPageToken\":\"t\"}");
}

static void data_is_written_as_it_came(void **state)
{
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    Sync__V1__Job job = SYNC__V1__JOB__INIT;

    (void)state;
    data.source = "s";
    data.json = "{ \"source\": \"s\", \"mine\": [1.50] }";
    job.data = &data;
    assert_string_equal(written_job(&job, "progress"),
                        "{\"job\":{\"data\":{ \"source\": \"s\", \"mine\": [1.50] }}}");
}

static void data_that_is_no_object_is_written_from_its_fields(void **state)
{
    static char *const texts[] = { "", "{", "[]", "1", "{}}", "{\"a\":\"\xff\"}" };
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    Sync__V1__JobFilters filters = SYNC__V1__JOB_FILTERS__INIT;
    Sync__V1__Job job = SYNC__V1__JOB__INIT;
    char *collections[] = { "a", "b" };

    (void)state;
    filters.collections = collections;
    filters.n_collections = 2;
    data.source = "s";
    data.filters = &filters;
    job.data = &data;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        data.json = texts[i];
        assert_string_equal(written_job(&job, "progress"),
                            "{\"job\":{\"data\":{\"source\":\"s\",\"filters\":{\"collections\":["
                            "\"a\",\"b\"]},\"allowMassDelete\":false}}}");
    }
}

static void times_outside_the_calendar_do_no_harm(void **state)
{
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Duration duration = GOOGLE__PROTOBUF__DURATION__INIT;
    Sync__V1__SyncStatistics statistics = SYNC__V1__SYNC_STATISTICS__INIT;

    (void)state;
    statistics.last_completed_at = &time;
    statistics.mean_duration = &duration;
    time.seconds = INT64_MAX;
    duration.seconds = INT64_MIN;
    assert_string_equal(written(&statistics.base, "completed failed cancelled skipped"),
                        "{\"meanDuration\":\"PT0S\",\"lastCompletedAt\":\"9999-12-31T23:59:59Z\"}");
    time.seconds = INT64_MIN;
    duration.seconds = 1;
    duration.nanos = -5;
    assert_string_equal(written(&statistics.base, "completed failed cancelled skipped"),
                        "{\"meanDuration\":\"PT1S\",\"lastCompletedAt\":\"0001-01-01T00:00:00Z\"}");
}

static void an_enum_value_of_a_newer_server_is_written_as_its_number(void **state)
{
    Sync__V1__Job job = SYNC__V1__JOB__INIT;

    (void)state;
    job.status = (Sync__V1__JobStatus)77;
    assert_string_equal(written_job(&job, "progress"), "{\"job\":{\"status\":77}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queued_job_is_written_as_documented),
        cmocka_unit_test(numbers_and_bools_are_always_written),
        cmocka_unit_test(what_is_absent_is_left_out),
        cmocka_unit_test(a_list_is_written_even_if_empty),
        cmocka_unit_test(data_is_written_as_it_came),
        cmocka_unit_test(data_that_is_no_object_is_written_from_its_fields),
        cmocka_unit_test(times_outside_the_calendar_do_no_harm),
        cmocka_unit_test(an_enum_value_of_a_newer_server_is_written_as_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
