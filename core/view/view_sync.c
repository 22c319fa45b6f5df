#include "core/view.h"

#include "core/store/key.h"
#include "core/store/record.h"

/* What the store knows of a sync: its definition's schedule, watermarks and
 * statistics. */

static enum err too_large(struct why *why)
{
    return err_because(why, ERR_LIMIT, "the answer is too large: ask for a smaller page");
}

static enum err get(struct view *view, enum store_family family, const struct key *key,
                    struct bytes *value, struct why *why)
{
    return view->reader->ops->get(view->reader, family, key_bytes(key), view->mem, value, why);
}

static enum err find_place(struct view *view, struct bytes org, struct org_place *place,
                           struct why *why)
{
    struct org_record record;
    struct bytes value;
    struct key key;
    enum err e;

    if (org.size == 0 || org.size > NAME_SIZE_MAX)
        return err_field(why, "orgid", "orgid must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    key = key_org(org);
    e = get(view, FAMILY_ORG, &key, &value, why);
    if (e == OK)
        e = record_read_org(value, view->mem, &record, why);
    if (e == OK)
        *place = (struct org_place){ key_slot(org), record.number };
    return e;
}

struct mark_list {
    struct arena *mem;
    struct bytes name;
    struct watermark_view *views;
    uint32_t count, room;
    enum err e;
    struct why *why;
};

static bool visit_mark(void *ctx, struct bytes key, struct bytes value)
{
    struct mark_list *list = ctx;
    struct bytes entity = key_entity_read(key, list->name);
    struct watermark_view *mark = &list->views[list->count];
    struct watermark_record record;

    if (list->count == list->room)
        return false;
    list->e = record_read_watermark(value, list->mem, &record, list->why);
    if (list->e != OK)
        return false;
    mark->entity = bytes_of(arena_copy(list->mem, entity.data, entity.size), entity.size);
    mark->count = record.count;
    for (uint32_t i = 0; i < record.count; i++)
        mark->changes[i] = (struct watermark_change){ record.changes[i].value_ms,
                                                      record.changes[i].at_ms, record.changes[i].run };
    list->count++;
    return true;
}

static bool visit_count(void *ctx, struct bytes key, struct bytes value)
{
    uint32_t *count = ctx;

    (void)key;
    (void)value;
    return ++*count < ENTITIES_MAX;
}

static enum err read_marks(struct view *view, struct org_place place, struct bytes name,
                           struct sync_view *out, struct why *why)
{
    struct key from = key_watermarks(place, name), to = key_after(&from);
    struct store_range range = { FAMILY_WATERMARK, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    struct mark_list *list = arena_alloc(view->mem, sizeof *list);
    enum err e;

    if (list == NULL)
        return too_large(why);
    *list = (struct mark_list){ .mem = view->mem, .name = name, .why = why };
    e = view->reader->ops->scan(view->reader, &range, visit_count, &list->room, why);
    if (e != OK)
        return e;
    list->views = arena_alloc(view->mem, list->room * sizeof *list->views + 1);
    if (list->views == NULL)
        return too_large(why);
    e = view->reader->ops->scan(view->reader, &range, visit_mark, list, why);
    out->watermarks = list->views;
    out->watermark_count = list->count;
    return e != OK ? e : list->e;
}

static enum err read_schedule(struct view *view, struct org_place place, struct bytes name,
                              struct sync_view *out, struct why *why)
{
    struct key key = key_name(place, name);
    struct schedule_record schedule;
    struct bytes value;
    enum err e = get(view, FAMILY_SCHEDULE, &key, &value, why);

    if (e == ERR_NOT_FOUND)
        return OK;
    if (e == OK)
        e = record_read_schedule(value, view->mem, &schedule, why);
    if (e != OK)
        return e;
    out->has_schedule = true;
    out->schedule = schedule.rule;
    out->skipped = schedule.skipped;
    memcpy(out->skipped_by, schedule.skipped_by, sizeof out->skipped_by);
    memcpy(out->next_runs_ms, schedule.next_runs_ms, sizeof out->next_runs_ms);
    return OK;
}

static int64_t mean(const int64_t *values, uint32_t count)
{
    int64_t sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += values[i];
    return count > 0 ? sum / count : 0;
}

static enum err read_sync(struct view *view, struct org_place place, struct bytes name,
                          struct sync_view *out, struct why *why)
{
    struct key key = key_name(place, name);
    struct sync_record sync;
    struct bytes value;
    enum err e = get(view, FAMILY_SYNC, &key, &value, why);

    if (e == OK)
        e = record_read_sync(value, view->mem, &sync, why);
    if (e != OK)
        return e;
    *out = (struct sync_view){
        .name = name,
        .paused = sync.paused,
        .completed = sync.completed,
        .failed = sync.failed,
        .cancelled = sync.cancelled,
        .mean_duration_ms = mean(sync.durations_ms, sync.duration_count),
        .last_completed_at_ms = sync.last_completed_at_ms,
        .live = sync.head_run,
        .latest = sync.latest_run,
    };
    e = read_schedule(view, place, name, out, why);
    return e == OK ? read_marks(view, place, name, out, why) : e;
}

enum err view_sync(struct view *view, struct bytes org, struct bytes name, struct sync_view *out,
                   struct why *why)
{
    struct org_place place;
    enum err e = OK;

    if (name.size == 0 || name.size > NAME_SIZE_MAX)
        return err_field(why, "name", "name must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    e = find_place(view, org, &place, why);
    if (e == OK)
        e = read_sync(view, place, name, out, why);
    if (e == ERR_NOT_FOUND)
        return err_because(why, ERR_NOT_FOUND, "there is no sync named %.*s", (int)name.size,
                           (const char *)name.data);
    return e;
}

struct name_list {
    struct arena *mem;
    struct bytes after, *names;
    uint32_t count, max;
};

static bool visit_name(void *ctx, struct bytes key, struct bytes value)
{
    struct name_list *list = ctx;
    struct bytes name = key_name_read(key);

    (void)value;
    if (bytes_equal(name, list->after))
        return true;
    if (list->count == list->max)
        return false;
    name.data = arena_copy(list->mem, name.data, name.size);
    if (name.data == NULL)
        return false;
    list->names[list->count++] = name;
    return true;
}

enum err view_syncs(struct view *view, struct bytes org, struct bytes after, uint32_t max,
                    struct sync_view **syncs, uint32_t *count, struct why *why)
{
    struct name_list list = { .mem = view->mem, .after = after, .max = max };
    struct store_range range = { .family = FAMILY_SYNC };
    struct org_place place;
    struct key from, prefix, to;
    enum err e;

    *count = 0;
    if (after.size > NAME_SIZE_MAX)
        return err_field(why, "pageToken", "pageToken is none that was given out");
    e = find_place(view, org, &place, why);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    prefix = key_of_org(place);
    from = key_name(place, after);
    to = key_after(&prefix);
    range.from = key_bytes(&from);
    range.to = key_bytes(&to);
    list.names = arena_alloc(view->mem, max * sizeof *list.names + 1);
    *syncs = arena_alloc(view->mem, max * sizeof **syncs + 1);
    if (list.names == NULL || *syncs == NULL)
        return too_large(why);
    e = view->reader->ops->scan(view->reader, &range, visit_name, &list, why);
    for (uint32_t i = 0; i < list.count && e == OK; i++)
        e = read_sync(view, place, list.names[i], &(*syncs)[(*count)++], why);
    return e;
}
