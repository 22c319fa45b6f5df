#include "gateway/http/http_wire.h"

#include <event2/buffer.h>
#include <event2/event.h>

/* Each event of the loop ends with at most one callback, after which the wire may
 * be gone. */

enum {
    READ_BYTES = 16 << 10, /* into one piece of memory */
    READS_PER_TURN = 4,    /* then others have their turn */
    WRITE_BYTES = 32 << 10 /* that the transport may hold, besides `output` */
};

/* ---- Writing. ---- */

static void wait_for_room(struct http_wire *wire)
{
    wire->is_blocked = true;
    if (!transport_needs_input(&wire->transport)) /* then on_readable() goes on */
        event_add(wire->writable, NULL);
}

/* When the others who woke the loop have had their say. */
static void send_soon(struct http_wire *wire)
{
    if (!wire->is_blocked)
        event_active(wire->writable, EV_WRITE, 0);
}

/* What the transport has passed on leaves the buffer. */
static enum transport_outcome flush(struct http_wire *wire)
{
    enum transport_outcome outcome = transport_flush(&wire->transport);
    size_t taken = wire->taken;

    if (outcome == TRANSPORT_BLOCKED)
        wait_for_room(wire);
    if (outcome != TRANSPORT_DONE)
        return outcome;
    wire->taken = 0;
    evbuffer_drain(wire->output, taken);
    return TRANSPORT_DONE;
}

static enum transport_outcome write_piece(struct http_wire *wire)
{
    size_t waiting = evbuffer_get_length(wire->output);
    size_t size = waiting < WRITE_BYTES ? waiting : WRITE_BYTES;
    struct bytes bytes = bytes_of(evbuffer_pullup(wire->output, (ev_ssize_t)size), size);
    enum transport_outcome outcome;

    if (bytes.data == NULL)
        return TRANSPORT_CLOSED; /* out of memory */
    outcome = transport_write(&wire->transport, bytes, &wire->taken);
    if (outcome == TRANSPORT_BLOCKED)
        wait_for_room(wire);
    return outcome == TRANSPORT_DONE ? flush(wire) : outcome;
}

/* Until the buffer is empty, or the socket full. */
static enum transport_outcome write_output(struct http_wire *wire)
{
    enum transport_outcome outcome = flush(wire);

    while (outcome == TRANSPORT_DONE && evbuffer_get_length(wire->output) > 0)
        outcome = write_piece(wire);
    return outcome;
}

/* ---- The handshake. ---- */

/* A step of it. DONE: it is over, and went well. */
static enum transport_outcome shake_hands(struct http_wire *wire)
{
    enum transport_outcome outcome;

    if (wire->is_open)
        return TRANSPORT_DONE;
    outcome = transport_handshake(&wire->transport);
    wire->is_open = outcome != TRANSPORT_BLOCKED;
    if (transport_has_unsent(&wire->transport))
        wait_for_room(wire);
    if (outcome == TRANSPORT_CLOSED) /* nobody will ever get it */
        evbuffer_drain(wire->output, evbuffer_get_length(wire->output));
    return outcome;
}

/* ---- Events. ---- */

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct http_wire *wire = context;
    bool was_open = wire->is_open, had_output;
    enum transport_outcome outcome;

    (void)fd;
    (void)what;
    wire->is_blocked = false;
    outcome = shake_hands(wire);
    if (outcome == TRANSPORT_CLOSED)
        wire->ops->on_end(wire, HTTP_WIRE_NO_TLS);
    if (outcome != TRANSPORT_DONE)
        return;
    if (!was_open)
        event_active(wire->readable, EV_READ, 0);
    had_output = evbuffer_get_length(wire->output) > 0;
    outcome = write_output(wire);
    if (outcome == TRANSPORT_CLOSED && had_output)
        wire->ops->on_end(wire, HTTP_WIRE_BROKEN);
    else if (outcome == TRANSPORT_DONE && had_output)
        wire->ops->on_sent(wire);
}

/* DONE: something was read into the buffer. */
static enum transport_outcome read_piece(struct http_wire *wire, size_t room)
{
    struct evbuffer_iovec piece;
    enum transport_outcome outcome;

    if (room > READ_BYTES)
        room = READ_BYTES;
    if (evbuffer_reserve_space(wire->input, (ev_ssize_t)room, &piece, 1) != 1) {
        wire->transport.is_broken = true; /* out of memory */
        return TRANSPORT_CLOSED;
    }
    outcome = transport_read(&wire->transport, piece.iov_base, room, &piece.iov_len);
    if (outcome == TRANSPORT_DONE)
        evbuffer_commit_space(wire->input, &piece, 1);
    return outcome;
}

