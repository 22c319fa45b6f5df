"""Hostile and broken peers at the JSON API's port: each is cut off within a bound,
the server's memory stays within one, and who behaves is served meanwhile.

usage: gateway_test.py [CLASS]     one class of them, or all
"""

import json
import socket
import struct
import time
import unittest

import hostile
from hostile import Crowd, Scene

import harness
import raw_http

SHORT = ("--http-head-timeout", "500ms", "--http-body-timeout", "500ms",
         "--http-idle-timeout", "500ms", "--http-write-timeout", "500ms")
IN_TIME_S = 30 if hostile.SANITIZED else 5      # on a machine with much else to do
HEAD = b"GET /sync HTTP/1.1\r\nHost: localhost\r\norgid: evil\r\n"
GET = HEAD + b"\r\n"
QUEUE = b"POST /sync/queue HTTP/1.1\r\nHost: localhost\r\norgid: evil\r\n"
PAUSE = b"POST /sync/pause/nothing HTTP/1.1\r\nHost: localhost\r\norgid: evil\r\n\r\n"
WATCH = b"GET /sync/watch HTTP/1.1\r\nHost: localhost\r\norgid: evil\r\n\r\n"
LIST = b"GET /sync/jobs?pageSize=1000 HTTP/1.1\r\nHost: localhost\r\norgid: evil\r\n\r\n"


def job(name, size):
    return {"name": name, "type": "full",
            "data": {"source": "a", "target": "b", "ballast": "x" * size}}


def statuses(data):
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


class SlowPeers(unittest.TestCase):
    def test_heads_that_come_byte_by_byte(self):
        with Scene("slow heads", *SHORT) as scene, \
                Crowd(scene.http, 150) as crowd:
            crowd.send(HEAD)
            took = scene.wait_until(150, lambda: scene.requests_refused("late"),
                                    meanwhile=lambda: crowd.send(b"X"))
            self.assertLess(took, IN_TIME_S)
            for came in crowd.read().values():
                self.assertTrue(came is None or statuses(came) == [408], came)

    def test_more_slow_heads_than_there_are_places(self):
        with Scene("many slow heads", "--http-connections-max", "100") as scene, \
                Crowd(scene.http, 100) as crowd:
            for _ in range(20):
                crowd.grow(50)
                crowd.send(b"GET /sync HT")
            self.assertLessEqual(scene.open_connections(), 100)
            self.assertGreater(scene.closed("crowded"), 900)
            self.assertEqual(scene.refused("full"), 0)

    def test_connections_that_never_say_anything(self):
        with Scene("silent connections", *SHORT) as scene, Crowd(scene.http, 300):
            scene.wait_until(300, lambda: scene.closed("idle"))

    def test_bodies_that_come_byte_by_byte(self):
        kinds = {"length": b"Content-Length: 100000\r\n\r\n{",
                 "chunks": b"Transfer-Encoding: chunked\r\n\r\n1\r\n{"}
        for kind, begin in kinds.items():
            trickle = b" " if kind == "length" else b"\r\n1\r\n "
            with Scene(f"slow bodies by {kind}", *SHORT) as scene, \
                    Crowd(scene.http, 150) as crowd:
                crowd.send(QUEUE + begin)
                took = scene.wait_until(150, lambda: scene.requests_refused("late"),
                                        meanwhile=lambda: crowd.send(trickle))
                self.assertLess(took, IN_TIME_S)

    def test_large_bodies_that_never_end(self):
        flags = ("--http-memory-max", "16MiB", "--http-body-timeout", "60s")
        almost = 1000 * 1024
        with Scene("unfinished bodies", *flags, memory_max=80) as scene, \
                Crowd(scene.http, 0) as crowd:
            head = QUEUE + b"Content-Length: %d\r\n\r\n" % (almost + 1)
            for _ in range(100):
                crowd.grow(1)
                crowd.sockets[-1].setblocking(True)
                try:
                    crowd.sockets[-1].sendall(head + b" " * almost)
                except OSError:
                    pass
            harness.wait_until("most have lost what they sent",
                               lambda: scene.closed("memory") >= 80)

    def test_slow_but_steady_bodies_are_served(self):
        body = json.dumps(job("steady", 3000)).encode()
        flags = (*SHORT, "--http-bytes-per-second-min", "1KiB")
        with Scene("steady bodies", *flags) as scene, \
                raw_http.Connection(scene.http) as connection:
            connection.send(QUEUE + b"Content-Length: %d\r\n\r\n" % len(body))
            begun = time.monotonic()
            for at in range(0, len(body), 64):
                connection.send(body[at:at + 64])
                time.sleep(0.025)   # it is the speed that is tested: 2.5 KiB a second
            self.assertGreater(time.monotonic() - begun, 1)
            self.assertEqual(connection.receive().status, 200)


