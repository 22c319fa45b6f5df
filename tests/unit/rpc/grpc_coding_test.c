#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/grpc/grpc_coding.h"

#include <stdlib.h>

struct fixture {
    struct grpc_coder *coder;
    struct buffer packed, plain;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *state = f;
    f->coder = grpc_coder_new();
    return f->coder != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    grpc_coder_free(f->coder);
    buffer_clear(&f->packed, 0);
    buffer_clear(&f->plain, 0);
    free(f);
    return 0;
}

static enum grpc_expanded expand(struct fixture *f, enum grpc_coding coding, struct bytes packed,
                                 size_t max)
{
    buffer_clear(&f->plain, 0);
    return grpc_coder_expand(f->coder, coding, packed, max, &f->plain);
}

static struct bytes compress(struct fixture *f, enum grpc_coding coding, struct bytes plain)
{
    buffer_clear(&f->packed, 0);
    assert_true(grpc_coder_compress(f->coder, coding, plain, &f->packed));
    return buffer_bytes(&f->packed);
}

static void codings_have_names(void **state)
{
    (void)state;
    assert_int_equal(grpc_coding_of(bytes_of_text("identity")), GRPC_IDENTITY);
    assert_int_equal(grpc_coding_of(bytes_of_text("gzip")), GRPC_GZIP);
    assert_int_equal(grpc_coding_of(bytes_of_text("deflate")), GRPC_DEFLATE);
    assert_int_equal(grpc_coding_of(bytes_of_text("snappy")), GRPC_CODING_UNKNOWN);
    assert_int_equal(grpc_coding_of(bytes_of_text("")), GRPC_CODING_UNKNOWN);
    assert_true(bytes_equal(grpc_coding_name(GRPC_GZIP), bytes_of_text("gzip")));
}

static void the_best_accepted_coding_is_taken(void **state)
{
    static const struct {
        const char *list;
        enum grpc_coding best;
    } cases[] = {
        { "", GRPC_IDENTITY },
        { "identity", GRPC_IDENTITY },
        { "identity, deflate, gzip", GRPC_GZIP },
        { "gzip,deflate", GRPC_GZIP },
        { "deflate", GRPC_DEFLATE },
        { "br, snappy ,deflate,", GRPC_DEFLATE },
        { ",, ,", GRPC_IDENTITY },
        { "gzipped", GRPC_IDENTITY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(grpc_coding_accepted(bytes_of_text(cases[i].list)), cases[i].best);
}

/* Repeating text and bytes without a pattern, in sizes around the pieces. */
static void what_was_compressed_comes_back(void **state)
{
    const size_t sizes[] = { 0, 1, 100, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, 1 << 20 };
    struct fixture *f = *state;
    uint8_t *data = calloc(1, 1 << 20);

    for (size_t i = 0; i < 1 << 20; i++)
        data[i] = i % 3 != 0 ? (uint8_t)(i / 100) : (uint8_t)(i * 2654435761u >> 13);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (enum grpc_coding coding = GRPC_DEFLATE; coding <= GRPC_GZIP; coding++) {
            struct bytes packed = compress(f, coding, bytes_of(data, sizes[i]));
            assert_int_equal(expand(f, coding, packed, sizes[i]), GRPC_EXPANDED);
            assert_true(bytes_equal(buffer_bytes(&f->plain), bytes_of(data, sizes[i])));
        }
    free(data);
}

static void what_expands_beyond_the_bound_is_stopped_there(void **state)
{
    enum { BOMB_BYTES = 50 << 20, MAX = 4 << 20 };
    struct fixture *f = *state;
    uint8_t *zeros = calloc(1, BOMB_BYTES);
    struct bytes bomb = compress(f, GRPC_GZIP, bytes_of(zeros, BOMB_BYTES));

    assert_in_range(bomb.size, 1, 512 << 10);
    assert_int_equal(expand(f, GRPC_GZIP, bomb, MAX), GRPC_EXPANDED_TOO_LARGE);
    assert_in_range(buffer_size(&f->plain), MAX, MAX + (64 << 10));

    bomb = compress(f, GRPC_GZIP, bytes_of(zeros, MAX));
    assert_int_equal(expand(f, GRPC_GZIP, bomb, MAX), GRPC_EXPANDED);
    assert_int_equal(expand(f, GRPC_GZIP, bomb, MAX - 1), GRPC_EXPANDED_TOO_LARGE);
    free(zeros);
}

static void what_is_broken_is_corrupt_and_the_next_is_not(void **state)
{
    struct fixture *f = *state;
    struct bytes good = compress(f, GRPC_GZIP, bytes_of_text("some text, some more text"));
    uint8_t bad[128];

    assert_in_range(good.size, 1, sizeof bad);
    for (size_t size = 0; size < good.size; size++)
        assert_int_equal(expand(f, GRPC_GZIP, bytes_of(good.data, size), 100),
                         GRPC_EXPANDED_CORRUPT);
    assert_int_equal(expand(f, GRPC_GZIP, good, 100), GRPC_EXPANDED);
    memcpy(bad, good.data, good.size);
    bad[good.size - 6] ^= 1; /* the checksum */
    assert_int_equal(expand(f, GRPC_GZIP, bytes_of(bad, good.size), 100), GRPC_EXPANDED_CORRUPT);
    bad[good.size - 6] ^= 1;
    bad[good.size] = 7; /* behind the end */
    assert_int_equal(expand(f, GRPC_GZIP, bytes_of(bad, good.size + 1), 100),
                     GRPC_EXPANDED_CORRUPT);
    assert_int_equal(expand(f, GRPC_DEFLATE, good, 100), GRPC_EXPANDED_CORRUPT);
    assert_int_equal(expand(f, GRPC_GZIP, good, 100), GRPC_EXPANDED);
}

static void gzip_may_have_several_members(void **state)
{
    struct fixture *f = *state;
    struct buffer both = { 0 };

    assert_true(grpc_coder_compress(f->coder, GRPC_GZIP, bytes_of_text("one and "), &both));
    assert_true(grpc_coder_compress(f->coder, GRPC_GZIP, bytes_of_text("two"), &both));
    assert_int_equal(expand(f, GRPC_GZIP, buffer_bytes(&both), 100), GRPC_EXPANDED);
    assert_true(bytes_equal(buffer_bytes(&f->plain), bytes_of_text("one and two")));
    buffer_clear(&both, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(codings_have_names),
        TEST(the_best_accepted_coding_is_taken),
        TEST(what_was_compressed_comes_back),
        TEST(what_expands_beyond_the_bound_is_stopped_there),
        TEST(what_is_broken_is_corrupt_and_the_next_is_not),
        TEST(gzip_may_have_several_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
