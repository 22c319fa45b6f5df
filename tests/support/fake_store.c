#include "tests/support/fake_store.h"

#include "core/base/list.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Each family is a treap of nodes that never change once somebody else holds
 * them: a commit copies the path it touches, so a snapshot, a scan that is under
 * way and a commit that may yet be lost are each just another root. */

struct entry {
    atomic_uint refs;
    size_t key_size, value_size;
    uint8_t data[];
};

struct fake_node {
    atomic_uint refs;
    uint64_t rank; /* above those of lower rank */
    struct entry *entry;
    struct fake_node *left, *right;
};

struct fake_backup {
    struct fake_backup *next;
    struct fake_state state;
    char directory[];
};

struct fake_snapshot {
    struct store_reader base;
    struct fake_store *store;
    struct fake_state state;
};

/* ---- the tree ---- */

static void *allocate(size_t size)
{
    void *memory = malloc(size);

    if (memory == NULL)
        abort();
    return memory;
}

static struct bytes key_of(const struct fake_node *node)
{
    return bytes_of(node->entry->data, node->entry->key_size);
}

static struct bytes value_of(const struct fake_node *node)
{
    return bytes_of(node->entry->data + node->entry->key_size, node->entry->value_size);
}

static struct entry *new_entry(struct bytes key, struct bytes value)
{
    struct entry *entry = allocate(sizeof *entry + key.size + value.size);

    atomic_init(&entry->refs, 1);
    entry->key_size = key.size;
    entry->value_size = value.size;
    if (key.size > 0)
        memcpy(entry->data, key.data, key.size);
    if (value.size > 0)
        memcpy(entry->data + key.size, value.data, value.size);
    return entry;
}

static void drop_entry(struct entry *entry)
{
    if (atomic_fetch_sub(&entry->refs, 1) == 1)
        free(entry);
}

static struct fake_node *hold(struct fake_node *node)
{
    if (node != NULL)
        atomic_fetch_add(&node->refs, 1);
    return node;
}

static void drop(struct fake_node *node)
{
    if (node == NULL || atomic_fetch_sub(&node->refs, 1) > 1)
        return;
    drop(node->left);
    drop(node->right);
    drop_entry(node->entry);
    free(node);
}

/* FNV-1a, then mixed: the shape of a tree follows from its keys alone. */
static uint64_t rank_of(struct bytes key)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ key.data[i]) * 0x100000001b3u;
    hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93u;
    return hash ^ (hash >> 32);
}

/* Takes the entry. */
static struct fake_node *new_node(struct entry *entry)
{
    struct fake_node *node = allocate(sizeof *node);

    atomic_init(&node->refs, 1);
    node->rank = rank_of(bytes_of(entry->data, entry->key_size));
    node->entry = entry;
    node->left = node->right = NULL;
    return node;
}

/* Takes a node and gives the same, or a copy, that nobody else holds. */
static struct fake_node *own(struct fake_node *node)
{
    struct fake_node *copy;

    if (atomic_load(&node->refs) == 1)
        return node;
    copy = allocate(sizeof *copy);
    atomic_init(&copy->refs, 1);
    copy->rank = node->rank;
    copy->entry = node->entry;
    atomic_fetch_add(&copy->entry->refs, 1);
    copy->left = hold(node->left);
    copy->right = hold(node->right);
    drop(node);
    return copy;
}

static struct fake_node *rotate_right(struct fake_node *node)
{
    struct fake_node *top = node->left;

    node->left = top->right;
    top->right = node;
    return top;
}

static struct fake_node *rotate_left(struct fake_node *node)
{
    struct fake_node *top = node->right;

    node->right = top->left;
    top->left = node;
    return top;
}

/* Takes node and entry. */
static struct fake_node *put(struct fake_node *node, struct entry *entry)
{
    int order;

    if (node == NULL)
        return new_node(entry);
    node = own(node);
    order = bytes_compare(bytes_of(entry->data, entry->key_size), key_of(node));
    if (order == 0) {
        drop_entry(node->entry);
        node->entry = entry;
        return node;
    }
    if (order < 0) {
        node->left = put(node->left, entry);
        return node->left->rank > node->rank ? rotate_right(node) : node;
    }
    node->right = put(node->right, entry);
    return node->right->rank > node->rank ? rotate_left(node) : node;
}