class PeersThatDoNotRead(unittest.TestCase):
    def fill(self, scene, count, size):
        for i in range(count):
            self.assertEqual(
                scene.sync.ask("POST", "/sync/queue", job(f"big-{i}", size), org="evil")[0], 200)

    def test_large_lists_that_nobody_reads(self):
        flags = (*SHORT, "--http-memory-max", "16MiB")
        with Scene("unread lists", *flags, memory_max=120) as scene:
            self.fill(scene, 40, 50000)
            with Crowd(scene.http, 50, receive_buffer=4096) as crowd:
                crowd.send(LIST * 3)
                scene.wait_until(50, lambda: scene.closed("memory", "unread"))
                self.assertGreater(scene.closed("memory"), 0)

    def test_watches_that_nobody_reads(self):
        with Scene("unread watches", *SHORT, memory_max=96) as scene, \
                Crowd(scene.http, 50, receive_buffer=4096) as crowd:
            crowd.send(WATCH)
            crowd.wait_readable()
            self.fill(scene, 40, 16000)
            scene.wait_until(50, lambda: scene.closed("unread"))

    def test_one_byte_a_second_is_not_reading(self):
        with Scene("slow readers", *SHORT) as scene:
            self.fill(scene, 40, 50000)
            with Crowd(scene.http, 20, receive_buffer=4096) as crowd:
                crowd.send(LIST)
                crowd.wait_readable()
                scene.wait_until(20, lambda: scene.closed("unread"),
                                 meanwhile=lambda: crowd.read(1))

    def test_requests_in_a_row_whose_answers_nobody_reads(self):
        with Scene("unread pipelines", *SHORT) as scene, \
                Crowd(scene.http, 50, receive_buffer=4096) as crowd:
            for _ in range(20):
                crowd.send(GET * 1000)
            scene.wait_until(50, lambda: scene.closed("unread"),
                             meanwhile=lambda: crowd.send(GET * 100))


class Crowds(unittest.TestCase):
    def test_thousands_of_idle_connections(self):
        with Scene("idle connections", "--http-connections-max", "500") as scene, \
                Crowd(scene.http, 0) as crowd:
            for _ in range(30):
                crowd.grow(100)
                crowd.send(GET, newest=100)
            self.assertLessEqual(scene.open_connections(), 500)
            self.assertGreater(scene.closed("crowded"), 2000)

    def test_connections_opened_and_broken_as_fast_as_possible(self):
        reset = struct.pack("ii", 1, 0)
        with Scene("connection flood", "--http-connections-max", "100") as scene:
            end, count = time.monotonic() + 1, 0
            while time.monotonic() < end:
                with Crowd(scene.http, 50) as crowd:
                    crowd.send(GET)
                    for one in crowd.sockets:
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                    count += len(crowd.sockets)
            print(f"connection flood: {count} connections in 1 s")
            harness.wait_until("all of them are gone", lambda: scene.open_connections() <= 3)

    def test_one_address_with_more_watches_than_it_may_have(self):
        flags = ("--http-connections-max", "80", "--http-watches-max", "80")
        with Scene("one greedy address", *flags) as scene, \
                Crowd(scene.http, 60, source="127.0.0.2") as crowd:
            crowd.send(WATCH)
            crowd.wait_readable()
            crowd.grow(60)
            harness.wait_until("the others are told", lambda: scene.refused("address") >= 60)
            self.assertGreater(scene.open_connections(), 60)

    def test_more_watches_than_there_may_be(self):
        with Scene("many watches", "--http-watches-max", "10") as scene, \
                Crowd(scene.http, 100) as crowd:
            crowd.send(WATCH)
            crowd.wait_readable()
            got = [statuses(came)[0] for came in crowd.read().values()]
            self.assertEqual((got.count(200), got.count(503)), (10, 90))

    def test_connections_closed_on_one_side(self):
        with Scene("half-closed connections", *SHORT) as scene, \
                Crowd(scene.http, 300) as crowd:
            for i, one in enumerate(crowd.sockets):
                one.send((b"", GET, HEAD)[i % 3])
                one.shutdown(socket.SHUT_WR)
            crowd.wait_readable()
            harness.wait_until("all of them are gone", lambda: scene.open_connections() <= 3)
            for came in crowd.read().values():
                self.assertTrue(came is None or statuses(came) == [200], came)

    def test_a_low_limit_of_descriptors_is_raised(self):
        hostile.resource.setrlimit(hostile.resource.RLIMIT_NOFILE,
                                   (128, hostile.resource.getrlimit(
                                       hostile.resource.RLIMIT_NOFILE)[1]))
        try:
            scene = Scene("few descriptors")
            scene.__enter__()
        finally:
            hostile.allow_many_sockets()
        try:
            with Crowd(scene.http, 300) as crowd:
                crowd.send(GET)
                crowd.wait_readable()
                self.assertEqual({statuses(came)[0] for came in crowd.read().values()}, {200})
        finally:
            scene.__exit__(None, None, None)


