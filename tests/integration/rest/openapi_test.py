#!/usr/bin/python3
"""/openapi.json of a real syncd: a public validator (from npm, installed into
the build tree) accepts it, its examples are the documentation's, and what the
server answers is what it says.

    openapi_test.py --syncd PROGRAM --folder WORKING_FOLDER
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "support")]
import curl
import npm_folder
import server

SKIPPED = 77
options = None
syncd = None
client = None
document = None


def setUpModule():
    global syncd, client, document
    syncd = server.Server(options.syncd)
    client = curl.Client(syncd.http, "acme")
    answer = client.get("/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    document = answer.json()


def tearDownModule():
    syncd.stop()


class Openapi(unittest.TestCase):
    def test_a_public_validator_accepts_it_and_what_the_server_answers(self):
        problem = npm_folder.install(options.folder, os.path.join(HERE, "openapi"), ["validate.js"])
        if problem is not None:
            self.skipTest("npm cannot install the validator: " + problem)
        for name, content in (("openapi.json", document), ("answers.json", self.ask_everything())):
            with open(os.path.join(options.folder, name), "w") as file:
                json.dump(content, file)
        done = subprocess.run(["node", "validate.js", "openapi.json", "answers.json"],
                              cwd=options.folder, capture_output=True, text=True, timeout=120,
                              check=False)
        print(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def ask_everything(self):
        """Answers to be held against the schemas: (path, verb, status, body)."""
        answers = []

        def ask(verb, path, target=None, body=None):
            answer = client.ask(verb.upper(), target or path, body)
            answers.append({"path": path, "verb": verb, "status": answer.status,
                            "body": answer.json()})
            return answer.json()

        job = ask("post", "/sync/queue", body={
            "name": "a", "type": "full", "priority": "high",
            "data": {"source": "none", "target": "none", "filters": {"collections": ["x"]}},
            "options": {"concurrency": 2}})["job"]
        ask("post", "/sync/queue", body={
            "name": "b", "type": "scheduled", "data": {"source": "none", "target": "none"},
            "schedule": {"startAt": "2030-01-01T00:00:00Z", "repeat": "daily", "time": "00:00"}})
        ask("post", "/sync/queue", body={"name": "a"})
        ask("get", "/sync")
        ask("get", "/sync/info")
        ask("get", "/sync/jobs")
        ask("get", "/sync/jobs/{id}", "/sync/jobs/" + job["id"])
        ask("get", "/sync/jobs/{id}", "/sync/jobs/job_none")
        ask("get", "/sync/pause/{name}", "/sync/pause/a")
        ask("post", "/sync/resume/{name}", "/sync/resume/a")
        ask("post", "/sync/jobs/{id}/cancel", "/sync/jobs/%s/cancel" % job["id"])
        ask("post", "/sync/jobs/{id}/retry", "/sync/jobs/%s/retry" % job["id"])
        ask("post", "/sync/cancel/{name}", "/sync/cancel/a")
        ask("get", "/sync/syncs")
        ask("get", "/sync/syncs/{name}", "/sync/syncs/b")
        ask("delete", "/sync/schedules/{name}", "/sync/schedules/b")
        ask("post", "/sync/purge")
        ask("get", "/readyz")
        ask("get", "/healthz")
        return answers

    def test_its_examples_are_the_documented_ones(self):
        documented = {}
        for path in glob.glob(os.path.join(HERE, "examples", "*.json")):
            name, side, _ = os.path.basename(path).split(".")
            with open(path) as file:
                documented[(name, side)] = json.load(file)
        shown = {}
        for item in document["paths"].values():
            for operation in item.values():
                for side, content in (("request", operation.get("requestBody", {})),
                                      ("answer", operation["responses"]["200"])):
                    media = content.get("content", {}).get("application/json", {})
                    for name, example in media.get("examples", {}).items():
                        shown[(name, side)] = example["value"]
        error = document["components"]["schemas"]["Error"]["examples"]
        self.assertEqual(error, [documented.pop(("empty-body", "answer"))])
        self.assertEqual(shown, documented)

    def test_what_it_requires_is_required(self):
        schema = document["paths"]["/sync/queue"]["post"]["requestBody"]["content"][
            "application/json"]["schema"]
        whole = {"name": "a", "type": "full", "data": {"source": "x", "target": "y"}}
        self.assertEqual(sorted(schema["required"]), sorted(whole))
        for name in schema["required"]:
            some = {key: value for key, value in whole.items() if key != name}
            answer = client.post("/sync/queue", some)
            self.assertEqual(answer.status, 400, answer.body)
            self.assertIn(name, answer.json()["message"])

    def test_every_operation_has_a_name_of_its_own(self):
        names = [operation["operationId"] for item in document["paths"].values()
                 for operation in item.values()]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("watchJobs", names)


def main():
    global options
    parser = argparse.ArgumentParser()
    parser.add_argument("--syncd", required=True)
    parser.add_argument("--folder", required=True)
    options, rest = parser.parse_known_args()
    done = unittest.main(argv=sys.argv[:1] + rest, verbosity=2, exit=False).result
    if not done.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if done.skipped else 0)


if __name__ == "__main__":
    main()
