#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/grpc/buffer.h"
#include "rpc/call/call_pool.h"
#include "rpc/h2/h2_session.h"
#include "tests/unit/rpc/echo_service.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

/* A server's session fed with bytes that no client of ours would send. What it
 * answers is taken apart frame by frame. */

enum { ANSWERS_MAX = 64, HEADERS_TEXT = 2048, HELD_MAX = 1 << 20 };

/* What came back on one stream. */
struct answer {
    int32_t id;
    char headers[HEADERS_TEXT]; /* "name: value\n" of all blocks */
    size_t data_bytes;
    bool ended;
    int reset; /* error code; -1: none */
};

struct fixture {
    struct h2_owner owner;
    struct loop *loop;
    struct rpc_registry *registry;
    struct echo_service echo;
    struct call_pool *calls;
    struct h2_session *session;
    bool over;         /* the session wants no more bytes */
    struct buffer out; /* not yet taken apart */
    nghttp2_hd_inflater *inflater;
    struct answer answers[ANSWERS_MAX];
    unsigned answer_count;
    int goaway; /* error code; -1: none */
    int pongs, settings_acks;
};

static const struct h2_patience three_s = { 3000, 3000, 3000 },
                                for_ever = { INT64_MAX, INT64_MAX / 8, INT64_MAX };

static struct stream_user *accept_call(struct h2_owner *owner, struct stream *stream)
{
    return call_pool_accept(container_of(owner, struct fixture, owner)->calls, stream, "raw");
}

static void ignore(struct h2_owner *owner)
{
    (void)owner;
}

static const struct h2_owner_ops owner_ops = { accept_call, ignore, ignore };

static int setup(void **state)
{
    const struct h2_options options = { .role = H2_SERVER,
                                        .streams_max = 100,
                                        .header_bytes_max = 16 << 10,
                                        .held_bytes_max = HELD_MAX };
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    f->goaway = -1;
    f->owner.ops = &owner_ops;
    f->loop = loop_new();
    f->registry = rpc_registry_new();
    echo_service_init(&f->echo);
    rpc_registry_add(f->registry, &f->echo.service);
    f->calls = call_pool_new(f->loop, f->registry, 1 << 20);
    f->session = h2_session_new(&options, &f->owner);
    nghttp2_hd_inflate_new(&f->inflater);
    return f->session != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    h2_session_free(f->session);
    call_pool_free(f->calls);
    loop_free(f->loop);
    rpc_registry_free(f->registry);
    nghttp2_hd_inflate_del(f->inflater);
    buffer_clear(&f->out, 0);
    free(f);
    return 0;
}

/* ---- Taking the answer apart. ---- */

static struct answer *answer_to(struct fixture *f, int32_t id)
{
    for (unsigned i = 0; i < f->answer_count; i++)
        if (f->answers[i].id == id)
            return &f->answers[i];
    assert_in_range(f->answer_count, 0, ANSWERS_MAX - 1);
    f->answers[f->answer_count] = (struct answer){ .id = id, .reset = -1 };
    return &f->answers[f->answer_count++];
}

static void note_headers(struct fixture *f, struct answer *answer, const uint8_t *block,
                         size_t size)
{
    int flags = 0;

    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv nv;
        ssize_t used = nghttp2_hd_inflate_hd2(f->inflater, &nv, &flags, block, size, 1);
        size_t length = strlen(answer->headers);
        assert_true(used >= 0);
        block += used;
        size -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
            snprintf(answer->headers + length, HEADERS_TEXT - length, "%s: %s\n", nv.name,
                     nv.value);
    }
    nghttp2_hd_inflate_end_headers(f->inflater);
}

