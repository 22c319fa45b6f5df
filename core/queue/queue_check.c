#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Every relation between the caches and the store, asserted: the store is read
 * whole, counted anew, and compared with what memory believes. */

static const size_t CHECK_BYTES_MAX = (size_t)1 << 32;

struct checked_run {
    run_id id; /* key */
    struct org *org;
    struct run run;
    struct run_spec spec;
    bool stands_ready, stands_behind;
    UT_hash_handle hh;
};

struct checked_sync {
    struct org *org;
    struct bytes name;
    struct sync_record record;
    uint32_t behind; /* counted */
    uint64_t last_order;
    UT_hash_handle hh; /* by the key that it is stored under */
};

/* The entries of one lane, as the store has them. */
struct checked_lane {
    struct org *org;
    enum run_priority priority;
    uint32_t number, count;
    struct lane *lane;
};

struct check {
    struct queue *queue;
    struct arena *mem;
    struct checked_run *runs;
    struct checked_sync *syncs;
    struct counters *counted; /* of each organisation, by its number */
    struct checked_lane lane;
    uint32_t schedules;
    int64_t first_timer_ms[256];
    enum store_family family; /* of the scan that is under way */
};

static void scan(struct check *check, enum store_family family, store_visit_fn *visit)
{
    struct store_reader *reader = &check->queue->deps.store->reader;
    struct why why = { .text = "" };
    struct store_range range = { .family = family };
    enum err e;

    check->family = family;
    e = reader->ops->scan(reader, &range, visit, check, &why);
    assert(e == OK);
}

static bool get(struct check *check, enum store_family family, const struct key *key,
                struct bytes *value)
{
    struct store_reader *reader = &check->queue->deps.store->reader;
    struct why why = { .text = "" };
    enum err e = reader->ops->get(reader, family, key_bytes(key), check->mem, value, &why);

    assert(e == OK || e == ERR_NOT_FOUND);
    return e == OK;
}

static void *lasting(struct check *check, size_t size)
{
    void *memory = arena_alloc(check->mem, size);

    assert(memory != NULL);
    return memory;
}

static struct org *org_of(struct check *check, struct bytes key)
{
    struct org *org = org_at(check->queue, key_org_read(key));

    assert(org != NULL);
    return org;
}

static struct checked_run *run_of(struct check *check, run_id id)
{
    struct checked_run *run;

    HASH_FIND(hh, check->runs, &id, sizeof id, run);
    return run;
}

static struct checked_sync *sync_of(struct check *check, const struct org *org, struct bytes name)
{
    struct key key = key_name(org->place, name);
    struct checked_sync *sync;

    HASH_FIND(hh, check->syncs, key.data, key.size, sync);
    return sync;
}

static bool is_live(const struct checked_run *run)
{
    return run != NULL && !run_is_ended(run->run.state);
}

/* ---- runs and counters ---- */

static enum store_family family_of(enum run_state state)
{
    return run_is_leased(state)  ? FAMILY_ACTIVE
           : run_is_ended(state) ? FAMILY_ENDED
                                 : FAMILY_WAITING;
}

static bool visit_run(void *ctx, struct bytes key, struct bytes value)
{
    struct check *check = ctx;
    struct org *org = org_of(check, key);
    struct checked_run *run = lasting(check, sizeof *run);
    struct why why = { .text = "" };
    enum err e;

    if (check->family == FAMILY_ENDED && key_epoch_read(key) != org->counters.purge_epoch) {
        assert(key_epoch_read(key) < org->counters.purge_epoch);
        assert(org->counters.swept_epoch < org->counters.purge_epoch);
        return true;
    }
    run->id = key_run_read(key);
    run->org = org;
    assert(run_of(check, run->id) == NULL);
    e = record_read_run(bytes_copy(check->mem, value), check->mem, &run->run, &why);
    assert(e == OK && run_is_sound(&run->run));
    assert(family_of(run->run.state) == check->family);
    assert((uint8_t)run->id == org->place.slot);
    assert(run->id >> 8 < check->queue->meta.ticket_limit);
    HASH_ADD(hh, check->runs, id, sizeof run->id, run);
    return true;
}

static void load_specs(struct check *check)
{
    for (struct checked_run *run = check->runs; run != NULL; run = run->hh.next) {
        struct key key = key_run(run->org->place, run->id);
        struct bytes value;
        struct why why = { .text = "" };
        bool found = get(check, FAMILY_SPEC, &key, &value);
        enum err e;

        assert(found);
        e = record_read_spec(value, check->mem, &run->spec, &why);
        assert(e == OK);
        found = get(check, FAMILY_CHECKPOINT, &key, &value);
        assert(found == run->run.checkpointed);
    }
}

