#ifndef RPC_CHANNEL_STATE_H
#define RPC_CHANNEL_STATE_H

#include "rpc/channel/client_end.h"

/* How a channel stands, for the kinds of channels that set it and for those who
 * watch it (rpc/channel.h). Loop's thread only. */

void channel_init_state(struct channel *channel, enum channel_state state);
/* Who watches is told from the loop. */
void channel_set_state(struct channel *channel, enum channel_state state);
bool channel_is_watched(const struct channel *channel);
/* No watch is told anything any more. */
void channel_end_watches(struct channel *channel);

#endif
