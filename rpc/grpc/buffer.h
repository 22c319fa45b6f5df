#ifndef RPC_BUFFER_H
#define RPC_BUFFER_H

#include "core/base/bytes.h"

/* A queue of bytes in one run of memory: appended at the end, taken from the
 * front. Zeroed, it is empty. */
struct buffer {
    uint8_t *data;
    size_t from, to, room;
};

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->to - buffer->from;
}

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_of(buffer->data + buffer->from, buffer->to - buffer->from);
}

/* Lends room for `size` bytes at the end, to be filled and then counted with
 * buffer_added(). NULL if out of memory. */
uint8_t *buffer_room(struct buffer *buffer, size_t size);

static inline void buffer_added(struct buffer *buffer, size_t size)
{
    buffer->to += size;
}

/* False if out of memory: nothing was appended. */
bool buffer_append(struct buffer *buffer, struct bytes bytes);

/* Takes `size` bytes off the front. */
void buffer_take(struct buffer *buffer, size_t size);

/* Empties it; memory up to `keep` bytes stays for the next use. */
void buffer_clear(struct buffer *buffer, size_t keep);

#endif
