#include "core/queue/queue_state.h"

#include <assert.h>

/* Pause, resume, cancel and retry. By name they act on the sync: its live run
 * and its schedule's waiting one; by id on that run. Each is a durable wish
 * first; a leased run follows when its worker has let go. */

/* What a control acts on. */
struct target {
    struct org *org;
    struct bytes name;
    bool by_name;
    bool has_live, has_pending;
    struct loaded_run live;          /* the run: by id, or the first of the name's line */
    struct loaded_run pending;       /* by name: the schedule's waiting run */
};

/* The head of the line. If it is being cancelled, there is nothing about it to
 * pause or to resume; about what comes next there is. */
static enum err load_first(struct queue *queue, const struct control_request *req,
                           const struct sync_record *sync, struct target *t, struct why *why)
{
    enum err e = run_load(queue, t->org, sync->head_run, &t->live, why);
    bool over = e == OK && t->live.run.state == RUN_CANCELLING && req->verb != CONTROL_CANCEL;

    if (over && sync->behind > 0) {
        struct loaded_run head = t->live;

        e = sync_load_next(queue, &head, &t->live, why);
    }
    t->has_live = e == OK && !(over && sync->behind == 0 && sync->scheduled);
    return e;
}

static enum err load_by_name(struct queue *queue, struct control_request *req, struct target *t,
                             struct why *why)
{
    struct schedule_record schedule;
    struct sync_record sync;
    enum err e;

    if (!name_is_valid(req->name))
        return err_field(why, "name", "name must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    e = sync_load(queue, t->org, req->name, &sync, why);
    if (e == OK && !sync_exists(&sync))
        return err_because(why, ERR_NOT_FOUND, "there is no job named %.*s", (int)req->name.size,
                           (const char *)req->name.data);
    if (e == OK && sync.head_run != 0)
        e = load_first(queue, req, &sync, t, why);
    if (e == OK && sync.scheduled) {
        e = schedule_load(queue, t->org, req->name, &schedule, why);
        if (e == OK)
            e = run_load(queue, t->org, schedule.pending_run, &t->pending, why);
        t->has_pending = e == OK;
    }
    if (e == ERR_NOT_FOUND)
        return err_because(why, ERR_CORRUPT, "a job that its name points to is not there");
    if (e == OK && !t->has_live && !t->has_pending)
        return err_because(why, ERR_CONFLICT, "the last job named %.*s has ended: there is nothing to %s",
                           (int)req->name.size, (const char *)req->name.data,
                           req->verb == CONTROL_PAUSE    ? "pause"
                           : req->verb == CONTROL_RESUME ? "resume"
                                                         : "cancel");
    return e;
}

static enum err load_target(struct queue *queue, struct control_request *req, struct target *t)
{
    struct why *why = &req->base.why;
    enum err e;

    *t = (struct target){ .by_name = req->name.size > 0, .name = req->name };
    e = audit_check_reason(req->reason, why);
    if (e != OK)
        return e;
    if (req->wait_ms < 0 || req->wait_ms > WAIT_MS_MAX)
        return err_field(why, "wait", "wait must be 0 to 60 seconds");
    e = org_find(queue, req->org, &t->org, why);
    if (e == ERR_NOT_FOUND && t->by_name)
        return err_because(why, ERR_NOT_FOUND, "there is no job named %.*s", (int)req->name.size,
                           (const char *)req->name.data);
    if (e == ERR_NOT_FOUND)
        return err_because(why, ERR_NOT_FOUND, "there is no such job");
    if (e == OK)
        e = org_admit(queue, t->org, why);
    if (e != OK)
        return e;
    if (t->by_name)
        return load_by_name(queue, req, t, why);
    e = run_load(queue, t->org, req->id, &t->live, why);
    t->has_live = e == OK;
    t->name = t->live.spec.name;
    return e;
}

static void note(struct queue *queue, struct control_request *req, struct loaded_run *loaded)
{
    run_set_action(queue, &loaded->run, req->actor, req->reason);
}

static enum err pause_run(struct queue *queue, struct control_request *req,
                          struct loaded_run *loaded)
{
    enum err e;

    if (loaded->run.state == RUN_PAUSED || loaded->run.state == RUN_PAUSING)
        return OK;      /* it is; since when stays as it was */
    e = run_apply(&loaded->run, EVENT_PAUSE, &req->base.why);
    if (e != OK)
        return e;
    loaded->run.paused_at_ms = queue->now_ms;
    note(queue, req, loaded);
    run_save(queue, loaded);
    return OK;
}

static enum err set_sync_paused(struct queue *queue, struct control_request *req,
                                struct target *t, bool paused)
{
    struct sync_record sync;
    enum err e = sync_load(queue, t->org, t->name, &sync, &req->base.why);

