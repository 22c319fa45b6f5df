#include "rpc/transport.h"
#include "tests/unit/rpc/tls_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two ends of a socket pair: ours and ours, or ours and a peer that OpenSSL makes
 * do what ours never would. */

enum { STEPS_MAX = 1000, PIECE = 100 * 1000 };

static char folder[CERTIFICATES_PATH_SIZE];

static int setup(void **state)
{
    (void)state;
    tls_folder_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_folder_remove(folder);
    return 0;
}

static void make_sockets(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

/* ---- Ours and ours. ---- */

struct pair {
    struct tls_context *contexts[2];
    struct transport client, server;
    enum transport_outcome client_outcome, server_outcome;
};

/* Takes the contexts. */
static void pair_open(struct pair *pair, struct tls_context *server, struct tls_context *client)
{
    int fds[2];

    *pair = (struct pair){ .contexts = { server, client } };
    make_sockets(fds);
    assert_true(transport_open(&pair->server, fds[0], server, TRANSPORT_HTTP2));
    assert_true(transport_open(&pair->client, fds[1], client, TRANSPORT_HTTP2));
}

static void pair_close(struct pair *pair)
{
    transport_close(&pair->client);
    transport_close(&pair->server);
    tls_context_free(pair->contexts[0]);
    tls_context_free(pair->contexts[1]);
}

/* Until nobody gets on any more. */
static void pair_shake_hands(struct pair *pair)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        pair->client_outcome = transport_handshake(&pair->client);
        pair->server_outcome = transport_handshake(&pair->server);
        if (pair->client_outcome != TRANSPORT_BLOCKED && pair->server_outcome != TRANSPORT_BLOCKED)
            return;
    }
}

static void pair_of(struct pair *pair, const char *cert, const char *client_ca,
                    const char *client_cert, const char *name)
{
    pair_open(pair, tls_folder_server(folder, cert, client_ca),
              tls_folder_client(folder, "ca", client_cert, name));
    pair_shake_hands(pair);
}

static void assert_open(struct pair *pair)
{
    assert_int_equal(pair->client_outcome, TRANSPORT_DONE);
    assert_int_equal(pair->server_outcome, TRANSPORT_DONE);
}

/* Sends a lot from one end to the other, which reads when it can. */
static void carry(struct transport *from, struct transport *to)
{
    static uint8_t sent[10 * PIECE], read[sizeof sent + 1];
    size_t sent_size = 0, read_size = 0, size;

    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 7 + i / 251);
    for (int i = 0; i < STEPS_MAX && read_size < sizeof sent; i++) {
        struct bytes rest = bytes_of(sent + sent_size, sizeof sent - sent_size);

        if (rest.size > 0 && transport_write(from, rest, &size) == TRANSPORT_DONE)
            sent_size += size;
        assert_int_not_equal(transport_flush(from), TRANSPORT_CLOSED);
        if (transport_read(to, read + read_size, sizeof read - read_size, &size) == TRANSPORT_DONE)
            read_size += size;
    }
    assert_int_equal(read_size, sizeof sent);
    assert_memory_equal(sent, read, sizeof sent);
    assert_false(transport_has_unsent(from));
}

static void bytes_go_both_ways(void **state)
{
    struct pair pair;

    (void)state;
    pair_of(&pair, "server", NULL, NULL, "localhost");
    assert_open(&pair);
    assert_null(transport_peer_name(&pair.server));
    carry(&pair.client, &pair.server);
    carry(&pair.server, &pair.client);
    pair_close(&pair);
}

/* One read is not the end, though the socket has no more. */
static void what_is_left_behind_is_told(void **state)
{
    struct pair pair;
    uint8_t bytes[100] = { 0 };
    size_t size;

    (void)state;
    pair_of(&pair, "server", NULL, NULL, "localhost");
    assert_int_equal(transport_write(&pair.client, bytes_of(bytes, sizeof bytes), &size),
                     TRANSPORT_DONE);
    for (int left = 100; left > 0; left -= 10) {
        assert_true(transport_has_input(&pair.server));
        assert_int_equal(transport_read(&pair.server, bytes, 10, &size), TRANSPORT_DONE);
        assert_int_equal(size, 10);
    }
    assert_int_equal(transport_read(&pair.server, bytes, 10, &size), TRANSPORT_BLOCKED);
    assert_false(transport_has_input(&pair.server));
    pair_close(&pair);
}

