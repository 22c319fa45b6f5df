import { element } from "./element.js";

// Dialogs: one that asks before something is done, one that queues a job.

function show(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

/** A form in a dialog. send(values) may throw: the dialog stays and says why, at the field to blame. */
function ask(title, fields, verb, send, danger = false) {
  const wrong = element("p", { class: "wrong", role: "alert" });
  const form = element("form", { method: "dialog" }, fields, wrong,
    element("div", { class: "buttons" },
      element("button", { type: "button", onclick: () => dialog.close() }, "Leave it"),
      element("button", { class: danger ? "danger" : "main" }, verb)));
  const dialog = element("dialog", { "aria-label": title }, element("h1", null, title), form);

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await send(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      const field = error.details?.[0]?.field?.split(".").pop();
      wrong.textContent = error.message;
      form.elements.namedItem(field ?? "")?.focus?.();
    }
  });
  show(dialog);
}

export function askReason(title, verb, send) {
  ask(title, element("label", { class: "wide" }, "Reason, for those who look later",
    element("input", { name: "reason", maxlength: 512, autofocus: true })), verb,
    ({ reason }) => send(reason), verb === "Cancel it" || verb === "Purge");
}

function choice(label, name, values) {
  return element("label", null, label,
    element("select", { name }, values.map((value) => element("option", null, value))));
}

function text(label, name, more) {
  return element("label", null, label, element("input", { name, ...more }));
}

/** What the form says, as POST /sync/queue wants it: what is empty is left out. */
export function jobOf(values) {
  const job = { name: values.name, type: values.type, priority: values.priority,
    data: { source: values.source, target: values.target },
    options: { concurrency: Number(values.concurrency) } };
  if (values.entity) job.data.entity = values.entity;
  if (values.cron) job.schedule = { cron: values.cron, timezone: values.timezone || "UTC" };
  return job;
}

export function askJob(send) {
  ask("Queue a job", [
    text("Name", "name", { required: true, pattern: "[A-Za-z0-9._\\-]{1,128}", autofocus: true,
      title: "letters, digits, dot, underscore and hyphen" }),
    choice("Type", "type", ["full", "incremental", "entity", "scheduled"]),
    text("Source", "source", { required: true, value: "demo" }),
    text("Target", "target", { required: true, value: "local" }),
    text("Entity (type entity)", "entity"),
    choice("Priority", "priority", ["normal", "low", "high", "critical"]),
    text("Entities at a time", "concurrency", { type: "number", min: 1, max: 64, value: 1 }),
    element("span"),
    text("Schedule, as cron", "cron", { placeholder: "30 2 * * mon-fri" }),
    text("Time zone", "timezone", { placeholder: Intl.DateTimeFormat().resolvedOptions().timeZone }),
  ], "Queue it", (values) => send(jobOf(values)));
}
