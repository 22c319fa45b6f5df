#include "tools/worker/connectors/connector.h"
#include "tools/worker/connectors/connectors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What all connectors share: the list of them, and their rules for names. */

static const struct source_kind *const sources[] = { &demo_source, &file_source };
static const struct target_kind *const targets[] = { &local_target, &file_target };

bool problem_set(struct problem *problem, enum problem_class class, const char *format, ...)
{
    va_list args;

    problem->class = class;
    problem->retry_after_ms = 0;
    va_start(args, format);
    vsnprintf(problem->text, sizeof problem->text, format, args);
    va_end(args);
    return false;
}

const struct source_kind *source_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        if (strcmp(sources[i]->name, name) == 0)
            return sources[i];
    return NULL;
}

const struct target_kind *target_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (strcmp(targets[i]->name, name) == 0)
            return targets[i];
    return NULL;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* A dot in front would hide the file or climb out of the folder; before "db" it
 * would let one organisation's folder be another one's database. */
static bool dot_is_plain(const char *name, size_t i)
{
    return i > 0 && strncasecmp(name + i + 1, "db", 2) != 0;
}

bool path_part(const char *name, char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; name[i] != '\0'; i++) {
        if (used + 4 > size)
            return false;
        if (is_plain(name[i]) || (name[i] == '.' && dot_is_plain(name, i)))
            text[used++] = name[i];
        else
            used += (size_t)snprintf(text + used, 4, "%%%02X", (unsigned char)name[i]);
    }
    if (used == 0)
        return false;
    text[used] = '\0';
    return true;
}

bool entity_name_is_valid(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size > NAME_SIZE_MAX || strncasecmp(name, "sync_", 5) == 0 ||
        strncasecmp(name, "sqlite_", 7) == 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_plain(name[i]) && name[i] != '.')
            return false;
    return name[0] != '.';
}
