"""Prometheus' text exposition format 0.0.4, read strictly: what promtool would
complain of is an error here."""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (\S+)" % (NAME, LABEL, LABEL))


class Family:
    def __init__(self, name, help):
        self.name, self.help, self.kind = name, help, None
        self.samples = {}        # (name, ((label, value), ...)) -> number

    def owns(self, name):
        if self.kind == "histogram":
            return name in (self.name + "_bucket", self.name + "_sum", self.name + "_count")
        return name == self.name

    def value(self, **labels):
        return self.samples[(self.name, tuple(sorted(labels.items())))]


def require(holds, line, rule):
    if not holds:
        raise ValueError("%s: %s" % (rule, line))


def parse(text):
    """Families by name."""
    families, family = {}, None
    require(text.endswith("\n"), text[-80:], "the last line ends")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, help = line[len("# HELP "):].partition(" ")
            require(re.fullmatch(NAME, name), line, "a name")
            require(name not in families, line, "a family comes once")
            require(help, line, "a help text")
            family = families[name] = Family(name, help)
        elif line.startswith("# TYPE "):
            name, _, kind = line[len("# TYPE "):].partition(" ")
            require(family is not None and name == family.name and family.kind is None, line,
                    "the type follows the help")
            require(kind in ("counter", "gauge", "histogram"), line, "a known type")
            require((kind == "counter") == name.endswith("_total"), line,
                    "counters, and only they, end with _total")
            family.kind = kind
        else:
            add_sample(family, line)
    for family in families.values():
        if family.kind == "histogram":
            check_histogram(family)
    return families


def add_sample(family, line):
    match = SAMPLE.fullmatch(line)
    require(match, line, "a sample")
    require(family is not None and family.kind and family.owns(match[1]), line,
            "a sample stands in its family")
    labels = re.findall(LABEL, match[2] or "")
    require(len({name for name, _ in labels}) == len(labels), line, "a label comes once")
    key = (match[1], tuple(sorted(labels)))
    require(key not in family.samples, line, "a series comes once")
    family.samples[key] = float(match[match.lastindex])
    require(family.samples[key] >= 0, line, "nothing here is negative")


def check_histogram(family):
    series = {}
    for (name, labels), number in family.samples.items():
        rest = tuple(label for label in labels if label[0] != "le")
        one = series.setdefault(rest, {"buckets": []})
        if name.endswith("_bucket"):
            bound = dict(labels)["le"]
            one["buckets"].append((math.inf if bound == "+Inf" else float(bound), number))
        else:
            one[name[len(family.name):]] = number
    for labels, one in series.items():
        bounds = [bound for bound, _ in one["buckets"]]
        counts = [count for _, count in one["buckets"]]
        require(bounds == sorted(set(bounds)) and bounds[-1] == math.inf, str(labels),
                "buckets rise to +Inf")
        require(counts == sorted(counts), str(labels), "buckets add up")
        require(counts[-1] == one["_count"] and "_sum" in one, str(labels),
                "the last bucket is the count")
