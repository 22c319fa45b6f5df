#include "gateway/route.h"

#include <stdio.h>
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "sync/v1/sync.pb-c.h"

#define SERVICE "/sync.v1.SyncService/"
#define TYPES(name)                                                                                \
    .request = &sync__v1__##name##_request__descriptor,                                            \
    .response = &sync__v1__##name##_response__descriptor

static bool is_serving(const ProtobufCMessage *response)
{
    const Grpc__Health__V1__HealthCheckResponse *health =
        (const Grpc__Health__V1__HealthCheckResponse *)response;

    return health->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
}

/* Literal segments stand before a pattern that would take their place. */
static const struct route routes[] = {
    { VERB_GET, "/sync", SERVICE "GetServiceInfo", TYPES(get_service_info) },
    { VERB_GET, "/sync/info", SERVICE "GetOrgInfo", TYPES(get_org_info), .needs_org = true },

    { VERB_POST, "/sync/queue", SERVICE "QueueJob", TYPES(queue_job),
      .body = "name type priority data options schedule onDuplicate", .body_required = true,
      .needs_org = true, .changes = true, .success = true, .hidden = "progress" },
    { VERB_GET | VERB_POST, "/sync/purge", SERVICE "PurgeJobs", TYPES(purge_jobs),
      .query = "olderThan name status dryRun reason",
      .body = "olderThan name status dryRun reason",
      .needs_org = true, .changes = true, .success = true,
      .message = "Sync jobs purged successfully" },

    { VERB_GET | VERB_POST, "/sync/pause/:name", SERVICE "PauseJob", TYPES(pause_job),
      .query = "reason wait", .body = "reason wait", .needs_org = true, .changes = true,
      .success = true, .message = "Sync job paused successfully" },
    { VERB_GET | VERB_POST, "/sync/resume/:name", SERVICE "ResumeJob", TYPES(resume_job),
      .query = "reason fromCheckpoint", .body = "reason fromCheckpoint", .needs_org = true,
      .changes = true, .success = true, .message = "Sync job resumed successfully" },
    { VERB_POST, "/sync/cancel/:name", SERVICE "CancelJob", TYPES(cancel_job),
      .query = "reason wait", .body = "reason wait", .needs_org = true, .changes = true,
      .success = true, .message = "Sync job cancelled successfully" },

    { VERB_GET, "/sync/jobs", SERVICE "ListJobs", TYPES(list_jobs),
      .query = "status name type since until pageSize pageToken", .answer_bytes = GATE_LIST_BYTES,
      .needs_org = true },
    { VERB_GET, "/sync/jobs/:id", SERVICE "GetJob", TYPES(get_job), .answer_bytes = GATE_JOB_BYTES,
      .needs_org = true },
    { VERB_POST, "/sync/jobs/:id/pause", SERVICE "PauseJob", TYPES(pause_job),
      .query = "reason wait", .body = "reason wait", .needs_org = true, .changes = true,
      .success = true, .message = "Sync job paused successfully" },
    { VERB_POST, "/sync/jobs/:id/resume", SERVICE "ResumeJob", TYPES(resume_job),
      .query = "reason fromCheckpoint", .body = "reason fromCheckpoint", .needs_org = true,
      .changes = true, .success = true, .message = "Sync job resumed successfully" },
    { VERB_POST, "/sync/jobs/:id/cancel", SERVICE "CancelJob", TYPES(cancel_job),
      .query = "reason wait", .body = "reason wait", .needs_org = true, .changes = true,
      .success = true, .message = "Sync job cancelled successfully" },
    { VERB_POST, "/sync/jobs/:id/retry", SERVICE "RetryJob", TYPES(retry_job), .query = "reason",
      .body = "reason", .needs_org = true, .changes = true, .success = true,
      .message = "Sync job queued again successfully" },

    { VERB_GET, "/sync/syncs", SERVICE "ListSyncs", TYPES(list_syncs),
      .query = "pageSize pageToken", .answer_bytes = GATE_LIST_BYTES,
      .needs_org = true },
    { VERB_GET, "/sync/syncs/:name", SERVICE "GetSync", TYPES(get_sync), .needs_org = true },
    { VERB_POST, "/sync/syncs/:name/watermark:reset", SERVICE "ResetWatermark",
      TYPES(reset_watermark), .query = "entity value reason", .body = "entity value reason",
      .needs_org = true, .changes = true, .success = true,
      .message = "Watermark reset successfully" },
    { VERB_DELETE, "/sync/schedules/:name", SERVICE "DeleteSchedule", TYPES(delete_schedule),
      .query = "reason", .needs_org = true, .changes = true, .success = true,
      .message = "Schedule deleted successfully" },

    { VERB_GET, "/sync/watch", SERVICE "WatchJobs", TYPES(watch_jobs), .query = "name id",
      .query_headers = "orgid lastEventId", .form = FORM_EVENTS, .needs_org = true },

    { VERB_GET, "/metrics", SERVICE "GetServiceInfo", TYPES(get_service_info),
      .form = FORM_METRICS },
    { VERB_GET, "/openapi.json", .form = FORM_OPENAPI },
    { VERB_GET, "/", .form = FORM_FILE },
    { VERB_GET, "/dashboard/:file", .form = FORM_FILE },
    { VERB_GET, "/healthz", .success = true, .message = "The gateway is alive" },
    { VERB_GET, "/readyz", "/grpc.health.v1.Health/Check",
      &grpc__health__v1__health_check_request__descriptor,
      &grpc__health__v1__health_check_response__descriptor, .accepts = is_serving,
      .no = "The service is not ready" },
};
enum { ROUTE_COUNT = sizeof routes / sizeof routes[0] };

