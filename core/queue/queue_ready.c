#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The ready order: only runs that nothing holds back stand in it, so that the
 * next one is always at the front of some lane. Lanes keep a window of their
 * head in memory and remember below which key nothing is left to find, so that
 * a scan never walks over what was consumed. */

struct ready_value {
    run_id run;
    struct bytes source, target;
};

static int compare(const struct lane_entry *a, const struct lane_entry *b)
{
    if (a->head != b->head)
        return a->head ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static struct lane_entry *at(struct lane *lane, uint32_t i)
{
    assert(i < lane->count);
    return &lane->window[(lane->first + i) % LANE_WINDOW];
}

/* Nothing outside the window lies below the entry any longer than it did. */
static void lower_from(struct lane *lane, const struct lane_entry *entry)
{
    struct lane_entry from = { lane->from_head, lane->from_order, 0 };

    if (compare(entry, &from) < 0) {
        lane->from_head = entry->head;
        lane->from_order = entry->order;
    }
}

static void raise_from_behind(struct lane *lane, const struct lane_entry *entry)
{
    struct lane_entry from = { lane->from_head, lane->from_order, 0 };

    if (compare(entry, &from) >= 0) {
        lane->from_head = entry->head;
        lane->from_order = entry->order + 1;
    }
}

static void window_insert(struct lane *lane, const struct lane_entry *entry)
{
    uint32_t i;

    if (lane->count == LANE_WINDOW) {
        lower_from(lane, at(lane, LANE_WINDOW - 1));
        lane->complete = false;
        lane->count--;
    }
    i = lane->count++;
    for (; i > 0 && compare(entry, at(lane, i - 1)) < 0; i--)
        *at(lane, i) = *at(lane, i - 1);
    *at(lane, i) = *entry;
}

static void window_remove(struct lane *lane, uint32_t i)
{
    if (i == 0) {
        lane->first = (lane->first + 1) % LANE_WINDOW;
    } else {
        for (; i + 1 < lane->count; i++)
            *at(lane, i) = *at(lane, i + 1);
    }
    lane->count--;
}

static struct lane *find_number(const struct org_class *class, uint32_t number)
{
    list_each(link, &class->lanes) {
        struct lane *lane = container_of(link, struct lane, link);

        if (lane->number == number)
            return lane;
    }
    return NULL;
}

/* By its names: the number alone does not tell whose it is. */
static struct lane *find(const struct org *org, enum run_priority priority, struct bytes source,
                         struct bytes target)
{
    uint32_t hash = key_lane(source, target);

    list_each(link, &org->classes[priority].lanes) {
        struct lane *lane = container_of(link, struct lane, link);

        if (lane->hash == hash && bytes_equal(bytes_of_text(lane->source), source)
            && bytes_equal(bytes_of_text(lane->target), target))
            return lane;
    }
    return NULL;
}

static uint64_t turn_ended(const struct link *turn)
{
    return container_of(turn, struct org_class, turn)->turn_ended;
}

/* Who comes, or comes back, stands where it would stand had it stayed: before
 * all who had a turn since its last one. So a backlog does not delay what others
 * queue now and then, and nobody gains by coming back. The place is looked for
 * from both ends: it is near the first for who was away long, near the last for
 * who was not. */
static void join_turns(struct queue *queue, struct org_class *class, enum run_priority priority)
{
    struct link *list = &queue->turns[priority], *front = list->next, *back = list->prev;

    while (front != list && turn_ended(front) <= class->turn_ended
           && turn_ended(back) > class->turn_ended) {
        front = front->next;
        back = back->prev;
    }
    if (front == list || turn_ended(front) > class->turn_ended)
        list_append(front, &class->turn);
    else
        list_prepend(back, &class->turn);
}

static struct lane *add_lane(struct queue *queue, struct org *org, enum run_priority priority,
                             uint32_t number, struct bytes source, struct bytes target)
{
    struct org_class *class = &org->classes[priority];
    struct lane *lane = calloc(1, sizeof *lane);

    if (lane == NULL)
        abort();
    lane->org = org;
    lane->priority = priority;
    lane->hash = key_lane(source, target);
    lane->number = number;
    lane->source = text_copy(source);
    lane->target = text_copy(target);
    lane->complete = true;
    lane->from_head = true;
    list_append(&class->lanes, &lane->link);
    if (!link_is_linked(&class->turn))
        join_turns(queue, class, priority);
    org->lane_count++;
    return lane;
}

/* Pairs that hash alike get numbers beside each other. A lane keeps its number as
 * long as anything stands in it, over restarts too: ready_load() takes it from
 * the stored key. */
static struct lane *open_lane(struct queue *queue, struct org *org, const struct run_spec *spec)
{
    uint32_t number = key_lane(spec->source, spec->target);

    while (find_number(&org->classes[spec->priority], number) != NULL)
        number++;
    return add_lane(queue, org, spec->priority, number, spec->source, spec->target);
}

static void free_lane(struct lane *lane)
{
    struct org_class *class = &lane->org->classes[lane->priority];

    list_remove(&lane->link);
    if (!link_is_linked(&class->lanes))
        list_remove(&class->turn);
    lane->org->lane_count--;
    free(lane->source);
    free(lane->target);
    free(lane);
}

void ready_free_lanes(struct queue *queue, struct org *org)
{
    (void)queue;
    for (int i = 0; i < RUN_PRIORITY_COUNT; i++)
        while (link_is_linked(&org->classes[i].lanes))
            free_lane(container_of(org->classes[i].lanes.next, struct lane, link));
}

enum err ready_has_room(struct queue *queue, const struct org *org, const struct run_spec *spec,
                        struct why *why)
{
    (void)queue;
    if (org->lane_count < LANES_PER_ORG_MAX
        || find(org, spec->priority, spec->source, spec->target) != NULL)
        return OK;
    return err_because(why, ERR_LIMIT,
                       "jobs of %d different source and target pairs wait already", LANES_PER_ORG_MAX);
}

static bool split_value(struct bytes value, struct ready_value *out)
{
    const uint8_t *nul = value.size > 8 ? memchr(value.data + 8, 0, value.size - 8) : NULL;

    if (nul == NULL)
        return false;
    out->run = key_run_read(bytes_of(value.data, 8));
    out->source = bytes_of(value.data + 8, (size_t)(nul - value.data) - 8);
    out->target = bytes_of(nul + 1, value.size - (size_t)(nul - value.data) - 1);
    return true;
}

static struct bytes write_value(const struct loaded_run *loaded, uint8_t *data)
{
    size_t size = 0;

    for (int i = 0; i < 8; i++)
        data[size++] = (uint8_t)(loaded->id >> 8 * (7 - i));
    memcpy(data + size, loaded->spec.source.data, loaded->spec.source.size);
    size += loaded->spec.source.size;
    data[size++] = 0;
    memcpy(data + size, loaded->spec.target.data, loaded->spec.target.size);
    return bytes_of(data, size + loaded->spec.target.size);
}

/* The board counts along: should the turn fail, it starts over with the queue. */
static struct board_line line_of(const struct lane *lane)
{
    return (struct board_line){ org_id(lane->org), bytes_of_text(lane->source),
                                bytes_of_text(lane->target), lane->priority,
                                lane->org->record.weight };
}

static void tell_ready(struct queue *queue, const struct lane *lane, const struct run *run)
{
    struct board_line line = line_of(lane);

    if (queue->deps.board != NULL)
        board_run_ready(queue->deps.board, &line, run->head, run->order, run->typical_ms);
}

static void tell_taken(struct queue *queue, const struct lane *lane, const struct lane_entry *entry)
{
    struct board_line line = line_of(lane);

    if (queue->deps.board != NULL)
        board_run_taken(queue->deps.board, &line, entry->head, entry->order);
}

static void tell_found(struct queue *queue, const struct lane *lane, uint64_t first, uint64_t count)
{
    struct board_line line = line_of(lane);

    if (queue->deps.board != NULL)
        board_line_found(queue->deps.board, &line, first, (uint64_t)queue->now_ms << 20, count);
}

/* Empty, whatever was counted. */
static void end_lane(struct queue *queue, struct lane *lane)
{
    struct board_line line = line_of(lane);

    if (queue->deps.board != NULL)
        board_line_ended(queue->deps.board, &line);
    free_lane(lane);
}

void ready_insert(struct queue *queue, const struct loaded_run *loaded)
{
    const struct run_spec *spec = &loaded->spec;
    struct lane_entry entry = { loaded->run.head, loaded->run.order, loaded->id };
    struct lane *lane = find(loaded->org, spec->priority, spec->source, spec->target);
    uint8_t value[8 + NAME_SIZE_MAX + 1 + NAME_SIZE_MAX];
    struct key key;

    if (lane == NULL)
        lane = open_lane(queue, loaded->org, spec);
    key = key_ready(loaded->org->place, spec->priority, lane->number, entry.head, entry.order);
    txn_put(queue->txn, FAMILY_READY, key_bytes(&key), write_value(loaded, value));
    tell_ready(queue, lane, &loaded->run);
    if (lane->complete && lane->count < LANE_WINDOW)
        window_insert(lane, &entry);
    else if (lane->count > 0 && compare(&entry, at(lane, lane->count - 1)) < 0)
        window_insert(lane, &entry);
    else {
        lane->complete = false;
        lower_from(lane, &entry);
    }
}

void ready_remove(struct queue *queue, const struct loaded_run *loaded)
{
    const struct run_spec *spec = &loaded->spec;
    const struct lane_entry *entry = &loaded->stored_entry;
    struct lane *lane = find(loaded->org, spec->priority, spec->source, spec->target);
    struct key key;

    assert(lane != NULL);
    key = key_ready(loaded->org->place, spec->priority, lane->number, entry->head, entry->order);
    txn_erase(queue->txn, FAMILY_READY, key_bytes(&key));
    tell_taken(queue, lane, entry);
    for (uint32_t i = 0; i < lane->count; i++)
        if (compare(at(lane, i), entry) == 0) {
            if (i == 0)
                raise_from_behind(lane, entry);
            window_remove(lane, i);
            break;
        }
    if (lane->count == 0 && lane->complete)
        end_lane(queue, lane);
}

struct refill {
    struct lane *lane;
    bool more;
};

static bool visit_refill(void *ctx, struct bytes key, struct bytes value)
{
    struct refill *refill = ctx;
    struct lane *lane = refill->lane;
    struct ready_value ready;

    if (lane->count == LANE_WINDOW) {
        refill->more = true;
        return false;
    }
    if (split_value(value, &ready))
        window_insert(lane, &(struct lane_entry){ key_head_read(key), key_run_read(key), ready.run });
    return true;
}

/* Fills an empty window. The lane may turn out to be empty. */
static enum err refill(struct queue *queue, struct lane *lane, struct why *why)
{
    struct key from = key_ready(lane->org->place, lane->priority, lane->number, lane->from_head,
                                lane->from_order);
    struct key prefix = key_ready_lane(lane->org->place, lane->priority, lane->number);
    struct key to = key_after(&prefix);
    struct store_range range = { FAMILY_READY, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
    struct refill refill = { lane, false };
    enum err e;

    assert(lane->count == 0 && !lane->complete);
    lane->first = 0;
    e = txn_scan(queue->txn, &range, visit_refill, &refill, why);
    lane->complete = e == OK && !refill.more;
    if (lane->count > 0)
        raise_from_behind(lane, at(lane, lane->count - 1));
    return e;
}

static bool worker_can(const struct bytes *names, uint32_t count, const char *name)
{
    struct bytes wanted = bytes_of_text(name);

    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal(names[i], wanted) || (names[i].size == 1 && names[i].data[0] == '*'))
            return true;
    return false;
}

/* The first entry over all lanes of one organisation's class that the worker
 * can do. */
static struct lane *pick_of_class(struct queue *queue, struct org_class *class,
                                  const struct worker *worker)
{
    struct lane *best = NULL;

    list_each_safe(link, &class->lanes) {
        struct lane *lane = container_of(link, struct lane, link);

        if (!worker_can(worker->sources, worker->source_count, lane->source)
            || !worker_can(worker->targets, worker->target_count, lane->target))
            continue;
        if (lane->count == 0) {
            struct why why;
            enum err e = refill(queue, lane, &why);

            if (e != OK) {
                queue_fail_turn(queue, e, &why);
                return NULL;
            }
        }
        if (lane->count == 0)
            end_lane(queue, lane);
        else if (best == NULL || compare(at(lane, 0), at(best, 0)) < 0)
            best = lane;
    }
    return best;
}

static bool org_is_at_limit(const struct org *org)
{
    return org->record.max_active != 0 && org->counters.active >= org->record.max_active;
}

/* The first organisation in turn that has something for the worker. */
static struct lane *pick_at(struct queue *queue, int priority, const struct worker *worker)
{
    list_each_safe(link, &queue->turns[priority]) {
        struct org_class *class = container_of(link, struct org_class, turn);
        struct lane *lane;

        if (org_is_at_limit(class->org))
            continue;
        lane = pick_of_class(queue, class, worker);
        if (lane != NULL || queue->turn_error != OK)
            return lane;
    }
    return NULL;
}

struct lane *ready_pick(struct queue *queue, const struct worker *worker, struct lane_entry *entry)
{
    struct lane *lane = NULL;

    /* Those that were passed over too often first: then by priority. */
    for (int p = RUN_PRIORITY_LOW; p < RUN_PRIORITY_CRITICAL && lane == NULL; p++)
        if (queue->passed_over[p] >= PASSED_OVER_MAX && queue->turn_error == OK)
            lane = pick_at(queue, p, worker);
    for (int p = RUN_PRIORITY_CRITICAL; p >= RUN_PRIORITY_LOW && lane == NULL; p--)
        if (queue->turn_error == OK)
            lane = pick_at(queue, p, worker);
    if (lane == NULL || queue->turn_error != OK)
        return NULL;
    *entry = *at(lane, 0);
    return lane;
}

void ready_served(struct queue *queue, struct org *org, enum run_priority priority)
{
    struct org_class *class = &org->classes[priority];

    queue->passed_over[priority] = 0;
    for (int p = RUN_PRIORITY_LOW; p < (int)priority; p++)
        if (link_is_linked(&queue->turns[p]))
            queue->passed_over[p]++;
    if (class->credit == 0)
        class->credit = org->record.weight != 0 ? org->record.weight : 1;
    if (--class->credit > 0)
        return;
    /* This organisation had its turn: the others come first now. */
    class->turn_ended = ++queue->turns_ended;
    list_remove(&class->turn);
    list_append(&queue->turns[priority], &class->turn);
}

struct lane_start {
    struct queue *queue;
    struct org *org;
    struct lane *lane;
};

static bool visit_lane_start(void *ctx, struct bytes key, struct bytes value)
{
    struct lane_start *start = ctx;
    struct ready_value ready;
    enum run_priority priority = (enum run_priority)(RUN_PRIORITY_CRITICAL - key.data[5]);

    if (split_value(value, &ready) && key.data[5] < RUN_PRIORITY_CRITICAL)
        start->lane = add_lane(start->queue, start->org, priority, key_lane_read(key),
                               ready.source, ready.target);
    if (start->lane != NULL)
        tell_found(start->queue, start->lane, key_run_read(key), 1);
    return false;
}

/* How many wait in a lane nobody has counted: an equal share of all that wait. */
static void share_out(struct queue *queue, struct org *org)
{
    uint64_t each = org->lane_count > 0 ? org->counters.queued / org->lane_count : 0;

    for (int p = RUN_PRIORITY_LOW; p < RUN_PRIORITY_COUNT && each > 1; p++)
        list_each(link, &org->classes[p].lanes)
            tell_found(queue, container_of(link, struct lane, link), 0, each - 1);
}

/* Steps from lane to lane by seeking behind each one's last possible key. */
enum err ready_load(struct queue *queue, struct org *org, struct why *why)
{
    struct key from = key_of_org(org->place), to = key_after(&from);
    enum err e;

    for (;;) {
        struct store_range range = { FAMILY_READY, key_bytes(&from), key_bytes(&to), STORE_FORWARD };
        struct lane_start start = { queue, org, NULL };
        struct key prefix;

        e = txn_scan(queue->txn, &range, visit_lane_start, &start, why);
        if (e == OK && start.lane == NULL)
            share_out(queue, org);
        if (e != OK || start.lane == NULL)
            return e;
        start.lane->complete = false;
        prefix = key_ready_lane(org->place, start.lane->priority, start.lane->number);
        from = key_after(&prefix);
    }
}
