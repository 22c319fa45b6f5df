"""syncd as a program: how it starts, what it says, how it ends."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

import harness


def run(*arguments, **environment):
    return subprocess.run([harness.program("syncd"), *arguments], capture_output=True, text=True,
                          env={**os.environ, **environment}, timeout=harness.PATIENCE_S,
                          check=False)


class SyncdTest(unittest.TestCase):
    def test_it_says_where_it_listens_and_that_nobody_is_asked_who_he_is(self):
        with harness.Sync() as server:
            events = [json.loads(line) for line in server.server.read_log().splitlines()]
            listening = next(event for event in events if event["event"] == "listening")
            self.assertEqual(listening["rpc"], server.rpc)
            self.assertEqual(listening["http"], server.http)
            self.assertTrue(any(event["level"] == "warning"
                                and "no authentication" in event["event"] for event in events))

    def test_both_signals_end_it_with_success(self):
        for which in (signal.SIGTERM, signal.SIGINT):
            with harness.Sync() as server:
                server.server.child.send_signal(which)
                self.assertEqual(server.server.child.wait(timeout=harness.PATIENCE_S), 0)

    def test_what_was_acknowledged_is_there_after_a_kill(self):
        with harness.Sync() as server:
            job = {"name": "kept", "type": "full", "data": {"source": "a", "target": "b"}}
            ids = [server.ask("POST", "/sync/queue", job)[1]["job"]["id"] for _ in range(20)]
            server.server.kill()
            server.start()
            status, answer = server.ask("GET", "/sync/jobs")
            self.assertEqual(status, 200)
            self.assertEqual(sorted(found["id"] for found in answer["jobs"]), sorted(ids))

    def test_ended_jobs_and_audit_entries_go_when_their_time_is_over(self):
        flags = ("--keep-completed", "5s", "--keep-audit", "5s", "--audit-queue")
        with harness.Sync(*flags) as server:
            job = {"name": "brief", "type": "full", "data": {"source": "a", "target": "b"}}

            def entries():
                done = server.syncctl("audit", "-o", "json", org=None)
                return [entry["action"] for entry in json.loads(done.stdout).get("entries", [])]

            server.ask("POST", "/sync/queue", job)
            server.ask("POST", "/sync/cancel/brief")
            self.assertEqual(len(server.ask("GET", "/sync/jobs")[1]["jobs"]), 1)
            self.assertEqual(entries(), ["cancel", "queue"])
            harness.wait_until("the job is gone",
                               lambda: server.ask("GET", "/sync/jobs")[1]["jobs"] == [])
            harness.wait_until("the log is empty", lambda: entries() == [])

    def test_two_servers_do_not_share_a_data_directory(self):
        with harness.Sync() as server:
            second = run("--data-dir", os.path.join(server.directory, "server"), "--rpc-listen",
                         "127.0.0.1:0", "--http-listen", "none")
            self.assertEqual(second.returncode, 1)
            self.assertIn("lock", second.stderr.lower())

    def test_a_port_that_is_taken_is_named(self):
        with harness.Sync() as server, tempfile.TemporaryDirectory() as directory:
            second = run("--data-dir", directory, "--rpc-listen", "127.0.0.1:0", "--http-listen",
                         server.http)
            self.assertEqual(second.returncode, 1)
            self.assertIn(server.http, second.stderr)

    def test_without_http_the_ports_file_says_null(self):
        with tempfile.TemporaryDirectory() as directory:
            ports = os.path.join(directory, "ports")
            child = subprocess.Popen(
                [harness.program("syncd"), "--data-dir", directory, "--rpc-listen", "127.0.0.1:0",
                 "--http-listen", "none", "--ports-file", ports], stderr=subprocess.DEVNULL)
            harness.wait_until("the ports file is there", lambda: os.path.exists(ports))
            with open(ports, encoding="utf-8") as file:
                self.assertIsNone(json.load(file)["http"])
            child.terminate()
            self.assertEqual(child.wait(timeout=harness.PATIENCE_S), 0)

    def test_other_than_loopback_needs_the_flag_that_says_so(self):
        for flag in ("--rpc-listen", "--http-listen"):
            refused = run("--check-config", flag, "0.0.0.0:0")
            self.assertEqual(refused.returncode, 2)
            self.assertIn("--insecure-listen-anywhere", refused.stderr)
        self.assertEqual(run("--check-config", "--rpc-listen", "0.0.0.0:0",
                             "--insecure-listen-anywhere").returncode, 0)
        for address in ("localhost:1", "127.3.2.1:1", "[::1]:1"):
            self.assertEqual(run("--check-config", "--rpc-listen", address).returncode, 0)

    def test_check_config_names_what_is_wrong(self):
        wrong = run("--check-config", SYNC_LEASE_TTL="1s")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("SYNC_LEASE_TTL", wrong.stderr)
        wrong = run("--check-config", "--backoff-base", "1h", "--backoff-cap", "1m")
        self.assertIn("backoff-cap", wrong.stderr)
        self.assertEqual(run("--check-config", "extra").returncode, 2)

    def test_every_flag_of_the_help_is_accepted_by_the_file(self):
        words = run("--help").stdout.split()
        flags = [word[2:] for word in words if word.startswith("--") and word[2:].isascii()]
        self.assertIn("data-dir", flags)
        self.assertIn("lease-ttl", flags)
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("# as in the flags\nlease-ttl = 30s\nrpc-threads = 2\n")
            file.flush()
            self.assertEqual(run("--check-config", "--config", file.name).returncode, 0)
            file.write("lease-tll = 30s\n")
            file.flush()
            self.assertIn("lease-tll", run("--check-config", "--config", file.name).stderr)


if __name__ == "__main__":
    harness.main()
