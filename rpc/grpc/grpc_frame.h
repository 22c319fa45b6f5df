#ifndef RPC_GRPC_FRAME_H
#define RPC_GRPC_FRAME_H

#include "rpc/grpc/buffer.h"

/* gRPC's framing of messages inside a stream of bytes (PROTOCOL-HTTP2,
 * Length-Prefixed-Message): one byte that says whether the message is
 * compressed, four with its size, the message. Bytes in, messages out. */

enum { GRPC_PREFIX_SIZE = 5 };

/* prefix[0] is 0, or set to GRPC_FRAME_COMPRESSED afterwards. */
enum { GRPC_FRAME_COMPRESSED = 1 };
void grpc_frame_prefix(uint8_t prefix[GRPC_PREFIX_SIZE], uint32_t size);

struct grpc_message {
    struct bytes data;
    bool compressed;
};

enum grpc_frame {
    GRPC_FRAME_MESSAGE,
    GRPC_FRAME_MORE,      /* all input is used up */
    GRPC_FRAME_TOO_LARGE, /* this one and those below end the stream */
    GRPC_FRAME_BROKEN,    /* the first byte is neither 0 nor 1 */
    GRPC_FRAME_MEMORY
};

/* Zero-initialise, set message_max. */
struct grpc_reader {
    size_t message_max;
    struct buffer partial; /* a message of which a part has come, prefix included */
    bool partial_is_lent;
};

/* Takes the next message off the front of *input, whatever cuts the bytes came
 * in. The message is lent until the next call and while the input lives. A
 * claimed size costs no memory before its bytes come. */
enum grpc_frame grpc_reader_next(struct grpc_reader *reader, struct bytes *input,
                                 struct grpc_message *message);

/* True if the bytes so far are whole messages. */
bool grpc_reader_is_between(const struct grpc_reader *reader);

void grpc_reader_clear(struct grpc_reader *reader, size_t keep);

#endif
