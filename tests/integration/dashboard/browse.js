// The dashboard in a real browser: what a person does, and what he then sees.
//
// usage: browse.js URL CHROMIUM. The server restarts when a line "restart" is written to stdout and a
// line comes back on stdin.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [url, executablePath] = process.argv.slice(2);
const SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
  "--disable-background-networking", "--disable-component-update"];
const SLOW = { source: "demo", target: "local", demo: { size: 4000, pace: 400 } };
const PATIENCE_MS = 30000;

const browser = await chromium.launch({ executablePath, args: SWITCHES });
const complaints = [], strangers = [];
let page, failed = 0;

async function api(path, body) {
  const answer = await fetch(url + path, { method: body ? "POST" : "GET", body: body && JSON.stringify(body),
    headers: { orgid: "acme", "content-type": "application/json" } });
  return answer.json();
}

const rowOf = (name) => page.locator("tr[data-job]", { hasText: name }).first();

async function sees(name, text) {
  await rowOf(name).filter({ hasText: text }).waitFor({ timeout: PATIENCE_MS });
}

async function press(name, button) {
  await rowOf(name).getByRole("button", { name: button }).click();
}

async function queueByForm(fields) {
  await page.getByRole("button", { name: "Queue a job" }).click();
  const dialog = page.getByRole("dialog");
  for (const [name, value] of Object.entries(fields)) {
    const field = dialog.locator(`[name=${name}]`);
    if (await field.evaluate((each) => each.tagName) === "SELECT") await field.selectOption(value);
    else await field.fill(value);
  }
  await dialog.getByRole("button", { name: "Queue it" }).click();
  return dialog;
}

