#ifndef RPC_TLS_PARTS_H
#define RPC_TLS_PARTS_H

#include "rpc/grpc/buffer.h"
#include "rpc/tls.h"
#include "rpc/net/tls_session.h"

#include <openssl/ssl.h>
#include <pthread.h>

/* The inside of TLS, for the files that make it: tls.c is the policy, tls_files.c
 * reads certificates and keys, tls_handshake.c agrees on who speaks what,
 * tls_session.c moves bytes, tls_failure.c knows what went wrong. */

enum tls_role { TLS_SERVER, TLS_CLIENT };

/* Why handshakes fail: labels of a metric, so few. */
enum tls_failure {
    TLS_FAILED_TIMEOUT,
    TLS_FAILED_CLOSED,           /* by the peer, in the middle */
    TLS_FAILED_NOT_TLS,          /* something else was spoken */
    TLS_FAILED_VERSION,          /* too old */
    TLS_FAILED_CIPHER,           /* nothing in common */
    TLS_FAILED_ALPN,             /* no protocol in common, or none named */
    TLS_FAILED_PEER_CERTIFICATE, /* not shown, or not accepted by us */
    TLS_FAILED_REFUSED,          /* by the peer, ours most likely */
    TLS_FAILED_OTHER,
    TLS_FAILURE_COUNT
};

struct tls_context {
    enum tls_role role;
    atomic_uint holds; /* its owner's, and one for each session */
    char *cert_file, *key_file, *ca_file;
    char *name; /* client: the server's; may be an IP address */
    bool name_is_ip;

    pthread_mutex_t lock;
    SSL_CTX *settings;         /* under the lock: replaced by a reload */
    struct timespec cert_time; /* client: of its file, when it was read; its loop's */

    atomic_int_fast64_t expiry_ms;
    atomic_uint_fast64_t handshakes, reloads;
    atomic_uint_fast64_t failures[TLS_FAILURE_COUNT];
    struct metrics_source source;
};

/* Gives a session in its role, as the settings are now. NULL if out of memory. */
SSL *tls_context_begin(struct tls_context *context);
void tls_context_hold(struct tls_context *context);

/* ---- Sessions. ---- */

enum tls_state { TLS_SHAKING, TLS_OPEN, TLS_ENDED, TLS_FAILED };

struct tls_session {
    struct tls_context *context;
    struct transport *transport;
    SSL *ssl;
    enum transport_protocol protocol;
    enum tls_state state;
    bool peer_ended;  /* the socket has no more */
    bool drained;     /* it had no more for this call */
    bool has_input;   /* the last read left some behind */
    bool needs_input; /* the last write waits for the rest of a message */
    bool is_told;     /* that it failed, by a read or by the handshake */
    bool said_goodbye;
    bool ssl_is_dead;  /* OpenSSL itself has given up */
    struct buffer out; /* records for the socket */
    int64_t opened_ms;
    int64_t whole_ms; /* when there was last no incomplete record */
    int64_t chatter;
    char peer_name[TRANSPORT_PEER_NAME_SIZE];
    char why[200];
};

/* It ends for that reason: CLOSED. */
enum transport_outcome tls_session_fail(struct tls_session *session, enum tls_failure failure,
                                        const char *why);
/* What a call of OpenSSL's that did not succeed means. */
enum transport_outcome tls_session_judge(struct tls_session *session, int result);

/* Prepares for agreeing on the protocol. False if out of memory. */
bool tls_handshake_prepare(struct tls_session *session);
/* For a server's settings. */
void tls_handshake_accept_protocols(SSL_CTX *settings);

/* ---- Files. ---- */

/* Our certificate and key. *expiry_ms: when the certificate ends. */
MUST_USE enum err tls_use_identity(SSL_CTX *settings, const char *cert_file, const char *key_file,
                                   int64_t *expiry_ms, struct why *why);
/* Whom to trust; file NULL: whom the system trusts. */
MUST_USE enum err tls_use_authorities(SSL_CTX *settings, const char *setting, const char *file,
                                      struct why *why);

/* ---- Failures. ---- */

/* What the last failed call left in the thread's queue of errors. */
enum tls_failure tls_failure_of(unsigned long error);
/* For a person. */
void tls_failure_describe(const SSL *ssl, unsigned long error, char *text, size_t room);

#endif
