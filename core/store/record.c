#include "core/store/record.h"

#include "core/store/record_pack.h"
#include "core/schedule.h"

#include <assert.h>

/* protobuf-c's structs appear here only; everyone else knows core's own. */

typedef Sync__Store__V1__ActionRecord Action;
typedef Sync__Store__V1__CountersRecord Counters;
typedef Sync__Store__V1__EntityRecord Entity;
typedef Sync__Store__V1__IdempotencyRecord Idempotency;
typedef Sync__Store__V1__MetaRecord Meta;
typedef Sync__Store__V1__OrgRecord Org;
typedef Sync__Store__V1__RunRecord Run;
typedef Sync__Store__V1__ScheduleRecord ScheduleRow;
typedef Sync__Store__V1__ScheduleRule Rule;
typedef Sync__Store__V1__SpecRecord Spec;
typedef Sync__Store__V1__SyncRecord Sync;
typedef Sync__Store__V1__WatermarkRecord Watermark;
typedef Sync__Store__V1__WatermarkRecord__Change Change;
typedef Sync__Store__V1__WindowRecord Window;

struct bytes record_write_meta(const struct meta *meta, struct arena *mem)
{
    Meta r = SYNC__STORE__V1__META_RECORD__INIT;

    r.schema_version = meta->schema_version;
    r.ticket_limit = meta->ticket_limit;
    r.last_org_number = meta->last_org_number;
    return pack(&r.base, mem);
}

enum err record_read_meta(struct bytes b, struct arena *mem, struct meta *meta, struct why *why)
{
    enum err e;
    const Meta *r = unpack(&sync__store__v1__meta_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    *meta = (struct meta){ r->schema_version, r->last_org_number, r->ticket_limit };
    return OK;
}

struct bytes record_write_org(const struct org_record *org, struct arena *mem)
{
    Org r = SYNC__STORE__V1__ORG_RECORD__INIT;

    r.number = org->number;
    r.name = to_binary(org->name);
    r.created_at_ms = org->created_at_ms;
    r.max_active = org->max_active;
    r.max_queued = org->max_queued;
    r.max_requests_per_second = org->max_requests_per_second;
    r.weight = org->weight;
    r.keep_completed_ms = org->keep_completed_ms;
    r.keep_failed_ms = org->keep_failed_ms;
    r.keep_runs = org->keep_runs;
    return pack(&r.base, mem);
}

enum err record_read_org(struct bytes b, struct arena *mem, struct org_record *org, struct why *why)
{
    enum err e;
    const Org *r = unpack(&sync__store__v1__org_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    *org = (struct org_record){
        .number = r->number,
        .name = from_binary(r->name),
        .created_at_ms = r->created_at_ms,
        .max_active = r->max_active,
        .max_queued = r->max_queued,
        .max_requests_per_second = r->max_requests_per_second,
        .weight = r->weight,
        .keep_completed_ms = r->keep_completed_ms,
        .keep_failed_ms = r->keep_failed_ms,
        .keep_runs = r->keep_runs,
    };
    return OK;
}

struct bytes record_write_counters(const struct counters *c, struct arena *mem)
{
    Counters r = SYNC__STORE__V1__COUNTERS_RECORD__INIT;

