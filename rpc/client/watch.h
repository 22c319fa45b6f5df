#ifndef RPC_CLIENT_WATCH_H
#define RPC_CLIENT_WATCH_H

#include "rpc/client/client_parts.h"
#include "sync/v1/sync.pb-c.h"

#include <stdatomic.h>

/* A watch, for the files that make it: watch.c (on the client's thread) and
 * watch_wait.c (which takes its events to a thread that waits). */

struct watch_user {
    /* False ends it. May take event->job by setting *job to NULL. */
    bool (*on_event)(void *context, const struct sync_event *event, struct sync_job **job);
    void (*on_end)(void *context, const struct sync_status *status);
    void *context;
};

struct sync_watch {
    struct sync_client *client;
    struct watch_user user;
    sync_on_event on_event; /* of who has a callback on the client's thread */
    sync_on_end on_end;
    void *context;

    struct client_call call;
    Sync__V1__WatchJobsRequest request;
    char *name, *id;
    struct link link; /* in the client's watches */
    unsigned holds;   /* until it has ended, and until it was stopped */
    bool is_calling, has_begun, relist, stopped, ended, is_out_of_memory;
    bool paused, is_put_off; /* put off: it begins again when it is resumed */
    unsigned failures;
    struct loop_timer again;
    struct loop_task start, stop, resume;
    atomic_bool resume_is_posted;
};

/* Gives one that begins with watch_start(). NULL: *status says why. */
struct sync_watch *watch_open(struct sync_client *client, const struct sync_watch_request *given,
                              const struct watch_user *user, struct sync_status *status);
void watch_start(struct sync_watch *watch);
/* Nothing more is delivered, but for what is under way, until watch_resume().
 * Client's thread. */
void watch_pause(struct sync_watch *watch);
/* Any thread, before sync_client_watch_stop(). */
void watch_resume(struct sync_watch *watch);

#endif
