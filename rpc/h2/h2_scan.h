#ifndef RPC_H2_SCAN_H
#define RPC_H2_SCAN_H

#include "core/base/bytes.h"

/* Finds where frames begin in the bytes that come in. nghttp2 passes over some
 * frames without a word (unknown types, DATA of closed streams), and those cost us
 * something, too. Zeroed but for preface_left, it stands at the beginning. */

enum { H2_HEAD_SIZE = 9, H2_PREFACE_SIZE = 24 };

struct h2_head { /* RFC 9113, 4.1 */
    size_t length;
    uint8_t type, flags;
    int32_t id;
};

struct h2_scan {
    size_t preface_left, payload_left;
    uint8_t head[H2_HEAD_SIZE];
    size_t head_size;          /* bytes of a head that came in pieces */
    bool in_block, block_ends; /* the last frame is of a header block, and its last one */
};

/* Goes on from bytes.data + *at to behind the next frame's head. False: there is
 * none in the rest of these bytes; what there is of one is kept in scan->head. */
bool h2_scan_next(struct h2_scan *scan, struct bytes bytes, size_t *at, struct h2_head *head);
/* A header block has begun that has not come to its end. */
bool h2_scan_is_in_block(const struct h2_scan *scan);

#endif
