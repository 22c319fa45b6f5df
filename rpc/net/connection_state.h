#ifndef RPC_CONNECTION_STATE_H
#define RPC_CONNECTION_STATE_H

#include "rpc/grpc/buffer.h"
#include "rpc/net/connection.h"
#include "rpc/limits.h"

/* The inside of a connection, for the files that make it: connection.c (its
 * beginning and its end), connection_io.c (bytes to and from the peer),
 * connection_time.c (what must happen in time). */

struct event;

struct connection_scratch {
    size_t holds; /* its owner's, and one for each connection */
    uint8_t in[CONNECTION_READ_BYTES];
    struct buffer out;
};

struct connection {
    struct h2_owner h2_owner;
    struct connection_options options;
    struct h2_session *session; /* NULL: torn down */
    struct transport transport;
    uint64_t sent; /* by it, when it last made progress */
    bool is_open;  /* its handshake is over */
    struct event *readable, *writable;
    bool is_reading;
    struct buffer unsent; /* what the socket did not take */
    struct loop_task flush;
    bool flush_is_posted;
    unsigned entered; /* depth of what runs on it: it is not freed meanwhile */
    bool finished;    /* close once all is written */
    int64_t finished_ms;
    bool lingering; /* all is written; what still comes is dropped */
    size_t dropped;
    bool closing; /* by its owner, from inside */
    bool is_busy; /* as its owner was told */
    size_t held;
    bool was_up; /* its owner was told that it is up */
    const char *reason;
    enum connection_end end;      /* with the reason */
    enum h2_end session_end;      /* once it is gone */
    enum connection_end retiring; /* GOAWAY was said, for idleness or age; otherwise DONE */

    struct loop_timer tick;
    uint64_t frame_count; /* at the last tick */
    int64_t tick_ms, opened_ms, alive_ms, progress_ms, pinged_ms, busy_ms, retired_ms;
};

/* What runs on a connection is between these: it is torn down by the outermost
 * leave, and freed when nothing of it is posted. */
void connection_enter(struct connection *connection);
void connection_leave(struct connection *connection);
/* It ends with the outermost leave; the first reason counts. */
void connection_give_up(struct connection *connection, enum connection_end end, const char *reason);
/* No more is asked of its session: it ends when what waits is written, in
 * CONNECTION_LINGER_MS. */
void connection_finish(struct connection *connection);
/* What can be written at once is. */
void connection_flush(struct connection *connection);

/* Reads and writes from now on. False if out of memory. */
bool connection_start_io(struct connection *connection);
void connection_stop_io(struct connection *connection);
/* Something waits for the peer to read. */
bool connection_has_unsent(const struct connection *connection);
/* Output is gathered and written at the end of this turn of the loop. */
void connection_post_flush(struct connection *connection);

void connection_start_clock(struct connection *connection);

#endif
