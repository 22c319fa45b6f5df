#include "rpc/channel/backoff.h"

int64_t backoff_ms(const struct backoff *backoff, unsigned failures, struct random *random)
{
    int64_t wait_ms = backoff->first_ms, spread_ms;

    for (unsigned i = 1; i < failures && wait_ms < backoff->max_ms; i++)
        wait_ms = wait_ms * backoff->growth_percent / 100 + 1;
    if (wait_ms > backoff->max_ms)
        wait_ms = backoff->max_ms;
    spread_ms = wait_ms * backoff->jitter_percent / 100;
    return wait_ms - spread_ms + (int64_t)random_below(random, 2 * (uint64_t)spread_ms + 1);
}
