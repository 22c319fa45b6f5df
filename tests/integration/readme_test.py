"""README.md's examples, run as they stand there: each block marked `sh example`
must succeed; where a block of JSON follows, its answer must have that shape.

usage: readme_test.py README.md
"""

import json
import os
import re
import subprocess
import sys
import unittest

import harness

README = sys.argv.pop()
USUAL = {"127.0.0.1:8470": "http", "127.0.0.1:9470": "rpc"}


def examples():
    """Pairs of commands and the answer shown (or None)."""
    with open(README, encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r"^```sh example\n(.*?)^```\n(?:\n```json\n(.*?)^```)?", text, re.M | re.S)
    return [(commands, json.loads(answer) if answer else None) for commands, answer in found]


def differences(shown, got, place="answer"):
    """Where `got` lacks what is shown, or has it in another type."""
    if isinstance(shown, bool) or not isinstance(shown, (int, float)):
        if type(shown) is not type(got):
            return [f"{place} is {got!r}, shown is {shown!r}"]
    elif isinstance(got, bool) or not isinstance(got, (int, float)):
        return [f"{place} is {got!r}, shown is a number"]
    if isinstance(shown, dict):
        return [found for name, value in shown.items() for found in
                (differences(value, got[name], f"{place}.{name}") if name in got
                 else [f"{place}.{name} is missing"])]
    if isinstance(shown, list) and shown:
        return differences(shown[0], got[0], f"{place}[0]") if got else [f"{place} is empty"]
    return []


class ReadmeTest(unittest.TestCase):
    def run_example(self, server, commands):
        for usual, name in USUAL.items():
            commands = commands.replace(usual, getattr(server, name))
        environment = dict(os.environ, SYNC_SERVER=server.rpc,
                           PATH=harness.BIN + os.pathsep + os.environ["PATH"])
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], env=environment,
                              capture_output=True, text=True, timeout=harness.PATIENCE_S,
                              check=False)
        self.assertEqual(done.returncode, 0, f"{commands}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_every_example_does_what_it_says(self):
        found = examples()
        self.assertGreater(len(found), 5)
        with harness.Sync() as server:
            server.start_worker("--slots", "2")
            for commands, shown in found:
                printed = self.run_example(server, commands)
                if shown is not None:
                    self.assertEqual(differences(shown, json.loads(printed)), [], printed)

    def test_a_missing_member_or_another_type_is_noticed(self):
        self.assertEqual(differences({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}]}), [])
        self.assertEqual(differences({"a": 1}, {}), ["answer.a is missing"])
        self.assertNotEqual(differences({"a": 1}, {"a": "1"}), [])
        self.assertNotEqual(differences({"a": True}, {"a": 1}), [])
        self.assertNotEqual(differences({"a": [1]}, {"a": []}), [])


if __name__ == "__main__":
    harness.main()
