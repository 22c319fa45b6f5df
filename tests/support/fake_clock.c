#include "tests/support/fake_clock.h"

#include "core/base/list.h"

#include <assert.h>

static int64_t fake_now_ms(struct clock *clock)
{
    return container_of(clock, struct fake_clock, base)->now_ms;
}

static int64_t fake_mono_ms(struct clock *clock)
{
    return container_of(clock, struct fake_clock, base)->mono_ms;
}

void fake_clock_init(struct fake_clock *clock, int64_t now_ms)
{
    *clock = (struct fake_clock){ { fake_now_ms, fake_mono_ms }, now_ms, 1000000 };
}

void fake_clock_advance(struct fake_clock *clock, int64_t ms)
{
    assert(ms >= 0);
    clock->now_ms += ms;
    clock->mono_ms += ms;
}
