#include "gateway/traffic.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUSES_MAX = 24 }; /* that we ever send: see http_reason() */

struct status_count {
    int status; /* 0: free */
    uint64_t count;
};

struct row {
    struct status_count statuses[STATUSES_MAX];
    struct latency latency;
};

struct traffic {
    size_t count; /* of routes; one row more is for what has none */
    struct row rows[];
};

struct traffic *traffic_new(void)
{
    struct traffic *traffic;
    size_t count;

    route_table(&count);
    traffic = calloc(1, sizeof *traffic + (count + 1) * sizeof traffic->rows[0]);
    if (traffic != NULL)
        traffic->count = count;
    return traffic;
}

void traffic_free(struct traffic *traffic)
{
    free(traffic);
}

static struct status_count *find_status(struct row *row, int status)
{
    size_t i = 0;

    while (i < STATUSES_MAX && row->statuses[i].status != 0 && row->statuses[i].status != status)
        i++;
    assert(i < STATUSES_MAX);
    return &row->statuses[i];
}

void traffic_count(struct traffic *traffic, const struct route *route, int status,
                   int64_t duration_us)
{
    size_t count;
    const struct route *routes = route_table(&count);
    struct row *row = &traffic->rows[route != NULL ? (size_t)(route - routes) : count];
    struct status_count *counted = find_status(row, status);

    counted->status = status;
    counted->count++;
    if (route == NULL || route->form != FORM_EVENTS) /* which last as long as somebody listens */
        latency_add(&row->latency, duration_us);
}

static const char *name_of(size_t index)
{
    size_t count;
    const struct route *routes = route_table(&count);

    return index < count ? routes[index].pattern : "none";
}

static void write_row(const struct row *row, const char *route, struct metrics_text *text)
{
    for (size_t i = 0; i < STATUSES_MAX && row->statuses[i].status != 0; i++) {
        char status[16];

        snprintf(status, sizeof status, "%d", row->statuses[i].status);
        metrics_sample(text, "sync_http_requests_total",
                       (const struct metric_label[METRICS_LABELS_MAX]){ { "route", route },
                                                                        { "code", status } },
                       row->statuses[i].count);
    }
}

void traffic_write(const struct traffic *traffic, struct metrics_text *text)
{
    metrics_family(text, METRIC_COUNTER, "sync_http_requests_total",
                   "HTTP requests answered, by route and status.");
    for (size_t i = 0; i <= traffic->count; i++)
        write_row(&traffic->rows[i], name_of(i), text);
    metrics_family(text, METRIC_HISTOGRAM, "sync_http_request_duration_seconds",
                   "From a whole request to its answer, by route.");
    for (size_t i = 0; i <= traffic->count; i++)
        if (!latency_is_empty(&traffic->rows[i].latency))
            metrics_latency(
                text, "sync_http_request_duration_seconds",
                (const struct metric_label[METRICS_LABELS_MAX]){ { "route", name_of(i) } },
                &traffic->rows[i].latency);
}
