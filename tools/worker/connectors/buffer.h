#ifndef WORKER_BUFFER_H
#define WORKER_BUFFER_H

#include "core/base/bytes.h"

/* Bytes that grow. A zeroed struct is empty. Memory that cannot be had ends the
 * program: every use is bounded by the connectors' limits. */

struct buffer {
    uint8_t *data;
    size_t size, room;
};

void buffer_free(struct buffer *buffer);
/* Makes room for that many bytes more. */
void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_add(struct buffer *buffer, const void *data, size_t size);
void buffer_add_char(struct buffer *buffer, char c);
void buffer_add_text(struct buffer *buffer, const char *text);
void buffer_add_number(struct buffer *buffer, uint64_t number);
/* A JSON string, quotes and escapes included. The bytes are valid UTF-8. */
void buffer_add_json(struct buffer *buffer, struct bytes text);

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_of(buffer->data, buffer->size);
}

#endif
