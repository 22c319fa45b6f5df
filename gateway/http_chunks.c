#include "gateway/http_chunks.h"

#include <assert.h>

enum {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_LINE,
    TRAILER_LF,
    END_LF
};

/* More than any body may have; keeps the sum from overflowing. */
enum { DIGITS_MAX = 8 };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int after_size(struct http_chunks *chunks, uint8_t c)
{
    int digit = hex_digit(c);

    if (digit >= 0 && chunks->digits < DIGITS_MAX) {
        chunks->left = chunks->left * 16 + (uint64_t)digit;
        chunks->digits++;
        return SIZE;
    }
    if (chunks->digits == 0)
        return -1;
    if (c == ';')
        return EXTENSION;
    return c == '\r' ? SIZE_LF : -1;
}

static bool is_line_byte(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static int after_line_byte(uint8_t c, int same, int lf)
{
    if (c == '\r')
        return lf;
    return is_line_byte(c) ? same : -1;
}

static int after_size_line(struct http_chunks *chunks, uint8_t c)
{
    if (c != '\n')
        return -1;
    return chunks->left > 0 ? DATA : TRAILER;
}

static int after_data(struct http_chunks *chunks, uint8_t c)
{
    if (c != '\n')
        return -1;
    chunks->digits = 0;
    chunks->line_size = 0;
    return SIZE;
}

/* The state behind one byte that is not data; -1: it may not stand here. */
static int next_state(struct http_chunks *chunks, uint8_t c)
{
    switch (chunks->state) {
    case SIZE:
        return after_size(chunks, c);
    case EXTENSION:
        return after_line_byte(c, EXTENSION, SIZE_LF);
    case SIZE_LF:
        return after_size_line(chunks, c);
    case DATA_CR:
        return c == '\r' ? DATA_LF : -1;
    case DATA_LF:
        return after_data(chunks, c);
    case TRAILER:
        return c == '\r' ? END_LF : after_line_byte(c, TRAILER_LINE, TRAILER_LF);
    case TRAILER_LINE:
        return after_line_byte(c, TRAILER_LINE, TRAILER_LF);
    case TRAILER_LF:
        return c == '\n' ? TRAILER : -1;
    default:
        assert(chunks->state == END_LF);
        chunks->done = c == '\n';
        return chunks->done ? END_LF : -1;
    }
}

static size_t read_data(struct http_chunks *chunks, struct bytes input, struct bytes *data)
{
    size_t size = input.size < chunks->left ? input.size : (size_t)chunks->left;

    *data = bytes_of(input.data, size);
    chunks->left -= size;
    if (chunks->left == 0)
        chunks->state = DATA_CR;
    return size;
}

size_t http_chunks_read(struct http_chunks *chunks, struct bytes input, struct bytes *data,
                        struct http_flaw *flaw)
{
    size_t used = 0;

    *data = bytes_of(NULL, 0);
    if (chunks->state == DATA)
        return read_data(chunks, input, data);
    while (used < input.size && chunks->state != DATA && !chunks->done) {
        int state = next_state(chunks, input.data[used]);

        if (state < 0 || ++chunks->line_size > HTTP_CHUNK_LINE_MAX) {
            *flaw = (struct http_flaw){ 400, "The chunked request body is malformed" };
            return 0;
        }
        chunks->state = state;
        used++;
    }
    return used;
}