const struct route *route_table(size_t *count)
{
    *count = ROUTE_COUNT;
    return routes;
}

/* One segment of a pattern and the pattern behind it. */
struct cursor {
    const char *text;
    size_t size;
};

static bool next_segment(struct cursor *cursor)
{
    const char *at = cursor->text + cursor->size;

    if (*at == '\0')
        return false;
    cursor->text = at + 1;
    cursor->size = strcspn(cursor->text, "/");
    return true;
}

static bool segment_matches(const struct cursor *pattern, const char *segment)
{
    if (pattern->text[0] == ':')
        return segment[0] != '\0';
    return strlen(segment) == pattern->size && memcmp(segment, pattern->text, pattern->size) == 0;
}

static bool path_matches(const struct route *route, const struct uri *uri)
{
    struct cursor pattern = { route->pattern, 0 };
    size_t i = 0;

    if (uri->too_many_segments)
        return false;
    while (next_segment(&pattern))
        if (i == uri->segment_count || !segment_matches(&pattern, uri->segments[i++]))
            return false;
    return i == uri->segment_count;
}

static bool has_method(const struct route *route, const char *method)
{
    if (strcmp(method, "HEAD") == 0)
        return (route->verbs & VERB_GET) != 0 && !route->changes && route->form != FORM_EVENTS;
    return ((route->verbs & VERB_GET) != 0 && strcmp(method, "GET") == 0) ||
           ((route->verbs & VERB_POST) != 0 && strcmp(method, "POST") == 0) ||
           ((route->verbs & VERB_DELETE) != 0 && strcmp(method, "DELETE") == 0);
}

/* OPTIONS works everywhere, without being a route's. */
static bool may_have_method(const struct route *route, const char *method)
{
    return strcmp(method, "OPTIONS") == 0 || has_method(route, method);
}

static void list_methods(const struct uri *uri, char allow[ROUTE_ALLOW_SIZE])
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "DELETE", "OPTIONS" };
    size_t used = 0;

    allow[0] = '\0';
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++)
        for (size_t i = 0; i < ROUTE_COUNT; i++)
            if (path_matches(&routes[i], uri) && may_have_method(&routes[i], methods[m])) {
                used += (size_t)snprintf(allow + used, ROUTE_ALLOW_SIZE - used, "%s%s",
                                         used > 0 ? ", " : "", methods[m]);
                break;
            }
}

bool route_is_method(const char *method)
{
    static const char *const methods[] = { "GET",    "HEAD",    "POST",  "PUT",
                                           "DELETE", "OPTIONS", "PATCH", "TRACE" };

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(method, methods[i]) == 0)
            return true;
    return false;
}

const struct route *route_find(const char *method, const struct uri *uri,
                               char allow[ROUTE_ALLOW_SIZE])
{
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        if (path_matches(&routes[i], uri) && has_method(&routes[i], method))
            return &routes[i];
    list_methods(uri, allow);
    return NULL;
}

enum err route_each_path_field(const struct route *route, const struct uri *uri,
                               route_field_fn *each, void *context)
{
    struct cursor pattern = { route->pattern, 0 };
    char field[64];
    enum err e = OK;

    for (size_t i = 0; e == OK && next_segment(&pattern); i++) {
        if (pattern.text[0] != ':')
            continue;
        snprintf(field, sizeof field, "%.*s", (int)pattern.size - 1, pattern.text + 1);
        e = each(context, field, uri->segments[i]);
    }
    return e;
}
