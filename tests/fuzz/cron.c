#include "core/cron.h"

#include "core/base/rfc3339.h"
#include "tests/fuzz/input.h"

#include <assert.h>

/* A line with a cron expression, then the second from which it is asked. The
 * answer is compared with the definition: minutes before it that match. */

enum { MINUTE_S = 60, DAY_S = 24 * 3600 };
static const int64_t past_s = INT64_C(253402300800); /* the end of 9999 */

static bool has(uint64_t set, int bit)
{
    return (set >> bit & 1) != 0;
}

static bool matches(const struct cron *cron, int64_t wall_s)
{
    struct civil c = civil_from_ms(wall_s * 1000);
    int64_t days = (wall_s - c.hour * 3600 - c.minute * 60 - c.second) / DAY_S;
    bool by_day = has(cron->days, c.day), by_weekday = has(cron->weekdays, (int)((days + 4) % 7));

    return c.second == 0 && has(cron->minutes, c.minute) && has(cron->hours, c.hour) &&
           has(cron->months, c.month) &&
           (cron->either_day ? by_day || by_weekday : by_day && by_weekday);
}

/* The latest of a leap day's weekdays comes back after 40 years. */
static int64_t check_next(const struct cron *cron, int64_t from_s)
{
    enum { LOOKED_AT = 3000 };
    const int64_t most_s = INT64_C(41) * 366 * DAY_S;
    int64_t next_s = cron_next(cron, from_s), minute_s = from_s + MINUTE_S - 1;

    assert(next_s >= from_s && next_s - from_s < most_s && matches(cron, next_s));
    assert(cron_next(cron, next_s) == next_s);
    minute_s -= minute_s % MINUTE_S;
    for (int i = 0; i < LOOKED_AT && minute_s < next_s; i++, minute_s += MINUTE_S)
        assert(!matches(cron, minute_s));
    return next_s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size), text = input_line(&input);
    int64_t from_s = (int64_t)(input_number(&input, 5) % (uint64_t)past_s);
    struct cron cron;
    struct why why = { .text = "" };

    if (cron_read(text, &cron, &why) != OK) {
        assert(strcmp(why.field, "schedule.cron") == 0 && why.text[0] != '\0');
        return 0;
    }
    assert(text.size <= CRON_SIZE_MAX && cron.minutes != 0 && cron.hours != 0 && cron.months != 0);
    for (int i = 0; i < 5; i++)
        from_s = check_next(&cron, from_s) + 1;
    return 0;
}