static void the_end_is_told_and_is_no_break(void **state)
{
    struct pair pair;
    uint8_t byte;
    size_t size;

    (void)state;
    pair_of(&pair, "server", NULL, NULL, "localhost");
    assert_int_equal(transport_write(&pair.client, bytes_of("x", 1), &size), TRANSPORT_DONE);
    transport_shut_down(&pair.client);
    assert_int_equal(transport_read(&pair.server, &byte, 1, &size), TRANSPORT_DONE);
    assert_true(transport_has_input(&pair.server));
    assert_int_equal(transport_read(&pair.server, &byte, 1, &size), TRANSPORT_CLOSED);
    assert_false(pair.server.is_broken);
    carry(&pair.server, &pair.client); /* the other direction goes on */
    pair_close(&pair);
}

static void names_and_addresses_are_verified(void **state)
{
    static const struct {
        const char *cert, *name, *problem; /* NULL: accepted */
    } cases[] = {
        { "server", "localhost", NULL },
        { "server", "127.0.0.1", NULL },
        { "server", "::1", NULL },
        { "server", "127.0.0.2", "IP address mismatch" },
        { "server", "example.org", "hostname mismatch" },
        { "elsewhere", "elsewhere.example", NULL },
        { "elsewhere", "localhost", "hostname mismatch" },
        { "nameless", "localhost", "hostname mismatch" }, /* a common name is no name */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair pair;

        pair_of(&pair, cases[i].cert, NULL, NULL, cases[i].name);
        if (cases[i].problem == NULL) {
            assert_open(&pair);
        } else {
            assert_int_equal(pair.client_outcome, TRANSPORT_CLOSED);
            assert_non_null(strstr(transport_why(&pair.client), cases[i].problem));
        }
        pair_close(&pair);
    }
}

static void a_server_of_another_authority_is_refused(void **state)
{
    struct pair pair;

    (void)state;
    pair_open(&pair, tls_folder_server(folder, "server", NULL),
              tls_folder_client(folder, "other-ca", NULL, "localhost"));
    pair_shake_hands(&pair);
    assert_int_equal(pair.client_outcome, TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&pair.client), "issuer"));
    assert_int_equal(pair.server_outcome, TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&pair.server), "unknown ca"));
    pair_close(&pair);
}

static void a_client_is_known_by_its_certificate(void **state)
{
    struct pair pair;

    (void)state;
    pair_of(&pair, "server", "ca", "alice", "localhost");
    assert_open(&pair);
    assert_string_equal(transport_peer_name(&pair.server), "alice");
    pair_close(&pair);
}

/* In TLS 1.3 the client believes to be done before it is refused: it learns it
 * when it reads. */
static void clients_without_a_good_certificate_are_refused(void **state)
{
    static const struct {
        const char *cert, *problem, *told;
    } cases[] = {
        { NULL, "shows no certificate", "certificate required" },
        { "stranger", "issuer", "unknown ca" },
        { "server", "purpose", "unsupported certificate" },
        { "unnamed-client", "no fit common name", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair pair;
        uint8_t byte;
        size_t size;

        pair_of(&pair, "server", "ca", cases[i].cert, "localhost");
        assert_int_equal(pair.server_outcome, TRANSPORT_CLOSED);
        if (strstr(transport_why(&pair.server), cases[i].problem) == NULL)
            fail_msg("%s: %s", cases[i].cert, transport_why(&pair.server));
        transport_shut_down(&pair.server);
        assert_int_equal(transport_read(&pair.client, &byte, 1, &size), TRANSPORT_CLOSED);
        if (cases[i].told != NULL && strstr(transport_why(&pair.client), cases[i].told) == NULL)
            fail_msg("%s: %s", cases[i].cert, transport_why(&pair.client));
        pair_close(&pair);
    }
}

static void replace(const char *name, const char *by, const char *ending)
{
    assert_int_equal(
        rename(tls_folder_path(folder, by, ending), tls_folder_path(folder, name, ending)), 0);
}

/* As often as it connects. "renewed" is a server's: refused, so it was shown. */
static void a_client_takes_a_certificate_that_was_renewed(void **state)
{
    struct tls_context *client;
    struct pair pair;

    (void)state;
    client = tls_folder_client(folder, "ca", "alice", "localhost");
    replace("alice", "renewed", "pem");
    pair_open(&pair, tls_folder_server(folder, "server", "ca"), client);
    pair_shake_hands(&pair);
    assert_open(&pair); /* the key is not there yet: with the old one */
    assert_string_equal(transport_peer_name(&pair.server), "alice");
    transport_close(&pair.client);
    transport_close(&pair.server);
    replace("alice", "renewed", "key");
    pair_open(&pair, pair.contexts[0], client);
    pair_shake_hands(&pair);
    assert_int_equal(pair.server_outcome, TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&pair.server), "purpose"));
    pair_close(&pair);
}

