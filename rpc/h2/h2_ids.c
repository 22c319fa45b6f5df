#include "rpc/h2/h2_ids.h"

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static void note_skipped(struct h2_ids *ids, int32_t id)
{
    int32_t expected = ids->newest == 0 ? 1 : ids->newest + 2;
    unsigned at = ids->skipped_count % COUNT_OF(ids->skipped);

    if (id <= expected)
        return;
    ids->skipped[at].from = expected;
    ids->skipped[at].to = id - 2;
    ids->skipped_count++;
}

bool h2_ids_begin(struct h2_ids *ids, int32_t id)
{
    if (id > ids->newest) {
        note_skipped(ids, id);
        ids->newest = id;
        return true;
    }
    for (unsigned i = 0; i < COUNT_OF(ids->skipped) && i < ids->skipped_count; i++)
        if (id >= ids->skipped[i].from && id <= ids->skipped[i].to)
            return false;
    return true;
}

static unsigned place_of(const struct h2_ids *ids, int32_t id)
{
    return (unsigned)(id / 2) % COUNT_OF(ids->ended);
}

void h2_ids_end(struct h2_ids *ids, int32_t id)
{
    ids->ended[place_of(ids, id)] = id;
}

bool h2_ids_has_ended(const struct h2_ids *ids, int32_t id)
{
    return id > 0 && ids->ended[place_of(ids, id)] == id;
}
