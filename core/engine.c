#include "core/engine.h"

#include "core/board.h"
#include "core/watch.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* Three threads. The queue's takes requests from a mailbox that it empties whole
 * and computes turns; the writer's stores one turn's batch while the next is
 * computed, and what gathers meanwhile is stored together: that is all there is
 * to group commit. The reader's reads that were taken together share a snapshot. */

struct mailbox {
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t filled;
    struct link letters;
    bool waiting, closing;
    bool stirred; /* something else has happened that the taker waits for */
};

/* The writer's desk: one sealed turn at a time. */
struct desk {
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t moved;
    bool full, stored, closing;
    enum err outcome;
    struct why why;
};

struct engine {
    struct queue_deps deps;
    struct queue *queue; /* the queue's thread */
    bool owns_board, owns_watch;
    struct mailbox requests, reads;
    struct desk desk;
    pthread_t queue_thread, read_thread, write_thread;
    atomic_bool failed;
};

/* ---- mailboxes ---- */

static void mailbox_init(struct mailbox *box)
{
    pthread_mutex_init(&box->lock, NULL);
    pthread_cond_init(&box->filled, NULL);
    link_init(&box->letters);
    box->waiting = box->closing = box->stirred = false;
}

static void mailbox_destroy(struct mailbox *box)
{
    assert(!link_is_linked(&box->letters));
    pthread_cond_destroy(&box->filled);
    pthread_mutex_destroy(&box->lock);
}

static void mailbox_put(struct mailbox *box, struct link *letter)
{
    bool wake;

    pthread_mutex_lock(&box->lock);
    list_append(&box->letters, letter);
    wake = box->waiting;
    box->waiting = false;
    pthread_mutex_unlock(&box->lock);
    if (wake)
        pthread_cond_signal(&box->filled);
}

static void mailbox_stir(struct mailbox *box)
{
    bool wake;

    pthread_mutex_lock(&box->lock);
    box->stirred = true;
    wake = box->waiting;
    box->waiting = false;
    pthread_mutex_unlock(&box->lock);
    if (wake)
        pthread_cond_signal(&box->filled);
}

static void mailbox_close(struct mailbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->closing = true;
    pthread_mutex_unlock(&box->lock);
    pthread_cond_signal(&box->filled);
}

static struct timespec in_ms(int64_t ms)
{
    const int64_t most_ms = INT64_C(1000) * 3600 * 24;
    struct timespec at;

