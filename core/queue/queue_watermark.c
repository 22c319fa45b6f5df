#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>

/* Watermarks: how far the completed runs of a sync have covered each entity.
 * The server owns them: it fixes a run's window when the run first starts and
 * moves the marks in the very batch that completes it, forward only, and only
 * where the window joined on to what was covered. */

struct marks {
    struct queue *queue;
    struct bytes name;
    struct entity_window windows[ENTITIES_MAX];
    uint32_t count;
    enum err e;
    struct why *why;
};

static bool visit_mark(void *ctx, struct bytes key, struct bytes value)
{
    struct marks *marks = ctx;
    struct watermark_record record;

    marks->e = record_read_watermark(value, marks->queue->mem, &record, marks->why);
    if (marks->e != OK || marks->count == ENTITIES_MAX)
        return false;
    if (record.count > 0 && record.changes[0].value_ms != 0)
        marks->windows[marks->count++] = (struct entity_window){
            bytes_copy(marks->queue->mem, key_entity_read(key, marks->name)),
            record.changes[0].value_ms };
    return true;
}

static enum err load_marks(struct queue *queue, struct org *org, struct bytes name,
                           struct marks *marks, struct why *why)
{
    struct key from = key_watermarks(org->place, name), to = key_after(&from);
    struct store_range range = { FAMILY_WATERMARK, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    enum err e;

    *marks = (struct marks){ .queue = queue, .name = name, .why = why };
    e = txn_scan(queue->txn, &range, visit_mark, marks, why);
    return e != OK ? e : marks->e;
}

static void set_windows(struct queue *queue, struct run *run, const struct entity_window *windows,
                        uint32_t count, int64_t lookback_ms)
{
    run->windows = arena_alloc(queue->mem, count * sizeof *run->windows + 1);
    if (run->windows == NULL)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        run->windows[i] = windows[i];
        run->windows[i].low_ms = windows[i].low_ms > lookback_ms ? windows[i].low_ms - lookback_ms : 1;
    }
    run->window_count = count;
}

static enum run_type effective_type(const struct run_spec *spec, bool has_marks)
{
    if (spec->type != RUN_TYPE_SCHEDULED)
        return spec->type;
    if (spec->mode != RUN_TYPE_NONE)
        return spec->mode;
    return has_marks ? RUN_TYPE_INCREMENTAL : RUN_TYPE_FULL;
}

enum err watermark_open_window(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    struct run *run = &loaded->run;
    struct marks *marks = NULL;

    if (loaded->spec.type != RUN_TYPE_FULL) {
        enum err e;

        marks = arena_alloc(queue->mem, sizeof *marks);
        if (marks == NULL)
            abort();
        e = load_marks(queue, loaded->org, loaded->spec.name, marks, why);
        if (e != OK)
            return e;
    }
    run->effective_type = effective_type(&loaded->spec, marks != NULL && marks->count > 0);
    run->window_high_ms = queue->now_ms - queue->options.safety_lag_ms;
    run->generation = ++loaded->org->counters.generation;
    org_touch(queue, loaded->org);
    run->window_count = 0;
    run->windows_set = true;
    if (run->effective_type == RUN_TYPE_FULL)
        return OK;
    if (loaded->spec.updated_since_ms != 0)
        set_windows(queue, run, &(struct entity_window){ { NULL, 0 }, loaded->spec.updated_since_ms },
                    1, 0);
    else
        set_windows(queue, run, marks->windows, marks->count, queue->options.lookback_ms);
    return OK;
}

static enum err load_mark(struct queue *queue, struct org *org, struct bytes name,
                          struct bytes entity, struct watermark_record *record, struct why *why)
{
    struct key key = key_watermark(org->place, name, entity);
    struct bytes value;
    enum err e = txn_get(queue->txn, FAMILY_WATERMARK, key_bytes(&key), queue->mem, &value, why);

    record->count = 0;
    if (e == ERR_NOT_FOUND)
        return OK;
    return e == OK ? record_read_watermark(value, queue->mem, record, why) : e;
}

static void set_mark(struct queue *queue, struct org *org, struct bytes name, struct bytes entity,
                     struct watermark_record *record, int64_t value_ms, run_id run)
{
    struct key key = key_watermark(org->place, name, entity);

