#include "tools/settings/settings.h"
#include "tools/settings/value.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Three sources fill the same table of values; each value remembers which one
 * set it, so that a later, weaker source leaves it alone. */

enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

enum { NAME_MAX_BYTES = 64, LINE_MAX_BYTES = 4096, OPERANDS_MAX = 1024 };

struct value {
    char *text; /* NULL: absent */
    int64_t number;
    enum source source;
};

struct settings {
    const struct setting *table;
    struct value *values;
    size_t count;
    const char *operands[OPERANDS_MAX]; /* argv's */
    size_t operand_count;
};

static enum err set(struct settings *settings, size_t i, const char *where, const char *text,
                    enum source source, struct why *why)
{
    struct value *value = &settings->values[i];
    enum err e = setting_value_read(&settings->table[i], where, text, &value->number, why);
    char *copy;

    if (e != OK)
        return e;
    copy = strdup(text);
    if (copy == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    free(value->text);
    value->text = copy;
    value->source = source;
    return OK;
}

struct settings *settings_new(const struct setting *table, size_t count)
{
    struct settings *settings = calloc(1, sizeof *settings);

    if (settings == NULL)
        return NULL;
    settings->table = table;
    settings->values = calloc(count, sizeof *settings->values);
    if (settings->values == NULL) {
        free(settings);
        return NULL;
    }
    for (; settings->count < count; settings->count++) {
        const struct setting *row = &table[settings->count];
        enum err e = OK;

        if (row->fallback != NULL)
            e = set(settings, settings->count, row->name, row->fallback, SOURCE_DEFAULT, NULL);
        assert(e != ERR_INVALID); /* a default must be a legal value */
        if (e != OK) {
            settings_free(settings);
            return NULL;
        }
    }
    return settings;
}

void settings_free(struct settings *settings)
{
    if (settings == NULL)
        return;
    for (size_t i = 0; i < settings->count; i++)
        free(settings->values[i].text);
    free(settings->values);
    free(settings);
}

/* The row called by the first `size` characters; count if there is none. */
static size_t find_name(const struct setting *table, size_t count, const char *name, size_t size)
{
    size_t i = 0;

    while (i < count && (strlen(table[i].name) != size || strncmp(table[i].name, name, size) != 0))
        i++;
    return i;
}

static size_t find_letter(const struct setting *table, size_t count, char letter)
{
    size_t i = 0;

    while (i < count && table[i].letter != letter)
        i++;
    return i;
}

size_t settings_find_flag(const struct setting *table, size_t count, const char *argument,
                          bool *takes_next)
{
    const char *equals = strchr(argument, '=');
    size_t i = count;

    *takes_next = false;
    if (argument[0] != '-' || argument[1] == '\0')
        return count;
    if (argument[1] == '-')
        i = find_name(table, count, argument + 2,
                      equals != NULL ? (size_t)(equals - argument - 2) : strlen(argument + 2));
    else if (argument[2] == '\0' || argument[2] == '=')
        i = find_letter(table, count, argument[1]);
    if (i < count)
        *takes_next = equals == NULL && table[i].type != SETTING_SWITCH;
    return i;
}

static enum err read_flag(struct settings *settings, int argc, char **argv, int *at,
                          struct why *why)
{
    const char *argument = argv[*at];
    const char *equals = strchr(argument, '=');
    bool takes_next;
    size_t i = settings_find_flag(settings->table, settings->count, argument, &takes_next);
    char where[NAME_MAX_BYTES + 2];
    const char *text = equals != NULL ? equals + 1 : "true";

    if (i == settings->count)
        return err_because(why, ERR_INVALID, "there is no flag %.80s; --help lists them", argument);
    snprintf(where, sizeof where, "--%s", settings->table[i].name);
    if (takes_next && *at + 1 >= argc)
        return err_because(why, ERR_INVALID, "%s needs a value", where);
    if (takes_next)
        text = argv[++*at];
    return set(settings, i, where, text, SOURCE_FLAG, why);
}

static enum err read_arguments(struct settings *settings, int argc, char **argv, struct why *why)
{
    bool flags_end = false;

    for (int at = 1; at < argc; at++) {
        enum err e = OK;

        if (!flags_end && strcmp(argv[at], "--") == 0)
            flags_end = true;
        else if (!flags_end && argv[at][0] == '-' && argv[at][1] != '\0')
            e = read_flag(settings, argc, argv, &at, why);
        else if (settings->operand_count == OPERANDS_MAX)
            e = err_because(why, ERR_INVALID, "more than %d operands", OPERANDS_MAX);
        else
            settings->operands[settings->operand_count++] = argv[at];
        if (e != OK)
            return e;
    }
    return OK;
}

static void variable_name(const char *name, char variable[NAME_MAX_BYTES + 8])
{
    size_t i = 0;

    memcpy(variable, "SYNC_", 5);
    for (; name[i] != '\0' && i < NAME_MAX_BYTES; i++)
        variable[i + 5] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    variable[i + 5] = '\0';
}

static enum err read_environment(struct settings *settings, struct why *why)
{
    for (size_t i = 0; i < settings->count; i++) {
        char variable[NAME_MAX_BYTES + 8];
        const char *text;
        enum err e;

        if (settings->table[i].reach == SETTING_FLAG_ONLY ||
            settings->values[i].source > SOURCE_ENVIRONMENT)
            continue;
        variable_name(settings->table[i].name, variable);
        text = getenv(variable);
        if (text == NULL || *text == '\0')
            continue;
        e = set(settings, i, variable, text, SOURCE_ENVIRONMENT, why);
        if (e != OK)
            return e;
    }
    return OK;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* One line of the file: a comment, nothing, or `key = value`. */
static enum err read_line(struct settings *settings, const char *path, unsigned number, char *line,
                          struct why *why)
{
    char where[160];
    char *key = trim(line), *equals, *text;
    size_t i;

