#include "core/watch.h"

#include "core/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* Events lie in a ring, each in one block of memory that readers hold while
 * they copy it, outside the lock. A watch is a place in the ring; those with
 * nothing left to read are armed, in a list by organisation, and are called
 * when something comes. */

enum {
    BUCKETS = 64,
    EVENTS_PER_MS_MAX = 1024, /* a restart's first sequence is beyond all before */
};

struct event {
    unsigned refs; /* the ring's, and readers' */
    uint32_t org_hash;
    size_t size;          /* of data */
    struct run_info info; /* points into data */
    _Alignas(max_align_t) uint8_t data[];
};

struct watch {
    struct watch_hub *hub;
    struct link link; /* in a bucket while armed */
    uint64_t place;   /* the next sequence to look at */
    void (*ready)(void *ctx);
    void *ctx;
    uint32_t org_hash;
    size_t org_size;
    uint8_t org[];
};

struct watch_hub {
    struct clock *clock;
    uint32_t events_max;
    pthread_mutex_t lock; /* of what follows and of all watches */
    uint64_t first, next; /* sequences kept: first <= s < next */
    size_t bytes;
    unsigned watches;
    int64_t watched_ms; /* when the last one was closed; 0: never */
    struct link armed[BUCKETS];
    struct event *ring[]; /* of sequence s at s % events_max */
};

/* ---- a run in one block ---- */

typedef void text_fn(void *ctx, struct bytes *text);

static void each_text(struct run_info *info, text_fn *visit, void *ctx)
{
    struct run_spec *spec = &info->spec;
    struct run *run = &info->run;
    struct bytes *texts[] = {
        &info->org,
        &spec->name,
        &spec->source,
        &spec->target,
        &spec->entity,
        &spec->data,
        &spec->schedule.timezone,
        &spec->schedule.cron,
        &spec->queued_by,
        &run->worker,
        &run->error,
        &run->action.actor,
        &run->action.reason,
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        visit(ctx, texts[i]);
    for (uint32_t i = 0; i < run->entity_count; i++)
        visit(ctx, &run->entities[i].entity);
    for (uint32_t i = 0; i < run->window_count; i++)
        visit(ctx, &run->windows[i].entity);
}

static void add_size(void *ctx, struct bytes *text)
{
    *(size_t *)ctx += text->size;
}

static size_t packed_size(const struct run_info *info)
{
    struct run_info copy = *info;
    size_t size = info->run.entity_count * sizeof *info->run.entities +
                  info->run.window_count * sizeof *info->run.windows;

    each_text(&copy, add_size, &size);
    return size;
}

static void *move(uint8_t **at, const void *data, size_t size)
{
    uint8_t *moved = *at;

    if (size > 0)
        memcpy(moved, data, size);
    *at += size;
    return moved;
}

static void move_text(void *ctx, struct bytes *text)
{
    text->data = move(ctx, text->data, text->size);
}

/* Copies info and all it points to into `to` and packed_size() bytes at `at`:
 * the arrays first, which need alignment. */
static void pack(const struct run_info *info, struct run_info *to, uint8_t *at)
{
    const struct run *run = &info->run;

    *to = *info;
    to->run.entities = move(&at, run->entities, run->entity_count * sizeof *run->entities);
    to->run.windows = move(&at, run->windows, run->window_count * sizeof *run->windows);
    each_text(to, move_text, &at);
}

/* ---- the ring ---- */

/* FNV-1a. */
static uint32_t hash_of(struct bytes text)
{
    uint32_t hash = 0x811c9dc5u;

    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ text.data[i]) * 0x01000193u;
    return hash;
}

static void drop(struct event *event)
{
    if (--event->refs == 0)
        free(event);
}

static struct event **slot(struct watch_hub *hub, uint64_t sequence)
{
    return &hub->ring[sequence % hub->events_max];
}

static void drop_first(struct watch_hub *hub)
{
    struct event **first = slot(hub, hub->first++);

    hub->bytes -= sizeof **first + (*first)->size;
    drop(*first);
    *first = NULL;
}

/* An event that nobody can read makes those before it worthless. */
static void skip(struct watch_hub *hub)
{
    while (hub->first < hub->next)
        drop_first(hub);
    hub->first = ++hub->next;
}

static void append(struct watch_hub *hub, struct event *event)
{
    size_t size = sizeof *event + event->size;

    while (hub->first < hub->next &&
           (hub->next - hub->first == hub->events_max || hub->bytes + size > WATCH_BYTES_MAX))
        drop_first(hub);
    hub->bytes += size;
    *slot(hub, hub->next++) = event;
}

static bool is_of(const struct watch *watch, uint32_t hash, struct bytes org)
{
    return watch->org_hash == hash && bytes_equal(bytes_of(watch->org, watch->org_size), org);
}

static void call_armed(struct watch_hub *hub, uint32_t hash, struct bytes org)
{
    list_each_safe(link, &hub->armed[hash % BUCKETS]) {
        struct watch *watch = container_of(link, struct watch, link);

        if (!is_of(watch, hash, org))
            continue;
        list_remove(link);
        watch->ready(watch->ctx);
    }
}

static bool is_wanted(struct watch_hub *hub)
{
    return hub->watches > 0 ||
           (hub->watched_ms > 0 && clock_mono_ms(hub->clock) - hub->watched_ms < WATCH_IDLE_MS);
}

static struct event *new_event(const struct run_info *info)
{
    size_t size = packed_size(info);
    struct event *event = malloc(sizeof *event + size);

    if (event == NULL)
        return NULL;
    event->refs = 1;
    event->org_hash = hash_of(info->org);
    event->size = size;
    pack(info, &event->info, event->data);
    return event;
}

