#ifndef TESTS_SIM_FAULTY_STORE_H
#define TESTS_SIM_FAULTY_STORE_H

#include "core/store.h"
#include "tests/support/fault.h"

/* Any store, with faults in front of it. A get, scan or commit that is told to
 * fail with ERR_UNAVAILABLE does not reach the store. A commit that is told to
 * fail with ERR_UNCERTAIN reaches it or not, as `keep` says; whichever it was,
 * every later commit returns ERR_UNCERTAIN until faulty_store_recover().
 * Snapshots are free of faults: the simulator itself looks through them. */
struct faulty_store {
    struct store base;
    struct store *inner; /* borrowed; may be exchanged */
    struct fault get, scan, commit;
    bool keep, uncertain;
    unsigned fired; /* faults so far */
};

void faulty_store_init(struct faulty_store *faulty, struct store *inner);
void faulty_store_disarm(struct faulty_store *faulty);
/* The store was opened anew. */
void faulty_store_recover(struct faulty_store *faulty);

#endif
