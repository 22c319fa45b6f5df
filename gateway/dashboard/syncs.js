import { element, facts, table } from "./element.js";
import { clock, count, duration, isoDuration, relative } from "./text.js";

// Syncs: what names stand for, with their schedules and watermarks.

function rule(schedule) {
  if (!schedule) return "";
  const zone = schedule.timezone ? ` ${schedule.timezone}` : "";
  if (schedule.cron) return `${schedule.cron}${zone}`;
  if (schedule.interval) return `every ${schedule.interval}`;
  return [schedule.repeat, schedule.time].filter(Boolean).join(" ") + zone;
}

function mean(statistics) {
  const ms = isoDuration(statistics?.meanDuration);
  return ms === undefined ? "" : duration(ms);
}

export function syncTable(syncs, page) {
  return table(["Sync", "Schedule", "Next run", "Completed", "Failed", "Usually takes", "Last completed"],
    syncs.map((sync) => element("tr", null,
      element("td", null, element("a", { href: `${page}/syncs/${sync.name}` }, sync.name),
        sync.paused ? element("span", { class: "status paused" }, " paused") : null),
      element("td", null, rule(sync.schedule)),
      element("td", null, relative(sync.nextRuns?.[0])),
      element("td", { class: "number" }, count(sync.statistics?.completed)),
      element("td", { class: "number" }, count(sync.statistics?.failed)),
      element("td", { class: "number" }, mean(sync.statistics)),
      element("td", null, clock(sync.statistics?.lastCompletedAt)))),
    "This organisation has no syncs yet.");
}

export function syncView(sync, page, deleteSchedule) {
  const statistics = sync.statistics ?? {};

  return [
    element("p", null, element("a", { href: `${page}/syncs` }, "← all syncs")),
    element("div", { class: "bar" }, element("h1", null, sync.name),
      sync.paused ? element("span", { class: "status paused" }, "paused") : null,
      element("span", { class: "gap" }),
      sync.schedule ? element("button", { class: "danger", onclick: deleteSchedule }, "Delete schedule") : null),
    element("div", { class: "sheet" }, facts([
      ["Schedule", rule(sync.schedule)],
      ["Next runs", (sync.nextRuns ?? []).map(clock).join(" · ")],
      ["Completed", count(statistics.completed)], ["Failed", count(statistics.failed)],
      ["Cancelled", count(statistics.cancelled)], ["Skipped firings", count(statistics.skipped)],
      ["Usually takes", mean(statistics)], ["Last completed", clock(statistics.lastCompletedAt)],
      ["Live job", sync.liveJob && element("a", { href: `${page}/jobs/${sync.liveJob.id}` }, sync.liveJob.id)],
      ["Newest job", sync.lastJob && element("a", { href: `${page}/jobs/${sync.lastJob.id}` }, sync.lastJob.id)],
    ])),
    element("h2", null, "Watermarks"),
    element("div", { class: "sheet" }, table(["Entity", "Read up to", "Set by", "At"],
      (sync.watermarks ?? []).map((mark) => element("tr", null,
        element("td", null, mark.entity), element("td", null, clock(mark.value)),
        element("td", null, mark.setByJob
          ? element("a", { href: `${page}/jobs/${mark.setByJob}` }, mark.setByJob) : "a person"),
        element("td", null, clock(mark.setAt)))),
      "No run has set one yet: the next incremental one reads everything.")),
  ];
}
