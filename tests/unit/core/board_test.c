#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/board.h"
#include "core/limits.h"
#include "tests/support/fake_clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOW = 1700000000 };
#define NOW_MS (INT64_C(1000) * NOW)

/* A board, and one run on it that a test describes and asks about. */
struct board_fixture {
    struct fake_clock clock;
    struct board *board;
    struct run_info info;
    struct board_history history;
    struct entity_progress entity;
};

static int set_up(void **state)
{
    struct board_fixture *f = calloc(1, sizeof *f);

    fake_clock_init(&f->clock, NOW_MS);
    f->board = board_new(&f->clock.base);
    f->info = (struct run_info){
        .id = 7,
        .org = bytes_of_text("org"),
        .spec = { .source = bytes_of_text("shop"),
                  .target = bytes_of_text("local"),
                  .priority = RUN_PRIORITY_NORMAL },
        .run = { .state = RUN_QUEUED, .progress = -1 },
    };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct board_fixture *f = *state;

    board_free(f->board);
    free(f);
    return 0;
}

static const struct run_info *estimate(struct board_fixture *f)
{
    board_estimate(f->board, &f->info, &f->history);
    return &f->info;
}

static int64_t start_in_ms(struct board_fixture *f)
{
    return estimate(f)->estimated_start_ms - f->clock.now_ms;
}

static int64_t end_in_ms(struct board_fixture *f)
{
    return estimate(f)->estimated_completion_ms - f->clock.now_ms;
}

static void assert_no_estimate(struct board_fixture *f)
{
    const struct run_info *info = estimate(f);

    assert_int_equal(info->estimated_start_ms, 0);
    assert_int_equal(info->estimated_completion_ms, 0);
    assert_int_equal(info->estimate_low_ms, 0);
    assert_int_equal(info->estimate_high_ms, 0);
    assert_null(info->estimate_basis);
}

static void assert_range_holds(const struct run_info *info, int64_t estimated_ms)
{
    assert_true(info->estimate_low_ms <= estimated_ms);
    assert_true(info->estimate_high_ms >= estimated_ms);
}

struct crew {
    struct bytes source, target;
    struct worker worker;
};

static void no_push(struct worker *worker, run_id run, uint32_t epoch, enum directive directive)
{
    (void)worker;
    (void)run;
    (void)epoch;
    (void)directive;
}

static void join(struct board_fixture *f, struct crew *crew, const char *source, const char *target,
                 uint32_t slots, uint32_t held)
{
    crew->source = bytes_of_text(source);
    crew->target = bytes_of_text(target);
    crew->worker = (struct worker){ .sources = &crew->source,
                                    .targets = &crew->target,
                                    .source_count = 1,
                                    .target_count = 1,
                                    .slots = slots,
                                    .push = no_push };
    board_worker_joined(f->board, &crew->worker);
    crew->worker.held = held;
    board_worker_held(f->board, &crew->worker);
}

static void past_runs_took(struct board_fixture *f, const int64_t *durations_ms, uint32_t count)
{
    f->history.durations_ms = durations_ms;
    f->history.count = count;
}

/* ---- why it waits ---- */

static void a_run_says_why_it_waits(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    assert_int_equal(estimate(f)->wait, WAIT_NO_WORKER);
    join(f, &crew, "*", "local", 1, 1);
    assert_int_equal(estimate(f)->wait, WAIT_TURN);
    f->history.at_limit = true;
    assert_int_equal(estimate(f)->wait, WAIT_LIMIT);
    f->history.earlier_run = true;
    assert_int_equal(estimate(f)->wait, WAIT_EARLIER_RUN);
    f->history.sync_paused = true;
    assert_int_equal(estimate(f)->wait, WAIT_PAUSED);
    f->info.run.state = RUN_PAUSED;
    assert_int_equal(estimate(f)->wait, WAIT_PAUSED);
    f->info.run.state = RUN_PAUSING;
    assert_int_equal(estimate(f)->wait, WAIT_PAUSED);
    f->info.run.state = RUN_BACKOFF;
    assert_int_equal(estimate(f)->wait, WAIT_PAUSED); /* its name is: no retry comes either */
    f->history.sync_paused = false;
    assert_int_equal(estimate(f)->wait, WAIT_BACKOFF);
    f->info.run.state = RUN_SCHEDULED;
    assert_int_equal(estimate(f)->wait, WAIT_SCHEDULE);
    for (enum run_state s = RUN_COMPLETED; s <= RUN_CANCELLED; s++) {
        f->info.run.state = s;
        assert_int_equal(estimate(f)->wait, WAIT_NONE);
        assert_no_estimate(f);
    }
}