    r.queued = c->queued;
    r.scheduled = c->scheduled;
    r.active = c->active;
    r.paused = c->paused;
    r.completed = c->completed;
    r.failed = c->failed;
    r.cancelled = c->cancelled;
    r.kept_completed = c->kept_completed;
    r.kept_failed = c->kept_failed;
    r.kept_cancelled = c->kept_cancelled;
    r.last_sync_ms = c->last_sync_ms;
    r.purge_epoch = c->purge_epoch;
    r.swept_epoch = c->swept_epoch;
    r.generation = c->generation;
    return pack(&r.base, mem);
}

enum err record_read_counters(struct bytes b, struct arena *mem, struct counters *counters,
                              struct why *why)
{
    enum err e;
    const Counters *r = unpack(&sync__store__v1__counters_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    *counters = (struct counters){
        .queued = r->queued,
        .scheduled = r->scheduled,
        .active = r->active,
        .paused = r->paused,
        .completed = r->completed,
        .failed = r->failed,
        .cancelled = r->cancelled,
        .kept_completed = r->kept_completed,
        .kept_failed = r->kept_failed,
        .kept_cancelled = r->kept_cancelled,
        .last_sync_ms = r->last_sync_ms,
        .purge_epoch = r->purge_epoch,
        .swept_epoch = r->swept_epoch,
        .generation = r->generation,
    };
    return OK;
}

static void write_action(const struct action *action, Action *r)
{
    *r = (Action)SYNC__STORE__V1__ACTION_RECORD__INIT;
    r->actor = to_binary(action->actor);
    r->reason = to_binary(action->reason);
    r->at_ms = action->at_ms;
}

static struct action read_action(const Action *r)
{
    if (r == NULL)
        return (struct action){ .at_ms = 0 };
    return (struct action){ from_binary(r->actor), from_binary(r->reason), r->at_ms };
}

struct bytes record_write_sync(const struct sync_record *sync, struct arena *mem)
{
    Sync r = SYNC__STORE__V1__SYNC_RECORD__INIT;
    Action action;

    r.head_run = sync->head_run;
    r.latest_run = sync->latest_run;
    r.last_ended_run = sync->last_ended_run;
    r.behind = sync->behind;
    r.paused = sync->paused;
    r.scheduled = sync->scheduled;
    if (sync->action.at_ms != 0) {
        write_action(&sync->action, &action);
        r.action = &action;
    }
    r.completed = sync->completed;
    r.failed = sync->failed;
    r.cancelled = sync->cancelled;
    r.durations_ms = (int64_t *)(uintptr_t)sync->durations_ms;
    r.n_durations_ms = sync->duration_count;
    r.last_completed_at_ms = sync->last_completed_at_ms;
    r.recent_runs = (uint64_t *)(uintptr_t)sync->recent;
    r.n_recent_runs = sync->recent_count;
    r.history_chunks = sync->history_chunks;
    r.history_from = sync->history_from;
    return pack(&r.base, mem);
}

enum err record_read_sync(struct bytes b, struct arena *mem, struct sync_record *sync,
                          struct why *why)
{
    enum err e;
    const Sync *r = unpack(&sync__store__v1__sync_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    *sync = (struct sync_record){
        .head_run = r->head_run,
        .latest_run = r->latest_run,
        .last_ended_run = r->last_ended_run,
        .behind = r->behind,
        .paused = r->paused,
        .scheduled = r->scheduled,
        .action = read_action(r->action),
        .completed = r->completed,
        .failed = r->failed,
        .cancelled = r->cancelled,
        .last_completed_at_ms = r->last_completed_at_ms,
        .history_chunks = r->history_chunks,
        .history_from = r->history_from,
    };
    for (size_t i = 0; i < r->n_recent_runs && i < HISTORY_CHUNK_RUNS - 1; i++)
        sync->recent[sync->recent_count++] = r->recent_runs[i];
    for (size_t i = 0; i < r->n_durations_ms && i < DURATIONS_MAX; i++)
        sync->durations_ms[sync->duration_count++] = r->durations_ms[i];
    return OK;
}

static void write_rule(const struct schedule_rule *rule, Rule *r)
{
    *r = (Rule)SYNC__STORE__V1__SCHEDULE_RULE__INIT;
    r->start_at_ms = rule->start_at_ms;
    r->end_at_ms = rule->end_at_ms;
    r->repeat = rule->repeat;
    r->time_of_day_s = rule->time_of_day_s;
    r->timezone = to_binary(rule->timezone);
    r->cron = to_binary(rule->cron);
    r->interval_ms = rule->interval_ms;
    r->jitter_ms = rule->jitter_ms;
    r->max_runs = rule->max_runs;
    r->overlap = rule->overlap;
    r->catch_up_ms = rule->catch_up_ms;
}

static struct schedule_rule read_rule(const Rule *r)
{
    return (struct schedule_rule){
        .start_at_ms = r->start_at_ms,
        .end_at_ms = r->end_at_ms,
        .repeat = (enum schedule_repeat)r->repeat,
        .time_of_day_s = r->time_of_day_s,
        .timezone = from_binary(r->timezone),
        .cron = from_binary(r->cron),
        .interval_ms = r->interval_ms,
        .jitter_ms = r->jitter_ms,
        .max_runs = r->max_runs,
        .overlap = (enum schedule_overlap)r->overlap,
        .catch_up_ms = r->catch_up_ms,
    };
}

struct bytes record_write_schedule(const struct schedule_record *schedule, struct arena *mem)
{
    ScheduleRow r = SYNC__STORE__V1__SCHEDULE_RECORD__INIT;
    Rule rule;

