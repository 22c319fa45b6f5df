#include "gateway/http/http_request.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/random.h"

void http_request_id_make(char id[HTTP_REQUEST_ID_SIZE])
{
    struct random *random = random_real();

    snprintf(id, HTTP_REQUEST_ID_SIZE, "%016" PRIx64, random->next(random));
}

static bool can_be_shown(const char *id)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=";
    size_t size = strlen(id);

    return size > 0 && size <= REQUEST_ID_MAX && strspn(id, plain) == size;
}

/* The caller's id if we can show it as it is, or a new one. */
static const char *choose_id(const struct http_head *head, struct arena *mem)
{
    const char *given = http_head_find(head, "x-request-id");
    char id[HTTP_REQUEST_ID_SIZE];

    if (given != NULL && can_be_shown(given))
        return given;
    http_request_id_make(id);
    given = arena_text(mem, id);
    return given != NULL ? given : "unknown";
}

/* Room for head and body, for what is read out of them, and for the call. */
static size_t bytes_max(const struct http_limits *limits)
{
    return 2 * limits->head_bytes + 4 * limits->body_bytes + (size_t)64 * 1024;
}

struct http_request *http_request_new(struct http_connections *all, const char *peer)
{
    struct arena *mem = arena_new(bytes_max(&all->options.limits));
    struct http_request *request = mem != NULL ? arena_alloc(mem, sizeof *request) : NULL;

    if (request == NULL) {
        arena_free(mem);
        return NULL;
    }
    request->mem = mem;
    request->all = all;
    request->id = "unknown";
    request->peer = arena_text(mem, peer);
    all->requests++;
    return request;
}

void http_request_take_body(struct http_request *request, struct bytes body)
{
    request->body = body;
    request->all->holdings.at_work += body.size;
}

void http_request_free(struct http_request *request)
{
    request->all->holdings.at_work -= request->body.size;
    request->all->requests--;
    arena_free(request->mem);
}

const struct http_counts *http_counts_of(const struct http_request *request)
{
    return &request->all->counts;
}

bool http_request_read_head(struct http_request *request, struct bytes head, struct http_flaw *flaw)
{
    bool ok = http_head_parse(head, request->mem, &request->head, flaw);

    request->id = choose_id(&request->head, request->mem);
    if (ok && request->head.content_length > request->all->options.limits.body_bytes) {
        *flaw = (struct http_flaw){ 413, "The request body is larger than the limit" };
        return false;
    }
    return ok;
}
