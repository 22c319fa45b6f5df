#include "core/limits.h"
#include "rpc/methods/convert.h"
#include "rpc/methods/data_json.h"

#include <string.h>

/* From a QueueJobRequest to a run's spec. Only what protobuf cannot say is
 * checked here; names, ranges and the schedule's rule are core's. */

#define SAME_NUMBER(message_enum, core_enum)                                                       \
    _Static_assert((int)(message_enum) == (int)(core_enum), "the enums share their numbers")

SAME_NUMBER(SYNC__V1__JOB_TYPE__JOB_TYPE_FULL, RUN_TYPE_FULL);
SAME_NUMBER(SYNC__V1__JOB_TYPE__JOB_TYPE_SCHEDULED, RUN_TYPE_SCHEDULED);
SAME_NUMBER(SYNC__V1__JOB_TYPE__JOB_TYPE_SCHEDULED + 1, RUN_TYPE_COUNT);
SAME_NUMBER(SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_LOW, RUN_PRIORITY_LOW);
SAME_NUMBER(SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_CRITICAL, RUN_PRIORITY_CRITICAL);
SAME_NUMBER(SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_CRITICAL + 1, RUN_PRIORITY_COUNT);
SAME_NUMBER(SYNC__V1__SCHEDULE_REPEAT__SCHEDULE_REPEAT_NONE, REPEAT_NONE);
SAME_NUMBER(SYNC__V1__SCHEDULE_REPEAT__SCHEDULE_REPEAT_MONTHLY, REPEAT_MONTHLY);
SAME_NUMBER(SYNC__V1__SCHEDULE_REPEAT__SCHEDULE_REPEAT_MONTHLY + 1, REPEAT_COUNT);
SAME_NUMBER(SYNC__V1__SCHEDULE_OVERLAP__SCHEDULE_OVERLAP_SKIP, OVERLAP_SKIP);
SAME_NUMBER(SYNC__V1__SCHEDULE_OVERLAP__SCHEDULE_OVERLAP_CANCEL_OTHER, OVERLAP_CANCEL_OTHER);

enum { CONCURRENCY_DEFAULT = 1, RETRIES_DEFAULT = 3 };
static const int64_t day_ms = 24 * 3600 * 1000;

enum err read_type(Sync__V1__JobType type, const char *field, enum run_type *out, struct why *why)
{
    if ((int)type < 0 || (int)type >= (int)RUN_TYPE_COUNT)
        return refuse_field(why, field, "must be full, incremental, entity or scheduled");
    *out = (enum run_type)type;
    return OK;
}

/* Two digits at text, 0 to max; -1 if they are not. */
static int two_digits(const char *text, int max)
{
    int number;

    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return -1;
    number = (text[0] - '0') * 10 + (text[1] - '0');
    return number <= max ? number : -1;
}

/* "HH:MM[:SS]"; empty: -1, that of start_at. */
static enum err read_time_of_day(const char *text, int32_t *seconds, struct why *why)
{
    size_t size = strlen(text);
    int hour = -1, minute = -1, second = 0;

    *seconds = -1;
    if (size == 0)
        return OK;
    if ((size == 5 || size == 8) && text[2] == ':') {
        hour = two_digits(text, 23);
        minute = two_digits(text + 3, 59);
    }
    if (size == 8)
        second = text[5] == ':' ? two_digits(text + 6, 59) : -1;
    if (hour < 0 || minute < 0 || second < 0)
        return refuse_field(why, "schedule.time", "must be HH:MM or HH:MM:SS, 00:00 to 23:59:59");
    *seconds = hour * 3600 + minute * 60 + second;
    return OK;
}

static enum err read_schedule_enums(const Sync__V1__Schedule *schedule, struct schedule_rule *rule,
                                    struct why *why)
{
    if ((int)schedule->repeat < 0 || (int)schedule->repeat >= (int)REPEAT_COUNT)
        return refuse_field(why, "schedule.repeat",
                            "must be none, hourly, daily, weekly or monthly");
    if ((int)schedule->overlap < 0 || (int)schedule->overlap > (int)OVERLAP_CANCEL_OTHER)
        return refuse_field(why, "schedule.overlap", "must be skip, bufferOne or cancelOther");
    rule->repeat = (enum schedule_repeat)schedule->repeat;
    rule->overlap = (enum schedule_overlap)schedule->overlap;
    return OK;
}

static enum err read_schedule_times(const Sync__V1__Schedule *schedule, struct schedule_rule *rule,
                                    struct why *why)
{
    enum err e = read_time(schedule->start_at, "schedule.startAt", &rule->start_at_ms, why);

    if (e == OK)
        e = read_time(schedule->end_at, "schedule.endAt", &rule->end_at_ms, why);
    if (e == OK)
        e = read_time_of_day(schedule->time, &rule->time_of_day_s, why);
    if (e == OK)
        e = read_interval(schedule->interval, "schedule.interval", &rule->interval_ms, why);
    if (e == OK)
        e = read_duration(schedule->jitter, "schedule.jitter", day_ms, &rule->jitter_ms, why);
    if (e == OK)
        e = read_duration(schedule->catch_up_window, "schedule.catchUpWindow", day_ms,
                          &rule->catch_up_ms, why);
    return e;
}

static enum err read_schedule(const Sync__V1__Schedule *schedule, struct run_spec *spec,
                              struct why *why)
{
    struct schedule_rule *rule = &spec->schedule;
    enum err e;

