#include "core/base/heap.h"

#include <assert.h>
#include <stdlib.h>

/* items[] is 0-based, places are 1-based: the parent of place p is p / 2. */

enum { ROOM_MIN = 16 };

void heap_free(struct heap *heap)
{
    free(heap->items);
    *heap = (struct heap){ 0 };
}

static void put_at(struct heap *heap, size_t place, struct heap_item *item)
{
    heap->items[place - 1] = item;
    item->place = place;
}

static void sift_up(struct heap *heap, struct heap_item *item)
{
    size_t place = item->place;

    while (place > 1 && heap->items[place / 2 - 1]->key > item->key) {
        put_at(heap, place, heap->items[place / 2 - 1]);
        place /= 2;
    }
    put_at(heap, place, item);
}

static size_t lesser_child(const struct heap *heap, size_t place)
{
    size_t child = 2 * place;

    if (child < heap->count && heap->items[child]->key < heap->items[child - 1]->key)
        child++;
    return child;
}

static void sift_down(struct heap *heap, struct heap_item *item)
{
    size_t place = item->place;

    while (2 * place <= heap->count) {
        size_t child = lesser_child(heap, place);

        if (heap->items[child - 1]->key >= item->key)
            break;
        put_at(heap, place, heap->items[child - 1]);
        place = child;
    }
    put_at(heap, place, item);
}

static bool make_room(struct heap *heap)
{
    size_t room = heap->room > 0 ? 2 * heap->room : (size_t)ROOM_MIN;
    struct heap_item **items;

    if (heap->count < heap->room)
        return true;
    items = realloc(heap->items, room * sizeof(struct heap_item *));
    if (items == NULL)
        return false;
    heap->items = items;
    heap->room = room;
    return true;
}

bool heap_insert(struct heap *heap, struct heap_item *item, int64_t key)
{
    assert(item->place == 0);
    if (!make_room(heap))
        return false;
    item->key = key;
    put_at(heap, ++heap->count, item);
    sift_up(heap, item);
    return true;
}

void heap_move(struct heap *heap, struct heap_item *item, int64_t key)
{
    assert(item->place > 0 && item->place <= heap->count);
    assert(heap->items[item->place - 1] == item);
    item->key = key;
    sift_up(heap, item);
    sift_down(heap, item);
}

void heap_remove(struct heap *heap, struct heap_item *item)
{
    struct heap_item *last;

    if (item->place == 0)
        return;
    assert(item->place <= heap->count && heap->items[item->place - 1] == item);
    last = heap->items[--heap->count];
    if (last != item) {
        put_at(heap, item->place, last);
        heap_move(heap, last, last->key);
    }
    item->place = 0;
}
