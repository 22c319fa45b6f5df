"""The dashboard of a real syncd with a real worker, in a real browser (Debian's
Chromium, driven from node). Where either cannot be had, the test is skipped.

usage: dashboard_test.py WORKING_FOLDER
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(HERE, "..", "..", "support")]
import harness
import npm_folder

SKIPPED = 77


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
    problem = "there is no chromium" if shutil.which("chromium") is None else \
        npm_folder.install(sys.argv[1], HERE, ["browse.js"])
    if problem is not None:
        print(f"skipped: {problem}")
        sys.exit(SKIPPED)
    with harness.Sync() as sync:
        sync.flags = ("--rpc-listen", sync.rpc, "--http-listen", sync.http)  # when it comes back
        sync.start_worker()
        status = browse(sync, sys.argv[1])
    sys.exit(status)


main()