class Storms(unittest.TestCase):
    def test_requests_in_a_row_take_turns_with_others(self):
        with Scene("pipelines", "--http-requests-per-connection", "30000") as scene, \
                Crowd(scene.http, 20) as crowd:
            health = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
            answered = dict.fromkeys(crowd.sockets, 0)
            end = time.monotonic() + 2
            while time.monotonic() < end:
                crowd.send(health * 200)
                for one, came in crowd.read().items():
                    self.assertIsNotNone(came)
                    answered[one] += came.count(b"HTTP/1.1 200 ")
            self.assertGreater(min(answered.values()), 100)
            print(f"pipelines: {sum(answered.values())} answers in 2 s, "
                  f"{min(answered.values())} to {max(answered.values())} for each of 20")

    def test_more_requests_than_an_organisation_may_ask(self):
        with Scene("request storm") as scene:
            done = scene.sync.syncctl("orgs", "evil", "--max-requests", "50", org=None)
            self.assertEqual(done.returncode, 0, done.stderr)
            got = []
            end = time.monotonic() + 2
            with raw_http.Connection(scene.http) as connection:
                while time.monotonic() < end and len(got) < 9000:
                    connection.send(PAUSE)
                    answer = connection.receive()
                    got.append(answer.status)
                    if answer.status == 429:
                        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
            self.assertEqual(set(got), {404, 429})
            self.assertLess(got.count(404), 200)
            print(f"request storm: {got.count(404)} answered, {got.count(429)} refused")


class JsonBombs(unittest.TestCase):
    ROOM = 1 << 20

    def ask(self, scene, body):
        begun = time.monotonic()
        with raw_http.Connection(scene.http) as connection:
            connection.send(QUEUE + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            answer = connection.receive()
        return answer, time.monotonic() - begun

    def document(self, value):
        return b'{"name":"x","type":"full","data":{"source":"a","target":"b","v":%s}}' % value

    def bombs(self):
        most = self.ROOM - 200
        members = b",".join(b'"%06x":0' % i for i in range(most // 11))
        return {
            "arrays without end": (b"[" * self.ROOM, 400),
            "objects without end": (b'{"a":' * (self.ROOM // 5), 400),
            "deep and closed": (self.document(b"[" * 5000 + b"]" * 5000), 400),
            "a number of a megabyte": (self.document(b"1" * most), 400),
            "a fraction of a megabyte": (self.document(b"0." + b"1" * (most - 2)), 200),
            "a huge exponent": (self.document(b"1e999999999"), 400),
            "a huge number where one counts": (
                b'{"name":"x","type":"full","data":{"source":"a","target":"b"},'
                b'"options":{"maxRetries":1e999}}', 400),
            "a string of a megabyte": (self.document(b'"%s"' % (b"x" * (most - 2))), 200),
            "escapes of a megabyte": (self.document(b'"%s"' % (b"\\u0041" * (most // 6 - 1))), 200),
            "as many members as there is room for": (self.document(b"{%s}" % members), 200),
            "members that come twice": (self.document(b'{"a":1,"a":2}'), 400),
            "a known member that comes twice": (
                b'{"name":"x","name":"y","type":"full","data":{"source":"a","target":"b"}}', 400),
            "as many elements as there is room for": (
                self.document(b"[" + b"0," * (most // 2 - 2) + b"0]"), 200),
            "bytes that are no UTF-8": (self.document(b'"\xff\xfe"'), 400),
            "UTF-8 that is longer than it must be": (self.document(b'"\xc0\xaf"'), 400),
            "half of a surrogate pair": (self.document(b'"\\ud800"'), 400),
            "the halves of a pair in the wrong order": (self.document(b'"\\udc00\\ud800"'), 400),
            "a NUL in a text": (self.document(b'"\\u0000"'), 400),
            "a NUL in a name": (b'{"name":"x\\u0000y","type":"full",'
                                b'"data":{"source":"a","target":"b"}}', 400),
            "a byte order mark": (b"\xef\xbb\xbf" + self.document(b"1"), 400),
            "two documents": (self.document(b"1") * 2, 400),
            "comments": (self.document(b"/**/1"), 400),
            "NaN": (self.document(b"NaN"), 400),
        }

    def test_every_bomb_is_answered_at_once(self):
        with Scene("JSON bombs", memory_max=160) as scene:
            for name, (body, status) in self.bombs().items():
                with self.subTest(name):
                    answer, took = self.ask(scene, body)
                    print(f"JSON bombs: {name}: {answer.status} in {took * 1000:.0f} ms")
                    self.assertEqual(answer.status, status, answer)
                    self.assertLess(took, 2 if not hostile.SANITIZED else 20)

    def test_bombs_from_many_at_once(self):
        body = self.bombs()["as many members as there is room for"][0]
        with Scene("many bombs", memory_max=400) as scene, Crowd(scene.http, 0) as crowd:
            for _ in range(15):
                crowd.grow(1)
                crowd.sockets[-1].setblocking(True)
                crowd.sockets[-1].sendall(QUEUE + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            crowd.wait_readable()
            for one in crowd.sockets:
                self.assertIn(statuses(one.recv(4096))[0], (200, 503))


if __name__ == "__main__":
    hostile.allow_many_sockets()
    hostile.main()
