#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/heap.h"
#include "core/base/random.h"

static void the_least_key_comes_first(void **state)
{
    static const int64_t keys[] = { 5, -3, 9, 0, 5, INT64_MAX, INT64_MIN };
    enum { COUNT = sizeof keys / sizeof keys[0] };
    struct heap heap = { 0 };
    struct heap_item items[COUNT] = { 0 };
    int64_t last = INT64_MIN;

    (void)state;
    assert_null(heap_first(&heap));
    for (size_t i = 0; i < COUNT; i++)
        assert_true(heap_insert(&heap, &items[i], keys[i]));
    for (size_t i = 0; i < COUNT; i++) {
        struct heap_item *first = heap_first(&heap);

        assert_true(first->key >= last);
        last = first->key;
        heap_remove(&heap, first);
        assert_int_equal(first->place, 0);
    }
    assert_null(heap_first(&heap));
    heap_free(&heap);
}

static void removing_what_is_in_no_heap_does_nothing(void **state)
{
    struct heap heap = { 0 };
    struct heap_item in = { 0 }, out = { 0 };

    (void)state;
    assert_true(heap_insert(&heap, &in, 1));
    heap_remove(&heap, &out);
    assert_ptr_equal(heap_first(&heap), &in);
    heap_free(&heap);
}

enum { ITEMS = 300, STEPS = 20000 };

static void check_first(const struct heap *heap, const struct heap_item *items)
{
    int64_t least = INT64_MAX;
    size_t count = 0;

    for (size_t i = 0; i < ITEMS; i++)
        if (items[i].place > 0) {
            count++;
            least = items[i].key < least ? items[i].key : least;
        }
    assert_int_equal(heap->count, count);
    if (count > 0)
        assert_int_equal(heap_first(heap)->key, least);
    else
        assert_null(heap_first(heap));
}

static void it_agrees_with_a_search_through_everything(void **state)
{
    static struct heap_item items[ITEMS];
    struct random_seeded random;
    struct heap heap = { 0 };

    (void)state;
    random_seeded_init(&random, 7);
    for (unsigned step = 0; step < STEPS; step++) {
        struct heap_item *item = &items[random_below(&random.base, ITEMS)];
        int64_t key = (int64_t)random_below(&random.base, 1000);

        if (item->place == 0)
            assert_true(heap_insert(&heap, item, key));
        else if (random_below(&random.base, 2) == 0)
            heap_move(&heap, item, key);
        else
            heap_remove(&heap, item);
        check_first(&heap, items);
    }
    heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_key_comes_first),
        cmocka_unit_test(removing_what_is_in_no_heap_does_nothing),
        cmocka_unit_test(it_agrees_with_a_search_through_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
