import { element, facts, table } from "./element.js";
import { buttons, progressOf, statusOf } from "./jobs.js";
import { clock, count, expectation, waitReason } from "./text.js";

// One job with all that is known of it.

function entityRow(entity) {
  const total = entity.total;
  return element("tr", null,
    element("td", null, entity.entity),
    element("td", null, total ? element("progress", { max: total, value: entity.done ?? 0 }) : ""),
    element("td", { class: "number" }, count(entity.done)),
    element("td", { class: "number" }, total === undefined ? "" : count(total)),
    element("td", { class: "number" }, entity.deleted ? `${count(entity.deleted)} deleted` : ""),
    element("td", null, entity.complete ? "complete" : ""));
}

function action(job) {
  const last = job.lastAction;
  return last && `${last.actor}, ${clock(last.at)}${last.reason ? `: ${last.reason}` : ""}`;
}

function failure(job) {
  return job.error && `${job.error.message} (${job.error.class}, ${clock(job.error.at)})`;
}

export function jobView(job, page, act) {
  return [
    element("p", null, element("a", { href: `${page}/jobs` }, "← all jobs")),
    element("div", { class: "bar" }, element("h1", null, job.name), statusOf(job),
      element("span", { class: "gap" }), element("span", { class: "do" }, buttons(job, act))),
    element("div", { class: "sheet" }, facts([
      ["Progress", progressOf(job)], ["Expected", expectation(job)], ["Waits because", waitReason(job)],
      ["Error", failure(job)], ["Id", job.id],
      ["Sync", element("a", { href: `${page}/syncs/${job.name}` }, job.name)],
      ["Type", job.type], ["Priority", job.priority], ["Queued", clock(job.queuedAt)],
      ["Not before", clock(job.notBefore)], ["Scheduled for", clock(job.scheduledFor)],
      ["Started", clock(job.startedAt)], ["Paused", clock(job.pausedAt)], ["Resumed", clock(job.resumedAt)],
      ["Ended", clock(job.endedAt)], ["Worker", job.workerId], ["Attempts", job.attempts && String(job.attempts)],
      ["Generation", job.generation ? String(job.generation) : ""], ["Last change by", action(job)],
    ])),
    element("h2", null, "Entities"),
    element("div", { class: "sheet" }, table(["Entity", "", "Done", "Total", "", ""],
      (job.entities ?? []).map(entityRow), "Nothing has been reported yet.")),
    element("h2", null, "What it was asked for"),
    element("div", { class: "sheet" },
      element("pre", null, JSON.stringify({ data: job.data, options: job.options, schedule: job.schedule }, null, 2))),
  ];
}
