#include "core/board.h"

#include "core/estimate/crew.h"
#include "core/estimate/demand.h"
#include "core/estimate/estimate.h"
#include "core/limits.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Four small tables under one lock: who works (crew.h), what waits (demand.h),
 * leases with what is known of their runs' ends, and how long the runs of each
 * organisation take. */

enum {
    PACE_SAMPLES_MAX = 16,      /* the older ones fade */
    RATE_WINDOW_MS = 45 * 1000, /* a recent rate is over one to two of these */
    RATE_SPAN_MS_MIN = 5 * 1000,
    END_HOLDS_MS = 1000,
};

struct sample {
    int64_t at_ms;
    double done;
};

struct lease {
    run_id run; /* key */
    int64_t deadline_mono_ms;
    struct sample older, newer, last;
    bool started;      /* what follows is known */
    struct pair *pair; /* NULL: too many of them */
    uint64_t org_hash;
    int64_t started_mono_ms;
    struct estimate_work work; /* its worked_ms: in earlier attempts */
    double end_mono_ms;        /* 0: unknown */
    int64_t end_told_mono_ms;  /* when that was found; 0: never */
    struct guess promised;     /* its end, when it began */
    UT_hash_handle hh;
};

struct pace {
    uint32_t ended;   /* at most PACE_SAMPLES_MAX */
    double worked_ms; /* mean */
    UT_hash_handle hh;
    size_t size;
    uint8_t org[NAME_SIZE_MAX];
};

struct board {
    struct clock *clock;
    pthread_mutex_t lock; /* of all that follows */
    struct crew *crew;
    struct demand *demand;
    struct lease *leases;
    struct pace *paces; /* the one that was idle longest first */
    struct pace all;    /* of all organisations */
    struct board_accuracy accuracy;
};

const double board_error_bounds[BOARD_ERROR_BUCKETS - 1] = { 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5 };

/* As if runs whose history nobody knows spread like this. */
static const double LOOSE_SPREAD = 0.3;

struct board *board_new(struct clock *clock)
{
    struct board *board = calloc(1, sizeof *board);

    if (board == NULL)
        return NULL;
    board->clock = clock;
    pthread_mutex_init(&board->lock, NULL);
    board->crew = crew_new();
    board->demand = demand_new();
    if (board->crew != NULL && board->demand != NULL)
        return board;
    board_free(board);
    return NULL;
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL)
        abort(); /* as the queue does: its own memory of a lease is larger */
    return memory;
}

static void free_lease(struct board *board, struct lease *lease)
{
    if (lease->pair != NULL)
        demand_let_pair_go(board->demand, lease->pair);
    HASH_DEL(board->leases, lease);
    free(lease);
}

static void forget_leases(struct board *board)
{
    while (board->leases != NULL)
        free_lease(board, board->leases);
}

void board_free(struct board *board)
{
    struct pace *pace, *next;

    if (board == NULL)
        return;
    forget_leases(board);
    HASH_ITER(hh, board->paces, pace, next) {
        HASH_DEL(board->paces, pace);
        free(pace);
    }
    crew_free(board->crew);
    demand_free(board->demand);
    pthread_mutex_destroy(&board->lock);
    free(board);
}

/* ---- workers ---- */

void board_worker_joined(struct board *board, const struct worker *worker)
{
    pthread_mutex_lock(&board->lock);
    crew_joined(board->crew, worker, clock_mono_ms(board->clock));
    pthread_mutex_unlock(&board->lock);
}

void board_worker_left(struct board *board, const struct worker *worker)
{
    pthread_mutex_lock(&board->lock);
    crew_left(board->crew, worker, clock_mono_ms(board->clock));
    pthread_mutex_unlock(&board->lock);
}

void board_worker_held(struct board *board, const struct worker *worker)
{
    pthread_mutex_lock(&board->lock);
    crew_held(board->crew, worker);
    pthread_mutex_unlock(&board->lock);
}

/* ---- what waits ---- */

static struct demand_place place_in(const struct board_line *line, bool head, uint64_t order)
{
    return (struct demand_place){ line->org,    line->source, line->target, line->priority,
                                  line->weight, head,         order };
}

void board_run_ready(struct board *board, const struct board_line *line, bool head, uint64_t order,
                     int64_t typical_ms)
{
    struct demand_place place = place_in(line, head, order);

    pthread_mutex_lock(&board->lock);
    demand_add(board->demand, &place, (double)typical_ms);
    pthread_mutex_unlock(&board->lock);
}

void board_run_taken(struct board *board, const struct board_line *line, bool head, uint64_t order)
{
    struct demand_place place = place_in(line, head, order);

    pthread_mutex_lock(&board->lock);
    demand_remove(board->demand, &place);
    pthread_mutex_unlock(&board->lock);
}