static void only_a_worker_with_source_and_target_counts(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew[4];

    join(f, &crew[0], "shop", "file", 1, 0);
    join(f, &crew[1], "other", "local", 1, 0);
    join(f, &crew[2], "shopp", "local", 1, 0);
    assert_int_equal(estimate(f)->wait, WAIT_NO_WORKER);
    assert_no_estimate(f);
    join(f, &crew[3], "shop", "*", 1, 0);
    assert_int_equal(estimate(f)->wait, WAIT_TURN);
    board_worker_left(f->board, &crew[3].worker);
    assert_int_equal(estimate(f)->wait, WAIT_NO_WORKER);
}

/* ---- when it starts ---- */

static void a_free_slot_means_now(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 2, 1);
    assert_int_equal(start_in_ms(f), 0);
    assert_string_equal(f->info.estimate_basis, "idle_worker");
    assert_int_equal(f->info.estimated_completion_ms, 0); /* nothing is known of that */
    crew.worker.held = 2;
    board_worker_held(f->board, &crew.worker);
    assert_no_estimate(f);
}

static struct board_line line_of(const char *org, const char *source, enum run_priority priority)
{
    return (struct board_line){ bytes_of_text(org), bytes_of_text(source), bytes_of_text("local"),
                                priority, 1 };
}

/* So many runs, from this order on, each of which takes 10 s. */
static void wait_ahead(struct board_fixture *f, const char *org, const char *source,
                       enum run_priority priority, uint64_t order, unsigned count)
{
    struct board_line line = line_of(org, source, priority);

    for (unsigned i = 0; i < count; i++)
        board_run_ready(f->board, &line, false, order + i, 10000);
}

static void take(struct board_fixture *f, run_id run, const char *org, const char *source)
{
    struct board_start start = { bytes_of_text(org), bytes_of_text(source), bytes_of_text("local"),
                                 10000, 0 };

    board_run_started(f->board, run, &start);
}

static void assert_about(int64_t actual, int64_t expected)
{
    assert_in_range((LargestIntegralType)actual, (LargestIntegralType)(expected * 8 / 10),
                    (LargestIntegralType)(expected * 12 / 10));
}

static void free_slots_go_to_those_ahead_first(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 2, 0);
    f->info.run.order = 100;
    wait_ahead(f, "org", "shop", RUN_PRIORITY_NORMAL, 99, 1);
    wait_ahead(f, "org", "shop", RUN_PRIORITY_NORMAL, 101, 50);
    assert_int_equal(start_in_ms(f), 0);
    wait_ahead(f, "org", "shop", RUN_PRIORITY_NORMAL, 98, 1);
    assert_true(start_in_ms(f) > 0);
    assert_string_equal(f->info.estimate_basis, "queue_rate");
    board_run_taken(f->board,
                    &(struct board_line){ bytes_of_text("org"), bytes_of_text("shop"),
                                          bytes_of_text("local"), RUN_PRIORITY_NORMAL, 1 },
                    false, 98);
    assert_int_equal(start_in_ms(f), 0);
}

