#include "core/cron.h"

#include "core/base/rfc3339.h"

#include <assert.h>

/* A field becomes a set of bits, and the next match is looked for from the
 * month down to the minute. */

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 24 * HOUR_S };
enum { MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS, FIELD_COUNT };

static const struct field {
    const char *name;
    unsigned least, most;
    const char *names; /* three letters each, the first one is `least` */
} fields[FIELD_COUNT] = {
    [MINUTES] = { "minute", 0, 59, "" },
    [HOURS] = { "hour", 0, 23, "" },
    [DAYS] = { "day of month", 1, 31, "" },
    [MONTHS] = { "month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC" },
    [WEEKDAYS] = { "day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT" },
};

/* ---- reading ---- */

static void skip(struct bytes *text, size_t size)
{
    text->data += size;
    text->size -= size;
}

static bool take(struct bytes *text, char c)
{
    if (text->size == 0 || text->data[0] != (uint8_t)c)
        return false;
    skip(text, 1);
    return true;
}

static enum err refuse(const struct field *field, const char *reason, struct why *why)
{
    return err_field(why, "schedule.cron", "schedule.cron: %s %s", field->name, reason);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static uint8_t upper(uint8_t c)
{
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

static bool read_name(struct bytes *text, const struct field *field, unsigned *value)
{
    if (text->size < 3)
        return false;
    for (const char *name = field->names; *name != '\0'; name += 3) {
        bool same = true;

        for (int i = 0; i < 3; i++)
            same = same && upper(text->data[i]) == (uint8_t)name[i];
        if (same) {
            *value = field->least + (unsigned)(name - field->names) / 3;
            skip(text, 3);
            return true;
        }
    }
    return false;
}

static bool read_number(struct bytes *text, unsigned *value)
{
    int digits = 0;

    for (*value = 0; text->size > 0 && is_digit(text->data[0]) && digits < 3; digits++) {
        *value = *value * 10 + (unsigned)(text->data[0] - '0');
        skip(text, 1);
    }
    return digits > 0;
}

static enum err read_value(struct bytes *text, const struct field *field, unsigned *value,
                           struct why *why)
{
    if (!read_name(text, field, value) && !read_number(text, value))
        return refuse(field, "must be *, or numbers, names, ranges and lists of them", why);
    if (*value < field->least || *value > field->most)
        return err_field(why, "schedule.cron", "schedule.cron: %s must be %u to %u", field->name,
                         field->least, field->most);
    return OK;
}

/* [first, last], and the step between its members. */
static enum err read_range(struct bytes *text, const struct field *field, unsigned *first,
                           unsigned *last, unsigned *step, struct why *why)
{
    bool is_range = take(text, '*');
    enum err e = OK;

    *first = field->least;
    *last = field == &fields[WEEKDAYS] ? 6 : field->most;
    *step = 1;
    if (!is_range) {
        e = read_value(text, field, first, why);
        *last = *first;
        is_range = e == OK && take(text, '-');
        if (is_range)
            e = read_value(text, field, last, why);
        if (e == OK && is_range && field == &fields[WEEKDAYS] && *first > 0 && *last == 0)
            *last = 7; /* FRI-SUN */
    }
    if (e == OK && *first > *last)
        e = refuse(field, "has a range that ends before it begins", why);
    if (e != OK || !take(text, '/'))
        return e;
    if (!is_range)
        return refuse(field, "has a step behind a single value: a step follows * or a range", why);
    if (!read_number(text, step) || *step == 0 || *step > field->most)
        return err_field(why, "schedule.cron", "schedule.cron: the step of %s must be 1 to %u",
                         field->name, field->most);
    return OK;
}

static enum err read_field(struct bytes text, const struct field *field, uint64_t *set,
                           struct why *why)
{
    unsigned first, last, step;

    *set = 0;
    do {
        enum err e = read_range(&text, field, &first, &last, &step, why);

        if (e != OK)
            return e;
        for (unsigned value = first; value <= last; value += step)
            *set |= UINT64_C(1) << value;
    } while (take(&text, ','));
    if (text.size > 0)
        return refuse(field, "must be *, or numbers, names, ranges and lists of them", why);
    return OK;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* The next word; empty at the end. */
static struct bytes next_word(struct bytes *text)
{
    struct bytes word;

    while (text->size > 0 && is_space(text->data[0]))
        skip(text, 1);
    word = bytes_of(text->data, 0);
    while (text->size > 0 && !is_space(text->data[0])) {
        skip(text, 1);
        word.size++;
    }
    return word;
}

static bool is_restricted(struct bytes word)
{
    return word.data[0] != '*';
}

static enum err read_fields(struct bytes text, struct cron *cron, struct why *why)
{
    struct bytes words[FIELD_COUNT];
    uint64_t sets[FIELD_COUNT];
    enum err e = OK;

    for (int i = 0; i < FIELD_COUNT; i++)
        words[i] = next_word(&text);
    if (words[FIELD_COUNT - 1].size == 0 || next_word(&text).size > 0)
        return err_field(why, "schedule.cron",
                         "schedule.cron must have five fields: minute, hour, day of month, month, "
                         "day of week");
    for (int i = 0; i < FIELD_COUNT && e == OK; i++)
        e = read_field(words[i], &fields[i], &sets[i], why);
    if (e != OK)
        return e;
    *cron = (struct cron){
        .minutes = sets[MINUTES],
        .hours = (uint32_t)sets[HOURS],
        .days = (uint32_t)sets[DAYS],
        .months = (uint32_t)sets[MONTHS],
        .weekdays = (uint32_t)((sets[WEEKDAYS] | sets[WEEKDAYS] >> 7) & 0x7f),
        .either_day = is_restricted(words[DAYS]) && is_restricted(words[WEEKDAYS]),
    };
    return OK;
}

static struct bytes without_macro(struct bytes text)
{
    static const struct {
        const char *macro, *fields;
    } macros[] = {
        { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
        { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
        { "@hourly", "0 * * * *" },
    };

    for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++)
        if (bytes_equal(text, bytes_of_text(macros[i].macro)))
            return bytes_of_text(macros[i].fields);
    return text;
}

/* A day of the month may be there in none of the months: 30 2, 31 4,6. */
static bool ever_comes(const struct cron *cron)
{
    if (cron->either_day)
        return true;
    for (int month = 1; month <= 12; month++) {
        int last = civil_days_in_month(2000, month);

        if ((cron->months >> month & 1) != 0 && (cron->days & ((UINT64_C(2) << last) - 1)) != 0)
            return true;
    }
    return false;
}

enum err cron_read(struct bytes text, struct cron *cron, struct why *why)
{
    enum err e;

    if (text.size > CRON_SIZE_MAX)
        return err_field(why, "schedule.cron",
                         "schedule.cron must not be longer than %d characters", CRON_SIZE_MAX);
    if (text.size > 0 && text.data[0] == '@') {
        text = without_macro(text);
        if (text.data[0] == '@')
            return err_field(why, "schedule.cron",
                             "schedule.cron: of names there are @hourly, @daily, @midnight, "
                             "@weekly, @monthly, @yearly and @annually");
    }
    e = read_fields(text, cron, why);
    if (e == OK && !ever_comes(cron))
        e = err_field(why, "schedule.cron", "schedule.cron: none of its months has such a day");
    return e;
}

/* ---- looking for the next match ---- */

/* The first member at or after `from`; -1: none. */
static int next_in(uint64_t set, int from)
{
    uint64_t left = from < 64 ? set >> from << from : 0;

    return left != 0 ? __builtin_ctzll(left) : -1;
}

static int weekday_of(const struct civil *date)
{
    struct civil day = { .year = date->year, .month = date->month, .day = date->day };
    int64_t weekday = (civil_to_ms(&day) / 1000 / DAY_S + 4) % 7; /* 1970 began on a Thursday */

    return (int)(weekday < 0 ? weekday + 7 : weekday);
}

/* The days of the month that match, as bits. */
static uint32_t days_of(const struct cron *cron, int year, int month)
{
    struct civil date = { .year = year, .month = month, .day = 1 };
    int last = civil_days_in_month(year, month), weekday = weekday_of(&date);
    uint32_t days = 0;

    for (int day = 1; day <= last; day++) {
        bool by_day = (cron->days >> day & 1) != 0;
        bool by_weekday = (cron->weekdays >> weekday & 1) != 0;

        if (cron->either_day ? by_day || by_weekday : by_day && by_weekday)
            days |= UINT32_C(1) << day;
        weekday = weekday == 6 ? 0 : weekday + 1;
    }
    return days;
}

/* The first day at or after the date that matches. */
static void move_to_day(const struct cron *cron, struct civil *date)
{
    for (;;) {
        int day = -1;

        if ((cron->months >> date->month & 1) != 0)
            day = next_in(days_of(cron, date->year, date->month), date->day);
        if (day > 0) {
            date->day = day;
            return;
        }
        date->day = 1;
        date->month = date->month % 12 + 1;
        date->year += date->month == 1;
    }
}

/* Minutes of the day; -1: none is left. */
static int next_minute(const struct cron *cron, int minute_of_day)
{
    int hour = next_in(cron->hours, minute_of_day / 60), minute = -1;

    if (hour == minute_of_day / 60)
        minute = next_in(cron->minutes, minute_of_day % 60);
    if (hour >= 0 && minute < 0) {
        hour = next_in(cron->hours, hour > minute_of_day / 60 ? hour : hour + 1);
        minute = next_in(cron->minutes, 0);
    }
    return hour >= 0 ? hour * 60 + minute : -1;
}

int64_t cron_next(const struct cron *cron, int64_t wall_s)
{
    int64_t minutes = wall_s / MINUTE_S + (wall_s % MINUTE_S > 0);
    struct civil from = civil_from_ms(minutes * MINUTE_S * 1000), day = from;
    int minute = -1;

    from.hour = from.minute = 0;
    day.hour = day.minute = 0;
    move_to_day(cron, &day);
    if (day.year == from.year && day.month == from.month && day.day == from.day)
        minute = next_minute(cron, (int)(minutes - civil_to_ms(&from) / 1000 / MINUTE_S));
    else
        minute = next_minute(cron, 0);
    if (minute < 0) {
        day = civil_from_ms(civil_to_ms(&day) + DAY_S * INT64_C(1000));
        move_to_day(cron, &day);
        minute = next_minute(cron, 0);
    }
    return civil_to_ms(&day) / 1000 + minute * MINUTE_S;
}

bool cron_names_hours(const struct cron *cron)
{
    return cron->hours != (UINT32_C(1) << 24) - 1;
}
