#include "rpc/channel/hedge.h"

#include "rpc/grpc/buffer.h"

#include <stdlib.h>

struct hedge_attempt {
    struct client_call call;
    struct hedge *hedge;
    bool is_live;
};

struct hedge {
    struct channel *channel;
    struct client_call *call; /* whose attempts these are; NULL: it is done */
    struct link link;         /* in channel->hedges */
    struct buffer request;    /* packed */
    struct hedge_attempt attempts[RETRY_ATTEMPTS_MAX];
    unsigned begun, live;
    struct hedge_attempt *winner; /* NULL: none has answered */
    bool paused, stopped;         /* stopped: no further attempts */
    int64_t deadline_ms;          /* monotonic; INT64_MAX: none */
    struct loop_timer next;
};

bool hedge_is_for(const struct channel *channel, const struct client_call *call)
{
    return channel->retry.policy.hedge_ms > 0 && channel->retry.policy.attempts_max > 1 &&
           call->idempotent && call->single_answer && call->request != NULL &&
           !call->streaming_request;
}

/* ---- Its end. ---- */

static void free_if_over(struct hedge *hedge)
{
    if (hedge->call != NULL || hedge->live > 0)
        return;
    buffer_clear(&hedge->request, 0);
    free(hedge);
}

static void cancel_others(struct hedge *hedge, const struct hedge_attempt *but)
{
    hedge->stopped = true;
    loop_timer_stop(hedge->channel->loop, &hedge->next);
    for (unsigned i = 0; i < hedge->begun; i++)
        if (hedge->attempts[i].is_live && &hedge->attempts[i] != but)
            client_call_cancel(&hedge->attempts[i].call);
}

static void finish(struct hedge *hedge, struct client_end *answer, const struct rpc_status *status)
{
    struct client_call *call = hedge->call;

    cancel_others(hedge, NULL);
    list_remove(&hedge->link);
    hedge->call = NULL;
    call->hedge = NULL;
    call->answer = answer;
    hedge->live++; /* on_done() may close the channel, which ends what is live */
    call->on_done(call, status);
    hedge->live--;
    free_if_over(hedge);
}

/* ---- Attempts. ---- */

static void begin_attempt(struct hedge *hedge);

static void on_next(struct loop_timer *timer)
{
    begin_attempt(container_of(timer, struct hedge, next));
}

static void win(struct hedge *hedge, struct hedge_attempt *attempt)
{
    if (hedge->winner != NULL)
        return;
    hedge->winner = attempt;
    cancel_others(hedge, attempt);
    if (hedge->paused)
        client_call_pause_reading(&attempt->call);
}

static void on_answer(struct client_call *call)
{
    struct hedge_attempt *attempt = container_of(call, struct hedge_attempt, call);

    if (attempt->hedge->call != NULL)
        win(attempt->hedge, attempt);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct hedge_attempt *attempt = container_of(call, struct hedge_attempt, call);
    struct hedge *hedge = attempt->hedge;

    if (hedge->call == NULL || hedge->winner != attempt)
        return;
    hedge->call->answer = call->answer;
    hedge->call->on_message(hedge->call, message);
}

/* A failure that ends only this attempt brings the next one forward. */
static bool goes_on(struct hedge *hedge, struct client_call *call, const struct rpc_status *status)
{
    struct retry *retry = &hedge->channel->retry;
    int64_t delay_ms = 0;
    enum retry_pushback pushback =
        retry_read_pushback(client_call_metadata(call, "grpc-retry-pushback-ms", NULL), &delay_ms);

    if (!retry_is_for_code(retry, status->code) || hedge->winner != NULL || hedge->channel->closed)
        return false;
    if (pushback == PUSHBACK_STOP || !retry_is_open(retry) || /* it was paid for when it ended */
        (hedge->deadline_ms != INT64_MAX && delay_ms >= hedge->deadline_ms - loop_mono_ms()))
        hedge->stopped = true;
    if (hedge->stopped || hedge->begun == retry->policy.attempts_max) {
        loop_timer_stop(hedge->channel->loop, &hedge->next);
        return hedge->live > 0;
    }
    loop_timer_start(hedge->channel->loop, &hedge->next, delay_ms);
    return true;
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct hedge_attempt *attempt = container_of(call, struct hedge_attempt, call);
    struct hedge *hedge = attempt->hedge;

    attempt->is_live = false;
    hedge->live--;
    if (hedge->call == NULL) {
        free_if_over(hedge);
        return;
    }
    if (hedge->winner != NULL && hedge->winner != attempt)
        return;
    if (!goes_on(hedge, call, status))
        finish(hedge, call->answer, status);
}

