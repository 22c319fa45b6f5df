#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* What clients were told, and what follows from it. A turn's answers are taken
 * in in the order in which their requests were posted: the order in which the
 * queue handled them. */

/* ---- what is known ---- */

struct job *model_find(struct sim *sim, run_id id)
{
    for (unsigned i = sim->job_count; i-- > 0;)
        if (sim->jobs[i].id == id)
            return &sim->jobs[i];
    return NULL;
}

struct line *model_line(struct sim *sim, int org, const char *name)
{
    struct line *line;

    for (unsigned i = 0; i < sim->line_count; i++)
        if (sim->lines[i].org == org && strcmp(sim->lines[i].name, name) == 0)
            return &sim->lines[i];
    assert(sim->line_count < LINES_MAX);
    line = &sim->lines[sim->line_count++];
    line->org = org;
    strcpy(line->name, name);
    return line;
}

static int org_index(const struct sim *sim, struct bytes id)
{
    for (int i = 0; i < ORGS; i++)
        if (bytes_equal(id, bytes_of_text(sim_orgs[i])))
            return i;
    require(sim, false, "every organisation was named by somebody");
    return -1;
}

static const char *lasting_text(struct bytes text)
{
    static const char *const texts[] = { "demo", "file", "shopify", "local", "http" };

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        if (bytes_equal(text, bytes_of_text(texts[i])))
            return texts[i];
    return "";
}

void model_set_checkpoint(struct job *job, struct bytes checkpoint)
{
    snprintf(job->checkpoints[0], sizeof job->checkpoints[0], "%.*s", (int)checkpoint.size,
             (const char *)checkpoint.data);
    job->checkpoint_count = 1;
}

void model_specify(struct job *job, const struct run_spec *spec)
{
    job->priority = spec->priority;
    job->source = lasting_text(spec->source);
    job->target = lasting_text(spec->target);
    job->retry_on_fail = spec->retry_on_fail;
    job->retries_max = spec->retries_max;
}

struct job *model_meet(struct sim *sim, const struct run_info *info)
{
    struct job *job = &sim->jobs[sim->job_count];
    char name[NAME_TEXT_SIZE];

    assert(sim->job_count < JOBS_MAX);
    sim->job_count++;
    snprintf(name, sizeof name, "%.*s", (int)info->spec.name.size,
             (const char *)info->spec.name.data);
    *job = (struct job){ .id = info->id,
                         .line = model_line(sim, org_index(sim, info->org), name),
                         .order = info->run.order,
                         .paused = info->run.state == RUN_PAUSED,
                         .progress = -1,
                         .lease = { .worker = -1 },
                         .checkpoint_count = 1,
                         .nominal_ms = info->run.nominal_ms };
    model_specify(job, &info->spec);
    if (job->id > sim->newest)
        sim->newest = job->id;
    return job;
}

/* A pause ends with what it held back. */
static void settle(struct sim *sim, struct line *line)
{
    bool may_live = line->scheduled_ever;

    if (may_live)
        line->pause_may_be_over = true;
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *job = &sim->jobs[i];

        if (job->line != line || job->ended)
            continue;
        if (!job->may_have_ended && !line->cancels_other)
            return;
        may_live = true;
    }
    /* A schedule's waiting run may have ended with the time. */
    if (may_live)
        line->pause_may_be_over = true;
    else
        line->paused = false;
}

void model_end(struct sim *sim, struct job *job, enum run_state state)
{
    if (state == RUN_COMPLETED)
        sim->orgs[job->line->org].completed++;
    job->ended = state;
    job->may_have_ended = job->paused = job->queued = job->goes_first = false;
    job->lease = (struct held){ .worker = -1 };
    settle(sim, job->line);
}

bool view_job(struct view *view, const struct job *job, struct run_info *info)
{
    struct why why;

    return view_run(view, bytes_of_text(sim_orgs[job->line->org]), job->id, info, &why) == OK;
}

static bool is_retried(const struct sim *sim, const struct job *job)
{
    list_each(link, &sim->ops) {
        const struct op *op = container_of(link, struct op, link);

        if (op->u.base.verb == QUEUE_CONTROL && op->u.control.id == job->id &&
            op->u.control.verb == CONTROL_RETRY && op->result == OK)
            return true;
    }
    return false;
}

