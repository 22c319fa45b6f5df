#!/usr/bin/python3
"""Peers that mean harm, on the gRPC port of a real syncd.

Each row is an attack. It must be cut off, or held, within its bound; the server's
memory must stay within another; and a client that behaves well, beside it all the
time, must be served: how long its calls took is printed. Why the server ended the
attacker's connections must be found in /metrics.
"""
import os
import resource
import select
import socket
import struct
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
from frames import *            # pylint: disable=wildcard-import,unused-wildcard-import
from bystander import Bystander
import harness

MB = 1 << 20
CONNECTIONS_MAX = 400
# A sanitizer's shadow and quarantine are not the server's.
SANITIZED = "san" in os.path.basename(os.path.dirname(harness.BIN.rstrip("/")))
SLOW = 4 if SANITIZED else 1
# Short times, and bounds that a test can reach.
SHORT, IDLE_S = ("1s", 4) if SANITIZED else ("500ms", 2)
LONGER = "2s" if SANITIZED else "1s"    # what does not read is no less silent
SETTINGS_OF_SYNCD = (
    "--rpc-handshake-timeout", SHORT, "--rpc-headers-timeout", SHORT, "--rpc-body-timeout", SHORT,
    "--rpc-write-timeout", LONGER, "--rpc-keepalive", LONGER, "--rpc-keepalive-timeout", LONGER,
    "--rpc-idle-max", f"{IDLE_S}s", "--rpc-connections-max", str(CONNECTIONS_MAX),
    "--rpc-connection-memory-max", "8MiB", "--rpc-memory-max", "24MiB", "--rpc-threads", "1")
OPEN = headers(1, request())
BIG_ID, BIG_BYTES = None, 512 << 10
PATIENCE_OF_BYSTANDER_S = 2 * SLOW


class Flood:
    """The same bytes again and again, until the server has enough."""

    def __init__(self, peer, data, frames, reads=True):
        self.peer, self.data, self.frames, self.reads = peer, data, frames, reads
        self.sent = 0

    def run(self, most_bytes=256 * MB, most_s=20 * SLOW):
        """The seconds it took to be cut off, and the frames that were sent."""
        sock, begin, at = self.peer.socket, time.monotonic(), 0
        sock.setblocking(False)
        while self.sent < most_bytes and time.monotonic() - begin < most_s:
            readable, writable, _ = select.select([sock] if self.reads else [], [sock], [], 0.5)
            try:
                if writable:
                    size = sock.send(self.data[at:])
                    at = (at + size) % len(self.data)
                    self.sent += size
                if readable and not sock.recv(1 << 16):
                    return self._cut_off(begin)
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                return self._cut_off(begin)
        raise AssertionError(f"not cut off after {self.sent} bytes")

    def _cut_off(self, begin):
        took = time.monotonic() - begin
        return took, int(self.sent * self.frames / len(self.data))


def flood(one, first=b"", reads=True, repeat=2000):
    """An attack on one connection by one frame, or a few."""
    def attack(sync):
        with Peer(sync.rpc) as peer:
            peer.send(first)
            took, frames = Flood(peer, one * repeat, repeat, reads).run()
        return f"cut off after {took:.2f} s, {frames} times"
    return attack


def flood_of_streams(make, at_once=100, most=60000):
    """The same with a new stream each time; the server has answered some of them
    before there are more than it allows."""
    def attack(sync):
        with Peer(sync.rpc) as peer:
            for start in range(0, most, at_once):
                peer.send(b"".join(make(1 + 2 * n) for n in range(start, start + at_once)))
                last = 1 + 2 * (start + at_once - 1)
                try:
                    peer.wait(lambda f: f.kind == RST_STREAM and f.stream == last)
                except Closed:
                    return f"cut off after {start + at_once} streams at most"
        raise AssertionError("not cut off")
    return attack


def rapid_resets(sync):
    """The server has nothing to answer."""
    with Peer(sync.rpc) as peer:
        for start in range(0, 60000, 500):
            peer.send(b"".join(headers(1 + 2 * n, request()) + rst_stream(1 + 2 * n)
                               for n in range(start, start + 500)))
            if is_closed(peer):
                return f"cut off after {start + 500} streams at most"
    raise AssertionError("not cut off")


