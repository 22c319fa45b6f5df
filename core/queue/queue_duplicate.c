#include "core/queue/queue_state.h"

#include <assert.h>

/* A request for a name that has runs in line already: it may join them, be
 * taken over by one of them, be refused, or clear the line first. */

enum {
    LOOKED_AT_MAX = 16,         /* runs from the end of a line, for one that has not begun */
    CLEARED_PER_TURN = 1000,
};

/* What it is to do is fixed: by its window, or by a checkpoint it goes on from.
 * A lease that was never taken up (its start was taken back) fixes nothing. */
static bool has_begun(const struct run *run)
{
    return run->checkpointed || (run->windows_set && run->started_at_ms != 0);
}

static bool can_be_taken_over(const struct run *run)
{
    return (run->state == RUN_QUEUED || run->state == RUN_PAUSED) && !has_begun(run);
}

struct line_end {
    run_id runs[CLEARED_PER_TURN];
    unsigned count, max;
};

_Static_assert((int)LOOKED_AT_MAX <= (int)CLEARED_PER_TURN, "they fit");

static bool visit_end(void *ctx, struct bytes key, struct bytes value)
{
    struct line_end *end = ctx;

    (void)key;
    if (value.size == 8)
        end->runs[end->count++] = key_run_read(value);
    return end->count < end->max;
}

/* The last runs behind the head, the last one first; not more than there are, lest
 * the scan walk on over what is left on the disk of those that are gone. */
static enum err look_at_end(struct queue *queue, struct org *org, struct bytes name,
                            const struct sync_record *sync, unsigned max, struct line_end *end,
                            struct why *why)
{
    struct key from = key_behind_name(org->place, name), to = key_after(&from);
    struct store_range range = { FAMILY_BEHIND, key_bytes(&from), key_bytes(&to), STORE_BACKWARD };

    end->count = 0;
    end->max = sync->behind < max ? (unsigned)sync->behind : max;
    return txn_scan(queue->txn, &range, visit_end, end, why);
}

static enum err load_in_line(struct queue *queue, struct org *org, run_id id,
                             struct loaded_run *loaded, struct why *why)
{
    enum err e = run_load(queue, org, id, loaded, why);

    return e == ERR_NOT_FOUND ? err_because(why, ERR_CORRUPT, "a job in line is not there") : e;
}

/* The last one in line that has not begun: what was asked for before it runs
 * before it. */
static enum err find_waiting(struct queue *queue, struct org *org, struct bytes name,
                             const struct sync_record *sync, struct duplicate_plan *plan,
                             struct why *why)
{
    struct line_end end;
    enum err e = OK;

    end.count = 0;
    if (sync->behind > 0)
        e = look_at_end(queue, org, name, sync, LOOKED_AT_MAX - 1, &end, why);
    end.runs[end.count++] = sync->head_run;
    for (unsigned i = 0; i < end.count && e == OK; i++) {
        e = load_in_line(queue, org, end.runs[i], &plan->waiting, why);
        if (e == OK && can_be_taken_over(&plan->waiting.run)) {
            plan->step = DUPLICATE_TAKE_OVER;
            return OK;
        }
    }
    return e;
}

static enum err reject(const struct submit_request *req, const struct loaded_run *head,
                       struct why *why)
{
    char id[RUN_ID_TEXT_SIZE];

    run_id_write(head->id, id);
    return err_because(why, ERR_EXISTS, "%.*s is %s already: %s", (int)req->spec.name.size,
                       (const char *)req->spec.name.data, run_state_shown(head->run.state), id);
}

static bool counts_as_queued(enum run_state state)
{
    return state == RUN_QUEUED || state == RUN_BACKOFF;
}

static enum err plan_clearing(struct queue *queue, struct org *org, struct bytes name,
                              const struct sync_record *sync, const struct loaded_run *head,
                              struct duplicate_plan *plan, struct why *why)
{
    struct line_end end;
    struct loaded_run last;
    enum err e;

