#ifndef RPC_ADDRESS_SOURCE_H
#define RPC_ADDRESS_SOURCE_H

#include "rpc/channel/backoff.h"
#include "rpc/net/resolver.h"
#include "rpc/status.h"

/* Where a channel's addresses come from: numbers are known at once, names are
 * asked for when somebody wants to call, and again once something was lost
 * since. Embedded in its owner; callbacks come from the loop, never from inside
 * a function. Loop's thread only. */

struct address_source {
    struct loop *loop;
    const char *text; /* "a:1, b:2"; borrowed */
    struct backoff backoff;
    struct random *random;
    void (*on_addresses)(void *context, const struct addresses *addresses);
    /* There are none, or it is time to ask again. */
    void (*on_change)(void *context);
    void *context;
    /* its own */
    bool is_name, is_known, is_stale;
    struct resolver *resolver; /* NULL: not asking */
    struct resolver_owner owner;
    struct loop_timer timer;
    int64_t ask_ms; /* not before */
    unsigned failures;
    struct rpc_status failure; /* of the last time it was asked */
};

/* Gives the addresses, if these are numbers; names give none yet. ERR_INVALID
 * if the text is neither. */
MUST_USE enum err address_source_open(struct address_source *source, struct addresses *addresses,
                                      struct why *why);
void address_source_close(struct address_source *source);

/* Something was lost: the name may mean others by now. */
void address_source_distrust(struct address_source *source);
/* What it gave could not be used: it is to be asked again after a while. */
void address_source_reject(struct address_source *source);
/* Asks, if that is needed and may be done now. True while it is asking. */
bool address_source_ask(struct address_source *source);

#endif
