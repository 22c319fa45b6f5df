#!/usr/bin/python3
"""Python's grpcio (the C++ core) against our server: every kind of method,
metadata, status and details, deadlines, cancelling, limits, health, reflection.

    grpcio_test.py ECHO_SERVER DESCRIPTORS
"""
import sys
import threading
import time
import unittest

try:
    import grpc
    from google.protobuf import descriptor_pb2
except ImportError as missing:
    print(f"skipped: {missing} (apt-get install python3-grpcio python3-protobuf)")
    sys.exit(77)

from descriptors import message_class, pool_of, read_pool
from server_process import EchoProcess

PROGRAM, DESCRIPTORS = sys.argv[1:3]
PATIENCE_S = 60


POOL = read_pool(DESCRIPTORS)
Request = message_class(POOL, "test.v1.EchoRequest")
Reply = message_class(POOL, "test.v1.EchoReply")


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


class GrpcioTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = EchoProcess(PROGRAM)
        cls.channel = grpc.insecure_channel(
            cls.server.address, options=[("grpc.max_receive_message_length", 16 << 20),
                                         ("grpc.max_send_message_length", 16 << 20)])
        kind = dict(request_serializer=Request.SerializeToString,
                    response_deserializer=Reply.FromString)
        cls.say = cls.channel.unary_unary("/test.v1.Echo/Say", **kind)
        cls.expand = cls.channel.unary_stream("/test.v1.Echo/Expand", **kind)
        cls.collect = cls.channel.stream_unary("/test.v1.Echo/Collect", **kind)
        cls.chat = cls.channel.stream_stream("/test.v1.Echo/Chat", **kind)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        status = cls.server.close()
        assert status == 0, f"the server ended with {status}"

    def fails(self, code, function, *arguments, **named):
        with self.assertRaises(grpc.RpcError) as caught:
            function(*arguments, timeout=named.pop("timeout", PATIENCE_S), **named)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def test_unary(self):
        self.assertEqual(self.say(Request(text="hello"), timeout=PATIENCE_S).text, "hello")

    def test_large_unary(self):
        reply = self.say(Request(payload=b"x" * (3 << 20)), timeout=PATIENCE_S)
        self.assertEqual(len(reply.payload), 3 << 20)

    def test_a_request_above_the_limit(self):
        self.fails(grpc.StatusCode.RESOURCE_EXHAUSTED, self.say,
                   Request(payload=b"x" * (5 << 20)))

    def test_server_stream(self):
        replies = list(self.expand(Request(count=2000, answer_bytes=1000), timeout=PATIENCE_S))
        self.assertEqual([reply.index for reply in replies], list(range(2000)))

    def test_empty_server_stream(self):
        self.assertEqual(list(self.expand(Request(), timeout=PATIENCE_S)), [])

    def test_client_stream(self):
        requests = (Request(payload=b"y" * 1000) for _ in range(1000))
        reply = self.collect(requests, timeout=PATIENCE_S)
        self.assertEqual((reply.index, reply.total_bytes), (1000, 1000 * 1000))

    def test_empty_client_stream(self):
        self.assertEqual(self.collect(iter(()), timeout=PATIENCE_S).index, 0)

    def test_chat_in_turn(self):
        turn = threading.Semaphore(1)

        def questions():
            for number in range(50):
                turn.acquire()
                yield Request(text=str(number))

        heard = []
        for reply in self.chat(questions(), timeout=PATIENCE_S):
            heard.append(reply.text)
            turn.release()
        self.assertEqual(heard, [str(number) for number in range(50)])

    def test_metadata(self):
        metadata = (("x-echo-initial", "some value"), ("x-echo-bin", b"\x00\xff\x80ab"))
        reply, call = self.say.with_call(Request(), metadata=metadata, timeout=PATIENCE_S)
        self.assertIn(("x-echo-initial", "some value"), call.initial_metadata())
        self.assertIn(("x-echo-bin", b"\x00\xff\x80ab"), call.trailing_metadata())

    def test_metadata_on_an_empty_stream(self):
        call = self.expand(Request(), metadata=(("x-echo-initial", "v"),), timeout=PATIENCE_S)
        self.assertEqual(list(call), [])
        self.assertIn(("x-echo-initial", "v"), call.initial_metadata())

    def test_status_and_message(self):
        message = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
        for code in (2, 3, 5, 7, 9, 14, 16):
            error = self.fails(next(c for c in grpc.StatusCode if c.value[0] == code), self.say,
                               Request(fail_code=code, fail_message=message))
            self.assertEqual(error.details(), message)

    def test_a_long_status_text_keeps_its_code(self):
        """grpcio takes 8 KiB of trailers, and would forget the code of a larger one."""
        error = self.fails(grpc.StatusCode.ABORTED, self.say,
                           Request(fail_code=10, fail_message="\u263a" * 20000))
        self.assertEqual(error.details(), "\u263a" * len(error.details()))
        self.assertTrue(500 < len(error.details()) < 1000)

    def test_status_details(self):
        error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.say,
                           Request(fail_code=3, fail_message="no", fail_field="data.x"))
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(b"type.googleapis.com/google.rpc.BadRequest", details)
        self.assertIn(b"type.googleapis.com/google.rpc.RetryInfo", details)
        self.assertIn(b"data.x", details)

    def test_failure_after_messages(self):
        stream = self.expand(Request(count=3, fail_code=10, fail_message="stop"),
                             timeout=PATIENCE_S)
        heard = []
        with self.assertRaises(grpc.RpcError) as caught:
            for reply in stream:
                heard.append(reply.index)
        self.assertEqual(heard, [0, 1, 2])
        self.assertEqual(caught.exception.code(), grpc.StatusCode.ABORTED)

    def test_deadline(self):
        begin = time.monotonic()
        self.fails(grpc.StatusCode.DEADLINE_EXCEEDED, self.say, Request(delay_ms=-1), timeout=0.2)
        self.assertLess(time.monotonic() - begin, 10)

    def test_the_method_sees_the_deadline(self):
        reply = self.say(Request(), timeout=100)
        self.assertTrue(50 * 1000 < reply.time_left_ms <= 150 * 1000)   # it rounds up

    def test_cancel_before_and_after_the_first_message(self):
        call = self.say.future(Request(delay_ms=-1))
        call.cancel()
        self.assertEqual(call.code(), grpc.StatusCode.CANCELLED)
        stream = self.expand(Request(count=100000, answer_bytes=1000), timeout=PATIENCE_S)
        next(iter(stream))
        stream.cancel()
        with self.assertRaises(grpc.RpcError):
            list(stream)
        self.assertEqual(stream.code(), grpc.StatusCode.CANCELLED)

    def test_unknown_method_and_service(self):
        for path in "/test.v1.Echo/Nothing", "/test.v1.Nobody/Say":
            call = self.channel.unary_unary(path, Request.SerializeToString, Reply.FromString)
            self.fails(grpc.StatusCode.UNIMPLEMENTED, call, Request())

    def test_a_unary_method_wants_one_message(self):
        stream = self.channel.stream_unary("/test.v1.Echo/Say", Request.SerializeToString,
                                           Reply.FromString)
        self.fails(grpc.StatusCode.UNIMPLEMENTED, stream, iter(()))
        self.fails(grpc.StatusCode.UNIMPLEMENTED, stream, iter((Request(), Request())))

    def test_garbage_instead_of_a_message(self):
        call = self.channel.unary_unary("/test.v1.Echo/Say", lambda value: value, Reply.FromString)
        self.fails(grpc.StatusCode.INTERNAL, call, b"\xff\xff\xff\xff")

    def test_compressed_requests_and_answers(self):
        for compression in grpc.Compression.Gzip, grpc.Compression.Deflate:
            reply = self.say(Request(text="x" * 100000), compression=compression,
                             timeout=PATIENCE_S)
            self.assertEqual(reply.text, "x" * 100000)
            requests = (Request(payload=b"y" * 1000) for _ in range(100))
            reply = self.collect(requests, compression=compression, timeout=PATIENCE_S)
            self.assertEqual(reply.total_bytes, 100 * 1000)

    def test_many_calls_at_once(self):
        calls = [self.say.future(Request(text=str(number)), timeout=PATIENCE_S)
                 for number in range(1000)]
        self.assertEqual([call.result().text for call in calls], [str(n) for n in range(1000)])

    def test_a_slow_reader_gets_it_all(self):
        stream = self.expand(Request(count=300, answer_bytes=32 << 10), timeout=PATIENCE_S)
        heard = 0
        for reply in stream:
            heard += len(reply.payload)
            if reply.index % 100 == 0:
                time.sleep(0.05)     # slowness is what is tested
        self.assertEqual(heard, 300 * (32 << 10))

    def test_health(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(field(1, b"test.v1.Echo"), timeout=PATIENCE_S), b"\x08\x01")
        self.fails(grpc.StatusCode.NOT_FOUND, check, field(1, b"nobody"))
        for service, status in (b"", b"\x08\x01"), (field(1, b"nobody"), b"\x08\x03"):
            watch = self.channel.unary_stream("/grpc.health.v1.Health/Watch")(
                service, timeout=PATIENCE_S)
            self.assertEqual(next(watch), status)
            watch.cancel()

    def reflect(self, version, questions):
        call = self.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        return list(call(iter(questions), timeout=PATIENCE_S))

    def test_reflection_describes_itself_and_all_services(self):
        """From the reflection of the reflection service to its own types, and with
        them to a list of services."""
        for version in "v1", "v1alpha":
            # response.file_descriptor_response = 4 { file_descriptor_proto = 1 }
            Raw = message_class(pool_of([descriptor_pb2.FileDescriptorProto(
                name="raw.proto", package="raw", syntax="proto3", message_type=[
                    descriptor_pb2.DescriptorProto(name="Files", field=[dict_field("file", 1, 12)]),
                    descriptor_pb2.DescriptorProto(name="Response", field=[
                        dict_field("files", 4, 11, ".raw.Files", repeated=False)])])]), "raw.Response")
            symbol = f"grpc.reflection.{version}.ServerReflection".encode()
            answers = self.reflect(version, [field(4, symbol)])
            files = [descriptor_pb2.FileDescriptorProto.FromString(raw)
                     for raw in Raw.FromString(answers[0]).files.file]
            Response = message_class(pool_of(files),
                                     f"grpc.reflection.{version}.ServerReflectionResponse")
            listed = Response.FromString(self.reflect(version, [field(7, b"")])[0])
            names = [service.name for service in listed.list_services_response.service]
            self.assertIn("test.v1.Echo", names)
            self.assertIn("grpc.health.v1.Health", names)
            self.assertIn(symbol.decode(), names)

    def test_reflection_serves_files_that_build(self):
        answers = self.reflect("v1", [field(4, b"sync.v1.SyncService"), field(3, b"no.proto")])
        self.assertEqual(len(answers), 2)
        self.assertIn(b"sync/v1/sync.proto", answers[0])
        self.assertIn(b"google/protobuf/timestamp.proto", answers[0])


