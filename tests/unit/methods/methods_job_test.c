#include "tests/unit/methods/methods_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* QueueJob and QueueJobs: what is taken, what is refused, and that nothing
 * changes when it is. */

struct queueing {
    Sync__V1__QueueJobRequest request;
    Sync__V1__JobData data;
    Sync__V1__JobFilters filters;
    Sync__V1__JobOptions options;
    Sync__V1__Schedule schedule;
    Google__Protobuf__Timestamp time;
};

static void a_full_job(struct queueing *q)
{
    *q = (struct queueing){ .request = SYNC__V1__QUEUE_JOB_REQUEST__INIT,
                            .data = SYNC__V1__JOB_DATA__INIT,
                            .filters = SYNC__V1__JOB_FILTERS__INIT,
                            .options = SYNC__V1__JOB_OPTIONS__INIT,
                            .schedule = SYNC__V1__SCHEDULE__INIT,
                            .time = GOOGLE__PROTOBUF__TIMESTAMP__INIT };
    q->data.source = (char *)"shopify";
    q->data.target = (char *)"local";
    q->request.name = (char *)"product-sync";
    q->request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_FULL;
    q->request.data = &q->data;
}

static Sync__V1__Job *submit(struct methods_fixture *f, struct queueing *q)
{
    Sync__V1__QueueJobResponse *response = ask(f, SYNC_PATH, QueueJob, queue_job, &q->request);

    return response != NULL ? response->job : NULL;
}

static size_t count_jobs(struct methods_fixture *f)
{
    Sync__V1__ListJobsRequest request = SYNC__V1__LIST_JOBS_REQUEST__INIT;
    Sync__V1__ListJobsResponse *response = ask(f, SYNC_PATH, ListJobs, list_jobs, &request);

    assert_non_null(response);
    return response->n_jobs;
}

static void a_job_is_queued_and_shown_as_documented(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;
    Sync__V1__Job *job;

    a_full_job(&q);
    job = submit(f, &q);
    assert_non_null(job);
    assert_memory_equal(job->id, "job_", 4);
    assert_string_equal(job->name, "product-sync");
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
    assert_non_null(job->queued_at);
    assert_null(job->started_at);
    assert_null(job->data);
    assert_int_equal(job->wait_reason, SYNC__V1__WAIT_REASON__WAIT_REASON_NO_WORKER);
    assert_int_equal(job->duplicate_set_case, SYNC__V1__JOB__DUPLICATE_SET__NOT_SET);
}

static void everything_that_was_asked_for_is_told_again(void **state)
{
    struct methods_fixture *f = *state;
    char *collections[] = { (char *)"summer", (char *)"new" };
    struct queueing q;
    Sync__V1__Job *job;

    a_full_job(&q);
    q.request.priority = SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_HIGH;
    q.time.seconds = 1672531200;
    q.filters.updated_since = &q.time;
    q.filters.collections = collections;
    q.filters.n_collections = 2;
    q.data.filters = &q.filters;
    q.data.json = (char *)"{\"source\":\"shopify\",\"own\":[1,2]}";
    q.request.options = &q.options;
    q.options.concurrency_set_case = SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY;
    q.options.concurrency = 5;
    q.options.max_retries_set_case = SYNC__V1__JOB_OPTIONS__MAX_RETRIES_SET_MAX_RETRIES;
    q.options.max_retries = 7;
    job = submit(f, &q);
    assert_non_null(job);
    job = get_job(f, job->id);

    assert_int_equal(job->type, SYNC__V1__JOB_TYPE__JOB_TYPE_FULL);
    assert_int_equal(job->priority, SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_HIGH);
    assert_string_equal(job->data->source, "shopify");
    assert_string_equal(
        job->data->json,
        "{\"target\":\"local\",\"filters\":{\"updatedSince\":\"2023-01-01T00:00:00Z\","
        "\"collections\":[\"summer\",\"new\"]},\"source\":\"shopify\",\"own\":[1,2]}");
    assert_int_equal(job->data->filters->updated_since->seconds, 1672531200);
    assert_int_equal(job->data->filters->n_collections, 2);
    assert_string_equal(job->data->filters->collections[1], "new");
    assert_int_equal(job->options->concurrency, 5);
    assert_int_equal(job->options->max_retries, 7);
    assert_true(job->options->retry_on_fail);
    assert_string_equal(job->org_id, ORG);
}

