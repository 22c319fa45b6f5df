#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/channel/backoff.h"
#include "tests/support/fake_random.h"

/* gRPC's own figures (doc/connection-backoff). */
static const struct backoff grpc = { 1000, 120 * 1000, 160, 20 };

static void each_wait_is_longer_than_the_last_up_to_a_bound(void **state)
{
    struct fake_random least;
    int64_t last_ms = 0;

    (void)state;
    fake_random_init(&least, 0);
    for (unsigned failures = 1; failures < 14; failures++) {
        int64_t wait_ms = backoff_ms(&grpc, failures, &least.base);
        assert_true(wait_ms > last_ms || wait_ms == 96 * 1000);
        last_ms = wait_ms;
    }
    assert_int_equal(last_ms, 96 * 1000);
    assert_int_equal(backoff_ms(&grpc, UINT32_MAX, &least.base), 96 * 1000);
}

static void the_dice_move_it_by_a_fifth_either_way(void **state)
{
    struct fake_random least, most;

    (void)state;
    fake_random_init(&least, 0);
    fake_random_init(&most, 400); /* of the 401 values from 800 to 1,200 */
    assert_int_equal(backoff_ms(&grpc, 1, &least.base), 800);
    assert_int_equal(backoff_ms(&grpc, 1, &most.base), 1200);
}

static void it_never_leaves_its_bounds(void **state)
{
    struct random_seeded random;

    (void)state;
    random_seeded_init(&random, 1);
    for (unsigned i = 0; i < 10000; i++)
        assert_in_range(backoff_ms(&grpc, i % 20 + 1, &random.base), 800, 144 * 1000);
}

static void a_bound_below_the_first_wait_is_the_wait(void **state)
{
    const struct backoff short_one = { 1000, 10, 160, 0 };
    struct fake_random random;

    (void)state;
    fake_random_init(&random, 7);
    assert_int_equal(backoff_ms(&short_one, 1, &random.base), 10);
    assert_int_equal(backoff_ms(&short_one, 9, &random.base), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wait_is_longer_than_the_last_up_to_a_bound),
        cmocka_unit_test(the_dice_move_it_by_a_fifth_either_way),
        cmocka_unit_test(it_never_leaves_its_bounds),
        cmocka_unit_test(a_bound_below_the_first_wait_is_the_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
