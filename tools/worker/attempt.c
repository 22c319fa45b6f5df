#include "tools/worker/attempt_parts.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

/* Leads an attempt: starts the readers, tells the server once a second where
 * they are, and makes the one report that ends it. */

enum { REPORT_MS = 1000 };

static int64_t mono_ms(void)
{
    return clock_mono_ms(clock_real());
}

struct attempt *attempt_new(const struct attempt_settings *settings,
                            Sync__V1__JobAssignment *assignment, int64_t lease_until_ms)
{
    struct attempt *attempt = calloc(1, sizeof *attempt);
    pthread_condattr_t attributes;

    assert(assignment->lease != NULL);
    if (attempt == NULL) {
        sync__v1__job_assignment__free_unpacked(assignment, NULL);
        return NULL;
    }
    attempt->settings = settings;
    attempt->assignment = assignment;
    attempt->lease_until_ms = lease_until_ms;
    atomic_init(&attempt->stop, STOP_NONE);
    pthread_mutex_init(&attempt->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&attempt->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return attempt;
}

void attempt_free(struct attempt *attempt)
{
    if (attempt == NULL)
        return;
    if (attempt->target != NULL)
        attempt->target->kind->close(attempt->target);
    if (attempt->source != NULL)
        attempt->source->kind->close(attempt->source);
    json_decref(attempt->data);
    free(attempt->entities);
    pthread_cond_destroy(&attempt->changed);
    pthread_mutex_destroy(&attempt->lock);
    sync__v1__job_assignment__free_unpacked(attempt->assignment, NULL);
    free(attempt);
}

const Sync__V1__JobAssignment *attempt_assignment(const struct attempt *attempt)
{
    return attempt->assignment;
}

static void stop(struct attempt *attempt, enum stop why)
{
    pthread_mutex_lock(&attempt->lock);
    if (why > attempt_stop(attempt))
        atomic_store(&attempt->stop, (int)why);
    pthread_cond_broadcast(&attempt->changed);
    pthread_mutex_unlock(&attempt->lock);
}

void attempt_direct(struct attempt *attempt, Sync__V1__Directive directive)
{
    if (directive == SYNC__V1__DIRECTIVE__DIRECTIVE_PAUSE ||
        directive == SYNC__V1__DIRECTIVE__DIRECTIVE_DRAIN)
        stop(attempt, STOP_PAUSE);
    else if (directive == SYNC__V1__DIRECTIVE__DIRECTIVE_CANCEL)
        stop(attempt, STOP_CANCEL);
}

void attempt_lose(struct attempt *attempt)
{
    stop(attempt, STOP_LOST);
}

bool attempt_is_lost(struct attempt *attempt)
{
    return attempt_stop(attempt) == STOP_LOST;
}

void attempt_renew(struct attempt *attempt, int64_t lease_until_ms)
{
    pthread_mutex_lock(&attempt->lock);
    if (lease_until_ms > attempt->lease_until_ms)
        attempt->lease_until_ms = lease_until_ms;
    pthread_cond_broadcast(&attempt->changed);
    pthread_mutex_unlock(&attempt->lock);
}

void attempt_wait_locked(struct attempt *attempt, int64_t until_ms)
{
    struct timespec until = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };

    pthread_cond_timedwait(&attempt->changed, &attempt->lock, &until);
}

bool attempt_may_write(struct attempt *attempt)
{
    bool ours;

    pthread_mutex_lock(&attempt->lock);
    while (mono_ms() >= attempt->lease_until_ms && attempt_stop(attempt) == STOP_NONE)
        attempt_wait_locked(attempt, mono_ms() + REPORT_MS);
    ours = mono_ms() < attempt->lease_until_ms && attempt_stop(attempt) < STOP_CANCEL;
    pthread_mutex_unlock(&attempt->lock);
    return ours;
}

static struct entity_sync *take_entity(struct attempt *attempt)
{
    struct entity_sync *entity = NULL;

