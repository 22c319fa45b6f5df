#include "rpc/channel/channel_remote.h"
#include "rpc/tls.h"

#include <stdlib.h>
#include <string.h>

/* A channel's options, its beginning and its end. */

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

struct backoff remote_backoff(const struct remote_channel *remote)
{
    return (struct backoff){ remote->options.backoff_ms, remote->options.backoff_max_ms,
                             BACKOFF_GROWTH_PERCENT, BACKOFF_JITTER_PERCENT };
}

static void start(struct channel *channel, struct client_end *end)
{
    remote_start(remote_of(channel), end);
}

static void connect_remote(struct channel *channel)
{
    remote_connect(remote_of(channel));
}

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

static void on_stagger(void *context)
{
    remote_post_settle(context);
}

static void init_parts(struct remote_channel *remote)
{
    remote->settle.run = remote_settle;
    link_init(&remote->leaving);
    link_init(&remote->waiting);
    remote->picker = (struct picker){ .policy = remote->options.policy,
                                      .loop = remote->base.loop,
                                      .random = remote->options.random,
                                      .stagger_ms = remote->options.stagger_ms,
                                      .on_change = on_stagger,
                                      .context = remote };
    picker_init(&remote->picker);
    remote_open_source(remote);
}

static enum err read_addresses(struct remote_channel *remote, struct why *why)
{
    struct addresses addresses;
    enum err e = address_source_open(&remote->source, &addresses, why);

    if (e == OK && addresses.count > 0) {
        remote_set_addresses(remote, &addresses);
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
