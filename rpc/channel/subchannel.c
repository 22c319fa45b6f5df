#include "rpc/channel/subchannel.h"

#include "rpc/channel/health_watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STALL_MS = 30 * 1000,
    HEADER_BYTES_MAX = 64 << 10,
    KEEPALIVE_MS_MAX = 60 * 60 * 1000,
    SHORT_LIFE_MS = 1000, /* a connection lost sooner is as good as a failed attempt */
    FREE_FAILURES = 1,    /* of that kind, before it waits */
};

struct subchannel_connection {
    struct connection_owner owner;
    struct subchannel *subchannel;
    struct connection *connection;
    bool is_up; /* it has been told */
    struct link link;
};

struct subchannel {
    struct subchannel_options options;
    struct address address;
    char *authority;

    enum channel_state state;
    bool dropped;
    struct link leaving; /* in its channel's list, once it is dropped */
    struct dial dial;
    struct subchannel_connection *current; /* NULL: none takes new calls */
    struct link connections;               /* it, and those that are going */
    struct health_watch *health;           /* NULL: not asked for, or no connection */

    int64_t keepalive_ms; /* grows where pings are not welcome */
    unsigned failures;    /* in a row */
    int64_t up_ms;        /* since when the current connection is up */
    struct loop_timer backoff;
    struct rpc_status failure;
};

static void set_state(struct subchannel *subchannel, enum channel_state state)
{
    if (subchannel->state == state)
        return;
    subchannel->state = state;
    if (!subchannel->dropped)
        subchannel->options.on_change(subchannel->options.context, state);
}

static void note_failure(struct subchannel *subchannel, const char *reason)
{
    char address[ADDRESS_TEXT_SIZE];

    address_write(&subchannel->address, address);
    if (strcmp(address, subchannel->authority) == 0)
        rpc_status_set(&subchannel->failure, RPC_UNAVAILABLE, "cannot connect to %s: %s", address,
                       reason);
    else
        rpc_status_set(&subchannel->failure, RPC_UNAVAILABLE, "cannot connect to %s (%s): %s",
                       subchannel->authority, address, reason);
}

static void back_off(struct subchannel *subchannel)
{
    loop_timer_start(
        subchannel->options.loop, &subchannel->backoff,
        backoff_ms(&subchannel->options.backoff, subchannel->failures, subchannel->options.random));
    set_state(subchannel, CHANNEL_FAILING);
}

static void on_backoff_over(struct loop_timer *timer)
{
    set_state(container_of(timer, struct subchannel, backoff), CHANNEL_IDLE);
}

static void fail(struct subchannel *subchannel, const char *reason)
{
    note_failure(subchannel, reason);
    subchannel->failures++;
    back_off(subchannel);
}

static void free_subchannel(struct subchannel *subchannel)
{
    list_remove(&subchannel->leaving);
    free(subchannel->authority);
    free(subchannel);
}

/* ---- A connection. ---- */

static void stop_health(struct subchannel *subchannel)
{
    health_watch_stop(subchannel->health);
    subchannel->health = NULL;
}

/* It takes no calls any more. One that lived for a while owes nobody an
 * explanation; those that end as soon as they began must not follow each other
 * without a pause. */
static void lose_current(struct subchannel *subchannel)
{
    int64_t life_ms = loop_mono_ms() - subchannel->up_ms;

    subchannel->current = NULL;
    stop_health(subchannel);
    subchannel->failures = life_ms < SHORT_LIFE_MS ? subchannel->failures + 1 : 0;
    if (subchannel->failures > FREE_FAILURES) {
        note_failure(subchannel, "the server closes connections as soon as they are made");
        back_off(subchannel);
    } else {
        set_state(subchannel, CHANNEL_IDLE);
    }
}

/* gRPC's proposal A8: whom our pings were too many gets half of them. Not one who
 * refuses the connection: he has not seen any. */
static void heed_calm(struct subchannel *subchannel)
{
    if (subchannel->keepalive_ms < KEEPALIVE_MS_MAX)
        subchannel->keepalive_ms *= 2;
}

