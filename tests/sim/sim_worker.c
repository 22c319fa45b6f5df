#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>

/* Workers that do whatever comes to their minds, within the rules of
 * core/queue.h: they report on what they hold, and at times on what they don't. */

/* Preferably one that somebody works on. */
static struct job *some_leased_job(struct sim *sim)
{
    unsigned start = sim->job_count > 0 ? (unsigned)pick(sim, sim->job_count) : 0;

    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[(start + i) % sim->job_count];

        if (job->lease.held && job->lease.worker >= 0)
            return job;
    }
    return some_job(sim);
}

static bool some_lease(struct sim *sim, struct lease_name *name)
{
    const struct job *job = chance(sim, 92) ? some_leased_job(sim) : some_job(sim);

    if (job == NULL || job->epoch == 0)
        return false;
    *name = (struct lease_name){ job->id, job->epoch };
    if (chance(sim, 4))
        name->epoch += (uint32_t)pick(sim, 3) - 1;
    return true;
}

static void set_up(struct sim *sim, int i)
{
    static const struct bytes any[] = { { (const uint8_t *)"*", 1 } };
    static const struct bytes some_sources[] = { { (const uint8_t *)"demo", 4 },
                                                 { (const uint8_t *)"file", 4 } };
    static const struct bytes some_targets[] = { { (const uint8_t *)"local", 5 } };
    struct sim_worker *w = &sim->workers[i];

    snprintf(w->id, sizeof w->id, "worker-%d", i);
    w->sim = sim;
    w->worker = (struct worker){ .id = bytes_of_text(w->id),
                                 .sources = any,
                                 .targets = any,
                                 .source_count = 1,
                                 .target_count = 1,
                                 .slots = 8,
                                 .push = i != 1 ? lease_pushed : NULL };
    if (i == 0 || i == 1) {
        w->worker.sources = some_sources;
        w->worker.source_count = i == 0 ? 1 : 2;
    }
    if (i == 2 || i == 0)
        w->worker.targets = some_targets;
    if (i == 3) {
        w->worker.sources = some_sources + 1;
        w->worker.source_count = 1;
    }
}

void client_joins(struct sim *sim, int worker)
{
    struct sim_worker *w = &sim->workers[worker];
    struct op *op = op_new(sim, QUEUE_JOIN);

    assert(!w->busy && !w->joined);
    set_up(sim, worker);
    w->busy = w->joined = true;
    op->worker = worker;
    op->u.worker.worker = &w->worker;
    op_post(op);
}

void worker_comes_or_goes(struct sim *sim)
{
    int worker = (int)pick(sim, WORKERS);
    struct sim_worker *w = &sim->workers[worker];
    struct op *op;

    if (w->busy)
        return;
    if (!w->joined) {
        client_joins(sim, worker);
        return;
    }
    op = op_new(sim, QUEUE_LEAVE);
    w->busy = true;
    w->joined = false;
    op->worker = worker;
    op->u.worker.worker = &w->worker;
    op_post(op);
}

void client_leases(struct sim *sim, int worker, uint32_t jobs_max)
{
    struct op *op = op_new(sim, QUEUE_LEASE);

    op->worker = worker;
    op->u.lease.worker = &sim->workers[worker].worker;
    op->u.lease.jobs_max = jobs_max;
    op_post(op);
}

void worker_leases(struct sim *sim)
{
    int worker = (int)pick(sim, WORKERS);
    struct lease_request *req;

    if (!sim->workers[worker].joined)
        return;
    client_leases(sim, worker, (uint32_t)pick(sim, 3) + 1);
    req = &op_posted_last(sim)->u.lease;
    req->acknowledge = chance(sim, 40);
    if (chance(sim, 50))
        req->wait_ms = (int64_t)pick(sim, 20000);
    if (chance(sim, 40))
        req->lease_ttl_ms = 5000 + (int64_t)pick(sim, 20000);
}

void worker_stops_waiting(struct sim *sim)
{
    list_each(link, &sim->ops) {
        struct op *waiting = container_of(link, struct op, link), *op;

        if (waiting->u.base.verb != QUEUE_LEASE || waiting->stopped)
            continue;
        waiting->stopped = true;
        op = op_new(sim, QUEUE_LEASE_STOP);
        op->u.lease_stop.lease = &waiting->u.lease;
        op_post(op);
        return;
    }
}

void worker_beats(struct sim *sim)
{
    struct op *op = op_new(sim, chance(sim, 50) ? QUEUE_ACKNOWLEDGE : QUEUE_HEARTBEAT);
    uint32_t count = (uint32_t)pick(sim, 4) + 1;

    op->u.heartbeat.leases = op->leases;
    for (uint32_t i = 0; i < count; i++)
        if (some_lease(sim, &op->leases[op->u.heartbeat.count]))
            op->u.heartbeat.count++;
    op_post(op);
}

static void add_progress(struct sim *sim, struct op *op)
{
    static const char *const entities[] = { "products", "orders", "customers" };
    struct report_request *req = &op->u.report;

    req->entities = op->entities;
    req->entity_count = (uint32_t)pick(sim, 4);
    for (uint32_t i = 0; i < req->entity_count; i++)
        op->entities[i] = (struct entity_progress){ .entity = bytes_of_text(entities[i]),
                                                    .done = pick(sim, 120),
                                                    .total = 100,
                                                    .total_known = chance(sim, 90),
                                                    .complete = chance(sim, 60) };
}

static enum report_kind some_kind(struct sim *sim)
{
    switch (pick(sim, 10)) {
    case 0:
    case 1:
        return REPORT_PROGRESS;
    case 2:
    case 3:
        return REPORT_CHECKPOINT;
    case 4:
    case 5:
        return REPORT_FAIL;
    case 6:
        return REPORT_RELEASE;
    default:
        return REPORT_COMPLETE;
    }
}

void worker_reports(struct sim *sim)
{
    struct op *op = op_new(sim, QUEUE_REPORT);
    struct report_request *req = &op->u.report;

    if (!some_lease(sim, &req->lease)) {
        op_free(op);
        return;
    }
    req->kind = some_kind(sim);
    if (chance(sim, 70))
        add_progress(sim, op);
    if (req->kind == REPORT_CHECKPOINT || (req->kind != REPORT_PROGRESS && chance(sim, 40))) {
        snprintf(op->text, sizeof op->text, "c%d", (int)pick(sim, 1000));
        req->checkpoint = bytes_of_text(op->text);
    }
    if (req->kind == REPORT_FAIL) {
        req->failure = (enum failure_class)(chance(sim, 70) ? FAILURE_TRANSIENT : 1 + pick(sim, 4));
        req->message = bytes_of_text("it broke");
        req->retry_after_ms = (int64_t)pick(sim, 30000);
    }
    if (chance(sim, 2)) {
        op->must_be_invalid = true;
        req->retry_after_ms = -1;
    }
    op_post(op);
}

void client_completes(struct sim *sim, const struct job *job)
{
    struct op *op = op_new(sim, QUEUE_REPORT);

    op->u.report.kind = REPORT_COMPLETE;
    op->u.report.lease = (struct lease_name){ job->id, job->epoch };
    op_post(op);
}
