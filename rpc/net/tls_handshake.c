#include "rpc/net/tls_parts.h"

#include "rpc/loop.h"

#include <openssl/err.h>

/* The handshake: which protocol is spoken, and with whom. */

/* ---- ALPN (RFC 7301). ---- */

/* As on the wire: its length first. */
static const char *protocol_name(enum transport_protocol protocol)
{
    return protocol == TRANSPORT_HTTP2 ? "\x02h2" : "\x08http/1.1";
}

/* A server that speaks nothing of what is offered says so and ends. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                           const unsigned char *offered, unsigned offered_size, void *context)
{
    const char *own = SSL_get_app_data(ssl);
    unsigned char *found;

    (void)context;
    if (SSL_select_next_proto(&found, chosen_size, (const unsigned char *)own,
                              (unsigned)strlen(own), offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static bool protocol_is_agreed(const struct tls_session *session)
{
    const char *own = protocol_name(session->protocol);
    const unsigned char *agreed;
    unsigned size;

    SSL_get0_alpn_selected(session->ssl, &agreed, &size);
    if (size == 0)
        return session->protocol == TRANSPORT_HTTP1;
    return size == strlen(own + 1) && memcmp(agreed, own + 1, size) == 0;
}

/* ---- Names. ---- */

/* Names end up in logs and in the audit. */
static bool is_fit(const unsigned char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (name[i] < ' ' || name[i] == 0x7f)
            return false;
    return size > 0 && size < TRANSPORT_PEER_NAME_SIZE;
}

static void note_peer_name(struct tls_session *session)
{
    X509_NAME *subject = X509_get_subject_name(SSL_get0_peer_certificate(session->ssl));
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *name = NULL;
    int size;

    if (at < 0)
        return;
    size = ASN1_STRING_to_UTF8(&name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size > 0 && is_fit(name, (size_t)size))
        memcpy(session->peer_name, name, (size_t)size);
    OPENSSL_free(name);
}

/* ---- Its steps. ---- */

static enum transport_outcome finish_handshake(struct tls_session *session)
{
    bool names_peer = session->context->role == TLS_SERVER && session->context->ca_file != NULL;

    if (names_peer)
        note_peer_name(session);
    if (names_peer && session->peer_name[0] == '\0') /* it could not be told from others */
        return tls_session_fail(session, TLS_FAILED_PEER_CERTIFICATE,
                                "TLS: the peer's certificate has no fit common name");
    if (!protocol_is_agreed(session))
        return tls_session_fail(session, TLS_FAILED_ALPN,
                                "TLS: the peer does not agree on HTTP/2 (ALPN h2)");
    session->state = TLS_OPEN;
    session->has_input = true; /* perhaps, behind the handshake's last message */
    session->opened_ms = session->whole_ms = loop_mono_ms();
    atomic_fetch_add(&session->context->handshakes, 1);
    return TRANSPORT_DONE;
}

enum transport_outcome tls_session_handshake(struct tls_session *session)
{
    enum transport_outcome outcome;
    int result;

    if (session->state != TLS_SHAKING)
        return session->state == TLS_OPEN ? TRANSPORT_DONE : TRANSPORT_CLOSED;
    ERR_clear_error();
    session->drained = false;
    result = SSL_do_handshake(session->ssl);
    outcome = result == 1 ? finish_handshake(session) : tls_session_judge(session, result);
    session->is_told = outcome == TRANSPORT_CLOSED;
    (void)tls_session_flush(session); /* an alert, even if it failed */
    return outcome;
}

bool tls_handshake_prepare(struct tls_session *session)
{
    const char *name = protocol_name(session->protocol);

    SSL_set_app_data(session->ssl, (void *)(uintptr_t)name);
    return session->context->role == TLS_SERVER ||
           SSL_set_alpn_protos(session->ssl, (const unsigned char *)name, (unsigned)strlen(name)) ==
               0;
}

void tls_handshake_accept_protocols(SSL_CTX *settings)
{
    SSL_CTX_set_alpn_select_cb(settings, choose_protocol, NULL);
}
