#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/json/field.h"
#include "gateway/route.h"
#include "gateway/json/transcode.h"

static struct arena *mem;

static int setup(void **state)
{
    (void)state;
    mem = arena_new(100000);
    return mem == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static char allow[ROUTE_ALLOW_SIZE];

static const struct route *find(const char *method, const char *target)
{
    struct uri uri;

    assert_int_equal(uri_parse(target, mem, &uri, NULL), OK);
    return route_find(method, &uri, allow);
}

static void every_documented_path_has_its_route(void **state)
{
    static const struct {
        const char *method, *target, *rpc;
    } cases[] = {
        { "GET", "/sync", "GetServiceInfo" },
        { "HEAD", "/sync", "GetServiceInfo" },
        { "GET", "/sync/info?", "GetOrgInfo" },
        { "POST", "/sync/queue", "QueueJob" },
        { "GET", "/sync/purge", "PurgeJobs" },
        { "POST", "/sync/purge", "PurgeJobs" },
        { "GET", "/sync/pause/product-sync", "PauseJob" },
        { "POST", "/sync/pause/product-sync?wait=5", "PauseJob" },
        { "GET", "/sync/resume/product-sync", "ResumeJob" },
        { "POST", "/sync/resume/product-sync", "ResumeJob" },
        { "POST", "/sync/cancel/product-sync", "CancelJob" },
        { "GET", "/sync/jobs", "ListJobs" },
        { "GET", "/sync/jobs/job_1", "GetJob" },
        { "POST", "/sync/jobs/job_1/pause", "PauseJob" },
        { "POST", "/sync/jobs/job_1/resume", "ResumeJob" },
        { "POST", "/sync/jobs/job_1/cancel", "CancelJob" },
        { "POST", "/sync/jobs/job_1/retry", "RetryJob" },
        { "GET", "/sync/syncs", "ListSyncs" },
        { "GET", "/sync/syncs/a", "GetSync" },
        { "DELETE", "/sync/schedules/a", "DeleteSchedule" },
        { "POST", "/sync/syncs/a/watermark:reset", "ResetWatermark" },
        { "POST", "/sync/syncs/a/watermark%3Areset", "ResetWatermark" },
        { "GET", "/sync/watch?name=a", "WatchJobs" },
        { "GET", "/metrics", "GetServiceInfo" },
        { "GET", "/readyz", "Check" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct route *route = find(cases[i].method, cases[i].target);

        assert_non_null(route);
        assert_string_equal(strrchr(route->rpc, '/') + 1, cases[i].rpc);
    }
}

static void the_dashboards_files_have_theirs(void **state)
{
    (void)state;
    assert_int_equal(find("GET", "/")->form, FORM_FILE);
    assert_int_equal(find("HEAD", "/dashboard/main.js")->form, FORM_FILE);
}

static void unknown_paths_have_none(void **state)
{
    static const char *const targets[] = {
        "/dashboard/",
        "/dashboard/a/b",
        "//",
        "/syn",
        "/sync/",
        "/sync/nothing",
        "/sync/pause",
        "/sync/pause/",
        "/sync/pause/a/b",
        "/sync/jobs/a/b",
        "//sync",
        "/Sync",
        "/sync/jobs/a/pause/",
        "/1/2/3/4/5/6/7/8/9",
    };

    (void)state;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        assert_null(find("GET", targets[i]));
        assert_string_equal(allow, "");
    }
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
    static const struct {
        const char *method, *target, *allow;
    } cases[] = {
        { "GET", "/sync/queue", "POST, OPTIONS" },         { "POST", "/sync", "GET, HEAD, OPTIONS" },
        { "PUT", "/sync/purge", "GET, POST, OPTIONS" },    { "HEAD", "/sync/pause/a", "GET, POST, OPTIONS" },
        { "HEAD", "/sync/purge", "GET, POST, OPTIONS" },   { "GET", "/sync/cancel/a", "POST, OPTIONS" },
        { "GET", "/sync/schedules/a", "DELETE, OPTIONS" }, { "get", "/sync", "GET, HEAD, OPTIONS" },
        { "BREW", "/healthz", "GET, HEAD, OPTIONS" },      { "HEAD", "/sync/watch", "GET, OPTIONS" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(find(cases[i].method, cases[i].target));
        assert_string_equal(allow, cases[i].allow);
    }
}

static void the_methods_of_http_are_known(void **state)
{
    (void)state;
    assert_true(route_is_method("GET"));
    assert_true(route_is_method("TRACE"));
    assert_false(route_is_method("get"));
    assert_false(route_is_method("BREW"));
    assert_false(route_is_method(""));
}

static enum err expect_name(void *context, const char *field, const char *value)
{
    snprintf(context, 100, "%s=%s", field, value);
    return OK;
}

static void the_path_gives_the_fields_of_its_pattern(void **state)
{
    const struct route *route;
    struct uri uri;
    char seen[100] = "";

    (void)state;
    assert_int_equal(uri_parse("/sync/jobs/job%5f1/pause", mem, &uri, NULL), OK);
    route = route_find("POST", &uri, allow);
    assert_int_equal(route_each_path_field(route, &uri, expect_name, seen), OK);
    assert_string_equal(seen, "id=job_1");
}

static void assert_fields_exist(const struct route *route, const char *list)
{
    char words[200], *rest = NULL;

    snprintf(words, sizeof words, "%s", list != NULL ? list : "");
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        assert_non_null(field_named(route->request, word));
}

static enum err assert_field_exists(void *context, const char *field, const char *value)
{
    (void)value;
    assert_fields_exist(context, field);
    return OK;
}

static void every_row_can_be_transcoded(void **state)
{
    size_t count;
    const struct route *routes = route_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct uri uri = { .segments = { "", "", "", "", "", "", "", "" } };
        struct route row = routes[i];

        if (row.rpc == NULL)
            continue;
        assert_fields_exist(&row, row.query);
        assert_fields_exist(&row, row.body);
        assert_int_equal(route_each_path_field(&row, &uri, assert_field_exists, &row), OK);
        assert_true(transcode_knows(row.response));
    }
}

static void whatever_changes_something_needs_an_org_and_is_no_head(void **state)
{
    size_t count;
    const struct route *routes = route_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(!routes[i].changes || routes[i].needs_org);
        assert_true(routes[i].changes || routes[i].verbs == VERB_GET);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_documented_path_has_its_route),
        TEST(the_dashboards_files_have_theirs),
        TEST(unknown_paths_have_none),
        TEST(a_wrong_method_is_told_the_right_ones),
        TEST(the_methods_of_http_are_known),
        TEST(the_path_gives_the_fields_of_its_pattern),
        TEST(every_row_can_be_transcoded),
        TEST(whatever_changes_something_needs_an_org_and_is_no_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
