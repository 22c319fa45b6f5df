#include "rpc/h2/h2_scan.h"

enum { HEADERS = 1, CONTINUATION = 9, FLAG_END_HEADERS = 4 }; /* RFC 9113, 6.2 */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void skip(size_t *left, struct bytes bytes, size_t *at)
{
    size_t size = smaller(*left, bytes.size - *at);

    *left -= size;
    *at += size;
}

static struct h2_head read_head(const uint8_t *bytes)
{
    uint32_t id = (uint32_t)bytes[5] << 24 | (uint32_t)bytes[6] << 16 | (uint32_t)bytes[7] << 8 |
                  (uint32_t)bytes[8];

    return (struct h2_head){
        .length = (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2],
        .type = bytes[3],
        .flags = bytes[4],
        .id = (int32_t)(id & 0x7fffffff),
    };
}

bool h2_scan_next(struct h2_scan *scan, struct bytes bytes, size_t *at, struct h2_head *head)
{
    size_t size;

    skip(&scan->preface_left, bytes, at);
    skip(&scan->payload_left, bytes, at);
    size = smaller(H2_HEAD_SIZE - scan->head_size, bytes.size - *at);
    memcpy(scan->head + scan->head_size, bytes.data + *at, size);
    scan->head_size += size;
    *at += size;
    if (scan->head_size < H2_HEAD_SIZE)
        return false;
    *head = read_head(scan->head);
    scan->head_size = 0;
    scan->payload_left = head->length;
    scan->in_block = head->type == HEADERS || head->type == CONTINUATION;
    scan->block_ends = (head->flags & FLAG_END_HEADERS) != 0;
    return true;
}

bool h2_scan_is_in_block(const struct h2_scan *scan)
{
    return scan->in_block && (!scan->block_ends || scan->payload_left > 0);
}
