#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/limits.h"
#include "tests/support/queue_fixture.h"

static const int64_t HOUR_MS = 3600 * 1000, DAY_MS = 24 * 3600 * 1000;

/* What the disk has seen: equal before and after means nothing changed. */
struct disk {
    size_t entries;
    uint64_t commits;
};

static struct disk disk_of(struct queue_fixture *f)
{
    return (struct disk){ fake_store_count(&f->store), f->store.stats.commits };
}

static void assert_untouched(struct queue_fixture *f, struct disk before)
{
    assert_int_equal(fake_store_count(&f->store), before.entries);
    assert_int_equal(f->store.stats.commits, before.commits);
}

static void refused(struct queue_fixture *f, const struct run_spec *spec, const char *field)
{
    struct disk before = disk_of(f);

    assert_int_equal(submit(f, spec, NULL), ERR_INVALID);
    assert_string_equal(f->why.field, field);
    assert_non_null(strstr(f->why.text, field));
    assert_untouched(f, before);
}

static struct bytes text_of_size(size_t size)
{
    static char text[4096];

    assert_true(size <= sizeof text);
    memset(text, 'x', sizeof text);
    return bytes_of(text, size);
}

static struct run_spec a_schedule(const char *name)
{
    struct run_spec spec = a_spec(name);

    spec.type = RUN_TYPE_SCHEDULED;
    spec.has_schedule = true;
    spec.schedule.repeat = REPEAT_DAILY;
    return spec;
}

static void a_wrong_name_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    const char *wrong[] = { "", "a b", "a/b", "caf\xc3\xa9", "a\n", "a%20b", "a:b" };
    struct run_spec spec = a_spec("a");

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        spec.name = bytes_of_text(wrong[i]);
        refused(f, &spec, "name");
    }
    spec.name = bytes_of("a\0b", 3);
    refused(f, &spec, "name");
    spec.name = text_of_size(NAME_SIZE_MAX + 1);
    refused(f, &spec, "name");
    spec.name = text_of_size(NAME_SIZE_MAX);
    assert_int_equal(submit(f, &spec, NULL), OK);
    spec.name = bytes_of_text("AZaz09._-");
    assert_int_equal(submit(f, &spec, NULL), OK);
}

static void names_are_told_apart_by_case(void **state)
{
    struct queue_fixture *f = *state;
    run_id lower = submitted(f, "orders"), upper = submitted(f, "Orders");
    struct run_info info;

    assert_int_equal(control(f, CONTROL_CANCEL, "Orders", &info), OK);
    assert_int_equal(info.id, upper);
    assert_string_equal(shown(f, lower), "queued");
}

static void an_unknown_type_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");

    spec.type = RUN_TYPE_NONE;
    refused(f, &spec, "type");
    spec.type = RUN_TYPE_COUNT;
    refused(f, &spec, "type");
    spec.type = RUN_TYPE_ENTITY;
    refused(f, &spec, "data.entity");
    spec.entity = text_of_size(NAME_SIZE_MAX + 1);
    refused(f, &spec, "data.entity");
    spec = a_spec("a");
    spec.type = RUN_TYPE_SCHEDULED;
    refused(f, &spec, "schedule");
    spec = a_schedule("a");
    spec.mode = RUN_TYPE_ENTITY;
    refused(f, &spec, "data.mode");
}

static void a_value_out_of_range_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    void *data = calloc(1, DATA_SIZE_MAX + 1);

    spec.source = bytes_of_text("");
    refused(f, &spec, "data.source");
    spec = a_spec("a");
    spec.target = text_of_size(NAME_SIZE_MAX + 1);
    refused(f, &spec, "data.target");
    spec = a_spec("a");
    spec.priority = RUN_PRIORITY_NONE;
    refused(f, &spec, "priority");
    spec.priority = RUN_PRIORITY_COUNT;
    refused(f, &spec, "priority");
    spec = a_spec("a");
    spec.concurrency = 0;
    refused(f, &spec, "options.concurrency");
    spec.concurrency = CONCURRENCY_MAX + 1;
    refused(f, &spec, "options.concurrency");
    spec = a_spec("a");
    spec.retries_max = RETRIES_MAX + 1;
    refused(f, &spec, "options.maxRetries");
    spec = a_spec("a");
    spec.updated_since_ms = -1;
    refused(f, &spec, "data.filters.updatedSince");
    spec = a_spec("a");
    spec.data = bytes_of(data, DATA_SIZE_MAX + 1);
    refused(f, &spec, "data");
    spec.data.size--;
    assert_int_equal(submit(f, &spec, NULL), OK);
    free(data);
}

