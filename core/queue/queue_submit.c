#include "core/queue/queue_state.h"

#include "core/schedule.h"

#include <assert.h>

/* Queueing a job: everything is checked before anything is written. */

static enum err check_name(struct bytes name, const char *field, struct why *why)
{
    if (name.size == 0)
        return err_field(why, field, "%s is missing", field);
    if (!name_is_valid(name))
        return err_field(why, field, "%s must be 1 to %d of A-Z a-z 0-9 . _ -", field, NAME_SIZE_MAX);
    return OK;
}

static enum err check_type(const struct run_spec *spec, struct why *why)
{
    if (spec->type <= RUN_TYPE_NONE || spec->type >= RUN_TYPE_COUNT)
        return err_field(why, "type", "type must be full, incremental, entity or scheduled");
    if (spec->type == RUN_TYPE_ENTITY && spec->entity.size == 0)
        return err_field(why, "data.entity", "data.entity is missing: an entity job says which one");
    if (spec->type == RUN_TYPE_SCHEDULED && !spec->has_schedule)
        return err_field(why, "schedule", "schedule is missing: a scheduled job says when it runs");
    if (spec->mode != RUN_TYPE_NONE && spec->mode != RUN_TYPE_FULL
        && spec->mode != RUN_TYPE_INCREMENTAL)
        return err_field(why, "data.mode", "data.mode must be full or incremental");
    return OK;
}

static enum err check_spec(const struct run_spec *spec, struct why *why)
{
    enum err e = check_name(spec->name, "name", why);

    if (e == OK)
        e = check_type(spec, why);
    if (e == OK)
        e = check_name(spec->source, "data.source", why);
    if (e == OK)
        e = check_name(spec->target, "data.target", why);
    if (e == OK && spec->entity.size > 0)
        e = check_name(spec->entity, "data.entity", why);
    if (e == OK && (spec->priority <= RUN_PRIORITY_NONE || spec->priority >= RUN_PRIORITY_COUNT))
        e = err_field(why, "priority", "priority must be low, normal, high or critical");
    if (e == OK && (spec->concurrency < 1 || spec->concurrency > CONCURRENCY_MAX))
        e = err_field(why, "options.concurrency", "options.concurrency must be 1 to %d", CONCURRENCY_MAX);
    if (e == OK && spec->retries_max > RETRIES_MAX)
        e = err_field(why, "options.maxRetries", "options.maxRetries must be 0 to %d", RETRIES_MAX);
    if (e == OK && spec->updated_since_ms < 0)
        e = err_field(why, "data.filters.updatedSince", "data.filters.updatedSince lies before 1970");
    if (e == OK && spec->data.size > DATA_SIZE_MAX)
        e = err_field(why, "data", "data is larger than %d bytes", DATA_SIZE_MAX);
    return e;
}

static enum err check_schedule(struct queue *queue, struct run_spec *spec, struct why *why)
{
    return spec->has_schedule ? schedule_complete(&spec->schedule, queue->zones, queue->now_ms, why)
                              : OK;
}

static enum err check_org(struct queue *queue, const struct org *org, const struct run_spec *spec,
                          const struct duplicate_plan *plan, struct why *why)
{
    const struct counters *c = &org->counters;

    if (org->record.max_queued != 0 && c->queued + c->scheduled >= org->record.max_queued
        && !plan->frees)
        return err_because(why, ERR_LIMIT, "organisation %s has %llu jobs waiting: its limit", org->id,
                           (unsigned long long)(c->queued + c->scheduled));
    return ready_has_room(queue, org, spec, why);
}

/* Queueing the same name again changes its schedule, not that it is paused. */
static enum err replace_schedule(struct queue *queue, struct submit_request *req, struct org *org,
                                 struct sync_record *sync)
{
    struct why *why = &req->base.why;
    bool paused = sync->paused;
    enum err e = schedule_remove(queue, org, req->spec.name, req->actor,
                                 bytes_of_text("its schedule was replaced"), why);

    if (e == OK)
        e = sync_load(queue, org, req->spec.name, sync, why);
    sync->paused = paused;
    return e;
}

static enum err add(struct queue *queue, struct submit_request *req, struct org *org, bool paused)
{
    struct loaded_run loaded = { .org = org,
                                 .id = queue_new_run_id(queue, org),
                                 .spec = req->spec,
                                 .run = { .state = RUN_QUEUED,
                                          .queued_at_ms = queue->now_ms,
                                          .progress = -1 } };
    struct key key = key_run(org->place, loaded.id);
    struct why *why = &req->base.why;
    struct sync_record sync;
    enum err e = sync_load(queue, org, req->spec.name, &sync, why);

