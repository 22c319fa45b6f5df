#include "tools/syncd/process_metrics.h"

#include <stdio.h>
#include <unistd.h>

#include "core/board.h"
#include "core/store.h"
#include "core/watch.h"

static void write_store(struct engine *engine, struct metrics_text *text)
{
    struct store *store = engine_store(engine);
    struct store_stats stats = store->ops->stats(store);

    metrics_value(text, METRIC_COUNTER, "sync_store_commits_total",
                  "Durable commits, each one sync of the log.", stats.commits);
    metrics_value(text, METRIC_COUNTER, "sync_store_written_bytes_total",
                  "Keys and values that were committed.", stats.written_bytes);
    metrics_value(text, METRIC_GAUGE, "sync_store_failed",
                  "1 after a write of which nobody knows whether it is on the disk.",
                  engine_has_failed(engine));
}

static void write_workers(struct engine *engine, struct metrics_text *text)
{
    struct board_now now = board_now(engine_board(engine));

    metrics_value(text, METRIC_GAUGE, "sync_workers", "Connected workers.", now.workers);
    metrics_value(text, METRIC_GAUGE, "sync_worker_slots", "Jobs they can hold at once.",
                  now.slots);
    metrics_value(text, METRIC_GAUGE, "sync_worker_slots_free", "Of those, the ones that wait.",
                  now.free_slots);
    metrics_value(text, METRIC_GAUGE, "sync_leases", "Leases that workers hold.", now.leases);
}

static void write_watches(struct engine *engine, struct metrics_text *text)
{
    struct watch_hub_now now = watch_hub_now(engine_watch(engine));

    metrics_value(text, METRIC_GAUGE, "sync_watches", "Open watches, by RPC and by HTTP.",
                  now.watches);
    metrics_value(text, METRIC_GAUGE, "sync_watch_events", "Events that can be gone back to.",
                  now.events);
    metrics_value(text, METRIC_GAUGE, "sync_watch_events_bytes", "What they take.", now.bytes);
}

/* Where /proc cannot be read, nothing is claimed. */
static void write_memory(struct metrics_text *text)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long size, resident;

    if (file == NULL)
        return;
    if (fscanf(file, "%lu %lu", &size, &resident) == 2)
        metrics_value(text, METRIC_GAUGE, "process_resident_memory_bytes",
                      "Resident memory size in bytes.",
                      (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE));
    fclose(file);
}

static void write_metrics(struct metrics_source *source, struct metrics_text *text)
{
    struct process_metrics *metrics = container_of(source, struct process_metrics, source);

    write_store(metrics->engine, text);
    write_workers(metrics->engine, text);
    write_watches(metrics->engine, text);
    write_memory(text);
}

void process_metrics_init(struct process_metrics *metrics, struct engine *engine)
{
    metrics->source.write = write_metrics;
    metrics->engine = engine;
}