static void its_turn_comes_when_those_at_work_have_ended(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 1, 1);
    take(f, 1, "org", "shop");
    f->info.run.order = 100;
    assert_about(start_in_ms(f), 10000);
    assert_range_holds(&f->info, f->info.estimated_start_ms);
    fake_clock_advance(&f->clock, 5000);
    assert_about(start_in_ms(f), 5000);
    wait_ahead(f, "org", "shop", RUN_PRIORITY_NORMAL, 50, 3);
    assert_about(start_in_ms(f), 35000);
    board_lease_gone(f->board, 1);
    crew.worker.held = 0;
    board_worker_held(f->board, &crew.worker);
    assert_about(start_in_ms(f), 30000);
}

static void higher_classes_go_first_and_lower_ones_do_not(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 1, 0);
    f->info.run.order = 100;
    wait_ahead(f, "org", "shop", RUN_PRIORITY_LOW, 1, 20);
    assert_int_equal(start_in_ms(f), 0);
    wait_ahead(f, "another", "shop", RUN_PRIORITY_HIGH, 200, 5);
    assert_about(start_in_ms(f), 50000);
    wait_ahead(f, "another", "shop", RUN_PRIORITY_CRITICAL, 300, 1000);
    assert_in_range(start_in_ms(f), 150000, 180000); /* one in seventeen is for the others */
}

static void organisations_take_turns(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 1, 0);
    f->info.run.order = 1000000;
    wait_ahead(f, "flood", "shop", RUN_PRIORITY_NORMAL, 1, 10000);
    wait_ahead(f, "small", "shop", RUN_PRIORITY_NORMAL, 1, 1);
    assert_about(start_in_ms(f), 20000); /* one of each before it */
    wait_ahead(f, "org", "shop", RUN_PRIORITY_NORMAL, 1, 4);
    assert_about(start_in_ms(f), 100000); /* five of the flood, one, four of its own */
}

static void what_its_workers_cannot_do_is_not_ahead(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew, other;

    join(f, &crew, "shop", "local", 1, 0);
    join(f, &other, "erp", "local", 1, 1);
    f->info.run.order = 100;
    take(f, 1, "org", "erp");
    wait_ahead(f, "org", "erp", RUN_PRIORITY_NORMAL, 1, 50);
    assert_int_equal(start_in_ms(f), 0);
    board_worker_left(f->board, &crew.worker);
    join(f, &crew, "*", "local", 1, 1);
    assert_true(start_in_ms(f) > 100 * 1000); /* one that might do either */
}

static void an_organisation_at_its_limit_waits_for_its_own(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 9, 1);
    take(f, 1, "org", "shop");
    f->info.run.order = 100;
    f->history.at_limit = true;
    f->history.max_active = 1;
    f->history.active = 1;
    wait_ahead(f, "org", "shop", RUN_PRIORITY_NORMAL, 1, 2);
    assert_about(start_in_ms(f), 30000);
    assert_int_equal(f->info.wait, WAIT_LIMIT);
}

static void a_place_far_back_is_known_about(void **state)
{
    struct board_fixture *f = *state;
    struct board_line line = line_of("org", "shop", RUN_PRIORITY_NORMAL);
    struct crew crew;

    join(f, &crew, "shop", "local", 10, 0);
    wait_ahead(f, "org", "shop", RUN_PRIORITY_NORMAL, 1, 100000);
    f->info.run.order = 50000;
    assert_about(start_in_ms(f), 50000 * 1000);
    for (uint64_t order = 1; order <= 40000; order++)
        board_run_taken(f->board, &line, false, order);
    assert_about(start_in_ms(f), 10000 * 1000);
    board_line_ended(f->board, &line);
    assert_int_equal(start_in_ms(f), 0);
}

static void after_a_restart_the_length_of_the_line_is_enough(void **state)
{
    struct board_fixture *f = *state;
    struct board_line line = line_of("org", "shop", RUN_PRIORITY_NORMAL);
    struct crew crew;

    join(f, &crew, "shop", "local", 1, 0);
    board_line_found(f->board, &line, 1000, 2000, 100);
    board_completed(f->board, bytes_of_text("org"), 9, 10000);
    f->info.run.order = 1500;
    assert_about(start_in_ms(f), 50 * 10000);
    board_leases_forgotten(f->board);
    assert_int_equal(start_in_ms(f), 0);
}

