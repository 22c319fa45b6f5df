#include "tools/bench/report_fairness.h"

#include "tools/bench/report.h"

#include <inttypes.h>
#include <stdio.h>

static void print_side(const char *what, const struct fairness_side *side)
{
    printf("  %-14s leases before it: p50 %" PRId64 ", p99 %" PRId64 ", max %" PRId64
           "; it waits: p50 %.2f ms, p99 %.2f ms, max %.2f ms; %.0f leases/s\n",
           what, histogram_percentile_us(&side->passed, 50),
           histogram_percentile_us(&side->passed, 99), side->passed.most_us,
           (double)histogram_percentile_us(&side->wait_us, 50) / 1e3,
           (double)histogram_percentile_us(&side->wait_us, 99) / 1e3,
           (double)side->wait_us.most_us / 1e3, side->leases_per_s);
}

void report_fairness(const struct fairness_result *r)
{
    printf("fairness: single jobs of one organisation, %" PRIu64 " and again, beside %" PRIu64
           " jobs of another\n",
           r->idle.wait_us.count, r->backlog);
    print_side("idle workers", &r->idle);
    print_side("busy workers", &r->busy);
    if (fairness_is_sound(r))
        printf("  %-14s each single job was completed exactly once; of the backlog %" PRIu64
               " were completed, %" PRIu64 " wait, none is missing\n",
               "verdict", r->left.completed, r->left.queued + r->left.active);
    else
        printf("  %-14s FAILED: %" PRIu64 " lost, %" PRIu64 " completed twice, %" PRIu64
               " unknown, %" PRIu64 " calls failed; of the backlog %" PRIu64 " completed, %" PRIu64
               " held, %" PRIu64 " wait %s\n",
               "verdict", r->singles.lost, r->singles.repeated, r->singles.strange, r->calls_failed,
               r->left.completed, r->left.active, r->left.queued, r->first_error);
}

static json_t *side_json(const struct fairness_side *side)
{
    return json_pack(
        "{s:I, s:{s:I, s:I, s:I}, s:o, s:f}", "rounds", (json_int_t)side->wait_us.count,
        "leasesBefore", "p50", (json_int_t)histogram_percentile_us(&side->passed, 50), "p99",
        (json_int_t)histogram_percentile_us(&side->passed, 99), "max",
        (json_int_t)side->passed.most_us, "wait",
        report_latency_json(histogram_percentile_us(&side->wait_us, 50),
                            histogram_percentile_us(&side->wait_us, 90),
                            histogram_percentile_us(&side->wait_us, 99), side->wait_us.most_us),
        "leasesPerSecond", side->leases_per_s);
}

void report_fairness_json(const struct fairness_result *r)
{
    report_print_json(json_pack(
        "{s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:b}", "backlog", (json_int_t)r->backlog, "idle",
        side_json(&r->idle), "busy", side_json(&r->busy), "backlogCompleted",
        (json_int_t)r->left.completed, "backlogLeft", (json_int_t)(r->left.queued + r->left.active),
        "lost", (json_int_t)r->singles.lost, "completedTwice", (json_int_t)r->singles.repeated,
        "callsFailed", (json_int_t)r->calls_failed, "sound", fairness_is_sound(r)));
}