/* Takes both; every key of a is less than every key of b. */
static struct fake_node *join(struct fake_node *a, struct fake_node *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (a->rank > b->rank) {
        a = own(a);
        a->right = join(a->right, b);
        return a;
    }
    b = own(b);
    b->left = join(a, b->left);
    return b;
}

static const struct fake_node *find(const struct fake_node *node, struct bytes key)
{
    while (node != NULL) {
        int order = bytes_compare(key, key_of(node));

        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* Takes node; the key is in it. */
static struct fake_node *erase(struct fake_node *node, struct bytes key)
{
    int order = bytes_compare(key, key_of(node));
    struct fake_node *rest;

    node = own(node);
    if (order < 0) {
        node->left = erase(node->left, key);
        return node;
    }
    if (order > 0) {
        node->right = erase(node->right, key);
        return node;
    }
    rest = join(hold(node->left), hold(node->right));
    drop(node);
    return rest;
}

struct visitor {
    const struct store_range *range;
    store_visit_fn *visit;
    void *ctx;
};

/* False: the visitor wants no more. */
static bool walk(const struct fake_node *node, const struct visitor *v)
{
    const struct store_range *range = v->range;
    bool forward = range->direction == STORE_FORWARD;
    bool behind_from, before_to;

    if (node == NULL)
        return true;
    behind_from = bytes_compare(key_of(node), range->from) >= 0;
    before_to = range->to.size == 0 || bytes_compare(key_of(node), range->to) < 0;
    if ((forward ? behind_from : before_to) && !walk(forward ? node->left : node->right, v))
        return false;
    if (behind_from && before_to && !v->visit(v->ctx, key_of(node), value_of(node)))
        return false;
    return !(forward ? before_to : behind_from) || walk(forward ? node->right : node->left, v);
}

static size_t count_nodes(const struct fake_node *node)
{
    return node == NULL ? 0 : 1 + count_nodes(node->left) + count_nodes(node->right);
}

/* ---- states ---- */

static struct fake_state hold_state(const struct fake_state *state)
{
    struct fake_state held;

    for (size_t f = 0; f < STORE_FAMILY_COUNT; f++)
        held.roots[f] = hold(state->roots[f]);
    return held;
}

static void drop_state(struct fake_state *state)
{
    for (size_t f = 0; f < STORE_FAMILY_COUNT; f++)
        drop(state->roots[f]);
    *state = (struct fake_state){ 0 };
}

static void apply(struct fake_state *state, const struct store_write *writes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct fake_node **root = &state->roots[writes[i].family];

        if (!writes[i].erase)
            *root = put(*root, new_entry(writes[i].key, writes[i].value));
        else if (find(*root, writes[i].key) != NULL)
            *root = erase(*root, writes[i].key);
    }
}

/* ---- reading ---- */

static enum err checked(struct fake_store *store, struct fault *fault, struct why *why)
{
    enum err e;

    pthread_mutex_lock(&store->lock);
    e = fault_check(fault);
    pthread_mutex_unlock(&store->lock);
    return e == OK ? OK : err_because(why, e, "an armed fault");
}

static enum err get(const struct fake_node *root, struct bytes key, struct arena *mem,
                    struct bytes *value, struct why *why)
{
    const struct fake_node *node = find(root, key);

    if (node == NULL)
        return ERR_NOT_FOUND;
    *value = value_of(node);
    value->data = arena_copy(mem, value->data, value->size);
    return value->data != NULL ? OK : err_because(why, ERR_LIMIT, "the arena is full");
}

static struct fake_store *store_of(struct store_reader *reader)
{
    return container_of(reader, struct fake_store, base.reader);
}

static struct fake_node *hold_root(struct fake_store *store, enum store_family family)
{
    struct fake_node *root;

    pthread_mutex_lock(&store->lock);
    root = hold(store->durable.roots[family]);
    pthread_mutex_unlock(&store->lock);
    return root;
}

static enum err newest_get(struct store_reader *reader, enum store_family family, struct bytes key,
                           struct arena *mem, struct bytes *value, struct why *why)
{
    enum err e = checked(store_of(reader), &store_of(reader)->get, why);
    struct fake_node *root;

    if (e != OK)
        return e;
    root = hold_root(store_of(reader), family);
    e = get(root, key, mem, value, why);
    drop(root);
    return e;
}

static void note_scan(struct fake_store *store, const struct store_range *range)
{
    assert(range->from.size <= sizeof store->scanned_from->data);
    pthread_mutex_lock(&store->lock);
    store->scanned_from[range->family].size = range->from.size;
    if (range->from.size > 0)
        memcpy(store->scanned_from[range->family].data, range->from.data, range->from.size);
    pthread_mutex_unlock(&store->lock);
}

static enum err newest_scan(struct store_reader *reader, const struct store_range *range,
                            store_visit_fn *visit, void *ctx, struct why *why)
{
    enum err e = checked(store_of(reader), &store_of(reader)->scan, why);
    struct fake_node *root;

    if (e != OK)
        return e;
    note_scan(store_of(reader), range);
    root = hold_root(store_of(reader), range->family);
    walk(root, &(struct visitor){ range, visit, ctx });
    drop(root);
    return OK;
}

static enum err snapshot_get(struct store_reader *reader, enum store_family family,
                             struct bytes key, struct arena *mem, struct bytes *value,
                             struct why *why)
{
    struct fake_snapshot *snapshot = container_of(reader, struct fake_snapshot, base);
    enum err e = checked(snapshot->store, &snapshot->store->get, why);

    return e == OK ? get(snapshot->state.roots[family], key, mem, value, why) : e;
}

static enum err snapshot_scan(struct store_reader *reader, const struct store_range *range,
                              store_visit_fn *visit, void *ctx, struct why *why)
{
    struct fake_snapshot *snapshot = container_of(reader, struct fake_snapshot, base);
    enum err e = checked(snapshot->store, &snapshot->store->scan, why);

    if (e == OK)
        walk(snapshot->state.roots[range->family], &(struct visitor){ range, visit, ctx });
    return e;
}

static void snapshot_close(struct store_reader *reader)
{
    struct fake_snapshot *snapshot = container_of(reader, struct fake_snapshot, base);

    pthread_mutex_lock(&snapshot->store->lock);
    snapshot->store->snapshots--;
    pthread_mutex_unlock(&snapshot->store->lock);
    drop_state(&snapshot->state);
    free(snapshot);
}

/* ---- the store ---- */

static struct fake_store *fake_of(struct store *store)
{
    return container_of(store, struct fake_store, base);
}

static enum err fake_snapshot(struct store *store, struct store_reader **out, struct why *why)
{
    static const struct store_reader_ops ops = { snapshot_get, snapshot_scan, snapshot_close };
    struct fake_snapshot *snapshot = allocate(sizeof *snapshot);
    struct fake_store *fake = fake_of(store);

    (void)why;
    snapshot->base.ops = &ops;
    snapshot->store = fake;
    pthread_mutex_lock(&fake->lock);
    snapshot->state = hold_state(&fake->durable);
    fake->snapshots++;
    pthread_mutex_unlock(&fake->lock);
    *out = &snapshot->base;
    return OK;
}

static void check_order(const struct store_write *writes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const struct store_write *a = &writes[i - 1], *b = &writes[i];

        assert(a->family < b->family ||
               (a->family == b->family && bytes_compare(a->key, b->key) < 0));
        assert(!b->erase || b->value.size == 0);
    }
}

