#include "tools/syncd/config.h"

#include "core/limits.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

enum { SECOND_MS = 1000, DAY_MS = 24 * 3600 * 1000 };

/* Log levels and formats are listed in the order of their enums. */
/* clang-format off */
const struct setting syncd_settings[SYNCD_SETTING_COUNT] = {
    [SYNCD_DATA_DIR] = {
        .name = "data-dir", .fallback = "./sync-data", .placeholder = "DIR",
        .help = "Where everything is kept; created if it does not exist." },
    [SYNCD_RPC_LISTEN] = {
        .name = "rpc-listen", .fallback = "127.0.0.1:9470", .placeholder = "ADDRESS:PORT",
        .help = "gRPC for clients and workers. Port 0 takes any free one." },
    [SYNCD_HTTP_LISTEN] = {
        .name = "http-listen", .fallback = "127.0.0.1:8470", .placeholder = "ADDRESS:PORT",
        .help = "The JSON API. Port 0 takes any free one; none turns it off." },
    [SYNCD_INSECURE_LISTEN_ANYWHERE] = {
        .name = "insecure-listen-anywhere", .type = SETTING_SWITCH,
        .help = "Listen on other than loopback addresses although nobody is asked who he is:"
                " whoever reaches the ports may do everything." },
    [SYNCD_TLS_CERT] = {
        .name = "tls-cert", .placeholder = "FILE",
        .help = "Speak TLS on both addresses, with this certificate and those above it, in PEM."
                " SIGHUP reads the files again; connections that exist go on." },
    [SYNCD_TLS_KEY] = {
        .name = "tls-key", .placeholder = "FILE",
        .help = "The certificate's private key, in PEM; readable for its owner only." },
    [SYNCD_TLS_CLIENT_CA] = {
        .name = "tls-client-ca", .placeholder = "FILE",
        .help = "Clients must show a certificate of one of these authorities, in PEM; its common"
                " name says who they are." },
    [SYNCD_PORTS_FILE] = {
        .name = "ports-file", .placeholder = "FILE",
        .help = "Written once both addresses are listening:"
                " {\"rpc\": \"127.0.0.1:PORT\", \"http\": \"127.0.0.1:PORT\"}." },
    [SYNCD_LOG_FORMAT] = {
        .name = "log-format", .type = SETTING_CHOICE, .fallback = "auto",
        .choices = "auto|text|json",
        .help = "auto is text on a terminal and JSON elsewhere." },
    [SYNCD_LOG_LEVEL] = {
        .name = "log-level", .type = SETTING_CHOICE, .fallback = "info",
        .choices = "debug|info|warning|error", .help = "The least serious event to log." },
    [SYNCD_RPC_THREADS] = {
        .name = "rpc-threads", .type = SETTING_NUMBER, .fallback = "0", .most = 64,
        .help = "Threads for gRPC connections; 0 is half as many as there are processors." },
    [SYNCD_MESSAGE_BYTES_MAX] = {
        .name = "message-bytes-max", .type = SETTING_SIZE, .fallback = "4MiB",
        .least = 64 << 10, .most = 64 << 20, .help = "Largest gRPC request." },
    [SYNCD_RPC_CONNECTIONS_MAX] = {
        .name = "rpc-connections-max", .type = SETTING_NUMBER, .fallback = "10000",
        .least = 1, .most = 1000000,
        .help = "gRPC connections at a time. When there are more, the one that has been without a"
                " call the longest is closed." },
    [SYNCD_RPC_CONNECTIONS_PER_ADDRESS] = {
        .name = "rpc-connections-per-address", .type = SETTING_NUMBER, .fallback = "0",
        .most = 1000000,
        .help = "The same from one address (of IPv6: from one /64); 0 is three quarters of all." },
    [SYNCD_RPC_STREAMS_MAX] = {
        .name = "rpc-streams-max", .type = SETTING_NUMBER, .fallback = "256", .least = 1,
        .most = 100000, .help = "Calls at a time on one gRPC connection." },
    [SYNCD_RPC_HEADER_BYTES_MAX] = {
        .name = "rpc-header-bytes-max", .type = SETTING_SIZE, .fallback = "16KiB",
        .least = 4 << 10, .most = 64 << 10, .help = "Largest headers of a gRPC call." },
    [SYNCD_RPC_CONNECTION_MEMORY_MAX] = {
        .name = "rpc-connection-memory-max", .type = SETTING_SIZE, .fallback = "64MiB",
        .least = 1 << 20, .most = 1LL << 40,
        .help = "Memory for requests that are not whole and answers that are not read, of one gRPC"
                " connection. Above it, its largest calls are reset." },
    [SYNCD_RPC_MEMORY_MAX] = {
        .name = "rpc-memory-max", .type = SETTING_SIZE, .fallback = "256MiB",
        .least = 16 << 20, .most = 1LL << 40,
        .help = "The same of all gRPC connections. When it runs out, the connection that takes the"
                " most is closed." },
    [SYNCD_RPC_HANDSHAKE_TIMEOUT] = {
        .name = "rpc-handshake-timeout", .type = SETTING_DURATION, .fallback = "10s",
        .least = 100, .most = 600 * SECOND_MS,
        .help = "In which a new gRPC connection must begin to speak HTTP/2." },
    [SYNCD_RPC_HEADERS_TIMEOUT] = {
        .name = "rpc-headers-timeout", .type = SETTING_DURATION, .fallback = "10s", .least = 100,
        .most = 600 * SECOND_MS, .help = "In which the headers of a call must arrive." },
    [SYNCD_RPC_BODY_TIMEOUT] = {
        .name = "rpc-body-timeout", .type = SETTING_DURATION, .fallback = "30s", .least = 100,
        .most = 600 * SECOND_MS,
        .help = "In which a request must go on, by 1 KiB at least. All of it must arrive in four"
                " times as long, besides a second for each KiB." },
    [SYNCD_RPC_WRITE_TIMEOUT] = {
        .name = "rpc-write-timeout", .type = SETTING_DURATION, .fallback = "30s", .least = 100,
        .most = 600 * SECOND_MS,
        .help = "In which a client must read some of what waits for it: 1 KiB of a call's answer,"
                " 4 KiB of the connection's." },
    [SYNCD_RPC_KEEPALIVE] = {
        .name = "rpc-keepalive", .type = SETTING_DURATION, .fallback = "60s", .least = 100,
        .most = DAY_MS, .help = "A gRPC client that is silent for so long is asked for a sign." },
    [SYNCD_RPC_KEEPALIVE_TIMEOUT] = {
        .name = "rpc-keepalive-timeout", .type = SETTING_DURATION, .fallback = "20s",
        .least = 100, .most = 600 * SECOND_MS,
        .help = "If none comes in this time, its connection is closed." },
    [SYNCD_RPC_PING_INTERVAL_MIN] = {
        .name = "rpc-ping-interval-min", .type = SETTING_DURATION, .fallback = "5s",
        .most = DAY_MS,
        .help = "A gRPC client that pings more often, and gets no answers of calls meanwhile, is"
                " told too_many_pings and disconnected; 0 is as often as it likes." },
    [SYNCD_RPC_IDLE_MAX] = {
        .name = "rpc-idle-max", .type = SETTING_DURATION, .fallback = "30m",
        .most = 30LL * DAY_MS,
        .help = "A gRPC connection without a call for so long is closed; 0 is never." },
    [SYNCD_RPC_AGE_MAX] = {
        .name = "rpc-age-max", .type = SETTING_DURATION, .fallback = "0", .most = 365LL * DAY_MS,
        .help = "A gRPC connection that is so old, a tenth more or less, takes no new calls;"
                " 0 is never." },
    [SYNCD_RPC_AGE_GRACE] = {
        .name = "rpc-age-grace", .type = SETTING_DURATION, .fallback = "60s", .least = 100,
        .most = DAY_MS, .help = "Then so long for its calls to end." },
    [SYNCD_HTTP_CONNECTIONS_MAX] = {
        .name = "http-connections-max", .type = SETTING_NUMBER, .fallback = "1000",
        .least = 1, .most = 1000000,
        .help = "HTTP connections at a time. When there are more, the one that has waited for its"
                " client the longest is closed." },
    [SYNCD_HTTP_CONNECTIONS_PER_ADDRESS] = {
        .name = "http-connections-per-address", .type = SETTING_NUMBER, .fallback = "0",
        .most = 1000000,
        .help = "The same from one address (of IPv6: from one /64); 0 is three quarters of all." },
    [SYNCD_HTTP_HOSTS] = {
        .name = "http-hosts", .placeholder = "NAME,NAME",
        .help = "Names by which clients may call the JSON API without TLS, besides localhost and"
                " addresses; * is any. Unknown ones might be a web page's own, made to point"
                " here." },
    [SYNCD_HTTP_REQUESTS_PER_CONNECTION] = {
        .name = "http-requests-per-connection", .type = SETTING_NUMBER, .fallback = "10000",
        .least = 1, .most = UINT32_MAX, .help = "After so many an HTTP connection is closed." },
    [SYNCD_HTTP_WATCHES_MAX] = {
        .name = "http-watches-max", .type = SETTING_NUMBER, .fallback = "0", .most = 1000000,
        .help = "Streams of server-sent events at a time; 0 is half of http-connections-max." },
    [SYNCD_HTTP_HEAD_BYTES_MAX] = {
        .name = "http-head-bytes-max", .type = SETTING_SIZE, .fallback = "16KiB",
        .least = 1 << 10, .most = 1 << 20,
        .help = "Largest HTTP request line with all headers." },
    [SYNCD_HTTP_BODY_BYTES_MAX] = {
        .name = "http-body-bytes-max", .type = SETTING_SIZE, .fallback = "1MiB",
        .least = 1 << 10, .most = 1 << 20, .help = "Largest HTTP request body." },
    [SYNCD_HTTP_MEMORY_MAX] = {
        .name = "http-memory-max", .type = SETTING_SIZE, .fallback = "64MiB",
        .least = 16 << 20, .most = 1LL << 40,
        .help = "Memory for bodies and for answers that are not read, of all HTTP clients. When it"
                " runs out, who has taken some the longest is cut off." },
    [SYNCD_HTTP_HEAD_TIMEOUT] = {
        .name = "http-head-timeout", .type = SETTING_DURATION, .fallback = "10s", .least = 100,
        .most = 600 * SECOND_MS,
        .help = "In which a new HTTP connection must ask something, and the headers of a request"
                " must arrive." },
    [SYNCD_HTTP_BODY_TIMEOUT] = {
        .name = "http-body-timeout", .type = SETTING_DURATION, .fallback = "20s", .least = 100,
        .most = 600 * SECOND_MS,
        .help = "In which a request's body must arrive, besides what it takes at"
                " http-bytes-per-second-min." },
    [SYNCD_HTTP_IDLE_TIMEOUT] = {
        .name = "http-idle-timeout", .type = SETTING_DURATION, .fallback = "75s", .least = 100,
        .most = 3600 * SECOND_MS,
        .help = "How long an HTTP connection may wait for its next request." },
    [SYNCD_HTTP_WRITE_TIMEOUT] = {
        .name = "http-write-timeout", .type = SETTING_DURATION, .fallback = "30s", .least = 100,
        .most = 600 * SECOND_MS,
        .help = "A client that reads its answers more slowly than http-bytes-per-second-min for so"
                " long is cut off." },
    [SYNCD_HTTP_BYTES_PER_SECOND_MIN] = {
        .name = "http-bytes-per-second-min", .type = SETTING_SIZE, .fallback = "1KiB", .least = 1,
        .most = 1 << 30, .help = "The slowest HTTP client that is served." },
    [SYNCD_STORE_CACHE] = {
        .name = "store-cache", .type = SETTING_SIZE, .fallback = "32MiB", .least = 1 << 20,
        .help = "Memory for blocks read from disk." },
    [SYNCD_STORE_WRITE_BUFFER] = {
        .name = "store-write-buffer", .type = SETTING_SIZE, .fallback = "64MiB",
        .least = 4 << 20, .help = "Memory for writes that are in the log and not yet in files." },
    [SYNCD_LEASE_TTL] = {
        .name = "lease-ttl", .type = SETTING_DURATION, .fallback = "60s",
        .least = LEASE_TTL_MS_MIN, .most = LEASE_TTL_MS_MAX,
        .help = "A worker that is silent for so long loses its job." },
    [SYNCD_ACK_TIMEOUT] = {
        .name = "ack-timeout", .type = SETTING_DURATION, .fallback = "5s", .least = 100,
        .most = 60 * SECOND_MS, .help = "A job pushed to a worker must be acknowledged in time." },
    [SYNCD_PAUSE_GRACE] = {
        .name = "pause-grace", .type = SETTING_DURATION, .fallback = "0",
        .most = LEASE_TTL_MS_MAX,
        .help = "How long a worker may take to let go of a paused job; 0 is the lease's length." },
    [SYNCD_BACKOFF_BASE] = {
        .name = "backoff-base", .type = SETTING_DURATION, .fallback = "5s", .least = 1,
        .most = DAY_MS, .help = "Longest wait before the first retry; doubled for each next one." },
    [SYNCD_BACKOFF_CAP] = {
        .name = "backoff-cap", .type = SETTING_DURATION, .fallback = "15m", .least = 1,
        .most = DAY_MS, .help = "Longest wait before any retry." },
    [SYNCD_LOOKBACK] = {
        .name = "lookback", .type = SETTING_DURATION, .fallback = "5m", .most = 30LL * DAY_MS,
        .help = "An incremental sync begins so long before its watermark." },
    [SYNCD_SAFETY_LAG] = {
        .name = "safety-lag", .type = SETTING_DURATION, .fallback = "0", .most = DAY_MS,
        .help = "A sync ends so long before its own start." },
    [SYNCD_ATTEMPTS_MAX] = {
        .name = "attempts-max", .type = SETTING_NUMBER, .fallback = "20", .least = 1,
        .most = 1000, .help = "Hard bound on the attempts of one job." },
    [SYNCD_EXPIRIES_MAX] = {
        .name = "expiries-max", .type = SETTING_NUMBER, .fallback = "5", .least = 1,
        .most = 1000, .help = "So many lost leases in a row fail a job." },
    [SYNCD_ORGS_MAX] = {
        .name = "orgs-max", .type = SETTING_NUMBER, .fallback = "100000", .least = 1,
        .most = 10000000, .help = "Organisations, created at their first use." },
    [SYNCD_KEEP_COMPLETED] = {
        .name = "keep-completed", .type = SETTING_DURATION, .fallback = "7d",
        .most = 36500LL * DAY_MS,
        .help = "How long completed and cancelled jobs are kept; 0 is for ever." },
    [SYNCD_KEEP_FAILED] = {
        .name = "keep-failed", .type = SETTING_DURATION, .fallback = "30d",
        .most = 36500LL * DAY_MS, .help = "How long failed jobs are kept; 0 is for ever." },
    [SYNCD_KEEP_RUNS] = {
        .name = "keep-runs", .type = SETTING_NUMBER, .fallback = "1000", .most = UINT32_MAX,
        .help = "How many completed and cancelled jobs of one sync are kept at least, and hardly"
                " more; 0 is all." },
    [SYNCD_KEEP_AUDIT] = {
        .name = "keep-audit", .type = SETTING_DURATION, .fallback = "90d",
        .most = 36500LL * DAY_MS,
        .help = "How long entries of the audit log are kept; 0 is for ever." },
    [SYNCD_AUDIT_QUEUE] = {
        .name = "audit-queue", .type = SETTING_SWITCH,
        .help = "An audit entry for each queued job, too. The job itself tells who queued it." },
    [SYNCD_DISK_FREE_MIN] = {
        .name = "disk-free-min", .type = SETTING_SIZE, .fallback = "512MiB",
        .help = "With less free on the disk of data-dir, the service calls itself degraded. With"
                " less than 64MiB it changes nothing any more." },
    [SYNCD_WATCH_HEARTBEAT] = {
        .name = "watch-heartbeat", .type = SETTING_DURATION, .fallback = "15s", .least = 100,
        .most = 3600 * SECOND_MS,
        .help = "How often a watch says that it is still there, for those who cut off silence." },
    [SYNCD_SHUTDOWN_GRACE] = {
        .name = "shutdown-grace", .type = SETTING_DURATION, .fallback = "10s",
        .most = 600 * SECOND_MS,
        .help = "After SIGTERM, how long calls may take to end. A second signal ends at once." },
    [SYNCD_CONFIG] = {
        .name = "config", .reach = SETTING_NOT_IN_FILE, .placeholder = "FILE",
        .help = "A file of lines `name = value`, named as the flags are; # begins a comment." },
    [SYNCD_CHECK_CONFIG] = {
        SETTING_FLAG("check-config"), .type = SETTING_SWITCH,
        .help = "Check the settings, say what is wrong with them, and end." },
    [SYNCD_VERSION] = {
        SETTING_FLAG("version"), .type = SETTING_SWITCH,
        .help = "Print the version." },
    [SYNCD_HELP] = {
        SETTING_FLAG("help"), .letter = 'h', .type = SETTING_SWITCH,
        .help = "Print this." },
};
/* clang-format on */

