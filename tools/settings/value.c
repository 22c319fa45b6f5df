#include "tools/settings/value.h"

#include <stdlib.h>
#include <string.h>

/* From a setting's text to what it means. Units are required where a bare
 * number would leave the reader guessing. */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 86400 * 1000 },
};
static const struct unit sizes[] = {
    { "", 1 }, { "B", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 },
};

/* Digits, then one of the units. False if it is anything else or too large. */
static bool read_number(const char *text, const struct unit *units, size_t count, int64_t *number)
{
    int64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value))
            return false;
    if (at == text)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(at, units[i].name) == 0)
            return !__builtin_mul_overflow(value, units[i].factor, number);
    *number = value;
    return *at == '\0' && value == 0; /* nothing is nothing in any unit */
}

static bool read_choice(const char *text, const char *choices, int64_t *index)
{
    size_t size = strlen(text);

    *index = 0;
    for (const char *at = choices;; (*index)++) {
        size_t width = strcspn(at, "|");

        if (width == size && strncmp(at, text, size) == 0)
            return true;
        if (at[width] == '\0')
            return false;
        at += width + 1;
    }
}

static bool read_switch(const char *text, int64_t *on)
{
    *on = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0 ||
          strcmp(text, "1") == 0;
    return *on || strcmp(text, "false") == 0 || strcmp(text, "no") == 0 ||
           strcmp(text, "off") == 0 || strcmp(text, "0") == 0;
}

static bool read_by_type(const struct setting *row, const char *text, int64_t *number)
{
    static const struct unit plain[] = { { "", 1 } };

    switch (row->type) {
    case SETTING_TEXT:
        *number = 0;
        return true;
    case SETTING_NUMBER:
        return read_number(text, plain, 1, number);
    case SETTING_DURATION:
        return read_number(text, durations, sizeof durations / sizeof *durations, number);
    case SETTING_SIZE:
        return read_number(text, sizes, sizeof sizes / sizeof *sizes, number);
    case SETTING_SWITCH:
        return read_switch(text, number);
    case SETTING_CHOICE:
        return read_choice(text, row->choices, number);
    }
    return false;
}

static const char *wanted(const struct setting *row)
{
    switch (row->type) {
    case SETTING_NUMBER:
        return "a number";
    case SETTING_DURATION:
        return "a duration such as 250ms, 5s, 15m or 1h";
    case SETTING_SIZE:
        return "a size such as 65536, 64KiB or 32MiB";
    case SETTING_SWITCH:
        return "true or false";
    case SETTING_CHOICE:
        return row->choices;
    case SETTING_TEXT:
        break;
    }
    return "a text";
}

/* A bound as the user would write it. */
static void write_bound(const struct setting *row, int64_t number, char text[32])
{
    const struct unit *units = row->type == SETTING_DURATION ? durations : sizes;
    size_t best = 0;

    if (row->type == SETTING_NUMBER) {
        snprintf(text, 32, "%lld", (long long)number);
        return;
    }
    for (size_t i = 0; i < 5; i++)
        if (number % units[i].factor == 0 && number >= units[i].factor)
            best = i;
    snprintf(text, 32, "%lld%s", (long long)(number / units[best].factor), units[best].name);
}

enum err setting_value_read(const struct setting *row, const char *where, const char *text,
                            int64_t *number, struct why *why)
{
    char least[32], most[32];

    if (!read_by_type(row, text, number))
        return err_because(why, ERR_INVALID, "%s: \"%.60s\" is not %s%s", where, text,
                           row->type == SETTING_CHOICE ? "one of " : "", wanted(row));
    if (row->type == SETTING_TEXT || row->type == SETTING_SWITCH || row->type == SETTING_CHOICE)
        return OK;
    if (*number >= row->least && (row->most == 0 || *number <= row->most))
        return OK;
    write_bound(row, row->least, least);
    write_bound(row, row->most, most);
    if (row->most == 0)
        return err_because(why, ERR_INVALID, "%s: %s is too small; it must be at least %s", where,
                           text, least);
    return err_because(why, ERR_INVALID, "%s: %s is out of range; it must be %s to %s", where, text,
                       least, most);
}
