#include "core/base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

static bool make_room(struct metrics_text *text, size_t size)
{
    size_t room = text->room > 0 ? text->room : 4096;
    char *data;

    if (text->failed || text->size + size > METRICS_BYTES_MAX)
        return false;
    while (room < text->size + size)
        room *= 2;
    if (room == text->room)
        return true;
    data = realloc(text->data, room);
    if (data == NULL)
        return false;
    text->data = data;
    text->room = room;
    return true;
}

static void append(struct metrics_text *text, const char *data, size_t size)
{
    if (!make_room(text, size)) {
        text->failed = true;
        return;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

static void append_format(struct metrics_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append_format(struct metrics_text *text, const char *format, ...)
{
    char line[512];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(size >= 0 && (size_t)size < sizeof line); /* names and helps are ours */
    append(text, line, (size_t)size);
}

static bool is_name(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    size_t size = strspn(name, first);

    return size > 0 &&
           name[size + strspn(name + size, "_abcdefghijklmnopqrstuvwxyz0123456789")] == '\0';
}

static void append_escaped(struct metrics_text *text, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            append(text, "\\n", 2);
        else if (*value == '\\' || *value == '"')
            append(text, (const char[]){ '\\', *value }, 2);
        else
            append(text, value, 1);
    }
}

void metrics_family(struct metrics_text *text, enum metric_kind kind, const char *name,
                    const char *help)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };

    assert(is_name(name) && strpbrk(help, "\\\n") == NULL);
    append_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kinds[kind]);
}

/* {a="b",le="0.1"}; nothing if there is none. */
static void append_labels(struct metrics_text *text, const struct metric_label *labels,
                          const char *bound)
{
    const char *before = "{";

    for (size_t i = 0; labels != NULL && i < METRICS_LABELS_MAX && labels[i].name != NULL; i++) {
        assert(is_name(labels[i].name));
        append_format(text, "%s%s=\"", before, labels[i].name);
        append_escaped(text, labels[i].value);
        append(text, "\"", 1);
        before = ",";
    }
    if (bound != NULL)
        append_format(text, "%sle=\"%s\"", before, bound);
    if (*before == ',' || bound != NULL)
        append(text, "}", 1);
}

void metrics_sample(struct metrics_text *text, const char *name, const struct metric_label *labels,
                    uint64_t value)
{
    append_format(text, "%s", name);
    append_labels(text, labels, NULL);
    append_format(text, " %" PRIu64 "\n", value);
}

void metrics_value(struct metrics_text *text, enum metric_kind kind, const char *name,
                   const char *help, uint64_t value)
{
    metrics_family(text, kind, name, help);
    metrics_sample(text, name, NULL, value);
}

/* ---- latencies ---- */

static const struct {
    int64_t us;
    const char *seconds;
} bounds[LATENCY_BUCKETS] = {
    { 500, "0.0005" },  { 1000, "0.001" },  { 2500, "0.0025" }, { 5000, "0.005" },
    { 10000, "0.01" },  { 25000, "0.025" }, { 50000, "0.05" },  { 100000, "0.1" },
    { 250000, "0.25" }, { 500000, "0.5" },  { 1000000, "1" },   { 2500000, "2.5" },
    { 10000000, "10" }, { 60000000, "60" },
};

void latency_add(struct latency *latency, int64_t duration_us)
{
    size_t i = 0;

    if (duration_us < 0)
        duration_us = 0;
    while (i < LATENCY_BUCKETS && duration_us > bounds[i].us)
        i++;
    atomic_fetch_add_explicit(&latency->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&latency->sum_us, (uint64_t)duration_us, memory_order_relaxed);
}

static uint64_t count_at(const struct latency *latency, size_t bucket)
{
    return atomic_load_explicit(&latency->counts[bucket], memory_order_relaxed);
}

bool latency_is_empty(const struct latency *latency)
{
    for (size_t i = 0; i <= LATENCY_BUCKETS; i++)
        if (count_at(latency, i) > 0)
            return false;
    return true;
}

/* _count is what the buckets add up to, whatever is counted meanwhile. */
void metrics_latency(struct metrics_text *text, const char *name, const struct metric_label *labels,
                     const struct latency *latency)
{
    uint64_t sum_us = atomic_load_explicit(&latency->sum_us, memory_order_relaxed), count = 0;

    for (size_t i = 0; i <= LATENCY_BUCKETS; i++) {
        count += count_at(latency, i);
        append_format(text, "%s_bucket", name);
        append_labels(text, labels, i < LATENCY_BUCKETS ? bounds[i].seconds : "+Inf");
        append_format(text, " %" PRIu64 "\n", count);
    }
    append_format(text, "%s_sum", name);
    append_labels(text, labels, NULL);
    append_format(text, " %" PRIu64 ".%06" PRIu64 "\n", sum_us / 1000000, sum_us % 1000000);
    append_format(text, "%s_count", name);
    append_labels(text, labels, NULL);
    append_format(text, " %" PRIu64 "\n", count);
}

/* ---- sources ---- */

struct metrics {
    pthread_mutex_t lock;
    struct link sources; /* under the lock */
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL)
        return NULL;
    pthread_mutex_init(&metrics->lock, NULL);
    link_init(&metrics->sources);
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    assert(!link_is_linked(&metrics->sources));
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

void metrics_add(struct metrics *metrics, struct metrics_source *source)
{
    pthread_mutex_lock(&metrics->lock);
    list_append(&metrics->sources, &source->link);
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_remove(struct metrics *metrics, struct metrics_source *source)
{
    pthread_mutex_lock(&metrics->lock);
    list_remove(&source->link);
    pthread_mutex_unlock(&metrics->lock);
}

void metrics_write(struct metrics *metrics, struct metrics_text *text)
{
    pthread_mutex_lock(&metrics->lock);
    list_each(link, &metrics->sources) {
        struct metrics_source *source = container_of(link, struct metrics_source, link);

        source->write(source, text);
    }
    pthread_mutex_unlock(&metrics->lock);
}
