#include "rpc/methods/report.h"

#include "core/engine.h"
#include "core/limits.h"

#include <stdlib.h>
#include <string.h>

#define SAME_NUMBER(message_enum, core_enum)                                                       \
    _Static_assert((int)(message_enum) == (int)(core_enum), "the enums share their numbers")

SAME_NUMBER(SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE, DIRECTIVE_GO_ON);
SAME_NUMBER(SYNC__V1__DIRECTIVE__DIRECTIVE_PAUSE, DIRECTIVE_PAUSE_IT);
SAME_NUMBER(SYNC__V1__DIRECTIVE__DIRECTIVE_CANCEL, DIRECTIVE_CANCEL_IT);
SAME_NUMBER(SYNC__V1__DIRECTIVE__DIRECTIVE_DRAIN, DIRECTIVE_DRAIN_IT);
SAME_NUMBER(SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_TRANSIENT, FAILURE_TRANSIENT);
SAME_NUMBER(SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_RATE_LIMITED, FAILURE_RATE_LIMITED);

enum { RETRY_AFTER_MS_MAX = 24 * 3600 * 1000, SLOTS_MAX = 4096 };

static enum err full(struct why *why)
{
    return err_because(why, ERR_LIMIT, "the report is too large for the memory of one call");
}

static enum err copy(struct bytes from, struct arena *mem, struct bytes *to, struct why *why)
{
    void *data;

    *to = bytes_of(NULL, 0);
    if (from.size == 0)
        return OK;
    data = arena_copy(mem, from.data, from.size);
    if (data == NULL)
        return full(why);
    *to = bytes_of(data, from.size);
    return OK;
}

static enum err copy_entities(Sync__V1__EntityProgress *const *entities, size_t count,
                              struct arena *mem, struct report_request *report, struct why *why)
{
    struct entity_progress *copies;
    enum err e = OK;

    if (count > ENTITIES_MAX)
        return refuse_field(why, "entities", "must be at most %d", ENTITIES_MAX);
    if (count == 0)
        return OK;
    copies = arena_alloc(mem, count * sizeof *copies);
    if (copies == NULL)
        return full(why);
    for (size_t i = 0; e == OK && i < count; i++) {
        copies[i].done = entities[i]->done;
        copies[i].deleted = entities[i]->deleted;
        copies[i].complete = entities[i]->complete;
        copies[i].total_known =
            entities[i]->total_set_case == SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL;
        copies[i].total = copies[i].total_known ? entities[i]->total : 0;
        e = copy(bytes_of_text(entities[i]->entity), mem, &copies[i].entity, why);
    }
    report->entities = copies;
    report->entity_count = (uint32_t)count;
    return e;
}

static enum err begin(enum report_kind kind, const Sync__V1__Lease *lease,
                      struct report_request *report, struct why *why)
{
    report->base.verb = QUEUE_REPORT;
    report->kind = kind;
    return read_lease(lease, &report->lease, why);
}

static enum err copy_checkpoint(ProtobufCBinaryData checkpoint, struct arena *mem,
                                struct report_request *report, struct why *why)
{
    if (checkpoint.len > CHECKPOINT_SIZE_MAX)
        return refuse_field(why, "checkpoint", "must be at most %d bytes", CHECKPOINT_SIZE_MAX);
    return copy(bytes_of(checkpoint.data, checkpoint.len), mem, &report->checkpoint, why);
}

enum err report_progress(const Sync__V1__ReportProgressRequest *message, struct arena *mem,
                         struct report_request *report, struct why *why)
{
    enum err e = begin(REPORT_PROGRESS, message->lease, report, why);

    return e == OK ? copy_entities(message->entities, message->n_entities, mem, report, why) : e;
}

enum err report_checkpoint(const Sync__V1__SaveCheckpointRequest *message, struct arena *mem,
                           struct report_request *report, struct why *why)
{
    enum err e = begin(REPORT_CHECKPOINT, message->lease, report, why);

    if (e == OK && message->checkpoint.len == 0)
        return refuse_field(why, "checkpoint", "is missing");
    if (e == OK)
        e = copy_checkpoint(message->checkpoint, mem, report, why);
    return e == OK ? copy_entities(message->entities, message->n_entities, mem, report, why) : e;
}

enum err report_complete(const Sync__V1__CompleteJobRequest *message, struct arena *mem,
                         struct report_request *report, struct why *why)
{
    enum err e = begin(REPORT_COMPLETE, message->lease, report, why);

    return e == OK ? copy_entities(message->entities, message->n_entities, mem, report, why) : e;
}

enum err report_fail(const Sync__V1__FailJobRequest *message, struct arena *mem,
                     struct report_request *report, struct why *why)
{
    enum err e = begin(REPORT_FAIL, message->lease, report, why);

    if (e != OK)
        return e;
    if ((int)message->failure_class < 0 || (int)message->failure_class > (int)FAILURE_RATE_LIMITED)
        return refuse_field(why, "failureClass",
                            "must be transient, config, fatal or rate_limited");
    report->failure = message->failure_class == SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_UNSPECIFIED
                          ? FAILURE_TRANSIENT
                          : (enum failure_class)message->failure_class;
    e = read_duration(message->retry_after, "retryAfter", RETRY_AFTER_MS_MAX,
                      &report->retry_after_ms, why);
    if (e == OK)
        e = copy(bytes_of_text(message->message), mem, &report->message, why);
    return e == OK ? copy_entities(message->entities, message->n_entities, mem, report, why) : e;
}

enum err report_release(const Sync__V1__ReleaseJobRequest *message, struct arena *mem,
                        struct report_request *report, struct why *why)
{
    enum err e = begin(REPORT_RELEASE, message->lease, report, why);

