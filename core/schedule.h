#ifndef CORE_SCHEDULE_H
#define CORE_SCHEDULE_H

#include "core/run.h"

/* When a schedule fires. Pure: a rule and a time in, a time out. */

/* ERR_INVALID naming the field if the rule contradicts itself; ERR_UNSUPPORTED
 * for what this version does not know (cron, jitter, zones other than UTC).
 * Otherwise fills what was left open: start_at_ms (now) and time_of_day_s. */
MUST_USE enum err schedule_complete(struct schedule_rule *rule, int64_t now_ms, struct why *why);

/* Whether every number and name of a completed rule is in its range. Required of
 * every rule loaded: what follows counts on it. */
bool schedule_is_sound(const struct schedule_rule *rule);

/* The first firing at or after from_ms; false if there is none any more. The
 * rule has been through schedule_complete(). maxRuns is the caller's to count. */
bool schedule_next(const struct schedule_rule *rule, int64_t from_ms, int64_t *nominal_ms);

enum { SCHEDULE_RUNS_SHOWN = 5 };
/* The next firings, the first at or after from_ms; 0 where there are no more.
 * runs_max 0: no bound; fired: how many of them there were. */
void schedule_list(const struct schedule_rule *rule, int64_t from_ms, uint32_t runs_max,
                   uint64_t fired, int64_t runs_ms[SCHEDULE_RUNS_SHOWN]);

/* How late a missed firing may still be made up for: catch_up_ms, or by
 * default one period, at most 24 h. */
int64_t schedule_catch_up_ms(const struct schedule_rule *rule);

#endif
