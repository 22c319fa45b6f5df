#include "core/base/rfc3339.h"

#include <assert.h>
#include <stdio.h>

/* Days are counted from 0001-01-01, where the Gregorian pattern of 400, 100, 4
 * and 1 years begins; milliseconds from 1970. */

enum { DAY_MS = 86400000, DAYS_TO_1970 = 719162 };
enum {
    DAYS_1 = 365,
    DAYS_4 = 4 * DAYS_1 + 1,
    DAYS_100 = 25 * DAYS_4 - 1,
    DAYS_400 = 4 * DAYS_100 + 1
};

static const int64_t first_ms = -(int64_t)DAYS_TO_1970 * DAY_MS; /* 0001-01-01 */
static const int64_t past_ms = (25 * (int64_t)DAYS_400 - 366 - DAYS_TO_1970) * DAY_MS;

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Of a year with or without a 29th of February. */
static int days_before_month(bool leap, int month)
{
    static const int16_t days[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };

    return days[month - 1] + (leap && month > 2);
}

int civil_days_in_month(int year, int month)
{
    assert(month >= 1 && month <= 12);
    return days_before_month(is_leap(year), month + 1) - days_before_month(is_leap(year), month);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t civil_to_ms(const struct civil *civil)
{
    int64_t past_years = (int64_t)civil->year - 1;
    int64_t days;

    assert(civil->month >= 1 && civil->month <= 12 && civil->day >= 1);
    assert(civil->day <= civil_days_in_month(civil->year, civil->month));
    days = 365 * past_years + floor_div(past_years, 4) - floor_div(past_years, 100) +
           floor_div(past_years, 400) + days_before_month(is_leap(civil->year), civil->month) +
           civil->day - 1 - DAYS_TO_1970;
    return days * DAY_MS + ((civil->hour * 60 + civil->minute) * 60 + civil->second) * 1000LL +
           civil->ms;
}

/* Splits days since 0001-01-01 into the year and the day in it, from 0. */
static int year_of_day(int64_t days, int *day_of_year)
{
    int64_t cycle = floor_div(days, DAYS_400);
    int left = (int)(days - cycle * DAYS_400);
    int centuries = left / DAYS_100 < 3 ? left / DAYS_100 : 3; /* the last has a day more */
    int fours, years;

    left -= centuries * DAYS_100;
    fours = left / DAYS_4;
    left -= fours * DAYS_4;
    years = left / DAYS_1 < 3 ? left / DAYS_1 : 3;
    *day_of_year = left - years * DAYS_1;
    return (int)(cycle * 400 + centuries * 100 + fours * 4 + years + 1);
}

struct civil civil_from_ms(int64_t time_ms)
{
    int64_t days = floor_div(time_ms, DAY_MS);
    int ms = (int)(time_ms - days * DAY_MS), day_of_year;
    struct civil civil = { .month = 1 };
    bool leap;

    civil.year = year_of_day(days + DAYS_TO_1970, &day_of_year);
    leap = is_leap(civil.year);
    while (days_before_month(leap, civil.month + 1) <= day_of_year)
        civil.month++;
    civil.day = day_of_year - days_before_month(leap, civil.month) + 1;
    civil.hour = ms / 3600000;
    civil.minute = ms / 60000 % 60;
    civil.second = ms / 1000 % 60;
    civil.ms = ms % 1000;
    return civil;
}

void rfc3339_write(int64_t time_ms, char text[RFC3339_SIZE])
{
    struct civil c;
    int size;

    assert(time_ms >= first_ms && time_ms < past_ms);
    c = civil_from_ms(time_ms);
    size = snprintf(text, RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)c.year % 10000,
                    (unsigned)c.month % 100, (unsigned)c.day % 100, (unsigned)c.hour % 100,
                    (unsigned)c.minute % 100, (unsigned)c.second % 100);
    if (c.ms != 0)
        size +=
            snprintf(text + size, (size_t)(RFC3339_SIZE - size), ".%03u", (unsigned)c.ms % 1000);
    snprintf(text + size, (size_t)(RFC3339_SIZE - size), "Z");
}

static bool is_digit(struct bytes text)
{
    return text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9';
}

static void skip(struct bytes *text, size_t size)
{
    text->data += size;
    text->size -= size;
}

static bool read_number(struct bytes *text, int digits, int least, int most, int *number)
{
    *number = 0;
    for (; digits > 0; digits--) {
        if (!is_digit(*text))
            return false;
        *number = *number * 10 + (text->data[0] - '0');
        skip(text, 1);
    }
    return *number >= least && *number <= most;
}

/* Any of the characters. */
static bool read_one(struct bytes *text, const char *of, char *found)
{
    if (text->size == 0 || text->data[0] == '\0' || strchr(of, text->data[0]) == NULL)
        return false;
    *found = (char)text->data[0];
    skip(text, 1);
    return true;
}

static bool read_fraction(struct bytes *text, int *ms)
{
    int scale = 100;
    char point;

    *ms = 0;
    if (!read_one(text, ".", &point))
        return true;
    if (!is_digit(*text))
        return false;
    for (; is_digit(*text); skip(text, 1)) {
        *ms += (text->data[0] - '0') * scale;
        scale /= 10;
    }
    return true;
}

static bool read_offset(struct bytes *text, int *minutes)
{
    int hours, rest;
    char sign, colon;

    *minutes = 0;
    if (!read_one(text, "Zz+-", &sign))
        return false;
    if (sign == 'Z' || sign == 'z')
        return true;
    if (!read_number(text, 2, 0, 23, &hours) || !read_one(text, ":", &colon) ||
        !read_number(text, 2, 0, 59, &rest))
        return false;
    *minutes = sign == '-' ? -(hours * 60 + rest) : hours * 60 + rest;
    return true;
}

static bool read_date(struct bytes *text, struct civil *c)
{
    char dash;

    return read_number(text, 4, 1, 9999, &c->year) && read_one(text, "-", &dash) &&
           read_number(text, 2, 1, 12, &c->month) && read_one(text, "-", &dash) &&
           read_number(text, 2, 1, civil_days_in_month(c->year, c->month), &c->day);
}

static bool read_time(struct bytes *text, struct civil *c)
{
    char colon;

    return read_number(text, 2, 0, 23, &c->hour) && read_one(text, ":", &colon) &&
           read_number(text, 2, 0, 59, &c->minute) && read_one(text, ":", &colon) &&
           read_number(text, 2, 0, 60, &c->second) && read_fraction(text, &c->ms);
}

/* Leap seconds are the last of a month in UTC: what comes behind one is the
 * first of the next month. */
static bool follows_leap_second(int64_t time_ms)
{
    struct civil c = civil_from_ms(time_ms);

    return c.day == 1 && c.hour == 0 && c.minute == 0 && c.second == 0;
}

bool rfc3339_read(struct bytes text, int64_t *time_ms)
{
    struct civil c;
    int offset_minutes;
    char separator;
    int64_t ms;

    if (!read_date(&text, &c) || !read_one(&text, "Tt", &separator) || !read_time(&text, &c) ||
        !read_offset(&text, &offset_minutes) || text.size > 0)
        return false;
    ms = civil_to_ms(&c) - offset_minutes * INT64_C(60000);
    if (ms < first_ms || ms >= past_ms || (c.second == 60 && !follows_leap_second(ms)))
        return false;
    *time_ms = ms;
    return true;
}
