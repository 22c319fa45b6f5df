#include "tools/worker/attempt_parts.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <stdlib.h>

/* What an attempt tells the server, and what it makes of the answers. */

enum { TRY_AGAIN_MS = 1000, TRIES_MAX = 30 };

/* What a report says of the entities. */
struct telling {
    Sync__V1__EntityProgress *entities;
    Sync__V1__EntityProgress **list;
    struct bytes checkpoint; /* ours to free; empty: none */
};

static void tell_entity(const struct entity_sync *entity, Sync__V1__EntityProgress *progress)
{
    sync__v1__entity_progress__init(progress);
    progress->entity = (char *)(uintptr_t)entity->spec.name;
    progress->done = entity->stored.done;
    progress->deleted = entity->stored.deleted;
    progress->complete = entity->stored.phase != ENTITY_READING;
    if (entity->total_known) {
        progress->total_set_case = SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL;
        progress->total = entity->total > entity->stored.done ? entity->total : entity->stored.done;
    }
}

static struct bytes make_checkpoint(const struct attempt *attempt)
{
    struct checkpoint_entity *entities = calloc(attempt->entity_count + 1, sizeof *entities);
    struct bytes text = { 0 };

    if (entities == NULL)
        return text;
    for (size_t i = 0; i < attempt->entity_count; i++) {
        entities[i].state = attempt->entities[i].stored;
        memcpy(entities[i].name, attempt->entities[i].spec.name, sizeof entities[i].name);
    }
    text = checkpoint_write(attempt->assignment->generation, entities, attempt->entity_count);
    free(entities);
    return text;
}

/* A moment of all entities. False if out of memory. */
static bool telling_make(struct attempt *attempt, struct telling *telling)
{
    size_t count = attempt->entity_count;

    *telling = (struct telling){ .entities = calloc(count + 1, sizeof *telling->entities),
                                 .list = calloc(count + 1, sizeof *telling->list) };
    if (telling->entities == NULL || telling->list == NULL)
        return false;
    pthread_mutex_lock(&attempt->lock);
    for (size_t i = 0; i < count; i++) {
        tell_entity(&attempt->entities[i], &telling->entities[i]);
        telling->list[i] = &telling->entities[i];
    }
    telling->checkpoint = make_checkpoint(attempt);
    attempt->moved = attempt->news = false;
    pthread_mutex_unlock(&attempt->lock);
    return true;
}

static void telling_free(struct telling *telling)
{
    free(telling->entities);
    free(telling->list);
    free((void *)(uintptr_t)telling->checkpoint.data);
}

static bool is_passing(enum rpc_code code)
{
    return code == RPC_UNAVAILABLE || code == RPC_UNKNOWN || code == RPC_INTERNAL ||
           code == RPC_RESOURCE_EXHAUSTED || code == RPC_DEADLINE_EXCEEDED;
}

/* Another epoch, or no such job: either way not ours. */
static bool means_lost(enum rpc_code code)
{
    return code == RPC_ABORTED || code == RPC_NOT_FOUND;
}

static enum rpc_code report_once(struct attempt *attempt, Sync__V1__WorkRequest *request,
                                 struct report_result *result)
{
    *result = (struct report_result){ .code = RPC_UNAVAILABLE };
    attempt->settings->port->report(attempt->settings->port, attempt, request, result);
    if (means_lost(result->code))
        attempt_lose(attempt);
    else if (result->code == RPC_OK)
        attempt_direct(attempt, result->directive);
    else if (result->code != RPC_CANCELLED)
        log_event(LOG_WARNING, "report refused", LOG_TEXT("job", attempt->scope.run),
                  LOG_TEXT("code", rpc_code_name(result->code)),
                  LOG_TEXT("message", result->message));
    return result->code;
}

/* The report that ends the attempt is worth a few tries. */
static void report_last(struct attempt *attempt, Sync__V1__WorkRequest *request)
{
    struct report_result result;

    for (int i = 0; i < TRIES_MAX && !attempt_is_lost(attempt); i++) {
        int64_t until_ms;

        if (!is_passing(report_once(attempt, request, &result)))
            return;
        until_ms = clock_mono_ms(clock_real()) + TRY_AGAIN_MS;
        pthread_mutex_lock(&attempt->lock);
        while (clock_mono_ms(clock_real()) < until_ms && attempt_stop(attempt) != STOP_LOST)
            attempt_wait_locked(attempt, until_ms);
        pthread_mutex_unlock(&attempt->lock);
    }
}

