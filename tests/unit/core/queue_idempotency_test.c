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

/* A request that may be repeated: the same key and body give the same answer. */

static struct submit_request a_request(const char *name, const char *key)
{
    struct submit_request req = { .org = ORG,
                                  .actor = bytes_of_text("tester"),
                                  .caller = bytes_of_text("tester"),
                                  .spec = a_spec(name),
                                  .request_id = bytes_of_text(key) };

    memset(req.digest, name[0], sizeof req.digest);
    return req;
}

static enum err send(struct queue_fixture *f, struct submit_request *req)
{
    enum err e = ask(f, &req->base, QUEUE_SUBMIT);

    queue_check(f->queue);
    return e;
}

/* A new request, which must be accepted. */
static struct submit_request sent(struct queue_fixture *f, const char *name, const char *key)
{
    struct submit_request req = a_request(name, key);

    assert_int_equal(send(f, &req), OK);
    return req;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Everything that an answer shows. */
static void assert_replay(const struct submit_request *first, const struct submit_request *second)
{
    const struct run_info *a = &first->info, *b = &second->info;

    assert_false(first->replayed);
    assert_true(second->replayed);
    assert_true(a->id == b->id);
    assert_true(bytes_equal(a->org, b->org));
    assert_true(bytes_equal(a->spec.name, b->spec.name));
    assert_int_equal(a->run.state, b->run.state);
    assert_int_equal(a->run.queued_at_ms, b->run.queued_at_ms);
    assert_int_equal(a->run.paused_at_ms, b->run.paused_at_ms);
    assert_int_equal(a->run.not_before_ms, b->run.not_before_ms);
    assert_int_equal(a->run.progress, b->run.progress);
    assert_int_equal(a->duplicate, b->duplicate);
    assert_int_equal(a->wait, b->wait);
    assert_int_equal(a->estimated_start_ms, b->estimated_start_ms);
    assert_int_equal(a->estimated_completion_ms, b->estimated_completion_ms);
    assert_int_equal(a->estimate_low_ms, b->estimate_low_ms);
    assert_int_equal(a->estimate_high_ms, b->estimate_high_ms);
    assert_true(same_text(a->estimate_basis, b->estimate_basis));
    assert_memory_equal(a->next_runs_ms, b->next_runs_ms, sizeof a->next_runs_ms);
}

static size_t keys_stored(struct queue_fixture *f);

static void the_same_key_with_the_same_body_gives_the_stored_answer(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = sent(f, "a", "key-1"), second;

    assert_true(first.info.estimated_start_ms != 0);
    pass(f, 5000);
    second = sent(f, "a", "key-1");
    assert_replay(&first, &second);
    assert_int_equal(org_of(f).queued, 1);
}

static void another_body_is_refused_and_names_the_field(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request other = a_request("b", "key-1");

    (void)sent(f, "a", "key-1");
    assert_int_equal(send(f, &other), ERR_CONFLICT);
    assert_string_equal(f->why.field, "requestId");
    assert_int_equal(org_of(f).queued, 1);
}

static void the_scope_is_organisation_and_caller(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = sent(f, "a", "key-1");
    struct submit_request other_caller = a_request("a", "key-1"),
                          other_org = a_request("a", "key-1");

    other_caller.caller = bytes_of_text("someone");
    assert_int_equal(send(f, &other_caller), OK);
    assert_false(other_caller.replayed);
    assert_true(other_caller.info.id != first.info.id);
    other_org.org = bytes_of_text("org456");
    assert_int_equal(send(f, &other_org), OK);
    assert_false(other_org.replayed);
    assert_true(sent(f, "a", "key-1").replayed);
}

/* Where the one ends and the other begins is part of the key. */
static void a_callers_name_and_a_key_do_not_run_together(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request ab = a_request("a", "b-key"), a = a_request("a", "xb-key");

    ab.caller = bytes_of_text("ax");
    a.caller = bytes_of_text("a");
    assert_int_equal(send(f, &ab), OK);
    assert_int_equal(send(f, &a), OK);
    assert_false(a.replayed);
}

static void an_answer_is_kept_for_24_hours(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = sent(f, "a", "key-1"), again;

    pass(f, IDEMPOTENCY_MS - 1);
    again = sent(f, "a", "key-1");
    assert_replay(&first, &again);
    pass(f, 1);
    again = sent(f, "a", "key-1");
    assert_false(again.replayed);
    assert_true(again.info.id != first.info.id);
    assert_true(sent(f, "a", "key-1").info.id == again.info.id);
}

static void a_key_that_has_expired_may_be_used_for_another_body(void **state)
{
    struct queue_fixture *f = *state;

    (void)sent(f, "a", "key-1");
    pass(f, IDEMPOTENCY_MS);
    assert_false(sent(f, "b", "key-1").replayed);
}

static void it_is_written_with_the_job_or_not_at_all(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request req = a_request("a", "key-1"), again;
    uint64_t commits;

    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    assert_int_equal(send(f, &req), ERR_UNAVAILABLE);
    assert_int_equal(keys_stored(f), 0);
    commits = f->store.stats.commits;
    req = sent(f, "a", "key-1");
    assert_false(req.replayed);
    assert_int_equal(f->store.stats.commits, commits + 1);
    assert_int_equal(keys_stored(f), 1);
    again = sent(f, "a", "key-1");
    assert_replay(&req, &again);
}

static void replays_survive_a_crash(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = sent(f, "a", "key-1"), again;

    crash(f);
    again = sent(f, "a", "key-1");
    assert_replay(&first, &again);
}

/* Nobody knows whether it was stored: asking again is safe either way. */
static void after_an_uncertain_commit_the_request_can_be_repeated(void **state)
{
    for (int kept = 0; kept < 2; kept++) {
        struct queue_fixture *f = *state;
        const char *key = kept ? "kept" : "lost";
        struct submit_request req = a_request("a", key), again;
        uint64_t before = org_of(f).queued;

        fault_arm(&f->store.commit, 1, ERR_UNCERTAIN);
        req.base.mem = f->mem;
        assert_int_equal(ask(f, &req.base, QUEUE_SUBMIT), ERR_UNCERTAIN);
        f->store.keep_uncertain = kept;
        reopen(f);
        again = sent(f, "a", key);
        assert_int_equal(again.replayed, kept);
        assert_int_equal(org_of(f).queued, before + 1);
    }
}

static void replays_survive_the_end_and_the_purge_of_the_job(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = sent(f, "a", "key-1"), again;
    uint64_t completed, failed, cancelled;

    assert_int_equal(complete(f, leased(f)), OK);
    again = sent(f, "a", "key-1");
    assert_replay(&first, &again);
    assert_int_equal(again.info.run.state, RUN_QUEUED);
    assert_int_equal(purge(f, &completed, &failed, &cancelled), OK);
    assert_int_equal(completed, 1);
    pass(f, 0);
    assert_string_equal(shown(f, first.info.id), "gone");
    again = sent(f, "a", "key-1");
    assert_replay(&first, &again);
    assert_int_equal(org_of(f).queued, 0);
}

static void two_requests_with_one_key_in_one_turn_are_one(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = a_request("a", "key-1"), second = a_request("a", "key-1"),
                          third = a_request("b", "key-1");

    post(f, &first.base, QUEUE_SUBMIT);
    post(f, &second.base, QUEUE_SUBMIT);
    ask_later(f, &third.base, QUEUE_SUBMIT);
    assert_int_equal(first.base.result, OK);
    assert_int_equal(second.base.result, OK);
    assert_replay(&first, &second);
    assert_int_equal(third.base.result, ERR_CONFLICT);
    assert_int_equal(org_of(f).queued, 1);
}

static void only_what_was_accepted_is_remembered(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request req = a_request("a", "key-1");
    struct lease_name name;

    (void)submitted(f, "a");
    name = leased(f);
    req.on_duplicate = ON_DUPLICATE_REJECT;
    assert_int_equal(send(f, &req), ERR_EXISTS);
    assert_int_equal(complete(f, name), OK);
    assert_int_equal(send(f, &req), OK);
    assert_false(req.replayed);
    assert_int_equal(send(f, &req), OK);
    assert_true(req.replayed);
}

static void a_replay_needs_no_room_and_no_time_that_is_still_to_come(void **state)
{
    struct queue_fixture *f = *state;
    struct put_org_request limit = { .org = ORG, .limits = { .max_queued = 1 } };
    struct submit_request first = a_request("a", "key-1"), again;

    first.spec.type = RUN_TYPE_SCHEDULED;
    first.spec.has_schedule = true;
    first.spec.schedule.repeat = REPEAT_NONE;
    first.spec.schedule.start_at_ms = f->clock.now_ms + 1000;
    again = first;
    assert_int_equal(send(f, &first), OK);
    assert_int_equal(first.info.run.state, RUN_SCHEDULED);
    pass(f, 2000);
    assert_int_equal(ask(f, &limit.base, QUEUE_PUT_ORG), OK);
    assert_int_equal(send(f, &again), OK);
    assert_replay(&first, &again);
}

static void a_coalesced_answer_is_replayed_as_it_was(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = a_request("a", "key-1"), again = first;
    run_id id = submitted(f, "a");

    assert_int_equal(control(f, CONTROL_PAUSE, "a", NULL), OK);
    first.on_duplicate = again.on_duplicate = ON_DUPLICATE_COALESCE;
    assert_int_equal(send(f, &first), OK);
    assert_true(first.info.id == id);
    assert_true(first.info.duplicate);
    assert_int_equal(first.info.run.state, RUN_PAUSED);
    assert_int_equal(control(f, CONTROL_CANCEL, "a", NULL), OK);
    assert_int_equal(send(f, &again), OK);
    assert_replay(&first, &again);
}

static void a_key_is_1_to_255_characters_of_printable_ascii(void **state)
{
    struct queue_fixture *f = *state;
    static const char *const wrong[] = { "a\n", "\x7f", "caf\xc3\xa9", "\x1f" };
    struct submit_request req;
    char text[REQUEST_ID_SIZE_MAX + 2];

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        req = a_request("a", wrong[i]);
        assert_int_equal(send(f, &req), ERR_INVALID);
        assert_string_equal(f->why.field, "requestId");
    }
    memset(text, '~', sizeof text);
    req = a_request("a", "");
    req.request_id = bytes_of(text, REQUEST_ID_SIZE_MAX + 1);
    assert_int_equal(send(f, &req), ERR_INVALID);
    assert_string_equal(f->why.field, "requestId");
    assert_int_equal(keys_stored(f), 0);
    req.request_id.size--;
    assert_int_equal(send(f, &req), OK);
    assert_false(sent(f, "a", " ").replayed);
    assert_int_equal(keys_stored(f), 2);
}

