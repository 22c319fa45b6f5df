#include "core/queue/queue_state.h"

#include "core/base/log.h"
#include "core/schedule.h"

#include <assert.h>
#include <stdlib.h>

/* Schedules and backoffs: what a due timer does. A schedule is a row: its rule,
 * how far it has fired (the mark), and the run that waits for its next firing.
 * Firing, mark and the next waiting run are written in one batch. */

enum { ZONE_RETRY_MS = 60 * 1000 };

enum err schedule_load(struct queue *queue, struct org *org, struct bytes name,
                       struct schedule_record *schedule, struct why *why)
{
    struct key key = key_name(org->place, name);
    struct bytes value;
    enum err e = txn_get(queue->txn, FAMILY_SCHEDULE, key_bytes(&key), queue->mem, &value, why);

    if (e == ERR_NOT_FOUND)
        return err_because(why, ERR_NOT_FOUND, "%.*s has no schedule", (int)name.size,
                           (const char *)name.data);
    return e == OK ? record_read_schedule(value, queue->mem, schedule, why) : e;
}

static void schedule_save(struct queue *queue, struct org *org, struct bytes name,
                          const struct schedule_record *schedule)
{
    struct key key = key_name(org->place, name);

    txn_put(queue->txn, FAMILY_SCHEDULE, key_bytes(&key),
            record_write_schedule(schedule, queue->mem));
}

static void put_timer(struct queue *queue, const struct timer *timer)
{
    struct key key = key_timer(timer);

    txn_put(queue->txn, FAMILY_TIMER, key_bytes(&key), bytes_of(NULL, 0));
    queue_timer_due(queue, timer);
}

static enum err open_rule(struct queue *queue, const struct org *org, struct bytes name,
                          const struct schedule_record *schedule, struct schedule *rule,
                          struct why *why)
{
    return schedule_open(&schedule->rule, queue->zones, schedule_seed(org_id(org), name), rule,
                         why);
}

static void set_timer(struct queue *queue, const struct org *org, struct bytes name,
                      const struct schedule_record *schedule)
{
    struct timer timer = { schedule->due_ms, TIMER_SCHEDULE, org->place, 0, name };

    put_timer(queue, &timer);
}

/* Behind its mark: the schedule's timer and its waiting run stand for the next
 * firing from now on. False: there is none any more. */
static bool aim(struct queue *queue, const struct org *org, struct bytes name,
                struct schedule_record *schedule, const struct schedule *rule)
{
    schedule_list(rule, schedule->mark_ms + 1, schedule->fired, schedule->next_runs_ms);
    if (schedule->next_runs_ms[0] == 0)
        return false;
    schedule->nominal_ms = schedule->next_runs_ms[0];
    schedule->due_ms = schedule_due_ms(rule, schedule->nominal_ms);
    set_timer(queue, org, name, schedule);
    return true;
}

/* The rule's zone cannot be read: somebody may be replacing the database. What
 * is missed meanwhile is made up for, or skipped, as after a stop of the server. */
static void look_again_later(struct queue *queue, const struct org *org, struct bytes name,
                             struct schedule_record *schedule, const struct why *why)
{
    log_event(LOG_ERROR, "a schedule is held up", LOG_TEXT("org", org->id),
              LOG_TEXT("error", why->text));
    schedule->due_ms = queue->now_ms + ZONE_RETRY_MS;
    if (schedule->due_ms < schedule->nominal_ms)
        schedule->due_ms = schedule->nominal_ms;
    set_timer(queue, org, name, schedule);
}

enum err schedule_set(struct queue *queue, struct loaded_run *loaded, struct sync_record *sync,
                      struct why *why)
{
    struct schedule_record schedule = { .rule = loaded->spec.schedule,
                                        .mark_ms = queue->now_ms - 1,
                                        .pending_run = loaded->id };
    struct bytes name = loaded->spec.name;
    struct schedule rule;
    enum err e = open_rule(queue, loaded->org, name, &schedule, &rule, why);

    if (e == OK && !aim(queue, loaded->org, name, &schedule, &rule))
        e = err_because(why, ERR_UNAVAILABLE, "the schedule's time zone has changed just now");
    if (e != OK) /* it was well in this very turn: whatever happened, ask again */
        return ERR_UNAVAILABLE;
    schedule_save(queue, loaded->org, name, &schedule);
    loaded->run.state = sync->paused ? RUN_PAUSED : RUN_SCHEDULED;
    loaded->run.paused_at_ms = sync->paused ? queue->now_ms : 0;
    loaded->run.not_before_ms = sync->paused ? 0 : schedule.due_ms;
    loaded->run.nominal_ms = schedule.nominal_ms;
    sync->scheduled = true;
    return OK;
}