    if (e != OK || sync.paused == paused)
        return e;
    sync.paused = paused;
    sync.action = (struct action){ req->actor, req->reason, queue->now_ms };
    sync_save(queue, t->org, t->name, &sync);
    return OK;
}

static enum err do_pause(struct queue *queue, struct control_request *req, struct target *t)
{
    enum err e = OK;

    if (t->has_live)
        e = pause_run(queue, req, &t->live);
    if (e == OK && t->has_pending)
        e = pause_run(queue, req, &t->pending);
    return e == OK && t->by_name ? set_sync_paused(queue, req, t, true) : e;
}

/* From nothing, as if it had never run. */
static enum err start_over(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    struct key key = key_run(loaded->org->place, loaded->id);
    struct run *run = &loaded->run;

    if (run_is_leased(run->state))
        return err_because(why, ERR_CONFLICT,
                           "the job's worker has not let go yet: starting over is not possible from there");
    txn_erase(queue->txn, FAMILY_CHECKPOINT, key_bytes(&key));
    run->checkpointed = false;
    run->windows_set = false;       /* the first lease fixes them, and a new generation */
    run->window_count = 0;
    run->entity_count = 0;
    run->progress = -1;
    return OK;
}

static enum err resume_run(struct queue *queue, struct control_request *req,
                           struct loaded_run *loaded)
{
    struct why *why = &req->base.why;
    bool waits_for_time = loaded->run.state == RUN_PAUSED && loaded->run.order == 0;
    enum err e = OK;

    if (run_is_ended(loaded->run.state) || loaded->run.state == RUN_CANCELLING)
        return run_apply(&loaded->run, EVENT_RESUME, why);      /* says why not */
    if (loaded->run.state != RUN_PAUSED && loaded->run.state != RUN_PAUSING)
        return OK;      /* nothing to resume: that is what was asked for */
    if (req->start_over)
        e = start_over(queue, loaded, why);
    if (e != OK)
        return e;
    loaded->run.resumed_at_ms = queue->now_ms;
    loaded->run.paused_at_ms = 0;
    note(queue, req, loaded);
    if (waits_for_time)
        return schedule_resumed(queue, loaded, why);
    e = run_apply(&loaded->run, EVENT_RESUME, why);
    assert(e == OK);
    if (loaded->run.state == RUN_QUEUED) {
        loaded->run.head = true;
        return run_put_back(queue, loaded, why);
    }
    run_save(queue, loaded);
    return OK;
}

/* A head run that was queued while its sync was paused stands in no order yet. */
static enum err release_head(struct queue *queue, struct org *org, struct bytes name,
                             struct why *why)
{
    struct loaded_run head;
    struct sync_record sync;
    enum err e = sync_load(queue, org, name, &sync, why);

    if (e != OK || sync.head_run == 0)
        return e;
    e = run_load(queue, org, sync.head_run, &head, why);
    if (e != OK || head.run.state != RUN_QUEUED || head.run.ready)
        return e;
    return run_put_back(queue, &head, why);
}

static enum err do_resume(struct queue *queue, struct control_request *req, struct target *t)
{
    enum err e = OK;

    /* Refusals before the first write: by name, only the live run can refuse. */
    if (t->has_live && (run_is_ended(t->live.run.state) || t->live.run.state == RUN_CANCELLING))
        return run_apply(&t->live.run, EVENT_RESUME, &req->base.why);
    if (t->has_live && req->start_over && run_is_leased(t->live.run.state))
        return start_over(queue, &t->live, &req->base.why);
    e = set_sync_paused(queue, req, t, false);
    if (e == OK && t->has_live)
        e = resume_run(queue, req, &t->live);
    if (e == OK && t->has_pending)
        e = resume_run(queue, req, &t->pending);
    return e == OK ? release_head(queue, t->org, t->name, &req->base.why) : e;
}

enum err control_cancel(struct queue *queue, struct loaded_run *loaded, struct why *why)
{
    bool pending = loaded->run.order == 0;
    enum err e;

    if (loaded->run.state == RUN_CANCELLING || loaded->run.state == RUN_CANCELLED)
        return OK;
    e = run_apply(&loaded->run, EVENT_CANCEL, why);
    if (e != OK)
        return e;
    if (!run_is_ended(loaded->run.state)) {
        run_save(queue, loaded);
        return OK;
    }
    e = run_ended(queue, loaded, why);
    return e == OK && pending ? schedule_pending_gone(queue, loaded, why) : e;
}

static enum err do_cancel(struct queue *queue, struct control_request *req, struct target *t)
{
    struct sync_record sync;
    enum err e = OK;

