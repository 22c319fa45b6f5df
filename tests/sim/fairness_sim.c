#include "core/base/random.h"
#include "tests/support/queue_fixture.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

/* One organisation has a backlog that keeps every slot of every worker busy for
 * days; others queue a single job now and then:
 *
 *   fairness_sim [--seed N] [--seeds COUNT] [--backlog JOBS]
 *
 * Whatever the backlog, a single job is delayed by no more than the jobs that
 * were running when it came. */

enum {
    SLOTS = 16,
    TENANTS = 12, /* fewer than slots: so each of them finds one among those that end */
    SINGLE_JOBS = 400,
    WORK_MS_MIN = 2000,
    WORK_MS_SPAN = 48000, /* within a lease's term */
    PAUSE_MS_SPAN = 120000,
};

struct tenant {
    char org[16];
    int64_t comes_ms; /* with its next job */
    bool waits;
    int64_t queued_ms, begins_by_ms;
    uint64_t last_turn;         /* the how manieth lease of all */
    unsigned passed_by, may_be; /* jobs of the backlog that began while it waited */
};

struct slot {
    struct lease_name job; /* id 0: free */
    struct tenant *tenant; /* NULL: it is of the backlog */
    int64_t ends_ms;
};

struct sim {
    struct queue_fixture f;
    struct random_seeded dice;
    uint64_t seed;
    struct tenant tenants[TENANTS];
    struct slot slots[SLOTS];
    uint64_t leases, last_turn; /* of the backlog */
    unsigned begun, behind_one;
    int64_t waited_ms, waited_most_ms;
};

static void require(const struct sim *sim, bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "broken: %s\nreplay: fairness_sim --seed %llu\n", rule,
            (unsigned long long)sim->seed);
    abort();
}

static int64_t some_ms(struct sim *sim, int64_t below)
{
    return (int64_t)random_below(&sim->dice.base, (uint64_t)below);
}

static void queue_job(struct sim *sim, const char *org, unsigned number)
{
    struct queue_fixture *f = &sim->f;
    char name[32];
    struct run_spec spec;
    enum err e;

    snprintf(name, sizeof name, "job-%u", number);
    spec = a_spec(name);
    e = submit_to(f, org, &spec, NULL);
    require(sim, e == OK, "a job is accepted");
    arena_reset(f->mem);
}

static void begin(struct sim *sim, uint64_t seed, unsigned backlog)
{
    *sim = (struct sim){ .seed = seed };
    random_seeded_init(&sim->dice, seed);
    queue_fixture_init(&sim->f);
    for (unsigned i = 0; i < backlog; i++)
        queue_job(sim, "large", i);
    for (unsigned i = 0; i < TENANTS; i++) {
        snprintf(sim->tenants[i].org, sizeof sim->tenants[i].org, "single-%u", i);
        sim->tenants[i].comes_ms = sim->f.clock.now_ms + 1 + some_ms(sim, PAUSE_MS_SPAN);
    }
}

/* To the next end of a job, or to the next that is queued. */
static void pass_time(struct sim *sim)
{
    int64_t next_ms = INT64_MAX;

    for (unsigned i = 0; i < SLOTS; i++)
        if (sim->slots[i].ends_ms < next_ms)
            next_ms = sim->slots[i].ends_ms;
    for (unsigned i = 0; i < TENANTS; i++)
        if (sim->tenants[i].comes_ms < next_ms)
            next_ms = sim->tenants[i].comes_ms;
    fake_clock_advance(&sim->f.clock, next_ms - sim->f.clock.now_ms);
}

static void tenants_queue(struct sim *sim)
{
    for (unsigned i = 0; i < TENANTS; i++) {
        struct tenant *tenant = &sim->tenants[i];

        if (tenant->comes_ms > sim->f.clock.now_ms)
            continue;
        queue_job(sim, tenant->org, sim->begun);
        tenant->comes_ms = INT64_MAX;
        tenant->waits = true;
        tenant->queued_ms = sim->f.clock.now_ms;
        tenant->passed_by = 0;
        tenant->may_be = tenant->last_turn > sim->last_turn; /* then it is the other's turn */
        tenant->begins_by_ms = 0;
        for (unsigned j = 0; j < SLOTS; j++)
            if (sim->slots[j].ends_ms > tenant->begins_by_ms)
                tenant->begins_by_ms = sim->slots[j].ends_ms;
    }
}

