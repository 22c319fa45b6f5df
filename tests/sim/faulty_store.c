#include "tests/sim/faulty_store.h"

#include "core/base/list.h"

#include <assert.h>

static struct faulty_store *of(struct store *store)
{
    return container_of(store, struct faulty_store, base);
}

static enum err check(struct faulty_store *faulty, struct fault *fault, struct why *why)
{
    enum err e = fault_check(fault);

    if (e == OK)
        return OK;
    faulty->fired++;
    return err_because(why, e, "an armed fault");
}

static enum err faulty_get(struct store_reader *reader, enum store_family family, struct bytes key,
                           struct arena *mem, struct bytes *value, struct why *why)
{
    struct faulty_store *faulty = container_of(reader, struct faulty_store, base.reader);
    struct store_reader *inner = &faulty->inner->reader;
    enum err e = check(faulty, &faulty->get, why);

    return e == OK ? inner->ops->get(inner, family, key, mem, value, why) : e;
}

static enum err faulty_scan(struct store_reader *reader, const struct store_range *range,
                            store_visit_fn *visit, void *ctx, struct why *why)
{
    struct faulty_store *faulty = container_of(reader, struct faulty_store, base.reader);
    struct store_reader *inner = &faulty->inner->reader;
    enum err e = check(faulty, &faulty->scan, why);

    return e == OK ? inner->ops->scan(inner, range, visit, ctx, why) : e;
}

static enum err faulty_commit(struct store *store, const struct store_write *writes, size_t count,
                              struct why *why)
{
    struct faulty_store *faulty = of(store);
    enum err e;

    if (faulty->uncertain)
        return err_because(why, ERR_UNCERTAIN, "an earlier commit is uncertain");
    e = check(faulty, &faulty->commit, why);
    if (e == OK)
        return faulty->inner->ops->commit(faulty->inner, writes, count, why);
    if (e == ERR_UNCERTAIN) {
        faulty->uncertain = true;
        if (faulty->keep) {
            enum err kept = faulty->inner->ops->commit(faulty->inner, writes, count, why);

            assert(kept == OK);
        }
    }
    return e;
}

static enum err faulty_snapshot(struct store *store, struct store_reader **snapshot,
                                struct why *why)
{
    return of(store)->inner->ops->snapshot(of(store)->inner, snapshot, why);
}

static enum err faulty_backup(struct store *store, const char *directory, struct why *why)
{
    return of(store)->inner->ops->backup(of(store)->inner, directory, why);
}

static void faulty_forget(struct store *store, const struct store_range *range)
{
    of(store)->inner->ops->forget(of(store)->inner, range);
}

static struct store_stats faulty_stats(struct store *store)
{
    struct store_stats stats = of(store)->inner->ops->stats(of(store)->inner);

    stats.uncertain = of(store)->uncertain;
    return stats;
}

static void faulty_close(struct store *store)
{
    (void)store;
}

void faulty_store_init(struct faulty_store *faulty, struct store *inner)
{
    static const struct store_reader_ops reader_ops = { faulty_get, faulty_scan, NULL };
    static const struct store_ops ops = { faulty_commit, faulty_snapshot, faulty_backup,
                                          faulty_forget, faulty_stats,    faulty_close };

    *faulty = (struct faulty_store){ .base = { &ops, { &reader_ops } }, .inner = inner };
}

void faulty_store_disarm(struct faulty_store *faulty)
{
    fault_disarm(&faulty->get);
    fault_disarm(&faulty->scan);
    fault_disarm(&faulty->commit);
}

void faulty_store_recover(struct faulty_store *faulty)
{
    faulty_store_disarm(faulty);
    faulty->uncertain = false;
}
