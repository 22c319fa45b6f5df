#include "rpc/client/job.h"

#include "core/base/random.h"
#include "rpc/enum_word.h"

#include <inttypes.h>
#include <stdio.h>

/* Requests as they go: plain structs into messages. Words are checked here, for
 * a message has no room for a wrong one; all the rest is the server's to judge. */

/* What a request is made with; the first thing wrong is told. */
struct making {
    struct arena *mem;
    struct sync_status *status;
    bool failed;
};

static void fail_memory(struct making *making)
{
    making->failed = true;
    client_set_status(making->status, SYNC_RESOURCE_EXHAUSTED, "out of memory");
}

static void *make(struct making *making, size_t size)
{
    void *memory = arena_alloc(making->mem, size);

    if (memory == NULL)
        fail_memory(making);
    return memory;
}

static char *text(const char *given)
{
    return (char *)(uintptr_t)(given != NULL ? given : "");
}

static int word(struct making *making, const ProtobufCEnumDescriptor *type, const char *field,
                const char *given)
{
    char list[160];
    int32_t value = 0;

    if (given == NULL || given[0] == '\0' || enum_word_read(type, given, &value))
        return value;
    making->failed = true;
    enum_word_list(type, list, sizeof list);
    client_refuse(making->status, field, "\"%.40s\" is none of: %s", given, list);
    return 0;
}

static Google__Protobuf__Timestamp *timestamp(struct making *making, int64_t ms)
{
    Google__Protobuf__Timestamp *time = ms != 0 ? make(making, sizeof *time) : NULL;

    if (time == NULL)
        return NULL;
    google__protobuf__timestamp__init(time);
    time->seconds = ms >= 0 ? ms / 1000 : (ms - 999) / 1000;
    time->nanos = (int32_t)(ms - time->seconds * 1000) * 1000000;
    return time;
}

Google__Protobuf__Duration *job_duration(int64_t ms, struct arena *mem)
{
    Google__Protobuf__Duration *duration = ms != 0 ? arena_alloc(mem, sizeof *duration) : NULL;

    if (duration == NULL)
        return NULL;
    google__protobuf__duration__init(duration);
    duration->seconds = ms / 1000;
    duration->nanos = (int32_t)(ms % 1000) * 1000000;
    return duration;
}

static Google__Protobuf__Duration *duration(struct making *making, int64_t ms)
{
    Google__Protobuf__Duration *made = job_duration(ms, making->mem);

    if (ms != 0 && made == NULL)
        fail_memory(making);
    return made;
}

static Sync__V1__JobFilters *filters(struct making *making, const struct sync_job_request *from)
{
    Sync__V1__JobFilters *made;

    if (from->updated_since_ms == 0 && from->collection_count == 0)
        return NULL;
    made = make(making, sizeof *made);
    if (made == NULL)
        return NULL;
    sync__v1__job_filters__init(made);
    made->updated_since = timestamp(making, from->updated_since_ms);
    made->n_collections = from->collection_count;
    made->collections = (char **)(uintptr_t)from->collections;
    return made;
}

static Sync__V1__JobData *data(struct making *making, const struct sync_job_request *from)
{
    Sync__V1__JobData *made = make(making, sizeof *made);

    if (made == NULL)
        return NULL;
    sync__v1__job_data__init(made);
    made->source = text(from->source);
    made->target = text(from->target);
    made->entity = text(from->entity);
    made->json = text(from->data_json);
    made->mode =
        (Sync__V1__JobType)word(making, &sync__v1__job_type__descriptor, "data.mode", from->mode);
    made->allow_mass_delete = from->allow_mass_delete;
    made->filters = filters(making, from);
    return made;
}

static Sync__V1__JobOptions *options(struct making *making, const struct sync_job_request *from)
{
    Sync__V1__JobOptions *made = make(making, sizeof *made);

    if (made == NULL)
        return NULL;
    sync__v1__job_options__init(made);
    if (from->concurrency > 0) {
        made->concurrency_set_case = SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY;
        made->concurrency = from->concurrency;
    }
    if (from->max_retries > 0) {
        made->max_retries_set_case = SYNC__V1__JOB_OPTIONS__MAX_RETRIES_SET_MAX_RETRIES;
        made->max_retries = from->max_retries;
    }
    if (from->never_retry) {
        made->retry_on_fail_set_case = SYNC__V1__JOB_OPTIONS__RETRY_ON_FAIL_SET_RETRY_ON_FAIL;
        made->retry_on_fail = false;
    }
    return made;
}

