#ifndef CORE_TXN_H
#define CORE_TXN_H

#include "core/store.h"

/* The writes of one turn: an overlay over the store that reads its own writes
 * and becomes one sorted, atomic batch. A key written several times in a turn
 * costs one write. One thread, but for txn_store(). */

struct txn;

/* Gives an empty overlay on the store; NULL if out of memory. The store is
 * borrowed and must outlive it. */
struct txn *txn_new(struct store *store);
void txn_free(struct txn *txn);

/* Key and value are copied. Out of memory aborts the process: a turn that
 * cannot be remembered cannot be undone either. */
void txn_put(struct txn *txn, enum store_family family, struct bytes key, struct bytes value);
void txn_erase(struct txn *txn, enum store_family family, struct bytes key);

/* As store_reader's get and scan, this turn's writes included. The visitor may
 * put and erase while it is being called; what it writes may or may not be
 * visited. */
MUST_USE enum err txn_get(struct txn *txn, enum store_family family, struct bytes key,
                          struct arena *mem, struct bytes *value, struct why *why);
MUST_USE enum err txn_scan(struct txn *txn, const struct store_range *range,
                           store_visit_fn *visit, void *ctx, struct why *why);

/* Writing, in three parts, so that the next turn can be computed meanwhile:
 * seal    closes the batch; what is put from now on belongs to the next one,
 *         and reads see both. False if there is nothing to write. One batch at
 *         a time is sealed.
 * store   writes the sealed batch durably. The only function that may run on
 *         another thread, beside every other but settle and the next seal.
 * settle  forgets the sealed batch, whatever became of it. */
bool txn_seal(struct txn *txn);
MUST_USE enum err txn_store(struct txn *txn, struct why *why);
void txn_settle(struct txn *txn);

/* All three. An empty overlay is OK at no cost. */
MUST_USE enum err txn_commit(struct txn *txn, struct why *why);

/* Forgets what was put since the last seal. */
void txn_drop(struct txn *txn);

/* Keys waiting to be written, and their bytes. */
size_t txn_count(const struct txn *txn);
size_t txn_bytes(const struct txn *txn);

#endif
