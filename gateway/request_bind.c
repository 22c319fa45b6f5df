#include "gateway/request_bind.h"

#include <assert.h>
#include <strings.h>

#include "gateway/json/field.h"
#include "gateway/json/transcode.h"
#include "gateway/json/word_list.h"

struct bind {
    const struct http_request *request;
    struct binding *binding;
    struct error_answer *error;
    struct uri uri;
    struct why why;
};

static bool refuse(struct bind *bind, int status, const char *message)
{
    bind->error->status = status;
    bind->error->message = message != NULL ? message : "Out of memory";
    return false;
}

static bool refuse_field(struct bind *bind, const char *field, const char *message)
{
    bind->error->field = field;
    bind->error->reason = message;
    return refuse(bind, 400, message);
}

/* `why` as it was recorded: copied, because it lives as long as the answer. */
static bool refuse_why(struct bind *bind, enum err e)
{
    const char *text = arena_text(bind->request->mem, bind->why.text);

    if (e == ERR_LIMIT)
        return refuse(bind, 413, "The request is larger than this service can take");
    assert(e == ERR_INVALID);
    if (bind->why.field[0] == '\0')
        return refuse(bind, 400, text);
    return refuse_field(bind, arena_text(bind->request->mem, bind->why.field), text);
}

static bool is_options(const struct bind *bind)
{
    return strcmp(bind->request->head.method, "OPTIONS") == 0;
}

static bool find_route(struct bind *bind)
{
    const struct http_request *request = bind->request;
    char allow[ROUTE_ALLOW_SIZE];

    if (!route_is_method(request->head.method))
        return refuse(bind, 501, "The request's method is not implemented here");
    bind->binding->route = route_find(request->head.method, &bind->uri, allow);
    if (bind->binding->route != NULL)
        return true;
    if (allow[0] == '\0')
        return refuse(bind, 404, "There is no such endpoint");
    bind->binding->allow = arena_text(request->mem, allow);
    if (is_options(bind))
        return bind->binding->allow != NULL || refuse(bind, 503, NULL);
    bind->error->allow = bind->binding->allow;
    return refuse(bind, 405,
                  arena_printf(request->mem, "%.32s does not work here, only %s",
                               request->head.method, allow));
}

static bool header_mentions(const struct http_request *request, const char *name, const char *word)
{
    const char *value = http_head_find(&request->head, name);

    return value != NULL && strcasestr(value, word) != NULL;
}

/* A browser that fetches ahead, or a page of another site, must not be able to
 * change something. */
static bool check_side_effects(struct bind *bind)
{
    const struct http_request *request = bind->request;

    if (!bind->binding->route->changes)
        return true;
    if (http_head_find(&request->head, "sec-purpose") != NULL ||
        header_mentions(request, "purpose", "prefetch") ||
        header_mentions(request, "x-moz", "prefetch"))
        return refuse(bind, 403, "This endpoint changes something and is not for prefetching");
    if (header_mentions(request, "sec-fetch-site", "cross-site"))
        return refuse(bind, 403,
                      "This endpoint changes something and is not for pages of other sites");
    return true;
}

static const char *flaw_of_value(const char *name, const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if ((uint8_t)*c < ' ' || (uint8_t)*c > '~')
            return "has a character that is not printable ASCII";
    if (strlen(value) > HEADER_VALUE_MAX && strcmp(name, "authorization") != 0)
        return "is too long";
    return NULL;
}

/* The header's only value; NULL without an error: it is absent. */
static const char *only_value(struct bind *bind, const char *name)
{
    const struct http_request *request = bind->request;
    const char *value = http_head_find(&request->head, name);
    const char *flaw;

    if (value == NULL)
        return NULL;
    flaw = flaw_of_value(name, value);
    if (http_head_count(&request->head, name) > 1)
        flaw = "was sent more than once";
    if (flaw == NULL)
        return value;
    refuse_field(bind, name, arena_printf(request->mem, "The %s header %s", name, flaw));
    return NULL;
}

