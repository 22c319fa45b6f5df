#ifndef RPC_LISTENER_H
#define RPC_LISTENER_H

#include "rpc/net/address.h"
#include "rpc/loop.h"

/* A listening TCP socket on a loop. Several may share an address: the kernel
 * spreads connections over them. */

struct listener;

struct listener_owner {
    /* Takes the socket, which does not block. */
    void (*on_accept)(struct listener_owner *owner, int fd, const struct address *peer);
};

/* Listens, but accepts only once listener_start() runs on the loop's thread.
 * *address: in, where; out, with the port that was bound. */
MUST_USE enum err listener_open(struct loop *loop, struct address *address,
                                struct listener_owner *owner, struct listener **listener,
                                struct why *why);
/* ERR_UNAVAILABLE if somebody else listens there already, which sharing would
 * hide. */
MUST_USE enum err listener_probe(const struct address *address, struct why *why);
void listener_start(struct listener *listener);
/* On the loop's thread, or when the loop does not run. NULL is fine. */
void listener_close(struct listener *listener);

#endif
