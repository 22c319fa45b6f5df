#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/channel/retry.h"
#include "tests/support/fake_random.h"

/* The decision alone: no call, no clock. */

static struct fake_random middle; /* of a jitter: none */

static struct retry retry_with(struct channel_retry policy)
{
    struct retry retry;

    if (policy.attempts_max == 0)
        policy.attempts_max = 4;
    fake_random_init(&middle, 10);
    retry_init(&retry, &policy, &middle.base);
    return retry;
}

static struct retry_question unavailable(void)
{
    return (struct retry_question){ .end = ATTEMPT_ANSWERED,
                                    .code = RPC_UNAVAILABLE,
                                    .attempts = 1,
                                    .idempotent = true,
                                    .time_left_ms = INT64_MAX };
}

static enum retry_answer decide(struct retry *retry, struct retry_question question)
{
    int64_t delay_ms;

    return retry_decide(retry, &question, &delay_ms);
}

static void without_a_policy_only_what_was_not_seen_is_repeated(void **state)
{
    const struct channel_retry none = { 0 };
    struct retry_question question = unavailable();
    struct retry retry;

    (void)state;
    fake_random_init(&middle, 10);
    retry_init(&retry, &none, &middle.base);
    assert_int_equal(decide(&retry, question), RETRY_NO);
    question.end = ATTEMPT_NOT_CONNECTED;
    assert_int_equal(decide(&retry, question), RETRY_NO);
    question.end = ATTEMPT_UNSENT;
    assert_int_equal(decide(&retry, question), RETRY_UNCOUNTED);
    question.end = ATTEMPT_REFUSED;
    assert_int_equal(decide(&retry, question), RETRY_UNCOUNTED);
    question.refused_before = true;
    assert_int_equal(decide(&retry, question), RETRY_NO);
}

static void a_call_that_may_not_be_carried_out_twice_is_not_sent_twice(void **state)
{
    struct retry retry = retry_with((struct channel_retry){ 0 });
    struct retry_question question = unavailable();

    (void)state;
    question.idempotent = false;
    assert_int_equal(decide(&retry, question), RETRY_NO);
    question.end = ATTEMPT_NOT_CONNECTED; /* it was not sent */
    assert_int_equal(decide(&retry, question), RETRY_COUNTED);
    question.end = ATTEMPT_REFUSED;
    question.refused_before = true;
    assert_int_equal(decide(&retry, question), RETRY_COUNTED);
}

static void once_an_answer_has_begun_nothing_is_repeated(void **state)
{
    struct retry retry = retry_with((struct channel_retry){ 0 });
    struct retry_question question = unavailable();

    (void)state;
    question.committed = true;
    for (int end = ATTEMPT_ANSWERED; end <= ATTEMPT_NOT_CONNECTED; end++) {
        question.end = (enum attempt_end)end;
        assert_int_equal(decide(&retry, question), RETRY_NO);
    }
}

static void only_the_codes_asked_for_are_tried_again(void **state)
{
    struct retry retry = retry_with((struct channel_retry){
        .codes = RPC_CODE_BIT(RPC_ABORTED) | RPC_CODE_BIT(RPC_RESOURCE_EXHAUSTED) });

    (void)state;
    for (int code = RPC_CANCELLED; code < RPC_CODE_COUNT; code++) {
        struct retry_question question = unavailable();
        bool wanted = code == RPC_ABORTED || code == RPC_RESOURCE_EXHAUSTED;
        question.code = (enum rpc_code)code;
        assert_int_equal(decide(&retry, question), wanted ? RETRY_COUNTED : RETRY_NO);
    }
}

static void attempts_are_counted_up_to_their_number(void **state)
{
    struct retry retry = retry_with((struct channel_retry){ .attempts_max = 3 }),
                 many = retry_with((struct channel_retry){ .attempts_max = 100 });
    struct retry_question question = unavailable();

    (void)state;
    question.attempts = 2;
    assert_int_equal(decide(&retry, question), RETRY_COUNTED);
    question.attempts = 3;
    assert_int_equal(decide(&retry, question), RETRY_NO);
    question.attempts = RETRY_ATTEMPTS_MAX;
    assert_int_equal(decide(&many, question), RETRY_NO);
}

static void waits_grow_up_to_their_bound(void **state)
{
    static const int64_t expected_ms[] = { 100, 201, 403, 500 };
    struct retry retry = retry_with(
        (struct channel_retry){ .attempts_max = 5, .backoff_ms = 100, .backoff_max_ms = 500 });

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct retry_question question = unavailable();
        int64_t delay_ms, jitter_ms = expected_ms[i] / 5;
        question.attempts = i + 1;
        middle.value = (uint64_t)jitter_ms;
        assert_int_equal(retry_decide(&retry, &question, &delay_ms), RETRY_COUNTED);
        assert_int_equal(delay_ms, expected_ms[i]);
    }
}

