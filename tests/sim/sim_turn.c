#include "tests/sim/sim.h"

#include <string.h>

/* Whose turn it is: of a name, of an organisation, of a class, of all. */

static bool can(const struct bytes *names, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes_equal(names[i], bytes_of_text("*")) || bytes_equal(names[i], bytes_of_text(name)))
            return true;
    return false;
}

bool turn_worker_can(const struct sim *sim, int worker, const struct job *job)
{
    const struct worker *w = &sim->workers[worker].worker;

    return can(w->sources, w->source_count, job->source) &&
           can(w->targets, w->target_count, job->target);
}

static bool is_first_of_line(const struct sim *sim, const struct job *job)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *other = &sim->jobs[i];

        if (other != job && other->line == job->line && !other->ended && other->order < job->order)
            return false;
    }
    return true;
}

/* Nothing that clients know of holds it back, and nothing else can. */
bool turn_is_ready(const struct sim *sim, const struct job *job)
{
    return job->queued && !job->ended && !job->may_have_ended && !job->lease.held && !job->paused &&
           !job->line->paused && !job->line->pause_may_be_over && !job->line->scheduled_ever &&
           sim->orgs[job->line->org].max_active == 0 && job->order != 0 &&
           is_first_of_line(sim, job);
}

/* Whether `a` goes before `b` in their organisation's order. */
static bool goes_before(const struct job *a, const struct job *b)
{
    if (a->goes_first != b->goes_first)
        return a->goes_first;
    return a->order < b->order;
}

/* For which organisations and classes the worker could have been given something. */
struct candidates {
    bool any[ORGS][RUN_PRIORITY_COUNT];
};

static void require_first(struct sim *sim, const struct job *job, int worker,
                          struct candidates *others)
{
    *others = (struct candidates){ .any = { { false } } };
    for (unsigned i = 0; i < sim->job_count; i++) {
        const struct job *other = &sim->jobs[i];

        if (other == job || !turn_worker_can(sim, worker, other) || !turn_is_ready(sim, other))
            continue;
        others->any[other->line->org][other->priority] = true;
        if (other->priority == job->priority && other->line->org == job->line->org)
            require(sim, !goes_before(other, job), "first in, first out");
    }
}

/* A lower class gets one of so many leases: no more, and no less. `at_most`
 * counts what may have passed it over, `at_least` what has for sure. */
enum { PASSED_OVER_MAX = 16 };

static void require_class(struct sim *sim, enum run_priority priority,
                          const struct candidates *others)
{
    for (int org = 0; org < ORGS; org++)
        for (int p = RUN_PRIORITY_LOW; p < RUN_PRIORITY_COUNT; p++) {
            if (!others->any[org][p])
                continue;
            if (p > (int)priority)
                require(sim, sim->passed_over[priority].at_most >= PASSED_OVER_MAX,
                        "the higher priority goes first");
            if (p < (int)priority)
                require(sim, sim->passed_over[p].at_least < PASSED_OVER_MAX,
                        "no priority is passed over for ever");
        }
}

static void note_class(struct sim *sim, enum run_priority priority, const struct candidates *others)
{
    sim->passed_over[priority] = (struct passed_over){ 0, 0 };
    for (int p = RUN_PRIORITY_LOW; p < (int)priority; p++) {
        bool waits = false;

        for (int org = 0; org < ORGS; org++)
            waits = waits || others->any[org][p];
        sim->passed_over[p].at_most++;
        sim->passed_over[p].at_least += waits;
    }
}

/* Within a class organisations take turns: nobody gets more than its weight
 * while another one waits, and nothing if that one's turn is longer ago. So
 * whatever the backlog of one, what another queues now and then is next. */
static void require_organisation(struct sim *sim, int org, enum run_priority priority,
                                 const struct candidates *others)
{
    struct org_turns *turns = sim->turns[priority];

    for (int other = 0; other < ORGS; other++) {
        if (other == org || !others->any[other][priority])
            continue;
        turns[other].passed_by[org]++;
        require(sim, turns[other].passed_by[org] <= sim->orgs[org].weight_most,
                "nobody gets more than its turn while others wait");
        if (sim->orgs[org].weight_most == 1)
            require(sim, turns[other].last >= turns[org].last,
                    "who had its turn longer ago goes first");
    }
    turns[org] = (struct org_turns){ .last = ++sim->leases };
}

void turn_taken(struct sim *sim, const struct job *job, int worker)
{
    struct candidates others;

    require_first(sim, job, worker, &others);
    require_class(sim, job->priority, &others);
    note_class(sim, job->priority, &others);
    require_organisation(sim, job->line->org, job->priority, &others);
}

/* Whose turn it was is not kept on the disk. */
void turn_forgotten(struct sim *sim)
{
    memset(sim->turns, 0, sizeof sim->turns);
    for (int p = 0; p < RUN_PRIORITY_COUNT; p++)
        sim->passed_over[p].at_least = 0;
}