const tests = {
  async the_page_asks_whose_jobs_to_show() {
    await page.goto(url);
    await page.getByText("Say above whose jobs").waitFor();
    await page.getByLabel("Organisation").fill("acme");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByText("Nothing waits and nothing is being worked on.").waitFor();
    assert.match(page.url(), /#\/acme\/jobs$/);
  },

  async a_job_is_queued_by_the_form_and_watched_to_its_end() {
    await queueByForm({ name: "by-form" });
    await sees("by-form", "completed");
    assert.equal((await api("/sync/jobs?name=by-form")).jobs[0].data.source, "demo");
  },

  async a_mistake_in_the_form_is_told_there_and_changes_nothing() {
    const dialog = await queueByForm({ name: "mistake", type: "scheduled", cron: "61 * * * *" });
    await dialog.getByRole("alert").filter({ hasText: /cron/ }).waitFor();
    await dialog.getByRole("button", { name: "Leave it" }).click();
    assert.deepEqual((await api("/sync/jobs?name=mistake")).jobs, []);
  },

  async progress_moves_without_a_reload() {
    await api("/sync/queue", { name: "slow", type: "full", data: SLOW });
    await sees("slow", "active");
    const before = await rowOf("slow").locator("progress").getAttribute("value");
    await page.waitForFunction((old) => Number(document.querySelector("tr[data-job] progress")?.value) > Number(old),
      before, { timeout: PATIENCE_MS });
  },

  async a_job_is_paused_resumed_and_cancelled_by_its_buttons() {
    await press("slow", "Pause");
    await sees("slow", /paused|pausing/);
    await press("slow", "Resume");
    await sees("slow", "active");
    await press("slow", "Cancel");
    await page.getByRole("dialog").locator("[name=reason]").fill("enough seen");
    await page.getByRole("dialog").getByRole("button", { name: "Cancel it" }).click();
    await sees("slow", /cancelled/);
    assert.equal((await api("/sync/jobs?name=slow")).jobs[0].lastAction.reason, "enough seen");
  },

  async a_job_shows_all_that_is_known_of_it() {
    await page.getByRole("link", { name: "slow" }).click();
    await page.getByRole("cell", { name: "products", exact: true }).waitFor();
    await page.getByText("enough seen").waitFor();
    await page.getByText("\"pace\": 400").waitFor();
    await page.getByRole("link", { name: "all jobs" }).click();
  },

  async what_a_tenant_writes_is_text_and_nothing_else() {
    const trap = "<img src=x onerror=\"window.caught=1\">\u2028\u2029"; // and line ends that are none
    await api("/sync/queue", { name: "trap", type: "full", data: { source: "nowhere", target: "local", trap } });
    await rowOf("trap").getByRole("link").click();
    await page.getByText("window.caught").waitFor();
    assert.equal(await page.evaluate(() => window.caught), undefined);
    await page.getByRole("link", { name: "all jobs" }).click();
    await sees("trap", "no connected worker can do it");
  },

  async syncs_show_their_schedule_and_next_runs() {
    await queueByForm({ name: "nightly", type: "scheduled", cron: "30 2 * * *", timezone: "Europe/Berlin" });
    await sees("nightly", "scheduled");
    await page.getByRole("link", { name: "Syncs" }).click();
    await page.getByText("30 2 * * * Europe/Berlin").waitFor();
    await page.getByRole("link", { name: "nightly" }).click();
    await page.getByText("Next runs").waitFor();
    assert.match(page.url(), /#\/acme\/syncs\/nightly$/);
    await page.getByRole("link", { name: "all syncs" }).click();
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
  },

  async the_picture_has_a_row_for_each_sync() {
    const picture = page.locator("svg.timeline");
    for (const name of ["by-form", "slow", "nightly"]) await picture.locator("text.name", { hasText: name }).waitFor();
    assert.ok(await picture.locator(".completed .run").count() > 0);
    await page.getByLabel("Hours shown").selectOption("6");
    await page.getByRole("img", { name: "Jobs of the last 6 hours" }).waitFor();
  },

  async what_is_worked_on_is_seen_before_what_waits() {
    await api("/sync/queue", { name: "busy", type: "full", data: SLOW });
    await sees("busy", "active");
    for (let i = 0; i < 220; i++)
      await api("/sync/queue", { name: `waits-${i}`, type: "full", data: { source: "nowhere", target: "local" } });
    await page.reload();
    await sees("busy", "active");
    await press("busy", "Cancel");
    await page.getByRole("dialog").getByRole("button", { name: "Cancel it" }).click();
    await sees("busy", /cancelled/);
  },

  async an_address_that_makes_no_sense_is_no_end() {
    const before = page.url();
    await page.goto(`${url}/#/%/jobs`);
    await page.getByRole("navigation").waitFor();
    await page.goto(before);
    await page.getByText("Nothing").or(page.locator("#live tr")).first().waitFor();
  },

  async the_page_comes_back_when_the_server_does() {
    const lines = createInterface({ input: process.stdin });
    console.log("restart");
    await new Promise((resolve) => lines.once("line", resolve));
    lines.close();
    await api("/sync/queue", { name: "after-restart", type: "full", data: { source: "nowhere", target: "local" } });
    await sees("after-restart", "queued");
  },

  async ended_jobs_are_purged() {
    await page.getByRole("button", { name: "Purge ended jobs" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Purge" }).click();
    await page.getByText("No job has ended yet, or all were purged.").waitFor();
  },

  async nothing_is_loaded_from_elsewhere_and_nothing_goes_wrong() {
    assert.deepEqual(strangers, []);
    assert.deepEqual(complaints, []);
  },
};

const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
page = await context.newPage();
page.setDefaultTimeout(PATIENCE_MS);
page.on("pageerror", (error) => complaints.push(error.message));
page.on("console", (message) => {
  // The browser itself reports refused requests: a 400 is part of a test, a server that is away, too.
  if (message.type() === "error" && !/status of 400|net::ERR|Failed to load/.test(message.text()))
    complaints.push(message.text());
});
page.on("request", (request) => { if (!request.url().startsWith(url)) strangers.push(request.url()); });

for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`[       OK ] ${name}`);
  } catch (error) {
    failed++;
    console.log(`${error.stack}\n[  FAILED  ] ${name}`);
  }
}
await browser.close();
process.exit(failed === 0 ? 0 : 1);
