#include "rpc/grpc/grpc_coding.h"

#include <assert.h>
#include <stdlib.h>
#include <zlib.h>

/* zlib's streams are set up at the first message and only reset for the next:
 * setting one up costs more than most messages do. */

enum {
    PIECE_BYTES = 16 << 10,
    WINDOW_BITS = 15,
    GZIP_FORMAT = 16, /* added to the window's bits: gzip's header, not zlib's */
    MEMORY_LEVEL = 8,
};

struct grpc_coder {
    z_stream inflater, deflater;
    bool inflates;
    enum grpc_coding deflates; /* what the deflater is set up for */
};

static const char *const names[GRPC_CODING_COUNT] = { "identity", "deflate", "gzip" };

enum grpc_coding grpc_coding_of(struct bytes name)
{
    enum grpc_coding coding = GRPC_IDENTITY;

    while (coding < GRPC_CODING_COUNT && !bytes_equal(name, bytes_of_text(names[coding])))
        coding++;
    return coding;
}

struct bytes grpc_coding_name(enum grpc_coding coding)
{
    assert(coding < GRPC_CODING_COUNT);
    return bytes_of_text(names[coding]);
}

/* Takes the next name off a list "a, b,c". */
static struct bytes next_name(struct bytes *list)
{
    struct bytes name;

    while (list->size > 0 && (list->data[0] == ' ' || list->data[0] == ','))
        *list = bytes_of(list->data + 1, list->size - 1);
    name = bytes_of(list->data, 0);
    while (name.size < list->size && name.data[name.size] != ',' && name.data[name.size] != ' ')
        name.size++;
    *list = bytes_of(list->data + name.size, list->size - name.size);
    return name;
}

enum grpc_coding grpc_coding_accepted(struct bytes list)
{
    enum grpc_coding best = GRPC_IDENTITY;

    while (list.size > 0) {
        enum grpc_coding coding = grpc_coding_of(next_name(&list));
        if (coding != GRPC_CODING_UNKNOWN && coding > best)
            best = coding;
    }
    return best;
}

struct grpc_coder *grpc_coder_new(void)
{
    return calloc(1, sizeof(struct grpc_coder));
}

void grpc_coder_free(struct grpc_coder *coder)
{
    if (coder == NULL)
        return;
    if (coder->inflates)
        inflateEnd(&coder->inflater);
    if (coder->deflates != GRPC_IDENTITY)
        deflateEnd(&coder->deflater);
    free(coder);
}

static int window_bits(enum grpc_coding coding)
{
    return coding == GRPC_GZIP ? WINDOW_BITS + GZIP_FORMAT : WINDOW_BITS;
}

/* zlib promises not to write there. */
static Bytef *readable(struct bytes bytes)
{
    return (Bytef *)(uintptr_t)bytes.data;
}

/* ---- Expanding. ---- */

static bool begin_to_expand(struct grpc_coder *coder, enum grpc_coding coding)
{
    if (!coder->inflates)
        coder->inflates = inflateInit2(&coder->inflater, window_bits(coding)) == Z_OK;
    return coder->inflates && inflateReset2(&coder->inflater, window_bits(coding)) == Z_OK;
}

/* At the end of a gzip member another may follow (RFC 1952, 2.2). */
static bool goes_on(struct grpc_coder *coder, enum grpc_coding coding)
{
    return coding == GRPC_GZIP && coder->inflater.avail_in > 0 &&
           inflateReset(&coder->inflater) == Z_OK;
}

enum grpc_expanded grpc_coder_expand(struct grpc_coder *coder, enum grpc_coding coding,
                                     struct bytes packed, size_t max, struct buffer *plain)
{
    const size_t before = buffer_size(plain);
    z_stream *z = &coder->inflater;

    assert(packed.size <= UINT32_MAX && coding != GRPC_IDENTITY);
    if (!begin_to_expand(coder, coding))
        return GRPC_EXPANDED_MEMORY;
    z->next_in = readable(packed);
    z->avail_in = (uInt)packed.size;
    for (;;) {
        int result;
        z->next_out = buffer_room(plain, PIECE_BYTES);
        z->avail_out = PIECE_BYTES;
        if (z->next_out == NULL)
            return GRPC_EXPANDED_MEMORY;
        result = inflate(z, Z_NO_FLUSH);
        buffer_added(plain, PIECE_BYTES - z->avail_out);
        if (buffer_size(plain) - before > max)
            return GRPC_EXPANDED_TOO_LARGE;
        if (result == Z_STREAM_END && !goes_on(coder, coding))
            return z->avail_in == 0 ? GRPC_EXPANDED : GRPC_EXPANDED_CORRUPT;
        if (result == Z_MEM_ERROR)
            return GRPC_EXPANDED_MEMORY;
        if (result != Z_OK && result != Z_STREAM_END)
            return GRPC_EXPANDED_CORRUPT; /* Z_BUF_ERROR, too: it ends too early */
    }
}

/* ---- Compressing. ---- */

/* The fastest level: on JSON and on protobuf it takes less than half the time of
 * the usual one, and its result is about a seventh larger. */
static bool begin_to_compress(struct grpc_coder *coder, enum grpc_coding coding)
{
    if (coder->deflates == coding)
        return deflateReset(&coder->deflater) == Z_OK;
    if (coder->deflates != GRPC_IDENTITY)
        deflateEnd(&coder->deflater);
    coder->deflater = (z_stream){ 0 };
    coder->deflates = GRPC_IDENTITY;
    if (deflateInit2(&coder->deflater, Z_BEST_SPEED, Z_DEFLATED, window_bits(coding), MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    coder->deflates = coding;
    return true;
}

bool grpc_coder_compress(struct grpc_coder *coder, enum grpc_coding coding, struct bytes plain,
                         struct buffer *packed)
{
    z_stream *z = &coder->deflater;
    size_t bound;

    assert(plain.size <= UINT32_MAX && coding != GRPC_IDENTITY);
    if (!begin_to_compress(coder, coding))
        return false;
    bound = deflateBound(z, plain.size);
    z->next_out = buffer_room(packed, bound);
    if (z->next_out == NULL || bound > UINT32_MAX)
        return false;
    z->avail_out = (uInt)bound;
    z->next_in = readable(plain);
    z->avail_in = (uInt)plain.size;
    if (deflate(z, Z_FINISH) != Z_STREAM_END)
        return false; /* cannot be: it fits */
    buffer_added(packed, bound - z->avail_out);
    return true;
}
