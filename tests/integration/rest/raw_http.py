"""HTTP/1.1 as bytes: what no HTTP library would send, and every answer as it came."""

import socket

PATIENCE_S = 30


class Closed(Exception):
    """The connection ended before an answer was whole."""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.body[:120]!r}"


class Connection:
    def __init__(self, address, source=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S,
                                               source_address=source and (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """A server that has had enough does not take the rest."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed
        self.read += data

    def take(self, size):
        while len(self.read) < size:
            self.fill()
        taken, self.read = self.read[:size], self.read[size:]
        return taken

    def take_line(self):
        while b"\r\n" not in self.read:
            self.fill()
        line, _, self.read = self.read.partition(b"\r\n")
        return line.decode("latin-1")

    def receive(self, method="GET"):
        """The next answer; strict, because a sloppy one hides bodies that go astray."""
        version, status, _ = self.take_line().split(" ", 2)
        assert version == "HTTP/1.1", version
        headers = {}
        while line := self.take_line():
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} comes twice"
            headers[name.lower()] = value
        status, body = int(status), b""
        if method != "HEAD" and status >= 200 and status != 204:
            body = self.take(int(headers["content-length"]))
        return Answer(status, headers, body)

    def is_closed(self):
        """Waits for the end; whatever else comes is an error."""
        try:
            return self.read == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
