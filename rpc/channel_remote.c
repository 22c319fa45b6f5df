#include "core/base/random.h"
#include "rpc/address.h"
#include "rpc/client_end.h"
#include "rpc/connection.h"
#include "rpc/resolver.h"
#include "rpc/tls.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

/* The channel over HTTP/2: at most one connection takes new calls; one that the
 * server is closing goes on beside it until its calls have ended. While there
 * is none, calls wait for the attempt under way; after a failed one they fail
 * at once until it is time for the next. */

enum {
    CONNECT_TIMEOUT_MS = 10 * 1000,
    KEEPALIVE_MS = 30 * 1000,
    STALL_MS = 30 * 1000,
    HEADER_BYTES_MAX = 64 << 10,
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 5 * 1000,
};

struct remote_connection {
    struct connection_owner owner;
    struct remote_channel *channel; /* NULL: the channel is closed */
    struct connection *connection;
    struct link link;
};

struct remote_channel {
    struct channel base;
    struct channel_options options;
    char *address;
    struct addresses addresses;
    struct connection_scratch *scratch;
    struct tls_context *tls; /* NULL: plain */

    struct remote_connection *opening; /* its TLS handshake is under way; NULL: none */
    struct remote_connection *current; /* NULL: none takes new calls */
    struct link connections;           /* it, and those that are going */
    struct link waiting;               /* ends without a stream */

    /* An attempt under way resolves first, if the address is a name, then
     * connects. */
    bool is_name;
    struct resolver *resolver;
    struct resolver_owner resolver_owner;
    int connecting; /* socket; -1: not connecting */
    unsigned next_address;
    struct event *connected;
    struct loop_timer connect_timer;

    int64_t backoff_ms, retry_ms; /* retry_ms: no attempt before */
    struct rpc_status failure;    /* of the last attempt */
};

static void try_next_address(struct remote_channel *remote);

static struct remote_channel *remote_of(struct channel *channel)
{
    return container_of(channel, struct remote_channel, base);
}

/* ---- Calls. ---- */

static bool attach(struct remote_channel *remote, struct client_end *end)
{
    if (remote->current == NULL || !connection_request(remote->current->connection, &end->user))
        return false;
    client_end_send_headers(end, remote->tls != NULL ? "https" : "http", remote->address);
    return true;
}

static void attach_waiting(struct remote_channel *remote)
{
    while (link_is_linked(&remote->waiting)) {
        struct client_end *end = container_of(remote->waiting.next, struct client_end, waiting);
        list_remove(&end->waiting);
        if (!attach(remote, end)) {
            list_prepend(&remote->waiting, &end->waiting);
            return;
        }
    }
}

static void fail_waiting(struct remote_channel *remote)
{
    while (link_is_linked(&remote->waiting)) {
        struct client_end *end = container_of(remote->waiting.next, struct client_end, waiting);
        list_remove(&end->waiting);
        client_end_finish_later(end, &remote->failure);
    }
}

/* ---- Attempts. ---- */

static void back_off(struct remote_channel *remote)
{
    int64_t delay_ms = remote->backoff_ms * 2;

    if (delay_ms < BACKOFF_MIN_MS)
        delay_ms = BACKOFF_MIN_MS;
    if (delay_ms > BACKOFF_MAX_MS)
        delay_ms = BACKOFF_MAX_MS;
    remote->backoff_ms = delay_ms;
    /* Not all clients of a server that comes back at the same moment. */
    delay_ms = delay_ms * 3 / 4 + (int64_t)random_below(random_real(), (uint64_t)delay_ms / 2 + 1);
    remote->retry_ms = loop_mono_ms() + delay_ms;
}

static void note_failure(struct remote_channel *remote, const char *reason)
{
    rpc_status_set(&remote->failure, RPC_UNAVAILABLE, "cannot connect to %s: %s", remote->address,
                   reason);
}

static void stop_attempt(struct remote_channel *remote, bool keep_socket)
{
    if (remote->connected != NULL)
        event_free(remote->connected);
    remote->connected = NULL;
    loop_timer_stop(remote->base.loop, &remote->connect_timer);
    if (remote->connecting >= 0 && !keep_socket)
        close(remote->connecting);
    remote->connecting = -1;
}

