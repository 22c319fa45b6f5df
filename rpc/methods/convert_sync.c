#include "rpc/methods/convert.h"

/* What (org, name) names, as the message Sync, and organisations. */

Google__Protobuf__Timestamp **build_next_runs(struct builder *builder,
                                              const int64_t next_runs_ms[5], size_t *count)
{
    Google__Protobuf__Timestamp **times = NULL;

    if (next_runs_ms[0] != 0)
        times = build_array(builder, 5, sizeof *times);
    for (size_t i = 0; times != NULL && i < 5 && next_runs_ms[i] != 0; i++) {
        times[*count] = build_time(builder, next_runs_ms[i]);
        *count += times[*count] != NULL;
    }
    return times;
}

static char *build_time_of_day(struct builder *builder, int32_t seconds)
{
    char *text;

    if (seconds < 0)
        return build_text(builder, bytes_of(NULL, 0));
    text = arena_printf(builder->mem, seconds % 60 != 0 ? "%02d:%02d:%02d" : "%02d:%02d",
                        seconds / 3600, seconds / 60 % 60, seconds % 60);
    builder->full |= text == NULL;
    return text;
}

static char *build_interval(struct builder *builder, int64_t ms)
{
    char *text;

    if (ms == 0)
        return build_text(builder, bytes_of(NULL, 0));
    text = arena_printf(builder->mem, "PT%lldS", (long long)(ms / 1000));
    builder->full |= text == NULL;
    return text;
}

Sync__V1__Schedule *build_schedule(struct builder *builder, const struct schedule_rule *rule)
{
    Sync__V1__Schedule *schedule = build_message(builder, &sync__v1__schedule__descriptor);

    if (schedule == NULL)
        return NULL;
    schedule->start_at = build_time(builder, rule->start_at_ms);
    schedule->end_at = build_time(builder, rule->end_at_ms);
    schedule->repeat = (Sync__V1__ScheduleRepeat)rule->repeat;
    schedule->time = build_time_of_day(builder, rule->time_of_day_s);
    schedule->timezone = build_text(builder, rule->timezone);
    schedule->cron = build_text(builder, rule->cron);
    schedule->interval = build_interval(builder, rule->interval_ms);
    schedule->jitter = build_duration(builder, rule->jitter_ms);
    schedule->catch_up_window = build_duration(builder, rule->catch_up_ms);
    schedule->overlap = (Sync__V1__ScheduleOverlap)rule->overlap;
    if (rule->max_runs > 0) {
        schedule->max_runs_set_case = SYNC__V1__SCHEDULE__MAX_RUNS_SET_MAX_RUNS;
        schedule->max_runs = rule->max_runs;
    }
    return schedule;
}

static char *build_setter(struct builder *builder, run_id run)
{
    return run != 0 ? build_run_id(builder, run) : build_text(builder, bytes_of(NULL, 0));
}

static Sync__V1__WatermarkChange *build_change(struct builder *builder,
                                               const struct watermark_change *change)
{
    Sync__V1__WatermarkChange *message =
        build_message(builder, &sync__v1__watermark_change__descriptor);

    if (message == NULL)
        return NULL;
    message->value = build_time(builder, change->value_ms);
    message->set_by_job = build_setter(builder, change->run);
    message->set_at = build_time(builder, change->at_ms);
    return message;
}

static Sync__V1__Watermark *build_watermark(struct builder *builder,
                                            const struct watermark_view *view)
{
    Sync__V1__Watermark *watermark = build_message(builder, &sync__v1__watermark__descriptor);

    if (watermark == NULL)
        return NULL;
    watermark->entity = build_text(builder, view->entity);
    if (view->count == 0)
        return watermark;
    watermark->value = build_time(builder, view->changes[0].value_ms);
    watermark->set_by_job = build_setter(builder, view->changes[0].run);
    watermark->set_at = build_time(builder, view->changes[0].at_ms);
    watermark->history = build_array(builder, view->count, sizeof *watermark->history);
    for (uint32_t i = 0; watermark->history != NULL && i < view->count; i++) {
        watermark->history[i] = build_change(builder, &view->changes[i]);
        watermark->n_history += watermark->history[i] != NULL;
    }
    return watermark;
}

