#include "tests/sim/sim.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Everything that lists show, compared with what is believed: nothing is lost,
 * nothing appears from nowhere, nothing has changed that nobody was told of. */

static bool same_text(struct bytes bytes, const char *text)
{
    return bytes_equal(bytes, bytes_of_text(text));
}

/* ---- a run ---- */

static void adopt_lease(struct sim *sim, struct job *job, const struct run *run)
{
    bool known = job->lease.held && job->epoch == run->epoch;

    job->lease = (struct held){ .held = run_is_leased(run->state),
                                .acknowledged = true,
                                .pausing = run->state == RUN_PAUSING,
                                .cancelling = run->state == RUN_CANCELLING,
                                .worker = known ? job->lease.worker : -1,
                                .ttl_ms = run->lease_ttl_ms };
    if (job->lease.held) {
        lease_directed(sim, job);
        job->lease.push_is_due = false;
        lease_renewed(sim, job);
    }
}

static void adopt_run(struct sim *sim, struct job *job, const struct run *run)
{
    job->revived = true; /* perhaps */
    job->ended = run_is_ended(run->state) ? run->state : RUN_NONE;
    job->paused = run->state == RUN_PAUSED || run->state == RUN_PAUSING;
    job->may_have_ended = false;
    job->queued = run->state == RUN_QUEUED;
    job->goes_first = run->head;
    job->failures = UINT16_MAX;
    job->order = run->order;
    job->epoch = run->epoch;
    job->generation = run->generation;
    job->progress = run->progress;
    adopt_lease(sim, job, run);
}

static bool differs(const struct job *job, const struct run *run)
{
    return job->lease.held != run_is_leased(run->state) ||
           job->lease.cancelling != (run->state == RUN_CANCELLING) ||
           job->lease.pausing != (run->state == RUN_PAUSING) ||
           (job->ended != RUN_NONE) != run_is_ended(run->state);
}

static void adopt(struct sim *sim, struct job *job, const struct run_info *info)
{
    adopt_run(sim, job, &info->run);
    model_specify(job, &info->spec);
}

/* Between what clients could know and what is: time has gone on. */
static void learn(struct sim *sim, struct job *job, const struct run *run)
{
    bool by_time = job->order == 0 || job->line->cancels_other;

    if (job->ended == RUN_NONE && run_is_ended(run->state)) {
        if (job->may_have_ended)
            require(sim, run->state == RUN_FAILED || by_time, "an expiry ends a job as failed");
        else
            require(sim, by_time && run->state == RUN_CANCELLED,
                    "a job ends when somebody was told so");
        model_end(sim, job, run->state);
    }
    if (job->line->cancels_other && differs(job, run))
        adopt_run(sim, job, run);
    if (!run_is_ended(run->state))
        job->may_have_ended = false;
    if (job->order == 0)
        job->order = run->order;
}

static void compare_state(struct sim *sim, const struct job *job, const struct run *run)
{
    bool leased = run_is_leased(run->state);

    if (job->ended) {
        require(sim, run->state == job->ended, "an ended job stays as it ended");
        return;
    }
    require(sim, leased == job->lease.held, "a list shows who is worked on");
    require(sim, (run->state == RUN_CANCELLING) == job->lease.cancelling, "a cancel lasts");
    require(sim, (run->state == RUN_PAUSING) == job->lease.pausing, "a pause is under way");
    require(sim, leased || (run->state == RUN_PAUSED) == job->paused,
            "a pause lasts until resumed");
    if (job->queued && !leased && !job->paused)
        require(sim, run->state == RUN_QUEUED, "what nothing holds back is queued");
    require(sim, run->order == job->order, "a job keeps its place");
}

static void compare_times(struct sim *sim, const struct job *job, const struct run_info *info)
{
    int64_t left = job->lease.deadline_ms - sim->clock.mono_ms;

    if (sim->turned_at_ms != 0 && sim->next_due_ms > sim->clock.mono_ms)
        require(sim, info->run.not_before_ms == 0 || info->run.not_before_ms > sim->turned_at_ms,
                "what was due has happened");
    if (job->lease.held && !job->line->cancels_other)
        require(sim, info->lease_left_ms == (left > 0 ? left : 0),
                "a list shows how long a lease lasts");
}

static void compare_run(struct sim *sim, struct job *job, const struct run_info *info)
{
    const struct run *run = &info->run;

    require(sim, !job->purged, "what was purged is gone");
    require(sim, same_text(info->spec.name, job->line->name), "a job keeps its name");
    require(sim, info->spec.priority == job->priority && info->spec.retries_max == job->retries_max,
            "a job keeps its specification");
    learn(sim, job, run);
    if (!job->line->cancels_other)
        compare_state(sim, job, run);
    else
        require(sim, (job->ended == RUN_COMPLETED) == (run->state == RUN_COMPLETED),
                "what was completed is completed");
    require(sim, run->epoch == job->epoch, "an epoch for each lease");
    require(sim, run->generation >= job->generation, "generations grow");
    if (run->generation == job->generation)
        require(sim, run->progress >= job->progress, "progress does not fall within a generation");
    job->generation = run->generation;
    job->progress = run->progress;
    compare_times(sim, job, info);
    if (job->watched != RUN_NONE)
        require(sim, job->watched == run->state, "watchers see what lists show");
}