static void defaults_are_filled_in(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__Job *job = get_job(f, queue_job(f, "plain")->id);

    assert_int_equal(job->priority, SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_NORMAL);
    assert_int_equal(job->options->concurrency, 1);
    assert_int_equal(job->options->max_retries, 3);
    assert_true(job->options->retry_on_fail);
}

static void a_scheduled_job_waits_for_its_time_and_tells_the_next_ones(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;
    Sync__V1__Job *job;

    a_full_job(&q);
    q.request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_SCHEDULED;
    q.request.schedule = &q.schedule;
    q.time.seconds = clock_now_ms(clock_real()) / 1000 / 86400 * 86400 + 10 * 86400;
    q.schedule.start_at = &q.time;
    q.schedule.repeat = SYNC__V1__SCHEDULE_REPEAT__SCHEDULE_REPEAT_DAILY;
    q.schedule.time = (char *)"03:30";
    job = submit(f, &q);
    assert_non_null(job);
    assert_int_equal(job->status, SYNC__V1__JOB_STATUS__JOB_STATUS_SCHEDULED);
    assert_int_equal(job->wait_reason, SYNC__V1__WAIT_REASON__WAIT_REASON_SCHEDULE);
    assert_int_equal(job->n_next_runs, 5);
    assert_int_equal(job->next_runs[0]->seconds, q.time.seconds + 3 * 3600 + 1800);
    assert_int_equal(job->next_runs[1]->seconds - job->next_runs[0]->seconds, 86400);
    assert_int_equal(job->scheduled_for->seconds, job->next_runs[0]->seconds);

    job = get_job(f, job->id);
    assert_string_equal(job->schedule->time, "03:30");
    assert_int_equal(job->schedule->repeat, SYNC__V1__SCHEDULE_REPEAT__SCHEDULE_REPEAT_DAILY);
}

/* One member at a time is wrong. */

static void no_name(struct queueing *q)
{
    q->request.name = (char *)"";
}

static void a_name_with_a_space(struct queueing *q)
{
    q->request.name = (char *)"a b";
}

static void no_type(struct queueing *q)
{
    q->request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_UNSPECIFIED;
}

static void an_unknown_type(struct queueing *q)
{
    q->request.type = (Sync__V1__JobType)9;
}

static void an_unknown_priority(struct queueing *q)
{
    q->request.priority = (Sync__V1__JobPriority)-1;
}

static void no_data(struct queueing *q)
{
    q->request.data = NULL;
}

static void an_entity_job_without_entity(struct queueing *q)
{
    q->request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_ENTITY;
}

static void a_scheduled_job_without_schedule(struct queueing *q)
{
    q->request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_SCHEDULED;
}

static void a_mode_of_entity(struct queueing *q)
{
    q->data.mode = SYNC__V1__JOB_TYPE__JOB_TYPE_ENTITY;
}

static void a_date_beyond_all_years(struct queueing *q)
{
    q->time.seconds = INT64_MAX;
    q->filters.updated_since = &q->time;
    q->data.filters = &q->filters;
}

static void no_concurrency(struct queueing *q)
{
    q->request.options = &q->options;
    q->options.concurrency_set_case = SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY;
}

static void too_many_retries(struct queueing *q)
{
    q->request.options = &q->options;
    q->options.max_retries_set_case = SYNC__V1__JOB_OPTIONS__MAX_RETRIES_SET_MAX_RETRIES;
    q->options.max_retries = 101;
}

static void the_25th_hour(struct queueing *q)
{
    q->request.schedule = &q->schedule;
    q->schedule.time = (char *)"24:00";
}

static void an_unknown_repeat(struct queueing *q)
{
    q->request.schedule = &q->schedule;
    q->schedule.repeat = (Sync__V1__ScheduleRepeat)77;
}

static void an_interval_of_months(struct queueing *q)
{
    q->request.schedule = &q->schedule;
    q->schedule.interval = (char *)"P1M";
}

static void no_runs_at_all(struct queueing *q)
{
    q->request.schedule = &q->schedule;
    q->schedule.max_runs_set_case = SYNC__V1__SCHEDULE__MAX_RUNS_SET_MAX_RUNS;
}

static void an_unknown_way_with_duplicates(struct queueing *q)
{
    q->request.on_duplicate = (Sync__V1__OnDuplicate)5;
}

static void a_request_id_of_two_lines(struct queueing *q)
{
    q->request.request_id = (char *)"a\nb";
}

