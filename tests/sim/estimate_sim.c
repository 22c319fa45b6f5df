#include "tests/support/estimate_rules.h"
#include "tests/support/queue_fixture.h"

#include "core/base/log.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How good the published estimates are: half a day of a busy service, decided by
 * a seed, in which every estimate that clients are shown is kept and compared
 * with what happened.
 *
 *   estimate_sim [--seed N] [--seeds COUNT] [--hours N]
 *
 * The queue is the real one. What it cannot know is drawn here: how long a run
 * takes (log-normal around its sync's mean, with a spread of 10 to 30 %; some
 * syncs grow), how unevenly it goes on, when runs come (alone and in bursts),
 * fail and are paused. Fails if the errors are larger than what is promised. */

enum {
    ORGS = 4,
    SYNCS = 36,
    WORKERS = 4,
    SLOTS_MAX = 4,
    RUNS_MAX = 16384,
    SAMPLES_MAX = 4 << 20,
    TICK_MS = 1000,
    REPORT_TICKS = 5,
    LOOK_TICKS = 20,
    CHECKPOINT_TICKS = 15,
    PAGE = 200,
    NO_WORKER_BEFORE_MS = 120 * 1000, /* nobody works at first, */
    AWAY_MS = 600 * 1000,             /* and for a while in the middle */
};

struct sync {
    unsigned org;
    char name[16];
    const char *source;
    enum run_priority priority;
    double mean_ms, spread, growth, units_per_ms;
    bool total_known;
    double period_ms;
    int64_t arrives_ms;
    int64_t pause_ends_ms; /* 0: it is not paused */
    unsigned runs, completed;
};

struct sample {
    uint32_t run;
    uint32_t earlier;     /* completed runs of the sync by then */
    bool of_start, first; /* the first one of this kind for its run (or attempt) */
    const char *basis;
    int64_t at_ms, estimated_ms, low_ms, high_ms;
};

struct run_fate {
    run_id id;
    struct sync *sync;
    double work_ms, done_ms, checkpoint_ms; /* as it would be at an even pace */
    double fails_at_ms;                     /* 0: not */
    double pauses_at_ms;                    /* 0: not */
    double units_per_ms, speed;
    uint32_t epoch;
    int64_t started_ms, ended_ms; /* started: the last time */
    int64_t held_back_ms;         /* the last time it was paused or failed */
    bool seen_waiting, seen_active;
    unsigned absent, looks;
};

struct slot {
    struct run_fate *run; /* NULL: free */
    unsigned ticks;
};

struct crew {
    struct worker worker;
    struct bytes sources[2], target;
    char id[16];
    struct slot slots[SLOTS_MAX];
};

struct sim {
    struct queue_fixture f;
    struct random_seeded dice;
    uint64_t seed;
    struct sync syncs[SYNCS];
    struct run_fate runs[RUNS_MAX];
    unsigned run_count;
    struct crew crews[WORKERS];
    bool at_work;
    struct sample *samples;
    size_t sample_count;
    unsigned looks, absent;
};

/* ---- dice ---- */

