#ifndef RPC_CALL_STATE_H
#define RPC_CALL_STATE_H

#include "core/base/arena.h"
#include "rpc/call.h"
#include "rpc/grpc/grpc_coding.h"
#include "rpc/grpc/grpc_frame.h"
#include "rpc/stream.h"

#include <stdatomic.h>

/* The inside of a server's call, for the files that make it: call_request.c
 * (the stream's events up to the method), call_answer.c (from the method to
 * the stream), call.c (what methods ask), call_pool.c (where calls come from). */

enum {
    CALL_ARENA_EXTRA = 4 << 20,  /* beyond the request itself, twice: packed and unpacked */
    CALL_SEND_BOUND = 256 << 10, /* waiting unsent: call_send() says stop */
    CALL_SEND_LOW = 64 << 10,    /* on_writable() */
    CALL_KEEP_BYTES = 4 << 10,   /* of a buffer, for the next call */
    CALL_KEPT_MIN = 4 << 10,     /* for the peer: less is not worth telling the carrier */
    CALL_ACTOR_SIZE = 128,
    /* Of an answer's header blocks; the session sends what all of them allow. */
    CALL_STATUS_MAX = 32 << 10,   /* text, or details, before they are encoded */
    CALL_METADATA_MAX = 64 << 10, /* initial, or trailing */
};

struct call_metadata {
    struct call_metadata *next;
    const char *name;
    struct bytes value; /* NUL behind it */
};

/* In order of arrival. */
struct call_metadata_list {
    struct call_metadata *first, **last;
    size_t count;
    size_t bytes; /* of an answer's: names and values */
};

struct rpc_call {
    struct stream_user user;
    struct call_pool *pool;
    struct rpc_call *next_free;
    atomic_uint holds;
    struct loop_task free_task; /* the last release came from another thread */

    /* The request. */
    const struct rpc_service *service;
    const struct rpc_method *method; /* NULL: there is no such method */
    struct arena *arena;
    struct arena *message_arena; /* made when the first message of a stream comes */
    ProtobufCAllocator allocator, message_allocator;
    bool arena_is_full; /* an allocation was refused */
    struct call_metadata_list metadata;
    struct grpc_reader reader;
    struct buffer pending;     /* came while reading was paused */
    size_t kept;               /* of the peer's and for it, as the carrier was told */
    ProtobufCMessage *request; /* the one of a unary call */
    enum grpc_coding coding;   /* of its compressed messages */
    struct bytes accepts;      /* the codings that the caller can expand, as it lists them */
    bool message_was_compressed;
    int64_t timeout_ms;  /* INT64_MAX: none */
    int64_t deadline_ms; /* monotonic */
    int64_t begun_us;
    struct loop_timer deadline;
    char actor[CALL_ACTOR_SIZE];
    bool is_post, is_head, is_grpc, has_path, bad_timeout;
    bool headers_ended, peer_ended, begun, feeding, paused;

    /* The answer. */
    struct call_metadata_list initial, trailers;
    struct buffer out;
    enum grpc_coding answer_coding; /* announced with the headers */
    enum rpc_compress compress;
    enum rpc_code code;
    struct bytes status_text, status_details; /* as they are sent; empty: none, or no room */
    bool headers_sent, plain_http, ended, wants_writable;

    /* The method's. */
    bool over;
    void *tag;
    void (*on_over)(struct rpc_call *call);
    void (*on_message)(struct rpc_call *call, const ProtobufCMessage *message);
    void (*on_half_close)(struct rpc_call *call);
    void (*on_writable)(struct rpc_call *call);

    struct loop_task turn; /* what was put off: resumed reading, on_writable */
    bool turn_is_posted;
};

extern const struct stream_user_ops call_stream_ops;

/* The pool's. */
struct loop *call_pool_loop(const struct call_pool *pool);
const struct rpc_registry *call_pool_registry(const struct call_pool *pool);

/* Requests resumed reading and on_writable() from the loop. */
void call_post_turn(struct rpc_call *call);
void call_read_pending(struct rpc_call *call);

/* False when the arena is full. */
bool call_metadata_add(struct rpc_call *call, struct call_metadata_list *list, struct bytes name,
                       struct bytes value);

/* Ends the call and lets the stream know. */
void call_end(struct rpc_call *call, const struct rpc_status *status);
/* Answers what is not gRPC as a web server would. */
void call_end_plain(struct rpc_call *call, unsigned http_status);
size_t call_pull(struct stream_user *user, uint8_t *data, size_t room, bool *end);
size_t call_pull_trailers(struct stream_user *user, const struct stream_header **trailers);

/* Tells the carrier how much is kept for the peer, if that has changed. */
void call_note_kept(struct rpc_call *call);

/* Starts the clock that rpc_hooks' ended() is told. */
void call_note_begin(struct rpc_call *call);
/* Tells the method, once, that it is over. */
void call_set_over(struct rpc_call *call);

#endif
