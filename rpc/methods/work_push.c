#include "rpc/methods/work.h"

#include <stdlib.h>

/* A lease's new directive, pushed: noted on the queue's thread, sent on the
 * loop. Memory is bounded by the leases held, since a run has one entry. A push
 * that cannot be remembered is not lost: the next report's answer says it. */

static struct work_push *find(struct work_pushes *pushes, run_id run)
{
    for (size_t i = 0; i < pushes->count; i++)
        if (pushes->waiting[i].lease.id == run)
            return &pushes->waiting[i];
    return NULL;
}

static struct work_push *add(struct work_pushes *pushes)
{
    size_t room = pushes->room > 0 ? 2 * pushes->room : 16;
    struct work_push *grown;

    if (pushes->count < pushes->room)
        return &pushes->waiting[pushes->count++];
    grown = realloc(pushes->waiting, room * sizeof *grown);
    if (grown == NULL)
        return NULL;
    pushes->waiting = grown;
    pushes->room = room;
    return &pushes->waiting[pushes->count++];
}

static void push(struct worker *worker, run_id run, uint32_t epoch, enum directive directive)
{
    struct work *work = container_of(worker, struct work, worker);
    struct work_pushes *pushes = &work->pushes;
    struct work_push *place;
    bool post = false;

    pthread_mutex_lock(&pushes->lock);
    place = find(pushes, run);
    if (place == NULL)
        place = add(pushes);
    if (place != NULL) {
        *place = (struct work_push){ { run, epoch }, directive };
        post = !pushes->posted;
        pushes->posted = true;
    }
    pthread_mutex_unlock(&pushes->lock);
    if (post)
        call_post(work->call, &pushes->task);
}

static void send_directive(struct work *work, const struct work_push *one)
{
    Sync__V1__WorkResponse response = SYNC__V1__WORK_RESPONSE__INIT;
    Sync__V1__LeaseDirective directive = SYNC__V1__LEASE_DIRECTIVE__INIT;
    Sync__V1__Lease lease = SYNC__V1__LEASE__INIT;
    char id[RUN_ID_TEXT_SIZE];

    run_id_write(one->lease.id, id);
    lease.job_id = id;
    lease.epoch = one->lease.epoch;
    directive.lease = &lease;
    directive.directive = (Sync__V1__Directive)one->directive;
    response.message_case = SYNC__V1__WORK_RESPONSE__MESSAGE_DIRECTIVE;
    response.directive = &directive;
    work_send(work, &response);
}

void work_push_send(struct work *work)
{
    struct work_pushes *pushes = &work->pushes;
    struct work_push *waiting;
    size_t count;

    pthread_mutex_lock(&pushes->lock);
    waiting = pushes->waiting;
    count = pushes->count;
    pushes->waiting = NULL;
    pushes->count = pushes->room = 0;
    pthread_mutex_unlock(&pushes->lock);
    for (size_t i = 0; i < count; i++)
        send_directive(work, &waiting[i]);
    free(waiting);
}

/* Runs before left(): pushes end with LEAVE, and tasks run in the order of
 * posting. Before the welcome they wait for it. */
static void pushed(struct loop_task *task)
{
    struct work *work = container_of(task, struct work, pushes.task);

    pthread_mutex_lock(&work->pushes.lock);
    work->pushes.posted = false;
    pthread_mutex_unlock(&work->pushes.lock);
    if (work->state == WORK_OPEN && !work->closing)
        work_push_send(work);
}

bool work_push_init(struct work *work)
{
    work->pushes.task.run = pushed;
    work->worker.push = push;
    return pthread_mutex_init(&work->pushes.lock, NULL) == 0;
}

void work_push_destroy(struct work *work)
{
    free(work->pushes.waiting);
    pthread_mutex_destroy(&work->pushes.lock);
}
