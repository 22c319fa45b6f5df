#!/usr/bin/python3
"""Replays the documented API against a real syncd, with curl. What is expected
comes from the document: its examples are the files in examples/, word for
word. The jobs are worked on by worker.py, which does what a test tells it.

    replay_test.py --syncd PROGRAM --protos DIR [--protoc PROGRAM]
"""

import argparse
import json
import os
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import curl
import server
import shape
import worker

options = None
messages = None
syncd = None

# Without a worker nobody knows when a job will start: then this may be absent,
# and nothing else of what the document shows.
ESTIMATES = {"estimatedStart"}


def setUpModule():
    global messages, syncd
    messages = worker.generate(options.protoc, options.protos)
    syncd = server.Server(options.syncd)


def tearDownModule():
    syncd.stop()


def example(name):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "examples", name + ".json")
    with open(path) as file:
        return json.load(file)


def example_text(name):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "examples", name + ".json")
    with open(path, "rb") as file:
        return file.read()


class Case(unittest.TestCase):
    """Each test has an organisation and a worker of its own."""

    maxDiff = None

    def setUp(self):
        self.org = "org-" + self.id().rsplit(".", 1)[-1].replace("_", "-")[:60]
        self.client = curl.Client(syncd.http, self.org)
        self.workers = []
        # Workers serve every organisation: nothing of another test may be left.
        self.addCleanup(self.leave_nothing)

    def leave_nothing(self):
        for job in self.jobs():
            if job["status"] in ("queued", "scheduled", "active", "paused"):
                self.client.post("/sync/jobs/%s/cancel" % job["id"])
        for name in (sync["name"] for sync in self.client.get("/sync/syncs").json()["syncs"]
                     if "schedule" in sync):
            self.client.ask("DELETE", "/sync/schedules/" + name)
        for one in self.workers:
            one.close()

    def worker(self):
        self.workers.append(worker.Worker(messages, syncd.rpc, self.org))
        return self.workers[-1]

    def ok(self, answer):
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["content-type"], "application/json")
        return answer.json()

    def jobs(self):
        return self.ok(self.client.get("/sync/jobs"))["jobs"]

    @staticmethod
    def without_estimates(jobs):
        """What is left of a list when time passes and nothing else does."""
        return [{member: value for member, value in job.items()
                 if member not in ("estimatedStart", "estimatedCompletion", "estimate")}
                for job in jobs]

    def queue(self, name="product-sync", **more):
        body = {"name": name, "type": "full", "data": {"source": "shopify", "target": "local"}}
        body.update(more)
        return self.ok(self.client.post("/sync/queue", body))["job"]

    def show_progress(self, one, job, done):
        """Reports percents, and waits until they are seen: progress is written
        about once a second."""
        one.progress(job, done, 100)
        deadline = time.monotonic() + 30
        while self.job(job.lease.job_id)["progress"] != done:
            self.assertLess(time.monotonic(), deadline, "progress is not shown")
            time.sleep(0.05)

    def job(self, id):
        return self.ok(self.client.get("/sync/jobs/" + id))["job"]

    def run_to_the_end(self, one, name, fails=False):
        waiting = one.lease_in_background()
        self.queue(name)
        job = waiting.get()
        self.assertEqual(job.name, name)
        if fails:
            one.fail(job, "the source is gone")
        else:
            one.complete(job)

    def assert_error(self, answer, status, phrase, mentions=""):
        """The one documented shape, and a sentence that names the cause."""
        error = answer.json()
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(error["statusCode"], status)
        self.assertEqual(error["error"], phrase)
        self.assertIsInstance(error["message"], str)
        self.assertIn(mentions, error["message"])
        self.assertLessEqual(set(error), {"statusCode", "message", "error", "code", "details",
                                          "requestId"})
        return error


