#ifndef TESTS_SUPPORT_FAKE_CLOCK_H
#define TESTS_SUPPORT_FAKE_CLOCK_H

#include "core/base/clock.h"

/* A clock that stands still until it is told. Both readings are plain members:
 * set now_ms alone to be an operator who changes the time of day. */
struct fake_clock {
    struct clock base;
    int64_t now_ms, mono_ms;
};

/* Starts the monotonic clock at 1,000,000. */
void fake_clock_init(struct fake_clock *clock, int64_t now_ms);

/* Time passes: both clocks move. */
void fake_clock_advance(struct fake_clock *clock, int64_t ms);

#endif
