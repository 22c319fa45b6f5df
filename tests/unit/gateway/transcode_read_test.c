#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/limits.h"
#include "gateway/json/transcode.h"
#include "sync/v1/sync.pb-c.h"

static const char queue_members[] = "name type priority data options schedule onDuplicate";

struct fixture {
    struct arena *mem;
    Sync__V1__QueueJobRequest request;
    struct why why;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->mem = arena_new(1 << 19);
    sync__v1__queue_job_request__init(&f->request);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_free(f->mem);
    free(f);
    return 0;
}

static enum err read_bytes(struct fixture *f, struct bytes text)
{
    f->why = (struct why){ .text = "" };
    sync__v1__queue_job_request__init(&f->request);
    return transcode_read(text, queue_members, &f->request.base, f->mem, &f->why);
}

static enum err read_text(struct fixture *f, const char *text)
{
    return read_bytes(f, bytes_of_text(text));
}

static void the_documents_example_is_read(void **state)
{
    struct fixture *f = *state;
    const Sync__V1__QueueJobRequest *request = &f->request;

    assert_int_equal(
        read_text(f, "{\"name\":\"product-sync\",\"type\":\"full\",\"priority\":\"high\","
                     "\"data\":{\"source\":\"shopify\",\"target\":\"local\",\"filters\":{"
                     "\"updatedSince\":\"2023-01-01T00:00:00Z\","
                     "\"collections\":[\"summer-collection\",\"new-arrivals\"]}},"
                     "\"options\":{\"concurrency\":5,\"retryOnFail\":true,\"maxRetries\":3}}"),
        OK);
    assert_string_equal(request->name, "product-sync");
    assert_int_equal(request->type, SYNC__V1__JOB_TYPE__JOB_TYPE_FULL);
    assert_int_equal(request->priority, SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_HIGH);
    assert_string_equal(request->data->source, "shopify");
    assert_string_equal(request->data->entity, "");
    assert_int_equal(request->data->filters->updated_since->seconds, 1672531200);
    assert_int_equal(request->data->filters->n_collections, 2);
    assert_string_equal(request->data->filters->collections[1], "new-arrivals");
    assert_int_equal(request->options->concurrency_set_case,
                     SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY);
    assert_int_equal(request->options->concurrency, 5);
    assert_true(request->options->retry_on_fail);
    assert_int_equal(request->options->max_retries, 3);
    assert_null(request->schedule);
}

static void absence_is_kept_where_it_means_something(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "{\"options\":{\"maxRetries\":0},\"schedule\":null}"), OK);
    assert_int_equal(f->request.options->max_retries_set_case,
                     SYNC__V1__JOB_OPTIONS__MAX_RETRIES_SET_MAX_RETRIES);
    assert_int_equal(f->request.options->retry_on_fail_set_case,
                     SYNC__V1__JOB_OPTIONS__RETRY_ON_FAIL_SET__NOT_SET);
    assert_null(f->request.schedule);
    assert_null(f->request.data);
}

static void a_schedule_block_is_read(void **state)
{
    struct fixture *f = *state;
    const Sync__V1__Schedule *schedule;

    assert_int_equal(
        read_text(f, "{\"schedule\":{\"startAt\":\"2023-01-15T01:00:00.250+01:00\",\"repeat\":"
                     "\"daily\",\"time\":\"00:00\",\"jitter\":\"PT1M\",\"catchUpWindow\":90.5,"
                     "\"overlap\":\"bufferOne\",\"maxRuns\":4}}"),
        OK);
    schedule = f->request.schedule;
    assert_int_equal(schedule->start_at->seconds, 1673740800);
    assert_int_equal(schedule->start_at->nanos, 250000000);
    assert_int_equal(schedule->repeat, SYNC__V1__SCHEDULE_REPEAT__SCHEDULE_REPEAT_DAILY);
    assert_int_equal(schedule->jitter->seconds, 60);
    assert_int_equal(schedule->catch_up_window->seconds, 90);
    assert_int_equal(schedule->catch_up_window->nanos, 500000000);
    assert_int_equal(schedule->overlap, SYNC__V1__SCHEDULE_OVERLAP__SCHEDULE_OVERLAP_BUFFER_ONE);
    assert_int_equal(schedule->max_runs, 4);
}

static void times_before_1970_are_read(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        read_text(f, "{\"data\":{\"filters\":{\"updatedSince\":\"1969-12-31T23:59:58.5Z\"}}}"), OK);
    assert_int_equal(f->request.data->filters->updated_since->seconds, -2);
    assert_int_equal(f->request.data->filters->updated_since->nanos, 500000000);
}

