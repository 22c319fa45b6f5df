"""The dashboard of a real syncd with a real worker, in a real browser (Debian's
Chromium, driven from node). Where either cannot be had, the test is skipped.

usage: dashboard_test.py WORKING_FOLDER
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import harness

SKIPPED = 77


def install(folder):
    """What is missing, or None."""
    if shutil.which("chromium") is None:
        return "there is no chromium"
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "browse.js"):
        shutil.copy(os.path.join(HERE, name), folder)
    if os.path.isdir(os.path.join(folder, "node_modules", "playwright-core")):
        return None
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
                              cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr


def browse(sync, folder):
    child = subprocess.Popen(["node", "browse.js", "http://" + sync.http, shutil.which("chromium")],
                             cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line.strip() == "restart":
            sync.server.stop()
            sync.start()
            child.stdin.write("started\n")
            child.stdin.flush()
        else:
            print(line, end="", flush=True)
    return child.wait(timeout=harness.PATIENCE_S)


def main():
    problem = install(sys.argv[1])
    if problem is not None:
        print(f"skipped: {problem}")
        sys.exit(SKIPPED)
    with harness.Sync() as sync:
        sync.flags = ("--rpc-listen", sync.rpc, "--http-listen", sync.http)  # when it comes back
        sync.start_worker()
        status = browse(sync, sys.argv[1])
    sys.exit(status)


main()
