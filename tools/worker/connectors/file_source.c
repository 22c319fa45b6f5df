#include "tools/worker/connectors/connectors.h"
#include "tools/worker/connectors/file_source.h"
#include "tools/worker/connectors/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Source "file": NDJSON (.ndjson, .jsonl) and CSV (.csv, with a header line).
 * A folder's files are entities, named without their extension. JSON documents
 * are handed on byte for byte; a CSV record becomes an object of texts.
 *
 *   path            a file or a folder; needed
 *   key             the member, or column, that is a record's id ("id")
 *   updatedAt       the one with its time ("updatedAt", or "updated_at")
 *   delimiter       of CSV: one character (",")
 *   entities        {"products": {"key": ..., "updatedAt": ..., "delimiter": ...}}
 *   maxBadRecords   how many may be skipped before the run fails (0) */

enum { BAD_RECORDS_MAX = 1000 * 1000 };

static bool is_format(const char *path, bool *csv, size_t *stem)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    if (dot == NULL || dot == name)
        return false;
    *csv = strcmp(dot, ".csv") == 0;
    *stem = (size_t)(dot - name);
    return *csv || strcmp(dot, ".ndjson") == 0 || strcmp(dot, ".jsonl") == 0;
}

static bool read_options(const json_t *object, struct file_options *options,
                         struct problem *problem)
{
    if (!config_text(object, "key", &options->key, problem) ||
        !config_text(object, "updatedAt", &options->updated_at, problem) ||
        !config_text(object, "delimiter", &options->delimiter, problem))
        return false;
    if (options->delimiter != NULL &&
        (strlen(options->delimiter) != 1 || strchr("\"\n\r", options->delimiter[0]) != NULL))
        return problem_set(problem, PROBLEM_CONFIG, "\"delimiter\" must be one character");
    return true;
}

static bool entity_options(const struct files *files, const char *name,
                           struct file_options *options, struct problem *problem)
{
    static const char *const names[] = { "key", "updatedAt", "delimiter", NULL };
    const json_t *own = json_object_get(json_object_get(files->config, "entities"), name);

    *options = (struct file_options){ .key = "id", .delimiter = "," };
    if (!read_options(files->config, options, problem))
        return false;
    if (own == NULL)
        return true;
    return config_known(own, names, problem) && read_options(own, options, problem);
}

static bool add_entity(struct files *files, const char *path, const char *name, size_t name_size,
                       bool csv, struct problem *problem)
{
    struct file_entity *entity = &files->entities[files->count];

    if (files->count == RUN_ENTITIES_MAX)
        return problem_set(problem, PROBLEM_CONFIG, "more than %d files", RUN_ENTITIES_MAX);
    snprintf(entity->name, sizeof entity->name, "%.*s", (int)name_size, name);
    if (name_size > NAME_SIZE_MAX || !entity_name_is_valid(entity->name))
        return problem_set(problem, PROBLEM_CONFIG, "%.200s: \"%.100s\" cannot name an entity",
                           path, entity->name);
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->entities[i].name, entity->name) == 0)
            return problem_set(problem, PROBLEM_CONFIG, "two files for entity \"%s\"",
                               entity->name);
    if (!entity_options(files, entity->name, &entity->options, problem))
        return false;
    entity->csv = csv;
    entity->path = strdup(path);
    if (entity->path == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    files->count++;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file_entity *)a)->name, ((const struct file_entity *)b)->name);
}

static bool add_folder(struct files *files, const char *path, DIR *folder, struct problem *problem)
{
    struct dirent *entry;

    while ((entry = readdir(folder)) != NULL) {
        char file[4096];
        size_t stem;
        bool csv;

        if (!is_format(entry->d_name, &csv, &stem))
            continue;
        if ((size_t)snprintf(file, sizeof file, "%s/%s", path, entry->d_name) >= sizeof file)
            return problem_set(problem, PROBLEM_CONFIG, "the path is too long");
        if (!add_entity(files, file, entry->d_name, stem, csv, problem))
            return false;
    }
    qsort(files->entities, files->count, sizeof files->entities[0], by_name);
    return true;
}

static bool add_file(struct files *files, const char *path, struct problem *problem)
{
    const char *slash = strrchr(path, '/');
    size_t stem;
    bool csv;

    if (!is_format(path, &csv, &stem))
        return problem_set(problem, PROBLEM_CONFIG,
                           "%.200s: the name must end with .ndjson, .jsonl or .csv", path);
    return add_entity(files, path, slash != NULL ? slash + 1 : path, stem, csv, problem);
}

static bool find_files(struct files *files, struct problem *problem)
{
    const char *path = NULL;
    DIR *folder;
    bool good;

    if (!config_text(files->config, "path", &path, problem))
        return false;
    if (path == NULL)
        return problem_set(problem, PROBLEM_CONFIG, "\"path\" is missing");
    folder = opendir(path);
    if (folder == NULL && errno == ENOTDIR)
        return add_file(files, path, problem);
    if (folder == NULL)
        return problem_set(problem, PROBLEM_CONFIG, "%.200s: %s", path, strerror(errno));
    good = add_folder(files, path, folder, problem);
    closedir(folder);
    return good;
}

static bool configure(struct files *files, struct problem *problem)
{
    static const char *const names[] = {
        "kind", "path", "key", "updatedAt", "delimiter", "entities", "maxBadRecords", NULL
    };
    const json_t *entities = json_object_get(files->config, "entities");

    if (entities != NULL && !json_is_object(entities))
        return problem_set(problem, PROBLEM_CONFIG, "\"entities\" must be an object");
    return config_known(files->config, names, problem) &&
           config_number(files->config, "maxBadRecords", 0, BAD_RECORDS_MAX,
                         &files->bad_records_max, problem) &&
           find_files(files, problem);
}

static void close_files(struct source *source)
{
    struct files *files = (struct files *)source;

    for (size_t i = 0; i < files->count; i++)
        free(files->entities[i].path);
    json_decref(files->config);
    free(files);
}

static bool open_files(const json_t *config, const json_t *data, struct source **source,
                       struct problem *problem)
{
    struct files *files = calloc(1, sizeof *files);

    (void)data;
    if (files == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    files->base.kind = &file_source;
    files->config = json_deep_copy(config);
    if (!configure(files, problem)) {
        close_files(&files->base);
        return false;
    }
    *source = &files->base;
    return true;
}

static bool discover(struct source *source, struct entity_specs *specs, struct problem *problem)
{
    const struct files *files = (const struct files *)source;

    if (files->count == 0)
        return problem_set(problem, PROBLEM_CONFIG, "there is no .ndjson, .jsonl or .csv file");
    specs->count = files->count;
    for (size_t i = 0; i < files->count; i++)
        specs->items[i] = (struct entity_spec){ 0 };
    for (size_t i = 0; i < files->count; i++)
        snprintf(specs->items[i].name, sizeof specs->items[i].name, "%s", files->entities[i].name);
    return true;
}

const struct source_kind file_source = {
    .name = "file",
    .open = open_files,
    .discover = discover,
    .read = files_read,
    .count = files_count,
    .close = close_files,
};
