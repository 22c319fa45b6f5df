#ifndef TESTS_UNIT_RPC_RAW_PEER_H
#define TESTS_UNIT_RPC_RAW_PEER_H

#include "rpc/server.h"

#include <stdbool.h>

/* A peer of a server that is nothing but a socket. */

int raw_peer_connect(const struct rpc_server *server);
/* Whether the server has closed it; reads what came. */
bool raw_peer_is_closed(int fd);
/* Waits for it and closes the socket. False if the server does not within 20 s. */
bool raw_peer_await_close(int fd);

#endif