static void erase_row(struct queue *queue, struct org *org, struct bytes name,
                      const struct schedule_record *schedule)
{
    struct timer timer = { schedule->due_ms, TIMER_SCHEDULE, org->place, 0, name };
    struct key row = key_name(org->place, name), due = key_timer(&timer);

    txn_erase(queue->txn, FAMILY_SCHEDULE, key_bytes(&row));
    txn_erase(queue->txn, FAMILY_TIMER, key_bytes(&due));
}

static enum err unmark_sync(struct queue *queue, struct org *org, struct bytes name,
                            struct why *why)
{
    struct sync_record sync;
    enum err e = sync_load(queue, org, name, &sync, why);

    if (e != OK)
        return e;
    sync.scheduled = false;
    sync_settle(&sync);
    sync_save(queue, org, name, &sync);
    return OK;
}

static enum err end_pending(struct queue *queue, struct org *org, run_id id, struct bytes actor,
                            struct bytes reason, struct why *why)
{
    struct loaded_run pending;
    enum err e = run_load(queue, org, id, &pending, why);

    if (e != OK)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    e = run_apply(&pending.run, EVENT_CANCEL, why);
    assert(e == OK);
    run_set_action(queue, &pending.run, actor, reason);
    return run_ended(queue, &pending, why);
}

enum err schedule_remove(struct queue *queue, struct org *org, struct bytes name,
                         struct bytes actor, struct bytes reason, struct why *why)
{
    struct schedule_record schedule;
    enum err e = schedule_load(queue, org, name, &schedule, why);

    if (e == ERR_NOT_FOUND)
        return OK;
    if (e != OK)
        return e;
    erase_row(queue, org, name, &schedule);
    e = end_pending(queue, org, schedule.pending_run, actor, reason, why);
    return e == OK ? unmark_sync(queue, org, name, why) : e;
}

/* A new run that waits for what the schedule is aimed at; its spec is a copy. */
static void add_pending(struct queue *queue, const struct loaded_run *fired,
                        struct schedule_record *schedule, enum run_state state)
{
    struct loaded_run next = { .org = fired->org,
                               .id = queue_new_run_id(queue, fired->org),
                               .spec = fired->spec,
                               .run = { .state = state,
                                        .queued_at_ms = queue->now_ms,
                                        .nominal_ms = schedule->nominal_ms,
                                        .not_before_ms =
                                            state == RUN_SCHEDULED ? schedule->due_ms : 0,
                                        .paused_at_ms = state == RUN_PAUSED ? queue->now_ms : 0,
                                        .progress = -1 } };
    struct key key = key_run(next.org->place, next.id);

    next.spec.queued_at_ms = queue->now_ms;
    txn_put(queue->txn, FAMILY_SPEC, key_bytes(&key), record_write_spec(&next.spec, queue->mem));
    run_save(queue, &next);
    schedule->pending_run = next.id;
}

/* Whether the overlap policy keeps this firing from being queued. */
static enum err is_held_off(struct queue *queue, const struct loaded_run *pending,
                            const struct schedule_record *schedule, bool *held_off, struct why *why)
{
    struct sync_record sync;
    struct loaded_run live;
    enum err e = sync_load(queue, pending->org, pending->spec.name, &sync, why);

    *held_off = false;
    if (e != OK || sync.head_run == 0)
        return e;
    e = run_load(queue, pending->org, sync.head_run, &live, why);
    if (e != OK)
        return e;
    switch (schedule->rule.overlap) {
    case OVERLAP_SKIP:
        *held_off = true;
        return OK;
    case OVERLAP_CANCEL_OTHER:
        return control_cancel(queue, &live, why);
    case OVERLAP_DEFAULT:
    case OVERLAP_BUFFER_ONE:
    default:
        /* One may wait: either the live run itself does, or one behind it. */
        *held_off = sync.behind > 0 || !run_is_leased(live.run.state);
        return OK;
    }
}