    if (*key == '\0' || *key == '#')
        return OK;
    equals = strchr(key, '=');
    if (equals == NULL)
        return err_because(why, ERR_INVALID, "%.100s:%u: a line must read key = value", path,
                           number);
    *equals = '\0';
    text = trim(equals + 1);
    key = trim(key);
    i = find_name(settings->table, settings->count, key, strlen(key));
    if (i == settings->count)
        return err_because(why, ERR_INVALID, "%.100s:%u: there is no setting \"%.60s\"", path,
                           number, key);
    if (settings->table[i].reach != SETTING_EVERYWHERE)
        return err_because(why, ERR_INVALID, "%.100s:%u: %.60s cannot be set in a file", path,
                           number, key);
    if (settings->values[i].source > SOURCE_FILE)
        return OK;
    snprintf(where, sizeof where, "%.80s:%u: %.60s", path, number, key);
    return set(settings, i, where, text, SOURCE_FILE, why);
}

static enum err read_file(struct settings *settings, const char *path, struct why *why)
{
    char line[LINE_MAX_BYTES];
    unsigned number = 0;
    enum err e = OK;
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return err_because(why, ERR_INVALID, "cannot read the configuration file %.120s: %s", path,
                           strerror(errno));
    while (e == OK && fgets(line, sizeof line, file) != NULL) {
        number++;
        if (strlen(line) == sizeof line - 1)
            e = err_because(why, ERR_INVALID, "%.100s:%u: the line is too long", path, number);
        else
            e = read_line(settings, path, number, line, why);
    }
    if (e == OK && ferror(file))
        e = err_because(why, ERR_INVALID, "cannot read the configuration file %.120s", path);
    fclose(file);
    return e;
}

enum err settings_read(struct settings *settings, int argc, char **argv, struct why *why)
{
    size_t config = find_name(settings->table, settings->count, "config", strlen("config"));
    enum err e = read_arguments(settings, argc, argv, why);

    if (e == OK)
        e = read_environment(settings, why);
    if (e == OK && config < settings->count && settings->values[config].text != NULL)
        e = read_file(settings, settings->values[config].text, why);
    return e;
}

const char *settings_text(const struct settings *settings, size_t setting)
{
    assert(setting < settings->count);
    return settings->values[setting].text;
}

int64_t settings_number(const struct settings *settings, size_t setting)
{
    assert(setting < settings->count && settings->table[setting].type != SETTING_TEXT);
    return settings->values[setting].number;
}

bool settings_switch(const struct settings *settings, size_t setting)
{
    assert(settings->table[setting].type == SETTING_SWITCH);
    return settings_number(settings, setting) != 0;
}

unsigned settings_choice(const struct settings *settings, size_t setting)
{
    assert(settings->table[setting].type == SETTING_CHOICE);
    return (unsigned)settings_number(settings, setting);
}

bool settings_given(const struct settings *settings, size_t setting)
{
    assert(setting < settings->count);
    return settings->values[setting].source != SOURCE_DEFAULT;
}

size_t settings_operand_count(const struct settings *settings)
{
    return settings->operand_count;
}

const char *settings_operand(const struct settings *settings, size_t index)
{
    assert(index < settings->operand_count);
    return settings->operands[index];
}

static const char *placeholder(const struct setting *row)
{
    if (row->placeholder != NULL)
        return row->placeholder;
    switch (row->type) {
    case SETTING_NUMBER:
        return "N";
    case SETTING_DURATION:
        return "DURATION";
    case SETTING_SIZE:
        return "SIZE";
    case SETTING_CHOICE:
        return row->choices;
    case SETTING_SWITCH:
    case SETTING_TEXT:
        break;
    }
    return "TEXT";
}

/* One more sentence of a paragraph that is indented by eight and as wide as a
 * screen. *column is where the last one ended. */
static void help_words(FILE *out, const char *text, size_t *column)
{
    const size_t indent = 8, width = 79;

    while (*text != '\0') {
        size_t size = strcspn(text, " ");

        if (*column == 0 || *column + 1 + size > width) {
            fprintf(out, "%s%*s", *column > 0 ? "\n" : "", (int)indent, "");
            *column = indent;
        } else {
            fputc(' ', out);
            *column += 1;
        }
        fprintf(out, "%.*s", (int)size, text);
        *column += size;
        text += size;
        text += strspn(text, " ");
    }
}

/* The flag on the first line, what it does indented below it. */
static void help_row(FILE *out, const struct setting *row)
{
    char variable[NAME_MAX_BYTES + 8], text[NAME_MAX_BYTES + 16];
    size_t column = 0;

    if (row->letter != 0)
        fprintf(out, "  -%c, --%s", row->letter, row->name);
    else
        fprintf(out, "  --%s", row->name);
    if (row->type != SETTING_SWITCH)
        fprintf(out, " %s", placeholder(row));
    fputc('\n', out);
    help_words(out, row->help, &column);
    if (row->fallback != NULL && row->type != SETTING_SWITCH) {
        snprintf(text, sizeof text, "Default: %.*s.", NAME_MAX_BYTES, row->fallback);
        help_words(out, text, &column);
    }
    if (row->reach != SETTING_FLAG_ONLY) {
        variable_name(row->name, variable);
        snprintf(text, sizeof text, "[%.*s]", NAME_MAX_BYTES, variable);
        help_words(out, text, &column);
    }
    fputc('\n', out);
}

void settings_help(FILE *out, const struct setting *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        help_row(out, &table[i]);
}
