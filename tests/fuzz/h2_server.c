#include "rpc/call/call_pool.h"
#include "rpc/grpc/grpc_frame.h"
#include "rpc/h2/h2_session.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/services.h"

#include <assert.h>
#include <stdlib.h>

/* What a client says to a server with all services behind it: the bytes of a
 * connection ("PRI * ..."), in pieces; or, if it begins with anything else, a
 * script of frames, so that requests make sense more often. Whatever it says,
 * only whole frames of known types come back, and in the end nothing is left of
 * the connection and the queue is sound. */

enum { FRAME_HEAD = 9, FRAME_SIZE_MAX = 16384, MEM_MAX = 16 << 20, PIECES_MAX = 4096 };

enum frame_type { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY,
                  WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, END_HEADERS = 4 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct connection {
    struct services services;
    struct h2_owner owner;
    struct call_pool *calls;
    struct h2_session *session;
    struct bytes input;
    struct arena *mem;
    bool over;
    /* What came back: where in a frame it stands. */
    uint8_t head[FRAME_HEAD];
    size_t head_size, payload_left;
};

static struct stream_user *accept_call(struct h2_owner *owner, struct stream *stream)
{
    return call_pool_accept(container_of(owner, struct connection, owner)->calls, stream, "fuzz");
}

static void ignore(struct h2_owner *owner)
{
    (void)owner;
}

static const struct h2_owner_ops owner_ops = { accept_call, ignore, ignore };

/* ---- What comes back. ---- */

static void check_head(struct connection *c)
{
    uint32_t id = (uint32_t)(c->head[5] << 24 | c->head[6] << 16 | c->head[7] << 8 | c->head[8]);

    c->payload_left = (size_t)(c->head[0] << 16 | c->head[1] << 8 | c->head[2]);
    c->head_size = 0;
    assert(c->payload_left <= FRAME_SIZE_MAX);
    assert(c->head[3] <= CONTINUATION && c->head[3] != PUSH_PROMISE && c->head[3] != PRIORITY);
    assert(id == 0 || id % 2 == 1);
    assert((c->head[3] == SETTINGS || c->head[3] == PING || c->head[3] == GOAWAY) == (id == 0) ||
           c->head[3] == WINDOW_UPDATE);
}

static void check_output(struct connection *c, struct bytes bytes)
{
    while (bytes.size > 0) {
        c->payload_left -= input_bytes(&bytes, c->payload_left).size;
        if (c->payload_left == 0 && bytes.size > 0) {
            c->head[c->head_size++] = input_byte(&bytes);
            if (c->head_size == FRAME_HEAD)
                check_head(c);
        }
    }
}

static void take_output(struct connection *c)
{
    struct bytes bytes;
    int pieces = 0;

    while ((bytes = h2_session_output(c->session)).size > 0) {
        check_output(c, bytes);
        assert(++pieces < PIECES_MAX);
    }
}

static void settle(struct connection *c)
{
    take_output(c);
    services_settle(&c->services);
    take_output(c);
}

static void feed(struct connection *c, struct bytes bytes)
{
    if (c->over)
        return;
    c->over = !h2_session_receive(c->session, bytes);
    take_output(c);
}

/* ---- Bytes as they come. ---- */

static void run_bytes(struct connection *c)
{
    unsigned piece = 1 + (unsigned)c->input.size % 97;

    while (c->input.size > 0 && !c->over) {
        feed(c, input_bytes(&c->input, piece));
        if (piece % 4 == 0)
            settle(c);
        piece = piece * 31 % 1021 + 1;
    }
}

/* ---- A script of frames. ---- */

static void put_number(uint8_t *out, uint32_t number, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(number >> 8 * (size - 1 - i));
}

static void send_frame(struct connection *c, unsigned type, unsigned flags, uint32_t id,
                       struct bytes payload)
{
    uint8_t *frame = arena_alloc(c->mem, FRAME_HEAD + payload.size);

