#ifndef TOOLS_BENCH_REPORT_H
#define TOOLS_BENCH_REPORT_H

#include "tools/bench/backlog.h"
#include "tools/bench/load.h"

#include <jansson.h>

/* What was measured, for people and for programs. */

struct measurement {
    double cycles_per_s;
    uint64_t acknowledged, completed, redelivered, calls_failed;
    int64_t elapsed_us;
    int64_t queue_p50_us, queue_p90_us, queue_p99_us, queue_most_us;
    int64_t cycle_p50_us, cycle_p90_us, cycle_p99_us, cycle_most_us;
    struct ledger_verdict verdict;
    bool own_server;                /* then what follows is known */
    int64_t memory_bytes, server_cpu_ms, own_cpu_ms;
    bool commits_known;
    uint64_t commits;
    char first_error[300];
};

void measurement_take(struct measurement *measurement, const struct load_result *result);
/* Each acknowledged job completed exactly once, and no call failed. */
bool measurement_is_sound(const struct measurement *measurement);

void report_run(const struct measurement *measurement, unsigned number);
/* The runs by their medians. Sorts them. */
void report_median(struct measurement *measurements, unsigned count);
void report_json(const struct measurement *measurement);
void report_backlog(const struct backlog_result *result);
void report_backlog_json(const struct backlog_result *result);

/* For the reports of the other modes. */
json_t *report_measurement_json(const struct measurement *measurement);
json_t *report_latency_json(int64_t p50, int64_t p90, int64_t p99, int64_t most);
void report_restart(const struct restart *restart);
void report_add_restart(json_t *object, const struct restart *restart);
/* Takes the object. */
void report_print_json(json_t *object);

#endif