void board_line_found(struct board *board, const struct board_line *line, uint64_t first,
                      uint64_t last, uint64_t count)
{
    struct demand_place place = place_in(line, false, first);

    pthread_mutex_lock(&board->lock);
    demand_seed(board->demand, &place, last, count);
    pthread_mutex_unlock(&board->lock);
}

void board_line_ended(struct board *board, const struct board_line *line)
{
    struct demand_place place = place_in(line, false, 0);

    pthread_mutex_lock(&board->lock);
    demand_end(board->demand, &place);
    pthread_mutex_unlock(&board->lock);
}

/* ---- leases ---- */

static uint64_t hash_of(struct bytes org)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < org.size; i++)
        h = (h ^ org.data[i]) * 1099511628211u;
    return h;
}

static struct lease *find_lease(struct board *board, run_id run)
{
    struct lease *lease;

    HASH_FIND(hh, board->leases, &run, sizeof run, lease);
    return lease;
}

static struct lease *find_or_add_lease(struct board *board, run_id run)
{
    struct lease *lease = find_lease(board, run);

    if (lease != NULL)
        return lease;
    lease = allocate(sizeof *lease);
    lease->run = run;
    HASH_ADD(hh, board->leases, run, sizeof lease->run, lease);
    return lease;
}

void board_lease_set(struct board *board, run_id run, int64_t deadline_mono_ms)
{
    pthread_mutex_lock(&board->lock);
    find_or_add_lease(board, run)->deadline_mono_ms = deadline_mono_ms;
    pthread_mutex_unlock(&board->lock);
}

void board_run_started(struct board *board, run_id run, const struct board_start *start)
{
    struct lease *lease;

    pthread_mutex_lock(&board->lock);
    lease = find_or_add_lease(board, run);
    assert(!lease->started);
    lease->started = true;
    lease->pair = demand_hold_pair(board->demand, start->source, start->target);
    lease->org_hash = hash_of(start->org);
    lease->started_mono_ms = clock_mono_ms(board->clock);
    lease->work.typical = (struct typical){ (double)start->typical_ms, LOOSE_SPREAD };
    lease->work.worked_ms = (double)start->worked_ms;
    lease->promised = estimate_end(&lease->work);
    pthread_mutex_unlock(&board->lock);
}

void board_lease_gone(struct board *board, run_id run)
{
    struct lease *lease;

    pthread_mutex_lock(&board->lock);
    lease = find_lease(board, run);
    if (lease != NULL)
        free_lease(board, lease);
    pthread_mutex_unlock(&board->lock);
}

void board_leases_forgotten(struct board *board)
{
    pthread_mutex_lock(&board->lock);
    forget_leases(board);
    demand_clear(board->demand);
    crew_forget_held(board->crew);
    pthread_mutex_unlock(&board->lock);
}

/* Two anchors behind the newest report, so that there is always one that is
 * neither too near nor too far to measure from. */
static void note_progress(struct lease *lease, struct sample now)
{
    if (lease->older.at_ms == 0 || now.done < lease->last.done) /* it began anew */
        lease->older = lease->newer = now;
    else if (now.at_ms - lease->newer.at_ms >= RATE_WINDOW_MS) {
        lease->older = lease->newer;
        lease->newer = now;
    }
    lease->last = now;
}

void board_progress(struct board *board, run_id run, const struct run *state)
{
    int64_t mono_ms = clock_mono_ms(board->clock);
    struct estimate_work work;
    struct lease *lease;

    estimate_work_of(state, &work);
    pthread_mutex_lock(&board->lock);
    lease = find_lease(board, run);
    if (lease != NULL) {
        lease->work.done = work.done;
        lease->work.total = work.total;
        lease->work.percent = work.percent;
        note_progress(lease, (struct sample){ mono_ms, work.done });
    }
    pthread_mutex_unlock(&board->lock);
}

static void read_rate(const struct lease *lease, int64_t mono_ms, struct estimate_work *work)
{
    int64_t span_ms = lease->last.at_ms - lease->older.at_ms;

    work->recent_rate = work->recent_ms = work->stale_ms = 0;
    if (lease->last.at_ms > 0)
        work->stale_ms = (double)(mono_ms - lease->last.at_ms);
    if (span_ms < RATE_SPAN_MS_MIN)
        return;
    work->recent_rate = (lease->last.done - lease->older.done) / (double)span_ms;
    work->recent_ms = (double)span_ms;
}

/* What is left of a lease's run, as far as the board alone knows. */
static struct guess end_of(const struct lease *lease, int64_t mono_ms, struct typical typical)
{
    struct estimate_work work = lease->work;

