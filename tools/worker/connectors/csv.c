#include "tools/worker/connectors/csv.h"

void csv_free(struct csv_record *record)
{
    buffer_free(&record->text);
}

/* The quoted field that begins at *at; leaves *at behind its last quote. */
static bool take_quoted(struct bytes line, size_t *at, struct buffer *text)
{
    for (size_t i = *at + 1; i < line.size; i++) {
        if (line.data[i] == '"') {
            if (i + 1 == line.size || line.data[i + 1] != '"') {
                *at = i + 1;
                return true;
            }
            i++;
        }
        buffer_add_char(text, (char)line.data[i]);
    }
    return false;
}

static void take_plain(struct bytes line, char delimiter, size_t *at, struct buffer *text)
{
    const uint8_t *begin = line.data + *at;
    const uint8_t *end = line.size > *at ? memchr(begin, delimiter, line.size - *at) : NULL;
    size_t size = end != NULL ? (size_t)(end - begin) : line.size - *at;

    buffer_add(text, begin, size);
    *at += size;
}

static bool take_field(struct bytes line, char delimiter, size_t *at, struct buffer *text,
                       const char **reason)
{
    if (*at == line.size || line.data[*at] != '"') {
        take_plain(line, delimiter, at, text);
        return true;
    }
    if (!take_quoted(line, at, text)) {
        *reason = "a quoted field does not end";
        return false;
    }
    if (*at < line.size && line.data[*at] != (uint8_t)delimiter) {
        *reason = "something stands between a quoted field and the next delimiter";
        return false;
    }
    return true;
}

bool csv_parse(struct bytes line, char delimiter, struct csv_record *record, const char **reason)
{
    size_t at = 0;

    record->count = 0;
    record->text.size = 0;
    for (;;) {
        size_t begin = record->text.size;

        if (record->count == CSV_FIELDS_MAX) {
            *reason = "too many fields";
            return false;
        }
        if (!take_field(line, delimiter, &at, &record->text, reason))
            return false;
        record->fields[record->count++] = bytes_of(NULL, record->text.size - begin);
        if (at == line.size)
            break;
        at++;
    }
    /* Only now: the buffer may have moved. */
    for (size_t i = 0, begin = 0; i < record->count; begin += record->fields[i].size, i++)
        record->fields[i].data = record->text.data + begin;
    return true;
}