static Sync__V1__Schedule *schedule(struct making *making, const struct sync_schedule *given)
{
    struct sync_schedule from;
    Sync__V1__Schedule *made;

    if (given == NULL)
        return NULL;
    if (!client_take(&from, sizeof from, given, "schedule", making->status)) {
        making->failed = true;
        return NULL;
    }
    made = make(making, sizeof *made);
    if (made == NULL)
        return NULL;
    sync__v1__schedule__init(made);
    made->start_at = timestamp(making, from.start_at_ms);
    made->end_at = timestamp(making, from.end_at_ms);
    made->repeat = (Sync__V1__ScheduleRepeat)word(making, &sync__v1__schedule_repeat__descriptor,
                                                  "schedule.repeat", from.repeat);
    made->overlap = (Sync__V1__ScheduleOverlap)word(making, &sync__v1__schedule_overlap__descriptor,
                                                    "schedule.overlap", from.overlap);
    made->time = text(from.time);
    made->timezone = text(from.timezone);
    made->cron = text(from.cron);
    made->interval = text(from.interval);
    made->jitter = duration(making, from.jitter_ms);
    made->catch_up_window = duration(making, from.catch_up_ms);
    if (from.max_runs > 0) {
        made->max_runs_set_case = SYNC__V1__SCHEDULE__MAX_RUNS_SET_MAX_RUNS;
        made->max_runs = from.max_runs;
    }
    return made;
}

/* So that the request may be sent again: the server knows it by this. */
static char *random_id(struct making *making)
{
    struct random *random = random_real();
    char *id = arena_printf(making->mem, "%016" PRIx64 "%016" PRIx64, random->next(random),
                            random->next(random));

    if (id == NULL)
        fail_memory(making);
    return id;
}

Sync__V1__QueueJobRequest *job_queue_request(const struct sync_job_request *given,
                                             struct arena *mem, struct sync_status *status)
{
    struct making making = { mem, status, false };
    struct sync_job_request from;
    Sync__V1__QueueJobRequest *made;

    if (!client_take(&from, sizeof from, given, "the request", status))
        return NULL;
    made = make(&making, sizeof *made);
    if (made == NULL)
        return NULL;
    sync__v1__queue_job_request__init(made);
    made->name = text(from.name);
    made->type =
        (Sync__V1__JobType)word(&making, &sync__v1__job_type__descriptor, "type", from.type);
    made->priority = (Sync__V1__JobPriority)word(&making, &sync__v1__job_priority__descriptor,
                                                 "priority", from.priority);
    made->on_duplicate = (Sync__V1__OnDuplicate)word(&making, &sync__v1__on_duplicate__descriptor,
                                                     "onDuplicate", from.on_duplicate);
    made->data = data(&making, &from);
    made->options = options(&making, &from);
    made->schedule = schedule(&making, from.schedule);
    made->request_id = from.request_id != NULL ? text(from.request_id) : random_id(&making);
    return making.failed ? NULL : made;
}

Sync__V1__ListJobsRequest *job_list_request(const struct sync_list_request *given,
                                            struct arena *mem, struct sync_status *status)
{
    struct making making = { mem, status, false };
    struct sync_list_request from;
    Sync__V1__ListJobsRequest *made;

    if (!client_take(&from, sizeof from, given, "the request", status))
        return NULL;
    made = make(&making, sizeof *made);
    if (made == NULL)
        return NULL;
    sync__v1__list_jobs_request__init(made);
    made->status = (Sync__V1__JobStatus)word(&making, &sync__v1__job_status__descriptor, "status",
                                             from.status);
    made->type =
        (Sync__V1__JobType)word(&making, &sync__v1__job_type__descriptor, "type", from.type);
    made->name = text(from.name);
    made->since = timestamp(&making, from.since_ms);
    made->until = timestamp(&making, from.until_ms);
    made->page_size = from.page_size;
    made->page_token = text(from.page_token);
    return making.failed ? NULL : made;
}
