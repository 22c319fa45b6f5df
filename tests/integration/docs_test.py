"""docs/api.md against what there is: every route, every method, every field of
the public messages and every metric is mentioned, and nothing that is not.

usage: docs_test.py docs/api.md
"""

import re
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import harness
from sync.v1 import admin_pb2, sync_pb2, worker_pb2

DOCS = sys.argv.pop()
FILES = (sync_pb2.DESCRIPTOR, worker_pb2.DESCRIPTOR, admin_pb2.DESCRIPTOR)


def read():
    with open(DOCS, encoding="utf-8") as file:
        return file.read()


def passages(text):
    """What is said of each message: its section, or its item of a list."""
    found = {}
    for part in re.split(r"^#+ ", text, flags=re.M)[1:]:
        title, _, body = part.partition("\n")
        found[title.strip()] = body
    for name, body in re.findall(r"^- `(\w+)`:(.*?)(?=^\S|^$)", text, re.M | re.S):
        found[name] = body
    return found


class DocsTest(unittest.TestCase):
    def test_every_field_of_a_public_message_is_mentioned_with_its_message(self):
        said = passages(read())
        missing = []
        for file in FILES:
            for name, message in file.message_types_by_name.items():
                words = set(re.findall(r"`(\w+)`", said.get(name, "")))
                missing += [f"{name}.{field.name}" for field in message.fields
                            if not words & {field.name, field.json_name}
                            and (name, field.name) != ("JobData", "json")]
                if name not in said:
                    missing.append(name)
        self.assertEqual(missing, [])

    def test_every_field_that_is_mentioned_exists(self):
        said = passages(read())
        messages = {name: message for file in FILES
                    for name, message in file.message_types_by_name.items()}
        for name in messages.keys() & said.keys():
            fields = {known for field in messages[name].fields
                      for known in (field.name, field.json_name)}
            rows = re.findall(r"^\| `(\w+)` \|", said[name], re.M)
            self.assertLessEqual(set(rows), fields, name)

    def test_every_method_is_mentioned(self):
        text = read()
        for file in FILES:
            for service in file.services_by_name.values():
                self.assertTrue("### " + service.full_name in text, service.full_name)
                for method in service.methods:
                    self.assertTrue(f"`{method.name}`" in text, method.name)

    def test_every_word_of_a_job_is_mentioned(self):
        words = set(re.findall(r"`(\w+)`", read()))
        for name in ("JobStatus", "JobState", "JobType", "JobPriority", "OnDuplicate"):
            enum = sync_pb2.DESCRIPTOR.enum_types_by_name[name]
            prefix = len(re.sub("(?<!^)(?=[A-Z])", "_", name)) + 1
            for value in enum.values:
                if value.number != 0:
                    self.assertIn(value.name[prefix:].lower(), words)

    def test_every_route_with_its_parameters_is_mentioned(self):
        text = read()
        words = set(re.findall(r"`([\w-]+)", text))
        with harness.Sync() as server:
            _, document = server.ask("GET", "/openapi.json")
        for path, item in document["paths"].items():
            for verb, operation in item.items():
                route = verb.upper() + " " + re.sub(r"\{(\w+)\}", r":\1", path)
                self.assertTrue(f"`{route}`" in text, route)
                for parameter in operation["parameters"]:
                    if "$ref" in parameter:
                        parameter = document["components"]["parameters"][
                            parameter["$ref"].rsplit("/", 1)[1]]
                    self.assertIn(parameter["name"], words, route)

    def test_the_metrics_are_those_that_there_are(self):
        with tempfile.TemporaryDirectory() as made:
            subprocess.run([harness.program("make_certificates"), made], check=True)
            trust = ssl.create_default_context(cafile=f"{made}/ca.pem")
            with harness.Sync("--tls-cert", f"{made}/server.pem", "--tls-key",
                              f"{made}/server.key") as server:
                for path in ("/sync", "/metrics"):
                    with urllib.request.urlopen(f"https://{server.http}{path}",
                                                context=trust) as answer:
                        shown = answer.read().decode()
        shown = set(re.findall(r"^# TYPE (\w+)", shown, re.M))
        told = set(re.findall(r"`((?:sync|process)_\w+)", passages(read())["Operation"])) - {
            "sync_up"}
        self.assertEqual(told, shown - {"sync_up"})


if __name__ == "__main__":
    harness.main()
