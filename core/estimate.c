#include "core/estimate.h"

#include <math.h>

/* A guess is a span of time from now, with the least and the most it may
 * plausibly be. A start follows from who must end first, an end from how fast
 * this run goes on or how long earlier runs of its sync took. */

struct guess {
    bool known;
    double ms, low, high;
    const char *basis;
};

static const struct guess unknown = { 0 };

/* ---- why it waits ---- */

enum wait_reason estimate_wait(const struct run_info *info, const struct board_history *history,
                               const struct estimate_facts *facts)
{
    switch (info->run.state) {
    case RUN_BACKOFF:
        return WAIT_BACKOFF;
    case RUN_SCHEDULED:
        return WAIT_SCHEDULE;
    case RUN_PAUSED:
    case RUN_PAUSING:
        return WAIT_PAUSED;
    case RUN_QUEUED:
        return history->sync_paused   ? WAIT_PAUSED
               : history->earlier_run ? WAIT_EARLIER_RUN
               : history->at_limit    ? WAIT_LIMIT
               : facts->workers == 0  ? WAIT_NO_WORKER
                                      : WAIT_TURN;
    case RUN_NONE:
    case RUN_ACTIVE:
    case RUN_CANCELLING:
    case RUN_COMPLETED:
    case RUN_FAILED:
    case RUN_CANCELLED:
    case RUN_STATE_COUNT:
        break;
    }
    return WAIT_NONE;
}

/* ---- guesses ---- */

/* What is left of runs that take as long as earlier ones, after so much work:
 * of those that took longer than that, the mean. */
static struct guess by_history(const struct board_history *history, int64_t worked_ms)
{
    struct guess guess = { .low = INFINITY, .basis = "history" };
    unsigned longer = 0;

    for (uint32_t i = 0; i < history->count; i++) {
        double left = (double)(history->durations_ms[i] - worked_ms);

        if (left <= 0 && worked_ms > 0)
            continue;
        guess.ms += left;
        guess.low = fmin(guess.low, left);
        guess.high = fmax(guess.high, left);
        longer++;
    }
    if (longer == 0)
        return unknown;
    guess.known = true;
    guess.ms /= longer;
    return guess;
}

/* The time until `ends` runs have ended. A sum of n random spans, each known
 * from m samples, is off by about sqrt(1/n + 1/m) of itself. */
static struct guess by_rate(double ends, const struct estimate_facts *facts)
{
    double ms, error;

    if (facts->ended == 0)
        return unknown;
    ms = ends * facts->interval_ms;
    error = sqrt(1 / ends + 1.0 / facts->ended);
    return (struct guess){ true, ms, ms / (1 + error), ms * (1 + error), "queue_rate" };
}

/* The same where nothing was measured yet: runs like this one, all slots at work. */
static struct guess by_slots(double ends, const struct board_history *history,
                             const struct estimate_facts *facts)
{
    struct guess guess = by_history(history, 0);
    double rounds = ends / (double)(facts->slots > 0 ? facts->slots : 1);

    guess.ms *= rounds;
    guess.low *= rounds;
    guess.high *= rounds;
    return guess;
}

/* Until its turn comes, were it free to go. */
static struct guess until_turn(const struct board_history *history,
                               const struct estimate_facts *facts)
{
    struct guess guess;
    double ends;

    if (history->ahead < facts->free_slots)
        return (struct guess){ true, 0, 0, 0, "idle_worker" };
    ends = (double)(history->ahead - facts->free_slots) + 1;
    guess = by_rate(ends, facts);
    return guess.known ? guess : by_slots(ends, history, facts);
}

/* Behind another run of its name: that one must end first. */
static struct guess until_earlier_ended(const struct board_history *history,
                                        const struct estimate_facts *facts)
{
    struct guess turn = until_turn(history, facts), earlier = by_history(history, 0);

    if (!earlier.known && facts->ended > 0)
        earlier = (struct guess){ true, facts->worked_ms, 0, 2 * facts->worked_ms, "history" };
    if (!earlier.known)
        return unknown;
    return turn.known && turn.ms > earlier.ms ? turn : earlier;
}

static struct guess no_earlier_than(struct guess guess, double ms)
{
    if (!guess.known || ms <= guess.ms)
        return guess;
    return (struct guess){ true, ms, ms, fmax(ms, guess.high), "not_before" };
}

