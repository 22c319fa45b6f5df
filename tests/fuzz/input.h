#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include "core/base/bytes.h"

/* A fuzz target is a function that takes any bytes and asserts what must be
 * true of them. Under clang, libFuzzer makes the bytes up; everywhere else
 * replay.c calls it with the files of its corpus. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Taking an input apart. What is taken is lent from it; at its end there are
 * zeros, and empty bytes. */
uint8_t input_byte(struct bytes *input);
/* Big-endian, of up to 8 bytes. */
uint64_t input_number(struct bytes *input, size_t size);
/* At most that many. */
struct bytes input_bytes(struct bytes *input, size_t size);
/* One byte says how many, then they follow. */
struct bytes input_block(struct bytes *input);
/* Up to the next line end, without it. */
struct bytes input_line(struct bytes *input);

#endif
