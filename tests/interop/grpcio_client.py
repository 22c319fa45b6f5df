"""The interop cases as Python's grpcio can say them: a method for each. It has
no switch for a single message's compression and does not tell whether one came
compressed; those halves of the compression cases are other clients'."""
import queue

import grpc

from testing_messages import (LARGE_RESPONSE, REQUEST_SIZES, RESPONSE_SIZES, SERVICE,
                              SPECIAL_TEXT, Messages)

PATIENCE_S = 60
CUSTOM = (("x-grpc-test-echo-initial", "test_initial_metadata_value"),
          ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"))


class GrpcioClient:
    def __init__(self, test, address, descriptors, ca=None):
        self.test = test
        self.messages = Messages(descriptors)
        if ca is None:
            self.channel = grpc.insecure_channel(address)
        else:
            with open(ca, "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
            self.channel = grpc.secure_channel(address, credentials)

    def close(self):
        self.channel.close()

    def method(self, kind, path, request, response):
        return getattr(self.channel, kind)(
            path if path.startswith("/") else SERVICE + path,
            request_serializer=getattr(self.messages, request).SerializeToString,
            response_deserializer=getattr(self.messages, response).FromString)

    def unary(self, path="UnaryCall"):
        return self.method("unary_unary", path, "SimpleRequest", "SimpleResponse")

    def output(self):
        return self.method("unary_stream", "StreamingOutputCall", "StreamingOutputCallRequest",
                           "StreamingOutputCallResponse")

    def input(self):
        return self.method("stream_unary", "StreamingInputCall", "StreamingInputCallRequest",
                           "StreamingInputCallResponse")

    def duplex(self, path="FullDuplexCall"):
        return self.method("stream_stream", path, "StreamingOutputCallRequest",
                           "StreamingOutputCallResponse")

    def fails(self, code, call):
        with self.test.assertRaises(grpc.RpcError) as caught:
            call()
        self.test.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def sizes(self, responses):
        return [len(response.payload.body) for response in responses]

    def empty_unary(self):
        call = self.method("unary_unary", "EmptyCall", "Empty", "Empty")
        self.test.assertEqual(call(self.messages.Empty(), timeout=PATIENCE_S),
                              self.messages.Empty())

    def large(self, path="UnaryCall", **options):
        fields = options.pop("fields", {})
        response = self.unary(path)(self.messages.large(**fields), timeout=PATIENCE_S, **options)
        self.test.assertEqual(len(response.payload.body), LARGE_RESPONSE)

    def large_unary(self):
        self.large()

    def cacheable_unary(self):
        self.large("CacheableUnaryCall")

    def client_compressed_unary(self):
        yes, no = self.messages.BoolValue(value=True), self.messages.BoolValue(value=False)
        self.fails(grpc.StatusCode.INVALID_ARGUMENT,
                   lambda: self.large(fields={"expect_compressed": yes}))
        self.large(fields={"expect_compressed": yes}, compression=grpc.Compression.Gzip)
        self.large(fields={"expect_compressed": yes}, compression=grpc.Compression.Deflate)
        self.large(fields={"expect_compressed": no})

    def server_compressed_unary(self):
        for value in True, False:
            self.large(fields={"response_compressed": self.messages.BoolValue(value=value)})

    def client_streaming(self, **options):
        expect = options.pop("expect", None)
        requests = [self.messages.StreamingInputCallRequest(payload=self.messages.payload(size),
                                                            expect_compressed=expect)
                    for size in REQUEST_SIZES]
        response = self.input()(iter(requests), timeout=PATIENCE_S, **options)
        self.test.assertEqual(response.aggregated_payload_size, sum(REQUEST_SIZES))

    def client_compressed_streaming(self):
        yes = self.messages.BoolValue(value=True)
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: self.client_streaming(expect=yes))
        requests = iter([self.messages.StreamingInputCallRequest(
            payload=self.messages.payload(27182), expect_compressed=yes)] * 2)
        response = self.input()(requests, timeout=PATIENCE_S, compression=grpc.Compression.Gzip)
        self.test.assertEqual(response.aggregated_payload_size, 2 * 27182)

    def server_streaming(self):
        responses = self.output()(self.messages.output(RESPONSE_SIZES), timeout=PATIENCE_S)
        self.test.assertEqual(self.sizes(responses), RESPONSE_SIZES)

    def server_compressed_streaming(self):
        request = self.messages.output([31415, 92653])
        request.response_parameters[0].compressed.value = True
        request.response_parameters[1].compressed.value = False
        self.test.assertEqual(self.sizes(self.output()(request, timeout=PATIENCE_S)),
                              [31415, 92653])

    def ping_pong(self):
        questions = queue.Queue()
        answers = self.duplex()(iter(questions.get, None), timeout=PATIENCE_S)
        for asked, wanted in zip(REQUEST_SIZES, RESPONSE_SIZES):
            questions.put(self.messages.output([wanted], asked))
            self.test.assertEqual(len(next(answers).payload.body), wanted)
        questions.put(None)
        self.test.assertEqual(list(answers), [])

    def half_duplex(self):
        questions = iter([self.messages.output([size]) for size in RESPONSE_SIZES])
        answers = self.duplex("HalfDuplexCall")(questions, timeout=PATIENCE_S)
        self.test.assertEqual(self.sizes(answers), RESPONSE_SIZES)

    def empty_stream(self):
        self.test.assertEqual(list(self.duplex()(iter(()), timeout=PATIENCE_S)), [])

    def timeout_on_sleeping_server(self):
        request = self.messages.output([31415], 27182)
        request.response_parameters[0].interval_us = 10 * 1000 * 1000
        self.fails(grpc.StatusCode.DEADLINE_EXCEEDED,
                   lambda: list(self.duplex()(iter([request]), timeout=0.001)))

    def cancel_after_begin(self):
        questions = queue.Queue()
        call = self.input().future(iter(questions.get, None))
        call.cancel()
        questions.put(None)
        self.test.assertTrue(call.cancelled())

    def cancel_after_first_response(self):
        questions = queue.Queue()
        answers = self.duplex()(iter(questions.get, None), timeout=PATIENCE_S)
        questions.put(self.messages.output([31415], 27182))
        next(answers)
        answers.cancel()
        questions.put(None)
        self.fails(grpc.StatusCode.CANCELLED, lambda: next(answers))

    def expect_custom(self, call):
        self.test.assertIn(CUSTOM[0], call.initial_metadata())
        self.test.assertIn(CUSTOM[1], call.trailing_metadata())

    def custom_metadata(self):
        _, call = self.unary().with_call(self.messages.large(), metadata=CUSTOM,
                                         timeout=PATIENCE_S)
        self.expect_custom(call)
        answers = self.duplex()(iter([self.messages.output([314159], 271828)]), metadata=CUSTOM,
                                timeout=PATIENCE_S)
        self.test.assertEqual(self.sizes(answers), [314159])
        self.expect_custom(answers)

    def status_code_and_message(self):
        status = self.messages.EchoStatus(code=2, message="test status message")
        error = self.fails(grpc.StatusCode.UNKNOWN,
                           lambda: self.large(fields={"response_status": status}))
        self.test.assertEqual(error.details(), status.message)
        request = self.messages.output([], response_status=status)
        error = self.fails(grpc.StatusCode.UNKNOWN,
                           lambda: list(self.duplex()(iter([request]), timeout=PATIENCE_S)))
        self.test.assertEqual(error.details(), status.message)

    def special_status_message(self):
        status = self.messages.EchoStatus(code=2, message=SPECIAL_TEXT)
        error = self.fails(grpc.StatusCode.UNKNOWN,
                           lambda: self.large(fields={"response_status": status}))
        self.test.assertEqual(error.details(), SPECIAL_TEXT)

    def unimplemented(self, path):
        call = self.method("unary_unary", path, "Empty", "Empty")
        self.fails(grpc.StatusCode.UNIMPLEMENTED,
                   lambda: call(self.messages.Empty(), timeout=PATIENCE_S))

    def unimplemented_method(self):
        self.unimplemented("UnimplementedCall")

    def unimplemented_service(self):
        self.unimplemented("/grpc.testing.UnimplementedService/UnimplementedCall")

    def slow_consumer(self):
        answers = self.output()(self.messages.output([1030] * 2000), timeout=PATIENCE_S)
        self.test.assertEqual(self.sizes(answers), [1030] * 2000)

    def rpc_soak(self):
        for _ in range(100):
            self.large()

