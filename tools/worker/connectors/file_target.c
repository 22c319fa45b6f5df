#include "tools/worker/connectors/buffer.h"
#include "tools/worker/connectors/connectors.h"
#include "tools/worker/connectors/file_store.h"
#include "tools/worker/connectors/config.h"

#include "core/base/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Target "file": DATA/ORG/SYNC/ENTITY.ndjson, one document a line, as it came.
 * An entity that is read as a whole replaces its file when everything was read;
 * changes are appended to it, a deletion as {"_deleted": true, "_key": "...",
 * "_at": "..."}. sync_state.json beside them says how much of each file counts:
 * what a crash left behind it is cut off before the next batch. */

struct files {
    struct target base;
    const struct target_scope *scope;
    struct file_store *store;
};

static bool open_files(const json_t *config, const struct target_scope *scope,
                       struct target **target, struct problem *problem)
{
    static const char *const names[] = { "kind", NULL };
    struct files *files;

    if (!config_known(config, names, problem))
        return false;
    files = calloc(1, sizeof *files);
    if (files == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    *files = (struct files){ .base.kind = &file_target, .scope = scope };
    files->store = file_store_open(scope->data_dir, scope->org, scope->sync, problem);
    if (files->store == NULL) {
        free(files);
        return false;
    }
    *target = &files->base;
    return true;
}

static void close_files(struct target *target)
{
    struct files *files = (struct files *)target;

    file_store_close(files->store);
    free(files);
}

/* Replaced as a whole, and not only in part? */
static bool is_replaced(const struct extent *extent)
{
    return extent->whole && extent->narrowed_by == NULL;
}

static bool is_mine(const struct files *files, const struct file_entry *entry)
{
    return strcmp(entry->run, files->scope->run) == 0 &&
           entry->run_generation == files->scope->run_generation &&
           entry->epoch == files->scope->epoch;
}

static bool check_mine(const struct files *files, const struct file_entry *entry,
                       struct problem *problem)
{
    return is_mine(files, entry) ||
           problem_set(problem, PROBLEM_LOST, "a later attempt of this run has begun");
}

/* Is all there that the entry speaks of? Somebody may have moved it away. */
static bool is_there(const struct files *files, const char *entity, const struct file_entry *entry,
                     uint64_t *there, struct problem *problem)
{
    uint64_t part = 0;

    if (!file_store_size(files->store, entity, false, there, problem) ||
        (entry->replacing && !file_store_size(files->store, entity, true, &part, problem)))
        return false;
    if (!entry->replacing)
        return *there >= entry->size;
    return part >= entry->part_size ||
           (entry->state.phase == ENTITY_READ && *there == entry->part_size);
}

static void begin_anew(const struct files *files, const struct extent *extent,
                       struct file_entry *entry, uint64_t there, struct entity_state *state)
{
    snprintf(entry->run, sizeof entry->run, "%s", files->scope->run);
    entry->run_generation = files->scope->run_generation;
    entry->epoch = files->scope->epoch;
    entry->state = *state = (struct entity_state){ 0 };
    entry->replacing = is_replaced(extent);
    entry->part_size = 0;
    if (there < entry->size)
        entry->size = there;
}

static bool begin_entry(const struct files *files, const struct extent *extent,
                        struct file_entry *entry, struct entity_state *state,
                        struct problem *problem)
{
    const struct target_scope *scope = files->scope;
    bool same_run = strcmp(entry->run, scope->run) == 0, all_there;
    uint64_t there;

