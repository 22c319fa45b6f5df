#include "core/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints when schedules fire. Each line of the input is a schedule and a window,
 *   ZONE|REPEAT|START|TIME|CRON|FROM|TO
 * with instants and the time of day in seconds; REPEAT is the number of enum
 * schedule_repeat, TIME -1 and CRON empty where they are absent. The line of the
 * output holds the firings of FROM <= instant < TO. */

enum { LINE_SIZE = 512, FIELDS = 7 };

static void split(char *line, char *fields[FIELDS])
{
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < FIELDS; i++) {
        fields[i] = line != NULL ? line : "";
        line = line != NULL ? strchr(line, '|') : NULL;
        if (line != NULL)
            *line++ = '\0';
    }
}

static int64_t number(const char *text)
{
    return strtoll(text, NULL, 10);
}

static void print_firings(const struct schedule *schedule, int64_t from_s, int64_t to_s)
{
    const char *separator = "";
    int64_t at_ms, from_ms = from_s * 1000;

    while (schedule_next(schedule, from_ms, &at_ms) && at_ms < to_s * 1000) {
        printf("%s%" PRId64, separator, at_ms / 1000);
        separator = " ";
        from_ms = at_ms + 1;
    }
    putchar('\n');
}

static void answer_line(struct zones *zones, char *line)
{
    char *fields[FIELDS];
    struct schedule_rule rule;
    struct schedule schedule;
    struct why why;
    enum err e;

    split(line, fields);
    rule = (struct schedule_rule){ .timezone = bytes_of_text(fields[0]),
                                   .repeat = (enum schedule_repeat)number(fields[1]),
                                   .start_at_ms = number(fields[2]) * 1000,
                                   .time_of_day_s = (int32_t)number(fields[3]),
                                   .cron = bytes_of_text(fields[4]) };
    e = schedule_complete(&rule, zones, rule.start_at_ms, &why);
    if (e == OK)
        e = schedule_open(&rule, zones, 0, &schedule, &why);
    if (e == OK)
        print_firings(&schedule, number(fields[5]), number(fields[6]));
    else
        printf("%s\n", why.text);
}

int main(int count, char **arguments)
{
    struct zones *zones = zones_new(count > 1 ? arguments[1] : zone_directory);
    char line[LINE_SIZE];

    while (zones != NULL && fgets(line, sizeof line, stdin) != NULL)
        answer_line(zones, line);
    zones_free(zones);
    return zones == NULL;
}
