#include "tests/sim/sim.h"

#include <assert.h>

/* Watchers: what they are told of a run last is what a list shows. */

static void when_ready(void *ctx)
{
    (void)ctx;
}

void watch_begin(struct sim *sim)
{
    for (int org = 0; org < ORGS; org++) {
        enum err e = watch_open(sim->hub, bytes_of_text(sim_orgs[org]), 0, when_ready, NULL,
                                &sim->watches[org]);

        assert(e == OK);
    }
}

void watch_end(struct sim *sim)
{
    for (int org = 0; org < ORGS; org++)
        watch_close(sim->watches[org]);
}

void watch_lists(struct sim *sim)
{
    watch_events(sim);
    for (unsigned i = 0; i < sim->job_count; i++)
        sim->jobs[i].watched = RUN_NONE;
}

static void take_event(struct sim *sim, const struct run_info *info)
{
    struct job *job = model_find(sim, info->id);

    if (job != NULL)
        job->watched = info->run.state;
}

static void follow(struct sim *sim, struct watch *watch)
{
    for (;;) {
        struct run_info info;
        uint64_t sequence;
        enum err e;

        arena_reset(sim->mem);
        e = watch_next(watch, sim->mem, &info, &sequence);
        require(sim, e == OK || e == ERR_NOT_FOUND, "no event is lost to a quick watcher");
        if (e != OK)
            return;
        take_event(sim, &info);
    }
}

void watch_events(struct sim *sim)
{
    for (int org = 0; org < ORGS; org++)
        follow(sim, sim->watches[org]);
}