static void bytes_that_are_no_text(struct queueing *q)
{
    q->data.json = (char *)"{\"a\":\"\xff\"}";
}

static void a_surrogate(struct queueing *q)
{
    static char *collections[] = { (char *)"fine", (char *)"\xed\xa0\x80" };

    q->filters.collections = collections;
    q->filters.n_collections = 2;
    q->data.filters = &q->filters;
}

static void what_is_wrong_is_refused_by_the_name_of_its_field(void **state)
{
    static const struct {
        void (*spoil)(struct queueing *q);
        const char *field;
    } cases[] = {
        { no_name, "name" },
        { a_name_with_a_space, "name" },
        { no_type, "type" },
        { an_unknown_type, "type" },
        { an_unknown_priority, "priority" },
        { no_data, "data.source" },
        { an_entity_job_without_entity, "data.entity" },
        { a_scheduled_job_without_schedule, "schedule" },
        { a_mode_of_entity, "data.mode" },
        { a_date_beyond_all_years, "data.filters.updatedSince" },
        { no_concurrency, "options.concurrency" },
        { too_many_retries, "options.maxRetries" },
        { the_25th_hour, "schedule.time" },
        { an_unknown_repeat, "schedule.repeat" },
        { an_interval_of_months, "schedule.interval" },
        { no_runs_at_all, "schedule.maxRuns" },
        { an_unknown_way_with_duplicates, "onDuplicate" },
        { a_request_id_of_two_lines, "requestId" },
        { bytes_that_are_no_text, "data.json" },
        { a_surrogate, "data.filters.collections" },
    };
    struct methods_fixture *f = *state;
    struct queueing q;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        a_full_job(&q);
        cases[i].spoil(&q);
        assert_null(submit(f, &q));
        assert_failed(f, RPC_INVALID_ARGUMENT, cases[i].field);
    }
    assert_int_equal(count_jobs(f), 0);
}

/* ---- data.json beside the typed fields. ---- */

static const char *json_kept(struct methods_fixture *f, struct queueing *q, const char *json)
{
    Sync__V1__Job *job;

    q->data.json = (char *)(uintptr_t)json;
    job = submit(f, q);
    assert_non_null(job);
    return get_job(f, job->id)->data->json;
}

static void what_only_typed_fields_say_is_put_into_the_object(void **state)
{
    struct methods_fixture *f = *state;
    char *collections[] = { (char *)"a\"\\\n", (char *)"" };
    struct queueing q;

    a_full_job(&q);
    assert_string_equal(json_kept(f, &q, " { } "),
                        " {\"source\":\"shopify\",\"target\":\"local\" } ");
    assert_string_equal(json_kept(f, &q, "{\"a\":1}"),
                        "{\"source\":\"shopify\",\"target\":\"local\",\"a\":1}");
    assert_string_equal(json_kept(f, &q, ""), "");
    q.filters.collections = collections;
    q.filters.n_collections = 2;
    q.data.filters = &q.filters;
    q.data.allow_mass_delete = true;
    q.data.mode = SYNC__V1__JOB_TYPE__JOB_TYPE_INCREMENTAL;
    q.data.entity = (char *)"products";
    assert_string_equal(json_kept(f, &q, "{\"source\":\"shopify\",\"target\":\"local\"}"),
                        "{\"entity\":\"products\",\"mode\":\"incremental\",\"filters\":"
                        "{\"collections\":[\"a\\\"\\\\\\u000a\",\"\"]},\"allowMassDelete\":true,"
                        "\"source\":\"shopify\",\"target\":\"local\"}");
}

static void an_object_that_lacks_nothing_stays_as_it_is(void **state)
{
    static const char whole[] =
        "\t{ \"targe\\u0074\" : \"l\\u006fcal\", \"source\":\"shopify\",\"entity\":null, "
        "\"mode\":null,"
        "\"allowMassDelete\":false, \"filters\":{\"mine\":[],\"collections\":[ \"summer\" ],"
        "\"updatedSince\":\"2023-01-01T01:00:00.000+01:00\"}, \"mine\":{\"source\":\"another\"} }";
    struct methods_fixture *f = *state;
    char *collections[] = { (char *)"summer" };
    struct queueing q;

    a_full_job(&q);
    q.time.seconds = 1672531200;
    q.filters.updated_since = &q.time;
    q.filters.collections = collections;
    q.filters.n_collections = 1;
    q.data.filters = &q.filters;
    assert_string_equal(json_kept(f, &q, whole), whole);
}

