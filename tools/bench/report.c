#include "tools/bench/report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void measurement_take(struct measurement *measurement, const struct load_result *result)
{
    const struct ledger *ledger = &result->ledger;
    const struct histogram *queue = &ledger->queue_us, *cycle = &ledger->cycle_us;

    *measurement = (struct measurement){
        .acknowledged = ledger->acknowledged,
        .completed = ledger->completed,
        .redelivered = ledger->redelivered,
        .calls_failed = result->calls_failed,
        .elapsed_us = result->elapsed_us,
        .queue_p50_us = histogram_percentile_us(queue, 50),
        .queue_p90_us = histogram_percentile_us(queue, 90),
        .queue_p99_us = histogram_percentile_us(queue, 99),
        .queue_most_us = queue->most_us,
        .cycle_p50_us = histogram_percentile_us(cycle, 50),
        .cycle_p90_us = histogram_percentile_us(cycle, 90),
        .cycle_p99_us = histogram_percentile_us(cycle, 99),
        .cycle_most_us = cycle->most_us,
        .verdict = ledger_judge(ledger),
    };
    if (result->elapsed_us > 0)
        measurement->cycles_per_s = (double)ledger->completed * 1e6 / (double)result->elapsed_us;
    memcpy(measurement->first_error, result->first_error, sizeof measurement->first_error);
}

bool measurement_is_sound(const struct measurement *measurement)
{
    return measurement->verdict.lost == 0 && measurement->verdict.repeated == 0 &&
           measurement->verdict.strange == 0 && measurement->calls_failed == 0 &&
           measurement->completed > 0;
}

static void print_latency(const char *what, int64_t p50, int64_t p90, int64_t p99, int64_t most)
{
    printf("  %-14s p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms\n", what, (double)p50 / 1e3,
           (double)p90 / 1e3, (double)p99 / 1e3, (double)most / 1e3);
}

static void print_server(const struct measurement *m)
{
    double seconds = (double)m->elapsed_us / 1e6;
    double cycles = m->completed > 0 ? (double)m->completed : 1;

    printf("  %-14s %.1f MB resident\n", "server", (double)m->memory_bytes / 1e6);
    printf("  %-14s server %.2f cores, %.1f us a cycle; generator %.2f cores, %.1f us a cycle\n",
           "processor", (double)m->server_cpu_ms / 1e3 / seconds,
           (double)m->server_cpu_ms * 1e3 / cycles, (double)m->own_cpu_ms / 1e3 / seconds,
           (double)m->own_cpu_ms * 1e3 / cycles);
    if (m->commits_known)
        printf("  %-14s %.0f/s, %.1f cycles to each\n", "fsyncs", (double)m->commits / seconds,
               m->commits > 0 ? cycles / (double)m->commits : 0);
}

static void print_measurement(const struct measurement *m)
{
    printf("%.0f cycles/s: %" PRIu64 " jobs queued, leased and completed in %.2f s\n",
           m->cycles_per_s, m->completed, (double)m->elapsed_us / 1e6);
    print_latency("queue answer", m->queue_p50_us, m->queue_p90_us, m->queue_p99_us,
                  m->queue_most_us);
    print_latency("whole cycle", m->cycle_p50_us, m->cycle_p90_us, m->cycle_p99_us,
                  m->cycle_most_us);
    if (m->own_server)
        print_server(m);
    if (measurement_is_sound(m))
        printf("  %-14s each of %" PRIu64 " acknowledged jobs was completed exactly once\n",
               "verdict", m->acknowledged);
    else
        printf("  %-14s FAILED: %" PRIu64 " lost, %" PRIu64 " completed twice, %" PRIu64
               " unknown, %" PRIu64 " calls failed %s\n",
               "verdict", m->verdict.lost, m->verdict.repeated, m->verdict.strange, m->calls_failed,
               m->first_error);
}

void report_run(const struct measurement *measurement, unsigned number)
{
    printf("run %u: ", number);
    print_measurement(measurement);
}

static int by_speed(const void *a, const void *b)
{
    double x = ((const struct measurement *)a)->cycles_per_s;
    double y = ((const struct measurement *)b)->cycles_per_s;

    return x < y ? -1 : x > y;
}

