#include "tools/bench/histogram.h"

#include <stddef.h>

/* Below 32 each value has a bucket of its own; above, the five bits behind the
 * leading one choose. */
static size_t bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < HISTOGRAM_FINE)
        return (size_t)value;
    shift = 63u - (unsigned)__builtin_clzll(value) - 5;
    return (size_t)(shift + 1) * HISTOGRAM_FINE + (size_t)((value >> shift) - HISTOGRAM_FINE);
}

static int64_t value_of(size_t bucket)
{
    size_t shift = bucket / HISTOGRAM_FINE;

    if (shift == 0)
        return (int64_t)bucket;
    return (int64_t)((HISTOGRAM_FINE + bucket % HISTOGRAM_FINE) << (shift - 1));
}

void histogram_add(struct histogram *histogram, int64_t duration_us)
{
    size_t bucket = bucket_of(duration_us > 0 ? (uint64_t)duration_us : 0);

    histogram->buckets[bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1]++;
    histogram->count++;
    if (duration_us > histogram->most_us)
        histogram->most_us = duration_us;
}

int64_t histogram_percentile_us(const struct histogram *histogram, double percent)
{
    uint64_t wanted = (uint64_t)((double)histogram->count * percent / 100);
    uint64_t seen = 0;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > wanted)
            return value_of(i);
    }
    return histogram->most_us;
}
