#include "core/store/txn.h"

#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>

/* An overlay: a skip list for each family, whose nodes lie in chunks of memory
 * that are used again from turn to turn. An erased key stays as a node, so
 * nodes only ever appear, and a scan may go on from any of them whatever its
 * visitor wrote meanwhile. */

enum {
    HEIGHT_MAX = 10, /* enough for 4^10 keys */
    CHUNK_BYTES = 256 << 10,
    CHUNKS_KEPT_MAX = 16,
};

struct node {
    struct node *prev;
    struct bytes key, value;
    bool erased;
    unsigned height;
    struct node *next[]; /* circular through the head; [0] is in order */
};

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(max_align_t) uint8_t data[];
};

/* One batch's writes. */
struct overlay {
    struct node *heads[STORE_FAMILY_COUNT];
    struct chunk *chunks; /* in use, the one being filled first */
    size_t count, bytes;
};

struct txn {
    struct store *store;
    struct overlay overlays[2];
    struct overlay *open;   /* what is written goes here */
    struct overlay *sealed; /* on its way to the store, or empty: lies below */
    struct chunk *spare;
    size_t spare_count;
    uint64_t dice;
    struct store_write *writes; /* the sealed batch; room for it is kept */
    size_t writes_room;
};

_Noreturn static void out_of_memory(void)
{
    log_event(LOG_ERROR, "out of memory", LOG_TEXT("for", "the writes of a turn"));
    abort();
}

/* ---- memory ---- */

static struct chunk *new_chunk(size_t size)
{
    struct chunk *chunk = malloc(sizeof *chunk + size);

    if (chunk == NULL)
        out_of_memory();
    chunk->size = size;
    return chunk;
}

static void add_chunk(struct txn *txn, size_t size)
{
    struct chunk *chunk = txn->spare;

    if (size > CHUNK_BYTES) {
        chunk = new_chunk(size);
    } else if (chunk != NULL) {
        txn->spare = chunk->next;
        txn->spare_count--;
    } else {
        chunk = new_chunk(CHUNK_BYTES);
    }
    chunk->used = 0;
    chunk->next = txn->open->chunks;
    txn->open->chunks = chunk;
}

static void *take(struct txn *txn, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    const struct chunk *chunk = txn->open->chunks;
    void *memory;

    size = (size + align - 1) / align * align;
    if (chunk == NULL || chunk->size - chunk->used < size)
        add_chunk(txn, size);
    memory = txn->open->chunks->data + txn->open->chunks->used;
    txn->open->chunks->used += size;
    return memory;
}

static struct bytes copy(struct txn *txn, struct bytes bytes)
{
    uint8_t *data = take(txn, bytes.size);

    if (bytes.size > 0)
        memcpy(data, bytes.data, bytes.size);
    return bytes_of(data, bytes.size);
}

static void recycle_chunks(struct txn *txn, struct overlay *overlay)
{
    while (overlay->chunks != NULL) {
        struct chunk *chunk = overlay->chunks;

        overlay->chunks = chunk->next;
        if (chunk->size != CHUNK_BYTES || txn->spare_count == CHUNKS_KEPT_MAX) {
            free(chunk);
            continue;
        }
        chunk->next = txn->spare;
        txn->spare = chunk;
        txn->spare_count++;
    }
}

/* ---- the lists ---- */

static void empty_list(struct node *head)
{
    head->prev = head;
    for (unsigned level = 0; level < HEIGHT_MAX; level++)
        head->next[level] = head;
}

/* The first node at or behind key; the head if there is none. `before` gets,
 * for each level, the last node before it. */
static struct node *find(struct node *head, struct bytes key, struct node *before[HEIGHT_MAX])
{
    struct node *node = head;

    for (unsigned level = HEIGHT_MAX; level-- > 0;) {
        while (node->next[level] != head && bytes_compare(node->next[level]->key, key) < 0)
            node = node->next[level];
        before[level] = node;
    }
    return node->next[0];
}

static struct node *find_at_or_behind(struct node *head, struct bytes key)
{
    struct node *before[HEIGHT_MAX];

    return find(head, key, before);
}

static bool is_at(const struct node *node, const struct node *head, struct bytes key)
{
    return node != head && bytes_equal(node->key, key);
}

/* One node in four is higher than the next lower level. */
static unsigned throw_height(struct txn *txn)
{
    unsigned height = 1;

    txn->dice ^= txn->dice << 13;
    txn->dice ^= txn->dice >> 7;
    txn->dice ^= txn->dice << 17;
    for (uint64_t bits = txn->dice >> 20; height < HEIGHT_MAX && (bits & 3) == 0; bits >>= 2)
        height++;
    return height;
}

