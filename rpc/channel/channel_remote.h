#ifndef RPC_CHANNEL_REMOTE_H
#define RPC_CHANNEL_REMOTE_H

#include "rpc/channel/address_source.h"
#include "rpc/channel/client_end.h"
#include "rpc/channel/picker.h"

/* The inside of a channel to remote servers, for the files that make it:
 * channel_open.c (its beginning and its end), channel_addresses.c (the list of
 * its subchannels), channel_remote.c (what becomes of calls). */

struct remote_channel {
    struct channel base;
    struct channel_options options;
    char *address, *health_service;
    struct connection_scratch *scratch;
    struct tls_context *tls[ADDRESSES_MAX]; /* of each part of the address; NULL: plain */
    struct picker picker;
    struct link leaving; /* subchannels that are no longer in the list */
    struct link waiting; /* ends without a stream */
    struct loop_task settle;
    bool settle_is_posted;

    struct address_source source;
    struct rpc_status failure; /* why there is no subchannel */
};

static inline struct remote_channel *remote_of(struct channel *channel)
{
    return container_of(channel, struct remote_channel, base);
}

/* Between attempts, at an address or for a name. */
struct backoff remote_backoff(const struct remote_channel *remote);

/* The subchannels of these addresses, from now on. Those that were there already
 * keep their connections; the others' calls go on to their end. */
void remote_set_addresses(struct remote_channel *remote, const struct addresses *addresses);
/* What the source gives later goes there, too. */
void remote_open_source(struct remote_channel *remote);

/* Gives the end a stream, now or as soon as there is a connection, or ends it. */
void remote_start(struct remote_channel *remote, struct client_end *end);
/* Sees to it that an attempt is under way, if there may be one now. */
void remote_connect(struct remote_channel *remote);
/* Something has changed: remote_settle() looks at everything, from the loop. */
void remote_post_settle(struct remote_channel *remote);
void remote_settle(struct loop_task *task);

#endif