static void fail_attempt(struct remote_channel *remote, const char *reason)
{
    note_failure(remote, reason);
    stop_attempt(remote, false);
    try_next_address(remote);
}

static void on_timeout(struct loop_timer *timer)
{
    fail_attempt(container_of(timer, struct remote_channel, connect_timer), "it takes too long");
}

/* ---- Connections. ---- */

static void on_going(struct connection_owner *owner)
{
    struct remote_connection *own = container_of(owner, struct remote_connection, owner);

    if (own->channel->current == own)
        own->channel->current = NULL;
}

static void on_open(struct connection_owner *owner)
{
    struct remote_connection *own = container_of(owner, struct remote_connection, owner);

    own->channel->opening = NULL;
    own->channel->current = own;
    attach_waiting(own->channel);
}

/* The attempt failed in TLS's handshake: the next address may do better. */
static void fail_opening(struct remote_channel *remote, const char *reason)
{
    remote->opening = NULL;
    note_failure(remote, reason);
    try_next_address(remote);
}

static void on_closed(struct connection_owner *owner, const char *reason)
{
    struct remote_connection *own = container_of(owner, struct remote_connection, owner);
    struct remote_channel *remote = own->channel;

    on_going(owner);
    if (remote->opening == own) {
        fail_opening(remote, reason);
    } else if (connection_is_up(own->connection)) {
        remote->backoff_ms = 0;
    } else { /* it answers, but not in HTTP/2 */
        note_failure(remote, reason);
        back_off(remote);
    }
    list_remove(&own->link);
    free(own);
}

static const struct connection_owner_ops connection_ops = { .on_open = on_open,
                                                            .on_going = on_going,
                                                            .on_closed = on_closed };

static void open_connection(struct remote_channel *remote, int fd)
{
    struct remote_connection *own = calloc(1, sizeof *own);
    const struct connection_options options = {
        .loop = remote->base.loop,
        .scratch = remote->scratch,
        .limits = { remote->options.connect_timeout_ms, STALL_MS, remote->options.keepalive_ms },
        .h2 = { H2_CLIENT, 0, HEADER_BYTES_MAX },
        .tls = remote->tls,
        .owner = &own->owner,
    };

    if (own == NULL) {
        close(fd);
        return;
    }
    own->owner.ops = &connection_ops;
    own->channel = remote;
    own->connection = connection_open(fd, &options);
    if (own->connection == NULL) {
        free(own);
        return;
    }
    list_append(&remote->connections, &own->link);
    if (connection_is_open(own->connection))
        remote->current = own;
    else
        remote->opening = own;
}

static void finish_attempt(struct remote_channel *remote)
{
    int fd = remote->connecting;

    stop_attempt(remote, true);
    open_connection(remote, fd);
    if (remote->current != NULL)
        attach_waiting(remote);
    if (remote->current != NULL || remote->opening != NULL)
        return;
    note_failure(remote, "out of memory");
    fail_waiting(remote);
}

static void on_connected(evutil_socket_t fd, short what, void *context)
{
    struct remote_channel *remote = context;
    socklen_t size = sizeof(int);
    int error = 0;

    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0)
        fail_attempt(remote, strerror(error));
    else
        finish_attempt(remote);
}

/* A connect() that succeeds or fails at once is reported by the same event as
 * one that takes time. */
static bool begin_attempt(struct remote_channel *remote, const struct address *address)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        note_failure(remote, strerror(errno));
        return false;
    }
    remote->connecting = fd;
    if (connect(fd, (const struct sockaddr *)&address->storage, address->size) != 0 &&
        errno != EINPROGRESS) {
        note_failure(remote, strerror(errno));
        stop_attempt(remote, false);
        return false;
    }
    remote->connected =
        event_new(loop_event_base(remote->base.loop), fd, EV_WRITE, on_connected, remote);
    if (remote->connected == NULL || event_add(remote->connected, NULL) != 0) {
        note_failure(remote, "out of memory");
        stop_attempt(remote, false);
        return false;
    }
    loop_timer_start(remote->base.loop, &remote->connect_timer, remote->options.connect_timeout_ms);
    return true;
}