static void a_schedule_that_contradicts_itself_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_schedule("a");

    spec.schedule.repeat = REPEAT_ABSENT;
    refused(f, &spec, "schedule.startAt");
    spec.schedule.start_at_ms = FIXTURE_START_MS - DAY_MS;
    refused(f, &spec, "schedule.startAt");
    spec.schedule.start_at_ms = -1;
    refused(f, &spec, "schedule.startAt");
    spec.schedule.start_at_ms = INT64_MAX;
    refused(f, &spec, "schedule.startAt");
    spec = a_schedule("a");
    spec.schedule.interval_ms = HOUR_MS;
    refused(f, &spec, "schedule.interval");
    spec.schedule.repeat = REPEAT_ABSENT;
    spec.schedule.interval_ms = 999;
    refused(f, &spec, "schedule.interval");
    spec.schedule.interval_ms = -1;
    refused(f, &spec, "schedule.interval");
    spec.schedule.interval_ms = INT64_MAX;
    refused(f, &spec, "schedule.interval");
    spec.schedule.interval_ms = HOUR_MS;
    spec.schedule.time_of_day_s = 0;
    refused(f, &spec, "schedule.time");
    spec = a_schedule("a");
    spec.schedule.time_of_day_s = 24 * 3600;
    refused(f, &spec, "schedule.time");
    spec = a_schedule("a");
    spec.schedule.end_at_ms = 1;
    refused(f, &spec, "schedule.endAt");
    spec = a_schedule("a");
    spec.schedule.catch_up_ms = DAY_MS + 1;
    refused(f, &spec, "schedule.catchUpWindow");
    spec = a_schedule("a");
    spec.schedule.repeat = REPEAT_COUNT;
    refused(f, &spec, "schedule.repeat");
    spec = a_schedule("a");
    spec.schedule.overlap = (enum schedule_overlap)(OVERLAP_CANCEL_OTHER + 1);
    refused(f, &spec, "schedule.overlap");
}

static void a_schedule_by_cron_or_in_no_zone_is_looked_at(void **state)
{
    struct queue_fixture *f = *state;
    struct disk before = disk_of(f);
    struct run_spec spec = a_schedule("a");

    spec.schedule.cron = bytes_of_text("* * * * *");
    refused(f, &spec, "schedule.cron"); /* and repeat */
    spec.schedule.repeat = REPEAT_ABSENT;
    spec.schedule.interval_ms = HOUR_MS;
    refused(f, &spec, "schedule.cron");
    spec.schedule.interval_ms = 0;
    spec.schedule.cron = bytes_of_text("* * * *");
    refused(f, &spec, "schedule.cron");
    spec.schedule.cron = bytes_of_text("* * * * *");
    spec.schedule.time_of_day_s = 0;
    refused(f, &spec, "schedule.time");
    spec = a_schedule("a");
    spec.schedule.timezone = bytes_of_text("Europe/Atlantis");
    refused(f, &spec, "schedule.timezone");
    spec.schedule.timezone = bytes_of_text("../../../etc/localtime");
    refused(f, &spec, "schedule.timezone");
    spec = a_schedule("a");
    spec.schedule.jitter_ms = DAY_MS + 1;
    refused(f, &spec, "schedule.jitter");
    spec.schedule.jitter_ms = -1;
    refused(f, &spec, "schedule.jitter");
    assert_untouched(f, before);
    spec = a_schedule("a");
    spec.schedule.timezone = bytes_of_text("Europe/Berlin");
    spec.schedule.jitter_ms = DAY_MS;
    assert_int_equal(submit(f, &spec, NULL), OK);
}

static void a_wrong_organisation_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    struct disk before = disk_of(f);
    struct run_spec spec = a_spec("a");
    char long_id[400];

    assert_int_equal(submit_to(f, "", &spec, NULL), ERR_INVALID);
    assert_string_equal(f->why.field, "orgid");
    assert_int_equal(submit_to(f, "a b", &spec, NULL), ERR_INVALID);
    memset(long_id, 'x', sizeof long_id);
    long_id[sizeof long_id - 1] = '\0';
    assert_int_equal(submit_to(f, long_id, &spec, NULL), ERR_INVALID);
    assert_untouched(f, before);
}

