#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"
#include "tools/worker/connections.h"

#include <assert.h>

/* A connection's file. It is refused with a reason that a person can use, or
 * its kind is asked to open it, which may refuse it, too. */

static void check_problem(const struct problem *problem)
{
    assert(problem->class == PROBLEM_CONFIG && problem->text[0] != '\0');
}

/* Nothing outside of the folder is opened. */
static void keep_inside(json_t *config)
{
    if (json_is_string(json_object_get(config, "path")))
        json_object_set_new(config, "path", json_string(scratch_folder()));
}

static void check_entities(struct source *source)
{
    static struct entity_specs specs;
    struct problem problem = { .class = PROBLEM_NONE };

    specs.count = 0;
    if (!source->kind->discover(source, &specs, &problem)) {
        check_problem(&problem);
        return;
    }
    assert(specs.count <= RUN_ENTITIES_MAX);
    for (size_t i = 0; i < specs.count; i++)
        assert(entity_name_is_valid(specs.items[i].name));
}

static void check_config(json_t *config)
{
    const char *name = json_string_value(json_object_get(config, "kind"));
    const struct source_kind *kind = source_kind_find(name);
    struct problem problem = { .class = PROBLEM_NONE };
    struct source *source = NULL;

    /* Those of other kinds talk to hosts. */
    if (kind == NULL || (strcmp(name, "demo") != 0 && strcmp(name, "file") != 0))
        return;
    keep_inside(config);
    if (!kind->open(config, NULL, &source, &problem)) {
        check_problem(&problem);
        return;
    }
    check_entities(source);
    kind->close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct connection_names sources, targets;
    struct problem problem = { .class = PROBLEM_NONE };
    char path[SCRATCH_PATH_SIZE];
    json_t *config = NULL;
    bool listed;

    scratch_write("rows.ndjson", bytes_of_text("{\"id\":1}\n"), path);
    scratch_write("shop.json", bytes_of(data, size), path);
    listed = connection_list(scratch_folder(), &sources, &targets, &problem);
    assert(listed && sources.count + targets.count >= 2);
    if (connection_find(scratch_folder(), "acme", "shop", &config, &problem))
        check_config(config);
    else
        check_problem(&problem);
    json_decref(config);
    return 0;
}
