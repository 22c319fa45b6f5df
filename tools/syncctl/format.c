#include "tools/syncctl/format.h"

#include "core/base/clock.h"
#include "core/base/rfc3339.h"
#include "core/run.h"
#include "rpc/enum_word.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

const char *word_of(struct session *session, const ProtobufCEnumDescriptor *type, int value)
{
    char word[ENUM_WORD_MAX];

    return enum_word_write(type, value, word) ? session_text(session, word) : "";
}

const char *clean_text(struct session *session, const char *text)
{
    char *clean = session_text(session, text);

    for (char *at = clean; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            *at = ' ';
    return clean;
}

static int64_t to_ms(const Google__Protobuf__Timestamp *time)
{
    return time->seconds * 1000 + time->nanos / 1000000;
}

const char *time_text(struct session *session, const Google__Protobuf__Timestamp *time)
{
    char text[RFC3339_SIZE];

    if (time == NULL)
        return "";
    rfc3339_write(to_ms(time), text);
    return session_text(session, text);
}

const char *duration_text(struct session *session, const Google__Protobuf__Duration *duration)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    char text[24];
    size_t i = 0;

    if (duration == NULL)
        return "-";
    while (duration->seconds % units[i].seconds != 0)
        i++;
    snprintf(text, sizeof text, "%" PRId64 "%c", duration->seconds / units[i].seconds,
             units[i].unit);
    return session_text(session, text);
}

const char *age_text(struct session *session, const Google__Protobuf__Timestamp *time)
{
    char text[24];
    int64_t seconds;

    if (time == NULL)
        return "";
    seconds = (clock_now_ms(clock_real()) - to_ms(time)) / 1000;
    if (seconds < 0)
        seconds = 0;
    if (seconds < 120)
        snprintf(text, sizeof text, "%" PRId64 "s", seconds);
    else if (seconds < 2 * 3600)
        snprintf(text, sizeof text, "%" PRId64 "m", seconds / 60);
    else if (seconds < 2 * 86400)
        snprintf(text, sizeof text, "%" PRId64 "h", seconds / 3600);
    else
        snprintf(text, sizeof text, "%" PRId64 "d", seconds / 86400);
    return session_text(session, text);
}

const char *job_status_text(struct session *session, const Sync__V1__Job *job)
{
    const char *status = word_of(session, &sync__v1__job_status__descriptor, (int)job->status);
    const char *reason =
        word_of(session, &sync__v1__wait_reason__descriptor, (int)job->wait_reason);
    size_t size = strlen(status) + strlen(reason) + 4;
    char *text;

    if (job->state != SYNC__V1__JOB_STATE__JOB_STATE_UNSPECIFIED)
        return word_of(session, &sync__v1__job_state__descriptor, (int)job->state);
    if (job->status != SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED || *reason == '\0')
        return status;
    text = session_alloc(session, size);
    snprintf(text, size, "%s (%s)", status, reason);
    return text;
}

const char *job_progress_text(struct session *session, const Sync__V1__Job *job)
{
    char text[16];

    if (job->progress_known_set_case == SYNC__V1__JOB__PROGRESS_KNOWN_SET_PROGRESS_KNOWN &&
        !job->progress_known)
        return "?";
    snprintf(text, sizeof text, "%d%%", (int)job->progress);
    return session_text(session, text);
}

void job_records(const Sync__V1__Job *job, uint64_t *done, uint64_t *total)
{
    bool known = job->n_entities > 0;

    *done = 0;
    *total = 0;
    for (size_t i = 0; i < job->n_entities; i++) {
        const Sync__V1__EntityProgress *entity = job->entities[i];

        *done += entity->done;
        if (entity->total_set_case == SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL)
            *total += entity->total;
        else
            known = false;
    }
    if (!known)
        *total = 0;
}

bool job_is_ended(const Sync__V1__Job *job)
{
    return job->status == SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED ||
           job->status == SYNC__V1__JOB_STATUS__JOB_STATUS_FAILED ||
           job->status == SYNC__V1__JOB_STATUS__JOB_STATUS_CANCELLED;
}

bool read_time(struct session *session, size_t setting, const char *flag,
               Google__Protobuf__Timestamp **time)
{
    const char *text = settings_text(session->settings, setting);
    int64_t ms;

    *time = NULL;
    if (text == NULL)
        return true;
    if (!rfc3339_read(bytes_of_text(text), &ms)) {
        session_wrong_use("%s: \"%.60s\" is not a time such as 2026-01-31T12:00:00Z", flag, text);
        return false;
    }
    *time = session_alloc(session, sizeof **time);
    google__protobuf__timestamp__init(*time);
    (*time)->seconds = ms / 1000;
    (*time)->nanos = (int32_t)(ms % 1000) * 1000000;
    return true;
}

Google__Protobuf__Duration *read_duration(struct session *session, size_t setting)
{
    int64_t ms = settings_number(session->settings, setting);
    Google__Protobuf__Duration *duration;

    if (settings_text(session->settings, setting) == NULL)
        return NULL;
    duration = session_alloc(session, sizeof *duration);
    google__protobuf__duration__init(duration);
    duration->seconds = ms / 1000;
    duration->nanos = (int32_t)(ms % 1000) * 1000000;
    return duration;
}

char **split(struct session *session, const char *text, size_t *count)
{
    char *copy = session_text(session, text), **parts, *rest;

    *count = 0;
    parts = session_alloc(session, sizeof *parts * (strlen(copy) / 2 + 1));
    for (char *part = strtok_r(copy, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest))
        parts[(*count)++] = part;
    return parts;
}

bool is_job_id(const char *operand)
{
    run_id id;

    return run_id_read(bytes_of_text(operand), &id);
}
