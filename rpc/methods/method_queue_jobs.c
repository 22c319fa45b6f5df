#include "rpc/methods/method.h"
#include "rpc/methods/message_text.h"
#include "rpc/methods/org.h"

/* QueueJobs: up to 1,000 jobs, each all or nothing. They are posted together,
 * so one turn of the queue and one commit take them all; the last of them to be
 * done posts the answer. */

enum { JOBS_MAX = 1000, BATCH_MEMORY_BYTES_MAX = 32 << 20 };

struct batch_job {
    struct batch *batch;
    struct submit_request submit;
    bool posted; /* to core: its done() says how it went */
    enum err result;
};

struct batch {             /* in its own mem */
    struct rpc_call *call; /* held */
    struct methods *methods;
    const Sync__V1__QueueJobsRequest *request;
    struct arena *mem;
    struct bytes org;
    struct batch_job *jobs;
    size_t waiting; /* engine's, once posted */
    struct loop_task answer;
};

static Sync__V1__QueueJobsError *build_failure(struct builder *builder, const struct batch_job *job)
{
    Sync__V1__QueueJobsError *error =
        build_message(builder, &sync__v1__queue_jobs_error__descriptor);
    struct rpc_status status;

    if (error == NULL)
        return NULL;
    rpc_status_from_err(&status, job->result, &job->submit.base.why);
    error->code = (int32_t)status.code;
    error->message = build_text(builder, bytes_of_text(status.message));
    error->field = build_text(builder, bytes_of_text(status.violation.field));
    return error;
}

static Sync__V1__QueueJobsResult *build_result(struct builder *builder, const struct batch_job *job,
                                               int64_t now_ms)
{
    Sync__V1__QueueJobsResult *result =
        build_message(builder, &sync__v1__queue_jobs_result__descriptor);

    if (result == NULL)
        return NULL;
    if (job->result == OK) {
        result->outcome_case = SYNC__V1__QUEUE_JOBS_RESULT__OUTCOME_JOB;
        result->job = build_job(builder, &job->submit.info, JOB_OVERVIEW, now_ms);
        result->replayed = job->submit.replayed;
    } else {
        result->outcome_case = SYNC__V1__QUEUE_JOBS_RESULT__OUTCOME_ERROR;
        result->error = build_failure(builder, job);
    }
    return result;
}

static Sync__V1__QueueJobsResponse *build_response(struct builder *builder,
                                                   const struct batch *batch)
{
    Sync__V1__QueueJobsResponse *response =
        build_message(builder, &sync__v1__queue_jobs_response__descriptor);
    int64_t now_ms = method_now_ms(batch->methods);

    if (response == NULL)
        return NULL;
    response->results = build_array(builder, batch->request->n_jobs, sizeof *response->results);
    for (size_t i = 0; response->results != NULL && i < batch->request->n_jobs; i++) {
        response->results[i] = build_result(builder, &batch->jobs[i], now_ms);
        response->n_results += response->results[i] != NULL;
    }
    return response;
}

static void answer(struct loop_task *task)
{
    struct batch *batch = container_of(task, struct batch, answer);
    struct rpc_call *call = batch->call;
    struct builder builder = { .mem = batch->mem };
    Sync__V1__QueueJobsResponse *response = build_response(&builder, batch);

    if (response == NULL || builder.full)
        method_fail_full(call);
    else
        call_reply(call, &response->base);
    arena_free(batch->mem);
    call_release(call);
}

static void job_done(struct request *req, enum err e)
{
    struct batch_job *job = container_of(req, struct batch_job, submit.base);

    job->result = e;
    if (--job->batch->waiting == 0)
        call_post(job->batch->call, &job->batch->answer);
}

static enum err prepare_job(struct batch *batch, struct batch_job *job,
                            const Sync__V1__QueueJobRequest *request)
{
    struct submit_request *submit = &job->submit;
    struct bytes org = bytes_of_text(request->org_id);
    enum err e = message_check_text(&request->base, &submit->base.why);

    job->batch = batch;
    submit->base.mem = batch->mem;
    submit->base.done = job_done;
    submit->base.peer = bytes_of_text(call_peer(batch->call));
    submit->org = batch->org;
    if (e != OK)
        return e;
    if (org.size > 0 && !bytes_equal(org, batch->org))
        return err_field(&submit->base.why, "orgid",
                         "orgid: all jobs of one request are queued for one organisation");
    return read_submit(request, call_actor(batch->call), batch->mem, submit, &submit->base.why);
}

/* All are prepared before the first is posted: from then on the batch is the
 * engine's, and gone once the last of them is done. */
static void post_jobs(struct batch *batch)
{
    size_t count = batch->request->n_jobs;

    for (size_t i = 0; i < count; i++) {
        batch->jobs[i].result = prepare_job(batch, &batch->jobs[i], batch->request->jobs[i]);
        batch->jobs[i].posted = batch->jobs[i].result == OK;
        batch->waiting += batch->jobs[i].posted;
    }
    if (batch->waiting == 0) {
        call_post(batch->call, &batch->answer);
        return;
    }
    for (size_t i = 0, left = batch->waiting; left > 0; i++) {
        if (!batch->jobs[i].posted)
            continue;
        left--;
        engine_post(batch->methods->engine, &batch->jobs[i].submit.base);
    }
}

static enum err check_count(const Sync__V1__QueueJobsRequest *request, struct why *why)
{
    if (request->n_jobs == 0 || request->n_jobs > JOBS_MAX)
        return refuse_field(why, "jobs", "must be 1 to %d jobs", JOBS_MAX);
    return OK;
}

static struct batch *batch_new(struct rpc_call *call, struct methods *methods,
                               const Sync__V1__QueueJobsRequest *request, struct bytes org)
{
    struct arena *mem = arena_new(BATCH_MEMORY_BYTES_MAX);
    struct batch *batch = mem != NULL ? arena_alloc(mem, sizeof *batch) : NULL;

    if (batch != NULL)
        batch->jobs = arena_alloc(mem, request->n_jobs * sizeof *batch->jobs);
    if (batch == NULL || batch->jobs == NULL) {
        arena_free(mem);
        return NULL;
    }
    batch->call = call_hold(call);
    batch->methods = methods;
    batch->request = request;
    batch->mem = mem;
    batch->org = org;
    batch->answer.run = answer;
    return batch;
}

METHOD_START(queue_jobs)
{
    const Sync__V1__QueueJobsRequest *jobs = (const void *)request;
    struct batch *batch;
    struct bytes org;
    struct why why;
    enum err e = org_of_call(call, request, &org, &why);

    if (e == OK)
        e = check_count(jobs, &why);
    if (e != OK) {
        call_fail_err(call, e, &why);
        return;
    }
    batch = batch_new(call, context, jobs, org);
    if (batch == NULL)
        method_fail_full(call);
    else
        post_jobs(batch);
}