static ProtobufCBinaryData to_binary(struct bytes bytes)
{
    return (ProtobufCBinaryData){ bytes.size, (uint8_t *)(uintptr_t)bytes.data };
}

void report_checkpoint(struct attempt *attempt)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__SaveCheckpointRequest checkpoint = SYNC__V1__SAVE_CHECKPOINT_REQUEST__INIT;
    struct report_result result;
    struct telling telling;

    if (telling_make(attempt, &telling) && telling.checkpoint.size > 0) {
        checkpoint.lease = attempt->assignment->lease;
        checkpoint.checkpoint = to_binary(telling.checkpoint);
        checkpoint.entities = telling.list;
        checkpoint.n_entities = attempt->entity_count;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_CHECKPOINT;
        request.checkpoint = &checkpoint;
        report_once(attempt, &request, &result);
    }
    telling_free(&telling);
}

void report_progress(struct attempt *attempt)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__ReportProgressRequest progress = SYNC__V1__REPORT_PROGRESS_REQUEST__INIT;
    struct report_result result;
    struct telling telling;

    if (telling_make(attempt, &telling)) {
        progress.lease = attempt->assignment->lease;
        progress.entities = telling.list;
        progress.n_entities = attempt->entity_count;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_PROGRESS;
        request.progress = &progress;
        report_once(attempt, &request, &result);
    }
    telling_free(&telling);
}

void report_complete(struct attempt *attempt)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__CompleteJobRequest complete = SYNC__V1__COMPLETE_JOB_REQUEST__INIT;
    struct telling telling;

    if (telling_make(attempt, &telling)) {
        complete.lease = attempt->assignment->lease;
        complete.entities = telling.list;
        complete.n_entities = attempt->entity_count;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_COMPLETE;
        request.complete = &complete;
        report_last(attempt, &request);
    }
    telling_free(&telling);
}

void report_release(struct attempt *attempt)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__ReleaseJobRequest release = SYNC__V1__RELEASE_JOB_REQUEST__INIT;
    struct telling telling;

    if (telling_make(attempt, &telling)) {
        release.lease = attempt->assignment->lease;
        if (attempt->entity_count > 0)
            release.checkpoint = to_binary(telling.checkpoint);
        release.entities = telling.list;
        release.n_entities = attempt->entity_count;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_RELEASE;
        request.release = &release;
        report_last(attempt, &request);
    }
    telling_free(&telling);
}

static Sync__V1__FailureClass failure_class(enum problem_class class)
{
    switch (class) {
    case PROBLEM_CONFIG:
        return SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_CONFIG;
    case PROBLEM_FATAL:
        return SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_FATAL;
    case PROBLEM_RATE_LIMITED:
        return SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_RATE_LIMITED;
    case PROBLEM_NONE:
    case PROBLEM_TRANSIENT:
    case PROBLEM_LOST:
        break;
    }
    return SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_TRANSIENT;
}

void report_fail(struct attempt *attempt, struct problem *problem)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__FailJobRequest fail = SYNC__V1__FAIL_JOB_REQUEST__INIT;
    Google__Protobuf__Duration after = GOOGLE__PROTOBUF__DURATION__INIT;
    struct telling telling;

    log_event(LOG_WARNING, "attempt failed", LOG_TEXT("job", attempt->scope.run),
              LOG_TEXT("org", attempt->scope.org), LOG_TEXT("name", attempt->scope.sync),
              LOG_TEXT("message", problem->text));
    if (telling_make(attempt, &telling)) {
        fail.lease = attempt->assignment->lease;
        fail.failure_class = failure_class(problem->class);
        fail.message = problem->text;
        if (problem->retry_after_ms > 0) {
            after.seconds = problem->retry_after_ms / 1000;
            after.nanos = (int32_t)(problem->retry_after_ms % 1000 * 1000000);
            fail.retry_after = &after;
        }
        fail.entities = telling.list;
        fail.n_entities = attempt->entity_count;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_FAIL;
        request.fail = &fail;
        report_last(attempt, &request);
    }
    telling_free(&telling);
}
