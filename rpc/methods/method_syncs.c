#include "rpc/methods/method.h"

/* ListSyncs, GetSync, and the two changes that answer with the sync as it is
 * afterwards: DeleteSchedule and ResetWatermark. */

enum { SCRATCH_BYTES_MAX = 16 << 20, STEP_SYNCS = 32 };

/* The overview of one run of the sync; NULL if it is gone. Its data is read
 * into scratch memory and left there. */
static enum err build_run(struct method_call *m, struct view *view, struct builder *builder,
                          run_id id, Sync__V1__Job **job)
{
    struct view scratch = *view;
    struct run_info info;
    enum err e;

    if (id == 0)
        return OK;
    scratch.mem = arena_new(SCRATCH_BYTES_MAX);
    if (scratch.mem == NULL)
        return err_because(&m->why, ERR_LIMIT, "out of memory");
    e = view_run(&scratch, m->org, id, &info, &m->why);
    if (e == OK)
        *job = build_job(builder, &info, JOB_OVERVIEW, method_now_ms(m->methods));
    arena_free(scratch.mem);
    return e == ERR_NOT_FOUND ? OK : e;
}

/* *sync stays NULL when the builder is full. */
static enum err build_whole(struct method_call *m, struct view *view, struct builder *builder,
                            const struct sync_view *sync_view, Sync__V1__Sync **sync)
{
    enum err e;

    *sync = build_sync(builder, sync_view);
    if (*sync == NULL)
        return OK;
    e = build_run(m, view, builder, sync_view->live, &(*sync)->live_job);
    return e == OK ? build_run(m, view, builder, sync_view->latest, &(*sync)->last_job) : e;
}

static enum err look_up(struct method_call *m, struct view *view, struct builder *builder,
                        const char *name, Sync__V1__Sync **sync)
{
    struct sync_view sync_view;
    enum err e = view_sync(view, m->org, bytes_of_text(name), &sync_view, &m->why);

    return e == OK ? build_whole(m, view, builder, &sync_view, sync) : e;
}

static enum err read_get(struct method_call *m, struct view *view)
{
    const Sync__V1__GetSyncRequest *request = m->request;
    struct builder builder = { .mem = m->mem };
    Sync__V1__GetSyncResponse *response;
    enum err e;

    if (request->name[0] == '\0')
        return refuse_field(&m->why, "name", "is missing: name the sync");
    response = build_message(&builder, &sync__v1__get_sync_response__descriptor);
    if (response == NULL)
        return method_respond(m, &builder, NULL);
    e = look_up(m, view, &builder, request->name, &response->sync);
    return e == OK ? method_respond(m, &builder, response) : e;
}

struct sync_list {
    struct builder builder;
    Sync__V1__ListSyncsResponse *response;
    struct bytes after; /* the last name listed, in the builder's memory */
    uint32_t max;
    bool more;
};

static enum err add_syncs(struct method_call *m, struct view *view, struct sync_list *list,
                          const struct sync_view *views, uint32_t count)
{
    Sync__V1__ListSyncsResponse *response = list->response;
    enum err e = OK;

    for (uint32_t i = 0; e == OK && i < count && !list->builder.full; i++) {
        Sync__V1__Sync *sync = NULL;

        e = build_whole(m, view, &list->builder, &views[i], &sync);
        if (sync == NULL)
            break;
        response->syncs[response->n_syncs++] = sync;
        list->after = bytes_of_text(sync->name);
    }
    return e;
}

/* The next few, in scratch memory: a sync's watermarks may be many. */
static enum err list_some(struct method_call *m, struct view *view, struct sync_list *list,
                          struct arena *scratch)
{
    struct view some = { .reader = view->reader, .board = view->board, .mem = scratch };
    uint32_t left = list->max - (uint32_t)list->response->n_syncs;
    uint32_t max = left < STEP_SYNCS ? left : STEP_SYNCS, count = 0;
    struct sync_view *views = NULL;
    enum err e;

    arena_reset(scratch);
    e = view_syncs(&some, m->org, list->after, max, &views, &count, &m->why);
    list->more = e == OK && count == max;
    if (e == ERR_NOT_FOUND)
        return OK;
    return e == OK ? add_syncs(m, view, list, views, count) : e;
}

static enum err walk_syncs(struct method_call *m, struct view *view, struct sync_list *list)
{
    struct arena *scratch = arena_new(SCRATCH_BYTES_MAX);
    enum err e = OK;

