#include "tests/sim/sim.h"

#include "core/base/log.h"

#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lives many random lives of the queue, each decided by its seed:
 *
 *   queue_sim [--seed N] [--seeds COUNT] [--steps N] [--store fake|rocksdb]
 *             [--seeds-file FILE] [--trace]
 *
 * What ever failed is in the file of seeds and is run first. A rule that is
 * broken, in the model or by an assert of the queue's own, prints the line that
 * replays it. */

enum { STEPS_DEFAULT = 300, SURVEY_EVERY = 8, FINISH_TURNS_MAX = 20000 };

static struct sim *living; /* for the line that replays it */

static void say_how_to_replay(void)
{
    char text[160];
    int size =
        snprintf(text, sizeof text, "replay: queue_sim --seed %llu --steps %llu%s   (step %llu)\n",
                 (unsigned long long)living->seed, (unsigned long long)living->steps,
                 living->on_rocksdb ? " --store rocksdb" : "", (unsigned long long)living->step);
    ssize_t written = write(STDERR_FILENO, text, (size_t)size);

    (void)written;
}

static void when_aborted(int signal_number)
{
    if (living != NULL)
        say_how_to_replay();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void require(const struct sim *sim, bool holds, const char *rule)
{
    (void)sim;
    if (holds)
        return;
    fprintf(stderr, "broken: %s\n", rule);
    abort();
}

void trace(const struct sim *sim, const char *format, ...)
{
    va_list args;

    if (!sim->trace)
        return;
    printf("%5llu %lld/%lld  ", (unsigned long long)sim->step, (long long)sim->clock.now_ms,
           (long long)sim->clock.mono_ms);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static void take_step(struct sim *sim)
{
    unsigned requests = (unsigned)pick(sim, 6);

    world_shake(sim);
    for (unsigned i = 0; i < requests; i++)
        client_acts(sim);
    if (sim->overlaps && mood(sim, 100) < 70)
        world_two_turns(sim);
    else
        world_turn(sim);
    if (sim->step % SURVEY_EVERY == 0)
        survey(sim);
}

/* ---- the end: everything that was accepted ends ---- */

static void resume_everything(struct sim *sim)
{
    for (int org = 0; org < ORGS; org++)
        if (sim->orgs[org].exists)
            client_limits(sim, org, &(struct org_limits){ .max_active = 0 });
    for (unsigned i = 0; i < sim->line_count; i++) {
        const struct line *line = &sim->lines[i];

        if (!line->exists)
            continue;
        client_deletes_schedule(sim, line);
        client_controls(sim, CONTROL_RESUME, line, 0);
    }
    world_turn(sim);
    survey(sim);
    for (unsigned i = 0; i < sim->job_count; i++)
        if (!sim->jobs[i].ended && sim->jobs[i].paused)
            client_controls(sim, CONTROL_RESUME, sim->jobs[i].line, sim->jobs[i].id);
    world_turn(sim);
}

/* False: there was nothing to complete. */
static bool complete_what_is_held(struct sim *sim)
{
    bool any = false;

    for (unsigned i = 0; i < sim->job_count; i++)
        if (sim->jobs[i].lease.held && sim->jobs[i].lease.worker == WORKERS) {
            client_completes(sim, &sim->jobs[i]);
            any = true;
        }
    if (any)
        world_turn(sim);
    return any;
}

static const struct job *one_that_lives(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->job_count; i++)
        if (!sim->jobs[i].ended)
            return &sim->jobs[i];
    return NULL;
}

static bool all_have_ended(const struct sim *sim)
{
    return one_that_lives(sim) == NULL;
}

static void trace_one_that_lives(const struct sim *sim)
{
    const struct job *job = one_that_lives(sim);

    trace(sim, "%llx/%u of %s %s lives: order %llu%s%s%s", (unsigned long long)job->id, job->epoch,
          sim_orgs[job->line->org], job->line->name, (unsigned long long)job->order,
          job->may_have_ended ? ", perhaps not" : "", job->paused ? ", paused" : "",
          job->lease.held ? ", leased" : "");
}

/* Time goes on to what the queue itself said is next. */
static void let_time_pass(struct sim *sim)
{
    int64_t due = sim->next_due_ms;

    if (due == INT64_MAX)
        trace_one_that_lives(sim);
    require(sim, due != INT64_MAX, "while a job lives, something is due");
    if (due > sim->clock.mono_ms)
        fake_clock_advance(&sim->clock, due - sim->clock.mono_ms);
}

static void finish(struct sim *sim)
{
    sim->overlaps = false;
    faulty_store_disarm(&sim->store);
    if (sim->clock.now_ms < sim->greatest_now_ms)
        sim->clock.now_ms = sim->greatest_now_ms;
    world_turn(sim);
    world_crash(sim);
    client_joins(sim, WORKERS);
    resume_everything(sim);
    for (int turn = 0; !all_have_ended(sim); turn++) {
        if (turn == FINISH_TURNS_MAX)
            trace_one_that_lives(sim);
        require(sim, turn < FINISH_TURNS_MAX, "an accepted job ends");
        client_leases(sim, WORKERS, 64);
        world_turn(sim);
        if (complete_what_is_held(sim))
            continue;
        if (turn % SURVEY_EVERY == 0 || sim->next_due_ms == INT64_MAX)
            survey(sim);
        if (!all_have_ended(sim))
            let_time_pass(sim);
    }
    survey(sim);
}

static void live(struct sim *sim)
{
    living = sim;
    world_open(sim);
    sim->habits = chance(sim, 50) ? (unsigned)(pick(sim, 1 << 24) & pick(sim, 1 << 24)) : 0;
    sim->floods = chance(sim, 15);
    sim->weighs = mood(sim, 100) < 30;
    sim->overlaps = mood(sim, 100) < 40;
    while (sim->step < sim->steps) {
        sim->step++;
        take_step(sim);
    }
    finish(sim);
    world_close(sim);
    living = NULL;
}

/* ---- the command line ---- */

struct plan {
    uint64_t seed, seeds, steps, lived, stepped;
    const char *file;
    bool trace, on_rocksdb;
};

static void live_once(struct plan *plan, uint64_t seed, uint64_t steps)
{
    struct sim *sim = calloc(1, sizeof *sim);

    if (sim == NULL)
        abort();
    sim->seed = seed;
    sim->steps = steps;
    sim->trace = plan->trace;
    sim->on_rocksdb = plan->on_rocksdb;
    live(sim);
    plan->lived++;
    plan->stepped += sim->steps;
    free(sim);
}

/* Lines of "SEED STEPS"; what stands behind a # is for people. */
static bool live_those_that_failed(struct plan *plan)
{
    char line[256];
    FILE *file = fopen(plan->file, "r");

    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL) {
        char *end;
        unsigned long long seed = strtoull(line, &end, 10), steps;

        if (end == line)
            continue;
        steps = strtoull(end, NULL, 10);
        live_once(plan, seed, steps != 0 ? steps : plan->steps);
    }
    fclose(file);
    return true;
}

