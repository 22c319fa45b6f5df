#ifndef TOOLS_BENCH_HISTOGRAM_H
#define TOOLS_BENCH_HISTOGRAM_H

#include <stdint.h>

/* Durations by their logarithm, 32 buckets to each power of two: percentiles
 * to within 3 %, in constant memory. A zeroed one is empty. */

enum { HISTOGRAM_FINE = 32, HISTOGRAM_BUCKETS = 40 * HISTOGRAM_FINE };

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    int64_t most_us;
};

void histogram_add(struct histogram *histogram, int64_t duration_us);
/* The duration that `percent` of them do not exceed; 0 if there are none. */
int64_t histogram_percentile_us(const struct histogram *histogram, double percent);

#endif
