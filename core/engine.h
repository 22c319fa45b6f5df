#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include "core/queue.h"

/* The queue's thread, and one for reading beside it.
 *
 * I/O threads hand over whole requests and get them back through done(), which
 * runs on the engine's thread: it must be short, and normally only posts the
 * answer to the loop it came from. */

struct engine;

/* Gives a running engine. `deps->board` and `deps->watch` are made by the
 * engine where they are NULL. */
MUST_USE enum err engine_open(const struct queue_deps *deps, struct engine **engine,
                              struct why *why);

/* Stops the threads; answers what is left ERR_UNAVAILABLE. Only a done() may
 * post meanwhile (and is answered the same). NULL is fine. */
void engine_close(struct engine *engine);

/* Hands a request to the queue. Any thread. */
void engine_post(struct engine *engine, struct request *request);

/* A read on a snapshot, on the reader's thread: lists and look-ups that must
 * not hold up the queue. read() returns the outcome, done() gets it; both run
 * on the reader's thread. What was answered before the post is in the snapshot. */
struct read_request {
    enum err (*read)(struct read_request *req, struct store_reader *snapshot, struct why *why);
    void (*done)(struct read_request *req, enum err e);
    struct why why;
    struct link link;                /* engine's */
};

void engine_read(struct engine *engine, struct read_request *request);

/* True after a write of which nobody knows whether it is on the disk. Those who
 * waited for it were told ERR_UNCERTAIN; whoever comes later ERR_UNAVAILABLE,
 * until a new process has opened the store and read what it holds: the program
 * should end and be started again. Any thread. */
bool engine_has_failed(struct engine *engine);

struct board *engine_board(struct engine *engine);
struct watch_hub *engine_watch(struct engine *engine);
struct clock *engine_clock(struct engine *engine);
struct store *engine_store(struct engine *engine);

#endif
