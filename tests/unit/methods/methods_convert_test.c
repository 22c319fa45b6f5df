#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/methods/convert.h"
#include "rpc/methods/message_text.h"

#include <string.h>

/* What is converted without a server: times, intervals, texts, states. */

static void intervals_are_iso_8601_of_fixed_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        { "", 0 },
        { "PT15M", 900000 },
        { "P1D", 86400000 },
        { "P1W", 604800000 },
        { "PT1H30M", 5400000 },
        { "P1DT1S", 86401000 },
        { "PT1S", 1000 },
        { "PT0S", -1 },
        { "P", -1 },
        { "PT", -1 },
        { "1D", -1 },
        { "P1M", -1 },
        { "P1Y", -1 },
        { "PT1D", -1 },
        { "P1H", -1 },
        { "PT1M1H", -1 },
        { "PT1M1M", -1 },
        { "PT-1M", -1 },
        { "PT1.5S", -1 },
        { "P367D", -1 },
        { "PT9999999999S", -1 },
        { "P1DT", -1 },
        { "PT1S ", -1 },
        { "pt1s", -1 },
    };
    struct why why;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -2;
        enum err e = read_interval(cases[i].text, "schedule.interval", &ms, &why);

        if (cases[i].ms < 0) {
            assert_int_equal(e, ERR_INVALID);
            assert_string_equal(why.field, "schedule.interval");
        } else {
            assert_int_equal(e, OK);
            assert_int_equal(ms, cases[i].ms);
        }
    }
}

static void a_time_is_told_as_it_was_read(void **state)
{
    struct builder builder = { .mem = arena_new(1 << 16) };
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    struct why why;
    int64_t ms;

    (void)state;
    time.seconds = 1700000000;
    time.nanos = 123456789;
    assert_int_equal(read_time(&time, "t", &ms, &why), OK);
    assert_int_equal(ms, 1700000000123);
    assert_int_equal(build_time(&builder, ms)->seconds, 1700000000);
    assert_int_equal(build_time(&builder, ms)->nanos, 123000000);
    assert_int_equal(build_time(&builder, -1)->seconds, -1);
    assert_int_equal(build_time(&builder, -1)->nanos, 999000000);
    assert_null(build_time(&builder, 0));
    assert_int_equal(read_time(NULL, "t", &ms, &why), OK);
    assert_int_equal(ms, 0);
    arena_free(builder.mem);
}

/* 0 is "absent" in core, so that no time given may become 0. */
static void times_of_1970_and_before_are_not_absent(void **state)
{
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    struct why why;
    int64_t ms;

    (void)state;
    assert_int_equal(read_time(&time, "t", &ms, &why), OK);
    assert_int_equal(ms, 1);
    time.seconds = -62135596800;
    assert_int_equal(read_time(&time, "t", &ms, &why), OK);
    assert_int_equal(ms, 1);
    time.seconds--;
    assert_int_equal(read_time(&time, "t", &ms, &why), ERR_INVALID);
    time.seconds = 0;
    time.nanos = 1000000000;
    assert_int_equal(read_time(&time, "t", &ms, &why), ERR_INVALID);
}

static void durations_have_a_bound(void **state)
{
    Google__Protobuf__Duration duration = GOOGLE__PROTOBUF__DURATION__INIT;
    struct why why;
    int64_t ms;

    (void)state;
    duration.seconds = 60;
    assert_int_equal(read_duration(&duration, "wait", 60000, &ms, &why), OK);
    assert_int_equal(ms, 60000);
    duration.nanos = 1000000;
    assert_int_equal(read_duration(&duration, "wait", 60000, &ms, &why), ERR_INVALID);
    duration.seconds = INT64_MAX;
    assert_int_equal(read_duration(&duration, "wait", 60000, &ms, &why), ERR_INVALID);
    duration.seconds = -1;
    duration.nanos = 0;
    assert_int_equal(read_duration(&duration, "wait", 60000, &ms, &why), ERR_INVALID);
}

