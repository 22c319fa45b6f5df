#ifndef RPC_STREAM_H
#define RPC_STREAM_H

#include "core/base/bytes.h"

/* One HTTP stream, seen from one end: header blocks and bytes, both ways. Its
 * carrier is an HTTP/2 session or, inside the process, a pair; its user is the
 * server's or the client's end of a call. So all that is gRPC is written once
 * for both carriers, and no carrier knows gRPC.
 *
 * Threads     A stream and its user live on one loop.
 * Life        Carrier and user know each other until on_close() runs or the
 *             user calls stream_leave(); afterwards neither touches the other.
 * Calls       What the user calls never calls the user back; what the carrier
 *             calls may call the carrier. */

/* HTTP/2's error codes (RFC 9113, section 7), for closing a stream. */
enum stream_error {
    STREAM_NO_ERROR = 0x0,
    STREAM_PROTOCOL_ERROR = 0x1,
    STREAM_INTERNAL_ERROR = 0x2,
    STREAM_FLOW_CONTROL_ERROR = 0x3,
    STREAM_CLOSED = 0x5,
    STREAM_FRAME_SIZE_ERROR = 0x6,
    STREAM_REFUSED = 0x7,
    STREAM_CANCEL = 0x8,
    STREAM_COMPRESSION_ERROR = 0x9,
    STREAM_ENHANCE_YOUR_CALM = 0xb,
    STREAM_INADEQUATE_SECURITY = 0xc,
    /* Not on the wire: the connection is gone, and whether the peer has seen the
     * stream is not known; or nothing of it has left this process. */
    STREAM_BROKEN = 0x100,
    STREAM_UNSENT = 0x101
};

struct stream;
struct stream_user;

struct stream_header {
    struct bytes name, value;
};

/* What a carrier does for the user. */
struct stream_ops {
    /* Sends a header block: the request's, or the first of the answer. The
     * bytes are copied. With `end` nothing else follows, otherwise the carrier
     * pulls what follows. */
    void (*send_headers)(struct stream *stream, const struct stream_header *headers, size_t count,
                         bool end);
    /* There is something to pull again, or the end. */
    void (*wake)(struct stream *stream);
    /* The user is done with that many bytes of on_data(): the peer may send as
     * many more. */
    void (*consume)(struct stream *stream, size_t size);
    /* The user keeps so many bytes from now on: of the peer's, or for it to read.
     * Who makes us keep too many loses streams. */
    void (*hold)(struct stream *stream, size_t size);
    /* The largest header block that the peer says it takes, as HTTP/2 counts:
     * names, values and 32 bytes for each (RFC 9113, 6.5.2). */
    size_t (*headers_max)(const struct stream *stream);
    /* The user goes. Unless both directions have ended, the stream is reset. */
    void (*leave)(struct stream *stream, enum stream_error error);
};

struct stream {
    const struct stream_ops *ops;
    struct stream_user *user;
    bool headers_too_large; /* some were left out */
};

/* What a user does for its carrier. */
struct stream_user_ops {
    void (*on_header)(struct stream_user *user, struct bytes name, struct bytes value);
    void (*on_headers_end)(struct stream_user *user);
    void (*on_data)(struct stream_user *user, struct bytes data);
    void (*on_end)(struct stream_user *user); /* the peer has sent all */
    /* Both directions have ended (NO_ERROR), or the stream broke. */
    void (*on_close)(struct stream_user *user, enum stream_error error);
    /* Copies up to `room` bytes to send; 0 if there are none now. *end: these
     * were the last, trailers follow. */
    size_t (*pull)(struct stream_user *user, uint8_t *data, size_t room, bool *end);
    /* After *end: lends the trailers until it is called again; 0: none. */
    size_t (*trailers)(struct stream_user *user, const struct stream_header **trailers);
    /* True while the peer owes the rest of a request that ought to come
     * without a pause: the carrier closes those that stall. */
    bool (*is_waiting)(struct stream_user *user);
};

struct stream_user {
    const struct stream_user_ops *ops;
    struct stream *stream; /* NULL: none, or gone */
};

static inline void stream_leave(struct stream_user *user, enum stream_error error)
{
    struct stream *stream = user->stream;

    if (stream == NULL)
        return;
    user->stream = NULL;
    stream->user = NULL;
    stream->ops->leave(stream, error);
}

#define STREAM_HEADER(name, value)                                                                 \
    {                                                                                              \
        { (const uint8_t *)(name), sizeof(name) - 1 }, (value)                                     \
    }
#define STREAM_HEADER_TEXT(name, value)                                                            \
    {                                                                                              \
        { (const uint8_t *)(name), sizeof(name) - 1 },                                             \
        {                                                                                          \
            (const uint8_t *)(value), sizeof(value) - 1                                            \
        }                                                                                          \
    }

#endif
