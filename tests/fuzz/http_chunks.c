#include "gateway/http/http_chunks.h"

#include "tests/fuzz/input.h"

#include <assert.h>
#include <stdlib.h>

/* Where to cut, then a chunked body. However it is cut, the same body comes out
 * of it, and it ends at the same byte. */

struct outcome {
    bool done, malformed;
    uint8_t *body;
    size_t body_size, used;
};

/* Reads one part as far as it goes; false: no more. */
static bool read_part(struct http_chunks *chunks, struct bytes part, struct outcome *outcome)
{
    while (part.size > 0 && !chunks->done) {
        struct http_flaw flaw = { 0, NULL };
        struct bytes data = { NULL, 0 };
        size_t used = http_chunks_read(chunks, part, &data, &flaw);

        assert(used <= part.size && data.size <= used);
        if (used == 0) {
            assert(flaw.status >= 400 && flaw.text != NULL);
            outcome->malformed = true;
            return false;
        }
        if (data.size > 0)
            memcpy(outcome->body + outcome->body_size, data.data, data.size);
        outcome->body_size += data.size;
        outcome->used += used;
        part = bytes_of(part.data + used, part.size - used);
    }
    outcome->done = chunks->done;
    return !chunks->done;
}

static struct outcome read_all(struct bytes input, size_t step)
{
    struct outcome outcome = { .body = malloc(input.size + 1) };
    struct http_chunks chunks = { .done = false };

    while (input.size > 0 && read_part(&chunks, input_bytes(&input, step), &outcome))
        ;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    size_t step = 1 + input_byte(&input) % 16;
    struct outcome whole = read_all(input, input.size), parts = read_all(input, step);

    assert(whole.done == parts.done && whole.malformed == parts.malformed);
    assert(bytes_equal(bytes_of(whole.body, whole.body_size),
                       bytes_of(parts.body, parts.body_size)));
    if (whole.done)
        assert(whole.used == parts.used);
    free(whole.body);
    free(parts.body);
    return 0;
}
