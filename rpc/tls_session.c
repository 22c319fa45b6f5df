#include "rpc/tls_session.h"

#include "rpc/buffer.h"
#include "rpc/loop.h"
#include "rpc/tls_parts.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

/* OpenSSL reads straight from the socket and writes into a buffer, from where all
 * records of a call go out in one write. What the peer can make us do, and answer,
 * without saying anything is bounded: messages of the handshake's kind (key updates,
 * renegotiations) that come when the handshake is over. */

enum {
    WRITE_BYTES_MAX = 64 << 10, /* encrypted at a time */
    RECORD_EXTRA = 64,          /* at most what a record adds */
    RECORD_BYTES = 16 << 10,    /* and what it holds */
    CHATTER_MAX = 64,           /* messages; one more for each second */
};

enum state { SHAKING, OPEN, ENDED, FAILED };

struct tls_session {
    struct tls_context *context;
    struct transport *transport;
    SSL *ssl;
    enum transport_protocol protocol;
    enum state state;
    bool peer_ended; /* the socket has no more */
    bool drained;    /* it had no more for this call */
    bool has_input;  /* the last read left some behind */
    bool said_goodbye;
    struct buffer out; /* records for the socket */
    int64_t opened_ms;
    int64_t whole_ms; /* when there was last no incomplete record */
    int64_t chatter;
    char peer_name[TRANSPORT_PEER_NAME_SIZE];
    char why[200];
};

static bool chatters(const struct tls_session *session)
{
    return session->chatter > CHATTER_MAX &&
           session->chatter > CHATTER_MAX + (loop_mono_ms() - session->opened_ms) / 1000;
}

/* ---- The socket, as OpenSSL sees it. ---- */

static int read_socket(BIO *bio, char *data, size_t room, size_t *size)
{
    struct tls_session *session = BIO_get_data(bio);
    enum transport_outcome outcome = TRANSPORT_BLOCKED;

    *size = 0;
    BIO_clear_retry_flags(bio);
    if (chatters(session))
        return 0; /* before OpenSSL deals with still more of it */
    if (!session->drained)
        outcome = transport_receive(session->transport, (uint8_t *)data, room, size);
    session->drained = *size < room; /* asking again would only tell so */
    if (outcome == TRANSPORT_BLOCKED)
        BIO_set_retry_read(bio);
    if (outcome == TRANSPORT_CLOSED)
        session->peer_ended = true;
    return outcome == TRANSPORT_DONE;
}

static int write_buffer(BIO *bio, const char *data, size_t size, size_t *written)
{
    struct tls_session *session = BIO_get_data(bio);

    *written = 0;
    BIO_clear_retry_flags(bio);
    if (!buffer_append(&session->out, bytes_of(data, size)))
        return 0;
    *written = size;
    return 1;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_session *session = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return session->peer_ended;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

/* Stays as long as the process, as what OpenSSL itself sets up. */
static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "transport");
    if (method == NULL || BIO_meth_set_read_ex(method, read_socket) != 1 ||
        BIO_meth_set_write_ex(method, write_buffer) != 1 || BIO_meth_set_ctrl(method, control) != 1)
        abort();
}

static bool give_socket(struct tls_session *session)
{
    BIO *bio;

    pthread_once(&method_once, make_method);
    bio = BIO_new(method);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    return true;
}

/* ---- Trouble. ---- */

static enum transport_outcome fail(struct tls_session *session, enum tls_failure failure,
                                   const char *why)
{
    if (session->state == SHAKING)
        atomic_fetch_add(&session->context->failures[failure], 1);
    if (why != session->why)
        snprintf(session->why, sizeof session->why, "%s", why);
    session->state = FAILED;
    session->transport->is_broken = true;
    return TRANSPORT_CLOSED;
}

static enum transport_outcome end(struct tls_session *session)
{
    if (session->state == SHAKING)
        return fail(session, TLS_FAILED_CLOSED,
                    "the peer closed the connection in TLS's handshake");
    session->state = ENDED;
    return TRANSPORT_CLOSED;
}

/* What a call that did not succeed means. */
static enum transport_outcome judge(struct tls_session *session, int result)
{
    unsigned long error;

    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TRANSPORT_BLOCKED;
    case SSL_ERROR_ZERO_RETURN:
        return end(session);
    default:
        break;
    }
    error = ERR_peek_last_error();
    if (error == 0 && chatters(session))
        return fail(session, TLS_FAILED_OTHER, "TLS: the peer goes on negotiating");
    if (error == 0)
        return end(session);
    tls_failure_describe(session->ssl, error, session->why, sizeof session->why);
    return fail(session, tls_failure_of(error), session->why);
}

