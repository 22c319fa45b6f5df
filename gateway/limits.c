#include "gateway/limits.h"

struct http_limits http_limits_or_default(const struct http_limits *limits)
{
    struct http_limits l = *limits;

    l.head_bytes = l.head_bytes != 0 ? l.head_bytes : HTTP_HEAD_BYTES;
    l.body_bytes = l.body_bytes != 0 ? l.body_bytes : HTTP_BODY_BYTES;
    l.memory_bytes = l.memory_bytes != 0 ? l.memory_bytes : HTTP_MEMORY_BYTES;
    l.connections = l.connections != 0 ? l.connections : HTTP_CONNECTIONS;
    if (l.connections_per_address == 0)
        l.connections_per_address = l.connections - l.connections / 4;
    if (l.requests_per_connection == 0)
        l.requests_per_connection = HTTP_REQUESTS_PER_CONNECTION;
    l.watches = l.watches != 0 ? l.watches : (l.connections + 1) / 2;
    l.head_ms = l.head_ms != 0 ? l.head_ms : HTTP_HEAD_MS;
    l.body_ms = l.body_ms != 0 ? l.body_ms : HTTP_BODY_MS;
    l.idle_ms = l.idle_ms != 0 ? l.idle_ms : HTTP_IDLE_MS;
    l.write_ms = l.write_ms != 0 ? l.write_ms : HTTP_WRITE_MS;
    l.bytes_per_s = l.bytes_per_s != 0 ? l.bytes_per_s : HTTP_BYTES_PER_S;
    return l;
}