    sync.paused |= paused;
    if (e == OK && req->spec.has_schedule)
        e = replace_schedule(queue, req, org, &sync);
    if (e != OK)
        return e;
    loaded.spec.queued_at_ms = queue->now_ms;
    loaded.spec.queued_by = req->actor;
    txn_put(queue->txn, FAMILY_SPEC, key_bytes(&key), record_write_spec(&loaded.spec, queue->mem));
    sync.latest_run = loaded.id;
    if (req->spec.has_schedule) {
        e = schedule_set(queue, &loaded, &sync, why);
    } else {
        loaded.run.order = loaded.id;
        sync_join(queue, &loaded, &sync);
    }
    if (e != OK)
        return e;
    run_save(queue, &loaded);
    sync_save(queue, org, req->spec.name, &sync);
    (void)run_fill_info(queue, &loaded, req->base.mem, &req->info);
    return run_estimate(queue, &loaded, &req->info, why);
}

/* What is in line makes way; like a schedule that is replaced, it takes nothing
 * of the sync's pause with it. */
static enum err clear_and_add(struct queue *queue, struct submit_request *req, struct org *org,
                              bool *later)
{
    struct sync_record before;
    struct why *why = &req->base.why;
    bool done;
    enum err e = sync_load(queue, org, req->spec.name, &before, why);

    if (e == OK)
        e = duplicate_clear(queue, req, org, &done, why);
    if (e != OK)
        return e;
    *later = !done;
    return done ? add(queue, req, org, before.paused) : OK;
}

static enum err accept(struct queue *queue, struct submit_request *req, struct org *org,
                       bool *later)
{
    struct duplicate_plan plan;
    struct why *why = &req->base.why;
    enum err e = duplicate_decide(queue, req, org, &plan, why);

    if (e == OK && plan.step == DUPLICATE_TAKE_OVER)
        return duplicate_take_over(queue, req, &plan.waiting);
    if (e == OK)
        e = check_org(queue, org, &req->spec, &plan, why);
    if (e == OK && plan.step == DUPLICATE_CLEAR)
        return clear_and_add(queue, req, org, later);
    return e == OK ? add(queue, req, org, false) : e;
}

/* Once, however many turns it takes. */
static enum err admit(struct queue *queue, struct submit_request *req, struct org *org)
{
    return req->admitted ? OK : org_admit(queue, org, &req->base.why);
}

static enum err submit(struct queue *queue, struct submit_request *req, bool *later)
{
    struct why *why = &req->base.why;
    struct org *org = NULL;
    enum err e = check_spec(&req->spec, why);

    if (e == OK)
        e = check_schedule(queue, &req->spec, why);
    if (e == OK)
        e = org_find_or_create(queue, req->org, &org, why);
    if (e == OK)
        e = admit(queue, req, org);
    if (e == OK)
        e = accept(queue, req, org, later);
    if (e == OK && !*later)
        idempotency_keep(queue, org, req);
    if (e == OK && !*later && queue->options.audit_submits)
        audit_add(queue, &req->base, org, "queue", req->actor, req->spec.name, bytes_of(NULL, 0));
    return e;
}

/* Requests of one organisation are handled in the order they came. */
static bool has_to_wait(struct queue *queue, const struct submit_request *req)
{
    struct org *org;
    struct why why;

    return org_find(queue, req->org, &org, &why) == OK && org->replacing_turn == queue->turn;
}

static void postpone(struct queue *queue, struct submit_request *req)
{
    struct org *org;
    struct why why;

    if (org_find(queue, req->org, &org, &why) == OK)
        org->replacing_turn = queue->turn;
    list_append(&queue->postponed, &req->base.link);
}

void handle_submit(struct queue *queue, struct request *request)
{
    struct submit_request *req = container_of(request, struct submit_request, base);
    bool later = false;
    enum err e;

    if (has_to_wait(queue, req)) {
        postpone(queue, req);
        return;
    }
    e = org_check_id(req->org, &request->why);
    if (e == OK)
        e = idempotency_replay(queue, req);
    if (e == ERR_NOT_FOUND)
        e = submit(queue, req, &later);
    req->admitted = later;
    if (later)
        postpone(queue, req);
    else
        answer(queue, request, e);
}
