#include "core/queue_state.h"

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
                          struct why *why)
{
    const struct counters *c = &org->counters;

    if (org->record.max_queued != 0 && c->queued + c->scheduled >= org->record.max_queued)
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

static enum err accept(struct queue *queue, struct submit_request *req, struct org *org)
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

void handle_submit(struct queue *queue, struct request *request)
{
    struct submit_request *req = container_of(request, struct submit_request, base);
    struct why *why = &request->why;
    struct org *org = NULL;
    enum err e = org_check_id(req->org, why);

    if (e == OK)
        e = check_spec(&req->spec, why);
    if (e == OK)
        e = check_schedule(queue, &req->spec, why);
    if (e == OK)
        e = org_find_or_create(queue, req->org, &org, why);
    if (e == OK)
        e = org_admit(queue, org, why);
    if (e == OK)
        e = check_org(queue, org, &req->spec, why);
    if (e == OK)
        e = accept(queue, req, org);
    answer(queue, request, e);
}
