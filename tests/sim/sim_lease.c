#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

/* Leases as workers understand them: whose, until when, and what is handed out. */

static void start_grace(struct sim *sim, struct held *lease)
{
    int64_t grace = sim->options.pause_grace_ms != 0 ? sim->options.pause_grace_ms : lease->ttl_ms;

    lease->grace_ms = sim->clock.mono_ms + grace;
    if (lease->deadline_ms > lease->grace_ms)
        lease->deadline_ms = lease->grace_ms;
}

static bool ends_soon(const struct held *lease)
{
    return lease->pausing || lease->cancelling;
}

void lease_fresh_terms(struct sim *sim)
{
    turn_forgotten(sim);
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct held *lease = &sim->jobs[i].lease;

        if (!lease->held)
            continue;
        lease->acknowledged = true;
        lease->grace_ms = 0;
        lease->deadline_ms = sim->clock.mono_ms + lease->ttl_ms;
        if (ends_soon(lease))
            start_grace(sim, lease);
    }
}

static void expire(struct sim *sim, struct job *job)
{
    struct held was = job->lease;

    trace(sim, "expires %llx/%u%s%s%s", (unsigned long long)job->id, job->epoch,
          was.acknowledged ? "" : " unacknowledged", was.pausing ? " pausing" : "",
          was.cancelling ? " cancelling" : "");
    job->lease = (struct held){ .worker = -1 };
    if (was.cancelling) {
        model_end(sim, job, RUN_CANCELLED);
    } else if (!was.pausing) {
        job->queued = job->goes_first = !was.acknowledged; /* it was the first */
        job->may_have_ended = was.acknowledged;
        job->line->pause_may_be_over |= was.acknowledged;
        job->failures += was.acknowledged;
    }
}

void lease_time_passes(struct sim *sim)
{
    for (unsigned i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].lease.held && sim->jobs[i].lease.deadline_ms <= sim->clock.mono_ms)
            expire(sim, &sim->jobs[i]);
}

void lease_renewed(struct sim *sim, struct job *job)
{
    struct held *lease = &job->lease;

    lease->acknowledged = true;
    lease->deadline_ms = sim->clock.mono_ms + lease->ttl_ms;
    if (lease->grace_ms != 0 && lease->deadline_ms > lease->grace_ms)
        lease->deadline_ms = lease->grace_ms;
}

void lease_directed(struct sim *sim, struct job *job)
{
    struct held *lease = &job->lease;
    const struct sim_worker *w = lease->worker >= 0 ? &sim->workers[lease->worker] : NULL;

    if (lease->grace_ms != 0 && !ends_soon(lease)) /* taken back: a term as if it began now */
        lease->deadline_ms = sim->clock.mono_ms + (lease->acknowledged ? lease->ttl_ms
                                                                       : sim->options.ack_ms);
    lease->grace_ms = 0;
    if (ends_soon(lease))
        start_grace(sim, lease);
    lease->push_is_due = w != NULL && w->in && w->worker.push != NULL;
}

void lease_pushed(struct worker *worker, run_id run, uint32_t epoch, enum directive directive)
{
    struct sim_worker *w = container_of(worker, struct sim_worker, worker);
    struct sim *sim = w->sim;
    struct job *job = model_find(sim, run);

    require(sim, w->in || w->busy, "only who is connected is told");
    require(sim, directive != DIRECTIVE_NONE, "a push says what to do");
    if (job != NULL && job->epoch == epoch)
        job->lease.pushed = directive;
}

bool lease_is_held(const struct sim *sim, const struct lease_name *name)
{
    const struct job *job = model_find((struct sim *)(uintptr_t)sim, name->id);

    return job != NULL && job->lease.held && job->epoch == name->epoch;
}

enum directive lease_directive(const struct sim *sim, const struct job *job)
{
    if (job->lease.cancelling)
        return DIRECTIVE_CANCEL_IT;
    if (job->lease.pausing)
        return DIRECTIVE_PAUSE_IT;
    return sim->draining ? DIRECTIVE_DRAIN_IT : DIRECTIVE_GO_ON;
}

/* ---- handed out ---- */

/* Of those whose lease only its worker or its term ends. */
static uint32_t count_held(const struct sim *sim, int org)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < sim->job_count; i++)
        count += sim->jobs[i].lease.held && sim->jobs[i].line->org == org &&
                 !sim->jobs[i].line->cancels_other;
    return count;
}

static void require_line_is_free(struct sim *sim, const struct job *job)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *other = &sim->jobs[i];

        if (other == job || other->line != job->line || other->ended || other->order == 0)
            continue;
        if (other->may_have_ended || other->line->cancels_other)
            model_look_after(sim, other);
        if (other->ended)
            continue;
        require(sim, !other->lease.held, "runs of one name do not overlap");
        require(sim, other->order > job->order, "runs of one name go first in, first out");
    }
}

static void require_checkpoint(struct sim *sim, struct job *job, struct bytes checkpoint)
{
    bool known = false;

    for (unsigned i = 0; i < job->checkpoint_count; i++)
        known = known || bytes_equal(checkpoint, bytes_of_text(job->checkpoints[i]));
    require(sim, known, "a run goes on from its last checkpoint");
    model_set_checkpoint(job, checkpoint);
}

