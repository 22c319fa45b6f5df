#include "rpc/call/call_metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "rpc/call.h"

/* One row for each method there is, counted by atomics: calls end on many
 * threads. Streams are counted, but last as long as somebody listens, which
 * would say nothing among the durations. */

struct row {
    const struct rpc_service *service;
    const struct rpc_method *method;
    atomic_uint_fast64_t codes[RPC_CODE_COUNT];
    struct latency latency;
};

struct call_metrics {
    struct rpc_hooks hooks;
    struct metrics_source source;
    struct rpc_registry *registry;
    struct rpc_hooks *next;
    size_t count;
    struct row rows[];
};

static bool admit(struct rpc_hooks *hooks, struct rpc_call *call, struct rpc_status *status)
{
    struct rpc_hooks *next = container_of(hooks, struct call_metrics, hooks)->next;

    return next == NULL || next->admit == NULL || next->admit(next, call, status);
}

static struct row *find_row(struct call_metrics *metrics, const struct rpc_method *method)
{
    size_t i = 0;

    while (i < metrics->count && metrics->rows[i].method != method)
        i++;
    assert(i < metrics->count); /* a service that was added too late */
    return &metrics->rows[i];
}

static void ended(struct rpc_hooks *hooks, struct rpc_call *call, enum rpc_code code,
                  int64_t duration_us)
{
    struct call_metrics *metrics = container_of(hooks, struct call_metrics, hooks);
    struct row *row = find_row(metrics, call_method(call));

    assert(code < RPC_CODE_COUNT);
    atomic_fetch_add_explicit(&row->codes[code], 1, memory_order_relaxed);
    if (row->method->kind == RPC_UNARY)
        latency_add(&row->latency, duration_us);
    if (metrics->next != NULL && metrics->next->ended != NULL)
        metrics->next->ended(metrics->next, call, code, duration_us);
}

static void write_row(const struct row *row, struct metrics_text *text)
{
    for (size_t code = 0; code < RPC_CODE_COUNT; code++) {
        uint64_t count = atomic_load_explicit(&row->codes[code], memory_order_relaxed);

        if (count > 0)
            metrics_sample(text, "sync_rpc_requests_total",
                           (const struct metric_label[METRICS_LABELS_MAX]){
                               { "service", row->service->name },
                               { "method", row->method->name },
                               { "code", rpc_code_name((enum rpc_code)code) } },
                           count);
    }
}

static void write_metrics(struct metrics_source *source, struct metrics_text *text)
{
    const struct call_metrics *metrics = container_of(source, struct call_metrics, source);

    metrics_family(text, METRIC_COUNTER, "sync_rpc_requests_total",
                   "Calls that have ended, by method and code; those of the gateway included.");
    for (size_t i = 0; i < metrics->count; i++)
        write_row(&metrics->rows[i], text);
    metrics_family(text, METRIC_HISTOGRAM, "sync_rpc_request_duration_seconds",
                   "From a unary call to its end, by method.");
    for (size_t i = 0; i < metrics->count; i++)
        if (!latency_is_empty(&metrics->rows[i].latency))
            metrics_latency(text, "sync_rpc_request_duration_seconds",
                            (const struct metric_label[METRICS_LABELS_MAX]){
                                { "service", metrics->rows[i].service->name },
                                { "method", metrics->rows[i].method->name } },
                            &metrics->rows[i].latency);
}

static size_t count_methods(const struct rpc_registry *registry)
{
    size_t services, count = 0;
    const struct rpc_service *const *all = rpc_registry_services(registry, &services);

    for (size_t s = 0; s < services; s++)
        count += all[s]->method_count;
    return count;
}

static void add_rows(struct call_metrics *metrics)
{
    size_t services;
    const struct rpc_service *const *all = rpc_registry_services(metrics->registry, &services);

    for (size_t s = 0; s < services; s++)
        for (size_t m = 0; m < all[s]->method_count; m++) {
            struct row *row = &metrics->rows[metrics->count++];

            row->service = all[s];
            row->method = &all[s]->methods[m];
        }
}

struct call_metrics *call_metrics_new(struct rpc_registry *registry, struct rpc_hooks *next)
{
    struct call_metrics *metrics =
        calloc(1, sizeof *metrics + count_methods(registry) * sizeof metrics->rows[0]);

    if (metrics == NULL)
        return NULL;
    metrics->hooks = (struct rpc_hooks){ admit, ended };
    metrics->source.write = write_metrics;
    metrics->registry = registry;
    metrics->next = next;
    add_rows(metrics);
    rpc_registry_set_hooks(registry, &metrics->hooks);
    return metrics;
}

void call_metrics_free(struct call_metrics *metrics)
{
    if (metrics == NULL)
        return;
    rpc_registry_set_hooks(metrics->registry, metrics->next);
    free(metrics);
}

struct metrics_source *call_metrics_source(struct call_metrics *metrics)
{
    return &metrics->source;
}