/* Firings come with the time: whether one has is there to see, unless it was
 * only ended and tried again in this turn. */
void model_learn_firings(struct sim *sim, const struct line *line)
{
    struct view view = world_look(sim);
    struct run_info info;

    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (job->line == line && job->order == 0 && !job->ended && !is_retried(sim, job) &&
            view_job(&view, job, &info))
            job->order = info.run.order;
    }
    world_look_away(&view);
}

static void end_waiting_for_time(struct sim *sim, const struct line *line)
{
    if (line->scheduled_ever)
        model_learn_firings(sim, line);
    for (unsigned i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].line == line && sim->jobs[i].order == 0 && !sim->jobs[i].ended)
            model_end(sim, &sim->jobs[i], RUN_CANCELLED);
}

/* ---- clients ---- */

static void note_schedule(struct job *job, const struct run_spec *spec)
{
    struct line *line = job->line;

    line->schedule = job->id;
    line->runs_max = spec->schedule.max_runs;
    line->scheduled_ever = true;
    line->cancels_other |= spec->schedule.overlap == OVERLAP_CANCEL_OTHER;
}

static void take_submit(struct sim *sim, struct op *op)
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
        end_waiting_for_time(sim, model_line(sim, op->org, op->name));
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
    job->to_be_purged = false;
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

/* A run of its line was accepted before it and lives. */
static bool is_behind(const struct sim *sim, const struct job *job)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *other = &sim->jobs[i];

        if (other != job && other->line == job->line && model_lives(other) &&
            other->order < job->order)
            return true;
    }
    return false;
}

static void require_control_refused_rightly(struct sim *sim, const struct op *op)
{
    const struct control_request *req = &op->u.control;
    const struct job *job = op->name[0] == '\0' ? model_find(sim, req->id) : NULL;

    require(sim,
            op->result == ERR_NOT_FOUND || op->result == ERR_CONFLICT || op->result == ERR_LIMIT,
            "a control is refused for a reason of its own");
    if (op->name[0] != '\0' && sim->orgs[op->org].exists)
        require(sim, op->result != ERR_NOT_FOUND || !model_line(sim, op->org, op->name)->exists,
                "a name that was queued once is known");
    if (!model_lives(job))
        return;
    require(sim, op->result != ERR_NOT_FOUND, "a job that lives is found");
    require(sim, req->verb != CONTROL_CANCEL, "a job that lives can be cancelled");
    if (!job->lease.cancelling)
        require(sim, req->verb != CONTROL_PAUSE, "a job that lives can be paused");
    if (!job->lease.cancelling && !(req->start_over && job->lease.held))
        require(sim, req->verb != CONTROL_RESUME, "a job that lives can be resumed");
}

static void take_control(struct sim *sim, struct op *op)
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
    if (by_name && !job->line->scheduled_ever && job->order != 0)
        require(sim, !is_behind(sim, job), "a name's control acts on its first job");
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
static void take_late_control(struct sim *sim, const struct op *op)
{
    const struct control_request *req = &op->u.control;
    const struct job *job = model_find(sim, req->id);
    bool in_time = sim->clock.mono_ms < op->handled_mono_ms + req->wait_ms && !sim->draining;

    require(sim, op->result == OK, "what was accepted is not refused later");
    require(sim, !in_time || !job->lease.held || job->line->cancels_other,
            "who waits is answered when the worker has let go, or the time is over");
}

static bool has_filter(const struct purge_request *req)
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

static void take_filtered_purge(struct sim *sim, const struct op *op)
{
    const struct purge_request *req = &op->u.purge;
    uint64_t completed = 0;

    require(sim, op->result == OK, "a purge is not refused");
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (!job->to_be_purged)
            continue;
        job->to_be_purged = false;
        if (!job->ended || job->purged)
            continue; /* it lives again, or a purge of everything has taken it */
        completed += job->ended == RUN_COMPLETED;
        job->purged = !req->dry_run;
    }
    require(sim, req->completed == completed, "a purge with a filter counts what it takes");
    sim->orgs[op->org].was_purged |= !req->dry_run;
}

