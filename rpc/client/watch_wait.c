#include "rpc/client/job.h"
#include "rpc/client/watch.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

/* Watching on the caller's own thread: the client's thread hands over one event
 * and reads no further until the caller has dealt with it. Behind it there may
 * be one more, that the server went away. */

struct event_node {
    struct event_node *next;
    struct sync_event event;
    struct sync_status status; /* what event.status points to */
    struct sync_job *job;      /* what event.job points to */
};

struct waiter {
    struct sync_watch *watch;
    sem_t posted; /* for each event, and for the end */
    pthread_mutex_t lock;
    struct event_node *first, **last;
    bool ended;
    struct sync_status status;
};

/* ---- The client's thread. ---- */

static struct event_node *make_node(const struct sync_event *event, struct sync_job **job)
{
    struct event_node *node = calloc(1, sizeof *node);

    if (node == NULL)
        return NULL;
    node->event = *event;
    if (event->status != NULL) {
        node->status = *event->status;
        node->event.status = &node->status;
    }
    if (job != NULL) {
        node->job = *job;
        *job = NULL;
    }
    return node;
}

static bool hand_over(void *context, const struct sync_event *event, struct sync_job **job)
{
    struct waiter *waiter = context;
    struct event_node *node = make_node(event, job);

    if (node == NULL) {
        waiter->watch->is_out_of_memory = true;
        return false;
    }
    pthread_mutex_lock(&waiter->lock);
    *waiter->last = node;
    waiter->last = &node->next;
    pthread_mutex_unlock(&waiter->lock);
    watch_pause(waiter->watch);
    sem_post(&waiter->posted);
    return true;
}

static void note_end(void *context, const struct sync_status *status)
{
    struct waiter *waiter = context;

    pthread_mutex_lock(&waiter->lock);
    waiter->ended = true;
    waiter->status = *status;
    pthread_mutex_unlock(&waiter->lock);
    sem_post(&waiter->posted);
}

/* ---- The caller's. ---- */

static struct event_node *take_event(struct waiter *waiter, bool *ended)
{
    struct event_node *node;

    pthread_mutex_lock(&waiter->lock);
    node = waiter->first;
    if (node != NULL)
        waiter->first = node->next;
    if (waiter->first == NULL)
        waiter->last = &waiter->first;
    *ended = node == NULL && waiter->ended;
    pthread_mutex_unlock(&waiter->lock);
    return node;
}

static void free_node(struct event_node *node)
{
    sync_client_job_free(node->job);
    free(node);
}

/* False: it is too late. */
static bool wait_posted(struct waiter *waiter, const struct timespec *until)
{
    int result;

    do
        result = until != NULL ? sem_clockwait(&waiter->posted, CLOCK_MONOTONIC, until)
                               : sem_wait(&waiter->posted);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

typedef bool (*take_fn)(void *context, const struct sync_event *event, struct sync_job **job);

/* Until it has ended, whoever made it end; the watch is stopped once. */
static void run(struct waiter *waiter, take_fn take, void *context, const struct timespec *until)
{
    bool stopped = false, ended = false;

    while (!ended) {
        struct event_node *node;
        bool in_time = wait_posted(waiter, stopped ? NULL : until);
        bool goes_on = in_time;
        node = in_time ? take_event(waiter, &ended) : NULL;
        if (node != NULL) {
            goes_on = stopped || take(context, &node->event, &node->job);
            free_node(node);
        }
        if (!goes_on && !stopped) {
            stopped = true;
            sync_client_watch_stop(waiter->watch);
        } else if (!stopped && node != NULL) {
            watch_resume(waiter->watch);
        }
    }
    if (!stopped)
        sync_client_watch_stop(waiter->watch);
}

static void watch_with(struct sync_client *client, const struct sync_watch_request *request,
                       take_fn take, void *context, const struct timespec *until,
                       struct sync_status *status)
{
    struct waiter waiter = { .last = &waiter.first };
    const struct watch_user user = { hand_over, note_end, &waiter };

    if (!client_may_wait(client, status))
        return;
    waiter.watch = watch_open(client, request, &user, status);
    if (waiter.watch == NULL)
        return;
    sem_init(&waiter.posted, 0, 0);
    pthread_mutex_init(&waiter.lock, NULL);
    watch_start(waiter.watch);
    run(&waiter, take, context, until);
    pthread_mutex_destroy(&waiter.lock);
    sem_destroy(&waiter.posted);
    *status = waiter.status;
}

/* ---- All events. ---- */

struct caller {
    sync_on_event on_event;
    void *context;
};

static bool call_on_event(void *context, const struct sync_event *event, struct sync_job **job)
{
    const struct caller *caller = context;

    (void)job;
    return caller->on_event(caller->context, event);
}

enum sync_code sync_client_watch(struct sync_client *client,
                                 const struct sync_watch_request *request, sync_on_event on_event,
                                 void *context, struct sync_status *status)
{
    struct caller caller = { on_event, context };
    struct sync_status outcome = { .code = SYNC_OK };

    watch_with(client, request, call_on_event, &caller, NULL, &outcome);
    return client_tell(status, &outcome);
}

/* ---- One job, until it is over. ---- */

struct following {
    struct caller caller; /* on_event may be NULL */
    struct sync_job *over;
    bool has_come, is_left, is_missing;
};

static bool follow(void *context, const struct sync_event *event, struct sync_job **job)
{
    struct following *following = context;

    if (following->caller.on_event != NULL &&
        !following->caller.on_event(following->caller.context, event)) {
        following->is_left = true;
        return false;
    }
    following->has_come |= event->job != NULL;
    following->is_missing = event->kind == SYNC_EVENT_SYNCED && !following->has_come;
    if (event->job != NULL && event->job->is_over) {
        following->over = *job;
        *job = NULL;
    }
    return following->over == NULL && !following->is_missing;
}

static struct timespec in(int64_t ms)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(ms / 1000);
    time.tv_nsec += (long)(ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

enum sync_code sync_client_wait(struct sync_client *client, const char *id, int64_t timeout_ms,
                                sync_on_event on_event, void *context, struct sync_job **job,
                                struct sync_status *status)
{
    struct sync_watch_request request = SYNC_WATCH_REQUEST_INIT;
    struct following following = { .caller = { on_event, context } };
    struct sync_status outcome = { .code = SYNC_OK };
    const struct timespec until = in(timeout_ms);

    *job = NULL;
    if (id == NULL || id[0] == '\0') { /* to a watch that means all jobs */
        client_refuse(&outcome, "id", "is missing");
        return client_tell(status, &outcome);
    }
    request.id = id;
    watch_with(client, &request, follow, &following, timeout_ms > 0 ? &until : NULL, &outcome);
    *job = following.over;
    if (following.over != NULL)
        outcome = (struct sync_status){ .code = SYNC_OK };
    else if (following.is_left)
        client_set_status(&outcome, SYNC_CANCELLED, "the caller stopped waiting");
    else if (following.is_missing)
        client_set_status(&outcome, SYNC_NOT_FOUND, "there is no job %.80s", id);
    else if (outcome.code == SYNC_OK)
        client_set_status(&outcome, SYNC_DEADLINE_EXCEEDED, "the job was not over in time");
    return client_tell(status, &outcome);
}
