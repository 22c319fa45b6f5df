#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/bench/ledger.h"

static void percentiles_are_within_three_percent(void **state)
{
    static struct histogram histogram;

    (void)state;
    for (int64_t us = 1; us <= 100000; us++)
        histogram_add(&histogram, us);
    assert_in_range(histogram_percentile_us(&histogram, 50), 48500, 51500);
    assert_in_range(histogram_percentile_us(&histogram, 99), 96000, 102000);
    assert_int_equal(histogram.most_us, 100000);
}

static void small_values_are_exact_and_huge_ones_are_kept(void **state)
{
    static struct histogram histogram;

    (void)state;
    assert_int_equal(histogram_percentile_us(&histogram, 50), 0);
    histogram_add(&histogram, 7);
    assert_int_equal(histogram_percentile_us(&histogram, 50), 7);
    histogram_add(&histogram, INT64_MAX);
    histogram_add(&histogram, -1);
    assert_int_equal(histogram.count, 3);
    assert_int_equal(histogram.most_us, INT64_MAX);
}

static void a_job_completed_once_is_as_it_should_be(void **state)
{
    static struct ledger ledger;
    uint32_t job = ledger_ask(&ledger, 1000);

    (void)state;
    ledger_acknowledge(&ledger, job, 1500);
    assert_int_equal(ledger_open(&ledger), 1);
    assert_true(ledger_assign(&ledger, job));
    ledger_complete(&ledger, job, 3000);
    assert_int_equal(ledger_open(&ledger), 0);
    assert_int_equal(ledger_judge(&ledger).lost, 0);
    assert_int_equal(ledger_judge(&ledger).repeated, 0);
    assert_int_equal(ledger.queue_us.most_us, 500);
    assert_int_equal(ledger.cycle_us.most_us, 2000);
    ledger_free(&ledger);
}

static void what_is_lost_repeated_or_strange_is_found(void **state)
{
    static struct ledger ledger;
    uint32_t lost = ledger_ask(&ledger, 0), twice = ledger_ask(&ledger, 0);
    struct ledger_verdict verdict;

    (void)state;
    ledger_acknowledge(&ledger, lost, 1);
    ledger_acknowledge(&ledger, twice, 1);
    ledger_ask(&ledger, 0);
    ledger_refuse(&ledger);
    ledger_assign(&ledger, twice);
    ledger_assign(&ledger, twice);
    ledger_complete(&ledger, twice, 2);
    ledger_complete(&ledger, twice, 3);
    assert_false(ledger_assign(&ledger, 3));
    verdict = ledger_judge(&ledger);
    assert_int_equal(verdict.lost, 1);
    assert_int_equal(verdict.repeated, 1);
    assert_int_equal(verdict.strange, 1);
    assert_int_equal(ledger.redelivered, 1);
    assert_int_equal(ledger.refused, 1);
    ledger_free(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_three_percent),
        cmocka_unit_test(small_values_are_exact_and_huge_ones_are_kept),
        cmocka_unit_test(a_job_completed_once_is_as_it_should_be),
        cmocka_unit_test(what_is_lost_repeated_or_strange_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