static uint32_t number(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void note_frame(struct fixture *f, uint8_t type, uint8_t flags, int32_t id,
                       const uint8_t *payload, size_t size)
{
    switch (type) {
    case NGHTTP2_HEADERS:
        note_headers(f, answer_to(f, id), payload, size);
        break;
    case NGHTTP2_DATA:
        answer_to(f, id)->data_bytes += size;
        break;
    case NGHTTP2_RST_STREAM:
        answer_to(f, id)->reset = (int)number(payload);
        return;
    case NGHTTP2_GOAWAY:
        f->goaway = (int)number(payload + 4);
        return;
    case NGHTTP2_PING:
        f->pongs++;
        return;
    case NGHTTP2_SETTINGS:
        f->settings_acks += flags & NGHTTP2_FLAG_ACK;
        return;
    default:
        return;
    }
    if ((flags & NGHTTP2_FLAG_END_STREAM) != 0)
        answer_to(f, id)->ended = true;
}

static void take_output(struct fixture *f)
{
    enum { HEAD = 9 };
    struct bytes block;

    while ((block = h2_session_output(f->session)).size > 0)
        assert_true(buffer_append(&f->out, block));
    for (;;) {
        struct bytes out = buffer_bytes(&f->out);
        size_t size;
        if (out.size < HEAD)
            return;
        size = (size_t)out.data[0] << 16 | (size_t)out.data[1] << 8 | out.data[2];
        if (out.size < HEAD + size)
            return;
        note_frame(f, out.data[3], out.data[4], (int32_t)number(out.data + 5), out.data + HEAD,
                   size);
        buffer_take(&f->out, HEAD + size);
    }
}

/* ---- What a peer sends. ---- */

static void feed(struct fixture *f, const void *data, size_t size)
{
    if (!f->over && !h2_session_receive(f->session, bytes_of(data, size)))
        f->over = true;
    take_output(f);
}

static size_t put_frame(uint8_t *out, uint8_t type, uint8_t flags, int32_t id, const void *payload,
                        size_t size)
{
    const uint8_t head[] = {
        (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size,      type,       flags,
        (uint8_t)(id >> 24),   (uint8_t)(id >> 16),  (uint8_t)(id >> 8), (uint8_t)id
    };

    memcpy(out, head, sizeof head);
    if (size > 0)
        memcpy(out + sizeof head, payload, size);
    return sizeof head + size;
}

static void frame(struct fixture *f, uint8_t type, uint8_t flags, int32_t id, const void *payload,
                  size_t size)
{
    uint8_t *bytes = malloc(size + 9);

    feed(f, bytes, put_frame(bytes, type, flags, id, payload, size));
    free(bytes);
}

static void preface(struct fixture *f)
{
    feed(f, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    frame(f, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

/* A literal without indexing, both lengths below 127. */
static size_t put_header(uint8_t *block, const char *name, const char *value)
{
    size_t at = 0, name_size = strlen(name), value_size = strlen(value);

    assert_true(name_size < 127 && value_size < 127);
    block[at++] = 0;
    block[at++] = (uint8_t)name_size;
    memcpy(block + at, name, name_size);
    at += name_size;
    block[at++] = (uint8_t)value_size;
    memcpy(block + at, value, value_size);
    return at + value_size;
}

struct request {
    const char *method, *path, *type; /* NULL: POST, Say, application/grpc; "": left out */
    const char *name, *value;         /* one more header */
    unsigned times;                   /* that often */
};

static size_t put_headers(uint8_t *block, const struct request *request)
{
    const char *type = request->type != NULL ? request->type : "application/grpc";
    size_t at = put_header(block, ":method", request->method != NULL ? request->method : "POST");

    at += put_header(block + at, ":scheme", "http");
    at += put_header(block + at, ":path",
                     request->path != NULL ? request->path : "/test.v1.Echo/Say");
    at += put_header(block + at, ":authority", "test");
    at += put_header(block + at, "te", "trailers");
    if (type[0] != '\0')
        at += put_header(block + at, "content-type", type);
    for (unsigned i = 0; request->name != NULL && i < (request->times > 0 ? request->times : 1);
         i++)
        at += put_header(block + at, request->name, request->value);
    return at;
}

static void headers(struct fixture *f, int32_t id, const struct request *request, uint8_t flags)
{
    uint8_t block[16000];

    frame(f, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | flags, id, block,
          put_headers(block, request));
}

static const uint8_t empty_message[5];

/* Headers and an empty message, whole. */
static struct answer *ask(struct fixture *f, int32_t id, struct request request)
{
    headers(f, id, &request, 0);
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, empty_message, sizeof empty_message);
    return answer_to(f, id);
}

static void assert_has(const struct answer *answer, const char *header)
{
    if (strstr(answer->headers, header) == NULL)
        print_error("%s not in:\n%s", header, answer->headers);
    assert_non_null(strstr(answer->headers, header));
    assert_true(answer->ended);
}

/* After whatever happened on a stream, the connection still works. */
static void assert_alive(struct fixture *f)
{
    assert_int_equal(f->goaway, -1);
    assert_has(ask(f, 1001, (struct request){ 0 }), "grpc-status: 0\n");
}

/* ---- Requests that are not what they should be. ---- */

static void a_good_request_is_answered(void **state)
{
    struct fixture *f = *state;

    preface(f);
    assert_has(ask(f, 1, (struct request){ 0 }), "grpc-status: 0\n");
    assert_has(answer_to(f, 1), ":status: 200\n");
    assert_has(answer_to(f, 1), "content-type: application/grpc\n");
    assert_int_equal(f->settings_acks, 1);
    assert_alive(f);
}

static void a_good_request_is_answered_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    const struct request request = { 0 };
    uint8_t bytes[2000], block[1000];
    size_t size = NGHTTP2_CLIENT_MAGIC_LEN;

    memcpy(bytes, NGHTTP2_CLIENT_MAGIC, size);
    size += put_frame(bytes + size, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    size += put_frame(bytes + size, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, block,
                      put_headers(block, &request));
    size += put_frame(bytes + size, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, empty_message, 5);
    for (size_t i = 0; i < size; i++)
        feed(f, bytes + i, 1);
    assert_has(answer_to(f, 1), "grpc-status: 0\n");
}

static void what_is_not_grpc_is_answered_as_http(void **state)
{
    struct fixture *f = *state;

    preface(f);
    assert_has(ask(f, 1, (struct request){ .method = "GET" }), ":status: 405\n");
    assert_has(answer_to(f, 1), "allow: POST\n");
    assert_has(ask(f, 3, (struct request){ .type = "" }), ":status: 415\n");
    assert_has(ask(f, 5, (struct request){ .type = "application/json" }), ":status: 415\n");
    assert_true(answer_to(f, 5)->data_bytes > 0);
    headers(f, 7, &(struct request){ .method = "GET", .type = "" }, NGHTTP2_FLAG_END_STREAM);
    assert_has(answer_to(f, 7), ":status: 405\n");
    assert_alive(f);
}

static void unknown_methods_are_unimplemented(void **state)
{
    struct fixture *f = *state;

    preface(f);
    assert_has(ask(f, 1, (struct request){ .path = "/test.v1.Echo/No" }), "grpc-status: 12\n");
    assert_has(ask(f, 3, (struct request){ .path = "/No/Say" }), "grpc-status: 12\n");
    assert_has(ask(f, 5, (struct request){ .path = "/" }), "grpc-status: 12\n");
    assert_alive(f);
}

static void timeouts_that_are_none_are_refused(void **state)
{
    struct fixture *f = *state;

    preface(f);
    assert_has(ask(f, 1, (struct request){ .name = "grpc-timeout", .value = "soon" }),
               "grpc-status: 3\n");
    assert_has(ask(f, 3, (struct request){ .name = "grpc-timeout", .value = "1n" }),
               "grpc-status: 4\n");
    assert_has(ask(f, 5, (struct request){ .name = "grpc-timeout", .value = "10S" }),
               "grpc-status: 0\n");
    assert_alive(f);
}

static void compression_that_was_not_agreed_is_refused(void **state)
{
    struct fixture *f = *state;
    const uint8_t compressed[] = { 1, 0, 0, 0, 0 };

    preface(f);
    headers(f, 1, &(struct request){ 0 }, 0);
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, compressed, sizeof compressed);
    assert_has(answer_to(f, 1), "grpc-status: 13\n");
    assert_has(ask(f, 3, (struct request){ .name = "grpc-encoding", .value = "snappy" }),
               "grpc-status: 12\n");
    assert_has(answer_to(f, 3), "grpc-accept-encoding: identity,deflate,gzip\n");
    assert_has(ask(f, 5, (struct request){ .name = "grpc-encoding", .value = "identity" }),
               "grpc-status: 0\n");
    assert_alive(f);
}

static struct answer *send_body(struct fixture *f, int32_t id, const void *body, size_t size)
{
    headers(f, id, &(struct request){ 0 }, 0);
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, body, size);
    return answer_to(f, id);
}

static void bodies_that_are_not_one_message_are_refused(void **state)
{
    struct fixture *f = *state;
    const uint8_t four_gib[] = { 0, 0xff, 0xff, 0xff, 0xff }, two[10] = { 0 },
                  cut[] = { 0, 0, 0, 0, 9, 1 }, broken_flag[] = { 7, 0, 0, 0, 0 },
                  garbage[] = { 0, 0, 0, 0, 2, 0xff, 0xff };

    preface(f);
    assert_has(send_body(f, 1, four_gib, 5), "grpc-status: 8\n");
    assert_has(send_body(f, 3, two, 10), "grpc-status: 12\n");
    assert_has(send_body(f, 5, cut, 6), "grpc-status: 13\n");
    assert_has(send_body(f, 7, cut, 3), "grpc-status: 13\n");
    assert_has(send_body(f, 9, broken_flag, 5), "grpc-status: 13\n");
    assert_has(send_body(f, 11, garbage, 7), "grpc-status: 13\n");
    assert_has(send_body(f, 13, NULL, 0), "grpc-status: 12\n");
    assert_alive(f);
}

static void an_answer_before_the_request_ended_stops_the_request(void **state)
{
    struct fixture *f = *state;
    const uint8_t four_gib[] = { 0, 0xff, 0xff, 0xff, 0xff };

    preface(f);
    headers(f, 1, &(struct request){ 0 }, 0);
    frame(f, NGHTTP2_DATA, 0, 1, four_gib, 5);
    assert_has(answer_to(f, 1), "grpc-status: 8\n");
    assert_int_equal(answer_to(f, 1)->reset, NGHTTP2_NO_ERROR);
    /* What was on its way meanwhile harms nobody. */
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, four_gib, 5);
    assert_alive(f);
}

static void too_many_headers_are_refused(void **state)
{
    struct fixture *f = *state;
    char value[121];

    memset(value, 'v', 120);
    value[120] = '\0';
    preface(f);
    /* 100 × (120 + 6 + 32) is inside 16 KiB, 110 are not. */
    assert_has(ask(f, 1, (struct request){ .name = "x-many", .value = value, .times = 95 }),
               "grpc-status: 0\n");
    assert_has(ask(f, 3, (struct request){ .name = "x-many", .value = value, .times = 110 }),
               "grpc-status: 8\n");
    assert_alive(f);
}

/* ---- The protocol under it. ---- */

static void what_is_not_http2_ends_the_connection(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    assert_true(f->over);
}

static void a_stream_id_that_was_skipped_is_an_error(void **state)
{
    struct fixture *f = *state;

    preface(f);
    assert_has(ask(f, 1, (struct request){ 0 }), "grpc-status: 0\n");
    assert_has(ask(f, 9, (struct request){ 0 }), "grpc-status: 0\n");
    headers(f, 5, &(struct request){ 0 }, NGHTTP2_FLAG_END_STREAM);
    assert_int_equal(f->goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_true(f->over);
}

static void streams_above_the_limit_are_refused(void **state)
{
    struct fixture *f = *state;

    preface(f);
    frame(f, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    for (int i = 0; i < 60; i++) /* fewer than answer_to() can note */
        headers(f, 1 + 2 * i, &(struct request){ 0 }, 0);
    assert_int_equal(h2_session_stream_count(f->session), 60);
    for (int i = 60; i < 100; i++)
        headers(f, 1 + 2 * i, &(struct request){ 0 }, 0);
    assert_int_equal(h2_session_stream_count(f->session), 100);
    headers(f, 1 + 2 * 100, &(struct request){ 0 }, 0);
    assert_true(f->goaway != -1 || answer_to(f, 201)->reset == NGHTTP2_REFUSED_STREAM);
    assert_int_equal(h2_session_stream_count(f->session), 100);
}

static void draining_says_goaway_twice(void **state)
{
    struct fixture *f = *state;
    const uint8_t opaque[8] = { 0 };

    preface(f);
    headers(f, 1, &(struct request){ 0 }, 0);
    h2_session_drain(f->session);
    take_output(f);
    assert_int_equal(f->goaway, NGHTTP2_NO_ERROR);
    assert_has(ask(f, 3, (struct request){ 0 }), "grpc-status: 0\n"); /* was on its way */
    f->goaway = -1;
    frame(f, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, opaque, sizeof opaque);
    assert_int_equal(f->goaway, NGHTTP2_NO_ERROR);
    assert_false(h2_session_is_done(f->session));
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, empty_message, sizeof empty_message);
    assert_has(answer_to(f, 1), "grpc-status: 0\n");
    assert_true(h2_session_is_done(f->session));
}

/* ---- Hostile peers. ---- */

/* The same frame until the session has enough, at most `most` times. */
static int flood(struct fixture *f, uint8_t type, uint8_t flags, int32_t id, const void *payload,
                 size_t size, int most)
{
    int sent = 0;

    while (!f->over && f->goaway == -1 && sent < most) {
        frame(f, type, flags, id, payload, size);
        sent++;
    }
    return sent;
}

static void floods_of_useless_frames_end_the_connection(void **state)
{
    const uint8_t zeros[8] = { 0 }, one[4] = { 0, 0, 0, 1 }, priority[5] = { 0, 0, 0, 0, 16 };
    const struct {
        uint8_t type;
        int32_t id;
        const uint8_t *payload;
        size_t size;
    } floods[] = {
        { NGHTTP2_PING, 0, zeros, 8 },
        { NGHTTP2_SETTINGS, 0, NULL, 0 },
        { NGHTTP2_PRIORITY, 3, priority, 5 },
        { NGHTTP2_WINDOW_UPDATE, 0, one, 4 },
        { NGHTTP2_WINDOW_UPDATE, 1, one, 4 },
        { NGHTTP2_DATA, 1, NULL, 0 },
        { 0x42, 0, zeros, 8 },
    };

    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        struct fixture *f;
        void *own;
        assert_int_equal(setup(&own), 0);
        f = own;
        preface(f);
        headers(f, 1, &(struct request){ 0 }, 0);
        assert_in_range(
            flood(f, floods[i].type, 0, floods[i].id, floods[i].payload, floods[i].size, 50000),
            100, 20000);
        assert_int_equal(f->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
        teardown(&own);
    }
    (void)state;
}

static void frames_of_unknown_types_are_passed_over(void **state)
{
    struct fixture *f = *state;
    const uint8_t zeros[8] = { 0 };

    preface(f);
    assert_int_equal(flood(f, 0x42, 0xff, 0, zeros, 8, 5000), 5000);
    assert_alive(f);
}

static void time_and_data_pay_for_control_frames(void **state)
{
    struct fixture *f = *state;
    const uint8_t zeros[8] = { 0 };

    preface(f);
    headers(f, 1, &(struct request){ .path = "/test.v1.Echo/Collect" }, 0);
    for (int second = 0; second < 100; second++) {
        assert_int_equal(flood(f, NGHTTP2_PING, 0, 0, zeros, 8, 100), 100);
        h2_session_sweep(f->session, 1000, &for_ever);
    }
    for (int i = 0; i < 20000; i++) {
        frame(f, NGHTTP2_DATA, 0, 1, empty_message, sizeof empty_message);
        frame(f, NGHTTP2_PING, 0, 0, zeros, 8);
    }
    assert_int_equal(f->goaway, -1);
    assert_int_equal(f->pongs, 100 * 100 + 20000);
}

static void rapid_resets_end_the_connection(void **state)
{
    struct fixture *f = *state;
    const uint8_t cancel[4] = { 0, 0, 0, NGHTTP2_CANCEL };
    int streams = 0;

    preface(f);
    while (!f->over && f->goaway == -1 && streams < 20000) {
        int32_t id = 1 + 2 * streams++;
        headers(f, id, &(struct request){ 0 }, 0);
        frame(f, NGHTTP2_RST_STREAM, 0, id, cancel, 4);
    }
    assert_in_range(streams, 500, 5000);
    assert_int_equal(f->echo.started, 0);
}

static void resets_that_the_peer_provokes_end_the_connection(void **state)
{
    struct fixture *f = *state;
    uint8_t block[100];
    size_t size = put_header(block, ":method", "POST"); /* and nothing else: malformed */
    int streams = 0;

    preface(f);
    while (!f->over && f->goaway == -1 && streams < 20000) {
        int32_t id = 1 + 2 * streams++;
        frame(f, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, block, size);
        assert_int_equal(answer_to(f, id)->reset, NGHTTP2_PROTOCOL_ERROR);
        f->answer_count = 0;
    }
    assert_in_range(streams, 100, 5000);
}

static void a_header_bomb_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    uint8_t block[16000];
    size_t at;

    preface(f);
    at = put_headers(block, &(struct request){ 0 });
    /* One entry of 4000 bytes into the dynamic table, then a reference to it per byte. */
    block[at++] = 0x40;
    block[at++] = 1;
    block[at++] = 'x';
    block[at++] = 0x7f; /* 127 + 3873 = 4000 */
    block[at++] = 0xa1;
    block[at++] = 0x1e;
    memset(block + at, 'v', 4000);
    at += 4000;
    memset(block + at, 0x80 | 62, sizeof block - at);
    frame(f, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, block, sizeof block);
    assert_int_equal(f->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(f->over);
}

static void continuations_without_end_end_the_connection(void **state)
{
    struct fixture *f = *state;
    uint8_t block[1000];

    preface(f);
    frame(f, NGHTTP2_HEADERS, 0, 1, block, put_headers(block, &(struct request){ 0 }));
    assert_in_range(flood(f, NGHTTP2_CONTINUATION, 0, 1, NULL, 0, 1000), 1, 100);
}

static void a_stream_that_nobody_reads_is_reset(void **state)
{
    struct fixture *f = *state;
    const uint8_t no_window[6] = { 0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0 };
    /* count: 10, answer_bytes: 100,000 */
    const uint8_t expand[] = { 0, 0, 0, 0, 6, 0x18, 10, 0x20, 0xa0, 0x8d, 0x06 };

    preface(f);
    frame(f, NGHTTP2_SETTINGS, 0, 0, no_window, sizeof no_window);
    headers(f, 1, &(struct request){ .path = "/test.v1.Echo/Expand" }, 0);
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, expand, sizeof expand);
    assert_int_equal(f->echo.started, 1);
    assert_int_equal(answer_to(f, 1)->data_bytes, 0);
    assert_in_range(f->echo.sent, 1, 4); /* and no more is made than is bounded */
    for (int i = 0; i < 4; i++)
        h2_session_sweep(f->session, 1000, &three_s);
    take_output(f);
    assert_int_equal(answer_to(f, 1)->reset, NGHTTP2_CANCEL);
    assert_int_equal(f->echo.over, 1);
}

/* 300,000 bytes wait on each of eight streams, and 1 MB is allowed. */
static void who_leaves_too_much_unread_loses_calls(void **state)
{
    struct fixture *f = *state;
    const uint8_t no_window[6] = { 0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0 };
    /* count: 1, answer_bytes: 300,000 */
    const uint8_t expand[] = { 0, 0, 0, 0, 6, 0x18, 1, 0x20, 0xe0, 0xa7, 0x12 };
    unsigned resets = 0;

    preface(f);
    frame(f, NGHTTP2_SETTINGS, 0, 0, no_window, sizeof no_window);
    for (int32_t id = 1; id < 16; id += 2) {
        headers(f, id, &(struct request){ .path = "/test.v1.Echo/Expand" }, 0);
        frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, expand, sizeof expand);
        h2_session_shed(f->session);
        take_output(f);
        assert_in_range(h2_session_held(f->session), 0, HELD_MAX);
    }
    for (int32_t id = 1; id < 16; id += 2)
        resets += answer_to(f, id)->reset == NGHTTP2_ENHANCE_YOUR_CALM;
    assert_int_equal(resets, 8 - HELD_MAX / 300000);
    assert_int_equal(h2_session_stream_count(f->session), HELD_MAX / 300000);
    assert_int_equal(f->goaway, -1);
}