static double uniform(struct sim *sim)
{
    return ((double)(sim->dice.base.next(&sim->dice.base) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(struct sim *sim)
{
    double u = uniform(sim), v = uniform(sim);

    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static bool chance(struct sim *sim, double share)
{
    return uniform(sim) < share;
}

static unsigned below(struct sim *sim, unsigned n)
{
    return (unsigned)random_below(&sim->dice.base, n);
}

static void require(const struct sim *sim, bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "broken: %s\nreplay: estimate_sim --seed %llu\n", rule,
            (unsigned long long)sim->seed);
    abort();
}

/* ---- what is synced ---- */

static const char *const orgs[ORGS] = { "acme", "bolt", "cato", "dune" };

static void make_syncs(struct sim *sim, double load)
{
    double sum = 0;

    for (unsigned i = 0; i < SYNCS; i++) {
        struct sync *sync = &sim->syncs[i];

        sync->org = below(sim, ORGS);
        snprintf(sync->name, sizeof sync->name, "sync-%u", i);
        sync->source = i % 6 == 0 ? "erp" : "shop";
        sync->priority = i % 9 == 0   ? RUN_PRIORITY_HIGH
                         : i % 7 == 0 ? RUN_PRIORITY_LOW
                                      : RUN_PRIORITY_NORMAL;
        sync->mean_ms = 20000 * exp(uniform(sim) * log(40)); /* 20 s to 13 min */
        sync->spread = 0.1 + 0.2 * uniform(sim);
        sync->growth = i % 4 == 0 ? 0.01 + 0.04 * uniform(sim) : 0;
        sync->total_known = i % 3 != 0;
        sync->units_per_ms = 0.01 + uniform(sim);
        sync->period_ms = sync->mean_ms * (3 + 12 * uniform(sim));
        sum += sync->mean_ms / sync->period_ms;
    }
    for (unsigned i = 0; i < SYNCS; i++) {
        struct sync *sync = &sim->syncs[i];

        sync->period_ms *= sum / load;
        sync->arrives_ms = sim->f.clock.now_ms + (int64_t)(uniform(sim) * sync->period_ms);
    }
}

static struct run_fate *find(struct sim *sim, run_id id)
{
    for (unsigned i = sim->run_count; i > 0; i--)
        if (sim->runs[i - 1].id == id)
            return &sim->runs[i - 1];
    return NULL;
}

static void draw_trouble(struct sim *sim, struct run_fate *run)
{
    double left = run->work_ms - run->done_ms;

    run->fails_at_ms = chance(sim, 0.05) ? run->done_ms + left * uniform(sim) : 0;
    run->pauses_at_ms = chance(sim, 0.04) ? run->done_ms + left * uniform(sim) : 0;
}

/* ---- looking ---- */

static void keep(struct sim *sim, const struct run_fate *run, const struct run_info *info,
                 bool of_start, bool first)
{
    require(sim, sim->sample_count < SAMPLES_MAX, "there is room for every estimate");
    sim->samples[sim->sample_count++] = (struct sample){
        .run = (uint32_t)(run - sim->runs),
        .earlier = run->sync->completed,
        .of_start = of_start,
        .first = first,
        .basis = info->estimate_basis,
        .at_ms = sim->f.clock.now_ms,
        .estimated_ms = of_start ? info->estimated_start_ms : info->estimated_completion_ms,
        .low_ms = info->estimate_low_ms,
        .high_ms = info->estimate_high_ms,
    };
}

static void judge(struct sim *sim, const struct run_info *info)
{
    const char *broken = estimate_broken_rule(info, sim->f.clock.now_ms);

    require(sim, broken == NULL, broken);
    if (!sim->at_work && info->wait != WAIT_NONE)
        require(sim, info->estimated_start_ms == 0, "nothing starts without a worker");
}

static void look_at(struct sim *sim, const struct run_info *info)
{
    struct run_fate *run = find(sim, info->id);

    require(sim, run != NULL, "a list shows what was queued");
    judge(sim, info);
    sim->looks++;
    if (info->estimate_basis == NULL) {
        sim->absent++;
        return;
    }
    if (info->wait != WAIT_NONE) {
        keep(sim, run, info, true, !run->seen_waiting);
        run->seen_waiting = true;
    } else if (info->run.state == RUN_ACTIVE) {
        keep(sim, run, info, false, !run->seen_active);
        run->seen_active = true;
    }
}

static void look(struct sim *sim)
{
    struct queue_fixture *f = &sim->f;
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct run_filter filter = { .live = true };

    for (unsigned i = 0; i < ORGS; i++) {
        struct run_info *runs;
        uint32_t count;
        run_id next;
        enum err e =
            view_runs(&view, bytes_of_text(orgs[i]), &filter, PAGE, &runs, &count, &next, &f->why);

        require(sim, e == OK, "lists work");
        for (uint32_t k = 0; k < count; k++)
            look_at(sim, &runs[k]);
    }
}

/* ---- clients ---- */

static void queue_run(struct sim *sim, struct sync *sync)
{
    struct run_spec spec = a_spec(sync->name);
    struct run_info info;
    struct run_fate *run = &sim->runs[sim->run_count];
    enum err e;

    spec.priority = sync->priority;
    spec.source = bytes_of_text(sync->source);
    spec.retries_max = 20;
    e = submit_to(&sim->f, orgs[sync->org], &spec, &info);
    require(sim, e == OK && sim->run_count < RUNS_MAX, "a job is queued");
    *run = (struct run_fate){ .id = info.id, .sync = sync, .speed = 1 };
    run->work_ms = sync->mean_ms * pow(1 + sync->growth, fmin(sync->runs, 30)) *
                   exp(sync->spread * normal(sim));
    run->units_per_ms = sync->units_per_ms * exp(0.05 * normal(sim));
    draw_trouble(sim, run);
    sync->runs++;
    sim->run_count++;
    look_at(sim, &info);
}

static void clients_queue(struct sim *sim)
{
    for (unsigned i = 0; i < SYNCS; i++) {
        struct sync *sync = &sim->syncs[i];

        if (sync->arrives_ms > sim->f.clock.now_ms)
            continue;
        sync->arrives_ms += (int64_t)(-log(uniform(sim)) * sync->period_ms) + 1;
        queue_run(sim, sync);
        if (chance(sim, 0.1))
            queue_run(sim, sync);
    }
    if (chance(sim, TICK_MS / (3600.0 * 1000))) /* a burst, once an hour */
        for (unsigned i = 0; i < SYNCS / 2; i++)
            queue_run(sim, &sim->syncs[below(sim, SYNCS)]);
}

static void set_pause(struct sim *sim, struct sync *sync, bool paused)
{
    struct control_request req = { .verb = paused ? CONTROL_PAUSE : CONTROL_RESUME,
                                   .org = bytes_of_text(orgs[sync->org]),
                                   .name = bytes_of_text(sync->name),
                                   .actor = bytes_of_text("sim") };
    enum err e = ask(&sim->f, &req.base, QUEUE_CONTROL);

    require(sim, e == OK, "a sync is paused and resumed");
    sync->pause_ends_ms =
        paused ? sim->f.clock.now_ms + 60000 + (int64_t)(uniform(sim) * 600000) : 0;
}

static void clients_resume(struct sim *sim)
{
    for (unsigned i = 0; i < SYNCS; i++)
        if (sim->syncs[i].pause_ends_ms != 0 && sim->syncs[i].pause_ends_ms <= sim->f.clock.now_ms)
            set_pause(sim, &sim->syncs[i], false);
}

/* ---- workers ---- */

static enum err report(struct sim *sim, struct run_fate *run, enum report_kind kind)
{
    struct entity_progress entity = {
        .entity = bytes_of_text("products"),
        .done = (uint64_t)(run->done_ms * run->units_per_ms),
        .total = run->sync->total_known ? (uint64_t)(run->work_ms * run->units_per_ms) + 1 : 0,
        .total_known = run->sync->total_known,
    };
    struct report_request req = { .kind = kind,
                                  .lease = { run->id, run->epoch },
                                  .entities = &entity,
                                  .entity_count = 1,
                                  .failure = FAILURE_TRANSIENT,
                                  .message = bytes_of_text("it broke") };
    char text[32];

    if (kind == REPORT_CHECKPOINT || kind == REPORT_RELEASE) {
        snprintf(text, sizeof text, "%.0f", run->done_ms);
        req.checkpoint = bytes_of_text(text);
        run->checkpoint_ms = run->done_ms;
    }
    return ask(&sim->f, &req.base, QUEUE_REPORT);
}

static void let_go(struct sim *sim, struct slot *slot, enum report_kind kind)
{
    struct run_fate *run = slot->run;
    enum err e = report(sim, run, kind);

    require(sim, e == OK, "a worker's report counts");
    if (kind == REPORT_COMPLETE) {
        run->ended_ms = sim->f.clock.now_ms;
        run->sync->completed++;
    } else {
        run->held_back_ms = sim->f.clock.now_ms;
        run->done_ms = run->checkpoint_ms;
        draw_trouble(sim, run);
    }
    slot->run = NULL;
}

static void work(struct sim *sim, struct slot *slot)
{
    struct run_fate *run = slot->run;

    if (slot->ticks++ % 10 == 0)
        run->speed = exp(0.25 * normal(sim) - 0.03);
    run->done_ms += TICK_MS * run->speed;
    if (run->pauses_at_ms != 0 && run->done_ms >= run->pauses_at_ms &&
        run->sync->pause_ends_ms == 0) {
        set_pause(sim, run->sync, true);
        let_go(sim, slot, REPORT_RELEASE);
    } else if (run->done_ms >= run->work_ms) {
        let_go(sim, slot, REPORT_COMPLETE);
    } else if (run->fails_at_ms != 0 && run->done_ms >= run->fails_at_ms) {
        let_go(sim, slot, REPORT_FAIL);
    } else if (slot->ticks % CHECKPOINT_TICKS == 0) {
        enum err e = report(sim, run, REPORT_CHECKPOINT);

        require(sim, e == OK, "a checkpoint is kept");
    } else if (slot->ticks % REPORT_TICKS == 0) {
        enum err e = report(sim, run, REPORT_PROGRESS);

        require(sim, e == OK, "progress is heard");
    }
}

static void take(struct sim *sim, struct crew *crew, struct slot *slot)
{
    struct assignment job;
    struct run_fate *run;

    if (lease_for(&sim->f, &crew->worker, false, &job) != OK)
        return;
    run = find(sim, job.info.id);
    require(sim, run != NULL, "a worker gets what was queued");
    run->epoch = job.epoch;
    run->started_ms = sim->f.clock.now_ms;
    *slot = (struct slot){ run, 0 };
}

static void workers_work(struct sim *sim)
{
    for (unsigned i = 0; i < WORKERS; i++)
        for (unsigned k = 0; k < sim->crews[i].worker.slots; k++)
            if (sim->crews[i].slots[k].run != NULL)
                work(sim, &sim->crews[i].slots[k]);
    for (unsigned i = 0; i < WORKERS; i++)
        for (unsigned k = 0; k < sim->crews[i].worker.slots; k++)
            if (sim->crews[i].slots[k].run == NULL)
                take(sim, &sim->crews[i], &sim->crews[i].slots[k]);
}

static void no_push(struct worker *worker, run_id run, uint32_t epoch, enum directive directive)
{
    (void)worker, (void)run, (void)epoch, (void)directive;
}

static void workers_come(struct sim *sim)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct crew *crew = &sim->crews[i];
        enum err e;

        snprintf(crew->id, sizeof crew->id, "crew-%u", i);
        crew->sources[0] = bytes_of_text("shop");
        crew->sources[1] = bytes_of_text("erp");
        crew->target = bytes_of_text("local");
        crew->worker = (struct worker){ .id = bytes_of_text(crew->id),
                                        .sources = crew->sources,
                                        .targets = &crew->target,
                                        .source_count = i == 0 ? 1 : 2,
                                        .target_count = 1,
                                        .slots = 2 + i % 2,
                                        .push = no_push };
        e = join(&sim->f, &crew->worker);
        require(sim, e == OK, "a worker joins");
    }
    sim->at_work = true;
}

static void workers_go(struct sim *sim)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct crew *crew = &sim->crews[i];
        enum err e;

        for (unsigned k = 0; k < crew->worker.slots; k++)
            if (crew->slots[k].run != NULL)
                let_go(sim, &crew->slots[k], REPORT_RELEASE);
        e = leave(&sim->f, &crew->worker);
        require(sim, e == OK, "a worker leaves");
    }
    sim->at_work = false;
}