def is_closed(peer):
    """Reads what there is."""
    try:
        while select.select([peer.socket], [], [], 0)[0]:
            if not peer.socket.recv(1 << 16):
                return True
    except ConnectionResetError:
        return True
    return False


def wait_closed(peer, most_s, what="cut off"):
    """Reads nothing but the end."""
    begin = time.monotonic()
    peer.socket.settimeout(most_s * SLOW)
    try:
        while peer.socket.recv(1 << 16):
            if time.monotonic() - begin > most_s * SLOW:
                raise socket.timeout
    except ConnectionResetError:
        pass
    except socket.timeout:
        raise AssertionError(f"not {what} after {most_s * SLOW} s") from None
    return f"{what} after {time.monotonic() - begin:.2f} s"


def wait_gone(sync, peer, most_s):
    """Cut off, seen in the kernel's table: this peer does not read."""
    begin = time.monotonic()
    local = "%02X%02X%02X%02X:%04X" % (1, 0, 0, 127, peer.socket.getsockname()[1])
    while time.monotonic() - begin < most_s * SLOW:
        with open("/proc/net/tcp", encoding="ascii") as table:
            # The server's end names this peer as its remote address.
            if not [row for row in table if row.split()[2] == local and row.split()[3] == "01"]:
                return f"cut off after {time.monotonic() - begin:.2f} s"
        time.sleep(0.01)
    raise AssertionError(f"not cut off after {most_s * SLOW} s")


def drip(data, pause_s=0.05, first=b"", handshake=True, most_s=12):
    """A byte at a time."""
    def attack(sync):
        begin = time.monotonic()
        with Peer(sync.rpc, handshake) as peer:
            peer.send(first)
            for at in range(len(data)):
                peer.send(data[at:at + 1])
                if select.select([peer.socket], [], [], pause_s)[0] and is_over(peer):
                    return f"cut off after {time.monotonic() - begin:.2f} s, {at + 1} bytes"
                assert time.monotonic() - begin < most_s * SLOW, "not cut off"
        raise AssertionError("not cut off")
    return attack


def is_over(peer):
    """The stream was reset, or the connection is closed."""
    try:
        data = peer.socket.recv(1 << 16)
    except ConnectionResetError:
        return True
    return not data or any(data[at + 3] == RST_STREAM for at in frame_starts(data))


def frame_starts(data):
    at = 0
    while at + 9 <= len(data):
        yield at
        at += 9 + int.from_bytes(data[at:at + 3], "big")


def silent(first=b"", handshake=True, most_s=8):
    """Says that, and no more."""
    def attack(sync):
        with Peer(sync.rpc, handshake) as peer:
            peer.send(first)
            return wait_closed(peer, most_s)
    return attack


# ---- What takes more than a row ----

def get_big(stream):
    """A call whose answer has 512 KiB."""
    return call(stream, "/sync.v1.SyncService/GetJob", b"\x0a\x04bulk\x12" + string_field(BIG_ID))


def string_field(text):
    return bytes([len(text)]) + text.encode()


def queue_big(sync):
    global BIG_ID                                           # pylint: disable=global-statement
    _, answer = sync.ask("POST", "/sync/queue", {
        "name": "big", "type": "full", "data": {"source": "demo", "target": "local",
                                                "filler": "x" * BIG_BYTES}}, org="bulk")
    BIG_ID = answer["job"]["id"]
    with Peer(sync.rpc) as peer:
        peer.send(settings((INITIAL_WINDOW_SIZE, 1 << 24)) + window_update(0, 1 << 24) + get_big(1))
        size = 0
        while True:
            got = peer.next()
            size += len(got.payload) if got.kind == DATA else 0
            if got.kind == HEADERS and got.flags & END_STREAM:
                assert ("grpc-status", "0") in got.fields, got.fields
                break
        assert size > BIG_BYTES, size