static void on_going(struct connection_owner *owner)
{
    struct subchannel_connection *own = container_of(owner, struct subchannel_connection, owner);

    if (own->is_up && connection_is_told_to_calm(own->connection))
        heed_calm(own->subchannel);
    if (own->subchannel->current != own)
        return;
    if (own->is_up) {
        lose_current(own->subchannel);
    } else {
        own->subchannel->current = NULL;
        fail(own->subchannel, "the server is going away");
    }
}

static void on_closed(struct connection_owner *owner, const char *reason)
{
    struct subchannel_connection *own = container_of(owner, struct subchannel_connection, owner);
    struct subchannel *subchannel = own->subchannel;

    if (subchannel->current == own && own->is_up) {
        lose_current(subchannel);
    } else if (subchannel->current == own) { /* it answers, but not in HTTP/2 */
        subchannel->current = NULL;
        fail(subchannel, reason);
    }
    list_remove(&own->link);
    free(own);
    if (subchannel->dropped && !link_is_linked(&subchannel->connections))
        free_subchannel(subchannel);
}

static void on_health(void *context, bool serving, const char *reason)
{
    struct subchannel *subchannel = context;

    if (serving) {
        set_state(subchannel, CHANNEL_READY);
        return;
    }
    note_failure(subchannel, reason);
    set_state(subchannel, CHANNEL_FAILING);
}

static bool attach_health(void *context, struct client_end *end)
{
    return subchannel_attach(context, end);
}

static void watch_health(struct subchannel *subchannel)
{
    const struct health_watch_options options = {
        .loop = subchannel->options.loop,
        .service = subchannel->options.options->health_service,
        .patience_ms = subchannel->options.options->connect_timeout_ms,
        .backoff = subchannel->options.backoff,
        .random = subchannel->options.random,
        .attach = attach_health,
        .on_health = on_health,
        .context = subchannel,
    };

    subchannel->health = health_watch_start(&options);
    if (subchannel->health == NULL)
        on_health(subchannel, false, "out of memory");
}

static void on_up(struct connection_owner *owner)
{
    struct subchannel_connection *own = container_of(owner, struct subchannel_connection, owner);
    struct subchannel *subchannel = own->subchannel;

    if (subchannel->current != own)
        return;
    own->is_up = true;
    subchannel->up_ms = loop_mono_ms();
    if (subchannel->options.options->health_service != NULL)
        watch_health(subchannel);
    else
        set_state(subchannel, CHANNEL_READY);
}

static const struct connection_owner_ops connection_ops = { .on_up = on_up,
                                                            .on_going = on_going,
                                                            .on_closed = on_closed };

static struct subchannel_connection *open_connection(struct subchannel *subchannel, int fd)
{
    struct subchannel_connection *own = calloc(1, sizeof *own);
    const struct channel_options *from = subchannel->options.options;
    const struct connection_options options = {
        .loop = subchannel->options.loop,
        .scratch = subchannel->options.scratch,
        .limits = { .handshake_ms = from->connect_timeout_ms,
                    .patience = { STALL_MS, STALL_MS, STALL_MS },
                    .keepalive_ms = subchannel->keepalive_ms,
                    .keepalive_timeout_ms = from->keepalive_timeout_ms,
                    .keepalive_without_calls = from->keepalive_without_calls },
        .h2 = { .role = H2_CLIENT, .header_bytes_max = HEADER_BYTES_MAX },
        .tls = subchannel->options.tls,
        .owner = own != NULL ? &own->owner : NULL,
    };

    if (own == NULL) {
        close(fd);
        return NULL;
    }
    own->owner.ops = &connection_ops;
    own->subchannel = subchannel;
    own->connection = connection_open(fd, &options);
    if (own->connection == NULL) {
        free(own);
        return NULL;
    }
    list_append(&subchannel->connections, &own->link);
    return own;
}

