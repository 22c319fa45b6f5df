#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include "core/base/bytes.h"

#include <stddef.h>

/* An arena holds everything one request allocates and frees it in one call.
 * One request, one thread at a time, one arena. Pointers into it die with it:
 * whatever must outlive the request is copied out.
 * A build with -DARENA_MALLOC gives every allocation a malloc of its own, so
 * that sanitizers see overruns. */

struct arena;

/* Gives an empty arena that will hand out at most limit_bytes, so one request
 * cannot use up the process. NULL if out of memory. */
struct arena *arena_new(size_t limit_bytes);

/* Frees the arena and everything in it. NULL is fine. */
void arena_free(struct arena *arena);

/* Frees what is in it and keeps one block for the next use: as new, cheaper. */
void arena_reset(struct arena *arena);

/* Lends zeroed memory, aligned for any type. NULL once the limit is reached:
 * the caller answers ERR_LIMIT. */
void *arena_alloc(struct arena *arena, size_t size);

/* Lends a copy of bytes[0..size), with a NUL behind it that is not counted.
 * NULL as above. */
void *arena_copy(struct arena *arena, const void *bytes, size_t size);

/* The same for text. A NULL text gives "". */
char *arena_text(struct arena *arena, const char *text);

/* Lends a printf'd text. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bytes handed out so far. */
size_t arena_used_bytes(const struct arena *arena);

#endif