def hoard_answers(sync):
    """100 answers of 512 KiB that no window lets out."""
    with Peer(sync.rpc) as peer:
        peer.send(settings((INITIAL_WINDOW_SIZE, 0)))
        peer.send(b"".join(get_big(1 + 2 * n) for n in range(100)))
        resets, begin = set(), time.monotonic()
        while len(resets) < 100:
            got = peer.next()
            if got.kind == RST_STREAM:
                resets.add(got.stream)
                assert got.code() in (CANCEL, ENHANCE_YOUR_CALM), str(got)
        return f"all 100 reset after {time.monotonic() - begin:.2f} s"


def one_byte_windows(sync):
    """Answers that are let out a byte at a time."""
    with Peer(sync.rpc) as peer:
        peer.send(settings((INITIAL_WINDOW_SIZE, 0)) + b"".join(get_big(1 + 2 * n)
                                                                for n in range(20)))
        begin, resets = time.monotonic(), set()
        while len(resets) < 20:
            assert time.monotonic() - begin < 12 * SLOW, f"{len(resets)} of 20 reset"
            peer.send(b"".join(window_update(1 + 2 * n, 1) for n in range(20)
                               if 1 + 2 * n not in resets))
            while select.select([peer.socket], [], [], 0.02)[0]:
                got = peer.next()
                if got.kind == RST_STREAM:
                    resets.add(got.stream)
        return f"all 20 reset after {time.monotonic() - begin:.2f} s"


def never_reads(sync):
    """All windows open, but the socket's is closed."""
    with Peer(sync.rpc, receive_buffer=4096) as peer:
        peer.send(settings((INITIAL_WINDOW_SIZE, 0x7fffffff)) + window_update(0, 1 << 30))
        peer.send(b"".join(get_big(1 + 2 * n) for n in range(100)))
        return wait_gone(sync, peer, 10)


def reads_a_little(sync):
    """A byte of the socket now and then is no progress."""
    with Peer(sync.rpc, receive_buffer=4096) as peer:
        peer.send(settings((INITIAL_WINDOW_SIZE, 0x7fffffff)) + window_update(0, 1 << 30))
        peer.send(b"".join(get_big(1 + 2 * n) for n in range(100)))
        done = threading.Event()

        def read():
            while not done.wait(0.1):
                try:
                    peer.socket.recv(1)
                except OSError:
                    return
        reader = threading.Thread(target=read)
        reader.start()
        try:
            return wait_gone(sync, peer, 10)
        finally:
            done.set()
            reader.join()


def bombs(sync):
    """16 KB that are 47 MB of headers: one large entry of the table, again and again."""
    entry = b"\x40\x01x" + string("v" * 4000)
    bomb = block(*request()) + entry
    bomb += b"\xbe" * ((1 << 14) - len(bomb))
    with Peer(sync.rpc) as peer:
        peer.send(frame(HEADERS, END_HEADERS, 1, bomb))
        return wait_closed(peer, 5)


def many_headers(sync):
    """More than are allowed, but not absurdly: that call fails, and no other."""
    with Peer(sync.rpc) as peer:
        for n in range(200):
            stream = 1 + 2 * n
            peer.send(headers(stream, request(*[("x", "")] * 1000), END_HEADERS | END_STREAM))
            got = peer.wait(lambda f: f.stream == stream and f.flags & END_STREAM)
            assert ("grpc-status", "8") in got.fields, got.fields
        peer.send(call(1001))
        got = peer.wait(lambda f: f.kind == HEADERS and f.flags & END_STREAM)
        assert ("grpc-status", "0") in got.fields
    return "held: 200 calls refused, the next one answered"


def hoard_requests(sync):
    """Messages that are begun and never ended."""
    begun = b"\0" + struct.pack(">I", 4 * MB - 1) + bytes(16000)
    with Peer(sync.rpc) as peer:
        begin = time.monotonic()
        peer.send(b"".join(headers(1 + 2 * n, request()) + frame(DATA, 0, 1 + 2 * n, begun)
                           for n in range(200)))
        more = b"".join(frame(DATA, 0, 1 + 2 * n, bytes(16000)) for n in range(200))
        resets = set()
        while len(resets) < 200 and time.monotonic() - begin < 12 * SLOW:
            if time.monotonic() - begin < 0.5:
                peer.send(more)
            if select.select([peer.socket], [], [], 0.02)[0]:
                try:
                    got = peer.next()
                except Closed:
                    return f"cut off after {time.monotonic() - begin:.2f} s"
                if got.kind == RST_STREAM:
                    resets.add(got.stream)
        assert len(resets) == 200, f"{len(resets)} of 200 reset"
        return f"all 200 reset after {time.monotonic() - begin:.2f} s"


