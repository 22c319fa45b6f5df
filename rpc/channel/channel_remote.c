#include "rpc/channel/channel_remote.h"

#include "rpc/channel/channel_state.h"
#include "rpc/channel/client_attempt.h"

/* Calls that find no subchannel READY wait for the attempt under way; once it has
 * failed they fail, unless they wait for ready, and so do new ones until it is
 * time for the next attempt.
 *
 * Whatever changes below only posts remote_settle(), which looks at everything:
 * so no callback finds the channel half-way between two states. */

void remote_post_settle(struct remote_channel *remote)
{
    if (remote->settle_is_posted || remote->base.closed)
        return;
    remote->settle_is_posted = true;
    remote->base.holds++;
    loop_post(remote->base.loop, &remote->settle);
}

static bool attach(struct remote_channel *remote, struct client_end *end)
{
    struct subchannel *subchannel = picker_pick(&remote->picker);

    return subchannel != NULL && subchannel_attach(subchannel, end);
}

static void fail_without_stream(struct client_end *end)
{
    struct rpc_status status;

    rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    client_attempt_end_later(end, ATTEMPT_NOT_CONNECTED, &status);
}

/* A subchannel that is still READY and gives no stream has no memory for one. */
static void attach_waiting(struct remote_channel *remote)
{
    struct subchannel *subchannel;

    while (link_is_linked(&remote->waiting) &&
           (subchannel = picker_pick(&remote->picker)) != NULL) {
        struct client_end *end = container_of(remote->waiting.next, struct client_end, waiting);
        list_remove(&end->waiting);
        if (subchannel_attach(subchannel, end))
            continue;
        if (subchannel_state(subchannel) == CHANNEL_READY)
            fail_without_stream(end);
        else
            list_prepend(&remote->waiting, &end->waiting);
    }
}

static const struct rpc_status *failure_of(const struct remote_channel *remote)
{
    const struct rpc_status *failure = picker_failure(&remote->picker);

    if (failure != NULL)
        return failure;
    return remote->failure.code != RPC_OK ? &remote->failure : &remote->source.failure;
}

static void fail_waiting(struct remote_channel *remote)
{
    list_each_safe(link, &remote->waiting) {
        struct client_end *end = container_of(link, struct client_end, waiting);
        if (end->call->wait_for_ready)
            continue;
        list_remove(&end->waiting);
        client_attempt_end_later(end, ATTEMPT_NOT_CONNECTED, failure_of(remote));
    }
}

static void want_connection(struct remote_channel *remote)
{
    if (!remote->picker.passing && address_source_ask(&remote->source))
        return; /* on_addresses() goes on */
    picker_connect(&remote->picker);
}

static enum channel_state state_of(const struct remote_channel *remote)
{
    enum channel_state state = CHANNEL_IDLE;

    if (remote->picker.count > 0)
        state = picker_state(&remote->picker);
    else if (failure_of(remote)->code != RPC_OK)
        state = CHANNEL_FAILING;
    if (remote->source.resolver != NULL && state != CHANNEL_READY)
        return CHANNEL_CONNECTING;
    return state;
}

/* A failed attempt ends the calls that waited for it, before the next one may
 * begin; who watches is told of the failure, too. */
void remote_settle(struct loop_task *task)
{
    struct remote_channel *remote = container_of(task, struct remote_channel, settle);

    remote->settle_is_posted = false;
    if (!remote->base.closed) {
        picker_update(&remote->picker);
        attach_waiting(remote);
        channel_set_state(&remote->base, state_of(remote));
        if (state_of(remote) == CHANNEL_FAILING)
            fail_waiting(remote);
        if (link_is_linked(&remote->waiting) || channel_is_watched(&remote->base) ||
            remote->picker.is_active)
            want_connection(remote);
        channel_set_state(&remote->base, state_of(remote));
    }
    channel_release(&remote->base);
}

void remote_start(struct remote_channel *remote, struct client_end *end)
{
    if (attach(remote, end))
        return;
    list_append(&remote->waiting, &end->waiting);
    remote_connect(remote);
}

void remote_connect(struct remote_channel *remote)
{
    want_connection(remote);
    remote_post_settle(remote);
}