static enum err commit_locked(struct fake_store *fake, const struct store_write *writes,
                              size_t count)
{
    enum err e = fake->uncertain ? ERR_UNCERTAIN : fault_check(&fake->commit);

    if (e == ERR_UNCERTAIN && !fake->uncertain) {
        fake->uncertain = true;
        fake->unacknowledged = hold_state(&fake->durable);
        apply(&fake->unacknowledged, writes, count);
    }
    if (e != OK || count == 0)
        return e;
    apply(&fake->durable, writes, count);
    fake->stats.commits++;
    for (size_t i = 0; i < count; i++)
        fake->stats.written_bytes += writes[i].key.size + writes[i].value.size;
    return OK;
}

static enum err fake_commit(struct store *store, const struct store_write *writes, size_t count,
                            struct why *why)
{
    struct fake_store *fake = fake_of(store);
    enum err e;

    check_order(writes, count);
    pthread_mutex_lock(&fake->lock);
    e = commit_locked(fake, writes, count);
    pthread_mutex_unlock(&fake->lock);
    return e == OK ? OK : err_because(why, e, "an armed fault");
}

static struct fake_backup *find_backup(struct fake_store *fake, const char *directory)
{
    struct fake_backup *backup = fake->backups;

    while (backup != NULL && strcmp(backup->directory, directory) != 0)
        backup = backup->next;
    return backup;
}

