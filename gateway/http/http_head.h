#ifndef GATEWAY_HTTP_HEAD_H
#define GATEWAY_HTTP_HEAD_H

#include "core/base/arena.h"
#include "gateway/limits.h"

#include <stdbool.h>

/* The head of an HTTP/1.1 request (RFC 9112): bytes in, struct out, no I/O.
 * Stricter than the standard wherever two programs could read the same bytes
 * differently: a bare LF or CR, a folded line, blanks around a name, a repeated,
 * signed or zero-padded Content-Length, Content-Length beside Transfer-Encoding,
 * any coding but chunked, a second Host are all refused. */

struct http_header {
    const char *name;            /* in lower case */
    const char *value;           /* without the blanks around it */
};

struct http_head {
    const char *method;
    const char *target;          /* in origin form: "/sync?name=a"; of OPTIONS also "*" */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool is_1_1;                 /* or a later 1.x; else HTTP/1.0 */
    bool keep_alive;
    bool chunked;
    bool expects_continue;
    uint64_t content_length;     /* 0 if there is none, or chunked */
};

/* What is wrong with a request, as the status and the sentence of the answer. */
struct http_flaw {
    int status;
    const char *text;
};

/* Bytes of the head that input begins with, its empty line included; 0 if that
 * has not come yet. *seen (at first 0) remembers how far it looked. */
size_t http_head_find_end(struct bytes input, size_t *seen);

/* Whether input, which is not empty and has no end of a head, may become a
 * request; so that what is none at all (a TLS handshake, HTTP/0.9) is not waited
 * on. False: *flaw. */
bool http_head_may_follow(struct bytes input, struct http_flaw *flaw);

/* What to say of a head that is larger than the limit; input is what is there. */
struct http_flaw http_head_too_large(struct bytes input);

/* RFC 9110, 5.6.2. */
bool http_is_token_byte(uint8_t c);

/* input: one whole head. What the result points at lies in mem. False: *flaw. */
bool http_head_parse(struct bytes input, struct arena *mem, struct http_head *head,
                     struct http_flaw *flaw);

/* First value of that header (its name in lower case); NULL if there is none. */
const char *http_head_find(const struct http_head *head, const char *name);
size_t http_head_count(const struct http_head *head, const char *name);

#endif
