#ifndef CORE_WATCH_H
#define CORE_WATCH_H

#include "core/queue.h"

/* Every change of every run, in order, for those who want to follow: a ring of
 * the newest events that any number of readers walk at their own pace. A slow
 * reader costs nothing; one that the ring has overtaken is told to list anew.
 * The ring is bounded in events and in bytes, and empty while nobody has
 * watched for some minutes.
 *
 * Sequence numbers grow for ever, over restarts too (they begin at the time of
 * day). Any thread. */

struct watch_hub;
struct watch;

struct watch_hub *watch_hub_new(struct clock *clock, uint32_t events_max); /* 0: 16,384 */
/* Every watch must have been closed. NULL is fine. */
void watch_hub_free(struct watch_hub *hub);

/* The queue's side, on its thread. Notes what the run is now, after the commit
 * that made it so; everything is copied. An event that cannot be remembered is
 * a lost one: readers are told to list. */
void watch_publish(struct watch_hub *hub, const struct run_info *info);

/* Whether anybody would see what is published: false saves the queue from
 * putting together run_infos that nobody reads (but see watch_skip). */
bool watch_is_wanted(struct watch_hub *hub);

/* Says instead of watch_publish() that something changed while nobody watched. */
void watch_skip(struct watch_hub *hub);

/* Gives a reader that sees the organisation's events behind `after`; 0: from
 * now on. `ready` is called (on the queue's thread) when there may be something
 * to read, at most once until watch_next() has said that there is nothing. It
 * must not call back into the hub. Begin by calling watch_next(). */
MUST_USE enum err watch_open(struct watch_hub *hub, struct bytes org, uint64_t after,
                             void (*ready)(void *ctx), void *ctx, struct watch **watch);
/* No ready() runs after it returned. NULL is fine. */
void watch_close(struct watch *watch);

/* The next event: the run as it was then, in mem. ERR_NOT_FOUND: none yet;
 * ready() will be called. ERR_LIMIT: events were lost, or mem is full: list
 * again, then go on (the watch now stands at the newest event). Sequence is
 * that of the event, or of the watch's place. */
MUST_USE enum err watch_next(struct watch *watch, struct arena *mem, struct run_info *info,
                             uint64_t *sequence);

/* How many watches are open, and what is kept for them. */
struct watch_hub_now {
    uint64_t watches, events, bytes;
};

struct watch_hub_now watch_hub_now(struct watch_hub *hub);

/* The sequence of the newest event. */
uint64_t watch_hub_sequence(struct watch_hub *hub);

#endif
