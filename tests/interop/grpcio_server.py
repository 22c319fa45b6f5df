#!/usr/bin/python3
"""grpc.testing.TestService by Python's grpcio, for our client:

    grpcio_server.py DESCRIPTORS [CERT KEY]     prints the port
"""
import sys
import time
from concurrent import futures

import grpc

from testing_messages import Messages

messages = Messages(sys.argv[1])
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def echo_metadata(context):
    for key, value in context.invocation_metadata():
        if key == INITIAL:
            context.send_initial_metadata(((key, value),))
        elif key == TRAILING:
            context.set_trailing_metadata(((key, value),))


def end_as_asked(request, context):
    if request.response_status.code != 0:
        code = next(c for c in grpc.StatusCode if c.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def unary(request, context):
    echo_metadata(context)
    if request.HasField("response_compressed"):
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        else:
            context.disable_next_message_compression()
    end_as_asked(request, context)
    return messages.SimpleResponse(payload=messages.payload(request.response_size))


def answer(request, context):
    for wanted in request.response_parameters:
        time.sleep(wanted.interval_us / 1e6)
        if not wanted.compressed.value:
            context.disable_next_message_compression()
        yield messages.StreamingOutputCallResponse(payload=messages.payload(wanted.size))
    end_as_asked(request, context)


def output(request, context):
    context.set_compression(grpc.Compression.Gzip)
    yield from answer(request, context)


def duplex(requests, context):
    echo_metadata(context)
    for request in requests:
        yield from answer(request, context)


def half_duplex(requests, context):
    for request in list(requests):
        yield from answer(request, context)


def collect(requests, context):
    return messages.StreamingInputCallResponse(
        aggregated_payload_size=sum(len(request.payload.body) for request in requests))


def handler(kind, function, request, response):
    make = getattr(grpc, kind + "_rpc_method_handler")
    return make(function, getattr(messages, request).FromString,
                getattr(messages, response).SerializeToString)


STREAM = ("StreamingOutputCallRequest", "StreamingOutputCallResponse")
METHODS = {
    "EmptyCall": handler("unary_unary", lambda request, context: request, "Empty", "Empty"),
    "UnaryCall": handler("unary_unary", unary, "SimpleRequest", "SimpleResponse"),
    "CacheableUnaryCall": handler("unary_unary", unary, "SimpleRequest", "SimpleResponse"),
    "StreamingOutputCall": handler("unary_stream", output, *STREAM),
    "StreamingInputCall": handler("stream_unary", collect, "StreamingInputCallRequest",
                                  "StreamingInputCallResponse"),
    "FullDuplexCall": handler("stream_stream", duplex, *STREAM),
    "HalfDuplexCall": handler("stream_stream", half_duplex, *STREAM),
}


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.testing.TestService", METHODS),))
    if len(sys.argv) > 2:
        credentials = grpc.ssl_server_credentials([(read(sys.argv[3]), read(sys.argv[2]))])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


main()
