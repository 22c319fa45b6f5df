#include "rpc/methods/convert.h"

/* A run as the message Job, and a lease as the message JobAssignment. */

#define SAME_NUMBER(message_enum, core_enum)                                                       \
    _Static_assert((int)(message_enum) == (int)(core_enum), "the enums share their numbers")

SAME_NUMBER(SYNC__V1__WAIT_REASON__WAIT_REASON_PAUSED, WAIT_PAUSED);
SAME_NUMBER(SYNC__V1__WAIT_REASON__WAIT_REASON_LIMIT, WAIT_LIMIT);
SAME_NUMBER(SYNC__V1__WAIT_REASON__WAIT_REASON_TURN, WAIT_TURN);

Sync__V1__JobStatus job_status_of(enum run_state state)
{
    static const Sync__V1__JobStatus statuses[RUN_STATE_COUNT] = {
        [RUN_NONE] = SYNC__V1__JOB_STATUS__JOB_STATUS_UNSPECIFIED,
        [RUN_QUEUED] = SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED,
        [RUN_BACKOFF] = SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED,
        [RUN_SCHEDULED] = SYNC__V1__JOB_STATUS__JOB_STATUS_SCHEDULED,
        [RUN_ACTIVE] = SYNC__V1__JOB_STATUS__JOB_STATUS_ACTIVE,
        [RUN_PAUSING] = SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED,
        [RUN_CANCELLING] = SYNC__V1__JOB_STATUS__JOB_STATUS_ACTIVE,
        [RUN_PAUSED] = SYNC__V1__JOB_STATUS__JOB_STATUS_PAUSED,
        [RUN_COMPLETED] = SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED,
        [RUN_FAILED] = SYNC__V1__JOB_STATUS__JOB_STATUS_FAILED,
        [RUN_CANCELLED] = SYNC__V1__JOB_STATUS__JOB_STATUS_CANCELLED,
    };
    return statuses[state];
}

const char *job_status_shown(Sync__V1__JobStatus status)
{
    for (int state = RUN_NONE + 1; state < RUN_STATE_COUNT; state++)
        if (job_status_of((enum run_state)state) == status)
            return run_state_shown((enum run_state)state);
    return NULL;
}

static void build_times(struct builder *builder, Sync__V1__Job *job, const struct run_info *info,
                        enum job_detail detail)
{
    const struct run *run = &info->run;
    bool all = detail == JOB_FULL;
    bool paused = run->state == RUN_PAUSING || run->state == RUN_PAUSED;

    if (all || run->started_at_ms == 0)
        job->queued_at = build_time(builder, run->queued_at_ms);
    job->started_at = build_time(builder, run->started_at_ms);
    if (all || paused)
        job->paused_at = build_time(builder, run->paused_at_ms);
    if (all || (!paused && !run_is_ended(run->state)))
        job->resumed_at = build_time(builder, run->resumed_at_ms);
    job->ended_at = build_time(builder, run->ended_at_ms);
    if (run->state == RUN_BACKOFF)
        job->not_before = build_time(builder, run->not_before_ms);
    if (run->state == RUN_SCHEDULED)
        job->scheduled_for =
            build_time(builder, run->nominal_ms != 0 ? run->nominal_ms : run->not_before_ms);
}

static void build_estimates(struct builder *builder, Sync__V1__Job *job,
                            const struct run_info *info)
{
    job->estimated_start = build_time(builder, info->estimated_start_ms);
    job->estimated_completion = build_time(builder, info->estimated_completion_ms);
    if (info->estimate_basis == NULL)
        return;
    job->estimate = build_message(builder, &sync__v1__estimate__descriptor);
    if (job->estimate == NULL)
        return;
    job->estimate->low = build_time(builder, info->estimate_low_ms);
    job->estimate->high = build_time(builder, info->estimate_high_ms);
    job->estimate->basis = build_text(builder, bytes_of_text(info->estimate_basis));
}

/* 0 may be news or ignorance: the latter is said of a run that works. */
static void tell_progress(Sync__V1__Job *job, const struct run *run)
{
    bool unknown = run->progress < 0 && run->started_at_ms != 0 && !run_is_ended(run->state);

    job->progress = run->progress > 0 ? run->progress : 0;
    if (unknown) {
        job->progress_known_set_case = SYNC__V1__JOB__PROGRESS_KNOWN_SET_PROGRESS_KNOWN;
        job->progress_known = false;
    }
}

