"""@grpc/grpc-js against the server; installed by npm into the build tree. Only
where npm cannot install it, the test is skipped.

usage: grpc_js_test.py PROTO_FOLDER WORKING_FOLDER
"""

import os
import shutil
import subprocess
import sys

import harness

SKIPPED = 77
HERE = os.path.dirname(os.path.abspath(__file__))


def install(folder):
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "grpc_js_client.js"):
        shutil.copy(os.path.join(HERE, name), folder)
    if os.path.isdir(os.path.join(folder, "node_modules", "@grpc", "proto-loader")):
        return None
    try:
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
                              cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr


def main():
    protos, folder = sys.argv[1:3]
    problem = install(folder)
    if problem is not None:
        print(f"skipped: npm cannot install @grpc/grpc-js:\n{problem}")
        sys.exit(SKIPPED)
    with harness.Sync() as server:
        status = subprocess.run(["node", "grpc_js_client.js", server.rpc, protos], cwd=folder,
                                timeout=240, check=False).returncode
    sys.exit(status)


main()
