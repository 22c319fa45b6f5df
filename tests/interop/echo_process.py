"""The server under test as a process: started on a free port, ended by its id."""
import os
import signal
import subprocess


class EchoProcess:
    def __init__(self, program, threads=1, **environment):
        self.process = subprocess.Popen(
            [program, "127.0.0.1:0", str(threads)], stdout=subprocess.PIPE,
            env={**os.environ, **environment}, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address, "the server did not start"
        host, port = self.address.rsplit(":", 1)
        self.host, self.port = host, int(port)

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
