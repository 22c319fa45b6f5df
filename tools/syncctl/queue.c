#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"
#include "tools/syncctl/watch.h"

#include <stdio.h>

/* queue: one job, from flags or from a file in the form of the JSON API. */

enum {
    QUEUE_FILE = OPTION_OWN,
    QUEUE_TYPE,
    QUEUE_SOURCE,
    QUEUE_TARGET,
    QUEUE_ENTITY,
    QUEUE_PRIORITY,
    QUEUE_MODE,
    QUEUE_UPDATED_SINCE,
    QUEUE_COLLECTIONS,
    QUEUE_ALLOW_MASS_DELETE,
    QUEUE_DATA,
    QUEUE_CONCURRENCY,
    QUEUE_MAX_RETRIES,
    QUEUE_NO_RETRY,
    QUEUE_START_AT,
    QUEUE_END_AT,
    QUEUE_REPEAT,
    QUEUE_TIME,
    QUEUE_TIMEZONE,
    QUEUE_CRON,
    QUEUE_INTERVAL,
    QUEUE_JITTER,
    QUEUE_MAX_RUNS,
    QUEUE_OVERLAP,
    QUEUE_CATCH_UP,
    QUEUE_ON_DUPLICATE,
    QUEUE_REQUEST_ID,
    QUEUE_WAIT,
    QUEUE_SETTINGS
};

/* clang-format off */
static const struct setting settings[QUEUE_SETTINGS] = {
    OPTIONS_OF_ALL,
    [QUEUE_FILE] = { SETTING_FLAG("file"), .letter = 'f', .placeholder = "FILE",
        .help = "The whole job as JSON, as POST /sync/queue takes it; - is standard input."
                " Flags beside it replace what it says." },
    [QUEUE_TYPE] = { SETTING_FLAG("type"), .type = SETTING_CHOICE,
        .choices = "full|incremental|entity|scheduled", .help = "What kind of sync." },
    [QUEUE_SOURCE] = { SETTING_FLAG("source"), .placeholder = "CONNECTION",
        .help = "Where from: a connection's name at the workers." },
    [QUEUE_TARGET] = { SETTING_FLAG("target"), .placeholder = "CONNECTION", .help = "Where to." },
    [QUEUE_ENTITY] = { SETTING_FLAG("entity"), .help = "Type entity: which one." },
    [QUEUE_PRIORITY] = { SETTING_FLAG("priority"), .type = SETTING_CHOICE,
        .choices = "low|normal|high|critical", .help = "Higher ones go first." },
    [QUEUE_MODE] = { SETTING_FLAG("mode"), .type = SETTING_CHOICE, .choices = "full|incremental",
        .help = "Type scheduled: what each run is; chosen by the watermark if absent." },
    [QUEUE_UPDATED_SINCE] = { SETTING_FLAG("updated-since"), .placeholder = "TIME",
        .help = "Only what was changed since." },
    [QUEUE_COLLECTIONS] = { SETTING_FLAG("collections"), .placeholder = "A,B",
        .help = "Only what is in one of these." },
    [QUEUE_ALLOW_MASS_DELETE] = { SETTING_FLAG("allow-mass-delete"), .type = SETTING_SWITCH,
        .help = "Let a full sync delete more than half of the target." },
    [QUEUE_DATA] = { SETTING_FLAG("data"), .placeholder = "JSON",
        .help = "An object with members for the connectors." },
    [QUEUE_CONCURRENCY] = { SETTING_FLAG("concurrency"), .type = SETTING_NUMBER, .least = 1, .most = 64,
        .help = "Entities synced at a time." },
    [QUEUE_MAX_RETRIES] = { SETTING_FLAG("max-retries"), .type = SETTING_NUMBER, .most = 100,
        .help = "Failed attempts without any advance before it has failed." },
    [QUEUE_NO_RETRY] = { SETTING_FLAG("no-retry"), .type = SETTING_SWITCH, .help = "One attempt only." },
    [QUEUE_START_AT] = { SETTING_FLAG("start-at"), .placeholder = "TIME",
        .help = "First run, as in 2026-01-31T12:00:00Z." },
    [QUEUE_END_AT] = { SETTING_FLAG("end-at"), .placeholder = "TIME", .help = "No run after it." },
    [QUEUE_REPEAT] = { SETTING_FLAG("repeat"), .type = SETTING_CHOICE,
        .choices = "none|hourly|daily|weekly|monthly", .help = "How often." },
    [QUEUE_TIME] = { SETTING_FLAG("time"), .placeholder = "HH:MM[:SS]", .help = "At what time of day." },
    [QUEUE_TIMEZONE] = { SETTING_FLAG("timezone"), .placeholder = "ZONE", .help = "IANA name; UTC if absent." },
    [QUEUE_CRON] = { SETTING_FLAG("cron"), .placeholder = "FIELDS", .help = "Five fields, instead of --repeat." },
    [QUEUE_INTERVAL] = { SETTING_FLAG("interval"), .placeholder = "PERIOD",
        .help = "ISO 8601, as in PT15M, instead of --repeat." },
    [QUEUE_JITTER] = { SETTING_FLAG("jitter"), .type = SETTING_DURATION, .most = 24 * 3600 * 1000,
        .help = "Each run starts up to so much later." },
    [QUEUE_MAX_RUNS] = { SETTING_FLAG("max-runs"), .type = SETTING_NUMBER, .least = 1, .most = UINT32_MAX,
        .help = "As often, and no more." },
    [QUEUE_OVERLAP] = { SETTING_FLAG("overlap"), .type = SETTING_CHOICE,
        .choices = "skip|bufferOne|cancelOther", .help = "While the last run is not over; bufferOne if absent." },
    [QUEUE_CATCH_UP] = { SETTING_FLAG("catch-up-window"), .type = SETTING_DURATION, .most = 24 * 3600 * 1000,
        .help = "How late a missed run is made up for; one period if absent." },
    [QUEUE_ON_DUPLICATE] = { SETTING_FLAG("on-duplicate"), .type = SETTING_CHOICE,
        .choices = "queue|coalesce|reject|replace",
        .help = "While a job of that name waits or runs." },
    [QUEUE_REQUEST_ID] = { SETTING_FLAG("request-id"), .placeholder = "KEY",
        .help = "Repeating a request with the same key queues nothing new." },
    [QUEUE_WAIT] = { SETTING_FLAG("wait"), .type = SETTING_SWITCH,
        .help = "Follow the job until it has ended; exit 6 unless it completed." },
};
/* clang-format on */

