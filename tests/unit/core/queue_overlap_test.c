#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/queue_fixture.h"

#include <stdio.h>
#include <string.h>

/* A batch on its way to the disk while the next turn is computed. */

struct asked {
    struct submit_request req;
    char name[16];
    bool done;
    unsigned place;      /* among the answers */
};

static unsigned answers;

static void note(struct request *request, enum err e)
{
    struct asked *asked = container_of(container_of(request, struct submit_request, base),
                                       struct asked, req);

    (void)e;
    asked->done = true;
    asked->place = ++answers;
}

static void post_submit(struct queue_fixture *f, struct asked *asked, const char *name)
{
    *asked = (struct asked){ .req = { .base = { .verb = QUEUE_SUBMIT, .mem = f->mem, .done = note },
                                      .org = ORG,
                                      .actor = bytes_of_text("tester") } };
    snprintf(asked->name, sizeof asked->name, "%s", name);
    asked->req.spec = a_spec(asked->name);
    queue_post(f->queue, &asked->req.base);
}

static void settle(struct queue_fixture *f)
{
    struct why why = { .text = "" };
    enum err e = queue_store(f->queue, &why);

    queue_settle(f->queue, e, &why);
}

/* Two turns, the second computed before the first is stored. */
static void begin_two(struct queue_fixture *f, struct asked *first, struct asked *second)
{
    answers = 0;
    post_submit(f, first, "a");
    queue_work(f->queue);
    assert_true(queue_seal(f->queue));
    post_submit(f, second, "a");
    queue_work(f->queue);
    assert_false(first->done || second->done);
}

static void an_answer_leaves_when_its_own_batch_is_durable_and_not_before(void **state)
{
    struct queue_fixture *f = *state;
    struct asked first, second;

    begin_two(f, &first, &second);
    settle(f);
    assert_true(first.done && !second.done);
    assert_int_equal(first.req.base.result, OK);
    assert_true(queue_seal(f->queue));
    settle(f);
    assert_true(second.done);
    assert_int_equal(second.req.base.result, OK);
    assert_true(first.place < second.place);
    queue_check(f->queue);
    assert_int_equal(leased(f).id, first.req.info.id);
    assert_int_equal(second.req.info.wait, WAIT_EARLIER_RUN);
}

static void what_is_lost_takes_what_stood_on_it_along(void **state)
{
    struct queue_fixture *f = *state;
    struct asked first, second;
    struct assignment job;

    begin_two(f, &first, &second);
    fault_arm(&f->store.commit, 1, ERR_UNAVAILABLE);
    settle(f);
    assert_true(first.done && second.done && first.place < second.place);
    assert_int_equal(first.req.base.result, ERR_UNAVAILABLE);
    assert_int_equal(second.req.base.result, ERR_UNAVAILABLE);
    queue_check(f->queue);
    assert_int_equal(lease(f, &job), ERR_NOT_FOUND);
    (void)submitted(f, "a");
    (void)leased(f);
}

static void after_an_uncertain_batch_nothing_is_accepted_until_the_store_is_opened_anew(void **state)
{
    struct queue_fixture *f = *state;
    struct asked first, second;
    struct run_spec spec = a_spec("b");

    begin_two(f, &first, &second);
    fault_arm(&f->store.commit, 1, ERR_UNCERTAIN);
    settle(f);
    assert_int_equal(first.req.base.result, ERR_UNCERTAIN);
    assert_int_equal(second.req.base.result, ERR_UNCERTAIN);
    assert_int_equal(submit(f, &spec, NULL), ERR_UNAVAILABLE);
}

static void a_turn_that_fails_leaves_the_batch_before_it_alone(void **state)
{
    struct queue_fixture *f = *state;
    struct asked first, second;

    answers = 0;
    post_submit(f, &first, "a");
    queue_work(f->queue);
    assert_true(queue_seal(f->queue));
    fault_arm(&f->store.get, 1, ERR_UNAVAILABLE);
    post_submit(f, &second, "b");
    queue_work(f->queue);
    settle(f);
    assert_int_equal(first.req.base.result, OK);
    assert_true(first.done && !second.done);
    assert_false(queue_seal(f->queue));
    assert_int_equal(second.req.base.result, ERR_UNAVAILABLE);
    queue_check(f->queue);
    assert_int_equal(leased(f).id, first.req.info.id);
}

