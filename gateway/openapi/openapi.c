#include "gateway/openapi/openapi.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "gateway/json/field.h"
#include "gateway/openapi/openapi_schema.h"
#include "gateway/openapi/openapi_text.h"
#include "gateway/route.h"
#include "gateway/json/word_list.h"

/* Paths first, then the components that they have used. */

struct document {
    struct json_writer *writer;
    struct schemas schemas;
};

static void begin(struct document *document, const char *key)
{
    json_key(document->writer, key);
    json_begin_object(document->writer);
}

static void end(struct document *document)
{
    json_end_object(document->writer);
}

static void text(struct document *document, const char *key, const char *value)
{
    schema_text(document->writer, key, value);
}

static void flag(struct document *document, const char *key, bool value)
{
    json_key(document->writer, key);
    json_bool(document->writer, value);
}

static void reference(struct document *document, const char *kind, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "#/components/%s/%s", kind, name);
    text(document, "$ref", path);
}

/* ---- parameters ---- */

static void write_parameter(struct document *document, const struct route *route, const char *name,
                            const char *in)
{
    const ProtobufCFieldDescriptor *field = field_named(route->request, name);
    const struct api_field *known = api_field_of(route->request->short_name, name);

    assert(field != NULL);
    json_begin_object(document->writer);
    text(document, "name", name);
    text(document, "in", in);
    if (strcmp(in, "path") == 0)
        flag(document, "required", true);
    if (known != NULL)
        text(document, "description", known->text);
    json_key(document->writer, "schema");
    schema_write_field(document->writer, &document->schemas, field, route->request->short_name);
    json_end_object(document->writer);
}

static void write_reference_to(struct document *document, const char *name)
{
    json_begin_object(document->writer);
    reference(document, "parameters", name);
    json_end_object(document->writer);
}

static void write_path_parameters(struct document *document, const struct route *route)
{
    char name[64];

    for (const char *at = strchr(route->pattern, ':'); at != NULL; at = strchr(at + 1, ':')) {
        if (at[-1] != '/')
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, "/"), at + 1);
        write_parameter(document, route, name, "path");
    }
}

static void write_query_parameters(struct document *document, const struct route *route)
{
    const char *at = route->query != NULL ? route->query : "";
    char name[64];

    for (size_t size = strcspn(at, " "); size > 0; size = strcspn(at, " ")) {
        snprintf(name, sizeof name, "%.*s", (int)size, at);
        write_parameter(document, route, name, "query");
        at += size + (at[size] == ' ');
    }
}

static bool takes_idempotency_key(const struct route *route)
{
    return route->rpc != NULL && field_named(route->request, "requestId") != NULL;
}

static void write_parameters(struct document *document, const struct route *route)
{
    json_key(document->writer, "parameters");
    json_begin_array(document->writer);
    write_path_parameters(document, route);
    write_query_parameters(document, route);
    if (route->query_headers != NULL) {
        write_reference_to(document, "orgidOfWatch");
        write_reference_to(document, "orgidInQuery");
        write_reference_to(document, "lastEventId");
        write_reference_to(document, "lastEventIdInQuery");
    } else if (route->needs_org) {
        write_reference_to(document, "orgid");
    }
    if (takes_idempotency_key(route))
        write_reference_to(document, "idempotencyKey");
    json_end_array(document->writer);
}

/* One that is no field: a header, or its stand-in. */
static void write_plain_parameter(struct document *document, const char *key, const char *name,
                                  const char *in, bool required, const char *description)
{
    begin(document, key);
    text(document, "name", name);
    text(document, "in", in);
    flag(document, "required", required);
    text(document, "description", description);
    begin(document, "schema");
    text(document, "type", "string");
    end(document);
    end(document);
}

static void write_common_parameters(struct document *document)
{
    begin(document, "parameters");
    write_plain_parameter(document, "orgid", "orgid", "header", true, "The organisation's id");
    write_plain_parameter(document, "orgidOfWatch", "orgid", "header", false,
                          "The organisation's id; required here or in the query");
    write_plain_parameter(document, "orgidInQuery", "orgid", "query", false,
                          "Instead of the header, which a browser's EventSource cannot set");
    write_plain_parameter(document, "lastEventId", "Last-Event-ID", "header", false,
                          "The last id that was seen: goes on behind it");
    write_plain_parameter(document, "lastEventIdInQuery", "lastEventId", "query", false,
                          "Likewise, where there is no header");
    write_plain_parameter(document, "idempotencyKey", "Idempotency-Key", "header", false,
                          "The same key with the same body gets the same answer again");
    end(document);
}