/* Only what is certainly this machine: names other than localhost may resolve
 * to anything. */
static bool is_loopback(const char *address)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon != NULL ? (size_t)(colon - address) : strlen(address);
    char host[64];
    struct in_addr v4;

    if (size >= sizeof host)
        return false;
    memcpy(host, address, size);
    host[size] = '\0';
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

static enum err check_address(const struct settings *settings, enum syncd_setting setting,
                              struct why *why)
{
    const char *name = syncd_settings[setting].name;
    const char *address = settings_text(settings, setting);

    if (strrchr(address, ':') == NULL)
        return err_because(why, ERR_INVALID, "%s: \"%.80s\" has no port; write ADDRESS:PORT", name,
                           address);
    if (is_loopback(address) || settings_text(settings, SYNCD_TLS_CLIENT_CA) != NULL ||
        settings_switch(settings, SYNCD_INSECURE_LISTEN_ANYWHERE))
        return OK;
    return err_because(why, ERR_INVALID,
                       "%s: %.40s is not a loopback address, and nobody is asked who he is: have"
                       " clients show certificates (tls-client-ca); or, if anybody who can reach it"
                       " may do everything, give --insecure-listen-anywhere",
                       name, address);
}

static enum err check_tls(const struct tls_server_options *tls, struct why *why)
{
    if ((tls->cert_file == NULL) != (tls->key_file == NULL))
        return err_because(why, ERR_INVALID, "tls-cert and tls-key go together: give both or none");
    if (tls->client_ca_file != NULL && tls->cert_file == NULL)
        return err_because(why, ERR_INVALID, "tls-client-ca needs tls-cert and tls-key");
    return OK;
}

