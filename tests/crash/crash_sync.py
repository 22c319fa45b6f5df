"""Kills the server and the worker at random moments of a sync.

    crash_sync.py SYNCD SYNC_WORKER DEMO_DUMP [--rounds N] [--seed S]

Each round queues one full sync of 20,000 records and some small jobs, kills
(SIGKILL) server, worker or both again and again, starts them again, and then
asks: did every acknowledged job complete, does the target hold exactly what the
source holds, and was nothing counted twice? A seed decides every choice but not
the machine's timing; it is printed, so that a failure can be tried again.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

RECORDS = 20000
ORG = "acme"                # of the big job
SIDE_ORG = "side"           # of the small ones: other rows, so that no sweep concerns them
SHOP = {"kind": "demo", "seed": 11, "size": RECORDS, "now": "2025-03-01T10:00:00Z"}
PACE = 3000                 # records per second and entity: the big one takes three seconds
KILLS = 5                   # at most, in one round
ROUND_SECONDS = 150


class Failure(Exception):
    pass


class Programs:
    """One server and one worker, with their data, started and killed as often as needed."""

    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = folder
        self.rpc = self.http = "127.0.0.1:0"
        self.server = self.worker = None
        self.log = open(os.path.join(folder, "log"), "ab")

    def path(self, name):
        return os.path.join(self.folder, name)

    def spawn(self, *command):
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                stderr=self.log)

    def start_server(self):
        ports = self.path("ports.json")
        if os.path.exists(ports):
            os.remove(ports)
        self.server = self.spawn(
            self.arguments.syncd, "--data-dir", self.path("server"), "--rpc-listen", self.rpc,
            "--http-listen", self.http, "--ports-file", ports, "--backoff-base", "100ms",
            "--backoff-cap", "1s")
        deadline = time.monotonic() + 30
        while not self.read_ports(ports):
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise Failure("syncd did not start")
            time.sleep(0.02)

    def read_ports(self, ports):
        try:
            with open(ports, encoding="utf-8") as file:
                addresses = json.load(file)
        except (FileNotFoundError, ValueError):
            return False
        self.rpc, self.http = addresses["rpc"], addresses["http"]
        return True

    def start_worker(self):
        self.worker = self.spawn(self.arguments.worker, "--server", self.rpc, "--data-dir",
                                 self.path("data"), "--lease-ttl", "5s")

    @staticmethod
    def kill(process):
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_server(self):
        self.kill(self.server)

    def kill_worker(self):
        self.kill(self.worker)

    def stop(self):
        for process in (self.worker, self.server):
            if process is not None and process.poll() is None:
                process.terminate()
        for process in (self.worker, self.server):
            if process is not None:
                try:
                    code = process.wait(timeout=40)
                except subprocess.TimeoutExpired:
                    self.kill(process)
                    raise Failure("a program did not end after SIGTERM") from None
                if code not in (0, -signal.SIGKILL):
                    raise Failure(f"a program ended with {code}")

    def close(self):
        for process in (self.worker, self.server):
            if process is not None and process.poll() is None:
                self.kill(process)
        self.log.close()

    def call(self, org, method, path, body=None):
        """The answer, or None if there was none: the server may be dead just now."""
        request = urllib.request.Request(
            f"http://{self.http}{path}", method=method, headers={"orgid": org},
            data=None if body is None else json.dumps(body).encode())
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code == 503:
                return None
            raise Failure(f"{method} {path}: {error.code} {text}") from None
        except (OSError, ValueError):
            return None


def queue(programs, org, name, demo, concurrency):
    """A job the server has acknowledged, as (org, id), or None."""
    answer = programs.call(org, "POST", "/sync/queue", {
        "name": name, "type": "full",
        "data": {"source": "demo", "target": "local", "demo": demo},
        "options": {"concurrency": concurrency, "maxRetries": 100}})
    return None if answer is None else (org, answer["job"]["id"])


def status_of(programs, job):
    org, job_id = job
    answer = programs.call(org, "GET", f"/sync/jobs/{job_id}")
    if answer is None:
        return None
    found = answer.get("job", answer)
    if found["status"] in ("failed", "cancelled"):
        raise Failure(f"{job_id} is {found['status']}: {found.get('error')}")
    return found["status"]


def shop(**more):
    settings = {key: value for key, value in SHOP.items() if key != "kind"}
    settings.update(more)
    return settings


def kill_and_restart(programs, dice):
    victim = dice.choice(("server", "worker", "both"))
    rest = dice.uniform(0, 0.5)
    if victim != "worker":
        programs.kill_server()
    if victim != "server":
        programs.kill_worker()
    time.sleep(rest)
    if victim != "worker":
        programs.start_server()
    if victim != "server":
        programs.start_worker()
    return victim


def run_round(programs, dice):
    """Queues, kills, and waits until everything acknowledged is over. Returns the victims."""
    programs.start_server()
    programs.start_worker()
    big = None
    while big is None:
        big = queue(programs, ORG, "big", shop(pace=PACE), dice.choice((1, 2, 4)))
    acknowledged, victims = [big], []
    deadline = time.monotonic() + ROUND_SECONDS
    for _ in range(dice.randint(2, KILLS)):
        time.sleep(dice.uniform(0.05, 2.5))
        if status_of(programs, big) == "completed":
            break
        victims.append(kill_and_restart(programs, dice))
        small = queue(programs, SIDE_ORG, f"small-{len(victims)}", shop(size=50), 1)
        if small is not None:
            acknowledged.append(small)
    waiting = set(acknowledged)
    while waiting:
        if time.monotonic() > deadline:
            raise Failure(f"not completed in {ROUND_SECONDS} s: {sorted(waiting)}")
        waiting = {job for job in waiting if status_of(programs, job) != "completed"}
        time.sleep(0.1)
    return victims


def read_source(arguments):
    dumped = subprocess.run([arguments.dump, json.dumps(SHOP)], check=True,
                            stdout=subprocess.PIPE).stdout.decode()
    return {tuple(line.split("\t")[:2]): line.split("\t")[3] for line in dumped.splitlines()}


def read_target(programs):
    connection = sqlite3.connect(os.path.join(programs.path("data"), f"{ORG}.db"))
    rows, held = 0, {}
    for entity in ("products", "collections", "customers", "orders"):
        for key, document, deleted_at in connection.execute(
                f"SELECT key, document, deleted_at FROM {entity}"):
            rows += 1
            if deleted_at is None:
                held[(entity, key)] = document
    done, = connection.execute("SELECT sum(done) FROM sync_state WHERE sync = 'big'").fetchone()
    broken = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    if broken != "ok":
        raise Failure(f"the database is damaged: {broken}")
    return held, done


def compare(source, held, done):
    missing = sorted(set(source) - set(held))
    surplus = sorted(set(held) - set(source))
    other = sorted(key for key in source if key in held and source[key] != held[key])
    if len(source) != RECORDS:
        raise Failure(f"the source has {len(source)} records")
    if missing or surplus or other:
        raise Failure(f"missing {len(missing)} {missing[:3]}, surplus {len(surplus)} "
                      f"{surplus[:3]}, different {len(other)} {other[:3]}")
    if done != RECORDS:
        raise Failure(f"{done} records were counted")


def one_round(arguments, seed):
    dice = random.Random(seed)
    folder = tempfile.mkdtemp(prefix="sync-crash-")
    programs = Programs(arguments, folder)
    began = time.monotonic()
    try:
        victims = run_round(programs, dice)
        programs.stop()
        held, done = read_target(programs)
        compare(read_source(arguments), held, done)
    except Failure as failure:
        programs.close()
        print(f"seed {seed}: {failure}\nlog and data: {folder}", flush=True)
        return False
    programs.close()
    shutil.rmtree(folder)
    print(f"seed {seed}: killed {', '.join(victims) or 'nobody'}; all completed, "
          f"{RECORDS} records equal, {time.monotonic() - began:.1f} s", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("syncd")
    parser.add_argument("worker")
    parser.add_argument("dump")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    first = arguments.seed if arguments.seed is not None else random.SystemRandom().getrandbits(32)
    good = [one_round(arguments, first + i) for i in range(arguments.rounds)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