static void take_purge(struct sim *sim, const struct op *op)
{
    const struct purge_request *req = &op->u.purge;
    uint64_t completed = 0;

    if (has_filter(req)) {
        mark_for_purge(sim, op);
        return;
    }
    require(sim, op->result == OK, "a purge is not refused");
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];

        if (job->line->org != op->org || job->purged)
            continue;
        completed += job->ended == RUN_COMPLETED;
        if (!req->dry_run && job->ended)
            job->purged = true;
    }
    require(sim, req->completed == completed, "a purge counts what it takes");
    sim->orgs[op->org].was_purged |= !req->dry_run;
}

static void take_schedule_deletion(struct sim *sim, const struct op *op)
{
    if (op->result == OK)
        end_waiting_for_time(sim, model_line(sim, op->org, op->name));
    else
        require(sim, op->result == ERR_NOT_FOUND, "only what is not there cannot be deleted");
}

static void take_org(struct sim *sim, const struct op *op)
{
    require(sim, op->result == OK, "an organisation's limits can be set");
    sim->orgs[op->org].exists = true;
    sim->orgs[op->org].max_active = op->u.put_org.limits.max_active;
    sim->orgs[op->org].max_queued = op->u.put_org.limits.max_queued;
}

/* ---- workers ---- */

static void take_beats(struct sim *sim, const struct op *op)
{
    const struct heartbeat_request *req = &op->u.heartbeat;

    require(sim, op->result == OK, "a heartbeat is not refused");
    for (uint32_t i = 0; i < req->count; i++) {
        struct job *job = model_find(sim, req->leases[i].id);
        bool held = lease_is_held(sim, &req->leases[i]);

        if (!job->line->cancels_other)
            require(sim, (req->directives[i] != DIRECTIVE_NONE) == held,
                    "a heartbeat tells which leases are lost");
        if (req->directives[i] == DIRECTIVE_NONE)
            continue;
        if (!job->line->cancels_other)
            require(sim, req->directives[i] == lease_directive(sim, job),
                    "a heartbeat tells what the worker shall do");
        lease_renewed(sim, job);
    }
}

static bool must_retry(const struct sim *sim, const struct job *job,
                       const struct report_request *req)
{
    return req->failure == FAILURE_TRANSIENT && job->retry_on_fail &&
           job->failures <= job->retries_max && job->failures < sim->options.attempts_max &&
           job->failures < sim->options.expiries_max;
}

/* Whether a firing has cancelled it meanwhile, nobody was told: the list shows. */
static enum run_state how_it_ended(struct sim *sim, const struct job *job, bool cancelling)
{
    struct view view = world_look(sim);
    struct run_info info;
    bool found = view_job(&view, job, &info) && run_is_ended(info.run.state);

    if (job->line->cancels_other && found)
        cancelling = info.run.state == RUN_CANCELLED;
    world_look_away(&view);
    return cancelling ? RUN_CANCELLED : RUN_FAILED;
}

static void take_failure(struct sim *sim, struct job *job, const struct report_request *req)
{
    bool cancelling = job->lease.cancelling;

    job->failures += req->failure != FAILURE_RATE_LIMITED;
    if (job->line->cancels_other)
        cancelling = cancelling || !req->will_retry;
    else if (cancelling)
        require(sim, !req->will_retry, "what is being cancelled is not tried again");
    else if (must_retry(sim, job, req))
        require(sim, req->will_retry, "a failure with tries left is tried again");
    else if (req->failure == FAILURE_CONFIG || req->failure == FAILURE_FATAL)
        require(sim, !req->will_retry, "a failure that cannot pass is not tried again");
    else if (req->failure == FAILURE_RATE_LIMITED)
        require(sim, req->will_retry, "a limited rate costs no try");
    if (!req->will_retry)
        model_end(sim, job, how_it_ended(sim, job, cancelling));
    else
        job->lease = (struct held){ .worker = -1 };
}

static void take_release(struct sim *sim, struct job *job)
{
    bool cancelling = job->lease.cancelling;

    job->lease = (struct held){ .worker = -1 };
    if (cancelling)
        model_end(sim, job, RUN_CANCELLED);
    else if (!job->paused)
        job->goes_first = job->queued = true;
}