static unsigned threads_by_default(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 4 ? 1 : (unsigned)(processors / 2);
}

static void read_queue(const struct settings *settings, struct queue_options *options)
{
    queue_options_default(options);
    options->lease_ttl_ms = settings_number(settings, SYNCD_LEASE_TTL);
    options->ack_ms = settings_number(settings, SYNCD_ACK_TIMEOUT);
    options->pause_grace_ms = settings_number(settings, SYNCD_PAUSE_GRACE);
    options->backoff_base_ms = settings_number(settings, SYNCD_BACKOFF_BASE);
    options->backoff_cap_ms = settings_number(settings, SYNCD_BACKOFF_CAP);
    options->lookback_ms = settings_number(settings, SYNCD_LOOKBACK);
    options->safety_lag_ms = settings_number(settings, SYNCD_SAFETY_LAG);
    options->attempts_max = (uint32_t)settings_number(settings, SYNCD_ATTEMPTS_MAX);
    options->expiries_max = (uint32_t)settings_number(settings, SYNCD_EXPIRIES_MAX);
    options->orgs_max = (uint32_t)settings_number(settings, SYNCD_ORGS_MAX);
    options->keep_completed_ms = settings_number(settings, SYNCD_KEEP_COMPLETED);
    options->keep_failed_ms = settings_number(settings, SYNCD_KEEP_FAILED);
    options->keep_runs = (uint32_t)settings_number(settings, SYNCD_KEEP_RUNS);
    options->keep_audit_ms = settings_number(settings, SYNCD_KEEP_AUDIT);
    options->disk_free_min_bytes = (uint64_t)settings_number(settings, SYNCD_DISK_FREE_MIN);
    options->audit_submits = settings_switch(settings, SYNCD_AUDIT_QUEUE);
}

