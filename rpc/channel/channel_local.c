#include "rpc/call/call_pool.h"
#include "rpc/channel/client_end.h"
#include "rpc/channel/stream_pair.h"

#include <stdlib.h>

/* The channel into the same process: for each call a pair of streams, the
 * client's end on one side and a server's call on the other. */

struct local_channel {
    struct channel base;
    struct call_pool *calls;
};

static void start(struct channel *channel, struct client_end *end)
{
    struct local_channel *local = container_of(channel, struct local_channel, base);
    const char *peer = end->call->peer != NULL ? end->call->peer : "local";
    struct stream_pair *pair = stream_pair_new(channel->loop);
    struct stream_user *server =
        pair != NULL ? call_pool_accept(local->calls, stream_pair_server(pair), peer) : NULL;

    if (server == NULL)
        abort(); /* out of memory; a pair alone cannot be undone */
    stream_pair_server(pair)->user = server;
    stream_pair_client(pair)->user = &end->user;
    end->user.stream = stream_pair_client(pair);
    client_end_send_headers(end, "http", "local");
}

static void close_local(struct channel *channel)
{
    struct local_channel *local = container_of(channel, struct local_channel, base);

    call_pool_free(local->calls);
}

static void free_local(struct channel *channel)
{
    free(container_of(channel, struct local_channel, base));
}

static size_t held(const struct channel *channel)
{
    return call_pool_live(container_of(channel, const struct local_channel, base)->calls);
}

static const struct channel_ops local_ops = {
    .start = start, .close = close_local, .free = free_local, .held = held
};

enum { MESSAGE_BYTES_MAX = 4 << 20 };

enum err channel_open_local(struct loop *loop, const struct rpc_registry *registry,
                            struct channel **channel)
{
    struct local_channel *local = calloc(1, sizeof *local);

    if (local == NULL)
        return ERR_UNAVAILABLE;
    local->calls = call_pool_new(loop, registry, MESSAGE_BYTES_MAX);
    if (local->calls == NULL) {
        free(local);
        return ERR_UNAVAILABLE;
    }
    channel_init(&local->base, &local_ops, loop, MESSAGE_BYTES_MAX);
    local->base.is_local = true;
    *channel = &local->base;
    return OK;
}
