"""libsyncclient as others see it: installed, found by pkg-config, compiled against
with the system's compilers, and run against a server.

usage: client_library_test.py SOURCES BUILD sanitize=[SANITIZERS]
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import harness

SOURCES, BUILD = sys.argv[1:3]
SANITIZERS = sys.argv[3].removeprefix("sanitize=")
EXAMPLES = os.path.join("share", "doc", "sync", "examples")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=harness.PATIENCE_S,
                          check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class ClientLibraryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = tempfile.mkdtemp(prefix="sync-installed-")
        run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        cls.library = os.path.dirname(cls.find("libsyncclient.so"))
        cls.environment = dict(os.environ, LD_LIBRARY_PATH=cls.library)
        cls.server = harness.Sync()
        cls.server.start_worker("--slots", "4")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)
        shutil.rmtree(cls.prefix)

    @classmethod
    def find(cls, name):
        for folder, _, files in os.walk(cls.prefix):
            if name in files:
                return os.path.join(folder, name)
        raise AssertionError(f"{name} is not installed")

    def config(self, *questions):
        search = os.path.dirname(self.find("sync-client.pc"))
        return run("pkg-config", *questions, env=dict(os.environ, PKG_CONFIG_PATH=search)).split()

    def compile(self, compiler, sources, *flags):
        program = os.path.join(self.prefix, "compiled-" + os.path.basename(sources[0]))
        sanitize = [f"-fsanitize={SANITIZERS}"] if SANITIZERS else []
        run(*compiler, *sanitize, "-Wall", "-Wextra", "-Werror", *sources, *flags, "-o", program)
        return program

    def test_nothing_is_exported_but_what_the_header_declares(self):
        if SANITIZERS:
            self.skipTest("sanitizers add symbols of their own")
        with open(os.path.join(SOURCES, "rpc", "client", "client.h"), encoding="utf-8") as header:
            declared = set(re.findall(r"\b(sync_client_\w+)\(", header.read()))
        exported = {line.split()[-1].split("@")[0]
                    for line in run("nm", "-D", "--defined-only",
                                    self.find("libsyncclient.so")).splitlines()}
        self.assertEqual(exported - {"SYNC_CLIENT_0"}, declared)

    def test_the_library_has_a_soname_and_depends_on_no_library_of_the_server(self):
        told = run("readelf", "-d", self.find("libsyncclient.so"))
        self.assertIn("soname: [libsyncclient.so.0]", told)
        for library in ("rocksdb", "jansson", "sqlite3", "curl"):
            self.assertNotIn(library, told)

    def test_the_header_stands_alone_in_c_and_cxx(self):
        flags = self.config("--cflags", "--libs", "sync-client")
        text = ('#include <sync/client.h>\n'
                'int main(void) { struct sync_client_options o = SYNC_CLIENT_OPTIONS_INIT;'
                ' return o.size == 0 || sync_client_version()[0] == 0; }\n')
        for compiler, name in ((["cc", "-std=c99", "-pedantic"], "alone.c"),
                               (["g++", "-std=c++11", "-pedantic",
                                 "-Wno-missing-field-initializers"], "alone.cc")):
            if shutil.which(compiler[0]) is None:
                print(f"skipped: there is no {compiler[0]}")
                continue
            source = os.path.join(self.prefix, name)
            with open(source, "w", encoding="utf-8") as file:
                file.write(text)
            run(self.compile(compiler, [source], *flags), env=self.environment)

    def test_the_example_queues_a_job_and_follows_it(self):
        program = self.compile(["cc"], [os.path.join(self.prefix, EXAMPLES, "queue_job.c")],
                               *self.config("--cflags", "--libs", "sync-client"))
        printed = run(program, self.server.rpc, "acme", "example-sync", env=self.environment)
        self.assertRegex(printed, r"example-sync: (queued|active)\b")
        self.assertRegex(printed.splitlines()[-1], r"^job_\w+ is completed$")
        wrong = subprocess.run([program, self.server.rpc, "acme", "not a name"], text=True,
                               capture_output=True, env=self.environment, check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("INVALID_ARGUMENT", wrong.stderr)
        self.assertIn("  name: ", wrong.stderr)

    def test_the_archive_will_do_as_well_and_hides_as_much(self):
        archive = self.find("libsyncclient.a")
        libraries = [flag for flag in self.config("--static", "--libs", "sync-client")
                     if flag != "-lsyncclient"]
        program = self.compile(["cc"], [os.path.join(self.prefix, EXAMPLES, "queue_job.c"), archive],
                               *self.config("--cflags", "sync-client"), *libraries)
        self.assertNotIn("libsyncclient", run("readelf", "-d", program))
        self.assertIn("is completed", run(program, self.server.rpc, "acme", "from-the-archive"))
        if SANITIZERS:
            return
        names = [line.split()[-1] for line in
                 run("nm", "-g", "--defined-only", archive).splitlines() if " " in line]
        self.assertEqual([name for name in names if not name.startswith("sync_client_")], [])

    def test_the_example_worker_completes_a_job(self):
        made = os.path.join(self.prefix, "made")
        os.mkdir(made)
        protos = self.config("--variable=protodir", "sync-client")[0]
        run("protoc-c", f"-I{protos}", f"--c_out={made}", "sync/v1/worker.proto",
            "sync/v1/sync.proto", "google/protobuf/duration.proto",
            "google/protobuf/timestamp.proto")
        sources = [os.path.join(folder, file) for folder, _, files in os.walk(made)
                   for file in files if file.endswith(".c")]
        program = self.compile(["cc"],
                               [os.path.join(self.prefix, EXAMPLES, "worker.c"), *sources],
                               f"-I{made}", "-Wno-unused-parameter",
                               *self.config("--cflags", "--libs", "sync-client", "libprotobuf-c"))
        with harness.Sync() as server:  # nobody else works here
            status, queued = server.ask("POST", "/sync/queue", {
                "name": "for-the-example", "type": "full",
                "data": {"source": "anything", "target": "nowhere"}})
            self.assertEqual(status, 200, queued)
            printed = run(program, server.rpc, "1", env=self.environment)
            self.assertIn("for-the-example: step 10 of 10", printed)
            _, job = server.ask("GET", "/sync/jobs/" + queued["job"]["id"])
            self.assertEqual(job["job"]["status"], "completed")

    def test_a_job_is_followed_over_a_server_that_dies(self):
        program = self.compile(["cc"], [os.path.join(self.prefix, EXAMPLES, "queue_job.c")],
                               *self.config("--cflags", "--libs", "sync-client"))
        with harness.Sync() as server:
            with subprocess.Popen([program, server.rpc, "acme", "over-the-death"], text=True,
                                  stdout=subprocess.PIPE, env=self.environment) as example:
                self.assertIn("queued", example.stdout.readline())  # nobody works on it yet
                server.server.kill()
                self.assertIn("went away", example.stdout.readline())
                server.flags = ("--rpc-listen", server.rpc)
                server.start()
                server.start_worker("--slots", "1")
                self.assertRegex(example.stdout.read().splitlines()[-1], "is completed$")
            self.assertEqual(example.returncode, 0)

    def run_cases(self, **environment):
        done = subprocess.run([harness.program("client_cases")], text=True, capture_output=True,
                              env=dict(os.environ, **environment),
                              timeout=4 * harness.PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_everything_that_the_header_promises(self):
        self.run_cases(SYNC_ADDRESS=self.server.rpc)

    def test_everything_that_the_header_promises_over_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            run(harness.program("make_certificates"), folder)
            with harness.Sync("--tls-cert", f"{folder}/server.pem",
                              "--tls-key", f"{folder}/server.key") as server:
                server.start_worker("--slots", "4", "--tls-ca", f"{folder}/ca.pem")
                self.run_cases(SYNC_ADDRESS=server.rpc, SYNC_TLS_FOLDER=folder)

    def test_there_is_a_manual_page(self):
        with open(self.find("sync-client.3"), encoding="utf-8") as page:
            text = page.read()
        for word in ("sync_client_open", "sync_client_queue", "sync_client_watch",
                     "Threads", "Ownership"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
