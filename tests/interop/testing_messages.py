"""The messages of grpc.testing, and the numbers of its cases."""
from descriptors import message_class, read_pool

REQUEST_SIZES = [27182, 8, 1828, 45904]
RESPONSE_SIZES = [31415, 9, 2653, 58979]
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159
SPECIAL_TEXT = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
SERVICE = "/grpc.testing.TestService/"


class Messages:
    def __init__(self, descriptors):
        pool = read_pool(descriptors)
        for name in ("Empty", "BoolValue", "Payload", "EchoStatus", "SimpleRequest",
                     "SimpleResponse", "StreamingInputCallRequest", "StreamingInputCallResponse",
                     "ResponseParameters", "StreamingOutputCallRequest",
                     "StreamingOutputCallResponse"):
            setattr(self, name, message_class(pool, "grpc.testing." + name))

    def large(self, **fields):
        return self.SimpleRequest(payload=self.payload(LARGE_REQUEST),
                                  response_size=LARGE_RESPONSE, **fields)

    def payload(self, size):
        return self.Payload(body=bytes(size))

    def output(self, response_sizes, request_size=0, **fields):
        return self.StreamingOutputCallRequest(
            payload=self.payload(request_size),
            response_parameters=[self.ResponseParameters(size=size) for size in response_sizes],
            **fields)
