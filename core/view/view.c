#include "core/view.h"

#include "core/board.h"
#include "core/store/key.h"
#include "core/store/record.h"

#include <stdlib.h>
#include <string.h>

/* Lists and look-ups on a snapshot. Runs lie in three families by phase; a list
 * walks them from their newest ends at once and takes the newer of them each
 * time. */

enum {
    LOOKS_MAX = 10000,
    SCAN_CHUNK = 64,
    CHUNK_BYTES_MAX = 16 << 20,     /* far above what so many records can have */
    LOOK_BYTES_MAX = 4 << 20,       /* one run with its specification */
};

_Static_assert(2 * (DATA_SIZE_MAX + CHECKPOINT_SIZE_MAX) < LOOK_BYTES_MAX,
               "the largest job can be looked at");

static enum err too_large(struct why *why)
{
    return err_because(why, ERR_LIMIT, "the answer is too large: ask for a smaller page");
}

static enum err load_org(struct view *view, struct bytes org, struct org_record *record,
                         struct counters *counters, struct org_place *place, struct why *why)
{
    struct bytes value;
    struct key key;
    enum err e;

    if (org.size == 0 || org.size > NAME_SIZE_MAX)
        return err_field(why, "orgid", "orgid must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    key = key_org(org);
    e = view->reader->ops->get(view->reader, FAMILY_ORG, key_bytes(&key), view->mem, &value, why);
    if (e == OK)
        e = record_read_org(value, view->mem, record, why);
    if (e != OK)
        return e;
    *place = (struct org_place){ key_slot(org), record->number };
    key = key_of_org(*place);
    *counters = (struct counters){ .queued = 0 };
    e = view->reader->ops->get(view->reader, FAMILY_COUNTERS, key_bytes(&key), view->mem, &value, why);
    if (e == ERR_NOT_FOUND)
        return OK;
    return e == OK ? record_read_counters(value, view->mem, counters, why) : e;
}

static struct org_view org_view_of(struct bytes id, const struct org_record *record,
                                   const struct counters *c)
{
    return (struct org_view){
        .id = id,
        .name = record->name,
        .created_at_ms = record->created_at_ms,
        .last_sync_ms = c->last_sync_ms,
        .limits = { record->max_active, record->max_queued, record->max_requests_per_second,
                    record->weight, record->keep_completed_ms, record->keep_failed_ms,
                    record->keep_runs },
        .active = c->active,
        .queued = c->queued,
        .scheduled = c->scheduled,
        .paused = c->paused,
        .completed = c->completed,
        .failed = c->failed,
        .cancelled = c->cancelled,
    };
}

enum err view_org(struct view *view, struct bytes org, struct org_view *out, struct why *why)
{
    struct org_record record;
    struct counters counters;
    struct org_place place;
    enum err e = load_org(view, org, &record, &counters, &place, why);

    if (e == ERR_NOT_FOUND)
        return err_because(why, ERR_NOT_FOUND, "there is no such organisation");
    if (e == OK)
        *out = org_view_of(org, &record, &counters);
    return e;
}

/* Keys of an index that carry no organisation are collected first and looked up
 * afterwards: scans may not nest. */
struct names {
    struct arena *mem;
    size_t skip;             /* bytes of the key before the name */
    struct bytes after;
    struct bytes *list;
    uint32_t count, max, looks;
    bool by_slot;            /* org ids: ordered only inside a slot */
};

/* Keeps the `max` least names behind `after`, sorted. */
static bool visit_name(void *ctx, struct bytes key, struct bytes value)
{
    struct names *names = ctx;
    struct bytes name = bytes_of(key.data + names->skip, key.size - names->skip);
    uint32_t i;

    (void)value;
    if (bytes_compare(name, names->after) <= 0)
        return true;
    if (names->count == names->max) {
        if (!names->by_slot)
            return false;
        if (bytes_compare(name, names->list[names->count - 1]) >= 0)
            return true;
        names->count--;
    }
    name.data = arena_copy(names->mem, name.data, name.size);
    if (name.data == NULL)
        return false;
    for (i = names->count++; i > 0 && bytes_compare(name, names->list[i - 1]) < 0; i--)
        names->list[i] = names->list[i - 1];
    names->list[i] = name;
    return true;
}

enum err view_orgs(struct view *view, struct bytes after, uint32_t max, struct org_view **orgs,
                   uint32_t *count, struct why *why)
{
    struct names names = { .mem = view->mem, .skip = 1, .after = after, .max = max, .by_slot = true };
    struct store_range range = { .family = FAMILY_ORG };
    enum err e;

    names.list = arena_alloc(view->mem, max * sizeof *names.list + 1);
    *orgs = arena_alloc(view->mem, max * sizeof **orgs + 1);
    *count = 0;
    if (names.list == NULL || *orgs == NULL)
        return too_large(why);
    e = view->reader->ops->scan(view->reader, &range, visit_name, &names, why);
    for (uint32_t i = 0; i < names.count && e == OK; i++)
        e = view_org(view, names.list[i], &(*orgs)[(*count)++], why);
    return e;
}

static enum err get_run_record(struct view *view, struct org_place place, uint32_t epoch, run_id id,
                               struct bytes *value, struct why *why)
{
    static const enum store_family families[] = { FAMILY_ACTIVE, FAMILY_WAITING, FAMILY_ENDED };
    enum err e = ERR_NOT_FOUND;

