#!/usr/bin/python3
"""The server against RFC 9113 and RFC 7541, a section at a time.

A row is a situation: what is sent on a fresh connection, and what must come of
it. Steps are bytes to be sent, or functions that look at what the server did
(expect.py); steps that follow each other are sent as they stand. After whatever
the server may survive, it must still answer on that connection.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
from frames import *            # pylint: disable=wildcard-import,unused-wildcard-import
from expect import *            # pylint: disable=wildcard-import,unused-wildcard-import
import harness

ROWS = []


def section(title, *rows, handshake=True):
    ROWS.extend((title, name, steps, handshake) for name, *steps in rows)


def raw_headers(stream, payload, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, payload)


ENDED = END_HEADERS | END_STREAM
BODY = frame(DATA, END_STREAM, 1, EMPTY_MESSAGE)
OPEN = headers(1, request())                        # stream 1, and the server waits for more
GET = headers(1, plain(), ENDED)                    # a whole request, but not gRPC
NO_WINDOW = settings((INITIAL_WINDOW_SIZE, 0))
PINGED = frame(PING, 0, 0, bytes(8))


def malformed(name, *more, **other):
    """A request that is no HTTP: the stream's error, whatever is in it."""
    return name, headers(1, request(*more, **other), ENDED), stream_error(1, PROTOCOL_ERROR)


# ---- Starting ----

def advertises(peer):
    said = first_settings(peer)
    assert 0 < said[MAX_CONCURRENT_STREAMS] <= 1000, said
    assert said[MAX_HEADER_LIST_SIZE] >= 8192, said
    assert ENABLE_PUSH not in said or said[ENABLE_PUSH] == 0, said


def byte_by_byte(data):
    def check(peer):
        for at in range(len(data)):
            peer.send(data[at:at + 1])
    return check


