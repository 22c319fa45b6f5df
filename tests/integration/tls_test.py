"""TLS from outside: curl, OpenSSL's own client, Python's grpcio, a scanner and our
programs against both ports, with certificates that are made here."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import grpc
from sync.v1 import sync_pb2

import harness

SHORT = ("--http-head-timeout", "1s", "--rpc-handshake-timeout", "1s")
JOB = {"name": "orders", "type": "full", "data": {"source": "demo", "target": "local"}}


def run(*command, given=""):
    return subprocess.run(command, input=given, capture_output=True, text=True,
                          timeout=harness.PATIENCE_S, check=False)


def port_of(address):
    return int(address.rsplit(":", 1)[1])


class Folder:
    """Certificates by the names of tests/support/certificates.h."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="sync-tls-")
        made = run(harness.program("make_certificates"), self.path)
        assert made.returncode == 0, made.stderr

    def pem(self, name):
        return os.path.join(self.path, name + ".pem")

    def key(self, name):
        return os.path.join(self.path, name + ".key")

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def serve(self, *flags, cert="server", client_ca=None):
        client = ("--tls-client-ca", self.pem(client_ca)) if client_ca else ()
        return harness.Sync("--tls-cert", self.pem(cert), "--tls-key", self.key(cert), *client,
                            *flags)

    def client_flags(self, cert=None):
        own = ("--tls-cert", self.pem(cert), "--tls-key", self.key(cert)) if cert else ()
        return ("--tls-ca", self.pem("ca"), *own)

    def curl(self, server, path, *flags, cert=None, ca="ca"):
        own = ("--cert", self.pem(cert), "--key", self.key(cert)) if cert else ()
        return run("curl", "-sS", "--cacert", self.pem(ca), *own, *flags,
                   f"https://{server.http}{path}")

    def channel(self, server, cert=None, ca="ca", name=None):
        """Python's grpcio; name: what the certificate ought to be for."""
        credentials = grpc.ssl_channel_credentials(
            self.read(self.pem(ca)), self.read(self.key(cert)) if cert else None,
            self.read(self.pem(cert)) if cert else None)
        options = [("grpc.ssl_target_name_override", name)] if name else []
        return grpc.secure_channel(server.rpc, credentials, options)

    def queue(self, channel):
        answer = channel.unary_unary(
            "/sync.v1.SyncService/QueueJob",
            request_serializer=sync_pb2.QueueJobRequest.SerializeToString,
            response_deserializer=sync_pb2.QueueJobResponse.FromString)
        return answer(sync_pb2.QueueJobRequest(
            org_id="acme", name="orders", type=sync_pb2.JOB_TYPE_FULL,
            data=sync_pb2.JobData(source="one", target="two")), timeout=harness.PATIENCE_S).job


