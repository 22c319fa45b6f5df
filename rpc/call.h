#ifndef RPC_CALL_H
#define RPC_CALL_H

#include "rpc/loop.h"
#include "rpc/service.h"

/* The server's end of one call, whatever carries it: an HTTP/2 stream or the
 * channel into the same process.
 *
 * Threads     A call belongs to its loop: every function here is called on that
 *             loop's thread, except call_hold(), call_release(), call_loop()
 *             and call_post(). An answer that comes from another thread (core's
 *             done()) goes through call_post().
 * Life        A method that answers later holds the call meanwhile. The peer
 *             may go away at any time: then call_is_over() is true, sending is
 *             harmless and does nothing, and on_over runs once.
 * Memory      call_arena() is the call's memory limit (default 4 MiB and the
 *             request). The messages of a
 *             stream lie in an arena of their own, emptied for each. */

struct rpc_call;

struct rpc_call *call_hold(struct rpc_call *call);
/* May free the call: nothing after this line. Any thread. */
void call_release(struct rpc_call *call);

struct loop *call_loop(struct rpc_call *call);
/* Runs the task on the call's loop. The caller holds the call. Any thread. */
void call_post(struct rpc_call *call, struct loop_task *task);

struct arena *call_arena(struct rpc_call *call);
ProtobufCAllocator *call_allocator(struct rpc_call *call); /* over the arena */
const struct rpc_method *call_method(struct rpc_call *call);
const struct rpc_service *call_service(struct rpc_call *call);

/* First value of a request header; NULL if absent. ASCII names in lower case;
 * "-bin" values come decoded, their size in *size (may be NULL). */
const char *call_metadata(struct rpc_call *call, const char *name, size_t *size);
/* The same for a header that came several times, or a "-bin" one with several
 * values joined by commas: 0 is the first. */
const char *call_metadata_at(struct rpc_call *call, const char *name, size_t index, size_t *size);

/* Milliseconds until the caller's deadline; INT64_MAX if it set none. */
int64_t call_time_left_ms(struct rpc_call *call);
/* Who calls: "token:abc", "cert:CN", or "anonymous@127.0.0.1:1234". */
const char *call_actor(struct rpc_call *call);
/* Where the call comes from: the address at the end of call_actor(); "" if it
 * has none. */
const char *call_peer(struct rpc_call *call);
bool call_is_over(struct rpc_call *call);

/* Runs once when the peer has cancelled, the deadline has passed, the
 * connection broke, or the answer was sent; then nothing more is delivered.
 * `tag` is the method's own pointer, kept with the call. */
void call_on_over(struct rpc_call *call, void (*on_over)(struct rpc_call *call));
void call_set_tag(struct rpc_call *call, void *tag);
void *call_tag(struct rpc_call *call);

/* Streams of requests: each message, then half-close. The message is gone
 * after on_message() unless held back with call_pause_reading(): then no further message is
 * delivered (and the peer's flow-control window stays shut) until call_resume_reading(). */
void call_on_message(struct rpc_call *call,
                     void (*on_message)(struct rpc_call *call, const ProtobufCMessage *message));
void call_on_half_close(struct rpc_call *call, void (*on_half_close)(struct rpc_call *call));
void call_pause_reading(struct rpc_call *call);
void call_resume_reading(struct rpc_call *call);

/* Unary: the answer and OK. */
void call_reply(struct rpc_call *call, const ProtobufCMessage *response);

/* Streams of responses: packs and queues one message. False once more than the
 * call's send bound (256 KiB) waits unsent: stop, and go on in on_writable. */
bool call_send(struct rpc_call *call, const ProtobufCMessage *response);
void call_on_writable(struct rpc_call *call, void (*on_writable)(struct rpc_call *call));

/* Ends the call. A second end is ignored. */
void call_finish(struct rpc_call *call);
void call_fail(struct rpc_call *call, const struct rpc_status *status);
void call_fail_err(struct rpc_call *call, enum err e, const struct why *why);
/* The same with a text of up to 32 KiB and details: a packed google.rpc.Status,
 * as it is (empty: none), also up to 32 KiB. What the caller does not take (it
 * says how large headers may be) is cut from the text; details go whole or not
 * at all. */
void call_fail_with(struct rpc_call *call, enum rpc_code code, struct bytes text,
                    struct bytes details);

/* Which of the messages sent from now on are compressed, if the caller accepts
 * gzip or deflate. The coding is announced with the initial metadata: what was
 * not to be compressed then, never is. AUTO, the default, does as the caller
 * does: only one that compresses gets compressed answers, those above 1 KiB. */
void call_compress(struct rpc_call *call, enum rpc_compress compress);
/* Whether the last message that came was sent compressed. */
bool call_message_was_compressed(struct rpc_call *call);

/* Metadata of the answer, up to 64 KiB each (the rest is left out). Initial:
 * before the first message. `-bin` values are encoded here. */
void call_add_initial(struct rpc_call *call, const char *name, struct bytes value);
void call_add_trailer(struct rpc_call *call, const char *name, struct bytes value);
/* Sends the initial metadata now; otherwise the first message, or the end, does. */
void call_send_initial(struct rpc_call *call);

#endif