    write_rule(&schedule->rule, &rule);
    r.rule = &rule;
    r.mark_ms = schedule->mark_ms;
    r.due_ms = schedule->due_ms;
    r.nominal_ms = schedule->nominal_ms;
    r.fired = schedule->fired;
    r.skipped = schedule->skipped;
    r.pending_run = schedule->pending_run;
    r.next_runs_ms = (int64_t *)schedule->next_runs_ms;
    r.n_next_runs_ms = SCHEDULE_RUNS_SHOWN;
    while (r.n_next_runs_ms > 0 && schedule->next_runs_ms[r.n_next_runs_ms - 1] == 0)
        r.n_next_runs_ms--;
    r.skipped_by = (uint64_t *)schedule->skipped_by;
    r.n_skipped_by = SKIP_REASON_COUNT;
    return pack(&r.base, mem);
}

enum err record_read_schedule(struct bytes b, struct arena *mem, struct schedule_record *schedule,
                              struct why *why)
{
    enum err e;
    const ScheduleRow *r = unpack(&sync__store__v1__schedule_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    if (r->rule == NULL)
        return err_because(why, ERR_CORRUPT, "a stored schedule has no rule");
    *schedule = (struct schedule_record){
        .rule = read_rule(r->rule),
        .mark_ms = r->mark_ms,
        .due_ms = r->due_ms,
        .nominal_ms = r->nominal_ms,
        .fired = r->fired,
        .skipped = r->skipped,
        .pending_run = r->pending_run,
    };
    for (size_t i = 0; i < r->n_next_runs_ms && i < SCHEDULE_RUNS_SHOWN; i++)
        schedule->next_runs_ms[i] = r->next_runs_ms[i] > 0 ? r->next_runs_ms[i] : 0;
    for (size_t i = 0; i < r->n_skipped_by && i < SKIP_REASON_COUNT; i++)
        schedule->skipped_by[i] = r->skipped_by[i];
    if (!schedule_is_sound(&schedule->rule) || schedule->mark_ms < 0 || schedule->due_ms < 0
        || schedule->nominal_ms < 0)
        return err_because(why, ERR_CORRUPT, "a stored schedule contradicts itself");
    return OK;
}

struct bytes record_write_watermark(const struct watermark_record *watermark, struct arena *mem)
{
    Watermark r = SYNC__STORE__V1__WATERMARK_RECORD__INIT;
    Change changes[WATERMARK_HISTORY_MAX], *pointers[WATERMARK_HISTORY_MAX];

