#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

/* What a second request does while a run of its name is waiting or active. */

static enum err submit_as(struct queue_fixture *f, const struct run_spec *spec,
                          enum on_duplicate on_duplicate, struct run_info *info)
{
    struct submit_request req = { .org = ORG,
                                  .actor = bytes_of_text("second"),
                                  .spec = *spec,
                                  .on_duplicate = on_duplicate };
    enum err e = ask(f, &req.base, QUEUE_SUBMIT);

    queue_check(f->queue);
    if (info != NULL)
        *info = req.info;
    return e;
}

static struct run_info submitted_as(struct queue_fixture *f, const char *name,
                                    enum on_duplicate on_duplicate)
{
    struct run_spec spec = a_spec(name);
    struct run_info info;

    assert_int_equal(submit_as(f, &spec, on_duplicate, &info), OK);
    return info;
}

static struct run_info coalesced(struct queue_fixture *f, const char *name)
{
    return submitted_as(f, name, ON_DUPLICATE_COALESCE);
}

static struct run_spec with_data(const char *name, const char *data)
{
    struct run_spec spec = a_spec(name);

    spec.data = bytes_of_text(data);
    return spec;
}

static void assert_data(struct queue_fixture *f, run_id id, const char *data)
{
    struct run_info info;

    assert_int_equal(get_run(f, id, &info), OK);
    assert_int_equal(info.spec.data.size, strlen(data));
    assert_memory_equal(info.spec.data.data, data, strlen(data));
}

static struct run_spec scheduled_daily(const char *name)
{
    struct run_spec spec = a_spec(name);

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.repeat = REPEAT_DAILY;
    spec.schedule.time_of_day_s = 3600;
    return spec;
}

/* ---- coalesce ---- */

static void a_waiting_run_takes_over_the_newer_data_and_keeps_its_id(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec older = with_data("a", "{\"v\":1}"), newer = with_data("a", "{\"v\":2}");
    struct run_info first, second;
    struct assignment job;

    assert_int_equal(submit_as(f, &older, ON_DUPLICATE_COALESCE, &first), OK);
    assert_false(first.duplicate);
    pass(f, 1000);
    newer.type = RUN_TYPE_INCREMENTAL;
    newer.retries_max = 7;
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, &second), OK);
    assert_true(second.id == first.id);
    assert_true(second.duplicate);
    assert_int_equal(second.run.state, RUN_QUEUED);
    assert_int_equal(second.run.queued_at_ms, first.run.queued_at_ms);
    assert_int_equal(org_of(f).queued, 1);
    assert_data(f, first.id, "{\"v\":2}");

    assert_int_equal(lease(f, &job), OK);
    assert_true(job.info.id == first.id);
    assert_int_equal(job.info.spec.type, RUN_TYPE_INCREMENTAL);
    assert_int_equal(job.info.spec.retries_max, 7);
    assert_memory_equal(job.info.spec.data.data, "{\"v\":2}", 7);
    assert_memory_equal(job.info.spec.queued_by.data, "second", 6);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
}

static void what_was_taken_over_survives_a_crash(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec newer = with_data("a", "{\"v\":2}");
    run_id id = submitted(f, "a");

    newer.priority = RUN_PRIORITY_CRITICAL;
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, NULL), OK);
    crash(f);
    queue_check(f->queue);
    assert_data(f, id, "{\"v\":2}");
    (void)submitted(f, "b");
    assert_true(leased(f).id == id);
}

static void while_one_is_active_one_follow_up_is_made_and_never_more(void **state)
{
    struct queue_fixture *f = *state;
    run_id active = submitted(f, "a"), follow_up;
    struct lease_name lease_of_it = leased(f);
    struct run_info info = coalesced(f, "a");
    struct run_spec newest = with_data("a", "{\"v\":9}");

    assert_true(info.id != active);
    assert_false(info.duplicate);
    follow_up = info.id;
    for (int i = 0; i < 5; i++) {
        info = coalesced(f, "a");
        assert_true(info.id == follow_up);
        assert_true(info.duplicate);
    }
    assert_int_equal(submit_as(f, &newest, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id == follow_up);
    assert_int_equal(org_of(f).queued, 1);
    assert_int_equal(complete(f, lease_of_it), OK);
    assert_true(leased(f).id == follow_up);
    assert_data(f, follow_up, "{\"v\":9}");
    assert_true(coalesced(f, "a").id != follow_up);
}

static void the_last_one_in_line_takes_over(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a"), third = submitted(f, "a");
    struct run_spec newer = with_data("a", "{\"v\":2}");
    struct run_info info;

    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id == third);
    assert_data(f, first, "{}");
    assert_data(f, second, "{}");
    assert_true(leased(f).id == first);
}