static struct guess until_start(const struct run_info *info, const struct board_history *history,
                                const struct estimate_facts *facts)
{
    int64_t due_ms = info->run.not_before_ms > 0 ? info->run.not_before_ms : info->run.nominal_ms;

    if (facts->workers == 0)
        return unknown;
    switch (info->wait) {
    case WAIT_BACKOFF:
    case WAIT_SCHEDULE:
        return no_earlier_than(until_turn(history, facts), (double)(due_ms - facts->now_ms));
    case WAIT_EARLIER_RUN:
        return until_earlier_ended(history, facts);
    case WAIT_LIMIT: /* free slots do not help an organisation at its limit */
        return by_rate((double)history->ahead + 1, facts);
    case WAIT_TURN:
        return until_turn(history, facts);
    case WAIT_NONE:
    case WAIT_PAUSED:
    case WAIT_NO_WORKER:
        break;
    }
    return unknown;
}

/* Sums over the entities; 0 if a total is unknown. */
static double total_of(const struct run *run, double *done)
{
    double total = 0;
    bool known = run->entity_count > 0;

    *done = 0;
    for (uint32_t i = 0; i < run->entity_count; i++) {
        const struct entity_progress *entity = &run->entities[i];

        known = known && entity->total_known;
        total += (double)entity->total;
        *done += fmin((double)entity->done, (double)entity->total);
    }
    return known ? total : 0;
}

/* How far it is, 0 to 1. */
static double fraction_of(const struct run *run)
{
    double done, total = total_of(run, &done);

    if (total > 0)
        return done / total;
    return run->progress > 0 ? fmin(run->progress, 100) / 100 : 0;
}

/* At its recent rate if that is known, else at that of all its work. */
static struct guess by_progress(const struct run *run, int64_t worked_ms,
                                const struct estimate_facts *facts)
{
    double done, total = total_of(run, &done), fraction = fraction_of(run), ms, error;

    if (total > 0 && facts->recent_rate > 0)
        ms = (total - done) / facts->recent_rate;
    else if (fraction > 0 && worked_ms > 0)
        ms = (double)worked_ms * (1 - fraction) / fraction;
    else
        return unknown;
    error = (1 - fraction) / 2;
    return (struct guess){ true, ms, ms / (1 + error), ms * (1 + error), "progress_rate" };
}

/* The further a run is, the more it says of itself. */
static struct guess blend(struct guess own, struct guess earlier, double fraction)
{
    if (!own.known)
        return earlier;
    if (!earlier.known)
        return own;
    own.ms = fraction * own.ms + (1 - fraction) * earlier.ms;
    own.low = fmin(own.low, fraction * own.low + (1 - fraction) * earlier.low);
    own.high = fmax(own.high, fraction * own.high + (1 - fraction) * earlier.high);
    return own;
}

static struct guess until_end(const struct run_info *info, const struct board_history *history,
                              const struct estimate_facts *facts)
{
    const struct run *run = &info->run;
    int64_t worked_ms = run->worked_ms;

    if (run->leased_at_ms > 0 && facts->now_ms > run->leased_at_ms)
        worked_ms += facts->now_ms - run->leased_at_ms;
    return blend(by_progress(run, worked_ms, facts), by_history(history, worked_ms),
                 fraction_of(run));
}

/* ---- answers ---- */

/* Beyond some centuries it is no estimate (and no RFC 3339 text). */
static int64_t after(int64_t now_ms, double ms)
{
    const double most = 1e13;

    return now_ms + (int64_t)fmin(fmax(ms, 0), most);
}

static void show_range(struct run_info *info, const struct guess *guess, int64_t now_ms)
{
    info->estimate_low_ms = after(now_ms, guess->low);
    info->estimate_high_ms = after(now_ms, guess->high);
    info->estimate_basis = guess->basis;
}

static void fill_active(struct run_info *info, const struct board_history *history,
                        const struct estimate_facts *facts)
{
    struct guess end = until_end(info, history, facts);

    if (!end.known)
        return;
    info->estimated_completion_ms = after(facts->now_ms, end.ms);
    show_range(info, &end, facts->now_ms);
}

static void fill_waiting(struct run_info *info, const struct board_history *history,
                         const struct estimate_facts *facts)
{
    struct guess start = until_start(info, history, facts);
    struct guess work = by_history(history, info->run.worked_ms);

    if (!start.known)
        return;
    info->estimated_start_ms = after(facts->now_ms, start.ms);
    show_range(info, &start, facts->now_ms);
    if (work.known)
        info->estimated_completion_ms = after(info->estimated_start_ms, work.ms);
}

void estimate_fill(struct run_info *info, const struct board_history *history,
                   const struct estimate_facts *facts)
{
    info->estimated_start_ms = info->estimated_completion_ms = 0;
    info->estimate_low_ms = info->estimate_high_ms = 0;
    info->estimate_basis = NULL;
    if (info->run.state == RUN_ACTIVE)
        fill_active(info, history, facts);
    else if (info->wait != WAIT_NONE)
        fill_waiting(info, history, facts);
}
