#ifndef CORE_BASE_SHA256_H
#define CORE_BASE_SHA256_H

#include "core/base/bytes.h"

/* SHA-256 (FIPS 180-4), for telling apart what callers send: nobody can make
 * two that have the same digest. Not for secrets. */

enum { SHA256_SIZE = 32, SHA256_BLOCK_SIZE = 64 };

struct sha256 {
    uint32_t state[8];
    uint64_t size;
    uint8_t block[SHA256_BLOCK_SIZE];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, struct bytes bytes);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_SIZE]);

#endif
