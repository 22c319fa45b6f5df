#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/request_bind.h"
#include "gateway/status_text.h"
#include "sync/v1/sync.pb-c.h"

static struct arena *mem;
static struct http_request request;
static struct binding binding;
static struct error_answer error;

static int setup(void **state)
{
    (void)state;
    mem = arena_new(1 << 20);
    return mem == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

/* `headers` as lines; Host is added. */
static bool bind(const char *line, const char *headers, const char *body)
{
    const char *text = arena_printf(mem, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, headers);
    struct http_flaw flaw;

    request = (struct http_request){ .mem = mem, .id = "id1", .body = bytes_of_text(body) };
    assert_true(http_head_parse(bytes_of_text(text), mem, &request.head, &flaw));
    return request_bind(&request, &binding, &error);
}

#define ORG "orgid: org1\r\n"

static void assert_refused(int status, const char *message)
{
    assert_int_equal(error.status, status);
    assert_string_equal(error.message, message);
}

/* Whoever watches, or waits for a worker, would keep the room of his body as long. */
static void only_a_job_may_have_a_large_body(void **state)
{
    static char blanks[8 * 1024];

    (void)state;
    memset(blanks, ' ', sizeof blanks - 1);
    assert_false(bind("GET /sync/watch", ORG, blanks));
    assert_refused(413, "Only a job to be queued may have a body above 4 KiB");
    assert_false(bind("POST /sync/pause/a?wait=60", ORG, blanks));
    assert_int_equal(error.status, 413);
    assert_false(bind("POST /sync/queue", ORG, blanks));
    assert_refused(400, "Empty Data");
}

static void path_query_header_and_body_find_their_fields(void **state)
{
    const Sync__V1__PauseJobRequest *pause;

    (void)state;
    assert_true(bind("POST /sync/pause/product%2Dsync?wait=5",
                     ORG "Authorization: Bearer x\r\nContent-Type: application/json; "
                         "charset=utf-8\r\n",
                     "{\"reason\":\"lunch\"}"));
    pause = (const Sync__V1__PauseJobRequest *)binding.message;
    assert_string_equal(binding.route->rpc, "/sync.v1.SyncService/PauseJob");
    assert_string_equal(pause->name, "product-sync");
    assert_string_equal(pause->reason, "lunch");
    assert_int_equal(pause->wait->seconds, 5);
    assert_true(binding.may_wait);
    assert_int_equal(binding.metadata_count, 3);
    assert_string_equal(binding.metadata[0].name, "orgid");
    assert_memory_equal(binding.metadata[0].value.data, "org1", 4);
    assert_string_equal(binding.metadata[1].name, "authorization");
    assert_string_equal(binding.metadata[2].name, "x-request-id");
}

static void the_idempotency_key_becomes_the_request_id(void **state)
{
    (void)state;
    assert_true(bind("POST /sync/queue", ORG "Idempotency-Key: k1\r\n", "{\"name\":\"a\"}"));
    assert_string_equal(((const Sync__V1__QueueJobRequest *)binding.message)->request_id, "k1");
    assert_true(bind("POST /sync/pause/a", ORG "Idempotency-Key: k1\r\n", ""));
    assert_false(bind("POST /sync/queue", ORG "Idempotency-Key:\r\n", "{\"name\":\"a\"}"));
}

static void empty_bodies_are_empty_data(void **state)
{
    (void)state;
    assert_false(bind("POST /sync/queue", ORG, ""));
    assert_refused(400, "Empty Data");
    assert_null(error.field);
    assert_false(bind("POST /sync/queue", ORG, " \r\n\t"));
    assert_refused(400, "Empty Data");
    assert_false(bind("POST /sync/queue", ORG "Content-Type: text/plain\r\n", ""));
    assert_refused(400, "Empty Data");
}

static void the_org_is_required_where_documented(void **state)
{
    static const char *const lines[] = { "GET /sync/info",     "POST /sync/queue",
                                         "GET /sync/purge",    "GET /sync/pause/a",
                                         "GET /sync/resume/a", "GET /sync/jobs" };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_false(bind(lines[i], "", ""));
        assert_refused(400, "The orgid header is required");
        assert_string_equal(error.field, "orgid");
        assert_false(bind(lines[i], "orgid:  \r\n", ""));
        assert_refused(400, "The orgid header is required");
    }
    assert_true(bind("GET /sync", "", ""));
    assert_false(bind("GET /sync/info", ORG ORG, ""));
    assert_refused(400, "The orgid header was sent more than once");
    assert_false(bind("GET /sync/info", "orgid: \xc3\xa9\r\n", ""));
    assert_int_equal(error.status, 400);
}

