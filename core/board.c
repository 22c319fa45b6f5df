#include "core/board.h"

#include "core/estimate.h"
#include "core/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <uthash.h>

/* Four small tables under one lock: workers, kinds of workers (those that can do
 * the same share one row, so that asking "who could take this?" does not grow
 * with their number), leases, and the pace of each organisation. */

enum {
    PACE_SAMPLES_MAX = 16,      /* the older ones fade */
    RATE_WINDOW_MS = 15 * 1000, /* a recent rate is over one to two of these */
    RATE_SPAN_MS_MIN = 1000,
};

/* Workers with the same sources and targets. */
struct kind {
    uint32_t workers, source_count, target_count;
    uint64_t slots, free_slots;
    UT_hash_handle hh;
    size_t size;
    uint8_t names[]; /* each (size, bytes), the sources first: the hash key */
};

struct seat {
    const struct worker *worker; /* key */
    struct kind *kind;
    uint32_t slots, free_slots;
    UT_hash_handle hh;
};

struct sample {
    int64_t at_ms;
    uint64_t done;
};

struct lease {
    run_id run; /* key */
    int64_t deadline_mono_ms;
    struct sample older, newer, last;
    UT_hash_handle hh;
};

struct pace {
    uint32_t ended;                /* at most PACE_SAMPLES_MAX */
    double interval_ms, worked_ms; /* means */
    int64_t last_ms;               /* monotonic */
    UT_hash_handle hh;
    size_t size;
    uint8_t org[NAME_SIZE_MAX];
};

struct board {
    struct clock *clock;
    pthread_mutex_t lock; /* of all that follows */
    struct kind *kinds;
    struct seat *seats;
    struct lease *leases;
    struct pace *paces; /* the one that was idle longest first */
};

struct board *board_new(struct clock *clock)
{
    struct board *board = calloc(1, sizeof *board);

    if (board == NULL)
        return NULL;
    board->clock = clock;
    pthread_mutex_init(&board->lock, NULL);
    return board;
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL)
        abort(); /* as the queue does: its own memory of a lease is larger */
    return memory;
}

static void forget_leases(struct board *board)
{
    struct lease *lease, *next;

    HASH_ITER(hh, board->leases, lease, next) {
        HASH_DEL(board->leases, lease);
        free(lease);
    }
}

void board_free(struct board *board)
{
    struct kind *kind, *next_kind;
    struct seat *seat, *next_seat;
    struct pace *pace, *next_pace;

    if (board == NULL)
        return;
    forget_leases(board);
    HASH_ITER(hh, board->seats, seat, next_seat) {
        HASH_DEL(board->seats, seat);
        free(seat);
    }
    HASH_ITER(hh, board->kinds, kind, next_kind) {
        HASH_DEL(board->kinds, kind);
        free(kind);
    }
    HASH_ITER(hh, board->paces, pace, next_pace) {
        HASH_DEL(board->paces, pace);
        free(pace);
    }
    pthread_mutex_destroy(&board->lock);
    free(board);
}

/* ---- workers ---- */

static size_t names_size(const struct bytes *names, uint32_t count)
{
    size_t size = 0;

    for (uint32_t i = 0; i < count; i++)
        size += 1 + names[i].size;
    return size;
}

static uint8_t *write_names(uint8_t *at, const struct bytes *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert(names[i].size <= NAME_SIZE_MAX);
        *at++ = (uint8_t)names[i].size;
        if (names[i].size > 0)
            memcpy(at, names[i].data, names[i].size);
        at += names[i].size;
    }
    return at;
}

_Static_assert(NAME_SIZE_MAX <= UINT8_MAX, "the size of a name fits into a byte");

static struct kind *kind_of(struct board *board, const struct worker *worker)
{
    size_t size = sizeof(uint32_t) + names_size(worker->sources, worker->source_count) +
                  names_size(worker->targets, worker->target_count);
    struct kind *kind = allocate(sizeof *kind + size), *known;
    uint8_t *at = kind->names;

    /* The count of sources tells where the targets begin. */
    memcpy(at, &worker->source_count, sizeof worker->source_count);
    at = write_names(at + sizeof worker->source_count, worker->sources, worker->source_count);
    at = write_names(at, worker->targets, worker->target_count);
    assert(at == kind->names + size);