static void take_report(struct sim *sim, const struct op *op)
{
    const struct report_request *req = &op->u.report;
    struct job *job = model_find(sim, req->lease.id);
    bool held = lease_is_held(sim, &req->lease);

    if (op->must_be_invalid)
        require(sim, op->result != OK, "what makes no sense is refused");
    else if (!job->line->cancels_other)
        require(sim, (op->result == OK) == held,
                held ? "a lease lasts for its whole term" : "a lease that is over reports nothing");
    if (op->result != OK) {
        require(sim, op->result == ERR_STALE || (op->must_be_invalid && op->result == ERR_INVALID),
                "a report is refused for its lease only");
        return;
    }
    if (!job->line->cancels_other)
        require(sim, req->directive == lease_directive(sim, job),
                "a report tells what the worker shall do");
    lease_renewed(sim, job);
    if (req->checkpoint.size > 0)
        model_set_checkpoint(job, req->checkpoint);
    switch (req->kind) {
    case REPORT_COMPLETE:
        model_end(sim, job, RUN_COMPLETED);
        break;
    case REPORT_FAIL:
        take_failure(sim, job, req);
        break;
    case REPORT_RELEASE:
        take_release(sim, job);
        break;
    case REPORT_CHECKPOINT:
    case REPORT_PROGRESS:
    default:
        break;
    }
}

static void take_service_info(struct sim *sim, const struct op *op)
{
    uint64_t completed = 0;

    require(sim, op->result == OK, "the service tells how it is");
    for (int i = 0; i < ORGS; i++)
        completed += sim->orgs[i].completed;
    require(sim, op->u.service_info.info.draining == sim->draining,
            "the service knows if it drains");
    require(sim, op->u.service_info.info.completed == completed, "what was completed is counted");
}

/* ---- a turn ---- */

/* What holds though nothing was written. */
static void take_without_commit(struct sim *sim, const struct op *op)
{
    switch ((int)op->u.base.verb) {
    case QUEUE_JOIN:
    case QUEUE_LEAVE:
        require(sim, op->result == OK, "workers come and go as they like");
        sim->workers[op->worker].in = op->u.base.verb == QUEUE_JOIN;
        sim->workers[op->worker].busy = false;
        break;
    case QUEUE_DRAIN:
        require(sim, op->result == OK, "a service can be drained");
        sim->draining = true;
        break;
    default:
        break;
    }
}

static void take(struct sim *sim, struct op *op)
{
    bool answered = op->state == OP_ANSWERED;

    if (answered)
        require(sim,
                op->result != ERR_UNAVAILABLE && op->result != ERR_UNCERTAIN &&
                    op->result != ERR_CORRUPT,
                "a healthy store causes no errors");
    switch (op->u.base.verb) {
    case QUEUE_SUBMIT:
        take_submit(sim, op);
        break;
    case QUEUE_CONTROL:
        take_control(sim, op);
        break;
    case QUEUE_PURGE:
        take_purge(sim, op);
        break;
    case QUEUE_PUT_ORG:
        take_org(sim, op);
        break;
    case QUEUE_DELETE_SCHEDULE:
        take_schedule_deletion(sim, op);
        break;
    case QUEUE_RESET_WATERMARK:
        model_line(sim, op->org, op->name)->mark_was_reset |= op->result == OK;
        break;
    case QUEUE_ACKNOWLEDGE:
    case QUEUE_HEARTBEAT:
        take_beats(sim, op);
        break;
    case QUEUE_REPORT:
        take_report(sim, op);
        break;
    case QUEUE_JOIN:
    case QUEUE_LEAVE:
    case QUEUE_DRAIN:
        take_without_commit(sim, op);
        break;
    case QUEUE_SERVICE_INFO:
        take_service_info(sim, op);
        break;
    case QUEUE_LEASE:
    case QUEUE_LEASE_STOP:
    case QUEUE_VERB_COUNT:
    default:
        break;
    }
}

static const char *verb_name(const struct op *op)
{
    static const char *const names[QUEUE_VERB_COUNT] = {
        "submit",          "control",   "purge",  "put-org",      "delete-schedule",
        "reset-watermark", "join",      "leave",  "lease",        "lease-stop",
        "acknowledge",     "heartbeat", "report", "service-info", "drain"
    };

    return names[op->u.base.verb];
}