static int64_t time_left_ms(const struct hedge *hedge)
{
    int64_t left_ms = hedge->deadline_ms - loop_mono_ms();

    if (hedge->deadline_ms == INT64_MAX)
        return 0; /* none */
    return left_ms > 0 ? left_ms : 1;
}

static struct client_end *open_attempt(struct hedge *hedge)
{
    struct hedge_attempt *attempt = &hedge->attempts[hedge->begun];
    struct client_end *end;

    attempt->hedge = hedge;
    attempt->is_live = true;
    attempt->call = *hedge->call;
    attempt->call.hedge = NULL;
    attempt->call.timeout_ms = time_left_ms(hedge);
    attempt->call.on_answer = on_answer;
    attempt->call.on_message = on_message;
    attempt->call.on_writable = NULL;
    attempt->call.on_done = on_done;
    end = client_end_open(hedge->channel, &attempt->call);
    end->attempt.count = hedge->begun;
    hedge->begun++;
    hedge->live++;
    if (hedge->begun < hedge->channel->retry.policy.attempts_max && !hedge->stopped)
        loop_timer_start(hedge->channel->loop, &hedge->next, hedge->channel->retry.policy.hedge_ms);
    return end;
}

static void begin_attempt(struct hedge *hedge)
{
    struct client_end *end = open_attempt(hedge);
    struct rpc_status status;

    if (buffer_append(&end->out, buffer_bytes(&hedge->request))) {
        hedge->channel->ops->start(hedge->channel, end);
        return;
    }
    rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    client_end_finish_later(end, &status);
}

void hedge_start(struct channel *channel, struct client_call *call)
{
    struct hedge *hedge = calloc(1, sizeof *hedge);
    struct client_end *end;

    if (hedge == NULL)
        abort(); /* no memory to say that there is no memory */
    hedge->channel = channel;
    hedge->call = call;
    hedge->next.fire = on_next;
    hedge->deadline_ms = call->timeout_ms > 0 ? loop_mono_ms() + call->timeout_ms : INT64_MAX;
    call->hedge = hedge;
    call->end = NULL;
    list_append(&channel->hedges, &hedge->link);
    end = open_attempt(hedge);
    if (!client_end_pack(end, call->request))
        return;
    if (!buffer_append(&hedge->request, buffer_bytes(&end->out)))
        hedge->stopped = true; /* the first attempt will have to do */
    channel->ops->start(channel, end);
}

/* ---- What its caller asks for. ---- */

static void on_cancelled(struct loop_timer *timer)
{
    struct hedge *hedge = container_of(timer, struct hedge, next);
    struct rpc_status status;

    rpc_status_set(&status, RPC_CANCELLED, "the caller cancelled");
    finish(hedge, NULL, &status);
}

void hedge_cancel(struct hedge *hedge)
{
    cancel_others(hedge, NULL);
    hedge->next.fire = on_cancelled;
    loop_timer_start(hedge->channel->loop, &hedge->next, 0);
}

void hedge_pause_reading(struct hedge *hedge, bool paused)
{
    hedge->paused = paused;
    if (hedge->winner == NULL)
        return;
    if (paused)
        client_call_pause_reading(&hedge->winner->call);
    else
        client_call_resume_reading(&hedge->winner->call);
}

void hedge_end_all(struct channel *channel, const struct rpc_status *status)
{
    while (link_is_linked(&channel->hedges)) {
        struct hedge *hedge = container_of(channel->hedges.next, struct hedge, link);
        finish(hedge, NULL, status);
    }
}
