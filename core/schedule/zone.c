#include "core/zone.h"

#include "core/base/rfc3339.h"
#include "core/schedule/zone_file.h"

/* A zone is a row of stretches, each with one distance from UTC: those of its
 * table, and behind it those that its rule makes. All questions are answered by
 * walking over a few of them. */

enum { HOUR_S = 3600, DAY_S = 24 * HOUR_S };

/* ---- the stretch around an instant ---- */

static int64_t day_of(int year, int month, int day)
{
    struct civil date = { .year = year, .month = month, .day = day };

    return civil_to_ms(&date) / 1000 / DAY_S;
}

/* 0 is Sunday. */
static int weekday_of(int64_t day)
{
    int64_t weekday = (day + 4) % 7;

    return (int)(weekday < 0 ? weekday + 7 : weekday);
}

/* Days since 1970. */
static int64_t rule_day(const struct change_rule *rule, int year)
{
    int64_t january = day_of(year, 1, 1), first;
    bool leap = civil_days_in_month(year, 2) == 29;
    int day;

    switch (rule->form) {
    case DAY_FROM_ZERO:
        return january + rule->day;
    case DAY_WITHOUT_LEAP:
        return january + rule->day - 1 + (leap && rule->day >= 60);
    case MONTH_WEEK_DAY:
    default:
        first = day_of(year, rule->month, 1);
        day = (rule->day - weekday_of(first) + 7) % 7 + 7 * (rule->week - 1);
        return first + (day < civil_days_in_month(year, rule->month) ? day : day - 7);
    }
}

enum { RULE_YEARS = 3, RULE_CHANGES = 2 * RULE_YEARS };

/* The changes of the years around, in order. Where summer ends just as the next
 * one begins, it goes on. */
static void rule_changes(const struct rule *rule, int year, struct change changes[RULE_CHANGES])
{
    for (int i = 0; i < RULE_YEARS; i++) {
        int64_t begin = rule_day(&rule->begin, year - 1 + i) * DAY_S + rule->begin.time_s;
        int64_t end = rule_day(&rule->end, year - 1 + i) * DAY_S + rule->end.time_s;

        changes[2 * i] = (struct change){ begin - rule->standard_s, rule->summer_s };
        changes[2 * i + 1] = (struct change){ end - rule->summer_s, rule->standard_s };
    }
    for (int i = 1; i < RULE_CHANGES; i++)
        for (int j = i; j > 0; j--) {
            struct change *a = &changes[j - 1], *b = &changes[j], swapped = *a;
            bool in_order =
                a->at_s < b->at_s || (a->at_s == b->at_s && b->offset_s == rule->summer_s);

            if (in_order)
                break;
            *a = *b;
            *b = swapped;
        }
}

static struct stretch rule_stretch(const struct rule *rule, int64_t instant_s)
{
    struct stretch stretch = { INT64_MIN, INT64_MAX, rule->standard_s };
    struct change changes[RULE_CHANGES];
    int year;

    if (!rule->has_summer)
        return stretch;
    year = civil_from_ms((instant_s + rule->standard_s) * 1000).year;
    rule_changes(rule, year, changes);
    for (int i = 0; i < RULE_CHANGES; i++) {
        if (changes[i].at_s > instant_s) {
            stretch.to_s = changes[i].at_s;
            break;
        }
        stretch.from_s = changes[i].at_s;
        stretch.offset_s = changes[i].offset_s;
    }
    return stretch;
}

/* How many of the table's changes are over by then. */
static uint32_t changes_until(const struct zone *zone, int64_t instant_s)
{
    uint32_t low = 0, high = zone->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (zone->changes[middle].at_s <= instant_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct stretch zone_stretch(const struct zone *zone, int64_t instant_s)
{
    uint32_t over = changes_until(zone, instant_s);
    int64_t from = over > 0 ? zone->changes[over - 1].at_s : INT64_MIN;
    struct stretch stretch;

    if (over < zone->count || !zone->rule.known)
        return (struct stretch){
            .from_s = from,
            .to_s = over < zone->count ? zone->changes[over].at_s : INT64_MAX,
            .offset_s = over > 0 ? zone->changes[over - 1].offset_s : zone->first_offset_s,
        };
    stretch = rule_stretch(&zone->rule, instant_s);
    if (stretch.from_s < from)
        stretch.from_s = from;
    return stretch;
}

/* ---- instants and wall clocks ---- */

int64_t zone_instant(const struct zone *zone, int64_t wall_s)
{
    /* No clock is so far ahead that it showed wall_s before this. */
    struct stretch stretch = zone_stretch(zone, wall_s - ZONE_OFFSET_MAX_S);

    for (;;) {
        int64_t instant = wall_s - stretch.offset_s;

        if (instant < stretch.from_s)
            return stretch.from_s;
        if (instant < stretch.to_s)
            return instant;
        stretch = zone_stretch(zone, stretch.to_s);
    }
}

int64_t zone_unreached(const struct zone *zone, int64_t instant_s)
{
    struct stretch stretch = zone_stretch(zone, instant_s - 1);
    int64_t unreached = instant_s + stretch.offset_s;

    while (stretch.from_s > instant_s - 2 * ZONE_OFFSET_MAX_S) {
        int64_t end = stretch.from_s;

        stretch = zone_stretch(zone, end - 1);
        if (end + stretch.offset_s > unreached)
            unreached = end + stretch.offset_s;
    }
    return unreached;
}
