#ifndef CORE_SCHEDULE_H
#define CORE_SCHEDULE_H

#include "core/cron.h"
#include "core/run.h"
#include "core/zones.h"

/* When a schedule fires. Pure, but for the zones' files: a rule and a time in, a
 * time out. A nominal time is what the rule says, the due time when it really
 * happens: later by the jitter.
 *
 * repeat and cron go by the wall clock of the rule's zone: a time that it skips
 * fires at the first instant after the gap, one that it shows twice fires the
 * first time. What comes at every hour goes by elapsed time, each hour at its
 * minute: hourly, and cron whose hours are *; where a clock is set by part of an
 * hour, the minute holds and one step is shorter or longer. Intervals count
 * elapsed time from startAt and know no zone.
 *
 * The first firing is the first match at or after startAt; startAt itself is one
 * if the wall clock then shows `time`. */

enum { JITTER_MS_MAX = 24 * 3600 * 1000 };

/* ERR_INVALID naming the field if the rule contradicts itself or can never fire
 * from now on; ERR_LIMIT if its zone cannot be read just now. Otherwise fills
 * what was left open: start_at_ms (now) and time_of_day_s. */
MUST_USE enum err schedule_complete(struct schedule_rule *rule, struct zones *zones, int64_t now_ms,
                                    struct why *why);

/* Whether every number and name of a completed rule is in its range. Required of
 * every rule loaded: what follows counts on it. */
bool schedule_is_sound(const struct schedule_rule *rule);

/* A rule made ready for questions. Borrows the rule, and the zone: good until
 * the next use of `zones`. */
struct schedule {
    const struct schedule_rule *rule;
    const struct zone *zone;
    struct cron cron;
    uint64_t seed; /* of its jitter: says whose schedule it is */
};

/* Of a sync: the same for ever. */
uint64_t schedule_seed(struct bytes org, struct bytes name);

/* The rule has been through schedule_complete(). Errors are those of
 * zones_find(): zones may disappear from a machine. */
MUST_USE enum err schedule_open(const struct schedule_rule *rule, struct zones *zones,
                                uint64_t seed, struct schedule *schedule, struct why *why);

/* The first nominal time at or after from_ms; false if there is none any more.
 * maxRuns is the caller's to count. */
bool schedule_next(const struct schedule *schedule, int64_t from_ms, int64_t *nominal_ms);

/* When the firing of this nominal time happens: up to jitter_ms later, but before
 * the next nominal time. The same each time it is asked. */
int64_t schedule_due_ms(const struct schedule *schedule, int64_t nominal_ms);

/* Why a firing made no run: it was due when nobody could see to it, and another
 * one has come since or it was too late; its overlap policy; a pause; a person. */
enum skip_reason { SKIP_MISSED, SKIP_OVERLAP, SKIP_PAUSED, SKIP_CANCELLED, SKIP_REASON_COUNT };

/* What is to be done at a time. */
struct firing {
    bool fires; /* the latest of those that are due, and it is not too late */
    int64_t nominal_ms;
    uint64_t missed; /* others that were due, at least */
    int64_t mark_ms; /* every nominal time up to here is settled now */
};

/* Given the mark of what was settled so far. */
struct firing schedule_look(const struct schedule *schedule, int64_t mark_ms, int64_t now_ms);

enum { SCHEDULE_RUNS_SHOWN = 5 };
/* The next nominal times, the first at or after from_ms; 0 where there are no
 * more. fired: how many of the rule's maxRuns there were. */
void schedule_list(const struct schedule *schedule, int64_t from_ms, uint64_t fired,
                   int64_t runs_ms[SCHEDULE_RUNS_SHOWN]);

#endif
