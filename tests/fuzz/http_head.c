#include "gateway/http/http_head.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* The bytes that a connection begins with. Where a head ends, and whether it is
 * one, does not depend on how its bytes came; and what was understood of it, written down plainly, is
 * understood the same: no second reader can see another request in it. */

enum { MEM_MAX = 1 << 20 };

static size_t find_end_in_parts(struct bytes input, size_t step)
{
    size_t seen = 0, end = 0;

    for (size_t size = 0; end == 0 && size < input.size;) {
        size = input.size - size > step ? size + step : input.size;
        end = http_head_find_end(bytes_of(input.data, size), &seen);
    }
    return end;
}

static void check_parts(const struct http_head *head)
{
    assert(head->method[0] != '\0' && strpbrk(head->method, " \t\r\n") == NULL);
    assert(head->target[0] == '/' || strcmp(head->target, "*") == 0);
    assert(strpbrk(head->target, " \t\r\n") == NULL);
    assert(!head->chunked || (head->content_length == 0 && head->is_1_1));
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];

        assert(header->name[0] != '\0' && strpbrk(header->name, " \t\r\n:ABCXYZ") == NULL);
        assert(strpbrk(header->value, "\r\n") == NULL);
    }
}

static struct bytes write_plainly(const struct http_head *head, struct arena *mem)
{
    const char *text = arena_printf(mem, "%s %s HTTP/1.%d\r\n", head->method, head->target,
                                    head->is_1_1);

    for (size_t i = 0; i < head->header_count; i++)
        text = arena_printf(mem, "%s%s: %s\r\n", text, head->headers[i].name,
                            head->headers[i].value);
    return bytes_of_text(arena_printf(mem, "%s\r\n", text));
}

static void check_same(const struct http_head *a, const struct http_head *b)
{
    assert(strcmp(a->method, b->method) == 0 && strcmp(a->target, b->target) == 0);
    assert(a->header_count == b->header_count && a->is_1_1 == b->is_1_1);
    for (size_t i = 0; i < a->header_count; i++)
        assert(strcmp(a->headers[i].name, b->headers[i].name) == 0 &&
               strcmp(a->headers[i].value, b->headers[i].value) == 0);
    assert(a->keep_alive == b->keep_alive && a->chunked == b->chunked);
    assert(a->expects_continue == b->expects_continue && a->content_length == b->content_length);
}

/* What is a request is one from its first byte on. */
static void check_beginnings(struct bytes input)
{
    struct http_flaw flaw;

    for (size_t size = 1; size < input.size; size++)
        assert(http_head_may_follow(bytes_of(input.data, size), &flaw));
}

static void check_head(struct bytes input, struct arena *mem)
{
    struct http_head head, again;
    struct http_flaw flaw = { 0, NULL };

    if (!http_head_parse(input, mem, &head, &flaw)) {
        assert(flaw.status >= 400 && flaw.status < 600 && flaw.text != NULL);
        return;
    }
    check_parts(&head);
    check_beginnings(input);
    assert(http_head_parse(write_plainly(&head, mem), mem, &again, &flaw));
    check_same(&head, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct arena *mem = arena_new(MEM_MAX);
    size_t seen = 0, end = http_head_find_end(input, &seen);

    assert(end == find_end_in_parts(input, 1) && end == find_end_in_parts(input, 3));
    if (end > 0)
        check_head(bytes_of(data, end), mem);
    arena_free(mem);
    return 0;
}
