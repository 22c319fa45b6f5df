#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/store/key.h"
#include "tests/support/queue_fixture.h"

/* A name's line: many runs over time, at most one of them active, later ones
 * wait their turn, first in first out. */

static void no_more_comes(struct queue_fixture *f)
{
    struct assignment job;

    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
}

static void priority_does_not_pass_by_inside_a_line(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec urgent = a_spec("a");
    run_id first = submitted(f, "a");
    struct run_info second;

    urgent.priority = RUN_PRIORITY_CRITICAL;
    assert_int_equal(submit(f, &urgent, &second), OK);
    assert_int_equal(leased(f).id, first);
    no_more_comes(f);
}

static void a_run_that_waits_for_its_backoff_keeps_its_place(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a");

    (void)submitted(f, "a");
    assert_int_equal(fail_with(f, leased(f), FAILURE_TRANSIENT, NULL), OK);
    no_more_comes(f);
    crash(f);
    pass(f, 5001);
    assert_int_equal(leased(f).id, first);
}

/* What is erased may still lie on the disk, to be walked over. */
static void whoever_is_next_is_looked_for_behind_those_that_are_gone(void **state)
{
    struct queue_fixture *f = *state;
    run_id ids[5];

    for (int i = 0; i < 5; i++)
        ids[i] = submitted(f, "a");
    for (int i = 0; i < 4; i++) {
        struct lease_name held = leased(f);
        struct bytes from;

        assert_int_equal(complete(f, held), OK);
        from = bytes_of(f->store.scanned_from[FAMILY_BEHIND].data,
                        f->store.scanned_from[FAMILY_BEHIND].size);
        assert_true(key_run_read(from) > ids[i] && key_run_read(from) <= ids[i + 1]);
    }
    assert_int_equal(leased(f).id, ids[4]);
}

static void a_paused_head_holds_up_its_line_and_no_other(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a"), other = submitted(f, "b");

    assert_int_equal(control_run(f, CONTROL_PAUSE, first, NULL), OK);
    assert_int_equal(leased(f).id, other);
    no_more_comes(f);
    crash(f);
    assert_int_equal(control_run(f, CONTROL_RESUME, first, NULL), OK);
    assert_int_equal(complete(f, leased(f)), OK);
    assert_int_equal(leased(f).id, second);
}

static void a_cancelled_head_makes_way(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a"), third = submitted(f, "a");

    assert_int_equal(control_run(f, CONTROL_CANCEL, first, NULL), OK);
    crash(f);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_string_equal(shown(f, second), "cancelled");
    assert_int_equal(leased(f).id, third);
}

static void a_run_in_the_middle_can_be_cancelled(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a"), third = submitted(f, "a");

    assert_int_equal(control_run(f, CONTROL_CANCEL, second, NULL), OK);
    assert_string_equal(shown(f, second), "cancelled");
    crash(f);
    assert_int_equal(leased(f).id, first);
    assert_int_equal(complete(f, (struct lease_name){ first, 1 }), OK);
    assert_int_equal(leased(f).id, third);
    assert_int_equal(complete(f, (struct lease_name){ third, 1 }), OK);
    no_more_comes(f);
}

static void a_run_paused_in_the_middle_stops_the_line_when_its_turn_comes(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a"), third = submitted(f, "a");
    struct lease_name held = leased(f);

    assert_int_equal(held.id, first);
    assert_int_equal(control_run(f, CONTROL_PAUSE, second, NULL), OK);
    assert_int_equal(complete(f, held), OK);
    no_more_comes(f);
    assert_int_equal(control_run(f, CONTROL_RESUME, second, NULL), OK);
    held = leased(f);
    assert_int_equal(held.id, second);
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(leased(f).id, third);
}

static void a_retried_run_joins_the_end_of_its_line(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second;
    struct lease_name held = leased(f);

    assert_int_equal(fail_with(f, held, FAILURE_FATAL, NULL), OK);
    second = submitted(f, "a");
    assert_int_equal(control_run(f, CONTROL_RETRY, first, NULL), OK);
    held = leased(f);
    assert_int_equal(held.id, second);
    no_more_comes(f);
    assert_int_equal(complete(f, held), OK);
    assert_int_equal(leased(f).id, first);
}

/* The same name of another organisation is another line. */
static void a_line_belongs_to_one_organisation(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    struct run_info theirs;
    run_id ours = submitted(f, "a");

    assert_int_equal(submit_to(f, "other", &spec, &theirs), OK);
    assert_int_equal(leased(f).id, ours);
    assert_int_equal(leased(f).id, theirs.id);
}

/* Lines side by side under a mixture of everything: never two runs of a name
 * at once, and each line in the order of its ids. */
enum { NAMES = 5, RUNS_MAX = 600 };

struct line {
    run_id waiting[RUNS_MAX];
    int first, count;
    struct lease_name held; /* id 0: none */
};

static void step(struct queue_fixture *f, struct random_seeded *dice, struct line *lines)
{
    const char *names[NAMES] = { "a", "a-b", "ab", "b", "B" };
    int n = (int)random_below(&dice->base, NAMES);
    struct line *line = &lines[n];
    struct assignment job;

    switch (random_below(&dice->base, 5)) {
    case 0:
    case 1:
        if (line->count < RUNS_MAX)
            line->waiting[line->count++] = submitted(f, names[n]);
        return;
    case 2:
        if (line->held.id != 0)
            assert_int_equal(complete(f, line->held), OK);
        line->held.id = 0;
        return;
    case 3:
        if (random_below(&dice->base, 10) == 0)
            crash(f);
        return;
    default:
        if (lease(f, &job) != OK)
            return;
        for (n = 0; !bytes_equal(job.info.spec.name, bytes_of_text(names[n])); n++)
            assert_true(n < NAMES - 1);
        line = &lines[n];
        assert_int_equal(line->held.id, 0);
        assert_true(line->first < line->count);
        assert_int_equal(job.info.id, line->waiting[line->first++]);
        line->held = (struct lease_name){ job.info.id, job.epoch };
        return;
    }
}

static void lines_keep_their_order_whatever_happens_beside_them(void **state)
{
    struct queue_fixture *f = *state;
    static struct line lines[NAMES];
    struct random_seeded dice;
    int waiting = 0;

    random_seeded_init(&dice, 11);
    for (int i = 0; i < 3000; i++)
        step(f, &dice, lines);
    for (int n = 0; n < NAMES; n++)
        waiting += lines[n].count - lines[n].first;
    assert_int_equal(org_of(f).queued, waiting);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(priority_does_not_pass_by_inside_a_line),
        TEST(a_run_that_waits_for_its_backoff_keeps_its_place),
        TEST(whoever_is_next_is_looked_for_behind_those_that_are_gone),
        TEST(a_paused_head_holds_up_its_line_and_no_other),
        TEST(a_cancelled_head_makes_way),
        TEST(a_run_in_the_middle_can_be_cancelled),
        TEST(a_run_paused_in_the_middle_stops_the_line_when_its_turn_comes),
        TEST(a_retried_run_joins_the_end_of_its_line),
        TEST(a_line_belongs_to_one_organisation),
        TEST(lines_keep_their_order_whatever_happens_beside_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