    if (same_run && (entry->run_generation > scope->run_generation || entry->epoch > scope->epoch))
        return problem_set(problem, PROBLEM_LOST, "a later attempt of this run has begun");
    problem->class = PROBLEM_NONE;
    all_there = is_there(files, extent->entity, entry, &there, problem);
    if (problem->class != PROBLEM_NONE)
        return false;
    if (same_run && entry->run_generation == scope->run_generation && all_there) {
        entry->epoch = scope->epoch;
        *state = entry->state;
    } else {
        begin_anew(files, extent, entry, there, state);
    }
    return true;
}

/* Runs `change` on the entity's entry, and stores it if all was good. */
static bool with_entry(const struct files *files, const char *entity,
                       bool (*change)(const struct files *, void *, struct file_entry *,
                                      struct problem *),
                       void *context, struct problem *problem)
{
    struct file_entry *entry = calloc(1, sizeof *entry);
    bool good;

    if (entry == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    good = file_store_lock(files->store, problem);
    if (good) {
        good = file_store_load(files->store, entity, entry, problem) &&
               change(files, context, entry, problem) &&
               file_store_save(files->store, entity, entry, problem);
        file_store_unlock(files->store);
    }
    free(entry);
    return good;
}

struct beginning {
    const struct extent *extent;
    struct entity_state *state;
};

static bool begin_change(const struct files *files, void *context, struct file_entry *entry,
                         struct problem *problem)
{
    struct beginning *beginning = context;

    return begin_entry(files, beginning->extent, entry, beginning->state, problem);
}

static bool begin_files(struct target *target, const struct extent *extent,
                        struct entity_state *state, struct problem *problem)
{
    struct beginning beginning = { extent, state };

    return with_entry((struct files *)target, extent->entity, begin_change, &beginning, problem);
}

/* A line end between the tokens of a document is only white space. */
static void add_line(struct buffer *lines, struct bytes document)
{
    size_t begin = lines->size;

    buffer_add(lines, document.data, document.size);
    for (size_t i = begin; i < lines->size; i++)
        if (lines->data[i] == '\n' || lines->data[i] == '\r')
            lines->data[i] = ' ';
    buffer_add_char(lines, '\n');
}

static void add_deletion(struct buffer *lines, const struct record *record)
{
    char time[RFC3339_SIZE];

    buffer_add_text(lines, "{\"_deleted\":true,\"_key\":");
    buffer_add_json(lines, record->key);
    if (record->updated_at_ms != 0) {
        rfc3339_write(record->updated_at_ms, time);
        buffer_add_text(lines, ",\"_at\":");
        buffer_add_json(lines, bytes_of_text(time));
    }
    buffer_add_text(lines, "}\n");
}

static bool write_change(const struct files *files, void *context, struct file_entry *entry,
                         struct problem *problem)
{
    const struct batch *batch = context;
    uint64_t *size = entry->replacing ? &entry->part_size : &entry->size;
    struct buffer lines = { 0 };
    bool good;

    if (!check_mine(files, entry, problem))
        return false;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->records[i].deleted)
            add_deletion(&lines, &batch->records[i]);
        else
            add_line(&lines, batch->records[i].document);
    }
    good = file_store_append(files->store, batch->entity, entry->replacing, *size,
                             buffer_bytes(&lines), problem);
    *size += lines.size;
    entry->state = *batch->state;
    buffer_free(&lines);
    return good;
}

static bool write_files(struct target *target, const struct batch *batch, struct problem *problem)
{
    return with_entry((struct files *)target, batch->entity, write_change, (void *)(uintptr_t)batch,
                      problem);
}

static bool sweep_change(const struct files *files, void *context, struct file_entry *entry,
                         struct problem *problem)
{
    struct beginning *beginning = context;
    const struct extent *extent = beginning->extent;
    struct entity_state *state = beginning->state;
    uint64_t gone = entry->rows > state->done ? entry->rows - state->done : 0;

    if (!check_mine(files, entry, problem))
        return false;
    if (entry->replacing) {
        if (gone * 2 > entry->rows && !extent->allow_mass_delete)
            return problem_set(problem, PROBLEM_CONFIG,
                               "%" PRIu64 " of %" PRIu64 " rows of %s are gone at the source; to "
                               "delete so many here, too, the job needs "
                               "\"allowMassDelete\": true",
                               gone, entry->rows, extent->entity);
        if (!file_store_replace(files->store, extent->entity, entry->part_size, problem))
            return false;
        entry->size = entry->part_size;
        entry->rows = state->done;
        entry->replacing = false;
        state->deleted += gone;
    }
    state->phase = ENTITY_SWEPT;
    entry->state = *state;
    return true;
}

static bool sweep_files(struct target *target, const struct extent *extent,
                        struct entity_state *state, struct problem *problem)
{
    struct beginning beginning = { extent, state };

    return with_entry((struct files *)target, extent->entity, sweep_change, &beginning, problem);
}

const struct target_kind file_target = {
    .name = "file",
    .open = open_files,
    .begin = begin_files,
    .write = write_files,
    .sweep = sweep_files,
    .close = close_files,
};