    for (uint32_t i = 0; i < watermark->count; i++) {
        changes[i] = (Change)SYNC__STORE__V1__WATERMARK_RECORD__CHANGE__INIT;
        changes[i].value_ms = watermark->changes[i].value_ms;
        changes[i].at_ms = watermark->changes[i].at_ms;
        changes[i].run = watermark->changes[i].run;
        pointers[i] = &changes[i];
    }
    r.changes = pointers;
    r.n_changes = watermark->count;
    return pack(&r.base, mem);
}

enum err record_read_watermark(struct bytes b, struct arena *mem,
                               struct watermark_record *watermark, struct why *why)
{
    enum err e;
    const Watermark *r = unpack(&sync__store__v1__watermark_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    watermark->count = 0;
    for (size_t i = 0; i < r->n_changes && i < WATERMARK_HISTORY_MAX; i++)
        watermark->changes[watermark->count++] = (struct watermark_value){
            r->changes[i]->value_ms, r->changes[i]->at_ms, r->changes[i]->run };
    return OK;
}

struct bytes record_write_spec(const struct run_spec *spec, struct arena *mem)
{
    Spec r = SYNC__STORE__V1__SPEC_RECORD__INIT;
    Rule rule;

    r.name = to_binary(spec->name);
    r.type = spec->type;
    r.priority = spec->priority;
    r.source = to_binary(spec->source);
    r.target = to_binary(spec->target);
    r.entity = to_binary(spec->entity);
    r.mode = spec->mode;
    r.updated_since_ms = spec->updated_since_ms;
    r.narrowed = spec->narrowed;
    r.concurrency = spec->concurrency;
    r.retry_on_fail = spec->retry_on_fail;
    r.retries_max = spec->retries_max;
    r.data = to_binary(spec->data);
    r.queued_at_ms = spec->queued_at_ms;
    r.queued_by = to_binary(spec->queued_by);
    if (spec->has_schedule) {
        write_rule(&spec->schedule, &rule);
        r.schedule = &rule;
    }
    return pack(&r.base, mem);
}

enum err record_read_spec(struct bytes b, struct arena *mem, struct run_spec *spec,
                          struct why *why)
{
    enum err e;
    const Spec *r = unpack(&sync__store__v1__spec_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    if (r->type == RUN_TYPE_NONE || r->type >= RUN_TYPE_COUNT || r->mode >= RUN_TYPE_COUNT
        || r->priority == RUN_PRIORITY_NONE || r->priority >= RUN_PRIORITY_COUNT)
        return err_because(why, ERR_CORRUPT, "a stored job has an unknown type or priority");
    *spec = (struct run_spec){
        .name = from_binary(r->name),
        .type = (enum run_type)r->type,
        .priority = (enum run_priority)r->priority,
        .source = from_binary(r->source),
        .target = from_binary(r->target),
        .entity = from_binary(r->entity),
        .mode = (enum run_type)r->mode,
        .updated_since_ms = r->updated_since_ms,
        .narrowed = r->narrowed,
        .concurrency = r->concurrency,
        .retry_on_fail = r->retry_on_fail,
        .retries_max = r->retries_max,
        .data = from_binary(r->data),
        .has_schedule = r->schedule != NULL,
        .queued_at_ms = r->queued_at_ms,
        .queued_by = from_binary(r->queued_by),
    };
    if (r->schedule != NULL)
        spec->schedule = read_rule(r->schedule);
    if (spec->has_schedule && !schedule_is_sound(&spec->schedule))
        return err_because(why, ERR_CORRUPT, "a stored job has a schedule that contradicts itself");
    return OK;
}

static void write_entities(const struct run *run, struct arena *mem, Run *r)
{
    Entity *records = array(mem, run->entity_count, sizeof *records);

    r->entities = array(mem, run->entity_count, sizeof *r->entities);
    r->n_entities = run->entity_count;
    for (uint32_t i = 0; i < run->entity_count; i++) {
        const struct entity_progress *entity = &run->entities[i];

        records[i] = (Entity)SYNC__STORE__V1__ENTITY_RECORD__INIT;
        records[i].entity = to_binary(entity->entity);
        records[i].done = entity->done;
        records[i].total = entity->total;
        records[i].total_known = entity->total_known;
        records[i].complete = entity->complete;
        records[i].deleted = entity->deleted;
        r->entities[i] = &records[i];
    }
}

static void write_windows(const struct run *run, struct arena *mem, Run *r)
{
    Window *records = array(mem, run->window_count, sizeof *records);

    r->windows = array(mem, run->window_count, sizeof *r->windows);
    r->n_windows = run->window_count;
    for (uint32_t i = 0; i < run->window_count; i++) {
        records[i] = (Window)SYNC__STORE__V1__WINDOW_RECORD__INIT;
        records[i].entity = to_binary(run->windows[i].entity);
        records[i].low_ms = run->windows[i].low_ms;
        r->windows[i] = &records[i];
    }
}

struct bytes record_write_run(const struct run *run, struct arena *mem)
{
    Run r = SYNC__STORE__V1__RUN_RECORD__INIT;
    Action action;