/* ---- Ours and a peer that does what it likes. ---- */

struct peer {
    struct tls_context *context;
    struct transport server;
    SSL_CTX *settings;
    SSL *ssl;
};

static const unsigned char h2[] = "\x02h2", http1[] = "\x08http/1.1", both[] = "\x02h2\x08http/1.1";

/* A client that offers that, over a server that speaks `protocol`; the rest is up
 * to the test, until peer_shake_hands(). */
static void peer_open_to(struct peer *peer, struct tls_context *context,
                         enum transport_protocol protocol, const unsigned char *offer)
{
    int fds[2];

    make_sockets(fds);
    peer->context = context;
    assert_true(transport_open(&peer->server, fds[0], peer->context, protocol));
    peer->settings = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(peer->settings, 0);
    SSL_CTX_set_min_proto_version(peer->settings, 0);
    peer->ssl = SSL_new(peer->settings);
    SSL_set_connect_state(peer->ssl);
    assert_int_equal(SSL_set_fd(peer->ssl, fds[1]), 1);
    if (offer != NULL)
        SSL_set_alpn_protos(peer->ssl, offer, (unsigned)strlen((const char *)offer));
}

static void peer_open(struct peer *peer, enum transport_protocol protocol,
                      const unsigned char *offer)
{
    peer_open_to(peer, tls_folder_server(folder, "server", NULL), protocol, offer);
}

static void peer_close(struct peer *peer)
{
    close(SSL_get_rfd(peer->ssl));
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->settings);
    transport_close(&peer->server);
    tls_context_free(peer->context);
}

static enum transport_outcome peer_shake_hands(struct peer *peer)
{
    enum transport_outcome outcome = TRANSPORT_BLOCKED;

    for (int i = 0; i < STEPS_MAX && outcome == TRANSPORT_BLOCKED; i++) {
        SSL_do_handshake(peer->ssl);
        outcome = transport_handshake(&peer->server);
    }
    SSL_do_handshake(peer->ssl);
    return outcome;
}

/* The last alert that reached the peer is in OpenSSL's queue of errors. */
static void assert_refused(struct peer *peer, const char *words)
{
    assert_int_equal(peer_shake_hands(peer), TRANSPORT_CLOSED);
    if (strstr(transport_why(&peer->server), words) == NULL)
        fail_msg("%s", transport_why(&peer->server));
    assert_false(SSL_is_init_finished(peer->ssl));
    peer_close(peer);
}

static void old_versions_are_refused(void **state)
{
    static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct peer peer;

        peer_open(&peer, TRANSPORT_HTTP2, h2);
        SSL_set_cipher_list(peer.ssl, "ALL:@SECLEVEL=0");
        SSL_set_max_proto_version(peer.ssl, versions[i]);
        assert_refused(&peer, "unsupported protocol");
    }
}

/* RFC 9113, appendix A: all that is not ephemeral, or not AEAD. */
static void ciphers_that_http2_forbids_are_refused(void **state)
{
    static const char *const ciphers[] = {
        "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA",
        "AES256-SHA",        "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA",
    };

    (void)state;
    for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers; i++) {
        struct peer peer;

        peer_open(&peer, TRANSPORT_HTTP2, h2);
        SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION);
        assert_int_equal(SSL_set_cipher_list(peer.ssl, ciphers[i]), 1);
        assert_refused(&peer, "no shared cipher");
    }
}

/* Our own client would not even start with it. */
static void a_client_certificate_that_has_expired_is_refused(void **state)
{
    struct peer peer;

    (void)state;
    peer_open_to(&peer, tls_folder_server(folder, "server", "ca"), TRANSPORT_HTTP2, h2);
    assert_int_equal(SSL_use_certificate_file(peer.ssl,
                                              tls_folder_path(folder, "expired-client", "pem"),
                                              SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(SSL_use_PrivateKey_file(peer.ssl,
                                             tls_folder_path(folder, "expired-client", "key"),
                                             SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&peer.server), "expired"));
    peer_close(&peer);
}

static void tls_1_2_is_spoken(void **state)
{
    struct peer peer;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, h2);
    SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    assert_string_equal(SSL_get_version(peer.ssl), "TLSv1.2");
    assert_string_equal(SSL_get_cipher(peer.ssl), "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_int_equal(SSL_SESSION_has_ticket(SSL_get0_session(peer.ssl)), 0);
    peer_close(&peer);
}

static void assert_agreed(enum transport_protocol protocol, const unsigned char *offer,
                          const char *agreed)
{
    const unsigned char *found;
    struct peer peer;
    unsigned size;

    peer_open(&peer, protocol, offer);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    SSL_get0_alpn_selected(peer.ssl, &found, &size);
    assert_int_equal(size, strlen(agreed));
    assert_memory_equal(found, agreed, size);
    peer_close(&peer);
}

static void a_protocol_is_agreed_on(void **state)
{
    (void)state;
    assert_agreed(TRANSPORT_HTTP2, h2, "h2");
    assert_agreed(TRANSPORT_HTTP2, both, "h2");
    assert_agreed(TRANSPORT_HTTP1, both, "http/1.1");
    assert_agreed(TRANSPORT_HTTP1, NULL, "");
}

static void no_protocol_in_common_ends_the_handshake(void **state)
{
    struct peer peer;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, http1);
    assert_refused(&peer, "no application protocol");
    peer_open(&peer, TRANSPORT_HTTP1, h2);
    assert_refused(&peer, "no application protocol");
}

