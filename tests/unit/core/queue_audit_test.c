#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

/* The audit log: who, when, what, to what, why, from where. */

static const int64_t DAY_MS = 24 * 3600 * 1000;

struct page {
    struct audit_entry *entries;
    uint32_t count;
    uint64_t next;
};

static struct page list(struct queue_fixture *f, const char *org, struct audit_filter filter,
                        uint32_t max)
{
    struct view view = { &f->store.base.reader, f->board, f->mem };
    struct page page;

    assert_int_equal(view_audit(&view, bytes_of_text(org), &filter, max, &page.entries, &page.count,
                                &page.next, &f->why),
                     OK);
    return page;
}

static struct page everything(struct queue_fixture *f, const char *org)
{
    struct page page = list(f, org, (struct audit_filter){ .before = 0 }, 1000);

    assert_int_equal(page.next, 0);
    return page;
}

static void assert_text(struct bytes bytes, const char *text)
{
    assert_true(bytes_equal(bytes, bytes_of_text(text)));
}

static enum err pause_as(struct queue_fixture *f, const char *actor, const char *peer,
                         const char *reason)
{
    struct control_request req = { .base.peer = bytes_of_text(peer),
                                   .org = ORG,
                                   .verb = CONTROL_PAUSE,
                                   .name = bytes_of_text("a"),
                                   .actor = bytes_of_text(actor),
                                   .reason = bytes_of_text(reason) };

    return ask(f, &req.base, QUEUE_CONTROL);
}

static void a_control_action_is_kept_with_who_when_what_why_and_from_where(void **state)
{
    struct queue_fixture *f = *state;
    struct page page;

    (void)submitted(f, "a");
    pass(f, 5000);
    assert_int_equal(pause_as(f, "token:7", "10.1.2.3:4567", "the shop is closed"), OK);
    crash(f);
    page = everything(f, "org123");
    assert_int_equal(page.count, 1);
    assert_text(page.entries[0].actor, "token:7");
    assert_int_equal(page.entries[0].at_ms, FIXTURE_START_MS + 5000);
    assert_text(page.entries[0].action, "pause");
    assert_text(page.entries[0].subject, "a");
    assert_text(page.entries[0].reason, "the shop is closed");
    assert_text(page.entries[0].peer, "10.1.2.3:4567");
    assert_text(page.entries[0].org, "org123");
}

static void assert_last(struct queue_fixture *f, const char *action, const char *subject)
{
    struct page page = list(f, "", (struct audit_filter){ .before = 0 }, 1);

    assert_int_equal(page.count, 1);
    assert_text(page.entries[0].action, action);
    assert_text(page.entries[0].subject, subject);
}

static void every_control_action_is_audited(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request put = { .org = ORG };
    struct drain_request drain = { .leases = 0 };
    struct delete_schedule_request no_schedule = { .org = ORG, .name = bytes_of_text("timer") };
    struct reset_watermark_request reset = { .org = ORG, .name = bytes_of_text("a") };
    struct purge_request purge_all = { .org = ORG };
    struct purge_request purge_some = {
        .org = ORG, .name = bytes_of_text("a"), .state = RUN_FAILED, .older_than_ms = 7
    };
    struct run_spec timer = a_spec("timer");
    char text[RUN_ID_TEXT_SIZE];
    run_id id = submitted(f, "a");

    run_id_write(id, text);
    assert_int_equal(control_run(f, CONTROL_PAUSE, id, NULL), OK);
    assert_last(f, "pause", text);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    assert_last(f, "resume", "a");
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_last(f, "cancel", "a");
    assert_int_equal(control_run(f, CONTROL_RETRY, id, NULL), OK);
    assert_last(f, "retry", text);
    assert_int_equal(ask(f, &reset.base, QUEUE_RESET_WATERMARK), OK);
    assert_last(f, "reset_watermark", "a");
    timer.type = RUN_TYPE_SCHEDULED;
    timer.has_schedule = true;
    timer.schedule.repeat = REPEAT_DAILY;
    timer.schedule.time_of_day_s = 3600;
    assert_int_equal(submit(f, &timer, NULL), OK);
    assert_int_equal(ask(f, &no_schedule.base, QUEUE_DELETE_SCHEDULE), OK);
    assert_last(f, "delete_schedule", "timer");
    assert_int_equal(ask(f, &put.base, QUEUE_PUT_ORG), OK);
    assert_last(f, "put_org", "org123");
    assert_int_equal(ask(f, &purge_all.base, QUEUE_PURGE), OK);
    assert_last(f, "purge", "all");
    assert_int_equal(ask(f, &purge_some.base, QUEUE_PURGE), OK);
    assert_last(f, "purge", "name=a status=failed olderThan=7");
    assert_int_equal(ask(f, &drain.base, QUEUE_DRAIN), OK);
    assert_last(f, "drain", "");
    assert_int_equal(everything(f, "org123").count, 9);
    assert_int_equal(everything(f, "").count, 10);
    queue_check(f->queue);
}

