#include "tools/worker/connectors/buffer.h"
#include "tools/worker/connectors/connectors.h"
#include "tools/worker/connectors/demo_documents.h"
#include "tools/worker/connectors/config.h"

#include "core/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Source "demo": a generated shop that needs no credentials. The job's
 * `data.demo` may say the same as the connection file, and goes before it:
 *
 *   seed               another number, another shop (1)
 *   size               rows of the whole shop (2000), or {"products": 10, ...}
 *   pace               rows per second and entity; 0: as fast as possible (0)
 *   updateSeconds     between two changes of a row, on average; 0: never (14400)
 *   lifetimeSeconds   of the eighth of the rows that disappear; 0: never (86400)
 *   now                RFC 3339: stops the shop's clock there
 *   epoch              RFC 3339: the shop's first moment (2025-01-01T00:00:00Z) */

enum { SIZE_DEFAULT = 2000, SIZE_MAX_ROWS = 10 * 1000 * 1000, PACE_MAX = 1000 * 1000 };
enum {
    UPDATE_SECONDS = 4 * 3600,
    LIFETIME_SECONDS = 24 * 3600,
    LIFETIME_SECONDS_MIN = 60,
    SECONDS_MAX = 10 * 365 * 24 * 3600
};

static const int64_t epoch_default_ms = 1735689600000; /* 2025-01-01 */

struct demo {
    struct source base;
    struct demo_shop shop;
    int64_t pace;
    int64_t now_ms; /* 0: the machine's clock */
};

/* Shares a total out so that the parts make the whole. */
static void share_out(struct demo_shop *shop, uint64_t total)
{
    uint64_t collections = total / 100 < 40 ? total / 100 : 40;

    if (collections < 2 && total >= 8)
        collections = 2; /* those that the examples name */
    shop->counts[DEMO_COLLECTIONS] = collections;
    shop->counts[DEMO_PRODUCTS] = (total - collections) / 4;
    shop->counts[DEMO_CUSTOMERS] = (total - collections) / 4;
    shop->counts[DEMO_ORDERS] = total - collections - 2 * ((total - collections) / 4);
}

static bool read_sizes(const json_t *sizes, struct demo_shop *shop, struct problem *problem)
{
    static const char *const names[] = { "products", "collections", "customers", "orders", NULL };

    for (enum demo_entity e = 0; e < DEMO_ENTITY_COUNT; e++) {
        int64_t count = 0;

        if (!config_number(sizes, demo_entity_name(e), 0, SIZE_MAX_ROWS, &count, problem))
            return false;
        shop->counts[e] = (uint64_t)count;
    }
    return config_known(sizes, names, problem);
}

static bool read_size(const json_t *config, struct demo_shop *shop, struct problem *problem)
{
    const json_t *size = json_object_get(config, "size");
    int64_t total = 0;

    if (size == NULL)
        return true;
    if (json_is_object(size))
        return read_sizes(size, shop, problem);
    if (!config_number(config, "size", 0, SIZE_MAX_ROWS, &total, problem))
        return false;
    share_out(shop, (uint64_t)total);
    return true;
}

static bool read_seconds(const json_t *config, const char *name, int64_t least, int64_t *ms,
                         struct problem *problem)
{
    int64_t seconds = *ms / 1000;

    if (!config_number(config, name, 0, SECONDS_MAX, &seconds, problem))
        return false;
    if (seconds > 0 && seconds < least)
        return problem_set(problem, PROBLEM_CONFIG, "\"%s\" must be 0 or at least %" PRId64, name,
                           least);
    *ms = seconds * 1000;
    return true;
}

static bool configure(struct demo *demo, const json_t *config, struct problem *problem)
{
    static const char *const names[] = { "kind", "seed",           "size",
                                         "pace", "updateSeconds", "lifetimeSeconds",
                                         "now",  "epoch",          NULL };
    int64_t seed = (int64_t)demo->shop.seed;

    if (!config_known(config, names, problem) ||
        !config_number(config, "seed", 0, INT64_MAX, &seed, problem) ||
        !read_size(config, &demo->shop, problem) ||
        !config_number(config, "pace", 0, PACE_MAX, &demo->pace, problem) ||
        !read_seconds(config, "updateSeconds", 1, &demo->shop.update_ms, problem) ||
        !read_seconds(config, "lifetimeSeconds", LIFETIME_SECONDS_MIN, &demo->shop.lifetime_ms,
                      problem) ||
        !config_time(config, "now", &demo->now_ms, problem) ||
        !config_time(config, "epoch", &demo->shop.epoch_ms, problem))
        return false;
    demo->shop.seed = (uint64_t)seed;
    return true;
}