/* Specifications and checkpoints belong to a run, or to a purge's rest. */
static bool visit_belonging(void *ctx, struct bytes key, struct bytes value)
{
    struct check *check = ctx;
    const struct org *org = org_of(check, key);

    (void)value;
    assert(run_of(check, key_run_read(key)) != NULL ||
           org->counters.swept_epoch < org->counters.purge_epoch);
    return true;
}

static void count_run(struct counters *c, enum run_state state)
{
    c->active += run_is_leased(state);
    c->queued += state == RUN_QUEUED || state == RUN_BACKOFF;
    c->scheduled += state == RUN_SCHEDULED;
    c->paused += state == RUN_PAUSED;
    c->kept_completed += state == RUN_COMPLETED;
    c->kept_failed += state == RUN_FAILED;
    c->kept_cancelled += state == RUN_CANCELLED;
}

static void check_counters_of(const struct counters *c, const struct counters *counted)
{
    assert(c->active == counted->active);
    assert(c->queued == counted->queued);
    assert(c->scheduled == counted->scheduled);
    assert(c->paused == counted->paused);
    assert(c->kept_completed == counted->kept_completed);
    assert(c->kept_failed == counted->kept_failed);
    assert(c->kept_cancelled == counted->kept_cancelled);
    assert(c->completed >= c->kept_completed);
    assert(c->failed >= c->kept_failed);
    assert(c->cancelled >= c->kept_cancelled);
    assert(c->swept_epoch <= c->purge_epoch);
}

static void add_counters(struct counters *sum, const struct counters *c)
{
    sum->queued += c->queued;
    sum->scheduled += c->scheduled;
    sum->active += c->active;
    sum->paused += c->paused;
    sum->completed += c->completed;
    sum->failed += c->failed;
    sum->cancelled += c->cancelled;
}

/* What memory has is what is stored, to the byte. */
static void check_stored(struct check *check, enum store_family family, const struct key *key,
                         struct bytes written)
{
    struct bytes value;
    bool found = get(check, family, key, &value);

    assert(found && bytes_equal(value, written));
}

static void check_org(struct check *check, struct org *org, struct counters *sum)
{
    struct key id = key_org(org_id(org)), place = key_of_org(org->place);
    bool sweeps = org->counters.swept_epoch < org->counters.purge_epoch;

    assert(org->record.number <= check->queue->meta.last_org_number);
    assert(org->place.slot == key_slot(org_id(org)));
    check_counters_of(&org->counters, &check->counted[org->record.number]);
    check_stored(check, FAMILY_ORG, &id, record_write_org(&org->record, check->mem));
    check_stored(check, FAMILY_COUNTERS, &place, record_write_counters(&org->counters, check->mem));
    assert(!link_is_linked(&org->dirty_link));
    assert(link_is_linked(&org->sweep_link) == sweeps);
    add_counters(sum, &org->counters);
}

static void check_counters(struct check *check)
{
    struct queue *queue = check->queue;
    struct counters sum = { .queued = 0 };
    const struct counters *t = &queue->totals;

    check->counted = lasting(check, (queue->meta.last_org_number + 1) * sizeof *check->counted);
    for (struct checked_run *run = check->runs; run != NULL; run = run->hh.next)
        count_run(&check->counted[run->org->record.number], run->run.state);
    for (struct org *org = queue->orgs_by_id; org != NULL; org = org->by_id.next)
        check_org(check, org, &sum);
    assert(t->queued == sum.queued && t->scheduled == sum.scheduled && t->active == sum.active &&
           t->paused == sum.paused);
    assert(t->completed == sum.completed && t->failed == sum.failed &&
           t->cancelled == sum.cancelled);
}

/* ---- the ready order ---- */

static struct lane *find_lane(const struct org *org, enum run_priority priority, uint32_t number)
{
    list_each(link, &org->classes[priority].lanes) {
        struct lane *lane = container_of(link, struct lane, link);

        if (lane->number == number)
            return lane;
    }
    return NULL;
}

static void check_ready_value(struct check *check, const struct checked_run *run,
                              struct bytes value)
{
    const struct run_spec *spec = &run->spec;
    size_t size = 8 + spec->source.size + 1 + spec->target.size;
    uint8_t *expected = lasting(check, size);

    for (int i = 0; i < 8; i++)
        expected[i] = (uint8_t)(run->id >> 8 * (7 - i));
    memcpy(expected + 8, spec->source.data, spec->source.size);
    memcpy(expected + 8 + spec->source.size + 1, spec->target.data, spec->target.size);
    assert(bytes_equal(value, bytes_of(expected, size)));
}

