#include "tools/bench/report_history.h"

#include <inttypes.h>
#include <stdio.h>

void history_summary_add(struct history_summary *summary, const struct history_part *part,
                         unsigned number)
{
    if (number == 1)
        *summary = (struct history_summary){ .first = *part, .sound = true };
    summary->last = *part;
    summary->passed = part->passed;
    summary->sound = summary->sound && measurement_is_sound(&part->measurement);
}

static double cpu_us(const struct history_part *part)
{
    const struct measurement *m = &part->measurement;

    return m->completed > 0 ? (double)m->server_cpu_ms * 1e3 / (double)m->completed : 0;
}

static double lease_ms(const struct history_part *part, double percent)
{
    return (double)histogram_percentile_us(&part->lease_us, percent) / 1e3;
}

void report_history_part(const struct history_part *part, unsigned number)
{
    const struct measurement *m = &part->measurement;

    if (number == 1)
        printf("%12s %10s %12s %18s %18s %24s %12s\n", "passed", "cycles/s", "server us",
               "queue p50", "cycle p50", "single lease p50", "resident");
    if (number == 1)
        printf("%12s %10s %12s %18s %18s %24s %12s\n", "", "", "a cycle", "/ p99 ms", "/ p99 ms",
               "/ p99 / max ms", "MB");
    printf(
        "%12" PRIu64 " %10.0f %12.1f %9.1f / %6.1f %9.1f / %6.1f %8.2f / %5.2f / %5.2f %12.1f%s\n",
        part->passed, m->cycles_per_s, cpu_us(part), (double)m->queue_p50_us / 1e3,
        (double)m->queue_p99_us / 1e3, (double)m->cycle_p50_us / 1e3, (double)m->cycle_p99_us / 1e3,
        lease_ms(part, 50), lease_ms(part, 99), (double)part->lease_us.most_us / 1e3,
        (double)m->memory_bytes / 1e6, measurement_is_sound(m) ? "" : "  FAILED");
}

void report_history_part_json(const struct history_part *part, unsigned number)
{
    json_t *object = report_measurement_json(&part->measurement);

    json_object_set_new(object, "part", json_integer((json_int_t)number));
    json_object_set_new(object, "passed", json_integer((json_int_t)part->passed));
    json_object_set_new(object, "singleLease",
                        report_latency_json(histogram_percentile_us(&part->lease_us, 50),
                                            histogram_percentile_us(&part->lease_us, 90),
                                            histogram_percentile_us(&part->lease_us, 99),
                                            part->lease_us.most_us));
    report_print_json(object);
}

static double change(double first, double last)
{
    return first > 0 ? (last / first - 1) * 100 : 0;
}

void report_history(const struct history_summary *s, const struct restart *restart)
{
    const struct history_part *first = &s->first, *last = &s->last;

    printf("history: %" PRIu64 " jobs have passed through\n", s->passed);
    printf("  %-14s %+.0f %% cycles/s, %+.0f %% processor time a cycle, %+.0f %% a single lease"
           " (p50), %+.0f %% memory\n",
           "last to first", change(first->measurement.cycles_per_s, last->measurement.cycles_per_s),
           change(cpu_us(first), cpu_us(last)), change(lease_ms(first, 50), lease_ms(last, 50)),
           change((double)first->measurement.memory_bytes, (double)last->measurement.memory_bytes));
    report_restart(restart);
    printf("  %-14s %s\n", "verdict",
           s->sound ? "each acknowledged job was completed exactly once"
                    : "FAILED: see the lines above, and -o json for what was wrong");
}

void report_history_json(const struct history_summary *s, const struct restart *restart)
{
    json_t *object = json_pack("{s:I, s:b}", "jobs", (json_int_t)s->passed, "sound", s->sound);

    report_add_restart(object, restart);
    report_print_json(object);
}