static void trace_op(const struct sim *sim, const struct op *op)
{
    static const char *const controls[] = { "pause", "resume", "cancel", "retry" };
    static const char *const reports[] = { "progress", "checkpoint", "complete", "fail",
                                           "release" };
    const struct control_request *c = &op->u.control;
    const struct report_request *r = &op->u.report;
    const struct submit_request *s = &op->u.submit;
    const char *result = op->state == OP_ANSWERED ? err_text(op->result) : "(waits)";

    if (!sim->trace)
        return;
    if (op->u.base.verb == QUEUE_CONTROL)
        trace(sim, "%s %s %s id %llx wait %lld over %d: %s %s", controls[c->verb], op->org_id,
              op->name, (unsigned long long)c->id, (long long)c->wait_ms, c->start_over, result,
              c->base.why.text);
    else if (op->u.base.verb == QUEUE_REPORT)
        trace(sim, "%s %llx/%u checkpoint %s: %s, directive %d, retry %d", reports[r->kind],
              (unsigned long long)r->lease.id, r->lease.epoch, op->text, result, r->directive,
              r->will_retry);
    else if (op->u.base.verb == QUEUE_SUBMIT)
        trace(sim, "submit %s %s duplicate %d key %s/%d priority %d %s-%s%s: %s %s, %llx %s",
              op->org_id, op->name, s->on_duplicate, op->key_text, s->digest[0],
              s->spec.priority, lasting_text(s->spec.source), lasting_text(s->spec.target),
              s->spec.has_schedule ? " scheduled" : "", result, s->base.why.text,
              (unsigned long long)s->info.id, run_state_name(s->info.run.state));
    else
        trace(sim, "%s %s %s worker %d: %s", verb_name(op), op->org_id, op->name, op->worker,
              result);
}

static struct op *next_lease_answer(struct sim *sim, uint64_t after)
{
    struct op *next = NULL;

    list_each(link, &sim->ops) {
        struct op *op = container_of(link, struct op, link);

        if (op->u.base.verb == QUEUE_LEASE && op->state == OP_ANSWERED && !op->spent &&
            op->answered_as > after && (next == NULL || op->answered_as < next->answered_as))
            next = op;
    }
    return next;
}

/* Leases are handed out behind everything else, to one after the other. */
static void take_leases(struct sim *sim)
{
    struct op *op = NULL;

    while ((op = next_lease_answer(sim, op != NULL ? op->answered_as : 0)) != NULL)
        lease_taken(sim, op);
    list_each(link, &sim->ops) {
        const struct op *waiting = container_of(link, struct op, link);

        if (waiting->u.base.verb == QUEUE_LEASE && waiting->state != OP_ANSWERED)
            lease_waits_on(sim, waiting);
    }
}

static bool its_stop_is_posted(const struct sim *sim, const struct op *lease)
{
    list_each(link, &sim->ops) {
        const struct op *op = container_of(link, struct op, link);

        if (op->u.base.verb == QUEUE_LEASE_STOP && op->state != OP_ANSWERED &&
            op->u.lease_stop.lease == &lease->u.lease)
            return true;
    }
    return false;
}

static void free_answered(struct sim *sim)
{
    list_each_safe(link, &sim->ops) {
        struct op *op = container_of(link, struct op, link);

        if (op->state != OP_ANSWERED)
            continue;
        op->spent = true;
        if (op->u.base.verb != QUEUE_LEASE || !its_stop_is_posted(sim, op))
            op_free(op);
    }
}

static void require_pushes(struct sim *sim)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];
        bool in = job->lease.held && job->lease.worker >= 0 && sim->workers[job->lease.worker].in;

        if (in && job->lease.push_is_due && !job->line->cancels_other)
            require(sim, job->lease.pushed == lease_directive(sim, job),
                    "a worker that is connected is told at once");
        job->lease.push_is_due = false;
        job->lease.pushed = DIRECTIVE_NONE;
    }
}

static void take_filtered_purges(struct sim *sim)
{
    list_each(link, &sim->ops) {
        const struct op *op = container_of(link, struct op, link);

        if (op->u.base.verb != QUEUE_PURGE || !has_filter(&op->u.purge))
            continue;
        require(sim, op->state == OP_ANSWERED, "a small purge is answered in its turn");
        take_filtered_purge(sim, op);
    }
}