static void an_object_that_contradicts_the_typed_fields_is_refused(void **state)
{
    static const char *const wrong[] = {
        "[1]",
        "1",
        "null",
        " ",
        "garbage{",
        "{}{}",
        "{\"source\":\"evil\"}",
        "{\"source\":\"shopify\",\"source\":\"evil\"}",
        "{\"sourc\\u0065\":\"evil\"}",
        "{\"source\":\"shopify\\u0000\"}",
        "{\"source\":\"\\ud83d\\ude00\"}",
        "{\"source\":\"\\ud83d\"}",
        "{\"source\":null}",
        "{\"source\":[\"shopify\"]}",
        "{\"target\":\"Local\"}",
        "{\"entity\":\"products\"}",
        "{\"mode\":\"full\"}",
        "{\"mode\":1}",
        "{\"allowMassDelete\":true}",
        "{\"allowMassDelete\":\"false\"}",
        "{\"filters\":[]}",
        "{\"filters\":null}",
        "{\"filters\":{}}",
        "{\"filters\":{\"collections\":[\"summer\"]}}",
        "{\"filters\":{\"collections\":[\"summer\"],\"updatedSince\":\"2023-01-01T00:00:01Z\"}}",
        "{\"filters\":{\"collections\":[\"summer\"],\"updatedSince\":1672531200}}",
        "{\"filters\":{\"collections\":[],\"updatedSince\":\"2023-01-01T00:00:00Z\"}}",
        "{\"filters\":{\"collections\":[\"summer\",\"x\"],\"updatedSince\":\"2023-01-01T00:00:"
        "00Z\"}}",
        "{\"filters\":{\"collections\":\"summer\",\"updatedSince\":\"2023-01-01T00:00:00Z\"}}",
    };
    struct methods_fixture *f = *state;
    char *collections[] = { (char *)"summer" };
    struct queueing q;

    a_full_job(&q);
    q.time.seconds = 1672531200;
    q.filters.updated_since = &q.time;
    q.filters.collections = collections;
    q.filters.n_collections = 1;
    q.data.filters = &q.filters;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        q.data.json = (char *)(uintptr_t)wrong[i];
        assert_null(submit(f, &q));
        assert_failed(f, RPC_INVALID_ARGUMENT, "data.json");
    }
    assert_int_equal(count_jobs(f), 0);
}

/* An object of that many around an empty one, and its own. */
static Sync__V1__Job *submit_nested(struct methods_fixture *f, int depth)
{
    char json[1000] = "";
    struct queueing q;

    for (int i = 1; i < depth; i++)
        strcat(json, "{\"a\":");
    strcat(json, "{");
    for (int i = 0; i < depth; i++)
        strcat(json, "}");
    a_full_job(&q);
    q.data.json = json;
    return submit(f, &q);
}

static void an_object_may_be_nested_32_deep_and_no_deeper(void **state)
{
    struct methods_fixture *f = *state;

    assert_non_null(submit_nested(f, 32));
    assert_null(submit_nested(f, 33));
    assert_failed(f, RPC_INVALID_ARGUMENT, "data.json");
}

static void coalescing_gives_the_job_that_waits_as_a_duplicate(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;
    Sync__V1__Job *first, *second;

    a_full_job(&q);
    q.request.on_duplicate = SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_COALESCE;
    first = submit(f, &q);
    assert_non_null(first);
    assert_int_equal(first->duplicate_set_case, SYNC__V1__JOB__DUPLICATE_SET__NOT_SET);
    q.data.json = (char *)"{\"newer\":true}";
    second = submit(f, &q);
    assert_non_null(second);
    assert_string_equal(second->id, first->id);
    assert_true(second->duplicate);
    assert_int_equal(count_jobs(f), 1);
    assert_string_equal(get_job(f, first->id)->data->json,
                        "{\"source\":\"shopify\",\"target\":\"local\",\"newer\":true}");
}

static void a_rejected_duplicate_is_told_the_id_there_is(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;
    Sync__V1__Job *first;

    a_full_job(&q);
    q.request.on_duplicate = SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_REJECT;
    first = submit(f, &q);
    assert_non_null(first);
    assert_null(submit(f, &q));
    assert_failed(f, RPC_ALREADY_EXISTS, "");
    assert_non_null(strstr(f->status.message, first->id));
    assert_int_equal(count_jobs(f), 1);
}

