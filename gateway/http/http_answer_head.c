#include "gateway/http/http_answer_head.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/rfc3339.h"
#include "gateway/error_answer.h"

void http_date_write(int64_t time_ms, char text[HTTP_DATE_SIZE])
{
    static const char *const days[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct civil civil = civil_from_ms(time_ms);

    assert(time_ms >= 0); /* 1970 began on a Thursday */
    snprintf(text, HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT",
             days[time_ms / 86400000 % 7], civil.day, months[civil.month - 1], civil.year,
             civil.hour, civil.minute, civil.second);
}

struct text {
    char *at;
    size_t size;
};

/* The caller's numbers are bounded so that it fits. */
static void append(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct text *text, const char *format, ...)
{
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text->at + text->size, HTTP_ANSWER_HEAD_SIZE - text->size, format, args);
    va_end(args);
    text->size += (size_t)size;
    assert(text->size < HTTP_ANSWER_HEAD_SIZE);
}

static void append_framing(struct text *text, const struct http_answer *answer,
                           enum http_framing framing)
{
    if (framing == HTTP_FRAMED_BY_LENGTH)
        append(text, "Content-Length: %zu\r\n", answer->body.size);
    else if (framing == HTTP_FRAMED_BY_CHUNKS)
        append(text, "Transfer-Encoding: chunked\r\n");
}

size_t http_answer_head_write(const struct http_answer *answer, enum http_framing framing,
                              const char *request_id, bool last,
                              char head[HTTP_ANSWER_HEAD_SIZE])
{
    const char *type = answer->content_type != NULL ? answer->content_type : "application/json";
    int64_t now_ms = clock_now_ms(clock_real());
    struct text text = { head, 0 };
    char date[HTTP_DATE_SIZE];

    http_date_write(now_ms > 0 ? now_ms : 0, date);
    append(&text, "HTTP/1.1 %d %s\r\nDate: %s\r\n", answer->status, http_reason(answer->status),
           date);
    if (answer->status != 204) { /* which has no content (RFC 9110, 8.6) */
        append(&text, "Content-Type: %s\r\n", type);
        append_framing(&text, answer, framing);
    }
    append(&text, "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    append(&text, "X-Request-Id: %s\r\n", request_id);
    for (size_t i = 0; i < answer->header_count; i++) {
        assert(strpbrk(answer->headers[i].value, "\r\n") == NULL);
        append(&text, "%s: %s\r\n", answer->headers[i].name, answer->headers[i].value);
    }
    append(&text, "Connection: %s\r\n\r\n", last ? "close" : "keep-alive");
    return text.size;
}
