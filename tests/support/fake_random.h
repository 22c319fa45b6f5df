#ifndef TESTS_SUPPORT_FAKE_RANDOM_H
#define TESTS_SUPPORT_FAKE_RANDOM_H

#include "core/base/random.h"

/* Dice that always show the same: what a test wants to see of a jitter is its
 * least and its greatest value. random_below() gives value % below. */
struct fake_random {
    struct random base;
    uint64_t value;
    unsigned throws;
};

void fake_random_init(struct fake_random *random, uint64_t value);

#endif