static Sync__V1__JobData *read_data(struct session *session, Sync__V1__JobData *data, bool *valid)
{
    const struct settings *said = session->settings;
    Google__Protobuf__Timestamp *since;

    if (data == NULL) {
        data = session_alloc(session, sizeof *data);
        sync__v1__job_data__init(data);
    }
    if (settings_given(said, QUEUE_SOURCE))
        data->source = session_text(session, settings_text(said, QUEUE_SOURCE));
    if (settings_given(said, QUEUE_TARGET))
        data->target = session_text(session, settings_text(said, QUEUE_TARGET));
    if (settings_given(said, QUEUE_ENTITY))
        data->entity = session_text(session, settings_text(said, QUEUE_ENTITY));
    if (settings_given(said, QUEUE_MODE))
        data->mode = (Sync__V1__JobType)(settings_choice(said, QUEUE_MODE) + 1);
    if (settings_given(said, QUEUE_DATA))
        data->json = session_text(session, settings_text(said, QUEUE_DATA));
    if (settings_switch(said, QUEUE_ALLOW_MASS_DELETE))
        data->allow_mass_delete = true;
    *valid = read_time(session, QUEUE_UPDATED_SINCE, "--updated-since", &since);
    if (since == NULL && !settings_given(said, QUEUE_COLLECTIONS))
        return data;
    data->filters = session_alloc(session, sizeof *data->filters);
    sync__v1__job_filters__init(data->filters);
    data->filters->updated_since = since;
    data->filters->collections =
        split(session, settings_text(said, QUEUE_COLLECTIONS), &data->filters->n_collections);
    return data;
}

static Sync__V1__JobOptions *read_options(struct session *session, Sync__V1__JobOptions *options)
{
    const struct settings *said = session->settings;

    if (!settings_given(said, QUEUE_CONCURRENCY) && !settings_given(said, QUEUE_MAX_RETRIES) &&
        !settings_given(said, QUEUE_NO_RETRY))
        return options;
    if (options == NULL) {
        options = session_alloc(session, sizeof *options);
        sync__v1__job_options__init(options);
    }
    if (settings_given(said, QUEUE_CONCURRENCY)) {
        options->concurrency_set_case = SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY;
        options->concurrency = (uint32_t)settings_number(said, QUEUE_CONCURRENCY);
    }
    if (settings_given(said, QUEUE_MAX_RETRIES)) {
        options->max_retries_set_case = SYNC__V1__JOB_OPTIONS__MAX_RETRIES_SET_MAX_RETRIES;
        options->max_retries = (uint32_t)settings_number(said, QUEUE_MAX_RETRIES);
    }
    if (settings_switch(said, QUEUE_NO_RETRY)) {
        options->retry_on_fail_set_case = SYNC__V1__JOB_OPTIONS__RETRY_ON_FAIL_SET_RETRY_ON_FAIL;
        options->retry_on_fail = false;
    }
    return options;
}

static bool any_schedule(const struct settings *said)
{
    for (size_t i = QUEUE_START_AT; i <= QUEUE_CATCH_UP; i++)
        if (settings_given(said, i))
            return true;
    return false;
}

/* How its firings may be late, overlap, and end. */
static void read_schedule_bounds(struct session *session, Sync__V1__Schedule *schedule)
{
    const struct settings *said = session->settings;

    if (settings_given(said, QUEUE_JITTER))
        schedule->jitter = read_duration(session, QUEUE_JITTER);
    if (settings_given(said, QUEUE_CATCH_UP))
        schedule->catch_up_window = read_duration(session, QUEUE_CATCH_UP);
    if (settings_given(said, QUEUE_OVERLAP))
        schedule->overlap = (Sync__V1__ScheduleOverlap)(settings_choice(said, QUEUE_OVERLAP) + 1);
    if (settings_given(said, QUEUE_MAX_RUNS)) {
        schedule->max_runs_set_case = SYNC__V1__SCHEDULE__MAX_RUNS_SET_MAX_RUNS;
        schedule->max_runs = (uint32_t)settings_number(said, QUEUE_MAX_RUNS);
    }
}