void watch_publish(struct watch_hub *hub, const struct run_info *info)
{
    struct event *event;

    pthread_mutex_lock(&hub->lock);
    event = is_wanted(hub) ? new_event(info) : NULL;
    if (event != NULL)
        append(hub, event);
    else
        skip(hub);
    if (hub->watches > 0)
        call_armed(hub, hash_of(info->org), info->org);
    pthread_mutex_unlock(&hub->lock);
}

bool watch_is_wanted(struct watch_hub *hub)
{
    bool wanted;

    pthread_mutex_lock(&hub->lock);
    wanted = is_wanted(hub);
    pthread_mutex_unlock(&hub->lock);
    return wanted;
}

void watch_skip(struct watch_hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    skip(hub);
    for (size_t i = 0; i < BUCKETS; i++)
        list_each_safe(link, &hub->armed[i]) {
            struct watch *watch = container_of(link, struct watch, link);

            list_remove(link);
            watch->ready(watch->ctx);
        }
    pthread_mutex_unlock(&hub->lock);
}

/* ---- readers ---- */

static uint64_t place_after(const struct watch_hub *hub, uint64_t after)
{
    if (after == 0)
        return hub->next;
    return after < hub->next ? after + 1 : 0; /* 0: not one of ours, so events are lost */
}

enum err watch_open(struct watch_hub *hub, struct bytes org, uint64_t after,
                    void (*ready)(void *ctx), void *ctx, struct watch **out)
{
    struct watch *watch = calloc(1, sizeof *watch + org.size);

    if (watch == NULL)
        return ERR_LIMIT;
    watch->hub = hub;
    watch->ready = ready;
    watch->ctx = ctx;
    watch->org_hash = hash_of(org);
    watch->org_size = org.size;
    if (org.size > 0)
        memcpy(watch->org, org.data, org.size);
    link_init(&watch->link);
    pthread_mutex_lock(&hub->lock);
    hub->watches++;
    watch->place = place_after(hub, after);
    pthread_mutex_unlock(&hub->lock);
    *out = watch;
    return OK;
}

void watch_close(struct watch *watch)
{
    struct watch_hub *hub;

    if (watch == NULL)
        return;
    hub = watch->hub;
    pthread_mutex_lock(&hub->lock);
    list_remove(&watch->link);
    hub->watches--;
    hub->watched_ms = clock_mono_ms(hub->clock);
    pthread_mutex_unlock(&hub->lock);
    free(watch);
}

/* Moves the watch to behind its next event and holds that; NULL: none. */
static struct event *take_next(struct watch *watch)
{
    struct watch_hub *hub = watch->hub;

    while (watch->place < hub->next) {
        struct event *event = *slot(hub, watch->place++);

        if (is_of(watch, event->org_hash, event->info.org)) {
            event->refs++;
            return event;
        }
    }
    return NULL;
}

static enum err find_next(struct watch *watch, struct event **event, uint64_t *sequence)
{
    struct watch_hub *hub = watch->hub;
    bool lost = watch->place < hub->first;

    *event = NULL;
    if (lost)
        watch->place = hub->next;
    else
        *event = take_next(watch);
    *sequence = watch->place - 1;
    if (!lost && *event == NULL && !link_is_linked(&watch->link))
        list_append(&hub->armed[watch->org_hash % BUCKETS], &watch->link);
    return lost ? ERR_LIMIT : *event != NULL ? OK : ERR_NOT_FOUND;
}

static enum err copy_event(const struct event *event, struct arena *mem, struct run_info *info)
{
    uint8_t *block = arena_alloc(mem, event->size);

    if (block == NULL)
        return ERR_LIMIT;
    pack(&event->info, info, block);
    return OK;
}

enum err watch_next(struct watch *watch, struct arena *mem, struct run_info *info,
                    uint64_t *sequence)
{
    struct watch_hub *hub = watch->hub;
    struct event *event;
    enum err e;

    pthread_mutex_lock(&hub->lock);
    e = find_next(watch, &event, sequence);
    pthread_mutex_unlock(&hub->lock);
    if (event == NULL)
        return e;
    e = copy_event(event, mem, info);
    pthread_mutex_lock(&hub->lock);
    drop(event);
    pthread_mutex_unlock(&hub->lock);
    return e;
}

uint64_t watch_hub_sequence(struct watch_hub *hub)
{
    uint64_t sequence;

    pthread_mutex_lock(&hub->lock);
    sequence = hub->next - 1;
    pthread_mutex_unlock(&hub->lock);
    return sequence;
}

struct watch_hub *watch_hub_new(struct clock *clock, uint32_t events_max)
{
    uint32_t events = events_max > 0 ? events_max : (uint32_t)WATCH_EVENTS_MAX;
    struct watch_hub *hub = calloc(1, sizeof *hub + events * sizeof(struct event *));

    if (hub == NULL)
        return NULL;
    hub->clock = clock;
    hub->events_max = events;
    hub->first = hub->next = (uint64_t)clock_now_ms(clock) * EVENTS_PER_MS_MAX + 1;
    for (size_t i = 0; i < BUCKETS; i++)
        link_init(&hub->armed[i]);
    pthread_mutex_init(&hub->lock, NULL);
    return hub;
}

void watch_hub_free(struct watch_hub *hub)
{
    if (hub == NULL)
        return;
    assert(hub->watches == 0);
    while (hub->first < hub->next)
        drop_first(hub);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}

struct watch_hub_now watch_hub_now(struct watch_hub *hub)
{
    struct watch_hub_now now;

    pthread_mutex_lock(&hub->lock);
    now = (struct watch_hub_now){ hub->watches, hub->next - hub->first, hub->bytes };
    pthread_mutex_unlock(&hub->lock);
    return now;
}
