"""A job's life as it looks from outside: what it waits for, what an
organisation may do, what the service says of itself."""

import http.client
import json
import time
import unittest

import grpc
from sync.v1 import sync_pb2, worker_pb2

import harness
from grpc_client import Client, method

MIB = 1 << 20


def job(name, **more):
    return dict({"name": name, "type": "full", "data": {"source": "one", "target": "two"}}, **more)


def of_size(name, size):
    """A request whose body has exactly so many bytes."""
    body = json.dumps(job(name))
    return body[:-2] + ', "fill": "' + "x" * (size - len(body) - 12) + '"}}'


def nested(name, depth):
    """Its data is so many objects in each other."""
    return ('{"name": "%s", "type": "full", "data": {"source": "one", "target": "two", "in": %s}}'
            % (name, '{"in": ' * (depth - 2) + "{}" + "}" * (depth - 2)))


class LifeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Sync("--pause-grace", "1s", "--watch-heartbeat", "200ms")
        cls.client = Client(cls.server.rpc)

    @classmethod
    def tearDownClass(cls):
        cls.client.channel.close()
        cls.server.__exit__(None, None, None)

    def setUp(self):
        # Workers serve every organisation: nothing of another test may be left.
        self.org = self._testMethodName[5:].replace("_", "-")
        self.addCleanup(self.cancel_all)

    def cancel_all(self):
        for each in self.ok("GET", "/sync/jobs")["jobs"]:
            if each["status"] in ("queued", "scheduled", "active", "paused"):
                self.server.ask("POST", f"/sync/jobs/{each['id']}/cancel", org=self.org)

    def ask(self, method, path, body=None, **more):
        return self.server.ask(method, path, body, org=self.org, **more)

    def ok(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        self.assertEqual(status, 200, answer)
        return answer

    def queue(self, name, **more):
        return self.ok("POST", "/sync/queue", job(name, **more))["job"]

    def limit(self, *flags):
        done = self.server.syncctl("orgs", self.org, *flags, org=None)
        self.assertEqual(done.returncode, 0, done.stderr)

    def everywhere(self, id):
        """The job in all three of the answers that show it."""
        found = [self.ok("GET", "/sync/jobs/" + id)["job"]]
        for path, member in (("/sync/jobs", "jobs"), ("/sync/info", "syncJobs")):
            found += [each for each in self.ok("GET", path)[member] if each["id"] == id]
        self.assertEqual(len(found), 3)
        return found

    def assert_waits(self, id, reason):
        self.assertEqual([each.get("waitReason") for each in self.everywhere(id)], [reason] * 3)

    def test_every_waiting_job_says_what_it_waits_for(self):
        paused = self.queue("paused")
        self.ok("POST", "/sync/pause/paused")
        failing = self.queue("failing")
        leased = self.client.lease(["one"])
        self.assertEqual(leased.lease.job_id, failing["id"])
        self.client.worker("FailJob", worker_pb2.FailJobRequest(
            lease=leased.lease, message="not now",
            failure_class=worker_pb2.FAILURE_CLASS_TRANSIENT))
        held = self.queue("held")
        self.assertEqual(self.client.lease(["one"]).lease.job_id, held["id"])
        reasons = {
            "paused": paused["id"],
            "backoff": failing["id"],
            "earlier_run": self.queue("held")["id"],
            "turn": self.queue("behind")["id"],
            "no_worker": self.queue("strange", data={"source": "no", "target": "no"})["id"],
            "schedule": self.queue("later", type="scheduled", schedule={
                "startAt": "2099-01-01T00:00:00Z", "repeat": "daily"})["id"],
        }
        self.limit("--max-active", "1")
        limited = self.queue("limited")["id"]
        self.assert_waits(limited, "limit")
        self.assert_waits(reasons["turn"], "limit")
        self.limit("--max-active", "0")
        for reason, id in reasons.items():
            with self.subTest(reason):
                self.assert_waits(id, reason)
        self.assertNotIn("waitReason", self.everywhere(held["id"])[0])

    def test_a_retry_that_waits_for_its_backoff_is_queued_with_not_before(self):
        queued = self.queue("retried")
        leased = self.client.lease(["one"])
        answer = self.client.worker("FailJob", worker_pb2.FailJobRequest(
            lease=leased.lease, failure_class=worker_pb2.FAILURE_CLASS_RATE_LIMITED,
            retry_after={"seconds": 600}))
        self.assertTrue(answer.will_retry)
        shown = self.ok("GET", "/sync/jobs/" + queued["id"])["job"]
        self.assertEqual(shown["status"], "queued")
        self.assertGreater(shown["notBefore"], shown["queuedAt"])
        self.assertTrue(shown["notBefore"].endswith("Z"))

    def test_above_its_limit_of_queued_jobs_an_organisation_gets_429(self):
        self.limit("--max-queued", "2")
        self.queue("a")
        self.queue("b")
        status, answer = self.ask("POST", "/sync/queue", job("c"))
        self.assertEqual(status, 429, answer)
        self.assertEqual(answer["code"], "RESOURCE_EXHAUSTED")
        self.assertGreaterEqual(int(self.server.headers["retry-after"]), 1)
        with self.assertRaises(grpc.RpcError) as refused:
            self.client.sync("QueueJob", sync_pb2.QueueJobRequest(
                org_id=self.org, name="c", type=sync_pb2.JOB_TYPE_FULL,
                data=sync_pb2.JobData(source="one", target="two")))
        self.assertEqual(refused.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.ok("POST", "/sync/cancel/a")
        self.queue("c")

    def test_above_its_request_rate_an_organisation_is_told_when_to_come_back(self):
        self.queue("paced")
        self.limit("--max-requests", "1")
        self.addCleanup(self.limit, "--max-requests", "0")

        def refused():
            status, answer = self.ask("POST", "/sync/pause/paced")
            return answer if status == 429 else None

        answer = harness.wait_until("a request is refused", refused)
        self.assertEqual(answer["code"], "RESOURCE_EXHAUSTED")
        pause = int(self.server.headers["retry-after"])
        self.assertEqual(pause, 1)
        harness.wait_until("the next one is taken", lambda: self.ask(
            "POST", "/sync/resume/paced")[0] == 200)

    def test_a_worker_that_does_not_let_go_within_the_pause_grace_is_too_late(self):
        queued = self.queue("stubborn")
        leased = self.client.lease(["one"])
        paused = self.ok("POST", "/sync/pause/stubborn")["job"]
        self.assertEqual((paused["status"], paused["state"]), ("paused", "pausing"))
        self.assertIn("leaseHeldUntil", paused)
        started = time.monotonic()
        paused = self.ok("POST", "/sync/pause/stubborn?wait=30")["job"]
        self.assertLess(time.monotonic() - started, 20)   # the lease alone is 60 s
        self.assertEqual(paused["status"], "paused")
        self.assertNotIn("state", paused)
        with self.assertRaises(grpc.RpcError) as late:
            self.client.worker("CompleteJob", worker_pb2.CompleteJobRequest(lease=leased.lease))
        self.assertEqual(late.exception.code(), grpc.StatusCode.ABORTED)
        self.assertEqual(self.ok("GET", "/sync/jobs/" + queued["id"])["job"]["status"], "paused")

    def test_what_the_state_of_a_job_forbids_is_409_and_names_both(self):
        queued = self.queue("over")
        leased = self.client.lease(["one"])
        self.client.worker("CompleteJob", worker_pb2.CompleteJobRequest(lease=leased.lease))
        for verb in ("pause", "resume", "cancel", "retry"):
            status, answer = self.ask("POST", f"/sync/jobs/{queued['id']}/{verb}")
            self.assertEqual((status, answer["error"]), (409, "Conflict"))
            self.assertIn("completed", answer["message"])
            self.assertIn(verb, answer["message"])

    def test_a_name_in_a_path_is_decoded_once_and_case_counts(self):
        queued = self.queue("Orders")
        self.assertEqual(self.ok("POST", "/sync/pause/%4Frders")["job"]["id"], queued["id"])
        self.assertEqual(self.ask("POST", "/sync/pause/orders")[0], 404)
        self.assertEqual(self.ask("POST", "/sync/pause/%254Frders")[0], 400)

    def test_with_a_free_worker_slot_a_job_starts_now_and_says_why(self):
        self.queue("first")
        leased = self.client.lease(["one"])   # it has more slots, and is expected back
        self.client.worker("CompleteJob", worker_pb2.CompleteJobRequest(lease=leased.lease))
        second = self.queue("second")
        self.assertLess(second["estimate"]["low"], second["estimate"]["high"] + "~")
        self.assertEqual(second["estimate"]["basis"], "idle_worker")
        self.assertTrue(second["estimatedStart"].endswith("Z"))
        self.ok("POST", "/sync/pause/second")
        for shown in self.everywhere(second["id"]):
            self.assertNotIn("estimatedStart", shown)
            self.assertNotIn("estimatedCompletion", shown)

    def test_a_silent_watch_says_that_it_is_still_there(self):
        self.queue("quiet")
        connection = http.client.HTTPConnection(self.server.http, timeout=harness.PATIENCE_S)
        connection.request("GET", "/sync/watch", headers={"orgid": self.org})
        answer = connection.getresponse()
        lines = iter(answer.readline, b"")
        self.assertIn(b": heartbeat\n", lines)
        self.assertIn(b": heartbeat\n", lines)
        connection.close()
        watch = method(self.client.channel, "sync.v1.SyncService", "WatchJobs",
                       sync_pb2.WatchJobsResponse, "down")(
            sync_pb2.WatchJobsRequest(org_id=self.org), timeout=harness.PATIENCE_S)
        self.assertIn("heartbeat", (event.WhichOneof("event") for event in watch))
        watch.cancel()

    def test_what_data_holds_besides_is_handed_to_the_worker_as_it_came(self):
        data = '{ "source":"one", "target" : "two", "mine": [1.50, "\\u00e9", {"a":null}] }'
        status, _ = self.ask("POST", "/sync/queue",
                             '{"name": "odd", "type": "full", "data": %s}' % data,
                             headers={"content-type": "application/json"})
        self.assertEqual(status, 200)
        leased = self.client.lease(["one"])
        self.assertEqual(leased.data.json, data)
        self.client.worker("CompleteJob", worker_pb2.CompleteJobRequest(lease=leased.lease))

    def test_a_body_of_one_mebibyte_is_taken_and_a_byte_more_is_not(self):
        status, answer = self.ask("POST", "/sync/queue", of_size("large", MIB),
                                  headers={"content-type": "application/json"})
        self.assertEqual(status, 200, answer)
        shown = self.ok("GET", "/sync/jobs/" + answer["job"]["id"])["job"]
        self.assertGreater(len(shown["data"]["fill"]), MIB - 200)
        status, answer = self.ask("POST", "/sync/queue", of_size("larger", MIB + 1),
                                  headers={"content-type": "application/json"})
        self.assertEqual((status, answer["error"]), (413, "Content Too Large"))

    def test_data_is_nested_up_to_thirty_two_deep(self):
        for depth, expected in ((32, 200), (33, 400)):
            status, answer = self.ask("POST", "/sync/queue", nested("deep", depth),
                                      headers={"content-type": "application/json"})
            self.assertEqual(status, expected, answer)
        self.assertIn("nested", answer["message"])

    def test_headers_of_sixteen_kibibytes_are_too_large(self):
        for size, expected in ((15000, 200), (16 * 1024, 431)):
            status, _ = self.ask("GET", "/sync/info", headers={"x-long": "x" * size})
            self.assertEqual(status, expected)

    def test_lists_are_narrowed_by_type_and_by_the_time_of_queueing(self):
        full = self.queue("full")
        entity = self.queue("entity", type="entity",
                            data={"source": "one", "target": "two", "entity": "products"})

        def ids(query):
            return [each["id"] for each in self.ok("GET", "/sync/jobs?" + query)["jobs"]]

        self.assertEqual(ids("type=entity"), [entity["id"]])
        self.assertEqual(ids("type=incremental"), [])
        self.assertEqual(ids("since=2020-01-01T00:00:00Z"), [entity["id"], full["id"]])
        self.assertEqual(ids("since=2099-01-01T00:00:00Z"), [])
        self.assertEqual(ids("until=2020-01-01T00:00:00Z"), [])
        self.assertEqual(ids("until=2099-01-01T00:00:00Z&type=full"), [full["id"]])

    def test_a_watermark_is_set_and_forgotten_over_http(self):
        self.queue("marked")
        path = "/sync/syncs/marked/watermark:reset"
        sync = self.ok("POST", path, {"entity": "products", "value": "2026-01-31T12:00:00Z",
                                      "reason": "once more"})["sync"]
        self.assertEqual([(mark["entity"], mark["value"]) for mark in sync["watermarks"]],
                         [("products", "2026-01-31T12:00:00Z")])
        sync = self.ok("POST", path + "?entity=products")["sync"]
        self.assertNotIn("value", sync["watermarks"][0])
        self.assertEqual(self.ask("POST", "/sync/syncs/nobody/watermark:reset")[0], 404)

    def test_a_lease_that_expires_is_a_failed_attempt_with_its_own_reason(self):
        queued = self.queue("silent")
        request = worker_pb2.LeaseJobsRequest(
            worker=worker_pb2.WorkerInfo(worker_id="silent", sources=["one"], targets=["*"],
                                         slots=1),
            max_jobs=1, wait={"seconds": 30}, lease_ttl={"seconds": 5})
        leased = self.client.worker("LeaseJobs", request).jobs[0]
        self.assertAlmostEqual(leased.heartbeat_interval.ToTimedelta().total_seconds(), 5 / 3, 2)
        path = "/sync/jobs/" + queued["id"]
        shown = harness.wait_until("the lease is over", lambda: [
            each for each in [self.ok("GET", path)["job"]] if each["status"] == "queued"])[0]
        self.assertEqual(shown["error"]["class"], "lease_expired")
        self.assertEqual(shown["attempts"], 1)
        with self.assertRaises(grpc.RpcError) as late:
            self.client.worker("CompleteJob", worker_pb2.CompleteJobRequest(lease=leased.lease))
        self.assertEqual(late.exception.code(), grpc.StatusCode.ABORTED)


class ServiceTest(unittest.TestCase):
    def test_a_service_whose_disk_is_nearly_full_is_degraded(self):
        with harness.Sync("--disk-free-min", "4000000GiB") as server:
            self.assertEqual(server.ask("GET", "/sync", org=None)[1]["status"], "degraded")
            self.assertEqual(server.ask("POST", "/sync/queue", job("taken"))[0], 200)
        with harness.Sync("--disk-free-min", "0") as server:
            self.assertEqual(server.ask("GET", "/sync", org=None)[1]["status"], "active")


if __name__ == "__main__":
    harness.main()
