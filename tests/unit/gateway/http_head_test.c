#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/http/http_chunks.h"
#include "gateway/http/http_head.h"

static struct arena *mem;
static struct http_head head;
static struct http_flaw flaw;

static int setup(void **state)
{
    (void)state;
    mem = arena_new(1 << 20);
    return mem == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static bool parse(const char *text)
{
    return http_head_parse(bytes_of_text(text), mem, &head, &flaw);
}

static void a_head_is_taken_apart(void **state)
{
    (void)state;
    assert_true(parse("POST /sync/queue?a=b HTTP/1.1\r\nHost: x:1\r\nOrgId:\t org1 \r\n"
                      "Content-Length: 12\r\nX-Empty:\r\n\r\n"));
    assert_string_equal(head.method, "POST");
    assert_string_equal(head.target, "/sync/queue?a=b");
    assert_string_equal(http_head_find(&head, "orgid"), "org1");
    assert_string_equal(http_head_find(&head, "x-empty"), "");
    assert_null(http_head_find(&head, "absent"));
    assert_int_equal(head.content_length, 12);
    assert_true(head.keep_alive);
    assert_false(head.chunked);
}

static void the_end_of_a_head_is_found_wherever_it_is_cut(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nnext";
    size_t seen = 0, whole = sizeof text - 1 - 4;

    (void)state;
    for (size_t size = 0; size < whole; size++)
        assert_int_equal(http_head_find_end(bytes_of(text, size), &seen), 0);
    assert_int_equal(http_head_find_end(bytes_of(text, sizeof text - 1), &seen), whole);
}

static void a_head_with_bare_line_feeds_ends_so_that_it_can_be_refused(void **state)
{
    struct bytes text = bytes_of_text("GET / HTTP/1.1\nHost: a\n\n");
    size_t seen = 0;

    (void)state;
    assert_int_equal(http_head_find_end(text, &seen), text.size);
    assert_false(http_head_parse(text, mem, &head, &flaw));
    assert_int_equal(flaw.status, 400);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(parse(cases[i].text));
        assert_int_equal(head.keep_alive, cases[i].keep_alive);
    }
}