    if (!lease->started)
        return (struct guess){ .known = false };
    work.worked_ms += (double)(mono_ms - lease->started_mono_ms);
    if (typical.ms > 0)
        work.typical = typical;
    read_rate(lease, mono_ms, &work);
    return estimate_end(&work);
}

/* ---- pace ---- */

static struct pace *find_pace(struct board *board, struct bytes org)
{
    struct pace *pace;

    HASH_FIND(hh, board->paces, org.data, org.size, pace);
    return pace;
}

static struct pace *add_pace(struct board *board, struct bytes org)
{
    struct pace *pace;

    if (HASH_COUNT(board->paces) >= BOARD_ORGS_MAX) {
        pace = board->paces;
        HASH_DEL(board->paces, pace);
        free(pace);
    }
    pace = allocate(sizeof *pace);
    pace->size = org.size;
    if (org.size > 0)
        memcpy(pace->org, org.data, org.size);
    HASH_ADD_KEYPTR(hh, board->paces, pace->org, pace->size, pace);
    return pace;
}

static void note_end(struct pace *pace, double worked_ms)
{
    if (pace->ended < PACE_SAMPLES_MAX)
        pace->ended++;
    pace->worked_ms += (worked_ms - pace->worked_ms) / pace->ended;
}

/* What was said when it began, and what came of it. */
static void compare(struct board *board, const struct lease *lease)
{
    struct board_accuracy *a = &board->accuracy;
    double actual_ms, error;
    unsigned i = 0;

    if (lease == NULL || !lease->started || !lease->promised.known) {
        a->unknown++;
        return;
    }
    actual_ms = fmax((double)(clock_mono_ms(board->clock) - lease->started_mono_ms), 1);
    error = fabs(lease->promised.ms - actual_ms) / actual_ms;
    while (i < BOARD_ERROR_BUCKETS - 1 && error > board_error_bounds[i])
        i++;
    a->buckets[i]++;
    a->compared++;
    a->error_sum += error;
    a->inside += actual_ms >= lease->promised.low && actual_ms <= lease->promised.high;
}

void board_completed(struct board *board, struct bytes org, run_id run, int64_t worked_ms)
{
    struct pace *pace;

    assert(org.size <= NAME_SIZE_MAX);
    pthread_mutex_lock(&board->lock);
    pace = find_pace(board, org);
    if (pace == NULL) {
        pace = add_pace(board, org);
    } else {
        HASH_DEL(board->paces, pace); /* and to the end */
        HASH_ADD_KEYPTR(hh, board->paces, pace->org, pace->size, pace);
    }
    note_end(pace, (double)worked_ms);
    note_end(&board->all, (double)worked_ms);
    compare(board, find_lease(board, run));
    pthread_mutex_unlock(&board->lock);
}

void board_read_accuracy(struct board *board, struct board_accuracy *accuracy)
{
    pthread_mutex_lock(&board->lock);
    *accuracy = board->accuracy;
    pthread_mutex_unlock(&board->lock);
}

/* ---- reading ---- */

/* A question under way: who could take this run. */
struct question {
    struct board *board;
    uint64_t kinds;
};

static bool competes(void *ctx, struct pair *pair)
{
    const struct question *question = ctx;
    struct board *board = question->board;
    uint64_t version = crew_version(board->crew) + 1; /* 0: never looked */

    if (pair->version != version) {
        pair->kinds =
            crew_who_can(board->crew, pair->source, pair->target, clock_mono_ms(board->clock))
                .kinds;
        pair->version = version;
    }
    return (pair->kinds & question->kinds) != 0;
}

static double mean_of(struct board *board, struct bytes org)
{
    const struct pace *pace = find_pace(board, org);

    return pace != NULL ? pace->worked_ms : board->all.worked_ms;
}

static void note_end_of(double end_ms, double *ends_ms, uint32_t *count)
{
    if (*count < BOARD_ENDS_MAX)
        ends_ms[(*count)++] = end_ms;
}

/* Of a lease among many: found anew once a second. */
static double about_end_of(struct lease *lease, int64_t mono_ms)
{
    struct guess end;

    if (lease->end_told_mono_ms == 0 || mono_ms - lease->end_told_mono_ms >= END_HOLDS_MS) {
        end = end_of(lease, mono_ms, (struct typical){ 0, 0 });
        lease->end_mono_ms = end.known ? (double)mono_ms + end.ms : 0;
        lease->end_told_mono_ms = mono_ms;
    }
    return lease->end_mono_ms > 0 ? fmax(lease->end_mono_ms - (double)mono_ms, 1) : 0;
}

static void read_ends(struct board *board, struct question *question, uint64_t org_hash,
                      struct estimate_facts *facts)
{
    int64_t mono_ms = clock_mono_ms(board->clock);
    struct lease *lease = board->leases;

