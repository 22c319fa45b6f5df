#ifndef TOOLS_SYNCD_CONFIG_H
#define TOOLS_SYNCD_CONFIG_H

#include "core/base/log.h"
#include "core/queue.h"
#include "gateway/limits.h"
#include "rpc/limits.h"
#include "rpc/tls.h"
#include "tools/settings/settings.h"

/* What syncd can be told: the one table, and what it comes to. */

/* One line of the program's settings, in the order --help shows them. */
enum syncd_setting {
    SYNCD_DATA_DIR, SYNCD_RPC_LISTEN, SYNCD_HTTP_LISTEN, SYNCD_INSECURE_LISTEN_ANYWHERE,
    SYNCD_TLS_CERT, SYNCD_TLS_KEY, SYNCD_TLS_CLIENT_CA,
    SYNCD_PORTS_FILE, SYNCD_LOG_FORMAT, SYNCD_LOG_LEVEL, SYNCD_RPC_THREADS,
    SYNCD_MESSAGE_BYTES_MAX, SYNCD_RPC_CONNECTIONS_MAX, SYNCD_RPC_CONNECTIONS_PER_ADDRESS,
    SYNCD_RPC_STREAMS_MAX, SYNCD_RPC_HEADER_BYTES_MAX, SYNCD_RPC_CONNECTION_MEMORY_MAX,
    SYNCD_RPC_MEMORY_MAX, SYNCD_RPC_HANDSHAKE_TIMEOUT, SYNCD_RPC_HEADERS_TIMEOUT,
    SYNCD_RPC_BODY_TIMEOUT, SYNCD_RPC_WRITE_TIMEOUT, SYNCD_RPC_KEEPALIVE,
    SYNCD_RPC_KEEPALIVE_TIMEOUT, SYNCD_RPC_PING_INTERVAL_MIN, SYNCD_RPC_IDLE_MAX,
    SYNCD_RPC_AGE_MAX, SYNCD_RPC_AGE_GRACE, SYNCD_HTTP_CONNECTIONS_MAX,
    SYNCD_HTTP_CONNECTIONS_PER_ADDRESS, SYNCD_HTTP_HOSTS, SYNCD_HTTP_REQUESTS_PER_CONNECTION,
    SYNCD_HTTP_WATCHES_MAX, SYNCD_HTTP_HEAD_BYTES_MAX, SYNCD_HTTP_BODY_BYTES_MAX,
    SYNCD_HTTP_MEMORY_MAX, SYNCD_HTTP_HEAD_TIMEOUT, SYNCD_HTTP_BODY_TIMEOUT,
    SYNCD_HTTP_IDLE_TIMEOUT, SYNCD_HTTP_WRITE_TIMEOUT, SYNCD_HTTP_BYTES_PER_SECOND_MIN,
    SYNCD_STORE_CACHE, SYNCD_STORE_WRITE_BUFFER, SYNCD_LEASE_TTL,
    SYNCD_ACK_TIMEOUT, SYNCD_PAUSE_GRACE, SYNCD_BACKOFF_BASE, SYNCD_BACKOFF_CAP, SYNCD_LOOKBACK,
    SYNCD_SAFETY_LAG, SYNCD_ATTEMPTS_MAX, SYNCD_EXPIRIES_MAX, SYNCD_ORGS_MAX,
    SYNCD_KEEP_COMPLETED, SYNCD_KEEP_FAILED, SYNCD_KEEP_RUNS, SYNCD_KEEP_AUDIT,
    SYNCD_AUDIT_QUEUE, SYNCD_DISK_FREE_MIN, SYNCD_WATCH_HEARTBEAT,
    SYNCD_SHUTDOWN_GRACE, SYNCD_CONFIG, SYNCD_CHECK_CONFIG, SYNCD_VERSION, SYNCD_HELP,
    SYNCD_SETTING_COUNT
};

extern const struct setting syncd_settings[SYNCD_SETTING_COUNT];

struct syncd_config {               /* text is lent by the settings */
    const char *data_directory, *rpc_address, *http_address;   /* http NULL: none */
    struct tls_server_options tls;  /* without a certificate: plain text */
    const char *http_hosts;         /* see gateway/host.h */
    const char *ports_file;         /* NULL: none */
    enum log_format log_format;
    enum log_level log_level;
    unsigned rpc_threads;
    struct rpc_limits rpc;
    struct http_limits http;
    size_t store_cache_bytes, store_write_buffer_bytes;
    int64_t watch_heartbeat_ms, shutdown_grace_ms;
    struct queue_options queue;
};

/* ERR_INVALID if the settings do not fit together, or would open the service
 * to a network without authentication. */
MUST_USE enum err syncd_config_read(const struct settings *settings, struct syncd_config *config,
                                    struct why *why);

#endif