static void absolute_targets_lose_their_authority(void **state)
{
    (void)state;
    assert_true(parse("GET http://x:1/sync?a HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_string_equal(head.target, "/sync?a");
    assert_true(parse("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_string_equal(head.target, "/");
    assert_true(parse("GET HTTP://[::1]:80?a=/b HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_string_equal(head.target, "/?a=/b");
}

static void hosts_are_names_or_addresses_with_or_without_a_port(void **state)
{
    static const char *const hosts[] = { "a",     "a.b-c_d:80", "127.0.0.1:8470",
                                         "[::1]", "[::1]:80",   "a:" };

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        assert_true(parse(arena_printf(mem, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i])));
}

static void later_minor_versions_are_read_as_1_1(void **state)
{
    (void)state;
    assert_true(parse("GET / HTTP/1.2\r\nHost: a\r\n\r\n"));
    assert_true(head.is_1_1);
    assert_true(head.keep_alive);
}

static void the_asterisk_is_for_options(void **state)
{
    (void)state;
    assert_true(parse("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_string_equal(head.target, "*");
}

static void what_cannot_become_a_request_is_not_waited_on(void **state)
{
    static const char *const hopeful[] = {
        "G", "\r", "GET", "GET /", "GET / HTTP/1.1\r\nHo", "OPTIONS * HTTP/1.1\r\n"
    };
    static const char *const hopeless[] = {
        "\x16\x03\x01", "\rG",       "\n",   " GET",
        "GET\t",        "GET /\r\n", "\x80", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };

    (void)state;
    for (size_t i = 0; i < sizeof hopeful / sizeof hopeful[0]; i++)
        assert_true(http_head_may_follow(bytes_of_text(hopeful[i]), &flaw));
    for (size_t i = 0; i < sizeof hopeless / sizeof hopeless[0]; i++) {
        assert_false(http_head_may_follow(bytes_of_text(hopeless[i]), &flaw));
        assert_int_equal(flaw.status, 400);
    }
}

static void what_is_too_large_is_told_apart(void **state)
{
    (void)state;
    assert_int_equal(http_head_too_large(bytes_of_text("GET /aaaa")).status, 414);
    assert_int_equal(http_head_too_large(bytes_of_text("GET / HTTP/1.1\r\nX: aaa")).status, 431);
}

static void hostile_heads_are_refused(void **state)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        { 400, "GET / HTTP/1.1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
               "Transfer-Encoding: chunked\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
               "Transfer-Encoding: chunked\r\n\r\n" },
        { 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
        { 501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n" },
        { 400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n" },
        { 400, "GET http://u@x/ HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" },
        { 400, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/01.1\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" },
        { 417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: tea\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n" },
        { 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET /\r\nHost: a\r\n\r\n" },
        { 400, "GET sync HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "\x16\x03\x01\r\n\r\n" },
        { 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n" },
        { 400, "GET / http/1.1\r\nHost: a\r\n\r\n" },
        { 417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        flaw.status = 0;
        if (parse(cases[i].text))
            fail_msg("accepted: %s", cases[i].text);
        assert_int_equal(flaw.status, cases[i].status);
        assert_non_null(flaw.text);
    }
}

static void a_nul_byte_in_a_head_is_refused(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n";

    (void)state;
    assert_false(http_head_parse(bytes_of(text, sizeof text - 1), mem, &head, &flaw));
    assert_int_equal(flaw.status, 400);
}

static void the_number_of_headers_is_limited(void **state)
{
    char text[4096] = "GET / HTTP/1.1\r\nHost: a\r\n";

    (void)state;
    for (int i = 0; i < HTTP_HEADERS_MAX - 1; i++)
        strcat(text, "a: b\r\n");
    strcat(text, "\r\n");
    assert_true(parse(text));
    text[strlen(text) - 2] = '\0';
    strcat(text, "a: b\r\n\r\n");
    assert_false(parse(text));
    assert_int_equal(flaw.status, 431);
}

static char body[256];
static size_t body_size;

/* Reads the text in pieces of `step` bytes. Returns what was used, or -1. */
static int read_chunks(struct http_chunks *chunks, const char *text, size_t step)
{
    size_t size = strlen(text), at = 0;

    body_size = 0;
    *chunks = (struct http_chunks){ .done = false };
    while (at < size && !chunks->done) {
        size_t room = size - at < step ? size - at : step;
        struct bytes data;
        size_t used = http_chunks_read(chunks, bytes_of(text + at, room), &data, &flaw);

        if (used == 0)
            return -1;
        assert_true(body_size + data.size <= sizeof body);
        if (data.size > 0)
            memcpy(body + body_size, data.data, data.size);
        body_size += data.size;
        at += used;
    }
    return (int)at;
}

static void chunks_are_put_together_however_they_are_cut(void **state)
{
    static const char text[] =
        "4\r\nWiki\r\n0a;name=\"x;\\\"\";a;b=c\r\nabcdefghij\r\n000\r\nTrailer: x\r\nB:\r\n\r\n"
        "GET";
    struct http_chunks chunks;

    (void)state;
    for (size_t step = 1; step < sizeof text; step++) {
        assert_int_equal(read_chunks(&chunks, text, step), (int)sizeof text - 1 - 3);
        assert_true(chunks.done);
        assert_int_equal(body_size, 14);
        assert_memory_equal(body, "Wikiabcdefghij", 14);
    }
}

static void malformed_chunks_are_refused(void **state)
{
    static const char *const texts[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "+1\r\n",
        "0x1\r\n",
        " 1\r\na\r\n",
        "1 \r\na\r\n",
        "1\na\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "123456789\r\n",
        "1;\x01\r\n",
        "1;a\n\r\n",
        "1\r\r\n",
        "0\r\nT: a\nb: c\r\n\r\n",
        "0\r\n\rX",
        "1\r\na\r\r",
        "1;\r\na",
        "1;a[\r\na",
        "1;a=\r\na",
        "1;a=\"\r\na",
        "1;a=\"b\"c\r\na",
        "1;=b\r\na",
        "1; a\r\na",
        "1_0\r\na",
        "0\r\nT : a\r\n\r\n",
        "0\r\nT\r\n\r\n",
        "0\r\n T: a\r\n\r\n",
        "0\r\n: a\r\n\r\n",
        "0\r\nT: \x01\r\n\r\n",
    };
    struct http_chunks chunks;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t step = 1; step < 4; step++)
            if (read_chunks(&chunks, texts[i], step) != -1)
                fail_msg("accepted: %s", texts[i]);
}

static void extensions_and_trailers_are_bounded(void **state)
{
    char text[2 * HTTP_CHUNK_LINE_MAX] = "1;";
    struct http_chunks chunks;

    (void)state;
    memset(text + 2, 'x', HTTP_CHUNK_LINE_MAX);
    assert_int_equal(read_chunks(&chunks, text, 1000), -1);
    memcpy(text, "0\r\n", 3);
    assert_int_equal(read_chunks(&chunks, text, 1000), -1);
}

static void extensions_are_bounded_together_and_chunks_without_any_are_not(void **state)
{
    enum { SIZE = 220, COUNT = HTTP_EXTENSION_BYTES_MAX / SIZE + 1 };
    char chunk[SIZE + 8] = "1;", text[COUNT * sizeof chunk + 1] = "";
    char plain[3000] = "";
    struct http_chunks chunks;

    (void)state;
    memset(chunk + 2, 'x', SIZE - 1);
    strcat(chunk, "\r\na\r\n");
    for (int i = 0; i < COUNT; i++)
        strcat(text, chunk);
    assert_int_equal(read_chunks(&chunks, text, 100000), -1);
    assert_int_equal(body_size, COUNT - 1);
    for (int i = 0; i < 200; i++)
        strcat(plain, "1\r\na\r\n");
    assert_int_equal(read_chunks(&chunks, plain, 100000), 200 * 6);
    assert_int_equal(chunks.extension_bytes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_head_is_taken_apart),
        TEST(the_end_of_a_head_is_found_wherever_it_is_cut),
        TEST(a_head_with_bare_line_feeds_ends_so_that_it_can_be_refused),
        TEST(keep_alive_follows_version_and_connection),
        TEST(absolute_targets_lose_their_authority),
        TEST(hosts_are_names_or_addresses_with_or_without_a_port),
        TEST(later_minor_versions_are_read_as_1_1),
        TEST(the_asterisk_is_for_options),
        TEST(what_cannot_become_a_request_is_not_waited_on),
        TEST(what_is_too_large_is_told_apart),
        TEST(hostile_heads_are_refused),
        TEST(a_nul_byte_in_a_head_is_refused),
        TEST(the_number_of_headers_is_limited),
        TEST(chunks_are_put_together_however_they_are_cut),
        TEST(malformed_chunks_are_refused),
        TEST(extensions_and_trailers_are_bounded),
        TEST(extensions_are_bounded_together_and_chunks_without_any_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
