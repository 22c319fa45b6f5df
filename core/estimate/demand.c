#include "core/estimate/demand.h"

#include "core/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A line is one organisation's class and pair. It counts its runs in at most
 * sixteen stretches of the order, so that a place in it is found by adding up.
 * A pair sums up its lines by their length's power of two: what organisations
 * that take turns put before a place follows from that without visiting them. */

enum {
    STRETCHES_MAX = 16,
    LENGTHS = 40, /* powers of two of a line's length */
    KEY_SIZE_MAX = 2 + 2 * (NAME_SIZE_MAX + 1) + NAME_SIZE_MAX,
    STARVING_FACTOR = 17, /* one lease in so many goes to a class that waits */
};

struct lines {
    uint64_t lines, weights;
    double runs, timed_runs, work_ms;
};

struct class_sum {
    struct demand_sum sum;
    struct lines by_length[LENGTHS];
};

struct known_pair {
    struct pair pair;
    unsigned holders;
    struct class_sum classes[RUN_PRIORITY_COUNT];
    UT_hash_handle hh;
    size_t size;
    uint8_t names[]; /* source, NUL, target */
};

struct stretch {
    uint64_t from, to; /* the least and the greatest order in it */
    uint64_t count;
};

struct line {
    struct pair *pair;
    enum run_priority priority;
    uint32_t weight;
    uint64_t count, heads, timed;
    double work_ms;
    uint64_t last; /* the greatest order seen */
    struct stretch stretches[STRETCHES_MAX];
    unsigned stretch_count;
    UT_hash_handle hh;
    size_t size;
    uint8_t key[];
};

struct demand {
    struct known_pair *pairs;
    struct known_pair *rest; /* of pairs that are too many */
    struct line *lines;
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL)
        abort(); /* as the queue does */
    return memory;
}

struct demand *demand_new(void)
{
    struct demand *demand = calloc(1, sizeof *demand);

    if (demand == NULL)
        return NULL;
    demand->rest = allocate(sizeof *demand->rest);
    return demand;
}

void demand_clear(struct demand *demand)
{
    struct line *line, *next;

    HASH_ITER(hh, demand->lines, line, next) {
        HASH_DEL(demand->lines, line);
        if (line->pair != &demand->rest->pair)
            demand_let_pair_go(demand, line->pair);
        free(line);
    }
    memset(demand->rest->classes, 0, sizeof demand->rest->classes);
    for (struct known_pair *pair = demand->pairs; pair != NULL; pair = pair->hh.next)
        memset(pair->classes, 0, sizeof pair->classes);
}

void demand_free(struct demand *demand)
{
    struct known_pair *pair, *next;

    if (demand == NULL)
        return;
    demand_clear(demand);
    HASH_ITER(hh, demand->pairs, pair, next) {
        HASH_DEL(demand->pairs, pair);
        free(pair);
    }
    free(demand->rest);
    free(demand);
}

/* ---- pairs ---- */

static size_t write_pair(uint8_t *at, struct bytes source, struct bytes target)
{
    assert(source.size <= NAME_SIZE_MAX && target.size <= NAME_SIZE_MAX);
    if (source.size > 0)
        memcpy(at, source.data, source.size);
    at[source.size] = 0;
    if (target.size > 0)
        memcpy(at + source.size + 1, target.data, target.size);
    return source.size + 1 + target.size;
}

static struct known_pair *find_pair(struct demand *demand, struct bytes source, struct bytes target)
{
    uint8_t names[2 * NAME_SIZE_MAX + 1];
    size_t size = write_pair(names, source, target);
    struct known_pair *pair;

    HASH_FIND(hh, demand->pairs, names, size, pair);
    return pair;
}

struct pair *demand_hold_pair(struct demand *demand, struct bytes source, struct bytes target)
{
    struct known_pair *pair = find_pair(demand, source, target);