/* As grpc's own servers do: the handshake goes well, and that is all. */
static void a_peer_that_names_no_protocol_is_let_go(void **state)
{
    struct peer peer;
    char byte;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, NULL);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&peer.server), "ALPN"));
    assert_true(SSL_is_init_finished(peer.ssl));
    transport_shut_down(&peer.server);
    assert_int_equal(SSL_get_error(peer.ssl, SSL_read(peer.ssl, &byte, 1)), SSL_ERROR_ZERO_RETURN);
    peer_close(&peer);
}

static void something_else_than_tls_is_told(void **state)
{
    struct peer peer;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP1, NULL);
    assert_int_equal(send(SSL_get_fd(peer.ssl), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    assert_int_equal(transport_handshake(&peer.server), TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&peer.server), "speaks something else"));
    peer_close(&peer);
}

/* Reads as the server until it is blocked or closed; gives which. */
static enum transport_outcome read_all(struct peer *peer)
{
    enum transport_outcome outcome = TRANSPORT_DONE;
    uint8_t bytes[256];
    size_t size;

    for (int i = 0; i < STEPS_MAX && outcome == TRANSPORT_DONE; i++)
        outcome = transport_read(&peer->server, bytes, sizeof bytes, &size);
    return outcome;
}

static void renegotiation_is_refused(void **state)
{
    struct peer peer;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, h2);
    SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    assert_int_equal(SSL_renegotiate(peer.ssl), 1);
    for (int i = 0; i < 4; i++) {
        SSL_do_handshake(peer.ssl);
        read_all(&peer);
    }
    assert_false(SSL_is_init_finished(peer.ssl));
    peer_close(&peer);
}

/* TLS 1.3's way to renew keys, with the wish that the other side do it, too. */
static enum transport_outcome update_keys(struct peer *peer, int times)
{
    enum transport_outcome outcome = TRANSPORT_BLOCKED;
    char bytes[256];

    for (int i = 0; i < times && outcome == TRANSPORT_BLOCKED; i++) {
        SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(peer->ssl);
        outcome = read_all(peer);
        SSL_read(peer->ssl, bytes, sizeof bytes);
    }
    return outcome;
}

static void keys_may_be_renewed_but_not_all_the_time(void **state)
{
    struct peer peer;
    size_t size;
    char byte;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, h2);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    assert_int_equal(update_keys(&peer, 10), TRANSPORT_BLOCKED);
    assert_int_equal(transport_write(&peer.server, bytes_of("x", 1), &size), TRANSPORT_DONE);
    assert_int_equal(SSL_read(peer.ssl, &byte, 1), 1);
    assert_int_equal(update_keys(&peer, 1000), TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&peer.server), "goes on negotiating"));
    peer_close(&peer);
}

/* What the peer writes from now on is kept instead of sent. */
static BIO *hold_back(struct peer *peer)
{
    BIO *held = BIO_new(BIO_s_mem());

    assert_non_null(held);
    SSL_set0_wbio(peer->ssl, held);
    return held;
}

/* All of them wait in the socket: one read must not take the whole way. */
static void a_flood_of_key_updates_is_cut_off_in_the_middle(void **state)
{
    struct peer peer;
    BIO *held;
    char *records;
    long size;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, h2);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    held = hold_back(&peer);
    for (int i = 0; i < 2000; i++) {
        SSL_key_update(peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        assert_int_equal(SSL_do_handshake(peer.ssl), 1);
    }
    size = BIO_get_mem_data(held, &records);
    assert_int_equal(send(SSL_get_rfd(peer.ssl), records, (size_t)size, 0), size);
    assert_int_equal(read_all(&peer), TRANSPORT_CLOSED);
    assert_non_null(strstr(transport_why(&peer.server), "goes on negotiating"));
    assert_int_equal(recv(peer.server.fd, &(char){ 0 }, 1, MSG_PEEK), 1); /* there is more */
    peer_close(&peer);
}

