#include "rpc/grpc/grpc_header.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* Any bytes as each of the things that headers carry. What is encoded is
 * decoded to the same and can be sent; what is decoded was bounded. */

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            return false;
    return true;
}

static void check_message(struct bytes text, struct arena *mem)
{
    struct bytes encoded = grpc_message_encode(text, mem), decoded;

    assert(grpc_value_is_valid(encoded));
    assert(bytes_equal(grpc_message_decode(encoded, mem), text));
    decoded = grpc_message_decode(text, mem);
    assert(decoded.data != NULL && decoded.size <= text.size);
    encoded = grpc_message_encode(decoded, mem);
    assert(bytes_equal(grpc_message_decode(encoded, mem), decoded));
}

static void check_binary(struct bytes value, struct arena *mem)
{
    struct bytes encoded = grpc_binary_encode(value, mem), decoded;

    assert(is_printable(encoded) && encoded.size % 4 != 1);
    assert(bytes_equal(grpc_binary_decode(encoded, mem), value));
    decoded = grpc_binary_decode(value, mem);
    if (decoded.data == NULL)
        return;
    encoded = grpc_binary_encode(decoded, mem);
    assert(bytes_equal(grpc_binary_decode(encoded, mem), decoded));
}

/* What is written is never less than what was meant: a deadline is not cut. */
static void check_timeout(struct bytes text)
{
    char written[GRPC_TIMEOUT_SIZE];
    int64_t once_ms, twice_ms;

    if (!grpc_timeout_parse(text, &once_ms))
        return;
    assert(once_ms >= 0 && text.size >= 2 && text.size <= 9);
    if (once_ms == 0)
        return;
    grpc_timeout_format(once_ms, written);
    assert(grpc_timeout_parse(bytes_of_text(written), &twice_ms) && twice_ms >= once_ms);
    grpc_timeout_format(twice_ms, written);
    assert(grpc_timeout_parse(bytes_of_text(written), &once_ms) && twice_ms == once_ms);
}

static void check_names(struct bytes name)
{
    if (grpc_name_is_valid(name))
        assert(is_printable(name) && name.size > 0);
    if (grpc_name_is_binary(name))
        assert(name.size > 4);
    if (grpc_content_type_is_ours(name))
        assert(memcmp(name.data, "application/grpc", 16) == 0);
    if (!grpc_name_is_reserved(name))
        assert(name.size > 0 && name.data[0] != ':');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *mem = arena_new(64 * size + 4096);
    struct bytes text = bytes_of(data, size);

    check_message(text, mem);
    check_binary(text, mem);
    check_timeout(text);
    check_names(text);
    arena_free(mem);
    return 0;
}
