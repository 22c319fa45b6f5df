#include "rpc/grpc/grpc_message.h"

#include <stdint.h>

static void append_plain(struct buffer *out, uint8_t *frame, size_t size)
{
    grpc_frame_prefix(frame, (uint32_t)size);
    buffer_added(out, GRPC_PREFIX_SIZE + size);
}

/* The message lies in the room behind `out`, packed, and is put there again in
 * the form that it is sent in. */
static bool append_compressed(struct buffer *out, uint8_t *frame, size_t size,
                              const struct grpc_packing *packing)
{
    struct buffer shrunk = { 0 };
    bool fine = grpc_coder_compress(packing->coder, packing->coding,
                                    bytes_of(frame + GRPC_PREFIX_SIZE, size), &shrunk);

    if (fine && packing->compress == RPC_COMPRESS_AUTO && buffer_size(&shrunk) >= size) {
        append_plain(out, frame, size);
    } else if (fine) {
        frame = buffer_room(out, GRPC_PREFIX_SIZE + buffer_size(&shrunk));
        fine = frame != NULL;
        if (fine) {
            grpc_frame_prefix(frame, (uint32_t)buffer_size(&shrunk));
            frame[0] = GRPC_FRAME_COMPRESSED;
            memcpy(frame + GRPC_PREFIX_SIZE, buffer_bytes(&shrunk).data, buffer_size(&shrunk));
            buffer_added(out, GRPC_PREFIX_SIZE + buffer_size(&shrunk));
        }
    }
    buffer_clear(&shrunk, 0);
    return fine;
}

static bool is_to_be_compressed(size_t size, const struct grpc_packing *packing)
{
    if (packing->coding == GRPC_IDENTITY || packing->coder == NULL ||
        packing->compress == RPC_COMPRESS_NEVER)
        return false;
    return packing->compress == RPC_COMPRESS_ALWAYS || size >= GRPC_COMPRESS_MIN_BYTES;
}

bool grpc_message_pack(struct buffer *out, const ProtobufCMessage *message,
                       const struct grpc_packing *packing)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *frame = size <= UINT32_MAX ? buffer_room(out, GRPC_PREFIX_SIZE + size) : NULL;

    if (frame == NULL)
        return false;
    protobuf_c_message_pack(message, frame + GRPC_PREFIX_SIZE);
    if (is_to_be_compressed(size, packing))
        return append_compressed(out, frame, size, packing);
    append_plain(out, frame, size);
    return true;
}

bool grpc_message_expand(struct grpc_message *message, struct grpc_coder *coder,
                         enum grpc_coding coding, size_t max, struct buffer *plain,
                         struct rpc_status *status)
{
    if (coding == GRPC_IDENTITY || coding == GRPC_CODING_UNKNOWN) {
        rpc_status_set(status, RPC_INTERNAL,
                       "a message is compressed, but there is no grpc-encoding");
        return false;
    }
    switch (grpc_coder_expand(coder, coding, message->data, max, plain)) {
    case GRPC_EXPANDED:
        message->data = buffer_bytes(plain);
        return true;
    case GRPC_EXPANDED_CORRUPT:
        rpc_status_set(status, RPC_INTERNAL, "a compressed message does not expand");
        return false;
    case GRPC_EXPANDED_TOO_LARGE:
        rpc_status_set(status, RPC_RESOURCE_EXHAUSTED,
                       "a message expands to more than the %zu bytes accepted", max);
        return false;
    case GRPC_EXPANDED_MEMORY:
        break;
    }
    rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    return false;
}