static void a_paused_waiting_run_takes_over_and_stays_paused(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct run_info paused, info;
    struct assignment job;

    assert_int_equal(control(f, CONTROL_PAUSE, "a", &paused), OK);
    pass(f, 1000);
    info = coalesced(f, "a");
    assert_true(info.id == id);
    assert_true(info.duplicate);
    assert_int_equal(info.run.state, RUN_PAUSED);
    assert_int_equal(info.run.paused_at_ms, paused.run.paused_at_ms);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_true(leased(f).id == id);
}

static void a_run_that_has_begun_is_followed_and_not_rewritten(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name name = leased(f);
    struct run_info info;

    assert_int_equal(checkpoint(f, name, "half"), OK);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(release(f, name), OK);
    assert_string_equal(shown(f, id), "paused");
    info = coalesced(f, "a");
    assert_true(info.id != id);
    assert_int_equal(info.wait, WAIT_PAUSED);
    assert_true(coalesced(f, "a").id == info.id);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_int_equal(complete(f, leased(f)), OK);
    assert_true(leased(f).id == info.id);
}

static void a_retry_that_waits_for_its_backoff_is_followed(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    bool will_retry;

    assert_int_equal(fail_with(f, leased(f), FAILURE_TRANSIENT, &will_retry), OK);
    assert_true(will_retry);
    assert_true(coalesced(f, "a").id != id);
    assert_int_equal(org_of(f).queued, 2);
}

static void a_run_that_starts_over_takes_over(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");
    struct lease_name name = leased(f);
    struct run_spec newer = with_data("a", "{\"v\":2}");
    struct run_info info;
    struct assignment job;

    newer.source = bytes_of_text("nobody-reads-this");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(release(f, name), OK);
    assert_int_equal(leave(f, &f->worker), OK);
    assert_int_equal(resume_from_nothing(f, "a", NULL), OK);
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id == id);
    assert_true(info.duplicate);
    assert_int_equal(join(f, &f->worker), OK);
    assert_int_equal(lease(f, &job), OK);
    assert_memory_equal(job.info.spec.source.data, "nobody-reads-this", 17);
    queue_check(f->queue);
}

static void a_lease_that_was_not_taken_up_has_begun_nothing(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec newer = with_data("a", "{\"v\":2}");
    run_id id = submitted(f, "a");
    struct assignment job;
    struct run_info info;

    assert_int_equal(lease_for(f, &f->worker, true, &job), OK);
    pass(f, f->options.ack_ms);
    assert_string_equal(shown(f, id), "queued");
    pass(f, 3600 * 1000);
    newer.type = RUN_TYPE_INCREMENTAL;
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id == id);
    assert_int_equal(lease(f, &job), OK);
    assert_true(job.info.run.window_high_ms == f->clock.now_ms);
}

static void another_priority_moves_the_run_in_the_order(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec urgent = a_spec("b"), low = a_spec("a");
    run_id a = submitted(f, "a"), b = submitted(f, "b"), c = submitted(f, "c");

    urgent.priority = RUN_PRIORITY_HIGH;
    low.priority = RUN_PRIORITY_LOW;
    assert_int_equal(submit_as(f, &urgent, ON_DUPLICATE_COALESCE, NULL), OK);
    assert_int_equal(submit_as(f, &low, ON_DUPLICATE_COALESCE, NULL), OK);
    assert_true(leased(f).id == b);
    assert_true(leased(f).id == c);
    assert_true(leased(f).id == a);
}

