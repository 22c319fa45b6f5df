#ifndef GATEWAY_HTTP_CHUNKS_H
#define GATEWAY_HTTP_CHUNKS_H

#include "gateway/http/http_head.h"

/* The chunked coding of a request's body (RFC 9112, 7.1), decoded as it comes.
 * Extensions and trailers are read past if they are well-formed, within bounds;
 * every line ends with CR LF. A zeroed struct is ready. */

struct http_chunks {
    int state;
    bool done;               /* the last byte of the body was read */
    uint64_t left;           /* of the chunk at hand */
    size_t line_size;
    size_t digits;
    size_t extension_bytes;  /* of all chunks */
};

/* Reads on. Returns how much of input was used; *data is the part of it that
 * belongs to the body (may be empty). Call again until done or until all input
 * was used. 0 while input is not empty: it is malformed, see *flaw. */
size_t http_chunks_read(struct http_chunks *chunks, struct bytes input, struct bytes *data,
                        struct http_flaw *flaw);

#endif