static void try_next_address(struct remote_channel *remote)
{
    while (remote->next_address < remote->addresses.count)
        if (begin_attempt(remote, &remote->addresses.list[remote->next_address++]))
            return;
    back_off(remote);
    fail_waiting(remote);
}

static void on_resolved(struct resolver_owner *owner, enum err e, const struct addresses *addresses,
                        const struct why *why)
{
    struct remote_channel *remote = container_of(owner, struct remote_channel, resolver_owner);

    remote->resolver = NULL;
    if (e == OK)
        remote->addresses = *addresses;
    else
        rpc_status_set(&remote->failure, RPC_UNAVAILABLE, "%s", why->text);
    remote->next_address = e == OK ? 0 : remote->addresses.count;
    try_next_address(remote);
}

static bool is_trying(const struct remote_channel *remote)
{
    return remote->connecting >= 0 || remote->resolver != NULL || remote->opening != NULL;
}

static void start_attempt(struct remote_channel *remote)
{
    remote->next_address = 0;
    if (remote->is_name)
        remote->resolver =
            resolver_start(remote->base.loop, remote->address, &remote->resolver_owner);
    if (remote->resolver == NULL)
        try_next_address(remote);
}

static void start(struct channel *channel, struct client_end *end)
{
    struct remote_channel *remote = remote_of(channel);

    if (attach(remote, end))
        return;
    if (!is_trying(remote) && loop_mono_ms() < remote->retry_ms) {
        client_end_finish_later(end, &remote->failure);
        return;
    }
    list_append(&remote->waiting, &end->waiting);
    if (!is_trying(remote))
        start_attempt(remote);
}

/* ---- The channel. ---- */

static void close_remote(struct channel *channel)
{
    struct remote_channel *remote = remote_of(channel);

    stop_attempt(remote, false);
    if (remote->resolver != NULL)
        resolver_cancel(remote->resolver);
    while (link_is_linked(&remote->connections)) {
        struct remote_connection *own =
            container_of(remote->connections.next, struct remote_connection, link);
        list_remove(&own->link);
        connection_close(own->connection);
        free(own);
    }
    remote->current = remote->opening = NULL;
}

static void free_remote(struct channel *channel)
{
    struct remote_channel *remote = remote_of(channel);

    connection_scratch_free(remote->scratch);
    tls_context_free(remote->tls);
    free(remote->address);
    free(remote);
}

static size_t none_held(const struct channel *channel)
{
    (void)channel;
    return 0;
}

static const struct channel_ops remote_ops = { start, close_remote, free_remote, none_held };

static enum err read_address(struct remote_channel *remote, struct why *why)
{
    enum err e = address_read(remote->address, &remote->addresses, why);

    if (e != ERR_UNAVAILABLE)
        return e;
    remote->is_name = true;
    remote->resolver_owner.on_resolved = on_resolved;
    note_failure(remote, "no thread to resolve the name");
    return OK;
}

static enum err open_remote(struct remote_channel *remote, struct loop *loop,
                            const struct channel_options *options, struct why *why)
{
    enum err e;

    remote->options = *options;
    remote->options.tls = NULL; /* lent for now only */
    if (remote->options.connect_timeout_ms <= 0)
        remote->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    if (remote->options.keepalive_ms <= 0)
        remote->options.keepalive_ms = KEEPALIVE_MS;
    remote->connecting = -1;
    remote->connect_timer.fire = on_timeout;
    link_init(&remote->connections);
    link_init(&remote->waiting);
    channel_init(&remote->base, &remote_ops, loop, options->message_bytes_max);
    remote->address = strdup(options->address);
    remote->scratch = connection_scratch_new();
    if (remote->address == NULL || remote->scratch == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    e = read_address(remote, why);
    if (e == OK && options->tls != NULL)
        e = tls_client_new(options->tls, options->address, &remote->tls, why);
    return e;
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
        free_remote(&remote->base);
        return e;
    }
    *channel = &remote->base;
    return OK;
}