    if (schedule == NULL)
        return OK;
    spec->has_schedule = true;
    rule->timezone = bytes_of_text(schedule->timezone);
    rule->cron = bytes_of_text(schedule->cron);
    if (schedule->max_runs_set_case == SYNC__V1__SCHEDULE__MAX_RUNS_SET_MAX_RUNS) {
        if (schedule->max_runs == 0)
            return refuse_field(why, "schedule.maxRuns", "must be at least 1");
        rule->max_runs = schedule->max_runs;
    }
    e = read_schedule_enums(schedule, rule, why);
    return e == OK ? read_schedule_times(schedule, rule, why) : e;
}

static enum err read_options(const Sync__V1__JobOptions *options, struct run_spec *spec,
                             struct why *why)
{
    spec->concurrency = CONCURRENCY_DEFAULT;
    spec->retry_on_fail = true;
    spec->retries_max = RETRIES_DEFAULT;
    if (options == NULL)
        return OK;
    if (options->concurrency_set_case == SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY)
        spec->concurrency = options->concurrency;
    if (options->retry_on_fail_set_case == SYNC__V1__JOB_OPTIONS__RETRY_ON_FAIL_SET_RETRY_ON_FAIL)
        spec->retry_on_fail = options->retry_on_fail;
    if (options->max_retries_set_case == SYNC__V1__JOB_OPTIONS__MAX_RETRIES_SET_MAX_RETRIES)
        spec->retries_max = options->max_retries;
    if (spec->concurrency < 1 || spec->concurrency > CONCURRENCY_MAX)
        return refuse_field(why, "options.concurrency", "must be 1 to %d", CONCURRENCY_MAX);
    if (spec->retries_max > RETRIES_MAX)
        return refuse_field(why, "options.maxRetries", "must be 0 to %d", RETRIES_MAX);
    return OK;
}

/* The worker gets the whole message; core only its bytes. */
static enum err pack_data(const Sync__V1__JobData *data, struct arena *mem, struct bytes *out,
                          struct why *why)
{
    size_t size = protobuf_c_message_get_packed_size(&data->base);
    uint8_t *packed;

    if (size > DATA_SIZE_MAX)
        return refuse_field(why, "data", "is larger than %d bytes", DATA_SIZE_MAX);
    packed = arena_alloc(mem, size > 0 ? size : 1);
    if (packed == NULL)
        return err_because(why, ERR_LIMIT, "the request is too large for the memory of one call");
    protobuf_c_message_pack(&data->base, packed);
    *out = bytes_of(packed, size);
    return OK;
}

static enum err read_filters(const Sync__V1__JobFilters *filters, struct run_spec *spec,
                             struct why *why)
{
    if (filters == NULL)
        return OK;
    spec->narrowed = filters->n_collections > 0;
    return read_time(filters->updated_since, "data.filters.updatedSince", &spec->updated_since_ms,
                     why);
}

static enum err read_data(const Sync__V1__JobData *data, struct arena *mem, struct run_spec *spec,
                          struct why *why)
{
    Sync__V1__JobData whole;
    enum err e;

    if (data == NULL)
        return OK;
    spec->source = bytes_of_text(data->source);
    spec->target = bytes_of_text(data->target);
    spec->entity = bytes_of_text(data->entity);
    if (data->mode != SYNC__V1__JOB_TYPE__JOB_TYPE_UNSPECIFIED &&
        data->mode != SYNC__V1__JOB_TYPE__JOB_TYPE_FULL &&
        data->mode != SYNC__V1__JOB_TYPE__JOB_TYPE_INCREMENTAL)
        return refuse_field(why, "data.mode", "must be full or incremental");
    spec->mode = (enum run_type)data->mode;
    e = read_filters(data->filters, spec, why);
    whole = *data; /* the request stays as it came: its id was given to that */
    if (e == OK)
        e = data_json_complete(&whole, mem, why);
    return e == OK ? pack_data(&whole, mem, &spec->data, why) : e;
}

static enum err read_kind(const Sync__V1__QueueJobRequest *request, struct run_spec *spec,
                          struct why *why)
{
    if (request->type == SYNC__V1__JOB_TYPE__JOB_TYPE_UNSPECIFIED)
        return refuse_field(why, "type",
                            "is missing: must be full, incremental, entity or scheduled");
    if ((int)request->priority < 0 || (int)request->priority >= (int)RUN_PRIORITY_COUNT)
        return refuse_field(why, "priority", "must be low, normal, high or critical");
    spec->priority = request->priority == SYNC__V1__JOB_PRIORITY__JOB_PRIORITY_UNSPECIFIED
                         ? RUN_PRIORITY_NORMAL
                         : (enum run_priority)request->priority;
    return read_type(request->type, "type", &spec->type, why);
}

enum err read_spec(const Sync__V1__QueueJobRequest *request, struct arena *mem,
                   struct run_spec *spec, struct why *why)
{
    enum err e;

    *spec = (struct run_spec){ .name = bytes_of_text(request->name) };
    e = read_kind(request, spec, why);
    if (e == OK)
        e = read_data(request->data, mem, spec, why);
    if (e == OK)
        e = read_options(request->options, spec, why);
    if (e == OK)
        e = read_schedule(request->schedule, spec, why);
    return e;
}
