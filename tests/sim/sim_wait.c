#include "tests/sim/sim.h"
#include "tests/support/estimate_rules.h"

/* Why a job waits, as lists say, against everything else that they show and who
 * is connected. */

void wait_note(const struct sim *sim, struct job *job, const struct run_info *info)
{
    const char *broken = estimate_broken_rule(info, sim->clock.now_ms);

    require(sim, broken == NULL, broken);
    job->shown = info->run.state;
    job->wait = info->wait;
}

static bool is_shown_alive(const struct job *job)
{
    return job->seen && !run_is_ended(job->shown);
}

static bool somebody_is_before(const struct sim *sim, const struct job *job)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *other = &sim->jobs[i];

        if (other->line == job->line && is_shown_alive(other) && other->order != 0 &&
            other->order < job->order)
            return true;
    }
    return false;
}

static bool is_at_limit(const struct sim *sim, int org)
{
    uint32_t active = 0;

    for (unsigned i = 0; i < sim->job_count; i++)
        active +=
            sim->jobs[i].line->org == org && sim->jobs[i].seen && run_is_leased(sim->jobs[i].shown);
    return sim->orgs[org].max_active != 0 && active >= sim->orgs[org].max_active;
}

static bool somebody_can(const struct sim *sim, const struct job *job)
{
    for (int i = 0; i <= WORKERS; i++) {
        const struct sim_worker *w = &sim->workers[i];

        if ((w->in || w->remembered_until_ms > sim->clock.mono_ms) && turn_worker_can(sim, i, job))
            return true;
    }
    return false;
}

static enum wait_reason reason_in_line(const struct sim *sim, const struct job *job)
{
    if (job->line->paused)
        return WAIT_PAUSED;
    if (somebody_is_before(sim, job))
        return WAIT_EARLIER_RUN;
    if (is_at_limit(sim, job->line->org))
        return WAIT_LIMIT;
    return somebody_can(sim, job) ? WAIT_TURN : WAIT_NO_WORKER;
}

static enum wait_reason reason(const struct sim *sim, const struct job *job)
{
    switch ((int)job->shown) {
    case RUN_QUEUED:
        return reason_in_line(sim, job);
    case RUN_BACKOFF:
        return job->line->paused ? WAIT_PAUSED : WAIT_BACKOFF;
    case RUN_SCHEDULED:
        return WAIT_SCHEDULE;
    case RUN_PAUSED:
    case RUN_PAUSING:
        return WAIT_PAUSED;
    default:
        return WAIT_NONE;
    }
}

void wait_compare(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *job = &sim->jobs[i];
        enum wait_reason right = job->seen ? reason(sim, job) : job->wait;

        if (job->wait != right)
            trace(sim, "%llx of %s, %s, waits for %d, not for %d", (unsigned long long)job->id,
                  job->line->name, run_state_name(job->shown), job->wait, right);
        require(sim, job->wait == right, "every job that waits says what for");
    }
}
