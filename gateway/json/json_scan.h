#ifndef GATEWAY_JSON_SCAN_H
#define GATEWAY_JSON_SCAN_H

#include "core/base/err.h"
#include "core/base/bytes.h"

/* JSON text looked at without building anything of it (RFC 8259, UTF-8 only):
 * is it well-formed and how deep, and where does a member's value lie. This is
 * what lets a job's `data` travel byte for byte. */

/* ERR_INVALID, with the place, unless text is one JSON value with at most
 * depth_max objects and arrays around any value. */
MUST_USE enum err json_scan(struct bytes text, unsigned depth_max, struct why *why);

/* Lends the value of the index-th member (from 0) of the object that text is.
 * text has passed json_scan() and has that many members. */
struct bytes json_scan_member(struct bytes text, size_t index);

/* True if text has passed json_scan() and is an object. */
bool json_scan_is_object(struct bytes text);

#endif
