#include "tools/worker/checkpoint.h"

#include "tests/fuzz/input.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* A checkpoint, as the server gives it back. What was understood of an entity,
 * written anew, is understood the same. */

enum { GENERATION = 1 };

static void check_same(const struct entity_state *a, const struct entity_state *b)
{
    assert(a->phase == b->phase && a->done == b->done && a->deleted == b->deleted);
    assert(a->rejected == b->rejected && a->position_size == b->position_size);
    assert(memcmp(a->position, b->position, a->position_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct checkpoint_entity entity = { .name = "products" };
    struct entity_state again;
    struct bytes text;
    bool good = checkpoint_read(bytes_of(data, size), GENERATION, entity.name, &entity.state);

    assert(entity.state.phase <= ENTITY_SWEPT);
    assert(entity.state.position_size <= POSITION_SIZE_MAX);
    if (!good)
        return 0;
    text = checkpoint_write(GENERATION, &entity, 1);
    assert(text.data != NULL);
    assert(checkpoint_read(text, GENERATION, entity.name, &again));
    check_same(&entity.state, &again);
    assert(checkpoint_read(text, GENERATION + 1, entity.name, &again) && again.done == 0);
    free((void *)(uintptr_t)text.data);
    return 0;
}
