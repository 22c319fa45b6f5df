#ifndef GATEWAY_ANSWER_H
#define GATEWAY_ANSWER_H

#include "gateway/error_answer.h"
#include "gateway/http/http_server.h"

/* Answers as every endpoint sends them. Each sends the request's one answer:
 * it and what lies in its memory are gone afterwards. */

enum { ANSWER_HEADERS_MAX = 4 };

struct answer_headers {
    struct http_header list[ANSWER_HEADERS_MAX];
    size_t count;
};

void answer_add_header(struct answer_headers *headers, const char *name, const char *value);

/* JSON; takes the body's text. `headers` may be NULL. */
void answer_json(struct http_request *http, int status, struct json_writer *body,
                 const struct answer_headers *headers);

/* Text of another type; the body is copied. `headers` may be NULL. */
void answer_text(struct http_request *http, const char *content_type, struct bytes body,
                 const struct answer_headers *headers);

void answer_error(struct http_request *http, const struct error_answer *error);

/* For a call's outcome, which is not OK. */
void answer_status(struct http_request *http, const struct rpc_status *status);
/* The HTTP status of that answer. */
int answer_status_code(const struct rpc_status *status);

/* One line of the log for an answer; the others do it themselves. */
void answer_log(const struct http_request *http, int status);

#endif
