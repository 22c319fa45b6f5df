"""When schedules fire around every change of every clock, 2020 to 2037.

What is right is computed here, from Python's zoneinfo and from the calendar, by
other means than the server's: wall-clock times one at a time, cron by walking
over the minutes as a cron daemon does. usage: zones_test.py FIRINGS_PROGRAM"""

import bisect
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zoneinfo

DATABASE = "/usr/share/zoneinfo"
PROGRAM = sys.argv.pop(1)
HOURLY, DAILY, WEEKLY, MONTHLY = 2, 3, 4, 5     # enum schedule_repeat
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)
HOUR, DAY = 3600, 86400
FURTHEST = 26 * HOUR    # no clock is further from UTC


def instant(year, month=1, day=1):
    return int(datetime.datetime(year, month, day, tzinfo=UTC).timestamp())


def civil(wall):
    """The date and time that stands on the wall, from seconds."""
    return EPOCH + datetime.timedelta(seconds=wall)


def seconds(date_time):
    return int((date_time - EPOCH).total_seconds())


class Zone:
    """A zone as zoneinfo knows it."""

    def __init__(self, name):
        self.zone = zoneinfo.ZoneInfo.no_cache(name)

    def wall(self, at):
        return seconds(datetime.datetime.fromtimestamp(at, self.zone).replace(tzinfo=None))

    def offset(self, at):
        return self.wall(at) - at

    def change_between(self, low, high):
        """The first instant with the offset of `high`: there is one change between."""
        before = self.offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset(middle) == before:
                low = middle
            else:
                high = middle
        return high

    def changes(self, first, last):
        step = DAY
        offsets = [self.offset(at) for at in range(first, last, step)]
        for i in range(1, len(offsets)):
            if offsets[i] != offsets[i - 1]:
                yield self.change_between(first + (i - 1) * step, first + i * step)

    def first_instant(self, wall):
        """When a clock shows this for the first time; if it never does, when the
        gap is over in which it would have (PEP 495)."""
        early = int(civil(wall).replace(tzinfo=self.zone, fold=0).timestamp())
        if self.wall(early) == wall:
            return early
        before_the_gap = int(civil(wall).replace(tzinfo=self.zone, fold=1).timestamp())
        return self.change_between(before_the_gap, early)


# ---- repeat ----

def fires_daily(zone, start, time, first, last):
    for midnight in range(first - first % DAY - 3 * DAY, last + 3 * DAY, DAY):
        yield zone.first_instant(midnight + time)


def fires_weekly(zone, start, time, first, last):
    day = zone.wall(start) // DAY * DAY
    while day < last + 3 * DAY:
        yield zone.first_instant(day + time)
        day += 7 * DAY


