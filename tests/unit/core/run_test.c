#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/run.h"

/* What every state makes of every event, written down apart from the code: a
 * dot is a refusal. Rows and columns are found by name, so that a new one
 * without its line fails. */
static const char expected[] =
    "           DUE LEASE RETURN RELEASE COMPLETE RETRY GIVE_UP PAUSE RESUME RESCHEDULE CANCEL "
    "REVIVE\n"
    "QUEUED     . ACTIVE . . . . . PAUSED . . CANCELLED .\n"
    "BACKOFF    QUEUED . . . . . . PAUSED . . CANCELLED .\n"
    "SCHEDULED  QUEUED . . . . . . PAUSED . . CANCELLED .\n"
    "ACTIVE     . . QUEUED QUEUED COMPLETED BACKOFF FAILED PAUSING . . CANCELLING .\n"
    "PAUSING    . . PAUSED PAUSED COMPLETED PAUSED FAILED . ACTIVE . CANCELLING .\n"
    "CANCELLING . . CANCELLED CANCELLED COMPLETED CANCELLED CANCELLED . . . . .\n"
    "PAUSED     . . . . . . . . QUEUED SCHEDULED CANCELLED .\n"
    "COMPLETED  . . . . . . . . . . . .\n"
    "FAILED     . . . . . . . . . . . QUEUED\n"
    "CANCELLED  . . . . . . . . . . . QUEUED\n";

static const char *shown_as[RUN_STATE_COUNT] = {
    [RUN_QUEUED] = "queued",       [RUN_BACKOFF] = "queued",      [RUN_SCHEDULED] = "scheduled",
    [RUN_ACTIVE] = "active",       [RUN_PAUSING] = "paused",      [RUN_CANCELLING] = "active",
    [RUN_PAUSED] = "paused",       [RUN_COMPLETED] = "completed", [RUN_FAILED] = "failed",
    [RUN_CANCELLED] = "cancelled",
};

/* The word at *text, which then stands behind it. */
static struct bytes next_word(const char **text)
{
    const char *begin = *text + strspn(*text, " ");
    size_t size = strcspn(begin, " \n");

    *text = begin + size;
    return bytes_of(begin, size);
}

static const char *line_of(const char *name)
{
    for (const char *line = expected; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *rest = line;

        if (bytes_equal(next_word(&rest), bytes_of_text(name)))
            return rest;
    }
    fail_msg("the table has no line for %s", name);
    return NULL;
}

static struct bytes cell(enum run_state state, enum run_event event)
{
    const char *head = expected, *row = line_of(run_state_name(state));

    for (int column = 0; column < RUN_EVENT_COUNT; column++) {
        struct bytes name = next_word(&head), want = next_word(&row);

        if (bytes_equal(name, bytes_of_text(run_event_name(event))))
            return want;
    }
    fail_msg("the table has no column for %s", run_event_name(event));
    return bytes_of(NULL, 0);
}

/* A run that may be in that state. */
static struct run a_run(enum run_state state)
{
    struct run run = { .state = state, .progress = -1, .queued_at_ms = 1, .order = 9 };

    if (run_is_leased(state)) {
        run.epoch = 3;
        run.leased_at_ms = run.started_at_ms = 2;
    }
    if (state == RUN_BACKOFF || state == RUN_SCHEDULED)
        run.not_before_ms = 5;
    if (run_is_ended(state))
        run.ended_at_ms = 4;
    run.ready = state == RUN_QUEUED;
    return run;
}

static void check_refused(enum run_state state, enum run_event event)
{
    struct run run = a_run(state), before = run;
    struct why why = { .text = "" };

    assert_int_equal(run_apply(&run, event, &why), ERR_CONFLICT);
    assert_memory_equal(&run, &before, sizeof run);
    assert_non_null(strstr(why.text, run_event_text(event)));
    assert_non_null(strstr(why.text, state == RUN_PAUSING      ? "pausing"
                                     : state == RUN_CANCELLING ? "cancelled"
                                                               : run_state_shown(state)));
    assert_false(run_allows(state, event));
}

static void check_moved(enum run_state state, enum run_event event, struct bytes want)
{
    struct run run = a_run(state);
    struct why why;

    assert_true(run_allows(state, event));
    assert_int_equal(run_apply(&run, event, &why), OK);
    assert_true(bytes_equal(bytes_of_text(run_state_name(run.state)), want));
    assert_int_equal(run.state, run_next_state(state, event));
    assert_int_equal(run.epoch, event == EVENT_LEASE ? 1 : a_run(state).epoch);
    assert_false(run.ready && run.state != RUN_QUEUED);
    if (run.state != RUN_BACKOFF && run.state != RUN_SCHEDULED)
        assert_int_equal(run.not_before_ms, 0);
}