class Information(Case):
    def test_get_sync_needs_no_organisation(self):
        answer = curl.Client(syncd.http).get("/sync")
        shape.check(example("get-sync.answer"), self.ok(answer))

    def test_get_sync_counts(self):
        one = self.worker()
        before = self.ok(self.client.get("/sync"))
        self.run_to_the_end(one, "a")
        self.run_to_the_end(one, "b", fails=True)
        waiting = one.lease_in_background()
        self.queue("c")
        waiting.get()
        after = self.ok(self.client.get("/sync"))
        self.assertEqual(after["status"], "active")
        for member in ("completedJobs", "failedJobs", "activeJobs"):
            self.assertEqual(after[member] - before[member], 1, member)

    def test_get_sync_info(self):
        documented = example("get-sync-info.answer")
        one = self.worker()
        self.run_to_the_end(one, "product-sync")
        waiting = one.lease_in_background()
        self.queue("product-sync")
        job = waiting.get()
        self.show_progress(one, job, 75)
        self.queue("order-sync")
        info = self.ok(self.client.get("/sync/info"))
        shape.check(documented, info)
        self.assertEqual(info["organization"]["id"], self.org)
        self.assertEqual(info["syncStatus"]["activeJobs"], 1)
        self.assertEqual(info["syncStatus"]["completedJobs"], 1)
        self.assertEqual(info["syncStatus"]["failedJobs"], 0)
        by_status = {each["status"]: each for each in info["syncJobs"]}
        shape.check_job(documented["syncJobs"][0], by_status["active"])
        shape.check_job(documented["syncJobs"][1], by_status["queued"])
        self.assertEqual(by_status["active"]["progress"], 75)
        self.assertEqual(by_status["active"]["id"], job.lease.job_id)
        self.assertEqual(by_status["queued"]["name"], "order-sync")
        self.assertEqual(by_status["queued"]["progress"], 0)
        self.assertEqual(by_status["completed"]["progress"], 100)

    def test_an_unused_organisation_has_an_empty_list_and_no_last_sync(self):
        documented = example("get-sync-info.answer")
        info = self.ok(self.client.get("/sync/info"))
        del documented["syncStatus"]["lastSync"]
        shape.check(documented, info)
        self.assertEqual(info["syncJobs"], [])


class Queueing(Case):
    def test_the_documented_request_gets_the_documented_answer(self):
        body = example_text("queue.request")
        answer = self.ok(self.client.post("/sync/queue", body))
        shape.check(example("queue.answer"), answer, ESTIMATES)
        self.assertEqual(answer["job"]["name"], "product-sync")
        self.assertEqual(answer["job"]["status"], "queued")
        shown = self.job(answer["job"]["id"])
        sent = json.loads(body)
        for member in ("name", "type", "priority", "data", "options"):
            self.assertEqual(shown[member], sent[member])

    def test_with_a_free_worker_the_start_is_estimated(self):
        answer = self.queue_for_a_waiting_worker()
        shape.check(example("queue.answer"), answer)
        job = answer["job"]
        self.assertEqual(job["status"], "queued")
        self.assertGreaterEqual(shape.parse_time(job["estimatedStart"]),
                                shape.parse_time(job["queuedAt"]))

    def queue_for_a_waiting_worker(self):
        """Where the request overtook the worker's long poll, nobody was there
        to start the job: then once more."""
        one = self.worker()
        for _ in range(20):
            waiting = one.lease_in_background()
            answer = self.ok(self.client.post("/sync/queue", example_text("queue.request")))
            one.complete(waiting.get())
            if "estimatedStart" in answer["job"]:
                break
        return answer

    def test_the_four_types(self):
        for name, status in (("full-sync", "queued"), ("incremental-sync", "queued"),
                             ("entity-sync", "queued"), ("scheduled-sync", "scheduled")):
            with self.subTest(name):
                body = example_text(name + ".request")
                answer = self.ok(self.client.post("/sync/queue", body))
                shape.check(example("queue.answer"), answer, ESTIMATES)
                self.assertEqual(answer["job"]["status"], status)
                shown = self.job(answer["job"]["id"])
                for member, value in json.loads(body).items():
                    self.assertEqual(shown[member], value)

    def test_a_scheduled_sync_tells_its_next_runs(self):
        self.ok(self.client.post("/sync/queue", example_text("scheduled-sync.request")))
        sync = self.ok(self.client.get("/sync/syncs/scheduled-sync"))["sync"]
        self.assertEqual(len(sync["nextRuns"]), 5)
        for moment in sync["nextRuns"]:
            self.assertTrue(moment.endswith("T00:00:00Z"), moment)

    def test_unknown_members_of_data_come_back_byte_for_byte(self):
        data = b'{ "source":"s", "target" : "t", "mine": [1.50, "\\u00e9"], "filters":{"x":null} }'
        body = b'{"name":"a","type":"full","data":' + data + b'}'
        job = self.ok(self.client.post("/sync/queue", body))["job"]
        answer = self.client.get("/sync/jobs/" + job["id"])
        self.assertIn(b'"data":' + data, answer.body)


