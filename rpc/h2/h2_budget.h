#ifndef RPC_H2_BUDGET_H
#define RPC_H2_BUDGET_H

#include "rpc/stream.h"

/* What a peer may cost us without doing anything useful. Frames that ask for
 * work but move no call (PING, SETTINGS, RST_STREAM, PRIORITY, empty DATA,
 * window updates) are paid from a budget that grows with time and with the data
 * that really flows; who overdraws it is told to calm down and disconnected.
 * nghttp2's own limits come on top. Pure arithmetic. */

struct h2_budget {
    int32_t left;
    int64_t ping_interval_ms, pings_ms; /* the interval, and how much is saved up */
};

/* ping_interval_ms <= 0: the peer may ping as it likes. */
void h2_budget_init(struct h2_budget *budget, int64_t ping_interval_ms);
void h2_budget_grow(struct h2_budget *budget, int64_t elapsed_ms);
/* A DATA frame with content went either way. */
void h2_budget_data(struct h2_budget *budget);
/* False: overdrawn. */
bool h2_budget_frame(struct h2_budget *budget, uint8_t type, uint8_t flags);
/* A request was sent: it may be reset. */
void h2_budget_request(struct h2_budget *budget);
/* A PING that wants an answer. False: there are more than one in each interval,
 * with H2_PINGS_AT_ONCE saved up (gRPC's A8, server-side keepalive enforcement). */
bool h2_budget_ping(struct h2_budget *budget);
/* Headers or data were sent: whoever gets answers may ask for more. */
void h2_budget_answer(struct h2_budget *budget);
/* A stream of ours was reset because its frames were wrong. */
bool h2_budget_fault(struct h2_budget *budget);

#endif
