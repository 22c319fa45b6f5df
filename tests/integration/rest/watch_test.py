#!/usr/bin/python3
"""/sync/watch and /metrics of a real syncd, over sockets and with curl.

    watch_test.py --syncd PROGRAM
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import curl
import prometheus
import server

options = None
syncd = None
PATIENCE_S = 30


def setUpModule():
    global syncd
    syncd = server.Server(options.syncd)


def tearDownModule():
    syncd.stop()


class Events:
    """A stream of server-sent events, taken apart as the standard says."""

    def __init__(self, address, path, headers=None):
        host, port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
        # A small window, so that a reader that does not read is noticed.
        self.connection.sock = socket.socket()
        self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.connection.sock.settimeout(PATIENCE_S)
        self.connection.sock.connect((host, int(port)))
        self.connection.request("GET", path, headers=headers or {})
        self.answer = self.connection.getresponse()
        self.last_id = ""
        self.comments = []

    def next(self):
        """(event, data as JSON), or None at the end of the stream."""
        event, data = "message", []
        for raw in iter(self.answer.readline, b""):
            line = raw.decode("utf-8").rstrip("\n")
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if line == "" and data:
                return event, json.loads("\n".join(data))
            if line == "":
                event = "message"
            elif field == "":
                self.comments.append(value)
            elif field == "event":
                event = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self.last_id = value
        return None

    def until(self, event):
        """What came before that event."""
        before = []
        for got in iter(self.next, None):
            if got[0] == event:
                return before
            before.append(got)
        raise AssertionError("the stream ended before " + event)

    def close(self):
        self.answer.close()
        self.connection.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.org = "org-" + self.id().rsplit(".", 1)[-1].replace("_", "-")[:60]
        self.client = curl.Client(syncd.http, self.org)

    def watch(self, query="", **headers):
        stream = Events(syncd.http, "/sync/watch" + query, {"orgid": self.org, **headers})
        self.addCleanup(stream.close)
        self.assertEqual(stream.answer.status, 200)
        return stream

    def queue(self, name):
        answer = self.client.post("/sync/queue", {
            "name": name, "type": "full", "data": {"source": "none", "target": "none"}})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()["job"]["id"]

    def metrics(self):
        answer = self.client.get("/metrics")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["content-type"],
                         "text/plain; version=0.0.4; charset=utf-8")
        return prometheus.parse(answer.body.decode("utf-8"))

    def wait_for(self, what, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)


class Watch(Case):
    def test_a_watch_begins_with_the_jobs_there_are_and_goes_on_with_every_change(self):
        first = self.queue("first")
        stream = self.watch()
        self.assertEqual([(kind, job["id"]) for kind, job in stream.until("synced")],
                         [("job", first)])
        second = self.queue("second")
        self.client.post("/sync/pause/second")
        self.client.post("/sync/cancel/second")
        seen = [stream.next() for _ in range(3)]
        self.assertEqual([kind for kind, _ in seen], ["job"] * 3)
        self.assertEqual([(job["id"], job["status"]) for _, job in seen],
                         [(second, "queued"), (second, "paused"), (second, "cancelled")])

    def test_a_job_is_shown_as_in_the_list_of_jobs(self):
        self.queue("product-sync")
        (_, shown), = self.watch().until("synced")
        listed, = self.client.get("/sync/jobs").json()["jobs"]
        self.assertEqual(shown, listed)

    def test_a_watch_goes_on_where_it_was(self):
        stream = self.watch()
        stream.until("synced")
        self.queue("before")
        stream.next()
        stream.close()
        missed = self.queue("missed")
        for again in (self.watch(**{"Last-Event-ID": stream.last_id}),
                      self.watch("?lastEventId=" + stream.last_id)):
            kind, job = again.next()
            self.assertEqual((kind, job["id"]), ("job", missed))

    def test_who_was_away_too_long_is_told_to_list_again(self):
        stream = self.watch("?lastEventId=1")
        kind, relist = stream.next()
        self.assertEqual(kind, "relist")
        self.assertIn("list", relist["reason"])
        self.queue("after")
        kind, job = stream.next()
        self.assertEqual((kind, job["name"]), ("job", "after"))

    def test_a_watch_of_a_name_or_an_id_sees_nothing_else(self):
        wanted = self.queue("wanted")
        self.queue("other")
        for query in ("?name=wanted", "?id=" + wanted):
            stream = self.watch(query)
            self.assertEqual([job["id"] for _, job in stream.until("synced")], [wanted])
            self.client.post("/sync/pause/other")
            self.client.post("/sync/pause/wanted")
            self.assertEqual(stream.next()[1]["name"], "wanted")
            self.client.post("/sync/resume/other")
            self.client.post("/sync/resume/wanted")
            self.assertEqual(stream.next()[1]["name"], "wanted")

    def test_another_organisation_sees_nothing(self):
        mine = self.queue("mine")
        other = Events(syncd.http, "/sync/watch?orgid=somebody-else")
        self.addCleanup(other.close)
        self.assertEqual(other.until("synced"), [])
        refused = Events(syncd.http, "/sync/watch?orgid=somebody-else&id=" + mine)
        self.addCleanup(refused.close)
        self.assertEqual(refused.answer.status, 404)

    def test_curl_without_headers_can_watch(self):
        self.queue("by-curl")
        done = subprocess.run(["curl", "-sN", "--max-time", "2",
                               "http://%s/sync/watch?orgid=%s" % (syncd.http, self.org)],
                              capture_output=True, check=False)
        self.assertIn(b"event: job\ndata: {", done.stdout)
        self.assertIn(b"event: synced\ndata: {}\n\n", done.stdout)

    def test_a_reader_that_falls_too_far_behind_is_told_to_list_again(self):
        """16 MiB of events are kept; these are 40 MB, of which some are under way."""
        stream = self.watch()
        stream.until("synced")
        padding = "x" * 800_000
        for i in range(50):
            answer = self.client.post("/sync/queue", {
                "name": "large-%d" % i, "type": "full",
                "data": {"source": "none", "target": "none", "padding": padding}})
            self.assertEqual(answer.status, 200)
        before = stream.until("relist")
        self.assertLess(len(before), 50)
        self.assertEqual([job["name"] for _, job in before],
                         ["large-%d" % i for i in range(len(before))])
        self.queue("after")
        for kind, job in iter(stream.next, None):
            if kind == "job" and job["name"] == "after":
                break
        else:
            self.fail("the stream ended")

    def test_a_client_that_goes_leaves_nothing_open(self):
        streams = [self.watch() for _ in range(5)]
        for stream in streams:
            stream.until("synced")
        watches = lambda: self.metrics()["sync_http_watches"].value()
        before = watches()
        for stream in streams:
            stream.close()
        self.wait_for("the watches end", lambda: watches() <= before - 5)
        self.wait_for("the service's, too",
                      lambda: self.metrics()["sync_watches"].value() == watches())

    def test_a_server_that_drains_ends_its_watches(self):
        own = server.Server(options.syncd)
        stream = Events(own.http, "/sync/watch?orgid=a")
        stream.until("synced")
        own.stop()
        self.assertIsNone(stream.next())
        self.assertEqual(stream.comments, ["UNAVAILABLE"])
        stream.close()


class Metrics(Case):
    def test_the_page_counts_what_happened(self):
        before = self.metrics()
        self.queue("counted")
        self.client.get("/sync/jobs/job_none")
        self.client.get("/nowhere")
        after = self.metrics()

        def more(family, **labels):
            key = (family, tuple(sorted(labels.items())))
            return after[family].samples[key] - before[family].samples.get(key, 0)

        self.assertEqual(after["sync_up"].value(), 1)
        self.assertEqual(more("sync_jobs", state="queued"), 1)
        self.assertEqual(more("sync_http_requests_total", route="/sync/queue", code="200"), 1)
        self.assertEqual(more("sync_http_requests_total", route="/sync/jobs/:id", code="404"), 1)
        self.assertEqual(more("sync_http_requests_total", route="none", code="404"), 1)
        self.assertEqual(more("sync_rpc_requests_total", service="sync.v1.SyncService",
                              method="QueueJob", code="OK"), 1)
        self.assertEqual(more("sync_rpc_requests_total", service="sync.v1.SyncService",
                              method="GetJob", code="NOT_FOUND"), 1)
        self.assertGreaterEqual(more("sync_store_commits_total"), 1)
        self.assertGreater(more("sync_store_written_bytes_total"), 100)
        self.assertEqual(after["sync_leases"].value(), 0)
        self.assertGreater(after["process_resident_memory_bytes"].value(), 1 << 20)
        count = ("sync_http_request_duration_seconds_count", (("route", "/sync/queue"),))
        self.assertGreaterEqual(
            after["sync_http_request_duration_seconds"].samples[count], 1)

    def test_the_parser_finds_what_is_wrong(self):
        for text in ("a 1\n", "# HELP a x\n# TYPE a gauge\na 1", "# HELP a x\na 1\n",
                     "# HELP a x\n# TYPE a gauge\nb 1\n", "# HELP a x\n# TYPE a gauge\na 1\na 1\n",
                     "# HELP a x\n# TYPE a counter\na 1\n",
                     "# HELP a x\n# TYPE a gauge\na{b=c} 1\n",
                     "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n"):
            with self.assertRaises(ValueError, msg=text):
                prometheus.parse(text)


def main():
    global options
    parser = argparse.ArgumentParser()
    parser.add_argument("--syncd", required=True)
    options, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2)


if __name__ == "__main__":
    main()