def dict_field(name, number, kind, type_name="", repeated=True):
    return descriptor_pb2.FieldDescriptorProto(
        name=name, number=number, type=kind, type_name=type_name or None,
        label=3 if repeated else 1)


class DrainTest(unittest.TestCase):
    def test_calls_under_way_end_when_the_server_drains(self):
        server = EchoProcess(PROGRAM)
        with grpc.insecure_channel(server.address) as channel:
            say = channel.unary_unary("/test.v1.Echo/Say", Request.SerializeToString,
                                      Reply.FromString)
            say(Request(), timeout=PATIENCE_S)
            late = say.future(Request(text="late", delay_ms=500), timeout=PATIENCE_S)
            expand = channel.unary_stream("/test.v1.Echo/Expand", Request.SerializeToString,
                                          Reply.FromString)
            next(expand(Request(count=1), timeout=PATIENCE_S))   # so late has arrived, too
            server.terminate()
            self.assertEqual(late.result().text, "late")
        self.assertEqual(server.close(), 0)

    def test_many_threads_and_connections(self):
        server = EchoProcess(PROGRAM, threads=2)
        channels = [grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)])
                    for _ in range(8)]
        futures = [channel.unary_unary("/test.v1.Echo/Say", Request.SerializeToString,
                                       Reply.FromString).future(Request(text=str(n)), timeout=PATIENCE_S)
                   for channel in channels for n in range(100)]
        self.assertEqual([future.result().text for future in futures],
                         [str(n) for _ in channels for n in range(100)])
        for channel in channels:
            channel.close()
        self.assertEqual(server.close(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
