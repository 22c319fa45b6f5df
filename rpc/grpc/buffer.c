#include "rpc/grpc/buffer.h"

#include <assert.h>
#include <stdlib.h>

enum { ROOM_MIN = 512 };

static bool grow(struct buffer *buffer, size_t needed)
{
    size_t room = buffer->room > ROOM_MIN ? buffer->room : ROOM_MIN;
    uint8_t *data;

    while (room < needed)
        room *= 2;
    data = realloc(buffer->data, room);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->room = room;
    return true;
}

uint8_t *buffer_room(struct buffer *buffer, size_t size)
{
    size_t used = buffer_size(buffer);

    if (size > SIZE_MAX / 4 - used)
        return NULL;
    /* Moving is paid for by what was taken off: less is moved than is free. */
    if (buffer->from > used && buffer->room - buffer->to < size) {
        memcpy(buffer->data, buffer->data + buffer->from, used);
        buffer->from = 0;
        buffer->to = used;
    }
    if (buffer->room - buffer->to < size && !grow(buffer, buffer->to + size))
        return NULL;
    return buffer->data + buffer->to;
}

bool buffer_append(struct buffer *buffer, struct bytes bytes)
{
    uint8_t *room;

    if (bytes.size == 0)
        return true;
    room = buffer_room(buffer, bytes.size);
    if (room == NULL)
        return false;
    memcpy(room, bytes.data, bytes.size);
    buffer_added(buffer, bytes.size);
    return true;
}

void buffer_take(struct buffer *buffer, size_t size)
{
    assert(size <= buffer_size(buffer));
    buffer->from += size;
    if (buffer->from == buffer->to)
        buffer->from = buffer->to = 0;
}

void buffer_clear(struct buffer *buffer, size_t keep)
{
    buffer->from = buffer->to = 0;
    if (buffer->room <= keep)
        return;
    free(buffer->data);
    buffer->data = NULL;
    buffer->room = 0;
}