class Duplicates(Case):
    """onDuplicate: what a second request for a name does."""

    def again(self, on_duplicate, **more):
        request = dict(example("queue.request"), onDuplicate=on_duplicate, **more)
        return self.client.post("/sync/queue", request)

    def test_queue_is_the_default_and_makes_another_job(self):
        first = self.queue()
        second = self.ok(self.again("queue"))["job"]
        self.assertNotEqual(first["id"], second["id"])
        self.assertNotIn("duplicate", second)

    def test_coalesce_gives_the_waiting_job_the_newer_data(self):
        first = self.queue()
        data = {"source": "shopify", "target": "local", "newest": True}
        second = self.ok(self.again("coalesce", data=data, priority="low"))["job"]
        self.assertEqual(first["id"], second["id"])
        self.assertIs(second["duplicate"], True)
        self.assertEqual(second["status"], "queued")
        self.assertEqual(second["queuedAt"], first["queuedAt"])
        self.assertEqual(self.job(first["id"])["data"], data)
        self.assertEqual(self.job(first["id"])["priority"], "low")
        self.assertEqual(len(self.jobs()), 1)

    def test_coalesce_makes_one_follow_up_of_an_active_job_and_never_more(self):
        one = self.worker()
        active = self.queue()
        leased = one.lease()
        follow_up = self.ok(self.again("coalesce"))["job"]
        self.assertNotEqual(follow_up["id"], active["id"])
        self.assertNotIn("duplicate", follow_up)
        for _ in range(3):
            again = self.ok(self.again("coalesce"))["job"]
            self.assertEqual((again["id"], again["duplicate"]), (follow_up["id"], True))
        self.assertEqual(len(self.jobs()), 2)
        one.complete(leased)

    def test_coalesce_leaves_a_paused_job_paused(self):
        first = self.queue()
        self.ok(self.client.post("/sync/pause/product-sync"))
        second = self.ok(self.again("coalesce"))["job"]
        self.assertEqual((second["id"], second["status"]), (first["id"], "paused"))

    def test_reject_is_409_with_the_existing_id(self):
        first = self.queue()
        answer = self.again("reject")
        self.assert_error(answer, 409, "Conflict", first["id"])
        self.assertEqual(answer.json()["code"], "ALREADY_EXISTS")
        self.assertEqual(len(self.jobs()), 1)

    def test_replace_cancels_what_waits_and_queues_this(self):
        first = self.queue()
        second = self.ok(self.again("replace"))["job"]
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual(self.job(first["id"])["status"], "cancelled")
        self.assertEqual(second["status"], "queued")


class Idempotency(Case):
    """The Idempotency-Key header."""

    def send(self, key, **more):
        return self.client.post("/sync/queue", dict(example("queue.request"), **more),
                                headers=("Idempotency-Key: " + key,))

    def test_the_same_key_and_body_give_the_stored_answer(self):
        first = self.send("key-1")
        self.ok(first)
        self.assertNotIn("idempotency-replayed", first.headers)
        again = self.send("key-1")
        self.assertEqual(again.status, 200)
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        self.assertEqual(again.json(), first.json())
        self.assertEqual(len(self.jobs()), 1)

    def test_another_body_is_422(self):
        self.ok(self.send("key-1"))
        answer = self.send("key-1", priority="low")
        self.assert_error(answer, 422, "Unprocessable Content", "Idempotency-Key")
        self.assertEqual(answer.json()["details"][0]["field"], "Idempotency-Key")
        self.assertEqual(len(self.jobs()), 1)

    def test_another_key_is_another_job(self):
        self.ok(self.send("key-1"))
        self.ok(self.send("key-2"))
        self.assertEqual(len(self.jobs()), 2)

    def test_another_organisation_has_keys_of_its_own(self):
        self.ok(self.send("key-1"))
        other = curl.Client(syncd.http, self.org + "-other")
        answer = other.post("/sync/queue", example("queue.request"),
                            headers=("Idempotency-Key: key-1",))
        self.ok(answer)
        self.assertNotIn("idempotency-replayed", answer.headers)
        self.ok(other.post("/sync/cancel/product-sync"))

    def test_it_outlives_the_purge_of_the_job(self):
        first = self.send("key-1")
        self.ok(self.client.post("/sync/cancel/product-sync"))
        self.ok(self.client.post("/sync/purge"))
        self.assertEqual(self.jobs(), [])
        again = self.send("key-1")
        self.assertEqual(again.json(), first.json())
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        self.assertEqual(self.jobs(), [])

    def test_a_key_has_1_to_255_characters(self):
        self.ok(self.send("k" * 255))
        for key in ("k" * 256, "caf\u00e9"):
            answer = self.send(key)
            self.assert_error(answer, 400, "Bad Request")
        self.assertEqual(len(self.jobs()), 1)


