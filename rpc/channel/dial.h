#ifndef RPC_DIAL_H
#define RPC_DIAL_H

#include "rpc/net/address.h"
#include "rpc/loop.h"

/* One attempt at a TCP connection. It is embedded in whoever makes it; the
 * outcome comes once, from the loop, never from inside a function. Loop's
 * thread only. */

struct event;

struct dial {
    void (*on_connected)(struct dial *dial, int fd); /* gives the socket */
    void (*on_failed)(struct dial *dial, const char *reason);
    /* dial's */
    struct loop *loop;
    int fd; /* -1: none under way */
    struct event *writable;
    struct loop_timer timer;
};

void dial_init(struct dial *dial, struct loop *loop);
/* NULL: an outcome will come. Otherwise why it could not begin. */
const char *dial_start(struct dial *dial, const struct address *address, int64_t timeout_ms);
/* No outcome will come. Fine if none is under way. */
void dial_stop(struct dial *dial);

#endif
