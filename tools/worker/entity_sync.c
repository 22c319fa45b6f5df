#include "tools/worker/attempt_parts.h"
#include "tools/worker/connectors/buffer.h"

#include "core/base/clock.h"
#include "core/base/list.h"
#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>

/* Reads one entity: collects what the source tells into batches and has the
 * target store each together with the position behind it. */

enum {
    BATCH_ROWS = 1000,
    BATCH_BYTES = 4 << 20,
    BATCH_MS = 2000,
    PAGE_ROWS_MAX = 65536,
    PAGE_BYTES_MAX = 64 << 20, /* told without a position */
    WAIT_STEP_MS = 500,
};

/* A record of the batch; its bytes lie in `bytes`, which moves as it grows. */
struct batched {
    size_t key, key_size, document_size;
    int64_t updated_at_ms;
    bool deleted;
};

struct collector {
    struct sink base;
    struct entity_sync *entity;
    struct entity_state state; /* as of the last position told */
    struct buffer bytes;
    struct batched *rows;
    struct record *records; /* as many, made for the target */
    size_t count, room;
    size_t behind;    /* rows up to the last position told */
    int64_t began_ms; /* when the batch got its first row */
    bool broken;      /* the target, or the lease, let us down */
    struct problem problem;
};

static int64_t mono_ms(void)
{
    return clock_mono_ms(clock_real());
}

static struct collector *collector_of(struct sink *sink)
{
    return container_of(sink, struct collector, base);
}

static bool must_stop(struct collector *collector)
{
    return collector->broken || attempt_stop(collector->entity->attempt) != STOP_NONE;
}

static bool make_room(struct collector *collector)
{
    size_t room = collector->room > 0 ? 2 * collector->room : 1024;
    struct batched *rows;
    struct record *records;

    if (collector->count < collector->room)
        return true;
    rows = realloc(collector->rows, room * sizeof *rows);
    if (rows != NULL)
        collector->rows = rows;
    records = realloc(collector->records, room * sizeof *records);
    if (records != NULL)
        collector->records = records;
    if (rows == NULL || records == NULL)
        return problem_set(&collector->problem, PROBLEM_TRANSIENT, "out of memory");
    collector->room = room;
    return true;
}

static bool check_record(struct collector *collector, const struct record *record)
{
    if (record->document.size > DOCUMENT_SIZE_MAX)
        return problem_set(&collector->problem, PROBLEM_CONFIG, "record %.*s is larger than %d MiB",
                           (int)(record->key.size < 100 ? record->key.size : 100),
                           (const char *)record->key.data, DOCUMENT_SIZE_MAX >> 20);
    if (collector->count - collector->behind >= PAGE_ROWS_MAX ||
        collector->bytes.size > PAGE_BYTES_MAX)
        return problem_set(&collector->problem, PROBLEM_FATAL,
                           "the source tells too much without saying where it is");
    return make_room(collector);
}

static bool on_record(struct sink *sink, const struct record *record)
{
    struct collector *collector = collector_of(sink);
    struct batched *row;

    if (must_stop(collector))
        return false;
    if (!check_record(collector, record)) {
        collector->broken = true;
        return false;
    }
    if (collector->count == 0)
        collector->began_ms = mono_ms();
    row = &collector->rows[collector->count++];
    *row = (struct batched){ .key = collector->bytes.size,
                             .key_size = record->key.size,
                             .document_size = record->document.size,
                             .updated_at_ms = record->updated_at_ms,
                             .deleted = record->deleted };
    buffer_add(&collector->bytes, record->key.data, record->key.size);
    buffer_add(&collector->bytes, record->document.data, record->document.size);
    return true;
}

static void publish(struct collector *collector)
{
    struct attempt *attempt = collector->entity->attempt;

    pthread_mutex_lock(&attempt->lock);
    collector->entity->stored = collector->state;
    attempt->moved = true;
    pthread_mutex_unlock(&attempt->lock);
}

/* Stores the rows up to the last position, and that position. A source may stop
 * between two: what it told behind the last one it will tell again. */
static bool flush(struct collector *collector)
{
    struct entity_sync *entity = collector->entity;
    struct target *target = entity->attempt->target;
    struct batch batch = { .entity = entity->spec.name,
                           .records = collector->records,
                           .count = collector->behind,
                           .state = &collector->state };

    if (!attempt_may_write(entity->attempt))
        return false;
    for (size_t i = 0; i < collector->behind; i++) {
        const struct batched *row = &collector->rows[i];
        const uint8_t *key = collector->bytes.data + row->key;

        collector->records[i] =
            (struct record){ .key = bytes_of(key, row->key_size),
                             .deleted = row->deleted,
                             .document = bytes_of(key + row->key_size, row->document_size),
                             .updated_at_ms = row->updated_at_ms };
    }
    if (!target->kind->write(target, &batch, &collector->problem))
        return false;
    publish(collector);
    return true;
}

/* The rows behind the position begin the next batch. */
static void shift(struct collector *collector)
{
    size_t rest = collector->count - collector->behind;
    size_t begin = rest > 0 ? collector->rows[collector->behind].key : collector->bytes.size;

    if (rest > 0) {
        memmove(collector->bytes.data, collector->bytes.data + begin,
                collector->bytes.size - begin);
        memmove(collector->rows, collector->rows + collector->behind,
                rest * sizeof *collector->rows);
    }
    for (size_t i = 0; i < rest; i++)
        collector->rows[i].key -= begin;
    collector->bytes.size -= begin;
    collector->count = rest;
    collector->behind = 0;
    collector->began_ms = mono_ms();
}

