#include "gateway/json/json_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/utf8.h"

enum { ROOM_FIRST = 1024 };

void json_writer_free(struct json_writer *writer)
{
    free(writer->text);
    writer->text = NULL;
}

static bool make_room(struct json_writer *writer, size_t size)
{
    size_t room = writer->room > 0 ? writer->room : (size_t)ROOM_FIRST;
    char *text;

    if (writer->failed)
        return false;
    if (size > writer->size_max - writer->size) {
        writer->failed = true;
        return false;
    }
    if (size <= writer->room - writer->size)
        return true;
    while (room - writer->size < size)
        room *= 2;
    text = realloc(writer->text, room);
    if (text == NULL) {
        writer->failed = true;
        return false;
    }
    writer->text = text;
    writer->room = room;
    return true;
}

static void append(struct json_writer *writer, const void *data, size_t size)
{
    if (size == 0 || !make_room(writer, size))
        return;
    memcpy(writer->text + writer->size, data, size);
    writer->size += size;
}

static void append_text(struct json_writer *writer, const char *text)
{
    append(writer, text, strlen(text));
}

static void begin_value(struct json_writer *writer)
{
    if (writer->needs_comma)
        append(writer, ",", 1);
    writer->needs_comma = true;
}

static void open_container(struct json_writer *writer, const char *bracket)
{
    begin_value(writer);
    append_text(writer, bracket);
    writer->needs_comma = false;
}

static void close_container(struct json_writer *writer, const char *bracket)
{
    append_text(writer, bracket);
    writer->needs_comma = true;
}

void json_begin_object(struct json_writer *writer)
{
    open_container(writer, "{");
}

void json_end_object(struct json_writer *writer)
{
    close_container(writer, "}");
}

void json_begin_array(struct json_writer *writer)
{
    open_container(writer, "[");
}

void json_end_array(struct json_writer *writer)
{
    close_container(writer, "]");
}

/* The character's escape, or NULL if it stands for itself. */
static const char *escape_of(uint8_t c, char room[8])
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (c >= ' ' && c != 0x7f)
            return NULL;
        snprintf(room, 8, "\\u%04x", c);
        return room;
    }
}

static void append_quoted(struct json_writer *writer, struct bytes text)
{
    append(writer, "\"", 1);
    while (text.size > 0) {
        char room[8];
        const char *escape = escape_of(text.data[0], room);
        size_t size = utf8_character_size(text);

        if (escape != NULL)
            append_text(writer, escape);
        else if (size == 0)
            append_text(writer, "\xef\xbf\xbd");
        else
            append(writer, text.data, size);
        size = size > 0 ? size : 1;
        text = bytes_of(text.data + size, text.size - size);
    }
    append(writer, "\"", 1);
}

void json_key(struct json_writer *writer, const char *name)
{
    begin_value(writer);
    append_quoted(writer, bytes_of_text(name));
    append(writer, ":", 1);
    writer->needs_comma = false;
}

void json_text(struct json_writer *writer, const char *text)
{
    begin_value(writer);
    append_quoted(writer, bytes_of_text(text));
}

void json_int(struct json_writer *writer, int64_t number)
{
    char text[24];

    begin_value(writer);
    snprintf(text, sizeof text, "%" PRId64, number);
    append_text(writer, text);
}

void json_uint(struct json_writer *writer, uint64_t number)
{
    char text[24];

    begin_value(writer);
    snprintf(text, sizeof text, "%" PRIu64, number);
    append_text(writer, text);
}

void json_bool(struct json_writer *writer, bool truth)
{
    begin_value(writer);
    append_text(writer, truth ? "true" : "false");
}

void json_raw(struct json_writer *writer, struct bytes text)
{
    begin_value(writer);
    append(writer, text.data, text.size);
}