def hoard_together(sync):
    """Each connection stays below its own bound, all together do not."""
    peers = [Peer(sync.rpc) for _ in range(12)]
    try:
        begin = time.monotonic()
        for peer in peers:
            peer.send(settings((INITIAL_WINDOW_SIZE, 0)) +
                      b"".join(get_big(1 + 2 * n) for n in range(24)))
        for peer in peers:
            while not any(f.kind in (RST_STREAM, GOAWAY) for f in peer.seen):
                try:
                    peer.next()
                except Closed:
                    break
        return f"cut off after {time.monotonic() - begin:.2f} s"
    finally:
        for peer in peers:
            peer.socket.close()


def crowd(sync):
    """Four times as many idle connections as there are places. New clients get in."""
    peers, latencies = [], []
    for n in range(4 * CONNECTIONS_MAX):
        peer = Peer(sync.rpc, handshake=False)
        peer.send(PREFACE + settings())
        peers.append(peer)
        if n % 100 == 99:
            begin = time.monotonic()
            with Peer(sync.rpc) as good:
                good.send(call(1))
                got = good.wait(lambda f: f.kind == HEADERS and f.flags & END_STREAM)
                assert ("grpc-status", "0") in got.fields
            latencies.append(time.monotonic() - begin)
    open_now = int(metrics(sync)["sync_rpc_connections"])
    assert open_now <= CONNECTIONS_MAX, open_now
    for peer in peers:
        peer.socket.close()
    return f"held: {open_now} open of {len(peers)}; a new client was served in" \
           f" {max(latencies) * 1000:.0f} ms at most"


def busy_crowd(sync):
    """As many as one address may have, each with a call under way: the next is told."""
    most = CONNECTIONS_MAX - CONNECTIONS_MAX // 4
    peers = []
    try:
        for _ in range(most):
            peer = Peer(sync.rpc, handshake=False)
            peer.send(PREFACE + settings() + headers(
                1, request(path="/grpc.health.v1.Health/Watch")) +
                frame(DATA, END_STREAM, 1, EMPTY_MESSAGE))
            peers.append(peer)
        for peer in peers:
            peer.wait(lambda f: f.kind == DATA)
        with Peer(sync.rpc, handshake=False) as late:
            got = late.wait(lambda f: f.kind == GOAWAY)
            assert got.code() == ENHANCE_YOUR_CALM, str(got)
            assert got.payload[8:] == b"too many connections", got.payload
            late.wait_closed()
        assert metrics(sync)['sync_rpc_connections_refused_total{reason="address"}'] >= 1
        print(f"held: {most} with calls; the next was told too many connections")
    finally:
        for peer in peers:
            peer.socket.close()


def does_nothing(sync):
    """Answers each PING, and asks for nothing: told to go in peace."""
    begin = time.monotonic()
    with Peer(sync.rpc) as peer:
        peer.wait_closed()
        goaways = [f for f in peer.seen if f.kind == GOAWAY]
        assert [f.code() for f in goaways] == [NO_ERROR] * 2, peer.story()
        assert goaways[0].payload[:4] == b"\x7f\xff\xff\xff" and goaways[1].payload[:4] == bytes(4)
    took = time.monotonic() - begin
    assert IDLE_S - 0.5 < took < 5 * IDLE_S, took
    return f"told to go, and closed, after {took:.2f} s"


def pings_too_often(sync):
    with Peer(sync.rpc) as peer:
        for n in range(100):
            peer.send(frame(PING, 0, 0, bytes(8)))
            try:
                got = peer.wait(lambda f: f.kind in (PING, GOAWAY))
            except Closed:
                break
            if got.kind == GOAWAY:
                assert got.code() == ENHANCE_YOUR_CALM and got.payload[8:] == b"too_many_pings"
                peer.wait_closed()
                return f"told too_many_pings, and closed, after {n} of them"
    raise AssertionError("not told: " + peer.story())


