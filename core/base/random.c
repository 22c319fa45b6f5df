#include "core/base/random.h"
#include "core/base/list.h"

#include <assert.h>
#include <sys/random.h>

static uint64_t real_next(struct random *random)
{
    uint64_t bits = 0;
    ssize_t got;

    (void)random;
    /* Up to 256 bytes are never cut short once the kernel has been seeded. */
    do
        got = getrandom(&bits, sizeof bits, 0);
    while (got < 0);
    assert(got == (ssize_t)sizeof bits);
    return bits;
}

struct random *random_real(void)
{
    static struct random random = { real_next };

    return &random;
}

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014. */
static uint64_t seeded_next(struct random *random)
{
    struct random_seeded *seeded = container_of(random, struct random_seeded, base);
    uint64_t bits = seeded->state += 0x9e3779b97f4a7c15u;

    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
}

void random_seeded_init(struct random_seeded *random, uint64_t seed)
{
    random->base.next = seeded_next;
    random->state = seed;
}
