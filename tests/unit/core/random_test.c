#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"

static void a_seed_decides_the_whole_future(void **state)
{
    struct random_seeded a, b, c;
    unsigned same = 0;

    (void)state;
    random_seeded_init(&a, 42);
    random_seeded_init(&b, 42);
    random_seeded_init(&c, 43);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t bits = a.base.next(&a.base);

        assert_true(bits == b.base.next(&b.base));
        same += bits == c.base.next(&c.base);
    }
    assert_int_equal(same, 0);
}

/* From the paper's authors' reference program. */
static void it_is_splitmix64(void **state)
{
    struct random_seeded random;

    (void)state;
    random_seeded_init(&random, 1234567);
    assert_true(random.base.next(&random.base) == 6457827717110365317u);
    assert_true(random.base.next(&random.base) == 3203168211198807973u);
}

/* 64,000 throws of a die with 64 sides: each side 1,000 times, give or take. */
static void check_die(struct random *random)
{
    enum { SIDES = 64, THROWS = 64000 };
    unsigned seen[SIDES] = { 0 };

    for (unsigned i = 0; i < THROWS; i++)
        seen[random_below(random, SIDES)]++;
    for (unsigned i = 0; i < SIDES; i++)
        assert_in_range(seen[i], 800, 1200);
}

static void both_kinds_of_dice_are_fair(void **state)
{
    struct random_seeded random;

    (void)state;
    random_seeded_init(&random, 1);
    check_die(&random.base);
    check_die(random_real());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_decides_the_whole_future),
        cmocka_unit_test(it_is_splitmix64),
        cmocka_unit_test(both_kinds_of_dice_are_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
