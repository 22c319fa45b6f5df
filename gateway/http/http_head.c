#include "gateway/http/http_head.h"

#include <stdint.h>
#include <strings.h>

/* Lines that end with a bare LF are found here, too, so that they are refused
 * at once instead of being waited on. */
size_t http_head_find_end(struct bytes input, size_t *seen)
{
    for (size_t i = *seen; i < input.size; i++) {
        if (input.data[i] != '\n')
            continue;
        if (i + 1 < input.size && input.data[i + 1] == '\n')
            return i + 2;
        if (i + 2 < input.size && input.data[i + 1] == '\r' && input.data[i + 2] == '\n')
            return i + 3;
    }
    *seen = input.size > 2 ? input.size - 2 : 0;
    return 0;
}

static bool flawed(struct http_flaw *flaw, int status, const char *text)
{
    *flaw = (struct http_flaw){ status, text };
    return false;
}

bool http_is_token_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool http_head_may_follow(struct bytes input, struct http_flaw *flaw)
{
    const uint8_t *end = memchr(input.data, '\n', input.size);
    size_t method = 0;

    if (input.size == 1 && input.data[0] == '\r')
        return true; /* half an empty line */
    while (method < input.size && http_is_token_byte(input.data[method]))
        method++;
    if (method == 0 || (method < input.size && input.data[method] != ' ') ||
        method > HTTP_METHOD_SIZE_MAX)
        return flawed(flaw, 400, "This is not an HTTP request");
    if (end != NULL && memmem(input.data, (size_t)(end - input.data), " HTTP/", 6) == NULL)
        return flawed(flaw, 400, "The request line is malformed");
    return true;
}

struct http_flaw http_head_too_large(struct bytes input)
{
    if (memchr(input.data, '\n', input.size) == NULL)
        return (struct http_flaw){ 414, "The request target is too long" };
    return (struct http_flaw){ 431, "The request's headers are too large" };
}

static bool is_token(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (!http_is_token_byte((uint8_t)*text))
            return false;
    return true;
}