static void without_anything_known_of_those_ahead_the_mean_must_do(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 2, 2);
    assert_no_estimate(f);
    board_completed(f->board, bytes_of_text("another"), 9, 4000);
    assert_int_equal(start_in_ms(f), 2000); /* half a run, as others take */
    board_completed(f->board, bytes_of_text("org"), 9, 1000);
    assert_int_equal(start_in_ms(f), 500);
}

static void a_worker_that_leases_call_by_call_is_expected_back(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 2, 0);
    crew.worker.id = bytes_of_text("simple");
    crew.worker.push = NULL;
    board_worker_left(f->board, &crew.worker);
    assert_int_equal(estimate(f)->wait, WAIT_TURN);
    assert_int_equal(start_in_ms(f), 0);
    take(f, 1, "org", "shop");
    take(f, 2, "org", "shop");
    assert_about(start_in_ms(f), 10000); /* both are taken */
    fake_clock_advance(&f->clock, 59 * 1000);
    assert_int_equal(estimate(f)->wait, WAIT_TURN);
    board_worker_joined(f->board, &crew.worker);
    board_worker_left(f->board, &crew.worker);
    fake_clock_advance(&f->clock, 59 * 1000);
    assert_int_equal(estimate(f)->wait, WAIT_TURN);
    fake_clock_advance(&f->clock, 1000);
    assert_int_equal(estimate(f)->wait, WAIT_NO_WORKER);
    assert_no_estimate(f);
}

static void a_stream_that_is_gone_is_gone(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 2, 0);
    board_worker_left(f->board, &crew.worker);
    assert_int_equal(estimate(f)->wait, WAIT_NO_WORKER);
}

static void a_retry_starts_no_earlier_than_its_time(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    f->info.run.state = RUN_BACKOFF;
    f->info.run.not_before_ms = NOW_MS + 5000;
    assert_no_estimate(f); /* no worker */
    join(f, &crew, "shop", "local", 1, 0);
    assert_int_equal(start_in_ms(f), 5000);
    assert_string_equal(f->info.estimate_basis, "not_before");
    f->info.run.not_before_ms = NOW_MS - 5000;
    assert_int_equal(start_in_ms(f), 0);
}

static void a_scheduled_run_starts_at_its_time(void **state)
{
    static const int64_t took[] = { 700 };
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 1, 0);
    past_runs_took(f, took, 1);
    f->info.run.state = RUN_SCHEDULED;
    f->info.run.nominal_ms = NOW_MS + 60000;
    assert_int_equal(start_in_ms(f), 60000);
    assert_int_equal(end_in_ms(f), 60700);
}

static void a_run_behind_another_of_its_name_waits_for_that(void **state)
{
    static const int64_t took[] = { 4000 };
    struct run head = { .state = RUN_ACTIVE };
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 5, 0);
    f->history.earlier_run = true;
    f->history.head = &head;
    f->history.head_id = 1;
    assert_no_estimate(f);
    past_runs_took(f, took, 1);
    take(f, 1, "org", "shop");
    assert_about(start_in_ms(f), 4000);
    assert_string_equal(f->info.estimate_basis, "history");
    f->history.place = 3;
    assert_about(start_in_ms(f), 12000);
    head.state = RUN_QUEUED; /* and is free to go */
    assert_about(start_in_ms(f), 12000);
    head.state = RUN_BACKOFF;
    head.not_before_ms = NOW_MS + 10000;
    assert_about(start_in_ms(f), 22000);
    head.state = RUN_PAUSED;
    assert_no_estimate(f);
    assert_int_equal(f->info.wait, WAIT_EARLIER_RUN);
}

