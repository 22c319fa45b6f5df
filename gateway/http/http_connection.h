#ifndef GATEWAY_HTTP_CONNECTION_H
#define GATEWAY_HTTP_CONNECTION_H

#include "gateway/http/http_counts.h"
#include "gateway/http/http_server.h"
#include "rpc/holdings.h"
#include "rpc/places.h"

/* One connection of the HTTP server; for http_server.c only. */

struct http_connection;

/* All connections and requests of a server. */
struct http_connections {
    struct loop *loop;
    struct http_server_options options;
    struct link open;
    struct places places;
    struct holdings holdings;
    struct http_counts counts;
    unsigned requests;           /* not answered yet */
    bool stopping;
};

/* A socket that wants to be served, or, with WELCOME_TURN_AWAY, told that it is
 * not. */
struct http_arrival {
    int fd;
    const struct sockaddr *address;
    const char *peer;            /* the address for people */
    enum welcome welcome;
};

/* Takes the socket. False if out of memory (then it is closed). */
bool http_connection_open(struct http_connections *all, const struct http_arrival *arrival);

/* Closes it as soon as it has answered what it was asked. */
void http_connection_wind_up(struct http_connection *connection);
/* Closes it now, for that reason. */
void http_connection_end(struct http_connection *connection, enum http_end why);

struct http_connection *http_connection_of_link(struct link *link);
struct http_connection *http_connection_of_place(struct place *place);

#endif
