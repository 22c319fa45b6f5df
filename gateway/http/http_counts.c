#include "gateway/http/http_counts.h"

#include <assert.h>

static const char *const refusals[PLACE_REFUSAL_COUNT] = {
    [PLACE_REFUSED_FULL] = "full",
    [PLACE_REFUSED_ADDRESS] = "address",
};

static const char *const ends[HTTP_END_COUNT] = {
    [HTTP_END_PEER] = "peer",       [HTTP_END_IDLE] = "idle",       [HTTP_END_LATE] = "late",
    [HTTP_END_UNREAD] = "unread",   [HTTP_END_REFUSED] = "refused", [HTTP_END_SPENT] = "spent",
    [HTTP_END_CROWDED] = "crowded", [HTTP_END_MEMORY] = "memory",   [HTTP_END_STOP] = "stop",
    [HTTP_END_HANDSHAKE] = "handshake",
};

/* Every status that the server itself answers with. */
static const struct flaw {
    int status;
    const char *reason;
} flaws[HTTP_FLAW_STATUSES] = {
    { 400, "malformed" },       { 408, "late" },        { 413, "body_too_large" },
    { 414, "target_too_long" }, { 417, "expectation" }, { 431, "headers_too_large" },
    { 501, "not_implemented" }, { 503, "no_room" },     { 505, "version" },
};

void http_counts_flaw(struct http_counts *counts, int status)
{
    size_t i = 0;

    while (i < HTTP_FLAW_STATUSES - 1 && flaws[i].status != status)
        i++;
    assert(flaws[i].status == status);
    counts->flaws[i]++;
}

static void write_one(struct metrics_text *text, const char *name, const char *reason,
                      uint64_t value)
{
    metrics_sample(text, name,
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "reason", reason } }, value);
}

void http_counts_write(const struct http_counts *counts, struct metrics_text *text)
{
    metrics_value(text, METRIC_GAUGE, "sync_http_connections", "Open HTTP connections.",
                  counts->open);
    metrics_value(text, METRIC_COUNTER, "sync_http_connections_total", "HTTP connections accepted.",
                  counts->accepted);
    metrics_family(text, METRIC_COUNTER, "sync_http_connections_refused_total",
                   "HTTP connections that were not served, by reason.");
    for (size_t i = 0; i < PLACE_REFUSAL_COUNT; i++)
        write_one(text, "sync_http_connections_refused_total", refusals[i], counts->refused[i]);
    metrics_family(text, METRIC_COUNTER, "sync_http_connections_closed_total",
                   "HTTP connections that ended, by reason.");
    for (size_t i = 0; i < HTTP_END_COUNT; i++)
        write_one(text, "sync_http_connections_closed_total", ends[i], counts->ended[i]);
    metrics_family(text, METRIC_COUNTER, "sync_http_requests_refused_total",
                   "HTTP requests that were refused before they were whole, by reason.");
    for (size_t i = 0; i < HTTP_FLAW_STATUSES; i++)
        write_one(text, "sync_http_requests_refused_total", flaws[i].reason, counts->flaws[i]);
}