    pthread_mutex_lock(&attempt->lock);
    if (attempt_stop(attempt) == STOP_NONE && attempt->entity_next < attempt->entity_count)
        entity = &attempt->entities[attempt->entity_next++];
    pthread_mutex_unlock(&attempt->lock);
    return entity;
}

static void *read_entities(void *context)
{
    struct attempt *attempt = context;
    struct entity_sync *entity;

    while ((entity = take_entity(attempt)) != NULL)
        entity_sync_run(entity);
    pthread_mutex_lock(&attempt->lock);
    attempt->readers--;
    pthread_cond_broadcast(&attempt->changed);
    pthread_mutex_unlock(&attempt->lock);
    return NULL;
}

static size_t concurrency_of(const struct attempt *attempt)
{
    const Sync__V1__JobOptions *options = attempt->assignment->options;
    size_t wanted = 1;

    if (options != NULL &&
        options->concurrency_set_case == SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY)
        wanted = options->concurrency;
    if (wanted > CONCURRENCY_MAX)
        wanted = CONCURRENCY_MAX;
    if (wanted > attempt->entity_count)
        wanted = attempt->entity_count;
    return wanted > 0 ? wanted : 1;
}

/* Counts before it starts: a reader that is quicker than this loop must not
 * take the number below its end. */
static size_t start_readers(struct attempt *attempt, pthread_t threads[CONCURRENCY_MAX])
{
    size_t wanted = concurrency_of(attempt), started = 0;

    attempt->readers = (unsigned)wanted;
    while (started < wanted && pthread_create(&threads[started], NULL, read_entities, attempt) == 0)
        started++;
    pthread_mutex_lock(&attempt->lock);
    attempt->readers -= (unsigned)(wanted - started);
    pthread_mutex_unlock(&attempt->lock);
    return started;
}

/* True while readers work; waits for the next second, or for what cannot wait. */
static bool watch_readers(struct attempt *attempt, int64_t until_ms, bool *moved, bool *news)
{
    bool working;

    pthread_mutex_lock(&attempt->lock);
    while (attempt->readers > 0 && mono_ms() < until_ms)
        attempt_wait_locked(attempt, until_ms);
    working = attempt->readers > 0;
    *moved = attempt->moved;
    *news = attempt->news;
    pthread_mutex_unlock(&attempt->lock);
    return working;
}

static void supervise(struct attempt *attempt)
{
    bool moved, news;

    while (watch_readers(attempt, mono_ms() + REPORT_MS, &moved, &news)) {
        if (attempt_stop(attempt) != STOP_NONE)
            continue; /* the last report follows */
        if (moved)
            report_checkpoint(attempt);
        else if (news)
            report_progress(attempt);
    }
}

/* Beside the readers: how much there is must not delay them. */
static void count_all(struct attempt *attempt)
{
    for (size_t i = 0; i < attempt->entity_count; i++)
        if (attempt_stop(attempt) == STOP_NONE)
            entity_sync_count(&attempt->entities[i]);
}

static bool read_all(struct attempt *attempt, struct problem *problem)
{
    pthread_t threads[CONCURRENCY_MAX];
    size_t started = start_readers(attempt, threads);

    count_all(attempt);
    supervise(attempt);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return started > 0 || problem_set(problem, PROBLEM_TRANSIENT, "no thread could be started");
}

/* The problem that decides what happens to the job: the one that trying again
 * helps least. */
static const struct entity_sync *find_worst(const struct attempt *attempt)
{
    const struct entity_sync *worst = NULL;

    for (size_t i = 0; i < attempt->entity_count; i++) {
        const struct entity_sync *entity = &attempt->entities[i];

        if (entity->problem.class != PROBLEM_NONE &&
            (worst == NULL || entity->problem.class > worst->problem.class))
            worst = entity;
    }
    return worst;
}

static bool is_all_read(const struct attempt *attempt)
{
    for (size_t i = 0; i < attempt->entity_count; i++)
        if (attempt->entities[i].stored.phase == ENTITY_READING)
            return false;
    return true;
}

