#include "rpc/net/server_state.h"

#include "core/base/log.h"
#include "core/base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who gets in, and who must go so that others get in. Each thread has its share of
 * the places and of the memory: connections are spread over threads by the
 * kernel. */

enum { ACTOR_SIZE = 5 + TRANSPORT_PEER_NAME_SIZE /* longer than with an address */ };

struct server_connection {
    struct connection_owner owner;
    struct server_thread *thread;
    struct connection *connection;
    struct link link;
    struct place place;
    struct holding holding;
    char actor[ACTOR_SIZE];
    bool has_called;
};

/* Who calls is known once the handshake is over. */
static void name_caller(struct server_connection *own)
{
    const char *name = connection_peer_name(own->connection);

    own->has_called = true;
    if (name != NULL)
        snprintf(own->actor, sizeof own->actor, "cert:%s", name);
}

static struct stream_user *accept_stream(struct connection_owner *owner, struct stream *stream)
{
    struct server_connection *own = container_of(owner, struct server_connection, owner);

    if (!own->has_called)
        name_caller(own);
    return call_pool_accept(own->thread->calls, stream, own->actor);
}

static void forget(struct server_connection *own, enum connection_end end)
{
    struct server_thread *thread = own->thread;

    server_counts_close(&thread->server->counts, end);
    holding_set(&thread->holdings, &own->holding, 0);
    place_give_back(&thread->places, &own->place);
    list_remove(&own->link);
    free(own);
}

static void on_closed(struct connection_owner *owner, const char *reason)
{
    struct server_connection *own = container_of(owner, struct server_connection, owner);

    log_event(LOG_DEBUG, "connection closed", LOG_TEXT("peer", own->actor),
              LOG_TEXT("why", reason));
    forget(own, connection_end_of(own->connection));
}

/* Who is asked nothing of keeps the server waiting, and is the first to go. */
static void on_idle(struct connection_owner *owner, bool is_idle)
{
    struct server_connection *own = container_of(owner, struct server_connection, owner);

    if (is_idle)
        place_wait(&own->thread->places, &own->place);
    else
        place_busy(&own->place);
}

/* What must go is what the server would keep the most for. */
static void on_held(struct connection_owner *owner, size_t size)
{
    struct server_connection *own = container_of(owner, struct server_connection, owner);
    struct holding *largest;

    holding_set(&own->thread->holdings, &own->holding, size);
    largest = holdings_largest(&own->thread->holdings);
    if (largest != NULL)
        connection_dismiss(container_of(largest, struct server_connection, holding)->connection,
                           CONNECTION_END_MEMORY);
}

static const struct connection_owner_ops connection_ops = {
    .accept = accept_stream, .on_idle = on_idle, .on_held = on_held, .on_closed = on_closed
};

/* Those that were opened together need not end together. */
static int64_t choose_age_ms(int64_t age_ms)
{
    struct random *random = random_real();

    if (age_ms < 10)
        return age_ms;
    return age_ms - age_ms / 10 + (int64_t)random_below(random, (uint64_t)age_ms / 5 + 1);
}

static struct connection *open_connection(struct server_connection *own, int fd)
{
    struct rpc_server *server = own->thread->server;
    const struct rpc_limits *limits = &server->options.limits;
    const struct connection_options options = {
        .loop = own->thread->loop,
        .scratch = own->thread->scratch,
        .limits = { .handshake_ms = limits->handshake_ms,
                    .patience = { limits->headers_ms, limits->body_ms, limits->write_ms },
                    .keepalive_ms = limits->keepalive_ms,
                    .keepalive_timeout_ms = limits->keepalive_timeout_ms,
                    .idle_ms = limits->idle_ms,
                    .age_ms = choose_age_ms(limits->age_ms),
                    .age_grace_ms = limits->age_grace_ms },
        .h2 = { .role = H2_SERVER,
                .streams_max = limits->streams,
                .header_bytes_max = limits->header_bytes,
                .held_bytes_max = limits->connection_bytes,
                .ping_interval_ms = limits->ping_interval_ms,
                .counts = &server->counts.streams },
        .tls = server->options.tls,
        .owner = &own->owner,
    };