void report_median(struct measurement *measurements, unsigned count)
{
    qsort(measurements, count, sizeof *measurements, by_speed);
    printf("median of %u runs: ", count);
    print_measurement(&measurements[count / 2]);
}

json_t *report_latency_json(int64_t p50, int64_t p90, int64_t p99, int64_t most)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "p50Us", (json_int_t)p50, "p90Us", (json_int_t)p90,
                     "p99Us", (json_int_t)p99, "maxUs", (json_int_t)most);
}

void report_print_json(json_t *object)
{
    if (object == NULL || json_dumpf(object, stdout, JSON_COMPACT) != 0)
        fputs("sync-bench: cannot write JSON\n", stderr);
    puts("");
    json_decref(object);
}

json_t *report_measurement_json(const struct measurement *m)
{
    json_t *object = json_pack(
        "{s:f, s:I, s:I, s:I, s:f, s:o, s:o, s:I, s:I, s:I, s:I, s:b}", "cyclesPerSecond",
        m->cycles_per_s, "acknowledged", (json_int_t)m->acknowledged, "completed",
        (json_int_t)m->completed, "redelivered", (json_int_t)m->redelivered, "seconds",
        (double)m->elapsed_us / 1e6, "queue",
        report_latency_json(m->queue_p50_us, m->queue_p90_us, m->queue_p99_us, m->queue_most_us),
        "cycle",
        report_latency_json(m->cycle_p50_us, m->cycle_p90_us, m->cycle_p99_us, m->cycle_most_us),
        "lost", (json_int_t)m->verdict.lost, "completedTwice", (json_int_t)m->verdict.repeated,
        "unknown", (json_int_t)m->verdict.strange, "callsFailed", (json_int_t)m->calls_failed,
        "sound", measurement_is_sound(m));

    if (object != NULL && m->own_server) {
        json_object_set_new(object, "residentBytes", json_integer((json_int_t)m->memory_bytes));
        json_object_set_new(object, "serverCpuMs", json_integer((json_int_t)m->server_cpu_ms));
        json_object_set_new(object, "generatorCpuMs", json_integer((json_int_t)m->own_cpu_ms));
    }
    if (object != NULL && m->commits_known)
        json_object_set_new(object, "fsyncs", json_integer((json_int_t)m->commits));
    return object;
}

void report_json(const struct measurement *measurement)
{
    report_print_json(report_measurement_json(measurement));
}

void report_restart(const struct restart *restart)
{
    printf("  %-14s listening after %.2f s, first lease after %.2f s, %.1f MB resident\n",
           "after kill -9", (double)restart->open_ms / 1e3, (double)restart->first_lease_ms / 1e3,
           (double)restart->bytes / 1e6);
}

void report_add_restart(json_t *object, const struct restart *restart)
{
    json_object_set_new(object, "listeningMs", json_integer((json_int_t)restart->open_ms));
    json_object_set_new(object, "firstLeaseMs", json_integer((json_int_t)restart->first_lease_ms));
    json_object_set_new(object, "restartedResidentBytes", json_integer((json_int_t)restart->bytes));
}

void report_backlog(const struct backlog_result *r)
{
    printf("backlog: %" PRIu64 " jobs queued in %.1f s, %.0f jobs/s\n", r->jobs,
           (double)r->queueing_ms / 1e3, (double)r->jobs * 1e3 / (double)r->queueing_ms);
    printf("  %-14s %.1f MB with %" PRIu64 " jobs, %.1f MB with %" PRIu64 " (%+.0f %%)\n",
           "resident", (double)r->small_bytes / 1e6, r->small_jobs, (double)r->bytes / 1e6, r->jobs,
           ((double)r->bytes / (double)r->small_bytes - 1) * 100);
    report_restart(&r->restart);
}

void report_backlog_json(const struct backlog_result *r)
{
    json_t *object = json_pack(
        "{s:I, s:I, s:I, s:I, s:I}", "jobs", (json_int_t)r->jobs, "residentBytes",
        (json_int_t)r->bytes, "smallJobs", (json_int_t)r->small_jobs, "smallResidentBytes",
        (json_int_t)r->small_bytes, "queueingMs", (json_int_t)r->queueing_ms);

    report_add_restart(object, &r->restart);
    report_print_json(object);
}