static void its_place_in_line_follows_from_when_it_was_queued(void **state)
{
    (void)state;
    assert_true(board_place_in_line(500, 100, 500, 8) == 8);
    assert_true(board_place_in_line(300, 100, 500, 9) == 5);
    assert_true(board_place_in_line(900, 100, 500, 1) == 1);
    assert_true(board_place_in_line(50, 100, 500, 4) == 1);
    assert_true(board_place_in_line(50, 100, 50, 0) == 1);
}

static void what_is_paused_has_no_estimate(void **state)
{
    static const int64_t took[] = { 4000 };
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 5, 0);
    past_runs_took(f, took, 1);
    f->history.sync_paused = true;
    assert_no_estimate(f);
    f->info.run.state = RUN_PAUSED;
    assert_no_estimate(f);
    f->info.run.state = RUN_PAUSING;
    f->info.run.progress = 50;
    assert_no_estimate(f);
}

/* ---- when it ends ---- */

static void set_active(struct board_fixture *f, int64_t worked_ms, uint64_t done, uint64_t total)
{
    f->info.run.state = RUN_ACTIVE;
    f->info.run.leased_at_ms = f->clock.now_ms - worked_ms;
    f->entity = (struct entity_progress){ .done = done, .total = total, .total_known = total > 0 };
    f->info.run.entities = &f->entity;
    f->info.run.entity_count = 1;
}

static void a_run_goes_on_as_it_went(void **state)
{
    struct board_fixture *f = *state;

    set_active(f, 30000, 75, 100);
    assert_int_equal(end_in_ms(f), 10000);
    assert_string_equal(f->info.estimate_basis, "progress_rate");
    assert_range_holds(&f->info, f->info.estimated_completion_ms);
    assert_int_equal(f->info.estimated_start_ms, 0);
}

static void earlier_attempts_count_and_pauses_do_not(void **state)
{
    struct board_fixture *f = *state;

    set_active(f, 10000, 50, 100);
    f->info.run.worked_ms = 20000;
    f->info.run.paused_at_ms = NOW_MS - 3600 * 1000;
    assert_int_equal(end_in_ms(f), 30000);
}

static void without_totals_the_percentage_must_do(void **state)
{
    struct board_fixture *f = *state;

    set_active(f, 10000, 50, 0);
    assert_no_estimate(f);
    f->info.run.progress = 20;
    assert_int_equal(end_in_ms(f), 40000);
}

static void own_progress_and_history_are_blended_by_how_far_it_is(void **state)
{
    static const int64_t took[] = { 100000 };
    struct board_fixture *f = *state;
    int64_t early_ms;

    past_runs_took(f, took, 1);
    set_active(f, 20000, 50, 100);
    /* Its own rate says 20 s, history 80 s. */
    assert_in_range(end_in_ms(f), 25000, 75000);
    early_ms = end_in_ms(f);
    set_active(f, 40000, 80, 100); /* 10 s and 60 s: the further, the more it says itself */
    assert_true(end_in_ms(f) - 10000 < (early_ms - 20000) * 5 / 6);
    assert_string_equal(f->info.estimate_basis, "progress_rate");
    assert_range_holds(&f->info, f->info.estimated_completion_ms);
    set_active(f, 20000, 0, 100);
    assert_about(end_in_ms(f), 80000);
    assert_string_equal(f->info.estimate_basis, "history");
}

static void a_run_that_outlasts_all_others_by_far_is_none_of_them(void **state)
{
    static const int64_t took[] = { 19000, 20000, 21000 };
    struct board_fixture *f = *state;

    past_runs_took(f, took, 3);
    set_active(f, 20000, 0, 0);
    assert_in_range(end_in_ms(f), 1000, 8000); /* as the longer ones */
    set_active(f, 25000, 0, 0);
    assert_in_range(end_in_ms(f), 500, 8000);
    set_active(f, 200000, 0, 0);
    assert_no_estimate(f);
}

