#include "core/estimate/crew.h"
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

const char *model_text(struct bytes text)
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
    job->source = model_text(spec->source);
    job->target = model_text(spec->target);
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
    if (state == RUN_COMPLETED) {
        sim->orgs[job->line->org].completed++;
        sim->orgs[job->line->org].last_sync_ms = sim->clock.now_ms;
    }
    job->ended = state;
    kept_ended(sim, job);
    job->may_have_ended = job->paused = job->queued = job->goes_first = false;
    job->lease = (struct held){ .worker = -1 };
    settle(sim, job->line);
}

bool view_job(struct view *view, const struct job *job, struct run_info *info)
{
    struct why why;

    return view_run(view, bytes_of_text(sim_orgs[job->line->org]), job->id, info, &why) == OK;
}

/* An expiry may have been the last one: what the list shows decides. */
void model_look_after(struct sim *sim, struct job *job)
{
    struct view view = world_look(sim);
    struct run_info info;

    bool found = view_job(&view, job, &info);

    if (found && run_is_ended(info.run.state))
        model_end(sim, job, info.run.state);
    if (!found && (sim->orgs[job->line->org].was_purged || kept_no_longer(sim, job))) {
        model_end(sim, job, RUN_FAILED);
        job->purged = true;
    }
    world_look_away(&view);
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

void model_end_waiting_for_time(struct sim *sim, const struct line *line)
{
    if (line->scheduled_ever)
        model_learn_firings(sim, line);
    for (unsigned i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].line == line && sim->jobs[i].order == 0 && !sim->jobs[i].ended)
            model_end(sim, &sim->jobs[i], RUN_CANCELLED);
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
        if (sim->workers[op->worker].worker.push == NULL)
            sim->workers[op->worker].remembered_until_ms = sim->clock.mono_ms + CREW_ABSENCE_MS;
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
        answer_to_submit(sim, op);
        break;
    case QUEUE_CONTROL:
        answer_to_control(sim, op);
        break;
    case QUEUE_PURGE:
        answer_to_purge(sim, op);
        break;
    case QUEUE_PUT_ORG:
        answer_to_put_org(sim, op);
        break;
    case QUEUE_DELETE_SCHEDULE:
        answer_to_schedule_deletion(sim, op);
        break;
    case QUEUE_RESET_WATERMARK:
        model_line(sim, op->org, op->name)->mark_was_reset |= op->result == OK;
        break;
    case QUEUE_ACKNOWLEDGE:
    case QUEUE_HEARTBEAT:
        answer_to_beats(sim, op);
        break;
    case QUEUE_REPORT:
        answer_to_report(sim, op);
        break;
    case QUEUE_JOIN:
    case QUEUE_LEAVE:
    case QUEUE_DRAIN:
        take_without_commit(sim, op);
        break;
    case QUEUE_SERVICE_INFO:
        answer_to_service_info(sim, op);
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
              op->org_id, op->name, s->on_duplicate, op->key_text, s->digest[0], s->spec.priority,
              model_text(s->spec.source), model_text(s->spec.target),
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

static bool its_stop_is_among(const struct link *ops, const struct op *lease)
{
    list_each(link, ops) {
        const struct op *op = container_of(link, struct op, link);

        if (op->u.base.verb == QUEUE_LEASE_STOP && op->state != OP_ANSWERED &&
            op->u.lease_stop.lease == &lease->u.lease)
            return true;
    }
    return false;
}

static bool its_stop_is_posted(const struct sim *sim, const struct op *lease)
{
    return its_stop_is_among(&sim->ops, lease) || its_stop_is_among(&sim->ops_behind, lease);
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
        const struct sim_worker *w =
            job->lease.held && job->lease.worker >= 0 ? &sim->workers[job->lease.worker] : NULL;
        bool in = w != NULL && w->in && w->joined;

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

        if (op->u.base.verb != QUEUE_PURGE || !purge_has_filter(&op->u.purge))
            continue;
        require(sim, op->state == OP_ANSWERED, "a small purge is answered in its turn");
        answer_to_filtered_purge(sim, op);
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
        answer_to_late_control(sim, op);
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
    kept_time_passes(sim);
    lease_time_passes(sim);
    list_each(link, &sim->ops) {
        struct op *op = container_of(link, struct op, link);

        if (op->spent)
            continue;
        if (op->state == OP_POSTED) {
            op->state = OP_ACCEPTED;
            op->handled_mono_ms = op->posted_mono_ms; /* that turn may be lost, its wait goes on */
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
