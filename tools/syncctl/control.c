#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include <stdio.h>

/* pause, resume, cancel, retry: by a sync's name or a job's id. */

enum {
    CONTROL_REASON = OPTION_OWN,
    CONTROL_WAIT,
    CONTROL_SETTINGS,
    RESUME_START_OVER = CONTROL_WAIT,
    RESUME_SETTINGS,
    RETRY_SETTINGS = CONTROL_WAIT
};

/* clang-format off */
#define REASON { SETTING_FLAG("reason"), .help = "Kept with the job, for those who ask later." }
static const struct setting stop_settings[CONTROL_SETTINGS] = {
    OPTIONS_OF_ALL,
    [CONTROL_REASON] = REASON,
    [CONTROL_WAIT] = { SETTING_FLAG("wait"), .type = SETTING_DURATION, .most = 60000,
        .help = "Answer when the worker has let go, but no later than after this." },
};
static const struct setting resume_settings[RESUME_SETTINGS] = {
    OPTIONS_OF_ALL,
    [CONTROL_REASON] = REASON,
    [RESUME_START_OVER] = { SETTING_FLAG("start-over"), .type = SETTING_SWITCH,
        .help = "Forget how far it came and begin again." },
};
static const struct setting retry_settings[RETRY_SETTINGS] = {
    OPTIONS_OF_ALL,
    [CONTROL_REASON] = REASON,
};
/* clang-format on */

/* The operand goes into the one or the other of a request's fields. */
static void name_it(struct session *session, char **org, char **name, char **id, char **reason)
{
    const char *operand = settings_operand(session->settings, 0);

    *org = session->org;
    *(is_job_id(operand) ? id : name) = session_text(session, operand);
    *reason = session_text(session, settings_text(session->settings, CONTROL_REASON));
}

/* Every answer is a message whose first field is the job. */
static enum exit_status act(struct session *session, const char *path,
                            const ProtobufCMessageDescriptor *response,
                            const ProtobufCMessage *request, int64_t wait_ms)
{
    enum exit_status status;
    ProtobufCMessage *answer = session_call(session, path, response, request, wait_ms, &status);
    const Sync__V1__Job *job;

    if (answer == NULL)
        return status;
    job = ((Sync__V1__PauseJobResponse *)answer)->job;
    if (session->output == OUTPUT_JSON)
        print_json(session, answer);
    else
        printf("%s %s: %s, %s\n", job->id, job->name, job_status_text(session, job),
               job_progress_text(session, job));
    protobuf_c_message_free_unpacked(answer, NULL);
    return EXIT_DONE;
}

static enum exit_status run_pause(struct session *session)
{
    Sync__V1__PauseJobRequest request = SYNC__V1__PAUSE_JOB_REQUEST__INIT;

    name_it(session, &request.org_id, &request.name, &request.id, &request.reason);
    request.wait = read_duration(session, CONTROL_WAIT);
    return act(session, "/sync.v1.SyncService/PauseJob", &sync__v1__pause_job_response__descriptor,
               &request.base, settings_number(session->settings, CONTROL_WAIT));
}

static enum exit_status run_resume(struct session *session)
{
    Sync__V1__ResumeJobRequest request = SYNC__V1__RESUME_JOB_REQUEST__INIT;

    name_it(session, &request.org_id, &request.name, &request.id, &request.reason);
    if (settings_switch(session->settings, RESUME_START_OVER)) {
        request.from_checkpoint_set_case =
            SYNC__V1__RESUME_JOB_REQUEST__FROM_CHECKPOINT_SET_FROM_CHECKPOINT;
        request.from_checkpoint = false;
    }
    return act(session, "/sync.v1.SyncService/ResumeJob",
               &sync__v1__resume_job_response__descriptor, &request.base, 0);
}

static enum exit_status run_cancel(struct session *session)
{
    Sync__V1__CancelJobRequest request = SYNC__V1__CANCEL_JOB_REQUEST__INIT;

    name_it(session, &request.org_id, &request.name, &request.id, &request.reason);
    request.wait = read_duration(session, CONTROL_WAIT);
    return act(session, "/sync.v1.SyncService/CancelJob",
               &sync__v1__cancel_job_response__descriptor, &request.base,
               settings_number(session->settings, CONTROL_WAIT));
}

static enum exit_status run_retry(struct session *session)
{
    Sync__V1__RetryJobRequest request = SYNC__V1__RETRY_JOB_REQUEST__INIT;

    if (!is_job_id(settings_operand(session->settings, 0)))
        return session_wrong_use("retry takes a job's id; `syncctl list --status failed` lists"
                                 " them");
    request.org_id = session->org;
    request.id = session_text(session, settings_operand(session->settings, 0));
    request.reason = session_text(session, settings_text(session->settings, CONTROL_REASON));
    return act(session, "/sync.v1.SyncService/RetryJob", &sync__v1__retry_job_response__descriptor,
               &request.base, 0);
}

#define STOP(verb, text)                                                                           \
    const struct command command_##verb = {                                                        \
        .name = #verb,                                                                             \
        .operands = "NAME|ID",                                                                     \
        .summary = text,                                                                           \
        .settings = stop_settings,                                                                 \
        .setting_count = CONTROL_SETTINGS,                                                         \
        .operands_least = 1,                                                                       \
        .operands_most = 1,                                                                        \
        .run = run_##verb,                                                                         \
    }

STOP(pause, "Pause a sync (its job and its schedule), or one job; it keeps its place");
STOP(cancel, "Cancel a sync's job, or one job, for good");

const struct command command_resume = {
    .name = "resume",
    .operands = "NAME|ID",
    .summary = "Go on where it was paused",
    .settings = resume_settings,
    .setting_count = RESUME_SETTINGS,
    .operands_least = 1,
    .operands_most = 1,
    .run = run_resume,
};

const struct command command_retry = {
    .name = "retry",
    .operands = "ID",
    .summary = "Queue a failed or cancelled job again, under its own id",
    .settings = retry_settings,
    .setting_count = RETRY_SETTINGS,
    .operands_least = 1,
    .operands_most = 1,
    .run = run_retry,
};