static void newer_runs_say_more_than_older_ones(void **state)
{
    static const int64_t took[] = { 10000, 10000, 10000, 20000, 20000, 20000 };
    struct board_fixture *f = *state;

    past_runs_took(f, took, 6);
    set_active(f, 0, 0, 0);
    assert_in_range(end_in_ms(f), 16000, 20000);
    assert_in_range(board_typical_ms(took, 6), 16000, 20000);
    assert_int_equal(board_typical_ms(took, 0), 0);
}

static void the_recent_rate_goes_before_that_of_all_its_life(void **state)
{
    struct board_fixture *f = *state;

    board_lease_set(f->board, f->info.id, f->clock.mono_ms + 60000);
    set_active(f, 1000000, 100, 1000);
    board_progress(f->board, f->info.id, &f->info.run);
    for (uint64_t done = 110; done <= 500; done += 10) {
        fake_clock_advance(&f->clock, 1000);
        set_active(f, 1000000, done, 1000);
        board_progress(f->board, f->info.id, &f->info.run);
    }
    assert_int_equal(end_in_ms(f), 50000); /* 500 left, 10 a second */
}

static void progress_that_falls_is_a_new_beginning(void **state)
{
    struct board_fixture *f = *state;

    board_lease_set(f->board, f->info.id, f->clock.mono_ms + 60000);
    set_active(f, 100000, 900, 1000);
    board_progress(f->board, f->info.id, &f->info.run);
    fake_clock_advance(&f->clock, 10000);
    set_active(f, 100000, 0, 1000);
    board_progress(f->board, f->info.id, &f->info.run);
    fake_clock_advance(&f->clock, 10000);
    set_active(f, 100000, 100, 1000);
    board_progress(f->board, f->info.id, &f->info.run);
    assert_int_equal(end_in_ms(f), 90000);
}

static void an_estimate_is_never_in_the_past(void **state)
{
    struct board_fixture *f = *state;

    set_active(f, 10000, 100, 100);
    assert_int_equal(end_in_ms(f), 0);
    set_active(f, 10000, 120, 100); /* a total that was too small */
    assert_int_equal(end_in_ms(f), 0);
    assert_true(f->info.estimate_low_ms >= f->clock.now_ms);
}

/* ---- leases ---- */

static void a_lease_shows_what_is_left_of_it(void **state)
{
    struct board_fixture *f = *state;

    f->info.run.state = RUN_ACTIVE;
    assert_int_equal(estimate(f)->lease_left_ms, 0);
    board_lease_set(f->board, f->info.id, f->clock.mono_ms + 5000);
    fake_clock_advance(&f->clock, 2000);
    assert_int_equal(estimate(f)->lease_left_ms, 3000);
    f->clock.now_ms -= 3600 * 1000; /* an operator's clock is not asked */
    assert_int_equal(estimate(f)->lease_left_ms, 3000);
    fake_clock_advance(&f->clock, 9000);
    assert_int_equal(estimate(f)->lease_left_ms, 1);
    board_lease_gone(f->board, f->info.id);
    board_lease_gone(f->board, f->info.id);
    assert_int_equal(estimate(f)->lease_left_ms, 0);
}

static void when_the_queue_forgets_all_slots_are_free(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;

    join(f, &crew, "shop", "local", 3, 3);
    board_lease_set(f->board, f->info.id, f->clock.mono_ms + 5000);
    assert_no_estimate(f);
    board_leases_forgotten(f->board);
    assert_int_equal(start_in_ms(f), 0);
    f->info.run.state = RUN_ACTIVE;
    assert_int_equal(estimate(f)->lease_left_ms, 0);
    board_worker_left(f->board, &crew.worker);
    f->info.run.state = RUN_QUEUED;
    assert_no_estimate(f);
}