    assert(run_is_sound(run));
    r.state = run->state;
    r.epoch = run->epoch;
    r.generation = run->generation;
    r.attempts = run->attempts;
    r.failures = run->failures;
    r.typical_ms = run->typical_ms;
    r.fruitless = run->fruitless;
    r.expiries = run->expiries;
    r.moved = run->moved;
    r.checkpointed = run->checkpointed;
    r.ready = run->ready;
    r.head = run->head;
    r.order = run->order;
    r.queued_at_ms = run->queued_at_ms;
    r.started_at_ms = run->started_at_ms;
    r.paused_at_ms = run->paused_at_ms;
    r.resumed_at_ms = run->resumed_at_ms;
    r.ended_at_ms = run->ended_at_ms;
    r.ended_ticket = run->ended_ticket;
    r.not_before_ms = run->not_before_ms;
    r.leased_at_ms = run->leased_at_ms;
    r.nominal_ms = run->nominal_ms;
    r.worked_ms = run->worked_ms;
    r.lease_ttl_ms = run->lease_ttl_ms;
    r.worker = to_binary(run->worker);
    r.progress = run->progress;
    r.error = to_binary(run->error);
    r.error_class = run->error_class;
    r.error_at_ms = run->error_at_ms;
    r.effective_type = run->effective_type;
    r.window_high_ms = run->window_high_ms;
    r.windows_set = run->windows_set;
    if (run->action.at_ms != 0) {
        write_action(&run->action, &action);
        r.action = &action;
    }
    if (run->entity_count > 0)
        write_entities(run, mem, &r);
    if (run->window_count > 0)
        write_windows(run, mem, &r);
    return pack(&r.base, mem);
}

static bool read_entities(const Run *r, struct arena *mem, struct run *run)
{
    run->entities = arena_alloc(mem, r->n_entities * sizeof *run->entities + 1);
    if (run->entities == NULL)
        return false;
    run->entity_count = (uint32_t)r->n_entities;
    for (size_t i = 0; i < r->n_entities; i++) {
        const Entity *record = r->entities[i];

        run->entities[i] = (struct entity_progress){
            .entity = from_binary(record->entity),
            .done = record->done,
            .total = record->total,
            .deleted = record->deleted,
            .total_known = record->total_known,
            .complete = record->complete,
        };
    }
    return true;
}

static bool read_windows(const Run *r, struct arena *mem, struct run *run)
{
    run->windows = arena_alloc(mem, r->n_windows * sizeof *run->windows + 1);
    if (run->windows == NULL)
        return false;
    run->window_count = (uint32_t)r->n_windows;
    for (size_t i = 0; i < r->n_windows; i++)
        run->windows[i] = (struct entity_window){ from_binary(r->windows[i]->entity),
                                                  r->windows[i]->low_ms };
    return true;
}

enum err record_read_run(struct bytes b, struct arena *mem, struct run *run, struct why *why)
{
    enum err e;
    const Run *r = unpack(&sync__store__v1__run_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    if (r->state >= RUN_STATE_COUNT || r->error_class >= FAILURE_CLASS_COUNT
        || r->effective_type >= RUN_TYPE_COUNT)
        return err_because(why, ERR_CORRUPT, "a stored job is in an unknown state");
    *run = (struct run){
        .state = (enum run_state)r->state,
        .epoch = r->epoch,
        .generation = r->generation,
        .attempts = r->attempts,
        .failures = r->failures,
        .typical_ms = r->typical_ms,
        .fruitless = r->fruitless,
        .expiries = r->expiries,
        .moved = r->moved,
        .checkpointed = r->checkpointed,
        .ready = r->ready,
        .head = r->head,
        .order = r->order,
        .queued_at_ms = r->queued_at_ms,
        .started_at_ms = r->started_at_ms,
        .paused_at_ms = r->paused_at_ms,
        .resumed_at_ms = r->resumed_at_ms,
        .ended_at_ms = r->ended_at_ms,
        .ended_ticket = r->ended_ticket,
        .not_before_ms = r->not_before_ms,
        .leased_at_ms = r->leased_at_ms,
        .nominal_ms = r->nominal_ms,
        .worked_ms = r->worked_ms,
        .lease_ttl_ms = r->lease_ttl_ms,
        .worker = from_binary(r->worker),
        .progress = r->progress,
        .error = from_binary(r->error),
        .error_class = (enum failure_class)r->error_class,
        .error_at_ms = r->error_at_ms,
        .action = read_action(r->action),
        .effective_type = (enum run_type)r->effective_type,
        .window_high_ms = r->window_high_ms,
        .windows_set = r->windows_set,
    };
    if (!read_entities(r, mem, run) || !read_windows(r, mem, run))
        return err_because(why, ERR_LIMIT, "the answer is too large");
    if (!run_is_sound(run))
        return err_because(why, ERR_CORRUPT, "a stored job contradicts itself");
    return OK;
}

struct bytes record_write_idempotency(const struct idempotency_record *record, struct arena *mem)
{
    Idempotency r = SYNC__STORE__V1__IDEMPOTENCY_RECORD__INIT;