    if (frame == NULL)
        return;
    put_number(frame, (uint32_t)payload.size, 3);
    put_number(frame + 3, type, 1);
    put_number(frame + 4, flags, 1);
    put_number(frame + 5, id, 4);
    if (payload.size > 0)
        memcpy(frame + FRAME_HEAD, payload.data, payload.size);
    feed(c, bytes_of(frame, FRAME_HEAD + payload.size));
}

/* A literal that is not indexed; both parts below 127 bytes. */
static size_t put_header(uint8_t *out, struct bytes name, struct bytes value)
{
    name = input_bytes(&name, 126);
    value = input_bytes(&value, 126);
    out[0] = 0;
    out[1] = (uint8_t)name.size;
    memcpy(out + 2, name.data, name.size);
    out[2 + name.size] = (uint8_t)value.size;
    if (value.size > 0)
        memcpy(out + 3 + name.size, value.data, value.size);
    return 3 + name.size + value.size;
}

static size_t put_text(uint8_t *out, const char *name, const char *value)
{
    return put_header(out, bytes_of_text(name), bytes_of_text(value));
}

static const struct rpc_method *choose_method(struct connection *c,
                                              const struct rpc_service **service)
{
    size_t count = services_method_count(&c->services);

    return services_method(&c->services, input_byte(&c->input) % count, service);
}

/* Streams 1 to 31, in whatever order. */
static uint32_t choose_stream(struct connection *c)
{
    return 1 + 2u * (input_byte(&c->input) % 16);
}

static void send_request(struct connection *c)
{
    const struct rpc_service *service;
    const struct rpc_method *method = choose_method(c, &service);
    uint32_t id = choose_stream(c);
    uint8_t flags = input_byte(&c->input);
    uint8_t block[1500];
    size_t size = put_text(block, ":method", "POST");
    struct bytes name, value;

    size += put_text(block + size, ":scheme", "http");
    size += put_text(block + size, ":path",
                     arena_printf(c->mem, "/%s/%s", service->name, method->name));
    size += put_text(block + size, "content-type", "application/grpc");
    size += put_text(block + size, "te", "trailers");
    size += put_text(block + size, "orgid", "acme");
    for (unsigned more = flags >> 6; more > 0; more--) {
        name = input_block(&c->input);
        value = input_block(&c->input);
        if (name.size > 0)
            size += put_header(block + size, name, value);
    }
    send_frame(c, HEADERS, END_HEADERS | (flags & END_STREAM), id, bytes_of(block, size));
}

static void send_message(struct connection *c)
{
    const struct rpc_service *service;
    const struct rpc_method *method = choose_method(c, &service);
    uint32_t id = choose_stream(c);
    uint8_t flags = input_byte(&c->input);
    struct bytes seed = input_block(&c->input);
    const ProtobufCMessage *message =
        message_make(method->request, &services_words, &seed, c->mem);
    size_t size = message != NULL ? protobuf_c_message_get_packed_size(message) : FRAME_SIZE_MAX;
    uint8_t *framed = arena_alloc(c->mem, GRPC_PREFIX_SIZE + size);

    if (framed == NULL || size + GRPC_PREFIX_SIZE > FRAME_SIZE_MAX)
        return;
    grpc_frame_prefix(framed, (uint32_t)size);
    protobuf_c_message_pack(message, framed + GRPC_PREFIX_SIZE);
    send_frame(c, DATA, flags & END_STREAM, id, bytes_of(framed, GRPC_PREFIX_SIZE + size));
}

/* Of any type, on any stream. */
static void send_any(struct connection *c)
{
    uint8_t type = input_byte(&c->input), flags = input_byte(&c->input);
    uint32_t id = (uint32_t)input_number(&c->input, 4);

    send_frame(c, type % 16, flags, id, input_block(&c->input));
}

static void run_script(struct connection *c)
{
    static const struct h2_patience three_s = { 3000, 3000, 3000 };

    feed(c, bytes_of(preface, sizeof preface - 1));
    send_frame(c, SETTINGS, 0, 0, bytes_of(NULL, 0));
    while (c->input.size > 0 && !c->over) {
        uint8_t step = input_byte(&c->input);

        if (step < 80)
            send_request(c);
        else if (step < 160)
            send_message(c);
        else if (step < 220)
            send_any(c);
        else if (step < 230)
            h2_session_sweep(c->session, 1000, &three_s);
        else if (step < 232)
            h2_session_drain(c->session);
        else if (step < 236)
            services_pass(&c->services, (int64_t)input_number(&c->input, 2) * 50);
        else
            settle(c);
    }
}

/* ---- The whole of it. ---- */

static void open_connection(struct connection *c)
{
    const struct h2_options options = { .role = H2_SERVER,
                                        .streams_max = 100,
                                        .header_bytes_max = 16 << 10,
                                        .held_bytes_max = 1 << 20,
                                        .ping_interval_ms = 1000 };

    services_init(&c->services);
    c->owner.ops = &owner_ops;
    c->calls = call_pool_new(c->services.loop, c->services.registry, 1 << 20);
    c->session = h2_session_new(&options, &c->owner);
    c->mem = arena_new(MEM_MAX);
}

static void close_connection(struct connection *c)
{
    settle(c);
    h2_session_free(c->session);
    services_pass(&c->services, INT64_C(70) * 1000);
    assert(call_pool_live(c->calls) == 0);
    call_pool_free(c->calls);
    services_free(&c->services);
    arena_free(c->mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connection *c = calloc(1, sizeof *c);

    c->input = bytes_of(data, size);
    open_connection(c);
    if (size > 0 && data[0] == 'P')
        run_bytes(c);
    else
        run_script(c);
    close_connection(c);
    free(c);
    return 0;
}