/* A schedule fires for a time once, and not before it. */
static void require_firing(struct sim *sim, struct job *job, const struct run_info *info)
{
    if (job->fired || job->revived || info->run.nominal_ms == 0)
        return;
    job->fired = true;
    job->nominal_ms = info->run.nominal_ms;
    require(sim, job->nominal_ms <= sim->greatest_now_ms, "a schedule does not fire early");
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *other = &sim->jobs[i];
        bool same_schedule = other->line == job->line &&
                             (other->id >= job->line->schedule) == (job->id >= job->line->schedule);

        if (other != job && same_schedule && other->fired && job->id >= job->line->schedule)
            require(sim, other->nominal_ms != job->nominal_ms, "a schedule fires once for a time");
    }
}

static void require_progress(struct sim *sim, struct job *job, const struct run *run)
{
    require(sim, run->generation >= job->generation, "generations grow");
    if (run->generation == job->generation)
        require(sim, run->progress >= job->progress, "progress does not fall within a generation");
    job->generation = run->generation;
    job->progress = run->progress;
}

/* A pause ends with what it held back, and that may have ended with the time. */
static bool pause_is_over(struct sim *sim, const struct line *line)
{
    struct view view = world_look(sim);
    struct sync_view sync = { .paused = true };
    struct why why;
    enum err e = view_sync(&view, bytes_of_text(sim_orgs[line->org]), bytes_of_text(line->name),
                           &sync, &why);

    world_look_away(&view);
    return e == OK && !sync.paused && (line->pause_may_be_over || line->scheduled_ever);
}

static void require_lease_is_right(struct sim *sim, struct job *job, const struct assignment *given,
                                   int worker)
{
    const struct org_belief *org = &sim->orgs[job->line->org];

    require(sim, !job->purged, "what was purged is gone");
    require(sim, job->ended != RUN_COMPLETED, "a completed job is not handed out again");
    require(sim, !job->ended || job->line->cancels_other, "an ended job is not handed out");
    require(sim, !job->lease.held, "a job has one worker at a time");
    require(sim, given->epoch == job->epoch + 1, "epochs grow by one");
    require(sim, !job->paused, "a paused job is not handed out");
    require(sim, !job->line->paused || pause_is_over(sim, job->line),
            "nothing of a paused sync is handed out");
    require(sim, turn_worker_can(sim, worker, job), "a worker gets what it can do");
    require(sim, sim->workers[worker].in, "only who is connected gets work");
    require(sim, !sim->draining, "who drains hands out nothing");
    if (org->max_active != 0 && !job->line->cancels_other)
        require(sim, count_held(sim, job->line->org) < org->max_active, "limits are kept");
}

static void take_assignment(struct sim *sim, const struct op *op, const struct assignment *given)
{
    struct job *job = model_find(sim, given->info.id);

    if (job == NULL) {
        require(sim, given->info.run.nominal_ms != 0,
                "every leased job was accepted from somebody");
        job = model_meet(sim, &given->info);
    }
    trace(sim, "  gives %llx/%u to %d%s for %lld, checkpoint %.*s", (unsigned long long)job->id,
          given->epoch, op->worker, op->u.lease.acknowledge ? " to acknowledge" : "",
          (long long)given->lease_ttl_ms, (int)given->checkpoint.size,
          (const char *)given->checkpoint.data);
    job->order = given->info.run.order;
    require_line_is_free(sim, job);
    require_lease_is_right(sim, job, given, op->worker);
    turn_taken(sim, job, op->worker);
    require_checkpoint(sim, job, given->checkpoint);
    require_firing(sim, job, &given->info);
    require_progress(sim, job, &given->info.run);
    job->epoch = given->epoch;
    job->may_have_ended = job->queued = job->goes_first = false;
    job->lease = (struct held){ .held = true,
                                .acknowledged = !op->u.lease.acknowledge,
                                .worker = op->worker,
                                .ttl_ms = given->lease_ttl_ms };
    job->lease.deadline_ms =
        sim->clock.mono_ms + (op->u.lease.acknowledge ? sim->options.ack_ms : job->lease.ttl_ms);
}

void lease_taken(struct sim *sim, struct op *op)
{
    const struct lease_request *req = &op->u.lease;

    if (op->result != OK) {
        require(sim, op->result == ERR_CANCELLED, "who asks for work gets work, or waits");
        return;
    }
    require(sim, req->count <= req->jobs_max, "nobody gets more than was asked for");
    for (uint32_t i = 0; i < req->count; i++)
        take_assignment(sim, op, &req->jobs[i]);
    if (req->count > 0 || op->stopped || sim->draining)
        return;
    require(sim, req->wait_ms == 0 || op->handled_mono_ms + req->wait_ms <= sim->clock.mono_ms,
            "who waits for work waits as long as was said");
    lease_waits_on(sim, op);
}

void lease_waits_on(struct sim *sim, const struct op *op)
{
    for (unsigned i = 0; i < sim->job_count && !sim->draining; i++)
        require(sim,
                !turn_worker_can(sim, op->worker, &sim->jobs[i]) ||
                    !turn_is_ready(sim, &sim->jobs[i]),
                "work and a worker that waits for it meet");
}
