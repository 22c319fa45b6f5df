#include "rpc/channel/channel_remote.h"

#include <string.h>

/* From addresses to subchannels, and what these and the source report. */

static void on_subchannel_change(void *context, enum channel_state state)
{
    struct remote_channel *remote = context;

    if (state == CHANNEL_IDLE || state == CHANNEL_FAILING)
        address_source_distrust(&remote->source);
    remote_post_settle(remote);
}

static struct subchannel *make_subchannel(struct remote_channel *remote,
                                          const struct address *address)
{
    const struct subchannel_options options = {
        .loop = remote->base.loop,
        .scratch = remote->scratch,
        .tls = remote->tls[address->part],
        .options = &remote->options,
        .backoff = remote_backoff(remote),
        .random = remote->options.random,
        .on_change = on_subchannel_change,
        .context = remote,
    };
    char authority[ADDRESS_PART_SIZE];

    if (!address_part(remote->address, address->part, authority))
        return NULL;
    return subchannel_new(&options, address, authority);
}

static struct subchannel *take_old(struct subchannel **old, unsigned count,
                                   const struct address *address)
{
    for (unsigned i = 0; i < count; i++) {
        struct subchannel *found = old[i];
        if (found == NULL || !address_equal(subchannel_address(found), address))
            continue;
        old[i] = NULL;
        return found;
    }
    return NULL;
}

void remote_set_addresses(struct remote_channel *remote, const struct addresses *addresses)
{
    struct subchannel *old[ADDRESSES_MAX], *list[ADDRESSES_MAX] = { NULL };
    unsigned old_count = remote->picker.count, count = 0;

    memcpy(old, remote->picker.list, sizeof old);
    for (unsigned i = 0; i < addresses->count; i++) {
        struct subchannel *subchannel = take_old(old, old_count, &addresses->list[i]);
        if (subchannel == NULL)
            subchannel = make_subchannel(remote, &addresses->list[i]);
        if (subchannel != NULL)
            list[count++] = subchannel;
    }
    picker_replace(&remote->picker, list, count);
    for (unsigned i = 0; i < old_count; i++)
        if (old[i] != NULL)
            subchannel_drop(old[i], &remote->leaving);
    if (count == 0)
        rpc_status_set(&remote->failure, RPC_UNAVAILABLE, "cannot connect to %s: out of memory",
                       remote->address);
}

static void on_addresses(void *context, const struct addresses *addresses)
{
    struct remote_channel *remote = context;

    remote_set_addresses(remote, addresses);
    if (remote->picker.count == 0)
        address_source_reject(&remote->source);
    picker_connect(&remote->picker);
    remote_post_settle(remote);
}

/* If the name is not found, the addresses that it had are still worth a try. */
static void on_source_change(void *context)
{
    struct remote_channel *remote = context;

    if (link_is_linked(&remote->waiting))
        picker_connect(&remote->picker);
    remote_post_settle(remote);
}

void remote_open_source(struct remote_channel *remote)
{
    remote->source = (struct address_source){ .loop = remote->base.loop,
                                              .text = remote->address,
                                              .backoff = remote_backoff(remote),
                                              .random = remote->options.random,
                                              .on_addresses = on_addresses,
                                              .on_change = on_source_change,
                                              .context = remote };
}
