#include "tools/worker/connectors/config.h"

#include "core/base/rfc3339.h"

#include <inttypes.h>
#include <string.h>

bool config_number(const json_t *object, const char *name, int64_t least, int64_t most,
                   int64_t *value, struct problem *problem)
{
    const json_t *member = json_object_get(object, name);

    if (member == NULL)
        return true;
    if (!json_is_integer(member) || json_integer_value(member) < least ||
        json_integer_value(member) > most)
        return problem_set(problem, PROBLEM_CONFIG,
                           "\"%s\" must be a whole number from %" PRId64 " to %" PRId64, name,
                           least, most);
    *value = json_integer_value(member);
    return true;
}

bool config_text(const json_t *object, const char *name, const char **value,
                 struct problem *problem)
{
    const json_t *member = json_object_get(object, name);

    if (member == NULL)
        return true;
    if (!json_is_string(member) || json_string_length(member) == 0)
        return problem_set(problem, PROBLEM_CONFIG, "\"%s\" must be a text", name);
    *value = json_string_value(member);
    return true;
}

bool config_time(const json_t *object, const char *name, int64_t *time_ms, struct problem *problem)
{
    const char *text = NULL;

    if (!config_text(object, name, &text, problem))
        return false;
    if (text != NULL && !rfc3339_read(bytes_of_text(text), time_ms))
        return problem_set(problem, PROBLEM_CONFIG,
                           "\"%s\" must be a time such as 2026-01-01T00:00:00Z", name);
    return true;
}

static bool is_among(const char *name, const char *const names[])
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

bool config_known(const json_t *object, const char *const names[], struct problem *problem)
{
    const char *name;
    json_t *value;

    /* The macro wants a pointer it may write through, and does not. */
    json_object_foreach(
        (json_t *)(uintptr_t)object, name,
        value) if (!is_among(name,
                             names)) return problem_set(problem, PROBLEM_CONFIG,
                                                        "\"%s\" is not a setting of this kind",
                                                        name);
    return true;
}