    plan->step = DUPLICATE_CLEAR;
    plan->frees = counts_as_queued(head->run.state);
    if (plan->frees || sync->behind == 0)
        return OK;
    e = look_at_end(queue, org, name, sync, 1, &end, why);
    if (e == OK && end.count == 1)
        e = load_in_line(queue, org, end.runs[0], &last, why);
    plan->frees = e == OK && end.count == 1 && counts_as_queued(last.run.state);
    return e;
}

enum err duplicate_decide(struct queue *queue, const struct submit_request *req, struct org *org,
                          struct duplicate_plan *plan, struct why *why)
{
    struct sync_record sync;
    struct loaded_run head;
    enum err e;

    *plan = (struct duplicate_plan){ .step = DUPLICATE_ADD };
    if (req->on_duplicate == ON_DUPLICATE_QUEUE)
        return OK;
    e = sync_load(queue, org, req->spec.name, &sync, why);
    if (e != OK || sync.head_run == 0)
        return e;
    if (req->on_duplicate == ON_DUPLICATE_COALESCE)
        return req->spec.has_schedule
                   ? OK
                   : find_waiting(queue, org, req->spec.name, &sync, plan, why);
    e = load_in_line(queue, org, sync.head_run, &head, why);
    if (e != OK)
        return e;
    if (req->on_duplicate == ON_DUPLICATE_REJECT)
        return reject(req, &head, why);
    return plan_clearing(queue, org, req->spec.name, &sync, &head, plan, why);
}

/* What a lease that was never taken up has fixed. */
static void unfix(struct run *run)
{
    run->windows_set = false;
    run->window_count = 0;
    run->window_high_ms = 0;
    run->effective_type = RUN_TYPE_NONE;
    run->entity_count = 0;
    run->progress = -1;
}

static bool same_lane(const struct run_spec *a, const struct run_spec *b)
{
    return a->priority == b->priority && bytes_equal(a->source, b->source)
        && bytes_equal(a->target, b->target);
}

enum err duplicate_take_over(struct queue *queue, struct submit_request *req,
                             struct loaded_run *waiting)
{
    struct run_spec old = waiting->spec;
    struct key key = key_run(waiting->org->place, waiting->id);
    struct why *why = &req->base.why;
    bool moves = waiting->run.ready && !same_lane(&old, &req->spec);
    enum err e = ready_has_room(queue, waiting->org, &req->spec, why);

    if (e != OK)
        return e;
    if (moves)
        ready_remove(queue, waiting);
    waiting->spec = req->spec;
    waiting->spec.queued_at_ms = old.queued_at_ms;
    waiting->spec.queued_by = req->actor;
    txn_put(queue->txn, FAMILY_SPEC, key_bytes(&key),
            record_write_spec(&waiting->spec, queue->mem));
    unfix(&waiting->run);
    if (moves)
        ready_insert(queue, waiting);
    run_save(queue, waiting);
    (void)run_fill_info(queue, waiting, req->base.mem, &req->info);
    req->info.duplicate = true;
    return run_estimate(queue, waiting, &req->info, why);
}

static enum err cancel(struct queue *queue, const struct submit_request *req, struct org *org,
                       run_id id, struct why *why)
{
    struct loaded_run loaded;
    enum err e = load_in_line(queue, org, id, &loaded, why);

    if (e != OK || loaded.run.state == RUN_CANCELLING)
        return e;
    run_set_action(queue, &loaded.run, req->actor, bytes_of_text("replaced by a newer request"));
    return control_cancel(queue, &loaded, why);
}

/* From the end, so that nobody moves up meanwhile. */
enum err duplicate_clear(struct queue *queue, const struct submit_request *req, struct org *org,
                         bool *done, struct why *why)
{
    struct sync_record sync;
    struct line_end end;
    enum err e = sync_load(queue, org, req->spec.name, &sync, why);

    *done = false;
    end.count = 0;
    if (e == OK && sync.behind > 0)
        e = look_at_end(queue, org, req->spec.name, &sync, CLEARED_PER_TURN, &end, why);
    for (unsigned i = 0; i < end.count && e == OK; i++) {
        if (i > 0 && queue_turn_is_full(queue))
            return OK;
        e = cancel(queue, req, org, end.runs[i], why);
    }
    if (e != OK || end.count < sync.behind)
        return e;
    *done = true;
    return cancel(queue, req, org, sync.head_run, why);
}
