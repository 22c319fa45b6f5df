#ifndef WORKER_CLIENT_H
#define WORKER_CLIENT_H

#include "tools/worker/connections.h"

#include "core/base/err.h"
#include "rpc/channel.h"

/* The worker's end of the Work stream: says what it can do, takes jobs as they
 * are pushed (each gets a thread and an attempt), carries their reports up and
 * the directives down, and keeps their leases alive.
 *
 * A stream that breaks is opened again; attempts go on meanwhile as far as
 * their leases allow, and their reports wait and are sent again. */

struct client;

struct client_settings {         /* borrowed until client_free() */
    const char *server;              /* "127.0.0.1:9470" */
    const struct tls_client_options *tls;   /* NULL: plain text */
    const char *worker_id;
    const char *connections_dir;     /* NULL: built-in ones only */
    const char *data_dir;
    unsigned slots;
    int64_t lease_ttl_ms;            /* 0: the server's */
    bool any_connection;             /* announce "*" instead of the known names */
    struct loop *loop;               /* runs on a thread of its own */
};

/* Gives a client that connects by itself. */
MUST_USE enum err client_start(const struct client_settings *settings, struct client **client,
                               struct why *why);

/* Takes no more jobs, lets those that run save where they are and give their
 * jobs back, and returns when all have. Waits a bounded time for the server. */
void client_drain(struct client *client);

/* After client_drain(), when the loop does not run any more. NULL is fine. */
void client_free(struct client *client);

#endif
