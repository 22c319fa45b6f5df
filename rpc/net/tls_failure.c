#include "rpc/net/tls_parts.h"

#include <openssl/err.h>
#include <stdio.h>

/* What went wrong between two who tried to speak TLS: as one of a few reasons, to
 * be counted, and as a sentence. */

static const char *const names[TLS_FAILURE_COUNT] = {
    [TLS_FAILED_TIMEOUT] = "timeout",
    [TLS_FAILED_CLOSED] = "closed",
    [TLS_FAILED_NOT_TLS] = "not_tls",
    [TLS_FAILED_VERSION] = "version",
    [TLS_FAILED_CIPHER] = "cipher",
    [TLS_FAILED_ALPN] = "alpn",
    [TLS_FAILED_PEER_CERTIFICATE] = "peer_certificate",
    [TLS_FAILED_REFUSED] = "refused_by_peer",
    [TLS_FAILED_OTHER] = "other",
};

enum tls_failure tls_failure_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);

    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return TLS_FAILED_OTHER;
    switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER: /* of a record: the first bytes are no TLS */
        return TLS_FAILED_NOT_TLS;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
        return TLS_FAILED_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        return TLS_FAILED_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return TLS_FAILED_ALPN;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return TLS_FAILED_PEER_CERTIFICATE;
    default:
        return reason > SSL_AD_REASON_OFFSET ? TLS_FAILED_REFUSED : TLS_FAILED_OTHER;
    }
}

static const char *text_of(unsigned long error)
{
    const char *text = ERR_reason_error_string(error);

    return text != NULL ? text : "it broke";
}

static void describe_certificate(const SSL *ssl, char *text, size_t room)
{
    snprintf(text, room, "TLS: the peer's certificate is not accepted: %s",
             X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
}

void tls_failure_describe(const SSL *ssl, unsigned long error, char *text, size_t room)
{
    switch (tls_failure_of(error)) {
    case TLS_FAILED_NOT_TLS:
        snprintf(text, room, "TLS: the peer speaks something else");
        break;
    case TLS_FAILED_PEER_CERTIFICATE:
        if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
            describe_certificate(ssl, text, room);
        else
            snprintf(text, room, "TLS: the peer shows no certificate");
        break;
    case TLS_FAILED_REFUSED:
        snprintf(text, room, "TLS: the peer refuses: %s", text_of(error));
        break;
    case TLS_FAILED_TIMEOUT:
    case TLS_FAILED_CLOSED:
    case TLS_FAILED_VERSION:
    case TLS_FAILED_CIPHER:
    case TLS_FAILED_ALPN:
    case TLS_FAILED_OTHER:
    case TLS_FAILURE_COUNT:
    default:
        snprintf(text, room, "TLS: %s", text_of(error));
    }
}

/* ---- Metrics. ---- */

static struct tls_context *context_of(struct metrics_source *source)
{
    return container_of(source, struct tls_context, source);
}

static void write_metrics(struct metrics_source *source, struct metrics_text *text)
{
    struct tls_context *context = context_of(source);

    metrics_value(text, METRIC_COUNTER, "sync_tls_handshakes_total",
                  "TLS handshakes that succeeded.", atomic_load(&context->handshakes));
    metrics_family(text, METRIC_COUNTER, "sync_tls_handshake_failures_total",
                   "TLS handshakes that failed.");
    for (unsigned i = 0; i < TLS_FAILURE_COUNT; i++)
        metrics_sample(text, "sync_tls_handshake_failures_total",
                       (struct metric_label[METRICS_LABELS_MAX]){ { "reason", names[i] } },
                       atomic_load(&context->failures[i]));
    metrics_value(text, METRIC_GAUGE, "sync_tls_certificate_expiry_timestamp_seconds",
                  "When the server's certificate ends.",
                  (uint64_t)tls_context_expiry_ms(context) / 1000);
    metrics_value(text, METRIC_COUNTER, "sync_tls_reloads_total",
                  "Times that certificates were read again.", atomic_load(&context->reloads));
}

struct metrics_source *tls_metrics_source(struct tls_context *context)
{
    context->source.write = write_metrics;
    return &context->source;
}
