#include "tools/worker/connectors/connectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* demo_dump CONFIG: prints what the demo source holds, a record a line:
 * entity, key, updated at (ms) and document, tabs between them. */

static const char *entity;

static bool print_record(struct sink *sink, const struct record *record)
{
    (void)sink;
    printf("%s\t%.*s\t%" PRId64 "\t%.*s\n", entity, (int)record->key.size,
           (const char *)record->key.data, record->updated_at_ms, (int)record->document.size,
           (const char *)record->document.data);
    return true;
}

static bool ignore_position(struct sink *sink, struct bytes position)
{
    (void)sink;
    (void)position;
    return true;
}

static bool ignore_reject(struct sink *sink, const char *where, const char *reason)
{
    (void)sink;
    (void)where;
    (void)reason;
    return true;
}

static bool do_not_wait(struct sink *sink, int64_t ms)
{
    (void)sink;
    (void)ms;
    return true;
}

static bool dump(struct source *source, struct problem *problem)
{
    struct sink sink = { .record = print_record,
                         .position = ignore_position,
                         .reject = ignore_reject,
                         .wait = do_not_wait };
    struct entity_specs *specs = calloc(1, sizeof *specs);
    bool good = specs != NULL && source->kind->discover(source, specs, problem);

    for (size_t i = 0; good && i < specs->count; i++) {
        entity = specs->items[i].name;
        good = source->kind->read(source, &(struct read_request){ .entity = entity }, &sink,
                                  problem) == READ_DONE;
    }
    free(specs);
    return good;
}

int main(int argc, char **argv)
{
    json_t *config = argc == 2 ? json_loads(argv[1], 0, NULL) : NULL;
    struct source *source = NULL;
    struct problem problem = { .text = "usage: demo_dump CONFIG" };
    bool good = config != NULL && demo_source.open(config, NULL, &source, &problem) &&
                dump(source, &problem);

    if (source != NULL)
        source->kind->close(source);
    json_decref(config);
    if (!good)
        fprintf(stderr, "demo_dump: %s\n", problem.text);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