static struct node *insert(struct txn *txn, struct bytes key, struct node *before[HEIGHT_MAX])
{
    unsigned height = throw_height(txn);
    struct node *node = take(txn, sizeof *node + height * sizeof(struct node *));

    node->key = copy(txn, key);
    node->height = height;
    for (unsigned level = 0; level < height; level++) {
        node->next[level] = before[level]->next[level];
        before[level]->next[level] = node;
    }
    node->prev = before[0];
    node->next[0]->prev = node;
    txn->open->count++;
    txn->open->bytes += key.size;
    return node;
}

static void write_node(struct txn *txn, enum store_family family, struct bytes key,
                       struct bytes value, bool erased)
{
    struct node *head = txn->open->heads[family], *before[HEIGHT_MAX];
    struct node *node = find(head, key, before);

    if (is_at(node, head, key))
        txn->open->bytes -= node->value.size;
    else
        node = insert(txn, key, before);
    node->value = value;
    node->erased = erased;
    txn->open->bytes += value.size;
}

void txn_put(struct txn *txn, enum store_family family, struct bytes key, struct bytes value)
{
    write_node(txn, family, key, copy(txn, value), false);
}

void txn_erase(struct txn *txn, enum store_family family, struct bytes key)
{
    write_node(txn, family, key, bytes_of(NULL, 0), true);
}

/* ---- reading ---- */

static const struct node *find_written(const struct overlay *overlay, enum store_family family,
                                       struct bytes key)
{
    struct node *head = overlay->heads[family], *node = find_at_or_behind(head, key);

    return is_at(node, head, key) ? node : NULL;
}

enum err txn_get(struct txn *txn, enum store_family family, struct bytes key,
                 struct arena *mem, struct bytes *value, struct why *why)
{
    struct store_reader *reader = &txn->store->reader;
    const struct node *node = find_written(txn->open, family, key);

    if (node == NULL && txn->sealed->count > 0)
        node = find_written(txn->sealed, family, key);
    if (node == NULL)
        return reader->ops->get(reader, family, key, mem, value, why);
    if (node->erased)
        return ERR_NOT_FOUND;
    *value = bytes_of(arena_copy(mem, node->value.data, node->value.size), node->value.size);
    if (value->data == NULL)
        return err_because(why, ERR_LIMIT, "%zu bytes exceed the memory for one request",
                           node->value.size);
    return OK;
}

/* A scan of both at once. `place` is the last overlay node that the scan has
 * left behind: whatever is written further on will be seen. */
struct merge {
    struct node *head, *place;
    const struct store_range *range;
    store_visit_fn *visit;
    void *ctx;
    bool stopped;
};

static bool backward(const struct merge *m)
{
    return m->range->direction == STORE_BACKWARD;
}

/* <0: key a is visited before key b. */
static int compare(const struct merge *m, struct bytes a, struct bytes b)
{
    return backward(m) ? bytes_compare(b, a) : bytes_compare(a, b);
}

/* The overlay's next node inside the range; NULL: no more. */
static struct node *following(const struct merge *m)
{
    struct node *node = backward(m) ? m->place->prev : m->place->next[0];

    if (node == m->head)
        return NULL;
    if (backward(m))
        return bytes_compare(node->key, m->range->from) >= 0 ? node : NULL;
    return m->range->to.size == 0 || bytes_compare(node->key, m->range->to) < 0 ? node : NULL;
}

static void visit_node(struct merge *m, struct node *node)
{
    m->place = node;
    if (!node->erased)
        m->stopped = !m->visit(m->ctx, node->key, node->value);
}

/* Nodes that were written behind the scan's back are not for it. */
static void pass(struct merge *m, struct bytes key)
{
    for (struct node *node = following(m); node != NULL && compare(m, node->key, key) <= 0;
         node = following(m))
        m->place = node;
}

/* An entry of the store: the overlay's before it first, then the newer of the
 * two with this key. */
static bool merge_entry(void *ctx, struct bytes key, struct bytes value)
{
    struct merge *m = ctx;
    struct node *node = following(m);

    for (; node != NULL && compare(m, node->key, key) < 0; node = following(m)) {
        visit_node(m, node);
        if (m->stopped)
            return false;
    }
    if (node != NULL && bytes_equal(node->key, key)) {
        visit_node(m, node);
    } else {
        m->stopped = !m->visit(m->ctx, key, value);
        pass(m, key);
    }
    return !m->stopped;
}

static struct node *place_before(struct node *head, const struct store_range *range)
{
    if (range->direction == STORE_FORWARD)
        return find_at_or_behind(head, range->from)->prev;
    return range->to.size > 0 ? find_at_or_behind(head, range->to) : head;
}

