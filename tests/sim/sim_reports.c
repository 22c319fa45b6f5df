#include "tests/sim/sim.h"

/* What workers were told of their leases, and whether it may be. */

void answer_to_beats(struct sim *sim, const struct op *op)
{
    const struct heartbeat_request *req = &op->u.heartbeat;

    require(sim, op->result == OK, "a heartbeat is not refused");
    for (uint32_t i = 0; i < req->count; i++) {
        struct job *job = model_find(sim, req->leases[i].id);
        bool held = lease_is_held(sim, &req->leases[i]);

        if (!job->line->cancels_other)
            require(sim, (req->directives[i] != DIRECTIVE_NONE) == held,
                    "a heartbeat tells which leases are lost");
        if (req->directives[i] == DIRECTIVE_NONE)
            continue;
        if (!job->line->cancels_other)
            require(sim, req->directives[i] == lease_directive(sim, job),
                    "a heartbeat tells what the worker shall do");
        lease_renewed(sim, job);
    }
}

static bool must_retry(const struct sim *sim, const struct job *job,
                       const struct report_request *req)
{
    return req->failure == FAILURE_TRANSIENT && job->retry_on_fail &&
           job->failures <= job->retries_max && job->failures < sim->options.attempts_max &&
           job->failures < sim->options.expiries_max;
}

static void take_failure(struct sim *sim, struct job *job, const struct report_request *req)
{
    bool cancelling = job->lease.cancelling;

    job->failures += req->failure != FAILURE_RATE_LIMITED;
    if (job->line->cancels_other)
        job->lease.held = false; /* cancelled by the clock, or failed */
    else if (cancelling)
        require(sim, !req->will_retry, "what is being cancelled is not tried again");
    else if (must_retry(sim, job, req))
        require(sim, req->will_retry, "a failure with tries left is tried again");
    else if (req->failure == FAILURE_CONFIG || req->failure == FAILURE_FATAL)
        require(sim, !req->will_retry, "a failure that cannot pass is not tried again");
    else if (req->failure == FAILURE_RATE_LIMITED)
        require(sim, req->will_retry, "a limited rate costs no try");
    if (!req->will_retry && job->line->cancels_other)
        model_look_after(sim, job);
    if (!req->will_retry && !job->ended)
        model_end(sim, job, cancelling ? RUN_CANCELLED : RUN_FAILED);
    if (req->will_retry)
        job->lease = (struct held){ .worker = -1 };
}

static void take_release(struct sim *sim, struct job *job)
{
    bool cancelling = job->lease.cancelling;

    job->lease = (struct held){ .worker = -1 };
    if (cancelling)
        model_end(sim, job, RUN_CANCELLED);
    else if (!job->paused)
        job->goes_first = job->queued = true;
}

void answer_to_report(struct sim *sim, const struct op *op)
{
    const struct report_request *req = &op->u.report;
    struct job *job = model_find(sim, req->lease.id);
    bool held = lease_is_held(sim, &req->lease);

    if (op->must_be_invalid)
        require(sim, op->result != OK, "what makes no sense is refused");
    else if (!job->line->cancels_other)
        require(sim, (op->result == OK) == held,
                held ? "a lease lasts for its whole term" : "a lease that is over reports nothing");
    if (op->result != OK) {
        require(sim, op->result == ERR_STALE || (op->must_be_invalid && op->result == ERR_INVALID),
                "a report is refused for its lease only");
        return;
    }
    if (!job->line->cancels_other)
        require(sim, req->directive == lease_directive(sim, job),
                "a report tells what the worker shall do");
    lease_renewed(sim, job);
    if (req->checkpoint.size > 0)
        model_set_checkpoint(job, req->checkpoint);
    switch (req->kind) {
    case REPORT_COMPLETE:
        model_end(sim, job, RUN_COMPLETED);
        break;
    case REPORT_FAIL:
        take_failure(sim, job, req);
        break;
    case REPORT_RELEASE:
        take_release(sim, job);
        break;
    case REPORT_CHECKPOINT:
    case REPORT_PROGRESS:
    default:
        break;
    }
}

void answer_to_service_info(struct sim *sim, const struct op *op)
{
    uint64_t completed = 0;

    require(sim, op->result == OK, "the service tells how it is");
    for (int i = 0; i < ORGS; i++)
        completed += sim->orgs[i].completed;
    require(sim, op->u.service_info.info.draining == sim->draining,
            "the service knows if it drains");
    require(sim, op->u.service_info.info.completed == completed, "what was completed is counted");
}
