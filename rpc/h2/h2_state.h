#ifndef RPC_H2_STATE_H
#define RPC_H2_STATE_H

#include "rpc/h2/h2_budget.h"
#include "rpc/h2/h2_ids.h"
#include "rpc/h2/h2_scan.h"
#include "rpc/h2/h2_session.h"
#include "rpc/h2/h2_stream.h"

#include <nghttp2/nghttp2.h>

/* The inside of a session, for the files that make it: h2_session.c (its
 * beginning, its end, what its owner asks), h2_receive.c (bytes, judged before
 * nghttp2 gets them), h2_events.c (what nghttp2 tells), and h2_send.c (what the
 * streams' users send). */

enum { H2_HEADERS_SENT_BYTES_MAX = 1 << 20 }; /* of one block, as nghttp2 estimates it packed */

struct h2_session {
    nghttp2_session *ng;
    struct h2_owner *owner;
    struct h2_options options;
    struct h2_scan scan;
    struct h2_budget budget;
    struct h2_ids ids; /* server: the client's */
    struct h2_streams streams;
    uint64_t frame_count; /* that came in whole */
    int64_t block_ms;     /* since when a header block is not whole */
    enum h2_end end;
    unsigned window_faults; /* window updates that were too large, not answered yet */
    bool is_up, going, draining, over;
    bool told_to_calm; /* by a GOAWAY */
};

/* What a stream does for its user. */
extern const struct stream_ops h2_stream_ops;

/* NULL if out of memory. */
nghttp2_session_callbacks *h2_events_new(void);

/* The owner ought to take what waits to be sent. */
void h2_want_output(struct h2_session *session);
/* Looks at what nghttp2 answered: whether the session can go on. */
void h2_check(struct h2_session *session, int result);
void h2_set_going(struct h2_session *session);
/* GOAWAY with that error, and no more. */
void h2_terminate(struct h2_session *session, enum h2_end end, uint32_t error);
void h2_count(struct h2_session *session, enum h2_count count);

#endif
