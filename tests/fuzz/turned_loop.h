#ifndef TESTS_FUZZ_TURNED_LOOP_H
#define TESTS_FUZZ_TURNED_LOOP_H

#include "rpc/loop.h"

/* Runs the loop on this thread for so many turns, without waiting for anything. */
void loop_turn(struct loop *loop, int turns);

#endif
