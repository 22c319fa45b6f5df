#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdint.h>

/* The only way core learns the time.
 * now_ms   wall clock, milliseconds since 1970 UTC: what is stored and shown.
 *          An operator may set it back.
 * mono_ms  never goes back, means nothing outside this process: what leases
 *          and waits are judged by. */
struct clock {
    int64_t (*now_ms)(struct clock *clock);
    int64_t (*mono_ms)(struct clock *clock);
};

static inline int64_t clock_now_ms(struct clock *clock)
{
    return clock->now_ms(clock);
}

static inline int64_t clock_mono_ms(struct clock *clock)
{
    return clock->mono_ms(clock);
}

/* Lends the machine's clock. Any thread. */
struct clock *clock_real(void);

#endif
