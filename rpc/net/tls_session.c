#include "rpc/net/tls_parts.h"

#include "rpc/loop.h"

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

enum transport_outcome tls_session_fail(struct tls_session *session, enum tls_failure failure,
                                        const char *why)
{
    if (session->state == TLS_FAILED)
        return TRANSPORT_CLOSED;
    if (session->state == TLS_SHAKING)
        atomic_fetch_add(&session->context->failures[failure], 1);
    if (why != session->why)
        snprintf(session->why, sizeof session->why, "%s", why);
    session->state = TLS_FAILED;
    session->transport->is_broken = true;
    return TRANSPORT_CLOSED;
}

static enum transport_outcome end(struct tls_session *session)
{
    if (session->state == TLS_SHAKING)
        return tls_session_fail(session, TLS_FAILED_CLOSED,
                                "the peer closed the connection in TLS's handshake");
    session->state = TLS_ENDED;
    return TRANSPORT_CLOSED;
}

enum transport_outcome tls_session_judge(struct tls_session *session, int result)
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
    session->ssl_is_dead = true;
    error = ERR_peek_last_error();
    if (error == 0 && chatters(session))
        return tls_session_fail(session, TLS_FAILED_OTHER, "TLS: the peer goes on negotiating");
    if (error == 0)
        return end(session);
    tls_failure_describe(session->ssl, error, session->why, sizeof session->why);
    return tls_session_fail(session, tls_failure_of(error), session->why);
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
    if (!is_write && type == SSL3_RT_HANDSHAKE && session->state == TLS_OPEN)
        session->chatter++;
}

/* ---- Bytes. ---- */

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
            outcome = tls_session_judge(session, result);
    }
    if (*size > 0 || SSL_has_pending(session->ssl) == 0)
        session->whole_ms = loop_mono_ms();
    return outcome;
}

/* An end behind bytes is told by the next read. */
static bool has_more(const struct tls_session *session, bool was_filled)
{
    return was_filled || session->state == TLS_ENDED ||
           (session->state == TLS_FAILED && !session->is_told);
}

enum transport_outcome tls_session_read(struct tls_session *session, uint8_t *data, size_t room,
                                        size_t *size)
{
    enum transport_outcome outcome = TRANSPORT_CLOSED;

    *size = 0;
    if (session->state == TLS_FAILED && session->is_told)
        return transport_receive(session->transport, data, room, size);
    if (session->state == TLS_OPEN)
        outcome = read_records(session, data, room, size);
    (void)tls_session_flush(session); /* replies */
    if (*size > 0)
        outcome = TRANSPORT_DONE;
    session->is_told = session->state == TLS_FAILED && outcome == TRANSPORT_CLOSED;
    session->has_input = has_more(session, *size == room);
    return outcome;
}

bool tls_session_has_input(const struct tls_session *session)
{
    return session->has_input;
}

int64_t tls_session_stuck_since_ms(const struct tls_session *session)
{
    bool is_stuck =
        session->state == TLS_OPEN && !session->has_input && SSL_has_pending(session->ssl) == 1;

    return is_stuck ? session->whole_ms : INT64_MAX;
}

static enum transport_outcome write_records(struct tls_session *session, struct bytes bytes,
                                            size_t *size)
{
    size_t extra = (bytes.size / RECORD_BYTES + 1) * RECORD_EXTRA;
    int result;

    if (buffer_room(&session->out, bytes.size + extra) == NULL)
        return tls_session_fail(session, TLS_FAILED_OTHER, "out of memory");
    ERR_clear_error();
    result = SSL_write_ex(session->ssl, bytes.data, bytes.size, size);
    return result == 1 ? TRANSPORT_DONE : tls_session_judge(session, result);
}

bool tls_session_needs_input(const struct tls_session *session)
{
    return session->needs_input;
}

enum transport_outcome tls_session_write(struct tls_session *session, struct bytes bytes,
                                         size_t *size)
{
    enum transport_outcome outcome = tls_session_flush(session);

    *size = 0;
    session->needs_input = false;
    if (outcome != TRANSPORT_DONE)
        return outcome;
    if (session->state == TLS_SHAKING || session->state == TLS_FAILED)
        return session->state == TLS_SHAKING ? TRANSPORT_BLOCKED : TRANSPORT_CLOSED;
    if (bytes.size > WRITE_BYTES_MAX)
        bytes.size = WRITE_BYTES_MAX;
    outcome = write_records(session, bytes, size);
    session->needs_input = outcome == TRANSPORT_BLOCKED; /* the buffer takes all */
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
            return tls_session_fail(session, TLS_FAILED_CLOSED, "the peer closed the connection");
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
    if (session->said_goodbye || session->ssl_is_dead || !SSL_is_init_finished(session->ssl))
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
    session->ssl = tls_context_begin(session->context);
    if (session->ssl == NULL || !give_socket(session))
        return false;
    SSL_set_msg_callback(session->ssl, count_message);
    SSL_set_msg_callback_arg(session->ssl, session);
    return tls_handshake_prepare(session);
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
    session->state = TLS_FAILED;
    tls_session_free(session);
    return NULL;
}

void tls_session_free(struct tls_session *session)
{
    if (session->state == TLS_SHAKING)
        tls_session_fail(session, TLS_FAILED_TIMEOUT, "TLS's handshake was broken off");
    SSL_free(session->ssl);
    buffer_clear(&session->out, 0);
    tls_context_free(session->context);
    ERR_clear_error();
    free(session);
}