    if (record->count == WATERMARK_HISTORY_MAX)
        record->count--;
    for (uint32_t i = record->count; i > 0; i--)
        record->changes[i] = record->changes[i - 1];
    record->changes[0] = (struct watermark_value){ value_ms, queue->now_ms, run };
    record->count++;
    txn_put(queue->txn, FAMILY_WATERMARK, key_bytes(&key),
            record_write_watermark(record, queue->mem));
}

/* Where this run began to read the entity; 0: at the beginning of time. */
static int64_t low_of(const struct run *run, struct bytes entity)
{
    int64_t low = 0;

    for (uint32_t i = 0; i < run->window_count; i++) {
        if (bytes_equal(run->windows[i].entity, entity))
            return run->windows[i].low_ms;
        if (run->windows[i].entity.size == 0)
            low = run->windows[i].low_ms;
    }
    return low;
}

/* What stands for entities that have no mark of their own. */
static enum err mark_of_everything(struct queue *queue, const struct loaded_run *loaded,
                                   int64_t *mark, struct why *why)
{
    struct watermark_record record;
    enum err e = load_mark(queue, loaded->org, loaded->spec.name, bytes_of(NULL, 0), &record, why);

    *mark = e == OK && record.count > 0 ? record.changes[0].value_ms : 0;
    return e;
}

static enum err advance(struct queue *queue, const struct loaded_run *loaded, struct bytes entity,
                        struct why *why)
{
    int64_t low = low_of(&loaded->run, entity), high = loaded->run.window_high_ms, mark;
    struct watermark_record record;
    enum err e = load_mark(queue, loaded->org, loaded->spec.name, entity, &record, why);

    if (e != OK)
        return e;
    mark = record.count > 0 ? record.changes[0].value_ms : 0;
    if (record.count == 0 && entity.size > 0) {
        e = mark_of_everything(queue, loaded, &mark, why);
        if (e != OK)
            return e;
    }
    if (high > mark && low <= mark)
        set_mark(queue, loaded->org, loaded->spec.name, entity, &record, high, loaded->id);
    return OK;
}

enum err watermark_advance(struct queue *queue, const struct loaded_run *loaded, struct why *why)
{
    const struct run *run = &loaded->run;
    enum err e = OK;

    if (loaded->spec.narrowed)
        return OK;
    for (uint32_t i = 0; i < run->entity_count && e == OK; i++)
        if (run->entities[i].complete)
            e = advance(queue, loaded, run->entities[i].entity, why);
    /* A worker that tells nothing of entities has done what it was asked. */
    if (run->entity_count == 0)
        e = advance(queue, loaded, loaded->spec.entity, why);
    return e;
}

void handle_reset_watermark(struct queue *queue, struct request *request)
{
    struct reset_watermark_request *req = container_of(request, struct reset_watermark_request, base);
    struct marks *marks = arena_alloc(queue->mem, sizeof *marks);
    struct watermark_record record;
    struct sync_record sync;
    struct org *org;
    enum err e = org_find(queue, req->org, &org, &request->why);

    if (marks == NULL)
        abort();
    if (e == OK && !name_is_valid(req->name))
        e = err_field(&request->why, "name", "name must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    if (e == OK && req->entity.size > NAME_SIZE_MAX)
        e = err_field(&request->why, "entity", "entity is longer than %d bytes", NAME_SIZE_MAX);
    if (e == OK)
        e = audit_check_reason(req->reason, &request->why);
    if (e == OK)
        e = org_admit(queue, org, &request->why);
    if (e == OK && req->value_ms < 0)
        e = err_field(&request->why, "value", "value lies before 1970");
    if (e == OK)
        e = sync_load(queue, org, req->name, &sync, &request->why);
    if (e == OK && !sync_exists(&sync))
        e = err_because(&request->why, ERR_NOT_FOUND, "there is no sync of that name");
    if (e == OK)
        e = load_marks(queue, org, req->name, marks, &request->why);
    if (e == OK && req->entity.size > 0) {
        marks->windows[0] = (struct entity_window){ req->entity, 0 };
        marks->count = 1;
    }
    for (uint32_t i = 0; e == OK && i < marks->count; i++) {
        e = load_mark(queue, org, req->name, marks->windows[i].entity, &record, &request->why);
        if (e == OK)
            set_mark(queue, org, req->name, marks->windows[i].entity, &record, req->value_ms, 0);
    }
    if (e == OK)
        audit_add(queue, request, org, "reset_watermark", req->actor, req->name, req->reason);
    answer(queue, request, e);
}
