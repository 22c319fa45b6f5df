#ifndef RPC_CALL_POOL_H
#define RPC_CALL_POOL_H

#include "rpc/loop.h"
#include "rpc/service.h"
#include "rpc/stream.h"

/* Where a loop's server calls come from: used ones are kept with their memory
 * for the next. Loop's thread only, except call_pool_live(). */

struct call_pool;
struct grpc_coder;

/* registry and loop are borrowed. NULL if out of memory. */
struct call_pool *call_pool_new(struct loop *loop, const struct rpc_registry *registry,
                                size_t message_bytes_max);
/* Calls that methods still hold keep what they need; the loop must outlive
 * them. NULL is fine. */
void call_pool_free(struct call_pool *pool);

/* Gives the stream a user: the server's end of a call, that frees itself. NULL
 * if out of memory. `actor` is copied. */
struct stream_user *call_pool_accept(struct call_pool *pool, struct stream *stream,
                                     const char *actor);

/* What compresses and expands the messages of its calls. */
struct grpc_coder *call_pool_coder(const struct call_pool *pool);

/* Calls that are not free yet. Any thread. */
size_t call_pool_live(const struct call_pool *pool);

#endif
