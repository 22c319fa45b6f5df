#include "core/store/key.h"
#include "core/limits.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* Two sets of a key's parts. Keys sort as their parts do, tell them back, and
 * lie inside their prefixes; and the rest of the input is a stored timer's key,
 * which may be anything. */

struct parts {
    struct org_place org;
    uint64_t run, order;
    uint32_t lane, epoch;
    int64_t due_ms;
    bool head;
    struct bytes name, entity;
};

/* Names have no NUL: validated where they come in. */
static struct bytes read_name(struct bytes *input)
{
    struct bytes name = input_bytes(input, input_byte(input) % (NAME_SIZE_MAX + 1));
    const uint8_t *nul = name.size > 0 ? memchr(name.data, '\0', name.size) : NULL;

    return nul != NULL ? bytes_of(name.data, (size_t)(nul - name.data)) : name;
}

static struct parts read_parts(struct bytes *input)
{
    struct parts parts = {
        .org = { input_byte(input), (uint32_t)input_number(input, 4) },
        .run = input_number(input, 8),
        .order = input_number(input, 8),
        .lane = (uint32_t)input_number(input, 4),
        .epoch = (uint32_t)input_number(input, 4),
        .due_ms = (int64_t)(input_number(input, 8) >> 1),
        .head = input_byte(input) % 2 != 0,
    };

    parts.name = read_name(input);
    parts.entity = read_name(input);
    return parts;
}

static int sign(int64_t number)
{
    return (number > 0) - (number < 0);
}

static int order_of(struct key a, struct key b)
{
    return sign(bytes_compare(key_bytes(&a), key_bytes(&b)));
}

static int order_of_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static void check_inside(struct key key, struct key prefix)
{
    struct key after = key_after(&prefix);

    assert(order_of(prefix, key) <= 0);
    assert(after.size == 0 || order_of(key, after) < 0);
}

static void check_parts(const struct parts *p)
{
    struct key ready = key_ready(p->org, RUN_PRIORITY_HIGH, p->lane, p->head, p->order);
    struct key ended = key_ended(p->org, p->epoch, p->run);
    struct key watermark = key_watermark(p->org, p->name, p->entity);
    struct key sync = key_name(p->org, p->name);

    assert(key_run_read(key_bytes(&ready)) == p->order);
    assert(key_lane_read(key_bytes(&ready)) == p->lane && key_head_read(key_bytes(&ready)) == p->head);
    assert(key_run_read(key_bytes(&ended)) == p->run && key_epoch_read(key_bytes(&ended)) == p->epoch);
    assert(key_org_read(key_bytes(&ended)).number == p->org.number);
    assert(bytes_equal(key_entity_read(key_bytes(&watermark), p->name), p->entity));
    assert(bytes_equal(key_name_read(key_bytes(&sync)), p->name));
    check_inside(ready, key_ready_lane(p->org, RUN_PRIORITY_HIGH, p->lane));
    check_inside(ready, key_ready_class(p->org, RUN_PRIORITY_HIGH));
    check_inside(ended, key_ended_epoch(p->org, p->epoch));
    check_inside(watermark, key_watermarks(p->org, p->name));
    check_inside(key_behind(p->org, p->name, p->order), key_behind_name(p->org, p->name));
    check_inside(sync, key_of_org(p->org));
}

/* Of one organisation. */
static void check_order(const struct parts *a, const struct parts *b)
{
    struct timer early = { a->due_ms, TIMER_BACKOFF, a->org, a->run, { NULL, 0 } };
    struct timer late = { b->due_ms, TIMER_BACKOFF, a->org, b->run, { NULL, 0 } };

    assert(order_of(key_run(a->org, a->run), key_run(a->org, b->run)) ==
           order_of_numbers(a->run, b->run));
    assert(order_of(key_name(a->org, a->name), key_name(a->org, b->name)) ==
           sign(bytes_compare(a->name, b->name)));
    if (a->due_ms != b->due_ms)
        assert(order_of(key_timer(&early), key_timer(&late)) ==
               order_of_numbers((uint64_t)a->due_ms, (uint64_t)b->due_ms));
}

static void check_timer(struct bytes stored)
{
    struct timer timer;
    struct key key;

    if (stored.size > KEY_SIZE_MAX || !key_timer_read(stored, &timer))
        return;
    assert(timer.due_ms >= 0);
    key = key_timer(&timer);
    assert(bytes_equal(key_bytes(&key), stored));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct parts a = read_parts(&input), b = read_parts(&input);

    check_parts(&a);
    check_parts(&b);
    check_order(&a, &b);
    check_timer(input);
    return 0;
}
