#ifndef RPC_CLIENT_END_H
#define RPC_CLIENT_END_H

#include "core/base/arena.h"
#include "rpc/channel.h"
#include "rpc/grpc/grpc_coding.h"
#include "rpc/grpc/grpc_frame.h"
#include "rpc/channel/retry.h"
#include "rpc/stream.h"

#include <stdatomic.h>

/* The client's end of a call, whatever carries it: what rpc/channel.h promises
 * about calls, over a struct stream. A channel provides the stream. */

struct channel_ops {
    /* Gives the end a stream, now or later, or fails it later. */
    void (*start)(struct channel *channel, struct client_end *end);
    /* Connects without a call. NULL: it is always connected. */
    void (*connect)(struct channel *channel);
    /* The channel is closed: lets go of what it is connected to. */
    void (*close)(struct channel *channel);
    void (*free)(struct channel *channel);
    /* Calls that methods of this process still hold. */
    size_t (*held)(const struct channel *channel);
};

/* What all channels have; embedded first in each kind. */
struct channel {
    const struct channel_ops *ops;
    struct loop *loop;
    size_t message_bytes_max;
    struct grpc_coder *coder; /* made when the first message is compressed */
    bool is_local;            /* in this process: compressing would be in vain */
    struct link ends;         /* of calls that are not done */
    struct client_end *free;  /* kept for the next calls */
    size_t free_count;
    struct retry retry;
    struct link hedges; /* calls with several attempts at once */
    size_t holds;       /* its owner's, and one for each end in use or task posted */
    bool closed;

    atomic_int state; /* enum channel_state */
    struct link watches;
    struct loop_task tell;
    bool tell_is_posted;
};

void channel_init(struct channel *channel, const struct channel_ops *ops, struct loop *loop,
                  size_t message_bytes_max);
/* Gives up one of its holds: the last frees it. */
void channel_release(struct channel *channel);

struct client_metadata_entry {
    struct client_metadata_entry *next;
    struct bytes name, value;
};

struct client_end {
    struct stream_user user;
    struct channel *channel;
    struct client_call *call; /* NULL: done */
    struct link link;         /* in channel->ends */
    struct link waiting;      /* in a list of the channel's kind: leaves it by itself */
    struct client_end *next_free;

    struct arena *arena, *message_arena;
    ProtobufCAllocator allocator; /* over message_arena */
    bool arena_is_full;

    /* What is sent. */
    struct buffer out;
    enum grpc_coding coding; /* announced with the headers */
    enum rpc_compress compress;
    bool half_closed, wants_writable;

    /* See client_attempt.h. */
    struct {
        size_t sent;    /* of `out`; it stays there until the attempt is committed */
        unsigned count; /* attempts before this one, without those that do not count */
        bool committed, was_refused;
        struct loop_timer timer; /* until the next */
    } attempt;

    /* What comes back. */
    struct client_metadata_entry *metadata, **metadata_last;
    struct grpc_reader reader;
    struct buffer pending;
    bool peer_ended, paused, answer_is_grpc, message_was_compressed, headers_too_large;
    size_t messages;

    struct loop_timer deadline;
    int64_t deadline_ms;   /* monotonic; INT64_MAX: none */
    struct loop_task turn; /* what was put off */
    bool turn_is_posted;
    unsigned entered; /* depth of what runs on it: it is not freed meanwhile */
    bool has_outcome; /* to be told in the turn */
    struct rpc_status outcome;
};

/* Whatever may end the call and goes on afterwards stands between these two:
 * the end is freed by the outermost, when the call is done and no task of it is
 * posted. */
void client_end_enter(struct client_end *end);
void client_end_leave(struct client_end *end);

/* Sends the request's headers; the end has its stream, the stream its user. */
void client_end_send_headers(struct client_end *end, const char *scheme, const char *authority);

/* Ends the call; its on_done() runs at once, or from the loop. */
void client_end_finish(struct client_end *end, const struct rpc_status *status);
void client_end_finish_later(struct client_end *end, const struct rpc_status *status);

/* Between client_end.c, client_answer.c and channel.c. */

extern const struct stream_user_ops client_end_stream_ops;

/* Gives the end of a call that begins; its request is packed and its stream
 * asked for next. */
struct client_end *client_end_open(struct channel *channel, struct client_call *call);
/* False if the call will end because of it. */
bool client_end_pack(struct client_end *end, const ProtobufCMessage *message);
/* Gives an end that holds its channel. NULL if out of memory. */
struct client_end *client_end_take(struct channel *channel);
/* What compresses and expands its messages. NULL if out of memory. */
struct grpc_coder *client_end_coder(const struct client_end *end);
void client_end_finish_with(struct client_end *end, enum rpc_code code, const char *text);
/* Does from the loop what was put off. */
void client_end_post_turn(struct client_end *end);
void client_end_read_pending(struct client_end *end);
size_t client_end_pull(struct stream_user *user, uint8_t *data, size_t room, bool *is_last);

#endif