    if (pair == NULL) {
        if (HASH_COUNT(demand->pairs) >= BOARD_PAIRS_MAX)
            return NULL;
        pair = allocate(sizeof *pair + source.size + 1 + target.size);
        pair->size = write_pair(pair->names, source, target);
        pair->pair.source = bytes_of(pair->names, source.size);
        pair->pair.target = bytes_of(pair->names + source.size + 1, target.size);
        HASH_ADD_KEYPTR(hh, demand->pairs, pair->names, pair->size, pair);
    }
    pair->holders++;
    return &pair->pair;
}

void demand_let_pair_go(struct demand *demand, struct pair *held)
{
    struct known_pair *pair = (struct known_pair *)held; /* its first member */

    assert(pair->holders > 0);
    if (--pair->holders > 0)
        return;
    HASH_DEL(demand->pairs, pair);
    free(pair);
}

/* ---- lines ---- */

static size_t write_key(uint8_t *key, const struct demand_place *place)
{
    size_t size = 0;

    key[size++] = (uint8_t)place->priority;
    size += write_pair(key + size, place->source, place->target);
    key[size++] = 0;
    assert(place->org.size <= NAME_SIZE_MAX);
    if (place->org.size > 0)
        memcpy(key + size, place->org.data, place->org.size);
    return size + place->org.size;
}

static struct line *find_line(struct demand *demand, const struct demand_place *place)
{
    uint8_t key[KEY_SIZE_MAX];
    size_t size = write_key(key, place);
    struct line *line;

    HASH_FIND(hh, demand->lines, key, size, line);
    return line;
}

static struct line *add_line(struct demand *demand, const struct demand_place *place)
{
    uint8_t key[KEY_SIZE_MAX];
    size_t size = write_key(key, place);
    struct line *line = allocate(sizeof *line + size);

    line->pair = demand_hold_pair(demand, place->source, place->target);
    if (line->pair == NULL)
        line->pair = &demand->rest->pair;
    line->priority = place->priority;
    line->weight = place->weight > 0 ? place->weight : 1;
    line->size = size;
    memcpy(line->key, key, size);
    HASH_ADD_KEYPTR(hh, demand->lines, line->key, size, line);
    return line;
}

static void remove_line(struct demand *demand, struct line *line)
{
    HASH_DEL(demand->lines, line);
    if (line->pair != &demand->rest->pair)
        demand_let_pair_go(demand, line->pair);
    free(line);
}

static unsigned length_of(uint64_t count)
{
    unsigned length = 0;

    for (; count > 1 && length < LENGTHS - 1; count >>= 1)
        length++;
    return length;
}

/* Takes the line out of its pair's sums (-1) or puts it in (1). */
static void sum_up(struct line *line, int sign)
{
    struct class_sum *class = &((struct known_pair *)line->pair)->classes[line->priority];
    struct lines *same = &class->by_length[length_of(line->count)];

    if (line->count == 0)
        return;
    same->lines += (uint64_t)(int64_t)sign;
    same->weights += (uint64_t)((int64_t)sign * line->weight);
    same->runs += sign * (double)line->count;
    same->timed_runs += sign * (double)line->timed;
    same->work_ms += sign * line->work_ms;
    class->sum.runs += sign * (double)line->count;
    class->sum.timed_runs += sign * (double)line->timed;
    class->sum.work_ms += sign * line->work_ms;
}

/* ---- stretches ---- */

static void drop_stretch(struct line *line, unsigned i)
{
    memmove(line->stretches + i, line->stretches + i + 1,
            (line->stretch_count - i - 1) * sizeof line->stretches[0]);
    line->stretch_count--;
}

/* Two neighbours that are smallest together become one. */
static void merge_smallest(struct line *line)
{
    unsigned best = 0;
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i + 1 < line->stretch_count; i++) {
        uint64_t sum = line->stretches[i].count + line->stretches[i + 1].count;

        if (sum < least) {
            least = sum;
            best = i;
        }
    }
    line->stretches[best].count = least;
    line->stretches[best].to = line->stretches[best + 1].to;
    drop_stretch(line, best + 1);
}

