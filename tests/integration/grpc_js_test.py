"""@grpc/grpc-js against the server, in plain text and with certificates on both
sides; installed by npm into the build tree. Only where npm cannot install it, the
test is skipped.

usage: grpc_js_test.py PROTO_FOLDER WORKING_FOLDER
"""

import os
import shutil
import subprocess
import sys
import tempfile

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


def ask(folder, protos, *certificates, flags=()):
    with harness.Sync(*flags) as server:
        return subprocess.run(["node", "grpc_js_client.js", server.rpc, protos, *certificates],
                              cwd=folder, timeout=240, check=False).returncode


def ask_over_tls(folder, protos):
    with tempfile.TemporaryDirectory(prefix="sync-tls-") as made:
        subprocess.run([harness.program("make_certificates"), made], check=True)
        own = [os.path.join(made, name) for name in ("server.pem", "server.key", "ca.pem")]
        return ask(folder, protos, made, flags=("--tls-cert", own[0], "--tls-key", own[1],
                                                "--tls-client-ca", own[2]))


def main():
    protos, folder = sys.argv[1:3]
    problem = install(folder)
    if problem is not None:
        print(f"skipped: npm cannot install @grpc/grpc-js:\n{problem}")
        sys.exit(SKIPPED)
    status = ask(folder, protos) or ask_over_tls(folder, protos)
    sys.exit(status)


main()