/* Reads until there is no more for now, or the buffer is full. */
static enum transport_outcome read_input(struct http_wire *wire)
{
    enum transport_outcome outcome = TRANSPORT_DONE;

    for (unsigned i = 0; i < READS_PER_TURN && outcome == TRANSPORT_DONE; i++) {
        size_t length = evbuffer_get_length(wire->input);

        if (length >= wire->input_max)
            break;
        outcome = read_piece(wire, wire->input_max - length);
    }
    return outcome;
}

/* What the transport has in hand already makes no socket readable. */
static void choose_reading(struct http_wire *wire)
{
    bool is_full = evbuffer_get_length(wire->input) >= wire->input_max;

    if (wire->is_at_end || (is_full && wire->is_paused))
        return;
    if (is_full)
        event_del(wire->readable);
    else if (wire->is_paused)
        event_add(wire->readable, NULL);
    wire->is_paused = is_full;
    if (!is_full && transport_has_input(&wire->transport))
        event_active(wire->readable, EV_READ, 0);
}

static void end_input(struct http_wire *wire)
{
    wire->is_at_end = true;
    event_del(wire->readable);
    wire->ops->on_end(wire, wire->transport.is_broken ? HTTP_WIRE_BROKEN : HTTP_WIRE_PEER_DONE);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct http_wire *wire = context;
    size_t before = evbuffer_get_length(wire->input);
    enum transport_outcome outcome = shake_hands(wire);

    (void)fd;
    (void)what;
    if (outcome == TRANSPORT_CLOSED)
        wire->ops->on_end(wire, HTTP_WIRE_NO_TLS);
    if (outcome != TRANSPORT_DONE || wire->is_at_end)
        return;
    outcome = read_input(wire);
    if (transport_needs_input(&wire->transport))
        wire->is_blocked = false; /* it may have come */
    if (transport_has_unsent(&wire->transport) || transport_needs_input(&wire->transport))
        send_soon(wire); /* what reading made the transport say, or let us say */
    if (evbuffer_get_length(wire->input) > before) {
        choose_reading(wire); /* the end, too, is told the next time */
        wire->ops->on_input(wire);
    } else if (outcome == TRANSPORT_CLOSED) {
        end_input(wire);
    }
}

/* The owner adds and drains: only takes note, for he is in the middle of it. */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *change, void *context)
{
    (void)output;
    if (change->n_added > 0)
        send_soon(context);
}

static void on_drained(struct evbuffer *input, const struct evbuffer_cb_info *change, void *context)
{
    struct http_wire *wire = context;

    (void)input;
    if (change->n_deleted > 0 && wire->is_paused)
        choose_reading(wire);
}

/* ---- Beginning and end. ---- */

static bool open_parts(struct http_wire *wire, int fd)
{
    struct event_base *base = loop_event_base(wire->loop);

    wire->input = evbuffer_new();
    wire->output = evbuffer_new();
    wire->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, wire);
    wire->writable = event_new(base, fd, EV_WRITE, on_writable, wire);
    return wire->input != NULL && wire->output != NULL && wire->readable != NULL &&
           wire->writable != NULL && evbuffer_add_cb(wire->input, on_drained, wire) != NULL &&
           evbuffer_add_cb(wire->output, on_output, wire) != NULL &&
           event_add(wire->readable, NULL) == 0;
}

static void close_parts(struct http_wire *wire)
{
    if (wire->readable != NULL)
        event_free(wire->readable);
    if (wire->writable != NULL)
        event_free(wire->writable);
    if (wire->input != NULL)
        evbuffer_free(wire->input);
    if (wire->output != NULL)
        evbuffer_free(wire->output);
}

bool http_wire_open(struct http_wire *wire, const struct http_wire_ops *ops, struct loop *loop,
                    int fd, struct tls_context *tls, size_t input_max)
{
    *wire = (struct http_wire){ .ops = ops, .loop = loop, .input_max = input_max };
    wire->is_open = tls == NULL;
    if (open_parts(wire, fd) && transport_open(&wire->transport, fd, tls, TRANSPORT_HTTP1))
        return true;
    close_parts(wire);
    return false;
}

void http_wire_shut_down(struct http_wire *wire)
{
    transport_shut_down(&wire->transport);
}

void http_wire_close(struct http_wire *wire)
{
    close_parts(wire);
    transport_close(&wire->transport);
}

const char *http_wire_peer_name(const struct http_wire *wire)
{
    return transport_peer_name(&wire->transport);
}
