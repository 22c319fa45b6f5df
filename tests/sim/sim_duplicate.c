#include "tests/sim/sim.h"

#include <stdio.h>
#include <string.h>

/* Second requests for a name, and requests that are repeated under a key: what
 * they may do, and what clients then believe. */

static const int64_t PERIOD_MS = 24 * 3600 * 1000;

/* ---- clients ---- */

static struct kept *kept_of(struct sim *sim, const struct op *op)
{
    return &sim->kept[op->org][op->caller][op->key - 1];
}

static void give_key(struct sim *sim, struct op *op)
{
    static const char *const callers[CALLERS] = { "alice", "bob" };
    struct submit_request *req = &op->u.submit;
    const struct kept *kept;

    op->key = 1 + (int)pick(sim, KEYS);
    op->caller = (int)pick(sim, CALLERS);
    kept = kept_of(sim, op);
    snprintf(op->key_text, sizeof op->key_text, "key-%d", op->key);
    req->request_id = bytes_of_text(op->key_text);
    req->caller = bytes_of_text(callers[op->caller]);
    memset(req->digest, kept->exists && chance(sim, 70) ? kept->digest : (int)pick(sim, 250),
           sizeof req->digest);
}

void client_says_more(struct sim *sim, struct op *op)
{
    if (chance(sim, 45))
        op->u.submit.on_duplicate = (enum on_duplicate)(1 + pick(sim, 3));
    if (chance(sim, 25))
        give_key(sim, op);
}

/* ---- keys ---- */

void duplicate_time_passes(struct sim *sim)
{
    for (int i = 0; i < ORGS * CALLERS * KEYS; i++) {
        struct kept *kept = &sim->kept[0][0][0] + i;

        if (kept->exists && sim->clock.now_ms >= (kept->at_ms / PERIOD_MS + 2) * PERIOD_MS)
            kept->unsure = true; /* it may have been swept, and the clock may go back */
    }
}

void duplicate_uncertain(struct sim *sim, const struct op *op)
{
    if (op->key == 0)
        return;
    kept_of(sim, op)->exists = kept_of(sim, op)->unsure = true;
}

static bool is_known(const struct sim *sim, const struct kept *kept)
{
    int64_t periods = sim->clock.now_ms / PERIOD_MS - kept->at_ms / PERIOD_MS;

    return kept->exists && !kept->unsure && periods >= -1;
}

static void require_replay(const struct sim *sim, const struct kept *kept,
                           const struct run_info *info)
{
    require(sim, info->id == kept->id && info->duplicate == kept->duplicate,
            "a repeated request gets the answer that was given");
    require(sim, info->run.state == kept->state && info->run.queued_at_ms == kept->queued_at_ms,
            "a repeated answer shows the job as it was");
}

/* True: its key has settled it. */
static bool take_key(struct sim *sim, const struct op *op)
{
    const struct submit_request *req = &op->u.submit;
    struct kept *kept = kept_of(sim, op);
    bool in_force = kept->exists && sim->clock.now_ms < kept->at_ms + PERIOD_MS;
    bool replayed = op->result == OK && req->replayed, refused = op->result == ERR_CONFLICT;

    if (is_known(sim, kept) && in_force && kept->digest == req->digest[0]) {
        require(sim, replayed, "a request that was accepted is not accepted again");
        require_replay(sim, kept, &req->info);
    } else if (is_known(sim, kept) && in_force) {
        require(sim, refused, "a key is not for another request");
    } else if (!kept->unsure && !in_force) {
        require(sim, !replayed && !refused, "a key is kept for a day");
    }
    if (replayed && kept->unsure)
        kept->digest = req->digest[0];
    return replayed || refused;
}

