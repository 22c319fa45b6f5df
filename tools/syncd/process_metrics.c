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
    if (stats.free_bytes != UINT64_MAX)
        metrics_value(text, METRIC_GAUGE, "sync_store_disk_free_bytes",
                      "What is left on its disk.", stats.free_bytes);
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

/* A histogram of whole percents. */
static void write_estimates(struct engine *engine, struct metrics_text *text)
{
    struct board_accuracy accuracy;
    uint64_t below = 0;
    char bound[16] = "+Inf";

    board_read_accuracy(engine_board(engine), &accuracy);
    metrics_family(text, METRIC_HISTOGRAM, "sync_estimate_error_percent",
                   "How far each job's end was from its estimate, relative to how long it took.");
    for (unsigned i = 0; i < BOARD_ERROR_BUCKETS; i++) {
        below += accuracy.buckets[i];
        if (i < BOARD_ERROR_BUCKETS - 1)
            snprintf(bound, sizeof bound, "%.0f", 100 * board_error_bounds[i]);
        else
            snprintf(bound, sizeof bound, "+Inf");
        metrics_sample(text, "sync_estimate_error_percent_bucket",
                       (struct metric_label[METRICS_LABELS_MAX]){ { "le", bound } }, below);
    }
    metrics_sample(text, "sync_estimate_error_percent_sum", NULL,
                   (uint64_t)(100 * accuracy.error_sum));
    metrics_sample(text, "sync_estimate_error_percent_count", NULL, accuracy.compared);
    metrics_value(text, METRIC_COUNTER, "sync_estimates_in_range_total",
                  "Of those, the jobs that ended between low and high.", accuracy.inside);
    metrics_value(text, METRIC_COUNTER, "sync_estimates_unknown_total",
                  "Completed jobs whose end nobody could estimate.", accuracy.unknown);
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
    write_estimates(metrics->engine, text);
    write_watches(metrics->engine, text);
    write_memory(text);
}

void process_metrics_init(struct process_metrics *metrics, struct engine *engine)
{
    metrics->source.write = write_metrics;
    metrics->engine = engine;
}