/* A message with so many bytes of payload, whole; the stream stays open. */
static void message(struct fixture *f, int32_t id, uint32_t size)
{
    const uint8_t head[] = { 0,
                             0,
                             (uint8_t)((size + 4) >> 16),
                             (uint8_t)((size + 4) >> 8),
                             (uint8_t)(size + 4),
                             0x12, /* payload, its size in three bytes */
                             (uint8_t)(size | 0x80),
                             (uint8_t)(size >> 7 | 0x80),
                             (uint8_t)(size >> 14) };
    const uint8_t zeros[10000] = { 0 };

    frame(f, NGHTTP2_DATA, 0, id, head, sizeof head);
    for (uint32_t sent = 0; sent < size; sent += sizeof zeros)
        frame(f, NGHTTP2_DATA, 0, id, zeros, sizeof zeros);
}

static void requests_that_are_whole_but_do_not_end_are_held(void **state)
{
    struct fixture *f = *state;
    unsigned resets = 0;

    preface(f);
    for (int32_t id = 1; id < 16; id += 2) {
        headers(f, id, &(struct request){ 0 }, 0);
        message(f, id, 300000);
        assert_true(h2_session_held(f->session) >= 300000);
        h2_session_shed(f->session);
        take_output(f);
        assert_in_range(h2_session_held(f->session), 0, HELD_MAX);
    }
    for (int32_t id = 1; id < 16; id += 2)
        resets += answer_to(f, id)->reset == NGHTTP2_ENHANCE_YOUR_CALM;
    assert_int_equal(resets, 8 - HELD_MAX / 300000);
    assert_int_equal(f->goaway, -1);
}