class Control(Case):
    def pausable(self):
        """A job that a worker holds, three quarters done."""
        one = self.worker()
        waiting = one.lease_in_background()
        self.queue()
        job = waiting.get()
        self.show_progress(one, job, 75)
        return one, job

    def let_go(self, one, job):
        self.assertEqual(one.checkpoint(job, b"at 75"), messages.DIRECTIVE_PAUSE)
        one.release(job)

    def pause_and_resume(self, method):
        one, job = self.pausable()
        paused = self.ok(self.client.ask(method, "/sync/pause/product-sync"))
        shape.check(example("pause.answer"), paused)
        self.assertEqual(paused["job"]["status"], "paused")
        self.assertEqual(paused["job"]["progress"], 75)
        self.assertEqual(paused["job"]["id"], job.lease.job_id)
        again = self.ok(self.client.ask(method, "/sync/pause/product-sync"))
        self.assertEqual(again["job"]["pausedAt"], paused["job"]["pausedAt"])
        self.let_go(one, job)

        resumed, second = self.resume_for_a_waiting_worker(one, method)
        shape.check(example("resume.answer"), resumed)
        self.assertEqual(resumed["job"]["status"], "active")
        self.assertEqual(resumed["job"]["progress"], 75)
        self.assertEqual(resumed["job"]["id"], job.lease.job_id)
        self.assertEqual(second.lease.job_id, job.lease.job_id)
        self.assertEqual(second.checkpoint, b"at 75")
        self.assertGreater(second.lease.epoch, job.lease.epoch)

    def resume_for_a_waiting_worker(self, one, method):
        """Where the request overtook the worker's long poll the job is queued
        for a moment: then once more."""
        for _ in range(20):
            waiting = one.lease_in_background()
            resumed = self.ok(self.client.ask(method, "/sync/resume/product-sync"))
            job = waiting.get()
            if resumed["job"]["status"] == "active":
                break
            self.ok(self.client.ask(method, "/sync/pause/product-sync"))
            one.release(job)
        return resumed, job

    def test_get_pauses_and_resumes(self):
        self.pause_and_resume("GET")

    def test_post_pauses_and_resumes(self):
        self.pause_and_resume("POST")

    def test_without_a_worker_a_resumed_job_is_queued(self):
        self.queue()
        self.ok(self.client.post("/sync/pause/product-sync"))
        job = self.ok(self.client.post("/sync/resume/product-sync"))["job"]
        self.assertEqual(job["status"], "queued")
        # Another test's worker, which leases call by call, may be expected back.
        self.assertIn(job["waitReason"], ("no_worker", "turn"))

    def test_starting_over_forgets_progress(self):
        one, job = self.pausable()
        self.ok(self.client.post("/sync/pause/product-sync"))
        self.let_go(one, job)
        resumed = self.ok(self.client.post("/sync/resume/product-sync?fromCheckpoint=false"))
        self.assertEqual(resumed["job"]["progress"], 0)

    def test_waiting_pause_answers_when_the_worker_has_let_go(self):
        one, job = self.pausable()
        answer = worker.Waiting(
            lambda: self.client.post("/sync/pause/product-sync?wait=60&reason=lunch"))
        deadline = time.monotonic() + 30
        while one.progress(job, 76, 100) != messages.DIRECTIVE_PAUSE:
            self.assertLess(time.monotonic(), deadline)
        self.let_go(one, job)
        paused = self.ok(answer.get())["job"]
        self.assertEqual(paused["status"], "paused")
        self.assertNotIn("leaseHeldUntil", paused)
        shown = self.job(job.lease.job_id)
        self.assertEqual(shown["lastAction"]["reason"], "lunch")

    def test_by_id(self):
        job = self.queue()
        path = "/sync/jobs/%s/" % job["id"]
        self.assertEqual(self.ok(self.client.post(path + "pause"))["job"]["status"], "paused")
        self.assertEqual(self.ok(self.client.post(path + "resume"))["job"]["status"], "queued")
        self.assertEqual(self.ok(self.client.post(path + "cancel"))["job"]["status"], "cancelled")
        self.assertEqual(self.ok(self.client.post(path + "retry"))["job"]["status"], "queued")

    def test_cancel_by_name_ends_a_waiting_job_at_once(self):
        self.queue()
        answer = self.ok(self.client.post("/sync/cancel/product-sync"))
        self.assertIs(answer["success"], True)
        self.assertEqual(answer["job"]["status"], "cancelled")

    def test_a_name_that_nobody_queued_is_404(self):
        for path in ("/sync/pause/nobody", "/sync/resume/nobody", "/sync/cancel/nobody"):
            self.assert_error(self.client.post(path), 404, "Not Found", "nobody")

    def test_an_id_that_was_never_given_out_is_404(self):
        for id in ("nobody", "job_0000000000001"):
            self.assert_error(self.client.get("/sync/jobs/" + id), 404, "Not Found", "job")
            self.assert_error(self.client.post("/sync/jobs/%s/pause" % id), 404, "Not Found", "job")

    def test_a_job_that_has_ended_is_409(self):
        self.run_to_the_end(self.worker(), "product-sync")
        self.assert_error(self.client.post("/sync/pause/product-sync"), 409, "Conflict")

    def test_another_organisations_job_does_not_exist(self):
        job = self.queue()
        stranger = curl.Client(syncd.http, "stranger")
        self.assert_error(stranger.get("/sync/jobs/" + job["id"]), 404, "Not Found")
        self.assert_error(stranger.post("/sync/pause/product-sync"), 404, "Not Found")


