"""Servers as processes: started on a free port, ended by their ids."""
import os
import signal
import subprocess


class ServerProcess:
    """Any program that prints the address, or the port, it listens on."""

    def __init__(self, arguments, **environment):
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE,
                                        env={**os.environ, **environment}, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address, f"{arguments[0]} did not start"
        host, _, port = self.address.rpartition(":")
        self.host, self.port = host or "127.0.0.1", int(port)
        self.address = f"{self.host}:{self.port}"

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def close(self):
        """Ends it and says how it ended: 0, or a sanitizer has something to say."""
        if self.process.poll() is None:
            self.terminate()
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.stdout.close()

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise RuntimeError("no VmRSS")


class EchoProcess(ServerProcess):
    """The server of test.v1.Echo."""

    def __init__(self, program, threads=1, **environment):
        super().__init__([program, "127.0.0.1:0", str(threads)], **environment)