static void on_connected(struct dial *dial, int fd)
{
    struct subchannel *subchannel = container_of(dial, struct subchannel, dial);

    subchannel->current = open_connection(subchannel, fd);
    if (subchannel->current == NULL)
        fail(subchannel, "out of memory");
}

static void on_failed(struct dial *dial, const char *reason)
{
    fail(container_of(dial, struct subchannel, dial), reason);
}

void subchannel_connect(struct subchannel *subchannel)
{
    const char *reason;

    if (subchannel->state != CHANNEL_IDLE)
        return;
    reason = dial_start(&subchannel->dial, &subchannel->address,
                        subchannel->options.options->connect_timeout_ms);
    if (reason != NULL)
        fail(subchannel, reason);
    else
        set_state(subchannel, CHANNEL_CONNECTING);
}

static void close_connection(struct subchannel_connection *own)
{
    list_remove(&own->link);
    connection_close(own->connection);
    free(own);
}

static void stop_attempt(struct subchannel *subchannel)
{
    stop_health(subchannel);
    dial_stop(&subchannel->dial);
    loop_timer_stop(subchannel->options.loop, &subchannel->backoff);
}

/* One that is up may carry calls, though its server calls itself unhealthy. */
static void let_go(struct subchannel *subchannel)
{
    struct subchannel_connection *own = subchannel->current;

    subchannel->current = NULL;
    if (own != NULL && own->is_up)
        connection_drain(own->connection);
    else if (own != NULL)
        close_connection(own);
}

void subchannel_stop(struct subchannel *subchannel)
{
    if (subchannel->state == CHANNEL_READY)
        return;
    stop_attempt(subchannel);
    let_go(subchannel);
    set_state(subchannel, CHANNEL_IDLE);
}

bool subchannel_attach(struct subchannel *subchannel, struct client_end *end)
{
    if (subchannel->current == NULL ||
        !connection_request(subchannel->current->connection, &end->user))
        return false;
    client_end_send_headers(end, subchannel->options.tls != NULL ? "https" : "http",
                            subchannel->authority);
    return true;
}

/* ---- Its beginning and its end. ---- */

struct subchannel *subchannel_new(const struct subchannel_options *options,
                                  const struct address *address, const char *authority)
{
    struct subchannel *subchannel = calloc(1, sizeof *subchannel);

    if (subchannel == NULL)
        return NULL;
    subchannel->options = *options;
    subchannel->keepalive_ms = options->options->keepalive_ms;
    subchannel->address = *address;
    subchannel->authority = strdup(authority);
    if (subchannel->authority == NULL) {
        free(subchannel);
        return NULL;
    }
    dial_init(&subchannel->dial, options->loop);
    subchannel->dial.on_connected = on_connected;
    subchannel->dial.on_failed = on_failed;
    subchannel->backoff.fire = on_backoff_over;
    link_init(&subchannel->connections);
    link_init(&subchannel->leaving);
    note_failure(subchannel, "no attempt was made yet");
    return subchannel;
}

void subchannel_drop(struct subchannel *subchannel, struct link *leaving)
{
    subchannel->dropped = true;
    stop_attempt(subchannel);
    let_go(subchannel);
    if (link_is_linked(&subchannel->connections))
        list_append(leaving, &subchannel->leaving);
    else
        free_subchannel(subchannel);
}

struct subchannel *subchannel_of_leaving(struct link *link)
{
    return container_of(link, struct subchannel, leaving);
}

void subchannel_free(struct subchannel *subchannel)
{
    if (subchannel == NULL)
        return;
    stop_attempt(subchannel);
    while (link_is_linked(&subchannel->connections))
        close_connection(
            container_of(subchannel->connections.next, struct subchannel_connection, link));
    free_subchannel(subchannel);
}

enum channel_state subchannel_state(const struct subchannel *subchannel)
{
    return subchannel->state;
}

const struct address *subchannel_address(const struct subchannel *subchannel)
{
    return &subchannel->address;
}

const struct rpc_status *subchannel_failure(const struct subchannel *subchannel)
{
    return &subchannel->failure;
}