static struct job *meet(struct sim *sim, const struct run_info *info, bool adopts)
{
    struct job *job;

    require(sim, adopts || info->spec.has_schedule, "every listed job was accepted from somebody");
    job = model_meet(sim, info);
    job->line->exists = true;
    if (info->spec.has_schedule) {
        job->line->scheduled_ever = true;
        job->line->cancels_other |= info->spec.schedule.overlap == OVERLAP_CANCEL_OTHER;
        if (adopts) {
            job->line->schedule = job->id;
            job->line->runs_max = 0;
        }
    }
    adopt_run(sim, job, &info->run);
    if (!adopts) {
        require(sim, !job->lease.held || job->line->cancels_other, "who was leased is known");
        job->failures = 0;
        job->revived = false;
    }
    return job;
}

/* ---- an organisation ---- */

struct shown {
    uint64_t active, queued, scheduled, paused, kept[RUN_STATE_COUNT];
};

static void count(struct shown *shown, enum run_state state)
{
    shown->active += run_is_leased(state);
    shown->queued += state == RUN_QUEUED || state == RUN_BACKOFF;
    shown->scheduled += state == RUN_SCHEDULED;
    shown->paused += state == RUN_PAUSED;
    shown->kept[state]++;
}

static void take_page(struct sim *sim, const struct run_info *runs, uint32_t number,
                      struct shown *shown, run_id *last, bool adopts)
{
    for (uint32_t i = 0; i < number; i++) {
        struct job *job = model_find(sim, runs[i].id);

        require(sim, *last == 0 || runs[i].id < *last, "a list is ordered and shows each job once");
        *last = runs[i].id;
        count(shown, runs[i].run.state);
        if (job == NULL)
            job = meet(sim, &runs[i], adopts);
        else if (adopts)
            adopt(sim, job, &runs[i]);
        else
            compare_run(sim, job, &runs[i]);
        job->seen = true;
        wait_note(sim, job, &runs[i]);
        kept_shown(sim, job, &runs[i].run);
    }
}

static void take_list(struct sim *sim, struct view *view, int org, struct shown *shown, bool adopts)
{
    struct run_filter filter = { .live = false };
    struct run_info *runs;
    run_id last = 0, next;
    uint32_t number;
    struct why why;

    do {
        enum err e =
            view_runs(view, bytes_of_text(sim_orgs[org]), &filter, 40, &runs, &number, &next, &why);

        require(sim, e == OK, "jobs can be listed");
        take_page(sim, runs, number, shown, &last, adopts);
        filter.before = next;
    } while (next != 0);
}

static void require_none_is_lost(struct sim *sim, int org, bool adopts)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct job *job = &sim->jobs[i];
        bool by_time = job->may_have_ended || job->order == 0 || job->line->cancels_other;

        if (job->line->org != org || job->purged || job->seen)
            continue;
        require(sim,
                adopts || (by_time && sim->orgs[org].was_purged) || kept_no_longer(sim, job),
                "an accepted job is not lost");
        if (!job->ended)
            model_end(sim, job, RUN_CANCELLED);
        job->purged = true;
    }
}

static void compare_counters(struct sim *sim, struct view *view, int org, const struct shown *shown,
                             bool adopts)
{
    struct org_belief *belief = &sim->orgs[org];
    struct org_view o = { .active = 0 };
    struct why why;
    enum err e = view_org(view, bytes_of_text(sim_orgs[org]), &o, &why);

    require(sim, e == (belief->exists ? OK : ERR_NOT_FOUND) || adopts, "who has queued exists");
    require(sim,
            o.active == shown->active && o.queued == shown->queued &&
                o.scheduled == shown->scheduled && o.paused == shown->paused,
            "counters count what is listed");
    require(sim,
            o.completed >= shown->kept[RUN_COMPLETED] && o.failed >= shown->kept[RUN_FAILED] &&
                o.cancelled >= shown->kept[RUN_CANCELLED],
            "lifetime counters count all");
    require(sim, o.failed >= belief->failed && o.cancelled >= belief->cancelled,
            "lifetime counters never fall");
    if (adopts) {
        belief->completed = o.completed;
        belief->last_sync_ms = o.last_sync_ms;
        belief->max_active = o.limits.max_active;
        belief->max_queued = o.limits.max_queued;
        if (o.limits.weight > belief->weight_most)
            belief->weight_most = o.limits.weight;
    }
    require(sim, o.completed == belief->completed, "every completion counts once");
    require(sim, o.last_sync_ms == belief->last_sync_ms, "the last sync is the last completed one");
    belief->exists = e == OK;
    belief->failed = o.failed;
    belief->cancelled = o.cancelled;
}

/* ---- a name ---- */

static struct mark *find_mark(struct line *line, const char *entity)
{
    for (unsigned i = 0; i < line->mark_count; i++)
        if (strcmp(line->marks[i].entity, entity) == 0)
            return &line->marks[i];
    assert(line->mark_count < MARKS_MAX);
    strcpy(line->marks[line->mark_count].entity, entity);
    line->marks[line->mark_count].value_ms = 0;
    return &line->marks[line->mark_count++];
}

