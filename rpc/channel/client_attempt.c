#include "rpc/channel/client_attempt.h"

enum { KEEP_BYTES = 4 << 10 };

static void let_go_of_sent(struct client_end *end)
{
    buffer_take(&end->out, end->attempt.sent);
    end->attempt.sent = 0;
}

static void commit(struct client_end *end)
{
    end->attempt.committed = true;
    let_go_of_sent(end);
}

void client_attempt_answered(struct client_end *end)
{
    if (!end->attempt.committed)
        commit(end);
    if (end->call != NULL && end->call->on_answer != NULL)
        end->call->on_answer(end->call);
}

void client_attempt_note_sent(struct client_end *end, size_t size)
{
    end->attempt.sent += size;
    if (end->attempt.committed)
        let_go_of_sent(end);
    else if (end->attempt.sent > end->channel->retry.policy.buffer_bytes_max)
        commit(end);
}

void client_attempt_stop(struct client_end *end)
{
    loop_timer_stop(end->channel->loop, &end->attempt.timer);
}

/* Nothing of the last attempt is left but what it sent. */
static void begin(struct loop_timer *timer)
{
    struct client_end *end = container_of(timer, struct client_end, attempt.timer);

    client_end_enter(end);
    arena_reset(end->arena);
    end->channel->ops->start(end->channel, end);
    client_end_leave(end);
}

static void forget_answer(struct client_end *end)
{
    stream_leave(&end->user, STREAM_CANCEL);
    end->metadata = NULL;
    end->metadata_last = &end->metadata;
    grpc_reader_clear(&end->reader, KEEP_BYTES);
    buffer_clear(&end->pending, KEEP_BYTES);
    end->peer_ended = end->answer_is_grpc = end->headers_too_large = false;
    end->attempt.sent = 0;
}

static int64_t time_left_ms(const struct client_end *end)
{
    return end->deadline_ms == INT64_MAX ? INT64_MAX : end->deadline_ms - loop_mono_ms();
}

static bool begins_again(struct client_end *end, enum attempt_end how,
                         const struct rpc_status *status)
{
    struct retry_question question = {
        .end = how,
        .code = status->code,
        .attempts = end->attempt.count + 1,
        .refused_before = end->attempt.was_refused,
        .committed = end->attempt.committed,
        .retry_after_ms = status->retry_after_ms,
        .time_left_ms = time_left_ms(end),
    };
    enum retry_answer answer;
    int64_t delay_ms;

    if (end->call == NULL || end->has_outcome || end->channel->closed || status->code == RPC_OK)
        return false;
    question.idempotent = end->call->idempotent;
    question.pushback = retry_read_pushback(
        client_call_metadata(end->call, "grpc-retry-pushback-ms", NULL), &question.pushback_ms);
    answer = retry_decide(&end->channel->retry, &question, &delay_ms);
    if (answer == RETRY_NO)
        return false;
    end->attempt.was_refused |= how == ATTEMPT_REFUSED;
    if (answer == RETRY_COUNTED)
        end->attempt.count++;
    forget_answer(end);
    end->attempt.timer.fire = begin;
    loop_timer_start(end->channel->loop, &end->attempt.timer, delay_ms);
    return true;
}

void client_attempt_end(struct client_end *end, enum attempt_end how,
                        const struct rpc_status *status)
{
    if (status->code == RPC_OK)
        retry_note_success(&end->channel->retry);
    if (!begins_again(end, how, status))
        client_end_finish(end, status);
}

void client_attempt_end_later(struct client_end *end, enum attempt_end how,
                              const struct rpc_status *status)
{
    if (!begins_again(end, how, status))
        client_end_finish_later(end, status);
}
