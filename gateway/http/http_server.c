#include "gateway/http/http_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "gateway/http/http_connection.h"

/* The listening socket, and the rule of how many connections there may be. */

enum { BACKLOG = 4096, ACCEPT_PAUSE_MS = 100 };

struct http_server {
    struct http_connections connections;
    struct evconnlistener *listener;
    struct loop_timer pause; /* after accept() failed, or had its turn */
    unsigned accepts;        /* in this turn */
    char address[96];
};

static void name_peer(const struct sockaddr *address, socklen_t size, char *name, size_t room)
{
    char host[64], port[8];

    if (getnameinfo(address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(name, room, "unknown");
    else
        snprintf(name, room, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static enum welcome let_in(struct http_connections *all, const struct sockaddr *address)
{
    struct place *victim;
    enum place_refusal refusal;
    enum welcome welcome;

    while ((welcome = places_ask(&all->places, address, &victim, &refusal)) == WELCOME_MAKE_ROOM)
        http_connection_end(http_connection_of_place(victim), HTTP_END_CROWDED);
    if (welcome != WELCOME_SERVE)
        all->counts.refused[refusal]++;
    return welcome;
}

/* In a flood of connections those that are in must be heard, too, or nobody is
 * served before he has to go. */
static void count_accept(struct http_server *server, struct evconnlistener *listener)
{
    if (server->accepts++ == 0)
        loop_timer_start(server->connections.loop, &server->pause, 0);
    if (server->accepts == HTTP_ACCEPTS_PER_TURN)
        evconnlistener_disable(listener);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int size, void *context)
{
    struct http_server *server = context;
    struct http_arrival arrival = { .fd = fd, .address = address };
    char peer[80];

    count_accept(server, listener);
    arrival.welcome = let_in(&server->connections, address);
    if (arrival.welcome == WELCOME_DROP) {
        close(fd);
        return;
    }
    name_peer(address, (socklen_t)size, peer, sizeof peer);
    arrival.peer = peer;
    if (!http_connection_open(&server->connections, &arrival))
        log_event(LOG_ERROR, "connection dropped", LOG_TEXT("reason", "out of memory"));
}

/* Out of descriptors, most likely: trying again at once would only spin. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
    struct http_server *server = context;

    log_event(LOG_WARNING, "accept failed", LOG_TEXT("reason", strerror(errno)));
    evconnlistener_disable(listener);
    loop_timer_start(server->connections.loop, &server->pause, ACCEPT_PAUSE_MS);
}

static void on_pause_over(struct loop_timer *timer)
{
    struct http_server *server = container_of(timer, struct http_server, pause);

    server->accepts = 0;
    evconnlistener_enable(server->listener);
}

static enum err listen_on(struct http_server *server, const struct sockaddr *address,
                          socklen_t size, const char *name, struct why *why)
{
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof bound;

    server->listener =
        evconnlistener_new_bind(loop_event_base(server->connections.loop), on_accept, server,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, address, (int)size);
    if (server->listener == NULL)
        return err_because(why, ERR_UNAVAILABLE, "cannot listen on %s: %s", name, strerror(errno));
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    if (getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&bound,
                    &bound_size) != 0)
        return err_because(why, ERR_UNAVAILABLE, "cannot listen on %s: %s", name, strerror(errno));
    name_peer((struct sockaddr *)&bound, bound_size, server->address, sizeof server->address);
    return OK;
}

/* "127.0.0.1:8470", "localhost:0", "[::1]:8470". */
static enum err resolve(const char *address, struct addrinfo **found, struct why *why)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    const char *colon = strrchr(address, ':');
    size_t skip = address[0] == '[';
    char host[256];
    size_t size;
    int e;

    if (colon == NULL || (size_t)(colon - address) >= sizeof host || colon[1] == '\0')
        return err_because(why, ERR_UNAVAILABLE, "cannot listen on %s: not HOST:PORT", address);
    size = (size_t)(colon - address) - skip;
    memcpy(host, address + skip, size);
    if (skip > 0 && size > 0 && host[size - 1] == ']')
        size--;
    host[size] = '\0';
    e = getaddrinfo(host, colon + 1, &hints, found);
    if (e != 0)
        return err_because(why, ERR_UNAVAILABLE, "cannot listen on %s: %s", address,
                           gai_strerror(e));
    return OK;
}

static struct http_server *new_server(struct loop *loop, const struct http_server_options *options)
{
    struct http_server *server = calloc(1, sizeof *server);
    struct http_connections *all;

    if (server == NULL)
        return NULL;
    server->pause.fire = on_pause_over;
    all = &server->connections;
    all->loop = loop;
    all->options = *options;
    link_init(&all->open);
    all->holdings.max = options->limits.memory_bytes;
    holdings_init(&all->holdings);
    all->places.max = options->limits.connections;
    all->places.address_max = options->limits.connections_per_address;
    if (places_init(&all->places))
        return server;
    free(server);
    return NULL;
}

enum err http_server_open(struct loop *loop, const struct http_server_options *options,
                          struct http_server **server, struct why *why)
{
    struct http_server *opened;
    struct addrinfo *found;
    enum err e = resolve(options->address, &found, why);

    if (e != OK)
        return e;
    opened = new_server(loop, options);
    if (opened == NULL) {
        freeaddrinfo(found);
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    }
    e = listen_on(opened, found->ai_addr, found->ai_addrlen, options->address, why);
    freeaddrinfo(found);
    if (e != OK) {
        http_server_free(opened);
        return e;
    }
    *server = opened;
    return OK;
}

const char *http_server_address(const struct http_server *server)
{
    return server->address;
}

void http_server_stop(struct http_server *server)
{
    struct http_connections *all = &server->connections;

    loop_timer_stop(all->loop, &server->pause);
    evconnlistener_free(server->listener);
    server->listener = NULL;
    all->stopping = true;
    list_each_safe(link, &all->open)
        http_connection_wind_up(http_connection_of_link(link));
}

bool http_server_is_idle(const struct http_server *server)
{
    return server->connections.places.count == 0 && server->connections.requests == 0;
}

void http_server_abort(struct http_server *server)
{
    assert(server->connections.stopping);
    list_each_safe(link, &server->connections.open)
        http_connection_end(http_connection_of_link(link), HTTP_END_STOP);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    assert(http_server_is_idle(server));
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    places_free(&server->connections.places);
    free(server);
}