/* The query's stand-in for a header, where the route has one. NULL as above. */
static const char *value_in_query(struct bind *bind, const char *name)
{
    const char *value = NULL, *flaw;

    if (!word_list_has(bind->binding->route->query_headers, name))
        return NULL;
    for (size_t i = 0; i < bind->uri.parameter_count; i++)
        if (strcmp(bind->uri.parameters[i].name, name) == 0)
            value = bind->uri.parameters[i].value;
    flaw = value != NULL ? flaw_of_value(name, value) : NULL;
    if (flaw == NULL)
        return value;
    refuse_field(bind, name, arena_printf(bind->request->mem, "The %s parameter %s", name, flaw));
    return NULL;
}

/* From the header or from the query, which must agree. */
static const char *find_org(struct bind *bind)
{
    const char *header = only_value(bind, "orgid"), *query = value_in_query(bind, "orgid");

    if (header == NULL || query == NULL)
        return header != NULL ? header : query;
    if (strcmp(header, query) == 0)
        return header;
    refuse_field(bind, "orgid", "The orgid header and the orgid parameter do not agree");
    return NULL;
}

static void add_metadata(struct bind *bind, const char *name, const char *value)
{
    struct binding *binding = bind->binding;

    if (value == NULL || *value == '\0')
        return;
    assert(binding->metadata_count < BINDING_METADATA_MAX);
    binding->metadata[binding->metadata_count++] =
        (struct client_metadata){ name, bytes_of_text(value) };
}

static bool bind_metadata(struct bind *bind)
{
    const char *org = find_org(bind);
    const char *authorization = only_value(bind, "authorization");

    if (bind->error->status != 0)
        return false;
    if (bind->binding->route->needs_org && (org == NULL || *org == '\0'))
        return refuse_field(bind, "orgid", "The orgid header is required");
    if (bind->binding->route->needs_org)
        add_metadata(bind, "orgid", org);
    add_metadata(bind, "authorization", authorization);
    add_metadata(bind, "x-request-id", bind->request->id);
    return true;
}

static enum err bind_field(void *context, const char *field, const char *value)
{
    struct bind *bind = context;

    return transcode_read_text(field, value, bind->binding->message, bind->request->mem,
                               &bind->why);
}

static bool was_given_before(const struct uri *uri, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(uri->parameters[i].name, uri->parameters[index].name) == 0)
            return true;
    return false;
}

static bool refuse_again(struct bind *bind, const char *name)
{
    return refuse_field(bind, name,
                        arena_printf(bind->request->mem, "%s was given more than once", name));
}

static bool bind_parameter(struct bind *bind, size_t index)
{
    const struct uri_parameter *parameter = &bind->uri.parameters[index];
    struct arena *mem = bind->request->mem;
    enum err e;

    if (word_list_has(bind->binding->route->query_headers, parameter->name))
        return !was_given_before(&bind->uri, index) || refuse_again(bind, parameter->name);
    if (!word_list_has(bind->binding->route->query, parameter->name))
        return refuse_field(
            bind, parameter->name,
            arena_printf(mem, "%.64s is not a query parameter of this endpoint", parameter->name));
    if (was_given_before(&bind->uri, index))
        return refuse_again(bind, parameter->name);
    e = bind_field(bind, parameter->name, parameter->value);
    return e == OK || refuse_why(bind, e);
}

static bool bind_query(struct bind *bind)
{
    for (size_t i = 0; i < bind->uri.parameter_count; i++)
        if (!bind_parameter(bind, i))
            return false;
    return true;
}

static bool is_blank(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (strchr(" \t\r\n", text.data[i]) == NULL || text.data[i] == '\0')
            return false;
    return true;
}

static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";
    const char *rest;

    if (type == NULL)
        return true;
    if (strncasecmp(type, json, sizeof json - 1) != 0)
        return false;
    rest = type + sizeof json - 1;
    rest += strspn(rest, " \t");
    if (*rest != '\0' && *rest != ';')
        return false;
    rest = strcasestr(rest, "charset=");
    return rest == NULL || strncasecmp(rest + 8, "utf-8", 5) == 0 ||
           strncasecmp(rest + 8, "\"utf-8\"", 7) == 0;
}

