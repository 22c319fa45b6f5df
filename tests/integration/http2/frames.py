"""HTTP/2 by hand: frames as bytes, and a peer that sends whatever it is told to.

Nothing here keeps the protocol, so that tests can break it. Header blocks are
written as literals (RFC 7541, 6.2.2); only what the server answers is decoded
by a library.
"""
import socket
import struct
import sys
import time

try:
    import hpack
except ImportError as missing:
    print(f"skipped: {missing} (apt-get install python3-hpack)")
    sys.exit(77)

# RFC 9113, 6: types, flags, settings; 7: error codes.
(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, WITH_PRIORITY = 0x4, 0x8, 0x20
(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)
CODES = ("NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED"
         " FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR"
         " ENHANCE_YOUR_CALM").split()
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR,
 ENHANCE_YOUR_CALM) = range(12)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 65535
PATIENCE_S = 30


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream, by):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def integer(value, bits, first=0):
    """RFC 7541, 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = bytearray([first | most]), value - most
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def string(value):
    value = value.encode("latin-1") if isinstance(value, str) else value
    return integer(len(value), 7) + value


def block(*fields):
    return b"".join(b"\0" + string(name) + string(value) for name, value in fields)


GRPC_PATH = "/sync.v1.SyncService/GetServiceInfo"


def request(*more, without=(), **pseudo):
    """The fields of a good gRPC request, but for what is said."""
    first = {"method": "POST", "scheme": "http", "path": GRPC_PATH, "authority": "test", **pseudo}
    fields = [(":" + name, value) for name, value in first.items()]
    fields += [("content-type", "application/grpc"), ("te", "trailers")]
    return [field for field in fields if field[0] not in without] + list(more)


def plain(*more, method="GET", path="/", without=()):
    """As a browser or a conformance suite asks: not gRPC."""
    return request(*more, method=method, path=path, without=("content-type", "te", *without))


def headers(stream, fields, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, block(*fields))


EMPTY_MESSAGE = b"\0\0\0\0\0"


def call(stream, path=GRPC_PATH, message=b""):
    """A whole call of a unary method."""
    body = b"\0" + struct.pack(">I", len(message)) + message
    return headers(stream, request(path=path)) + frame(DATA, END_STREAM, stream, body)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream, self.payload = kind, flags, stream, payload

    def code(self):
        """Of RST_STREAM or GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return struct.unpack_from(">I", self.payload, at)[0]

    def __str__(self):
        what = f"type {self.kind} flags {self.flags:#x} stream {self.stream}"
        if self.kind in (RST_STREAM, GOAWAY):
            what += f" {CODES[self.code()]}"
        return what + f" ({len(self.payload)} bytes)"


class Closed(Exception):
    """The connection has ended."""


class Peer:
    """A connection to the server: sends bytes, takes frames apart, and keeps those
    it has seen. It answers PINGs when it gets to see them."""

    def __init__(self, address, handshake=True, receive_buffer=0, patience_s=PATIENCE_S):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience_s)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.end = time.monotonic() + patience_s
        self.unread, self.seen, self.decoder = b"", [], hpack.Decoder()
        if handshake:
            self.send(PREFACE + settings() + frame(SETTINGS, ACK))
            self.wait(lambda f: f.kind == SETTINGS and f.flags & ACK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """What the server does not want any more is nobody's mistake."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _read(self):
        self.socket.settimeout(max(0.001, self.end - time.monotonic()))
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        except socket.timeout:
            raise AssertionError("the server did not answer in time; seen: " + self.story())
        if not data:
            raise Closed
        self.unread += data

    def next(self):
        """The next frame; Closed at the connection's end."""
        while len(self.unread) < 9 or len(self.unread) < 9 + self._size():
            self._read()
        size = self._size()
        kind, flags, stream = struct.unpack(">BBI", self.unread[3:9])
        got = Frame(kind, flags, stream & 0x7fffffff, self.unread[9:9 + size])
        self.unread = self.unread[9 + size:]
        if kind == HEADERS:
            got.fields = self.decoder.decode(got.payload)
        if kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, got.payload))
        self.seen.append(got)
        return got

    def _size(self):
        return int.from_bytes(self.unread[:3], "big")

    def wait(self, condition):
        """The first frame, of those that come from now on, that fulfils it."""
        while True:
            got = self.next()
            if condition(got):
                return got

    def wait_closed(self):
        try:
            while True:
                self.next()
        except Closed:
            return

    def story(self):
        return "; ".join(map(str, self.seen)) or "nothing"