    if (ms > most_ms)
        ms = most_ms;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    at.tv_sec += (time_t)(ms / 1000) + at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static void wait_for_letters(struct mailbox *box, int64_t wait_ms)
{
    struct timespec until = in_ms(wait_ms);
    int timed_out = 0;

    while (!link_is_linked(&box->letters) && !box->closing && !box->stirred && !timed_out) {
        box->waiting = true;
        timed_out = pthread_cond_clockwait(&box->filled, &box->lock, CLOCK_MONOTONIC, &until);
    }
    box->waiting = false;
}

static void take_all(struct link *from, struct link *to)
{
    link_init(to);
    if (!link_is_linked(from))
        return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    link_init(from);
}

/* Empties the box into `letters`, after waiting for something to come at most
 * so long. False: the box is closing, and these were the last. */
static bool mailbox_take(struct mailbox *box, int64_t wait_ms, struct link *letters)
{
    bool open;

    pthread_mutex_lock(&box->lock);
    if (wait_ms > 0)
        wait_for_letters(box, wait_ms);
    take_all(&box->letters, letters);
    box->stirred = false;
    open = !box->closing;
    pthread_mutex_unlock(&box->lock);
    return open;
}

/* ---- the queue's thread ---- */

static void post_all(struct engine *engine, struct link *letters)
{
    list_each_safe(link, letters) {
        list_remove(link);
        queue_post(engine->queue, container_of(link, struct request, link));
    }
}

static int64_t until(struct engine *engine, int64_t due_mono_ms)
{
    int64_t now_ms;

    if (due_mono_ms == 0 || due_mono_ms == INT64_MAX)
        return due_mono_ms;
    now_ms = clock_mono_ms(engine->deps.clock);
    return due_mono_ms > now_ms ? due_mono_ms - now_ms : 0;
}

static void notice_failure(struct engine *engine)
{
    struct store *store = engine->deps.store;

    if (store->ops->stats(store).uncertain)
        atomic_store(&engine->failed, true);
}

/* done() may post again; nothing of that is done any more. */
static void refuse_requests(struct engine *engine)
{
    struct link letters;

    mailbox_take(&engine->requests, 0, &letters);
    while (link_is_linked(&letters)) {
        struct request *request = container_of(letters.next, struct request, link);

        list_remove(&request->link);
        request->done(request,
                      err_because(&request->why, ERR_UNAVAILABLE, "the server is stopping"));
        if (!link_is_linked(&letters))
            mailbox_take(&engine->requests, 0, &letters);
    }
}

/* ---- the writer's thread ---- */

static void desk_put(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    assert(!desk->full && !desk->stored);
    desk->full = true;
    pthread_mutex_unlock(&desk->lock);
    pthread_cond_broadcast(&desk->moved);
}

/* Whether what lay there is stored, or failed to be. */
static bool desk_take(struct desk *desk)
{
    bool stored;

    pthread_mutex_lock(&desk->lock);
    stored = desk->stored;
    desk->stored = false;
    pthread_mutex_unlock(&desk->lock);
    return stored;
}

static bool desk_wait(struct desk *desk)
{
    bool full;

    pthread_mutex_lock(&desk->lock);
    while (!desk->full && !desk->closing)
        pthread_cond_wait(&desk->moved, &desk->lock);
    full = desk->full;
    pthread_mutex_unlock(&desk->lock);
    return full;
}

static void desk_finish(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    while (!desk->stored)
        pthread_cond_wait(&desk->moved, &desk->lock);
    pthread_mutex_unlock(&desk->lock);
}

static void desk_close(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->closing = true;
    pthread_mutex_unlock(&desk->lock);
    pthread_cond_broadcast(&desk->moved);
}

static void *run_writer(void *arg)
{
    struct engine *engine = arg;
    struct desk *desk = &engine->desk;

    while (desk_wait(desk)) {
        struct why why = { 0 };
        enum err e = queue_store(engine->queue, &why);

        pthread_mutex_lock(&desk->lock);
        desk->outcome = e;
        desk->why = why;
        desk->full = false;
        desk->stored = true;
        pthread_mutex_unlock(&desk->lock);
        pthread_cond_broadcast(&desk->moved);
        mailbox_stir(&engine->requests);
    }
    return NULL;
}

/* ---- the queue's turns ---- */

/* What the writer has done with the last turn, if it is done. */
static bool settle(struct engine *engine)
{
    if (!desk_take(&engine->desk))
        return false;
    queue_settle(engine->queue, engine->desk.outcome, &engine->desk.why);
    notice_failure(engine);
    return true;
}

/* Timers are looked at between turns: while one is under way, its end comes
 * sooner than any of them matters. */
static void *run_queue(void *arg)
{
    struct engine *engine = arg;
    bool under_way = false;
    struct link letters;

    while (mailbox_take(&engine->requests,
                        under_way ? INT64_MAX : until(engine, queue_due(engine->queue)), &letters)) {
        post_all(engine, &letters);
        if (under_way && settle(engine))
            under_way = false;
        queue_work(engine->queue);
        if (!under_way && queue_seal(engine->queue)) {
            under_way = true;
            desk_put(&engine->desk);
        }
    }
    post_all(engine, &letters);
    if (under_way) {
        desk_finish(&engine->desk);
        settle(engine);
    }
    queue_close(engine->queue);
    refuse_requests(engine);
    return NULL;
}

/* ---- the reader's thread ---- */

static void answer_reads(struct link *letters, struct store_reader *snapshot, enum err e,
                         const struct why *why)
{
    while (link_is_linked(letters)) {
        struct read_request *request = container_of(letters->next, struct read_request, link);

        list_remove(&request->link);
        request->why = *why;
        request->done(request, e == OK ? request->read(request, snapshot, &request->why) : e);
    }
}

static void serve_reads(struct engine *engine, struct link *letters)
{
    struct store *store = engine->deps.store;
    struct store_reader *snapshot = NULL;
    struct why why = { 0 };
    enum err e;

    if (!link_is_linked(letters))
        return;
    e = store->ops->snapshot(store, &snapshot, &why);
    answer_reads(letters, snapshot, e, &why);
    if (snapshot != NULL)
        snapshot->ops->close(snapshot);
}

static void *run_reader(void *arg)
{
    struct engine *engine = arg;
    struct why why = { .text = "the server is stopping" };
    struct link letters;

    while (mailbox_take(&engine->reads, INT64_MAX, &letters))
        serve_reads(engine, &letters);
    do
        answer_reads(&letters, NULL, ERR_UNAVAILABLE, &why);
    while (!mailbox_take(&engine->reads, 0, &letters) && link_is_linked(&letters));
    return NULL;
}

/* ---- opening and closing ---- */

static void free_engine(struct engine *engine)
{
    if (engine->owns_board)
        board_free(engine->deps.board);
    if (engine->owns_watch)
        watch_hub_free(engine->deps.watch);
    mailbox_destroy(&engine->requests);
    mailbox_destroy(&engine->reads);
    pthread_cond_destroy(&engine->desk.moved);
    pthread_mutex_destroy(&engine->desk.lock);
    free(engine);
}

static bool make_board_and_watch(struct engine *engine)
{
    struct queue_deps *deps = &engine->deps;

    if (deps->board == NULL) {
        deps->board = board_new(deps->clock);
        engine->owns_board = true;
    }
    if (deps->watch == NULL) {
        deps->watch = watch_hub_new(deps->clock, 0);
        engine->owns_watch = true;
    }
    return deps->board != NULL && deps->watch != NULL;
}

/* Signals are for the program's other threads. */
static enum err start(pthread_t *thread, const char *name, void *(*run)(void *arg),
                      struct engine *engine, struct why *why)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(thread, NULL, run, engine);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return err_because(why, ERR_UNAVAILABLE, "no thread could be started for the %s", name);
    pthread_setname_np(*thread, name);
    return OK;
}