    if (t->has_live) {
        if (!run_is_ended(t->live.run.state))
            note(queue, req, &t->live);
        e = control_cancel(queue, &t->live, &req->base.why);
    }
    if (e == OK && t->has_pending)
        e = schedule_remove(queue, t->org, t->name, req->actor, req->reason, &req->base.why);
    if (e != OK || !t->by_name)
        return e;
    /* With nothing left to hold back, the pause goes too: what is queued next
     * under this name should run. */
    e = sync_load(queue, t->org, t->name, &sync, &req->base.why);
    if (e == OK && sync.paused && sync.behind == 0
        && (sync.head_run == 0 || sync.head_run == t->live.id))
        e = set_sync_paused(queue, req, t, false);
    return e;
}

static enum err do_retry(struct queue *queue, struct control_request *req, struct target *t)
{
    struct loaded_run *loaded = &t->live;
    struct run *run = &loaded->run;
    struct sync_record sync;
    struct why *why = &req->base.why;
    enum err e = run_allows(run->state, EVENT_REVIVE)
                     ? ready_has_room(queue, t->org, &loaded->spec, why)
                     : OK;

    if (e == OK)
        e = run_apply(run, EVENT_REVIVE, why);
    if (e == OK && req->start_over)
        e = start_over(queue, loaded, why);
    if (e == OK)
        e = sync_load(queue, t->org, t->name, &sync, why);
    if (e != OK)
        return e;
    run->ended_at_ms = 0;
    run->fruitless = run->failures = run->expiries = 0;
    run->head = false;
    run->order = queue_ticket(queue) << 8 | t->org->place.slot;
    note(queue, req, loaded);
    sync_join(queue, loaded, &sync);
    run_save(queue, loaded);
    sync_save(queue, t->org, t->name, &sync);
    return OK;
}

/* What the answer shows if the run is not there to be read any more, or not
 * to be read at all, when it is due. */
static void note_outcome(struct queue *queue, struct control_request *req,
                         const struct loaded_run *loaded)
{
    struct loaded_run shown = *loaded;

    shown.spec.data = bytes_of(NULL, 0);    /* the answer does not show it */
    (void)run_fill_info(queue, &shown, req->base.mem, &req->info);
    req->id = loaded->id;
}

static void write_audit(struct queue *queue, const struct control_request *req,
                        const struct target *t)
{
    static const char *const actions[] = {
        [CONTROL_PAUSE] = "pause",
        [CONTROL_RESUME] = "resume",
        [CONTROL_CANCEL] = "cancel",
        [CONTROL_RETRY] = "retry",
    };
    char id[RUN_ID_TEXT_SIZE];

    run_id_write(req->id, id);
    audit_add(queue, &req->base, t->org, actions[req->verb], req->actor,
              t->by_name ? req->name : bytes_of_text(id), req->reason);
}

void handle_control(struct queue *queue, struct request *request)
{
    struct control_request *req = container_of(request, struct control_request, base);
    static enum err (*const verbs[])(struct queue *, struct control_request *, struct target *) = {
        [CONTROL_PAUSE] = do_pause,
        [CONTROL_RESUME] = do_resume,
        [CONTROL_CANCEL] = do_cancel,
        [CONTROL_RETRY] = do_retry,
    };
    struct target *t = arena_alloc(queue->mem, sizeof *t);
    enum err e;

    assert(t != NULL);
    req->turn = queue->turn;
    e = load_target(queue, req, t);
    if (e == OK)
        e = verbs[req->verb](queue, req, t);
    if (e != OK) {
        answer(queue, request, e);
        return;
    }
    write_audit(queue, req, t);
    note_outcome(queue, req, t->has_live ? &t->live : &t->pending);
    req->wait_until_ms = queue->mono_ms + req->wait_ms;
    if (req->wait_ms > 0 && lease_find(queue, req->id) != NULL && req->verb != CONTROL_RESUME)
        list_append(&queue->control_waits, &request->link);
    else
        list_append(&queue->late_answers, &request->link);
}

void control_released(struct queue *queue)
{
    list_each_safe(link, &queue->control_waits) {
        struct request *request = container_of(link, struct request, link);
        struct control_request *req = container_of(request, struct control_request, base);

        if (lease_find(queue, req->id) != NULL && req->wait_until_ms > queue->mono_ms && !queue->draining)
            continue;
        list_remove(link);
        list_append(&queue->late_answers, link);
    }
}

/* After leases were matched: so a resume can say that a worker has it. */
void control_fill(struct queue *queue, struct control_request *req)
{
    struct loaded_run loaded;
    struct org *org;
    enum err e = org_find(queue, req->org, &org, &req->base.why);

    if (e == OK)
        e = run_load(queue, org, req->id, &loaded, &req->base.why);
    if (e == OK) {
        note_outcome(queue, req, &loaded);
        e = run_estimate(queue, &loaded, &req->info, &req->base.why);
    }
    answer(queue, &req->base, e != ERR_NOT_FOUND ? e : OK);    /* purged in this very turn */
}