static bool store(struct collector *collector)
{
    if (!flush(collector)) {
        collector->broken = true;
        return false;
    }
    shift(collector);
    return true;
}

static bool is_full(const struct collector *collector)
{
    return collector->behind >= BATCH_ROWS || collector->bytes.size >= BATCH_BYTES ||
           mono_ms() - collector->began_ms >= BATCH_MS;
}

/* Everything told so far is covered by the position. */
static void cover(struct collector *collector)
{
    for (; collector->behind < collector->count; collector->behind++) {
        collector->state.deleted += collector->rows[collector->behind].deleted;
        collector->state.done++;
    }
}

static bool on_position(struct sink *sink, struct bytes position)
{
    struct collector *collector = collector_of(sink);

    assert(position.size <= POSITION_SIZE_MAX);
    cover(collector);
    memcpy(collector->state.position, position.data, position.size);
    collector->state.position_size = position.size;
    if (collector->count > 0 && is_full(collector) && !store(collector))
        return false;
    return !must_stop(collector);
}

static bool on_reject(struct sink *sink, const char *where, const char *reason)
{
    struct collector *collector = collector_of(sink);
    const struct attempt *attempt = collector->entity->attempt;

    log_event(LOG_WARNING, "record rejected", LOG_TEXT("job", attempt->scope.run),
              LOG_TEXT("org", attempt->scope.org), LOG_TEXT("entity", collector->entity->spec.name),
              LOG_TEXT("where", where), LOG_TEXT("reason", reason));
    collector->state.rejected++;
    return !must_stop(collector);
}

static bool on_wait(struct sink *sink, int64_t ms)
{
    struct collector *collector = collector_of(sink);
    struct attempt *attempt = collector->entity->attempt;
    int64_t until_ms = mono_ms() + ms, now_ms;

    while (!must_stop(collector) && (now_ms = mono_ms()) < until_ms) {
        int64_t step_ms = now_ms + WAIT_STEP_MS;

        if (collector->behind > 0 && is_full(collector) && !store(collector))
            return false;
        pthread_mutex_lock(&attempt->lock);
        if (attempt_stop(attempt) == STOP_NONE)
            attempt_wait_locked(attempt, step_ms < until_ms ? step_ms : until_ms);
        pthread_mutex_unlock(&attempt->lock);
    }
    return !must_stop(collector);
}

/* What was read is kept, whatever ended the reading; unless it is somebody
 * else's now. */
static void finish(struct collector *collector, enum read_end end)
{
    if (collector->broken || attempt_stop(collector->entity->attempt) >= STOP_CANCEL)
        return;
    if (end == READ_DONE) {
        cover(collector);
        collector->state.phase = ENTITY_READ;
    }
    if (end == READ_DONE || collector->behind > 0)
        store(collector);
}

static struct read_request request_of(const struct entity_sync *entity)
{
    return (struct read_request){ .entity = entity->spec.name,
                                  .low_ms = entity->low_ms,
                                  .collections = entity->extent.collections,
                                  .collection_count = entity->extent.collection_count };
}

void entity_sync_count(struct entity_sync *entity)
{
    struct attempt *attempt = entity->attempt;
    struct read_request request = request_of(entity);
    uint64_t total;

    if (!attempt->source->kind->count(attempt->source, &request, &total))
        return;
    pthread_mutex_lock(&attempt->lock);
    if (!entity->total_known) {
        entity->total = total;
        entity->total_known = attempt->news = true;
    }
    pthread_mutex_unlock(&attempt->lock);
}

static void read_entity(struct collector *collector)
{
    struct entity_sync *entity = collector->entity;
    struct source *source = entity->attempt->source;
    struct problem problem = { 0 };
    char position[POSITION_SIZE_MAX];
    struct read_request request = request_of(entity);
    enum read_end end;

    memcpy(position, collector->state.position, collector->state.position_size);
    request.position = bytes_of(position, collector->state.position_size);
    end = source->kind->read(source, &request, &collector->base, &problem);
    finish(collector, end);
    if (end == READ_FAILED && collector->problem.class == PROBLEM_NONE)
        collector->problem = problem;
}

static void conclude(struct collector *collector)
{
    struct entity_sync *entity = collector->entity;

    pthread_mutex_lock(&entity->attempt->lock);
    entity->problem = collector->problem;
    if (entity->stored.phase != ENTITY_READING) {
        entity->total = entity->stored.done;
        entity->total_known = true;
    }
    entity->attempt->news = true;
    pthread_mutex_unlock(&entity->attempt->lock);
}

void entity_sync_run(struct entity_sync *entity)
{
    struct target *target = entity->attempt->target;
    struct collector *collector = calloc(1, sizeof *collector);

    if (collector == NULL) {
        problem_set(&entity->problem, PROBLEM_TRANSIENT, "out of memory");
        return;
    }
    *collector = (struct collector){
        .base = { .record = on_record,
                  .position = on_position,
                  .reject = on_reject,
                  .wait = on_wait },
        .entity = entity,
        .state = entity->stored,
    };
    if (attempt_may_write(entity->attempt) &&
        target->kind->begin(target, &entity->extent, &collector->state, &collector->problem)) {
        publish(collector);
        if (collector->state.phase == ENTITY_READING)
            read_entity(collector);
    }
    conclude(collector);
    buffer_free(&collector->bytes);
    free(collector->rows);
    free(collector->records);
    free(collector);
}