static void stop(struct mailbox *box, pthread_t thread)
{
    mailbox_close(box);
    pthread_join(thread, NULL);
}

static void stop_writer(struct engine *engine)
{
    desk_close(&engine->desk);
    pthread_join(engine->write_thread, NULL);
}

static enum err start_threads(struct engine *engine, struct why *why)
{
    enum err e = start(&engine->read_thread, "reader", run_reader, engine, why);

    if (e != OK)
        return e;
    e = start(&engine->write_thread, "writer", run_writer, engine, why);
    if (e != OK) {
        stop(&engine->reads, engine->read_thread);
        return e;
    }
    e = start(&engine->queue_thread, "queue", run_queue, engine, why);
    if (e != OK) {
        stop_writer(engine);
        stop(&engine->reads, engine->read_thread);
    }
    return e;
}

enum err engine_open(const struct queue_deps *deps, struct engine **out, struct why *why)
{
    struct engine *engine = calloc(1, sizeof *engine);
    enum err e;

    if (engine == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    engine->deps = *deps;
    mailbox_init(&engine->requests);
    mailbox_init(&engine->reads);
    pthread_mutex_init(&engine->desk.lock, NULL);
    pthread_cond_init(&engine->desk.moved, NULL);
    if (make_board_and_watch(engine))
        e = queue_open(&engine->deps, &engine->queue, why);
    else
        e = err_because(why, ERR_UNAVAILABLE, "out of memory");
    if (e == OK) {
        e = start_threads(engine, why);
        if (e != OK)
            queue_close(engine->queue);
    }
    if (e != OK) {
        free_engine(engine);
        return e;
    }
    *out = engine;
    return OK;
}

/* The reader last: an answer of the queue may ask for a read. */
void engine_close(struct engine *engine)
{
    if (engine == NULL)
        return;
    stop(&engine->requests, engine->queue_thread);
    stop_writer(engine);
    stop(&engine->reads, engine->read_thread);
    free_engine(engine);
}

void engine_post(struct engine *engine, struct request *request)
{
    link_init(&request->link);
    mailbox_put(&engine->requests, &request->link);
}

void engine_read(struct engine *engine, struct read_request *request)
{
    link_init(&request->link);
    mailbox_put(&engine->reads, &request->link);
}

bool engine_has_failed(struct engine *engine)
{
    return atomic_load(&engine->failed);
}

struct board *engine_board(struct engine *engine)
{
    return engine->deps.board;
}

struct watch_hub *engine_watch(struct engine *engine)
{
    return engine->deps.watch;
}

struct clock *engine_clock(struct engine *engine)
{
    return engine->deps.clock;
}

struct store *engine_store(struct engine *engine)
{
    return engine->deps.store;
}