    HASH_FIND(hh, board->kinds, kind->names, size, known);
    if (known != NULL) {
        free(kind);
        return known;
    }
    kind->size = size;
    kind->source_count = worker->source_count;
    kind->target_count = worker->target_count;
    HASH_ADD_KEYPTR(hh, board->kinds, kind->names, size, kind);
    return kind;
}

static void count_seat(struct seat *seat, const struct worker *worker)
{
    seat->kind->slots -= seat->slots;
    seat->kind->free_slots -= seat->free_slots;
    seat->slots = worker->slots;
    seat->free_slots = worker->slots > worker->held ? worker->slots - worker->held : 0;
    seat->kind->slots += seat->slots;
    seat->kind->free_slots += seat->free_slots;
}

static struct seat *find_seat(struct board *board, const struct worker *worker)
{
    struct seat *seat;

    HASH_FIND_PTR(board->seats, &worker, seat);
    return seat;
}

void board_worker_joined(struct board *board, const struct worker *worker)
{
    struct seat *seat = allocate(sizeof *seat);

    pthread_mutex_lock(&board->lock);
    assert(find_seat(board, worker) == NULL);
    seat->worker = worker;
    seat->kind = kind_of(board, worker);
    seat->kind->workers++;
    count_seat(seat, worker);
    HASH_ADD_PTR(board->seats, worker, seat);
    pthread_mutex_unlock(&board->lock);
}

static void leave_kind(struct board *board, struct seat *seat)
{
    struct kind *kind = seat->kind;

    kind->slots -= seat->slots;
    kind->free_slots -= seat->free_slots;
    if (--kind->workers == 0) {
        HASH_DEL(board->kinds, kind);
        free(kind);
    }
}

void board_worker_left(struct board *board, const struct worker *worker)
{
    struct seat *seat;

    pthread_mutex_lock(&board->lock);
    seat = find_seat(board, worker);
    if (seat != NULL) {
        leave_kind(board, seat);
        HASH_DEL(board->seats, seat);
        free(seat);
    }
    pthread_mutex_unlock(&board->lock);
}

void board_worker_held(struct board *board, const struct worker *worker)
{
    struct seat *seat;

    pthread_mutex_lock(&board->lock);
    seat = find_seat(board, worker);
    if (seat != NULL)
        count_seat(seat, worker);
    pthread_mutex_unlock(&board->lock);
}

/* Whether `wanted` is among the names; moves *at behind them. */
static bool read_names(const uint8_t **at, uint32_t count, struct bytes wanted)
{
    bool found = false;

    for (uint32_t i = 0; i < count; i++) {
        struct bytes name = bytes_of(*at + 1, **at);

        found = found || bytes_equal(name, wanted) || bytes_equal(name, bytes_of_text("*"));
        *at += 1 + name.size;
    }
    return found;
}

static bool can_do(const struct kind *kind, const struct run_spec *spec)
{
    const uint8_t *at = kind->names + sizeof(uint32_t);
    bool source = read_names(&at, kind->source_count, spec->source);
    bool target = read_names(&at, kind->target_count, spec->target);

    return source && target;
}

/* ---- leases ---- */

static struct lease *find_lease(struct board *board, run_id run)
{
    struct lease *lease;

    HASH_FIND(hh, board->leases, &run, sizeof run, lease);
    return lease;
}

void board_lease_set(struct board *board, run_id run, int64_t deadline_mono_ms)
{
    struct lease *lease;

    pthread_mutex_lock(&board->lock);
    lease = find_lease(board, run);
    if (lease == NULL) {
        lease = allocate(sizeof *lease);
        lease->run = run;
        HASH_ADD(hh, board->leases, run, sizeof lease->run, lease);
    }
    lease->deadline_mono_ms = deadline_mono_ms;
    pthread_mutex_unlock(&board->lock);
}

void board_lease_gone(struct board *board, run_id run)
{
    struct lease *lease;

    pthread_mutex_lock(&board->lock);
    lease = find_lease(board, run);
    if (lease != NULL) {
        HASH_DEL(board->leases, lease);
        free(lease);
    }
    pthread_mutex_unlock(&board->lock);
}