static void every_event_in_every_state_does_what_the_table_says(void **state)
{
    (void)state;
    for (int s = RUN_NONE + 1; s < RUN_STATE_COUNT; s++)
        for (int e = 0; e < RUN_EVENT_COUNT; e++) {
            struct bytes want = cell((enum run_state)s, (enum run_event)e);

            if (bytes_equal(want, bytes_of_text(".")))
                check_refused((enum run_state)s, (enum run_event)e);
            else
                check_moved((enum run_state)s, (enum run_event)e, want);
        }
}

static void each_state_is_shown_under_its_documented_name(void **state)
{
    (void)state;
    for (int s = RUN_NONE + 1; s < RUN_STATE_COUNT; s++) {
        bool leased = s == RUN_ACTIVE || s == RUN_PAUSING || s == RUN_CANCELLING;
        bool ended = s == RUN_COMPLETED || s == RUN_FAILED || s == RUN_CANCELLED;

        assert_string_equal(run_state_shown((enum run_state)s), shown_as[s]);
        assert_int_equal(run_is_leased((enum run_state)s), leased);
        assert_int_equal(run_is_ended((enum run_state)s), ended);
    }
}

static void a_run_whose_fields_contradict_its_state_is_not_sound(void **state)
{
    (void)state;
    for (int i = RUN_NONE + 1; i < RUN_STATE_COUNT; i++) {
        enum run_state s = (enum run_state)i;
        struct run run = a_run(s);

        assert_true(run_is_sound(&run));
        run.ended_at_ms = run_is_ended(s) ? 0 : 7;
        assert_false(run_is_sound(&run));
        run = a_run(s);
        run.not_before_ms = run.not_before_ms != 0 ? 0 : 7;
        assert_false(run_is_sound(&run));
        run = a_run(s);
        run.ready = true;
        assert_int_equal(run_is_sound(&run), s == RUN_QUEUED);
        run.order = 0;
        assert_false(run_is_sound(&run));
        run = a_run(s);
        run.epoch = 0;
        assert_int_equal(run_is_sound(&run), !run_is_leased(s));
        run = a_run(s);
        run.progress = 100;
        assert_int_equal(run_is_sound(&run), s == RUN_COMPLETED);
        run.progress = 101;
        assert_false(run_is_sound(&run));
        run.progress = -2;
        assert_false(run_is_sound(&run));
    }
    assert_false(run_is_sound(&(struct run){ .state = RUN_NONE, .progress = -1 }));
    assert_false(run_is_sound(&(struct run){ .state = RUN_STATE_COUNT, .progress = -1 }));
}

static void an_id_is_read_as_it_was_written(void **state)
{
    const run_id ids[] = { 1, 255, 256, INT64_MAX, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63 };
    struct random_seeded dice;
    char text[RUN_ID_TEXT_SIZE];
    run_id id;

    (void)state;
    random_seeded_init(&dice, 1);
    for (int i = 0; i < 10000; i++) {
        run_id want = i < 7 ? ids[i] : dice.base.next(&dice.base) | 1;

        run_id_write(want, text);
        assert_int_equal(strlen(text), RUN_ID_TEXT_SIZE - 1);
        assert_memory_equal(text, "job_", 4);
        assert_true(run_id_read(bytes_of_text(text), &id));
        assert_int_equal(id, want);
    }
}

static void ids_sort_as_texts_as_they_do_as_numbers(void **state)
{
    struct random_seeded dice;
    char a[RUN_ID_TEXT_SIZE], b[RUN_ID_TEXT_SIZE];

    (void)state;
    random_seeded_init(&dice, 2);
    for (int i = 0; i < 10000; i++) {
        run_id x = dice.base.next(&dice.base), y = i % 2 ? x + 1 : dice.base.next(&dice.base);

        run_id_write(x, a);
        run_id_write(y, b);
        assert_int_equal(strcmp(a, b) < 0, x < y);
    }
}

static void what_is_no_id_is_refused(void **state)
{
    const char *wrong[] = { "",
                            "job_",
                            "job_000000000000",
                            "job_00000000000001",
                            "job_0000000000000",
                            "JOB_0000000000001",
                            "job-0000000000001",
                            "job_000000000000i",
                            "job_000000000000l",
                            "job_000000000000o",
                            "job_000000000000u",
                            "job_000000000000A",
                            "job_000000000000 ",
                            "job_000000000000/",
                            "job_g000000000001",
                            "job_z000000000000",
                            "job_\xff"
                            "00000000000" };
    run_id id = 77;
    char text[RUN_ID_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(run_id_read(bytes_of_text(wrong[i]), &id));
    run_id_write(42, text);
    text[10] = '\0';
    assert_false(run_id_read(bytes_of(text, RUN_ID_TEXT_SIZE - 1), &id));
    assert_false(run_id_read(bytes_of(NULL, 0), &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_in_every_state_does_what_the_table_says),
        cmocka_unit_test(each_state_is_shown_under_its_documented_name),
        cmocka_unit_test(a_run_whose_fields_contradict_its_state_is_not_sound),
        cmocka_unit_test(an_id_is_read_as_it_was_written),
        cmocka_unit_test(ids_sort_as_texts_as_they_do_as_numbers),
        cmocka_unit_test(what_is_no_id_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