static void another_source_moves_the_run_to_those_who_can(void **state)
{
    struct queue_fixture *f = *state;
    struct bytes source = bytes_of_text("shopify");
    struct worker other = { .id = bytes_of_text("other"), .sources = &source, .targets = &f->any,
                            .source_count = 1, .target_count = 1, .slots = 1 };
    struct run_spec newer = a_spec("a");
    run_id id = submitted(f, "a");
    struct assignment job;

    newer.source = source;
    assert_int_equal(join(f, &other), OK);
    assert_int_equal(lease_for(f, &other, false, &job), ERR_NOT_FOUND);
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, NULL), OK);
    assert_int_equal(lease_for(f, &other, false, &job), OK);
    assert_true(job.info.id == id);
    assert_int_equal(leave(f, &other), OK);
}

/* More than the windows in memory hold, moved to and fro at random. */
static void the_order_holds_when_many_runs_move(void **state)
{
    enum { COUNT = 300 };
    struct queue_fixture *f = *state;
    static const char *const sources[] = { "demo", "file", "shopify" };
    enum run_priority priority[COUNT];
    run_id ids[COUNT], last[RUN_PRIORITY_COUNT] = { 0 };
    struct random_seeded dice;
    struct assignment job;
    char name[16];

    random_seeded_init(&dice, 7);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ids[i] = submitted(f, name);
        priority[i] = RUN_PRIORITY_NORMAL;
    }
    for (int i = 0; i < 3 * COUNT; i++) {
        int which = (int)random_below(&dice.base, COUNT);
        struct run_spec spec;
        struct submit_request req;

        snprintf(name, sizeof name, "n%d", which);
        spec = a_spec(name);
        spec.priority = (enum run_priority)(1 + random_below(&dice.base, 4));
        spec.source = bytes_of_text(sources[random_below(&dice.base, 3)]);
        req = (struct submit_request){ .org = ORG, .spec = spec,
                                       .on_duplicate = ON_DUPLICATE_COALESCE };
        assert_int_equal(ask(f, &req.base, QUEUE_SUBMIT), OK);
        assert_true(req.info.id == ids[which]);
        priority[which] = spec.priority;
        if (i % 100 == 0)
            queue_check(f->queue);
        if (i == COUNT)
            crash(f);
    }
    for (int i = 0; i < COUNT; i++) {
        int which = 0;

        assert_int_equal(lease(f, &job), OK);
        while (ids[which] != job.info.id)
            assert_true(++which < COUNT);
        assert_int_equal(job.info.spec.priority, priority[which]);
        assert_true(job.info.id > last[priority[which]]);
        last[priority[which]] = job.info.id;
    }
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    queue_check(f->queue);
}

static void a_firing_whose_time_has_not_come_does_not_count(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = scheduled_daily("a"), newer = a_spec("a");
    struct run_info pending, info;

    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_REJECT, &pending), OK);
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id != pending.id);
    assert_false(info.duplicate);
    assert_string_equal(shown(f, pending.id), "scheduled");
    assert_true(leased(f).id == info.id);
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_REPLACE, NULL), OK);
    assert_string_equal(shown(f, pending.id), "scheduled");
}

static void a_firing_that_has_come_takes_over_and_the_schedule_stays(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = scheduled_daily("a"), newer = with_data("a", "{\"v\":2}");
    struct run_info fired, info;

    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_QUEUE, &fired), OK);
    pass(f, fired.run.not_before_ms - f->clock.now_ms);
    assert_string_equal(shown(f, fired.id), "queued");
    assert_int_equal(submit_as(f, &newer, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id == fired.id);
    assert_true(info.next_runs_ms[0] > f->clock.now_ms);
    assert_int_equal(org_of(f).scheduled, 1);
}

static void with_a_schedule_in_it_a_request_sets_the_schedule(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = scheduled_daily("a");
    run_id waiting = submitted(f, "a");
    struct run_info info;

    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id != waiting);
    assert_int_equal(info.run.state, RUN_SCHEDULED);
    assert_string_equal(shown(f, waiting), "queued");
}

static void taking_over_needs_no_room_for_another_job(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request limit = { .org = ORG, .limits = { .max_queued = 1 } };
    struct run_spec spec = a_spec("a");
    run_id id = submitted(f, "a");
    struct run_info info;

    assert_int_equal(ask(f, &limit.base, QUEUE_PUT_ORG), OK);
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_QUEUE, NULL), ERR_LIMIT);
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_COALESCE, &info), OK);
    assert_true(info.id == id);
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_REPLACE, &info), OK);
    assert_true(info.id != id);
    assert_int_equal(org_of(f).queued, 1);
}