static void a_purge_is_kept_with_its_reason(void **state)
{
    struct queue_fixture *f = *state;
    char text[REASON_SIZE_MAX + 1];
    struct purge_request purge = { .org = ORG, .reason = bytes_of_text("spring") };

    (void)submitted(f, "a");
    assert_int_equal(ask(f, &purge.base, QUEUE_PURGE), OK);
    assert_text(list(f, "", (struct audit_filter){ .before = 0 }, 1).entries[0].reason, "spring");
    memset(text, 'x', sizeof text);
    purge.reason = bytes_of(text, sizeof text);
    assert_int_equal(ask(f, &purge.base, QUEUE_PURGE), ERR_INVALID);
    assert_string_equal(purge.base.why.field, "reason");
}

static void what_was_refused_or_only_counted_is_not_audited(void **state)
{
    struct queue_fixture *f = *state;
    struct purge_request dry = { .org = ORG, .dry_run = true };

    (void)submitted(f, "b");
    assert_int_equal(pause_as(f, "me", "here", ""), ERR_NOT_FOUND);
    assert_int_equal(ask(f, &dry.base, QUEUE_PURGE), OK);
    assert_int_equal(everything(f, "").count, 0);
}

/* An entry is there exactly if what it tells of is. */
static void the_entry_is_in_the_batch_of_the_change(void **state)
{
    struct queue_fixture *f = *state;
    run_id id = submitted(f, "a");

    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(pause_as(f, "me", "here", ""), ERR_UNAVAILABLE);
    assert_string_equal(shown(f, id), "queued");
    assert_int_equal(everything(f, "").count, 0);
}

static void submits_are_audited_where_a_setting_says_so(void **state)
{
    struct queue_fixture *f = *state;

    (void)submitted(f, "a");
    assert_int_equal(everything(f, "").count, 0);
    f->options.audit_submits = true;
    crash(f);
    (void)submitted(f, "a");
    assert_last(f, "queue", "a");
    assert_text(everything(f, "").entries[0].actor, "tester");
}

static void the_log_is_listed_newest_first_in_pages(void **state)
{
    struct queue_fixture *f = *state;
    struct audit_filter filter = { .before = 0 };
    int64_t last = INT64_MAX;
    unsigned seen = 0;

    (void)submitted(f, "a");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(control(f, i % 2 == 0 ? CONTROL_PAUSE : CONTROL_RESUME, "a", NULL), OK);
        pass(f, 1000);
    }
    do {
        struct page page = list(f, "org123", filter, 3);

        for (uint32_t i = 0; i < page.count; i++) {
            assert_true(page.entries[i].at_ms < last);
            last = page.entries[i].at_ms;
        }
        seen += page.count;
        filter.before = page.next;
    } while (filter.before != 0);
    assert_int_equal(seen, 10);
    filter = (struct audit_filter){ .since_ms = FIXTURE_START_MS + 2000,
                                    .until_ms = FIXTURE_START_MS + 5000 };
    assert_int_equal(list(f, "", filter, 100).count, 3);
    assert_int_equal(list(f, "nobody", filter, 100).count, 0);
}

static void an_organisation_sees_its_own_entries(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request put = { .org = bytes_of_text("other") };

    (void)submitted(f, "a");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    assert_int_equal(ask(f, &put.base, QUEUE_PUT_ORG), OK);
    assert_int_equal(everything(f, "org123").count, 1);
    assert_int_equal(everything(f, "other").count, 1);
    assert_int_equal(everything(f, "").count, 2);
}

static void entries_are_kept_for_ninety_days(void **state)
{
    struct queue_fixture *f = *state;

    (void)submitted(f, "a");
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    pass(f, 1000);
    assert_int_equal(control(f, CONTROL_RESUME, "a", NULL), OK);
    crash(f);
    pass(f, 90 * DAY_MS - 1001);
    assert_int_equal(everything(f, "").count, 2);
    pass(f, 1);
    assert_int_equal(everything(f, "").count, 1);
    assert_int_equal(everything(f, "org123").count, 1);
    queue_check(f->queue);
    pass(f, 1000);
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_AUDIT), 0);
    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    pass(f, 90 * DAY_MS);
    assert_int_equal(fake_store_count_of(&f->store, FAMILY_AUDIT), 0);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_control_action_is_kept_with_who_when_what_why_and_from_where),
        TEST(every_control_action_is_audited),
        TEST(a_purge_is_kept_with_its_reason),
        TEST(what_was_refused_or_only_counted_is_not_audited),
        TEST(the_entry_is_in_the_batch_of_the_change),
        TEST(submits_are_audited_where_a_setting_says_so),
        TEST(the_log_is_listed_newest_first_in_pages),
        TEST(an_organisation_sees_its_own_entries),
        TEST(entries_are_kept_for_ninety_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
