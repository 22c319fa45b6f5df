#ifndef TESTS_FUZZ_TURNED_ENGINE_H
#define TESTS_FUZZ_TURNED_ENGINE_H

#include "core/engine.h"

/* core/engine.h without its threads: link this instead, and the queue's turns
 * happen when they are asked for. So the same input always takes the same way,
 * which is what a fuzzer learns from, and the queue can be looked into. */

/* Everything that was posted is done, answered and read. False: nothing was. */
bool turned_engine_turn(struct engine *engine);

struct queue *turned_engine_queue(struct engine *engine);

#endif
