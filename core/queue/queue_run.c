#include "core/queue/queue_state.h"


#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Loading a run, and the one way to store it again: its record moves to the
 * family of its phase, and counters, ready order, lease and watchers follow. */

struct bytes bytes_copy(struct arena *mem, struct bytes bytes)
{
    void *copy = arena_copy(mem, bytes.data, bytes.size);

    if (copy == NULL)
        abort();
    return bytes_of(copy, bytes.size);
}

static enum store_family family_of(enum run_state state)
{
    if (run_is_leased(state))
        return FAMILY_ACTIVE;
    return run_is_ended(state) ? FAMILY_ENDED : FAMILY_WAITING;
}

static struct key key_of(const struct org *org, run_id id, enum store_family family)
{
    return family == FAMILY_ENDED ? key_ended(org->place, org->counters.purge_epoch, id)
                                  : key_run(org->place, id);
}

static enum err get_record(struct queue *queue, struct org *org, run_id id,
                           const struct lease *lease, struct bytes *value, struct why *why)
{
    static const enum store_family families[] = { FAMILY_ACTIVE, FAMILY_WAITING, FAMILY_ENDED };
    enum err e = ERR_NOT_FOUND;

    if (lease != NULL && lease->record.data != NULL) {
        *value = bytes_of(lease->record.data, lease->record.size);
        return OK;
    }
    for (int i = lease != NULL ? 0 : 1; i < (lease != NULL ? 1 : 3) && e == ERR_NOT_FOUND; i++) {
        struct key key = key_of(org, id, families[i]);

        e = txn_get(queue->txn, families[i], key_bytes(&key), queue->mem, value, why);
    }
    if (e == ERR_NOT_FOUND) {
        char text[RUN_ID_TEXT_SIZE];

        run_id_write(id, text);
        return err_because(why, ERR_NOT_FOUND, "there is no job %s", text);
    }
    return e;
}

static enum err get_spec(struct queue *queue, struct org *org, run_id id, struct lease *lease,
                         struct run_spec *spec, struct why *why)
{
    struct key key = key_run(org->place, id);
    struct bytes value;
    enum err e;

    if (lease != NULL && lease->spec.data != NULL)
        return record_read_spec(bytes_of(lease->spec.data, lease->spec.size), queue->mem, spec, why);
    e = txn_get(queue->txn, FAMILY_SPEC, key_bytes(&key), queue->mem, &value, why);
    if (e == ERR_NOT_FOUND)
        return err_because(why, ERR_CORRUPT, "a job has lost its specification");
    if (e == OK)
        e = record_read_spec(value, queue->mem, spec, why);
    if (e == OK && lease != NULL)
        lease_remember_spec(queue, lease, spec);
    return e;
}

enum err run_load(struct queue *queue, struct org *org, run_id id, struct loaded_run *loaded,
                  struct why *why)
{
    struct lease *lease = lease_find(queue, id);
    struct bytes value;
    enum err e;

    if (lease != NULL && lease->org != org)
        lease = NULL;      /* ids are guessable: another organisation's run is not there */
    e = get_record(queue, org, id, lease, &value, why);
    *loaded = (struct loaded_run){ .org = org, .id = id };
    if (e == OK)
        e = record_read_run(value, queue->mem, &loaded->run, why);
    if (e == OK)
        e = get_spec(queue, org, id, lease, &loaded->spec, why);
    if (e != OK)
        return e;
    loaded->stored = loaded->run.state;
    loaded->stored_ready = loaded->run.ready;
    loaded->stored_entry = (struct lane_entry){ loaded->run.head, loaded->run.order, id };
    return OK;
}

static void lease_ended(struct queue *queue, struct loaded_run *loaded)
{
    struct lease *lease = lease_find(queue, loaded->id);
    int64_t worked = queue->now_ms - loaded->run.leased_at_ms;

    assert(lease != NULL);
    loaded->run.worked_ms += worked > 0 ? worked : 0;    /* the wall clock may have been set back */
    lease_drop(queue, lease);
    effect_add(queue, EFFECT_UNLEASED)->run = loaded->id;
}

static void publish(struct queue *queue, const struct loaded_run *loaded)
{
    struct effect *effect;

    if (!queue->watched) {
        queue->changed_unseen = true;
        return;
    }
    effect = effect_add(queue, EFFECT_CHANGED);
    effect->info = arena_alloc(queue->mem, sizeof *effect->info);
    if (effect->info == NULL)
        abort();
    *effect->info = (struct run_info){ .id = loaded->id,
                                       .org = org_id(loaded->org),
                                       .spec = loaded->spec,
                                       .run = loaded->run };
}

