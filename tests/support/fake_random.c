#include "tests/support/fake_random.h"

#include "core/base/list.h"

static uint64_t fake_next(struct random *random)
{
    struct fake_random *fake = container_of(random, struct fake_random, base);

    fake->throws++;
    return fake->value;
}

void fake_random_init(struct fake_random *random, uint64_t value)
{
    *random = (struct fake_random){ { fake_next }, value, 0 };
}
