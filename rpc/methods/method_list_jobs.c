#include "rpc/methods/method.h"
#include "rpc/methods/run_pages.h"

/* ListJobs: a page of jobs, newest first, with everything that is known of
 * them. A page ends early where its jobs are large. */

enum { PAGE_BYTES = 2 << 20 };

struct listing {
    struct run_pages pages;
    struct builder builder;
    Sync__V1__ListJobsResponse *response;
    int64_t now_ms;
};

static enum err read_filter(const Sync__V1__ListJobsRequest *request, struct run_filter *filter,
                            struct why *why)
{
    enum err e = read_type(request->type, "type", &filter->type, why);

    if (e == OK)
        e = read_time(request->since, "since", &filter->since_ms, why);
    if (e == OK)
        e = read_time(request->until, "until", &filter->until_ms, why);
    if (e == OK)
        e = read_page_token(request->page_token, &filter->before, why);
    if (e != OK)
        return e;
    filter->name = bytes_of_text(request->name);
    if (request->status == SYNC__V1__JOB_STATUS__JOB_STATUS_UNSPECIFIED)
        return OK;
    filter->shown_as = job_status_shown(request->status);
    if (filter->shown_as == NULL)
        return refuse_field(why, "status",
                            "must be queued, scheduled, active, paused, completed, failed or "
                            "cancelled");
    return OK;
}

static bool add_job(struct run_pages *pages, const struct run_info *info)
{
    struct listing *listing = container_of(pages, struct listing, pages);
    Sync__V1__ListJobsResponse *response = listing->response;
    Sync__V1__Job *job = build_job(&listing->builder, info, JOB_FULL, listing->now_ms);

    if (job != NULL)
        response->jobs[response->n_jobs++] = job;
    return arena_used_bytes(listing->builder.mem) < PAGE_BYTES;
}

static enum err walk(struct method_call *m, struct listing *listing)
{
    Sync__V1__ListJobsResponse *response = listing->response;
    enum err e;

    response->jobs = build_array(&listing->builder, listing->pages.max, sizeof *response->jobs);
    if (response->jobs == NULL)
        return method_respond(m, &listing->builder, response);
    e = run_pages_walk(&listing->pages, &m->why);
    if (e != OK)
        return e;
    if (listing->pages.next != 0)
        response->next_page_token = build_run_id(&listing->builder, listing->pages.next);
    return method_respond(m, &listing->builder, response);
}

static enum err read(struct method_call *m, struct view *view)
{
    const Sync__V1__ListJobsRequest *request = m->request;
    struct listing listing = {
        .pages = { .reader = view->reader, .board = view->board, .org = m->org, .visit = add_job },
        .builder = { .mem = view->mem },
        .now_ms = method_now_ms(m->methods),
    };
    enum err e = read_page_size(request->page_size, &listing.pages.max, &m->why);

    if (e == OK)
        e = read_filter(request, &listing.pages.filter, &m->why);
    if (e != OK)
        return e;
    listing.response = build_message(&listing.builder, &sync__v1__list_jobs_response__descriptor);
    if (listing.response == NULL)
        return method_respond(m, &listing.builder, NULL);
    return walk(m, &listing);
}

METHOD_START(list_jobs)
{
    static const struct method_steps steps = { .read = read };

    method_run(call, context, request, &steps);
}
