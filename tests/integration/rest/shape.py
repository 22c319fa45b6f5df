"""Is an answer what the document's example promises: the same members, of the
same types, meaning the same? Members that the example does not have must be
among those that the reference adds."""

import datetime
import re

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
UPTIME = re.compile(r"^\d+d \d+h \d+m$")
STATUSES = {"queued", "scheduled", "active", "paused", "completed", "failed", "cancelled"}

# What the reference adds to each kind of object in an answer.
JOB_MORE = {"state", "waitReason", "estimate", "leaseHeldUntil", "progressKnown", "duplicate",
            "nextRuns", "queuedAt", "startedAt", "pausedAt", "resumedAt", "endedAt", "notBefore",
            "estimatedStart", "estimatedCompletion", "type", "priority", "data", "options",
            "schedule", "entities", "attempts", "generation", "error", "lastAction",
            "nominalTime", "workerId", "orgId", "scheduledFor"}
MORE = {
    "": {"queuedJobs", "uptimeSeconds", "code", "details", "requestId"},
    "job": JOB_MORE,
    "syncJobs": JOB_MORE,
    "syncStatus": {"queuedJobs"},
    "purgedJobs": {"cancelled"},
    "organization": set(),
}


class Difference(AssertionError):
    pass


def is_time(text):
    return isinstance(text, str) and TIME.match(text) is not None


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def differ(path, text):
    raise Difference("%s %s" % (path or "the answer", text))


def check_value(path, example, actual, ignore):
    kind = path.rsplit(".", 1)[-1]
    if isinstance(example, dict):
        check_object(path, example, actual, ignore)
    elif isinstance(example, bool) or isinstance(actual, bool):
        if actual is not example:
            differ(path, "is %r, not %r" % (actual, example))
    elif isinstance(example, int):
        if not isinstance(actual, int) or actual < 0:
            differ(path, "is %r, not a number" % (actual,))
    elif not isinstance(actual, str):
        differ(path, "is %r, not a string" % (actual,))
    elif is_time(example):
        if not is_time(actual):
            differ(path, "is %r, not a time in UTC" % (actual,))
    elif kind == "status" and path != "status":
        if actual not in STATUSES:
            differ(path, "is %r, not a job's status" % (actual,))
    elif kind in ("message", "error"):
        if actual != example:
            differ(path, "is %r, not %r" % (actual, example))
    elif kind == "uptime":
        if UPTIME.match(actual) is None:
            differ(path, "is %r, not like %r" % (actual, example))
    elif actual == "":
        differ(path, "is empty")


def check_object(path, example, actual, ignore=()):
    if not isinstance(actual, dict):
        differ(path, "is %r, not an object" % (actual,))
    for name, value in example.items():
        inner = (path + "." if path else "") + name
        if name not in actual:
            if name in ignore:
                continue
            differ(inner, "is missing in %r" % (actual,))
        if isinstance(value, list):
            if not isinstance(actual[name], list):
                differ(inner, "is not an array")
        else:
            check_value(inner, value, actual[name], ignore)
    allowed = MORE.get(path.rsplit(".", 1)[-1].split("[")[0], set())
    for name in actual:
        if name not in example and name not in allowed:
            differ((path + "." if path else "") + name, "is not in the document")


def check(example, actual, ignore=()):
    """ignore: members of the example that may be absent now."""
    check_object("", example, actual, ignore)


def check_job(example, actual, ignore=()):
    check_object("syncJobs", example, actual, ignore)
