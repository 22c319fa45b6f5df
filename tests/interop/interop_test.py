#!/usr/bin/python3
"""The standard interop cases (gRPC, doc/interop-test-descriptions), each in plain
text and over TLS:

    interop_test.py WHICH BIN DESCRIPTORS PROTOS NPM_FOLDER

WHICH is a client, to be tried against our server (ours, grpcio, grpc_go, ruby,
grpc_js, connect, buf), or a foreign server that our client is tried against
(grpcio_server, grpc_go_server, ruby_server, grpc_js_server, connect_server)."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import npm_folder
from server_process import ServerProcess

SKIPPED, PATIENCE_S = 77, 90
WHICH, BIN, DESCRIPTORS, PROTOS, NPM = sys.argv[1:6]
HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
NPM_SCRIPTS = ["js_messages.js", "js_client.js", "js_server.js", "connect_client.mjs",
               "connect_server.mjs"]

CASES = """empty_unary large_unary cacheable_unary client_compressed_unary server_compressed_unary
    client_streaming client_compressed_streaming server_streaming server_compressed_streaming
    ping_pong half_duplex empty_stream timeout_on_sleeping_server cancel_after_begin
    cancel_after_first_response custom_metadata status_code_and_message special_status_message
    unimplemented_method unimplemented_service slow_consumer rpc_soak channel_soak""".split()
# What the gem's client has, but for what wants Google's own credentials.
RUBY_CASES = """empty_unary large_unary client_compressed_unary client_streaming
    client_compressed_streaming server_streaming ping_pong timeout_on_sleeping_server empty_stream
    cancel_after_begin cancel_after_first_response unimplemented_method unimplemented_service
    status_code_and_message custom_metadata""".split()


def skip_all(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def gem_file(name):
    found = glob.glob("/usr/lib/*/rubygems-integration/*/gems/grpc-*/src/ruby/pb/test/" + name)
    if not found or shutil.which("ruby") is None:
        skip_all("no interop programs of ruby-grpc (apt-get install ruby-grpc)")
    return found[0]


def need_npm():
    problem = npm_folder.install(NPM, HERE, NPM_SCRIPTS)
    if problem is not None:
        skip_all(f"npm cannot install what is needed:\n{problem}")


def program(name):
    return os.path.join(BIN, name)


class InteropTest(unittest.TestCase):
    """A server in plain text and one over TLS; what runs a case is added below."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        subprocess.run([program("make_certificates"), cls.folder.name], check=True)
        cls.ca = os.path.join(cls.folder.name, "ca.pem")
        pair = [os.path.join(cls.folder.name, "server." + end) for end in ("pem", "key")]
        cls.servers = {None: ServerProcess(cls.server_command(None)),
                       cls.ca: ServerProcess(cls.server_command(pair))}

    @classmethod
    def tearDownClass(cls):
        ends = [server.close() for server in cls.servers.values()]
        cls.folder.cleanup()
        assert not cls.is_ours or ends == [0, 0], f"the servers ended with {ends}"

    is_ours = True

    @staticmethod
    def server_command(pair):
        tls = ["--use_tls=true", "--tls_cert_file", pair[0], "--tls_key_file", pair[1]] if pair else []
        return [program("interop_server"), "--descriptors", DESCRIPTORS, *tls]

    def run_program(self, arguments, environment=None):
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_S,
                              cwd=NPM if os.path.isdir(NPM) else None,
                              env={**os.environ, **(environment or {})}, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