/* ---- bodies ---- */

static void write_examples(struct document *document, const struct route *route, bool of_request)
{
    size_t count, written = 0;
    const struct api_example *examples = api_examples(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(examples[i].pattern, route->pattern) != 0 ||
            examples[i].of_request != of_request)
            continue;
        if (written++ == 0)
            begin(document, "examples");
        begin(document, examples[i].name);
        json_key(document->writer, "value");
        json_raw(document->writer, bytes_of_text(examples[i].json));
        end(document);
    }
    if (written > 0)
        end(document);
}

static void write_request_body(struct document *document, const struct route *route)
{
    begin(document, "requestBody");
    flag(document, "required", route->body_required);
    begin(document, "content");
    begin(document, "application/json");
    begin(document, "schema");
    text(document, "type", "object");
    flag(document, "additionalProperties", false);
    begin(document, "properties");
    schema_write_properties(document->writer, &document->schemas, route->request, route->body,
                            NULL);
    end(document);
    if (route->body_required && schema_has_required(route->request, route->body)) {
        json_key(document->writer, "required");
        json_begin_array(document->writer);
        schema_write_required(document->writer, route->request, route->body);
        json_end_array(document->writer);
    }
    end(document);
    write_examples(document, route, true);
    end(document);
    end(document);
    end(document);
}

static void write_constant_schemas(struct document *document, const struct route *route)
{
    if (route->success) {
        begin(document, "success");
        flag(document, "const", true);
        end(document);
    }
    if (route->message != NULL) {
        begin(document, "message");
        text(document, "const", route->message);
        end(document);
    }
}

static void write_answer_schema(struct document *document, const struct route *route)
{
    begin(document, "schema");
    if (route->form == FORM_JSON || route->form == FORM_OPENAPI)
        text(document, "type", "object");
    else
        text(document, "type", "string");
    if (route->form == FORM_JSON) {
        begin(document, "properties");
        write_constant_schemas(document, route);
        if (route->rpc != NULL)
            schema_write_properties(document->writer, &document->schemas, route->response, NULL,
                                    NULL);
        end(document);
    }
    end(document);
}

static const char *media_type(const struct route *route)
{
    if (route->form == FORM_EVENTS)
        return "text/event-stream";
    return route->form == FORM_METRICS ? "text/plain" : "application/json";
}

static void write_ok(struct document *document, const struct route *route)
{
    begin(document, "200");
    text(document, "description",
         route->form == FORM_EVENTS
             ? "Events until somebody goes. job: data is a Job; synced: the opening list is "
               "complete; relist: events were lost, list again. Comments are heartbeats."
             : "Done");
    begin(document, "content");
    begin(document, media_type(route));
    write_answer_schema(document, route);
    write_examples(document, route, false);
    end(document);
    end(document);
    end(document);
}

/* ---- operations ---- */

static void write_error(struct document *document, const char *status, const char *name)
{
    begin(document, status);
    reference(document, "responses", name);
    end(document);
}

static void write_answers(struct document *document, const struct route *route)
{
    begin(document, "responses");
    write_ok(document, route);
    if (route->needs_org)
        write_error(document, "400", "Error");
    if (route->needs_org && strchr(route->pattern, ':') != NULL)
        write_error(document, "404", "Error");
    if (route->changes)
        write_error(document, "409", "Error");
    if (takes_idempotency_key(route))
        write_error(document, "422", "Error");
    if (route->needs_org)
        write_error(document, "429", "Later");
    if (route->rpc != NULL)
        write_error(document, "503", "Later");
    write_error(document, "default", "Error");
    end(document);
}

static void write_operation(struct document *document, const struct route *route, const char *verb,
                            bool is_second)
{
    const struct api_operation *operation = api_operation_of(route->pattern);
    char id[64];

    assert(operation != NULL);
    snprintf(id, sizeof id, "%s%s", operation->id, is_second ? "ByGet" : "");
    begin(document, verb);
    text(document, "operationId", id);
    json_key(document->writer, "tags");
    json_begin_array(document->writer);
    json_text(document->writer, operation->group);
    json_end_array(document->writer);
    text(document, "summary", operation->summary);
    if (operation->right != NULL)
        text(document, "x-permission", operation->right);
    if (route->rpc != NULL)
        text(document, "x-rpc", route->rpc);
    write_parameters(document, route);
    if (strcmp(verb, "post") == 0 && route->body != NULL)
        write_request_body(document, route);
    write_answers(document, route);
    end(document);
}

