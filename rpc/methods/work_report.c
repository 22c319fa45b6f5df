#include "rpc/methods/work.h"

#include "core/limits.h"

#include <stdlib.h>

/* One report on a Work stream: copied out of the stream's message memory,
 * posted, and answered with the id it came with. Many may be in flight. */

enum { REPORT_BYTES_MAX = 1 << 20 };

_Static_assert((int)CHECKPOINT_SIZE_MAX * 2 < (int)REPORT_BYTES_MAX, "a report fits");

struct work_report {
    struct work *work;
    struct work_report *next_free;
    uint64_t id;
    struct arena *mem;
    size_t bytes;
    uint32_t held; /* leases left, from the queue's thread */
    enum err result;
    struct loop_task answer;
    union {
        struct request base;
        struct report_request report;
        struct heartbeat_request heartbeat;
    } core;
};

static void free_report(struct work_report *report)
{
    arena_free(report->mem);
    free(report);
}

static struct work_report *new_report(struct work *work)
{
    struct work_report *report = work->free_reports;

    if (report != NULL) {
        work->free_reports = report->next_free;
        work->free_report_count--;
        return report;
    }
    report = calloc(1, sizeof *report);
    if (report == NULL)
        return NULL;
    report->mem = arena_new(REPORT_BYTES_MAX);
    if (report->mem == NULL) {
        free(report);
        return NULL;
    }
    return report;
}

static void recycle(struct work *work, struct work_report *report)
{
    if (work->free_report_count == WORK_FREE_REPORTS_MAX) {
        free_report(report);
        return;
    }
    arena_reset(report->mem);
    *report = (struct work_report){ .mem = report->mem, .next_free = work->free_reports };
    work->free_reports = report;
    work->free_report_count++;
}

void work_report_free_all(struct work *work)
{
    while (work->free_reports != NULL) {
        struct work_report *report = work->free_reports;

        work->free_reports = report->next_free;
        free_report(report);
    }
}

static void send_result(struct work_report *report, enum err e, const struct why *why)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__WorkResult result = SYNC__V1__WORK_RESULT__INIT;
    struct builder builder = { .mem = report->mem };
    struct rpc_status status;

    if (e != OK) {
        rpc_status_from_err(&status, e, why);
        result.code = (int32_t)status.code;
        result.message = status.message;
    } else if (report->core.base.verb == QUEUE_REPORT) {
        result.directive = (Sync__V1__Directive)report->core.report.directive;
        result.will_retry = report->core.report.will_retry;
        result.not_before = build_time(&builder, report->core.report.not_before_ms);
    }
    response.id = report->id;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_RESULT;
    response.result = &result;
    work_send(report->work, &response);
}

/* An acknowledgement that all is well with needs no answer unless it has an id. */
static bool is_news(const struct work_report *report)
{
    const struct heartbeat_request *heartbeat = &report->core.heartbeat;

    if (report->core.base.verb == QUEUE_HEARTBEAT || report->id != 0)
        return true;
    for (uint32_t i = 0; i < heartbeat->count; i++)
        if (heartbeat->directives[i] != DIRECTIVE_GO_ON)
            return true;
    return false;
}

static void send_heartbeat(struct work_report *report)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    struct builder builder = { .mem = report->mem };
    struct why why;

    if (!is_news(report))
        return;
    response.id = report->id;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_HEARTBEAT;
    response.heartbeat = build_heartbeat(&builder, &report->core.heartbeat);
    if (response.heartbeat != NULL)
        work_send(report->work, &response);
    else
        send_result(report, err_because(&why, ERR_LIMIT, "too many leases in one message"), &why);
}

static void answer(struct loop_task *task)
{
    struct work_report *report = container_of(task, struct work_report, answer);
    struct work *work = report->work;

    work->reports--;
    work->report_bytes -= report->bytes;
    work->held = report->held;
    if (report->result != OK)
        send_result(report, report->result, &report->core.base.why);
    else if (report->core.base.verb == QUEUE_REPORT)
        send_result(report, OK, NULL);
    else
        send_heartbeat(report);
    recycle(work, report);
    work_pace_reading(work);
    work_came_back(work);
}

static void report_done(struct request *req, enum err e)
{
    struct work_report *report = container_of(req, struct work_report, core.base);

    report->result = e;
    report->held = report->work->worker.held;
    call_post(report->work->call, &report->answer);
}

static enum err read_leases(struct work_report *report, enum queue_verb verb,
                            Sync__V1__Lease *const *leases, size_t count)
{
    report->core.base.verb = verb;
    return report_leases(leases, count, report->mem, &report->core.heartbeat,
                         &report->core.base.why);
}

static enum err read_report(struct work_report *report, const Sync__V1__WorkRequest *request)
{
    struct report_request *core = &report->core.report;
    struct why *why = &core->base.why;
    struct arena *mem = report->mem;

    switch (request->message_case) {
    case SYNC__V1__WORK_REQUEST__MESSAGE_ACK:
        return read_leases(report, QUEUE_ACKNOWLEDGE, request->ack->leases, request->ack->n_leases);
    case SYNC__V1__WORK_REQUEST__MESSAGE_HEARTBEAT:
        return read_leases(report, QUEUE_HEARTBEAT, request->heartbeat->leases,
                           request->heartbeat->n_leases);
    case SYNC__V1__WORK_REQUEST__MESSAGE_PROGRESS:
        return report_progress(request->progress, mem, core, why);
    case SYNC__V1__WORK_REQUEST__MESSAGE_CHECKPOINT:
        return report_checkpoint(request->checkpoint, mem, core, why);
    case SYNC__V1__WORK_REQUEST__MESSAGE_COMPLETE:
        return report_complete(request->complete, mem, core, why);
    case SYNC__V1__WORK_REQUEST__MESSAGE_FAIL:
        return report_fail(request->fail, mem, core, why);
    case SYNC__V1__WORK_REQUEST__MESSAGE_RELEASE:
        return report_release(request->release, mem, core, why);
    case SYNC__V1__WORK_REQUEST__MESSAGE_HELLO:
    case SYNC__V1__WORK_REQUEST__MESSAGE_READY:
    case SYNC__V1__WORK_REQUEST__MESSAGE__NOT_SET:
    default:
        return err_because(why, ERR_INVALID, "this is not a report");
    }
}

static void post(struct work *work, struct work_report *report)
{
    report->bytes = arena_used_bytes(report->mem) + sizeof *report;
    report->core.base.mem = report->mem;
    report->core.base.done = report_done;
    report->answer.run = answer;
    work->reports++;
    work->report_bytes += report->bytes;
    work_pace_reading(work);
    engine_post(work->methods->engine, &report->core.base);
}

void work_report(struct work *work, const Sync__V1__WorkRequest *request)
{
    struct work_report *report = new_report(work);
    enum err e;

    if (report == NULL) {
        method_fail_full(work->call);
        work_close(work);
        return;
    }
    report->work = work;
    report->id = request->id;
    e = read_report(report, request);
    if (e == OK) {
        post(work, report);
        return;
    }
    send_result(report, e, &report->core.base.why);
    recycle(work, report);
}
