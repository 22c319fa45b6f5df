"""syncctl against a server and a worker: what it prints, and how it ends."""

import json
import os
import pty
import select
import subprocess
import unittest

import harness

QUEUE = ("--type", "full", "--source", "demo", "--target", "local")


def slow(rows, pace):
    """One entity of so many rows, so many of them a second."""
    return ("--type", "entity", "--entity", "products", "--source", "demo", "--target", "local",
            "--data", json.dumps({"demo": {"size": {"products": rows}, "pace": pace}}))


class SyncctlTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Sync()
        cls.server.start_worker("--slots", "4")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def ctl(self, *arguments, status=0, **options):
        done = self.server.syncctl(*arguments, **options)
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *arguments, **options):
        return json.loads(self.ctl(*arguments, "-o", "json", **options).stdout)

    def test_a_job_is_queued_and_followed_to_its_end(self):
        done = self.ctl("queue", "whole", *QUEUE, "--wait")
        last = done.stdout.strip().splitlines()[-1]
        self.assertIn("completed", last)
        self.assertIn("100%", last)
        self.assertTrue(os.path.exists(self.server.database("acme")))

    def test_info_is_about_the_service_or_about_an_organisation(self):
        service = self.json("info", org=None)
        self.assertEqual(service["status"], "active")
        self.assertIn("uptime", service)
        self.ctl("queue", "for-info", *QUEUE, "--wait", org="informed")
        organisation = self.json("info", org="informed")
        self.assertEqual(organisation["organization"]["id"], "informed")
        self.assertEqual(organisation["syncStatus"]["completedJobs"], 1)
        self.assertIn("for-info", self.ctl("info", org="informed").stdout)

    def test_a_job_may_come_from_a_file_in_the_form_of_the_json_api(self):
        job = {"name": "from-file", "type": "entity", "priority": "high",
               "data": {"source": "demo", "target": "local", "entity": "products"}}
        queued = self.json("queue", "-f", "-", given=json.dumps(job))["job"]
        self.assertEqual(queued["name"], "from-file")
        shown = self.json("show", queued["id"])["job"]
        self.assertEqual(shown["type"], "entity")
        self.assertEqual(shown["priority"], "high")
        self.assertEqual(shown["data"]["entity"], "products")

    def test_a_wrong_file_is_refused_before_anything_is_sent(self):
        wrong = self.ctl("queue", "-f", "-", given='{"name": "x", "nmae": 1}', status=2)
        self.assertIn("nmae", wrong.stderr)

    def test_list_and_show_find_what_was_queued(self):
        job = self.json("queue", "listed", *QUEUE, org="lists")["job"]
        self.ctl("queue", "listed-too", *QUEUE, "--wait", org="lists")
        harness.wait_until("the first has ended", lambda: self.json(
            "show", job["id"], org="lists")["job"]["status"] == "completed")
        jobs = self.json("list", org="lists")["jobs"]
        self.assertEqual([listed["name"] for listed in jobs], ["listed-too", "listed"])
        self.assertEqual(len(self.json("list", "-n", "1", org="lists")["jobs"]), 1)
        by_name = self.json("list", "--name", "listed", org="lists")["jobs"]
        self.assertEqual([listed["id"] for listed in by_name], [job["id"]])
        self.assertEqual(self.json("list", "--status", "failed", org="lists")["jobs"], [])
        self.assertIn(job["id"], self.ctl("list", org="lists").stdout)
        self.assertEqual(self.json("show", "listed", org="lists")["job"]["id"], job["id"])

    def test_a_running_job_is_paused_resumed_and_cancelled(self):
        org = "stops"
        job = self.json("queue", "held", *slow(4000, 100), org=org)["job"]
        harness.wait_until("it makes progress", lambda: self.json(
            "show", job["id"], org=org)["job"].get("entities"))
        paused = self.json("pause", "held", "--wait", "20s", "--reason", "lunch", org=org)["job"]
        self.assertEqual(paused["status"], "paused")
        shown = self.json("show", job["id"], org=org)["job"]
        self.assertNotIn("state", shown)
        self.assertEqual(shown["lastAction"]["reason"], "lunch")
        resumed = self.json("resume", "held", org=org)["job"]
        self.assertIn(resumed["status"], ("queued", "active"))
        self.ctl("cancel", job["id"], "--wait", "20s", org=org)
        harness.wait_until("it is cancelled", lambda: self.json(
            "show", job["id"], org=org)["job"]["status"] == "cancelled")
        self.ctl("pause", job["id"], org=org, status=4)

    def test_waiting_for_a_job_that_does_not_complete_says_so(self):
        failed = self.ctl("queue", "hopeless", "--type", "full", "--source", "demo", "--target",
                          "local", "--data", '{"demo": {"size": "many"}}', "--wait",
                          org="fails", status=6)
        self.assertIn("failed", failed.stdout)

    def test_watch_until_done_ends_when_everything_has_ended(self):
        org = "watches"
        self.json("queue", "one", *slow(300, 300), org=org)
        self.json("queue", "two", *QUEUE, org=org)
        events = [json.loads(line) for line in
                  self.ctl("watch", "--until-done", "-o", "json", org=org).stdout.splitlines()]
        self.assertEqual({event["name"] for event in events if event["status"] == "completed"},
                         {"one", "two"})

    def test_a_watch_goes_on_when_the_server_has_come_back(self):
        with harness.Sync() as server:
            seen = os.path.join(server.directory, "seen")
            with open(seen, "wb") as output:
                watch = subprocess.Popen(
                    [harness.program("syncctl"), "watch", "-o", "json", "--org", "acme",
                     "--server", server.rpc], stdout=output, stderr=subprocess.PIPE, text=True)

            def has_seen(name):
                with open(seen, encoding="utf-8") as lines:
                    return any(json.loads(line)["name"] == name
                               for line in lines if line.endswith("\n"))

            server.syncctl("queue", "before", *QUEUE)
            harness.wait_until("the first job is seen", lambda: has_seen("before"))
            server.server.kill()
            server.flags = ("--rpc-listen", server.rpc)
            server.start()
            server.syncctl("queue", "after", *QUEUE)
            harness.wait_until("the second job is seen", lambda: has_seen("after"))
            watch.terminate()
            self.assertIn("the server went away", watch.communicate()[1])

    def test_on_a_terminal_watch_draws_a_bar(self):
        org = "terminal"
        self.json("queue", "drawn", *slow(400, 300), org=org)
        leader, follower = pty.openpty()
        child = subprocess.Popen(
            [harness.program("syncctl"), "watch", "--until-done", "--org", org, "--server",
             self.server.rpc], stdout=follower, stdin=follower, close_fds=True)
        os.close(follower)
        drawn = b""
        while select.select([leader], [], [], harness.PATIENCE_S)[0]:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                break
            if not chunk:
                break
            drawn += chunk
        os.close(leader)
        self.assertEqual(child.wait(timeout=harness.PATIENCE_S), 0)
        self.assertRegex(drawn.decode(), r"drawn +\[#*\.*\] +\d+%")

    def test_purge_tells_what_it_would_delete_and_deletes_it(self):
        org = "purges"
        self.ctl("queue", "gone", *QUEUE, "--wait", org=org)
        self.assertEqual(self.json("purge", "--dry-run", org=org)["purgedJobs"]["completed"], 1)
        self.assertEqual(self.json("purge", org=org)["purgedJobs"]["completed"], 1)
        self.assertEqual(self.json("list", org=org)["jobs"], [])
        self.assertEqual(self.json("purge", org=org)["purgedJobs"]["completed"], 0)

    def test_purge_takes_what_its_flags_name(self):
        org = "filters"
        self.ctl("queue", "a", *QUEUE, "--wait", org=org)
        self.ctl("queue", "b", *QUEUE, "--wait", org=org)
        for flags in (("--status", "failed"), ("--older-than", "2020-01-01T00:00:00Z")):
            self.assertEqual(self.json("purge", *flags, org=org)["purgedJobs"]["completed"], 0)
        purged = self.json("purge", "--name", "a", "--status", "completed", org=org)
        self.assertEqual(purged["purgedJobs"]["completed"], 1)
        self.assertEqual([job["name"] for job in self.json("list", org=org)["jobs"]], ["b"])
        self.assertIn("purged 1 completed", self.ctl("purge", "--name", "b", org=org).stdout)
        self.ctl("purge", "--name", "not a name", org=org, status=2)

    def test_audit_tells_who_did_what(self):
        org = "audited"
        self.json("queue", "watched", *slow(400, 300), org=org)
        self.ctl("cancel", "watched", "--reason", "not today", org=org)
        self.ctl("purge", "--name", "watched", "--reason", "spring", org=org)
        entries = self.json("audit", org=org)["entries"]
        self.assertEqual(entries[0]["reason"], "spring")
        self.assertEqual([entry["action"] for entry in entries], ["purge", "cancel"])
        self.assertEqual(entries[1]["subject"], "watched")
        self.assertEqual(entries[1]["reason"], "not today")
        self.assertRegex(entries[1]["peer"], r"^127\.0\.0\.1:\d+$")
        self.assertTrue(entries[1]["actor"])
        self.assertEqual(len(self.json("audit", "-n", "1", org=org)["entries"]), 1)
        self.assertEqual(
            self.json("audit", "--until", entries[1]["at"], org=org).get("entries", []), [])
        table = self.ctl("audit", org=None).stdout
        self.assertIn("not today", table)
        self.assertIn("FROM", table)

    def test_a_schedule_shows_when_it_runs(self):
        org = "schedules"
        queued = self.json("queue", "nightly", "--type", "scheduled", "--source", "demo",
                           "--target", "local", "--start-at", "2099-01-01T00:00:00Z", "--repeat",
                           "daily", "--time", "02:00", org=org)["job"]
        self.assertEqual(queued["status"], "scheduled")
        shown = self.ctl("show", "nightly", org=org).stdout
        self.assertIn("2099-01-01T02:00:00Z", shown)

    def test_a_schedule_is_what_its_flags_say(self):
        org = "clocks"
        queued = self.json("queue", "weekdays", "--type", "scheduled", "--source", "demo",
                           "--target", "local", "--cron", "30 2 * * mon-fri", "--timezone",
                           "Europe/Berlin", "--start-at", "2026-03-27T00:00:00Z", "--jitter", "10m",
                           "--max-runs", "9", "--overlap", "skip", "--catch-up-window", "90s",
                           "--end-at", "2099-01-01T00:00:00Z", org=org)["job"]
        shown = self.json("show", queued["id"], org=org)["job"]
        schedule = shown["schedule"]
        self.assertEqual({name: schedule[name] for name in
                          ("cron", "timezone", "maxRuns", "overlap", "jitter", "catchUpWindow")},
                         {"cron": "30 2 * * mon-fri", "timezone": "Europe/Berlin", "maxRuns": 9,
                          "overlap": "skip", "jitter": "PT10M", "catchUpWindow": "PT1M30S"})
        self.assertEqual(len(shown["nextRuns"]), 5)
        refused = self.ctl("queue", "weekdays", "--type", "scheduled", "--source", "demo",
                           "--target", "local", "--cron", "30 2 * *", org=org, status=2)
        self.assertIn("five fields", refused.stderr)

    def test_unschedule_deletes_the_schedule(self):
        org = "unscheduled"
        self.json("queue", "nightly", "--type", "scheduled", "--source", "demo", "--target", "local",
                  "--start-at", "2099-01-01T00:00:00Z", "--repeat", "daily", org=org)
        self.assertIn("schedule", self.json("syncs", "nightly", org=org)["sync"])
        sync = self.json("unschedule", "nightly", "--reason", "enough", org=org)["sync"]
        self.assertNotIn("schedule", sync)
        self.assertNotIn("schedule", self.json("syncs", "nightly", org=org)["sync"])
        self.assertEqual(self.json("audit", org=org)["entries"][0]["reason"], "enough")
        self.ctl("unschedule", "nobody-queued-this", org=org, status=3)

    def test_reset_watermark_sets_and_forgets_one(self):
        org = "watermarks"
        self.ctl("queue", "marked", *QUEUE, "--wait", org=org)
        moment = "2026-01-31T12:00:00Z"
        reset = ("reset-watermark", "marked", "--entity", "products")

        def marks(*arguments):
            sync = self.json(*arguments, org=org)["sync"]
            return {mark["entity"]: mark.get("value") for mark in sync.get("watermarks", [])}

        others = {entity for entity in marks("syncs", "marked") if entity != "products"}
        self.assertTrue(others)
        changed = marks(*reset, "--value", moment, "--reason", "again")
        self.assertEqual(changed["products"][:19], moment[:19])
        self.assertTrue(all(changed[entity] for entity in others))
        self.assertIsNone(marks(*reset).get("products"))
        self.assertEqual(self.json("audit", org=org)["entries"][1]["reason"], "again")
        forgotten = marks("reset-watermark", "marked")
        self.assertFalse(any(forgotten.values()), forgotten)
        self.ctl(*reset, "--value", "yesterday", org=org, status=2)

    def test_orgs_are_listed_and_changed_by_what_flags_name(self):
        self.ctl("orgs", "limited", org=None, status=3)
        self.ctl("orgs", "limited", "--name", "Limited Ltd", "--max-active", "3", "--weight", "2",
                 org=None)
        self.ctl("orgs", "limited", "--max-queued", "50", "--max-requests", "9", org=None)
        org = self.json("orgs", "limited", org=None)["org"]
        self.assertEqual(org["name"], "Limited Ltd")
        self.assertEqual({name: org["limits"][name] for name in (
            "maxActive", "maxQueued", "maxRequestsPerSecond", "weight")}, {
                "maxActive": 3, "maxQueued": 50, "maxRequestsPerSecond": 9, "weight": 2})
        self.assertIn("limited", [each["id"] for each in self.json("orgs", org=None)["orgs"]])
        self.assertRegex(self.ctl("orgs", org=None).stdout, r"limited +Limited Ltd +3 +50 +9 +2")
        self.ctl("orgs", "limited", "--keep-completed", "36h", "--keep-failed", "90d",
                 "--keep-runs", "10", org=None)
        limits = self.json("orgs", "limited", "--keep-completed", "0", org=None)["org"]["limits"]
        self.assertNotIn("keepCompleted", limits)
        self.assertEqual((limits["keepFailed"], limits["keepRuns"], limits["weight"]),
                         ("PT2160H", 10, 2))
        self.assertRegex(self.ctl("orgs", org=None).stdout, r"limited .* 2 +- +90d +10\n")
        self.ctl("orgs", "limited", "--keep-failed", "long", org=None, status=2)
        self.ctl("orgs", "--weight", "2", org=None, status=2)

    def test_drain_stops_the_handing_out_of_jobs(self):
        with harness.Sync() as server:
            drained = server.syncctl("drain", org=None)
            self.assertEqual(drained.returncode, 0, drained.stderr)
            self.assertIn("leases held: 0", drained.stdout)
            info = server.syncctl("info", "-o", "json", org=None)
            self.assertEqual(json.loads(info.stdout)["status"], "draining")

    def test_backup_writes_a_copy_where_it_is_told(self):
        directory = os.path.join(self.server.directory, "copy")
        self.assertGreater(self.json("backup", directory, org=None)["bytes"], 0)
        self.assertTrue(os.listdir(directory))
        again = self.ctl("backup", directory, org=None, status=4)
        self.assertIn("exists already", again.stderr)
        self.assertNotIn("--on-duplicate", again.stderr)
        self.ctl("backup", "not/absolute", org=None, status=2)

    def test_a_second_request_does_what_its_flags_say(self):
        waiting = ("queue", "twice", "--type", "full", "--source", "nobody", "--target", "local")
        first = self.json(*waiting)["job"]
        again = self.ctl(*waiting, "--on-duplicate", "coalesce").stdout
        self.assertIn(first["id"], again)
        self.assertIn("waits already", again)
        refused = self.ctl(*waiting, "--on-duplicate", "reject", status=4)
        self.assertIn(first["id"], refused.stderr)
        self.ctl(*waiting, "--on-duplicate", "replace")
        self.assertEqual(self.json("show", first["id"])["job"]["status"], "cancelled")
        keyed = waiting + ("--request-id", "key-1")
        self.assertEqual(self.json(*keyed)["job"]["id"], self.json(*keyed)["job"]["id"])
        self.ctl(*keyed, "--priority", "low", status=4)

    def test_exit_codes_tell_what_went_wrong(self):
        self.assertIn("which organisation", self.ctl("list", org=None, status=2).stderr)
        self.assertIn("no command", self.ctl("frobnicate", status=2).stderr)
        self.assertIn("no flag --frob", self.ctl("list", "--frob", status=2).stderr)
        self.ctl("queue", "bad name!", *QUEUE, status=2)
        self.ctl("show", "nobody-queued-this", status=3)
        self.ctl("pause", "nobody-queued-this", status=3)
        away = self.ctl("--server", "127.0.0.1:1", "--timeout", "2s", "list", status=5)
        self.assertIn("is syncd running there?", away.stderr)

    def test_help_is_there_for_every_command(self):
        overview = self.ctl("--help", org=None).stdout
        for command in ("info", "queue", "list", "show", "watch", "pause", "resume", "cancel",
                        "retry", "purge", "syncs", "unschedule", "reset-watermark", "audit",
                        "orgs", "drain", "backup"):
            self.assertIn(command, overview)
            text = self.ctl(command, "--help", org=None).stdout
            self.assertIn(f"usage: syncctl {command}", text)
            self.assertIn("--server", text)


if __name__ == "__main__":
    harness.main()