static void a_streams_message_is_held_until_it_was_taken(void **state)
{
    struct fixture *f = *state;

    preface(f);
    headers(f, 1, &(struct request){ .path = "/test.v1.Echo/Collect" }, 0);
    message(f, 1, 300000);
    assert_int_equal(h2_session_held(f->session), 0);
}

static void what_is_read_is_not_held(void **state)
{
    struct fixture *f = *state;
    const uint8_t huge[4] = { 0x3f, 0xff, 0xff, 0xff };
    const uint8_t expand[] = { 0, 0, 0, 0, 6, 0x18, 1, 0x20, 0xe0, 0xa7, 0x12 };

    preface(f);
    frame(f, NGHTTP2_WINDOW_UPDATE, 0, 0, huge, sizeof huge);
    headers(f, 1, &(struct request){ .path = "/test.v1.Echo/Expand" }, 0);
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, expand, sizeof expand);
    assert_in_range(h2_session_held(f->session), 200000, 300000);
    frame(f, NGHTTP2_WINDOW_UPDATE, 0, 1, huge, sizeof huge);
    assert_has(answer_to(f, 1), "grpc-status: 0\n");
    assert_int_equal(h2_session_held(f->session), 0);
}

/* A byte of an answer at a time, and one each second. */
static void an_answer_that_is_read_by_the_byte_is_reset(void **state)
{
    struct fixture *f = *state;
    const uint8_t no_window[6] = { 0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0 };
    const uint8_t one[4] = { 0, 0, 0, 1 };
    const uint8_t expand[] = { 0, 0, 0, 0, 6, 0x18, 1, 0x20, 0xe0, 0xa7, 0x12 };
    int seconds = 0;

    preface(f);
    frame(f, NGHTTP2_SETTINGS, 0, 0, no_window, sizeof no_window);
    headers(f, 1, &(struct request){ .path = "/test.v1.Echo/Expand" }, 0);
    frame(f, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, expand, sizeof expand);
    while (answer_to(f, 1)->reset == -1 && seconds++ < 100) {
        frame(f, NGHTTP2_WINDOW_UPDATE, 0, 1, one, sizeof one);
        h2_session_sweep(f->session, 1000, &three_s);
        take_output(f);
    }
    assert_in_range(seconds, 3, 5);
    assert_in_range(answer_to(f, 1)->data_bytes, 1, 5);
}