static bool is_value(const char *text)
{
    for (; *text != '\0'; text++)
        if (((uint8_t)*text < ' ' && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

/* Cuts the next line, which ends with CR LF, out of *text; NULL if it does not
 * or if something in it would end it early. */
static char *cut_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');

    if (end == NULL || end == line || end[-1] != '\r')
        return NULL;
    end[-1] = '\0';
    *text = end + 1;
    return strchr(line, '\r') == NULL ? line : NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9112, 2.3. A minor version that we do not know is as good as the newest
 * that we do (RFC 9110, 2.5). */
static bool read_version(const char *version, struct http_head *head, struct http_flaw *flaw)
{
    if (strncmp(version, "HTTP/", 5) != 0 || !is_digit(version[5]) || version[6] != '.' ||
        !is_digit(version[7]) || version[8] != '\0')
        return flawed(flaw, 400, "The request line is malformed");
    if (version[5] != '1')
        return flawed(flaw, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here");
    head->is_1_1 = version[7] != '0';
    return true;
}

static bool is_port(const char *text)
{
    return *text == '\0' || (*text == ':' && strspn(text + 1, "0123456789") == strlen(text + 1) &&
                             strlen(text + 1) <= 5);
}

/* uri-host and port (RFC 3986, 3.2.2), without commas, which join two of them. */
static bool is_authority(const char *text)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-._~%!$&'()*+;=";
    size_t size;

    if (text[0] != '[') {
        size = strspn(text, name);
        return size > 0 && is_port(text + size);
    }
    size = strspn(text + 1, "0123456789abcdefABCDEF:.");
    return size > 0 && text[1 + size] == ']' && is_port(text + size + 2);
}

/* The absolute form is what a proxy is sent; its path is what counts, and its
 * authority, not the Host header's, is the one that is meant (RFC 9112, 3.2.2). */
static bool read_absolute_target(const char *target, struct arena *mem, struct http_head *head,
                                 struct http_flaw *flaw)
{
    const char *authority = strchr(target, ':') + 3;
    size_t size = strcspn(authority, "/?");
    const char *copy = arena_printf(mem, "%.*s", (int)size, authority);

    if (copy == NULL)
        return flawed(flaw, 431, "The request's headers are too large");
    if (!is_authority(copy))
        return flawed(flaw, 400, "The request target's authority is malformed");
    head->target = authority + size;
    if (authority[size] != '/')
        head->target = arena_printf(mem, "/%s", authority + size);
    return head->target != NULL || flawed(flaw, 431, "The request's headers are too large");
}

static bool is_target_byte(char c)
{
    return (uint8_t)c > ' ' && (uint8_t)c < 0x7f && strchr("#\"<>\\", c) == NULL;
}

static bool read_target(const char *target, struct arena *mem, struct http_head *head,
                        struct http_flaw *flaw)
{
    for (const char *c = target; *c != '\0'; c++)
        if (!is_target_byte(*c))
            return flawed(flaw, 400, "The request target has a character that must be encoded");
    if (strcmp(head->method, "CONNECT") == 0)
        return flawed(flaw, 501, "This is no proxy");
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0)
        return read_absolute_target(target, mem, head, flaw);
    if (target[0] != '/' && (strcmp(target, "*") != 0 || strcmp(head->method, "OPTIONS") != 0))
        return flawed(flaw, 400, "The request target must be a path");
    head->target = target;
    return true;
}

static bool read_request_line(char *line, struct arena *mem, struct http_head *head,
                              struct http_flaw *flaw)
{
    char *target = line != NULL ? strchr(line, ' ') : NULL;
    char *version = target != NULL ? strchr(target + 1, ' ') : NULL;

    if (version == NULL)
        return flawed(flaw, 400, "The request line is malformed");
    *target++ = '\0';
    *version++ = '\0';
    if (!is_token(line) || strlen(line) > HTTP_METHOD_SIZE_MAX)
        return flawed(flaw, 400, "The request's method is malformed");
    head->method = line;
    return read_version(version, head, flaw) && read_target(target, mem, head, flaw);
}

static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    return text + strspn(text, " \t");
}

static void to_lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static bool read_header(char *line, struct http_head *head, struct http_flaw *flaw)
{
    char *colon = strchr(line, ':');

    if (line[0] == ' ' || line[0] == '\t')
        return flawed(flaw, 400, "A header is folded over two lines");
    if (colon == NULL)
        return flawed(flaw, 400, "A header has no colon");
    *colon = '\0';
    if (!is_token(line))
        return flawed(flaw, 400, "A header's name is malformed");
    if (!is_value(colon + 1))
        return flawed(flaw, 400, "A header's value has a control character in it");
    if (head->header_count == HTTP_HEADERS_MAX)
        return flawed(flaw, 431, "The request has too many headers");
    to_lower(line);
    head->headers[head->header_count++] = (struct http_header){ line, trim(colon + 1) };
    return true;
}

static bool read_content_length(struct http_head *head, struct http_flaw *flaw)
{
    const char *text = http_head_find(head, "content-length");
    uint64_t length = 0;

    if (text == NULL)
        return true;
    if (http_head_count(head, "content-length") > 1)
        return flawed(flaw, 400, "Content-Length was sent more than once");
    if (*text == '\0' || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
        return flawed(flaw, 400, "Content-Length is not a number");
    if (text[0] == '0' && text[1] != '\0')
        return flawed(flaw, 400, "Content-Length begins with a zero");
    for (; *text != '\0'; text++)
        length = length * 10 + (uint64_t)(*text - '0');
    head->content_length = length;
    return true;
}

/* Where chunked is not the last coding, or comes twice, nobody knows where the
 * body ends: 400 (RFC 9112, 6.3). With another one before it that would be known,
 * but not what the body says: 501. */
static bool refuse_coding(const char *text, struct http_flaw *flaw)
{
    const char *last = strrchr(text, ',');

    if (last != NULL && strcasecmp(last + 1 + strspn(last + 1, " \t"), "chunked") == 0 &&
        strcasestr(text, "chunked") > last)
        return flawed(flaw, 501, "The only transfer coding that works here is chunked");
    return flawed(flaw, 400, "Transfer-Encoding is not chunked");
}

static bool read_transfer_encoding(struct http_head *head, struct http_flaw *flaw)
{
    const char *text = http_head_find(head, "transfer-encoding");

    if (text == NULL)
        return true;
    if (!head->is_1_1 || http_head_count(head, "transfer-encoding") > 1 ||
        http_head_count(head, "content-length") > 0)
        return flawed(flaw, 400, "The request says in more than one way where its body ends");
    if (strcasecmp(text, "chunked") != 0)
        return refuse_coding(text, flaw);
    head->chunked = true;
    return true;
}

static bool check_host(const struct http_head *head, struct http_flaw *flaw)
{
    size_t count = http_head_count(head, "host");

    if (count > 1)
        return flawed(flaw, 400, "Host was sent more than once");
    if (count == 0)
        return !head->is_1_1 || flawed(flaw, 400, "The Host header is required");
    if (!is_authority(http_head_find(head, "host")))
        return flawed(flaw, 400, "The Host header is malformed");
    return true;
}

/* True if a comma-separated header, which may come several times, has `word`. */
static bool header_has(const struct http_head *head, const char *name, const char *word)
{
    size_t size = strlen(word);

    for (size_t i = 0; i < head->header_count; i++) {
        const char *at = head->headers[i].value;

        while (strcmp(head->headers[i].name, name) == 0 && *at != '\0') {
            at += strspn(at, " \t,");
            if (strncasecmp(at, word, size) == 0 && strchr(" \t,", at[size]) != NULL)
                return true;
            at += strcspn(at, ",");
        }
    }
    return false;
}

static bool read_expect(struct http_head *head, struct http_flaw *flaw)
{
    const char *text = http_head_find(head, "expect");

    if (text == NULL || !head->is_1_1)
        return true;
    if (strcasecmp(text, "100-continue") != 0 || http_head_count(head, "expect") > 1)
        return flawed(flaw, 417, "The only expectation that works here is 100-continue");
    head->expects_continue = true;
    return true;
}

static bool read_framing(struct http_head *head, struct http_flaw *flaw)
{
    if (!check_host(head, flaw) || !read_content_length(head, flaw) ||
        !read_transfer_encoding(head, flaw) || !read_expect(head, flaw))
        return false;
    head->keep_alive = !header_has(head, "connection", "close") &&
                       (head->is_1_1 || header_has(head, "connection", "keep-alive"));
    return true;
}

bool http_head_parse(struct bytes input, struct arena *mem, struct http_head *head,
                     struct http_flaw *flaw)
{
    char *text = arena_copy(mem, input.data, input.size), *line;

    *head = (struct http_head){ .header_count = 0 };
    if (text == NULL)
        return flawed(flaw, 431, "The request's headers are too large");
    if (memchr(text, '\0', input.size) != NULL)
        return flawed(flaw, 400, "The request's headers have a NUL byte in them");
    if (!read_request_line(cut_line(&text), mem, head, flaw))
        return false;
    for (;;) {
        if (text[0] == '\r' && text[1] == '\n')
            return read_framing(head, flaw);
        line = cut_line(&text);
        if (line == NULL)
            return flawed(flaw, 400, "A header line does not end with CR LF");
        if (!read_header(line, head, flaw))
            return false;
    }
}

const char *http_head_find(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (strcmp(head->headers[i].name, name) == 0)
            return head->headers[i].value;
    return NULL;
}

size_t http_head_count(const struct http_head *head, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < head->header_count; i++)
        count += strcmp(head->headers[i].name, name) == 0;
    return count;
}