static void end_lane(struct checked_lane *lane)
{
    if (lane->lane == NULL)
        return;
    assert(lane->count >= lane->lane->count);
    assert(!lane->lane->complete || lane->count == lane->lane->count);
    *lane = (struct checked_lane){ .lane = NULL };
}

static void begin_lane(struct check *check, struct org *org, enum run_priority priority,
                       uint32_t number)
{
    struct checked_lane *lane = &check->lane;

    if (lane->lane != NULL && lane->org == org && lane->priority == priority &&
        lane->number == number)
        return;
    end_lane(lane);
    *lane = (struct checked_lane){ org, priority, number, 0, find_lane(org, priority, number) };
    assert(lane->lane != NULL);
}

/* The window is exactly the lane's first entries; what lies behind it does not
 * lie below the bound that scans begin at. */
static void check_window(const struct checked_lane *checked, bool head, uint64_t order, run_id id)
{
    const struct lane *lane = checked->lane;

    if (checked->count < lane->count) {
        const struct lane_entry *entry =
            &lane->window[(lane->first + checked->count) % LANE_WINDOW];

        assert(entry->run == id && entry->head == head && entry->order == order);
        return;
    }
    assert(!lane->complete);
    assert(head == lane->from_head ? order >= lane->from_order : lane->from_head);
}

static bool visit_ready(void *ctx, struct bytes key, struct bytes value)
{
    struct check *check = ctx;
    struct org *org = org_of(check, key);
    enum run_priority priority = (enum run_priority)(RUN_PRIORITY_CRITICAL - key.data[5]);
    struct checked_run *run;

    assert(value.size > 8);
    run = run_of(check, key_run_read(bytes_of(value.data, 8)));
    assert(run != NULL && run->org == org && !run->stands_ready);
    assert(run->run.state == RUN_QUEUED && run->run.ready);
    assert(run->spec.priority == priority);
    assert(key_head_read(key) == run->run.head && key_run_read(key) == run->run.order);
    check_ready_value(check, run, value);
    run->stands_ready = true;
    begin_lane(check, org, priority, key_lane_read(key));
    assert(bytes_equal(bytes_of_text(check->lane.lane->source), run->spec.source));
    assert(bytes_equal(bytes_of_text(check->lane.lane->target), run->spec.target));
    check_window(&check->lane, run->run.head, run->run.order, run->id);
    check->lane.count++;
    return true;
}

static void check_lanes_of(const struct org *org)
{
    uint32_t lanes = 0;

    for (int priority = 0; priority < RUN_PRIORITY_COUNT; priority++) {
        const struct org_class *class = &org->classes[priority];

        assert(link_is_linked(&class->turn) == link_is_linked(&class->lanes));
        list_each(link, &class->lanes) {
            struct lane *lane = container_of(link, struct lane, link);

            lanes++;
            assert(lane->org == org && lane->priority == (enum run_priority)priority);
            assert(lane->count <= LANE_WINDOW && lane->first < LANE_WINDOW);
            assert(lane->hash ==
                   key_lane(bytes_of_text(lane->source), bytes_of_text(lane->target)));
            assert(find_lane(org, lane->priority, lane->number) == lane); /* no two share one */
            assert(lane->count > 0 || !lane->complete); /* an empty lane is freed */
        }
    }
    assert(lanes == org->lane_count);
}

static void check_ready(struct check *check)
{
    scan(check, FAMILY_READY, visit_ready);
    end_lane(&check->lane);
    for (struct org *org = check->queue->orgs_by_id; org != NULL; org = org->by_id.next)
        check_lanes_of(org);
    for (struct checked_run *run = check->runs; run != NULL; run = run->hh.next)
        assert(run->run.ready == run->stands_ready);
}

/* ---- names and their lines ---- */

static bool visit_sync(void *ctx, struct bytes key, struct bytes value)
{
    struct check *check = ctx;
    struct checked_sync *sync = lasting(check, sizeof *sync);
    struct why why = { .text = "" };
    const struct checked_run *head;
    struct bytes stored;
    enum err e;

    sync->org = org_of(check, key);
    sync->name = bytes_copy(check->mem, key_name_read(key));
    e = record_read_sync(bytes_copy(check->mem, value), check->mem, &sync->record, &why);
    assert(e == OK && sync_exists(&sync->record));
    assert(sync->record.head_run != 0 || sync->record.behind == 0);
    if (sync->record.head_run != 0) {
        head = run_of(check, sync->record.head_run);
        assert(is_live(head) && head->org == sync->org && head->run.order != 0);
        assert(bytes_equal(head->spec.name, sync->name));
        sync->last_order = head->run.order;
    }
    stored = bytes_copy(check->mem, key);
    HASH_ADD_KEYPTR(hh, check->syncs, stored.data, stored.size, sync);
    return true;
}