/* The stretch that the order falls into; 0 if it lies before all. */
static unsigned stretch_at(const struct line *line, uint64_t order)
{
    unsigned i = line->stretch_count;

    while (i > 1 && line->stretches[i - 1].from > order)
        i--;
    return i > 0 ? i - 1 : 0;
}

static void count_order(struct line *line, uint64_t order)
{
    struct stretch *last;
    unsigned i;

    if (line->stretch_count > 0 && order <= line->last) {
        i = stretch_at(line, order);
        line->stretches[i].count++;
        if (order < line->stretches[i].from)
            line->stretches[i].from = order;
        if (order > line->stretches[i].to)
            line->stretches[i].to = order;
        return;
    }
    line->last = order;
    last = line->stretch_count > 0 ? &line->stretches[line->stretch_count - 1] : NULL;
    if (last != NULL && last->count <= line->count / STRETCHES_MAX) {
        last->count++;
        last->to = order;
        return;
    }
    if (line->stretch_count == STRETCHES_MAX)
        merge_smallest(line);
    line->stretches[line->stretch_count++] = (struct stretch){ order, order, 1 };
}

static void forget_order(struct line *line, uint64_t order)
{
    unsigned i = stretch_at(line, order);

    if (line->stretch_count == 0)
        return;
    /* What is taken is the first one, as a rule: then the stretch begins behind it. */
    if (i == 0 && order >= line->stretches[0].from && order < line->stretches[0].to)
        line->stretches[0].from = order + 1;
    if (line->stretches[i].count > 0 && --line->stretches[i].count == 0)
        drop_stretch(line, i);
}

/* How many of the line go before. */
static double before(const struct line *line, bool head, uint64_t order)
{
    double sum = 0;

    if (head)
        return (double)line->heads / 2;
    for (unsigned i = 0; i < line->stretch_count; i++) {
        const struct stretch *stretch = &line->stretches[i];

        if (order > stretch->to)
            sum += (double)stretch->count;
        else if (order > stretch->from)
            sum += (double)stretch->count *
                   ((double)(order - stretch->from) / (double)(stretch->to - stretch->from));
    }
    return sum + (double)line->heads;
}

/* ---- runs come and go ---- */

void demand_add(struct demand *demand, const struct demand_place *place, double work_ms)
{
    struct line *line = find_line(demand, place);

    if (line == NULL)
        line = add_line(demand, place);
    sum_up(line, -1);
    if (place->head)
        line->heads++;
    else
        count_order(line, place->order);
    line->count++;
    if (work_ms > 0) {
        line->timed++;
        line->work_ms += work_ms;
    }
    sum_up(line, 1);
}

void demand_remove(struct demand *demand, const struct demand_place *place)
{
    struct line *line = find_line(demand, place);

    if (line == NULL)
        return; /* it came before a restart, and was taken for one less */
    sum_up(line, -1);
    if (place->head && line->heads > 0)
        line->heads--;
    else
        forget_order(line, place->order);
    line->work_ms -= line->work_ms / (double)line->count;
    if (line->timed == line->count)
        line->timed--;
    if (--line->count == 0) {
        remove_line(demand, line);
        return;
    }
    sum_up(line, 1);
}

void demand_seed(struct demand *demand, const struct demand_place *place, uint64_t last,
                 uint64_t count)
{
    struct line *line;

    if (count == 0)
        return;
    line = find_line(demand, place);
    if (line == NULL)
        line = add_line(demand, place);
    sum_up(line, -1);
    last = last > place->order ? last : place->order;
    if (line->stretch_count == 0) {
        line->stretches[line->stretch_count++] = (struct stretch){ place->order, last, 0 };
        line->last = last;
    }
    line->stretches[0].count += count;
    line->count += count;
    sum_up(line, 1);
}

void demand_end(struct demand *demand, const struct demand_place *place)
{
    struct line *line = find_line(demand, place);

    if (line == NULL)
        return;
    sum_up(line, -1);
    remove_line(demand, line);
}