static void a_wrong_request_takes_over_nothing(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = with_data("a", "{\"v\":2}");
    run_id id = submitted(f, "a");

    spec.concurrency = 0;
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_COALESCE, NULL), ERR_INVALID);
    assert_data(f, id, "{}");
}

static void a_take_over_that_could_not_be_written_did_not_happen(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = with_data("a", "{\"v\":2}");
    run_id id = submitted(f, "a"), other = submitted(f, "b");

    spec.priority = RUN_PRIORITY_HIGH;
    spec.name = bytes_of_text("b");
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_COALESCE, NULL), ERR_UNAVAILABLE);
    assert_data(f, other, "{}");
    assert_true(leased(f).id == id);
    assert_true(leased(f).id == other);
}

/* ---- reject ---- */

static void reject_refuses_and_names_the_run_that_lives(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    run_id id = submitted(f, "a");
    char text[RUN_ID_TEXT_SIZE];
    struct lease_name name;

    run_id_write(id, text);
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_REJECT, NULL), ERR_EXISTS);
    assert_non_null(strstr(f->why.text, text));
    assert_non_null(strstr(f->why.text, "queued"));
    name = leased(f);
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_REJECT, NULL), ERR_EXISTS);
    assert_non_null(strstr(f->why.text, text));
    assert_non_null(strstr(f->why.text, "active"));
    assert_int_equal(org_of(f).queued, 0);
    assert_int_equal(complete(f, name), OK);
    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_REJECT, NULL), OK);
}

/* ---- replace ---- */

static void replace_cancels_a_waiting_run_at_once_and_queues_this(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a");
    struct run_info info = submitted_as(f, "a", ON_DUPLICATE_REPLACE), ended;

    assert_false(info.duplicate);
    assert_string_equal(shown(f, first), "cancelled");
    assert_string_equal(shown(f, second), "cancelled");
    assert_int_equal(get_run(f, first, &ended), OK);
    assert_memory_equal(ended.run.action.actor.data, "second", 6);
    assert_non_null(strstr((const char *)ended.run.action.reason.data, "replaced"));
    assert_int_equal(org_of(f).queued, 1);
    assert_int_equal(org_of(f).cancelled, 2);
    assert_true(leased(f).id == info.id);
}

static void replace_tells_an_active_runs_worker_to_stop_and_waits_behind_it(void **state)
{
    struct queue_fixture *f = *state;
    run_id active = submitted(f, "a"), behind = submitted(f, "a");
    struct lease_name name = leased(f);
    struct run_info info = submitted_as(f, "a", ON_DUPLICATE_REPLACE);
    struct assignment job;

    assert_int_equal(f->pushed, DIRECTIVE_CANCEL_IT);
    assert_true(f->pushed_run == active);
    assert_string_equal(shown(f, behind), "cancelled");
    assert_int_equal(info.run.state, RUN_QUEUED);
    assert_int_equal(info.wait, WAIT_EARLIER_RUN);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(release(f, name), OK);
    assert_string_equal(shown(f, active), "cancelled");
    assert_true(leased(f).id == info.id);
}

static void replacing_twice_leaves_one_run_waiting(void **state)
{
    struct queue_fixture *f = *state;
    run_id active = submitted(f, "a");
    struct lease_name name = leased(f);
    struct run_info one = submitted_as(f, "a", ON_DUPLICATE_REPLACE);
    struct run_info two = submitted_as(f, "a", ON_DUPLICATE_REPLACE);

    assert_string_equal(shown(f, one.id), "cancelled");
    assert_int_equal(org_of(f).queued, 1);
    assert_int_equal(release(f, name), OK);
    assert_string_equal(shown(f, active), "cancelled");
    assert_true(leased(f).id == two.id);
}

static void replace_with_nothing_in_line_is_a_new_run(void **state)
{
    struct queue_fixture *f = *state;
    struct run_info info = submitted_as(f, "a", ON_DUPLICATE_REPLACE);

    assert_int_equal(info.run.state, RUN_QUEUED);
    assert_int_equal(org_of(f).cancelled, 0);
}

static void replacing_does_not_end_a_pause(void **state)
{
    struct queue_fixture *f = *state;
    struct run_info info;
    struct assignment job;

    (void)submitted(f, "a");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    info = submitted_as(f, "a", ON_DUPLICATE_REPLACE);
    assert_int_equal(info.wait, WAIT_PAUSED);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_true(leased(f).id == info.id);
}

