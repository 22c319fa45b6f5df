#include "rpc/methods/method.h"

/* PutOrg, GetOrg, ListOrgs: organisations and their limits. */

static const int64_t KEEP_MS_MAX = 100LL * 365 * 24 * 3600 * 1000;

static enum err read_retention(const Sync__V1__OrgLimits *limits, struct org_limits *out,
                               struct why *why)
{
    enum err e = read_duration(limits->keep_completed, "org.limits.keepCompleted", KEEP_MS_MAX,
                               &out->keep_completed_ms, why);

    out->keep_runs = limits->keep_runs;
    return e == OK ? read_duration(limits->keep_failed, "org.limits.keepFailed", KEEP_MS_MAX,
                                   &out->keep_failed_ms, why)
                   : e;
}

static enum err prepare_put(struct method_call *m)
{
    const Sync__V1__PutOrgRequest *request = m->request;
    const Sync__V1__Org *org = request->org;
    struct put_org_request *put = &m->core.put_org;

    if (org == NULL || org->id[0] == '\0')
        return refuse_field(&m->why, "org.id", "is missing: name the organisation");
    put->base.verb = QUEUE_PUT_ORG;
    put->org = bytes_of_text(org->id);
    put->name = bytes_of_text(org->name);
    put->actor = bytes_of_text(call_actor(m->call));
    if (org->limits == NULL)
        return OK;
    put->limits = (struct org_limits){
        .max_active = org->limits->max_active,
        .max_queued = org->limits->max_queued,
        .max_requests_per_second = org->limits->max_requests_per_second,
        .weight = org->limits->weight,
    };
    return read_retention(org->limits, &put->limits, &m->why);
}

static void *reply_put(struct method_call *m, struct builder *builder)
{
    const struct put_org_request *put = &m->core.put_org;
    Sync__V1__PutOrgResponse *response =
        build_message(builder, &sync__v1__put_org_response__descriptor);

    if (response != NULL)
        response->org = build_org(builder, put->org, put->name, &put->limits, put->created_at_ms);
    return response;
}

static Sync__V1__Org *build_view(struct builder *builder, const struct org_view *view)
{
    return build_org(builder, view->id, view->name, &view->limits, view->created_at_ms);
}

static enum err read_get(struct method_call *m, struct view *view)
{
    const Sync__V1__GetOrgRequest *request = m->request;
    struct builder builder = { .mem = m->mem };
    Sync__V1__GetOrgResponse *response;
    struct org_view org;
    enum err e;

    if (request->id[0] == '\0')
        return refuse_field(&m->why, "id", "is missing: name the organisation");
    e = view_org(view, bytes_of_text(request->id), &org, &m->why);
    if (e != OK)
        return e;
    response = build_message(&builder, &sync__v1__get_org_response__descriptor);
    if (response != NULL)
        response->org = build_view(&builder, &org);
    return method_respond(m, &builder, response);
}

static void *build_list(struct builder *builder, const struct org_view *orgs, uint32_t count,
                        uint32_t max)
{
    Sync__V1__ListOrgsResponse *response =
        build_message(builder, &sync__v1__list_orgs_response__descriptor);

    if (response == NULL)
        return NULL;
    if (count > 0)
        response->orgs = build_array(builder, count, sizeof *response->orgs);
    for (uint32_t i = 0; response->orgs != NULL && i < count; i++) {
        response->orgs[i] = build_view(builder, &orgs[i]);
        response->n_orgs += response->orgs[i] != NULL;
    }
    if (count == max)
        response->next_page_token = build_text(builder, orgs[count - 1].id);
    return response;
}

static enum err read_list(struct method_call *m, struct view *view)
{
    const Sync__V1__ListOrgsRequest *request = m->request;
    struct builder builder = { .mem = m->mem };
    struct org_view *orgs = NULL;
    uint32_t max, count = 0;
    enum err e = read_page_size(request->page_size, &max, &m->why);

    if (e == OK)
        e = view_orgs(view, bytes_of_text(request->page_token), max, &orgs, &count, &m->why);
    return e == OK ? method_respond(m, &builder, build_list(&builder, orgs, count, max)) : e;
}

METHOD_START(put_org)
{
    static const struct method_steps steps = { .any_org = true,
                                               .prepare = prepare_put,
                                               .reply = reply_put };

    method_run(call, context, request, &steps);
}

METHOD_START(get_org)
{
    static const struct method_steps steps = { .any_org = true, .read = read_get };

    method_run(call, context, request, &steps);
}

METHOD_START(list_orgs)
{
    static const struct method_steps steps = { .any_org = true, .read = read_list };

    method_run(call, context, request, &steps);
}
