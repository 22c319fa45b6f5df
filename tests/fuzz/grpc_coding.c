#include "rpc/grpc/grpc_coding.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* A compressed message of anybody's, of the coding that its first byte chooses,
 * expanded within the bound that the next two say. What comes out of it, and the
 * bytes themselves, can be compressed and are the same afterwards. */

enum { SLACK = 64 << 10 }; /* made at a time, and doubled */

static void check_returns(struct grpc_coder *coder, enum grpc_coding coding, struct bytes plain)
{
    struct buffer packed = { 0 }, again = { 0 };

    assert(grpc_coder_compress(coder, coding, plain, &packed));
    assert(grpc_coder_expand(coder, coding, buffer_bytes(&packed), plain.size, &again) ==
           GRPC_EXPANDED);
    assert(bytes_equal(buffer_bytes(&again), plain));
    buffer_clear(&packed, 0);
    buffer_clear(&again, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    enum grpc_coding coding = input_byte(&input) % 2 == 0 ? GRPC_GZIP : GRPC_DEFLATE;
    size_t max = (size_t)input_number(&input, 2);
    struct grpc_coder *coder = grpc_coder_new();
    struct buffer plain = { 0 };
    enum grpc_expanded result = grpc_coder_expand(coder, coding, input, max, &plain);

    assert(buffer_size(&plain) <= max + SLACK);
    if (result == GRPC_EXPANDED) {
        assert(buffer_size(&plain) <= max);
        check_returns(coder, coding, buffer_bytes(&plain));
    }
    check_returns(coder, coding, input);
    grpc_coding_accepted(input);
    buffer_clear(&plain, 0);
    grpc_coder_free(coder);
    return 0;
}
