#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/limits.h"
#include "tests/support/queue_fixture.h"

static struct view view_of(struct queue_fixture *f)
{
    return (struct view){ &f->store.base.reader, f->board, f->mem };
}

/* The ids of one page. */
struct page {
    run_id ids[2000];
    uint32_t count;
    run_id next;
};

static void list(struct queue_fixture *f, struct run_filter filter, uint32_t max, struct page *page)
{
    struct view view = view_of(f);
    struct run_info *runs;
    uint32_t count;

    assert_int_equal(view_runs(&view, ORG, &filter, max, &runs, &count, &page->next, &f->why), OK);
    assert_true(count <= max);
    for (uint32_t i = 0; i < count; i++)
        page->ids[page->count++] = runs[i].id;
}

static struct page listed(struct queue_fixture *f, struct run_filter filter)
{
    struct page page = { .count = 0 };

    list(f, filter, 1000, &page);
    return page;
}

static void assert_ids(struct page page, uint32_t count, const run_id *ids)
{
    assert_int_equal(page.count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(page.ids[i], ids[i]);
}

#define IDS(...)                                                                                   \
    (uint32_t)(sizeof((run_id[]){ __VA_ARGS__ }) / sizeof(run_id)), (const run_id[])               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void a_list_is_newest_first_whatever_became_of_the_runs(void **state)
{
    struct queue_fixture *f = *state;
    run_id ended, active, paused, queued;

    ended = submitted(f, "a");
    assert_int_equal(complete(f, leased(f)), OK);
    active = submitted(f, "b");
    (void)leased(f);
    paused = submitted(f, "c");
    assert_int_equal(control(f, CONTROL_PAUSE, "c", NULL), OK);
    queued = submitted(f, "d");
    assert_ids(listed(f, (struct run_filter){ .live = false }), IDS(queued, paused, active, ended));
    assert_ids(listed(f, (struct run_filter){ .live = true }), IDS(queued, paused, active));
    assert_ids(listed(f, (struct run_filter){ .ended = true }), IDS(ended));
    assert_ids(listed(f, (struct run_filter){ .live = true, .ended = true }),
               IDS(queued, paused, active, ended));
}

static void a_list_shows_what_its_filters_say(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("a");
    struct run_info incremental;
    run_id first = submitted(f, "a"), second;

    pass(f, 1000);
    spec.type = RUN_TYPE_INCREMENTAL;
    assert_int_equal(submit(f, &spec, &incremental), OK);
    pass(f, 1000);
    second = submitted(f, "ab");
    assert_int_equal(control(f, CONTROL_PAUSE, "ab", NULL), OK);
    assert_ids(listed(f, (struct run_filter){ .name = bytes_of_text("a") }),
               IDS(incremental.id, first));
    assert_ids(listed(f, (struct run_filter){ .type = RUN_TYPE_INCREMENTAL }), IDS(incremental.id));
    assert_ids(listed(f, (struct run_filter){ .shown_as = "paused" }), IDS(second));
    assert_ids(listed(f, (struct run_filter){ .since_ms = FIXTURE_START_MS + 1000 }),
               IDS(second, incremental.id));
    assert_ids(listed(f, (struct run_filter){ .until_ms = FIXTURE_START_MS + 1000 }), IDS(first));
    assert_int_equal(listed(f, (struct run_filter){ .name = bytes_of_text("b") }).count, 0);
    assert_int_equal(listed(f, (struct run_filter){ .shown_as = "completed" }).count, 0);
}

/* Moves some run on: jobs are leased, end, are paused, go on. */
static void stir(struct queue_fixture *f, struct random_seeded *dice)
{
    struct assignment job;
    char name[16];

    snprintf(name, sizeof name, "job-%d", (int)random_below(&dice->base, 300));
    switch (random_below(&dice->base, 4)) {
    case 0:
        if (lease(f, &job) == OK && random_below(&dice->base, 2))
            (void)complete(f, (struct lease_name){ job.info.id, job.epoch });
        break;
    case 1:
        (void)control(f, CONTROL_PAUSE, name, NULL);
        break;
    case 2:
        (void)control(f, CONTROL_RESUME, name, NULL);
        break;
    default:
        (void)submitted(f, name);
        break;
    }
}

/* Every run that was there when the first page was read comes exactly once,
 * whatever happens to it meanwhile. */
static void no_run_is_missed_or_repeated_over_pages(void **state)
{
    struct queue_fixture *f = *state;
    struct random_seeded dice;
    static struct page seen;
    run_id ids[300];
    char name[16];

    random_seeded_init(&dice, 7);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "job-%d", i);
        ids[i] = submitted(f, name);
        if (i % 3 == 0)
            stir(f, &dice);
    }
    ids[299] = submitted(f, "last");
    seen = (struct page){ .count = 0 };
    do {
        list(f, (struct run_filter){ .before = seen.next }, 7, &seen);
        for (int i = 0; i < 5; i++)
            stir(f, &dice);
    } while (seen.next != 0);
    for (uint32_t i = 1; i < seen.count; i++)
        assert_true(seen.ids[i] < seen.ids[i - 1]);
    for (uint32_t i = 0, found = 0; i < 300; i++, found = 0) {
        for (uint32_t s = 0; s < seen.count; s++)
            found += seen.ids[s] == ids[i];
        assert_int_equal(found, 1);
    }
}

