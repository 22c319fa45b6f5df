#include "rpc/loop.h"

#include "core/base/clock.h"
#include "core/base/log.h"

#include <assert.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A turn of the loop is: sockets, then the mailbox, then due timers, then what
 * was put off to the end. libevent only waits; the order is ours, so that all
 * output of a turn can be gathered into one write. */

struct loop {
    /* The loop's thread. */
    struct event_base *base;
    struct event *wake_event;
    struct event *timer_event;
    struct heap timers;
    int64_t armed_for_ms;   /* when timer_event fires; INT64_MAX: not armed */
    struct loop_task *last; /* to run at the turn's end, newest first */

    /* Any thread. */
    _Atomic(struct loop_task *) mailbox; /* newest first */
    atomic_bool stopping;
    int wake_fd;

    /* Whoever started it. */
    pthread_t thread;
    bool started;
};

static _Thread_local const struct loop *current;

static void on_wake(evutil_socket_t fd, short what, void *context);
static void on_timer(evutil_socket_t fd, short what, void *context);

struct loop *loop_new(void)
{
    struct loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    loop->armed_for_ms = INT64_MAX;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->base = event_base_new();
    if (loop->base != NULL && loop->wake_fd >= 0) {
        loop->wake_event =
            event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
        loop->timer_event = event_new(loop->base, -1, 0, on_timer, loop);
    }
    if (loop->wake_event == NULL || loop->timer_event == NULL ||
        event_add(loop->wake_event, NULL) != 0) {
        loop_free(loop);
        return NULL;
    }
    return loop;
}

/* Takes the whole mailbox and turns it round: posted first runs first. */
static bool run_mailbox(struct loop *loop)
{
    struct loop_task *newest = atomic_exchange_explicit(&loop->mailbox, NULL, memory_order_acquire);
    struct loop_task *oldest = NULL;
    bool any = newest != NULL;

    while (newest != NULL) {
        struct loop_task *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    while (oldest != NULL) {
        struct loop_task *task = oldest;
        oldest = task->next;
        task->run(task); /* may free it, or post it again */
    }
    return any;
}

static bool run_last(struct loop *loop)
{
    struct loop_task *newest = loop->last, *oldest = NULL;
    bool any = newest != NULL;

    loop->last = NULL;
    while (newest != NULL) {
        struct loop_task *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    while (oldest != NULL) {
        struct loop_task *task = oldest;
        oldest = task->next;
        task->run(task);
    }
    return any;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    assert(!loop->started);
    for (bool any = true; any;) {
        any = run_mailbox(loop);
        any = run_last(loop) || any;
    }
    heap_free(&loop->timers);
    if (loop->wake_event != NULL)
        event_free(loop->wake_event);
    if (loop->timer_event != NULL)
        event_free(loop->timer_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    free(loop);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    uint64_t count;

    (void)what;
    (void)context;
    (void)!read(fd, &count, sizeof count);
}

/* Waking was its purpose: due timers run in each turn. */
static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct loop *loop = context;

    (void)fd;
    (void)what;
    loop->armed_for_ms = INT64_MAX;
}

static void run_due_timers(struct loop *loop)
{
    struct heap_item *first = heap_first(&loop->timers);
    int64_t now_ms;

    if (first == NULL)
        return;
    now_ms = loop_mono_ms();
    while ((first = heap_first(&loop->timers)) != NULL && first->key <= now_ms) {
        struct loop_timer *timer = container_of(first, struct loop_timer, item);
        heap_remove(&loop->timers, first);
        timer->fire(timer); /* may free it, or start it again */
    }
}

/* Moves libevent's timer only when it would fire too late: one that fires early
 * costs a turn, re-arming at each change would cost more. */
static void arm(struct loop *loop)
{
    struct heap_item *first = heap_first(&loop->timers);
    int64_t delay_ms;
    struct timeval delay;

    if (first == NULL || first->key >= loop->armed_for_ms)
        return;
    delay_ms = first->key - loop_mono_ms();
    if (delay_ms < 0)
        delay_ms = 0;
    delay.tv_sec = (time_t)(delay_ms / 1000);
    delay.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
    event_add(loop->timer_event, &delay);
    loop->armed_for_ms = first->key;
}

/* Posted by timers, by the last tasks, or on this thread while the loop did not
 * run: nobody will wake it for these. */
static bool has_work(struct loop *loop)
{
    return loop->last != NULL ||
           atomic_load_explicit(&loop->mailbox, memory_order_relaxed) != NULL;
}

void loop_run(struct loop *loop)
{
    const struct loop *outer = current;

    current = loop;
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        arm(loop);
        event_base_loop(loop->base, EVLOOP_ONCE | (has_work(loop) ? EVLOOP_NONBLOCK : 0));
        run_mailbox(loop);
        run_due_timers(loop);
        run_last(loop);
    }
    atomic_store_explicit(&loop->stopping, false, memory_order_relaxed);
    current = outer;
}

static void wake(struct loop *loop)
{
    const uint64_t one = 1;

    /* Fails only when the counter is full: then it is awake anyway. */
    (void)!write(loop->wake_fd, &one, sizeof one);
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    wake(loop);
}

/* The loop takes all of the mailbox at once, so only who finds it empty needs
 * to wake the loop; and the loop looks before it waits, so its own thread never
 * needs to. */
void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *newest = atomic_load_explicit(&loop->mailbox, memory_order_relaxed);

    do
        task->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&loop->mailbox, &newest, task,
                                                  memory_order_release, memory_order_relaxed));
    if (newest == NULL && current != loop)
        wake(loop);
}

void loop_post_last(struct loop *loop, struct loop_task *task)
{
    task->next = loop->last;
    loop->last = task;
}

bool loop_is_current(const struct loop *loop)
{
    return current == loop;
}

static void *run_thread(void *context)
{
    loop_run(context);
    return NULL;
}

enum err loop_start(struct loop *loop, const char *name)
{
    assert(!loop->started);
    if (pthread_create(&loop->thread, NULL, run_thread, loop) != 0)
        return ERR_UNAVAILABLE;
    pthread_setname_np(loop->thread, name);
    loop->started = true;
    return OK;
}

void loop_join(struct loop *loop)
{
    if (!loop->started)
        return;
    loop_stop(loop);
    pthread_join(loop->thread, NULL);
    loop->started = false;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
    int64_t due_ms = loop_mono_ms() + (delay_ms > 0 ? delay_ms : 0);

    if (timer->item.place != 0)
        heap_move(&loop->timers, &timer->item, due_ms);
    else if (!heap_insert(&loop->timers, &timer->item, due_ms)) {
        /* A timer that never fires is a call that never ends. */
        log_event(LOG_ERROR, "out of memory", LOG_TEXT("for", "a timer"));
        abort();
    }
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
    heap_remove(&loop->timers, &timer->item);
}

int64_t loop_mono_ms(void)
{
    return clock_mono_ms(clock_real());
}

struct event_base *loop_event_base(struct loop *loop)
{
    return loop->base;
}