class TlsTest(unittest.TestCase):
    def setUp(self):
        self.folder = Folder()
        self.addCleanup(shutil.rmtree, self.folder.path)

    # ---- The gateway, by curl. ----

    def test_curl_asks_over_both_versions(self):
        with self.folder.serve() as server:
            for version in ("1.2", "1.3"):
                done = self.folder.curl(server, "/sync", f"--tlsv{version}", "--tls-max", version,
                                        "-w", "\n%{ssl_verify_result} %{http_version}")
                self.assertEqual(done.returncode, 0, done.stderr)
                answer, _, rest = done.stdout.partition("\n")
                self.assertEqual(json.loads(answer)["status"], "active")
                self.assertEqual(rest, "0 1.1")

    def test_large_bodies_go_both_ways_over_one_connection(self):
        with self.folder.serve() as server:
            context = ssl.create_default_context(cafile=self.folder.pem("ca"))
            connection = http.client.HTTPSConnection("localhost", port_of(server.http),
                                                     context=context, timeout=harness.PATIENCE_S)
            for i in range(20):
                job = {**JOB, "name": f"large-{i}",
                       "data": {**JOB["data"], "filters": {"text": "x" * 200000}}}
                connection.request("POST", "/sync/queue", json.dumps(job),
                                   {"orgid": "acme", "content-type": "application/json"})
                queued = json.load(connection.getresponse())["job"]
                connection.request("GET", "/sync/jobs/" + queued["id"], headers={"orgid": "acme"})
                shown = json.load(connection.getresponse())["job"]
                self.assertEqual(shown["data"]["filters"], job["data"]["filters"])
            connection.close()

    def test_a_request_that_comes_at_once_is_read_to_its_end(self):
        # Its last records are taken off the socket while the server still works on the
        # first: nothing more comes that would wake it up for them.
        with self.folder.serve() as server:
            for size in (16384, 32768, 32768 + 16384, 65536, 100000):
                text = "x" * (size - len(json.dumps({**JOB, "data": {**JOB["data"], "text": ""}})))
                body = json.dumps({**JOB, "data": {**JOB["data"], "text": text}})
                self.assertEqual(len(body), size)
                head = ("POST /sync/queue HTTP/1.1\r\nHost: localhost\r\norgid: acme\r\n"
                        "Connection: close\r\nContent-Type: application/json\r\n"
                        f"Content-Length: {size}\r\n\r\n")
                self.assertIn(b"HTTP/1.1 200 OK", self.ask_at_once(server, head, body))

    def ask_at_once(self, server, *records):
        """The answer to what is encrypted piece by piece and sent in one go."""
        context = ssl.create_default_context(cafile=self.folder.pem("ca"))
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(came, goes, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", port_of(server.http))) as peer:
            peer.settimeout(harness.PATIENCE_S)

            def patiently(step):
                while True:
                    try:
                        return step()
                    except ssl.SSLWantReadError:
                        peer.sendall(goes.read())
                        came.write(peer.recv(65536))

            patiently(tls.do_handshake)
            for record in records:
                tls.write(record.encode())
            peer.sendall(goes.read())
            return patiently(lambda: tls.read(4096))

    def test_a_client_that_does_not_trust_the_server_goes_away(self):
        with self.folder.serve() as server:
            self.assertEqual(self.folder.curl(server, "/sync", ca="other-ca").returncode, 60)
        with self.folder.serve(cert="elsewhere") as server:
            self.assertEqual(self.folder.curl(server, "/sync").returncode, 60)
            port = port_of(server.http)
            named = run("curl", "-sS", "--cacert", self.folder.pem("ca"), "--connect-to",
                        f"elsewhere.example:443:127.0.0.1:{port}", "https://elsewhere.example/sync")
            self.assertEqual(named.returncode, 0, named.stderr)

    def test_the_gateway_asks_for_certificates_and_knows_who_calls(self):
        with self.folder.serve("--audit-queue", client_ca="ca") as server:
            without = self.folder.curl(server, "/sync")
            self.assertNotEqual(without.returncode, 0)
            self.assertIn("certificate required", without.stderr)
            self.assertNotEqual(self.folder.curl(server, "/sync", cert="stranger").returncode, 0)
            self.assertNotEqual(self.folder.curl(server, "/sync", cert="expired-client").returncode,
                                0)
            queued = self.folder.curl(server, "/sync/queue", "-d", json.dumps(JOB), "-H",
                                      "orgid: acme", "-H", "content-type: application/json",
                                      cert="alice")
            self.assertTrue(json.loads(queued.stdout)["success"], queued.stdout)
            audit = server.syncctl("audit", "-o", "json", *self.folder.client_flags("alice"))
            self.assertEqual([entry["actor"] for entry in json.loads(audit.stdout)["entries"]],
                             ["cert:alice"])

    # ---- What OpenSSL's client sees. ----

    def s_client(self, address, *flags, given=""):
        return run("openssl", "s_client", "-connect", address, "-CAfile", self.folder.pem("ca"),
                   *flags, given=given)

    def test_old_versions_and_ciphers_get_an_alert(self):
        with self.folder.serve() as server:
            for address in (server.http, server.rpc):
                for flags, alert in (
                        (("-tls1", "-cipher", "ALL@SECLEVEL=0"), "alert protocol version"),
                        (("-tls1_1", "-cipher", "ALL@SECLEVEL=0"), "alert protocol version"),
                        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"), "handshake failure"),
                        (("-tls1_2", "-cipher", "AES128-GCM-SHA256"), "handshake failure"),
                        (("-alpn", "spdy/3"), "no application protocol")):
                    done = self.s_client(address, "-alpn", "h2,http/1.1", *flags)
                    self.assertIn(alert, done.stderr, flags)

    def test_each_port_speaks_its_protocol_only(self):
        with self.folder.serve() as server:
            for address, spoken, other in ((server.http, "http/1.1", "h2"),
                                           (server.rpc, "h2", "http/1.1")):
                both = self.s_client(address, "-alpn", "h2,http/1.1")
                self.assertIn(f"ALPN protocol: {spoken}\n", both.stdout)
                self.assertIn("no application protocol",
                              self.s_client(address, "-alpn", other).stderr)

    def test_renegotiation_is_refused_and_the_connection_ends_or_goes_on(self):
        with self.folder.serve() as server:
            for address in (server.http, server.rpc):
                done = self.s_client(address, "-tls1_2", "-alpn", "h2,http/1.1", given="R\n")
                self.assertIn("RENEGOTIATING", done.stdout + done.stderr)
                self.assertIn("no renegotiation", done.stderr)

    @unittest.skipUnless(shutil.which("sslscan"), "sslscan is not installed")
    def test_a_scanner_finds_nothing_weak(self):
        with self.folder.serve() as server:
            for address in (server.http, server.rpc):
                found = run("sslscan", "--no-colour", address).stdout
                self.assertEqual(re.findall(r"^(\S+)\s+enabled$", found, re.M),
                                 ["TLSv1.2", "TLSv1.3"])
                self.assertIn("Session renegotiation not supported", found)
                self.assertIn("Server supports TLS Fallback SCSV", found)
                ciphers = re.findall(r"^(?:Preferred|Accepted)\s+\S+\s+\d+ bits\s+(\S+)", found,
                                     re.M)
                self.assertEqual(ciphers, [
                    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                    "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256",
                    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"])
                self.assertNotIn("TLSv1.2 vulnerable", found)

    # ---- gRPC, by Python's grpcio. ----

    def test_grpcio_calls_over_tls(self):
        with self.folder.serve() as server, self.folder.channel(server) as channel:
            self.assertTrue(self.folder.queue(channel).id.startswith("job_"))

    def test_grpcio_is_known_by_its_certificate(self):
        with self.folder.serve("--audit-queue", client_ca="ca") as server:
            with self.folder.channel(server, cert="alice") as channel:
                self.folder.queue(channel)
            audit = server.syncctl("audit", "-o", "json", *self.folder.client_flags("alice"))
            self.assertEqual(json.loads(audit.stdout)["entries"][0]["actor"], "cert:alice")

    def test_grpcio_does_not_get_through_with_the_wrong_names_or_certificates(self):
        def fails(server, **how):
            with self.folder.channel(server, **how) as channel:
                with self.assertRaises(grpc.RpcError) as caught:
                    self.folder.queue(channel)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

        with self.folder.serve() as server:
            fails(server, ca="other-ca")
            fails(server, name="example.org")
        with self.folder.serve(client_ca="ca") as server:
            fails(server)
            fails(server, cert="stranger")

    # ---- Our own programs. ----

    def test_a_job_runs_with_certificates_everywhere(self):
        with self.folder.serve(client_ca="ca") as server:
            flags = self.folder.client_flags("alice")
            server.start_worker(*flags)
            done = server.syncctl("queue", "orders", "--type", "entity", "--source", "demo",
                                  "--target", "local", "--entity", "orders", "--wait", *flags)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_benchmark_speaks_tls(self):
        with self.folder.serve() as server:
            done = run(harness.program("sync-bench"), "--server", server.rpc, "--tls-ca",
                       self.folder.pem("ca"), "--jobs", "200", "--producers", "2", "--workers",
                       "2", "-o", "json")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_syncctl_says_why_it_does_not_get_through(self):
        with self.folder.serve() as server:
            for flags, reason in (
                    (("--tls",), "unable to get local issuer certificate"),
                    (("--tls-ca", self.folder.pem("other-ca")), "issuer"),
                    (("--tls-ca", self.folder.pem("ca"), "--tls-server-name", "example.org"),
                     "hostname mismatch"),
                    ((), "closed the connection")):
                done = server.syncctl("info", *flags)
                self.assertEqual(done.returncode, 5, done.stderr)
                self.assertIn(reason, done.stderr)
            wrong = server.syncctl("info", "--tls-ca", "/does/not/exist")
            self.assertEqual(wrong.returncode, 2)
            self.assertIn("tls-ca: cannot read /does/not/exist", wrong.stderr)

    # ---- Settings. ----

    def check(self, *flags):
        return run(harness.program("syncd"), "--check-config", *flags)

    def test_check_config_looks_at_the_files(self):
        folder = self.folder
        good = ("--tls-cert", folder.pem("server"), "--tls-key", folder.key("server"))
        self.assertEqual(self.check(*good).returncode, 0)
        for flags, reason in (
                (good[:2], "tls-cert and tls-key go together"),
                (("--tls-client-ca", folder.pem("ca")), "tls-client-ca needs tls-cert"),
                ((*good[:3], folder.key("renewed")), "is not the key of the certificate"),
                (("--tls-cert", folder.pem("expired"), "--tls-key", folder.key("expired")),
                 "expired on"),
                ((*good, "--tls-client-ca", "/none"), "tls-client-ca: cannot read /none")):
            done = self.check(*flags)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(reason, done.stderr)

    def test_only_certificates_of_clients_open_other_addresses(self):
        good = ("--tls-cert", self.folder.pem("server"), "--tls-key", self.folder.key("server"),
                "--rpc-listen", "0.0.0.0:0", "--http-listen", "0.0.0.0:0")
        refused = self.check(*good)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("tls-client-ca", refused.stderr)
        self.assertEqual(self.check(*good, "--tls-client-ca", self.folder.pem("ca")).returncode, 0)

    # ---- Time. ----

    def test_stalled_handshakes_are_cut_off_and_others_served(self):
        hello = bytes((0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3))
        with self.folder.serve(*SHORT) as server:
            stalled = []
            for address in (server.http, server.rpc):
                for sent in (b"", hello[:3], hello):
                    for _ in range(20):
                        peer = socket.create_connection(("127.0.0.1", port_of(address)))
                        peer.sendall(sent)
                        peer.settimeout(0.001)
                        stalled.append(peer)
            begun = time.monotonic()
            slowest = 0.0
            while stalled:
                asked = time.monotonic()
                self.assertLess(asked - begun, 20)
                self.assertEqual(self.folder.curl(server, "/healthz").returncode, 0)
                slowest = max(slowest, time.monotonic() - asked)
                stalled = [peer for peer in stalled if not self.is_closed(peer)]
            self.assertGreater(time.monotonic() - begun, 0.5)
            print(f"beside 120 stalled handshakes a new one and its answer took at most"
                  f" {slowest * 1000:.0f} ms")

    @staticmethod
    def is_closed(peer):
        try:
            if peer.recv(4096):
                return False
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
        peer.close()
        return True

    # ---- Reload. ----

    def shown(self, server):
        """The certificates that new connections to both ports are shown."""
        return [ssl.get_server_certificate(("127.0.0.1", port_of(address)))
                for address in (server.http, server.rpc)]

    def reload(self, server, event):
        before = server.server.read_log().count(event)
        server.server.child.send_signal(signal.SIGHUP)
        harness.wait_until(event, lambda: server.server.read_log().count(event) > before)

    def test_sighup_reads_the_files_again(self):
        folder = self.folder
        with folder.serve() as server:
            context = ssl.create_default_context(cafile=folder.pem("ca"))
            old = http.client.HTTPSConnection("localhost", port_of(server.http), context=context,
                                              timeout=harness.PATIENCE_S)
            old.request("GET", "/sync")
            self.assertEqual(old.getresponse().read()[:1], b"{")
            first = self.shown(server)
            with open(folder.pem("server"), "w", encoding="ascii") as file:
                file.write("half of a certificate")
            self.reload(server, "the old certificates stay")
            self.assertEqual(self.shown(server), first)
            shutil.copy(folder.pem("renewed"), folder.pem("server"))
            self.reload(server, "the old certificates stay") # still with the old key
            shutil.copy(folder.key("renewed"), folder.key("server"))
            self.reload(server, "certificates were read again")
            second = self.shown(server)
            self.assertNotEqual(second[0], first[0])
            self.assertEqual(second[0], second[1])
            old.request("GET", "/sync") # on the connection from before
            self.assertEqual(old.getresponse().read()[:1], b"{")
            old.close()
            metrics = folder.curl(server, "/metrics").stdout
            self.assertIn("\nsync_tls_reloads_total 1\n", metrics)
            expiry = int(re.search(r"\nsync_tls_certificate_expiry_timestamp_seconds (\d+)\n",
                                   metrics)[1])
            self.assertAlmostEqual(expiry - time.time(), 60 * 86400, delta=86400)

    def test_without_tls_sighup_does_nothing(self):
        with harness.Sync() as server:
            self.reload(server, "nothing to read again")
            self.assertEqual(server.ask("GET", "/sync")[0], 200)

    # ---- Metrics. ----

    def test_failures_are_counted_by_reason(self):
        with self.folder.serve(*SHORT, client_ca="ca") as server:
            self.s_client(server.http, "-tls1_1", "-cipher", "ALL@SECLEVEL=0")
            self.s_client(server.http, "-tls1_2", "-cipher", "AES128-GCM-SHA256")
            self.s_client(server.rpc, "-alpn", "spdy/3")
            self.folder.curl(server, "/sync")
            self.folder.curl(server, "/sync", ca="other-ca")
            run("curl", "-sS", f"http://{server.http}/sync")
            for _ in range(2):
                socket.create_connection(("127.0.0.1", port_of(server.rpc))).close()

            def counts():
                metrics = self.folder.curl(server, "/metrics", cert="alice").stdout
                return dict(re.findall(r'failures_total\{reason="(\w+)"\} (\d+)', metrics))

            wanted = {"timeout": "0", "closed": "2", "not_tls": "1", "version": "1", "cipher": "1",
                      "alpn": "1", "peer_certificate": "1", "refused_by_peer": "1", "other": "0"}
            harness.wait_until("failures are counted", lambda: counts() == wanted)


if __name__ == "__main__":
    harness.main()
