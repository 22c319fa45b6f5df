#ifndef RPC_RETRY_H
#define RPC_RETRY_H

#include "rpc/channel/backoff.h"
#include "rpc/channel.h"

/* Whether a call that failed is begun again, as gRPC has it (proposal A6): what
 * the server has certainly not seen always may be; otherwise by the channel's
 * policy, as long as the throttle lets it. Pure. */

enum { RETRY_ATTEMPTS_MAX = 5 };

/* How an attempt ended. */
enum attempt_end {
    ATTEMPT_ANSWERED,      /* with a status, or nobody knows how far it came */
    ATTEMPT_REFUSED,       /* the server says that it did not look at it */
    ATTEMPT_UNSENT,        /* nothing of it left this process */
    ATTEMPT_NOT_CONNECTED, /* there is no connection to send it on */
};

/* Of all calls of a channel: each failure costs a token, each success gives a
 * part of one back. Below half, failures are no longer repeated, so that retries
 * do not add to what brought the server down. */
struct retry_throttle {
    int milli_tokens;
};

struct retry {
    struct channel_retry policy; /* defaults filled in; attempts_max 1: off */
    struct backoff backoff;
    struct random *random;
    struct retry_throttle throttle;
};

enum retry_pushback { PUSHBACK_NONE, PUSHBACK_WAIT, PUSHBACK_STOP };

struct retry_question {
    enum attempt_end end;
    enum rpc_code code;
    unsigned attempts;   /* made, this one included */
    bool refused_before; /* an earlier attempt was */
    bool idempotent;     /* the call may be carried out twice */
    bool committed;      /* an answer has begun, or the request is not kept */
    enum retry_pushback pushback;
    int64_t pushback_ms;
    int64_t retry_after_ms; /* RetryInfo; 0: not said */
    int64_t time_left_ms;
};

enum retry_answer { RETRY_NO, RETRY_UNCOUNTED, RETRY_COUNTED };

/* `random` lent; a zeroed policy gives one that only repeats what was not seen. */
void retry_init(struct retry *retry, const struct channel_retry *policy, struct random *random);
void retry_note_success(struct retry *retry);
/* To be asked once for each failed attempt: it pays for it. *delay_ms: how long
 * to wait before the next. A wait that the deadline would cut short is not
 * begun: what failed says more than that time is up. */
enum retry_answer retry_decide(struct retry *retry, const struct retry_question *question,
                               int64_t *delay_ms);
bool retry_is_for_code(const struct retry *retry, enum rpc_code code);
/* The throttle lets failures be repeated. */
bool retry_is_open(const struct retry *retry);

/* grpc-retry-pushback-ms: what does not parse, is negative or beyond 2^31 means never. */
enum retry_pushback retry_read_pushback(const char *text, int64_t *pushback_ms);

#endif