    for (unsigned i = 0; i < BOARD_ENDS_MAX && lease != NULL; i++, lease = lease->hh.next) {
        double end_ms = about_end_of(lease, mono_ms);

        if (lease->started && lease->org_hash == org_hash)
            note_end_of(end_ms, facts->own_ends_ms, &facts->own_end_count);
        if (lease->pair == NULL || competes(question, lease->pair))
            note_end_of(end_ms, facts->ends_ms, &facts->end_count);
    }
}

/* The order in which it stands, or would stand. */
static struct demand_place place_of(const struct run_info *info,
                                    const struct board_history *history)
{
    const struct run_spec *spec = &info->spec;

    return (struct demand_place){ info->org,
                                  spec->source,
                                  spec->target,
                                  spec->priority,
                                  history->weight,
                                  info->run.head,
                                  info->run.order != 0 ? info->run.order : UINT64_MAX };
}

/* Who comes and goes call by call: what they are not at work on is free. */
static void count_absent(const struct crew_count *count, struct estimate_facts *facts)
{
    uint64_t idle;

    if (count->absent_slots == 0)
        return;
    if (facts->slots < facts->end_count)
        facts->slots = facts->end_count;
    idle = facts->slots - facts->end_count;
    if (idle > count->absent_slots)
        idle = count->absent_slots;
    if (facts->free_slots < idle)
        facts->free_slots = idle;
}

static void read_demand(struct board *board, const struct run_info *info,
                        const struct board_history *history, const struct crew_count *count,
                        struct estimate_facts *facts)
{
    struct question question = { board, count->kinds };
    struct demand_place place = place_of(info, history);
    const struct lease *head = history->head != NULL ? find_lease(board, history->head_id) : NULL;

    facts->mean_ms = mean_of(board, info->org);
    demand_ahead(board->demand, &place, competes, &question, &facts->own_ahead, &facts->ahead);
    read_ends(board, &question, hash_of(info->org), facts);
    count_absent(count, facts);
    if (head != NULL)
        facts->head_end = end_of(head, clock_mono_ms(board->clock),
                                 estimate_typical(history->durations_ms, history->count));
}

static void read_lease(struct board *board, struct run_info *info, struct estimate_facts *facts)
{
    const struct lease *lease = find_lease(board, info->id);
    int64_t mono_ms = clock_mono_ms(board->clock), left_ms;

    estimate_work_of(&info->run, &facts->work);
    if (info->run.leased_at_ms > 0 && facts->now_ms > info->run.leased_at_ms)
        facts->work.worked_ms += (double)(facts->now_ms - info->run.leased_at_ms);
    if (lease == NULL)
        return;
    read_rate(lease, mono_ms, &facts->work);
    if (lease->deadline_mono_ms > 0) {
        left_ms = lease->deadline_mono_ms - mono_ms;
        info->lease_left_ms = left_ms > 0 ? left_ms : 1; /* over, not yet noticed */
    }
}

void board_estimate(struct board *board, struct run_info *info, const struct board_history *history)
{
    struct estimate_facts facts;
    struct crew_count count;

    /* Not the arrays: their counts say what is in them. */
    memset(&facts, 0, offsetof(struct estimate_facts, ends_ms));
    facts.now_ms = clock_now_ms(board->clock);
    info->lease_left_ms = 0;
    pthread_mutex_lock(&board->lock);
    count = crew_who_can(board->crew, info->spec.source, info->spec.target,
                         clock_mono_ms(board->clock));
    facts.workers = count.workers;
    facts.slots = count.slots;
    facts.free_slots = count.free_slots;
    info->wait = estimate_wait(info, history, &facts);
    if (run_is_leased(info->run.state))
        read_lease(board, info, &facts);
    else if (info->wait != WAIT_NONE && info->wait != WAIT_PAUSED && count.workers > 0)
        read_demand(board, info, history, &count, &facts);
    pthread_mutex_unlock(&board->lock);
    estimate_fill(info, history, &facts);
}

struct board_now board_now(struct board *board)
{
    struct board_now now;

    pthread_mutex_lock(&board->lock);
    now = crew_now(board->crew);
    now.leases = HASH_COUNT(board->leases);
    pthread_mutex_unlock(&board->lock);
    return now;
}

int64_t board_typical_ms(const int64_t *durations_ms, uint32_t count)
{
    return (int64_t)llround(estimate_typical(durations_ms, count).ms);
}

double board_place_in_line(run_id run, run_id first, run_id newest, uint32_t behind)
{
    double share = 1;

    if (run < newest && newest > first)
        share = run > first ? (double)(run - first) / (double)(newest - first) : 0;
    return 1 + share * (behind > 0 ? behind - 1 : 0);
}
