#include "tools/worker/connectors/buffer.h"

#include <stdio.h>
#include <stdlib.h>

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){ 0 };
}

static void grow(struct buffer *buffer, size_t size)
{
    size_t room = buffer->room > 0 ? buffer->room : 256;

    while (room < size)
        room *= 2;
    buffer->data = realloc(buffer->data, room);
    if (buffer->data == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    buffer->room = room;
}

void buffer_reserve(struct buffer *buffer, size_t more)
{
    if (buffer->room - buffer->size < more)
        grow(buffer, buffer->size + more);
}

void buffer_add(struct buffer *buffer, const void *data, size_t size)
{
    buffer_reserve(buffer, size);
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void buffer_add_char(struct buffer *buffer, char c)
{
    buffer_add(buffer, &c, 1);
}

void buffer_add_text(struct buffer *buffer, const char *text)
{
    buffer_add(buffer, text, strlen(text));
}

void buffer_add_number(struct buffer *buffer, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buffer_add(buffer, digits + at, sizeof digits - at);
}

static void add_escaped(struct buffer *buffer, uint8_t c)
{
    char text[8];

    switch (c) {
    case '"':
        buffer_add_text(buffer, "\\\"");
        return;
    case '\\':
        buffer_add_text(buffer, "\\\\");
        return;
    case '\n':
        buffer_add_text(buffer, "\\n");
        return;
    case '\r':
        buffer_add_text(buffer, "\\r");
        return;
    case '\t':
        buffer_add_text(buffer, "\\t");
        return;
    default:
        snprintf(text, sizeof text, "\\u%04x", c);
        buffer_add_text(buffer, text);
    }
}

void buffer_add_json(struct buffer *buffer, struct bytes text)
{
    size_t plain = 0;

    buffer_add_char(buffer, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buffer_add(buffer, text.data + plain, i - plain);
        add_escaped(buffer, c);
        plain = i + 1;
    }
    buffer_add(buffer, text.data + plain, text.size - plain);
    buffer_add_char(buffer, '"');
}
