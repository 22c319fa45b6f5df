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


if __name__ == "__main__":
    harness.main()