static Sync__V1__Schedule *read_schedule(struct session *session, Sync__V1__Schedule *schedule,
                                         bool *valid)
{
    const struct settings *said = session->settings;
    Google__Protobuf__Timestamp *start, *end;

    if (!any_schedule(said))
        return schedule;
    if (schedule == NULL) {
        schedule = session_alloc(session, sizeof *schedule);
        sync__v1__schedule__init(schedule);
    }
    *valid = read_time(session, QUEUE_START_AT, "--start-at", &start) &&
             read_time(session, QUEUE_END_AT, "--end-at", &end);
    if (!*valid)
        return NULL;
    if (start != NULL)
        schedule->start_at = start;
    if (end != NULL)
        schedule->end_at = end;
    if (settings_given(said, QUEUE_REPEAT))
        schedule->repeat = (Sync__V1__ScheduleRepeat)(settings_choice(said, QUEUE_REPEAT) + 1);
    if (settings_given(said, QUEUE_TIME))
        schedule->time = session_text(session, settings_text(said, QUEUE_TIME));
    if (settings_given(said, QUEUE_TIMEZONE))
        schedule->timezone = session_text(session, settings_text(said, QUEUE_TIMEZONE));
    if (settings_given(said, QUEUE_CRON))
        schedule->cron = session_text(session, settings_text(said, QUEUE_CRON));
    if (settings_given(said, QUEUE_INTERVAL))
        schedule->interval = session_text(session, settings_text(said, QUEUE_INTERVAL));
    read_schedule_bounds(session, schedule);
    return schedule;
}

static bool read_flags(struct session *session, Sync__V1__QueueJobRequest *request)
{
    const struct settings *said = session->settings;
    bool data_valid, schedule_valid = true;

    request->org_id = session->org;
    if (settings_operand_count(said) > 0)
        request->name = session_text(session, settings_operand(said, 0));
    if (settings_given(said, QUEUE_TYPE))
        request->type = (Sync__V1__JobType)(settings_choice(said, QUEUE_TYPE) + 1);
    if (settings_given(said, QUEUE_PRIORITY))
        request->priority = (Sync__V1__JobPriority)(settings_choice(said, QUEUE_PRIORITY) + 1);
    if (settings_given(said, QUEUE_ON_DUPLICATE))
        request->on_duplicate =
            (Sync__V1__OnDuplicate)(settings_choice(said, QUEUE_ON_DUPLICATE) + 1);
    if (settings_given(said, QUEUE_REQUEST_ID))
        request->request_id = session_text(session, settings_text(said, QUEUE_REQUEST_ID));
    request->data = read_data(session, request->data, &data_valid);
    request->options = read_options(session, request->options);
    request->schedule = read_schedule(session, request->schedule, &schedule_valid);
    return data_valid && schedule_valid;
}

static enum exit_status run(struct session *session)
{
    const char *file = settings_text(session->settings, QUEUE_FILE);
    Sync__V1__QueueJobRequest request = SYNC__V1__QUEUE_JOB_REQUEST__INIT;
    ProtobufCMessage *answer;
    Sync__V1__Job *job;
    enum exit_status status;

    if (file == NULL && settings_operand_count(session->settings) == 0)
        return session_wrong_use("a NAME or --file is needed; see syncctl queue --help");
    if (file != NULL && !read_json(session, file, &request.base))
        return EXIT_WRONG_USE;
    if (!read_flags(session, &request))
        return EXIT_WRONG_USE;
    answer = session_call(session, "/sync.v1.SyncService/QueueJob",
                          &sync__v1__queue_job_response__descriptor, &request.base, 0, &status);
    if (answer == NULL)
        return status;
    job = ((Sync__V1__QueueJobResponse *)answer)->job;
    if (settings_switch(session->settings, QUEUE_WAIT))
        status = watch_until_ended(session, job->id);
    else if (session->output == OUTPUT_JSON)
        print_json(session, answer);
    else
        printf("%s %s: %s%s\n", job->id, job->name, job_status_text(session, job),
               job->duplicate ? ", as one that waits already" : "");
    protobuf_c_message_free_unpacked(answer, NULL);
    return status;
}

const struct command command_queue = {
    .name = "queue",
    .operands = "[NAME]",
    .summary = "Queue a job; when it answers, the job is on stable storage",
    .help = "  syncctl queue products --type full --source demo --target local\n"
            "  syncctl queue nightly --type scheduled --source demo --target local \\\n"
            "      --start-at 2026-01-31T00:00:00Z --repeat daily --time 02:00\n"
            "  syncctl queue -f job.json\n",
    .settings = settings,
    .setting_count = QUEUE_SETTINGS,
    .operands_most = 1,
    .run = run,
};
