#ifndef RPC_RESOLVER_H
#define RPC_RESOLVER_H

#include "rpc/net/address.h"
#include "rpc/loop.h"

/* Turns "host:port", or several, into addresses without stopping the loop: the system's
 * resolver only knows how to wait, so it waits on a thread of its own. */

struct resolver;

struct resolver_owner {
    /* From the loop, never from inside resolver_start(). */
    void (*on_resolved)(struct resolver_owner *owner, enum err e, const struct addresses *addresses,
                        const struct why *why);
};

/* Gives a resolver that frees itself after on_resolved(). NULL if there is no
 * memory or thread for it. */
struct resolver *resolver_start(struct loop *loop, const char *text, struct resolver_owner *owner);
/* on_resolved() will not come. Waits for the system's resolver, if it is still
 * at it. */
void resolver_cancel(struct resolver *resolver);

#endif