static void a_page_that_ends_exactly_with_the_list_has_no_next(void **state)
{
    struct queue_fixture *f = *state;
    struct page page = { .count = 0 };

    for (int i = 0; i < 4; i++)
        (void)submitted(f, "a");
    list(f, (struct run_filter){ .live = true }, 4, &page);
    assert_int_equal(page.count, 4);
    assert_int_equal(page.next, 0);
    page.count = 0;
    list(f, (struct run_filter){ .live = true }, 3, &page);
    assert_int_equal(page.count, 3);
    list(f, (struct run_filter){ .before = page.next }, 3, &page);
    assert_int_equal(page.count, 4);
    assert_int_equal(page.next, 0);
}

/* What a filter passes over costs the answer no memory. */
static void a_filter_over_many_large_jobs_fits_into_a_small_memory(void **state)
{
    struct queue_fixture *f = *state;
    struct run_spec spec = a_spec("large");
    struct view view = view_of(f);
    struct run_filter filter = { .name = bytes_of_text("small") };
    void *data = calloc(1, 64 << 10);
    struct run_info *runs;
    uint32_t count;
    run_id next, small = submitted(f, "small");

    spec.data = bytes_of(data, 64 << 10);
    for (int i = 0; i < 200; i++)
        assert_int_equal(submit(f, &spec, NULL), OK);
    view.mem = arena_new(1 << 20);
    assert_int_equal(view_runs(&view, ORG, &filter, 10, &runs, &count, &next, &f->why), OK);
    assert_int_equal(count, 1);
    assert_int_equal(runs[0].id, small);
    arena_free(view.mem);
    free(data);
}

static void another_organisation_sees_nothing(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = view_of(f);
    struct run_filter filter = { .live = false };
    run_id id = submitted(f, "a"), next;
    struct bytes rival = bytes_of_text("rival");
    struct run_spec spec = a_spec("b");
    struct run_info info, *runs;
    uint32_t count;

    assert_int_equal(view_run(&view, rival, id, &info, &f->why), ERR_NOT_FOUND);
    assert_int_equal(submit_to(f, "rival", &spec, NULL), OK);
    assert_int_equal(view_run(&view, rival, id, &info, &f->why), ERR_NOT_FOUND);
    assert_int_equal(view_runs(&view, rival, &filter, 10, &runs, &count, &next, &f->why), OK);
    assert_int_equal(count, 1);
    assert_true(bytes_equal(runs[0].spec.name, bytes_of_text("b")));
}

static void an_unknown_organisation_has_an_empty_list_and_no_info(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = view_of(f);
    struct run_filter filter = { .live = false };
    struct bytes nobody = bytes_of_text("nobody");
    struct sync_view *syncs;
    struct org_view org;
    struct run_info *runs;
    uint32_t count = 7;
    run_id next = 7;

    assert_int_equal(view_org(&view, nobody, &org, &f->why), ERR_NOT_FOUND);
    assert_int_equal(view_runs(&view, nobody, &filter, 10, &runs, &count, &next, &f->why), OK);
    assert_int_equal(count, 0);
    assert_int_equal(next, 0);
    assert_int_equal(view_syncs(&view, nobody, bytes_of(NULL, 0), 10, &syncs, &count, &f->why), OK);
    assert_int_equal(count, 0);
}

/* Whatever comes in a header is no reason to stop. */
static void an_impossible_organisation_or_name_is_refused(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = view_of(f);
    struct run_filter filter = { .live = false };
    struct sync_view sync, *syncs;
    struct org_view org;
    struct run_info info, *runs;
    char text[1000];
    struct bytes wrong = bytes_of(text, sizeof text);
    uint32_t count;
    run_id next;

    memset(text, 'x', sizeof text);
    (void)submitted(f, "a");
    assert_int_equal(view_org(&view, wrong, &org, &f->why), ERR_INVALID);
    assert_int_equal(view_run(&view, wrong, 1, &info, &f->why), ERR_INVALID);
    assert_int_equal(view_runs(&view, wrong, &filter, 1, &runs, &count, &next, &f->why),
                     ERR_INVALID);
    assert_int_equal(view_sync(&view, wrong, bytes_of_text("a"), &sync, &f->why), ERR_INVALID);
    assert_int_equal(view_syncs(&view, wrong, bytes_of(NULL, 0), 1, &syncs, &count, &f->why),
                     ERR_INVALID);
    assert_int_equal(view_sync(&view, ORG, wrong, &sync, &f->why), ERR_INVALID);
    assert_int_equal(view_syncs(&view, ORG, wrong, 1, &syncs, &count, &f->why), ERR_INVALID);
    assert_int_equal(view_sync(&view, ORG, bytes_of_text("no such"), &sync, &f->why),
                     ERR_NOT_FOUND);
}