def half_closed(sync):
    """Sends a whole call and the end of the connection, then waits."""
    with Peer(sync.rpc) as peer:
        peer.send(OPEN)
        peer.socket.shutdown(socket.SHUT_WR)
        return wait_closed(peer, 8)


def body_that_does_not_come(sync):
    with Peer(sync.rpc) as peer:
        begin = time.monotonic()
        peer.send(OPEN)
        got = peer.wait(lambda f: f.kind == RST_STREAM)
        assert got.code() == CANCEL, str(got)
        return f"reset after {time.monotonic() - begin:.2f} s"


ZEROS = bytes(8)
PRIORITY_OF_3 = frame(PRIORITY, 0, 3, struct.pack(">IB", 0, 16))


def made_you_reset(stream):
    """A request, and then a frame that makes the server reset it."""
    return headers(stream, request()) + window_update(stream, 0x7fffffff)


def made_you_reset_by_malformed(stream):
    return headers(stream, request(("UPPER", "x")), END_HEADERS | END_STREAM)


# name, attack, why its connection ends (in /metrics; None: it need not), memory it may cost
ATTACKS = [
    ("rapid reset", rapid_resets, "flood", 16),
    ("made you reset, by an overflowing window", flood_of_streams(made_you_reset), "flood", 16),
    ("made you reset, by malformed requests", flood_of_streams(made_you_reset_by_malformed),
     "flood", 16),
    ("CONTINUATION flood", flood(frame(CONTINUATION, 0, 1, block(("x", "y" * 100)) * 100),
                                 frame(HEADERS, 0, 1, block(*request())), repeat=50), "flood", 16),
    ("empty CONTINUATIONs", flood(frame(CONTINUATION, 0, 1),
                                  frame(HEADERS, 0, 1, block(*request()))), "flood", 8),
    ("SETTINGS flood", flood(settings((INITIAL_WINDOW_SIZE, 1 << 20))), "flood", 8),
    ("SETTINGS flood, answers unread", flood(settings(), reads=False), "flood", 8),
    ("SETTINGS of many entries", flood(settings(*[(ENABLE_PUSH, 0)] * 2000), repeat=20), "flood",
     8),
    ("PING flood", flood(frame(PING, 0, 0, ZEROS)), "pings", 8),
    ("PING flood, answers unread", flood(frame(PING, 0, 0, ZEROS), reads=False), "pings", 8),
    ("PING answers that nobody asked for", flood(frame(PING, ACK, 0, ZEROS)), "flood", 8),
    ("PRIORITY churn", flood(PRIORITY_OF_3), "flood", 8),
    ("PRIORITY churn on ever new streams",
     flood(b"".join(frame(PRIORITY, 0, n, struct.pack(">IB", n - 2, 16))
                    for n in range(3, 4003, 2)), repeat=1), "flood", 16),
    ("WINDOW_UPDATE churn", flood(window_update(0, 1)), "flood", 8),
    ("WINDOW_UPDATE churn on a stream", flood(window_update(1, 1), OPEN), "flood", 8),
    ("unknown frames", flood(frame(0x42, 0xff, 0, ZEROS)), "flood", 8),
    ("RST_STREAM of a closed stream", flood(rst_stream(1), OPEN + rst_stream(1)), "flood", 8),
    ("empty DATA by the million", flood(frame(DATA, 0, 1), OPEN), "flood", 8),
    ("padded DATA without content", flood(frame(DATA, PADDED, 1, b"\xff" + bytes(255)), OPEN),
     "flood", 8),
    ("window overflow", flood(window_update(0, 0x7fffffff)), "protocol", 8),
    ("zero windows, 100 answers of 512 KiB", hoard_answers, None, 60),
    ("one-byte windows", one_byte_windows, None, 40),
    ("100 answers of 512 KiB, socket never read", never_reads, "unread", 60),
    ("the same, read a byte at a time", reads_a_little, "unread", 60),
    ("hoards together", hoard_together, "memory", 100),
    ("requests that do not end, 200 at once", hoard_requests, None, 60),
    ("HPACK bomb", bombs, "flood", 8),
    ("many headers", many_headers, None, 16),
    ("nothing at all", silent(handshake=False), "handshake", 8),
    ("a preface a byte at a time", drip(PREFACE, 0.1, handshake=False), "handshake", 8),
    ("headers that stop", silent(OPEN[:40]), "late", 8),
    ("headers a byte at a time", drip(OPEN), "late", 8),
    ("a body that does not come", body_that_does_not_come, None, 8),
    ("a body a byte at a time", drip(frame(DATA, 0, 1, b"\0\0\0\x10\0" + bytes(4000)), first=OPEN),
     None, 8),
    ("half a frame, then nothing", silent(frame(PING, 0, 0, ZEROS)[:12]), "silent", 8),
    ("silence after the handshake", silent(), "silent", 8),
    ("a connection that is closed on one side", half_closed, "peer", 8),
    ("a connection that does nothing but live", does_nothing, "idle", 8),
    ("pings too often", pings_too_often, "pings", 8),
    ("idle connections, four times as many as there are places", crowd, "crowded", 60),
]