/* "/sync/jobs/:id/pause" → "/sync/jobs/{id}/pause". */
static void write_path_name(const char *pattern, char *path, size_t room)
{
    bool inside = false;
    size_t size = 0;

    for (const char *at = pattern; *at != '\0' && size + 2 < room; at++) {
        if (*at == ':' && at > pattern && at[-1] == '/') {
            path[size++] = '{';
            inside = true;
            continue;
        }
        if (*at == '/' && inside) {
            path[size++] = '}';
            inside = false;
        }
        path[size++] = *at;
    }
    if (inside)
        path[size++] = '}';
    path[size] = '\0';
}

static void write_path(struct document *document, const struct route *route)
{
    bool posts = (route->verbs & VERB_POST) != 0;
    char path[128];

    write_path_name(route->pattern, path, sizeof path);
    begin(document, path);
    if ((route->verbs & VERB_GET) != 0)
        write_operation(document, route, "get", posts);
    if (posts)
        write_operation(document, route, "post", false);
    if ((route->verbs & VERB_DELETE) != 0)
        write_operation(document, route, "delete", false);
    end(document);
}

static void write_paths(struct document *document)
{
    size_t count;
    const struct route *routes = route_table(&count);

    begin(document, "paths");
    for (size_t i = 0; i < count; i++)
        if (routes[i].form != FORM_FILE)
            write_path(document, &routes[i]);
    end(document);
}

/* ---- the rest ---- */

static void write_error_answer(struct document *document, const char *name, const char *description,
                               bool later)
{
    begin(document, name);
    text(document, "description", description);
    if (later) {
        begin(document, "headers");
        begin(document, "Retry-After");
        text(document, "description", "Seconds to wait before the next try");
        begin(document, "schema");
        text(document, "type", "integer");
        end(document);
        end(document);
        end(document);
    }
    begin(document, "content");
    begin(document, "application/json");
    begin(document, "schema");
    reference(document, "schemas", "Error");
    end(document);
    end(document);
    end(document);
    end(document);
}

static const char error_schema[] =
    "{\"type\":\"object\",\"required\":[\"statusCode\",\"message\",\"error\"],\"properties\":{"
    "\"statusCode\":{\"type\":\"integer\",\"description\":\"The HTTP status\"},"
    "\"message\":{\"type\":\"string\",\"description\":\"What is wrong, for people\"},"
    "\"error\":{\"type\":\"string\",\"description\":\"The HTTP reason phrase\"},"
    "\"code\":{\"type\":\"string\",\"description\":\"The gRPC code, as INVALID_ARGUMENT\"},"
    "\"details\":{\"type\":\"array\",\"description\":\"The fields that are to blame\","
    "\"items\":{\"type\":\"object\",\"properties\":{\"field\":{\"type\":\"string\"},"
    "\"reason\":{\"type\":\"string\"}}}},"
    "\"requestId\":{\"type\":\"string\",\"description\":\"X-Request-Id of the answer\"}},"
    "\"examples\":[{\"statusCode\":400,\"message\":\"Empty Data\",\"error\":\"Bad Request\"}]}";

static void write_components(struct document *document)
{
    begin(document, "components");
    write_common_parameters(document);
    begin(document, "responses");
    write_error_answer(document, "Error", "What is wrong, in the one shape of every error", false);
    write_error_answer(document, "Later", "Not now; Retry-After says when to try again", true);
    end(document);
    begin(document, "schemas");
    json_key(document->writer, "Error");
    json_raw(document->writer, bytes_of_text(error_schema));
    schema_write_components(document->writer, &document->schemas);
    end(document);
    end(document);
}

static void write_info(struct document *document)
{
    text(document, "openapi", "3.1.0");
    begin(document, "info");
    text(document, "title", "Sync");
    text(document, "version", SYNC_VERSION);
    text(document, "description",
         "Queues, controls and watches data-synchronisation jobs. Times are RFC 3339, in UTC; "
         "members that are not known are absent.");
    begin(document, "license");
    text(document, "name", "Apache-2.0");
    text(document, "identifier", "Apache-2.0");
    end(document);
    end(document);
    json_key(document->writer, "servers");
    json_begin_array(document->writer);
    json_begin_object(document->writer);
    text(document, "url", "/");
    json_end_object(document->writer);
    json_end_array(document->writer);
}

void openapi_write(struct json_writer *writer)
{
    struct document document = { .writer = writer };

    json_begin_object(writer);
    write_info(&document);
    write_paths(&document);
    write_components(&document);
    json_end_object(writer);
}
