#include "rpc/limits.h"

static int64_t or (int64_t value, int64_t if_zero)
{
    return value != 0 ? value : if_zero;
}

static void set_times(struct rpc_limits *limits)
{
    limits->handshake_ms = or (limits->handshake_ms, RPC_HANDSHAKE_MS);
    limits->headers_ms = or (limits->headers_ms, RPC_HEADERS_MS);
    limits->body_ms = or (limits->body_ms, RPC_BODY_MS);
    limits->write_ms = or (limits->write_ms, RPC_WRITE_MS);
    limits->keepalive_ms = or (limits->keepalive_ms, RPC_KEEPALIVE_MS);
    limits->keepalive_timeout_ms = or (limits->keepalive_timeout_ms, RPC_KEEPALIVE_TIMEOUT_MS);
    limits->ping_interval_ms = or (limits->ping_interval_ms, RPC_PING_INTERVAL_MS);
    limits->idle_ms = or (limits->idle_ms, RPC_IDLE_MS);
    limits->age_ms = or (limits->age_ms, -1);
    limits->age_grace_ms = or (limits->age_grace_ms, RPC_AGE_GRACE_MS);
}

struct rpc_limits rpc_limits_or_default(const struct rpc_limits *given)
{
    struct rpc_limits limits = *given;

    limits.message_bytes = limits.message_bytes != 0 ? limits.message_bytes : RPC_MESSAGE_BYTES;
    limits.header_bytes = limits.header_bytes != 0 ? limits.header_bytes : RPC_HEADER_BYTES;
    if (limits.connection_bytes == 0)
        limits.connection_bytes = RPC_CONNECTION_BYTES;
    limits.memory_bytes = limits.memory_bytes != 0 ? limits.memory_bytes : RPC_MEMORY_BYTES;
    limits.connections = limits.connections != 0 ? limits.connections : RPC_CONNECTIONS;
    if (limits.connections_per_address == 0)
        limits.connections_per_address = limits.connections - limits.connections / 4;
    limits.streams = limits.streams != 0 ? limits.streams : RPC_STREAMS;
    set_times(&limits);
    return limits;
}
