#ifndef RPC_LIMITS_H
#define RPC_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Every bound of the gRPC port: what a peer may cost, alone and together with
 * others. In numbers, with the defaults:
 *
 *   a stream       sends at most a window (256 KiB) ahead of what its method took;
 *                  of an answer, 256 KiB wait before the method is told to stop
 *   a connection   keeps no more than 64 MiB of bodies and answers, then its largest
 *                  calls are reset; behind a blocked socket 256 KiB of bytes and 2,000
 *                  frames, then nothing more is read; idle, it takes 15 KB
 *   all            256 MiB, then the connection that keeps the most is closed; and
 *                  10,000 connections
 */

/* What users may set; 0 is the default, which stands below. */
struct rpc_limits {
    size_t message_bytes;             /* of a request */
    size_t header_bytes;              /* of one block, as HTTP/2 counts */
    size_t connection_bytes;          /* what one connection may make the server keep */
    size_t memory_bytes;              /* all connections together */
    unsigned connections;             /* all threads together */
    unsigned connections_per_address; /* 0: three quarters of all */
    unsigned streams;                 /* of one connection at a time */
    int64_t handshake_ms;             /* TLS, preface and first SETTINGS */
    int64_t headers_ms;               /* from a header block's first byte to its last */
    int64_t body_ms;                  /* in which a request must go on */
    int64_t write_ms;                 /* in which a peer must read something */
    int64_t keepalive_ms;             /* silent for so long: ask */
    int64_t keepalive_timeout_ms;     /* for an answer */
    int64_t ping_interval_ms;         /* a client may ping as often as that; < 0: as it likes */
    int64_t idle_ms;                  /* without a call; < 0: for ever */
    int64_t age_ms;                   /* a tenth more or less; < 0, the default: for ever */
    int64_t age_grace_ms;             /* for calls to end after it */
};

enum {
    RPC_MESSAGE_BYTES = 4 << 20,
    RPC_HEADER_BYTES = 16 << 10,
    RPC_CONNECTION_BYTES = 64 << 20,
    RPC_MEMORY_BYTES = 256 << 20,
    RPC_CONNECTIONS = 10000,
    RPC_STREAMS = 256,
    RPC_HANDSHAKE_MS = 10 * 1000,
    RPC_HEADERS_MS = 10 * 1000,
    RPC_BODY_MS = 30 * 1000,
    RPC_WRITE_MS = 30 * 1000,
    RPC_KEEPALIVE_MS = 60 * 1000,
    RPC_KEEPALIVE_TIMEOUT_MS = 20 * 1000,
    RPC_PING_INTERVAL_MS = 5 * 1000,
    RPC_IDLE_MS = 30 * 60 * 1000,
    RPC_AGE_GRACE_MS = 60 * 1000,
};

/* What nobody may. */
enum {
    /* HTTP/2. A stream's window follows what its method consumed; the connection's
     * is handed back at once, so that a slow stream does not stop the others. */
    H2_STREAM_WINDOW_BYTES = 256 << 10,
    H2_CONNECTION_WINDOW_BYTES = 4 << 20,
    H2_PROGRESS_BYTES_MIN = 1 << 10, /* in body_ms or write_ms: less is no progress */
    H2_BODY_BYTES_PER_S = 1 << 10,   /* besides H2_BODY_WAITS_MAX times body_ms */
    H2_BODY_WAITS_MAX = 4,
    H2_HEADERS_BOMB_FACTOR = 8, /* times header_bytes: not a mistake any more */
    H2_RESETS_AT_ONCE = 2000,   /* by the client */
    H2_RESETS_PER_S = 200,
    H2_SETTINGS_ENTRIES_MAX = 32, /* in one frame */
    H2_OUTBOUND_ACKS_MAX = 1000,  /* that wait to be sent */
    H2_CONTINUATIONS_MAX = 8,
    H2_PINGS_AT_ONCE = 10, /* gRPC's servers allow 3; tools look whether one is still there */

    /* Frames that ask for work but move no call: see h2_budget.h. */
    H2_BUDGET_MAX = 20000,
    H2_BUDGET_PER_S = 2000,
    H2_BUDGET_DATA_CREDIT = 12, /* a window update for stream and connection, and a PING */
    H2_COST_SETTINGS = 100,     /* 200 at once, 20 a second */
    H2_COST_PING = 8,           /* 2,500 at once, 250 a second */
    H2_COST_RESET = 12,         /* 1,600 at once, 160 a second */
    H2_COST_FAULT = 20,
    H2_COST_OTHER = 2, /* PRIORITY, window update, unknown, empty DATA */

    /* A connection's bytes. */
    CONNECTION_READ_BYTES = 64 << 10,        /* at a time */
    CONNECTION_READS_PER_TURN = 4,           /* then others have their turn */
    CONNECTION_GATHER_BYTES = 256 << 10,     /* into one write */
    CONNECTION_BACKLOG_MAX = 2000,           /* frames behind a blocked socket: stop reading */
    CONNECTION_PROGRESS_BYTES_MIN = 4 << 10, /* read by the peer in write_ms */
    CONNECTION_LINGER_MS = 1000,             /* for the peer to read our last words */
    CONNECTION_LINGER_BYTES_MAX = 1 << 20,
    CONNECTION_TICK_MS_MIN = 10,
    CONNECTION_TICK_MS_MAX = 2000,
};

_Static_assert(RPC_PING_INTERVAL_MS < 10 * 1000, "keepalive every 10 s, as clients may, is fine");
_Static_assert(RPC_CONNECTION_BYTES >= 8 * RPC_MESSAGE_BYTES,
               "a few calls do not use up everything");
_Static_assert(RPC_MEMORY_BYTES >= 2 * RPC_CONNECTION_BYTES, "nor does one connection");
_Static_assert(H2_CONTINUATIONS_MAX *(16 << 10) > RPC_HEADER_BYTES, "headers that are allowed fit");
_Static_assert(H2_BUDGET_MAX / H2_COST_RESET < H2_RESETS_AT_ONCE &&
                   H2_BUDGET_PER_S / H2_COST_RESET < H2_RESETS_PER_S,
               "who resets too much is told to calm down, and not of an internal error");
_Static_assert(H2_BUDGET_PER_S / H2_COST_PING > 1, "PINGs are bounded by their interval first");

/* Puts the defaults where there is a 0. */
struct rpc_limits rpc_limits_or_default(const struct rpc_limits *limits);

#endif
