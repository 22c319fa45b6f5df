#!/usr/bin/python3
"""What gRPC asks beyond the interop cases, frame by frame: headers and trailers
as they are on the wire, statuses and their details, deadlines, compression, and
requests that are malformed, each with the one right answer.

    fidelity_test.py ECHO_SERVER DESCRIPTORS
"""
import base64
import gzip
import os
import struct
import sys
import unittest
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "integration", "http2"))
from frames import (CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE,
                    MAX_HEADER_LIST_SIZE, NO_ERROR, PREFACE, RST_STREAM, Peer, frame, headers,
                    request, rst_stream, settings, window_update)

try:
    from descriptors import message_class, read_pool
except ImportError as missing:
    print(f"skipped: {missing} (apt-get install python3-protobuf)")
    sys.exit(77)
from server_process import EchoProcess

PROGRAM, DESCRIPTORS = sys.argv[1:3]
POOL = read_pool(DESCRIPTORS)
Request = message_class(POOL, "test.v1.EchoRequest")
Reply = message_class(POOL, "test.v1.EchoReply")

(OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS,
 PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED,
 INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED) = range(17)
LIMIT = 4 << 20
# Each kind of method, and whether it takes a stream.
SHAPES = {"Say": False, "Expand": False, "Collect": True, "Chat": True}
ACCEPT = ("grpc-accept-encoding", "identity, deflate, gzip")


def prefix(data, flag=0):
    return struct.pack(">BI", flag, len(data)) + data


def message(**fields):
    return prefix(Request(**fields).SerializeToString())


class Answer:
    """One stream's frames: header blocks as lists of pairs, DATA joined."""

    def __init__(self, frames):
        self.blocks = [f.fields for f in frames if f.kind == HEADERS]
        self.ends = [f for f in frames if f.kind in (HEADERS, DATA) and f.flags & END_STREAM]
        self.resets = [f.code() for f in frames if f.kind == RST_STREAM]
        self.body = b"".join(f.payload for f in frames if f.kind == DATA)

    def all(self, name):
        return [value for block in self.blocks for key, value in block if key == name]

    def one(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values} in {self.blocks}"
        return values[0]

    def status(self):
        return int(self.one("grpc-status"))

    def messages(self):
        """Pairs of flag and bytes."""
        out, rest = [], self.body
        while rest:
            flag, size = struct.unpack_from(">BI", rest)
            assert len(rest) >= 5 + size, "cut"
            out.append((flag, rest[5:5 + size]))
            rest = rest[5 + size:]
        return out

    def replies(self):
        return [Reply.FromString(data) for flag, data in self.messages() if flag == 0]


class FidelityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # A sanitizer must not keep what was freed, where memory is measured.
        keep = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"
        cls.server = EchoProcess(PROGRAM, ASAN_OPTIONS=keep)

    @classmethod
    def tearDownClass(cls):
        status = cls.server.close()
        assert status == 0, f"the server ended with {status}"

    def setUp(self):
        self.peer = Peer(self.server.address)
        self.next_id = 1

    def tearDown(self):
        """Whatever happened on a stream, the connection is as good as before."""
        try:
            self.assertEqual(self.ask("Say", message()).status(), OK)
            self.assertFalse([f for f in self.peer.seen if f.kind == GOAWAY])
        finally:
            self.peer.socket.close()

    def open(self, name, *more, without=(), flags=END_HEADERS, **pseudo):
        stream, self.next_id = self.next_id, self.next_id + 2
        pseudo.setdefault("path", "/test.v1.Echo/" + name)
        self.peer.send(headers(stream, request(*more, without=without, **pseudo), flags))
        return stream

    def send(self, stream, data, flags=0):
        """In frames of 16 KiB, as far as the window goes, and then as it opens."""
        pieces = [data[at:at + 16384] for at in range(0, len(data), 16384)] or [b""]
        for piece in pieces[:-1]:
            self.peer.send(frame(DATA, 0, stream, piece))
        self.peer.send(frame(DATA, flags, stream, pieces[-1]))

    def hear(self, stream):
        def is_end(f):
            return f.stream == stream and (f.kind == RST_STREAM or
                                           f.kind in (DATA, HEADERS) and f.flags & END_STREAM)
        if not any(map(is_end, self.peer.seen)):
            self.peer.wait(is_end)
        return Answer([f for f in self.peer.seen if f.stream == stream])

    def ask(self, name, body, *more, **other):
        stream = self.open(name, *more, **other)
        self.send(stream, body, END_STREAM)
        return self.hear(stream)

    def fails(self, code, *arguments, **other):
        answer = self.ask(*arguments, **other)
        self.assertEqual(answer.status(), code, answer.blocks)
        return answer

    # ---- Blocks and their order. ----

    def test_a_unary_answer_is_headers_one_message_and_trailers(self):
        answer = self.ask("Say", message(text="x"))
        self.assertEqual(len(answer.blocks), 2)
        self.assertEqual(answer.blocks[0][:2], [(":status", "200"),
                                                ("content-type", "application/grpc")])
        self.assertEqual(answer.blocks[1], [("grpc-status", "0")])
        self.assertEqual([reply.text for reply in answer.replies()], ["x"])

    def test_a_failure_without_metadata_is_trailers_only(self):
        for method in SHAPES:
            answer = self.fails(ABORTED, method, message(fail_code=ABORTED, fail_message="no"))
            self.assertEqual(len(answer.blocks), 1, method)
            self.assertEqual(answer.one(":status"), "200")
            self.assertEqual(answer.one("content-type"), "application/grpc")
            self.assertEqual(answer.one("grpc-message"), "no")
            self.assertEqual(answer.body, b"")

    def test_an_empty_stream_that_is_fine_has_headers_and_trailers(self):
        answer = self.ask("Expand", message())
        self.assertEqual(len(answer.blocks), 2)
        self.assertEqual(answer.status(), OK)

    def test_a_failure_keeps_initial_metadata_in_the_first_block(self):
        answer = self.fails(NOT_FOUND, "Say", message(fail_code=NOT_FOUND),
                            ("x-echo-initial", "here"), ("x-echo-bin", "AA"))
        self.assertEqual(len(answer.blocks), 2)
        self.assertIn(("x-echo-initial", "here"), answer.blocks[0])
        self.assertIn(("x-echo-bin", "AA"), answer.blocks[1])

    def test_answers_come_before_the_client_has_finished(self):
        stream = self.open("Chat")
        for number in range(3):
            self.send(stream, message(text=str(number)))
            self.peer.wait(lambda f: f.stream == stream and f.kind == DATA)
            replies = Answer([f for f in self.peer.seen if f.stream == stream]).replies()
            self.assertEqual(replies[-1].text, str(number))
        self.send(stream, b"", END_STREAM)
        self.assertEqual(self.hear(stream).status(), OK)

    def test_a_call_may_end_before_the_client_has_finished(self):
        for method in "Collect", "Chat":
            stream = self.open(method)
            self.send(stream, message(fail_code=FAILED_PRECONDITION))
            answer = self.hear(stream)
            self.assertEqual(answer.status(), FAILED_PRECONDITION)
            if not answer.resets:
                self.peer.wait(lambda f: f.kind == RST_STREAM and f.stream == stream)
            self.assertEqual([f.code() for f in self.peer.seen if f.kind == RST_STREAM
                              and f.stream == stream], [NO_ERROR])

    # ---- Metadata. ----

    def test_values_of_one_name_keep_their_order(self):
        values = ["first", "", "third, with a comma", "first"]
        answer = self.ask("Say", message(), *[("x-echo-initial", value) for value in values])
        self.assertEqual(answer.all("x-echo-initial"), values)

    def test_ascii_values_come_back_byte_for_byte(self):
        value = "".join(map(chr, range(0x21, 0x7f))) + " " + "x" * 2000
        self.assertEqual(self.ask("Say", message(), ("x-echo-initial", value))
                         .one("x-echo-initial"), value)

    def test_binary_values_are_read_padded_and_unpadded(self):
        for size in range(1, 7):
            value = bytes(range(250, 250 + size)) if size < 6 else b"\0\xff\x80\n,="
            padded = base64.b64encode(value).decode()
            for text in padded, padded.rstrip("="):
                self.assertEqual(self.ask("Say", message(), ("x-echo-bin", text))
                                 .one("x-echo-bin"), padded.rstrip("="))

    def test_binary_values_of_every_byte(self):
        text = base64.b64encode(bytes(range(256)) * 8).decode().rstrip("=")
        self.assertEqual(self.ask("Say", message(), ("x-echo-bin", text)).one("x-echo-bin"), text)

    def test_binary_values_joined_by_commas_are_several(self):
        answer = self.ask("Say", message(), ("x-echo-bin", "AQ==,Ag, Aw=="), ("x-echo-bin", "BA"))
        self.assertEqual(answer.all("x-echo-bin"), ["AQ", "Ag", "Aw", "BA"])

    def test_a_binary_value_that_is_not_base64_harms_nobody(self):
        for text in "?", "A", "AA=A", "\xe4":
            self.assertEqual(self.ask("Say", message(), ("x-echo-bin", text)).status(), OK)

    def test_headers_that_grpc_keeps_for_itself_are_ignored(self):
        answer = self.ask("Say", message(), ("grpc-something", "1"), ("grpc-status", "5"),
                          ("grpc-message", "x"), ("grpc-trace-bin", "AA"), ("user-agent", "u"))
        self.assertEqual(answer.status(), OK)

    def test_te_may_be_missing(self):
        self.assertEqual(self.ask("Say", message(), without=("te",)).status(), OK)

    # ---- Statuses. ----

    def test_every_code_comes_through(self):
        for code in range(1, 17):
            for method in SHAPES:
                self.fails(code, method, message(fail_code=code))

    def test_messages_are_percent_encoded(self):
        cases = {"plain text, with 'all' ~ of {it}": None, "100% sure": "100%25 sure",
                 "\t\r\n\x01\x1f\x7f": "%09%0D%0A%01%1F%7F", " ends ": "%20ends%20",
                 "\u00e4\u263a\U0001f608": "%C3%A4%E2%98%BA%F0%9F%98%88"}
        for text, wanted in cases.items():
            answer = self.fails(UNKNOWN, "Say", message(fail_code=UNKNOWN, fail_message=text))
            self.assertEqual(answer.one("grpc-message"), wanted or text)

    def test_a_long_message_comes_whole(self):
        text = "a long story, " * 1000   # one frame
        answer = self.fails(UNKNOWN, "Say", message(fail_code=UNKNOWN, fail_message=text))
        self.assertEqual(answer.one("grpc-message"), text.rstrip(" ") + "%20")

    def test_a_message_is_cut_to_what_the_client_takes(self):
        with Peer(self.server.address, handshake=False) as peer:
            peer.send(PREFACE + settings((MAX_HEADER_LIST_SIZE, 2000)))
            body = message(fail_code=DATA_LOSS, fail_message="\u263a" * 5000)
            peer.send(headers(1, request(path="/test.v1.Echo/Say")) +
                      frame(DATA, END_STREAM, 1, body[:16384]))
            got = peer.wait(lambda f: f.stream == 1 and f.flags & END_STREAM)
            answer = Answer([got])
            size = sum(len(name) + len(value) + 32 for name, value in got.fields)
            self.assertEqual(answer.status(), DATA_LOSS)
            self.assertTrue(1000 < size <= 2000, size)
            self.assertEqual(len(answer.one("grpc-message")) % len("%E2%98%BA"), 0)

    def test_details_on_every_shape(self):
        for method in SHAPES:
            answer = self.fails(INVALID_ARGUMENT, method, message(
                count=3, fail_code=INVALID_ARGUMENT, fail_message="bad", fail_field="data.x"))
            text = answer.one("grpc-status-details-bin")
            self.assertNotIn("=", text)
            details = base64.b64decode(text + "=" * (-len(text) % 4))
            self.assertIn(b"type.googleapis.com/google.rpc.BadRequest", details)
            self.assertIn(b"data.x", details)
            self.assertEqual(len(answer.replies()), 3 if method == "Expand" else 0)

    def test_unknown_methods_and_services(self):
        for path in ("/test.v1.Echo/No", "/test.v1.Nobody/Say", "/", "/test.v1.Echo", "/a/b/c",
                     "/test.v1.Echo/Say/", "//Say"):
            self.fails(UNIMPLEMENTED, "Say", message(), path=path)

    # ---- Deadlines. ----

    def test_a_timeout_in_every_unit_is_seen_by_the_method(self):
        for text, ms in (("2H", 7200000), ("3M", 180000), ("45S", 45000), ("70000m", 70000),
                         ("90000000u", 90000), ("99999999H", 99999999 * 3600000)):
            reply = self.ask("Say", message(), ("grpc-timeout", text)).replies()[0]
            self.assertTrue(ms - 20000 < reply.time_left_ms <= ms, (text, reply.time_left_ms))

    def test_a_timeout_that_is_over_at_once(self):
        for text in "1n", "99999999n", "0S", "10u", "0n":
            if text != "99999999n":
                self.fails(DEADLINE_EXCEEDED, "Say", message(), ("grpc-timeout", text))
        self.fails(DEADLINE_EXCEEDED, "Say", message(delay_ms=-1), ("grpc-timeout", "99999999n"))

    def test_a_timeout_ends_every_shape_of_call(self):
        self.fails(DEADLINE_EXCEEDED, "Say", message(delay_ms=-1), ("grpc-timeout", "50m"))
        for method in SHAPES:    # nothing comes after the headers
            stream = self.open(method, ("grpc-timeout", "50m"))
            self.assertEqual(self.hear(stream).status(), DEADLINE_EXCEEDED, method)

    def test_a_timeout_resets_a_stream_that_is_not_read(self):
        self.peer.send(settings((INITIAL_WINDOW_SIZE, 10)))
        stream = self.open("Expand", ("grpc-timeout", "100m"))
        self.send(stream, message(count=1000, answer_bytes=1000), END_STREAM)
        self.assertEqual(self.hear(stream).resets, [CANCEL])
        self.peer.send(settings((INITIAL_WINDOW_SIZE, 65535)))

    def test_timeouts_that_are_none(self):
        for text in ("", "1", "S", "1s", "-1S", "+1S", "1.5S", "123456789S", "1 S", "1SS", "0x1S",
                     "soon", "1S,2S"):
            self.fails(INVALID_ARGUMENT, "Say", message(), ("grpc-timeout", text))

    # ---- How many messages. ----

    def test_methods_of_one_request_want_just_one(self):
        for method in "Say", "Expand":
            self.fails(UNIMPLEMENTED, method, b"")
            self.fails(UNIMPLEMENTED, method, message() + message())
            stream = self.open(method, flags=END_HEADERS | END_STREAM)
            self.assertEqual(self.hear(stream).status(), UNIMPLEMENTED)

    def test_methods_of_many_requests_take_none_too(self):
        self.assertEqual(self.ask("Collect", b"").replies()[0].index, 0)
        self.assertEqual(self.ask("Chat", b"").messages(), [])

    def test_an_empty_message_is_a_message(self):
        self.assertEqual(len(self.ask("Say", prefix(b"")).messages()), 1)

    def test_messages_in_frames_of_every_size(self):
        body = message(text="abc") + message(payload=b"x" * 20)
        for size in range(1, len(body) + 1):
            stream = self.open("Collect")
            for at in range(0, len(body), size):
                self.send(stream, body[at:at + size])
            self.send(stream, b"", END_STREAM)
            self.assertEqual(self.hear(stream).replies()[0].total_bytes, 23)

    # ---- Malformed messages. ----

    def test_a_length_of_4_gib(self):
        for method in SHAPES:
            self.fails(RESOURCE_EXHAUSTED, method, b"\0\xff\xff\xff\xff")

    def test_a_length_just_above_the_limit(self):
        self.fails(RESOURCE_EXHAUSTED, "Say", struct.pack(">BI", 0, LIMIT + 1))

    def test_a_message_that_is_cut_off(self):
        for method in SHAPES:
            self.fails(INTERNAL, method, b"\0\0\0\0\x09\x01")
            self.fails(INTERNAL, method, b"\0\0\0")

    def test_a_flag_that_there_is_not(self):
        for flag in 2, 7, 128, 255:
            self.fails(INTERNAL, "Say", bytes([flag]) + bytes(4))

    def test_bytes_that_are_no_message(self):
        for method in SHAPES:
            self.fails(INTERNAL, method, prefix(b"\xff\xff\xff\xff"))

    # ---- Compression. ----

    def test_compressed_requests_are_read(self):
        data = Request(text="hello " * 1000).SerializeToString()
        for coding, packed in (("gzip", gzip.compress(data)), ("deflate", zlib.compress(data)),
                               ("gzip", gzip.compress(data[:100]) + gzip.compress(data[100:]))):
            answer = self.ask("Say", prefix(packed, 1), ("grpc-encoding", coding))
            self.assertEqual(answer.replies()[0].text, "hello " * 1000)

    def test_a_message_may_stay_plain_though_there_is_an_encoding(self):
        body = message(text="a") + prefix(gzip.compress(Request(text="bc").SerializeToString()), 1)
        answer = self.ask("Collect", body, ("grpc-encoding", "gzip"))
        self.assertEqual(answer.replies()[0].total_bytes, 3)

    def test_answers_are_compressed_for_who_compresses_and_accepts(self):
        body = prefix(gzip.compress(Request(answer_bytes=5000).SerializeToString()), 1)
        for accept, coding, unpack in ((ACCEPT[1], "gzip", gzip.decompress),
                                       ("deflate", "deflate", zlib.decompress)):
            answer = self.ask("Say", body, ("grpc-encoding", "gzip"),
                              ("grpc-accept-encoding", accept))
            (flag, data), = answer.messages()
            self.assertEqual((flag, answer.one("grpc-encoding")), (1, coding))
            self.assertEqual(len(Reply.FromString(unpack(data)).payload), 5000)

    def test_answers_are_plain_for_everybody_else(self):
        body = prefix(gzip.compress(Request(answer_bytes=5000).SerializeToString()), 1)
        for more in ([("grpc-encoding", "gzip")],
                     [("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity, br")]):
            answer = self.ask("Say", body, *more)
            self.assertEqual((answer.messages()[0][0], answer.all("grpc-encoding")), (0, []))
        answer = self.ask("Say", message(answer_bytes=5000), ACCEPT)
        self.assertEqual((answer.messages()[0][0], answer.all("grpc-encoding")), (0, []))

    def test_an_unknown_encoding_is_refused_with_those_that_are_known(self):
        for coding in "snappy", "br", "GZIP", "gzip, deflate", "":
            for method in SHAPES:
                answer = self.fails(UNIMPLEMENTED, method, message(), ("grpc-encoding", coding))
                self.assertEqual(answer.one("grpc-accept-encoding"), "identity,deflate,gzip")

    def test_a_compressed_message_without_an_encoding(self):
        body = prefix(gzip.compress(b""), 1)
        for more in [], [("grpc-encoding", "identity")]:
            for method in SHAPES:
                self.fails(INTERNAL, method, body, *more)

    def test_gzip_that_is_corrupt(self):
        good = gzip.compress(Request(text="hello").SerializeToString())
        wrong = bytearray(good)
        wrong[-5] ^= 1    # the checksum
        for packed in b"", b"not gzip", good[:-1], good[:10], bytes(wrong), good + b"more":
            for method in SHAPES:
                self.fails(INTERNAL, method, prefix(packed, 1), ("grpc-encoding", "gzip"))

    def test_a_gzip_bomb_is_refused_and_costs_nothing(self):
        bomb = prefix(gzip.compress(bytes(50 << 20)), 1)
        self.assertLess(len(bomb), 60 << 10)
        self.fails(RESOURCE_EXHAUSTED, "Say", bomb, ("grpc-encoding", "gzip"))
        before_kb = self.server.resident_kb()
        for method in list(SHAPES) * 10:
            self.fails(RESOURCE_EXHAUSTED, method, bomb, ("grpc-encoding", "gzip"))
        grown_kb = self.server.resident_kb() - before_kb
        print(f"40 bombs of 50 MB: {grown_kb} KB more")
        self.assertLess(grown_kb, 16 << 10)

    def test_what_expands_to_the_limit_is_read(self):
        data = Request(payload=bytes(LIMIT - 6)).SerializeToString()
        self.assertEqual(len(data), LIMIT - 1)
        answer = self.ask("Collect", prefix(gzip.compress(data), 1), ("grpc-encoding", "gzip"))
        self.assertEqual(answer.replies()[0].total_bytes, LIMIT - 6)

    # ---- What is not gRPC. ----

    def test_content_types_of_grpc(self):
        for kind in ("application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8",
                     "application/grpc+proto; x=y"):
            answer = self.ask("Say", message(), ("content-type", kind), without=("content-type",))
            self.assertEqual(answer.status(), OK, kind)

    def test_other_content_types_are_415_with_a_body(self):
        for kind in ("application/json", "text/plain", "application/grpc-web",
                     "application/grpc+json", "application/grpcx", "", None):
            more = [] if kind is None else [("content-type", kind)]
            answer = self.ask("Say", message(), *more, without=("content-type",))
            self.assertEqual(answer.one(":status"), "415", kind)
            self.assertEqual(int(answer.one("content-length")), len(answer.body))
            self.assertTrue(answer.body)
            self.assertEqual(answer.all("grpc-status"), [])

    def test_other_methods_are_405_and_say_what_is_allowed(self):
        for method in "GET", "PUT", "DELETE", "OPTIONS", "PATCH", "post":
            answer = self.ask("Say", message(), method=method)
            self.assertEqual((answer.one(":status"), answer.one("allow")), ("405", "POST"))
            self.assertEqual(int(answer.one("content-length")), len(answer.body))

    def test_head_gets_no_body(self):
        answer = self.ask("Say", b"", method="HEAD")
        self.assertEqual((answer.one(":status"), answer.body), ("405", b""))

    # ---- Resets. ----

    def test_a_cancelled_stream_is_silent(self):
        stream = self.open("Say")
        self.send(stream, message(delay_ms=-1), END_STREAM)
        self.peer.send(rst_stream(stream))
        self.assertEqual(self.ask("Say", message()).status(), OK)
        self.assertFalse([f for f in self.peer.seen if f.stream == stream and f.kind == HEADERS])

    def test_resets_of_every_code_end_the_call_only(self):
        for code in list(range(14)) + [0xffffffff]:
            stream = self.open("Chat")
            self.send(stream, message(text="x"))
            self.peer.send(rst_stream(stream, code))
        self.assertEqual(self.ask("Say", message()).status(), OK)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
