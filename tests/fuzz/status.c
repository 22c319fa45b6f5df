#include "rpc/status.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* A google.rpc.Status from a server that may be anybody's. What is understood
 * of it can be handed on, and is understood the same there. */

static void check_same(const struct rpc_status *a, const struct rpc_status *b)
{
    assert(strcmp(a->violation.field, b->violation.field) == 0);
    if (a->violation.field[0] != '\0')
        assert(strcmp(a->violation.description, b->violation.description) == 0);
    assert(a->retry_after_ms == b->retry_after_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_status once = { .code = RPC_INVALID_ARGUMENT }, twice = once;
    struct arena *mem = arena_new(1 << 16);

    rpc_status_unpack(&once, bytes_of(data, size));
    assert(once.code == RPC_INVALID_ARGUMENT && once.message[0] == '\0');
    assert(once.retry_after_ms >= 0);
    rpc_status_unpack(&twice, rpc_status_pack(&once, mem));
    check_same(&once, &twice);
    arena_free(mem);
    return 0;
}
