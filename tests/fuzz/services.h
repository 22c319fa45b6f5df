#ifndef TESTS_FUZZ_SERVICES_H
#define TESTS_FUZZ_SERVICES_H

#include "core/base/random.h"
#include "rpc/loop.h"
#include "rpc/service.h"
#include "tests/fuzz/message.h"
#include "tests/fuzz/turned_engine.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_store.h"

/* All services that syncd offers, over a real queue on a store in memory, on
 * one thread and with a clock that stands still: what happens follows from the
 * input alone. */

struct services {
    struct fake_clock clock;
    struct fake_store store;
    struct random_seeded random;
    struct engine *engine;
    struct rpc_registry *registry; /* lent */
    struct loop *loop;
};

void services_init(struct services *services);
/* Runs loop and engine in turn until nothing comes of it any more. */
void services_settle(struct services *services);
/* Time passes, then they settle. */
void services_pass(struct services *services, int64_t ms);
/* Every call is over. Checks the queue, closes everything, and opens and checks
 * a new queue on what was stored. */
void services_free(struct services *services);

/* Every method, one after the other; its kind and types. */
size_t services_method_count(const struct services *services);
const struct rpc_method *services_method(const struct services *services, size_t index,
                                         const struct rpc_service **service);

/* Values that some fields ask for. */
extern const struct message_words services_words;

#endif
