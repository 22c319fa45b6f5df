#include "gateway/http/http_chunks.h"

#include <assert.h>

enum {
    SIZE,
    EXTENSION, /* its name's first byte is next */
    EXTENSION_NAME,
    EXTENSION_VALUE,
    EXTENSION_TOKEN,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPE,
    EXTENSION_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    TRAILER_NAME,
    TRAILER_VALUE,
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

/* What may stand behind a whole extension. */
static int after_extension(uint8_t c)
{
    if (c == ';')
        return EXTENSION;
    return c == '\r' ? SIZE_LF : -1;
}

/* `; name`, `; name=token` or `; name="text"`, without blanks: no program that
 * sends them needs any, and they have hidden things from others. */
static int next_in_extension(int state, uint8_t c)
{
    switch (state) {
    case EXTENSION:
        return http_is_token_byte(c) ? EXTENSION_NAME : -1;
    case EXTENSION_NAME:
        if (c == '=')
            return EXTENSION_VALUE;
        return http_is_token_byte(c) ? EXTENSION_NAME : after_extension(c);
    case EXTENSION_VALUE:
        if (c == '"')
            return EXTENSION_QUOTED;
        return http_is_token_byte(c) ? EXTENSION_TOKEN : -1;
    case EXTENSION_TOKEN:
        return http_is_token_byte(c) ? EXTENSION_TOKEN : after_extension(c);
    case EXTENSION_QUOTED:
        if (c == '"' || c == '\\')
            return c == '"' ? EXTENSION_END : EXTENSION_ESCAPE;
        return is_line_byte(c) ? EXTENSION_QUOTED : -1;
    case EXTENSION_ESCAPE:
        return is_line_byte(c) ? EXTENSION_QUOTED : -1;
    default:
        assert(state == EXTENSION_END);
        return after_extension(c);
    }
}

static int next_in_trailer(int state, uint8_t c)
{
    if (c == '\r' && state != TRAILER_NAME)
        return state == TRAILER ? END_LF : TRAILER_LF;
    if (state == TRAILER_VALUE)
        return is_line_byte(c) ? TRAILER_VALUE : -1;
    if (c == ':' && state == TRAILER_NAME)
        return TRAILER_VALUE;
    return http_is_token_byte(c) ? TRAILER_NAME : -1;
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
    case SIZE_LF:
        return after_size_line(chunks, c);
    case DATA_CR:
        return c == '\r' ? DATA_LF : -1;
    case DATA_LF:
        return after_data(chunks, c);
    case TRAILER:
    case TRAILER_NAME:
    case TRAILER_VALUE:
        return next_in_trailer(chunks->state, c);
    case TRAILER_LF:
        return c == '\n' ? TRAILER : -1;
    case END_LF:
        chunks->done = c == '\n';
        return chunks->done ? END_LF : -1;
    default:
        if (++chunks->extension_bytes > HTTP_EXTENSION_BYTES_MAX)
            return -1;
        return next_in_extension(chunks->state, c);
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