/* ---- the same life twice: turn after turn, and overlapped ---- */

enum { LIVES = 60, ROUNDS = 120, GROUP = 6, HELD = 64, ASKED_MAX = ROUNDS * GROUP };

struct any_request {
    enum queue_verb verb;
    union {
        struct request base;
        struct submit_request submit;
        struct lease_request lease;
        struct report_request report;
        struct control_request control;
        struct purge_request purge;
    } u;
    char name[8];
    bool done;
    enum err e;
};

struct life {
    struct queue_fixture f;
    struct random_seeded dice;
    struct any_request *asked;
    unsigned count;
    bool sealed;
    struct lease_name held[HELD];
    unsigned held_count;
    uint64_t digest;     /* of every answer, in order */
};

static void mix(uint64_t *digest, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        *digest = (*digest ^ ((const uint8_t *)data)[i]) * 1099511628211u;
}

static void note_any(struct request *request, enum err e)
{
    struct any_request *asked = container_of((void *)request, struct any_request, u);

    asked->done = true;
    asked->e = e;
}

static unsigned pick(struct life *life, unsigned below)
{
    return (unsigned)random_below(&life->dice.base, below);
}

/* By what was known when the last group was asked: the same in both lives. */
static void ask_something(struct life *life)
{
    struct any_request *asked = &life->asked[life->count++];
    struct request base = { .mem = life->f.mem, .done = note_any };
    unsigned held = life->held_count > 0 ? pick(life, life->held_count) : 0;

    memset(asked, 0, sizeof *asked);
    snprintf(asked->name, sizeof asked->name, "n%u", pick(life, 12));
    asked->verb = (const enum queue_verb[]){ QUEUE_SUBMIT, QUEUE_SUBMIT, QUEUE_LEASE, QUEUE_REPORT,
                                             QUEUE_REPORT, QUEUE_CONTROL, QUEUE_PURGE }[pick(life, 7)];
    if (asked->verb == QUEUE_REPORT && life->held_count == 0)
        asked->verb = QUEUE_LEASE;
    base.verb = asked->verb;
    if (asked->verb == QUEUE_SUBMIT) {
        asked->u.submit = (struct submit_request){ .base = base, .org = ORG,
                                                   .actor = bytes_of_text("t"),
                                                   .spec = a_spec(asked->name) };
        asked->u.submit.spec.priority = (enum run_priority)(1 + pick(life, 4));
        asked->u.submit.on_duplicate = (enum on_duplicate)pick(life, 5);
        if (pick(life, 3) == 0)
            asked->u.submit.request_id = bytes_of_text(asked->name);
    } else if (asked->verb == QUEUE_LEASE) {
        asked->u.lease = (struct lease_request){ .base = base, .worker = &life->f.worker,
                                                 .jobs_max = 1 + pick(life, 3),
                                                 .wait_ms = pick(life, 2) * 20000 };
    } else if (asked->verb == QUEUE_REPORT) {
        static const struct entity_progress entity = { { (const uint8_t *)"products", 8 }, 3, 9, 0, true, false };

        asked->u.report = (struct report_request){ .base = base,
                                                   .kind = (enum report_kind)pick(life, 5),
                                                   .lease = life->held[held],
                                                   .entities = &entity,
                                                   .entity_count = pick(life, 2),
                                                   .failure = FAILURE_TRANSIENT,
                                                   .checkpoint = bytes_of_text(asked->name) };
    } else if (asked->verb == QUEUE_CONTROL) {
        asked->u.control = (struct control_request){ .base = base, .org = ORG,
                                                     .name = bytes_of_text(asked->name),
                                                     .verb = (enum control_verb)pick(life, 3),
                                                     .wait_ms = pick(life, 2) * 5000 };
    } else {
        asked->u.purge = (struct purge_request){ .base = base, .org = ORG };
        if (pick(life, 3) > 0)
            asked->u.purge.name = bytes_of_text(asked->name);
    }
    queue_post(life->f.queue, &asked->u.base);
}