static void data_is_kept_byte_for_byte(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "{ \"name\":\"a\",\n \"data\" : { \"source\":\"s\", \"json\": "
                                  "[1.50, {\"x\":\"\\u00e9\"}],\"filters\":{\"mine\":{}} } }"),
                     OK);
    assert_string_equal(f->request.data->source, "s");
    assert_string_equal(f->request.data->json, "{ \"source\":\"s\", \"json\": [1.50, "
                                               "{\"x\":\"\\u00e9\"}],\"filters\":{\"mine\":{}} }");
}

static void data_is_found_under_an_escaped_name(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_text(f, "{\"name\":\"\\\"data\\\":{}\",\"d\\u0061ta\":{\"x\":1}}"), OK);
    assert_string_equal(f->request.data->json, "{\"x\":1}");
}

static void bad_input_is_refused_with_the_field(void **state)
{
    static const struct {
        const char *text, *field, *sentence;
    } cases[] = {
        { "{\"nmae\":1}", "nmae", "nmae is not a member this service knows" },
        { "{\"orgId\":\"x\"}", "orgId", "orgId is not a member this service knows" },
        { "{\"requestId\":\"x\"}", "requestId", "requestId is not a member this service knows" },
        { "{\"name\":5}", "name", "name must be a string" },
        { "{\"type\":\"partial\"}", "type",
          "type must be one of full, incremental, entity, scheduled" },
        { "{\"type\":1}", "type", "type must be one of full, incremental, entity, scheduled" },
        { "{\"priority\":\"HIGH\"}", "priority",
          "priority must be one of low, normal, high, critical" },
        { "{\"data\":[]}", "data", "data must be an object" },
        { "{\"data\":{\"source\":{}}}", "data.source", "data.source must be a string" },
        { "{\"data\":{\"filters\":\"x\"}}", "data.filters", "data.filters must be an object" },
        { "{\"data\":{\"filters\":{\"updatedSince\":\"yesterday\"}}}", "data.filters.updatedSince",
          "data.filters.updatedSince must be a time such as \"2023-01-01T00:00:00Z\"" },
        { "{\"data\":{\"filters\":{\"updatedSince\":1672531200}}}", "data.filters.updatedSince",
          "data.filters.updatedSince must be a time such as \"2023-01-01T00:00:00Z\"" },
        { "{\"data\":{\"filters\":{\"collections\":\"a\"}}}", "data.filters.collections",
          "data.filters.collections must be an array" },
        { "{\"data\":{\"filters\":{\"collections\":[\"a\",null]}}}", "data.filters.collections[1]",
          "data.filters.collections[1] must be a string" },
        { "{\"options\":{\"maxRetries\":\"3\"}}", "options.maxRetries",
          "options.maxRetries must be a whole number" },
        { "{\"options\":{\"maxRetries\":1.5}}", "options.maxRetries",
          "options.maxRetries must be a whole number" },
        { "{\"options\":{\"maxRetries\":-1}}", "options.maxRetries",
          "options.maxRetries must be a whole number, not negative" },
        { "{\"options\":{\"concurrency\":4294967296}}", "options.concurrency",
          "options.concurrency is too large" },
        { "{\"options\":{\"retryOnFail\":\"yes\"}}", "options.retryOnFail",
          "options.retryOnFail must be true or false" },
        { "{\"options\":{\"retries\":1}}", "options.retries",
          "options.retries is not a member this service knows" },
        { "{\"options\":5}", "options", "options must be an object" },
        { "{\"schedule\":{\"repeat\":\"yearly\"}}", "schedule.repeat",
          "schedule.repeat must be one of none, hourly, daily, weekly, monthly" },
        { "{\"schedule\":{\"startAt\":\"2023-13-01T00:00:00Z\"}}", "schedule.startAt",
          "schedule.startAt must be a time such as \"2023-01-01T00:00:00Z\"" },
        { "{\"schedule\":{\"jitter\":\"soon\"}}", "schedule.jitter",
          "schedule.jitter must be a duration such as \"PT30S\", or seconds" },
        { "{\"schedule\":{\"jitter\":-1}}", "schedule.jitter",
          "schedule.jitter must be a duration such as \"PT30S\", or seconds" },
        { "[]", "", "The request body must be a JSON object" },
        { "\"name\"", "", "The request body must be a JSON object" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_text(f, cases[i].text), ERR_INVALID);
        assert_string_equal(f->why.field, cases[i].field);
        assert_string_equal(f->why.text, cases[i].sentence);
    }
}