static void a_replaced_job_is_cancelled(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;
    Sync__V1__Job *first, *second;

    a_full_job(&q);
    first = submit(f, &q);
    q.request.on_duplicate = SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_REPLACE;
    second = submit(f, &q);
    assert_non_null(second);
    assert_string_not_equal(second->id, first->id);
    assert_int_equal(get_job(f, first->id)->status, SYNC__V1__JOB_STATUS__JOB_STATUS_CANCELLED);
    assert_int_equal(second->status, SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED);
}

static void a_repeated_request_id_gives_the_first_answer(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;
    Sync__V1__Job *first, *again;

    a_full_job(&q);
    q.request.request_id = (char *)"once";
    first = submit(f, &q);
    assert_non_null(first);
    again = submit(f, &q);
    assert_non_null(again);
    assert_int_equal(protobuf_c_message_get_packed_size(&again->base),
                     protobuf_c_message_get_packed_size(&first->base));
    assert_string_equal(again->id, first->id);
    assert_int_equal(again->queued_at->seconds, first->queued_at->seconds);
    assert_int_equal(count_jobs(f), 1);
    q.request.org_id = (char *)ORG; /* said once more, in another place */
    again = submit(f, &q);
    assert_non_null(again);
    assert_string_equal(again->id, first->id);
}

static void a_request_id_with_another_request_is_refused_by_its_field(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;

    a_full_job(&q);
    q.request.request_id = (char *)"once";
    assert_non_null(submit(f, &q));
    q.data.json = (char *)"{\"other\":1}";
    assert_null(submit(f, &q));
    assert_failed(f, RPC_FAILED_PRECONDITION, "requestId");
    q.data.json = (char *)"";
    q.request.on_duplicate = SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_REJECT;
    assert_null(submit(f, &q));
    assert_failed(f, RPC_FAILED_PRECONDITION, "requestId");
    assert_int_equal(count_jobs(f), 1);
}

static void each_job_of_a_batch_has_its_own_request_id(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__QueueJobsRequest request = SYNC__V1__QUEUE_JOBS_REQUEST__INIT;
    Sync__V1__QueueJobsResponse *response;
    struct queueing jobs[4];
    Sync__V1__QueueJobRequest *pointers[4];

    for (int i = 0; i < 4; i++) {
        a_full_job(&jobs[i]);
        jobs[i].request.request_id = (char *)(i == 3 ? "two" : "one");
        pointers[i] = &jobs[i].request;
    }
    jobs[2].request.name = (char *)"another-sync";
    request.jobs = pointers;
    request.n_jobs = 4;
    response = ask(f, SYNC_PATH, QueueJobs, queue_jobs, &request);
    assert_non_null(response);
    assert_int_equal(response->n_results, 4);
    assert_false(response->results[0]->replayed);
    assert_true(response->results[1]->replayed);
    assert_string_equal(response->results[1]->job->id, response->results[0]->job->id);
    assert_int_equal(response->results[2]->error->code, RPC_FAILED_PRECONDITION);
    assert_string_equal(response->results[2]->error->field, "requestId");
    assert_false(response->results[3]->replayed);
    assert_string_not_equal(response->results[3]->job->id, response->results[0]->job->id);
    assert_int_equal(count_jobs(f), 2);
}

static void the_header_and_the_message_must_name_the_same_organisation(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;

    a_full_job(&q);
    q.request.org_id = (char *)"other";
    assert_null(submit(f, &q));
    assert_failed(f, RPC_INVALID_ARGUMENT, "orgid");

    q.request.org_id = (char *)ORG;
    assert_non_null(submit(f, &q));
    assert_non_null(ask_as(f, NULL, SYNC_PATH "QueueJob", &sync__v1__queue_job_response__descriptor,
                           &q.request.base));

    q.request.org_id = (char *)"";
    assert_null(ask_as(f, NULL, SYNC_PATH "QueueJob", &sync__v1__queue_job_response__descriptor,
                       &q.request.base));
    assert_failed(f, RPC_INVALID_ARGUMENT, "orgid");
    assert_null(ask_as(f, "a/b", SYNC_PATH "QueueJob", &sync__v1__queue_job_response__descriptor,
                       &q.request.base));
    assert_failed(f, RPC_INVALID_ARGUMENT, "orgid");
}