/* What was answered becomes known; what still waits stays for later. */
static void learn(struct life *life)
{
    for (unsigned i = 0; i < life->count; i++) {
        struct any_request *asked = &life->asked[i];

        if (!asked->done || asked->verb == QUEUE_VERB_COUNT)
            continue;
        mix(&life->digest, &i, sizeof i);
        mix(&life->digest, &asked->e, sizeof asked->e);
        for (unsigned j = 0; asked->verb == QUEUE_LEASE && asked->e == OK && j < asked->u.lease.count; j++) {
            struct lease_name name = { asked->u.lease.jobs[j].info.id, asked->u.lease.jobs[j].epoch };

            mix(&life->digest, &name.id, sizeof name.id);
            mix(&life->digest, &name.epoch, sizeof name.epoch);
            life->held[life->held_count++ % HELD] = name;
            if (life->held_count > HELD)
                life->held_count = HELD;
        }
        asked->verb = QUEUE_VERB_COUNT;    /* learnt */
    }
}

/* Of answers that are kept, only the keys: in them are estimates, which stand on
 * what the board has heard so far. */
static bool visit_key(void *ctx, struct bytes key, struct bytes value)
{
    (void)value;
    mix(ctx, key.data, key.size);
    return true;
}

static bool visit_digest(void *ctx, struct bytes key, struct bytes value)
{
    mix(ctx, key.data, key.size);
    mix(ctx, value.data, value.size);
    return true;
}

static uint64_t digest_of_store(struct queue_fixture *f)
{
    uint64_t digest = 14695981039346656037u;

    for (enum store_family family = 0; family < STORE_FAMILY_COUNT; family++) {
        struct store_range range = { .family = family };
        store_visit_fn *visit = family == FAMILY_IDEMPOTENCY ? visit_key : visit_digest;

        assert_int_equal(f->store.base.reader.ops->scan(&f->store.base.reader, &range, visit,
                                                        &digest, &f->why), OK);
    }
    return digest;
}

/* Two groups of requests: each its own turn, or the second computed while the
 * first is on its way. Learning happens behind both, so that the dice fall alike. */
static void live_round(struct life *life, bool overlapped)
{
    for (int half = 0; half < 2; half++) {
        unsigned requests = 1 + pick(life, GROUP / 2);

        for (unsigned i = 0; i < requests; i++)
            ask_something(life);
        queue_work(life->f.queue);
        if (half == 1 && overlapped && life->sealed)
            settle(&life->f);
        life->sealed = queue_seal(life->f.queue);
        if (life->sealed && (half == 1 || !overlapped))
            settle(&life->f);
    }
    learn(life);
    fake_clock_advance(&life->f.clock, pick(life, 9000));
}

static void live(uint64_t seed, bool overlapped, uint64_t *answered, uint64_t *stored)
{
    static struct any_request asked[ASKED_MAX];
    struct life *life = test_calloc(1, sizeof *life);

    life->asked = asked;
    queue_fixture_init(&life->f);
    random_seeded_init(&life->dice, seed);
    for (int round = 0; round < ROUNDS; round++)
        live_round(life, overlapped);
    fake_clock_advance(&life->f.clock, 70000);      /* every wait is over */
    queue_turn(life->f.queue);
    learn(life);
    queue_check(life->f.queue);
    *answered = life->digest;
    *stored = digest_of_store(&life->f);
    queue_fixture_free(&life->f);
    test_free(life);
}

static void overlapped_turns_do_what_turns_one_after_another_do(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= LIVES; seed++) {
        uint64_t answered[2], stored[2];

        live(seed, false, &answered[0], &stored[0]);
        live(seed, true, &answered[1], &stored[1]);
        assert_int_equal(answered[0], answered[1]);
        assert_int_equal(stored[0], stored[1]);
    }
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, queue_fixture_setup, queue_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_leaves_when_its_own_batch_is_durable_and_not_before),
        TEST(what_is_lost_takes_what_stood_on_it_along),
        TEST(after_an_uncertain_batch_nothing_is_accepted_until_the_store_is_opened_anew),
        TEST(a_turn_that_fails_leaves_the_batch_before_it_alone),
        cmocka_unit_test(overlapped_turns_do_what_turns_one_after_another_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
