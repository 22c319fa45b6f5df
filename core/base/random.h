#ifndef CORE_BASE_RANDOM_H
#define CORE_BASE_RANDOM_H

#include <stdint.h>

/* The only way core throws dice, so that a test can load them. */
struct random {
    uint64_t (*next)(struct random *random);   /* 64 uniform bits */
};

/* Uniform in 0 .. below-1; below > 0. */
static inline uint64_t random_below(struct random *random, uint64_t below)
{
    return random->next(random) % below;
}

/* Lends the kernel's randomness. Any thread. */
struct random *random_real(void);

/* A generator whose whole future is its seed. */
struct random_seeded {
    struct random base;
    uint64_t state;
};

void random_seeded_init(struct random_seeded *random, uint64_t seed);

#endif