/* Deletions come last: only a run that has read everything knows what is gone. */
static bool sweep_all(struct attempt *attempt, struct problem *problem)
{
    for (size_t i = 0; i < attempt->entity_count; i++) {
        struct entity_sync *entity = &attempt->entities[i];

        if (!entity->extent.whole || entity->stored.phase == ENTITY_SWEPT)
            continue;
        if (!attempt_may_write(attempt))
            return problem_set(problem, PROBLEM_TRANSIENT, "stopped before the end");
        if (!attempt->target->kind->sweep(attempt->target, &entity->extent, &entity->stored,
                                          problem))
            return false;
    }
    return true;
}

static void log_end(const struct attempt *attempt, const char *event)
{
    uint64_t done = 0, deleted = 0;

    for (size_t i = 0; i < attempt->entity_count; i++) {
        done += attempt->entities[i].stored.done;
        deleted += attempt->entities[i].stored.deleted;
    }
    log_event(LOG_INFO, event, LOG_TEXT("job", attempt->scope.run),
              LOG_TEXT("org", attempt->scope.org), LOG_TEXT("name", attempt->scope.sync),
              LOG_INT("records", done), LOG_INT("deleted", deleted));
}

static void end_paused(struct attempt *attempt)
{
    report_release(attempt);
    log_end(attempt, "job released");
}

static void end_failed(struct attempt *attempt, struct problem *problem)
{
    if (problem->class == PROBLEM_LOST)
        attempt_lose(attempt);
    else if (attempt_stop(attempt) == STOP_NONE || attempt_stop(attempt) == STOP_PAUSE)
        report_fail(attempt, problem);
    else if (attempt_stop(attempt) == STOP_CANCEL)
        end_paused(attempt);
}

static void end_read(struct attempt *attempt)
{
    struct problem problem = { 0 };

    if (!sweep_all(attempt, &problem)) {
        end_failed(attempt, &problem);
        return;
    }
    report_complete(attempt);
    log_end(attempt, "job done");
}

/* What an entity's problem says, with the entity's name before it. */
static void end_with_problem(struct attempt *attempt, const struct entity_sync *worst)
{
    struct problem problem = worst->problem;

    snprintf(problem.text, sizeof problem.text, "%s: %.300s", worst->spec.name,
             worst->problem.text);
    report_checkpoint(attempt);
    end_failed(attempt, &problem);
}

static void end(struct attempt *attempt)
{
    const struct entity_sync *worst = find_worst(attempt);

    if (worst != NULL && worst->problem.class == PROBLEM_LOST)
        attempt_lose(attempt);
    if (attempt_is_lost(attempt))
        log_event(LOG_WARNING, "lease lost", LOG_TEXT("job", attempt->scope.run),
                  LOG_TEXT("org", attempt->scope.org), LOG_TEXT("name", attempt->scope.sync));
    else if (attempt_stop(attempt) == STOP_CANCEL)
        end_paused(attempt);
    else if (is_all_read(attempt))
        end_read(attempt);
    else if (attempt_stop(attempt) == STOP_PAUSE)
        end_paused(attempt);
    else if (worst != NULL)
        end_with_problem(attempt, worst);
    else
        end_failed(attempt, &(struct problem){ PROBLEM_TRANSIENT, 0, "stopped before the end" });
}

void attempt_run(struct attempt *attempt)
{
    struct problem problem = { 0 };

    log_event(LOG_INFO, "job taken", LOG_TEXT("job", attempt->assignment->lease->job_id),
              LOG_TEXT("org", attempt->assignment->org_id),
              LOG_TEXT("name", attempt->assignment->name),
              LOG_INT("epoch", attempt->assignment->lease->epoch),
              LOG_INT("generation", attempt->assignment->generation),
              LOG_INT("attempt", attempt->assignment->attempt));
    if (!attempt_plan(attempt, &problem) || !read_all(attempt, &problem))
        end_failed(attempt, &problem);
    else
        end(attempt);
}
