"""@grpc/grpc-js against the server, in plain text and with certificates on both
sides; installed by npm into the build tree. Only where npm cannot install it, the
test is skipped.

usage: grpc_js_test.py PROTO_FOLDER WORKING_FOLDER
"""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import harness
import npm_folder

SKIPPED = 77


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
    problem = npm_folder.install(folder, HERE, ["grpc_js_client.js"])
    if problem is not None:
        print(f"skipped: npm cannot install @grpc/grpc-js:\n{problem}")
        sys.exit(SKIPPED)
    status = ask(folder, protos) or ask_over_tls(folder, protos)
    sys.exit(status)


main()