static void without_a_key_nothing_is_remembered(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = sent(f, "a", ""), second = sent(f, "a", "");

    assert_true(first.info.id != second.info.id);
    assert_int_equal(keys_stored(f), 0);
}

static void answers_that_have_expired_are_swept_a_piece_a_turn(void **state)
{
    enum { COUNT = 1300 };
    struct queue_fixture *f = *state;
    struct submit_request *requests = calloc(COUNT, sizeof *requests);
    char (*keys)[16] = calloc(COUNT, sizeof *keys);
    size_t left = COUNT, now, from;

    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%d", i);
        requests[i] = a_request("a", keys[i]);
        post(f, &requests[i].base, QUEUE_SUBMIT);
    }
    queue_turn(f->queue);
    assert_int_equal(keys_stored(f), COUNT);
    crash(f);
    pass(f, IDEMPOTENCY_MS);
    assert_int_equal(keys_stored(f), COUNT);
    fake_clock_advance(&f->clock, IDEMPOTENCY_MS);
    while (left > 0) {
        queue_turn(f->queue);
        from = f->store.scanned_from[FAMILY_IDEMPOTENCY].size;
        now = keys_stored(f);
        assert_true(now < left && left - now <= 512);
        assert_int_equal(from, left == COUNT ? 9 : 25); /* behind what was swept before */
        left = now;
    }
    queue_check(f->queue);
    free(keys);
    free(requests);
}