def fires_monthly(zone, start, time, first, last):
    begin = civil(zone.wall(start))
    year, month = begin.year, begin.month
    while True:
        following = datetime.datetime(year + month // 12, month % 12 + 1, 1)
        length = (following - datetime.datetime(year, month, 1)).days
        day = datetime.datetime(year, month, min(begin.day, length))
        if seconds(day) > last + 3 * DAY:
            return
        yield zone.first_instant(seconds(day) + time)
        year, month = following.year, following.month


def fires_hourly(zone, start, time, first, last):
    """Whenever the clock shows the minute: looked at every minute."""
    for at, wall in zone.walk(first, last):
        if (wall + time % 60) % HOUR == time % HOUR:
            yield at + time % 60


# ---- cron ----

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()


class Cron:
    """An expression, asked about one minute at a time."""

    def __init__(self, text):
        fields = text.lower().split()
        for i, name in enumerate(MONTHS):
            fields[3] = fields[3].replace(name, str(i + 1))
        for i, name in enumerate(WEEKDAYS):
            fields[4] = fields[4].replace(name, str(i))
        self.minutes = self.members(fields[0], 0, 59)
        self.hours = self.members(fields[1], 0, 23)
        self.days = self.members(fields[2], 1, 31)
        self.months = self.members(fields[3], 1, 12)
        self.weekdays = {day % 7 for day in self.members(fields[4], 0, 7)}
        self.either = fields[2][0] != "*" and fields[4][0] != "*"
        self.day_cache = {}

    @staticmethod
    def members(field, least, most):
        found = set()
        for part in field.split(","):
            values, _, step = part.partition("/")
            low, _, high = values.partition("-")
            low, high = (least, most) if low == "*" else (int(low), int(high or low))
            found |= set(range(low, high + 1, int(step or 1)))
        return found

    def has_day(self, day):
        if day not in self.day_cache:
            date = civil(day * DAY)
            by_day = date.day in self.days
            by_weekday = date.isoweekday() % 7 in self.weekdays
            self.day_cache[day] = date.month in self.months and (
                (by_day or by_weekday) if self.either else (by_day and by_weekday))
        return self.day_cache[day]

    def matches(self, minute):
        """Minutes since 1970, on the wall."""
        return (minute % 60 in self.minutes and minute // 60 % 24 in self.hours
                and self.has_day(minute // 1440))

    def fires(self, zone, first, last):
        """As a daemon that wakes up every minute: it catches up with the minutes
        the clock has jumped over, and runs nothing for a second time; but if
        every hour is right, it goes by what the clock shows alone."""
        if len(self.hours) == 24:
            yield from (at for at, wall in zone.walk(first, last) if self.matches(wall // 60))
            return
        done = zone.furthest_wall_before(first) // 60
        for at, wall in zone.walk(first, last):
            now = wall // 60
            if now == done + 1:
                if self.matches(now):
                    yield at
            elif any(self.matches(minute) for minute in range(done + 1, now + 1)):
                yield at
            done = max(done, now)


# In the hours in which clocks change, and at all others; both day fields, one, none.
CRON_TEXTS = [
    "30 2 * * *", "*/20 1-3 * * *", "15 0,2,23 * * *", "0 */2 * * *", "0 0 * * *", "59 23 * * *",
    "*/7 * * * *", "30 * * * *", "* * * * *", "45 1 * * sun", "5 0-22 1 * *", "30 1,2 * mar,nov *",
    "0 3 25-31 3,10 *", "10 2 29 * 6-7", "0 0 31 * fri",
    "20-40/5 2 * apr-oct 0,6", "*/15 0-4/2 */2 * sun", "0 * * * mon-fri", "1 1 1 1 *",
]
CRONS = [(text, Cron(text)) for text in CRON_TEXTS]


class Window(Zone):
    """A zone around one change, its other changes known: quick to walk over."""

    def __init__(self, zone, changes):
        self.zone = zone.zone
        self.at = list(changes)
        self.offsets = [self.offset(at) for at in self.at]
        self.first_offset = self.offset(self.at[0] - 1)

        self.walks = {}

    def walk(self, first, last):
        """Every minute of the window, with what the clock shows."""
        if (first, last) not in self.walks:
            self.walks[first, last] = [(at, self.wall_near(at)) for at in range(first, last, 60)]
        return self.walks[first, last]

    def wall_near(self, at):
        i = bisect.bisect_right(self.at, at)
        return at + (self.offsets[i - 1] if i > 0 else self.first_offset)

    def furthest_wall_before(self, at):
        ends = [change - 60 for change in self.at if at - 2 * FURTHEST < change < at]
        return max(self.wall_near(end) for end in ends + [at - 60])


class Case:
    def __init__(self, repeat, start, time, cron, first, last, fires):
        self.line = f"|{repeat}|{start}|{time}|{cron}|{first}|{last}"
        begin = max(start, first)
        self.expected = " ".join(map(str, sorted({at for at in fires if begin <= at < last})))


def times_of_interest(zone, change):
    """Times of day inside and at the edges of what the change skips or repeats."""
    low, high = sorted((zone.wall(change - 1) + 1, zone.wall(change)))
    return [wall % DAY for wall in (low - 1, low, (low + high) // 2 // 60 * 60 + 7, high - 1, high)]


def repeat_case(zone, repeat, how, start, time, first, last):
    return Case(repeat, start, time, "", first, last, how(zone, start, time, first, last))


def cases_around(zone, change, number):
    times = times_of_interest(zone, change)
    middle = times[2]
    near = change - 28 * HOUR, change + 28 * HOUR
    for time in times:
        yield repeat_case(zone, DAILY, fires_daily, change - 90 * DAY, time, *near)
    for days in (7, 8):
        yield repeat_case(zone, WEEKLY, fires_weekly, change - days * DAY, middle,
                          change - 9 * DAY, change + 9 * DAY)
    for days in (28, 29, 30, 31):
        yield repeat_case(zone, MONTHLY, fires_monthly, change - days * DAY, middle,
                          change - 40 * DAY, change + 40 * DAY)
    for time in (middle, (middle + 1800) % DAY):
        yield repeat_case(zone, HOURLY, fires_hourly, change - 100 * DAY, time, *near)
    for i in range(2):
        text, cron = CRONS[(number * 2 + i) % len(CRONS)]
        yield Case(0, change - 90 * DAY, -1, text, *near, cron.fires(zone, *near))
    # asked for the first time when what is repeated has begun again
    late = change + 600, change + 28 * HOUR
    yield repeat_case(zone, DAILY, fires_daily, change - 90 * DAY, middle, *late)
    yield Case(0, change - 90 * DAY, -1, CRONS[1][0], *late, CRONS[1][1].fires(zone, *late))


def later_cases(zone, change):
    """Behind the table of the file, by the rule at its end."""
    near = change - 36 * HOUR, change + 36 * HOUR
    for time in times_of_interest(zone, change):
        yield repeat_case(zone, DAILY, fires_daily, change - 90 * DAY, time, *near)


class Expectations:
    """All cases, each computed once for all the zones whose clocks go alike."""

    def __init__(self):
        zoneinfo.reset_tzpath(to=[DATABASE])
        self.names, self.cases, self.change_count = {}, {}, 0
        kinds = {}
        for name in sorted(zoneinfo.available_timezones() - {"localtime"}):
            with open(os.path.join(DATABASE, name), "rb") as file:
                content = file.read()
            if content not in kinds:
                kinds[content] = self.kind(Zone(name))
            self.names.setdefault(kinds[content], []).append(name)
        for kind, names in self.names.items():
            self.cases[names[0]] = list(self.compute(Zone(names[0]), *kind))

    @staticmethod
    def kind(zone):
        """All that the cases see of a zone."""
        changes = tuple(zone.changes(instant(2020), instant(2038)))
        later = tuple(zone.changes(instant(2071), instant(2072)))
        offsets = tuple(map(zone.offset, (instant(2019), *changes, instant(2070), *later)))
        return changes, later, offsets

    def compute(self, zone, changes, later, _):
        # a case that does not hang on a change, for zones that have none
        yield repeat_case(zone, DAILY, fires_daily, instant(2020), 9 * HOUR, instant(2030, 6),
                          instant(2030, 6, 5))
        for change in changes:
            self.change_count += 1
            around = [other for other in changes if abs(other - change) < 10 * DAY]
            yield from cases_around(Window(zone, around), change, self.change_count)
        for change in later:
            yield from later_cases(zone, change)

    def all(self):
        for names in self.names.values():
            for name in names:
                for case in self.cases[names[0]]:
                    yield name, case


class ZonesTest(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.expected = Expectations()

    def ask(self, directory):
        questions = "".join(f"{name}{case.line}\n" for name, case in self.expected.all())
        answers = subprocess.run([PROGRAM, directory], input=questions, capture_output=True,
                                 text=True, check=True).stdout.splitlines()
        wrong = [f"{name}{case.line}\n  fires at {answer}\n  not at   {case.expected}"
                 for (name, case), answer in zip(self.expected.all(), answers)
                 if answer != case.expected]
        self.assertEqual(len(answers), questions.count("\n"))
        print(f"{len(answers)} schedules around {self.expected.change_count} changes of "
              f"{sum(map(len, self.expected.names.values()))} zones, {len(self.expected.names)} of "
              f"them different: {len(wrong)} wrong")
        self.assertEqual(len(wrong), 0, "\n".join(wrong[:10]))

    def test_schedules_fire_when_they_should_around_every_change_of_every_zone(self):
        self.ask(DATABASE)

    def test_the_same_with_files_that_hold_rules_instead_of_tables(self):
        compiler = shutil.which("zic", path=os.environ["PATH"] + ":/usr/sbin")
        source = os.path.join(DATABASE, "tzdata.zi")
        if compiler is None or not os.path.exists(source):
            self.skipTest("no zone compiler, or no source of the database")
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([compiler, "-b", "slim", "-d", directory, source], check=True)
            self.ask(directory)

    def test_there_was_something_to_be_wrong_about(self):
        self.assertGreater(self.expected.change_count, 1000)
        self.assertGreater(len(self.expected.names), 50)


if __name__ == "__main__":
    unittest.main(verbosity=2)