static int64_t shop_now_ms(const struct demo *demo)
{
    return demo->now_ms != 0 ? demo->now_ms : clock_now_ms(clock_real());
}

static bool configure_both(struct demo *demo, const json_t *config, const json_t *data,
                           struct problem *problem)
{
    const json_t *own = json_object_get(data, "demo");

    if (own != NULL && !json_is_object(own))
        return problem_set(problem, PROBLEM_CONFIG, "data.demo must be an object");
    if (!configure(demo, config, problem) || (own != NULL && !configure(demo, own, problem)))
        return false;
    if (shop_now_ms(demo) < demo->shop.epoch_ms)
        return problem_set(problem, PROBLEM_CONFIG, "the shop's \"now\" lies before its \"epoch\"");
    return true;
}

static bool open_demo(const json_t *config, const json_t *data, struct source **source,
                      struct problem *problem)
{
    struct demo *demo = calloc(1, sizeof *demo);

    if (demo == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    demo->base.kind = &demo_source;
    demo->shop = (struct demo_shop){ .seed = 1,
                                     .epoch_ms = epoch_default_ms,
                                     .update_ms = UPDATE_SECONDS * 1000,
                                     .lifetime_ms = LIFETIME_SECONDS * 1000 };
    share_out(&demo->shop, SIZE_DEFAULT);
    if (!configure_both(demo, config, data, problem)) {
        free(demo);
        return false;
    }
    *source = &demo->base;
    return true;
}

static bool discover(struct source *source, struct entity_specs *specs, struct problem *problem)
{
    (void)source;
    (void)problem;
    specs->count = DEMO_ENTITY_COUNT;
    for (enum demo_entity e = 0; e < DEMO_ENTITY_COUNT; e++) {
        snprintf(specs->items[e].name, sizeof specs->items[e].name, "%s", demo_entity_name(e));
        specs->items[e].narrowed_by = e == DEMO_PRODUCTS ? "collections" : NULL;
    }
    return true;
}

/* One read of one entity, as of one moment. */
struct reading {
    const struct demo *demo;
    enum demo_entity entity;
    int64_t now_ms, low_ms;
    uint64_t collections[COLLECTIONS_MAX];
    size_t collection_count;
    struct sink *sink;
    struct buffer document;
    int64_t started_ms;
    uint64_t told;
};

static bool find_entity(const char *name, enum demo_entity *entity)
{
    for (enum demo_entity e = 0; e < DEMO_ENTITY_COUNT; e++)
        if (strcmp(demo_entity_name(e), name) == 0) {
            *entity = e;
            return true;
        }
    return false;
}

static uint64_t find_collection(const struct demo_shop *shop, const char *handle)
{
    char text[DEMO_HANDLE_SIZE];

    for (uint64_t id = 1; id <= shop->counts[DEMO_COLLECTIONS]; id++) {
        demo_collection_handle(id, text);
        if (strcmp(text, handle) == 0)
            return id;
    }
    return 0;
}

static bool find_collections(struct reading *reading, const struct read_request *request,
                             struct problem *problem)
{
    if (reading->entity != DEMO_PRODUCTS)
        return true;
    if (request->collection_count > COLLECTIONS_MAX)
        return problem_set(problem, PROBLEM_CONFIG, "more than %d collections in the filter",
                           COLLECTIONS_MAX);
    for (size_t i = 0; i < request->collection_count; i++) {
        uint64_t id = find_collection(&reading->demo->shop, request->collections[i]);

        if (id == 0)
            return problem_set(problem, PROBLEM_CONFIG, "the shop has no collection \"%.100s\"",
                               request->collections[i]);
        reading->collections[reading->collection_count++] = id;
    }
    return true;
}

static bool is_wanted(const struct reading *reading, uint64_t product)
{
    uint64_t ids[DEMO_PRODUCT_COLLECTIONS_MAX];
    unsigned count;

    if (reading->collection_count == 0)
        return true;
    count = demo_product_collections(&reading->demo->shop, product, ids);
    for (unsigned i = 0; i < count; i++)
        for (size_t j = 0; j < reading->collection_count; j++)
            if (ids[i] == reading->collections[j])
                return true;
    return false;
}

static bool next_wanted(const struct reading *reading, uint64_t after, struct demo_row *row)
{
    while (demo_row_next(&reading->demo->shop, reading->entity, reading->now_ms, reading->low_ms,
                         after, row)) {
        if (is_wanted(reading, row->id))
            return true;
        after = row->id;
    }
    return false;
}

static uint64_t count_wanted(const struct reading *reading)
{
    struct demo_row row = { 0 };
    uint64_t count = 0;

    while (next_wanted(reading, row.id, &row))
        count++;
    return count;
}

/* Keeps to the pace; what was due while nobody looked is not made up for. */
static bool keep_pace(struct reading *reading)
{
    int64_t due_ms, late_ms;

    reading->told++;
    if (reading->demo->pace == 0)
        return true;
    due_ms = reading->started_ms + (int64_t)reading->told * 1000 / reading->demo->pace;
    late_ms = clock_mono_ms(clock_real()) - due_ms;
    if (late_ms > 1000)
        reading->started_ms += late_ms;
    return late_ms >= 0 || reading->sink->wait(reading->sink, -late_ms);
}

static bool tell(struct reading *reading, const struct demo_row *row)
{
    char key[24];
    int size = snprintf(key, sizeof key, "%" PRIu64, row->id);
    struct record record = { .key = bytes_of(key, (size_t)size),
                             .deleted = row->deleted,
                             .updated_at_ms = row->updated_at_ms };

    if (!row->deleted) {
        reading->document.size = 0;
        demo_document(&reading->demo->shop, reading->entity, row, &reading->document);
        record.document = buffer_bytes(&reading->document);
    }
    return reading->sink->record(reading->sink, &record) &&
           reading->sink->position(reading->sink, record.key) && keep_pace(reading);
}

/* The position is the last id told. */
static bool read_position(struct bytes position, uint64_t *id, struct problem *problem)
{
    *id = 0;
    for (size_t i = 0; i < position.size; i++) {
        if (position.data[i] < '0' || position.data[i] > '9' || i > 18)
            return problem_set(problem, PROBLEM_FATAL, "the checkpoint's position is not an id");
        *id = *id * 10 + (uint64_t)(position.data[i] - '0');
    }
    return true;
}

static enum read_end read_rows(struct reading *reading, uint64_t after)
{
    struct demo_row row;