static bool visit_behind(void *ctx, struct bytes key, struct bytes value)
{
    struct check *check = ctx;
    struct bytes name = key_name_read(key);
    uint64_t order = key_run_read(key);
    struct checked_run *run;
    struct checked_sync *sync;

    assert(value.size == 8 && name.size > 9);
    name.size -= 9;
    run = run_of(check, key_run_read(value));
    assert(is_live(run) && !run->stands_behind);
    assert(run->run.state == RUN_QUEUED || run->run.state == RUN_PAUSED);
    assert(run->run.order == order && bytes_equal(run->spec.name, name));
    sync = sync_of(check, org_of(check, key), name);
    assert(sync != NULL && sync->record.head_run != run->id);
    assert(order > sync->last_order); /* first in, first out */
    sync->last_order = order;
    sync->behind++;
    run->stands_behind = true;
    return true;
}

/* Where a live run must stand, for its state and its name's. */
static void check_place(struct check *check, const struct checked_run *run)
{
    const struct checked_sync *sync = sync_of(check, run->org, run->spec.name);
    bool at_head, waits_for_time = run->run.order == 0;

    assert(sync != NULL);
    at_head = sync->record.head_run == run->id;
    if (waits_for_time) {
        assert(run->run.state == RUN_SCHEDULED || run->run.state == RUN_PAUSED);
        assert(!at_head && !run->stands_behind && sync->record.scheduled);
        return;
    }
    assert(run->run.state != RUN_SCHEDULED);
    assert(at_head != run->stands_behind);
    assert(at_head || !run_is_leased(run->run.state)); /* so one of a name is leased at most */
    assert(run->run.ready == (run->run.state == RUN_QUEUED && at_head && !sync->record.paused));
}

static void check_names(struct check *check)
{
    scan(check, FAMILY_SYNC, visit_sync);
    scan(check, FAMILY_BEHIND, visit_behind);
    for (struct checked_sync *sync = check->syncs; sync != NULL; sync = sync->hh.next) {
        assert(sync->behind == sync->record.behind);
        assert(!sync->record.paused || sync->record.head_run != 0 || sync->record.scheduled);
    }
    for (struct checked_run *run = check->runs; run != NULL; run = run->hh.next)
        if (is_live(run))
            check_place(check, run);
}

/* ---- leases ---- */

static void check_lease(struct check *check, const struct checked_run *run)
{
    struct queue *queue = check->queue;
    const struct lease *lease = lease_find(queue, run->id);
    bool ends;

    assert(lease != NULL && lease->org == run->org && lease->epoch == run->run.epoch);
    assert(lease->ttl_ms == run->run.lease_ttl_ms);
    assert(lease->directive == directive_of(queue, run->run.state));
    assert(lease->deadline.place != 0);
    assert((lease->flush.place != 0) == (lease->reported != NULL));
    assert((lease->entity_count != 0) == (lease->reported != NULL));
    ends = lease->directive == DIRECTIVE_PAUSE_IT || lease->directive == DIRECTIVE_CANCEL_IT;
    assert((lease->grace_mono_ms != 0) == ends);
    assert(!ends || lease->deadline.key <= lease->grace_mono_ms);
    assert(lease->worker == NULL || lease->worker->joined);
}

static uint32_t count_links(const struct link *list)
{
    uint32_t count = 0;

    list_each(link, list)
        count++;
    return count;
}

static void check_leases(struct check *check)
{
    struct queue *queue = check->queue;
    uint32_t active = 0, held = 0, reported = 0;

    for (struct checked_run *run = check->runs; run != NULL; run = run->hh.next)
        if (run_is_leased(run->run.state)) {
            check_lease(check, run);
            active++;
        }
    for (const struct lease *lease = queue->leases; lease != NULL; lease = lease->by_run.next)
        reported += lease->reported != NULL;
    list_each(link, &queue->workers) {
        const struct worker *worker = container_of(link, struct worker, link);

        assert(worker->joined && worker->held == count_links(&worker->leases));
        held += worker->held;
    }
    assert(HASH_CNT(by_run, queue->leases) == active);
    assert(held + count_links(&queue->orphans) == active);
    assert(queue->deadlines.count == active);
    assert(queue->flushes.count == reported);
}

