#include "tools/worker/connectors/line_reader.h"

#include "tools/worker/connectors/connector.h"

#include <errno.h>
#include <unistd.h>

enum { BLOCK_SIZE = 256 << 10 };

/* Where the scan of a record stands. */
enum place { FIELD_START, IN_FIELD, IN_QUOTES, AFTER_QUOTE };

void line_reader_init(struct line_reader *reader, int fd, bool quotes, char delimiter)
{
    *reader = (struct line_reader){ .fd = fd, .quotes = quotes, .delimiter = delimiter };
}

void line_reader_close(struct line_reader *reader)
{
    buffer_free(&reader->ahead);
    close(reader->fd);
}

bool line_reader_seek(struct line_reader *reader, uint64_t offset)
{
    reader->ahead.size = reader->used = 0;
    reader->at_end = false;
    reader->offset = offset;
    return lseek(reader->fd, (off_t)offset, SEEK_SET) >= 0;
}

/* Reads one block more behind what is not used up. */
static bool read_ahead(struct line_reader *reader)
{
    struct buffer *ahead = &reader->ahead;
    ssize_t got;

    buffer_reserve(ahead, BLOCK_SIZE);
    memmove(ahead->data, ahead->data + reader->used, ahead->size - reader->used);
    ahead->size -= reader->used;
    reader->used = 0;
    do
        got = read(reader->fd, ahead->data + ahead->size, BLOCK_SIZE);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return false;
    reader->at_end = got == 0;
    ahead->size += (size_t)got;
    return true;
}

static enum place step(const struct line_reader *reader, enum place place, uint8_t c)
{
    if (place == IN_QUOTES)
        return c == '"' ? AFTER_QUOTE : IN_QUOTES;
    if (c == '"' && (place == FIELD_START || place == AFTER_QUOTE))
        return IN_QUOTES;
    return c == (uint8_t)reader->delimiter ? FIELD_START : IN_FIELD;
}

/* Moves *at to the record's line end, or to the end of what was read. */
static bool find_end(const struct line_reader *reader, size_t *at, enum place *place)
{
    const struct buffer *ahead = &reader->ahead;

    if (!reader->quotes) {
        const uint8_t *end =
            *at < ahead->size ? memchr(ahead->data + *at, '\n', ahead->size - *at) : NULL;

        *at = end != NULL ? (size_t)(end - ahead->data) : ahead->size;
        return end != NULL;
    }
    for (; *at < ahead->size; (*at)++) {
        if (ahead->data[*at] == '\n' && *place != IN_QUOTES)
            return true;
        *place = step(reader, *place, ahead->data[*at]);
    }
    return false;
}

static void lend(struct line_reader *reader, size_t end, size_t next, struct bytes *line)
{
    const uint8_t *begin = reader->ahead.data + reader->used;
    size_t size = end - reader->used;

    if (size > 0 && begin[size - 1] == '\r')
        size--;
    *line = bytes_of(begin, size);
    reader->offset += next - reader->used;
    reader->used = next;
}

enum line_result line_reader_next(struct line_reader *reader, struct bytes *line)
{
    enum place place = FIELD_START;
    size_t at = reader->used;

    while (!find_end(reader, &at, &place)) {
        size_t scanned = at - reader->used;

        if (scanned > DOCUMENT_SIZE_MAX)
            return LINE_TOO_LONG;
        if (reader->at_end) {
            if (scanned == 0)
                return LINE_END;
            lend(reader, at, at, line);
            return LINE;
        }
        if (!read_ahead(reader))
            return LINE_ERROR;
        at = reader->used + scanned;
    }
    lend(reader, at, at + 1, line);
    return LINE;
}
