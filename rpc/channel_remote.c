#include "rpc/address_source.h"
#include "rpc/channel_state.h"
#include "rpc/client_attempt.h"
#include "rpc/picker.h"
#include "rpc/tls.h"

#include <stdlib.h>
#include <string.h>

/* The channel over HTTP/2: a list of addresses, each a subchannel, and a picker
 * that says which of them a call goes to. Calls that find none READY wait for
 * the attempt under way; once it has failed they fail, unless they wait for
 * ready, and so do new ones until it is time for the next attempt.
 *
 * Whatever changes below only posts settle(), which looks at everything: so no
 * callback finds the channel half-way between two states. */

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    KEEPALIVE_MS = 30 * 1000,
    STAGGER_MS = 250, /* RFC 8305, 5: Connection Attempt Delay */
    /* gRPC's are 1 s and 120 s. A server of ours is back within a second of its
     * restart, and refusing a connection costs it next to nothing. */
    BACKOFF_MS = 50,
    BACKOFF_MAX_MS = 5 * 1000,
    BACKOFF_GROWTH_PERCENT = 160,
    BACKOFF_JITTER_PERCENT = 20,
};

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

static struct remote_channel *remote_of(struct channel *channel)
{
    return container_of(channel, struct remote_channel, base);
}

static void post_settle(void *context)
{
    struct remote_channel *remote = context;

    if (remote->settle_is_posted || remote->base.closed)
        return;
    remote->settle_is_posted = true;
    remote->base.holds++;
    loop_post(remote->base.loop, &remote->settle);
}

static void on_subchannel_change(void *context, enum channel_state state)
{
    struct remote_channel *remote = context;

    if (state == CHANNEL_IDLE || state == CHANNEL_FAILING)
        address_source_distrust(&remote->source);
    post_settle(remote);
}

/* If the name is not found, the addresses that it had are still worth a try. */
static void on_source_change(void *context)
{
    struct remote_channel *remote = context;

    if (link_is_linked(&remote->waiting))
        picker_connect(&remote->picker);
    post_settle(remote);
}

static struct backoff backoff_of(const struct remote_channel *remote)
{
    return (struct backoff){ remote->options.backoff_ms, remote->options.backoff_max_ms,
                             BACKOFF_GROWTH_PERCENT, BACKOFF_JITTER_PERCENT };
}

/* ---- The list of addresses. ---- */