/* ---- schedules and timers ---- */

static void check_timer_exists(struct check *check, const struct timer *timer)
{
    struct key key = key_timer(timer);
    struct bytes value;
    bool found = get(check, FAMILY_TIMER, &key, &value);

    assert(found);
}

static bool visit_schedule(void *ctx, struct bytes key, struct bytes value)
{
    struct check *check = ctx;
    struct org *org = org_of(check, key);
    struct bytes name = bytes_copy(check->mem, key_name_read(key));
    const struct checked_sync *sync = sync_of(check, org, name);
    struct schedule_record schedule;
    struct why why = { .text = "" };
    const struct checked_run *pending;
    enum err e = record_read_schedule(bytes_copy(check->mem, value), check->mem, &schedule, &why);

    assert(e == OK && sync != NULL && sync->record.scheduled);
    pending = run_of(check, schedule.pending_run);
    assert(is_live(pending) && pending->org == org && bytes_equal(pending->spec.name, name));
    assert(pending->run.order == 0);
    assert(pending->run.state == (sync->record.paused ? RUN_PAUSED : pending->run.state));
    assert(schedule.due_ms >= schedule.nominal_ms &&
           pending->run.nominal_ms == schedule.nominal_ms);
    assert(pending->run.not_before_ms ==
           (pending->run.state == RUN_SCHEDULED ? schedule.due_ms : 0));
    assert(schedule.mark_ms <= schedule.nominal_ms);
    check_timer_exists(check,
                       &(struct timer){ schedule.due_ms, TIMER_SCHEDULE, org->place, 0, name });
    check->schedules++;
    return true;
}

static bool visit_timer(void *ctx, struct bytes key, struct bytes value)
{
    struct check *check = ctx;
    struct timer timer;
    bool understood = key_timer_read(key, &timer);

    (void)value;
    assert(understood);
    if (timer.due_ms < check->first_timer_ms[timer.org.slot])
        check->first_timer_ms[timer.org.slot] = timer.due_ms;
    return true;
}

static void check_timers(struct check *check)
{
    const struct queue *queue = check->queue;
    uint32_t pending = 0, scheduled = 0;

    for (int slot = 0; slot < 256; slot++)
        check->first_timer_ms[slot] = INT64_MAX;
    scan(check, FAMILY_TIMER, visit_timer);
    for (int slot = 0; slot < 256; slot++) {
        assert(queue->slot_due_ms[slot] <= check->first_timer_ms[slot]);
        assert(queue->timer_due_ms <= queue->slot_due_ms[slot]);
    }
    scan(check, FAMILY_SCHEDULE, visit_schedule);
    for (struct checked_run *run = check->runs; run != NULL; run = run->hh.next) {
        if (run->run.state == RUN_BACKOFF)
            check_timer_exists(
                check,
                &(struct timer){
                    run->run.not_before_ms, TIMER_BACKOFF, run->org->place, run->id, { NULL, 0 } });
        pending += is_live(run) && run->run.order == 0;
    }
    for (const struct checked_sync *sync = check->syncs; sync != NULL; sync = sync->hh.next)
        scheduled += sync->record.scheduled;
    assert(check->schedules == pending && check->schedules == scheduled);
}

static void check_idle(const struct queue *queue)
{
    assert(txn_count(queue->txn) == 0);
    assert(!queue->meta_dirty || queue->org_count == 0);
    assert(!link_is_linked(&queue->answers));
    assert(!link_is_linked(&queue->late_answers));
    assert(!link_is_linked(&queue->dirty_orgs));
    assert(HASH_CNT(by_id, queue->orgs_by_id) == queue->org_count);
    assert(HASH_CNT(by_place, queue->orgs_by_place) == queue->org_count);
}

void queue_check(struct queue *queue)
{
    struct check check = { .queue = queue, .mem = arena_new(CHECK_BYTES_MAX) };

    assert(check.mem != NULL);
    if (queue->loaded) {
        check_idle(queue);
        scan(&check, FAMILY_WAITING, visit_run);
        scan(&check, FAMILY_ACTIVE, visit_run);
        scan(&check, FAMILY_ENDED, visit_run);
        load_specs(&check);
        scan(&check, FAMILY_SPEC, visit_belonging);
        scan(&check, FAMILY_CHECKPOINT, visit_belonging);
        check_counters(&check);
        check_names(&check);
        check_ready(&check);
        check_leases(&check);
        check_timers(&check);
        queue_check_past(queue);
    }
    HASH_CLEAR(hh, check.runs);
    HASH_CLEAR(hh, check.syncs);
    arena_free(check.mem);
}