    return connection_open(fd, &options);
}

static struct server_connection *add(struct server_thread *thread, const struct address *peer)
{
    struct server_connection *own = calloc(1, sizeof *own);
    char text[ADDRESS_TEXT_SIZE];

    if (own == NULL ||
        !place_take(&thread->places, (const struct sockaddr *)&peer->storage, &own->place)) {
        free(own);
        return NULL;
    }
    own->owner.ops = &connection_ops;
    own->thread = thread;
    holding_init(&own->holding);
    place_wait(&thread->places, &own->place);
    list_append(&thread->connections, &own->link);
    server_counts_open(&thread->server->counts);
    address_write(peer, text);
    snprintf(own->actor, sizeof own->actor, "anonymous@%s", text);
    return own;
}

static void serve(struct server_thread *thread, int fd, const struct address *peer)
{
    struct server_connection *own = add(thread, peer);

    if (own == NULL) {
        close(fd);
        return;
    }
    own->connection = open_connection(own, fd);
    if (own->connection == NULL)
        forget(own, CONNECTION_END_MEMORY);
}

/* Tells it in HTTP/2, so that a client knows it was not its mistake. Whoever
 * speaks TLS cannot be told before a handshake, which costs more than a place. */
static void turn_away(const struct rpc_server *server, int fd)
{
    static const char refusal[] = "\0\0\0\4\0\0\0\0\0" /* SETTINGS, then GOAWAY */
                                  "\0\0\34\7\0\0\0\0\0"
                                  "\0\0\0\0"
                                  "\0\0\0\13" /* ENHANCE_YOUR_CALM */
                                  "too many connections";

    if (server->options.tls == NULL)
        (void)!send(fd, refusal, sizeof refusal - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void on_accept(struct listener_owner *owner, int fd, const struct address *peer)
{
    struct server_thread *thread = container_of(owner, struct server_thread, listener_owner);
    enum place_refusal refusal;
    struct place *victim;

    switch (
        places_ask(&thread->places, (const struct sockaddr *)&peer->storage, &victim, &refusal)) {
    case WELCOME_MAKE_ROOM:
        connection_dismiss(container_of(victim, struct server_connection, place)->connection,
                           CONNECTION_END_CROWDED);
        serve(thread, fd, peer);
        break;
    case WELCOME_SERVE:
        serve(thread, fd, peer);
        break;
    case WELCOME_TURN_AWAY:
    case WELCOME_DROP:
        server_counts_refuse(&thread->server->counts, refusal);
        turn_away(thread->server, fd);
        break;
    }
}

static unsigned share(unsigned all, unsigned threads)
{
    return (all + threads - 1) / threads;
}

bool server_connections_init(struct server_thread *thread)
{
    const struct rpc_server_options *options = &thread->server->options;

    link_init(&thread->connections);
    thread->listener_owner.on_accept = on_accept;
    thread->places.max = share(options->limits.connections, options->threads);
    thread->places.address_max = share(options->limits.connections_per_address, options->threads);
    thread->holdings.max = options->limits.memory_bytes / options->threads;
    holdings_init(&thread->holdings);
    thread->has_places = places_init(&thread->places);
    return thread->has_places;
}

void server_connections_drain(struct server_thread *thread)
{
    list_each_safe(link, &thread->connections)
        connection_drain(container_of(link, struct server_connection, link)->connection);
}

void server_connections_close(struct server_thread *thread)
{
    while (link_is_linked(&thread->connections)) {
        struct server_connection *own =
            container_of(thread->connections.next, struct server_connection, link);
        connection_close(own->connection);
        forget(own, CONNECTION_END_STOP);
    }
}

void server_connections_free(struct server_thread *thread)
{
    if (thread->has_places)
        places_free(&thread->places);
}
