#include "tools/worker/connectors/demo_rows.h"

#include <assert.h>

enum { DAY_MS = 24 * 3600 * 1000 };

/* What a throw of the dice is about. */
enum { DICE_BIRTHDAY = 1, DICE_PERIOD, DICE_PHASE, DICE_PLACE };

const char *demo_entity_name(enum demo_entity entity)
{
    static const char *const names[] = { "products", "collections", "customers", "orders" };

    assert(entity < DEMO_ENTITY_COUNT);
    return names[entity];
}

static uint64_t mix(uint64_t x) /* the finaliser of SplitMix64 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t demo_dice(const struct demo_shop *shop, enum demo_entity entity, uint64_t id,
                   uint64_t what)
{
    return mix(mix(mix(shop->seed + (uint64_t)entity) ^ id) + what);
}

static int64_t dice_below(const struct demo_shop *shop, enum demo_entity entity, uint64_t id,
                          uint64_t what, int64_t below)
{
    return (int64_t)(demo_dice(shop, entity, id, what) % (uint64_t)below);
}

/* Collections stay: a filter names them. */
static uint64_t places(const struct demo_shop *shop, enum demo_entity entity)
{
    if (entity == DEMO_COLLECTIONS || shop->lifetime_ms == 0)
        return 0;
    return shop->counts[entity] / 8;
}

static int64_t update_period(const struct demo_shop *shop, enum demo_entity entity, uint64_t id)
{
    return shop->update_ms / 2 + 1 + dice_below(shop, entity, id, DICE_PERIOD, shop->update_ms);
}

static void permanent_row(const struct demo_shop *shop, enum demo_entity entity, int64_t now_ms,
                          struct demo_row *row)
{
    int64_t birthday = 1 + dice_below(shop, entity, row->id, DICE_BIRTHDAY, 365);

    row->created_at_ms = shop->epoch_ms - birthday * DAY_MS;
    row->updated_at_ms = row->created_at_ms;
    if (shop->update_ms > 0) {
        int64_t period = update_period(shop, entity, row->id);
        int64_t phase = dice_below(shop, entity, row->id, DICE_PHASE, period);

        row->version = (uint64_t)((now_ms - shop->epoch_ms + phase) / period);
        if (row->version > 0)
            row->updated_at_ms = shop->epoch_ms - phase + (int64_t)row->version * period;
    }
}

/* When the n-th row (from 0) of a place is born: the one before it goes then. */
static int64_t birth_ms(const struct demo_shop *shop, enum demo_entity entity, uint64_t place,
                        int64_t n)
{
    int64_t phase = dice_below(shop, entity, place, DICE_PLACE, shop->lifetime_ms);

    return shop->epoch_ms - shop->lifetime_ms + phase + n * shop->lifetime_ms;
}

/* The n-th row of a place; false if it is not to be told. */
static bool mortal_row(const struct demo_shop *shop, enum demo_entity entity, int64_t now_ms,
                       int64_t low_ms, uint64_t place, int64_t n, struct demo_row *row)
{
    int64_t birth = birth_ms(shop, entity, place, n);
    int64_t death = birth + shop->lifetime_ms;

    if (birth > now_ms)
        return false;
    row->created_at_ms = row->updated_at_ms = birth;
    row->deleted = death <= now_ms;
    if (row->deleted) {
        row->updated_at_ms = death;
        return low_ms != 0 && death >= low_ms;
    }
    if (shop->update_ms > 0) {
        int64_t period = update_period(shop, entity, row->id);

        row->version = (uint64_t)((now_ms - birth) / period);
        row->updated_at_ms = birth + (int64_t)row->version * period;
    }
    return row->updated_at_ms >= low_ms;
}

static bool next_permanent(const struct demo_shop *shop, enum demo_entity entity, int64_t now_ms,
                           int64_t low_ms, uint64_t after, struct demo_row *row)
{
    uint64_t last = shop->counts[entity] - places(shop, entity);

    for (uint64_t id = after + 1; id <= last; id++) {
        *row = (struct demo_row){ .id = id };
        permanent_row(shop, entity, now_ms, row);
        if (row->updated_at_ms >= low_ms)
            return true;
    }
    return false;
}

static bool next_mortal(const struct demo_shop *shop, enum demo_entity entity, int64_t now_ms,
                        int64_t low_ms, uint64_t after, struct demo_row *row)
{
    uint64_t count = places(shop, entity), first = shop->counts[entity] - count + 1;
    int64_t since_ms = low_ms != 0 ? low_ms - 1 : now_ms;
    uint64_t n =
        since_ms > shop->epoch_ms ? (uint64_t)((since_ms - shop->epoch_ms) / shop->lifetime_ms) : 0;
    uint64_t end = (uint64_t)((now_ms - shop->epoch_ms) / shop->lifetime_ms) + 2;
    uint64_t at = n * count; /* rows of all places, counted by birth */

    if (after >= first && after - first + 1 > at)
        at = after - first + 1;
    for (; at < end * count; at++) {
        *row = (struct demo_row){ .id = first + at };
        if (mortal_row(shop, entity, now_ms, low_ms, at % count, (int64_t)(at / count), row))
            return true;
    }
    return false;
}

bool demo_row_next(const struct demo_shop *shop, enum demo_entity entity, int64_t now_ms,
                   int64_t low_ms, uint64_t after, struct demo_row *row)
{
    assert(now_ms >= shop->epoch_ms);
    if (next_permanent(shop, entity, now_ms, low_ms, after, row))
        return true;
    return places(shop, entity) > 0 && next_mortal(shop, entity, now_ms, low_ms, after, row);
}