static void a_request_that_does_not_go_on_is_reset(void **state)
{
    struct fixture *f = *state;

    preface(f);
    headers(f, 1, &(struct request){ 0 }, 0);
    headers(f, 3, &(struct request){ .path = "/test.v1.Echo/Chat" }, 0);
    for (int i = 0; i < 4; i++)
        h2_session_sweep(f->session, 1000, &three_s);
    take_output(f);
    assert_int_equal(answer_to(f, 1)->reset, NGHTTP2_CANCEL);
    /* A stream of requests may take its time. */
    assert_int_equal(answer_to(f, 3)->reset, -1);
    assert_int_equal(h2_session_stream_count(f->session), 1);
}

static void a_request_that_drips_in_is_reset(void **state)
{
    struct fixture *f = *state;
    const uint8_t prefix[] = { 0, 0, 0, 0x10, 0 }, drop[] = { 'x' };
    int sweeps = 0;

    preface(f);
    headers(f, 1, &(struct request){ 0 }, 0);
    frame(f, NGHTTP2_DATA, 0, 1, prefix, sizeof prefix);
    while (answer_to(f, 1)->reset == -1 && sweeps++ < 100) {
        frame(f, NGHTTP2_DATA, 0, 1, drop, sizeof drop);
        h2_session_sweep(f->session, 1000, &three_s);
        take_output(f);
    }
    assert_in_range(sweeps, 4, 20);
    assert_int_equal(answer_to(f, 1)->reset, NGHTTP2_CANCEL);
    assert_alive(f);
}

