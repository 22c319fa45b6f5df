#include "rpc/net/tls_parts.h"

#include "core/base/log.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The policy, in one place for both sides; and contexts, which remember their
 * files so that they can be read again. */

/* Ephemeral keys and AEAD only: of TLS 1.2's ciphers, those that HTTP/2 does not
 * forbid (RFC 9113, appendix A). The server's order counts. P-384 is there for
 * certificates whose own key is on it. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384";
static const char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:"
                                 "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
                                 "RSA+SHA256:RSA+SHA384:RSA+SHA512";

/* Connections are few and long, so resumption would save little, and there is no
 * key of tickets whose theft would open what was recorded. A peer that closes
 * without saying so cuts off nothing unnoticed: HTTP says where its messages end. */
static const uint64_t switches = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
enum { SECURITY_LEVEL = 2 }; /* of 112 bits and more */

static bool set_policy(SSL_CTX *settings)
{
    SSL_CTX_set_security_level(settings, SECURITY_LEVEL);
    SSL_CTX_set_options(settings, switches);
    SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(settings, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(settings, 1);
    return SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(settings, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(settings, 0) == 1 &&
           SSL_CTX_set_max_early_data(settings, 0) == 1 &&
           SSL_CTX_set_cipher_list(settings, ciphers) == 1 &&
           SSL_CTX_set_ciphersuites(settings, suites) == 1 &&
           SSL_CTX_set1_groups_list(settings, groups) == 1 &&
           SSL_CTX_set1_sigalgs_list(settings, signatures) == 1;
}

static SSL_CTX *new_settings(enum tls_role role)
{
    SSL_CTX *settings = SSL_CTX_new(role == TLS_SERVER ? TLS_server_method() : TLS_client_method());

    if (settings != NULL && set_policy(settings))
        return settings;
    SSL_CTX_free(settings);
    return NULL;
}

/* ---- Contexts. ---- */

static enum err make_server_settings(const struct tls_context *context, SSL_CTX **made,
                                     int64_t *expiry_ms, struct why *why)
{
    SSL_CTX *settings = new_settings(TLS_SERVER);
    enum err e;

    *made = settings;
    if (settings == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    tls_handshake_accept_protocols(settings);
    e = tls_use_identity(settings, context->cert_file, context->key_file, expiry_ms, why);
    if (e != OK || context->ca_file == NULL)
        return e;
    e = tls_use_authorities(settings, "tls-client-ca", context->ca_file, why);
    if (e == OK)
        SSL_CTX_set_client_CA_list(settings, SSL_load_client_CA_file(context->ca_file));
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return e;
}

static enum err make_client_settings(const struct tls_context *context, SSL_CTX **made,
                                     int64_t *expiry_ms, struct why *why)
{
    SSL_CTX *settings = new_settings(TLS_CLIENT);
    enum err e;

    *made = settings;
    if (settings == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
    e = tls_use_authorities(settings, "tls-ca", context->ca_file, why);
    if (e != OK || context->cert_file == NULL)
        return e;
    return tls_use_identity(settings, context->cert_file, context->key_file, expiry_ms, why);
}

/* Makes the settings from the files and puts them in the place of the old. */
static enum err load(struct tls_context *context, struct why *why)
{
    SSL_CTX *settings, *old;
    int64_t expiry_ms = 0;
    enum err e = context->role == TLS_SERVER
                     ? make_server_settings(context, &settings, &expiry_ms, why)
                     : make_client_settings(context, &settings, &expiry_ms, why);

    ERR_clear_error();
    if (e != OK) {
        SSL_CTX_free(settings);
        return e;
    }
    atomic_store(&context->expiry_ms, expiry_ms);
    pthread_mutex_lock(&context->lock);
    old = context->settings;
    context->settings = settings;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(old);
    return OK;
}

static bool has_changed(const struct tls_context *context, struct timespec *time)
{
    struct stat status;

    if (stat(context->cert_file, &status) != 0)
        return false;
    *time = status.st_mtim;
    return time->tv_sec != context->cert_time.tv_sec || time->tv_nsec != context->cert_time.tv_nsec;
}

static bool copy(char **copied, const char *text)
{
    *copied = text != NULL ? strdup(text) : NULL;
    return text == NULL || *copied != NULL;
}

static struct tls_context *new_context(enum tls_role role, const char *cert_file,
                                       const char *key_file, const char *ca_file)
{
    struct tls_context *context = calloc(1, sizeof *context);

    if (context == NULL)
        return NULL;
    context->role = role;
    context->holds = 1;
    pthread_mutex_init(&context->lock, NULL);
    if (copy(&context->cert_file, cert_file) && copy(&context->key_file, key_file) &&
        copy(&context->ca_file, ca_file))
        return context;
    tls_context_free(context);
    return NULL;
}

static enum err finish(struct tls_context *context, struct tls_context **finished, struct why *why)
{
    enum err e = load(context, why);

    if (e == OK)
        *finished = context;
    else
        tls_context_free(context);
    return e;
}

enum err tls_server_new(const struct tls_server_options *options, struct tls_context **context,
                        struct why *why)
{
    struct tls_context *made =
        new_context(TLS_SERVER, options->cert_file, options->key_file, options->client_ca_file);

    if (made == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    return finish(made, context, why);
}

enum err tls_server_reload(struct tls_context *context, struct why *why)
{
    enum err e = load(context, why);

    if (e == OK)
        atomic_fetch_add(&context->reloads, 1);
    return e;
}

/* The host of "example.org:9470" or "[::1]:9470". NULL if out of memory. */
static char *host_of(const char *address)
{
    const char *end = strrchr(address, ':');
    size_t size = end != NULL ? (size_t)(end - address) : strlen(address);

    if (size >= 2 && address[0] == '[' && address[size - 1] == ']')
        return strndup(address + 1, size - 2);
    return strndup(address, size);
}

static bool is_ip(const char *name)
{
    uint8_t number[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, number) == 1 || inet_pton(AF_INET6, name, number) == 1;
}

enum err tls_client_new(const struct tls_client_options *options, const char *address,
                        struct tls_context **context, struct why *why)
{
    struct tls_context *made;

    if ((options->cert_file == NULL) != (options->key_file == NULL))
        return err_because(why, ERR_INVALID, "tls-cert and tls-key go together: give both or none");
    made = new_context(TLS_CLIENT, options->cert_file, options->key_file, options->ca_file);
    if (made == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    made->name = options->server_name != NULL ? strdup(options->server_name) : host_of(address);
    if (made->name == NULL) {
        tls_context_free(made);
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    }
    made->name_is_ip = is_ip(made->name);
    if (made->cert_file != NULL)
        (void)has_changed(made, &made->cert_time);
    return finish(made, context, why);
}

void tls_context_hold(struct tls_context *context)
{
    atomic_fetch_add(&context->holds, 1);
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->holds, 1) > 1)
        return;
    SSL_CTX_free(context->settings);
    pthread_mutex_destroy(&context->lock);
    free(context->cert_file);
    free(context->key_file);
    free(context->ca_file);
    free(context->name);
    free(context);
}

int64_t tls_context_expiry_ms(const struct tls_context *context)
{
    return atomic_load(&context->expiry_ms);
}

/* ---- Sessions. ---- */

/* The server's name is looked for among the certificate's alternative names only:
 * that of its subject stopped counting long ago (RFC 9525). */
static bool expect_server(SSL *ssl, const struct tls_context *context)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (context->name_is_ip)
        return X509_VERIFY_PARAM_set1_ip_asc(param, context->name) == 1;
    return X509_VERIFY_PARAM_set1_host(param, context->name, 0) == 1 &&
           SSL_set_tlsext_host_name(ssl, context->name) == 1;
}

/* Certificates of clients may live for hours: whoever renews them only puts the
 * files in their place. */
static void take_renewed(struct tls_context *context)
{
    struct timespec time;
    struct why why;

    if (context->cert_file == NULL || !has_changed(context, &time))
        return;
    if (load(context, &why) == OK)
        context->cert_time = time;
    else
        log_event(LOG_WARNING, "the old certificate stays", LOG_TEXT("why", why.text));
}

SSL *tls_context_begin(struct tls_context *context)
{
    SSL *ssl;

    if (context->role == TLS_CLIENT)
        take_renewed(context);
    pthread_mutex_lock(&context->lock);
    ssl = SSL_new(context->settings);
    pthread_mutex_unlock(&context->lock);
    if (ssl == NULL)
        return NULL;
    if (context->role == TLS_SERVER) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    if (expect_server(ssl, context))
        return ssl;
    SSL_free(ssl);
    return NULL;
}