void board_leases_forgotten(struct board *board)
{
    struct seat *seat, *next;

    pthread_mutex_lock(&board->lock);
    forget_leases(board);
    HASH_ITER(hh, board->seats, seat, next) {
        seat->kind->free_slots += seat->slots - seat->free_slots;
        seat->free_slots = seat->slots;
    }
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
    struct sample now = { clock_mono_ms(board->clock), 0 };
    struct lease *lease;

    for (uint32_t i = 0; i < state->entity_count; i++)
        now.done += state->entities[i].done;
    pthread_mutex_lock(&board->lock);
    lease = find_lease(board, run);
    if (lease != NULL)
        note_progress(lease, now);
    pthread_mutex_unlock(&board->lock);
}

static double recent_rate(const struct lease *lease)
{
    int64_t span_ms = lease->last.at_ms - lease->older.at_ms;

    if (span_ms < RATE_SPAN_MS_MIN)
        return 0;
    return (double)(lease->last.done - lease->older.done) / (double)span_ms;
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

/* The time since the last completion, but not that in which there was no work:
 * it is never more than this run took. */
static void note_end(struct pace *pace, int64_t mono_ms, double worked_ms)
{
    double interval_ms = worked_ms;

    if (pace->ended > 0 && (double)(mono_ms - pace->last_ms) < worked_ms)
        interval_ms = (double)(mono_ms - pace->last_ms);
    if (pace->ended < PACE_SAMPLES_MAX)
        pace->ended++;
    pace->interval_ms += (interval_ms - pace->interval_ms) / pace->ended;
    pace->worked_ms += (worked_ms - pace->worked_ms) / pace->ended;
    pace->last_ms = mono_ms;
}

void board_completed(struct board *board, struct bytes org, int64_t worked_ms)
{
    int64_t mono_ms = clock_mono_ms(board->clock);
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
    note_end(pace, mono_ms, (double)worked_ms);
    pthread_mutex_unlock(&board->lock);
}

/* ---- reading ---- */

static void read_workers(struct board *board, const struct run_spec *spec,
                         struct estimate_facts *facts)
{
    struct kind *kind, *next;

    HASH_ITER(hh, board->kinds, kind, next) {
        if (!can_do(kind, spec))
            continue;
        facts->workers += kind->workers;
        facts->slots += kind->slots;
        facts->free_slots += kind->free_slots;
    }
}

static void read_lease(struct board *board, run_id run, struct estimate_facts *facts,
                       int64_t *deadline_mono_ms)
{
    const struct lease *lease = find_lease(board, run);

    *deadline_mono_ms = 0;
    if (lease == NULL)
        return;
    facts->recent_rate = recent_rate(lease);
    *deadline_mono_ms = lease->deadline_mono_ms;
}

static void read_pace(struct board *board, struct bytes org, struct estimate_facts *facts)
{
    const struct pace *pace = find_pace(board, org);

    if (pace == NULL)
        return;
    facts->ended = pace->ended;
    facts->interval_ms = pace->interval_ms;
    facts->worked_ms = pace->worked_ms;
}

void board_estimate(struct board *board, struct run_info *info, const struct board_history *history)
{
    struct estimate_facts facts = { .now_ms = clock_now_ms(board->clock) };
    int64_t deadline_mono_ms, left_ms;

    pthread_mutex_lock(&board->lock);
    read_workers(board, &info->spec, &facts);
    read_lease(board, info->id, &facts, &deadline_mono_ms);
    read_pace(board, info->org, &facts);
    pthread_mutex_unlock(&board->lock);

    info->wait = estimate_wait(info, history, &facts);
    info->lease_left_ms = 0;
    if (run_is_leased(info->run.state) && deadline_mono_ms > 0) {
        left_ms = deadline_mono_ms - clock_mono_ms(board->clock);
        info->lease_left_ms = left_ms > 0 ? left_ms : 1; /* over, not yet noticed */
    }
    estimate_fill(info, history, &facts);
}

struct board_now board_now(struct board *board)
{
    struct board_now now = { 0 };

    pthread_mutex_lock(&board->lock);
    for (const struct seat *seat = board->seats; seat != NULL; seat = seat->hh.next) {
        now.workers++;
        now.slots += seat->slots;
        now.free_slots += seat->free_slots;
    }
    now.leases = HASH_COUNT(board->leases);
    pthread_mutex_unlock(&board->lock);
    return now;
}