static Sync__V1__SkippedFirings *build_skipped(struct builder *builder,
                                               const struct sync_view *view)
{
    Sync__V1__SkippedFirings *skipped;
    uint64_t count = 0;

    for (int i = 0; i < SKIP_REASON_COUNT; i++)
        count += view->skipped_by[i];
    if (count == 0)
        return NULL;
    skipped = build_message(builder, &sync__v1__skipped_firings__descriptor);
    if (skipped == NULL)
        return NULL;
    skipped->missed = view->skipped_by[SKIP_MISSED];
    skipped->overlap = view->skipped_by[SKIP_OVERLAP];
    skipped->paused = view->skipped_by[SKIP_PAUSED];
    skipped->cancelled = view->skipped_by[SKIP_CANCELLED];
    return skipped;
}

static Sync__V1__SyncStatistics *build_statistics(struct builder *builder,
                                                  const struct sync_view *view)
{
    Sync__V1__SyncStatistics *statistics =
        build_message(builder, &sync__v1__sync_statistics__descriptor);

    if (statistics == NULL)
        return NULL;
    statistics->completed = view->completed;
    statistics->failed = view->failed;
    statistics->cancelled = view->cancelled;
    statistics->skipped = view->skipped;
    statistics->skipped_by = build_skipped(builder, view);
    statistics->mean_duration = build_duration(builder, view->mean_duration_ms);
    statistics->last_completed_at = build_time(builder, view->last_completed_at_ms);
    return statistics;
}

Sync__V1__Sync *build_sync(struct builder *builder, const struct sync_view *view)
{
    Sync__V1__Sync *sync = build_message(builder, &sync__v1__sync__descriptor);

    if (sync == NULL)
        return NULL;
    sync->name = build_text(builder, view->name);
    sync->paused = view->paused;
    if (view->has_schedule)
        sync->schedule = build_schedule(builder, &view->schedule);
    sync->next_runs = build_next_runs(builder, view->next_runs_ms, &sync->n_next_runs);
    sync->statistics = build_statistics(builder, view);
    if (view->watermark_count > 0)
        sync->watermarks = build_array(builder, view->watermark_count, sizeof *sync->watermarks);
    for (uint32_t i = 0; sync->watermarks != NULL && i < view->watermark_count; i++) {
        sync->watermarks[i] = build_watermark(builder, &view->watermarks[i]);
        sync->n_watermarks += sync->watermarks[i] != NULL;
    }
    return sync;
}

Sync__V1__Org *build_org(struct builder *builder, struct bytes id, struct bytes name,
                         const struct org_limits *limits, int64_t created_at_ms)
{
    Sync__V1__Org *org = build_message(builder, &sync__v1__org__descriptor);

    if (org == NULL)
        return NULL;
    org->id = build_text(builder, id);
    org->name = build_text(builder, name.size > 0 ? name : id);
    org->created_at = build_time(builder, created_at_ms);
    org->limits = build_message(builder, &sync__v1__org_limits__descriptor);
    if (org->limits == NULL)
        return org;
    org->limits->max_active = limits->max_active;
    org->limits->max_queued = limits->max_queued;
    org->limits->max_requests_per_second = limits->max_requests_per_second;
    org->limits->weight = limits->weight;
    if (limits->keep_completed_ms != 0)
        org->limits->keep_completed = build_duration(builder, limits->keep_completed_ms);
    if (limits->keep_failed_ms != 0)
        org->limits->keep_failed = build_duration(builder, limits->keep_failed_ms);
    org->limits->keep_runs = limits->keep_runs;
    return org;
}