/* ---- half a day ---- */

static void limit_an_org(struct sim *sim)
{
    struct put_org_request req = { .org = bytes_of_text(orgs[1]), .limits = { .max_active = 4 } };
    enum err e = ask(&sim->f, &req.base, QUEUE_PUT_ORG);

    require(sim, e == OK, "an organisation is limited");
}

static void live(struct sim *sim, int64_t span_ms)
{
    int64_t begin_ms = sim->f.clock.now_ms, away_ms = span_ms / 2;

    for (unsigned tick = 0;; tick++) {
        int64_t past_ms = sim->f.clock.now_ms - begin_ms;
        bool working =
            past_ms >= NO_WORKER_BEFORE_MS && !(past_ms >= away_ms && past_ms < away_ms + AWAY_MS);

        if (past_ms >= span_ms)
            break;
        if (working && !sim->at_work)
            workers_come(sim);
        else if (!working && sim->at_work)
            workers_go(sim);
        clients_resume(sim);
        clients_queue(sim);
        if (sim->at_work)
            workers_work(sim);
        fake_clock_advance(&sim->f.clock, TICK_MS);
        queue_turn(sim->f.queue);
        if (tick % LOOK_TICKS == 0)
            look(sim);
        arena_reset(sim->f.mem);
    }
    if (sim->at_work)
        workers_go(sim);
}

