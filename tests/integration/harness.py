"""Starts Sync's programs on free ports and data of their own, for tests.

SYNC_BIN names the folder of the programs. Nothing here sleeps for a fixed time:
what can be observed is waited for, with a bound.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.environ["SYNC_BIN"]
PATIENCE_S = 60


def program(name):
    return os.path.join(BIN, name)


def wait_until(what, condition):
    """Waits until condition() is true, and gives its value."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"in {PATIENCE_S} s it did not happen: {what}")
        time.sleep(0.02)


class Process:
    """A child that writes a log, and must end well when it is asked to."""

    def __init__(self, name, arguments, directory):
        self.name = name
        self.log = os.path.join(directory, name + ".log")
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen([program(name), *arguments], stderr=log,
                                          stdout=log, stdin=subprocess.DEVNULL)

    def is_running(self):
        return self.child.poll() is None

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self):
        if self.is_running():
            self.child.send_signal(signal.SIGTERM)
        status = self.child.wait(timeout=PATIENCE_S)
        if status != 0:
            raise AssertionError(f"{self.name} ended with {status}:\n{self.read_log()}")

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()


class Sync:
    """A server, workers if wanted, and a directory that goes with them."""

    def __init__(self, *flags):
        self.directory = tempfile.mkdtemp(prefix="sync-test-")
        self.flags = flags
        self.workers = []
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
        finally:
            for process in (*self.workers, self.server):
                if process.is_running():
                    process.kill()
            if kind is not None:
                print(self.server.read_log(), file=sys.stderr)
            shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        ports = os.path.join(self.directory, "ports.json")
        if os.path.exists(ports):
            os.unlink(ports)
        self.server = Process("syncd", [
            "--data-dir", os.path.join(self.directory, "server"), "--ports-file", ports,
            "--rpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
            "--log-format", "json", *self.flags], self.directory)
        wait_until("syncd listens",
                   lambda: os.path.exists(ports) or not self.server.is_running())
        if not self.server.is_running():
            raise AssertionError("syncd did not start:\n" + self.server.read_log())
        with open(ports, encoding="utf-8") as file:
            addresses = json.load(file)
        self.rpc, self.http = addresses["rpc"], addresses["http"]

    def stop(self):
        for worker in self.workers:
            worker.stop()
        self.server.stop()

    def start_worker(self, *flags):
        data = os.path.join(self.directory, "worker")
        os.makedirs(data, exist_ok=True)
        worker = Process("sync-worker", ["--server", self.rpc, "--data-dir", data, *flags],
                         self.directory)
        self.workers.append(worker)
        return worker

    def database(self, org):
        return os.path.join(self.directory, "worker", org + ".db")

    def ask(self, method, path, body=None, org="acme", headers=None):
        """One request to the JSON API: (status, parsed answer). What its headers
        were is in self.headers."""
        host, port = self.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
        sent = dict(headers or {})
        if org is not None:
            sent["orgid"] = org
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            sent.setdefault("content-type", "application/json")
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        return answer.status, json.loads(text) if text else None

    def syncctl(self, *arguments, org="acme", given=None):
        """Runs syncctl; gives what it printed and how it ended."""
        environment = dict(os.environ, SYNC_SERVER=self.rpc)
        if org is not None:
            environment["SYNC_ORG"] = org
        return subprocess.run([program("syncctl"), *arguments], env=environment, input=given,
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)


class Result(unittest.TestResult):
    """Says of each test what cmocka says, so that single tests can be counted."""

    def addSuccess(self, test):
        print(f"[       OK ] {test._testMethodName}", flush=True)

    def _bad(self, test, error):
        print(self._exc_info_to_string(error, test))
        print(f"[  FAILED  ] {getattr(test, '_testMethodName', str(test))}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)


def main():
    """Runs the tests of the file that calls it."""
    result = Result()
    unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]).run(result)
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 else 1)