void run_save(struct queue *queue, struct loaded_run *loaded)
{
    enum run_state from = loaded->stored, to = loaded->run.state;
    enum store_family old = family_of(from), new = family_of(to);
    struct key key = key_of(loaded->org, loaded->id, new);
    struct bytes record;

    if (run_is_leased(from) && !run_is_leased(to))
        lease_ended(queue, loaded);
    else if (run_is_leased(from))
        lease_set_directive(queue, lease_find(queue, loaded->id), directive_of(queue, to));
    if (run_is_ended(from) && !run_is_ended(to))
        history_leave(loaded);
    if (loaded->stored_ready && !loaded->run.ready)
        ready_remove(queue, loaded);
    if (from != RUN_NONE && old != new) {
        struct key old_key = key_of(loaded->org, loaded->id, old);

        txn_erase(queue->txn, old, key_bytes(&old_key));
    }
    record = record_write_run(&loaded->run, queue->mem);
    txn_put(queue->txn, new, key_bytes(&key), record);
    if (run_is_leased(to))
        lease_remember(lease_find(queue, loaded->id), record);
    org_count(queue, loaded->org, from, to);
    loaded->stored = to;
    loaded->stored_ready = loaded->run.ready;
    loaded->stored_entry = (struct lane_entry){ loaded->run.head, loaded->run.order, loaded->id };
    publish(queue, loaded);
}

/* A run that has ended leaves its name's line and its checkpoint behind. */
enum err run_ended(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    struct run *run = &loaded->run;
    struct effect *completed;    /* before its lease is gone */
    struct sync_record sync;
    enum err e = sync_load(queue, loaded->org, loaded->spec.name, &sync, why);

    if (e != OK)
        return e;
    assert(run_is_ended(run->state));
    run->ended_at_ms = queue->now_ms;
    run->paused_at_ms = 0;
    if (run->state == RUN_COMPLETED) {
        struct key key = key_run(loaded->org->place, loaded->id);

        if (run->checkpointed)
            txn_erase(queue->txn, FAMILY_CHECKPOINT, key_bytes(&key));
        run->checkpointed = false;
        sync.completed++;
        sync.last_completed_at_ms = queue->now_ms;
        loaded->org->counters.last_sync_ms = queue->now_ms;
    } else if (run->state == RUN_FAILED) {
        sync.failed++;
    } else {
        sync.cancelled++;
    }
    sync.last_ended_run = loaded->id;
    e = history_add(queue, loaded, &sync, why);
    if (e != OK)
        return e;
    completed = run->state == RUN_COMPLETED ? effect_add(queue, EFFECT_COMPLETED) : NULL;
    run_save(queue, loaded);
    if (completed != NULL) {
        completed->org = bytes_copy(queue->mem, org_id(loaded->org));
        completed->run = loaded->id;
        completed->worked_ms = run->worked_ms;
        if (sync.duration_count == DURATIONS_MAX) {
            memmove(sync.durations_ms, sync.durations_ms + 1,
                    (DURATIONS_MAX - 1) * sizeof sync.durations_ms[0]);
            sync.duration_count--;
        }
        sync.durations_ms[sync.duration_count++] = run->worked_ms;
    }
    e = sync_leave(queue, loaded, &sync, why);
    sync_settle(&sync);
    if (e == OK)
        sync_save(queue, loaded->org, loaded->spec.name, &sync);
    return e;
}

/* A run that is queued again (given back, resumed, its backoff over) and still
 * has its place in its name's line. */
enum err run_put_back(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    struct sync_record sync;
    enum err e = sync_load(queue, loaded->org, loaded->spec.name, &sync, why);

    if (e != OK)
        return e;
    assert(loaded->run.state == RUN_QUEUED);
    sync_make_ready(queue, loaded, &sync);
    run_save(queue, loaded);
    return OK;
}

void run_set_action(struct queue *queue, struct run *run, struct bytes actor, struct bytes reason)
{
    run->action = (struct action){ actor, reason, queue->now_ms };
}

int32_t run_percent(const struct entity_progress *entities, uint32_t count)
{
    double done = 0, total = 0;
    int32_t percent;

    for (uint32_t i = 0; i < count; i++) {
        if (!entities[i].total_known)
            return -1;
        total += (double)entities[i].total;
        done += entities[i].done < entities[i].total ? (double)entities[i].done
                                                     : (double)entities[i].total;
    }
    if (total <= 0)
        return -1;
    percent = (int32_t)(100 * done / total);
    return percent > 99 ? 99 : percent;    /* 100 is for what is completed */
}

void run_take_progress(struct loaded_run *loaded, const struct entity_progress *entities,
                       uint32_t count, struct arena *mem)
{
    struct run *run = &loaded->run;
    int32_t percent;

    if (count == 0)
        return;
    run->entities = arena_alloc(mem, count * sizeof *run->entities);
    if (run->entities == NULL)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        run->entities[i] = entities[i];
        run->entities[i].entity = bytes_copy(mem, entities[i].entity);
    }
    run->entity_count = count;
    percent = run_percent(run->entities, count);
    if (percent > run->progress)    /* never falls inside a generation */
        run->progress = percent;
}

