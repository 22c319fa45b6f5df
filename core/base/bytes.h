#ifndef CORE_BASE_BYTES_H
#define CORE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes. Passed by value, never NUL-terminated, never owned. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){ data, size };
}

/* The text without its NUL. NULL is empty. */
static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, text != NULL ? strlen(text) : 0);
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Lexicographic, shorter first: the order of the store. <0, 0, >0. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

#endif
