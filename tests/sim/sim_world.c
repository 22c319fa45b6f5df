#include "tests/sim/sim.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The machine that the queue runs on: time passes and jumps, the disk fails,
 * the process dies. */

static const int64_t START_MS = INT64_C(1767225600000); /* 2026-01-01 */

static struct store *open_rocksdb(struct sim *sim)
{
    struct store_rocksdb_options options = { .directory = sim->directory };
    struct store *store = NULL;
    struct why why;
    enum err e = store_rocksdb_open(&options, &store, &why);

    require(sim, e == OK, "a store opens after a crash");
    return store;
}

static void choose_options(struct sim *sim)
{
    queue_options_default(&sim->options);
    kept_choose(sim);
    sim->options.audit_submits = chance(sim, 20);
    if (chance(sim, 50))
        sim->options.pause_grace_ms = (int64_t)pick(sim, 20000) + 1;
    if (chance(sim, 50))
        sim->options.attempts_max = (uint32_t)pick(sim, 6) + 1;
    if (chance(sim, 30))
        sim->options.safety_lag_ms = (int64_t)pick(sim, 5000);
    sim->options.expiries_max = (uint32_t)pick(sim, 5) + 1;
    sim->options.lookback_ms = (int64_t)pick(sim, 600000);
}

static void open_queue(struct sim *sim)
{
    struct queue_deps deps = { &sim->store.base, &sim->clock.base, &sim->queue_dice.base,
                               sim->board,       sim->hub,         sim->options };
    struct why why = { .text = "" };
    enum err e;

    sim->board = deps.board = board_new(&sim->clock.base);
    assert(sim->board != NULL);
    e = queue_open(&deps, &sim->queue, &why);
    if (e != OK)
        fprintf(stderr, "queue_open: %s\n", why.text);
    require(sim, e == OK, "a queue opens on what it has written");
}

void world_open(struct sim *sim)
{
    random_seeded_init(&sim->dice, sim->seed);
    random_seeded_init(&sim->queue_dice, sim->seed ^ 0x5eed);
    random_seeded_init(&sim->moods, sim->seed ^ 0x300d);
    fake_clock_init(&sim->clock, START_MS + (int64_t)pick(sim, 86400000));
    fake_store_init(&sim->fake);
    link_init(&sim->ops);
    link_init(&sim->ops_behind);
    for (int org = 0; org < ORGS; org++)
        sim->orgs[org].weight_most = 1;
    if (sim->on_rocksdb) {
        strcpy(sim->directory, "/tmp/queue_sim_XXXXXX");
        require(sim, mkdtemp(sim->directory) != NULL, "a directory can be made");
    }
    faulty_store_init(&sim->store, sim->on_rocksdb ? open_rocksdb(sim) : &sim->fake.base);
    sim->hub = watch_hub_new(&sim->clock.base, 4096);
    sim->mem = arena_new((size_t)1 << 30);
    assert(sim->hub != NULL && sim->mem != NULL);
    watch_begin(sim);
    choose_options(sim);
    open_queue(sim);
}