static enum err fake_backup(struct store *store, const char *directory, struct why *why)
{
    struct fake_store *fake = fake_of(store);
    struct fake_backup *backup;
    enum err e = OK;

    pthread_mutex_lock(&fake->lock);
    if (find_backup(fake, directory) != NULL) {
        e = err_because(why, ERR_EXISTS, "%s exists already", directory);
    } else {
        backup = allocate(sizeof *backup + strlen(directory) + 1);
        backup->state = hold_state(&fake->durable);
        strcpy(backup->directory, directory);
        backup->next = fake->backups;
        fake->backups = backup;
    }
    pthread_mutex_unlock(&fake->lock);
    return e;
}

static void fake_forget(struct store *store, const struct store_range *range)
{
    struct fake_store *fake = fake_of(store);

    (void)range;
    pthread_mutex_lock(&fake->lock);
    fake->forgotten++;
    pthread_mutex_unlock(&fake->lock);
}

static struct store_stats fake_stats(struct store *store)
{
    struct fake_store *fake = fake_of(store);
    struct store_stats stats;

    pthread_mutex_lock(&fake->lock);
    stats = fake->stats;
    stats.uncertain = fake->uncertain;
    pthread_mutex_unlock(&fake->lock);
    return stats;
}

static void fake_close(struct store *store)
{
    assert(fake_of(store)->snapshots == 0);
    (void)store;
}

void fake_store_init(struct fake_store *store)
{
    static const struct store_reader_ops reader_ops = { newest_get, newest_scan, NULL };
    static const struct store_ops ops = { fake_commit, fake_snapshot, fake_backup,
                                          fake_forget, fake_stats,    fake_close };

    *store = (struct fake_store){ .base = { &ops, { &reader_ops } },
                                    .stats.free_bytes = UINT64_MAX };
    pthread_mutex_init(&store->lock, NULL);
}

void fake_store_free(struct fake_store *store)
{
    assert(store->snapshots == 0);
    while (store->backups != NULL) {
        struct fake_backup *next = store->backups->next;

        drop_state(&store->backups->state);
        free(store->backups);
        store->backups = next;
    }
    drop_state(&store->durable);
    drop_state(&store->unacknowledged);
    pthread_mutex_destroy(&store->lock);
}

void fake_store_crash(struct fake_store *store, unsigned keep)
{
    pthread_mutex_lock(&store->lock);
    if (store->uncertain && keep > 0) {
        struct fake_state lost = store->durable;

        store->durable = store->unacknowledged;
        store->unacknowledged = lost;
    }
    drop_state(&store->unacknowledged);
    store->uncertain = false;
    pthread_mutex_unlock(&store->lock);
}

void fake_store_reopen(struct fake_store *store)
{
    fake_store_crash(store, store->keep_uncertain ? 1 : 0);
}

unsigned fake_store_unacknowledged(struct fake_store *store)
{
    return store->uncertain ? 1 : 0;
}

bool fake_store_open_backup(struct fake_store *store, const char *directory,
                            struct fake_store *copy)
{
    struct fake_backup *backup = find_backup(store, directory);

    if (backup == NULL)
        return false;
    fake_store_init(copy);
    copy->durable = hold_state(&backup->state);
    return true;
}

size_t fake_store_count_of(struct fake_store *store, enum store_family family)
{
    return count_nodes(store->durable.roots[family]);
}

size_t fake_store_count(struct fake_store *store)
{
    size_t count = 0;

    for (size_t f = 0; f < STORE_FAMILY_COUNT; f++)
        count += fake_store_count_of(store, (enum store_family)f);
    return count;
}