/* Called with each message that arrives or leaves. */
static void count_message(int is_write, int version, int type, const void *message, size_t size,
                          SSL *ssl, void *context)
{
    struct tls_session *session = context;

    (void)version;
    (void)message;
    (void)size;
    (void)ssl;
    if (!is_write && type == SSL3_RT_HANDSHAKE && session->state == OPEN)
        session->chatter++;
}

/* ---- The handshake. ---- */

static const char *protocol_name(enum transport_protocol protocol)
{
    return protocol == TRANSPORT_HTTP2 ? "\x02h2" : "\x08http/1.1";
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

/* It ends up in logs and in the audit. */
static void write_name(char *name, const uint8_t *text, size_t size)
{
    size_t count = 0;

    for (size_t i = 0; i < size; i++)
        name[count++] = text[i] < ' ' || text[i] == 0x7f ? '?' : (char)text[i];
    name[count] = '\0';
}

static void note_peer_name(struct tls_session *session)
{
    X509 *cert = SSL_get0_peer_certificate(session->ssl);
    X509_NAME *subject = cert != NULL ? X509_get_subject_name(cert) : NULL;
    int at = subject != NULL ? X509_NAME_get_index_by_NID(subject, NID_commonName, -1) : -1;
    unsigned char *text = NULL;
    int size;

    if (at < 0)
        return;
    size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size > 0 && (size_t)size < sizeof session->peer_name)
        write_name(session->peer_name, text, (size_t)size);
    OPENSSL_free(text);
}

/* Who shows a certificate without a name could not be told from others. */
static enum transport_outcome finish_handshake(struct tls_session *session)
{
    bool names_peer = session->context->role == TLS_SERVER && session->context->ca_file != NULL;

    if (!protocol_is_agreed(session)) {
        session->state = OPEN;
        tls_session_say_goodbye(session);
        session->state = SHAKING;
        return fail(session, TLS_FAILED_ALPN, "TLS: the peer does not agree on HTTP/2 (ALPN h2)");
    }
    note_peer_name(session);
    if (names_peer && session->peer_name[0] == '\0')
        return fail(session, TLS_FAILED_PEER_CERTIFICATE,
                    "TLS: the peer's certificate has no common name, or a very long one");
    session->state = OPEN;
    session->has_input = true; /* perhaps, behind the handshake's last message */
    session->opened_ms = session->whole_ms = loop_mono_ms();
    atomic_fetch_add(&session->context->handshakes, 1);
    return TRANSPORT_DONE;
}

enum transport_outcome tls_session_handshake(struct tls_session *session)
{
    enum transport_outcome outcome;
    int result;

    if (session->state != SHAKING)
        return session->state == OPEN ? TRANSPORT_DONE : TRANSPORT_CLOSED;
    ERR_clear_error();
    session->drained = false;
    result = SSL_do_handshake(session->ssl);
    outcome = result == 1 ? finish_handshake(session) : judge(session, result);
    (void)tls_session_flush(session); /* an alert, even if it failed */
    return outcome;
}

/* ---- Bytes. ---- */

/* Whatever comes after a failure is read past. */
static enum transport_outcome read_records(struct tls_session *session, uint8_t *data, size_t room,
                                           size_t *size)
{
    enum transport_outcome outcome = TRANSPORT_DONE;

    ERR_clear_error();
    session->drained = false;
    while (*size < room && outcome == TRANSPORT_DONE) {
        size_t part = 0;
        int result = SSL_read_ex(session->ssl, data + *size, room - *size, &part);

        *size += part;
        if (result != 1)
            outcome = judge(session, result);
    }
    session->has_input = *size == room || session->state == ENDED;
    return outcome;
}

enum transport_outcome tls_session_read(struct tls_session *session, uint8_t *data, size_t room,
                                        size_t *size)
{
    enum transport_outcome outcome;

    *size = 0;
    if (session->state == FAILED)
        return transport_receive(session->transport, data, room, size);
    if (session->state == ENDED)
        return TRANSPORT_CLOSED;
    outcome = read_records(session, data, room, size);
    if (*size > 0 || SSL_has_pending(session->ssl) == 0)
        session->whole_ms = loop_mono_ms();
    (void)tls_session_flush(session); /* replies; trouble is told by the next write */
    return *size > 0 ? TRANSPORT_DONE : outcome;
}