/* ---- who goes before ---- */

static void add(struct demand_sum *sum, double runs, double timed_runs, double work_ms)
{
    sum->runs += runs;
    sum->timed_runs += timed_runs;
    sum->work_ms += work_ms;
}

static void add_own(const struct line *line, const struct demand_place *place,
                    struct demand_sum *own)
{
    double runs = before(line, place->head, place->order), share = runs / (double)line->count;

    if (share > 1)
        share = 1;
    add(own, runs, share * (double)line->timed, share * line->work_ms);
}

/* The others of the class, while each of them has no more than its turns until
 * this place's comes. */
static void add_turns(const struct class_sum *class, const struct line *own, double turns,
                      double weight, struct demand_sum *all)
{
    for (unsigned i = 0; i < LENGTHS; i++) {
        struct lines same = class->by_length[i];
        double most;

        if (own != NULL && own->count > 0 && length_of(own->count) == i) {
            same.lines--;
            same.weights -= own->weight;
            same.runs -= (double)own->count;
            same.timed_runs -= (double)own->timed;
            same.work_ms -= own->work_ms;
        }
        if (same.lines == 0 || same.runs <= 0)
            continue;
        most = turns * (double)same.weights / weight / same.runs;
        if (most > 1)
            most = 1;
        add(all, most * same.runs, most * same.timed_runs, most * same.work_ms);
    }
}

struct question {
    const struct demand_place *place;
    struct demand_sum *own, *all, higher;
};

static struct line *own_line(struct demand *demand, const struct known_pair *pair,
                             const struct demand_place *place)
{
    struct demand_place there = *place;
    struct line *line;

    if (pair != demand->rest) {
        there.source = pair->pair.source;
        there.target = pair->pair.target;
    }
    line = find_line(demand, &there);
    return line != NULL && line->pair == &pair->pair ? line : NULL;
}

static void look_at_own(struct demand *demand, const struct known_pair *pair, struct question *q)
{
    const struct line *line = own_line(demand, pair, q->place);

    for (int c = (int)q->place->priority + 1; c < RUN_PRIORITY_COUNT; c++)
        add(&q->higher, pair->classes[c].sum.runs, pair->classes[c].sum.timed_runs,
            pair->classes[c].sum.work_ms);
    if (line != NULL)
        add_own(line, q->place, q->own);
}

static void look_at_others(struct demand *demand, const struct known_pair *pair, struct question *q)
{
    double weight = q->place->weight > 0 ? q->place->weight : 1;

    add_turns(&pair->classes[q->place->priority], own_line(demand, pair, q->place),
              q->own->runs + 1, weight, q->all);
}

static void each_pair(struct demand *demand, bool (*competes)(void *ctx, struct pair *pair),
                      void *ctx, struct question *q,
                      void (*look)(struct demand *, const struct known_pair *, struct question *))
{
    for (struct known_pair *pair = demand->pairs; pair != NULL; pair = pair->hh.next)
        if (competes(ctx, &pair->pair))
            look(demand, pair, q);
    look(demand, demand->rest, q);
}

void demand_ahead(struct demand *demand, const struct demand_place *place,
                  bool (*competes)(void *ctx, struct pair *pair), void *ctx, struct demand_sum *own,
                  struct demand_sum *all)
{
    struct question q = { .place = place, .own = own, .all = all };
    double share = 1;

    *own = *all = (struct demand_sum){ 0 };
    each_pair(demand, competes, ctx, &q, look_at_own);
    *all = *own;
    each_pair(demand, competes, ctx, &q, look_at_others);
    /* However many are of higher rank, one lease in so many is for the others. */
    if (q.higher.runs > (STARVING_FACTOR - 1) * (all->runs + 1))
        share = (STARVING_FACTOR - 1) * (all->runs + 1) / q.higher.runs;
    add(all, share * q.higher.runs, share * q.higher.timed_runs, share * q.higher.work_ms);
}
