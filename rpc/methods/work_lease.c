#include "rpc/methods/work.h"

/* Credit becomes a LEASE that waits in core, its answer becomes assignments
 * that are pushed down the stream. One LEASE at a time, as long as there is
 * credit; what the worker can no longer be told is given back. */

enum { LEASE_BYTES_MAX = 32 << 20, MESSAGE_BYTES = 512 << 10 };

static void post_lease(struct work *work)
{
    uint32_t max = work->credit < LEASE_JOBS_MAX ? work->credit : LEASE_JOBS_MAX;

    arena_reset(work->lease_mem);
    work->leasing = true;
    work->lease_posted_ms = loop_mono_ms();
    work->lease.jobs_max = max;
    work->lease.jobs = NULL;
    work->lease.count = 0;
    engine_post(work->methods->engine, &work->lease.base);
}

void work_lease_more(struct work *work)
{
    if (work->state != WORK_OPEN || work->closing || work->draining)
        return;
    if (work->credit == 0 || work->leasing || work->blocked || work->lease_again.item.place != 0)
        return;
    post_lease(work);
}

/* One message with the next jobs, as many as fit. Returns how many; 0: memory
 * is used up. */
static uint32_t send_some(struct work *work, const struct assignment *jobs, uint32_t count)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__WorkAssignments assignments = SYNC__V1__WORK_ASSIGNMENTS__INIT;
    struct builder builder = { .mem = work->lease_mem };
    size_t begin = arena_used_bytes(builder.mem);

    assignments.jobs = build_array(&builder, count, sizeof *assignments.jobs);
    while (assignments.n_jobs < count && !builder.full &&
           arena_used_bytes(builder.mem) - begin < MESSAGE_BYTES) {
        Sync__V1__JobAssignment *job = build_assignment(&builder, &jobs[assignments.n_jobs]);

        if (!builder.full)
            assignments.jobs[assignments.n_jobs++] = job;
    }
    if (assignments.n_jobs == 0)
        return 0;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_ASSIGNMENTS;
    response.assignments = &assignments;
    work_send(work, &response);
    return (uint32_t)assignments.n_jobs;
}

static void send_assignments(struct work *work)
{
    struct lease_request *lease = &work->lease;
    uint32_t sent = 0, some = 1;

    while (sent < lease->count && some > 0 && !call_is_over(work->call)) {
        some = send_some(work, lease->jobs + sent, lease->count - sent);
        sent += some;
    }
    report_give_back(work->methods->engine, lease->jobs + sent, lease->count - sent);
    work->credit -= sent < work->credit ? sent : work->credit;
}

/* A LEASE that comes back early with nothing would otherwise be posted over and
 * over: core drains, or its store fails. */
static bool came_early(const struct work *work)
{
    return work->lease_result != OK ||
           (work->lease.count == 0 &&
            loop_mono_ms() - work->lease_posted_ms < WORK_LEASE_WAIT_MS / 2);
}

static void leased(struct loop_task *task)
{
    struct work *work = container_of(task, struct work, leased);

    work->leasing = false;
    work->held = work->lease_held;
    if (work->lease_result == OK && work->closing)
        report_give_back(work->methods->engine, work->lease.jobs, work->lease.count);
    else if (work->lease_result == OK)
        send_assignments(work);
    if (!work->closing && came_early(work))
        loop_timer_start(call_loop(work->call), &work->lease_again, WORK_LEASE_PAUSE_MS);
    work_lease_more(work);
    work_came_back(work);
}

static void lease_done(struct request *req, enum err e)
{
    struct work *work = container_of(req, struct work, lease.base);

    work->lease_result = e;
    work->lease_held = work->worker.held;
    call_post(work->call, &work->leased);
}

static void lease_again(struct loop_timer *timer)
{
    work_lease_more(container_of(timer, struct work, lease_again));
}

void work_lease_init(struct work *work)
{
    work->lease_mem = arena_new(LEASE_BYTES_MAX);
    work->lease.base.verb = QUEUE_LEASE;
    work->lease.base.done = lease_done;
    work->lease.base.mem = work->lease_mem;
    work->lease.worker = &work->worker;
    work->lease.wait_ms = WORK_LEASE_WAIT_MS;
    work->lease.acknowledge = true;
    work->leased.run = leased;
    work->lease_again.fire = lease_again;
}