static void a_commit_that_fails_is_told_and_leaves_nothing(void **state)
{
    struct methods_fixture *f = *state;
    struct queueing q;

    a_full_job(&q);
    assert_non_null(submit(f, &q)); /* the engine's own first commit is over */
    hold_store(f);
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    let_store_go(f);
    assert_null(submit(f, &q));
    assert_failed(f, RPC_UNAVAILABLE, "");
    assert_true(f->status.retry_after_ms > 0);
    assert_int_equal(count_jobs(f), 1);
    submit(f, &q);
    assert_string_equal(f->status.message, "");
}

static void a_batch_has_one_result_for_each_job_in_order(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__QueueJobsRequest request = SYNC__V1__QUEUE_JOBS_REQUEST__INIT;
    Sync__V1__QueueJobsResponse *response;
    Sync__V1__QueueJobRequest *jobs[4];
    struct queueing q[4];

    for (int i = 0; i < 4; i++) {
        a_full_job(&q[i]);
        jobs[i] = &q[i].request;
    }
    q[1].request.name = (char *)"";           /* core refuses it */
    q[2].request.type = (Sync__V1__JobType)9; /* we do */
    q[3].request.org_id = (char *)"other";
    request.jobs = jobs;
    request.n_jobs = 4;
    response = ask(f, SYNC_PATH, QueueJobs, queue_jobs, &request);
    assert_non_null(response);
    assert_int_equal(response->n_results, 4);
    assert_string_equal(response->results[0]->job->name, "product-sync");
    assert_int_equal(response->results[1]->error->code, RPC_INVALID_ARGUMENT);
    assert_string_equal(response->results[1]->error->field, "name");
    assert_string_equal(response->results[2]->error->field, "type");
    assert_string_equal(response->results[3]->error->field, "orgid");
    assert_int_equal(count_jobs(f), 1);
}

static void a_batch_of_a_thousand_is_taken_and_one_more_is_not(void **state)
{
    enum { MANY = 1001 };
    struct methods_fixture *f = *state;
    Sync__V1__QueueJobsRequest request = SYNC__V1__QUEUE_JOBS_REQUEST__INIT;
    Sync__V1__QueueJobsResponse *response;
    Sync__V1__QueueJobRequest **jobs = calloc(MANY, sizeof *jobs);
    struct queueing q;

    a_full_job(&q);
    for (int i = 0; i < MANY; i++)
        jobs[i] = &q.request;
    request.jobs = jobs;
    request.n_jobs = MANY;
    assert_null(ask(f, SYNC_PATH, QueueJobs, queue_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "jobs");
    request.n_jobs = MANY - 1;
    response = ask(f, SYNC_PATH, QueueJobs, queue_jobs, &request);
    assert_non_null(response);
    assert_int_equal(response->n_results, MANY - 1);
    for (int i = 0; i < MANY - 1; i++)
        assert_non_null(response->results[i]->job);
    request.n_jobs = 0;
    assert_null(ask(f, SYNC_PATH, QueueJobs, queue_jobs, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "jobs");
    free(jobs);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, methods_setup, methods_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_is_queued_and_shown_as_documented),
        TEST(everything_that_was_asked_for_is_told_again),
        TEST(defaults_are_filled_in),
        TEST(a_scheduled_job_waits_for_its_time_and_tells_the_next_ones),
        TEST(what_is_wrong_is_refused_by_the_name_of_its_field),
        TEST(what_only_typed_fields_say_is_put_into_the_object),
        TEST(an_object_that_lacks_nothing_stays_as_it_is),
        TEST(an_object_that_contradicts_the_typed_fields_is_refused),
        TEST(an_object_may_be_nested_32_deep_and_no_deeper),
        TEST(coalescing_gives_the_job_that_waits_as_a_duplicate),
        TEST(a_rejected_duplicate_is_told_the_id_there_is),
        TEST(a_replaced_job_is_cancelled),
        TEST(a_repeated_request_id_gives_the_first_answer),
        TEST(a_request_id_with_another_request_is_refused_by_its_field),
        TEST(each_job_of_a_batch_has_its_own_request_id),
        TEST(the_header_and_the_message_must_name_the_same_organisation),
        TEST(a_commit_that_fails_is_told_and_leaves_nothing),
        TEST(a_batch_has_one_result_for_each_job_in_order),
        TEST(a_batch_of_a_thousand_is_taken_and_one_more_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
