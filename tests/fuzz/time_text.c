#include "core/base/arena.h"
#include "core/base/rfc3339.h"
#include "gateway/json/duration.h"
#include "tests/fuzz/input.h"

#include <assert.h>

/* A text that may be a time (RFC 3339) or a duration (ISO 8601). What is read
 * is written so that it is read the same. */

static void check_time(struct bytes text)
{
    char written[RFC3339_SIZE];
    int64_t once_ms, twice_ms;

    if (!rfc3339_read(text, &once_ms))
        return;
    rfc3339_write(once_ms, written);
    assert(rfc3339_read(bytes_of_text(written), &twice_ms) && once_ms == twice_ms);
}

static void check_duration(const char *text)
{
    char written[DURATION_TEXT_SIZE];
    int64_t once_ms, twice_ms;

    if (!duration_read(text, &once_ms))
        return;
    assert(once_ms >= 0);
    duration_write(once_ms, written);
    assert(duration_read(written, &twice_ms) && once_ms == twice_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *mem = arena_new(2 * size + 64);

    check_time(bytes_of(data, size));
    check_duration(arena_copy(mem, data, size));
    arena_free(mem);
    return 0;
}
