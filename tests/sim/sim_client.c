#include "core/limits.h"
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Clients and workers that do whatever comes to their minds, within the rules
 * of core/queue.h. */

const char *const sim_orgs[ORGS] = { "acme", "globex", "initech" };

static const char *const sources[] = { "demo", "file", "shopify" };
static const char *const targets[] = { "local", "http" };

/* ---- a request's way ---- */

static void take_answer(struct request *request, enum err e)
{
    struct op *op = container_of(request, struct op, u.base);

    if (op->sim->closing)
        return;
    require(op->sim, op->state != OP_ANSWERED, "a request is answered once");
    require(op->sim, !op->sim->posting, "a request is not answered while it is posted");
    op->state = OP_ANSWERED;
    op->result = e;
    op->answered_as = ++op->sim->answers;
}

struct op *op_new(struct sim *sim, enum queue_verb verb)
{
    struct op *op = calloc(1, sizeof *op);

    assert(op != NULL);
    op->sim = sim;
    op->org = op->worker = -1;
    op->mem = arena_new((size_t)1 << 22);
    op->u.base = (struct request){ .verb = verb, .mem = op->mem, .done = take_answer };
    link_init(&op->link);
    return op;
}

void op_post(struct op *op)
{
    struct sim *sim = op->sim;

    list_append(sim->posts_behind ? &sim->ops_behind : &sim->ops, &op->link);
    op->posted_mono_ms = sim->clock.mono_ms;
    sim->posting = true;
    queue_post(sim->queue, &op->u.base);
    sim->posting = false;
}

struct op *op_posted_last(struct sim *sim)
{
    return container_of(sim->posts_behind ? sim->ops_behind.prev : sim->ops.prev, struct op, link);
}

void op_free(struct op *op)
{
    list_remove(&op->link);
    arena_free(op->mem);
    free(op);
}

/* ---- choices ---- */

static struct bytes name_org(struct op *op, int org)
{
    op->org = org;
    strcpy(op->org_id, sim_orgs[org]);
    return bytes_of_text(op->org_id);
}

static struct bytes name_line(struct op *op, const char *name)
{
    strcpy(op->name, name);
    return bytes_of_text(op->name);
}

static int some_org(struct sim *sim)
{
    return chance(sim, 70) ? 0 : (int)pick(sim, ORGS);
}

static struct line *some_line(struct sim *sim)
{
    struct line *line = sim->line_count > 0 ? &sim->lines[pick(sim, sim->line_count)] : NULL;

    return line != NULL && line->exists ? line : NULL;
}

struct job *some_job(struct sim *sim)
{
    return sim->job_count > 0 ? &sim->jobs[pick(sim, sim->job_count)] : NULL;
}

/* ---- clients ---- */

static struct schedule_rule some_rule(struct sim *sim)
{
    static const char *const zones[] = { "UTC", "Europe/Berlin", "America/New_York" };
    static const char *const crons[] = { "*/5 * * * *", "30 2 * * *", "0 0 1 * 1-5" };
    struct schedule_rule rule = { .time_of_day_s = -1 };

    if (chance(sim, 50))
        rule.start_at_ms = sim->clock.now_ms + (int64_t)pick(sim, 120000) - 20000;
    if (chance(sim, 30))
        rule.timezone = bytes_of_text(zones[pick(sim, 3)]);
    switch (pick(sim, 7)) {
    case 5:
        rule.cron = bytes_of_text(crons[pick(sim, 3)]);
        break;
    case 0:
        rule.interval_ms = 1000 * (1 + (int64_t)pick(sim, 20));
        break;
    case 1:
        rule.interval_ms = 1000 * (1 + (int64_t)pick(sim, 600));
        break;
    case 2:
        rule.repeat = REPEAT_HOURLY;
        break;
    case 3:
        rule.repeat = REPEAT_DAILY;
        rule.time_of_day_s = (int32_t)pick(sim, 86400);
        break;
    case 4:
        rule.repeat = REPEAT_MONTHLY;
        break;
    default:
        rule.repeat = REPEAT_NONE;
        rule.start_at_ms = sim->clock.now_ms + 1 + (int64_t)pick(sim, 60000);
        break;
    }
    if (chance(sim, 20))
        rule.jitter_ms = (int64_t)pick(sim, 20000);
    if (chance(sim, 20))
        rule.max_runs = (uint32_t)pick(sim, 3) + 1;
    if (chance(sim, 15))
        rule.end_at_ms = sim->clock.now_ms + (int64_t)pick(sim, 7200000);
    if (chance(sim, 15))
        rule.catch_up_ms = (int64_t)pick(sim, 3600000) + 1;
    rule.overlap = chance(sim, 20)   ? OVERLAP_SKIP
                   : chance(sim, 15) ? OVERLAP_CANCEL_OTHER
                                     : OVERLAP_DEFAULT;
    return rule;
}

