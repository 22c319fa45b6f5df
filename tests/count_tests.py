#!/usr/bin/env python3
"""Counts the single tests in ctest's JUnit files: PASSED FAILED SKIPPED.

A program of cmocka's form says "[       OK ] name" and "[  FAILED  ] name" for
each test in it, Python's unittest how many it ran; any other program is one
test, and so is the death of one that could not say which test it was. What
failed is named on stderr.

usage: count_tests.py FILE...
"""

import re
import sys
import xml.etree.ElementTree as tree


def count(case):
    text = case.findtext("system-out") or ""
    ok = len(re.findall(r"^\[       OK \] ", text, re.M))
    bad = set(re.findall(r"^\[  FAILED  \] (?!\d+ test\(s\))(\S+)", text, re.M))
    ran = re.search(r"^Ran (\d+) tests? in ", text, re.M)
    wrong = [name for name in re.findall(r"^(?:FAIL|ERROR): (\S+)", text, re.M) if ran]
    skipped = re.search(r"^(?:OK|FAILED) \(.*\bskipped=(\d+)", text, re.M) if ran else None
    skipped = int(skipped.group(1)) if skipped else 0
    if ran:
        bad |= set(wrong)
        ok = max(int(ran.group(1)) - len(wrong) - skipped, 0)
    status = case.get("status")
    if case.find("skipped") is not None and status != "fail":
        return 0, 0, 1
    if status == "run":
        return max(ok, 0 if skipped else 1), 0, skipped
    for name in sorted(bad) or [status]:
        print(f"  failed: {case.get('name')}: {name}", file=sys.stderr)
    return ok, max(len(bad), 1), skipped


def main():
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        for case in tree.parse(path).getroot().iter("testcase"):
            total = [a + b for a, b in zip(total, count(case))]
    print(*total)


main()