/* A 0 that says never. */
static int64_t time_or_never(const struct settings *settings, enum syncd_setting setting)
{
    int64_t time_ms = settings_number(settings, setting);

    return time_ms > 0 ? time_ms : -1;
}

static void read_rpc(const struct settings *settings, struct rpc_limits *limits)
{
    limits->message_bytes = (size_t)settings_number(settings, SYNCD_MESSAGE_BYTES_MAX);
    limits->header_bytes = (size_t)settings_number(settings, SYNCD_RPC_HEADER_BYTES_MAX);
    limits->connection_bytes = (size_t)settings_number(settings, SYNCD_RPC_CONNECTION_MEMORY_MAX);
    limits->memory_bytes = (size_t)settings_number(settings, SYNCD_RPC_MEMORY_MAX);
    limits->connections = (unsigned)settings_number(settings, SYNCD_RPC_CONNECTIONS_MAX);
    limits->connections_per_address =
        (unsigned)settings_number(settings, SYNCD_RPC_CONNECTIONS_PER_ADDRESS);
    limits->streams = (unsigned)settings_number(settings, SYNCD_RPC_STREAMS_MAX);
    limits->handshake_ms = settings_number(settings, SYNCD_RPC_HANDSHAKE_TIMEOUT);
    limits->headers_ms = settings_number(settings, SYNCD_RPC_HEADERS_TIMEOUT);
    limits->body_ms = settings_number(settings, SYNCD_RPC_BODY_TIMEOUT);
    limits->write_ms = settings_number(settings, SYNCD_RPC_WRITE_TIMEOUT);
    limits->keepalive_ms = settings_number(settings, SYNCD_RPC_KEEPALIVE);
    limits->keepalive_timeout_ms = settings_number(settings, SYNCD_RPC_KEEPALIVE_TIMEOUT);
    limits->ping_interval_ms = time_or_never(settings, SYNCD_RPC_PING_INTERVAL_MIN);
    limits->idle_ms = time_or_never(settings, SYNCD_RPC_IDLE_MAX);
    limits->age_ms = time_or_never(settings, SYNCD_RPC_AGE_MAX);
    limits->age_grace_ms = settings_number(settings, SYNCD_RPC_AGE_GRACE);
}

