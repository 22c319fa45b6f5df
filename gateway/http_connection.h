#ifndef GATEWAY_HTTP_CONNECTION_H
#define GATEWAY_HTTP_CONNECTION_H

#include "gateway/http_server.h"

/* One connection of the HTTP server; for http_server.c only. */

struct http_connection;

/* All connections and requests of a server. */
struct http_connections {
    struct loop *loop;
    struct http_server_options options;
    struct link open;
    unsigned count;
    unsigned requests;           /* not answered yet */
    bool stopping;
    uint64_t accepted, malformed; /* since the beginning */
};

/* Takes the socket. `busy`: one too many, answered 503. False if out of memory
 * (the socket is closed). */
enum http_welcome { HTTP_SERVE, HTTP_TURN_AWAY };
bool http_connection_open(struct http_connections *all, int fd, const char *peer,
                          enum http_welcome welcome);

/* Closes it as soon as it has answered what it was asked. */
void http_connection_wind_up(struct http_connection *connection);
void http_connection_abort(struct http_connection *connection);

struct http_connection *http_connection_of_link(struct link *link);

#endif
