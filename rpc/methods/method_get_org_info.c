#include "rpc/methods/method.h"
#include "rpc/methods/run_pages.h"

/* GetOrgInfo: an organisation, its counters, its live jobs and those that
 * ended last. Organisations come into being on first use, so one that is
 * unknown is one where nothing has happened. */

enum { LIVE_MAX = 200, ENDED_MAX = 50 };

struct overview {
    struct run_pages pages;
    struct builder builder;
    Sync__V1__GetOrgInfoResponse *response;
    int64_t now_ms;
};

static bool add_job(struct run_pages *pages, const struct run_info *info)
{
    struct overview *overview = container_of(pages, struct overview, pages);
    Sync__V1__GetOrgInfoResponse *response = overview->response;
    Sync__V1__Job *job = build_job(&overview->builder, info, JOB_OVERVIEW, overview->now_ms);

    if (job != NULL)
        response->sync_jobs[response->n_sync_jobs++] = job;
    return true;
}

static enum err add_jobs(struct overview *overview, struct run_filter filter, uint32_t max,
                         struct why *why)
{
    struct run_pages *pages = &overview->pages;

    pages->filter = filter;
    pages->max = max;
    pages->count = 0;
    return run_pages_walk(pages, why);
}

static enum err build_jobs(struct overview *overview, struct why *why)
{
    enum err e;

    overview->response->sync_jobs = build_array(&overview->builder, LIVE_MAX + ENDED_MAX,
                                                sizeof *overview->response->sync_jobs);
    if (overview->response->sync_jobs == NULL)
        return OK;
    e = add_jobs(overview, (struct run_filter){ .live = true }, LIVE_MAX, why);
    return e == OK ? add_jobs(overview, (struct run_filter){ .ended = true }, ENDED_MAX, why) : e;
}

static void build_head(struct overview *overview, const struct org_view *org)
{
    struct builder *builder = &overview->builder;
    Sync__V1__Organization *organization =
        build_message(builder, &sync__v1__organization__descriptor);
    Sync__V1__OrgSyncStatus *status =
        build_message(builder, &sync__v1__org_sync_status__descriptor);

    if (organization == NULL || status == NULL)
        return;
    organization->id = build_text(builder, overview->pages.org);
    organization->name = build_text(builder, org->name.size > 0 ? org->name : overview->pages.org);
    status->last_sync = build_time(builder, org->last_sync_ms);
    status->active_jobs = org->active;
    status->completed_jobs = org->completed;
    status->failed_jobs = org->failed;
    status->queued_jobs = org->queued;
    overview->response->organization = organization;
    overview->response->sync_status = status;
}

static enum err read(struct method_call *m, struct view *view)
{
    struct org_view org = { .id = m->org };
    struct overview overview = {
        .pages = { .reader = view->reader, .board = view->board, .org = m->org, .visit = add_job },
        .builder = { .mem = view->mem },
        .now_ms = method_now_ms(m->methods),
    };
    enum err e = view_org(view, m->org, &org, &m->why);

    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    overview.response =
        build_message(&overview.builder, &sync__v1__get_org_info_response__descriptor);
    if (overview.response == NULL)
        return method_respond(m, &overview.builder, NULL);
    build_head(&overview, &org);
    if (e == OK)
        e = build_jobs(&overview, &m->why);
    else
        e = OK;
    return e == OK ? method_respond(m, &overview.builder, overview.response) : e;
}

METHOD_START(get_org_info)
{
    static const struct method_steps steps = { .read = read };

    method_run(call, context, request, &steps);
}
