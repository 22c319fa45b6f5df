#include "rpc/net/server_counts.h"

static const char *const refusals[PLACE_REFUSAL_COUNT] = {
    [PLACE_REFUSED_FULL] = "full",
    [PLACE_REFUSED_ADDRESS] = "address",
};

static const char *const ends[CONNECTION_END_COUNT] = {
    [CONNECTION_END_PEER] = "peer",
    [CONNECTION_END_DONE] = "done",
    [CONNECTION_END_HANDSHAKE] = "handshake",
    [CONNECTION_END_PROTOCOL] = "protocol",
    [CONNECTION_END_FLOOD] = "flood",
    [CONNECTION_END_PINGS] = "pings",
    [CONNECTION_END_LATE] = "late",
    [CONNECTION_END_UNREAD] = "unread",
    [CONNECTION_END_SILENT] = "silent",
    [CONNECTION_END_IDLE] = "idle",
    [CONNECTION_END_AGE] = "age",
    [CONNECTION_END_CROWDED] = "crowded",
    [CONNECTION_END_MEMORY] = "memory",
    [CONNECTION_END_STOP] = "stop",
};

static const struct {
    const char *name, *help;
} streams[H2_COUNTS] = {
    [H2_COUNT_STREAMS_REFUSED] = { "sync_rpc_streams_refused_total",
                                   "Calls that were refused before they began." },
    [H2_COUNT_STREAMS_STALLED] = { "sync_rpc_streams_stalled_total",
                                   "Calls that were reset because the peer did not go on." },
    [H2_COUNT_STREAMS_HELD] = { "sync_rpc_streams_held_total",
                                "Calls that were reset because the peer left too much unread." },
    [H2_COUNT_RESETS_RECEIVED] = { "sync_rpc_resets_received_total",
                                   "RST_STREAM frames of clients." },
    [H2_COUNT_RESETS_SENT] = { "sync_rpc_resets_sent_total", "RST_STREAM frames to clients." },
    [H2_COUNT_PINGS_RECEIVED] = { "sync_rpc_pings_received_total", "PING frames of clients." },
};

static void add(atomic_uint_fast64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static uint64_t get(const atomic_uint_fast64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

void server_counts_open(struct server_counts *counts)
{
    add(&counts->accepted);
    add(&counts->open);
}

void server_counts_refuse(struct server_counts *counts, enum place_refusal why)
{
    add(&counts->refused[why]);
}

void server_counts_close(struct server_counts *counts, enum connection_end why)
{
    add(&counts->closed[why]);
    atomic_fetch_sub_explicit(&counts->open, 1, memory_order_relaxed);
}

static void write_reasons(struct metrics_text *text, const char *name, const char *const *reasons,
                          const atomic_uint_fast64_t *counts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        metrics_sample(text, name,
                       (const struct metric_label[METRICS_LABELS_MAX]){ { "reason", reasons[i] } },
                       get(&counts[i]));
}

void server_counts_write(const struct server_counts *counts, struct metrics_text *text)
{
    metrics_value(text, METRIC_GAUGE, "sync_rpc_connections", "Open gRPC connections.",
                  get(&counts->open));
    metrics_value(text, METRIC_COUNTER, "sync_rpc_connections_total", "gRPC connections accepted.",
                  get(&counts->accepted));
    metrics_family(text, METRIC_COUNTER, "sync_rpc_connections_refused_total",
                   "gRPC connections that were not served, by reason.");
    write_reasons(text, "sync_rpc_connections_refused_total", refusals, counts->refused,
                  PLACE_REFUSAL_COUNT);
    metrics_family(text, METRIC_COUNTER, "sync_rpc_connections_closed_total",
                   "gRPC connections that ended, by reason.");
    write_reasons(text, "sync_rpc_connections_closed_total", ends, counts->closed,
                  CONNECTION_END_COUNT);
    for (size_t i = 0; i < H2_COUNTS; i++)
        metrics_value(text, METRIC_COUNTER, streams[i].name, streams[i].help,
                      get(&counts->streams.of[i]));
}
