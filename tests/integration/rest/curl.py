"""Requests by curl, as the documentation's readers make them."""

import json
import subprocess


class Answer:
    def __init__(self, text):
        head, _, self.body = text.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head, _, self.body = self.body.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def json(self):
        return json.loads(self.body)


class Client:
    """Speaks for one organisation, or for none."""

    def __init__(self, address, org=None):
        self.url = "http://" + address
        self.org = org

    def ask(self, method, path, body=None, headers=()):
        """body: bytes as they are, or what becomes JSON."""
        command = ["curl", "--silent", "--show-error", "--include", "--max-time", "90",
                   "--path-as-is"]
        command += ["--head"] if method == "HEAD" else ["--request", method]
        if self.org is not None:
            command += ["--header", "orgid: " + self.org]
        for header in headers:
            command += ["--header", header]
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            if not any(header.lower().startswith("content-type") for header in headers):
                command += ["--header", "Content-Type: application/json"]
            command += ["--data-binary", "@-"]
        done = subprocess.run(command + [self.url + path], input=data, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError("curl %s %s: %s" % (method, path, done.stderr.decode()))
        return Answer(done.stdout)

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.ask("POST", path, body, **more)
