"""A client that behaves well, in a process of its own, and what it notes: how long
each call took, and which failed."""
import multiprocessing
import time

from frames import Closed, END_STREAM, HEADERS, Peer, RST_STREAM, WINDOW, call, window_update

PACE_S = 0.002


def _say(peer, stream):
    """One call; False if it failed."""
    peer.end = time.monotonic() + 30
    peer.send(call(stream) + window_update(0, 200))
    got = peer.wait(lambda f: f.stream == stream and (
        f.kind == RST_STREAM or f.kind == HEADERS and f.flags & END_STREAM))
    peer.seen.clear()
    return got.kind == HEADERS and ("grpc-status", "0") in got.fields


def _run(address, pipe):
    notes, failures, stream = [], 0, 1
    with Peer(address) as peer:
        while True:
            begin = time.monotonic()
            try:
                good = _say(peer, stream)
            except (AssertionError, Closed, OSError) as failure:
                pipe.send((notes, f"call {stream} failed: {failure!r}"))
                return
            notes.append(time.monotonic() - begin)
            failures += not good
            stream += 2
            if pipe.poll(PACE_S):
                if pipe.recv() == "end":
                    return
                pipe.send((notes, f"{failures} calls failed" if failures else ""))
                notes, failures = [], 0


class Bystander:
    """Calls all the time, on one connection."""

    def __init__(self, address):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=_run, args=(address, theirs), daemon=True)
        self.process.start()
        self.take()

    def take(self):
        """The latencies since it was asked the last time, sorted; at least a few."""
        notes = []
        while len(notes) < 5:
            self.pipe.send("tell")
            more, failure = self.pipe.recv()
            assert not failure, "beside it, " + failure
            notes += more
        return sorted(notes)

    def close(self):
        self.pipe.send("end")
        self.process.join(10)
        self.process.kill()