/* Where a mark stood before its last change; that of everything stands for
 * entities that had none of their own. */
static int64_t stood_at(const struct sync_view *sync, const struct watermark_view *mark)
{
    int64_t greatest = 0;

    if (mark->count > 1)
        return mark->changes[1].value_ms;
    for (uint32_t i = 0; i < sync->watermark_count; i++)
        for (uint32_t j = 0; j < sync->watermarks[i].count && mark->entity.size > 0; j++)
            if (sync->watermarks[i].entity.size == 0 &&
                sync->watermarks[i].changes[j].value_ms > greatest)
                greatest = sync->watermarks[i].changes[j].value_ms;
    return greatest;
}

/* The run that moved it last had begun to read at or before where it stood. */
static void require_joined_on(struct sim *sim, struct view *view, const struct line *line,
                              const struct sync_view *sync, const struct watermark_view *mark)
{
    const struct watermark_change *change = &mark->changes[0];
    const struct job *job = model_find(sim, change->run);
    int64_t low = 0;
    struct run_info info;

    if (change->run == 0)
        return;
    require(sim, job != NULL && job->line == line && (job->purged || job->ended == RUN_COMPLETED),
            "a watermark is moved by a completed run");
    if (job->purged || !view_job(view, job, &info))
        return;
    for (uint32_t i = 0; i < info.run.window_count; i++)
        if (info.run.windows[i].entity.size == 0 ||
            bytes_equal(info.run.windows[i].entity, mark->entity))
            low = info.run.windows[i].low_ms;
    require(sim, change->value_ms == info.run.window_high_ms,
            "a watermark moves to the window's end");
    require(sim, low <= stood_at(sync, mark), "a watermark moves only where the window joined on");
    require(sim, !info.spec.narrowed, "a narrowed run moves no watermark");
}

static void compare_sync(struct sim *sim, struct view *view, struct line *line, bool adopts)
{
    struct sync_view sync;
    struct why why;
    enum err e;

    e = view_sync(view, bytes_of_text(sim_orgs[line->org]), bytes_of_text(line->name), &sync, &why);
    require(sim, e == OK, "a name that was queued once is known");
    if (line->pause_may_be_over && !sync.paused)
        line->paused = false;
    if (adopts)
        line->paused = sync.paused;
    require(sim, sync.paused == line->paused, "a pause of a sync lasts until resumed");
    line->pause_may_be_over = false;
    for (uint32_t i = 0; i < sync.watermark_count; i++) {
        struct mark *mark;
        char entity[16];

        snprintf(entity, sizeof entity, "%.*s", (int)sync.watermarks[i].entity.size,
                 (const char *)sync.watermarks[i].entity.data);
        mark = find_mark(line, entity);
        require(sim,
                adopts || line->mark_was_reset ||
                    sync.watermarks[i].changes[0].value_ms >= mark->value_ms,
                "watermarks move forward");
        mark->value_ms = sync.watermarks[i].changes[0].value_ms;
        require_joined_on(sim, view, line, &sync, &sync.watermarks[i]);
    }
    line->mark_was_reset = false;
}

static void require_bounded_firings(struct sim *sim)
{
    for (unsigned i = 0; i < sim->line_count; i++) {
        const struct line *line = &sim->lines[i];
        uint32_t fired = 0;

        for (unsigned j = 0; j < sim->job_count && line->runs_max != 0; j++) {
            const struct job *job = &sim->jobs[j];

            fired += job->line == line && job->id >= line->schedule && job->nominal_ms != 0 &&
                     job->order != 0 && !job->revived;
        }
        require(sim, fired <= line->runs_max || line->runs_max == 0,
                "a schedule fires as often as it may");
    }
}

static void look_over(struct sim *sim, bool adopts)
{
    struct view view = world_look(sim);

    for (unsigned i = 0; i < sim->job_count; i++)
        sim->jobs[i].seen = false;
    for (int org = 0; org < ORGS; org++) {
        struct shown shown = { .active = 0 };

        take_list(sim, &view, org, &shown, adopts);
        require_none_is_lost(sim, org, adopts);
        compare_counters(sim, &view, org, &shown, adopts);
        sim->orgs[org].was_purged = false;
    }
    for (unsigned i = 0; i < sim->line_count; i++)
        if (sim->lines[i].exists)
            compare_sync(sim, &view, &sim->lines[i], adopts);
    world_look_away(&view);
    wait_compare(sim);
    kept_compare(sim);
    require_bounded_firings(sim);
}

/* Asserts look at the store without its faults. */
static void check_queue(struct sim *sim)
{
    struct fault get = sim->store.get, scan = sim->store.scan;

    sim->store.get = sim->store.scan = (struct fault){ 0 };
    queue_check(sim->queue);
    sim->store.get = get;
    sim->store.scan = scan;
}

void survey(struct sim *sim)
{
    check_queue(sim);
    look_over(sim, false);
}

void survey_adopt(struct sim *sim)
{
    check_queue(sim);
    look_over(sim, true);
}