static enum err queue_firing(struct queue *queue, struct loaded_run *pending, int64_t nominal_ms,
                             struct why *why)
{
    struct sync_record sync;
    enum err e = sync_load(queue, pending->org, pending->spec.name, &sync, why);

    if (e != OK)
        return e;
    e = run_apply(&pending->run, EVENT_DUE, why);
    assert(e == OK);
    pending->run.nominal_ms = nominal_ms;
    pending->run.queued_at_ms = queue->now_ms;
    pending->run.order = queue_ticket(queue) << 8 | pending->org->place.slot;
    sync.latest_run = pending->id;
    sync_join(queue, pending, &sync);
    run_save(queue, pending);
    sync_save(queue, pending->org, pending->spec.name, &sync);
    return OK;
}

/* Counts firings that make no run. The run that waits says so where people look;
 * but where it says who has paused it, that stays. */
static void note_skipped(struct queue *queue, struct loaded_run *pending,
                         struct schedule_record *schedule, enum skip_reason reason, uint64_t count)
{
    static const char *const texts[SKIP_REASON_COUNT] = {
        [SKIP_MISSED] = "missed",
        [SKIP_OVERLAP] = "an earlier run was not over",
        [SKIP_PAUSED] = "paused",
        [SKIP_CANCELLED] = "cancelled",
    };
    char *text;

    if (count == 0)
        return;
    schedule->skipped += count;
    schedule->skipped_by[reason] += count;
    if (pending->run.state == RUN_PAUSED)
        return;
    text = arena_printf(queue->mem, "skipped %llu firing%s: %s", (unsigned long long)count,
                        count > 1 ? "s" : "", texts[reason]);
    if (text == NULL)
        abort();
    run_set_action(queue, &pending->run, bytes_of_text("schedule"), bytes_of_text(text));
}

/* The waiting run goes on waiting, for what the schedule is aimed at now. */
static void postpone(struct queue *queue, struct loaded_run *pending,
                     const struct schedule_record *schedule)
{
    pending->run.nominal_ms = schedule->nominal_ms;
    if (pending->run.state == RUN_SCHEDULED)
        pending->run.not_before_ms = schedule->due_ms;
    run_save(queue, pending);
}

/* It has ended; what it had fired lives on. */
static enum err finish(struct queue *queue, const struct loaded_run *pending,
                       const struct schedule_record *schedule, bool fired, struct why *why)
{
    enum err e = OK;

    erase_row(queue, pending->org, pending->spec.name, schedule);
    if (!fired)
        e = end_pending(queue, pending->org, pending->id, bytes_of_text("schedule"),
                        bytes_of_text("the schedule has ended"), why);
    return e == OK ? unmark_sync(queue, pending->org, pending->spec.name, why) : e;
}

static enum err fire(struct queue *queue, struct loaded_run *pending,
                     struct schedule_record *schedule, const struct schedule *rule, struct why *why)
{
    struct firing firing = schedule_look(rule, schedule->mark_ms, queue->now_ms);
    bool fires = firing.fires && pending->run.state == RUN_SCHEDULED, held_off = false;
    enum err e = fires ? is_held_off(queue, pending, schedule, &held_off, why) : OK;

    fires = fires && !held_off;
    schedule->mark_ms = firing.mark_ms;
    schedule->fired += fires;
    note_skipped(queue, pending, schedule, SKIP_MISSED, firing.missed);
    if (firing.fires && !fires)
        note_skipped(queue, pending, schedule, held_off ? SKIP_OVERLAP : SKIP_PAUSED, 1);
    if (e == OK && fires)
        e = queue_firing(queue, pending, firing.nominal_ms, why);
    if (e != OK)
        return e;
    if (!aim(queue, pending->org, pending->spec.name, schedule, rule))
        return finish(queue, pending, schedule, fires, why);
    if (fires)
        add_pending(queue, pending, schedule, RUN_SCHEDULED);
    else
        postpone(queue, pending, schedule);
    schedule_save(queue, pending->org, pending->spec.name, schedule);
    return OK;
}

enum err schedule_fire(struct queue *queue, const struct timer *timer, struct why *why)
{
    struct org *org = org_at(queue, timer->org);
    struct schedule_record schedule;
    struct loaded_run pending;
    struct schedule rule;
    enum err e;