static void tell_leaving(struct builder *builder, Sync__V1__Job *job, const struct run_info *info,
                         int64_t now_ms)
{
    if (info->run.state == RUN_PAUSING)
        job->state = SYNC__V1__JOB_STATE__JOB_STATE_PAUSING;
    else if (info->run.state == RUN_CANCELLING)
        job->state = SYNC__V1__JOB_STATE__JOB_STATE_CANCELLING;
    else
        return;
    if (info->lease_left_ms > 0)
        job->lease_held_until = build_time(builder, now_ms + info->lease_left_ms);
}

static void tell_attempts(Sync__V1__Job *job, const struct run *run)
{
    job->attempts_set_case = SYNC__V1__JOB__ATTEMPTS_SET_ATTEMPTS;
    job->attempts = run->attempts;
}

static void build_error(struct builder *builder, Sync__V1__Job *job, const struct run *run)
{
    Sync__V1__JobError *error;

    if (run->error_at_ms == 0)
        return;
    tell_attempts(job, run);
    error = job->error = build_message(builder, &sync__v1__job_error__descriptor);
    if (error == NULL)
        return;
    error->message = build_text(builder, run->error);
    error->class_ = build_text(builder, bytes_of_text(failure_class_name(run->error_class)));
    error->at = build_time(builder, run->error_at_ms);
}

static Sync__V1__Action *build_action(struct builder *builder, const struct action *action)
{
    Sync__V1__Action *message;

    if (action->at_ms == 0)
        return NULL;
    message = build_message(builder, &sync__v1__action__descriptor);
    if (message == NULL)
        return NULL;
    message->actor = build_text(builder, action->actor);
    message->at = build_time(builder, action->at_ms);
    message->reason = build_text(builder, action->reason);
    return message;
}

static Sync__V1__EntityProgress *build_entity(struct builder *builder,
                                              const struct entity_progress *entity)
{
    Sync__V1__EntityProgress *message =
        build_message(builder, &sync__v1__entity_progress__descriptor);

    if (message == NULL)
        return NULL;
    message->entity = build_text(builder, entity->entity);
    message->done = entity->done;
    message->complete = entity->complete;
    message->deleted = entity->deleted;
    if (entity->total_known) {
        message->total_set_case = SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL;
        message->total = entity->total;
    }
    return message;
}

static Sync__V1__EntityProgress **build_entities(struct builder *builder, const struct run *run,
                                                 size_t *count)
{
    Sync__V1__EntityProgress **array = NULL;

    if (run->entity_count > 0)
        array = build_array(builder, run->entity_count, sizeof *array);
    for (uint32_t i = 0; array != NULL && i < run->entity_count; i++) {
        array[*count] = build_entity(builder, &run->entities[i]);
        *count += array[*count] != NULL;
    }
    return array;
}

/* The caller's data as it came. What does not parse is left out: it was packed
 * by read_spec(), so only memory can be missing. */
static Sync__V1__JobData *build_data(struct builder *builder, const struct run_spec *spec)
{
    ProtobufCAllocator allocator = arena_allocator(builder->mem);
    Sync__V1__JobData *data =
        sync__v1__job_data__unpack(&allocator, spec->data.size, spec->data.data);

    builder->full |= data == NULL;
    return data;
}

static Sync__V1__JobOptions *build_options(struct builder *builder, const struct run_spec *spec)
{
    Sync__V1__JobOptions *options = build_message(builder, &sync__v1__job_options__descriptor);

    if (options == NULL)
        return NULL;
    options->concurrency_set_case = SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY;
    options->concurrency = spec->concurrency;
    options->retry_on_fail_set_case = SYNC__V1__JOB_OPTIONS__RETRY_ON_FAIL_SET_RETRY_ON_FAIL;
    options->retry_on_fail = spec->retry_on_fail;
    options->max_retries_set_case = SYNC__V1__JOB_OPTIONS__MAX_RETRIES_SET_MAX_RETRIES;
    options->max_retries = spec->retries_max;
    return options;
}

