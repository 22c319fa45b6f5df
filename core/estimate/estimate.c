#include "core/estimate/estimate.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* A start follows from who must end first, an end from how fast this run goes on
 * or how long earlier runs of its sync took. Two guesses of one thing are
 * weighed by how sure each is. */

static const struct guess unknown = { 0 };

/* low and high are that many standard deviations away. */
static const double REACH = 1.5;

/* What comes between a run and its turn that nobody knows of yet. */
static const double QUEUE_SPREAD = 0.35;

static struct guess around(double ms, double spread, const char *basis)
{
    double factor = exp(REACH * spread);

    return (struct guess){ true, ms, ms / factor, ms * factor, basis };
}

static double spread_of(const struct guess *guess)
{
    if (guess->high <= guess->low || guess->low <= 0)
        return 1;
    return log(guess->high / guess->low) / (2 * REACH);
}

/* ---- how long earlier runs took ---- */

/* As if so many runs had been seen that spread like this. */
static const double PRIOR_RUNS = 2, PRIOR_SPREAD = 0.25;
static const double FADING = 0.75; /* each run says so much less than the next */

struct typical estimate_typical(const int64_t *durations_ms, uint32_t count)
{
    double weight = 1, weights = 0, squares = 0, sum = 0, deviation = 0, mean, variance;

    for (uint32_t i = count; i > 0; i--, weight *= FADING) {
        weights += weight;
        squares += weight * weight;
        sum += weight * log(fmax((double)durations_ms[i - 1], 1));
    }
    if (count == 0)
        return (struct typical){ 0, 0 };
    mean = sum / weights;
    for (uint32_t i = 0; i < count; i++) {
        double off = log(fmax((double)durations_ms[i], 1)) - mean;

        deviation += off * off;
    }
    variance = (deviation + PRIOR_RUNS * PRIOR_SPREAD * PRIOR_SPREAD) / (count - 1 + PRIOR_RUNS);
    return (struct typical){ exp(mean), sqrt(variance * (1 + squares / (weights * weights))) };
}

/* The share of a normal distribution above z. */
static double above(double z)
{
    return 0.5 * erfc(z / sqrt(2));
}