# ---- Around each of them ----

def metrics(sync):
    with urllib.request.urlopen(f"http://{sync.http}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def closed_for(sync, reason):
    return metrics(sync)[f'sync_rpc_connections_closed_total{{reason="{reason}"}}']


def counted(sync):
    """What streams of attackers came to, besides why their connections ended."""
    now = metrics(sync)
    for name in ("streams_stalled", "streams_held", "resets_received", "resets_sent",
                 "pings_received"):
        assert now[f"sync_rpc_{name}_total"] > 0, name
    harness.wait_until("each connection is open or ended",
                       lambda: adds_up(metrics(sync)))


def adds_up(now):
    ended = sum(value for name, value in now.items()
                if name.startswith("sync_rpc_connections_closed_total"))
    return now["sync_rpc_connections_total"] == ended + now["sync_rpc_connections"]


class Memory:
    """The most that the server held while it was looked at."""

    def __init__(self, pid):
        self.pid, self.done = pid, threading.Event()
        self.before = self.most = self.now()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def now(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def _look(self):
        while not self.done.wait(0.01):
            self.most = max(self.most, self.now())

    def grown_mb(self):
        self.done.set()
        self.thread.join()
        return (self.most - self.before) / MB


def run(sync, bystander, attack, reason, memory_mb):
    bystander.take()
    memory = Memory(sync.server.child.pid)
    before = closed_for(sync, reason) if reason else 0
    try:
        story = attack(sync)
    finally:
        grown_mb = memory.grown_mb()
    if reason:
        harness.wait_until(f"a connection ends for {reason}",
                           lambda: closed_for(sync, reason) > before)
    latencies = bystander.take()
    assert SANITIZED or grown_mb <= memory_mb, f"{grown_mb:.1f} MB instead of {memory_mb}"
    assert latencies[-1] < PATIENCE_OF_BYSTANDER_S, f"beside it, a call took {latencies[-1]:.2f} s"
    return f"{story}; memory +{grown_mb:.1f} MB; beside it {len(latencies)} calls in" \
           f" {latencies[len(latencies) // 2] * 1000:.1f} ms (median)," \
           f" {latencies[-1] * 1000:.1f} ms (longest)"


def main():
    results = {True: 0, False: 0}
    only = sys.argv[1] if len(sys.argv) > 1 else ""

    def judge(name, test):
        if only not in name:
            return
        good = True
        try:
            test()
        except (AssertionError, Closed) as failure:
            print(repr(failure))
            good = False
        print(f"[       OK ] {name}" if good else f"[  FAILED  ] {name}", flush=True)
        results[good] += 1

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    with harness.Sync(*SETTINGS_OF_SYNCD) as sync:
        queue_big(sync)
        bystander = Bystander(sync.rpc)
        for name, *attack in ATTACKS:
            judge(name, lambda: print(run(sync, bystander, *attack)))
        bystander.close()
        judge("busy connections, as many as an address may have", lambda: busy_crowd(sync))
        if not only:
            judge("all of it was counted", lambda: counted(sync))
    print(f"{results[True]} passed, {results[False]} failed")
    sys.exit(0 if results[True] and not results[False] else 1)


if __name__ == "__main__":
    main()
