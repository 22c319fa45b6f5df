#ifndef TESTS_FUZZ_SCRATCH_H
#define TESTS_FUZZ_SCRATCH_H

#include "core/base/bytes.h"

/* A folder of this process, in memory where there is such a file system; it
 * goes with the process. For what is read by its path. */

enum { SCRATCH_PATH_SIZE = 128 };

/* Lends its path. */
const char *scratch_folder(void);
/* Writes a file that only its owner may read; `path` is where it is. */
void scratch_write(const char *name, struct bytes content, char path[SCRATCH_PATH_SIZE]);

#endif