section(
    "RFC 9113, 3.4: connection preface",
    ("the server's first frame is SETTINGS", first_settings),
    ("the server says how many streams it allows, and how large headers may be", advertises),
    ("the client's SETTINGS are acknowledged", PREFACE + settings(), acknowledged(1)),
    ("it may come with settings of every kind",
     PREFACE + settings((HEADER_TABLE_SIZE, 0), (ENABLE_PUSH, 0), (MAX_CONCURRENT_STREAMS, 0),
                        (INITIAL_WINDOW_SIZE, 1 << 20), (MAX_FRAME_SIZE, (1 << 24) - 1),
                        (MAX_HEADER_LIST_SIZE, 1 << 16)), acknowledged(1), call(1), succeeded()),
    ("it may come byte by byte", byte_by_byte(PREFACE + settings()), call(1), succeeded()),
    ("requests need not wait for the server's SETTINGS", PREFACE + settings() + call(1),
     succeeded()),
    ("another first line ends the connection", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", closed),
    ("one wrong byte in it ends the connection", PREFACE[:-1] + b"x" + settings(), closed),
    ("a PING instead of SETTINGS", PREFACE + PINGED, connection_error(PROTOCOL_ERROR)),
    ("a request instead of SETTINGS", PREFACE + call(1), connection_error(PROTOCOL_ERROR)),
    ("an acknowledgement instead of SETTINGS", PREFACE + frame(SETTINGS, ACK),
     connection_error(PROTOCOL_ERROR)),
    handshake=False)

# ---- Frames ----

section(
    "RFC 9113, 4.1: frame format",
    ("an unknown type is passed over", frame(0x16, 0xff, 0, b"unknown") + frame(0xff, 1, 77),
     alive),
    ("flags that are not defined are passed over", frame(PING, 0x16, 0, bytes(8)), alive),
    ("undefined flags of DATA", OPEN + frame(DATA, END_STREAM | 0xf6 & ~PADDED, 1, EMPTY_MESSAGE),
     succeeded()),
    ("the reserved bit is passed over", frame(PING, 0, 0x80000000, bytes(8)), alive),
    ("the reserved bit of a stream's frames",
     frame(HEADERS, END_HEADERS, 0x80000001, block(*request())) +
     frame(DATA, END_STREAM, 0x80000001, EMPTY_MESSAGE), succeeded()))

LARGE = (1 << 14) + 1
section(
    "RFC 9113, 4.2: frame size",
    ("DATA of 2^14 bytes is taken",
     OPEN + frame(DATA, 0, 1, b"\0" + struct.pack(">I", (1 << 14) - 5) + bytes((1 << 14) - 5)),
     alive),
    ("larger DATA", OPEN + frame(DATA, END_STREAM, 1, bytes(LARGE)),
     either(stream_error(1, FRAME_SIZE_ERROR), connection_error(FRAME_SIZE_ERROR))),
    ("larger HEADERS", raw_headers(1, block(*request(("x", "y" * LARGE)))),
     connection_error(FRAME_SIZE_ERROR)),
    ("larger SETTINGS", frame(SETTINGS, 0, 0, bytes(6 * 3000)),
     connection_error(FRAME_SIZE_ERROR)),
    ("a larger frame of an unknown type", frame(0x99, 0, 0, bytes(LARGE)),
     connection_error(FRAME_SIZE_ERROR)))

HALF = frame(HEADERS, END_STREAM, 1, block(*request()))
section(
    "RFC 9113, 4.3: field blocks",
    ("a block that does not decode", raw_headers(1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
     connection_error(COMPRESSION_ERROR)),
    ("a block that ends inside a field", raw_headers(1, block(*request())[:-1]),
     connection_error(COMPRESSION_ERROR)),
    ("PRIORITY inside a block", HALF + frame(PRIORITY, 0, 1, bytes(4) + b"\x10"),
     connection_error(PROTOCOL_ERROR)),
    ("HEADERS of another stream inside a block", HALF + headers(3, request(), ENDED),
     connection_error(PROTOCOL_ERROR)),
    ("PING inside a block", HALF + PINGED, connection_error(PROTOCOL_ERROR)),
    ("an unknown frame inside a block", HALF + frame(0x16, 0, 0, b"x"),
     connection_error(PROTOCOL_ERROR)),
    ("a block that fails is an error after the stream ended, too",
     call(1), succeeded(), raw_headers(1, b"\x80"),
     connection_error(COMPRESSION_ERROR, STREAM_CLOSED)))

# ---- Streams ----

section(
    "RFC 9113, 5.1: stream states, idle",
    ("DATA", frame(DATA, END_STREAM, 1, b"x"), connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    ("RST_STREAM", rst_stream(1), connection_error(PROTOCOL_ERROR)),
    ("WINDOW_UPDATE", window_update(1, 100), connection_error(PROTOCOL_ERROR)),
    ("CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, block(*request())),
     connection_error(PROTOCOL_ERROR)),
    ("PRIORITY is allowed", frame(PRIORITY, 0, 1, bytes(4) + b"\x10"), call(1), succeeded()))

# NO_WINDOW keeps the answer from ending, so the stream is half-closed and not closed.
section(
    "RFC 9113, 5.1: stream states, half-closed (remote)",
    ("DATA", NO_WINDOW + GET + frame(DATA, END_STREAM, 1, b"x"),
     either(stream_error(1, STREAM_CLOSED), connection_error(STREAM_CLOSED))),
    ("HEADERS", NO_WINDOW + GET + GET,
     either(stream_error(1, STREAM_CLOSED), connection_error(STREAM_CLOSED))),
    ("CONTINUATION", NO_WINDOW + GET + frame(CONTINUATION, END_HEADERS, 1, block(*plain())),
     connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    ("WINDOW_UPDATE is allowed", NO_WINDOW + GET + window_update(1, 1000),
     answered_plainly(1, "405")),
    ("PRIORITY is allowed", NO_WINDOW + GET + frame(PRIORITY, 0, 1, bytes(4) + b"\x10") +
     window_update(1, 1000), answered_plainly(1, "405")),
    ("RST_STREAM ends it", NO_WINDOW + GET + rst_stream(1), data_of(1, 0)))

def ended_early(peer):
    """The answer is there before the request is: the rest is not wanted."""
    peer.wait(lambda f: f.kind == RST_STREAM and f.code() == NO_ERROR)
    assert ("grpc-status", "12") in [field for f in peer.seen if f.kind == HEADERS
                                     for field in f.fields], peer.story()


CLOSED_ERROR = either(stream_error(1, STREAM_CLOSED), connection_error(STREAM_CLOSED))
section(
    "RFC 9113, 5.1: stream states, closed",
    ("DATA after RST_STREAM", OPEN + rst_stream(1) + BODY, CLOSED_ERROR),
    ("HEADERS after RST_STREAM", OPEN + rst_stream(1) + GET, CLOSED_ERROR),
    ("CONTINUATION after RST_STREAM",
     OPEN + rst_stream(1) + frame(CONTINUATION, END_HEADERS, 1, block(*plain())),
     connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    ("DATA after both sides ended", GET, answered_plainly(1, "405"), BODY, CLOSED_ERROR),
    ("DATA after a call that ended well", call(1), succeeded(), BODY, CLOSED_ERROR),
    ("HEADERS after both sides ended", GET, answered_plainly(1, "405"), GET, CLOSED_ERROR),
    ("CONTINUATION after both sides ended", GET, answered_plainly(1, "405"),
     frame(CONTINUATION, END_HEADERS, 1, block(*plain())),
     connection_error(PROTOCOL_ERROR, STREAM_CLOSED)),
    ("WINDOW_UPDATE, PRIORITY and RST_STREAM may come late", call(1), succeeded(),
     window_update(1, 1) + frame(PRIORITY, 0, 1, bytes(4) + b"\x10") + rst_stream(1),
     call(3), succeeded(3)),
    ("what was on its way to a stream that the server ended is passed over",
     headers(1, request(path="/none/None")), ended_early, BODY, call(3), succeeded(3)))

section(
    "RFC 9113, 5.1.1: stream identifiers",
    ("an even one", headers(2, plain(), ENDED), connection_error(PROTOCOL_ERROR)),
    ("stream 0", headers(0, plain(), ENDED), connection_error(PROTOCOL_ERROR)),
    ("a lower one that was never used", headers(5, plain(), ENDED) + headers(3, plain(), ENDED),
     connection_error(PROTOCOL_ERROR)),
    ("a lower one, when the higher has been answered", call(9), succeeded(9), call(7),
     connection_error(PROTOCOL_ERROR)),
    ("a lower one, after many others", call(1) + call(101) + call(201) + call(301), succeeded(301),
     call(151), connection_error(PROTOCOL_ERROR)),
    ("one that is used a second time", call(1), succeeded(), call(1),
     connection_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    ("the highest there is", call(0x7fffffff), succeeded(0x7fffffff)))


def more_than_allowed(peer):
    allowed = first_settings(peer)[MAX_CONCURRENT_STREAMS]
    peer.send(NO_WINDOW + b"".join(headers(1 + 2 * n, plain(), ENDED) for n in range(allowed + 1)))
    either(stream_error(1 + 2 * allowed, REFUSED_STREAM, PROTOCOL_ERROR),
           connection_error(PROTOCOL_ERROR))(peer)


def as_many_as_allowed(peer):
    allowed = first_settings(peer)[MAX_CONCURRENT_STREAMS]
    for turn in range(2):       # places are given back
        first = 1 + 2 * allowed * turn
        peer.send(b"".join(call(first + 2 * n) for n in range(allowed)))
        for n in range(allowed):
            fields, _ = answer_of(peer, first + 2 * n)
            assert fields["grpc-status"] == "0", fields


section(
    "RFC 9113, 5.1.2: stream concurrency",
    ("one stream more than allowed is refused", more_than_allowed),
    ("as many as allowed are served, again and again", as_many_as_allowed))

section(
    "RFC 9113, 5.3: priority",
    ("HEADERS that depend on their own stream (RFC 7540, 5.3.1)",
     frame(HEADERS, ENDED | WITH_PRIORITY, 1, struct.pack(">IB", 1, 255) + block(*plain())),
     either(stream_error(1, PROTOCOL_ERROR), connection_error(PROTOCOL_ERROR))),
    ("PRIORITY that depends on its own stream (RFC 7540, 5.3.1)",
     OPEN + frame(PRIORITY, 0, 1, struct.pack(">IB", 1, 255)),
     either(stream_error(1, PROTOCOL_ERROR), connection_error(PROTOCOL_ERROR))),
    ("HEADERS with a priority",
     frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, struct.pack(">IB", 0, 255) +
           block(*request())) + BODY, succeeded()),
    ("PRIORITY on a stream that depends on one that is not there",
     frame(PRIORITY, 0, 9, struct.pack(">IB", 0x80000007, 1)), call(11), succeeded(11)))


def names_the_last_stream(peer):
    connection_error(PROTOCOL_ERROR)(peer)
    last = struct.unpack_from(">I", [f for f in peer.seen if f.kind == GOAWAY][-1].payload)[0]
    assert last == 3, last


section(
    "RFC 9113, 5.4: errors",
    ("GOAWAY names the last stream that was looked at, then the connection ends",
     call(1) + call(3), succeeded(3), frame(PING, 0, 3, bytes(8)), names_the_last_stream),
    ("frames behind the error are not looked at", frame(PING, 0, 3, bytes(8)) + call(1),
     connection_error(PROTOCOL_ERROR)),
    ("an error of one stream does not touch another",
     OPEN + headers(3, request(("UPPER", "x")), ENDED) + BODY, succeeded()))

section(
    "RFC 9113, 5.5: extensions",
    ("an unknown frame on a stream", OPEN + frame(0xfe, 0, 1, b"ext") + BODY, succeeded()),
    ("an unknown setting", settings((0xff, 1), (0x7777, 0xffffffff)), acknowledged(2)),
    ("PRIORITY_UPDATE and ALTSVC are passed over", frame(0x10, 0, 0, bytes(4) + b"u=1") +
     frame(0xa, 0, 0, b"\0\0x"), alive))

# ---- Frame definitions ----

section(
    "RFC 9113, 6.1: DATA",
    ("on stream 0", frame(DATA, 0, 0, b"x"), connection_error(PROTOCOL_ERROR)),
    ("padding longer than the frame", OPEN + frame(DATA, END_STREAM | PADDED, 1, b"\x06\0\0\0\0\0"),
     connection_error(PROTOCOL_ERROR)),
    ("padding without its length", OPEN + frame(DATA, END_STREAM | PADDED, 1),
     connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    ("padding is left out",
     OPEN + frame(DATA, END_STREAM | PADDED, 1, b"\x0a" + EMPTY_MESSAGE + bytes(10)), succeeded()),
    ("nothing but padding", OPEN + frame(DATA, PADDED, 1, b"\x03\0\0\0") + BODY, succeeded()),
    ("empty ones", OPEN + frame(DATA, 0, 1) * 3 + BODY, succeeded()))

section(
    "RFC 9113, 6.2: HEADERS",
    ("on stream 0", headers(0, request()), connection_error(PROTOCOL_ERROR)),
    ("padding longer than the frame", raw_headers(1, b"\xff" + block(*plain()), ENDED | PADDED),
     connection_error(PROTOCOL_ERROR)),
    ("padding without its length", raw_headers(1, b"", ENDED | PADDED),
     connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    ("padding is left out",
     frame(HEADERS, END_HEADERS | PADDED, 1, b"\x07" + block(*request()) + bytes(7)) + BODY,
     succeeded()),
    ("padding and a priority",
     frame(HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1,
           b"\x02" + struct.pack(">IB", 0, 9) + block(*request()) + bytes(2)) + BODY, succeeded()),
    ("shorter than their priority", raw_headers(1, b"\0\0", ENDED | WITH_PRIORITY),
     connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    ("an empty block is no request", raw_headers(1, b""), stream_error(1, PROTOCOL_ERROR)))

section(
    "RFC 9113, 6.3: PRIORITY",
    ("on stream 0", frame(PRIORITY, 0, 0, bytes(4) + b"\x10"), connection_error(PROTOCOL_ERROR)),
    ("of another length than 5", OPEN + frame(PRIORITY, 0, 1, b"\x80\0\0\x01"),
     either(stream_error(1, FRAME_SIZE_ERROR), connection_error(FRAME_SIZE_ERROR))))

section(
    "RFC 9113, 6.4: RST_STREAM",
    ("on stream 0", rst_stream(0), connection_error(PROTOCOL_ERROR)),
    ("on an idle stream", rst_stream(7), connection_error(PROTOCOL_ERROR)),
    ("of another length than 4", OPEN + frame(RST_STREAM, 0, 1, b"\0\0\0"),
     connection_error(FRAME_SIZE_ERROR)),
    ("ends one stream and no other", OPEN + rst_stream(1) + call(3), succeeded(3)))

section(
    "RFC 9113, 6.5: SETTINGS",
    ("an acknowledgement with a payload", frame(SETTINGS, ACK, 0, b"\0"),
     connection_error(FRAME_SIZE_ERROR)),
    ("on a stream", frame(SETTINGS, 0, 1, bytes(6)), connection_error(PROTOCOL_ERROR)),
    ("of a length that is no multiple of 6", frame(SETTINGS, 0, 0, bytes(5)),
     connection_error(FRAME_SIZE_ERROR)),
    ("empty ones", settings(), acknowledged(2)))

section(
    "RFC 9113, 6.5.2: defined settings",
    ("ENABLE_PUSH above 1", settings((ENABLE_PUSH, 2)), connection_error(PROTOCOL_ERROR)),
    ("INITIAL_WINDOW_SIZE above 2^31-1", settings((INITIAL_WINDOW_SIZE, 1 << 31)),
     connection_error(FLOW_CONTROL_ERROR)),
    ("INITIAL_WINDOW_SIZE of 2^31-1", settings((INITIAL_WINDOW_SIZE, (1 << 31) - 1)), call(1),
     succeeded()),
    ("MAX_FRAME_SIZE below 2^14", settings((MAX_FRAME_SIZE, (1 << 14) - 1)),
     connection_error(PROTOCOL_ERROR)),
    ("MAX_FRAME_SIZE above 2^24-1", settings((MAX_FRAME_SIZE, 1 << 24)),
     connection_error(PROTOCOL_ERROR)),
    ("the largest and the smallest MAX_FRAME_SIZE",
     settings((MAX_FRAME_SIZE, (1 << 24) - 1), (MAX_FRAME_SIZE, 1 << 14)), call(1), succeeded()),
    ("a table of no bytes for header compression", settings((HEADER_TABLE_SIZE, 0)),
     lambda peer: setattr(peer.decoder, "max_allowed_table_size", 0), call(1) + call(3),
     succeeded(3)),
    ("a huge table for header compression", settings((HEADER_TABLE_SIZE, 0xffffffff)), call(1),
     alive),
    ("an unknown one", settings((0x55, 5)), acknowledged(2)))

section(
    "RFC 9113, 6.5.3: settings synchronisation",
    ("values are processed in their order",
     settings((INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)) + GET, data_of(1, 1)),
    ("each frame is acknowledged", settings((ENABLE_PUSH, 0)) * 3, acknowledged(4)))

section(
    "RFC 9113, 6.6: PUSH_PROMISE",
    ("from a client", OPEN + frame(PUSH_PROMISE, END_HEADERS, 1, bytes(3) + b"\x02" +
                                   block(*request())), connection_error(PROTOCOL_ERROR)),
    ("from a client on stream 0", frame(PUSH_PROMISE, END_HEADERS, 0, bytes(4)),
     connection_error(PROTOCOL_ERROR)))


def pong_is_the_same(peer):
    peer.send(frame(PING, 0, 0, b"8 bytes!"))
    got = peer.wait(lambda f: f.kind == PING)
    assert got.flags == ACK and got.payload == b"8 bytes!", (got, got.payload)


def only_one_pong(peer):
    peer.send(frame(PING, ACK, 0, b"unasked!"))
    alive(peer)
    assert len([f for f in peer.seen if f.kind == PING]) == 1, peer.story()


section(
    "RFC 9113, 6.7: PING",
    ("is answered with what it carried", pong_is_the_same),
    ("an answer is not answered", only_one_pong),
    ("on a stream", frame(PING, 0, 1, bytes(8)), connection_error(PROTOCOL_ERROR)),
    ("of 6 bytes", frame(PING, 0, 0, bytes(6)), connection_error(FRAME_SIZE_ERROR)),
    ("of 9 bytes", frame(PING, 0, 0, bytes(9)), connection_error(FRAME_SIZE_ERROR)))

GOING = frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR))
section(
    "RFC 9113, 6.8: GOAWAY",
    ("on a stream", frame(GOAWAY, 0, 1, struct.pack(">II", 0, NO_ERROR)),
     connection_error(PROTOCOL_ERROR)),
    ("shorter than 8 bytes", frame(GOAWAY, 0, 0, bytes(7)), connection_error(FRAME_SIZE_ERROR)),
    ("a call under way is answered, then the connection ends", OPEN + GOING + BODY,
     lambda peer: answer_of(peer, 1), closed),
    ("with nothing under way the connection ends", GOING, closed),
    ("with words", frame(GOAWAY, 0, 0, struct.pack(">II", 0, NO_ERROR) + b"good bye"), closed))

section(
    "RFC 9113, 6.9: WINDOW_UPDATE",
    ("of nothing, on the connection", window_update(0, 0), connection_error(PROTOCOL_ERROR)),
    ("of nothing, on a stream", OPEN + window_update(1, 0),
     either(stream_error(1, PROTOCOL_ERROR), connection_error(PROTOCOL_ERROR))),
    ("of another length than 4", frame(WINDOW_UPDATE, 0, 0, bytes(3)),
     connection_error(FRAME_SIZE_ERROR)),
    ("the reserved bit is passed over", frame(WINDOW_UPDATE, 0, 0, b"\x80\0\0\x01"), alive))

section(
    "RFC 9113, 6.9.1: the flow-control window",
    ("the answer stops at the window", settings((INITIAL_WINDOW_SIZE, 3)) + GET, data_of(1, 3)),
    ("and goes on with the next byte", settings((INITIAL_WINDOW_SIZE, 1)) + GET, data_of(1, 1),
     window_update(1, 1), data_of(1, 2), window_update(1, 1000), answered_plainly(1, "405")),
    ("no window, no answer but its headers", NO_WINDOW + GET, data_of(1, 0)),
    ("the connection's above 2^31-1", window_update(0, 0x7fffffff) * 2,
     connection_error(FLOW_CONTROL_ERROR)),
    ("a stream's above 2^31-1", OPEN + window_update(1, 0x7fffffff) * 2,
     stream_error(1, FLOW_CONTROL_ERROR)))

section(
    "RFC 9113, 6.9.2: the initial window",
    ("a change moves the windows of open streams", NO_WINDOW + GET, data_of(1, 0),
     settings((INITIAL_WINDOW_SIZE, 1)), data_of(1, 1)),
    ("a window below zero must be filled first",
     settings((INITIAL_WINDOW_SIZE, 3)) + GET, data_of(1, 3), settings((INITIAL_WINDOW_SIZE, 2)),
     data_of(1, 3), window_update(1, 1), data_of(1, 3), window_update(1, 1), data_of(1, 4)),
    ("a change that makes a window overflow",
     OPEN + window_update(1, 0x7fffffff - WINDOW) + settings((INITIAL_WINDOW_SIZE, WINDOW + 1)),
     connection_error(FLOW_CONTROL_ERROR)))

FIRST, REST = block(*request())[:10], block(*request())[10:]
BEGUN = frame(HEADERS, 0, 1, FIRST)
section(
    "RFC 9113, 6.10: CONTINUATION",
    ("one", BEGUN + frame(CONTINUATION, END_HEADERS, 1, REST) + BODY, succeeded()),
    ("several",
     BEGUN + frame(CONTINUATION, 0, 1, REST[:7]) + frame(CONTINUATION, 0, 1) +
     frame(CONTINUATION, END_HEADERS, 1, REST[7:]) + BODY, succeeded()),
    ("DATA instead", BEGUN + BODY, connection_error(PROTOCOL_ERROR)),
    ("on another stream", BEGUN + frame(CONTINUATION, END_HEADERS, 3, REST),
     connection_error(PROTOCOL_ERROR)),
    ("on stream 0", BEGUN + frame(CONTINUATION, END_HEADERS, 0, REST),
     connection_error(PROTOCOL_ERROR)),
    ("after a block that has ended", OPEN + frame(CONTINUATION, END_HEADERS, 1, REST),
     connection_error(PROTOCOL_ERROR)),
    ("after CONTINUATION that ended the block",
     BEGUN + frame(CONTINUATION, END_HEADERS, 1, REST) + frame(CONTINUATION, END_HEADERS, 1, REST),
     connection_error(PROTOCOL_ERROR)),
    ("after DATA", OPEN + frame(DATA, 0, 1, EMPTY_MESSAGE) +
     frame(CONTINUATION, END_HEADERS, 1, REST), connection_error(PROTOCOL_ERROR)))

section(
    "RFC 9113, 7: error codes",
    ("an unknown one in RST_STREAM", OPEN + rst_stream(1, 0xfe) + call(3), succeeded(3)),
    ("an unknown one in GOAWAY", OPEN + frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0xff)) + BODY,
     lambda peer: answer_of(peer, 1), closed))

# ---- HTTP ----

section(
    "RFC 9113, 8.1: message framing",
    ("trailers", OPEN + frame(DATA, 0, 1, EMPTY_MESSAGE) + headers(1, [("x-end", "1")], ENDED),
     succeeded()),
    ("headers after DATA that do not end the stream",
     OPEN + frame(DATA, 0, 1, EMPTY_MESSAGE) + headers(1, [("x-end", "1")]),
     stream_error(1, PROTOCOL_ERROR)),
    ("a pseudo-header in trailers",
     OPEN + frame(DATA, 0, 1, EMPTY_MESSAGE) + headers(1, [(":path", "/")], ENDED),
     stream_error(1, PROTOCOL_ERROR)),
    ("an upper-case name in trailers",
     OPEN + frame(DATA, 0, 1, EMPTY_MESSAGE) + headers(1, [("X-End", "1")], ENDED),
     stream_error(1, PROTOCOL_ERROR)))

section(
    "RFC 9113, 8.1.1: malformed messages",
    ("content-length above what came",
     headers(1, request(("content-length", "9"))) + BODY, stream_error(1, PROTOCOL_ERROR)),
    ("content-length below what came",
     headers(1, request(("content-length", "1"))) + BODY, stream_error(1, PROTOCOL_ERROR)),
    ("content-length below the sum of several DATA",
     headers(1, request(("content-length", "4"))) + frame(DATA, 0, 1, EMPTY_MESSAGE[:3]) +
     frame(DATA, END_STREAM, 1, EMPTY_MESSAGE[3:]), stream_error(1, PROTOCOL_ERROR)),
    ("content-length without a body", headers(1, plain(("content-length", "1")), ENDED),
     stream_error(1, PROTOCOL_ERROR)),
    ("content-length that is right", headers(1, request(("content-length", "5"))) + BODY,
     succeeded()),
    ("content-length of a plain request that is wrong, body sent later",
     headers(1, plain(("content-length", "1"), method="POST")), alive,
     frame(DATA, END_STREAM, 1, b"four"), stream_error(1, PROTOCOL_ERROR)),
    malformed("content-length that is no number", ("content-length", "x")),
    malformed("content-length below zero", ("content-length", "-1")),
    malformed("two content-lengths", ("content-length", "0"), ("content-length", "5")))

section(
    "RFC 9113, 8.2: field names and values",
    malformed("an upper-case name", ("X-Upper", "x")),
    malformed("an empty name", ("", "x")),
    malformed("a space in a name", ("x y", "x")),
    malformed("a colon in a name", ("x:y", "x")),
    malformed("a NUL in a name", ("x\0y", "x")),
    malformed("a control character in a name", ("x\x1f", "x")),
    malformed("a byte above 127 in a name", (b"x\xff", "x")),
    malformed("a NUL in a value", ("x", "a\0b")),
    malformed("a CR in a value", ("x", "a\rb")),
    malformed("an LF in a value", ("x", "a\nb")),
    malformed("a space before a value", ("x", " a")),
    malformed("a space behind a value", ("x", "a ")),
    malformed("a tab behind a value", ("x", "a\t")),
    ("bytes above 127 in a value are allowed", headers(1, request(("x", b"\xc3\xa4"))) + BODY,
     succeeded()),
    ("cookies in several fields are allowed",
     headers(1, request(("cookie", "a=1"), ("cookie", "b=2"))) + BODY, succeeded()))

section(
    "RFC 9113, 8.2.2: connection-specific fields",
    malformed("connection", ("connection", "keep-alive")),
    malformed("keep-alive", ("keep-alive", "timeout=5")),
    malformed("proxy-connection", ("proxy-connection", "keep-alive")),
    malformed("transfer-encoding", ("transfer-encoding", "chunked")),
    malformed("upgrade", ("upgrade", "h2c")),
    malformed("te that is not trailers", ("te", "trailers, deflate"), without=("te",)),
    ("te: trailers is allowed", headers(1, plain(("te", "trailers")), ENDED),
     answered_plainly(1, "405")))

section(
    "RFC 9113, 8.3: pseudo-headers",
    malformed("one behind other fields", (":path", "/"), without=(":path",)),
    malformed("an unknown one", without=("te", "content-type"), test="test"),
    malformed("that of an answer", without=("te", "content-type"), status="200"),
    malformed("no :method", without=(":method",)),
    malformed("no :scheme", without=(":scheme",)),
    malformed("no :path", without=(":path",)),
    malformed("an empty :path", path=""),
    malformed("a :path that does not begin with a slash", path="none"),
    malformed("an empty :method", method=""),
    ("two :method", raw_headers(1, block((":method", "GET")) + block(*plain())),
     stream_error(1, PROTOCOL_ERROR)),
    ("two :scheme", raw_headers(1, block((":scheme", "http")) + block(*plain())),
     stream_error(1, PROTOCOL_ERROR)),
    ("two :path", raw_headers(1, block((":path", "/")) + block(*plain())),
     stream_error(1, PROTOCOL_ERROR)),
    ("two :authority", raw_headers(1, block((":authority", "a")) + block(*plain())),
     stream_error(1, PROTOCOL_ERROR)),
    ("no :authority, but host", headers(1, request(("host", "test"), without=(":authority",))) +
     BODY, succeeded()),
    malformed("CONNECT with a :path", without=("te", "content-type"), method="CONNECT"),
    malformed("extended CONNECT, which was not offered", without=("te", "content-type"),
              method="CONNECT", protocol="websocket"))

# Not gRPC, but HTTP: it is answered in HTTP's words.
section(
    "RFC 9110: requests that are not gRPC",
    ("GET", GET, answered_plainly(1, "405")),
    ("HEAD has no body", headers(1, plain(method="HEAD"), ENDED),
     answered_plainly(1, "405", body=False)),
    ("OPTIONS *", headers(1, plain(method="OPTIONS", path="*"), ENDED),
     answered_plainly(1, "405")),
    ("a method that nobody knows", headers(1, plain(method="BREW"), ENDED),
     answered_plainly(1, "405")),
    ("GET of a gRPC method", headers(1, plain(path=GRPC_PATH), ENDED), answered_plainly(1, "405")),
    ("POST without a content type", headers(1, plain(method="POST"), ENDED),
     answered_plainly(1, "415")),
    ("POST of a form", headers(1, plain(("content-type", "application/x-www-form-urlencoded"),
                                        method="POST")) + frame(DATA, END_STREAM, 1, b"a=b"),
     answered_plainly(1, "415")),
    ("POST with a body that comes later", headers(1, plain(method="POST")), alive,
     frame(DATA, 0, 1, b"x" * 1000), alive, frame(DATA, END_STREAM, 1, b"y"),
     answered_plainly(1, "415")),
    ("POST with a body larger than any window",
     headers(1, plain(method="POST")) + frame(DATA, 0, 1, bytes(1 << 14)) * 64 +
     frame(DATA, END_STREAM, 1), answered_plainly(1, "415")),
    ("POST with trailers", headers(1, plain(method="POST")) + frame(DATA, 0, 1, b"test") +
     headers(1, [("x-end", "1")], ENDED), answered_plainly(1, "415")),
    ("many at once", b"".join(headers(1 + 2 * n, plain(), ENDED) for n in range(50)),
     answered_plainly(99, "405")))

# ---- HPACK ----

def spoiled(name, field):
    """A block whose last field is wrong: nothing behind it could be understood."""
    return (name, raw_headers(1, block(*plain()) + field), connection_error(COMPRESSION_ERROR))


INDEXED = block(*plain()) + b"\x40\x01x\x01y" + b"\xbe"     # x: y is entry 62 now
section(
    "RFC 7541, 2.3.3: index address space",
    spoiled("an index behind both tables", b"\xc6"),
    spoiled("a name's index behind both tables", b"\x7f\x60\x01x"),
    spoiled("a name's index behind both tables, never indexed", b"\x1f\x60\x01x"),
    ("the static and the dynamic table", raw_headers(1, INDEXED), answered_plainly(1, "405")),
    ("the dynamic table lives on in the next block",
     raw_headers(1, INDEXED) + raw_headers(3, block(*plain()) + b"\xbe"),
     answered_plainly(3, "405")))

section(
    "RFC 7541, 4.2: maximum table size",
    spoiled("a change of the size at the end of a block", b"\x20"),
    ("a change of the size at the beginning", raw_headers(1, b"\x20" + block(*plain())),
     answered_plainly(1, "405")),
    ("two changes at the beginning", raw_headers(1, b"\x20\x3f\xe1\x1f" + block(*plain())),
     answered_plainly(1, "405")),
    ("a table of no bytes forgets its entries",
     raw_headers(1, INDEXED) + raw_headers(3, b"\x20" + block(*plain()) + b"\xbe"),
     connection_error(COMPRESSION_ERROR)))

section(
    "RFC 7541, 5: primitive types",
    spoiled("an integer that does not end", b"\xff" + b"\xff" * 20),
    spoiled("an integer larger than any table", b"\xff\xff\xff\xff\xff\x0f"),
    spoiled("a string longer than its block", b"\x00\x01x\x7f\xff\x01y"),
    spoiled("Huffman padding of more than 7 bits", b"\x00\x01x\x84\x49\x50\x9f\xff"),
    spoiled("Huffman padding that is not all ones", b"\x00\x01x\x83\x49\x50\x90"),
    spoiled("the end-of-string symbol inside a string", b"\x00\x01x\x84\xff\xff\xff\xff"),
    ("a string in Huffman's code", raw_headers(1, block(*plain()) + b"\x00\x01x\x83\x49\x50\x9f"),
     answered_plainly(1, "405")),
    ("an integer with leading zeros", raw_headers(1, block(*plain()) + b"\x00\x01x\x7f\x80\x00" +
                                                  b"v" * 127), answered_plainly(1, "405")))

section(
    "RFC 7541, 6: binary format",
    spoiled("index 0", b"\x80"),
    ("a table larger than the server's, at the beginning",
     raw_headers(1, b"\x3f\xff\xff\x03" + block(*plain())), connection_error(COMPRESSION_ERROR)),
    ("never indexed", raw_headers(1, block(*plain()) + b"\x10\x01x\x01y"),
     answered_plainly(1, "405")),
    ("an entry larger than the table empties it",
     raw_headers(1, block(*plain()) + b"\x40\x01x" + string("v" * 5000)) +
     raw_headers(3, block(*plain()) + b"\xbe"), connection_error(COMPRESSION_ERROR)))


def run(address, row):
    _, _, steps, handshake = row
    with Peer(address, handshake) as peer:
        for step in steps:
            try:
                peer.send(step) if isinstance(step, bytes) else step(peer)
            except Closed:
                raise AssertionError("the connection was closed; seen: " + peer.story()) from None


def main():
    passed = failed = 0
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    with harness.Sync() as sync:
        for row in ROWS:
            name = f"{row[0]}: {row[1]}"
            if only not in name:
                continue
            try:
                run(sync.rpc, row)
                print(f"[       OK ] {name}", flush=True)
                passed += 1
            except AssertionError as failure:
                print(f"{failure}\n[  FAILED  ] {name}", flush=True)
                failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(0 if passed and not failed else 1)


if __name__ == "__main__":
    main()
