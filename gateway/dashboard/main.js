import { Api } from "./api.js";
import { element } from "./element.js";
import { askJob, askReason } from "./form.js";
import { jobView } from "./job.js";
import { isEnded, jobTable } from "./jobs.js";
import { syncTable, syncView } from "./syncs.js";
import { clock, count } from "./text.js";
import { timeline } from "./timeline.js";

// The page: which organisation, which view, and the jobs as the watch tells of them. The address's
// fragment says what is shown: #/ORG/jobs, #/ORG/jobs/ID, #/ORG/syncs, #/ORG/syncs/NAME.

const JOBS_KEPT = 1000, SHOWN = 200, REFRESH_MS = 5000, SOON_MS = 1000;

const state = { org: "", view: "jobs", subject: "", hours: 1, jobs: new Map(), touched: null,
  info: null, syncs: [], stop: () => {}, api: new Api(), asked: 0 };

const byId = (id) => document.getElementById(id);
const page = () => `#/${encodeURIComponent(state.org)}`;

function notify(text) {
  const notice = element("p", null, element("span", null, text),
    element("button", { onclick: () => notice.remove(), "aria-label": "Dismiss" }, "×"));
  byId("notices").replaceChildren(notice);
}

// ---- Drawing, at most once a frame. ----

let isDue = false;

function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; draw(); });
}

function tiles() {
  const status = state.info?.syncStatus ?? {};
  const pairs = [["Active", count(status.activeJobs)], ["Queued", count(status.queuedJobs)],
    ["Completed, ever", count(status.completedJobs)], ["Failed, ever", count(status.failedJobs)],
    ["Last sync", clock(status.lastSync) || "never"]];
  return element("dl", { class: "tiles" }, pairs.map(([name, value]) =>
    element("div", null, element("dt", null, name), element("dd", null, value))));
}

function tabs() {
  return element("div", { class: "bar" },
    element("nav", { "aria-label": "Views" }, ["jobs", "syncs"].map((view) => element("a",
      { href: `${page()}/${view}`, "aria-current": state.view === view ? "page" : null },
      view === "jobs" ? "Jobs" : "Syncs"))),
    element("span", { class: "gap" }),
    element("button", { class: "danger", onclick: purge }, "Purge ended jobs"),
    element("button", { class: "main", onclick: queue }, "Queue a job"));
}

/* What is worked on is older than what waits for it, and more worth seeing. */
const weight = (job) => (isEnded(job) ? 0 : job.status === "queued" || job.status === "scheduled" ? 1 : 2);

function sortedJobs() {
  return [...state.jobs.values()].sort((a, b) => weight(b) - weight(a) || (a.id < b.id ? 1 : -1));
}

function ranges() {
  return element("label", null, "Hours shown ", element("select",
    { onchange: (event) => { state.hours = Number(event.target.value); event.target.blur(); redraw(); } },
    [0.25, 1, 6, 24, 72].map((hours) => element("option", { selected: hours === state.hours }, String(hours)))));
}

function jobsPage() {
  const jobs = sortedJobs(), live = jobs.filter((job) => !isEnded(job)), ended = jobs.filter(isEnded);
  return [tiles(), tabs(),
    element("div", { class: "sheet" }, ranges(), timeline(jobs, state.hours)),
    element("h2", null, "Live"),
    element("div", { class: "sheet", id: "live" },
      jobTable(live.slice(0, SHOWN), page(), act, "Nothing waits and nothing is being worked on.")),
    element("h2", null, "Ended"),
    element("div", { class: "sheet", id: "ended" },
      jobTable(ended.slice(0, SHOWN), page(), act, "No job has ended yet, or all were purged."))];
}

function jobPage() {
  const job = state.jobs.get(state.subject);
  return job ? jobView(job, page(), act) : element("p", { class: "empty" }, "There is no such job.");
}

function syncPage() {
  const sync = state.syncs.find((each) => each.name === state.subject);
  return sync ? syncView(sync, page(), () => askReason(`Delete the schedule of ${sync.name}?`, "Delete it",
    async (reason) => { await state.api.deleteSchedule(sync.name, reason); await readSyncs(); }))
    : element("p", { class: "empty" }, "There is no such sync.");
}

function syncsPage() {
  return [tiles(), tabs(), element("div", { class: "sheet" }, syncTable(state.syncs, page()))];
}

function view() {
  if (!state.org) return element("p", { class: "empty" }, "Say above whose jobs you want to see.");
  if (state.view === "syncs") return state.subject ? syncPage() : syncsPage();
  return state.subject ? jobPage() : jobsPage();
}