/* ---- comparing ---- */

/* |estimated - actual| / the run's actual duration; for a start, that and the
 * wait that was left. */
struct errors {
    double *values;
    size_t count, inside, early;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double quantile(struct errors *errors, double part)
{
    if (errors->count == 0)
        return NAN;
    qsort(errors->values, errors->count, sizeof(double), compare_doubles);
    return errors->values[(size_t)(part * (double)(errors->count - 1))];
}

static double share(size_t part, const struct errors *errors)
{
    return errors->count > 0 ? (double)part / (double)errors->count : NAN;
}

static double inside(const struct errors *errors)
{
    return share(errors->inside, errors);
}

struct filter {
    const char *title, *basis;
    bool of_start, first;
    uint32_t earlier_from, earlier_to;
};

static bool matches(const struct filter *filter, const struct sample *sample)
{
    return sample->of_start == filter->of_start && (!filter->first || sample->first) &&
           (filter->basis == NULL || strcmp(filter->basis, sample->basis) == 0) &&
           sample->earlier >= filter->earlier_from && sample->earlier <= filter->earlier_to;
}

/* What nobody could know is left out: a run that was paused or that broke after
 * the estimate was given. */
static void collect(const struct sim *sim, const struct filter *filter, struct errors *errors)
{
    for (size_t i = 0; i < sim->sample_count; i++) {
        const struct sample *sample = &sim->samples[i];
        const struct run_fate *run = &sim->runs[sample->run];
        int64_t actual_ms = sample->of_start ? run->started_ms : run->ended_ms;
        double span_ms;

        if (!matches(filter, sample) || run->ended_ms == 0 || actual_ms < sample->at_ms ||
            run->held_back_ms > sample->at_ms)
            continue;
        span_ms = run->work_ms + (sample->of_start ? (double)(actual_ms - sample->at_ms) : 0);
        errors->values[errors->count++] =
            fabs((double)(sample->estimated_ms - actual_ms)) / span_ms;
        errors->early += sample->estimated_ms < actual_ms;
        errors->inside +=
            actual_ms >= sample->low_ms - TICK_MS && actual_ms <= sample->high_ms + TICK_MS;
    }
}

static const struct filter rows[] = {
    { "end, as work begins, no earlier run", NULL, false, true, 0, 0 },
    { "end, as work begins, 1 or 2 earlier", NULL, false, true, 1, 2 },
    { "end, as work begins, 3 or 4 earlier", NULL, false, true, 3, 4 },
    { "end, as work begins, 5 or more", NULL, false, true, 5, UINT32_MAX },
    { "end, at any time, no earlier run", NULL, false, false, 0, 0 },
    { "end, at any time, 1 or 2 earlier", NULL, false, false, 1, 2 },
    { "end, at any time, 3 or 4 earlier", NULL, false, false, 3, 4 },
    { "end, at any time, 5 or more", NULL, false, false, 5, UINT32_MAX },
    { "end, basis history", "history", false, false, 0, UINT32_MAX },
    { "end, basis progress_rate", "progress_rate", false, false, 0, UINT32_MAX },
    { "start, basis idle_worker", "idle_worker", true, false, 0, UINT32_MAX },
    { "start, basis not_before", "not_before", true, false, 0, UINT32_MAX },
    { "start, basis queue_rate", "queue_rate", true, false, 0, UINT32_MAX },
    { "start, basis history", "history", true, false, 0, UINT32_MAX },
    { "start, 5 or more earlier", NULL, true, false, 5, UINT32_MAX },
};

enum { ROWS = sizeof rows / sizeof rows[0], ROW_BEGIN = 3, ROW_ANY = 7, ROW_START = 14 };

static void print_row(const char *title, struct errors *errors)
{
    printf("%-38s %8zu", title, errors->count);
    if (errors->count > 0)
        printf(" %7.1f %% %7.1f %% %7.1f %% %7.1f %%", 100 * quantile(errors, 0.5),
               100 * quantile(errors, 0.9), 100 * inside(errors),
               100 * share(errors->early, errors));
    putchar('\n');
}

static bool at_most(const char *what, double value, double bound)
{
    if (value <= bound)
        return true;
    fprintf(stderr, "%s: %.3f, promised at most %.3f\n", what, value, bound);
    return false;
}

static bool compare_all(struct errors *errors)
{
    bool good = true;

    printf("%-38s %8s %9s %9s %9s %9s\n", "", "samples", "median", "p90", "in range", "too early");
    for (unsigned i = 0; i < ROWS; i++)
        print_row(rows[i].title, &errors[i]);
    good &= at_most("median error as work begins", quantile(&errors[ROW_BEGIN], 0.5), 0.2);
    good &= at_most("median error at any time", quantile(&errors[ROW_ANY], 0.5), 0.2);
    good &= at_most("ends out of range as work begins", 1 - inside(&errors[ROW_BEGIN]), 0.2);
    good &= at_most("ends out of range", 1 - inside(&errors[ROW_ANY]), 0.2);
    return good;
}

static void live_one(struct sim *sim, uint64_t seed, double hours)
{
    enum err e;

    *sim = (struct sim){ .seed = seed, .samples = sim->samples };
    random_seeded_init(&sim->dice, seed);
    queue_fixture_init(&sim->f);
    e = leave(&sim->f, &sim->f.worker);
    require(sim, e == OK, "nobody works yet");
    limit_an_org(sim);
    make_syncs(sim, 4);
    live(sim, (int64_t)(hours * 3600 * 1000));
    queue_fixture_free(&sim->f);
}

static bool measure(uint64_t first, uint64_t count, double hours)
{
    struct errors errors[ROWS] = { { .count = 0 } };
    struct sim *sim = calloc(1, sizeof *sim);
    unsigned runs = 0, looks = 0, absent = 0;
    bool good;

    if (sim == NULL || (sim->samples = calloc(SAMPLES_MAX, sizeof *sim->samples)) == NULL)
        abort();
    for (unsigned i = 0; i < ROWS; i++)
        errors[i].values = calloc(SAMPLES_MAX, sizeof(double));
    for (uint64_t seed = first; seed < first + count; seed++) {
        live_one(sim, seed, hours);
        for (unsigned i = 0; i < ROWS; i++)
            collect(sim, &rows[i], &errors[i]);
        runs += sim->run_count;
        looks += sim->looks;
        absent += sim->absent;
    }
    printf("%u runs, looked at %u times; in %.1f %% of them there was no estimate\n", runs, looks,
           100.0 * absent / (looks > 0 ? looks : 1));
    good = compare_all(errors);
    for (unsigned i = 0; i < ROWS; i++)
        free(errors[i].values);
    free(sim->samples);
    free(sim);
    return good;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "seed", required_argument, NULL, 's' },
                                             { "seeds", required_argument, NULL, 'n' },
                                             { "hours", required_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    uint64_t seed = 1, seeds = 1;
    double hours = 12;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            seeds = strtoull(optarg, NULL, 10);
        else if (option == 'h')
            hours = strtod(optarg, NULL);
        else
            return 2;
    }
    return measure(seed, seeds, hours) ? 0 : 1;
}
