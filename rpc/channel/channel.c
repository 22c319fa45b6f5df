#include "rpc/channel/channel_state.h"
#include "rpc/channel/hedge.h"

#include <stdlib.h>

/* What all kinds of channels have in common: the ends of their calls, kept with
 * their memory for the next calls, and closing. */

enum {
    ARENA_EXTRA = 4 << 20,
    KEEP_BYTES = 4 << 10,
    FREE_MAX = 256,
    MESSAGE_BYTES_DEFAULT = 4 << 20
};

void channel_init(struct channel *channel, const struct channel_ops *ops, struct loop *loop,
                  size_t message_bytes_max)
{
    channel->ops = ops;
    channel->loop = loop;
    channel->message_bytes_max = message_bytes_max > 0 ? message_bytes_max : MESSAGE_BYTES_DEFAULT;
    channel->holds = 1;
    link_init(&channel->ends);
    link_init(&channel->hedges);
    retry_init(&channel->retry, &(struct channel_retry){ 0 }, random_real());
    channel_init_state(channel, ops->connect != NULL ? CHANNEL_IDLE : CHANNEL_READY);
}

void channel_release(struct channel *channel)
{
    if (--channel->holds > 0)
        return;
    grpc_coder_free(channel->coder);
    channel->ops->free(channel);
}

static void *allocate(void *context, size_t size)
{
    struct client_end *end = context;
    void *memory = arena_alloc(end->message_arena, size);

    end->arena_is_full |= memory == NULL;
    return memory;
}

static void keep(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static void free_end(struct client_end *end)
{
    arena_free(end->arena);
    arena_free(end->message_arena);
    buffer_clear(&end->out, 0);
    buffer_clear(&end->pending, 0);
    grpc_reader_clear(&end->reader, 0);
    free(end);
}

static struct client_end *make_end(const struct channel *channel)
{
    struct client_end *end = calloc(1, sizeof *end);

    if (end == NULL)
        return NULL;
    end->arena = arena_new(ARENA_EXTRA);
    end->message_arena = arena_new(ARENA_EXTRA + 2 * channel->message_bytes_max);
    end->reader.message_max = channel->message_bytes_max;
    if (end->arena == NULL || end->message_arena == NULL) {
        free_end(end);
        return NULL;
    }
    return end;
}

static void wipe(struct client_end *end)
{
    struct client_end kept = {
        .arena = end->arena,
        .message_arena = end->message_arena,
        .out = end->out,
        .pending = end->pending,
        .reader = end->reader,
    };

    arena_reset(kept.arena);
    arena_reset(kept.message_arena);
    buffer_clear(&kept.out, KEEP_BYTES);
    buffer_clear(&kept.pending, KEEP_BYTES);
    grpc_reader_clear(&kept.reader, KEEP_BYTES);
    *end = kept;
}

static void recycle(struct client_end *end)
{
    struct channel *channel = end->channel;

    if (channel->closed || channel->free_count == FREE_MAX) {
        free_end(end);
    } else {
        wipe(end);
        end->next_free = channel->free;
        channel->free = end;
        channel->free_count++;
    }
    channel_release(channel);
}

struct client_end *client_end_take(struct channel *channel)
{
    struct client_end *end = channel->free;

    if (end != NULL) {
        channel->free = end->next_free;
        channel->free_count--;
    } else {
        end = make_end(channel);
    }
    if (end == NULL)
        return NULL;
    end->channel = channel;
    end->allocator = (ProtobufCAllocator){ allocate, keep, end };
    channel->holds++;
    return end;
}

struct grpc_coder *client_end_coder(const struct client_end *end)
{
    if (end->channel->coder == NULL)
        end->channel->coder = grpc_coder_new();
    return end->channel->coder;
}

void client_end_enter(struct client_end *end)
{
    end->entered++;
}

void client_end_leave(struct client_end *end)
{
    if (--end->entered == 0 && end->call == NULL && !end->turn_is_posted)
        recycle(end);
}

void channel_close(struct channel *channel)
{
    struct rpc_status status;

    if (channel == NULL)
        return;
    rpc_status_set(&status, RPC_CANCELLED, "the channel was closed");
    channel->closed = true;
    hedge_end_all(channel, &status);
    while (link_is_linked(&channel->ends))
        client_end_finish(container_of(channel->ends.next, struct client_end, link), &status);
    while (channel->free != NULL) {
        struct client_end *end = channel->free;
        channel->free = end->next_free;
        free_end(end);
    }
    channel_end_watches(channel);
    channel_set_state(channel, CHANNEL_SHUT_DOWN);
    channel->ops->close(channel);
    channel_release(channel);
}

bool channel_is_quiet(const struct channel *channel)
{
    return !link_is_linked(&channel->ends) && !link_is_linked(&channel->hedges) &&
           channel->ops->held(channel) == 0;
}

struct loop *channel_loop(const struct channel *channel)
{
    return channel->loop;
}
