#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/metrics.h"

static void assert_text(struct metrics_text *text, const char *expected)
{
    assert_false(text->failed);
    assert_int_equal(text->size, strlen(expected));
    assert_memory_equal(text->data, expected, text->size);
    free(text->data);
}

static void assert_has(const struct metrics_text *text, const char *part)
{
    assert_false(text->failed);
    assert_non_null(memmem(text->data, text->size, part, strlen(part)));
}

static void a_family_has_its_help_its_type_and_its_samples(void **state)
{
    struct metrics_text text = { .data = NULL };

    (void)state;
    metrics_family(&text, METRIC_COUNTER, "a_total", "Of a.");
    metrics_sample(&text, "a_total",
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "x", "1" }, { "y", "2" } },
                   UINT64_MAX);
    metrics_value(&text, METRIC_GAUGE, "b", "Of b.", 3);
    assert_text(&text, "# HELP a_total Of a.\n# TYPE a_total counter\n"
                       "a_total{x=\"1\",y=\"2\"} 18446744073709551615\n"
                       "# HELP b Of b.\n# TYPE b gauge\nb 3\n");
}

static void a_label_may_hold_anything(void **state)
{
    struct metrics_text text = { .data = NULL };

    (void)state;
    metrics_sample(&text, "a",
                   (const struct metric_label[METRICS_LABELS_MAX]){ { "x", "q\"b\\n\nz" } }, 1);
    assert_text(&text, "a{x=\"q\\\"b\\\\n\\nz\"} 1\n");
}

static void a_duration_counts_in_each_bucket_that_holds_it(void **state)
{
    struct metrics_text text = { .data = NULL };
    struct latency latency = { .sum_us = 0 };

    (void)state;
    assert_true(latency_is_empty(&latency));
    latency_add(&latency, 500); /* a bound is within its bucket */
    latency_add(&latency, 501);
    latency_add(&latency, -1); /* a clock's mistake */
    latency_add(&latency, INT64_C(61000000));
    assert_false(latency_is_empty(&latency));
    metrics_latency(&text, "t", NULL, &latency);
    assert_has(&text, "t_bucket{le=\"0.0005\"} 2\nt_bucket{le=\"0.001\"} 3\n");
    assert_has(&text, "t_bucket{le=\"60\"} 3\nt_bucket{le=\"+Inf\"} 4\n");
    assert_has(&text, "t_sum 61.001001\nt_count 4\n");
    free(text.data);
}

static void too_much_text_fails_once_and_for_all(void **state)
{
    struct metrics_text text = { .data = NULL };
    static char big[METRICS_BYTES_MAX / 2];

    (void)state;
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 3; i++)
        metrics_sample(&text, "a", (const struct metric_label[METRICS_LABELS_MAX]){ { "x", big } },
                       1);
    assert_true(text.failed);
    assert_true(text.size <= METRICS_BYTES_MAX);
    free(text.data);
}

static void write_one(struct metrics_source *source, struct metrics_text *text)
{
    (void)source;
    metrics_value(text, METRIC_GAUGE, "one", "One.", 1);
}

static void only_sources_that_are_there_are_asked(void **state)
{
    struct metrics *metrics = metrics_new();
    struct metrics_source source = { .write = write_one };
    struct metrics_text text = { .data = NULL }, none = { .data = NULL };

    (void)state;
    metrics_add(metrics, &source);
    metrics_write(metrics, &text);
    assert_text(&text, "# HELP one One.\n# TYPE one gauge\none 1\n");
    metrics_remove(metrics, &source);
    metrics_write(metrics, &none);
    assert_int_equal(none.size, 0);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_has_its_help_its_type_and_its_samples),
        cmocka_unit_test(a_label_may_hold_anything),
        cmocka_unit_test(a_duration_counts_in_each_bucket_that_holds_it),
        cmocka_unit_test(too_much_text_fails_once_and_for_all),
        cmocka_unit_test(only_sources_that_are_there_are_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