static void the_pace_of_no_more_than_so_many_organisations_is_kept(void **state)
{
    struct board_fixture *f = *state;
    struct crew crew;
    char org[16];

    join(f, &crew, "shop", "local", 1, 1);
    board_completed(f->board, bytes_of_text("org"), 1, 8000);
    board_completed(f->board, bytes_of_text("forgotten"), 1, 8000);
    for (unsigned i = 0; i < BOARD_ORGS_MAX - 1; i++) {
        if (i == 5)
            board_completed(f->board, bytes_of_text("org"), 1, 8000); /* not idle longest */
        snprintf(org, sizeof org, "o%u", i);
        board_completed(f->board, bytes_of_text(org), 1, 1000);
    }
    assert_int_equal(start_in_ms(f), 4000);
    f->info.org = bytes_of_text("forgotten");
    assert_about(start_in_ms(f), 500); /* as all the others */
}

/* ---- how good they were ---- */

static void what_was_estimated_is_compared_with_what_happened(void **state)
{
    struct board_fixture *f = *state;
    struct board_accuracy a;
    struct board_start unknown = { bytes_of_text("org"), bytes_of_text("shop"),
                                   bytes_of_text("local"), 0, 0 };

    take(f, 1, "org", "shop"); /* 10 s */
    take(f, 2, "org", "shop");
    board_run_started(f->board, 3, &unknown);
    fake_clock_advance(&f->clock, 8000);
    board_completed(f->board, bytes_of_text("org"), 1, 8000);
    board_lease_gone(f->board, 1);
    board_completed(f->board, bytes_of_text("org"), 3, 8000);
    fake_clock_advance(&f->clock, 32000);
    board_completed(f->board, bytes_of_text("org"), 2, 40000);
    board_read_accuracy(f->board, &a);
    assert_int_equal(a.compared, 2);
    assert_int_equal(a.inside, 1);
    assert_int_equal(a.unknown, 1);
    assert_int_equal(a.buckets[3], 1); /* 10 for 8: off by a quarter */
    assert_int_equal(a.buckets[5], 1); /* 10 for 40: by three quarters */
    assert_true(a.error_sum > 0.99 && a.error_sum < 1.01);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_run_says_why_it_waits),
        TEST(only_a_worker_with_source_and_target_counts),
        TEST(a_free_slot_means_now),
        TEST(free_slots_go_to_those_ahead_first),
        TEST(its_turn_comes_when_those_at_work_have_ended),
        TEST(higher_classes_go_first_and_lower_ones_do_not),
        TEST(organisations_take_turns),
        TEST(what_its_workers_cannot_do_is_not_ahead),
        TEST(an_organisation_at_its_limit_waits_for_its_own),
        TEST(a_place_far_back_is_known_about),
        TEST(after_a_restart_the_length_of_the_line_is_enough),
        TEST(without_anything_known_of_those_ahead_the_mean_must_do),
        TEST(a_worker_that_leases_call_by_call_is_expected_back),
        TEST(a_stream_that_is_gone_is_gone),
        TEST(a_retry_starts_no_earlier_than_its_time),
        TEST(a_scheduled_run_starts_at_its_time),
        TEST(a_run_behind_another_of_its_name_waits_for_that),
        TEST(its_place_in_line_follows_from_when_it_was_queued),
        TEST(what_is_paused_has_no_estimate),
        TEST(a_run_goes_on_as_it_went),
        TEST(earlier_attempts_count_and_pauses_do_not),
        TEST(without_totals_the_percentage_must_do),
        TEST(own_progress_and_history_are_blended_by_how_far_it_is),
        TEST(a_run_that_outlasts_all_others_by_far_is_none_of_them),
        TEST(newer_runs_say_more_than_older_ones),
        TEST(the_recent_rate_goes_before_that_of_all_its_life),
        TEST(progress_that_falls_is_a_new_beginning),
        TEST(an_estimate_is_never_in_the_past),
        TEST(a_lease_shows_what_is_left_of_it),
        TEST(when_the_queue_forgets_all_slots_are_free),
        TEST(what_was_estimated_is_compared_with_what_happened),
        TEST(the_pace_of_no_more_than_so_many_organisations_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