static void read_http(const struct settings *settings, struct http_limits *limits)
{
    limits->connections = (unsigned)settings_number(settings, SYNCD_HTTP_CONNECTIONS_MAX);
    limits->connections_per_address =
        (unsigned)settings_number(settings, SYNCD_HTTP_CONNECTIONS_PER_ADDRESS);
    limits->requests_per_connection =
        (unsigned)settings_number(settings, SYNCD_HTTP_REQUESTS_PER_CONNECTION);
    limits->watches = (unsigned)settings_number(settings, SYNCD_HTTP_WATCHES_MAX);
    limits->head_bytes = (size_t)settings_number(settings, SYNCD_HTTP_HEAD_BYTES_MAX);
    limits->body_bytes = (size_t)settings_number(settings, SYNCD_HTTP_BODY_BYTES_MAX);
    limits->memory_bytes = (size_t)settings_number(settings, SYNCD_HTTP_MEMORY_MAX);
    limits->head_ms = settings_number(settings, SYNCD_HTTP_HEAD_TIMEOUT);
    limits->body_ms = settings_number(settings, SYNCD_HTTP_BODY_TIMEOUT);
    limits->idle_ms = settings_number(settings, SYNCD_HTTP_IDLE_TIMEOUT);
    limits->write_ms = settings_number(settings, SYNCD_HTTP_WRITE_TIMEOUT);
    limits->bytes_per_s = (unsigned)settings_number(settings, SYNCD_HTTP_BYTES_PER_SECOND_MIN);
}

