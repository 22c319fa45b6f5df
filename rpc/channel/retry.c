#include "rpc/channel/retry.h"

#include <stdlib.h>

enum {
    BACKOFF_MS = 50,
    BACKOFF_MAX_MS = 2000,
    GROWTH_PERCENT = 200,
    JITTER_PERCENT = 20,
    BUFFER_BYTES = 256 << 10,
    MILLI = 1000,
    TOKENS = 10 * MILLI, /* A6: maxTokens 10, tokenRatio 0.1 */
    TOKENS_FOR_SUCCESS = MILLI / 10,
};

void retry_init(struct retry *retry, const struct channel_retry *policy, struct random *random)
{
    *retry = (struct retry){ .policy = *policy, .random = random };
    if (retry->policy.attempts_max == 0)
        retry->policy.attempts_max = 1;
    if (retry->policy.attempts_max > RETRY_ATTEMPTS_MAX)
        retry->policy.attempts_max = RETRY_ATTEMPTS_MAX;
    if (retry->policy.codes == 0)
        retry->policy.codes = RPC_CODE_BIT(RPC_UNAVAILABLE);
    if (retry->policy.backoff_ms <= 0)
        retry->policy.backoff_ms = BACKOFF_MS;
    if (retry->policy.backoff_max_ms <= 0)
        retry->policy.backoff_max_ms = BACKOFF_MAX_MS;
    if (retry->policy.buffer_bytes_max == 0)
        retry->policy.buffer_bytes_max = BUFFER_BYTES;
    retry->backoff = (struct backoff){ retry->policy.backoff_ms, retry->policy.backoff_max_ms,
                                       GROWTH_PERCENT, JITTER_PERCENT };
    retry->throttle.milli_tokens = TOKENS;
}

void retry_note_success(struct retry *retry)
{
    retry->throttle.milli_tokens += TOKENS_FOR_SUCCESS;
    if (retry->throttle.milli_tokens > TOKENS)
        retry->throttle.milli_tokens = TOKENS;
}

bool retry_is_for_code(const struct retry *retry, enum rpc_code code)
{
    return code != RPC_OK && (retry->policy.codes & RPC_CODE_BIT(code)) != 0;
}

bool retry_is_open(const struct retry *retry)
{
    return retry->throttle.milli_tokens > TOKENS / 2;
}

static void pay(struct retry *retry, const struct retry_question *question)
{
    if (!retry_is_for_code(retry, question->code) && question->pushback != PUSHBACK_STOP)
        return;
    retry->throttle.milli_tokens -= MILLI;
    if (retry->throttle.milli_tokens < 0)
        retry->throttle.milli_tokens = 0;
}

static int64_t delay_of(struct retry *retry, const struct retry_question *question)
{
    if (question->pushback == PUSHBACK_WAIT)
        return question->pushback_ms;
    if (question->retry_after_ms > 0)
        return question->retry_after_ms;
    return backoff_ms(&retry->backoff, question->attempts, retry->random);
}

static bool is_allowed(const struct retry *retry, const struct retry_question *question)
{
    return !question->committed && question->attempts < retry->policy.attempts_max &&
           retry->policy.hedge_ms == 0 && question->pushback != PUSHBACK_STOP &&
           retry_is_for_code(retry, question->code) &&
           (question->idempotent || question->end != ATTEMPT_ANSWERED);
}

/* What was refused is sent again at once, but only one time, in case that all
 * servers refuse it. */
static bool is_uncounted(const struct retry_question *question)
{
    return !question->committed &&
           (question->end == ATTEMPT_UNSENT ||
            (question->end == ATTEMPT_REFUSED && !question->refused_before));
}

enum retry_answer retry_decide(struct retry *retry, const struct retry_question *question,
                               int64_t *delay_ms)
{
    *delay_ms = 0;
    if (is_uncounted(question))
        return RETRY_UNCOUNTED;
    pay(retry, question);
    if (!is_allowed(retry, question) || !retry_is_open(retry))
        return RETRY_NO;
    *delay_ms = delay_of(retry, question);
    return *delay_ms < question->time_left_ms ? RETRY_COUNTED : RETRY_NO;
}

enum retry_pushback retry_read_pushback(const char *text, int64_t *pushback_ms)
{
    char *rest;
    long long ms;

    if (text == NULL)
        return PUSHBACK_NONE;
    ms = strtoll(text, &rest, 10);
    if (rest == text || *rest != '\0' || ms < 0 || ms > INT32_MAX)
        return PUSHBACK_STOP;
    *pushback_ms = ms;
    return PUSHBACK_WAIT;
}
