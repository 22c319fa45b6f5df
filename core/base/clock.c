#include "core/base/clock.h"

#include <assert.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    int failed = clock_gettime(id, &now);

    assert(!failed);
    (void)failed;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t real_now_ms(struct clock *clock)
{
    (void)clock;
    return read_ms(CLOCK_REALTIME);
}

static int64_t real_mono_ms(struct clock *clock)
{
    (void)clock;
    return read_ms(CLOCK_MONOTONIC);
}

struct clock *clock_real(void)
{
    static struct clock clock = { real_now_ms, real_mono_ms };

    return &clock;
}
