#ifndef GATEWAY_HTTP_ANSWER_HEAD_H
#define GATEWAY_HTTP_ANSWER_HEAD_H

#include "gateway/http/http_server.h"

/* The head of an HTTP/1.1 answer, as text. */

enum { HTTP_ANSWER_HEAD_SIZE = 1024 };

/* How the peer knows where the body ends. */
enum http_framing {
    HTTP_FRAMED_BY_LENGTH,
    HTTP_FRAMED_BY_CHUNKS,
    HTTP_FRAMED_BY_CLOSE,
};

/* Returns its size. `last`: the connection closes after it. */
size_t http_answer_head_write(const struct http_answer *answer, enum http_framing framing,
                              const char *request_id, bool last,
                              char head[HTTP_ANSWER_HEAD_SIZE]);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7). */
enum { HTTP_DATE_SIZE = 64 };
void http_date_write(int64_t time_ms, char text[HTTP_DATE_SIZE]);

#endif