    for (int i = 0; i < 3 && e == ERR_NOT_FOUND; i++) {
        struct key key = families[i] == FAMILY_ENDED ? key_ended(place, epoch, id) : key_run(place, id);

        e = view->reader->ops->get(view->reader, families[i], key_bytes(&key), view->mem, value, why);
    }
    return e;
}

static enum err load_sync(struct view *view, struct org_place place, struct bytes name,
                          struct sync_record *sync, struct why *why)
{
    struct key key = key_name(place, name);
    struct bytes value;
    enum err e = view->reader->ops->get(view->reader, FAMILY_SYNC, key_bytes(&key), view->mem, &value, why);

    return e == OK ? record_read_sync(value, view->mem, sync, why) : e;
}

static enum err load_schedule(struct view *view, struct org_place place, struct bytes name,
                              struct schedule_record *schedule, struct why *why)
{
    struct key key = key_name(place, name);
    struct bytes value;
    enum err e = view->reader->ops->get(view->reader, FAMILY_SCHEDULE, key_bytes(&key), view->mem, &value, why);

    return e == OK ? record_read_schedule(value, view->mem, schedule, why) : e;
}

/* The run that it waits for, if it waits for one. */
static enum err look_at_head(struct view *view, struct org_place place, run_id id,
                             const struct sync_record *sync, struct board_history *history,
                             struct why *why)
{
    struct bytes record;
    struct run *head;
    enum err e;

    if (!history->earlier_run || sync->head_run == 0)
        return OK;
    head = arena_alloc(view->mem, sizeof *head);
    if (head == NULL)
        return too_large(why);
    e = get_run_record(view, place, 0, sync->head_run, &record, why);
    if (e == OK)
        e = record_read_run(record, view->mem, head, why);
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    history->head_id = sync->head_run;
    history->head = head;
    history->place = board_place_in_line(id, sync->head_run, sync->latest_run, sync->behind);
    return OK;
}

/* What holds it back, what the board knows, and its schedule's next runs. */
static enum err estimate(struct view *view, struct org_place place, const struct counters *counters,
                         uint32_t max_active, uint32_t weight, struct run_info *info, struct why *why)
{
    struct schedule_record schedule;
    struct sync_record sync = { .head_run = 0 };
    struct board_history history;
    enum err e;

    if (run_is_ended(info->run.state) || view->board == NULL)
        return OK;
    e = load_sync(view, place, info->spec.name, &sync, why);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    history = (struct board_history){
        .durations_ms = sync.durations_ms,
        .count = sync.duration_count,
        .sync_paused = sync.paused,
        .earlier_run = sync.head_run != info->id && info->run.order != 0,
        .at_limit = max_active != 0 && counters->active >= max_active,
        .max_active = max_active,
        .weight = weight,
        .active = counters->active,
    };
    e = look_at_head(view, place, info->id, &sync, &history, why);
    if (e != OK)
        return e;
    board_estimate(view->board, info, &history);
    if (!sync.scheduled)
        return OK;
    e = load_schedule(view, place, info->spec.name, &schedule, why);
    if (e == OK)
        memcpy(info->next_runs_ms, schedule.next_runs_ms, sizeof info->next_runs_ms);
    return e == ERR_NOT_FOUND ? OK : e;
}

static enum err read_spec(struct view *view, struct org_place place, run_id id,
                          struct run_spec *spec, struct why *why)
{
    struct key key = key_run(place, id);
    struct bytes value;
    enum err e = view->reader->ops->get(view->reader, FAMILY_SPEC, key_bytes(&key), view->mem,
                                        &value, why);