/* A clock that is set back must neither lose an answer nor keep it for ever. */
static void a_clock_that_is_set_back_changes_nothing(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request first = sent(f, "a", "key-1"), again;

    f->clock.now_ms -= 3600 * 1000;
    again = sent(f, "a", "key-1");
    assert_replay(&first, &again);
    (void)sent(f, "a", "key-2");
    pass(f, 3 * (int64_t)IDEMPOTENCY_MS);
    assert_int_equal(keys_stored(f), 0);
    f->clock.now_ms -= 3 * (int64_t)IDEMPOTENCY_MS;
    (void)sent(f, "a", "key-3");
    pass(f, 3 * (int64_t)IDEMPOTENCY_MS);
    assert_int_equal(keys_stored(f), 0);
}

/* The later one names an older job, which took it over. */
static void of_two_answers_under_one_key_the_later_one_counts(void **state)
{
    struct queue_fixture *f = *state;
    struct submit_request later = a_request("a", "key-1"), again = later;

    (void)submitted(f, "a");
    (void)sent(f, "b", "key-1");
    pass(f, IDEMPOTENCY_MS);
    later.on_duplicate = again.on_duplicate = ON_DUPLICATE_COALESCE;
    assert_int_equal(send(f, &later), OK);
    assert_true(later.info.duplicate);
    f->clock.now_ms -= 3600 * 1000;
    assert_int_equal(send(f, &again), OK);
    assert_replay(&later, &again);
}