/* Whoever is about to press a button or choose something keeps what he has. */
function isHeld(main) {
  return main.contains(document.activeElement) && document.activeElement.tagName === "SELECT";
}

function draw() {
  const main = byId("page"), focused = document.activeElement;
  const job = focused?.closest?.("[data-job]")?.dataset.job, label = focused?.textContent;
  if (isHeld(main)) return;
  main.replaceChildren(...[view()].flat());
  if (job) [...main.querySelectorAll(`[data-job="${CSS.escape(job)}"] :is(a, button)`)]
    .find((each) => each.textContent === label)?.focus();
}

// ---- What is known. ----

function keep(job) {
  state.jobs.set(job.id, job);
  state.touched?.add(job.id);
  refreshSoon();
  if (state.jobs.size > JOBS_KEPT) {
    state.jobs.delete(sortedJobs().at(-1).id);
  }
  redraw();
}

/* Live jobs and the newest ones; what the watch has told of meanwhile is newer. */
async function relist() {
  const asked = ++state.asked, touched = new Set();
  state.touched = touched;
  try {
    const [info, ...lists] = await Promise.all([state.api.info(), state.api.jobs(),
      state.api.jobs("&status=active"), state.api.jobs("&status=paused")]);
    if (asked !== state.asked) return;
    for (const id of [...state.jobs.keys()]) if (!touched.has(id)) state.jobs.delete(id);
    for (const job of [...info.syncJobs, ...lists.flat()]) if (!touched.has(job.id)) state.jobs.set(job.id, job);
    state.info = info;
    if (state.view === "jobs" && state.subject && !state.jobs.has(state.subject)) keep(await state.api.job(state.subject));
  } catch (error) {
    if (asked === state.asked) notify(error.message);
  }
  if (asked === state.asked) state.touched = null;
  redraw();
}

async function readSyncs() {
  if (!state.org || state.view !== "syncs") return;
  try {
    state.syncs = await state.api.syncs();
    if (state.subject) {
      const sync = await state.api.sync(state.subject);
      state.syncs = [...state.syncs.filter((each) => each.name !== sync.name), sync];
    }
  } catch (error) { notify(error.message); }
  redraw();
}

/* Counters and estimates move although no job changes. */
async function refresh() {
  try {
    const service = await state.api.service();
    byId("service").textContent = `${service.status}, version ${service.version}` +
      (service.uptime ? `, up ${service.uptime}` : "") +
      (service.activeJobs === undefined ? "" : `: ${count(service.activeJobs)} active, ${count(service.queuedJobs)} queued`);
    if (state.org) state.info = await state.api.info();
  } catch (error) { byId("service").textContent = error.message; }
  await readSyncs();
  redraw();
}

let isRefreshDue = false;

function refreshSoon() {
  if (isRefreshDue) return;
  isRefreshDue = true;
  setTimeout(() => { isRefreshDue = false; refresh(); }, SOON_MS);
}

// ---- What people do. ----

async function act(job, verb, reason) {
  try {
    await state.api.control(job.id, verb, reason);
    keep(await state.api.job(job.id));
  } catch (error) { notify(error.message); }
}

function queue() {
  askJob(async (job) => {
    const answer = await state.api.queue(job);
    keep(await state.api.job(answer.job.id));
  });
}

function purge() {
  askReason(`Delete all ended jobs of ${state.org}?`, "Purge", async (reason) => {
    await state.api.purge(reason);
    await relist();
  });
}

// ---- Where we are. ----

function connect(org, token) {
  state.stop();
  Object.assign(state, { org, jobs: new Map(), syncs: [], info: null, api: new Api(org, token) });
  if (!org) return;
  state.stop = state.api.watch({
    job: keep,
    relist,
    refused: (error) => notify(error.message),
    connected: (is) => { document.body.dataset.connected = is; if (!is) redraw(); },
  });
}

function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

function follow() {
  const [org = "", shown = "jobs", subject = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const form = byId("who");
  Object.assign(state, { view: shown, subject });
  form.elements.org.value = org;
  if (org !== state.org) connect(org, form.elements.token.value);
  if (shown === "jobs" && subject && !state.jobs.has(subject) && org)
    state.api.job(subject).then(keep, (error) => notify(error.message));
  refresh();
}

byId("who").addEventListener("submit", (event) => {
  const { org, token } = event.target.elements;
  event.preventDefault();
  connect(org.value, token.value);
  location.hash = `#/${encodeURIComponent(org.value)}/jobs`;
  refresh();
});
window.addEventListener("hashchange", follow);
setInterval(refresh, REFRESH_MS);
follow();