/* A scan of an overlay and of what lies below it. Erased keys hide those below. */
static enum err scan_over(struct txn *txn, struct overlay *overlay, const struct store_range *range,
                          store_visit_fn *visit, void *ctx, struct why *why)
{
    struct store_reader *reader = &txn->store->reader;
    struct node *head = overlay->heads[range->family];
    struct merge m = { head, place_before(head, range), range, visit, ctx, false };
    struct node *node;
    enum err e;

    if (overlay == txn->open && txn->sealed->count > 0)
        e = scan_over(txn, txn->sealed, range, merge_entry, &m, why);
    else
        e = reader->ops->scan(reader, range, merge_entry, &m, why);
    if (e != OK)
        return e;
    while (!m.stopped && (node = following(&m)) != NULL)
        visit_node(&m, node);
    return OK;
}

enum err txn_scan(struct txn *txn, const struct store_range *range, store_visit_fn *visit,
                  void *ctx, struct why *why)
{
    if (range->to.size > 0 && bytes_compare(range->from, range->to) >= 0)
        return OK;
    return scan_over(txn, txn->open, range, visit, ctx, why);
}

/* ---- the end of a turn ---- */

static void make_room(struct txn *txn, size_t count)
{
    if (count <= txn->writes_room)
        return;
    free(txn->writes);
    txn->writes_room = 2 * count;
    txn->writes = malloc(txn->writes_room * sizeof *txn->writes);
    if (txn->writes == NULL)
        out_of_memory();
}

static void gather(struct txn *txn)
{
    const struct overlay *sealed = txn->sealed;
    size_t count = 0;

    make_room(txn, sealed->count);
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++) {
        struct node *head = sealed->heads[f];

        for (struct node *node = head->next[0]; node != head; node = node->next[0])
            txn->writes[count++] = (struct store_write){ f, node->erased, node->key, node->value };
    }
    assert(count == sealed->count);
}

static void empty(struct txn *txn, struct overlay *overlay)
{
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++)
        empty_list(overlay->heads[f]);
    recycle_chunks(txn, overlay);
    overlay->count = 0;
    overlay->bytes = 0;
}

bool txn_seal(struct txn *txn)
{
    struct overlay *sealed = txn->open;

    assert(txn->sealed->count == 0);
    if (sealed->count == 0)
        return false;
    txn->open = txn->sealed;
    txn->sealed = sealed;
    gather(txn);
    return true;
}

enum err txn_store(struct txn *txn, struct why *why)
{
    assert(txn->sealed->count > 0);
    return txn->store->ops->commit(txn->store, txn->writes, txn->sealed->count, why);
}

void txn_settle(struct txn *txn)
{
    empty(txn, txn->sealed);
}

enum err txn_commit(struct txn *txn, struct why *why)
{
    enum err e;

    if (!txn_seal(txn))
        return OK;
    e = txn_store(txn, why);
    txn_settle(txn);
    return e;
}

void txn_drop(struct txn *txn)
{
    empty(txn, txn->open);
}

size_t txn_count(const struct txn *txn)
{
    return txn->open->count;
}

size_t txn_bytes(const struct txn *txn)
{
    return txn->open->bytes;
}

static bool overlay_init(struct overlay *overlay)
{
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++) {
        overlay->heads[f] = calloc(1, sizeof(struct node) + HEIGHT_MAX * sizeof(struct node *));
        if (overlay->heads[f] == NULL)
            return false;
        empty_list(overlay->heads[f]);
    }
    return true;
}

static void overlay_destroy(struct txn *txn, struct overlay *overlay)
{
    recycle_chunks(txn, overlay);
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++)
        free(overlay->heads[f]);
}

struct txn *txn_new(struct store *store)
{
    struct txn *txn = calloc(1, sizeof *txn);

    if (txn == NULL)
        return NULL;
    txn->store = store;
    txn->dice = 88172645463325252u;
    txn->open = &txn->overlays[0];
    txn->sealed = &txn->overlays[1];
    if (!overlay_init(txn->open) || !overlay_init(txn->sealed)) {
        txn_free(txn);
        return NULL;
    }
    return txn;
}

void txn_free(struct txn *txn)
{
    if (txn == NULL)
        return;
    overlay_destroy(txn, &txn->overlays[0]);
    overlay_destroy(txn, &txn->overlays[1]);
    while (txn->spare != NULL) {
        struct chunk *next = txn->spare->next;
        free(txn->spare);
        txn->spare = next;
    }
    free(txn->writes);
    free(txn);
}