static void unknown_and_repeated_parameters_are_refused_by_name(void **state)
{
    (void)state;
    assert_false(bind("GET /sync/info?verbose=1", ORG, ""));
    assert_refused(400, "verbose is not a query parameter of this endpoint");
    assert_string_equal(error.field, "verbose");
    assert_false(bind("GET /sync/jobs?status=queued&status=failed", ORG, ""));
    assert_refused(400, "status was given more than once");
    assert_false(bind("GET /sync/jobs?status=done", ORG, ""));
    assert_refused(400, "status must be one of queued, scheduled, active, paused, completed, "
                        "failed, cancelled");
    assert_false(bind("GET /sync/pause/a?name=b", ORG, ""));
    assert_false(bind("GET /healthz?x", "", ""));
}

static void paths_and_methods_that_do_not_exist_say_so(void **state)
{
    (void)state;
    assert_false(bind("GET /nothing", "", ""));
    assert_refused(404, "There is no such endpoint");
    assert_false(bind("DELETE /sync/queue", ORG, ""));
    assert_refused(405, "DELETE does not work here, only POST, OPTIONS");
    assert_string_equal(error.allow, "POST, OPTIONS");
    assert_false(bind("HEAD /sync/purge", ORG, ""));
    assert_int_equal(error.status, 405);
    assert_false(bind("GET /sync/pause/%zz", ORG, ""));
    assert_refused(400, "The URL has an invalid percent-encoding");
}

static void browsers_must_not_change_things_by_accident(void **state)
{
    static const char *const headers[] = {
        ORG "Sec-Purpose: prefetch;prerender\r\n",
        ORG "Purpose: prefetch\r\n",
        ORG "X-Moz: prefetch\r\n",
        ORG "Sec-Fetch-Site: cross-site\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_false(bind("GET /sync/purge", headers[i], ""));
        assert_int_equal(error.status, 403);
        assert_false(bind("POST /sync/pause/a", headers[i], ""));
        assert_int_equal(error.status, 403);
        assert_true(bind("GET /sync/info", headers[i], ""));
    }
    assert_true(bind("GET /sync/purge", ORG "Sec-Fetch-Site: same-origin\r\n", ""));
}

static void only_json_is_read(void **state)
{
    static const char *const wrong[] = {
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: application/json; charset=latin1\r\n",
        "Content-Type:\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
    };
    static const char *const right[] = {
        "",
        "Content-Type: application/json\r\n",
        "Content-Type: Application/JSON ;charset=\"UTF-8\"\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(bind("POST /sync/queue", arena_printf(mem, ORG "%s", wrong[i]), "{}"));
        assert_int_equal(error.status, 415);
    }
    assert_false(bind("POST /sync/queue",
                      ORG "Content-Type: application/json\r\nContent-Type: text/plain\r\n", "{}"));
    assert_int_equal(error.status, 400);
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        assert_true(bind("POST /sync/queue", arena_printf(mem, ORG "%s", right[i]), "{}"));
}

static void options_tell_what_a_path_can_do(void **state)
{
    (void)state;
    assert_true(bind("OPTIONS /sync/purge", "", ""));
    assert_null(binding.route);
    assert_string_equal(binding.allow, "GET, POST, OPTIONS");
    assert_true(bind("OPTIONS *", "", ""));
    assert_string_equal(binding.allow, "GET, HEAD, POST, DELETE, OPTIONS");
    assert_false(bind("OPTIONS /nothing", "", ""));
    assert_int_equal(error.status, 404);
}

static void methods_that_nobody_knows_are_not_implemented(void **state)
{
    (void)state;
    assert_false(bind("BREW /sync", "", ""));
    assert_int_equal(error.status, 501);
    assert_false(bind("get /nothing", "", ""));
    assert_int_equal(error.status, 501);
    assert_false(bind("TRACE /sync", "", ""));
    assert_int_equal(error.status, 405);
}

static void a_body_where_none_belongs_is_refused(void **state)
{
    (void)state;
    assert_false(bind("GET /sync/info", ORG, "{}"));
    assert_refused(400, "This request takes no body");
    assert_false(bind("DELETE /sync/schedules/a", ORG, "{}"));
    assert_refused(400, "This request takes no body");
}

