#include "gateway/exchange_parts.h"

#include <stdlib.h>

#include "core/base/list.h"
#include "gateway/http/http_counts.h"
#include "gateway/limits.h"
#include "sync/v1/sync.pb-c.h"

/* /metrics: the service's totals are asked for with GetServiceInfo, wherever it
 * runs; all else are the numbers of this process. When the service does not
 * answer, the page says so, and still shows the rest. */

static void write_totals(struct metrics_text *text, const Sync__V1__GetServiceInfoResponse *info)
{
    metrics_family(text, METRIC_GAUGE, "sync_jobs", "Jobs that are not over, by state.");
    metrics_sample(text, "sync_jobs",
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "state", "active" } },
                   info->active_jobs);
    metrics_sample(text, "sync_jobs",
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "state", "queued" } },
                   info->queued_jobs);
    metrics_family(text, METRIC_COUNTER, "sync_jobs_ended_total",
                   "Jobs that have ended, ever, by outcome.");
    metrics_sample(text, "sync_jobs_ended_total",
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "state", "completed" } },
                   info->completed_jobs);
    metrics_sample(text, "sync_jobs_ended_total",
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "state", "failed" } },
                   info->failed_jobs);
    metrics_value(text, METRIC_GAUGE, "sync_uptime_seconds",
                  "How long the service has been running.", info->uptime_seconds);
    metrics_family(text, METRIC_GAUGE, "sync_info", "The service's version and status; always 1.");
    metrics_sample(text, "sync_info",
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "version", info->version },
                                                                    { "status", info->status } },
                   1);
}

static void write_own(struct exchange *page, struct metrics_text *text)
{
    http_counts_write(http_counts_of(page->http), text);
    metrics_value(text, METRIC_GAUGE, "sync_http_watches", "Open streams of server-sent events.",
                  page->all->streams);
    traffic_write(page->all->traffic, text);
    if (page->all->metrics != NULL)
        metrics_write(page->all->metrics, text);
}

static void send_page(struct exchange *page, struct metrics_text *text)
{
    static const struct error_answer full = { .status = 500, .message = "Out of memory" };
    char *data = text->data;

    if (text->failed) {
        exchange_count(page, full.status);
        answer_error(page->http, &full);
    } else {
        exchange_count(page, 200);
        answer_text(page->http, "text/plain; version=0.0.4; charset=utf-8",
                    bytes_of(text->data, text->size), NULL);
    }
    free(data);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct exchange *page = container_of(call, struct exchange, call);

    page->has_message = true;
    write_totals(page->metrics, (const Sync__V1__GetServiceInfoResponse *)message);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct exchange *page = container_of(call, struct exchange, call);

    (void)status;
    metrics_value(page->metrics, METRIC_GAUGE, "sync_up",
                  "1 if the service answered, 0 if it did not.", page->has_message);
    write_own(page, page->metrics);
    send_page(page, page->metrics);
}

void metrics_page_begin(struct exchange *page)
{
    page->metrics = arena_alloc(page->http->mem, sizeof *page->metrics);
    if (page->metrics == NULL) {
        exchange_count(page, 503);
        answer_error(page->http,
                     &(struct error_answer){ .status = 503, .message = "Out of memory" });
        return;
    }
    exchange_start_call(page, METRICS_TIMEOUT_MS, on_message, on_done);
}
