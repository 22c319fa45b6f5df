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
};

void h2_budget_init(struct h2_budget *budget);
void h2_budget_grow(struct h2_budget *budget, int64_t elapsed_ms);
/* A DATA frame with content went either way. */
void h2_budget_data(struct h2_budget *budget);
/* False: overdrawn. */
bool h2_budget_frame(struct h2_budget *budget, uint8_t type, uint8_t flags, size_t length);
/* A stream of ours was reset because its frames were wrong. */
bool h2_budget_fault(struct h2_budget *budget);

#endif
