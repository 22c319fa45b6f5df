#include "gateway/json/duration.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

static const int64_t duration_max_ms = INT64_C(315576000000) * 1000;

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,
    WEEK_MS = 7 * DAY_MS
};

/* Units in the order the standard wants them; the first two stand before T. */
static const struct unit {
    char letter;
    int32_t ms;
} units[] = {
    { 'W', WEEK_MS }, { 'D', DAY_MS }, { 'H', HOUR_MS }, { 'M', MINUTE_MS }, { 'S', SECOND_MS }
};
enum { FIRST_TIME_UNIT = 2, UNIT_COUNT = sizeof units / sizeof units[0] };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "12" or "12.345" in thousandths. */
static bool read_thousandths(const char **text, int64_t *thousandths, bool *has_fraction)
{
    const char *at = *text;
    int64_t number = 0;

    if (!is_digit(*at))
        return false;
    for (; is_digit(*at); at++) {
        number = number * 10 + (*at - '0');
        if (number > duration_max_ms / SECOND_MS)
            return false;
    }
    number *= 1000;
    *has_fraction = *at == '.';
    if (*has_fraction) {
        if (!is_digit(*++at))
            return false;
        for (int64_t place = 100; is_digit(*at); at++, place /= 10)
            number += place * (*at - '0');
    }
    *thousandths = number;
    *text = at;
    return true;
}

static size_t find_unit(char letter, size_t from)
{
    for (size_t i = from; i < UNIT_COUNT; i++)
        if (units[i].letter == letter)
            return i;
    return UNIT_COUNT;
}

static bool read_part(const char **text, size_t *next_unit, int64_t *total_ms)
{
    int64_t thousandths;
    bool has_fraction;
    size_t unit;

    if (!read_thousandths(text, &thousandths, &has_fraction))
        return false;
    unit = find_unit(**text, *next_unit);
    if (unit == UNIT_COUNT || (has_fraction && units[unit].letter != 'S') ||
        (*next_unit < FIRST_TIME_UNIT && unit >= FIRST_TIME_UNIT) ||
        thousandths / 1000 > (duration_max_ms - *total_ms) / units[unit].ms)
        return false;
    *total_ms += thousandths / 1000 * units[unit].ms + thousandths % 1000 * units[unit].ms / 1000;
    *next_unit = unit + 1;
    (*text)++;
    return true;
}

static bool read_iso(const char *text, int64_t *duration_ms)
{
    size_t next_unit = 0;
    int64_t total_ms = 0;

    if (*text == '\0')
        return false;
    while (*text != '\0') {
        if (*text == 'T') {
            if (next_unit > FIRST_TIME_UNIT)
                return false;
            next_unit = FIRST_TIME_UNIT;
            text++;
        }
        if (!read_part(&text, &next_unit, &total_ms))
            return false;
        if (next_unit == FIRST_TIME_UNIT && *text != '\0' && *text != 'T')
            return false; /* hours and less stand behind a T */
    }
    *duration_ms = total_ms;
    return true;
}

bool duration_read(const char *text, int64_t *duration_ms)
{
    bool has_fraction;

    if (*text == 'P')
        return read_iso(text + 1, duration_ms);
    return read_thousandths(&text, duration_ms, &has_fraction) && *text == '\0';
}

void duration_write(int64_t duration_ms, char text[DURATION_TEXT_SIZE])
{
    int64_t hours = duration_ms / HOUR_MS, minutes = duration_ms / MINUTE_MS % 60;
    int64_t seconds = duration_ms / SECOND_MS % 60, ms = duration_ms % SECOND_MS;
    int size = snprintf(text, DURATION_TEXT_SIZE, "PT");

    assert(duration_ms >= 0);
    if (hours > 0)
        size += snprintf(text + size, DURATION_TEXT_SIZE - (size_t)size, "%" PRId64 "H", hours);
    if (minutes > 0)
        size += snprintf(text + size, DURATION_TEXT_SIZE - (size_t)size, "%" PRId64 "M", minutes);
    if (ms > 0)
        snprintf(text + size, DURATION_TEXT_SIZE - (size_t)size, "%" PRId64 ".%03" PRId64 "S",
                 seconds, ms);
    else if (seconds > 0 || size == 2)
        snprintf(text + size, DURATION_TEXT_SIZE - (size_t)size, "%" PRId64 "S", seconds);
}