static struct subchannel *make_subchannel(struct remote_channel *remote,
                                          const struct address *address)
{
    const struct subchannel_options options = {
        .loop = remote->base.loop,
        .scratch = remote->scratch,
        .tls = remote->tls[address->part],
        .options = &remote->options,
        .backoff = backoff_of(remote),
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

/* What is in both lists keeps its connections and its backoff. */
static void set_addresses(struct remote_channel *remote, const struct addresses *addresses)
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

    set_addresses(remote, addresses);
    if (remote->picker.count == 0)
        address_source_reject(&remote->source);
    picker_connect(&remote->picker);
    post_settle(remote);
}

/* ---- Calls. ---- */

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
    while (link_is_linked(&remote->waiting) && picker_pick(&remote->picker) != NULL) {
        struct client_end *end = container_of(remote->waiting.next, struct client_end, waiting);
        list_remove(&end->waiting);
        if (attach(remote, end))
            continue;
        if (picker_pick(&remote->picker) != NULL) {
            fail_without_stream(end);
            continue;
        }
        list_prepend(&remote->waiting, &end->waiting);
        return;
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

/* Sees to it that an attempt is under way, if there may be one now. */
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
static void settle(struct loop_task *task)
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

static void start(struct channel *channel, struct client_end *end)
{
    struct remote_channel *remote = remote_of(channel);

    if (attach(remote, end))
        return;
    list_append(&remote->waiting, &end->waiting);
    want_connection(remote);
    post_settle(remote);
}

static void connect_remote(struct channel *channel)
{
    struct remote_channel *remote = remote_of(channel);

    want_connection(remote);
    post_settle(remote);
}

/* ---- The channel. ---- */

static void close_remote(struct channel *channel)
{
    struct remote_channel *remote = remote_of(channel);

    picker_stop(&remote->picker);
    address_source_close(&remote->source);
    for (unsigned i = 0; i < remote->picker.count; i++)
        subchannel_free(remote->picker.list[i]);
    remote->picker.count = 0;
    while (link_is_linked(&remote->leaving))
        subchannel_free(subchannel_of_leaving(remote->leaving.next));
}

static void free_remote(struct channel *channel)
{
    struct remote_channel *remote = remote_of(channel);

    connection_scratch_free(remote->scratch);
    for (unsigned part = 0; part < ADDRESSES_MAX; part++)
        tls_context_free(remote->tls[part]);
    free(remote->health_service);
    free(remote->address);
    free(remote);
}

static size_t none_held(const struct channel *channel)
{
    (void)channel;
    return 0;
}

static const struct channel_ops remote_ops = { .start = start,
                                               .connect = connect_remote,
                                               .close = close_remote,
                                               .free = free_remote,
                                               .held = none_held };

static void fill_in(struct channel_options *options)
{
    if (options->connect_timeout_ms <= 0)
        options->connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (options->keepalive_ms <= 0)
        options->keepalive_ms = KEEPALIVE_MS;
    if (options->keepalive_timeout_ms <= 0)
        options->keepalive_timeout_ms = options->connect_timeout_ms;
    if (options->backoff_ms <= 0)
        options->backoff_ms = BACKOFF_MS;
    if (options->backoff_max_ms <= 0)
        options->backoff_max_ms = BACKOFF_MAX_MS;
    if (options->stagger_ms <= 0)
        options->stagger_ms = STAGGER_MS;
    if (options->random == NULL)
        options->random = random_real();
}

static void init_parts(struct remote_channel *remote)
{
    remote->settle.run = settle;
    link_init(&remote->leaving);
    link_init(&remote->waiting);
    remote->picker = (struct picker){ .policy = remote->options.policy,
                                      .loop = remote->base.loop,
                                      .random = remote->options.random,
                                      .stagger_ms = remote->options.stagger_ms,
                                      .on_change = post_settle,
                                      .context = remote };
    picker_init(&remote->picker);
    remote->source = (struct address_source){ .loop = remote->base.loop,
                                              .text = remote->address,
                                              .backoff = backoff_of(remote),
                                              .random = remote->options.random,
                                              .on_addresses = on_addresses,
                                              .on_change = on_source_change,
                                              .context = remote };
}

static enum err read_addresses(struct remote_channel *remote, struct why *why)
{
    struct addresses addresses;
    enum err e = address_source_open(&remote->source, &addresses, why);

    if (e == OK && addresses.count > 0) {
        set_addresses(remote, &addresses);
        if (remote->picker.count == 0)
            return err_because(why, ERR_UNAVAILABLE, "out of memory");
    }
    return e;
}

/* A server is verified by the name that it has in the list. */
static enum err open_tls(struct remote_channel *remote, const struct tls_client_options *options,
                         struct why *why)
{
    char part[ADDRESS_PART_SIZE];
    enum err e = OK;

    for (unsigned i = 0; e == OK && i < ADDRESSES_MAX && address_part(remote->address, i, part);
         i++)
        e = tls_client_new(options, part, &remote->tls[i], why);
    return e;
}

static enum err open_remote(struct remote_channel *remote, struct loop *loop,
                            const struct channel_options *options, struct why *why)
{
    enum err e = OK;

    remote->options = *options;
    remote->options.tls = NULL; /* lent for now only */
    fill_in(&remote->options);
    channel_init(&remote->base, &remote_ops, loop, options->message_bytes_max);
    remote->address = strdup(options->address);
    init_parts(remote);
    retry_init(&remote->base.retry, &options->retry, remote->options.random);
    if (options->health_service != NULL)
        remote->options.health_service = remote->health_service = strdup(options->health_service);
    remote->scratch = connection_scratch_new();
    if (remote->address == NULL || remote->scratch == NULL ||
        (options->health_service != NULL && remote->health_service == NULL))
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    if (options->tls != NULL)
        e = open_tls(remote, options->tls, why);
    return e == OK ? read_addresses(remote, why) : e;
}

enum err channel_open(struct loop *loop, const struct channel_options *options,
                      struct channel **channel, struct why *why)
{
    struct remote_channel *remote = calloc(1, sizeof *remote);
    enum err e;

    if (remote == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    e = open_remote(remote, loop, options, why);
    if (e != OK) {
        close_remote(&remote->base);
        free_remote(&remote->base);
        return e;
    }
    *channel = &remote->base;
    return OK;
}
