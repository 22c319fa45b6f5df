#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What clients were told, and whether it may be: jobs queued, controls, purges. */

static void note_schedule(struct job *job, const struct run_spec *spec)
{
    struct line *line = job->line;

    line->schedule = job->id;
    line->runs_max = spec->schedule.max_runs;
    line->scheduled_ever = true;
    line->cancels_other |= spec->schedule.overlap == OVERLAP_CANCEL_OTHER;
}

void answer_to_submit(struct sim *sim, struct op *op)
{
    struct submit_request *req = &op->u.submit;
    struct org_belief *org = &sim->orgs[op->org];
    struct job *job;

    if (duplicate_settles(sim, op))
        return;
    if (op->result == ERR_LIMIT)
        require(sim, org->max_queued != 0, "there is a limit where one is reached");
    if (op->must_be_invalid)
        require(sim, op->result == ERR_INVALID, "what makes no sense is refused");
    else if (!req->spec.has_schedule)
        require(sim, op->result == OK || op->result == ERR_LIMIT, "what makes sense is accepted");
    if (op->result != OK)
        return;
    require(sim, req->info.id > sim->newest, "ids are new, and ordered by time");
    require(sim, bytes_equal(req->info.spec.name, bytes_of_text(op->name)),
            "an answer shows the job");
    duplicate_accepted(sim, op);
    if (req->spec.has_schedule)
        model_end_waiting_for_time(sim, model_line(sim, op->org, op->name));
    job = model_meet(sim, &req->info);
    duplicate_keep(sim, op);
    org->exists = job->line->exists = true;
    if (req->spec.has_schedule)
        note_schedule(job, &req->spec);
    else
        job->queued = true;
}

/* Whether it lives, as far as clients can know. */
bool model_lives(const struct job *job)
{
    return job != NULL && job->ended == RUN_NONE && !job->may_have_ended && !job->purged &&
           !job->line->cancels_other && job->order != 0;
}

static void pause_job(struct sim *sim, struct job *job)
{
    if (job->ended || job->lease.cancelling)
        return;
    job->paused = true;
    if (job->lease.held && !job->lease.pausing) {
        job->lease.pausing = true;
        lease_directed(sim, job);
    }
}

static void resume_job(struct sim *sim, struct job *job, bool start_over)
{
    if (job->ended || job->lease.cancelling || !job->paused)
        return;
    job->paused = false;
    if (job->lease.held) {
        job->lease.pausing = false;
        lease_directed(sim, job);
        return;
    }
    if (start_over) {
        model_set_checkpoint(job, bytes_of_text(""));
        job->progress = -1;
    }
    if (job->order != 0)
        job->goes_first = job->queued = true;
}

void model_cancel(struct sim *sim, struct job *job)
{
    if (job->ended || job->lease.cancelling)
        return;
    if (!job->lease.held) {
        model_end(sim, job, RUN_CANCELLED);
        return;
    }
    job->paused = job->lease.pausing = false;
    job->lease.cancelling = true;
    lease_directed(sim, job);
}

static void retry_job(struct sim *sim, struct job *job, const struct control_request *req)
{
    require(sim, job->ended != RUN_COMPLETED, "a completed job is not retried");
    require(sim, job->ended || job->may_have_ended || job->order == 0 || job->line->cancels_other,
            "a job that lives is not retried");
    job->line->pause_may_be_over |= !job->ended;
    job->ended = RUN_NONE;
    job->to_be_purged = job->may_be_gone = false;
    job->may_have_ended = job->paused = job->goes_first = false;
    job->revived = job->queued = true;
    job->failures = 0;
    job->order = req->info.run.order;
    if (req->start_over) {
        model_set_checkpoint(job, bytes_of_text(""));
        job->progress = -1;
    }
}

static void control_line(struct sim *sim, struct op *op, struct job *head)
{
    const struct control_request *req = &op->u.control;
    struct line *line = head->line;

    if (line->scheduled_ever)
        model_learn_firings(sim, line);
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (job->line != line || (job != head && job->order != 0))
            continue;
        if (req->verb == CONTROL_PAUSE)
            pause_job(sim, job);
        else if (req->verb == CONTROL_RESUME)
            resume_job(sim, job, req->start_over);
        else
            model_cancel(sim, job);
    }
    if (req->verb == CONTROL_CANCEL)
        line->pause_may_be_over = true;
    else
        line->paused = req->verb == CONTROL_PAUSE;
}

/* The first run of the line that the verb can be about, as far as clients can
 * know: one that is being cancelled cannot be paused or resumed any more. */
static const struct job *first_for(const struct sim *sim, const struct line *line,
                                   enum control_verb verb)
{
    const struct job *first = NULL;

    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *job = &sim->jobs[i];

        if (job->line == line && model_lives(job) &&
            (verb == CONTROL_CANCEL || !job->lease.cancelling) &&
            (first == NULL || job->order < first->order))
            first = job;
    }
    return first;
}

static void require_control_refused_rightly(struct sim *sim, const struct op *op)
{
    const struct control_request *req = &op->u.control;
    const struct job *job = model_find(sim, req->id);

    require(sim,
            op->result == ERR_NOT_FOUND || op->result == ERR_CONFLICT || op->result == ERR_LIMIT,
            "a control is refused for a reason of its own");
    if (op->name[0] != '\0' && sim->orgs[op->org].exists)
        require(sim, op->result != ERR_NOT_FOUND || !model_line(sim, op->org, op->name)->exists,
                "a name that was queued once is known");
    if (op->name[0] != '\0')
        job = first_for(sim, model_line(sim, op->org, op->name), req->verb);
    if (!model_lives(job))
        return;
    require(sim, op->result != ERR_NOT_FOUND, "a job that lives is found");
    require(sim, req->verb != CONTROL_CANCEL, "a job that lives can be cancelled");
    if (!job->lease.cancelling)
        require(sim, req->verb != CONTROL_PAUSE, "a job that lives can be paused");
    if (!job->lease.cancelling && !(req->start_over && job->lease.held))
        require(sim, req->verb != CONTROL_RESUME, "a job that lives can be resumed");
}