/* Bytes of a record, one at a time: the clock runs from the first. */
static void a_record_that_stops_is_noticed(void **state)
{
    struct peer peer;
    BIO *held;
    char *record;
    long size;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, h2);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    assert_int_equal(read_all(&peer), TRANSPORT_BLOCKED);
    assert_true(transport_stuck_since_ms(&peer.server) == INT64_MAX);
    held = hold_back(&peer);
    assert_int_equal(SSL_write(peer.ssl, "hello", 5), 5);
    size = BIO_get_mem_data(held, &record);
    for (long i = 0; i < size; i++) {
        assert_int_equal(send(SSL_get_rfd(peer.ssl), record + i, 1, 0), 1);
        read_all(&peer);
        if (i >= 5) /* the record's own head does not count */
            assert_int_equal(transport_stuck_since_ms(&peer.server) == INT64_MAX, i == size - 1);
    }
    peer_close(&peer);
}

/* And what comes behind it is given raw, to be dropped. */
static void a_failure_behind_bytes_is_told_by_the_next_read(void **state)
{
    static const char garbage[] = "\x17\x03\x03\0\x20................................";
    struct peer peer;
    uint8_t bytes[64];
    char *record;
    size_t size;
    BIO *held;
    int fd;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, h2);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    fd = SSL_get_rfd(peer.ssl);
    held = hold_back(&peer);
    assert_int_equal(SSL_write(peer.ssl, "hello", 5), 5);
    assert_int_equal(BIO_write(held, garbage, sizeof garbage - 1), sizeof garbage - 1);
    size = (size_t)BIO_get_mem_data(held, &record);
    assert_int_equal(send(fd, record, size, 0), size);
    assert_int_equal(transport_read(&peer.server, bytes, sizeof bytes, &size), TRANSPORT_DONE);
    assert_int_equal(size, 5);
    assert_true(transport_has_input(&peer.server));
    assert_int_equal(transport_read(&peer.server, bytes, sizeof bytes, &size), TRANSPORT_CLOSED);
    assert_true(peer.server.is_broken);
    assert_false(transport_has_input(&peer.server));
    assert_int_equal(transport_read(&peer.server, bytes, sizeof bytes, &size), TRANSPORT_BLOCKED);
    assert_int_equal(send(fd, "raw", 3, 0), 3);
    assert_int_equal(transport_read(&peer.server, bytes, sizeof bytes, &size), TRANSPORT_DONE);
    assert_int_equal(size, 3);
    peer_close(&peer);
}

/* ---- Resumption, which there is none of. ---- */

static void no_tickets_are_given(void **state)
{
    struct peer peer;
    char byte;

    (void)state;
    peer_open(&peer, TRANSPORT_HTTP2, h2);
    assert_int_equal(peer_shake_hands(&peer), TRANSPORT_DONE);
    assert_string_equal(SSL_get_version(peer.ssl), "TLSv1.3");
    assert_int_equal(SSL_get_error(peer.ssl, SSL_read(peer.ssl, &byte, 1)), SSL_ERROR_WANT_READ);
    assert_int_equal(SSL_SESSION_is_resumable(SSL_get0_session(peer.ssl)), 0);
    peer_close(&peer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(what_is_left_behind_is_told),
        TEST(the_end_is_told_and_is_no_break),
        TEST(names_and_addresses_are_verified),
        TEST(a_server_of_another_authority_is_refused),
        TEST(a_client_is_known_by_its_certificate),
        TEST(clients_without_a_good_certificate_are_refused),
        TEST(a_client_certificate_that_has_expired_is_refused),
        TEST(a_client_takes_a_certificate_that_was_renewed),
        TEST(old_versions_are_refused),
        TEST(ciphers_that_http2_forbids_are_refused),
        TEST(tls_1_2_is_spoken),
        TEST(a_protocol_is_agreed_on),
        TEST(no_protocol_in_common_ends_the_handshake),
        TEST(a_peer_that_names_no_protocol_is_let_go),
        TEST(something_else_than_tls_is_told),
        TEST(renegotiation_is_refused),
        TEST(keys_may_be_renewed_but_not_all_the_time),
        TEST(a_flood_of_key_updates_is_cut_off_in_the_middle),
        TEST(a_record_that_stops_is_noticed),
        TEST(a_failure_behind_bytes_is_told_by_the_next_read),
        TEST(no_tickets_are_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
