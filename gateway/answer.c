#include "gateway/answer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/base/log.h"
#include "gateway/limits.h"
#include "gateway/status_text.h"

void answer_add_header(struct answer_headers *headers, const char *name, const char *value)
{
    assert(headers->count < ANSWER_HEADERS_MAX);
    headers->list[headers->count++] = (struct http_header){ name, value };
}

void answer_log(const struct http_request *http, int status)
{
    log_event(status >= 500 ? LOG_WARNING : LOG_DEBUG, "http",
              LOG_TEXT("method", http->head.method), LOG_TEXT("target", http->head.target),
              LOG_INT("status", status), LOG_TEXT("peer", http->peer),
              LOG_TEXT("requestId", http->id));
}

static void set_headers(struct http_answer *answer, const struct answer_headers *headers)
{
    if (headers == NULL)
        return;
    answer->headers = headers->list;
    answer->header_count = headers->count;
}

void answer_json(struct http_request *http, int status, struct json_writer *body,
                 const struct answer_headers *headers)
{
    struct json_writer taken = *body;
    struct http_answer answer = { .status = status, .body = bytes_of(taken.text, taken.size) };

    set_headers(&answer, headers);
    answer_log(http, status);
    http_answer(http, &answer);
    json_writer_free(&taken);
}

void answer_text(struct http_request *http, const char *content_type, struct bytes body,
                 const struct answer_headers *headers)
{
    struct http_answer answer = { .status = 200, .body = body, .content_type = content_type };

    set_headers(&answer, headers);
    answer_log(http, answer.status);
    http_answer(http, &answer);
}

static const char *retry_after_seconds(const struct error_answer *error, char text[24])
{
    int64_t seconds = (error->retry_after_ms + 999) / 1000;

    snprintf(text, 24, "%" PRId64, seconds > 0 ? seconds : 1);
    return text;
}

void answer_error(struct http_request *http, const struct error_answer *error)
{
    struct json_writer body = { .size_max = ANSWER_BYTES_MAX };
    struct answer_headers headers = { .count = 0 };
    char seconds[24];

    error_answer_write(&body, error, http->id);
    if (error->allow != NULL)
        answer_add_header(&headers, "Allow", error->allow);
    if (error->status == 429 || error->status == 503)
        answer_add_header(&headers, "Retry-After", retry_after_seconds(error, seconds));
    if (error->status == 401)
        answer_add_header(&headers, "WWW-Authenticate", "Bearer");
    answer_json(http, error->status, &body, &headers);
}

/* A key that was used for another request is no conflict of states. */
int answer_status_code(const struct rpc_status *status)
{
    int code = http_status_of(status->code);
    const char *field = status->violation.field;
    bool is_key = strcmp(field, "request_id") == 0 || strcmp(field, "requestId") == 0;

    return is_key && code == 409 ? 422 : code;
}

void answer_status(struct http_request *http, const struct rpc_status *status)
{
    struct rpc_status shown = *status;
    struct error_answer error = { .status = answer_status_code(status),
                                  .code = rpc_code_name(status->code),
                                  .retry_after_ms = status->retry_after_ms };

    assert(status->code != RPC_OK);
    status_text_to_json_names(&shown);
    error.message = shown.message[0] != '\0' ? shown.message : http_reason(error.status);
    error.field = shown.violation.field;
    error.reason = shown.violation.description;
    answer_error(http, &error);
}