static void require_first(const struct sim *sim, const struct job *job, enum control_verb verb)
{
    const struct job *first = first_for(sim, job->line, verb);

    require(sim, first == NULL || first->order >= job->order,
            "a name's control acts on its first job");
}

void answer_to_control(struct sim *sim, struct op *op)
{
    struct control_request *req = &op->u.control;
    bool by_name = op->name[0] != '\0', waits = op->state != OP_ANSWERED;
    struct job *job;

    if (!waits && op->result != OK) {
        require_control_refused_rightly(sim, op);
        return;
    }
    job = model_find(sim, req->id);
    if (job == NULL && !waits)
        job = model_meet(sim, &req->info);
    require(sim, job != NULL, "a control acts on a job that was accepted");
    if (waits)
        require(sim, req->wait_ms > 0, "who does not want to wait is answered");
    else if (job->order == 0 && req->verb != CONTROL_RETRY)
        job->order = req->info.run.order; /* its time had come, as the answer shows */
    if (by_name && !job->line->scheduled_ever && job->order != 0)
        require_first(sim, job, req->verb);
    if (by_name)
        control_line(sim, op, job);
    else if (req->verb == CONTROL_PAUSE)
        pause_job(sim, job);
    else if (req->verb == CONTROL_CANCEL)
        model_cancel(sim, job);
    else if (req->verb == CONTROL_RETRY)
        retry_job(sim, job, req);
    else {
        resume_job(sim, job, req->start_over);
        job->line->paused = false;
    }
}

/* It waited for its worker, since an earlier turn. */
void answer_to_late_control(struct sim *sim, const struct op *op)
{
    const struct control_request *req = &op->u.control;
    const struct job *job = model_find(sim, req->id);
    bool in_time = sim->clock.mono_ms < op->handled_mono_ms + req->wait_ms && !sim->draining;

    require(sim, op->result == OK, "what was accepted is not refused later");
    require(sim, !in_time || !job->lease.held || job->line->cancels_other,
            "who waits is answered when the worker has let go, or the time is over");
}

bool purge_has_filter(const struct purge_request *req)
{
    return req->state != RUN_NONE || req->name.size > 0 || req->older_than_ms != 0;
}

/* What has ended when it is asked for; it goes when all requests are handled. */
static void mark_for_purge(struct sim *sim, const struct op *op)
{
    const struct purge_request *req = &op->u.purge;

    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        job->to_be_purged = job->line->org == op->org && !job->purged && job->ended &&
                            (req->state == RUN_NONE || req->state == job->ended) &&
                            (req->name.size == 0 || strcmp(op->name, job->line->name) == 0) &&
                            (req->older_than_ms == 0 || req->older_than_ms > sim->clock.now_ms);
    }
}

/* What a purge counts: retention may have been before it. */
struct purge_count {
    uint64_t completed, perhaps;
};

static void count_purged(struct purge_count *count, const struct job *job)
{
    if (job->ended != RUN_COMPLETED)
        return;
    count->completed += !job->may_be_gone;
    count->perhaps += job->may_be_gone;
}

static void require_count(const struct sim *sim, const struct purge_count *count,
                          uint64_t completed, const char *rule)
{
    require(sim, completed >= count->completed && completed <= count->completed + count->perhaps,
            rule);
}

void answer_to_filtered_purge(struct sim *sim, const struct op *op)
{
    const struct purge_request *req = &op->u.purge;
    struct purge_count count = { 0, 0 };

    require(sim, op->result == OK, "a purge is not refused");
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (!job->to_be_purged)
            continue;
        job->to_be_purged = false;
        if (!job->ended || job->purged)
            continue; /* it lives again, or a purge of everything has taken it */
        count_purged(&count, job);
        job->purged = !req->dry_run;
    }
    require_count(sim, &count, req->completed, "a purge with a filter counts what it takes");
    sim->orgs[op->org].was_purged |= !req->dry_run;
}

void answer_to_purge(struct sim *sim, const struct op *op)
{
    const struct purge_request *req = &op->u.purge;
    struct purge_count count = { 0, 0 };

    if (purge_has_filter(req)) {
        mark_for_purge(sim, op);
        return;
    }
    require(sim, op->result == OK, "a purge is not refused");
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (job->line->org != op->org || job->purged)
            continue;
        count_purged(&count, job);
        if (!req->dry_run && job->ended)
            job->purged = true;
    }
    require_count(sim, &count, req->completed, "a purge counts what it takes");
    sim->orgs[op->org].was_purged |= !req->dry_run;
}

void answer_to_schedule_deletion(struct sim *sim, const struct op *op)
{
    if (op->result == OK)
        model_end_waiting_for_time(sim, model_line(sim, op->org, op->name));
    else
        require(sim, op->result == ERR_NOT_FOUND, "only what is not there cannot be deleted");
}

void answer_to_put_org(struct sim *sim, const struct op *op)
{
    require(sim, op->result == OK, "an organisation's limits can be set");
    sim->orgs[op->org].exists = true;
    sim->orgs[op->org].max_active = op->u.put_org.limits.max_active;
    sim->orgs[op->org].max_queued = op->u.put_org.limits.max_queued;
    if (op->u.put_org.limits.weight > sim->orgs[op->org].weight_most)
        sim->orgs[op->org].weight_most = op->u.put_org.limits.weight;
}