static struct run_spec some_spec(struct sim *sim)
{
    struct run_spec spec = {
        .type = (enum run_type)(1 + pick(sim, 3)),
        .priority = (enum run_priority)(1 + pick(sim, 4)),
        .source = bytes_of_text(sources[pick(sim, 8) % 3]),
        .target = bytes_of_text(targets[pick(sim, 2)]),
        .concurrency = 1,
        .retry_on_fail = chance(sim, 80),
        .retries_max = (uint32_t)pick(sim, 4),
        .data = bytes_of_text("{}"),
        .narrowed = chance(sim, 15),
        .schedule = { .time_of_day_s = -1 },
    };

    if (spec.type == RUN_TYPE_ENTITY)
        spec.entity = bytes_of_text("products");
    if (chance(sim, 10))
        spec.updated_since_ms = sim->clock.now_ms - (int64_t)pick(sim, 86400000);
    if (chance(sim, 12)) {
        spec.has_schedule = true;
        spec.schedule = some_rule(sim);
        if (chance(sim, 80))
            spec.type = RUN_TYPE_SCHEDULED;
    }
    return spec;
}

static void make_invalid(struct sim *sim, struct op *op)
{
    struct run_spec *spec = &op->u.submit.spec;

    op->must_be_invalid = true;
    switch (pick(sim, 4)) {
    case 0:
        spec->name = bytes_of_text("a name");
        break;
    case 1:
        spec->source = bytes_of(NULL, 0);
        break;
    case 2:
        spec->concurrency = 0;
        break;
    default:
        spec->type = RUN_TYPE_NONE;
        break;
    }
}

static void client_submits(struct sim *sim)
{
    struct op *op;

    if (sim->job_count > JOBS_MAX - 200 || sim->line_count > LINES_MAX - 50)
        return;
    op = op_new(sim, QUEUE_SUBMIT);
    if (chance(sim, 60))
        snprintf(op->text, sizeof op->text, "s%d", (int)pick(sim, 4));
    else
        snprintf(op->text, sizeof op->text, "u%llu-%d", (unsigned long long)sim->step,
                 (int)pick(sim, 100));
    op->u.submit.org = name_org(op, some_org(sim));
    op->u.submit.actor = bytes_of_text("client");
    op->u.submit.spec = some_spec(sim);
    op->u.submit.spec.name = name_line(op, op->text);
    if (chance(sim, 3))
        make_invalid(sim, op);
    else
        client_says_more(sim, op);
    op_post(op);
}

void client_controls(struct sim *sim, enum control_verb verb, const struct line *line, run_id id)
{
    struct op *op = op_new(sim, QUEUE_CONTROL);
    struct control_request *req = &op->u.control;

    req->verb = verb;
    req->org = name_org(op, line->org);
    req->id = id;
    if (id == 0)
        req->name = name_line(op, line->name);
    req->actor = bytes_of_text("client");
    op_post(op);
}

/* One that the verb is likely to be about. */
static struct job *some_job_for(struct sim *sim, enum control_verb verb)
{
    for (int tries = 0; tries < 20; tries++) {
        struct job *job = some_job(sim);

        if (job != NULL && !job->purged && (verb == CONTROL_RETRY) == (job->ended != RUN_NONE))
            return job;
    }
    return some_job(sim);
}

static void client_controls_something(struct sim *sim)
{
    static const enum control_verb verbs[] = { CONTROL_PAUSE, CONTROL_RESUME, CONTROL_RESUME,
                                               CONTROL_CANCEL, CONTROL_RETRY };
    enum control_verb verb = verbs[pick(sim, 5)];
    const struct job *job = chance(sim, 60) ? some_job_for(sim, verb) : some_job(sim);
    const struct line *line = some_line(sim);
    struct control_request *req;

    if (job == NULL || line == NULL || (verb == CONTROL_CANCEL && chance(sim, 50)))
        return;
    if (verb == CONTROL_RETRY || chance(sim, 40))
        client_controls(sim, verb, job->line, job->id);
    else
        client_controls(sim, verb, line, 0);
    req = &op_posted_last(sim)->u.control;
    req->start_over = (verb == CONTROL_RESUME || verb == CONTROL_RETRY) && chance(sim, 25);
    if ((verb == CONTROL_PAUSE || verb == CONTROL_CANCEL) && chance(sim, 30))
        req->wait_ms = (int64_t)pick(sim, 10000);
}

static bool purge_is_under_way(struct sim *sim)
{
    list_each(link, &sim->ops)
        if (container_of(link, struct op, link)->u.base.verb == QUEUE_PURGE)
            return true;
    list_each(link, &sim->ops_behind)
        if (container_of(link, struct op, link)->u.base.verb == QUEUE_PURGE)
            return true;
    return false;
}

