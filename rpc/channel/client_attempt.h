#ifndef RPC_CLIENT_ATTEMPT_H
#define RPC_CLIENT_ATTEMPT_H

#include "rpc/channel/client_end.h"

/* A call's attempts: one stream after the other, until one of them has begun to
 * answer. What was sent is kept till then, within a bound, to be sent again. */

/* Bytes of end->out that no stream has taken. */
static inline size_t client_attempt_unsent(const struct client_end *end)
{
    return buffer_size(&end->out) - end->attempt.sent;
}

/* The stream took so many of them. */
void client_attempt_note_sent(struct client_end *end, size_t size);

/* Its answer has begun: it is the call's, and no other attempt is made. */
void client_attempt_answered(struct client_end *end);

/* The attempt has failed: another one begins, now or after a while, or the call
 * ends with that status, at once or from the loop. */
void client_attempt_end(struct client_end *end, enum attempt_end how,
                        const struct rpc_status *status);
void client_attempt_end_later(struct client_end *end, enum attempt_end how,
                              const struct rpc_status *status);

/* The call ends: no other attempt will begin. */
void client_attempt_stop(struct client_end *end);

#endif