static bool read_options(int argc, char **argv, struct plan *plan)
{
    static const struct option options[] = {
        { "seed", required_argument, NULL, 's' },
        { "seeds", required_argument, NULL, 'n' },
        { "steps", required_argument, NULL, 'l' },
        { "store", required_argument, NULL, 'd' },
        { "seeds-file", required_argument, NULL, 'f' },
        { "trace", no_argument, NULL, 't' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            plan->seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            plan->seeds = strtoull(optarg, NULL, 10);
            break;
        case 'l':
            plan->steps = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            plan->on_rocksdb = strcmp(optarg, "rocksdb") == 0;
            break;
        case 'f':
            plan->file = optarg;
            break;
        case 't':
            plan->trace = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && plan->steps > 0;
}

int main(int argc, char **argv)
{
    struct plan plan = { .seed = 1, .seeds = 1, .steps = STEPS_DEFAULT };

    if (!read_options(argc, argv, &plan)) {
        fprintf(stderr, "usage: queue_sim [--seed N] [--seeds COUNT] [--steps N] "
                        "[--store fake|rocksdb] [--seeds-file FILE] [--trace]\n");
        return EXIT_FAILURE;
    }
    signal(SIGABRT, when_aborted);
    log_open(LOG_FORMAT_TEXT, plan.trace ? LOG_ERROR : (enum log_level)(LOG_ERROR + 1));
    if (plan.file != NULL && !live_those_that_failed(&plan)) {
        perror(plan.file);
        return EXIT_FAILURE;
    }
    for (uint64_t i = 0; i < plan.seeds; i++)
        live_once(&plan, plan.seed + i, plan.steps);
    printf("%llu seeds, %llu steps, 0 failures\n", (unsigned long long)plan.lived,
           (unsigned long long)plan.stepped);
    return EXIT_SUCCESS;
}
