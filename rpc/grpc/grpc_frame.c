#include "rpc/grpc/grpc_frame.h"

/* A message that lies whole in the input is lent from there; only one that was
 * cut is copied together. */

enum { KEEP_BYTES = 64 << 10 };

void grpc_frame_prefix(uint8_t prefix[GRPC_PREFIX_SIZE], uint32_t size)
{
    prefix[0] = 0;
    prefix[1] = (uint8_t)(size >> 24);
    prefix[2] = (uint8_t)(size >> 16);
    prefix[3] = (uint8_t)(size >> 8);
    prefix[4] = (uint8_t)size;
}

static size_t size_of(const uint8_t *prefix)
{
    return (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
}

/* What a whole prefix says; MESSAGE means it may go on. */
static enum grpc_frame check(const struct grpc_reader *reader, const uint8_t *prefix)
{
    if (prefix[0] > GRPC_FRAME_COMPRESSED)
        return GRPC_FRAME_BROKEN;
    return size_of(prefix) > reader->message_max ? GRPC_FRAME_TOO_LARGE : GRPC_FRAME_MESSAGE;
}

static void lend(struct grpc_message *message, const uint8_t *frame)
{
    message->compressed = frame[0] == GRPC_FRAME_COMPRESSED;
    message->data = bytes_of(frame + GRPC_PREFIX_SIZE, size_of(frame));
}

/* Moves input to the partial message until that has `wanted` bytes. */
static bool gather(struct grpc_reader *reader, struct bytes *input, size_t wanted)
{
    size_t missing = wanted - buffer_size(&reader->partial);
    size_t size = missing < input->size ? missing : input->size;

    if (!buffer_append(&reader->partial, bytes_of(input->data, size)))
        return false;
    input->data += size;
    input->size -= size;
    return true;
}

static enum grpc_frame next_partial(struct grpc_reader *reader, struct bytes *input,
                                    struct grpc_message *message)
{
    struct buffer *partial = &reader->partial;
    enum grpc_frame verdict;
    size_t frame_size;

    if (buffer_size(partial) < GRPC_PREFIX_SIZE) {
        if (!gather(reader, input, GRPC_PREFIX_SIZE))
            return GRPC_FRAME_MEMORY;
        if (buffer_size(partial) < GRPC_PREFIX_SIZE)
            return GRPC_FRAME_MORE;
    }
    verdict = check(reader, buffer_bytes(partial).data);
    if (verdict != GRPC_FRAME_MESSAGE)
        return verdict;
    frame_size = GRPC_PREFIX_SIZE + size_of(buffer_bytes(partial).data);
    if (!gather(reader, input, frame_size))
        return GRPC_FRAME_MEMORY;
    if (buffer_size(partial) < frame_size)
        return GRPC_FRAME_MORE;
    lend(message, buffer_bytes(partial).data);
    reader->partial_is_lent = true;
    return GRPC_FRAME_MESSAGE;
}

enum grpc_frame grpc_reader_next(struct grpc_reader *reader, struct bytes *input,
                                 struct grpc_message *message)
{
    enum grpc_frame verdict;
    size_t frame_size;

    if (reader->partial_is_lent) {
        buffer_clear(&reader->partial, KEEP_BYTES);
        reader->partial_is_lent = false;
    }
    if (input->size == 0)
        return GRPC_FRAME_MORE;
    if (buffer_size(&reader->partial) > 0 || input->size < GRPC_PREFIX_SIZE)
        return next_partial(reader, input, message);

    verdict = check(reader, input->data);
    if (verdict != GRPC_FRAME_MESSAGE)
        return verdict;
    frame_size = GRPC_PREFIX_SIZE + size_of(input->data);
    if (input->size < frame_size)
        return next_partial(reader, input, message);
    lend(message, input->data);
    input->data += frame_size;
    input->size -= frame_size;
    return GRPC_FRAME_MESSAGE;
}

bool grpc_reader_is_between(const struct grpc_reader *reader)
{
    return reader->partial_is_lent || buffer_size(&reader->partial) == 0;
}

void grpc_reader_clear(struct grpc_reader *reader, size_t keep)
{
    buffer_clear(&reader->partial, keep);
    reader->partial_is_lent = false;
}