static void uptime_is_told_in_days_hours_and_minutes(void **state)
{
    struct builder builder = { .mem = arena_new(1 << 16) };
    int64_t minute_ms = 60000, day_ms = 24 * 60 * minute_ms;

    (void)state;
    assert_string_equal(build_uptime(&builder, 0), "0d 0h 0m");
    assert_string_equal(build_uptime(&builder, minute_ms - 1), "0d 0h 0m");
    assert_string_equal(build_uptime(&builder, 5 * day_ms + (12 * 60 + 30) * minute_ms),
                        "5d 12h 30m");
    assert_string_equal(build_uptime(&builder, 400 * day_ms - 1), "399d 23h 59m");
    arena_free(builder.mem);
}

static void every_state_is_shown_as_cores_table_says(void **state)
{
    (void)state;
    for (int s = RUN_NONE + 1; s < RUN_STATE_COUNT; s++) {
        Sync__V1__JobStatus status = job_status_of((enum run_state)s);

        assert_int_not_equal(status, SYNC__V1__JOB_STATUS__JOB_STATUS_UNSPECIFIED);
        assert_string_equal(job_status_shown(status), run_state_shown((enum run_state)s));
    }
    assert_null(job_status_shown((Sync__V1__JobStatus)99));
}

static bool is_text(const char *text)
{
    Sync__V1__GetJobRequest request = SYNC__V1__GET_JOB_REQUEST__INIT;
    struct why why;

    request.id = (char *)(uintptr_t)text;
    return message_check_text(&request.base, &why) == OK;
}

static void text_is_utf_8_without_tricks(void **state)
{
    (void)state;
    assert_true(is_text(""));
    assert_true(
        is_text("job \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xf4\x8f\xbf\xbf"));
    assert_true(is_text("plain words of more than eight bytes \xc3\xa4 and more of them"));
    assert_false(is_text("plain words of more than eight bytes \xc3 and more of them"));
    assert_false(is_text("\x80"));
    assert_false(is_text("\xc0\xaf")); /* overlong */
    assert_false(is_text("\xe0\x9f\xbf"));
    assert_false(is_text("\xf0\x8f\xbf\xbf"));
    assert_false(is_text("\xed\xa0\x80"));     /* a surrogate */
    assert_false(is_text("\xf4\x90\x80\x80")); /* beyond U+10FFFF */
    assert_false(is_text("\xf5\x80\x80\x80"));
    assert_false(is_text("a\xe2\x82")); /* cut */
}

static void a_job_that_does_not_fit_says_so(void **state)
{
    struct run_info info = { .id = 1, .org = bytes_of_text("acme") };
    static const char json[] = "{\"much\":\"more than there is room for\"}";

    (void)state;
    info.spec.name = bytes_of_text("orders");
    info.run.state = RUN_QUEUED;
    info.run.queued_at_ms = 5;
    info.run.error_at_ms = 7;
    info.run.error = bytes_of(json, sizeof json - 1);
    for (size_t room = 0; room < 1 << 16; room += 8) {
        struct builder builder = { .mem = arena_new(room) };
        Sync__V1__Job *job = build_job(&builder, &info, JOB_FULL, 0);
        bool full = builder.full;

        assert_true(full || job != NULL);
        arena_free(builder.mem);
        if (!full)
            return;
    }
    fail_msg("the job never fits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intervals_are_iso_8601_of_fixed_units),
        cmocka_unit_test(a_time_is_told_as_it_was_read),
        cmocka_unit_test(times_of_1970_and_before_are_not_absent),
        cmocka_unit_test(durations_have_a_bound),
        cmocka_unit_test(uptime_is_told_in_days_hours_and_minutes),
        cmocka_unit_test(every_state_is_shown_as_cores_table_says),
        cmocka_unit_test(text_is_utf_8_without_tricks),
        cmocka_unit_test(a_job_that_does_not_fit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