    reading->started_ms = clock_mono_ms(clock_real());
    while (next_wanted(reading, after, &row)) {
        if (!tell(reading, &row))
            return READ_STOPPED;
        after = row.id;
    }
    return READ_DONE;
}

static bool reading_init(struct reading *reading, const struct source *source,
                         const struct read_request *request, struct problem *problem)
{
    const struct demo *demo = (const struct demo *)source;

    *reading =
        (struct reading){ .demo = demo, .now_ms = shop_now_ms(demo), .low_ms = request->low_ms };
    if (!find_entity(request->entity, &reading->entity))
        return problem_set(problem, PROBLEM_CONFIG, "the shop has no entity \"%s\"",
                           request->entity);
    if (reading->now_ms < demo->shop.epoch_ms)
        return problem_set(problem, PROBLEM_CONFIG,
                           "this machine's clock stands before the shop's epoch");
    return find_collections(reading, request, problem);
}

static enum read_end read_entity(struct source *source, const struct read_request *request,
                                 struct sink *sink, struct problem *problem)
{
    struct reading reading;
    enum read_end end;
    uint64_t after;

    if (!reading_init(&reading, source, request, problem) ||
        !read_position(request->position, &after, problem))
        return READ_FAILED;
    reading.sink = sink;
    end = read_rows(&reading, after);
    buffer_free(&reading.document);
    return end;
}

static bool count_entity(struct source *source, const struct read_request *request, uint64_t *total)
{
    struct reading reading;
    struct problem problem;

    if (!reading_init(&reading, source, request, &problem))
        return false;
    *total = count_wanted(&reading);
    return true;
}

static void close_demo(struct source *source)
{
    free(source);
}

const struct source_kind demo_source = {
    .name = "demo",
    .open = open_demo,
    .discover = discover,
    .read = read_entity,
    .count = count_entity,
    .close = close_demo,
};