static bool count_key(void *ctx, struct bytes key, struct bytes value)
{
    size_t *count = ctx;

    (void)key;
    (void)value;
    ++*count;
    return true;
}

static size_t keys_stored(struct queue_fixture *f)
{
    struct store_reader *reader = &f->store.base.reader;
    struct store_range all = { .family = FAMILY_IDEMPOTENCY };
    size_t count = 0;

    assert_int_equal(reader->ops->scan(reader, &all, count_key, &count, &f->why), OK);
    return count;
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_same_key_with_the_same_body_gives_the_stored_answer),
        TEST(another_body_is_refused_and_names_the_field),
        TEST(the_scope_is_organisation_and_caller),
        TEST(a_callers_name_and_a_key_do_not_run_together),
        TEST(an_answer_is_kept_for_24_hours),
        TEST(a_key_that_has_expired_may_be_used_for_another_body),
        TEST(it_is_written_with_the_job_or_not_at_all),
        TEST(replays_survive_a_crash),
        TEST(after_an_uncertain_commit_the_request_can_be_repeated),
        TEST(replays_survive_the_end_and_the_purge_of_the_job),
        TEST(two_requests_with_one_key_in_one_turn_are_one),
        TEST(only_what_was_accepted_is_remembered),
        TEST(a_replay_needs_no_room_and_no_time_that_is_still_to_come),
        TEST(a_coalesced_answer_is_replayed_as_it_was),
        TEST(a_key_is_1_to_255_characters_of_printable_ascii),
        TEST(without_a_key_nothing_is_remembered),
        TEST(answers_that_have_expired_are_swept_a_piece_a_turn),
        TEST(a_clock_that_is_set_back_changes_nothing),
        TEST(of_two_answers_under_one_key_the_later_one_counts),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
