#include "tests/sim/sim.h"

/* How long ended jobs are kept: not shorter than was promised, by age and by
 * number; and not longer, where clients can tell. */

enum { HOUR_MS = 3600 * 1000, KEPT_BEYOND_MAX = 31 };

void kept_choose(struct sim *sim)
{
    struct queue_options *options = &sim->options;
    struct random_seeded dice; /* its own: lives that keep everything are as they were */

    random_seeded_init(&dice, sim->seed ^ 0x4ee9);
    options->keep_completed_ms = options->keep_failed_ms = options->keep_runs = 0;
    if (random_below(&dice.base, 100) < 30)
        options->keep_completed_ms = 1 + (int64_t)random_below(&dice.base, 30 * HOUR_MS);
    if (random_below(&dice.base, 100) < 30)
        options->keep_failed_ms = 1 + (int64_t)random_below(&dice.base, 30 * HOUR_MS);
    if (random_below(&dice.base, 100) < 30)
        options->keep_runs = 1 + (uint32_t)random_below(&dice.base, 20);
}

static int64_t keep_ms(const struct sim *sim, const struct job *job)
{
    return job->ended == RUN_FAILED ? sim->options.keep_failed_ms : sim->options.keep_completed_ms;
}

static bool is_done(enum run_state state)
{
    return state == RUN_COMPLETED || state == RUN_CANCELLED;
}

/* Of a schedule's runs nobody is told; so their line's numbers are not known. */
static bool has_enough_behind(const struct sim *sim, const struct job *job)
{
    const struct line *line = job->line;

    if (sim->options.keep_runs == 0 || !is_done(job->ended))
        return false;
    return line->scheduled_ever || line->done_count - job->done_as >= sim->options.keep_runs;
}

static bool is_old(const struct sim *sim, const struct job *job, int64_t now_ms)
{
    int64_t keep = keep_ms(sim, job);

    return keep != 0 && now_ms - job->ended_at_ms >= keep;
}

void kept_ended(struct sim *sim, struct job *job)
{
    job->ended_at_ms = sim->clock.now_ms;
    job->may_be_gone = false;
    if (is_done(job->ended))
        job->done_as = ++job->line->done_count;
}

void kept_time_passes(struct sim *sim)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (job->ended && !job->purged)
            job->may_be_gone |= is_old(sim, job, sim->clock.now_ms) || has_enough_behind(sim, job);
    }
}

bool kept_no_longer(const struct sim *sim, const struct job *job)
{
    bool by_time = job->may_have_ended || job->order == 0 || job->line->cancels_other;
    const struct queue_options *o = &sim->options;
    bool any = o->keep_completed_ms != 0 || o->keep_failed_ms != 0 || o->keep_runs != 0;

    return job->may_be_gone || (by_time && any);
}

/* Nobody may have been told when it ended, but the list shows it. */
void kept_shown(struct sim *sim, struct job *job, const struct run *run)
{
    if (!run_is_ended(run->state))
        return;
    job->ended_at_ms = run->ended_at_ms;
    if (sim->turned_at_ms == 0 || sim->next_due_ms <= sim->clock.mono_ms || sim->clock_went_back)
        return;
    require(sim, !is_old(sim, job, sim->turned_at_ms), "what is too old is gone");
}

void kept_compare(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->line_count && sim->options.keep_runs != 0; i++) {
        const struct line *line = &sim->lines[i];
        unsigned kept = 0;

        for (unsigned j = 0; j < sim->job_count; j++)
            kept += sim->jobs[j].line == line && sim->jobs[j].seen && is_done(sim->jobs[j].shown);
        require(sim, kept <= sim->options.keep_runs + KEPT_BEYOND_MAX,
                "of a name no more is kept than was said");
    }
}
