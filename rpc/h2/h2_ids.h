#ifndef RPC_H2_IDS_H
#define RPC_H2_IDS_H

#include <stdbool.h>
#include <stdint.h>

/* Which stream ids a client has used up. nghttp2 forgets a stream once it is
 * closed, and then passes over frames for it, and for ids that were never used, as
 * if they had been on their way; this remembers as much as tells the two from
 * mistakes (RFC 9113, 5.1 and 5.1.1). What is forgotten here, after many streams,
 * is passed over as before. Pure arithmetic. */

struct h2_ids {
    int32_t newest;
    /* Ids below the newest that were never used, and so must never be.
     * Well-behaved clients skip none. */
    struct {
        int32_t from, to;
    } skipped[8];
    unsigned skipped_count;
    int32_t ended[64]; /* each in its place, so that looking costs nothing */
};

/* Notes the id of a HEADERS frame. False if it was skipped before. */
bool h2_ids_begin(struct h2_ids *ids, int32_t id);
/* The client has sent its last frame on the stream. */
void h2_ids_end(struct h2_ids *ids, int32_t id);
bool h2_ids_has_ended(const struct h2_ids *ids, int32_t id);

#endif