    if (org == NULL)
        return OK;
    e = schedule_load(queue, org, timer->name, &schedule, why);
    if (e == ERR_NOT_FOUND || (e == OK && schedule.due_ms != timer->due_ms))
        return OK; /* the timer of a schedule that was changed since */
    if (e == OK)
        e = run_load(queue, org, schedule.pending_run, &pending, why);
    if (e != OK)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    if (open_rule(queue, org, timer->name, &schedule, &rule, why) == OK)
        return fire(queue, &pending, &schedule, &rule, why);
    look_again_later(queue, org, timer->name, &schedule, why);
    postpone(queue, &pending, &schedule);
    schedule_save(queue, org, timer->name, &schedule);
    return OK;
}

enum err schedule_pending_gone(struct queue *queue, const struct loaded_run *loaded,
                               struct why *why)
{
    struct bytes name = loaded->spec.name;
    struct schedule_record schedule;
    struct sync_record sync;
    struct schedule rule;
    enum err e = schedule_load(queue, loaded->org, name, &schedule, why);

    if (e == ERR_NOT_FOUND || (e == OK && schedule.pending_run != loaded->id))
        return OK;
    if (e == OK)
        e = sync_load(queue, loaded->org, name, &sync, why);
    if (e != OK)
        return e;
    erase_row(queue, loaded->org, name, &schedule);
    schedule.skipped++;
    schedule.skipped_by[SKIP_CANCELLED]++;
    schedule.mark_ms = schedule.nominal_ms;
    if (open_rule(queue, loaded->org, name, &schedule, &rule, why) != OK)
        look_again_later(queue, loaded->org, name, &schedule, why);
    else if (!aim(queue, loaded->org, name, &schedule, &rule))
        return unmark_sync(queue, loaded->org, name, why);
    add_pending(queue, loaded, &schedule, sync.paused ? RUN_PAUSED : RUN_SCHEDULED);
    schedule_save(queue, loaded->org, name, &schedule);
    return OK;
}

enum err schedule_resumed(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    struct schedule_record schedule;
    enum err e = schedule_load(queue, loaded->org, loaded->spec.name, &schedule, why);

    if (e != OK)
        return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
    e = run_apply(&loaded->run, EVENT_RESCHEDULE, why);
    if (e != OK)
        return e;
    loaded->run.not_before_ms = schedule.due_ms;
    loaded->run.nominal_ms = schedule.nominal_ms;
    run_save(queue, loaded);
    return OK;
}

void handle_delete_schedule(struct queue *queue, struct request *request)
{
    struct delete_schedule_request *req =
        container_of(request, struct delete_schedule_request, base);
    struct schedule_record schedule;
    struct org *org;
    enum err e = org_find(queue, req->org, &org, &request->why);

    if (e == OK && !name_is_valid(req->name))
        e = err_field(&request->why, "name", "name must be 1 to %d of A-Z a-z 0-9 . _ -",
                      NAME_SIZE_MAX);
    if (e == OK)
        e = audit_check_reason(req->reason, &request->why);
    if (e == OK)
        e = org_admit(queue, org, &request->why);
    if (e == OK)
        e = schedule_load(queue, org, req->name, &schedule, &request->why);
    if (e == OK)
        e = schedule_remove(queue, org, req->name, req->actor, req->reason, &request->why);
    if (e == OK)
        audit_add(queue, request, org, "delete_schedule", req->actor, req->name, req->reason);
    answer(queue, request, e);
}

void backoff_set_timer(struct queue *queue, const struct loaded_run *loaded)
{
    struct timer timer = {
        loaded->run.not_before_ms, TIMER_BACKOFF, loaded->org->place, loaded->id, { NULL, 0 }
    };

    assert(loaded->run.state == RUN_BACKOFF);
    put_timer(queue, &timer);
}

enum err backoff_over(struct queue *queue, const struct timer *timer, struct why *why)
{
    struct org *org = org_at(queue, timer->org);
    struct loaded_run loaded;
    enum err e;

    if (org == NULL)
        return OK;
    e = run_load(queue, org, timer->run, &loaded, why);
    if (e == ERR_NOT_FOUND ||
        (e == OK && (loaded.run.state != RUN_BACKOFF || loaded.run.not_before_ms != timer->due_ms)))
        return OK; /* it was paused, cancelled or retried meanwhile */
    if (e != OK)
        return e;
    e = run_apply(&loaded.run, EVENT_DUE, why);
    assert(e == OK);
    return run_put_back(queue, &loaded, why);
}
