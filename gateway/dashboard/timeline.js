import { drawing } from "./element.js";
import { clock, duration } from "./text.js";

// The last hours and the next ones of an organisation as a picture: a row for each sync, a bar for each
// job from its start to its end (pale while it waited), a ring for each firing that is to come.

const WIDTH = 1200, LEFT = 190, ROW = 24, TOP = 24, ROWS_MAX = 24;

const time = (text) => (text ? new Date(text).getTime() : undefined);

function newest(jobs) {
  return Math.max(...jobs.map((job) => time(job.queuedAt) ?? 0));
}

function rowsOf(jobs) {
  const rows = new Map();
  for (const job of jobs) {
    if (!rows.has(job.name)) rows.set(job.name, []);
    rows.get(job.name).push(job);
  }
  return [...rows].sort((a, b) => newest(b[1]) - newest(a[1])).slice(0, ROWS_MAX);
}

function bar(className, from, to, y, scale, title) {
  const x = scale(from), width = Math.max(2, scale(to) - x);
  return drawing("rect", { class: className, x, y: y + 5, width, height: ROW - 10, rx: 3 },
    drawing("title", null, title));
}

function drawJob(job, y, scale, { from, now }) {
  const start = time(job.startedAt), end = time(job.endedAt) ?? now;
  const title = `${job.name}: ${job.status} ${job.progress ?? 0} %\n${clock(job.startedAt ?? job.queuedAt)}` +
    (start ? `, ${duration(end - start)}` : "");
  if (end < from) return null;
  if (job.status === "scheduled") return null;
  return drawing("g", { class: job.status },
    bar("waiting", Math.max(from, time(job.queuedAt) ?? end), start ?? end, y, scale, title),
    start ? bar("run", Math.max(from, start), end, y, scale, title) : null);
}

function drawFirings(jobs, y, scale, until) {
  const times = new Set(jobs.flatMap((job) => job.nextRuns ?? []));
  return [...times].filter((at) => time(at) < until).map((at) =>
    drawing("circle", { class: "firing", cx: scale(time(at)), cy: y + ROW / 2, r: 4 },
      drawing("title", null, `runs ${clock(at)}`)));
}

export function timeline(jobs, hours) {
  const now = Date.now(), span = hours * 3600 * 1000;
  const frame = { from: now - span, now, until: now + span / 4 };
  const scale = (at) => LEFT + ((at - frame.from) / (frame.until - frame.from)) * (WIDTH - LEFT);
  const rows = rowsOf(jobs), height = TOP + rows.length * ROW + 6;
  const ticks = Array.from({ length: 6 }, (_, i) => frame.from + ((frame.until - frame.from) * i) / 6);

  return drawing("svg", { class: "timeline", viewBox: `0 0 ${WIDTH} ${height}`, role: "img",
    "aria-label": `Jobs of the last ${hours} hours and firings to come` },
    ticks.map((at) => [
      drawing("line", { class: "grid", x1: scale(at), x2: scale(at), y1: TOP, y2: height }),
      drawing("text", { x: scale(at) + 3, y: 14 }, new Date(at).toLocaleTimeString([], { timeStyle: "short" })),
    ]),
    drawing("line", { class: "now", x1: scale(now), x2: scale(now), y1: TOP - 6, y2: height }),
    rows.map(([name, its], i) => {
      const y = TOP + i * ROW;
      return [
        drawing("text", { class: "name", x: 0, y: y + 16 }, name.length > 26 ? `${name.slice(0, 25)}…` : name),
        its.map((job) => drawJob(job, y, scale, frame)), drawFirings(its, y, scale, frame.until),
      ];
    }));
}