static void the_server_may_say_when(void **state)
{
    struct retry retry = retry_with((struct channel_retry){ 0 });
    struct retry_question question = unavailable();
    int64_t delay_ms;

    (void)state;
    question.retry_after_ms = 1500;
    assert_int_equal(retry_decide(&retry, &question, &delay_ms), RETRY_COUNTED);
    assert_int_equal(delay_ms, 1500);
    question.pushback = PUSHBACK_WAIT; /* it is the more exact one */
    question.pushback_ms = 0;
    assert_int_equal(retry_decide(&retry, &question, &delay_ms), RETRY_COUNTED);
    assert_int_equal(delay_ms, 0);
    question.pushback = PUSHBACK_STOP;
    assert_int_equal(retry_decide(&retry, &question, &delay_ms), RETRY_NO);
}

static void pushback_is_a_number_or_means_never(void **state)
{
    static const char *const never[] = { "",    "-1", "x",          "1x",
                                         "1.5", " ",  "2147483648", "99999999999999999999" };
    int64_t ms = -1;

    (void)state;
    assert_int_equal(retry_read_pushback(NULL, &ms), PUSHBACK_NONE);
    assert_int_equal(retry_read_pushback("0", &ms), PUSHBACK_WAIT);
    assert_int_equal(ms, 0);
    assert_int_equal(retry_read_pushback("2500", &ms), PUSHBACK_WAIT);
    assert_int_equal(ms, 2500);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        assert_int_equal(retry_read_pushback(never[i], &ms), PUSHBACK_STOP);
}

static void a_wait_beyond_the_deadline_is_not_begun(void **state)
{
    struct retry retry = retry_with((struct channel_retry){ 0 });
    struct retry_question question = unavailable();

    (void)state;
    question.retry_after_ms = 1000;
    question.time_left_ms = 1000;
    assert_int_equal(decide(&retry, question), RETRY_NO);
    question.time_left_ms = 1001;
    assert_int_equal(decide(&retry, question), RETRY_COUNTED);
}

static void too_many_failures_shut_the_throttle_until_there_are_successes(void **state)
{
    struct retry retry = retry_with((struct channel_retry){ 0 });
    int repeated = 0;

    (void)state;
    while (decide(&retry, unavailable()) == RETRY_COUNTED)
        repeated++;
    assert_int_equal(repeated, 4); /* of ten tokens half are gone with the fifth */
    for (int i = 0; i < 20; i++)
        assert_int_equal(decide(&retry, unavailable()), RETRY_NO);
    /* One failure costs what ten successes give. */
    for (int i = 0; i < 60; i++)
        retry_note_success(&retry);
    assert_int_equal(decide(&retry, unavailable()), RETRY_NO);
    for (int i = 0; i < 11; i++)
        retry_note_success(&retry);
    assert_int_equal(decide(&retry, unavailable()), RETRY_COUNTED);
    for (int i = 0; i < 1000; i++) /* never above its fill */
        retry_note_success(&retry);
    for (repeated = 0; decide(&retry, unavailable()) == RETRY_COUNTED; repeated++)
        ;
    assert_int_equal(repeated, 4);
}

static void other_failures_cost_nothing_but_pushback_does(void **state)
{
    struct retry retry = retry_with((struct channel_retry){ 0 });
    struct retry_question question = unavailable();

    (void)state;
    question.code = RPC_NOT_FOUND;
    for (int i = 0; i < 20; i++)
        assert_int_equal(decide(&retry, question), RETRY_NO);
    assert_true(retry_is_open(&retry));
    question.pushback = PUSHBACK_STOP;
    for (int i = 0; i < 20; i++)
        assert_int_equal(decide(&retry, question), RETRY_NO);
    assert_false(retry_is_open(&retry));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_policy_only_what_was_not_seen_is_repeated),
        cmocka_unit_test(a_call_that_may_not_be_carried_out_twice_is_not_sent_twice),
        cmocka_unit_test(once_an_answer_has_begun_nothing_is_repeated),
        cmocka_unit_test(only_the_codes_asked_for_are_tried_again),
        cmocka_unit_test(attempts_are_counted_up_to_their_number),
        cmocka_unit_test(waits_grow_up_to_their_bound),
        cmocka_unit_test(the_server_may_say_when),
        cmocka_unit_test(pushback_is_a_number_or_means_never),
        cmocka_unit_test(a_wait_beyond_the_deadline_is_not_begun),
        cmocka_unit_test(too_many_failures_shut_the_throttle_until_there_are_successes),
        cmocka_unit_test(other_failures_cost_nothing_but_pushback_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
