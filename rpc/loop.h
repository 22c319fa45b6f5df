#ifndef RPC_LOOP_H
#define RPC_LOOP_H

#include "core/base/err.h"
#include "core/base/heap.h"
#include "core/base/list.h"

#include <stdbool.h>
#include <stdint.h>

/* One thread's event loop: readiness of sockets (libevent), timers, and a
 * mailbox through which other threads hand it work. Everything that lives on a
 * loop is touched by that loop's thread only. */

struct loop;
struct event_base;

/* Gives a loop that does not run yet. NULL if out of memory or descriptors. */
struct loop *loop_new(void);
/* Runs what was still handed over, then frees. The loop does not run. NULL is fine. */
void loop_free(struct loop *loop);

/* Runs until loop_stop(); returns on the calling thread. */
void loop_run(struct loop *loop);
/* Any thread; a signal handler may not. A loop that does not run yet returns
 * at once when it is run. */
void loop_stop(struct loop *loop);

/* Starts a thread of its own that runs the loop; loop_join() stops it and
 * waits. */
MUST_USE enum err loop_start(struct loop *loop, const char *name);
void loop_join(struct loop *loop);

/* Work handed over from another thread (or from this one, for later). The task
 * is embedded in whatever it works on; it runs once, in the order of posting. */
struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop_task *next; /* loop's */
};

void loop_post(struct loop *loop, struct loop_task *task);

/* Runs the task when everything else that woke the loop is done, just before
 * it waits again: for output that gathers. Loop's thread only. */
void loop_post_last(struct loop *loop, struct loop_task *task);

/* True on the thread that is running the loop. */
bool loop_is_current(const struct loop *loop);

/* A timer; zero-initialise `item`. Starting one that runs moves it. Loop's
 * thread only. Delay in ms, monotonic. */
struct loop_timer {
    void (*fire)(struct loop_timer *timer);
    struct heap_item item;
};

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t delay_ms);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

int64_t loop_mono_ms(void);

/* For the files that wait on sockets with libevent. */
struct event_base *loop_event_base(struct loop *loop);

#endif
