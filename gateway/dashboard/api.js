// The JSON API, as documented in /openapi.json. An answer that is not a success throws its text.

export class ApiError extends Error {
  constructor(answer) {
    super(answer.message ?? "The server did not answer as expected");
    this.status = answer.statusCode;
    this.details = answer.details ?? [];
  }
}

export class Api {
  constructor(org, token) {
    this.org = org;
    this.token = token;
  }

  headers(more) {
    const headers = { ...more };
    if (this.org) headers.orgid = this.org;
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    return headers;
  }

  async ask(method, path, body) {
    const answer = await fetch(path, {
      method,
      headers: this.headers(body === undefined ? {} : { "content-type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    }).catch(() => { throw new ApiError({ message: "The server cannot be reached" }); });
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new ApiError({ statusCode: answer.status, ...content });
    return content;
  }

  get(path) { return this.ask("GET", path); }
  post(path, body) { return this.ask("POST", path, body); }

  service() { return this.get("/sync"); }
  info() { return this.get("/sync/info"); }
  async jobs(more = "") { return (await this.get(`/sync/jobs?pageSize=200${more}`)).jobs; }
  async syncs() { return (await this.get("/sync/syncs?pageSize=500")).syncs; }
  async sync(name) { return (await this.get(`/sync/syncs/${encodeURIComponent(name)}`)).sync; }
  async job(id) { return (await this.get(`/sync/jobs/${encodeURIComponent(id)}`)).job; }
  queue(job) { return this.post("/sync/queue", job); }
  control(id, verb, reason) {
    return this.post(`/sync/jobs/${encodeURIComponent(id)}/${verb}`, reason ? { reason } : undefined);
  }
  purge(reason) { return this.post("/sync/purge", reason ? { reason } : undefined); }
  deleteSchedule(name, reason) {
    const query = reason ? `?reason=${encodeURIComponent(reason)}` : "";
    return this.ask("DELETE", `/sync/schedules/${encodeURIComponent(name)}${query}`);
  }

  /**
   * Calls handlers.job(job) for each change and handlers.relist() whenever all has to be read anew, at
   * the beginning, too; comes back by itself when the connection breaks. Gives a function that ends it.
   * EventSource can send no token, so the stream is read here.
   */
  watch(handlers) {
    const stop = new AbortController();
    this.follow(handlers, stop.signal);
    return () => stop.abort();
  }

  async follow(handlers, signal) {
    let last = "1"; // older than anything that is kept: begins with relist instead of a list of all jobs
    let delayMs = 1000;
    handlers.relist();
    while (!signal.aborted) {
      try {
        const answer = await fetch("/sync/watch", {
          headers: this.headers({ "last-event-id": last }), signal, cache: "no-store",
        });
        if (!answer.ok) throw new ApiError({ statusCode: answer.status, ...await answer.json().catch(() => ({})) });
        handlers.connected(true);
        for await (const event of events(answer.body)) {
          delayMs = 1000;
          last = event.id ?? last;
          if (event.name === "job") handlers.job(JSON.parse(event.data));
          else if (event.name === "relist") handlers.relist();
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 401 || error.status === 403) { handlers.refused(error); return; }
      }
      handlers.connected(false);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      delayMs = Math.min(delayMs * 2, 30000);
    }
  }
}

/** WHATWG HTML, "Server-sent events": the fields of each event. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", data: "" };
      for (const line of block.split("\n")) {
        const [, field, content] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
        if (field === "id") event.id = content;
        else if (field === "event") event.name = content;
        else if (field === "data") event.data += content;
      }
      yield event;
    }
  }
}
