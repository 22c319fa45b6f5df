#ifndef CORE_CRON_H
#define CORE_CRON_H

#include "core/base/bytes.h"
#include "core/base/err.h"

/* Cron expressions: minute, hour, day of month, month, day of week, as in Vixie
 * cron. A field is a list of *, a number or a name, or a range; steps follow *
 * or a range (0-30/10). Months and weekdays have names (JAN, mon), Sunday is 0
 * and 7, a range of weekdays may end with it (fri-sun). Where both day fields are
 * restricted, that is: begin with something other than *, either one suffices.
 * Also @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly. */

enum { CRON_SIZE_MAX = 256 };

struct cron {
    uint64_t minutes; /* bit n: n, in all of them */
    uint32_t hours, days, months, weekdays;
    bool either_day; /* both day fields are restricted */
};

/* ERR_INVALID naming schedule.cron: it cannot be read, or no day is like it. */
MUST_USE enum err cron_read(struct bytes text, struct cron *cron, struct why *why);

/* The first wall-clock time (see zone.h) at or after this one, on a whole minute. */
int64_t cron_next(const struct cron *cron, int64_t wall_s);

/* Whether it names hours. If not, it goes by elapsed time, like an interval. */
bool cron_names_hours(const struct cron *cron);

#endif