static bool check_content(struct bind *bind)
{
    const struct http_head *head = &bind->request->head;

    if (http_head_count(head, "content-type") > 1)
        return refuse(bind, 400, "Content-Type was sent more than once");
    if (!is_json_type(http_head_find(head, "content-type")))
        return refuse(bind, 415, "The request's Content-Type must be application/json");
    if (http_head_find(head, "content-encoding") != NULL)
        return refuse(bind, 415, "The request's body must not have a Content-Encoding");
    return true;
}

_Static_assert(GATE_BODY_BYTES == 4 * 1024, "as the message says");

static bool bind_body(struct bind *bind)
{
    const struct http_request *request = bind->request;
    const struct route *route = bind->binding->route;
    bool is_post = strcmp(request->head.method, "POST") == 0;
    enum err e;

    /* Only a job has much to say; else a body would keep its room at the gate for as
     * long as a watch, or a worker that is waited for, takes. */
    if (!route->body_required && request->body.size > GATE_BODY_BYTES)
        return refuse(bind, 413, "Only a job to be queued may have a body above 4 KiB");
    if (is_blank(request->body))
        return !route->body_required || refuse(bind, 400, "Empty Data");
    if (!is_post || route->body == NULL)
        return refuse(bind, 400, "This request takes no body");
    if (!check_content(bind))
        return false;
    e = transcode_read(request->body, route->body, bind->binding->message, request->mem,
                       &bind->why);
    return e == OK || refuse_why(bind, e);
}

/* The caller's key for "the same request once more", where the call has one. */
static bool bind_idempotency_key(struct bind *bind)
{
    const char *key = only_value(bind, "idempotency-key");
    enum err e;

    if (bind->error->status != 0)
        return false;
    if (key == NULL || field_named(bind->binding->route->request, "requestId") == NULL)
        return true;
    if (*key == '\0')
        return refuse_field(bind, "idempotency-key", "The idempotency-key header is empty");
    e = bind_field(bind, "requestId", key);
    return e == OK || refuse_why(bind, e);
}

/* Where an event stream goes on. The header is the newer of the two: a browser
 * sends it when it comes back to the same address. */
static bool bind_last_event_id(struct bind *bind)
{
    const char *id, *query;
    enum err e;

    if (bind->binding->route->form != FORM_EVENTS)
        return true;
    id = only_value(bind, "last-event-id");
    query = value_in_query(bind, "lastEventId");
    if (bind->error->status != 0)
        return false;
    id = id != NULL && *id != '\0' ? id : query;
    if (id == NULL || *id == '\0')
        return true;
    e = bind_field(bind, "afterSequence", id);
    return e == OK || refuse_field(bind, "lastEventId",
                                   "The last event id is not one that this service gave out");
}

static bool bind_message(struct bind *bind)
{
    const struct route *route = bind->binding->route;
    ProtobufCMessage *message;
    enum err e;

    message = arena_alloc(bind->request->mem, route->request->sizeof_message);
    if (message == NULL)
        return refuse(bind, 503, NULL);
    protobuf_c_message_init(route->request, message);
    bind->binding->message = message;
    if (!bind_body(bind) || !bind_query(bind) || !bind_idempotency_key(bind) ||
        !bind_last_event_id(bind))
        return false;
    e = route_each_path_field(route, &bind->uri, bind_field, bind);
    return e == OK || refuse_why(bind, e);
}

bool request_bind(const struct http_request *request, struct binding *binding,
                  struct error_answer *error)
{
    struct bind bind = { .request = request, .binding = binding, .error = error };
    enum err e;

    *binding = (struct binding){ .route = NULL };
    *error = (struct error_answer){ .status = 0 };
    if (strcmp(request->head.target, "*") == 0) {
        binding->allow = "GET, HEAD, POST, DELETE, OPTIONS";
        return true;
    }
    e = uri_parse(request->head.target, request->mem, &bind.uri, &bind.why);
    if (e != OK)
        return refuse_why(&bind, e);
    if (!find_route(&bind))
        return false;
    if (binding->route == NULL)
        return true;
    if (!check_side_effects(&bind) || !bind_metadata(&bind))
        return false;
    binding->file = bind.uri.segments[bind.uri.segment_count - 1];
    binding->may_wait = word_list_has(binding->route->query, "wait");
    if (binding->route->rpc != NULL)
        return bind_message(&bind);
    return bind_query(&bind);
}
