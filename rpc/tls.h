#ifndef RPC_TLS_H
#define RPC_TLS_H

#include "core/base/err.h"
#include "core/base/metrics.h"

/* What one side must have to speak TLS: its certificate and key, whom it trusts,
 * and our policy, which has no switches: TLS 1.2 and 1.3; ephemeral keys and
 * AEAD ciphers only, so that nothing of RFC 9113's appendix A can come up; no
 * renegotiation, compression, resumption or early data; peers that must show a
 * certificate are always verified, servers by their name, too.
 *
 * Files are PEM, read when it is made and at each reload. Wrong ones are told
 * as ERR_INVALID, by the setting's name, the file's, and what to do about it.
 *
 * Threads     Sessions are made from it on any thread, also during a reload. */

struct tls_context;

struct tls_server_options {
    const char *cert_file;      /* tls-cert: the server's own first, then those above it */
    const char *key_file;       /* tls-key: readable for its owner only */
    const char *client_ca_file; /* tls-client-ca: clients must show a certificate of one of
                                   these; NULL: they are not asked */
};

MUST_USE enum err tls_server_new(const struct tls_server_options *options,
                                 struct tls_context **context, struct why *why);

/* Reads the files again, for the sessions that begin from now on. Unless it is
 * OK, everything stays as it is. */
MUST_USE enum err tls_server_reload(struct tls_context *context, struct why *why);

/* A client's certificate and key are read again when the certificate's file has
 * changed, as it connects; unless they are right, the old ones stay. */
struct tls_client_options {
    const char *ca_file;              /* tls-ca: whom to trust; NULL: whom the system trusts */
    const char *cert_file, *key_file; /* tls-cert, tls-key; NULL: none to show */
    const char *server_name;          /* tls-server-name; NULL: the address's host */
};

/* address: "example.org:9470", "[::1]:9470". */
MUST_USE enum err tls_client_new(const struct tls_client_options *options, const char *address,
                                 struct tls_context **context, struct why *why);

/* Leaves it to the sessions that still use it. NULL is fine. */
void tls_context_free(struct tls_context *context);

/* When its own certificate ends, ms since 1970; 0: it has none. */
int64_t tls_context_expiry_ms(const struct tls_context *context);

/* Handshakes, failures by their reasons, the certificate's end. Lent. */
struct metrics_source *tls_metrics_source(struct tls_context *context);

#endif