/* One at a time, and so few that it is answered in its turn. */
static void choose_filter(struct sim *sim, struct op *op)
{
    const enum run_state states[] = { RUN_NONE, RUN_COMPLETED, RUN_FAILED, RUN_CANCELLED };
    struct purge_request *req = &op->u.purge;
    const struct line *line = some_line(sim);

    if (purge_is_under_way(sim) || sim->job_count > SWEEP_RUNS_MAX)
        return;
    req->state = states[pick(sim, 4)];
    if (line != NULL && chance(sim, 50))
        req->name = name_line(op, line->name);
    if (chance(sim, 20))
        req->older_than_ms = chance(sim, 50) ? 1 : INT64_MAX / 2;
}

static void client_purges(struct sim *sim)
{
    struct op *op = op_new(sim, QUEUE_PURGE);

    op->u.purge.org = name_org(op, some_org(sim));
    op->u.purge.dry_run = chance(sim, 30);
    if (chance(sim, 60))
        choose_filter(sim, op);
    op_post(op);
}

void client_limits(struct sim *sim, int org, const struct org_limits *limits)
{
    struct op *op = op_new(sim, QUEUE_PUT_ORG);

    op->u.put_org.org = name_org(op, org);
    op->u.put_org.limits = *limits;
    op_post(op);
}

static void operator_limits(struct sim *sim)
{
    struct org_limits limits = { .weight = sim->weighs ? (uint32_t)mood(sim, 4) : 0 };

    if (!chance(sim, 70))
        limits.max_queued = pick(sim, 30) + 5;
    if (!chance(sim, 60))
        limits.max_active = (uint32_t)pick(sim, 4) + 1;
    client_limits(sim, some_org(sim), &limits);
}

void client_deletes_schedule(struct sim *sim, const struct line *line)
{
    struct op *op = op_new(sim, QUEUE_DELETE_SCHEDULE);

    op->u.delete_schedule.org = name_org(op, line->org);
    op->u.delete_schedule.name = name_line(op, line->name);
    op_post(op);
}

static void client_resets_watermark(struct sim *sim)
{
    const struct line *line = some_line(sim);
    struct op *op;

    if (line == NULL)
        return;
    op = op_new(sim, QUEUE_RESET_WATERMARK);
    op->u.reset_watermark.org = name_org(op, line->org);
    op->u.reset_watermark.name = name_line(op, line->name);
    if (chance(sim, 50))
        op->u.reset_watermark.entity = bytes_of_text("products");
    if (chance(sim, 50))
        op->u.reset_watermark.value_ms = sim->clock.now_ms - (int64_t)pick(sim, 86400000);
    op_post(op);
}

static void asks_about_the_service(struct sim *sim)
{
    op_post(op_new(sim, QUEUE_SERVICE_INFO));
}

static void operator_acts(struct sim *sim)
{
    const struct line *line = some_line(sim);

    switch (pick(sim, 12)) {
    case 0:
    case 1:
    case 2:
        client_purges(sim);
        break;
    case 3:
    case 4:
        operator_limits(sim);
        break;
    case 5:
    case 6:
        if (line != NULL)
            client_deletes_schedule(sim, line);
        break;
    case 7:
    case 8:
        client_resets_watermark(sim);
        break;
    case 9:
    case 10:
        asks_about_the_service(sim);
        break;
    default:
        if (chance(sim, 15))
            op_post(op_new(sim, QUEUE_DRAIN));
        break;
    }
}

/* More ready jobs of one kind than the queue keeps in memory. */
static void clients_flood(struct sim *sim)
{
    for (int i = 0; i < 40 && sim->job_count < JOBS_MAX - 200 && sim->line_count < LINES_MAX - 50;
         i++) {
        struct op *op = op_new(sim, QUEUE_SUBMIT);

        snprintf(op->text, sizeof op->text, "f%llu-%d", (unsigned long long)sim->step, i);
        op->u.submit.org = name_org(op, 0);
        op->u.submit.actor = bytes_of_text("client");
        op->u.submit.spec = some_spec(sim);
        op->u.submit.spec.name = name_line(op, op->text);
        op->u.submit.spec.has_schedule = false;
        op->u.submit.spec.type = RUN_TYPE_FULL;
        op->u.submit.spec.priority = RUN_PRIORITY_NORMAL;
        op->u.submit.spec.source = bytes_of_text("demo");
        op->u.submit.spec.target = bytes_of_text("local");
        op_post(op);
    }
}

void client_acts(struct sim *sim)
{
    unsigned what = (unsigned)pick(sim, 24);

    if ((sim->habits >> what & 1) != 0)
        return;
    if (sim->floods && pick(sim, 60) == 0)
        clients_flood(sim);
    switch (what) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        client_submits(sim);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        worker_leases(sim);
        break;
    case 9:
    case 10:
    case 11:
        worker_beats(sim);
        break;
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
        worker_reports(sim);
        break;
    case 17:
    case 18:
    case 19:
        client_controls_something(sim);
        break;
    case 20:
    case 21:
        worker_comes_or_goes(sim);
        break;
    case 22:
        worker_stops_waiting(sim);
        break;
    default:
        operator_acts(sim);
        break;
    }
}
