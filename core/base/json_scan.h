#ifndef CORE_BASE_JSON_SCAN_H
#define CORE_BASE_JSON_SCAN_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"

/* JSON text looked at without building anything of it (RFC 8259, UTF-8 only):
 * is it well-formed and how deep, and where does a member's value lie. This is
 * what lets a job's `data` travel byte for byte. */

enum { JSON_DATA_DEPTH_MAX = 32 }; /* nesting inside a job's `data`, whoever brings it */

/* ERR_INVALID, with the place, unless text is one JSON value with at most
 * depth_max objects and arrays around any value. */
MUST_USE enum err json_scan(struct bytes text, unsigned depth_max, struct why *why);

/* Lends the value of the index-th member (from 0) of the object that text is.
 * text has passed json_scan() and has that many members. */
struct bytes json_scan_member(struct bytes text, size_t index);

/* True if text has passed json_scan() and is an object. */
bool json_scan_is_object(struct bytes text);

/* A walk over the members of an object, or the elements of an array, in a text that
 * has passed json_scan(). */
struct json_items {
    struct bytes text;
    size_t at;
    bool is_object, ended;
};

struct json_items json_items_of(struct bytes text);
/* Lends the next: of an object also its name, with the quotes (NULL: not asked for).
 * False behind the last. */
bool json_items_next(struct json_items *items, struct bytes *name, struct bytes *value);

/* What a string, with its quotes, says: lent from it, or if it has escapes from mem.
 * data NULL if mem is full. Half a surrogate pair is U+FFFD. */
struct bytes json_scan_text(struct bytes string, struct arena *mem);

#endif