    return e == OK ? record_read_spec(value, view->mem, spec, why) : e;
}

static enum err read_info(struct view *view, struct bytes org, struct org_place place, run_id id,
                          struct bytes record, struct run_info *info, struct why *why)
{
    enum err e;

    *info = (struct run_info){ .id = id, .org = org };
    e = record_read_run(record, view->mem, &info->run, why);
    return e == OK ? read_spec(view, place, id, &info->spec, why) : e;
}

enum err view_complete(struct view *view, struct run_info *info, struct why *why)
{
    struct org_record record;
    struct counters counters;
    struct org_place place;
    enum err e = load_org(view, info->org, &record, &counters, &place, why);

    if (e == OK)
        e = read_spec(view, place, info->id, &info->spec, why);
    if (e == OK)
        e = estimate(view, place, &counters, record.max_active, record.weight, info, why);
    return e == ERR_NOT_FOUND ? OK : e;
}

enum err view_run(struct view *view, struct bytes org, run_id id, struct run_info *info,
                  struct why *why)
{
    struct org_record record;
    struct counters counters;
    struct org_place place;
    struct bytes value;
    enum err e = load_org(view, org, &record, &counters, &place, why);

    if (e == OK)
        e = get_run_record(view, place, counters.purge_epoch, id, &value, why);
    if (e == OK)
        e = read_info(view, org, place, id, value, info, why);
    if (e == ERR_NOT_FOUND) {
        char text[RUN_ID_TEXT_SIZE];

        run_id_write(id, text);
        return err_because(why, ERR_NOT_FOUND, "there is no job %s", text);
    }
    return e == OK ? estimate(view, place, &counters, record.max_active, record.weight, info, why) : e;
}

/* One family's runs of an organisation, newest first, a chunk at a time. */
struct stream {
    enum store_family family;
    struct key from;                 /* the organisation's first key */
    struct key to;                   /* behind what is still to be read */
    struct arena *mem;               /* its own, of the present chunk */
    struct {
        run_id id;
        struct bytes record;
    } items[SCAN_CHUNK];
    unsigned count, next;
    bool ended, full;
};

static bool visit_item(void *ctx, struct bytes key, struct bytes value)
{
    struct stream *s = ctx;

    if (s->count == SCAN_CHUNK) {
        s->ended = false;
        return false;
    }
    s->items[s->count].id = key_run_read(key);
    s->items[s->count].record = bytes_of(arena_copy(s->mem, value.data, value.size), value.size);
    if (s->items[s->count].record.data == NULL) {
        s->full = true;
        return false;
    }
    s->count++;
    return true;
}

static enum err stream_fill(struct view *view, struct stream *s, struct org_place place,
                            uint32_t epoch, struct why *why)
{
    struct store_range range = { s->family, key_bytes(&s->from), key_bytes(&s->to), STORE_BACKWARD };
    enum err e;

    if (s->next < s->count || s->ended)
        return OK;
    s->next = s->count = 0;
    s->ended = true;
    arena_reset(s->mem);
    e = view->reader->ops->scan(view->reader, &range, visit_item, s, why);
    if (e == OK && s->full)
        return too_large(why);
    if (s->count > 0) {
        run_id last = s->items[s->count - 1].id;

        s->to = s->family == FAMILY_ENDED ? key_ended(place, epoch, last) : key_run(place, last);
    }
    return e;
}

static bool stream_open(struct stream *s, enum store_family family, struct org_place place,
                        uint32_t epoch, run_id before)
{
    *s = (struct stream){ .family = family, .mem = arena_new(CHUNK_BYTES_MAX) };
    s->from = family == FAMILY_ENDED ? key_ended_epoch(place, epoch) : key_of_org(place);
    if (before == 0)
        s->to = key_after(&s->from);
    else
        s->to = family == FAMILY_ENDED ? key_ended(place, epoch, before) : key_run(place, before);
    return s->mem != NULL;
}

static bool matches_all(const struct run_filter *filter)
{
    return filter->shown_as == NULL && filter->name.size == 0 && filter->type == RUN_TYPE_NONE
        && filter->since_ms == 0 && filter->until_ms == 0;
}

static bool matches(const struct run_filter *filter, const struct run_info *info)
{
    const struct run *run = &info->run;

    return (filter->shown_as == NULL || strcmp(filter->shown_as, run_state_shown(run->state)) == 0)
        && (filter->name.size == 0 || bytes_equal(filter->name, info->spec.name))
        && (filter->type == RUN_TYPE_NONE || filter->type == info->spec.type)
        && (filter->since_ms == 0 || run->queued_at_ms >= filter->since_ms)
        && (filter->until_ms == 0 || run->queued_at_ms < filter->until_ms);
}

struct listing {
    struct view *view;
    struct bytes org;
    struct org_place place;
    struct counters counters;
    uint32_t max_active, weight;
    struct stream *streams;
    unsigned stream_count;
    struct arena *scratch;           /* what is looked at, and perhaps passed over */
};

/* The newest item that is left over all streams; NULL at the end. */
static enum err next_item(struct listing *list, struct stream **out, struct why *why)
{
    *out = NULL;
    for (unsigned i = 0; i < list->stream_count; i++) {
        struct stream *s = &list->streams[i];
        enum err e = stream_fill(list->view, s, list->place, list->counters.purge_epoch, why);

        if (e != OK)
            return e;
        if (s->next < s->count
            && (*out == NULL || s->items[s->next].id > (*out)->items[(*out)->next].id))
            *out = s;
    }
    return OK;
}

/* Whether the run is one to show; only then it costs the answer memory. */
static enum err look(struct listing *list, const struct run_filter *filter, run_id id,
                     struct bytes record, bool *shown, struct why *why)
{
    struct view view = *list->view;
    struct run_info info;
    enum err e;