static void take_late_controls(struct sim *sim)
{
    list_each(link, &sim->ops) {
        const struct op *op = container_of(link, struct op, link);

        if (op->u.base.verb != QUEUE_CONTROL || op->state != OP_ANSWERED ||
            op->handled_mono_ms == 0)
            continue;
        trace_op(sim, op);
        take_late_control(sim, op);
    }
}

/* The queue wants its next turn before anything clients know of comes due. */
static void require_due_in_time(struct sim *sim)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *job = &sim->jobs[i];

        if (job->lease.held && !job->line->cancels_other)
            require(sim, sim->next_due_ms <= job->lease.deadline_ms,
                    "a turn comes when a lease ends");
    }
    list_each(link, &sim->ops) {
        const struct op *op = container_of(link, struct op, link);
        int64_t wait_ms = op->u.base.verb == QUEUE_LEASE ? op->u.lease.wait_ms : INT32_MAX;

        if (op->u.base.verb == QUEUE_CONTROL)
            wait_ms = op->u.control.wait_ms;
        if (op->state == OP_ACCEPTED)
            require(sim, sim->next_due_ms <= op->handled_mono_ms + wait_ms,
                    "a turn comes when a wait is over");
    }
}

void model_turn_worked(struct sim *sim)
{
    duplicate_time_passes(sim);
    lease_time_passes(sim);
    list_each(link, &sim->ops) {
        struct op *op = container_of(link, struct op, link);

        if (op->spent)
            continue;
        if (op->state == OP_POSTED) {
            op->state = OP_ACCEPTED;
            op->handled_mono_ms = sim->clock.mono_ms;
        } else if (op->state == OP_ACCEPTED) {
            continue;
        } else if (op->u.base.verb == QUEUE_CONTROL && op->handled_mono_ms != 0) {
            continue;
        }
        trace_op(sim, op);
        take(sim, op);
    }
    take_filtered_purges(sim);
    take_late_controls(sim);
    take_leases(sim);
    require_pushes(sim);
    require_due_in_time(sim);
    watch_events(sim);
    sim->turned_at_ms = sim->clock.now_ms;
    free_answered(sim);
}

/* It may be there, or what was before. */
static void add_checkpoint(struct job *job, struct bytes checkpoint)
{
    assert(job->checkpoint_count < CHECKPOINTS_MAX);
    snprintf(job->checkpoints[job->checkpoint_count++], sizeof job->checkpoints[0], "%.*s",
             (int)checkpoint.size, (const char *)checkpoint.data);
}

static void take_uncertain(struct sim *sim, const struct op *op)
{
    const struct report_request *report = &op->u.report;
    const struct control_request *control = &op->u.control;
    struct job *job;

    if (op->u.base.verb == QUEUE_SUBMIT)
        duplicate_uncertain(sim, op);
    if (op->u.base.verb == QUEUE_REPORT && report->checkpoint.size > 0) {
        job = model_find(sim, report->lease.id);
        if (job != NULL)
            add_checkpoint(job, report->checkpoint);
    }
    if (op->u.base.verb == QUEUE_CONTROL && control->start_over) {
        job = model_find(sim, control->id);
        if (job != NULL)
            add_checkpoint(job, bytes_of_text(""));
    }
}

void model_turn_failed(struct sim *sim)
{
    duplicate_time_passes(sim);
    list_each(link, &sim->ops) {
        struct op *op = container_of(link, struct op, link);

        if (op->state != OP_ANSWERED || op->spent)
            continue;
        trace_op(sim, op);
        if (op->u.base.verb == QUEUE_CONTROL)
            require(sim, op->handled_mono_ms == 0 || op->result == OK,
                    "what was accepted is not refused later");
        if (op->u.base.verb == QUEUE_HEARTBEAT || op->u.base.verb == QUEUE_ACKNOWLEDGE ||
            op->u.base.verb == QUEUE_SERVICE_INFO)
            require(sim, op->result != OK, "nobody is told what was undone");
        take_without_commit(sim, op);
        if (sim->store.uncertain)
            take_uncertain(sim, op);
    }
    for (unsigned i = 0; i < sim->job_count; i++)
        sim->jobs[i].lease.push_is_due = false;
    free_answered(sim);
}
