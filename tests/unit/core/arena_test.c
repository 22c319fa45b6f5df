#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/arena.h"

#include <stdalign.h>

static void what_it_lends_is_zeroed_and_aligned(void **state)
{
    struct arena *arena = arena_new(1 << 20);
    static const unsigned char zeroes[300];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < sizeof zeroes; size += 7) {
            unsigned char *memory = arena_alloc(arena, size);

            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
            assert_memory_equal(memory, zeroes, size);
            memset(memory, 0xff, size);
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

static void it_lends_no_more_than_its_limit(void **state)
{
    struct arena *arena = arena_new(1000);

    (void)state;
    assert_null(arena_alloc(arena, 1001));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_copy(arena, "", SIZE_MAX));
    assert_non_null(arena_alloc(arena, 600));
    assert_null(arena_alloc(arena, 401));
    assert_non_null(arena_alloc(arena, 400));
    assert_int_equal(arena_used_bytes(arena), 1000);
    assert_null(arena_alloc(arena, 1));
    arena_reset(arena);
    assert_int_equal(arena_used_bytes(arena), 0);
    assert_non_null(arena_alloc(arena, 1000));
    arena_free(arena);
}

static void small_and_large_pieces_do_not_overlap(void **state)
{
    enum { PIECES = 400 };
    struct arena *arena = arena_new(64 << 20);
    unsigned char *pieces[PIECES];
    size_t sizes[PIECES];

    (void)state;
    for (unsigned i = 0; i < PIECES; i++) {
        sizes[i] = i % 50 == 0 ? 100000 + i : i * 7 % 500;
        pieces[i] = arena_alloc(arena, sizes[i]);
        assert_non_null(pieces[i]);
        memset(pieces[i], (int)(i % 251), sizes[i]);
    }
    for (unsigned i = 0; i < PIECES; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i % 251);
    arena_free(arena);
}

static void a_copy_ends_with_a_nul_that_is_not_counted(void **state)
{
    struct arena *arena = arena_new(100);

    (void)state;
    assert_string_equal(arena_copy(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_copy(arena, NULL, 0), "");
    assert_string_equal(arena_text(arena, "text"), "text");
    assert_string_equal(arena_text(arena, NULL), "");
    arena_free(arena);
}

static void a_printed_text_is_whole_or_absent(void **state)
{
    struct arena *arena = arena_new(16);

    (void)state;
    assert_string_equal(arena_printf(arena, "%d-%s", 42, "x"), "42-x");
    assert_null(arena_printf(arena, "%s", "far too long for what is left"));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_lends_is_zeroed_and_aligned),
        cmocka_unit_test(it_lends_no_more_than_its_limit),
        cmocka_unit_test(small_and_large_pieces_do_not_overlap),
        cmocka_unit_test(a_copy_ends_with_a_nul_that_is_not_counted),
        cmocka_unit_test(a_printed_text_is_whole_or_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
