"""What a server must do about something, for the tables of conformance_test.py:
functions of a peer that raise AssertionError, and functions that make them."""
import struct

from frames import (ACK, CODES, CONTINUATION, Closed, DATA, END_STREAM, GOAWAY, HEADERS, PING,
                    RST_STREAM, SETTINGS, frame)

PROBE = b"is it on"


def _names(codes):
    return " or ".join(CODES[code] for code in codes)


def alive(peer):
    """The connection works: a PING is answered, and nothing said GOAWAY."""
    peer.send(frame(PING, 0, 0, PROBE))
    try:
        peer.wait(lambda f: f.kind == PING and f.flags & ACK and f.payload == PROBE)
    except Closed:
        raise AssertionError("the connection was closed; seen: " + peer.story()) from None
    assert not [f for f in peer.seen if f.kind == GOAWAY], peer.story()


def settled(peer):
    """All that the server has to say has been said. An answered PING may overtake
    what it has to say otherwise, but not by more than one turn."""
    alive(peer)
    alive(peer)


def connection_error(*codes):
    """GOAWAY with one of the codes, then the end of the connection."""
    def check(peer):
        peer.wait_closed()
        errors = [f for f in peer.seen if f.kind == GOAWAY]
        assert errors and errors[-1].code() in codes, \
            f"expected GOAWAY {_names(codes)}; seen: {peer.story()}"
    return check


def closed(peer):
    """The end, with or without a word."""
    peer.wait_closed()


def stream_error(stream, *codes):
    """RST_STREAM with one of the codes; the connection lives on."""
    def check(peer):
        settled(peer)
        resets = [f for f in peer.seen if f.kind == RST_STREAM and f.stream == stream]
        assert resets and resets[0].code() in codes, \
            f"expected RST_STREAM {_names(codes)} on {stream}; seen: {peer.story()}"
    return check


def either(*checks):
    """Of stream_error() and connection_error(), where the RFC lets the server choose."""
    def check(peer):
        failures = []
        for each in checks:
            try:
                return each(peer)
            except AssertionError as failure:
                failures.append(str(failure))
        raise AssertionError("; ".join(failures))
    return check


def frames_of(peer, stream):
    """Those of one stream up to its end."""
    def is_end(f):
        return f.stream == stream and (f.kind == RST_STREAM or
                                       f.kind in (DATA, HEADERS) and f.flags & END_STREAM)
    if not any(map(is_end, peer.seen)):
        peer.wait(is_end)
    return [f for f in peer.seen if f.stream == stream]


def answer_of(peer, stream):
    """All fields and all bytes of an answer that came to its end."""
    try:
        got = frames_of(peer, stream)
    except Closed:
        raise AssertionError("no answer; seen: " + peer.story()) from None
    fields = [field for f in got if f.kind == HEADERS for field in f.fields]
    body = b"".join(f.payload for f in got if f.kind == DATA)
    assert not [f for f in got if f.kind == RST_STREAM], peer.story()
    assert not [f for f in got if f.kind == CONTINUATION], "the peer does not read these"
    return dict(fields), body


def answered(stream, **expected):
    """An answer with these fields (`_` for `-`), and a connection that lives on."""
    def check(peer):
        fields, _ = answer_of(peer, stream)
        for name, value in expected.items():
            name = ":status" if name == "status" else name.replace("_", "-")
            assert fields.get(name) == value, f"{name} is not {value}: {fields}"
        alive(peer)
    return check


def succeeded(stream=1):
    """A gRPC call that went well."""
    return answered(stream, status="200", grpc_status="0")


def answered_plainly(stream, status, body=True):
    """As any web server would: a status, a content type, and a short text."""
    def check(peer):
        fields, got = answer_of(peer, stream)
        assert fields[":status"] == status, fields
        assert fields["content-type"].startswith("text/plain"), fields
        assert int(fields["content-length"]) > 0, fields
        assert len(got) == (int(fields["content-length"]) if body else 0), (fields, got)
        alive(peer)
    return check


def data_of(stream, size):
    """Exactly so many bytes came on the stream before the server had to stop."""
    def check(peer):
        settled(peer)
        got = sum(len(f.payload) for f in peer.seen if f.kind == DATA and f.stream == stream)
        assert got == size, f"{got} bytes instead of {size}; seen: {peer.story()}"
    return check


def acknowledged(count):
    """So many SETTINGS of ours, the handshake's included, were acknowledged."""
    def check(peer):
        alive(peer)
        acks = [f for f in peer.seen if f.kind == SETTINGS and f.flags & ACK]
        assert len(acks) == count, peer.story()
        assert not any(f.payload for f in acks)
    return check


def first_settings(peer):
    """What the server's first frame says."""
    first = peer.seen[0] if peer.seen else peer.next()
    assert first.kind == SETTINGS and not first.flags & ACK, str(first)
    return dict(struct.unpack_from(">HI", first.payload, at)
                for at in range(0, len(first.payload), 6))
