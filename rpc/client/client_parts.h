#ifndef RPC_CLIENT_CLIENT_PARTS_H
#define RPC_CLIENT_CLIENT_PARTS_H

#include "core/base/arena.h"
#include "rpc/channel/backoff.h"
#include "rpc/channel.h"
#include "rpc/client/client.h"

#include <stdatomic.h>

/* The inside of libsyncclient: a channel on a loop with a thread of its own, and
 * what each call takes from the options. */

enum { CLIENT_MEMORY_MAX = 1 << 20, CLIENT_ANSWER_MEMORY_MAX = 64 << 20 };

struct sync_client {
    struct loop *loop;
    struct channel *channel;
    struct arena *mem; /* what follows */
    struct client_metadata *metadata;
    size_t metadata_count;
    int64_t timeout_ms; /* 0: none */
    bool wait_for_ready;
    struct backoff backoff; /* between a watch's attempts */
    atomic_bool closing;    /* nothing may begin any more */
    struct link watches;    /* the loop's */
};

/* Copies a struct that its user filled in, as far as both of us know it. NULL or
 * one without its size is refused, and `name` is told. */
bool client_take(void *own, size_t own_size, const void *given, const char *name,
                 struct sync_status *status);

void client_set_status(struct sync_status *status, enum sync_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* ERR_INVALID, naming the option, if there is something that would have to be left out. */
enum err client_check_options(const struct sync_client_options *options, struct why *why);
enum err client_check_metadata(const struct sync_metadata *list, size_t count, struct why *why);

/* What was given is wrong: "id", "is missing". */
void client_refuse(struct sync_status *status, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* status may be NULL; gives its code. */
enum sync_code client_tell(struct sync_status *status, const struct sync_status *outcome);
void client_read_status(struct sync_status *status, const struct rpc_status *from);

/* The client is being closed. Client's thread. */
void client_end_watches(struct sync_client *client);

/* False on the client's own thread, where nothing may wait. */
bool client_may_wait(const struct sync_client *client, struct sync_status *status);

#endif