class Purging(Case):
    def purge(self, method):
        one = self.worker()
        self.run_to_the_end(one, "a")
        self.run_to_the_end(one, "b", fails=True)
        self.queue("waits")
        counted = self.ok(self.client.get("/sync/info"))["syncStatus"]
        purged = self.ok(self.client.ask(method, "/sync/purge"))
        shape.check(example("purge.answer"), purged)
        self.assertEqual(purged["purgedJobs"], {"completed": 1, "failed": 1, "cancelled": 0})
        self.assertEqual([job["name"] for job in self.jobs()], ["waits"])
        again = self.ok(self.client.ask(method, "/sync/purge"))
        self.assertEqual(again["purgedJobs"], {"completed": 0, "failed": 0, "cancelled": 0})
        self.assertEqual(self.ok(self.client.get("/sync/info"))["syncStatus"], counted)

    def test_get_purges(self):
        self.purge("GET")

    def test_post_purges(self):
        self.purge("POST")

    def test_a_dry_run_only_counts(self):
        self.run_to_the_end(self.worker(), "a")
        purged = self.ok(self.client.post("/sync/purge?dryRun=true"))
        self.assertEqual(purged["purgedJobs"]["completed"], 1)
        self.assertEqual(len(self.jobs()), 1)

    def test_filters_take_what_they_name(self):
        one = self.worker()
        self.run_to_the_end(one, "a")
        self.run_to_the_end(one, "b")
        self.run_to_the_end(one, "b", fails=True)
        for query, left in (("olderThan=2020-01-01T00:00:00Z", 3), ("status=cancelled", 3),
                            ("name=b&status=failed", 2), ("name=b&dryRun=true", 2), ("name=b", 1),
                            ("status=completed&olderThan=2099-01-01T00:00:00Z", 0)):
            self.ok(self.client.get("/sync/purge?" + query))
            self.assertEqual(len(self.jobs()), left, query)

    def test_filters_in_a_body_count_the_same(self):
        self.run_to_the_end(self.worker(), "a")
        purged = self.ok(self.client.post(
            "/sync/purge", {"name": "a", "status": "completed", "reason": "spring cleaning"}))
        self.assertEqual(purged["purgedJobs"], {"completed": 1, "failed": 0, "cancelled": 0})