    *shown = matches_all(filter);
    if (*shown)
        return OK;
    arena_reset(list->scratch);
    view.mem = list->scratch;
    e = read_info(&view, list->org, list->place, id, record, &info, why);
    *shown = e == OK && matches(filter, &info);
    return e;
}

static enum err list_runs(struct listing *list, const struct run_filter *filter, uint32_t max,
                          struct run_info *runs, uint32_t *count, run_id *next, struct why *why)
{
    for (unsigned looks = 0;; looks++) {
        struct run_info info;
        struct bytes record;
        struct stream *s;
        bool shown;
        run_id id;
        enum err e = next_item(list, &s, why);

        if (e != OK || s == NULL)
            return e;
        id = s->items[s->next].id;
        if (*count == max || looks == LOOKS_MAX) {
            *next = id + 1;      /* `before` this comes id itself */
            return OK;
        }
        record = s->items[s->next++].record;
        e = look(list, filter, id, record, &shown, why);
        if (e == OK && !shown)
            continue;
        if (e == OK)
            e = read_info(list->view, list->org, list->place, id, record, &info, why);
        if (e != OK)
            return e;
        e = estimate(list->view, list->place, &list->counters, list->max_active, list->weight,
                     &info, why);
        if (e != OK)
            return e;
        runs[(*count)++] = info;
    }
}

static bool open_streams(struct listing *list, const struct run_filter *filter)
{
    bool live = filter->live || !filter->ended, ended = filter->ended || !filter->live, opened = true;
    const enum store_family families[] = { FAMILY_WAITING, FAMILY_ACTIVE, FAMILY_ENDED };

    for (unsigned i = live ? 0 : 2; i < (ended ? 3 : 2) && opened; i++)
        opened = stream_open(&list->streams[list->stream_count++], families[i], list->place,
                             list->counters.purge_epoch, filter->before);
    list->scratch = arena_new(LOOK_BYTES_MAX);
    return opened && list->scratch != NULL;
}

static void close_streams(struct listing *list)
{
    for (unsigned i = 0; i < list->stream_count; i++)
        arena_free(list->streams[i].mem);
    arena_free(list->scratch);
}

enum err view_runs(struct view *view, struct bytes org, const struct run_filter *filter,
                   uint32_t max, struct run_info **runs, uint32_t *count, run_id *next,
                   struct why *why)
{
    struct listing list = { .view = view, .org = org };
    struct org_record record;
    enum err e = load_org(view, org, &record, &list.counters, &list.place, why);

    *count = 0;
    *next = 0;
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    list.max_active = record.max_active;
    list.weight = record.weight;
    *runs = arena_alloc(view->mem, max * sizeof **runs + 1);
    list.streams = arena_alloc(view->mem, 3 * sizeof *list.streams);
    if (*runs == NULL || list.streams == NULL)
        return too_large(why);
    if (open_streams(&list, filter))
        e = list_runs(&list, filter, max, *runs, count, next, why);
    else
        e = too_large(why);
    close_streams(&list);
    return e;
}