static void an_organisation_shows_its_numbers_and_limits(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request put = { .org = ORG,
                                   .name = bytes_of_text("Example Organization"),
                                   .limits = { 9, 8, 7, 6 } };
    struct org_view org;

    assert_int_equal(ask(f, &put.base, QUEUE_PUT_ORG), OK);
    (void)submitted(f, "a");
    (void)submitted(f, "b");
    (void)submitted(f, "c");
    (void)leased(f);
    assert_int_equal(control(f, CONTROL_PAUSE, "b", NULL), OK);
    crash(f);
    org = org_of(f);
    assert_true(bytes_equal(org.name, put.name));
    assert_int_equal(org.active, 1);
    assert_int_equal(org.paused, 1);
    assert_int_equal(org.queued, 1);
    assert_int_equal(org.last_sync_ms, 0);
    assert_int_equal(org.limits.max_active, 9);
    assert_int_equal(org.limits.max_queued, 8);
    assert_int_equal(org.limits.max_requests_per_second, 7);
    assert_int_equal(org.limits.weight, 6);
}

static void organisations_are_listed_in_the_order_of_their_ids(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = view_of(f);
    struct run_spec spec = a_spec("a");
    struct bytes after = { NULL, 0 };
    struct org_view *orgs;
    uint32_t count, total = 0;
    char id[16];

    for (int i = 49; i >= 0; i--) {
        snprintf(id, sizeof id, "org-%02d", i);
        assert_int_equal(submit_to(f, id, &spec, NULL), OK);
    }
    do {
        assert_int_equal(view_orgs(&view, after, 7, &orgs, &count, &f->why), OK);
        for (uint32_t i = 0; i < count; i++, total++) {
            snprintf(id, sizeof id, "org-%02u", total);
            assert_true(bytes_equal(orgs[i].id, bytes_of_text(id)));
        }
        if (count > 0)
            after = orgs[count - 1].id;
    } while (count > 0);
    assert_int_equal(total, 50);
}

static void syncs_are_listed_by_name_over_pages(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = view_of(f);
    struct bytes after = { NULL, 0 };
    struct sync_view *syncs;
    uint32_t count, total = 0;
    char name[16];

    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "s-%02d", (i * 7) % 30);
        (void)submitted(f, name);
    }
    do {
        assert_int_equal(view_syncs(&view, ORG, after, 4, &syncs, &count, &f->why), OK);
        for (uint32_t i = 0; i < count; i++, total++) {
            snprintf(name, sizeof name, "s-%02u", total);
            assert_true(bytes_equal(syncs[i].name, bytes_of_text(name)));
        }
        if (count > 0)
            after = syncs[count - 1].name;
    } while (count > 0);
    assert_int_equal(total, 30);
}

static void a_sync_shows_its_runs_and_statistics(void **state)
{
    struct queue_fixture *f = *state;
    struct view view = view_of(f);
    struct sync_view sync;
    run_id last;

    for (int i = 1; i <= 3; i++) {
        struct lease_name held;

        (void)submitted(f, "a");
        held = leased(f);
        pass(f, i * 1000);
        assert_int_equal(complete_entity(f, held, "products"), OK);
    }
    (void)submitted(f, "a");
    assert_int_equal(fail_with(f, leased(f), FAILURE_FATAL, NULL), OK);
    last = submitted(f, "a");
    assert_int_equal(view_sync(&view, ORG, bytes_of_text("a"), &sync, &f->why), OK);
    assert_int_equal(sync.completed, 3);
    assert_int_equal(sync.failed, 1);
    assert_int_equal(sync.mean_duration_ms, 2000);
    assert_int_equal(sync.last_completed_at_ms, f->clock.now_ms);
    assert_int_equal(sync.live, last);
    assert_int_equal(sync.latest, last);
    assert_int_equal(sync.watermark_count, 1);
    assert_int_equal(sync.watermarks[0].count, 3);
    assert_false(sync.has_schedule);
}

int main(void)
{
#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_list_is_newest_first_whatever_became_of_the_runs),
        TEST(a_list_shows_what_its_filters_say),
        TEST(no_run_is_missed_or_repeated_over_pages),
        TEST(a_page_that_ends_exactly_with_the_list_has_no_next),
        TEST(a_filter_over_many_large_jobs_fits_into_a_small_memory),
        TEST(another_organisation_sees_nothing),
        TEST(an_unknown_organisation_has_an_empty_list_and_no_info),
        TEST(an_impossible_organisation_or_name_is_refused),
        TEST(an_organisation_shows_its_numbers_and_limits),
        TEST(organisations_are_listed_in_the_order_of_their_ids),
        TEST(syncs_are_listed_by_name_over_pages),
        TEST(a_sync_shows_its_runs_and_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