class Lists(Case):
    def test_pages_and_filters(self):
        names = ["job-%d" % i for i in range(5)]
        for name in names:
            self.queue(name)
        seen, token = [], ""
        while True:
            page = self.ok(self.client.get("/sync/jobs?pageSize=2" + token))
            seen += [job["name"] for job in page["jobs"]]
            if "nextPageToken" not in page:
                break
            token = "&pageToken=" + page["nextPageToken"]
        self.assertEqual(seen, names[::-1])
        found = self.ok(self.client.get("/sync/jobs?name=job-3&status=queued&type=full"))["jobs"]
        self.assertEqual([job["name"] for job in found], ["job-3"])
        self.assertEqual(self.ok(self.client.get("/sync/jobs?status=failed"))["jobs"], [])

    def test_syncs(self):
        self.queue("a")
        syncs = self.ok(self.client.get("/sync/syncs"))["syncs"]
        self.assertEqual([sync["name"] for sync in syncs], ["a"])
        self.assert_error(self.client.get("/sync/syncs/nobody"), 404, "Not Found")

    def test_a_schedule_can_be_deleted(self):
        self.ok(self.client.post("/sync/queue", example_text("scheduled-sync.request")))
        self.ok(self.client.ask("DELETE", "/sync/schedules/scheduled-sync"))
        sync = self.ok(self.client.get("/sync/syncs/scheduled-sync"))["sync"]
        self.assertNotIn("schedule", sync)


def nested(depth):
    return b'{"name":"a","type":"full","data":{"x":' + b"[" * depth + b"]" * depth + b"}}"


JOB = {"name": "a", "type": "full", "data": {"source": "s", "target": "t"}}


def changed(**members):
    return json.dumps(dict(JOB, **members)).encode()