static struct bytes copy_to(struct arena *mem, struct bytes bytes, bool *fits)
{
    void *copy = bytes.size > 0 ? arena_copy(mem, bytes.data, bytes.size) : NULL;

    if (bytes.size > 0 && copy == NULL)
        *fits = false;
    return bytes_of(copy, copy != NULL ? bytes.size : 0);
}

static void copy_spec(struct arena *mem, struct run_spec *spec, bool *fits)
{
    spec->name = copy_to(mem, spec->name, fits);
    spec->source = copy_to(mem, spec->source, fits);
    spec->target = copy_to(mem, spec->target, fits);
    spec->entity = copy_to(mem, spec->entity, fits);
    spec->data = copy_to(mem, spec->data, fits);
    spec->queued_by = copy_to(mem, spec->queued_by, fits);
    spec->schedule.timezone = copy_to(mem, spec->schedule.timezone, fits);
    spec->schedule.cron = copy_to(mem, spec->schedule.cron, fits);
}

static void copy_run(struct arena *mem, struct run *run, bool *fits)
{
    struct entity_progress *entities = run->entities;
    struct entity_window *windows = run->windows;

    run->worker = copy_to(mem, run->worker, fits);
    run->error = copy_to(mem, run->error, fits);
    run->action.actor = copy_to(mem, run->action.actor, fits);
    run->action.reason = copy_to(mem, run->action.reason, fits);
    run->entities = arena_alloc(mem, run->entity_count * sizeof *entities + 1);
    run->windows = arena_alloc(mem, run->window_count * sizeof *windows + 1);
    if (run->entities == NULL || run->windows == NULL) {
        *fits = false;
        return;
    }
    for (uint32_t i = 0; i < run->entity_count; i++) {
        run->entities[i] = entities[i];
        run->entities[i].entity = copy_to(mem, entities[i].entity, fits);
    }
    for (uint32_t i = 0; i < run->window_count; i++) {
        run->windows[i] = windows[i];
        run->windows[i].entity = copy_to(mem, windows[i].entity, fits);
    }
}

/* An answer that does not fit into its arena is cut to what always does: the
 * change itself must not fail for it. */
bool run_fill_info(struct queue *queue, const struct loaded_run *loaded, struct arena *mem,
                   struct run_info *info)
{
    bool fits = true;

    (void)queue;
    *info = (struct run_info){ .id = loaded->id, .spec = loaded->spec, .run = loaded->run };
    info->org = copy_to(mem, org_id(loaded->org), &fits);
    copy_spec(mem, &info->spec, &fits);
    copy_run(mem, &info->run, &fits);
    if (!fits) {
        info->run.entity_count = info->run.window_count = 0;
        info->spec.data = bytes_of(NULL, 0);
    }
    return fits;
}

/* The run that it waits for, if it waits for one. */
static enum err look_at_head(struct queue *queue, const struct loaded_run *loaded,
                             const struct sync_record *sync, struct board_history *history,
                             struct why *why)
{
    struct loaded_run *head;
    enum err e;

    if (!history->earlier_run || sync->head_run == 0)
        return OK;
    head = arena_alloc(queue->mem, sizeof *head);
    if (head == NULL)
        abort();
    e = run_load(queue, loaded->org, sync->head_run, head, why);
    if (e != OK)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    history->head_id = head->id;
    history->head = &head->run;
    history->place = board_place_in_line(loaded->id, head->id, sync->latest_run, sync->behind);
    return OK;
}

enum err run_estimate(struct queue *queue, const struct loaded_run *loaded,
                      struct run_info *info, struct why *why)
{
    struct schedule_record schedule;
    struct sync_record sync;
    struct board_history history;
    enum err e = sync_load(queue, loaded->org, loaded->spec.name, &sync, why);

    if (e != OK)
        return e;
    history = (struct board_history){
        .durations_ms = sync.durations_ms,
        .count = sync.duration_count,
        .sync_paused = sync.paused,
        .earlier_run = sync.head_run != loaded->id && loaded->run.order != 0,
        .at_limit = loaded->org->record.max_active != 0
                 && loaded->org->counters.active >= loaded->org->record.max_active,
        .max_active = loaded->org->record.max_active,
        .weight = loaded->org->record.weight,
        .active = loaded->org->counters.active,
    };
    if (queue->deps.board != NULL) {
        e = look_at_head(queue, loaded, &sync, &history, why);
        if (e != OK)
            return e;
        board_estimate(queue->deps.board, info, &history);
    }
    if (!sync.scheduled)
        return OK;
    e = schedule_load(queue, loaded->org, loaded->spec.name, &schedule, why);
    if (e == OK)
        memcpy(info->next_runs_ms, schedule.next_runs_ms, sizeof info->next_runs_ms);
    return e == ERR_NOT_FOUND ? OK : e;
}
