#include "core/base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory is cut from the front of blocks that only grow in number; nothing is
 * given back but all of it. Under ARENA_MALLOC each allocation is a block of
 * its own, exactly as large as asked for. */

enum { BLOCK_BYTES_MIN = 4 << 10, BLOCK_BYTES_MAX = 64 << 10 };

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *head;
    size_t limit_bytes, used_bytes;
    size_t next_block_bytes;
};

struct arena *arena_new(size_t limit_bytes)
{
    struct arena *arena = calloc(1, sizeof *arena);

    if (arena != NULL) {
        arena->limit_bytes = limit_bytes;
        arena->next_block_bytes = BLOCK_BYTES_MIN;
    }
    return arena;
}

static void free_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    free_blocks(arena->head);
    free(arena);
}

static struct block *add_block(struct arena *arena, size_t size)
{
    struct block *block;

    if (size > SIZE_MAX - sizeof *block)
        return NULL;
    block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->used = 0;
    block->size = size;
    block->next = arena->head;
    arena->head = block;
    return block;
}

#ifdef ARENA_MALLOC

void arena_reset(struct arena *arena)
{
    free_blocks(arena->head);
    arena->head = NULL;
    arena->used_bytes = 0;
}

static void *take(struct arena *arena, size_t size)
{
    struct block *block = add_block(arena, size);

    return block != NULL ? block->data : NULL;
}

#else

/* The block that is kept is the newest ordinary one: not one that a single
 * large allocation made large. */
void arena_reset(struct arena *arena)
{
    struct block *kept = arena->head, *rest;

    arena->used_bytes = 0;
    if (kept == NULL)
        return;
    rest = kept->next;
    kept->next = NULL;
    kept->used = 0;
    if (kept->size > BLOCK_BYTES_MAX) {
        free(kept);
        kept = NULL;
    }
    free_blocks(rest);
    arena->head = kept;
}

/* A fresh ordinary block, or one that fits a large allocation exactly. */
static struct block *block_for(struct arena *arena, size_t size)
{
    size_t room = arena->next_block_bytes;

    if (size > room / 4)
        return add_block(arena, size > room ? size : room);
    if (arena->next_block_bytes < BLOCK_BYTES_MAX)
        arena->next_block_bytes *= 2;
    return add_block(arena, room);
}

static void *take(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    struct block *block = arena->head;
    void *memory;

    if (size > SIZE_MAX - align)
        return NULL;
    size = (size + align - 1) / align * align;
    if (block == NULL || block->size - block->used < size)
        block = block_for(arena, size);
    if (block == NULL)
        return NULL;
    memory = block->data + block->used;
    block->used += size;
    return memory;
}

#endif

/* Not zeroed. */
static void *lend(struct arena *arena, size_t size)
{
    void *memory;

    if (size > arena->limit_bytes - arena->used_bytes)
        return NULL;
    memory = take(arena, size);
    if (memory != NULL)
        arena->used_bytes += size;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *memory = lend(arena, size);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void *arena_copy(struct arena *arena, const void *bytes, size_t size)
{
    unsigned char *copy;

    if (size == SIZE_MAX)
        return NULL;
    copy = lend(arena, size + 1);
    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, text != NULL ? strlen(text) : 0);
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *text;
    int size;

    va_start(args, format);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(size >= 0);

    text = lend(arena, (size_t)size + 1);
    if (text == NULL)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    return text;
}

size_t arena_used_bytes(const struct arena *arena)
{
    return arena->used_bytes;
}
