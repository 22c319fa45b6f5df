import { element, table } from "./element.js";
import { askReason } from "./form.js";
import { clock, duration, expectation, relative, waitReason } from "./text.js";

// Jobs as rows, and what may be done to them.

const ENDED = new Set(["completed", "failed", "cancelled"]);
export const isEnded = (job) => ENDED.has(job.status);

const VERBS = {
  pause: { label: "Pause", for: (job) => ["queued", "scheduled", "active"].includes(job.status) },
  resume: { label: "Resume", for: (job) => job.status === "paused" },
  cancel: { label: "Cancel", for: (job) => !isEnded(job), confirm: "Cancel it" },
  retry: { label: "Retry", for: (job) => job.status === "failed" || job.status === "cancelled" },
};

/** Buttons for all that is possible; act(job, verb, reason) does it. */
export function buttons(job, act) {
  return Object.entries(VERBS).filter(([, verb]) => verb.for(job)).map(([name, verb]) =>
    element("button", {
      class: name === "cancel" ? "danger" : "",
      onclick: () => verb.confirm
        ? askReason(`${verb.label} ${job.name}?`, verb.confirm, (reason) => act(job, name, reason))
        : act(job, name),
    }, verb.label));
}

export function progressOf(job) {
  if (job.status === "scheduled") return "";
  if (job.progressKnown === false && !isEnded(job)) return element("span", { class: "faint" }, "unknown");
  return [element("progress", { max: 100, value: job.progress ?? 0, "aria-label": `${job.name}: progress` }),
    ` ${job.progress ?? 0} %`];
}

export function statusOf(job) {
  const word = job.state === "pausing" ? "pausing" : job.state === "cancelling" ? "cancelling" : job.status;
  return element("span", { class: `status ${job.status}` }, word);
}

function remark(job) {
  if (job.error && job.status !== "completed") return job.error.message;
  if (job.status === "scheduled") return `runs ${relative(job.scheduledFor ?? job.nextRuns?.[0])}`;
  return [waitReason(job), expectation(job)].filter(Boolean).join("; ");
}

function took(job) {
  if (!job.startedAt) return "";
  return duration((job.endedAt ? new Date(job.endedAt) : Date.now()) - new Date(job.startedAt));
}

export function row(job, page, act) {
  return element("tr", { "data-job": job.id },
    element("td", null, element("a", { href: `${page}/jobs/${job.id}` }, job.name)),
    element("td", null, statusOf(job)),
    element("td", null, progressOf(job)),
    element("td", { class: "faint" }, clock(job.startedAt ?? job.queuedAt)),
    element("td", { class: "number" }, took(job)),
    element("td", { class: "why" }, remark(job)),
    element("td", { class: "do" }, buttons(job, act)));
}

const TITLES = ["Sync", "Status", "Progress", "Since", "Took", "", ""];

export function jobTable(jobs, page, act, nothing) {
  return table(TITLES, jobs.map((job) => row(job, page, act)), nothing);
}