static void build_rest(struct builder *builder, Sync__V1__Job *job, const struct run_info *info)
{
    const struct run_spec *spec = &info->spec;
    const struct run *run = &info->run;

    job->type = (Sync__V1__JobType)spec->type;
    job->priority = (Sync__V1__JobPriority)spec->priority;
    job->data = build_data(builder, spec);
    job->options = build_options(builder, spec);
    if (spec->has_schedule)
        job->schedule = build_schedule(builder, &spec->schedule);
    job->entities = build_entities(builder, run, &job->n_entities);
    tell_attempts(job, run);
    job->generation_set_case = SYNC__V1__JOB__GENERATION_SET_GENERATION;
    job->generation = run->generation;
    job->last_action = build_action(builder, &run->action);
    job->nominal_time = build_time(builder, run->nominal_ms);
    job->worker_id = build_text(builder, run->worker);
    job->org_id = build_text(builder, info->org);
}

Sync__V1__Job *build_job(struct builder *builder, const struct run_info *info,
                         enum job_detail detail, int64_t now_ms)
{
    Sync__V1__Job *job = build_message(builder, &sync__v1__job__descriptor);

    if (job == NULL)
        return NULL;
    job->id = build_run_id(builder, info->id);
    job->name = build_text(builder, info->spec.name);
    job->status = job_status_of(info->run.state);
    job->wait_reason = (Sync__V1__WaitReason)info->wait;
    tell_progress(job, &info->run);
    tell_leaving(builder, job, info, now_ms);
    build_times(builder, job, info, detail);
    build_estimates(builder, job, info);
    job->next_runs = build_next_runs(builder, info->next_runs_ms, &job->n_next_runs);
    build_error(builder, job, &info->run);
    if (info->duplicate) {
        job->duplicate_set_case = SYNC__V1__JOB__DUPLICATE_SET_DUPLICATE;
        job->duplicate = true;
    }
    if (detail == JOB_FULL)
        build_rest(builder, job, info);
    return job;
}

Sync__V1__Lease *build_lease(struct builder *builder, struct lease_name lease)
{
    Sync__V1__Lease *message = build_message(builder, &sync__v1__lease__descriptor);

    if (message == NULL)
        return NULL;
    message->job_id = build_run_id(builder, lease.id);
    message->epoch = lease.epoch;
    return message;
}

static Sync__V1__EntityWindow *build_window(struct builder *builder,
                                            const struct entity_window *window)
{
    Sync__V1__EntityWindow *message = build_message(builder, &sync__v1__entity_window__descriptor);

    if (message == NULL)
        return NULL;
    message->entity = build_text(builder, window->entity);
    message->low = build_time(builder, window->low_ms);
    return message;
}

static void build_windows(struct builder *builder, Sync__V1__JobAssignment *job,
                          const struct run *run)
{
    job->window_high = build_time(builder, run->window_high_ms);
    if (run->window_count > 0)
        job->windows = build_array(builder, run->window_count, sizeof *job->windows);
    for (uint32_t i = 0; job->windows != NULL && i < run->window_count; i++) {
        job->windows[i] = build_window(builder, &run->windows[i]);
        job->n_windows += job->windows[i] != NULL;
    }
}

Sync__V1__JobAssignment *build_assignment(struct builder *builder,
                                          const struct assignment *assignment)
{
    const struct run_info *info = &assignment->info;
    const struct run *run = &info->run;
    Sync__V1__JobAssignment *job = build_message(builder, &sync__v1__job_assignment__descriptor);

    if (job == NULL)
        return NULL;
    job->lease = build_lease(builder, (struct lease_name){ info->id, assignment->epoch });
    job->org_id = build_text(builder, info->org);
    job->name = build_text(builder, info->spec.name);
    job->type = (Sync__V1__JobType)(run->effective_type != RUN_TYPE_NONE ? run->effective_type
                                                                         : info->spec.type);
    job->priority = (Sync__V1__JobPriority)info->spec.priority;
    job->data = build_data(builder, &info->spec);
    job->options = build_options(builder, &info->spec);
    job->generation = run->generation;
    job->checkpoint = build_binary(builder, assignment->checkpoint);
    build_windows(builder, job, run);
    job->lease_ttl = build_duration(builder, assignment->lease_ttl_ms);
    job->heartbeat_interval = build_duration(builder, assignment->lease_ttl_ms / 3);
    job->attempt = run->attempts;
    job->entities = build_entities(builder, run, &job->n_entities);
    job->queued_at = build_time(builder, run->queued_at_ms);
    return job;
}
