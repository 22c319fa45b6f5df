#ifndef RPC_SUBCHANNEL_H
#define RPC_SUBCHANNEL_H

#include "rpc/channel/backoff.h"
#include "rpc/channel/client_end.h"
#include "rpc/net/connection.h"
#include "rpc/channel/dial.h"

/* One address of a channel: at most one connection to it takes new calls; those
 * that the server is closing go on beside it until their calls have ended.
 *
 *     IDLE ──connect──► CONNECTING ──the server speaks HTTP/2──► READY
 *      ▲                  │    ▲                              │   │
 *      │                fails  │ serving again    not serving │   │ lost, going
 *      │                  ▼    │ (health)            (health) ▼   │
 *      ├──backoff passes── FAILING ◄──────────────────────────┘   │
 *      └──────────────────────────────────────────────────────────┘
 *
 * on_change() comes when the state has changed, from wherever that happened: it
 * only takes note. Loop's thread only. */

struct subchannel;

struct subchannel_options {
    struct loop *loop;
    struct connection_scratch *scratch;
    struct tls_context *tls;               /* NULL: plain; borrowed */
    const struct channel_options *options; /* defaults filled in; borrowed */
    struct backoff backoff;
    struct random *random;
    void (*on_change)(void *context, enum channel_state state);
    void *context;
};

/* `authority` is the address as its user wrote it; copied. NULL if out of memory. */
struct subchannel *subchannel_new(const struct subchannel_options *options,
                                  const struct address *address, const char *authority);
/* The calls that it carries go on to their end, then it frees itself: until
 * then it is in the list `leaving`. */
void subchannel_drop(struct subchannel *subchannel, struct link *leaving);
struct subchannel *subchannel_of_leaving(struct link *link);
/* Closes its connections, with the calls on them, and frees. */
void subchannel_free(struct subchannel *subchannel);

enum channel_state subchannel_state(const struct subchannel *subchannel);
const struct address *subchannel_address(const struct subchannel *subchannel);
/* Why it is not READY: of the last failure. */
const struct rpc_status *subchannel_failure(const struct subchannel *subchannel);

/* Begins an attempt, if it is IDLE. */
void subchannel_connect(struct subchannel *subchannel);
/* Gives up what is not yet READY. */
void subchannel_stop(struct subchannel *subchannel);

/* Gives the end a stream and sends its headers. False if there is none to give. */
bool subchannel_attach(struct subchannel *subchannel, struct client_end *end);

#endif
