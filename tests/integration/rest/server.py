"""A syncd of the test's own: a fresh data directory, any free ports."""

import json
import os
import signal
import subprocess
import tempfile
import time


class Server:
    def __init__(self, program):
        self.directory = tempfile.TemporaryDirectory(prefix="sync-rest-")
        self.program = program
        self.log_path = os.path.join(self.directory.name, "log")
        self.ports_path = os.path.join(self.directory.name, "ports.json")
        self.start()

    def start(self):
        if os.path.exists(self.ports_path):
            os.unlink(self.ports_path)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--data-dir", os.path.join(self.directory.name, "data"),
                 "--rpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                 "--ports-file", self.ports_path], stderr=log)
        self.read_ports()

    def read_ports(self):
        """The file appears once both ports are open."""
        deadline = time.monotonic() + 60
        while not os.path.exists(self.ports_path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("syncd did not start:\n" + self.log())
            time.sleep(0.01)
        with open(self.ports_path) as ports:
            addresses = json.load(ports)
        self.rpc, self.http = addresses["rpc"], addresses["http"]

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-4000:]

    def stop(self):
        """SIGTERM; a syncd that does not end well fails the test."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "none within 60 s"
        log = self.log()
        self.directory.cleanup()
        if code != 0:
            raise RuntimeError("syncd ended with %s:\n%s" % (code, log))
