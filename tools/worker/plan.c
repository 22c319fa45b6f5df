#include "tools/worker/attempt_parts.h"
#include "tools/worker/connections.h"

#include <stdlib.h>
#include <strings.h>

/* From an assignment to the entities to read, and from where. */

static bool open_source(struct attempt *attempt, const char *name, struct problem *problem)
{
    const char *org = attempt->assignment->org_id, *kind_name;
    const struct source_kind *kind;
    json_t *config = NULL;
    bool good;

    if (!connection_find(attempt->settings->connections_dir, org, name, &config, problem))
        return false;
    kind_name = json_string_value(json_object_get(config, "kind"));
    kind = source_kind_find(kind_name);
    if (kind == NULL)
        good = problem_set(problem, PROBLEM_CONFIG,
                           "connection \"%s\" is of kind \"%.60s\", which is no source", name,
                           kind_name);
    else
        good = kind->open(config, attempt->data, &attempt->source, problem);
    json_decref(config);
    return good;
}

static bool open_target(struct attempt *attempt, const char *name, struct problem *problem)
{
    const char *org = attempt->assignment->org_id, *kind_name;
    const struct target_kind *kind;
    json_t *config = NULL;
    bool good;

    if (!connection_find(attempt->settings->connections_dir, org, name, &config, problem))
        return false;
    kind_name = json_string_value(json_object_get(config, "kind"));
    kind = target_kind_find(kind_name);
    if (kind == NULL)
        good = problem_set(problem, PROBLEM_CONFIG,
                           "connection \"%s\" is of kind \"%.60s\", which is no target", name,
                           kind_name);
    else
        good = kind->open(config, &attempt->scope, &attempt->target, problem);
    json_decref(config);
    return good;
}

static bool parse_data(struct attempt *attempt, struct problem *problem)
{
    const char *text = attempt->assignment->data->json;

    attempt->data = text[0] != '\0' ? json_loads(text, 0, NULL) : json_object();
    return json_is_object(attempt->data) ||
           problem_set(problem, PROBLEM_CONFIG, "the job's data is not a JSON object");
}

static int64_t to_ms(const Google__Protobuf__Timestamp *time)
{
    return time->seconds * 1000 + time->nanos / 1000000;
}

/* The window of that entity, or the one for all that are not listed. */
static int64_t low_of(const Sync__V1__JobAssignment *assignment, const char *entity)
{
    int64_t low_ms = 0;

    for (size_t i = 0; i < assignment->n_windows; i++) {
        const Sync__V1__EntityWindow *window = assignment->windows[i];
        int64_t own_ms = window->low != NULL ? to_ms(window->low) : 0;

        if (strcmp(window->entity, entity) == 0)
            return own_ms;
        if (window->entity[0] == '\0')
            low_ms = own_ms;
    }
    return low_ms;
}

static void plan_entity(struct attempt *attempt, struct entity_sync *entity)
{
    const Sync__V1__JobAssignment *assignment = attempt->assignment;
    const Sync__V1__JobFilters *filters = assignment->data->filters;

    entity->attempt = attempt;
    entity->low_ms = low_of(assignment, entity->spec.name);
    entity->extent = (struct extent){ .entity = entity->spec.name,
                                      .whole = entity->low_ms == 0,
                                      .allow_mass_delete = assignment->data->allow_mass_delete };
    if (entity->spec.narrowed_by != NULL && filters != NULL && filters->n_collections > 0) {
        entity->extent.narrowed_by = entity->spec.narrowed_by;
        entity->extent.collections = (const char *const *)filters->collections;
        entity->extent.collection_count = filters->n_collections;
    }
}

/* A filter that narrows nothing would be ignored in silence. */
static bool check_filters(const struct attempt *attempt, struct problem *problem)
{
    const Sync__V1__JobFilters *filters = attempt->assignment->data->filters;

    if (filters == NULL || filters->n_collections == 0)
        return true;
    if (filters->n_collections > COLLECTIONS_MAX)
        return problem_set(problem, PROBLEM_CONFIG, "more than %d collections in the filter",
                           COLLECTIONS_MAX);
    for (size_t i = 0; i < attempt->entity_count; i++)
        if (attempt->entities[i].extent.narrowed_by != NULL)
            return true;
    return problem_set(
        problem, PROBLEM_CONFIG,
        "filters.collections: nothing this job reads can be narrowed by collections");
}

/* Two names that differ only in case would be one table, or one file. */
static bool check_names(const struct entity_specs *specs, struct problem *problem)
{
    for (size_t i = 0; i < specs->count; i++) {
        const char *name = specs->items[i].name;

        if (!entity_name_is_valid(name))
            return problem_set(problem, PROBLEM_CONFIG,
                               "the source's \"%.128s\" cannot name an entity here", name);
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(name, specs->items[j].name) == 0)
                return problem_set(problem, PROBLEM_CONFIG,
                                   "the source has two entities named \"%.128s\"", name);
    }
    return true;
}

/* The job's one entity, or all of them. */
static bool choose(struct attempt *attempt, const struct entity_specs *specs,
                   struct problem *problem)
{
    const char *wanted = attempt->assignment->data->entity;

    attempt->entities = calloc(specs->count + 1, sizeof *attempt->entities);
    if (attempt->entities == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    for (size_t i = 0; i < specs->count; i++)
        if (wanted[0] == '\0' || strcmp(specs->items[i].name, wanted) == 0)
            attempt->entities[attempt->entity_count++].spec = specs->items[i];
    if (attempt->entity_count == 0 && wanted[0] != '\0')
        return problem_set(problem, PROBLEM_CONFIG,
                           "data.entity: the source has no entity \"%.128s\"", wanted);
    for (size_t i = 0; i < attempt->entity_count; i++)
        plan_entity(attempt, &attempt->entities[i]);
    return true;
}

static bool choose_entities(struct attempt *attempt, struct problem *problem)
{
    struct entity_specs *specs = calloc(1, sizeof *specs);
    bool good;

    if (specs == NULL)
        return problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
    good = attempt->source->kind->discover(attempt->source, specs, problem) &&
           check_names(specs, problem) && choose(attempt, specs, problem) &&
           check_filters(attempt, problem);
    free(specs);
    return good;
}

/* What the server last heard; the target may know better. */
static bool read_checkpoint(struct attempt *attempt, struct problem *problem)
{
    const Sync__V1__JobAssignment *assignment = attempt->assignment;
    struct bytes text = bytes_of(assignment->checkpoint.data, assignment->checkpoint.len);

    for (size_t i = 0; i < attempt->entity_count; i++) {
        struct entity_sync *entity = &attempt->entities[i];

        if (!checkpoint_read(text, assignment->generation, entity->spec.name, &entity->stored))
            return problem_set(problem, PROBLEM_FATAL,
                               "the run's checkpoint is not one of this worker's");
    }
    return true;
}

bool attempt_plan(struct attempt *attempt, struct problem *problem)
{
    const Sync__V1__JobAssignment *assignment = attempt->assignment;

    attempt->scope = (struct target_scope){
        .data_dir = attempt->settings->data_dir,
        .org = assignment->org_id,
        .sync = assignment->name,
        .source = assignment->data->source,
        .run = assignment->lease->job_id,
        .run_generation = assignment->generation,
        .epoch = assignment->lease->epoch,
    };
    problem->class = PROBLEM_NONE;
    return parse_data(attempt, problem) &&
           open_source(attempt, assignment->data->source, problem) &&
           open_target(attempt, assignment->data->target, problem) &&
           choose_entities(attempt, problem) && read_checkpoint(attempt, problem);
}