static void replace_with_a_schedule_ends_the_line_and_sets_it(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = scheduled_daily("a");
    run_id waiting = submitted(f, "a");
    struct run_info info;

    assert_int_equal(submit_as(f, &spec, ON_DUPLICATE_REPLACE, &info), OK);
    assert_string_equal(shown(f, waiting), "cancelled");
    assert_string_equal(shown(f, info.id), "scheduled");
}

/* A line longer than one turn clears, and requests that come meanwhile. */
static void a_long_line_makes_way_over_several_turns_in_order(void **state)
{
    enum { COUNT = 2500 };
    struct queue_fixture *f = *state;
    struct submit_request replace = { .org = ORG, .spec = a_spec("a"),
                                      .on_duplicate = ON_DUPLICATE_REPLACE };
    struct submit_request after = { .org = ORG, .spec = a_spec("a") };
    struct submit_request reject = { .org = ORG, .spec = a_spec("a"),
                                     .on_duplicate = ON_DUPLICATE_REJECT };
    struct submit_request elsewhere = { .org = bytes_of_text("other"), .spec = a_spec("a") };
    unsigned turns = 0;

    for (int i = 0; i < COUNT; i++)
        (void)submitted(f, "a");
    post(f, &replace.base, QUEUE_SUBMIT);
    post(f, &after.base, QUEUE_SUBMIT);
    post(f, &reject.base, QUEUE_SUBMIT);
    post(f, &elsewhere.base, QUEUE_SUBMIT);
    assert_int_equal(queue_turn(f->queue), 0);
    turns++;
    assert_true(is_answered(&elsewhere.base));
    assert_false(is_answered(&replace.base));
    assert_false(is_answered(&after.base));
    for (; !is_answered(&reject.base); turns++)
        queue_turn(f->queue);
    assert_in_range(turns, 3, 4);
    queue_check(f->queue);
    assert_int_equal(replace.base.result, OK);
    assert_int_equal(after.base.result, OK);
    assert_int_equal(reject.base.result, ERR_EXISTS);
    assert_true(after.info.id > replace.info.id);
    assert_int_equal(org_of(f).cancelled, COUNT);
    assert_int_equal(org_of(f).queued, 2);
    assert_true(leased(f).id == elsewhere.info.id);
    assert_true(leased(f).id == replace.info.id);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_waiting_run_takes_over_the_newer_data_and_keeps_its_id),
        TEST(what_was_taken_over_survives_a_crash),
        TEST(while_one_is_active_one_follow_up_is_made_and_never_more),
        TEST(the_last_one_in_line_takes_over),
        TEST(a_paused_waiting_run_takes_over_and_stays_paused),
        TEST(a_run_that_has_begun_is_followed_and_not_rewritten),
        TEST(a_retry_that_waits_for_its_backoff_is_followed),
        TEST(a_run_that_starts_over_takes_over),
        TEST(a_lease_that_was_not_taken_up_has_begun_nothing),
        TEST(another_priority_moves_the_run_in_the_order),
        TEST(another_source_moves_the_run_to_those_who_can),
        TEST(the_order_holds_when_many_runs_move),
        TEST(a_firing_whose_time_has_not_come_does_not_count),
        TEST(a_firing_that_has_come_takes_over_and_the_schedule_stays),
        TEST(with_a_schedule_in_it_a_request_sets_the_schedule),
        TEST(taking_over_needs_no_room_for_another_job),
        TEST(a_wrong_request_takes_over_nothing),
        TEST(a_take_over_that_could_not_be_written_did_not_happen),
        TEST(reject_refuses_and_names_the_run_that_lives),
        TEST(replace_cancels_a_waiting_run_at_once_and_queues_this),
        TEST(replace_tells_an_active_runs_worker_to_stop_and_waits_behind_it),
        TEST(replacing_twice_leaves_one_run_waiting),
        TEST(replace_with_nothing_in_line_is_a_new_run),
        TEST(replacing_does_not_end_a_pause),
        TEST(replace_with_a_schedule_ends_the_line_and_sets_it),
        TEST(a_long_line_makes_way_over_several_turns_in_order),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