    r.digest = to_binary(record->digest);
    r.expires_at_ms = record->expires_at_ms;
    r.ticket = record->ticket;
    r.id = record->id;
    r.name = to_binary(record->name);
    r.run = to_binary(record_write_run(&record->run, mem));
    r.duplicate = record->duplicate;
    r.wait = record->wait;
    r.estimated_start_ms = record->estimated_start_ms;
    r.estimated_completion_ms = record->estimated_completion_ms;
    r.estimate_low_ms = record->estimate_low_ms;
    r.estimate_high_ms = record->estimate_high_ms;
    r.estimate_basis = to_binary(record->estimate_basis);
    r.next_runs_ms = (int64_t *)(uintptr_t)record->next_runs_ms;
    while (r.n_next_runs_ms < 5 && record->next_runs_ms[r.n_next_runs_ms] != 0)
        r.n_next_runs_ms++;
    return pack(&r.base, mem);
}

enum err record_read_idempotency(struct bytes b, struct arena *mem,
                                 struct idempotency_record *record, struct why *why)
{
    enum err e;
    const Idempotency *r =
        unpack(&sync__store__v1__idempotency_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    if (r->id == 0 || r->wait > WAIT_TURN)
        return err_because(why, ERR_CORRUPT, "a stored answer makes no sense");
    *record = (struct idempotency_record){
        .digest = from_binary(r->digest),
        .expires_at_ms = r->expires_at_ms,
        .ticket = r->ticket,
        .id = r->id,
        .name = from_binary(r->name),
        .duplicate = r->duplicate,
        .wait = (enum wait_reason)r->wait,
        .estimated_start_ms = r->estimated_start_ms,
        .estimated_completion_ms = r->estimated_completion_ms,
        .estimate_low_ms = r->estimate_low_ms,
        .estimate_high_ms = r->estimate_high_ms,
        .estimate_basis = from_binary(r->estimate_basis),
    };
    for (size_t i = 0; i < r->n_next_runs_ms && i < 5; i++)
        record->next_runs_ms[i] = r->next_runs_ms[i];
    return record_read_run(from_binary(r->run), mem, &record->run, why);
}
