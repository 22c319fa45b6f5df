#include "rpc/methods/message_text.h"
#include "rpc/methods/method.h"
#include "rpc/methods/report.h"

#include "core/limits.h"

/* LeaseJobs: the worker joins, leases and leaves within the call. JOIN and
 * LEASE are posted together, so that one turn serves both; the answer does not
 * wait for LEAVE. No directive is pushed: the caller learns it from the reply to
 * its next report. When the caller goes away, the lease stops waiting, and jobs
 * that were leased for it are given back. */

enum { LEASE_MEMORY_BYTES_MAX = 64 << 20, ANSWER_BYTES = 2 << 20 };

struct lease_call {        /* in the call's arena */
    struct rpc_call *call; /* held once for LEASE, once for LEAVE */
    struct methods *methods;
    struct arena *mem;
    struct worker worker;
    struct worker_request join, leave;
    struct lease_request lease;
    struct lease_stop_request stop;
    bool posted, stopped;
    enum err result;
    struct loop_task answer, left;
};

/* As many as one answer may carry; the first always. */
static uint32_t build_jobs(struct builder *builder, const struct lease_request *lease,
                           Sync__V1__LeaseJobsResponse *response)
{
    size_t begin = arena_used_bytes(builder->mem);

    response->jobs = build_array(builder, lease->count, sizeof *response->jobs);
    for (uint32_t i = 0; response->jobs != NULL && i < lease->count; i++) {
        if (arena_used_bytes(builder->mem) - begin > ANSWER_BYTES)
            break;
        response->jobs[i] = build_assignment(builder, &lease->jobs[i]);
        response->n_jobs += response->jobs[i] != NULL;
    }
    return (uint32_t)response->n_jobs;
}

static uint32_t reply(struct lease_call *l)
{
    struct builder builder = { .mem = l->mem };
    Sync__V1__LeaseJobsResponse *response =
        build_message(&builder, &sync__v1__lease_jobs_response__descriptor);
    uint32_t count = 0;

    if (response != NULL && l->lease.count > 0)
        count = build_jobs(&builder, &l->lease, response);
    if (response == NULL || builder.full) {
        method_fail_full(l->call);
        return 0;
    }
    call_reply(l->call, &response->base);
    return count;
}

static void answer(struct loop_task *task)
{
    struct lease_call *l = container_of(task, struct lease_call, answer);
    struct rpc_call *call = l->call;
    uint32_t told = 0;

    l->posted = false;
    if (l->result != OK)
        call_fail_err(call, l->result, &l->lease.base.why);
    else if (!call_is_over(call))
        told = reply(l);
    if (l->result == OK)
        report_give_back(l->methods->engine, l->lease.jobs + told, l->lease.count - told);
    call_release(call);
}

static void left(struct loop_task *task)
{
    struct lease_call *l = container_of(task, struct lease_call, left);

    struct rpc_call *call = l->call;

    arena_free(l->mem);
    call_release(call);
}

static void leave_done(struct request *req, enum err e)
{
    struct lease_call *l = container_of(req, struct lease_call, leave.base);

    (void)e;
    call_post(l->call, &l->left);
}

static void lease_done(struct request *req, enum err e)
{
    struct lease_call *l = container_of(req, struct lease_call, lease.base);

    l->result = e;
    call_post(l->call, &l->answer);
    engine_post(l->methods->engine, &l->leave.base);
}

static void join_done(struct request *req, enum err e)
{
    /* LEASE fails for the same reason, and says so. */
    (void)req;
    (void)e;
}

static void stop_done(struct request *req, enum err e)
{
    struct lease_call *l = container_of(req, struct lease_call, stop.base);

    (void)e;
    call_release(l->call);
}

static void caller_is_gone(struct rpc_call *call)
{
    struct lease_call *l = call_tag(call);

    if (!l->posted || l->stopped)
        return;
    l->stopped = true;
    call_hold(call);
    engine_post(l->methods->engine, &l->stop.base);
}

static enum err read_request(struct lease_call *l, const Sync__V1__LeaseJobsRequest *request,
                             struct why *why)
{
    enum err e = message_check_text(&request->base, why);

    if (e == OK)
        e = report_worker(request->worker, l->mem, &l->worker, why);
    if (e != OK)
        return e;
    if (request->max_jobs < 1 || request->max_jobs > LEASE_JOBS_MAX)
        return refuse_field(why, "maxJobs", "must be 1 to %d", LEASE_JOBS_MAX);
    l->lease.jobs_max = request->max_jobs;
    e = read_duration(request->wait, "wait", WAIT_MS_MAX, &l->lease.wait_ms, why);
    if (e == OK)
        e = read_duration(request->lease_ttl, "leaseTtl", LEASE_TTL_MS_MAX, &l->lease.lease_ttl_ms,
                          why);
    if (e != OK)
        return e;
    if (l->lease.lease_ttl_ms == 0)
        l->lease.lease_ttl_ms = l->methods->lease_ttl_ms;
    if (l->lease.lease_ttl_ms < LEASE_TTL_MS_MIN)
        return refuse_field(why, "leaseTtl", "must be at least %d seconds",
                            LEASE_TTL_MS_MIN / 1000);
    return OK;
}

static void fill_requests(struct lease_call *l)
{
    l->join.worker = l->leave.worker = l->lease.worker = &l->worker;
    l->join.base.verb = QUEUE_JOIN;
    l->join.base.done = join_done;
    l->join.base.mem = l->mem;
    l->lease.base.verb = QUEUE_LEASE;
    l->lease.base.done = lease_done;
    l->lease.base.mem = l->mem;
    l->leave.base.verb = QUEUE_LEAVE;
    l->leave.base.done = leave_done;
    l->stop.base.verb = QUEUE_LEASE_STOP;
    l->stop.base.done = stop_done;
    l->stop.lease = &l->lease;
    l->answer.run = answer;
    l->left.run = left;
}

static void post(struct lease_call *l)
{
    call_hold(l->call); /* for LEASE */
    call_hold(l->call); /* for LEAVE */
    call_set_tag(l->call, l);
    call_on_over(l->call, caller_is_gone);
    l->posted = true;
    engine_post(l->methods->engine, &l->join.base);
    engine_post(l->methods->engine, &l->lease.base);
}

METHOD_START(lease_jobs)
{
    struct lease_call *l = arena_alloc(call_arena(call), sizeof *l);
    struct why why;
    enum err e;

    if (l != NULL)
        l->mem = arena_new(LEASE_MEMORY_BYTES_MAX);
    if (l == NULL || l->mem == NULL) {
        method_fail_full(call);
        return;
    }
    l->call = call;
    l->methods = context;
    e = read_request(l, (const void *)request, &why);
    if (e != OK) {
        arena_free(l->mem);
        call_fail_err(call, e, &why);
        return;
    }
    fill_requests(l);
    post(l);
}