static void the_first_job_creates_its_organisation(void **state)
{
    struct queue_fixture *f = *state;

    assert_null(org_of(f).id.data);
    (void)submitted(f, "a");
    assert_true(bytes_equal(org_of(f).id, ORG));
    assert_int_equal(org_of(f).queued, 1);
    assert_int_equal(org_of(f).created_at_ms, FIXTURE_START_MS);
    crash(f);
    (void)submitted(f, "b");
    assert_int_equal(org_of(f).queued, 2);
}

static enum err set_limits(struct queue_fixture *f, const char *org, struct org_limits limits)
{
    struct put_org_request req = { .org = bytes_of_text(org), .limits = limits };

    return ask(f, &req.base, QUEUE_PUT_ORG);
}

static void an_organisations_queue_has_a_limit(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("c"), timed = a_schedule("d");
    struct disk before;

    assert_int_equal(set_limits(f, "org123", (struct org_limits){ .max_queued = 2 }), OK);
    (void)submitted(f, "a");
    (void)submitted(f, "b");
    before = disk_of(f);
    assert_int_equal(submit(f, &spec, NULL), ERR_LIMIT);
    assert_int_equal(submit(f, &timed, NULL), ERR_LIMIT);
    assert_untouched(f, before);
    crash(f);
    assert_int_equal(submit(f, &spec, NULL), ERR_LIMIT);
    assert_int_equal(submit_to(f, "other", &spec, NULL), OK);
    assert_int_equal(complete(f, leased(f)), OK);
    assert_int_equal(complete(f, leased(f)), OK);
    assert_int_equal(submit(f, &spec, NULL), OK);
}

static void organisations_have_a_limit(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    struct disk before;

    f->options.orgs_max = 2;
    crash(f);
    assert_int_equal(submit_to(f, "one", &spec, NULL), OK);
    assert_int_equal(submit_to(f, "two", &spec, NULL), OK);
    before = disk_of(f);
    assert_int_equal(submit_to(f, "three", &spec, NULL), ERR_LIMIT);
    assert_untouched(f, before);
    assert_int_equal(submit_to(f, "one", &spec, NULL), OK);
}

static void source_and_target_pairs_that_wait_have_a_limit(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    struct disk before;
    char source[16];

    spec.source = bytes_of_text(source);
    for (int i = 0; i < LANES_PER_ORG_MAX; i++) {
        spec.source.size = (size_t)snprintf(source, sizeof source, "s%d", i);
        spec.name = spec.source;
        assert_int_equal(submit(f, &spec, NULL), OK);
    }
    before = disk_of(f);
    spec.source = bytes_of_text("one-more");
    assert_int_equal(submit(f, &spec, NULL), ERR_LIMIT);
    assert_untouched(f, before);
    spec.source = bytes_of_text("s7");
    assert_int_equal(submit(f, &spec, NULL), OK);
}

/* onDuplicate: queue, the default. */
static void a_second_request_for_a_name_is_a_new_run_behind_the_first(void **state)
{
    struct queue_fixture *f = *state;
    run_id first = submitted(f, "a"), second = submitted(f, "a");

    assert_true(second > first);
    assert_string_equal(shown(f, second), "queued");
    assert_int_equal(org_of(f).queued, 2);
    assert_int_equal(leased(f).id, first);
}

static void ids_grow_whatever_the_clock_does(void **state)
{
    struct queue_fixture *f = *state;
    run_id last = submitted(f, "a"), id;

    for (int i = 0; i < 5000; i++) {
        if (i % 1000 == 500)
            f->clock.now_ms -= DAY_MS;
        if (i % 1000 == 900)
            crash(f);
        id = submitted(f, "a");
        assert_true(id > last);
        last = id;
    }
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_name_is_refused),
        TEST(names_are_told_apart_by_case),
        TEST(an_unknown_type_is_refused),
        TEST(a_value_out_of_range_is_refused),
        TEST(a_schedule_that_contradicts_itself_is_refused),
        TEST(a_schedule_by_cron_or_in_no_zone_is_looked_at),
        TEST(a_wrong_organisation_is_refused),
        TEST(the_first_job_creates_its_organisation),
        TEST(an_organisations_queue_has_a_limit),
        TEST(organisations_have_a_limit),
        TEST(source_and_target_pairs_that_wait_have_a_limit),
        TEST(a_second_request_for_a_name_is_a_new_run_behind_the_first),
        TEST(ids_grow_whatever_the_clock_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