/* Where that share of it lies above. */
static double beyond(double share)
{
    double low = -10, high = 10;

    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;

        if (above(middle) > share)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* What is left of a run after so much work, if it takes as long as others that
 * took longer than that. One that outlasts all of them by far is none of them. */
static struct guess by_history(const struct typical *typical, double worked_ms)
{
    static const double LAST = 4;
    double z, left;
    struct guess guess = { .known = true, .basis = "history" };

    if (typical->ms <= 0)
        return unknown;
    if (worked_ms <= 0)
        return around(typical->ms, typical->spread, "history");
    z = log(worked_ms / typical->ms) / typical->spread;
    if (z > LAST)
        return unknown;
    left = above(z);
    guess.ms = typical->ms * exp(typical->spread * beyond(left / 2)) - worked_ms;
    guess.low = typical->ms * exp(typical->spread * beyond(left * above(-REACH))) - worked_ms;
    guess.high = typical->ms * exp(typical->spread * beyond(left * above(REACH))) - worked_ms;
    return guess;
}

/* ---- how fast it goes on ---- */

/* How far it is, 0 to 1. */
static double fraction_of(const struct estimate_work *work)
{
    if (work->total > 0)
        return fmin(work->done / work->total, 1);
    return fmin(work->percent, 100) / 100;
}

/* At its recent rate if that is known, else at that of all its work. */
static struct guess by_progress(const struct estimate_work *work)
{
    static const double LEAST = 0.05, UNEVEN = 0.3, STEADY_MS = 20 * 1000;
    double fraction = fraction_of(work), measured_ms, ms, spread;
    double reported_ms = work->worked_ms - work->stale_ms; /* at the last report */

    if (work->total > 0 && work->recent_rate > 0) {
        ms = (work->total - work->done) / work->recent_rate;
        measured_ms = work->recent_ms;
    } else if (fraction > 0 && reported_ms > 0) {
        ms = reported_ms * (1 - fraction) / fraction;
        measured_ms = reported_ms;
    } else {
        return unknown;
    }
    ms = fmax(ms - work->stale_ms, 0);
    /* The pace of the past and that of the rest vary alike, each less the longer it is. */
    spread = sqrt(LEAST * LEAST +
                  UNEVEN * UNEVEN *
                      (STEADY_MS / (STEADY_MS + measured_ms) + STEADY_MS / (STEADY_MS + ms)));
    return around(ms, spread, "progress_rate");
}

static struct guess blend(struct guess own, struct guess earlier)
{
    double a, b, ms;

    if (!own.known)
        return earlier;
    if (!earlier.known || own.ms <= 0 || earlier.ms <= 0)
        return own;
    a = 1 / (spread_of(&own) * spread_of(&own));
    b = 1 / (spread_of(&earlier) * spread_of(&earlier));
    ms = exp((a * log(own.ms) + b * log(earlier.ms)) / (a + b));
    return around(ms, 1 / sqrt(a + b), own.basis);
}

void estimate_work_of(const struct run *run, struct estimate_work *work)
{
    bool known = run->entity_count > 0;

    *work = (struct estimate_work){ .worked_ms = (double)run->worked_ms };
    for (uint32_t i = 0; i < run->entity_count; i++) {
        const struct entity_progress *entity = &run->entities[i];

        known = known && entity->total_known;
        work->total += (double)entity->total;
        work->done += entity->total_known ? fmin((double)entity->done, (double)entity->total)
                                          : (double)entity->done;
    }
    if (!known)
        work->total = 0;
    work->percent = run->progress > 0 ? run->progress : 0;
}

struct guess estimate_end(const struct estimate_work *work)
{
    return blend(by_progress(work), by_history(&work->typical, work->worked_ms));
}

/* ---- why it waits ---- */

enum wait_reason estimate_wait(const struct run_info *info, const struct board_history *history,
                               const struct estimate_facts *facts)
{
    switch (info->run.state) {
    case RUN_BACKOFF:
        return history->sync_paused ? WAIT_PAUSED : WAIT_BACKOFF;
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

/* ---- when its turn comes ---- */

/* Slots by when they are free, the first on top. */
struct slots {
    double free_ms[BOARD_ENDS_MAX];
    uint32_t count;
};

static void sink(struct slots *slots, uint32_t i)
{
    for (;;) {
        uint32_t least = i, left = 2 * i + 1;
        double ms = slots->free_ms[i];

        for (uint32_t k = left; k < left + 2 && k < slots->count; k++)
            if (slots->free_ms[k] < slots->free_ms[least])
                least = k;
        if (least == i)
            return;
        slots->free_ms[i] = slots->free_ms[least];
        slots->free_ms[least] = ms;
        i = least;
    }
}

/* What holds `count` slots busy; ends that are not known are half a run away. */
static void fill_slots(struct slots *slots, uint64_t count, uint64_t busy, const double *ends_ms,
                       uint32_t end_count, double mean_ms)
{
    slots->count = count < BOARD_ENDS_MAX ? (uint32_t)count : BOARD_ENDS_MAX;
    if (busy > slots->count)
        busy = slots->count;
    for (uint32_t i = 0; i < slots->count; i++)
        slots->free_ms[i] = i >= busy                         ? 0
                            : i < end_count && ends_ms[i] > 0 ? ends_ms[i]
                                                              : mean_ms / 2;
    for (uint32_t i = slots->count / 2; i > 0; i--)
        sink(slots, i - 1);
}

/* When the slots have taken so many runs and one is free for the next. */
static double drain(struct slots *slots, double runs, double mean_ms)
{
    static const double ONE_BY_ONE_MAX = 128;
    double sum = 0;

    if (runs > ONE_BY_ONE_MAX) {
        for (uint32_t i = 0; i < slots->count; i++)
            sum += slots->free_ms[i];
        return (sum + (runs - slots->count / 2.0) * mean_ms) / slots->count;
    }
    for (; runs >= 1; runs--) {
        slots->free_ms[0] += mean_ms;
        sink(slots, 0);
    }
    return slots->free_ms[0];
}

static double mean_of(const struct demand_sum *ahead, double otherwise)
{
    return ahead->timed_runs >= 0.5 ? ahead->work_ms / ahead->timed_runs : otherwise;
}

/* `slots` of them, so many free. Unknown if nobody knows how long anything takes. */
static struct guess until_slot(uint64_t count, uint64_t free_slots, const double *ends_ms,
                               uint32_t end_count, const struct demand_sum *ahead, double mean_ms)
{
    double each_ms = mean_of(ahead, mean_ms), runs = ahead->runs, ms;
    struct slots slots;
    struct guess guess;

    if (runs < (double)free_slots)
        return (struct guess){ true, 0, 0, 0, "idle_worker" };
    if (count == 0 || (each_ms <= 0 && runs >= 1))
        return unknown;
    fill_slots(&slots, count, count - free_slots, ends_ms, end_count,
               mean_ms > 0   ? mean_ms
               : each_ms > 0 ? each_ms
                             : INFINITY);
    if (count > slots.count)
        runs *= (double)slots.count / (double)count;
    ms = drain(&slots, floor(runs), each_ms);
    if (isinf(ms))
        return unknown;
    /* Who waits for few ends may be lucky; many of them even out. */
    guess = around(ms, QUEUE_SPREAD + 0.5 / sqrt(1 + runs), "queue_rate");
    if (runs < 2 * (double)slots.count)
        guess.low = 0;
    return guess;
}

static struct guess later(struct guess a, struct guess b)
{
    if (!a.known || !b.known)
        return unknown;
    return a.ms >= b.ms ? a : b;
}

/* Until its turn comes, were it free to go: among all, and within what its
 * organisation may have at a time. */
static struct guess until_turn(const struct board_history *history,
                               const struct estimate_facts *facts)
{
    struct guess guess = until_slot(facts->slots, facts->free_slots, facts->ends_ms,
                                    facts->end_count, &facts->ahead, facts->mean_ms);
    uint64_t most = history->max_active, active = history->active;

    if (most == 0 || most >= facts->slots)
        return guess;
    return later(guess, until_slot(most, most > active ? most - active : 0, facts->own_ends_ms,
                                   facts->own_end_count, &facts->own_ahead, facts->mean_ms));
}

static struct guess plus(struct guess a, double ms, double spread)
{
    struct guess more = around(ms, spread, "history");

    if (!a.known)
        return unknown;
    more.ms += a.ms;
    more.low += a.low;
    more.high += a.high;
    return more;
}

static struct guess no_earlier_than(struct guess guess, double ms)
{
    if (!guess.known || ms <= guess.ms)
        return guess;
    return (struct guess){ true, ms, ms, fmax(ms, guess.high), "not_before" };
}

static double until_due(const struct run *run, int64_t now_ms)
{
    return (double)((run->not_before_ms > 0 ? run->not_before_ms : run->nominal_ms) - now_ms);
}

/* The run that is first under its name: until it ends. */
static struct guess until_head_ends(const struct board_history *history,
                                    const struct estimate_facts *facts,
                                    const struct typical *typical, struct guess turn)
{
    switch (history->head->state) {
    case RUN_ACTIVE:
        return facts->head_end;
    case RUN_QUEUED:
        return plus(turn, typical->ms, typical->spread);
    case RUN_BACKOFF:
        turn = no_earlier_than(turn, until_due(history->head, facts->now_ms));
        return plus(turn, typical->ms, typical->spread);
    case RUN_NONE:
    case RUN_SCHEDULED:
    case RUN_PAUSED: /* nobody knows until when */
    case RUN_PAUSING:
    case RUN_CANCELLING:
    case RUN_COMPLETED:
    case RUN_FAILED:
    case RUN_CANCELLED:
    case RUN_STATE_COUNT:
        break;
    }
    return unknown;
}

/* How long it takes until some slot is free, once more. */
static double until_any_slot(const struct board_history *history,
                             const struct estimate_facts *facts)
{
    double slots = (double)(facts->slots > 0 ? facts->slots : 1);

    if (history->max_active > 0 && history->max_active < slots &&
        history->active >= history->max_active)
        return facts->mean_ms / history->max_active;
    return facts->free_slots > 0 ? 0 : facts->mean_ms / slots;
}

/* Behind other runs of its name: those must end first, one after another. */
static struct guess until_earlier_ended(const struct board_history *history,
                                        const struct estimate_facts *facts)
{
    struct typical typical = estimate_typical(history->durations_ms, history->count);
    struct guess turn = until_turn(history, facts), guess;
    double between = history->place > 1 ? history->place - 1 : 0;

    if (typical.ms <= 0)
        typical = (struct typical){ facts->mean_ms, 0.7 };
    if (typical.ms <= 0 || history->head == NULL)
        return unknown;
    guess = until_head_ends(history, facts, &typical, turn);
    if (guess.known && between > 0) /* each waits for a slot again: not for long, it is old */
        guess = plus(guess, between * (typical.ms + until_any_slot(history, facts)),
                     fmax(typical.spread, QUEUE_SPREAD));
    guess.low /= exp(QUEUE_SPREAD);
    guess.high *= exp(QUEUE_SPREAD);
    return turn.known && guess.known && turn.ms > guess.ms ? turn : guess;
}

static struct guess until_start(const struct run_info *info, const struct board_history *history,
                                const struct estimate_facts *facts)
{
    if (facts->workers == 0)
        return unknown;
    switch (info->wait) {
    case WAIT_BACKOFF:
    case WAIT_SCHEDULE:
        return no_earlier_than(until_turn(history, facts), until_due(&info->run, facts->now_ms));
    case WAIT_EARLIER_RUN:
        return until_earlier_ended(history, facts);
    case WAIT_LIMIT:
    case WAIT_TURN:
        return until_turn(history, facts);
    case WAIT_NONE:
    case WAIT_PAUSED:
    case WAIT_NO_WORKER:
        break;
    }
    return unknown;
}

/* ---- answers ---- */

/* Beyond some centuries it is no estimate (and no RFC 3339 text). */
static int64_t after(int64_t now_ms, double ms)
{
    static const double MOST = 1e13;

    return now_ms + (int64_t)llround(fmin(fmax(ms, 0), MOST));
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
    struct estimate_work work = facts->work;
    struct guess end;

    work.typical = estimate_typical(history->durations_ms, history->count);
    end = estimate_end(&work);
    if (!end.known)
        return;
    info->estimated_completion_ms = after(facts->now_ms, end.ms);
    show_range(info, &end, facts->now_ms);
}

static void fill_waiting(struct run_info *info, const struct board_history *history,
                         const struct estimate_facts *facts)
{
    struct typical typical = estimate_typical(history->durations_ms, history->count);
    struct guess start = until_start(info, history, facts);
    struct guess work = by_history(&typical, (double)info->run.worked_ms);

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
