#include "core/store/record.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* A byte that says which record, then its stored bytes. Any bytes may lie on a
 * disk: reading refuses them or gives what writing can write, and what was
 * written is read and written the same for ever. */

enum { MEM_MAX = 16 << 20 };

#define RECORDS(X)                                                                                 \
    X(meta, struct meta)                                                                           \
    X(org, struct org_record)                                                                      \
    X(counters, struct counters)                                                                   \
    X(sync, struct sync_record)                                                                    \
    X(schedule, struct schedule_record)                                                            \
    X(watermark, struct watermark_record)                                                          \
    X(spec, struct run_spec)                                                                       \
    X(run, struct run)                                                                             \
    X(idempotency, struct idempotency_record)                                                      \
    X(history, struct history_record)                                                              \
    X(endings, struct endings_record)                                                              \
    X(purge, struct purge_record)                                                                  \
    X(audit, struct audit_record)

/* Reads; if that works, *written is what writing makes of it. */
#define REWRITE(name, type)                                                                        \
    static enum err rewrite_##name(struct bytes bytes, struct arena *mem, struct bytes *written,   \
                                   struct why *why)                                                \
    {                                                                                              \
        type record = { 0 };                                                                       \
        enum err e = record_read_##name(bytes, mem, &record, why);                                 \
                                                                                                   \
        if (e == OK)                                                                               \
            *written = record_write_##name(&record, mem);                                          \
        return e;                                                                                  \
    }
RECORDS(REWRITE)

typedef enum err rewrite_fn(struct bytes bytes, struct arena *mem, struct bytes *written,
                            struct why *why);

static rewrite_fn *const rewriters[] = {
#define REWRITER(name, type) rewrite_##name,
    RECORDS(REWRITER)
};
enum { RECORD_COUNT = sizeof rewriters / sizeof rewriters[0] };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size), once = { NULL, 0 }, twice = { NULL, 0 };
    rewrite_fn *rewrite = rewriters[input_byte(&input) % RECORD_COUNT];
    struct arena *mem = arena_new(MEM_MAX);
    struct why why = { .text = "" };
    enum err e = rewrite(input, mem, &once, &why);

    if (e == OK) {
        assert(rewrite(once, mem, &twice, &why) == OK);
        assert(bytes_equal(once, twice));
    } else {
        assert((e == ERR_CORRUPT || e == ERR_LIMIT) && why.text[0] != '\0');
    }
    arena_free(mem);
    return 0;
}
