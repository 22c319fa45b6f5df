#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

/* Another organisation's job is indistinguishable from one that does not exist. */

static enum err control_as(struct queue_fixture *f, const char *org, enum control_verb verb,
                           run_id id)
{
    struct control_request req = { .verb = verb, .org = bytes_of_text(org), .id = id };

    return ask(f, &req.base, QUEUE_CONTROL);
}

static void refuses_every_verb(struct queue_fixture *f, const char *org, run_id id)
{
    assert_int_equal(control_as(f, org, CONTROL_PAUSE, id), ERR_NOT_FOUND);
    assert_int_equal(control_as(f, org, CONTROL_RESUME, id), ERR_NOT_FOUND);
    assert_int_equal(control_as(f, org, CONTROL_CANCEL, id), ERR_NOT_FOUND);
    assert_int_equal(control_as(f, org, CONTROL_RETRY, id), ERR_NOT_FOUND);
}

static void another_organisations_job_does_not_exist_in_any_state(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct run_spec other = a_spec("b");
    struct lease_name held;

    assert_int_equal(submit_to(f, "rival", &other, NULL), OK);
    refuses_every_verb(f, "rival", id);
    refuses_every_verb(f, "nobody", id);
    held = leased(f);
    assert_int_equal(held.id, id);
    refuses_every_verb(f, "rival", id);
    assert_int_equal(checkpoint(f, held, "page 1"), OK);
    refuses_every_verb(f, "rival", id);
    crash(f);
    refuses_every_verb(f, "rival", id);
    assert_int_equal(complete(f, held), OK);
    refuses_every_verb(f, "rival", id);
    assert_string_equal(shown(f, id), "completed");
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(another_organisations_job_does_not_exist_in_any_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
