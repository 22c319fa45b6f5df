"""A server under attack, a well-behaved client beside it, and what it had to bear.

    with Scene("slow heads", "--http-head-timeout", "1s") as scene:
        crowd = Crowd(scene.http, 200)
        crowd.send(b"GET / HT")
        scene.wait_until(200, lambda: scene.requests_refused("late"))

At the end of a scene the client must have been served every time, its slowest
answer and the server's memory must be within bounds; both are printed.
"""

import http.client
import json
import multiprocessing
import os
import resource
import select
import socket
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "rest")]

import harness      # noqa: E402
import prometheus   # noqa: E402

SANITIZED = bool(os.environ.get("SYNC_SANITIZE"))
LATENCY_MAX_S = 10 if SANITIZED else 3
MEMORY_FACTOR = 20 if SANITIZED else 1     # quarantines, shadows, redzones
PAUSE_S = 0.005                            # between two requests of the good client
ANSWERS_MIN = 20                           # that it wants, however short the attack was
JOB = {"name": "good", "type": "full", "data": {"source": "a", "target": "b"}}


def endpoint(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


def serve_good_client(address, source, pipe):
    """One request after the other, each on a connection of its own, as curl does."""
    took, failures = [], []      # ([seconds, what], ...)
    while not (pipe.poll(PAUSE_S) and len(took) >= ANSWERS_MIN):
        begun = time.monotonic()
        try:
            connection = http.client.HTTPConnection(*endpoint(address), timeout=30,
                                                    source_address=(source, 0))
            what = "POST" if len(took) % 8 == 7 else "GET"
            if what == "POST":
                connection.request("POST", "/sync/queue", json.dumps(JOB),
                                   {"orgid": "good", "content-type": "application/json"})
            else:
                connection.request("GET", "/sync/info", headers={"orgid": "good"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status != 200:
                failures.append(f"{answer.status} after {len(took)}")
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{error!r} after {len(took)}")
        took.append((time.monotonic() - begun, what))
    pipe.send((took, failures))


class GoodClient:
    """In a process of its own, so that the attack does not slow it from within."""

    def __init__(self, address, source="127.0.0.1"):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve_good_client,
                                               args=(address, source, other), daemon=True)
        self.process.start()

    def end(self):
        self.pipe.send(None)
        took, failures = self.pipe.recv()
        self.process.join()
        return sorted(took), failures


class Memory:
    """The server's resident memory: what it grew to since the beginning, in MiB."""

    def __init__(self, pid):
        self.folder = f"/proc/{pid}/"
        with open(self.folder + "clear_refs", "w", encoding="ascii") as file:
            file.write("5")     # the peak begins here
        self.begin = self.read("VmRSS")

    def read(self, name):
        with open(self.folder + "status", encoding="ascii") as file:
            for line in file:
                if line.startswith(name + ":"):
                    return int(line.split()[1]) / 1024
        raise AssertionError(name)

    def peak(self):
        return self.read("VmHWM") - self.begin


class Scene:
    def __init__(self, name, *flags, memory_max=64, source="127.0.0.1"):
        self.name, self.flags = name, flags
        self.memory_max, self.source = memory_max, source

    def __enter__(self):
        self.sync = harness.Sync(*self.flags)
        self.http, self.rpc = self.sync.http, self.sync.rpc
        for _ in range(20):
            self.sync.ask("POST", "/sync/queue", JOB, org="good")
            self.sync.ask("GET", "/sync/info", org="good")
        self.memory = Memory(self.sync.server.child.pid)
        self.good = GoodClient(self.http, self.source)
        return self

    def __exit__(self, kind, value, trace):
        took, failures = self.good.end()
        peak = self.memory.peak()
        self.sync.__exit__(kind, value, trace)
        if kind is not None:
            return
        at = [took[min(len(took) - 1, int(len(took) * part))][0] * 1000 for part in (0.5, 0.99)]
        longest, what = took[-1]
        print(f"{self.name}: good client {len(took)} requests, p50 {at[0]:.1f} ms, "
              f"p99 {at[1]:.1f} ms, max {longest * 1000:.0f} ms ({what}); memory +{peak:.1f} MiB",
              flush=True)
        assert not failures, failures[:5]
        assert longest < LATENCY_MAX_S, took[-1]
        assert peak < self.memory_max * MEMORY_FACTOR, f"{peak} MiB"

    def metrics(self):
        connection = http.client.HTTPConnection(*endpoint(self.http), timeout=30)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return prometheus.parse(text)

    def closed(self, *reasons):
        """Connections that were closed for one of the reasons."""
        ended = self.metrics()["sync_http_connections_closed_total"]
        return sum(ended.value(reason=reason) for reason in reasons)

    def refused(self, reason):
        return self.metrics()["sync_http_connections_refused_total"].value(reason=reason)

    def requests_refused(self, reason):
        return self.metrics()["sync_http_requests_refused_total"].value(reason=reason)

    def open_connections(self):
        return self.metrics()["sync_http_connections"].value()

    def wait_until(self, count, counted, meanwhile=lambda: None):
        """Until so many are counted as cut off. Says how long it took."""
        begun = time.monotonic()

        def enough():
            meanwhile()
            return counted() >= count

        harness.wait_until(f"{count} are cut off", enough)
        took = time.monotonic() - begun
        print(f"{self.name}: {count} cut off after {took:.1f} s", flush=True)
        return took


class Crowd:
    """Many connections of one kind, none of which waits for anything."""

    def __init__(self, address, count, source="127.0.0.1", receive_buffer=None):
        self.sockets = []
        self.address, self.source, self.receive_buffer = address, source, receive_buffer
        self.grow(count)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def grow(self, count):
        for _ in range(count):
            one = socket.socket()
            one.bind((self.source, 0))
            if self.receive_buffer is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
            try:
                one.connect(endpoint(self.address))
            except OSError:     # dropped: one attacker less
                one.close()
                continue
            one.setblocking(False)
            self.sockets.append(one)

    def send(self, data, newest=0):
        for one in self.sockets[-newest:]:
            try:
                one.send(data)
            except OSError:
                pass

    def read(self, size=65536):
        """What has come, by socket; None where the server has closed it."""
        came = {}
        for one in self.sockets:
            try:
                data = one.recv(size)
                came[one] = data or None
            except BlockingIOError:
                came[one] = b""
            except OSError:
                came[one] = None
        return came

    def wait_readable(self, timeout=harness.PATIENCE_S):
        """Until something has come for every one of them, be it the end."""
        poll, end = select.poll(), time.monotonic() + timeout
        for one in self.sockets:
            poll.register(one, select.POLLIN)
        left = len(self.sockets)
        while left > 0:
            assert time.monotonic() < end, f"{left} of {len(self.sockets)} got nothing"
            for number, _ in poll.poll(100):
                poll.unregister(number)
                left -= 1

    def close(self):
        for one in self.sockets:
            one.close()
        self.sockets = []


def allow_many_sockets():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    """Runs the tests of the file that calls it, or those of the class that is named."""
    module, result = sys.modules["__main__"], harness.Result()
    loader = unittest.defaultTestLoader
    for wanted in sys.argv[1:] or [None]:
        tests = loader.loadTestsFromName(wanted, module) if wanted \
            else loader.loadTestsFromModule(module)
        tests.run(result)
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