static void fields_of_a_status_get_their_json_names(void **state)
{
    struct rpc_status status = { .code = RPC_INVALID_ARGUMENT };

    (void)state;
    strcpy(status.message, "options.max_retries is 101; options.max_retries must be at most 100");
    strcpy(status.violation.field, "options.max_retries");
    strcpy(status.violation.description, "not my_field but options.max_retries");
    status_text_to_json_names(&status);
    assert_string_equal(status.message,
                        "options.maxRetries is 101; options.maxRetries must be at most 100");
    assert_string_equal(status.violation.field, "options.maxRetries");
    assert_string_equal(status.violation.description, "not my_field but options.maxRetries");
}

static void a_field_that_came_from_a_header_is_named_by_that(void **state)
{
    struct rpc_status status = { .code = RPC_FAILED_PRECONDITION };
    char long_text[sizeof status.message];

    (void)state;
    strcpy(status.message, "requestId was used: requestId");
    strcpy(status.violation.field, "requestId");
    strcpy(status.violation.description, "was used for another request");
    status_text_to_json_names(&status);
    assert_string_equal(status.message, "Idempotency-Key was used: Idempotency-Key");
    assert_string_equal(status.violation.field, "Idempotency-Key");
    assert_string_equal(status.violation.description, "was used for another request");

    memset(long_text, 'x', sizeof long_text);
    memcpy(long_text + sizeof long_text - 24, " requestId and the rest", 24);
    strcpy(status.violation.field, "requestId");
    memcpy(status.message, long_text, sizeof long_text);
    status_text_to_json_names(&status);
    assert_string_equal(status.message + sizeof long_text - 24, " Idempotency-Key and th");
    memcpy(long_text + sizeof long_text - 10, "requestId", 10);
    strcpy(status.violation.field, "requestId");
    memcpy(status.message, long_text, sizeof long_text);
    status_text_to_json_names(&status);
    assert_true(strlen(status.message) < sizeof status.message);
}

static void errors_have_the_documented_shape(void **state)
{
    static const char expected[] =
        "{\"statusCode\":400,\"message\":\"Empty Data\",\"error\":\"Bad Request\",\"code\":"
        "\"INVALID_ARGUMENT\",\"requestId\":\"r\"}";
    static const char detailed[] =
        "{\"statusCode\":429,\"message\":\"m\",\"error\":\"Too Many Requests\",\"code\":"
        "\"RESOURCE_EXHAUSTED\",\"details\":[{\"field\":\"f\",\"reason\":\"r\"}],\"requestId\":"
        "\"r\"}";
    struct json_writer writer = { .size_max = 1000 };

    (void)state;
    error_answer_write(&writer, &(struct error_answer){ .status = 400, .message = "Empty Data" },
                       "r");
    assert_int_equal(writer.size, sizeof expected - 1);
    assert_memory_equal(writer.text, expected, writer.size);
    writer.size = 0;
    writer.needs_comma = false;
    error_answer_write(
        &writer,
        &(struct error_answer){ .status = 429, .message = "m", .field = "f", .reason = "r" }, "r");
    assert_int_equal(writer.size, sizeof detailed - 1);
    assert_memory_equal(writer.text, detailed, writer.size);
    json_writer_free(&writer);
}

static void every_outcome_of_a_call_has_a_status_with_a_phrase(void **state)
{
    (void)state;
    for (int code = 0; code < RPC_CODE_COUNT; code++)
        assert_non_null(http_reason(http_status_of((enum rpc_code)code)));
    assert_int_equal(http_status_of(RPC_NOT_FOUND), 404);
    assert_int_equal(http_status_of(RPC_FAILED_PRECONDITION), 409);
    assert_int_equal(http_status_of(RPC_UNAVAILABLE), 503);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(only_a_job_may_have_a_large_body),
        TEST(path_query_header_and_body_find_their_fields),
        TEST(the_idempotency_key_becomes_the_request_id),
        TEST(empty_bodies_are_empty_data),
        TEST(the_org_is_required_where_documented),
        TEST(unknown_and_repeated_parameters_are_refused_by_name),
        TEST(paths_and_methods_that_do_not_exist_say_so),
        TEST(browsers_must_not_change_things_by_accident),
        TEST(only_json_is_read),
        TEST(options_tell_what_a_path_can_do),
        TEST(methods_that_nobody_knows_are_not_implemented),
        TEST(a_body_where_none_belongs_is_refused),
        TEST(fields_of_a_status_get_their_json_names),
        TEST(a_field_that_came_from_a_header_is_named_by_that),
        TEST(errors_have_the_documented_shape),
        TEST(every_outcome_of_a_call_has_a_status_with_a_phrase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
