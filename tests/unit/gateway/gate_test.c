#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/gate.h"

/* Who is let in, in which order. A loop that runs until as many as expected are. */

enum { COST_MAX = 100, TICKETS = 16 };

static struct gate gate;
static struct gate_ticket tickets[TICKETS];
static size_t entered[TICKETS], count, expected;

static int setup(void **state)
{
    (void)state;
    gate = (struct gate){ .loop = loop_new(), .cost_max = COST_MAX };
    gate_init(&gate);
    count = 0;
    return gate.loop == NULL;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < TICKETS; i++)
        gate_leave(&gate, &tickets[i]);
    gate_close(&gate);
    loop_free(gate.loop);
    return 0;
}

static void on_enter(struct gate_ticket *ticket)
{
    entered[count++] = (size_t)(ticket - tickets);
    if (count == expected)
        loop_stop(gate.loop);
}

static bool ask(size_t i, size_t cost, uint64_t asker)
{
    tickets[i] = (struct gate_ticket){ .enter = on_enter, .cost = cost, .asker = asker };
    return gate_ask(&gate, &tickets[i]);
}

static void run_until(size_t wanted)
{
    expected = wanted;
    if (count < wanted)
        loop_run(gate.loop);
    assert_int_equal(count, wanted);
}

static void who_fits_goes_right_through(void **state)
{
    (void)state;
    assert_true(ask(0, 50, 1));
    assert_true(ask(1, 50, 1));
    assert_false(ask(2, 1, 1));
}

static void who_needs_more_than_there_is_has_it_alone(void **state)
{
    (void)state;
    assert_true(ask(0, 500, 1));
    assert_false(ask(1, 1, 1));
    gate_leave(&gate, &tickets[0]);
    run_until(1);
    assert_int_equal(entered[0], 1);
}

static void those_who_wait_come_in_when_others_leave(void **state)
{
    (void)state;
    assert_true(ask(0, 100, 1));
    for (size_t i = 1; i < 4; i++)
        assert_false(ask(i, 60, 1));
    gate_leave(&gate, &tickets[0]);
    run_until(1);
    assert_int_equal(gate.cost, 60);
    gate_leave(&gate, &tickets[1]);
    run_until(2);
    gate_leave(&gate, &tickets[2]);
    run_until(3);
    assert_int_equal(entered[2], 3);
}

static void who_asks_for_much_lets_others_go_first(void **state)
{
    (void)state;
    assert_true(ask(0, 100, 1));
    for (size_t i = 1; i < 8; i++)
        assert_false(ask(i, 100, 1));
    assert_false(ask(8, 100, 2));
    for (size_t i = 0; i < 3; i++) {
        gate_leave(&gate, &tickets[i == 0 ? 0 : entered[i - 1]]);
        run_until(i + 1);
    }
    assert_true(entered[0] == 8 || entered[1] == 8);
    assert_true(entered[2] < 8);
}

static void nobody_saves_turns_for_later(void **state)
{
    (void)state;
    assert_true(ask(0, 100, 1));
    gate_leave(&gate, &tickets[0]);
    assert_true(ask(0, 100, 1));
    assert_false(ask(1, 100, 1));
    assert_false(ask(2, 100, 2)); /* the first time, but not before all that was */
    assert_false(ask(3, 100, 2));
    assert_false(ask(4, 100, 1));
    for (size_t i = 0; i < 4; i++) {
        gate_leave(&gate, &tickets[i == 0 ? 0 : entered[i - 1]]);
        run_until(i + 1);
    }
    assert_int_equal(entered[0] + entered[1], 1 + 2);
    assert_int_equal(entered[2] + entered[3], 3 + 4);
}

static void who_goes_away_is_not_called(void **state)
{
    (void)state;
    assert_true(ask(0, 100, 1));
    assert_false(ask(1, 100, 1));
    assert_false(ask(2, 100, 1));
    gate_leave(&gate, &tickets[1]);
    gate_leave(&gate, &tickets[1]);
    gate_leave(&gate, &tickets[0]);
    run_until(1);
    assert_int_equal(entered[0], 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_fits_goes_right_through),
        TEST(who_needs_more_than_there_is_has_it_alone),
        TEST(those_who_wait_come_in_when_others_leave),
        TEST(who_asks_for_much_lets_others_go_first),
        TEST(nobody_saves_turns_for_later),
        TEST(who_goes_away_is_not_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