bool tls_session_has_input(const struct tls_session *session)
{
    return session->has_input;
}

int64_t tls_session_stuck_since_ms(const struct tls_session *session)
{
    bool is_stuck =
        session->state == OPEN && !session->has_input && SSL_has_pending(session->ssl) == 1;

    return is_stuck ? session->whole_ms : INT64_MAX;
}

static enum transport_outcome write_records(struct tls_session *session, struct bytes bytes,
                                            size_t *size)
{
    size_t extra = (bytes.size / RECORD_BYTES + 1) * RECORD_EXTRA;
    int result;

    if (buffer_room(&session->out, bytes.size + extra) == NULL)
        return fail(session, TLS_FAILED_OTHER, "out of memory");
    ERR_clear_error();
    result = SSL_write_ex(session->ssl, bytes.data, bytes.size, size);
    return result == 1 ? TRANSPORT_DONE : judge(session, result);
}

enum transport_outcome tls_session_write(struct tls_session *session, struct bytes bytes,
                                         size_t *size)
{
    enum transport_outcome outcome = tls_session_flush(session);

    *size = 0;
    if (outcome != TRANSPORT_DONE)
        return outcome;
    if (session->state == SHAKING || session->state == FAILED)
        return session->state == SHAKING ? TRANSPORT_BLOCKED : TRANSPORT_CLOSED;
    if (bytes.size > WRITE_BYTES_MAX)
        bytes.size = WRITE_BYTES_MAX;
    outcome = write_records(session, bytes, size);
    if (outcome == TRANSPORT_DONE && tls_session_flush(session) == TRANSPORT_CLOSED)
        return TRANSPORT_CLOSED;
    return outcome;
}

enum transport_outcome tls_session_flush(struct tls_session *session)
{
    while (buffer_size(&session->out) > 0) {
        size_t size;
        enum transport_outcome outcome =
            transport_send(session->transport, buffer_bytes(&session->out), &size);

        if (outcome == TRANSPORT_BLOCKED)
            return outcome;
        if (outcome == TRANSPORT_CLOSED)
            return fail(session, TLS_FAILED_CLOSED, "the peer closed the connection");
        buffer_take(&session->out, size);
    }
    buffer_clear(&session->out, 0);
    return TRANSPORT_DONE;
}

bool tls_session_has_unsent(const struct tls_session *session)
{
    return buffer_size(&session->out) > 0;
}

void tls_session_say_goodbye(struct tls_session *session)
{
    if (session->said_goodbye || (session->state != OPEN && session->state != ENDED))
        return;
    session->said_goodbye = true;
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    (void)tls_session_flush(session);
}

/* ---- Beginning and end. ---- */

const char *tls_session_why(const struct tls_session *session)
{
    return session->why[0] != '\0' ? session->why : "the peer closed the connection";
}

const char *tls_session_peer_name(const struct tls_session *session)
{
    return session->peer_name[0] != '\0' ? session->peer_name : NULL;
}

static bool set_up(struct tls_session *session)
{
    const char *name = protocol_name(session->protocol);

    session->ssl = tls_context_begin(session->context);
    if (session->ssl == NULL || !give_socket(session))
        return false;
    SSL_set_app_data(session->ssl, (void *)(uintptr_t)name);
    SSL_set_msg_callback(session->ssl, count_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    return session->context->role == TLS_SERVER ||
           SSL_set_alpn_protos(session->ssl, (const unsigned char *)name, (unsigned)strlen(name)) ==
               0;
}

struct tls_session *tls_session_new(struct tls_context *context, struct transport *transport,
                                    enum transport_protocol protocol)
{
    struct tls_session *session = calloc(1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->context = context;
    session->transport = transport;
    session->protocol = protocol;
    tls_context_hold(context);
    if (set_up(session))
        return session;
    session->state = FAILED;
    tls_session_free(session);
    return NULL;
}

void tls_session_free(struct tls_session *session)
{
    if (session->state == SHAKING)
        fail(session, TLS_FAILED_TIMEOUT, "TLS's handshake was broken off");
    SSL_free(session->ssl);
    buffer_clear(&session->out, 0);
    tls_context_free(session->context);
    ERR_clear_error();
    free(session);
}