    if (scratch == NULL)
        return err_because(&m->why, ERR_LIMIT, "out of memory");
    list->more = true;
    while (e == OK && list->more && !list->builder.full && list->response->n_syncs < list->max)
        e = list_some(m, view, list, scratch);
    arena_free(scratch);
    return e;
}

static enum err read_list(struct method_call *m, struct view *view)
{
    const Sync__V1__ListSyncsRequest *request = m->request;
    struct sync_list list = { .builder = { .mem = m->mem },
                              .after = bytes_of_text(request->page_token) };
    enum err e = read_page_size(request->page_size, &list.max, &m->why);

    if (e != OK)
        return e;
    list.response = build_message(&list.builder, &sync__v1__list_syncs_response__descriptor);
    if (list.response != NULL)
        list.response->syncs = build_array(&list.builder, list.max, sizeof *list.response->syncs);
    if (list.builder.full)
        return method_respond(m, &list.builder, NULL);
    e = walk_syncs(m, view, &list);
    if (list.more)
        list.response->next_page_token = build_text(&list.builder, list.after);
    return e == OK ? method_respond(m, &list.builder, list.response) : e;
}

static enum err prepare_delete(struct method_call *m)
{
    const Sync__V1__DeleteScheduleRequest *request = m->request;
    struct delete_schedule_request *change = &m->core.delete_schedule;

    if (request->name[0] == '\0')
        return refuse_field(&m->why, "name", "is missing: name the sync");
    change->base.verb = QUEUE_DELETE_SCHEDULE;
    change->org = m->org;
    change->name = bytes_of_text(request->name);
    change->actor = bytes_of_text(call_actor(m->call));
    change->reason = bytes_of_text(request->reason);
    return OK;
}

/* What is left of a sync may be nothing but its name. */
static enum err read_after(struct method_call *m, struct view *view, struct builder *builder,
                           const char *name, Sync__V1__Sync **sync)
{
    enum err e = look_up(m, view, builder, name, sync);

    if (e != ERR_NOT_FOUND)
        return e;
    *sync = build_message(builder, &sync__v1__sync__descriptor);
    if (*sync != NULL)
        (*sync)->name = build_text(builder, bytes_of_text(name));
    return OK;
}

static enum err read_deleted(struct method_call *m, struct view *view)
{
    const Sync__V1__DeleteScheduleRequest *request = m->request;
    struct builder builder = { .mem = m->mem };
    Sync__V1__DeleteScheduleResponse *response =
        build_message(&builder, &sync__v1__delete_schedule_response__descriptor);
    enum err e;

    if (response == NULL)
        return method_respond(m, &builder, NULL);
    e = read_after(m, view, &builder, request->name, &response->sync);
    return e == OK ? method_respond(m, &builder, response) : e;
}

static enum err prepare_reset(struct method_call *m)
{
    const Sync__V1__ResetWatermarkRequest *request = m->request;
    struct reset_watermark_request *change = &m->core.reset_watermark;

    if (request->name[0] == '\0')
        return refuse_field(&m->why, "name", "is missing: name the sync");
    change->base.verb = QUEUE_RESET_WATERMARK;
    change->org = m->org;
    change->name = bytes_of_text(request->name);
    change->entity = bytes_of_text(request->entity);
    change->actor = bytes_of_text(call_actor(m->call));
    change->reason = bytes_of_text(request->reason);
    return read_time(request->value, "value", &change->value_ms, &m->why);
}

static enum err read_reset(struct method_call *m, struct view *view)
{
    const Sync__V1__ResetWatermarkRequest *request = m->request;
    struct builder builder = { .mem = m->mem };
    Sync__V1__ResetWatermarkResponse *response =
        build_message(&builder, &sync__v1__reset_watermark_response__descriptor);
    enum err e;

    if (response == NULL)
        return method_respond(m, &builder, NULL);
    e = read_after(m, view, &builder, request->name, &response->sync);
    return e == OK ? method_respond(m, &builder, response) : e;
}

METHOD_START(get_sync)
{
    static const struct method_steps steps = { .read = read_get };

    method_run(call, context, request, &steps);
}

METHOD_START(list_syncs)
{
    static const struct method_steps steps = { .read = read_list };

    method_run(call, context, request, &steps);
}

METHOD_START(delete_schedule)
{
    static const struct method_steps steps = { .prepare = prepare_delete, .read = read_deleted };

    method_run(call, context, request, &steps);
}

METHOD_START(reset_watermark)
{
    static const struct method_steps steps = { .prepare = prepare_reset, .read = read_reset };

    method_run(call, context, request, &steps);
}
