// Times, durations and numbers as people read them.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

export function duration(ms) {
  let seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size);
    if (count > 0) parts.push(`${count}${unit}`);
    seconds -= count * size;
  }
  return parts.slice(0, 2).join(" ") || "0s";
}

/** "PT1H2.500S", as the API writes durations, in ms. */
export function isoDuration(text) {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text ?? "");
  if (match === null) return undefined;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000;
}

export function clock(time) {
  if (!time) return "";
  const date = new Date(time), today = new Date().toDateString() === date.toDateString();
  return date.toLocaleString([], today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
}

/** "in 3m 20s", "5s ago" */
export function relative(time, now = Date.now()) {
  if (!time) return "";
  const ms = new Date(time) - now;
  return ms >= 0 ? `in ${duration(ms)}` : `${duration(-ms)} ago`;
}

export function count(number) {
  return Number(number ?? 0).toLocaleString();
}

const REASONS = {
  paused: "paused", earlier_run: "an earlier job of this name is not over",
  limit: "the organisation works on as many jobs as it may", backoff: "waits before it tries again",
  schedule: "its time has not come", no_worker: "no connected worker can do it", turn: "others are ahead of it",
};

export function waitReason(job) {
  return REASONS[job.waitReason] ?? job.waitReason ?? "";
}

/** What is known of when a job starts or ends; "" where nothing is. */
export function expectation(job) {
  const time = job.status === "active" ? job.estimatedCompletion : job.estimatedStart;
  if (!time) return "";
  const { low, high } = job.estimate ?? {};
  const what = job.status === "active" ? "done" : "starts";
  const range = low && high ? ` (${relative(low)} to ${relative(high)})` : "";
  return `${what} ${relative(time)}${range}`;
}
