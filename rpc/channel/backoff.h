#ifndef RPC_BACKOFF_H
#define RPC_BACKOFF_H

#include "core/base/random.h"

/* How long to wait before trying again: longer after each failure, up to a
 * bound, and never the same for two clients, so that those of a server that
 * comes back do not come back at once. Pure. */
struct backoff {
    int64_t first_ms, max_ms;
    unsigned growth_percent; /* 160: each wait is 1.6 times the last one */
    unsigned jitter_percent; /* 20: 0.8 to 1.2 times what it would be */
};

/* The wait after so many failures in a row, at least one. */
int64_t backoff_ms(const struct backoff *backoff, unsigned failures, struct random *random);

#endif
