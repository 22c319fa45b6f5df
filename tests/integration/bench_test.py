"""sync-bench in small: its numbers are not judged, its verdict is."""

import json
import subprocess
import tempfile
import unittest

import harness


def bench(*arguments):
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [harness.program("sync-bench"), "--directory", directory, "-o", "json", *arguments],
            capture_output=True, text=True, timeout=4 * harness.PATIENCE_S, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}\n{done.stdout}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


class BenchTest(unittest.TestCase):
    def check(self, mode):
        measured, = bench("--mode", mode, "--jobs", "2000", "--seconds", "60")
        self.assertTrue(measured["sound"])
        self.assertEqual(measured["acknowledged"], 2000)
        self.assertEqual(measured["completed"], 2000)
        self.assertGreater(measured["fsyncs"], 0)

    def test_each_job_is_completed_exactly_once_by_single_calls(self):
        self.check("unary")

    def test_each_job_is_completed_exactly_once_on_streams(self):
        self.check("stream")

    def test_a_backlog_survives_a_kill_and_is_handed_out(self):
        measured, = bench("--backlog", "2000")
        self.assertEqual(measured["jobs"], 2000)
        self.assertGreater(measured["firstLeaseMs"], 0)

    def test_history_is_measured_in_parts_each_completed_exactly_once(self):
        *parts, whole = bench("--mode", "history", "--jobs", "3000", "--parts", "3")
        self.assertEqual([part["passed"] for part in parts], [1000, 2000, 3000])
        for part in parts:
            self.assertEqual(part["completed"], 1000)
            self.assertTrue(part["sound"])
            self.assertGreater(part["residentBytes"], 0)
            self.assertGreater(part["singleLease"]["p50Us"], 0)
        self.assertTrue(whole["sound"])
        self.assertGreater(whole["firstLeaseMs"], 0)

    def test_a_backlog_of_one_organisation_does_not_hold_up_another(self):
        measured, = bench("--mode", "fairness", "--backlog", "5000", "--rounds", "30",
                          "--slots", "8", "--hold", "200ms")
        self.assertTrue(measured["sound"])
        for workers in ("idle", "busy"):
            self.assertEqual(measured[workers]["rounds"], 30)
        self.assertLessEqual(measured["idle"]["leasesBefore"]["max"], 1)
        self.assertLessEqual(measured["busy"]["leasesBefore"]["p50"], 1)
        self.assertLessEqual(measured["busy"]["leasesBefore"]["max"], 64)
        self.assertGreater(measured["busy"]["leasesPerSecond"], 0)
        self.assertEqual(measured["backlogCompleted"] + measured["backlogLeft"], 5000)

    def test_a_backlog_that_runs_out_is_no_measurement(self):
        with self.assertRaisesRegex(AssertionError, "the backlog has run out"):
            bench("--mode", "fairness", "--backlog", "20", "--rounds", "50", "--hold", "1ms")

    def test_what_needs_a_server_of_its_own_refuses_another(self):
        for mode in ("history", "fairness"):
            with self.assertRaisesRegex(AssertionError, "--server goes with"):
                bench("--mode", mode, "--server", "127.0.0.1:1")


if __name__ == "__main__":
    harness.main()