    if (e == OK)
        e = copy_checkpoint(message->checkpoint, mem, report, why);
    return e == OK ? copy_entities(message->entities, message->n_entities, mem, report, why) : e;
}

enum err report_leases(Sync__V1__Lease *const *leases, size_t count, struct arena *mem,
                       struct heartbeat_request *heartbeat, struct why *why)
{
    struct lease_name *names;
    enum err e = OK;

    if (count > HEARTBEAT_LEASES_MAX)
        return refuse_field(why, "leases", "must be at most %d", HEARTBEAT_LEASES_MAX);
    names = arena_alloc(mem, (count > 0 ? count : 1) * sizeof *names);
    if (names == NULL)
        return full(why);
    for (size_t i = 0; e == OK && i < count; i++)
        e = read_lease(leases[i], &names[i], why);
    heartbeat->leases = names;
    heartbeat->count = (uint32_t)count;
    return e;
}

Sync__V1__LeaseDirective *build_directive(struct builder *builder, struct lease_name lease,
                                          enum directive directive)
{
    Sync__V1__LeaseDirective *message =
        build_message(builder, &sync__v1__lease_directive__descriptor);

    if (message == NULL)
        return NULL;
    message->lease = build_lease(builder, lease);
    message->directive = (Sync__V1__Directive)directive;
    return message;
}

Sync__V1__HeartbeatResponse *build_heartbeat(struct builder *builder,
                                             const struct heartbeat_request *heartbeat)
{
    Sync__V1__HeartbeatResponse *response =
        build_message(builder, &sync__v1__heartbeat_response__descriptor);
    size_t count = heartbeat->count;

    if (response == NULL || count == 0)
        return response;
    response->directives = build_array(builder, count, sizeof *response->directives);
    response->lost = build_array(builder, count, sizeof *response->lost);
    for (size_t i = 0; !builder->full && i < count; i++) {
        struct lease_name lease = heartbeat->leases[i];
        enum directive directive = heartbeat->directives[i];

        if (directive == DIRECTIVE_NONE)
            response->lost[response->n_lost++] = build_lease(builder, lease);
        else
            response->directives[response->n_directives++] =
                build_directive(builder, lease, directive);
    }
    return builder->full ? NULL : response;
}

static enum err copy_connections(char *const *names, size_t count, const char *field,
                                 struct arena *mem, const struct bytes **out, uint32_t *out_count,
                                 struct why *why)
{
    struct bytes *copies;
    enum err e = OK;

    if (count == 0 || count > CONNECTIONS_MAX)
        return refuse_field(why, field, "must be 1 to %d connections' names, or \"*\"",
                            CONNECTIONS_MAX);
    copies = arena_alloc(mem, count * sizeof *copies);
    if (copies == NULL)
        return full(why);
    for (size_t i = 0; e == OK && i < count; i++) {
        size_t size = strlen(names[i]);

        if (size == 0 || size > NAME_SIZE_MAX)
            return refuse_field(why, field, "must be names of 1 to %d bytes", NAME_SIZE_MAX);
        e = copy(bytes_of(names[i], size), mem, &copies[i], why);
    }
    *out = copies;
    *out_count = (uint32_t)count;
    return e;
}

static enum err copy_worker_id(const char *id, struct arena *mem, struct worker *worker,
                               struct why *why)
{
    size_t size = strlen(id);
    char *made;

    if (size > WORKER_SIZE_MAX)
        return refuse_field(why, "worker.workerId", "must be at most %d bytes", WORKER_SIZE_MAX);
    if (size > 0)
        return copy(bytes_of(id, size), mem, &worker->id, why);
    made =
        arena_printf(mem, "worker-%016llx", (unsigned long long)random_real()->next(random_real()));
    if (made == NULL)
        return full(why);
    worker->id = bytes_of_text(made);
    return OK;
}

enum err report_worker(const Sync__V1__WorkerInfo *info, struct arena *mem, struct worker *worker,
                       struct why *why)
{
    enum err e;

    if (info == NULL)
        return refuse_field(why, "worker", "is missing: say what this worker can do");
    if (info->slots > SLOTS_MAX)
        return refuse_field(why, "worker.slots", "must be at most %d", SLOTS_MAX);
    worker->slots = info->slots > 0 ? info->slots : 1;
    e = copy_worker_id(info->worker_id, mem, worker, why);
    if (e == OK)
        e = copy_connections(info->sources, info->n_sources, "worker.sources", mem,
                             &worker->sources, &worker->source_count, why);
    if (e == OK)
        e = copy_connections(info->targets, info->n_targets, "worker.targets", mem,
                             &worker->targets, &worker->target_count, why);
    return e;
}

static void given_back(struct request *req, enum err e)
{
    struct report_request *report = container_of(req, struct report_request, base);

    (void)e;
    arena_free(report->base.mem);
    free(report);
}

static void give_back_one(struct engine *engine, const struct assignment *job)
{
    struct report_request *report = calloc(1, sizeof *report);

    if (report == NULL)
        return;
    report->base.verb = QUEUE_REPORT;
    report->base.done = given_back;
    report->base.mem = arena_new(ERROR_SIZE_MAX);
    report->kind = REPORT_RELEASE;
    report->lease = (struct lease_name){ job->info.id, job->epoch };
    if (report->base.mem != NULL) {
        engine_post(engine, &report->base);
        return;
    }
    free(report);
}

void report_give_back(struct engine *engine, const struct assignment *jobs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        give_back_one(engine, &jobs[i]);
}
