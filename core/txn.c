#include "core/txn.h"

#include "core/base/log.h"

#include <assert.h>
#include <stdlib.h>

/* The overlay: a skip list for each family, whose nodes lie in chunks of memory
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

struct txn {
    struct store *store;
    struct node *heads[STORE_FAMILY_COUNT];
    struct chunk *chunks; /* in use, the one being filled first */
    struct chunk *spare;
    size_t spare_count;
    uint64_t dice;
    size_t count, bytes;
    struct store_write *writes; /* room for the batch, kept */
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
    chunk->next = txn->chunks;
    txn->chunks = chunk;
}

static void *take(struct txn *txn, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    void *memory;

    size = (size + align - 1) / align * align;
    if (txn->chunks == NULL || txn->chunks->size - txn->chunks->used < size)
        add_chunk(txn, size);
    memory = txn->chunks->data + txn->chunks->used;
    txn->chunks->used += size;
    return memory;
}

static struct bytes copy(struct txn *txn, struct bytes bytes)
{
    uint8_t *data = take(txn, bytes.size);

    if (bytes.size > 0)
        memcpy(data, bytes.data, bytes.size);
    return bytes_of(data, bytes.size);
}

static void recycle_chunks(struct txn *txn)
{
    while (txn->chunks != NULL) {
        struct chunk *chunk = txn->chunks;

        txn->chunks = chunk->next;
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
    txn->count++;
    txn->bytes += key.size;
    return node;
}

static void write_node(struct txn *txn, enum store_family family, struct bytes key,
                       struct bytes value, bool erased)
{
    struct node *head = txn->heads[family], *before[HEIGHT_MAX];
    struct node *node = find(head, key, before);

    if (is_at(node, head, key))
        txn->bytes -= node->value.size;
    else
        node = insert(txn, key, before);
    node->value = value;
    node->erased = erased;
    txn->bytes += value.size;
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

enum err txn_get(struct txn *txn, enum store_family family, struct bytes key, struct arena *mem,
                 struct bytes *value, struct why *why)
{
    struct store_reader *reader = &txn->store->reader;
    struct node *head = txn->heads[family], *node = find_at_or_behind(head, key);

    if (!is_at(node, head, key))
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

enum err txn_scan(struct txn *txn, const struct store_range *range, store_visit_fn *visit,
                  void *ctx, struct why *why)
{
    struct store_reader *reader = &txn->store->reader;
    struct node *head = txn->heads[range->family];
    struct merge m = { head, place_before(head, range), range, visit, ctx, false };
    struct node *node;
    enum err e;

    if (range->to.size > 0 && bytes_compare(range->from, range->to) >= 0)
        return OK;
    e = reader->ops->scan(reader, range, merge_entry, &m, why);
    if (e != OK)
        return e;
    while (!m.stopped && (node = following(&m)) != NULL)
        visit_node(&m, node);
    return OK;
}

/* ---- the end of a turn ---- */

static void make_room(struct txn *txn)
{
    if (txn->count <= txn->writes_room)
        return;
    free(txn->writes);
    txn->writes_room = 2 * txn->count;
    txn->writes = malloc(txn->writes_room * sizeof *txn->writes);
    if (txn->writes == NULL)
        out_of_memory();
}

static size_t gather(struct txn *txn)
{
    size_t count = 0;

    make_room(txn);
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++) {
        struct node *head = txn->heads[f];

        for (struct node *node = head->next[0]; node != head; node = node->next[0])
            txn->writes[count++] = (struct store_write){ f, node->erased, node->key, node->value };
    }
    assert(count == txn->count);
    return count;
}

enum err txn_commit(struct txn *txn, struct why *why)
{
    size_t count;
    enum err e;

    if (txn->count == 0)
        return OK;
    count = gather(txn);
    e = txn->store->ops->commit(txn->store, txn->writes, count, why);
    txn_drop(txn);
    return e;
}

void txn_drop(struct txn *txn)
{
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++)
        empty_list(txn->heads[f]);
    recycle_chunks(txn);
    txn->count = 0;
    txn->bytes = 0;
}

size_t txn_count(const struct txn *txn)
{
    return txn->count;
}

size_t txn_bytes(const struct txn *txn)
{
    return txn->bytes;
}

struct txn *txn_new(struct store *store)
{
    struct txn *txn = calloc(1, sizeof *txn);

    if (txn == NULL)
        return NULL;
    txn->store = store;
    txn->dice = 88172645463325252u;
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++) {
        txn->heads[f] = calloc(1, sizeof(struct node) + HEIGHT_MAX * sizeof(struct node *));
        if (txn->heads[f] == NULL) {
            txn_free(txn);
            return NULL;
        }
        empty_list(txn->heads[f]);
    }
    return txn;
}

void txn_free(struct txn *txn)
{
    if (txn == NULL)
        return;
    recycle_chunks(txn);
    while (txn->spare != NULL) {
        struct chunk *next = txn->spare->next;
        free(txn->spare);
        txn->spare = next;
    }
    for (enum store_family f = 0; f < STORE_FAMILY_COUNT; f++)
        free(txn->heads[f]);
    free(txn->writes);
    free(txn);
}
