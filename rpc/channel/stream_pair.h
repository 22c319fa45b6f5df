#ifndef RPC_STREAM_PAIR_H
#define RPC_STREAM_PAIR_H

#include "rpc/loop.h"
#include "rpc/stream.h"

/* A stream inside the process: two ends on one loop, each a struct stream for
 * its user, with a window between them as on the wire. Everything is delivered
 * from the loop, never from inside a call. */

struct stream_pair;

/* Gives a pair that frees itself once both users are gone. NULL if out of
 * memory. The users are set by whoever makes it, at once. */
struct stream_pair *stream_pair_new(struct loop *loop);
struct stream *stream_pair_client(struct stream_pair *pair);
struct stream *stream_pair_server(struct stream_pair *pair);

#endif
