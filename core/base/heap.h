#ifndef CORE_BASE_HEAP_H
#define CORE_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "What is due next": a binary heap of items embedded in their owners, ordered
 * by a number. An item knows its place, so that any of them can be moved or
 * removed in O(log n). */

struct heap_item {
    int64_t key;
    size_t place;    /* 1-based; 0: in no heap */
};

struct heap {
    struct heap_item **items;
    size_t count, room;
};

/* A zeroed struct heap is empty. Frees the array, not the items. */
void heap_free(struct heap *heap);

/* False if out of memory (only when the heap had to grow). */
bool heap_insert(struct heap *heap, struct heap_item *item, int64_t key);
void heap_move(struct heap *heap, struct heap_item *item, int64_t key);
/* An item in no heap is fine. */
void heap_remove(struct heap *heap, struct heap_item *item);

/* Lends the item with the least key; NULL when empty. */
static inline struct heap_item *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->items[0] : NULL;
}

#endif