static void jobs_end(struct sim *sim)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &sim->slots[i];
        enum err e;

        if (slot->job.id == 0 || slot->ends_ms > sim->f.clock.now_ms)
            continue;
        e = complete(&sim->f, slot->job);
        require(sim, e == OK, "a job is completed");
        if (slot->tenant != NULL)
            slot->tenant->comes_ms = sim->f.clock.now_ms + some_ms(sim, PAUSE_MS_SPAN);
        slot->job.id = 0;
    }
}

static void note_backlog(struct sim *sim)
{
    sim->last_turn = ++sim->leases;
    for (unsigned i = 0; i < TENANTS; i++) {
        struct tenant *tenant = &sim->tenants[i];

        tenant->passed_by += tenant->waits;
        require(sim, !tenant->waits || tenant->passed_by <= tenant->may_be,
                "nothing of a backlog begins before a single job, unless it is its turn");
    }
}

static void note_single(struct sim *sim, struct tenant *tenant)
{
    int64_t waited_ms = sim->f.clock.now_ms - tenant->queued_ms;

    require(sim, tenant->waits, "a job is handed out once");
    require(sim, sim->f.clock.now_ms <= tenant->begins_by_ms,
            "a single job is delayed by no more than the jobs already running");
    tenant->waits = false;
    tenant->last_turn = ++sim->leases;
    sim->begun++;
    sim->behind_one += tenant->passed_by;
    sim->waited_ms += waited_ms;
    if (waited_ms > sim->waited_most_ms)
        sim->waited_most_ms = waited_ms;
}

static struct tenant *tenant_of(struct sim *sim, struct bytes org)
{
    for (unsigned i = 0; i < TENANTS; i++)
        if (bytes_equal(org, bytes_of_text(sim->tenants[i].org)))
            return &sim->tenants[i];
    return NULL;
}

static void workers_lease(struct sim *sim)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &sim->slots[i];
        struct assignment given;
        enum err e;

        if (slot->job.id != 0)
            continue;
        e = lease(&sim->f, &given);
        require(sim, e == OK, "the backlog lasts");
        *slot = (struct slot){ { given.info.id, given.epoch },
                               tenant_of(sim, given.info.org),
                               sim->f.clock.now_ms + WORK_MS_MIN + some_ms(sim, WORK_MS_SPAN) };
        if (slot->tenant != NULL)
            note_single(sim, slot->tenant);
        else
            note_backlog(sim);
    }
}

static void live(uint64_t seed, unsigned backlog)
{
    static struct sim sim;

    begin(&sim, seed, backlog);
    workers_lease(&sim);
    while (sim.begun < SINGLE_JOBS) {
        pass_time(&sim);
        tenants_queue(&sim);
        jobs_end(&sim);
        workers_lease(&sim);
        arena_reset(sim.f.mem);
    }
    printf("seed %llu: beside a backlog of %u, %u single jobs waited for %.1f s, at most %.1f s, "
           "%u of them behind one of the backlog whose turn it was\n",
           (unsigned long long)seed, backlog, sim.begun, (double)sim.waited_ms / 1000 / SINGLE_JOBS,
           (double)sim.waited_most_ms / 1000, sim.behind_one);
    queue_fixture_free(&sim.f);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "seed", required_argument, NULL, 's' },
                                             { "seeds", required_argument, NULL, 'n' },
                                             { "backlog", required_argument, NULL, 'b' },
                                             { NULL, 0, NULL, 0 } };
    uint64_t seed = 1, seeds = 1, backlog = 20000;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (option == 'n')
            seeds = strtoull(optarg, NULL, 10);
        else if (option == 'b')
            backlog = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    for (uint64_t i = 0; i < seeds; i++)
        live(seed + i, (unsigned)backlog);
    return 0;
}