static void half_a_header_block_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    uint8_t block[1000], bytes[1100];
    size_t size = put_frame(bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, block,
                            put_headers(block, &(struct request){ 0 }));

    preface(f);
    feed(f, bytes, size / 2);
    for (int i = 0; i < 5; i++)
        h2_session_sweep(f->session, 1000, &three_s);
    take_output(f);
    assert_int_equal(f->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(h2_session_is_done(f->session));
}

/* On a stream that still reads, on one that was answered, and in several frames. */
static void half_a_trailers_block_ends_the_connection(void **state)
{
    static const char *const paths[] = { "/test.v1.Echo/Collect", "/test.v1.Echo/None" };

    for (size_t i = 0; i < 4; i++) {
        uint8_t block[100], bytes[200];
        size_t size = put_header(block, "x-end", "of it");
        struct fixture *f = *state;

        preface(f);
        headers(f, 1, &(struct request){ .path = paths[i % 2] }, 0);
        size =
            put_frame(bytes, NGHTTP2_HEADERS, i < 2 ? NGHTTP2_FLAG_END_HEADERS : 0, 1, block, size);
        feed(f, bytes, i < 2 ? size - 1 : size);
        for (int tick = 0; tick < 2; tick++)
            h2_session_sweep(f->session, 1000, &three_s);
        take_output(f);
        assert_int_equal(f->goaway, -1);
        h2_session_sweep(f->session, 1000, &three_s);
        take_output(f);
        assert_int_equal(f->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
        teardown(state);
        setup(state);
    }
}

static void header_blocks_that_end_are_not_added_up(void **state)
{
    struct fixture *f = *state;
    uint8_t block[1000], bytes[1100];
    size_t block_size = put_headers(block, &(struct request){ 0 });

    preface(f);
    for (int32_t id = 1; id < 20; id += 2) {
        size_t size =
            put_frame(bytes, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, block, block_size);
        feed(f, bytes, size / 2);
        h2_session_sweep(f->session, 1000, &three_s);
        feed(f, bytes + size / 2, size - size / 2);
    }
    assert_alive(f);
}

/* ---- A client's session. ---- */

struct client {
    struct h2_owner owner;
    bool is_going;
};

static void note_going(struct h2_owner *owner)
{
    container_of(owner, struct client, owner)->is_going = true;
}

/* Its owner must not offer it calls for as long as the peer reads nothing. */
static void a_session_that_is_over_says_so_before_it_can_write(void **state)
{
    static const struct h2_owner_ops ops = { .on_output = ignore, .on_going = note_going };
    static const uint8_t ping[17] = { 0, 0, 8, NGHTTP2_PING };
    const struct h2_options options = { .role = H2_CLIENT, .header_bytes_max = 64 << 10 };
    struct client client = { .owner.ops = &ops };
    struct h2_session *session = h2_session_new(&options, &client.owner);

    (void)state;
    assert_true(h2_session_receive(session, bytes_of("\0\0\0\4\0\0\0\0\0", 9)));
    assert_false(client.is_going);
    while (h2_session_receive(session, bytes_of(ping, sizeof ping)))
        assert_false(client.is_going);
    assert_true(client.is_going);
    h2_session_free(session);
}

/* ---- What is told of calls. ---- */

struct noted_hooks {
    struct rpc_hooks hooks;
    int ended;
    int64_t longest_us;
};

static void note_ended(struct rpc_hooks *hooks, struct rpc_call *call, enum rpc_code code,
                       int64_t duration_us)
{
    struct noted_hooks *noted = container_of(hooks, struct noted_hooks, hooks);

    (void)call;
    (void)code;
    noted->ended++;
    if (duration_us > noted->longest_us)
        noted->longest_us = duration_us;
}

static void calls_that_are_refused_took_no_time(void **state)
{
    struct fixture *f = *state;
    struct noted_hooks noted = { .hooks.ended = note_ended };

    rpc_registry_set_hooks(f->registry, &noted.hooks);
    preface(f);
    ask(f, 1, (struct request){ .name = "grpc-timeout", .value = "soon" });
    ask(f, 3, (struct request){ .name = "grpc-encoding", .value = "snappy" });
    assert_int_equal(noted.ended, 2);
    assert_in_range(noted.longest_us, 0, 1000 * 1000);
    rpc_registry_set_hooks(f->registry, NULL);
}

/* ---- Anything at all. ---- */

static uint64_t next_random(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t put_conversation(uint8_t *bytes)
{
    const uint8_t zeros[8] = { 0 }, chat[] = { 0, 0, 0, 0, 3, 0x0a, 1, 'x' };
    const struct request say = { 0 }, stream = { .path = "/test.v1.Echo/Chat" };
    uint8_t block[1000];
    size_t size = 0;

    size += put_frame(bytes + size, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    size += put_frame(bytes + size, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, block,
                      put_headers(block, &say));
    size += put_frame(bytes + size, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, empty_message, 5);
    size += put_frame(bytes + size, NGHTTP2_PING, 0, 0, zeros, 8);
    size += put_frame(bytes + size, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 3, block,
                      put_headers(block, &stream));
    for (int i = 0; i < 3; i++)
        size += put_frame(bytes + size, NGHTTP2_DATA, 0, 3, chat, sizeof chat);
    return size + put_frame(bytes + size, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, NULL, 0);
}

/* Not taken apart: it may be anything but harmful. */
static void drop_output(struct fixture *f)
{
    while (h2_session_output(f->session).size > 0)
        ;
}

static void no_damaged_conversation_does_harm(void **state)
{
    enum { ROUNDS = 3000 };
    uint8_t good[4000], bytes[4000];
    size_t size = put_conversation(good);

    (void)state;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t random = round * 0x9e3779b97f4a7c15u;
        unsigned damages = 1 + (unsigned)(next_random(&random) % 8);
        struct fixture *f;
        void *own;
        assert_int_equal(setup(&own), 0);
        f = own;
        memcpy(bytes, good, size);
        for (unsigned i = 0; i < damages; i++)
            bytes[next_random(&random) % size] = (uint8_t)next_random(&random);
        h2_session_receive(f->session, bytes_of(NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN));
        for (size_t at = 0; at < size;) {
            size_t cut = 1 + next_random(&random) % 200;
            cut = cut < size - at ? cut : size - at;
            h2_session_receive(f->session, bytes_of(bytes + at, cut));
            drop_output(f);
            at += cut;
        }
        teardown(&own);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_good_request_is_answered),
        TEST(a_good_request_is_answered_byte_by_byte),
        TEST(what_is_not_grpc_is_answered_as_http),
        TEST(unknown_methods_are_unimplemented),
        TEST(timeouts_that_are_none_are_refused),
        TEST(compression_that_was_not_agreed_is_refused),
        TEST(bodies_that_are_not_one_message_are_refused),
        TEST(an_answer_before_the_request_ended_stops_the_request),
        TEST(too_many_headers_are_refused),
        TEST(what_is_not_http2_ends_the_connection),
        TEST(a_stream_id_that_was_skipped_is_an_error),
        TEST(streams_above_the_limit_are_refused),
        TEST(draining_says_goaway_twice),
        TEST(floods_of_useless_frames_end_the_connection),
        TEST(frames_of_unknown_types_are_passed_over),
        TEST(time_and_data_pay_for_control_frames),
        TEST(rapid_resets_end_the_connection),
        TEST(resets_that_the_peer_provokes_end_the_connection),
        TEST(a_header_bomb_ends_the_connection),
        TEST(continuations_without_end_end_the_connection),
        TEST(a_stream_that_nobody_reads_is_reset),
        TEST(who_leaves_too_much_unread_loses_calls),
        TEST(requests_that_are_whole_but_do_not_end_are_held),
        TEST(a_streams_message_is_held_until_it_was_taken),
        TEST(what_is_read_is_not_held),
        TEST(an_answer_that_is_read_by_the_byte_is_reset),
        TEST(a_request_that_does_not_go_on_is_reset),
        TEST(a_request_that_drips_in_is_reset),
        TEST(half_a_header_block_ends_the_connection),
        TEST(half_a_trailers_block_ends_the_connection),
        TEST(header_blocks_that_end_are_not_added_up),
        TEST(a_session_that_is_over_says_so_before_it_can_write),
        TEST(calls_that_are_refused_took_no_time),
        TEST(no_damaged_conversation_does_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