static void stop_queue(struct sim *sim)
{
    sim->closing = true;
    queue_close(sim->queue);
    sim->closing = false;
    board_free(sim->board);
    while (link_is_linked(&sim->ops))
        op_free(container_of(sim->ops.next, struct op, link));
    for (int i = 0; i <= WORKERS; i++) {
        sim->workers[i].joined = sim->workers[i].in = sim->workers[i].busy = false;
        sim->workers[i].remembered_until_ms = 0;
    }
    sim->draining = false;
    sim->turned_at_ms = 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

void world_close(struct sim *sim)
{
    stop_queue(sim);
    if (sim->on_rocksdb) {
        sim->store.inner->ops->close(sim->store.inner);
        nftw(sim->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
    fake_store_free(&sim->fake);
    watch_end(sim);
    watch_hub_free(sim->hub);
    arena_free(sim->mem);
}

/* Requests that wait across turns have been accepted by the first one that
 * worked; the process dies and nobody ever answers them. */
void world_crash(struct sim *sim)
{
    bool adopts = sim->store.uncertain && sim->store.keep;

    trace(sim, "crash%s", adopts ? ", and the uncertain commit is there" : "");
    stop_queue(sim);
    if (sim->on_rocksdb) {
        sim->store.inner->ops->close(sim->store.inner);
        sim->store.inner = open_rocksdb(sim);
    }
    faulty_store_recover(&sim->store);
    if (chance(sim, 30))
        sim->clock.mono_ms = (int64_t)pick(sim, 100000) + 1; /* the machine was started anew */
    open_queue(sim);
    lease_fresh_terms(sim);
    watch_lists(sim);
    if (adopts)
        survey_adopt(sim);
    else
        survey(sim);
}

/* Nothing of the turn happened, or nobody knows. A question shows whether the
 * queue has recovered by itself. */
static void turn_failed(struct sim *sim)
{
    struct op *question;

    trace(sim, "the turn failed%s", sim->store.uncertain ? ", uncertain" : "");
    faulty_store_disarm(&sim->store);
    sim->turned_at_ms = 0;
    model_turn_failed(sim);
    if (sim->store.uncertain) {
        world_crash(sim);
        return;
    }
    lease_fresh_terms(sim);
    question = op_new(sim, QUEUE_SERVICE_INFO);
    op_post(question);
    sim->next_due_ms = queue_turn(sim->queue);
    require(sim, question->state == OP_ANSWERED, "a question is answered in its turn");
    if (question->result == OK)
        model_turn_worked(sim);
    else
        world_crash(sim);
}

static void look_at_clock(struct sim *sim)
{
    if (sim->clock.now_ms > sim->greatest_now_ms)
        sim->greatest_now_ms = sim->clock.now_ms;
}

static void turn_ended(struct sim *sim, unsigned fired)
{
    sim->next_due_ms = queue_due(sim->queue);
    if (sim->store.fired != fired)
        turn_failed(sim);
    else
        model_turn_worked(sim);
}

void world_turn(struct sim *sim)
{
    unsigned fired = sim->store.fired;

    look_at_clock(sim);
    queue_turn(sim->queue);
    turn_ended(sim, fired);
}

/* Time has gone on, there are new requests; the batch before is still under way. */
static void compute_next(struct sim *sim)
{
    fake_clock_advance(&sim->clock, mood(sim, 3) == 0 ? (int64_t)mood(sim, 3000) : 0);
    look_at_clock(sim);
    sim->posts_behind = true;
    for (uint64_t i = mood(sim, 6); i > 0; i--)
        client_acts(sim);
    sim->posts_behind = false;
    queue_work(sim->queue);
}

static enum err store_sealed(struct sim *sim)
{
    struct why why = { .text = "" };
    enum err e = queue_store(sim->queue, &why);

    queue_settle(sim->queue, e, &why);
    return e;
}

/* Answers of the first are taken in as of its time. */
static void take_first(struct sim *sim, const struct fake_clock *at)
{
    struct fake_clock now = sim->clock;

    sim->clock = *at;
    sim->next_due_ms = at->mono_ms;
    model_turn_worked(sim);
    sim->clock = now;
}

void world_two_turns(struct sim *sim)
{
    unsigned fired = sim->store.fired;
    struct fake_clock at = sim->clock;
    enum err e;

    look_at_clock(sim);
    queue_work(sim->queue);
    if (!queue_seal(sim->queue)) { /* it has failed, or there was nothing to store */
        turn_ended(sim, fired);
        return;
    }
    compute_next(sim);
    e = store_sealed(sim);
    if (e == OK)
        take_first(sim, &at);
    list_splice(&sim->ops, &sim->ops_behind);
    trace(sim, "a turn computed before that one was stored%s", e == OK ? "" : ", and lost with it");
    if (e == OK && queue_seal(sim->queue))
        (void)store_sealed(sim);
    turn_ended(sim, fired); /* which looks at what the store was made to do */
}

static void arm_fault(struct sim *sim)
{
    unsigned nth = (unsigned)pick(sim, 3) + 1;

    switch (pick(sim, 4)) {
    case 0:
        fault_arm(&sim->store.commit, nth, ERR_UNAVAILABLE);
        break;
    case 1:
        sim->store.keep = chance(sim, 50);
        fault_arm(&sim->store.commit, nth, ERR_UNCERTAIN);
        break;
    case 2:
        fault_arm(&sim->store.get, (unsigned)pick(sim, 40) + 1, ERR_UNAVAILABLE);
        break;
    default:
        fault_arm(&sim->store.scan, (unsigned)pick(sim, 10) + 1, ERR_UNAVAILABLE);
        break;
    }
}

static int64_t some_while_ms(struct sim *sim)
{
    switch (pick(sim, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        return 0;
    case 4:
    case 5:
    case 6:
        return (int64_t)pick(sim, 500);
    case 7:
    case 8:
    case 9:
        return (int64_t)pick(sim, 8000);
    case 10:
        return (int64_t)pick(sim, 90 * 1000);
    default:
        return chance(sim, 20) ? (int64_t)pick(sim, 8 * 3600 * 1000) : 1000;
    }
}

void world_shake(struct sim *sim)
{
    fake_clock_advance(&sim->clock, some_while_ms(sim));
    if (pick(sim, 200) == 0) {
        int64_t jump_ms = (int64_t)pick(sim, 3 * 86400000) - 86400000;

        sim->clock.now_ms += jump_ms;
        sim->clock_went_back |= jump_ms < 0;
    }
    if (pick(sim, 25) == 0)
        arm_fault(sim);
    if (pick(sim, 80) == 0)
        world_crash(sim);
}

struct view world_look(struct sim *sim)
{
    struct store *store = &sim->store.base;
    struct view view = { NULL, sim->board, sim->mem };
    struct why why;
    enum err e;

    arena_reset(sim->mem);
    e = store->ops->snapshot(store, &view.reader, &why);
    assert(e == OK);
    return view;
}

void world_look_away(struct view *view)
{
    view->reader->ops->close(view->reader);
}
