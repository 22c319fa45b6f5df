#ifndef WORKER_JSON_SCAN_H
#define WORKER_JSON_SCAN_H

#include "tools/worker/connectors/buffer.h"

/* A strict reader of one JSON object (RFC 8259, UTF-8) that keeps its bytes as
 * they are: it checks all of them and shows where the top-level members lie.
 * Numbers are never converted, so none is too large or loses digits. */

enum { JSON_DEPTH_MAX = 128 };

/* Lent for the call: the name without its quotes (escapes not undone) and the
 * value as written. */
typedef void json_member_fn(void *context, struct bytes name, struct bytes value);

/* False if the text is not exactly one object; then *reason says why and
 * members may have been shown already. */
bool json_scan_object(struct bytes text, json_member_fn *member, void *context,
                      const char **reason);

/* Adds what a JSON string (with its quotes, checked by the scan) stands for. */
void json_unescape(struct bytes string, struct buffer *buffer);

/* True if the bytes are well-formed UTF-8. */
bool utf8_is_valid(struct bytes text);

#endif