enum err syncd_config_read(const struct settings *settings, struct syncd_config *config,
                           struct why *why)
{
    const char *http = settings_text(settings, SYNCD_HTTP_LISTEN);
    enum err e = check_address(settings, SYNCD_RPC_LISTEN, why);

    *config = (struct syncd_config){
        .data_directory = settings_text(settings, SYNCD_DATA_DIR),
        .rpc_address = settings_text(settings, SYNCD_RPC_LISTEN),
        .http_address = strcmp(http, "none") != 0 ? http : NULL,
        .tls = { .cert_file = settings_text(settings, SYNCD_TLS_CERT),
                 .key_file = settings_text(settings, SYNCD_TLS_KEY),
                 .client_ca_file = settings_text(settings, SYNCD_TLS_CLIENT_CA) },
        .http_hosts = settings_text(settings, SYNCD_HTTP_HOSTS),
        .ports_file = settings_text(settings, SYNCD_PORTS_FILE),
        .log_format = (enum log_format)settings_choice(settings, SYNCD_LOG_FORMAT),
        .log_level = (enum log_level)settings_choice(settings, SYNCD_LOG_LEVEL),
        .rpc_threads = (unsigned)settings_number(settings, SYNCD_RPC_THREADS),
        .store_cache_bytes = (size_t)settings_number(settings, SYNCD_STORE_CACHE),
        .store_write_buffer_bytes = (size_t)settings_number(settings, SYNCD_STORE_WRITE_BUFFER),
        .watch_heartbeat_ms = settings_number(settings, SYNCD_WATCH_HEARTBEAT),
        .shutdown_grace_ms = settings_number(settings, SYNCD_SHUTDOWN_GRACE),
    };
    read_queue(settings, &config->queue);
    read_rpc(settings, &config->rpc);
    read_http(settings, &config->http);
    if (config->rpc_threads == 0)
        config->rpc_threads = threads_by_default();
    if (e == OK && config->http_address != NULL)
        e = check_address(settings, SYNCD_HTTP_LISTEN, why);
    if (e == OK)
        e = check_tls(&config->tls, why);
    if (e == OK && config->rpc.connection_bytes < 2 * config->rpc.message_bytes)
        e = err_because(why, ERR_INVALID,
                        "rpc-connection-memory-max is less than two messages of message-bytes-max");
    if (e == OK && config->queue.backoff_cap_ms < config->queue.backoff_base_ms)
        e = err_because(why, ERR_INVALID, "backoff-cap is less than backoff-base");
    return e;
}