class ManyCases(InteropTest):
    """A client that runs all cases in one process, for it is slow to start: each
    with "ok NAME" or "failed NAME WHY" in what it prints."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reports = {}

    def report(self, port, ca):
        if ca not in self.reports:
            printed = self.run_program(*self.client_command(port, ca))
            self.reports[ca] = dict(
                (line.split(" ", 2)[1], line) for line in printed.splitlines()
                if line.startswith(("ok ", "failed ")))
        return self.reports[ca]

    def run_case(self, name, port, ca):
        line = self.report(port, ca).get(name, "it did not run")
        self.assertEqual(line, "ok " + name, line.replace("\\n", "\n"))


# ---- Clients against our server. ----

class OurClient(InteropTest):
    cases = CASES

    def run_case(self, name, port, ca):
        tls = ["--use_tls=true", "--ca_file", ca] if ca else []
        self.run_program([program("interop_client"), "--server_host=localhost",
                          f"--server_port={port}", f"--test_case={name}", *tls])


class Grpcio(InteropTest):
    cases = [name for name in CASES if name != "channel_soak"]

    def run_case(self, name, port, ca):
        from grpcio_client import GrpcioClient
        client = GrpcioClient(self, f"localhost:{port}", DESCRIPTORS, ca)
        try:
            getattr(client, name)()
        finally:
            client.close()


class GrpcGo(InteropTest):
    """It compresses whole calls or none, and never says what it accepts."""
    cases = [name for name in CASES if not name.startswith("server_compressed")] + [
        "server_does_not_compress_for_who_accepts_nothing", "a_hundred_calls_at_once"]

    def run_case(self, name, port, ca):
        self.run_program([program("interop_go"), f"localhost:{port}", name] + ([ca] if ca else []))


class Ruby(ManyCases):
    cases = RUBY_CASES

    @staticmethod
    def client_command(port, ca):
        roots = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": ca} if ca else {}
        return ["ruby", os.path.join(HERE, "ruby_client.rb"), gem_file("client.rb"), "localhost",
                str(port), "true" if ca else "false", *RUBY_CASES], roots


class GrpcJs(ManyCases):
    cases = CASES

    @staticmethod
    def client_command(port, ca):
        return (["node", "js_client.js", PROTOS, f"localhost:{port}", *([ca] if ca else [])],)


class Connect(ManyCases):
    cases = [name for name in CASES if name != "channel_soak"]

    @staticmethod
    def client_command(port, ca):
        return (["node", "connect_client.mjs", DESCRIPTORS, f"localhost:{port}",
                 *([ca] if ca else [])],)


class Buf(InteropTest):
    """`buf curl` knows no protos but those that reflection tells it."""
    cases = ["reflection", "empty_unary", "large_unary", "server_streaming", "status", "health"]

    def curl(self, port, ca, path, request, *flags):
        url = f"{'https' if ca else 'http'}://localhost:{port}/{path}"
        how = ["--cacert", ca] if ca else ["--http2-prior-knowledge"]
        return subprocess.run(["node_modules/.bin/buf", "curl", "--protocol", "grpc", *how, *flags,
                               "-d", json.dumps(request), url], cwd=NPM, capture_output=True,
                              text=True, timeout=PATIENCE_S, check=False)

    def answer(self, *arguments):
        done = self.curl(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def run_case(self, name, port, ca):
        getattr(self, "case_" + name)(port, ca)

    def case_reflection(self, port, ca):
        for version in "grpc-v1", "grpc-v1alpha":
            answer = self.answer(port, ca, "grpc.testing.TestService/UnaryCall",
                                 {"responseSize": 3}, "--reflect-protocol", version)
            self.assertEqual(json.loads(answer), {"payload": {"body": "AAAA"}})

    def case_empty_unary(self, port, ca):
        self.assertEqual(json.loads(
            self.answer(port, ca, "grpc.testing.TestService/EmptyCall", {})), {})

    def case_large_unary(self, port, ca):
        answer = json.loads(self.answer(port, ca, "grpc.testing.TestService/UnaryCall",
                                        {"responseSize": 300000}))
        self.assertEqual(len(answer["payload"]["body"]), 400000)

    def case_server_streaming(self, port, ca):
        sizes = [{"size": size} for size in (3, 6, 9)]
        answer = self.answer(port, ca, "grpc.testing.TestService/StreamingOutputCall",
                             {"responseParameters": sizes})
        self.assertEqual([len(json.loads(line)["payload"]["body"])
                          for line in answer.replace("}\n{", "}\0{").split("\0")], [4, 8, 12])

    def case_status(self, port, ca):
        done = self.curl(port, ca, "grpc.testing.TestService/UnaryCall",
                         {"responseStatus": {"code": 9, "message": "not \u263a now"}})
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(json.loads(done.stderr)["code"], "failed_precondition")
        self.assertEqual(json.loads(done.stderr)["message"], "not \u263a now")

    def case_health(self, port, ca):
        answer = self.answer(port, ca, "grpc.health.v1.Health/Check",
                             {"service": "grpc.testing.TestService"})
        self.assertEqual(json.loads(answer), {"status": "SERVING"})


# ---- Our client against theirs. ----

class GrpcioServer(OurClient):
    is_ours = False
    unknown = {"client_compressed_unary": "grpcio does not tell a method how a message came",
               "client_compressed_streaming": "grpcio does not tell a method how a message came"}

    @staticmethod
    def server_command(pair):
        return [PYTHON, os.path.join(HERE, "grpcio_server.py"), DESCRIPTORS, *(pair or [])]


class GrpcGoServer(OurClient):
    is_ours = False
    unknown = {name: "this grpc-go does not choose compression, nor tell of it, at a server"
               for name in CASES if "compressed" in name}

    @staticmethod
    def server_command(pair):
        return [program("interop_go"), "--server", *(pair or [])]


class GrpcJsServer(OurClient):
    is_ours = False
    unknown = {name: "grpc-js does not choose compression, nor tell of it, at a server"
               for name in CASES if "compressed" in name}

    @staticmethod
    def server_command(pair):
        return ["node", os.path.join(NPM, "js_server.js"), PROTOS, *(pair or [])]


class ConnectServer(OurClient):
    is_ours = False
    unknown = {name: "connect-node compresses by size, and does not tell a method of it"
               for name in CASES if "compressed" in name}

    @staticmethod
    def server_command(pair):
        return ["node", os.path.join(NPM, "connect_server.mjs"), DESCRIPTORS, *(pair or [])]


class RubyServer(OurClient):
    is_ours = False
    unknown = {**{name: "the gem's server does nothing about compression"
                  for name in CASES if "compressed" in name},
               "cacheable_unary": "the gem's server lacks it",
               "half_duplex": "the gem's server lacks it"}

    @staticmethod
    def server_command(pair):
        return ["ruby", os.path.join(HERE, "ruby_server.rb"), gem_file("server.rb"), *(pair or [])]


def make_test(name, over_tls, unknown):
    def test(self):
        if unknown is not None:
            self.skipTest(unknown)
        ca = self.ca if over_tls else None
        self.run_case(name, self.servers[ca].port, ca)
    return test


def add_tests(chosen):
    for name in chosen.cases:
        for over_tls in False, True:
            setattr(chosen, f"test_{name}_{'over_tls' if over_tls else 'in_plain_text'}",
                    make_test(name, over_tls, getattr(chosen, "unknown", {}).get(name)))


def main():
    chosen = {"ours": OurClient, "grpcio": Grpcio, "grpc_go": GrpcGo, "ruby": Ruby,
              "grpc_js": GrpcJs, "connect": Connect, "buf": Buf, "grpcio_server": GrpcioServer,
              "grpc_go_server": GrpcGoServer, "ruby_server": RubyServer, "grpc_js_server": GrpcJsServer,
              "connect_server": ConnectServer}[WHICH]
    if WHICH.startswith("grpcio"):
        try:
            import grpc
        except ImportError as missing:
            skip_all(f"{missing} (apt-get install python3-grpcio)")
    elif WHICH.startswith("grpc_go"):
        if not os.path.exists(program("interop_go")):
            skip_all("no grpc-go (apt-get install golang-go golang-google-grpc-dev)")
    elif WHICH.startswith("ruby"):
        gem_file("client.rb")
    elif WHICH != "ours":
        need_npm()
    add_tests(chosen)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(chosen)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(not result.wasSuccessful())


main()
