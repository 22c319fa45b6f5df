#ifndef TOOLS_SETTINGS_SETTINGS_H
#define TOOLS_SETTINGS_SETTINGS_H

#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a program can be told, from one table: the flag --data-dir, the variable
 * SYNC_DATA_DIR and the line `data-dir = ...` of a configuration file are the
 * same setting. The flag wins over the variable, the variable over the file,
 * the file over the default.
 *
 * The table is indexed by an enum of the program's own, so that a value is read
 * by a name the compiler knows. A row named "config" is the path of the file. */

enum setting_type {
    SETTING_TEXT,
    SETTING_NUMBER,     /* 0 to 2^63 - 1, within least and most */
    SETTING_DURATION,   /* "250ms", "5s", "15m", "1h"; read in ms */
    SETTING_SIZE,       /* "65536", "64KiB", "32MiB", "1GiB"; read in bytes */
    SETTING_SWITCH,     /* alone as a flag; true or false elsewhere */
    SETTING_CHOICE      /* one of `choices` */
};

enum setting_reach {
    SETTING_EVERYWHERE,
    SETTING_NOT_IN_FILE,    /* flag and variable */
    SETTING_FLAG_ONLY
};

struct setting {
    const char *name;
    char letter;                /* -o; 0: none */
    enum setting_type type;
    enum setting_reach reach;
    const char *fallback;       /* as one would write it; NULL: absent */
    const char *placeholder;    /* "DIR"; NULL: the type's */
    const char *choices;        /* "auto|text|json" */
    int64_t least, most;        /* of numbers, durations and sizes; most 0: no bound */
    const char *help;
};

/* Begins the row of a setting that only a command line makes sense of. */
#define SETTING_FLAG(flag) .name = (flag), .reach = SETTING_FLAG_ONLY

struct settings;

/* Gives values that are all at their defaults. The table is borrowed and must
 * outlive them. NULL if out of memory. */
struct settings *settings_new(const struct setting *table, size_t count);
void settings_free(struct settings *settings);

/* Reads arguments (argv[0] is skipped), environment and file. ERR_INVALID says
 * which setting is wrong, where it was given, and what it should be. What is
 * not a flag is an operand; everything behind "--" is. With --help, --version or
 * an unreadable rest the caller decides: flags are read first. */
MUST_USE enum err settings_read(struct settings *settings, int argc, char **argv,
                                struct why *why);

/* NULL if it is absent. Lent. */
const char *settings_text(const struct settings *settings, size_t setting);
/* Of numbers, durations (ms) and sizes (bytes): 0 if it is absent. */
int64_t settings_number(const struct settings *settings, size_t setting);
bool settings_switch(const struct settings *settings, size_t setting);
/* The index of the choice. */
unsigned settings_choice(const struct settings *settings, size_t setting);
/* Whether anybody said anything about it. */
bool settings_given(const struct settings *settings, size_t setting);

size_t settings_operand_count(const struct settings *settings);
const char *settings_operand(const struct settings *settings, size_t index);

/* The table for a person: flags, defaults, variables. */
void settings_help(FILE *out, const struct setting *table, size_t count);

/* The row of a flag as written ("--data-dir", "--data-dir=x", "-o"); count if
 * there is none. *takes_next: its value is the next argument. */
size_t settings_find_flag(const struct setting *table, size_t count, const char *argument,
                          bool *takes_next);

#endif