static void malformed_documents_are_refused_with_a_reason(void **state)
{
    static const char *const texts[] = {
        "{",
        "{\"name\":\"a\"",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"name\":\"\\u0000\"}",
        "{\"name\":\"\\ud800\"}",
        "{\"name\":\"\xff\"}",
        "{\"data\":{\"n\":1e999}}",
        "{\"data\":{\"n\":99999999999999999999}}",
        "name=a",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(read_text(f, texts[i]), ERR_INVALID);
        assert_memory_equal(f->why.text, "Malformed JSON: ", 16);
    }
}

/* {"data":{"a":[[...]]}} whose data is nested `depth` deep. */
static enum err read_nested_data(struct fixture *f, int depth)
{
    char text[256] = "{\"data\":{\"a\":";

    for (int i = 1; i < depth; i++)
        strcat(text, "[");
    if (depth == 1)
        strcat(text, "1");
    for (int i = 1; i < depth; i++)
        strcat(text, "]");
    strcat(text, "}}");
    return read_text(f, text);
}

static void data_may_be_nested_up_to_its_limit(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(read_nested_data(f, JSON_DATA_DEPTH_MAX), OK);
    assert_int_equal(read_nested_data(f, JSON_DATA_DEPTH_MAX + 1), ERR_INVALID);
    assert_int_equal(read_nested_data(f, 100), ERR_INVALID);
    assert_non_null(strstr(f->why.text, "nested too deep"));
}

static void a_request_larger_than_its_memory_is_refused(void **state)
{
    struct fixture *f = *state;
    static char text[1 << 20];

    memset(text, ' ', sizeof text - 1);
    memcpy(text, "{\"name\":\"", 9);
    memset(text + 9, 'a', sizeof text - 12);
    memcpy(text + sizeof text - 3, "\"}", 2);
    assert_int_equal(read_text(f, text), ERR_LIMIT);
}

static void parameters_are_read_by_type(void **state)
{
    struct fixture *f = *state;
    Sync__V1__ListJobsRequest list = SYNC__V1__LIST_JOBS_REQUEST__INIT;
    Sync__V1__PauseJobRequest pause = SYNC__V1__PAUSE_JOB_REQUEST__INIT;
    Sync__V1__ResumeJobRequest resume = SYNC__V1__RESUME_JOB_REQUEST__INIT;

    assert_int_equal(transcode_read_text("status", "paused", &list.base, f->mem, NULL), OK);
    assert_int_equal(list.status, SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED);
    assert_int_equal(transcode_read_text("pageSize", "17", &list.base, f->mem, NULL), OK);
    assert_int_equal(list.page_size, 17);
    assert_int_equal(transcode_read_text("since", "2023-01-01T00:00:00Z", &list.base, f->mem, NULL),
                     OK);
    assert_int_equal(list.since->seconds, 1672531200);
    assert_int_equal(transcode_read_text("wait", "2.5", &pause.base, f->mem, NULL), OK);
    assert_int_equal(pause.wait->seconds, 2);
    assert_int_equal(transcode_read_text("fromCheckpoint", "false", &resume.base, f->mem, NULL),
                     OK);
    assert_int_equal(resume.from_checkpoint_set_case,
                     SYNC__V1__RESUME_JOB_REQUEST__FROM_CHECKPOINT_SET_FROM_CHECKPOINT);
    assert_false(resume.from_checkpoint);
}

static void bad_parameters_are_refused_by_name(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        { "status", "done" },
        { "status", "" },
        { "pageSize", "-1" },
        { "pageSize", "ten" },
        { "pageSize", "1.0" },
        { "pageSize", "" },
        { "pageSize", "99999999999999999999" },
        { "since", "now" },
        { "until", "2023-01-01" },
    };
    struct fixture *f = *state;
    Sync__V1__ListJobsRequest list = SYNC__V1__LIST_JOBS_REQUEST__INIT;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            transcode_read_text(cases[i].name, cases[i].text, &list.base, f->mem, &f->why),
            ERR_INVALID);
        assert_string_equal(f->why.field, cases[i].name);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_documents_example_is_read),
        TEST(absence_is_kept_where_it_means_something),
        TEST(a_schedule_block_is_read),
        TEST(times_before_1970_are_read),
        TEST(data_is_kept_byte_for_byte),
        TEST(data_is_found_under_an_escaped_name),
        TEST(bad_input_is_refused_with_the_field),
        TEST(malformed_documents_are_refused_with_a_reason),
        TEST(data_may_be_nested_up_to_its_limit),
        TEST(a_request_larger_than_its_memory_is_refused),
        TEST(parameters_are_read_by_type),
        TEST(bad_parameters_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
