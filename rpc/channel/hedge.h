#ifndef RPC_HEDGE_H
#define RPC_HEDGE_H

#include "rpc/channel/client_end.h"

/* A call that is sent several times, one after the other, without waiting for
 * the first to fail: the first that answers is the call's answer, the others are
 * cancelled (gRPC's proposal A6, hedging). Each attempt is a call like any other.
 * Only what may be carried out twice, and has one message for its request, is
 * hedged. */

struct hedge;

bool hedge_is_for(const struct channel *channel, const struct client_call *call);
void hedge_start(struct channel *channel, struct client_call *call);
void hedge_cancel(struct hedge *hedge);
void hedge_pause_reading(struct hedge *hedge, bool paused);
/* The channel is being closed: ends all of its hedged calls. */
void hedge_end_all(struct channel *channel, const struct rpc_status *status);

#endif
