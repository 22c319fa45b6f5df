#ifndef CORE_BASE_METRICS_H
#define CORE_BASE_METRICS_H

#include "core/base/list.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers that a process keeps about itself, and how they become Prometheus'
 * text (exposition format 0.0.4). Each layer keeps its own numbers, bounded by
 * its own tables, and is asked for them when somebody looks: nothing is counted
 * twice, and counting costs an atomic addition. */

/* Text under way. Out of memory or over METRICS_BYTES_MAX makes it `failed`,
 * then everything is ignored: ask once, at the end. */
struct metrics_text {
    char *data;             /* free it */
    size_t size, room;
    bool failed;
};

enum { METRICS_BYTES_MAX = 8 << 20, METRICS_LABELS_MAX = 4 };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
    const char *name, *value;       /* a NULL name ends a list before its end */
};

/* Begins a family; its samples follow. A family is written once in a text.
 * name: [a-zA-Z_][a-zA-Z0-9_]*, with its unit, counters with _total. */
void metrics_family(struct metrics_text *text, enum metric_kind kind, const char *name,
                    const char *help);

/* A counter's or gauge's value. labels: METRICS_LABELS_MAX of them, NULL: none. */
void metrics_sample(struct metrics_text *text, const char *name, const struct metric_label *labels,
                    uint64_t value);

/* A family of one sample without labels. */
void metrics_value(struct metrics_text *text, enum metric_kind kind, const char *name,
                   const char *help, uint64_t value);

/* How long things took, counted by any thread. Zeroed: none yet. */
enum { LATENCY_BUCKETS = 14 };

struct latency {
    atomic_uint_fast64_t counts[LATENCY_BUCKETS + 1]; /* the last: longer than all */
    atomic_uint_fast64_t sum_us;
};

void latency_add(struct latency *latency, int64_t duration_us);
bool latency_is_empty(const struct latency *latency);
/* The samples of a histogram, in seconds. */
void metrics_latency(struct metrics_text *text, const char *name,
                     const struct metric_label *labels, const struct latency *latency);

/* Who is asked. write() runs on the thread that looks, under the set's lock. */
struct metrics_source {
    void (*write)(struct metrics_source *source, struct metrics_text *text);
    struct link link;
};

/* The sources of a process. Any thread. */
struct metrics;

struct metrics *metrics_new(void);                 /* NULL if out of memory */
/* Every source has been removed. NULL is fine. */
void metrics_free(struct metrics *metrics);
void metrics_add(struct metrics *metrics, struct metrics_source *source);
/* Nobody is in its write() any more when it returns. */
void metrics_remove(struct metrics *metrics, struct metrics_source *source);
void metrics_write(struct metrics *metrics, struct metrics_text *text);

#endif