class BadInput(Case):
    """Refused with the documented shape and a message that names the cause;
    nothing changes."""

    # body, status, phrase, what the message must mention
    BODIES = [
        (b"", 400, "Bad Request", "Empty Data"),
        (b" \n", 400, "Bad Request", "Empty Data"),
        (b"{", 400, "Bad Request", "JSON"),
        (b"name=a&type=full", 400, "Bad Request", "JSON"),
        (b'{"name":"a","type":"full"} x', 400, "Bad Request", "JSON"),
        (b'{"name":"a","name":"b"}', 400, "Bad Request", "JSON"),
        (b'{"name":"\xff\xfe","type":"full"}', 400, "Bad Request", "UTF-8"),
        (b'{"name":"a\x00","type":"full"}', 400, "Bad Request", "JSON"),
        (b"[]", 400, "Bad Request", "object"),
        (b'"full"', 400, "Bad Request", "object"),
        (b"{}", 400, "Bad Request", "type"),
        (nested(100), 400, "Bad Request", "nested"),
        (nested(10000), 400, "Bad Request", "nested"),
        (b'{"name":"' + b"a" * (2 << 20) + b'"}', 413, "Content Too Large", "limit"),
        (changed(name=5), 400, "Bad Request", "name"),
        (changed(name=""), 400, "Bad Request", "name"),
        (changed(name="a b"), 400, "Bad Request", "name"),
        (changed(name="a/b"), 400, "Bad Request", "name"),
        (changed(name="a" * 129), 400, "Bad Request", "name"),
        (changed(type="partial"), 400, "Bad Request", "type"),
        (changed(type=1), 400, "Bad Request", "type"),
        (changed(type=None), 400, "Bad Request", "type"),
        (changed(priority="urgent"), 400, "Bad Request", "priority"),
        (changed(data=[]), 400, "Bad Request", "data"),
        (changed(data={"source": 1}), 400, "Bad Request", "data.source"),
        (changed(data={"filters": {"updatedSince": "yesterday"}}), 400, "Bad Request",
         "data.filters.updatedSince"),
        (changed(data={"filters": {"collections": "all"}}), 400, "Bad Request",
         "data.filters.collections"),
        (changed(type="entity"), 400, "Bad Request", "data.entity"),
        (changed(type="scheduled"), 400, "Bad Request", "schedule"),
        (changed(schedule={"repeat": "yearly"}), 400, "Bad Request", "schedule.repeat"),
        (changed(schedule={"startAt": "2023-02-30T00:00:00Z"}), 400, "Bad Request",
         "schedule.startAt"),
        (changed(schedule={"repeat": "daily", "time": "25:00"}), 400, "Bad Request",
         "schedule.time"),
        (changed(schedule={"every": "day"}), 400, "Bad Request", "schedule.every"),
        (changed(options={"concurrency": 0}), 400, "Bad Request", "options.concurrency"),
        (changed(options={"concurrency": 65}), 400, "Bad Request", "options.concurrency"),
        (changed(options={"concurrency": "5"}), 400, "Bad Request", "options.concurrency"),
        (changed(options={"retryOnFail": "yes"}), 400, "Bad Request", "options.retryOnFail"),
        (changed(options={"maxRetries": 101}), 400, "Bad Request", "options.maxRetries"),
        (changed(options={"maxRetries": -1}), 400, "Bad Request", "options.maxRetries"),
        (changed(options={"retries": 1}), 400, "Bad Request", "options.retries"),
        (changed(onDuplicate="maybe"), 400, "Bad Request", "onDuplicate"),
        (changed(prioirty="high"), 400, "Bad Request", "prioirty"),
        (changed(orgId="other"), 400, "Bad Request", "orgId"),
    ]

    # method, path, status, phrase, what the message must mention
    REQUESTS = [
        ("POST", "/sync/pause/a%00b", 400, "Bad Request", "URL"),
        ("POST", "/sync/pause/a%zz", 400, "Bad Request", "percent-encoding"),
        ("POST", "/sync/pause/a%ff", 400, "Bad Request", "UTF-8"),
        ("POST", "/sync/pause/a%20b", 400, "Bad Request", "name"),
        ("POST", "/sync/pause/keep?wait=soon", 400, "Bad Request", "wait"),
        ("POST", "/sync/pause/keep?wait=61", 400, "Bad Request", "wait"),
        ("POST", "/sync/pause/keep?reson=x", 400, "Bad Request", "reson"),
        ("POST", "/sync/resume/keep?fromCheckpoint=maybe", 400, "Bad Request", "fromCheckpoint"),
        ("GET", "/sync/jobs?status=done", 400, "Bad Request", "status"),
        ("GET", "/sync/jobs?pageSize=0x10", 400, "Bad Request", "pageSize"),
        ("GET", "/sync/jobs?since=monday", 400, "Bad Request", "since"),
        ("GET", "/sync/jobs?colour=red", 400, "Bad Request", "colour"),
        ("GET", "/sync/purge?dryRun=perhaps", 400, "Bad Request", "dryRun"),
        ("GET", "/sync/purge?status=active", 400, "Bad Request", "status"),
        ("GET", "/sync/purge?olderThan=yesterday", 400, "Bad Request", "olderThan"),
        ("GET", "/sync/purge?name=a%20b", 400, "Bad Request", "name"),
        ("GET", "/sync/nothing", 404, "Not Found", ""),
        ("GET", "/sync/queue", 405, "Method Not Allowed", "POST"),
        ("PUT", "/sync/purge", 405, "Method Not Allowed", "GET"),
        ("DELETE", "/sync", 405, "Method Not Allowed", "GET"),
    ]

    def setUp(self):
        super().setUp()
        self.queue("keep")

    def everything(self):
        service = self.ok(self.client.get("/sync"))
        for member in ("uptime", "uptimeSeconds"):
            del service[member]
        info = self.ok(self.client.get("/sync/info"))
        info["syncJobs"] = self.without_estimates(info["syncJobs"])
        return (service, info, self.without_estimates(self.jobs()),
                self.ok(self.client.get("/sync/syncs")))

    def test_an_empty_body_is_the_documented_error(self):
        answer = self.client.post("/sync/queue", b"")
        error = answer.json()
        self.assertEqual(answer.status, 400)
        for member, value in example("empty-body.answer").items():
            self.assertEqual(error[member], value)

    def test_bad_bodies_change_nothing(self):
        before = self.everything()
        for body, status, phrase, mentions in self.BODIES:
            with self.subTest(body[:60]):
                self.assert_error(self.client.post("/sync/queue", body), status, phrase, mentions)
        self.assertEqual(self.everything(), before)

    def test_bad_requests_change_nothing(self):
        before = self.everything()
        for method, path, status, phrase, mentions in self.REQUESTS:
            with self.subTest(method + " " + path):
                self.assert_error(self.client.ask(method, path), status, phrase, mentions)
        self.assertEqual(self.everything(), before)

    def test_a_field_error_names_field_and_reason(self):
        error = self.client.post("/sync/queue", changed(options={"maxRetries": 101})).json()
        self.assertEqual(error["details"][0]["field"], "options.maxRetries")
        self.assertIsInstance(error["details"][0]["reason"], str)
        self.assertEqual(error["code"], "INVALID_ARGUMENT")

    def test_the_organisation_is_required_where_documented(self):
        nobody = curl.Client(syncd.http)
        body = example_text("queue.request")
        for method, path in (("GET", "/sync/info"), ("POST", "/sync/queue"), ("GET", "/sync/purge"),
                             ("GET", "/sync/pause/keep"), ("GET", "/sync/resume/keep")):
            with self.subTest(path):
                answer = nobody.ask(method, path, body if method == "POST" else None)
                self.assert_error(answer, 400, "Bad Request", "orgid")

    def test_only_json_is_taken(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            answer = self.client.post("/sync/queue", changed(),
                                      headers=["Content-Type: " + kind])
            self.assert_error(answer, 415, "Unsupported Media Type", "application/json")

    def test_headers_have_a_limit(self):
        answer = self.client.get("/sync", headers=["X-Long: " + "x" * 17000])
        self.assert_error(answer, 431, "Request Header Fields Too Large")

    def test_wrong_methods_are_told_the_right_ones(self):
        answer = self.client.ask("PUT", "/sync/purge")
        self.assertEqual(answer.headers["allow"], "GET, POST, OPTIONS")


class SideEffects(Case):
    """GET that changes something."""

    PATHS = ("/sync/purge", "/sync/pause/product-sync", "/sync/resume/product-sync")

    def setUp(self):
        super().setUp()
        self.queue()

    def test_it_is_not_stored(self):
        for path in self.PATHS:
            self.assertEqual(self.client.get(path).headers["cache-control"], "no-store")

    def test_head_is_refused(self):
        before = self.without_estimates(self.jobs())
        for path in self.PATHS:
            answer = self.client.ask("HEAD", path)
            self.assertEqual(answer.status, 405)
            self.assertEqual(answer.headers["allow"], "GET, POST, OPTIONS")
        self.assertEqual(self.without_estimates(self.jobs()), before)

    def test_browsers_do_not_trigger_it(self):
        before = self.without_estimates(self.jobs())
        for path in self.PATHS:
            for header in ("Sec-Purpose: prefetch", "Purpose: prefetch",
                           "Sec-Fetch-Site: cross-site"):
                answer = self.client.get(path, headers=[header])
                self.assert_error(answer, 403, "Forbidden")
        self.assertEqual(self.without_estimates(self.jobs()), before)


class Operations(Case):
    def test_health(self):
        self.assertEqual(curl.Client(syncd.http).get("/healthz").status, 200)
        self.assertEqual(curl.Client(syncd.http).get("/readyz").status, 200)

    def test_the_callers_request_id_comes_back(self):
        answer = self.client.get("/sync", headers=["X-Request-Id: abc-1"])
        self.assertEqual(answer.headers["x-request-id"], "abc-1")
        error = self.client.get("/sync/nothing", headers=["X-Request-Id: abc-2"]).json()
        self.assertEqual(error["requestId"], "abc-2")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--syncd", required=True)
    parser.add_argument("--protos", required=True)
    parser.add_argument("--protoc", default="protoc")
    options, rest = parser.parse_known_args()
    unittest.main(argv=sys.argv[:1] + rest)