void duplicate_keep(struct sim *sim, const struct op *op)
{
    const struct submit_request *req = &op->u.submit;

    if (op->key == 0)
        return;
    *kept_of(sim, op) = (struct kept){ .exists = true,
                                       .digest = req->digest[0],
                                       .id = req->info.id,
                                       .duplicate = req->info.duplicate,
                                       .state = req->info.run.state,
                                       .queued_at_ms = req->info.run.queued_at_ms,
                                       .at_ms = sim->clock.now_ms };
}

/* ---- names ---- */

static bool may_stand_in_line(const struct sim *sim, const struct line *line)
{
    for (unsigned i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].line == line && !sim->jobs[i].ended)
            return true;
    return line->scheduled_ever;
}

static void take_over(struct sim *sim, const struct op *op)
{
    const struct submit_request *req = &op->u.submit;
    const struct run_info *info = &req->info;
    struct job *job = model_find(sim, info->id);

    require(sim, req->on_duplicate == ON_DUPLICATE_COALESCE && !req->spec.has_schedule,
            "a job is taken over when that was asked for");
    require(sim, info->run.state == RUN_QUEUED || info->run.state == RUN_PAUSED,
            "only what waits is taken over");
    require(sim, !info->run.checkpointed && info->run.window_count == 0,
            "what goes on from where it was is not rewritten");
    if (job == NULL)
        job = model_meet(sim, info);
    require(sim, job->line == model_line(sim, op->org, op->name), "it is one of the same name");
    require(sim, !job->ended && !job->lease.held, "nothing that is worked on or over");
    if (job->order != 0 && !job->line->cancels_other && !job->may_have_ended)
        require(sim,
                job->paused == (info->run.state == RUN_PAUSED) && job->order == info->run.order,
                "what is taken over keeps its place and its pause");
    job->order = info->run.order;
    model_specify(job, &info->spec);
    duplicate_keep(sim, op);
}

bool duplicate_settles(struct sim *sim, const struct op *op)
{
    if (op->key != 0 && take_key(sim, op))
        return true;
    if (op->result == ERR_EXISTS) {
        require(sim, op->u.submit.on_duplicate == ON_DUPLICATE_REJECT,
                "a duplicate is refused when that was asked for");
        require(sim, may_stand_in_line(sim, model_line(sim, op->org, op->name)),
                "it is refused for a job that lives");
        return true;
    }
    if (op->result != OK || !op->u.submit.info.duplicate)
        return false;
    take_over(sim, op);
    return true;
}

/* An attempt that expired may have been the last one: it is there to see. */
static void end_replaced(struct sim *sim, struct job *job)
{
    struct view view;
    struct run_info info;

    if (!job->may_have_ended) {
        model_cancel(sim, job);
        return;
    }
    view = world_look(sim);
    job->purged = !view_job(&view, job, &info); /* it was over before this */
    model_end(sim, job,
              !job->purged && run_is_ended(info.run.state) ? info.run.state : RUN_CANCELLED);
    world_look_away(&view);
}

static void replace(struct sim *sim, struct line *line)
{
    bool paused = line->paused, may_be_over = line->pause_may_be_over;

    if (line->scheduled_ever)
        model_learn_firings(sim, line);
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (job->line == line && job->order != 0 && !job->ended)
            end_replaced(sim, job);
    }
    line->paused = paused;
    line->pause_may_be_over = may_be_over;
}

void duplicate_accepted(struct sim *sim, const struct op *op)
{
    const struct submit_request *req = &op->u.submit;
    struct line *line = model_line(sim, op->org, op->name);

    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *job = &sim->jobs[i];

        if (job->line != line || !model_lives(job))
            continue;
        require(sim, req->on_duplicate != ON_DUPLICATE_REJECT,
                "a duplicate of a job that lives is refused");
        if (req->on_duplicate == ON_DUPLICATE_COALESCE && !req->spec.has_schedule)
            require(sim, job->epoch != 0, "never more than one follows those that have begun");
    }
    if (req->on_duplicate == ON_DUPLICATE_REPLACE)
        replace(sim, line);
}
