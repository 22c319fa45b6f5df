#include "tests/unit/rpc/call_cases.h"

#include "rpc/server.h"
#include "tests/unit/rpc/raw_peer.h"
#include "tests/unit/rpc/tls_folder.h"

#include <inttypes.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A server that speaks TLS, and peers that do not play by the rules; good ones
 * beside them are served. */

enum { SHORT_MS = 100, PATIENCE_MS = 20 * 1000 };

static char folder[CERTIFICATES_PATH_SIZE];
static struct tls_context *context;

static int setup(void **state)
{
    static struct call_fixture f;

    *state = &f;
    tls_folder_make(folder);
    context = tls_folder_server(folder, "server", NULL);
    return call_fixture_open(&f);
}

static int teardown(void **state)
{
    struct call_fixture *f = *state;

    channel_close(f->channel);
    call_fixture_close(f);
    tls_context_free(context);
    tls_folder_remove(folder);
    return 0;
}

static struct rpc_server *open_server(struct call_fixture *f, struct rpc_server_options options)
{
    struct rpc_server *server = NULL;
    struct why why = { .text = "" };

    options.address = "127.0.0.1:0";
    options.registry = f->registry;
    if (rpc_server_open(&options, &server, &why) != OK)
        print_error("%s\n", why.text);
    assert_non_null(server);
    return server;
}

static void open_channel(struct call_fixture *f, const char *address, const char *ca,
                         const char *name)
{
    const struct tls_client_options tls = { .ca_file = tls_folder_path(folder, ca, "pem"),
                                            .server_name = name };
    const struct channel_options options = { .address = address, .tls = &tls };
    struct why why;

    channel_close(f->channel);
    assert_int_equal(channel_open(f->loop, &options, &f->channel, &why), OK);
}

static struct rpc_status say(struct call_fixture *f)
{
    struct noted_call call;

    noted_call_init(&call, f, "/test.v1.Echo/Say");
    client_call_start(f->channel, &call.call);
    noted_call_wait(&call);
    return call.status;
}

static uint64_t failures(const char *reason)
{
    struct metrics_source *source = tls_metrics_source(context);
    struct metrics_text text = { .data = NULL };
    uint64_t value = 0;
    const char *found;
    char start[64];

    snprintf(start, sizeof start, "{reason=\"%s\"} ", reason);
    source->write(source, &text);
    found = strstr(text.data, start);
    assert_non_null(found);
    assert_int_equal(sscanf(found + strlen(start), "%" SCNu64, &value), 1);
    free(text.data);
    return value;
}

/* The first bytes of a handshake: a record's head, a ClientHello's beginning. */
enum { RECORD_BYTES = 0x3000 }; /* far more than will be sent */
static const uint8_t beginning[] = { 0x16, 3, 1, RECORD_BYTES >> 8,
                                     0,    1, 0, (RECORD_BYTES >> 8) - 1,
                                     0xfc, 3, 3 };

static void handshakes_that_stall_are_cut_off_and_others_served(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(
        f, (struct rpc_server_options){ .tls = context, .limits.handshake_ms = 3 * SHORT_MS });
    int silent = raw_peer_connect(server), half = raw_peer_connect(server),
        slow = raw_peer_connect(server);
    int64_t end_ms = loop_mono_ms() + PATIENCE_MS, longest_ms = 0;
    size_t sent = 0;

    assert_int_equal(send(half, beginning, sizeof beginning, 0), sizeof beginning);
    while (!raw_peer_is_closed(slow)) {
        int64_t begun_ms = loop_mono_ms();

        assert_true(begun_ms < end_ms);
        (void)send(slow, sent < sizeof beginning ? beginning + sent : beginning + 8, 1,
                   MSG_NOSIGNAL);
        sent++;
        open_channel(f, rpc_server_address(server), "ca", "localhost");
        assert_int_equal(say(f).code, RPC_OK);
        if (loop_mono_ms() - begun_ms > longest_ms)
            longest_ms = loop_mono_ms() - begun_ms;
    }
    print_message("a new connection and its call beside them took %" PRId64 " ms at most\n",
                  longest_ms);
    assert_in_range(sent, 2, RECORD_BYTES); /* its record was not complete */
    assert_true(raw_peer_await_close(silent));
    assert_true(raw_peer_await_close(half));
    close(slow);
    assert_int_equal(failures("timeout"), 3);
    rpc_server_close(server, 0);
}

static void connections_in_the_handshake_count(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server =
        open_server(f, (struct rpc_server_options){ .tls = context, .limits.connections = 2 });
    int first = raw_peer_connect(server), second = raw_peer_connect(server),
        third = raw_peer_connect(server);

    assert_true(raw_peer_await_close(first)); /* the one that waits the longest */
    close(second);
    close(third);
    rpc_server_close(server, 0);
}

static void assert_unavailable(struct call_fixture *f, const char *words)
{
    struct rpc_status status = say(f);

    assert_int_equal(status.code, RPC_UNAVAILABLE);
    if (strstr(status.message, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", status.message, words);
}

static void a_call_says_why_there_is_no_tls(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ .tls = context });
    struct rpc_server *plain = open_server(f, (struct rpc_server_options){ 0 });
    const struct channel_options options = { .address = rpc_server_address(server) };
    struct why why;

    open_channel(f, rpc_server_address(server), "other-ca", "localhost");
    assert_unavailable(f, "issuer");
    open_channel(f, rpc_server_address(server), "ca", "example.org");
    assert_unavailable(f, "hostname mismatch");
    open_channel(f, rpc_server_address(plain), "ca", "localhost");
    assert_unavailable(f, "TLS");
    channel_close(f->channel);
    assert_int_equal(channel_open(f->loop, &options, &f->channel, &why), OK);
    assert_unavailable(f, "closed the connection");
    assert_int_equal(failures("refused_by_peer"), 2);
    assert_int_equal(failures("not_tls"), 1);
    rpc_server_close(plain, 0);
    rpc_server_close(server, 0);
}

static void a_client_without_a_certificate_is_told_so(void **state)
{
    struct call_fixture *f = *state;
    struct tls_context *mutual = tls_folder_server(folder, "server", "ca");
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ .tls = mutual });

    open_channel(f, rpc_server_address(server), "ca", "localhost");
    assert_unavailable(f, "certificate required");
    channel_close(f->channel);
    f->channel = NULL;
    rpc_server_close(server, 0);
    tls_context_free(mutual);
}

/* ---- A peer made by hand. ---- */

struct peer {
    SSL_CTX *settings;
    SSL *ssl;
};

static void peer_open(struct peer *peer, const struct rpc_server *server)
{
    peer->settings = SSL_CTX_new(TLS_client_method());
    peer->ssl = SSL_new(peer->settings);
    SSL_set_alpn_protos(peer->ssl, (const unsigned char *)"\x02h2", 3);
    SSL_set_fd(peer->ssl, raw_peer_connect(server));
    assert_int_equal(SSL_connect(peer->ssl), 1);
}

static void peer_close(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->settings);
}

/* A ping's record without its last byte: h2 sees nothing of it. */
static void a_record_that_stops_ends_the_connection(void **state)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(
        f, (struct rpc_server_options){ .tls = context, .limits.body_ms = 2 * SHORT_MS });
    BIO *held = BIO_new(BIO_s_mem());
    struct peer peer;
    char *record;
    long size;

    peer_open(&peer, server);
    assert_int_equal(SSL_write(peer.ssl, preface, sizeof preface - 1), sizeof preface - 1);
    SSL_set0_wbio(peer.ssl, held);
    assert_int_equal(SSL_write(peer.ssl, "\0\0\x08\x06\0\0\0\0\0ping-ping", 17), 17);
    size = BIO_get_mem_data(held, &record);
    assert_int_equal(send(SSL_get_rfd(peer.ssl), record, (size_t)size - 1, 0), size - 1);
    assert_true(raw_peer_await_close(SSL_get_rfd(peer.ssl)));
    peer_close(&peer);
    rpc_server_close(server, 0);
}

/* ---- A peer that seals its records itself (RFC 8446, 7.3): in OpenSSL's every
 * message is whole. ---- */

enum { SECRET_BYTES = 32, KEY_BYTES = 16, IV_BYTES = 12, TAG_BYTES = 16, RECORD_HEAD = 5 };

static uint8_t secret[SECRET_BYTES]; /* of what the client sends */

static void note_secret(const SSL *ssl, const char *line)
{
    static const char label[] = "CLIENT_TRAFFIC_SECRET_0 ";
    const char *digits = strrchr(line, ' ') + 1;
    unsigned byte;

    (void)ssl;
    if (strncmp(line, label, sizeof label - 1) != 0)
        return;
    for (size_t i = 0; i < SECRET_BYTES; i++) {
        assert_int_equal(sscanf(digits + 2 * i, "%2x", &byte), 1);
        secret[i] = (uint8_t)byte;
    }
}

/* HKDF-Expand-Label without a context, for less than one block. */
static void expand(const char *label, uint8_t *out, size_t size)
{
    uint8_t info[64], block[EVP_MAX_MD_SIZE];
    int length = snprintf((char *)info, sizeof info, "%c%c%ctls13 %s%c%c", 0, (int)size,
                          (int)(6 + strlen(label)), label, 0, 1);

    assert_non_null(
        HMAC(EVP_sha256(), secret, SECRET_BYTES, info, (size_t)length, block, &(unsigned){ 0 }));
    memcpy(out, block, size);
}

/* The client's second record. Gives its size. */
static size_t seal(uint8_t *out, const uint8_t *plain, size_t size)
{
    const uint8_t head[RECORD_HEAD] = { 0x17, 3, 3, 0, (uint8_t)(size + TAG_BYTES) };
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t key[KEY_BYTES], iv[IV_BYTES];
    int part;

    expand("key", key, sizeof key);
    expand("iv", iv, sizeof iv);
    iv[IV_BYTES - 1] ^= 1;
    memcpy(out, head, sizeof head);
    EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, key, iv);
    EVP_EncryptUpdate(cipher, NULL, &part, head, sizeof head);
    EVP_EncryptUpdate(cipher, out + RECORD_HEAD, &part, plain, (int)size);
    EVP_EncryptFinal_ex(cipher, out + RECORD_HEAD + part, &part);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, out + RECORD_HEAD + size);
    EVP_CIPHER_CTX_free(cipher);
    return RECORD_HEAD + size + TAG_BYTES;
}

static int64_t cpu_ms(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void peer_open_sealing(struct peer *peer, const struct rpc_server *server)
{
    peer->settings = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_keylog_callback(peer->settings, note_secret);
    assert_int_equal(SSL_CTX_set_ciphersuites(peer->settings, "TLS_AES_128_GCM_SHA256"), 1);
    peer->ssl = SSL_new(peer->settings);
    SSL_set_alpn_protos(peer->ssl, (const unsigned char *)"\x02h2", 3);
    SSL_set_fd(peer->ssl, raw_peer_connect(server));
    assert_int_equal(SSL_connect(peer->ssl), 1);
}

/* A ping whose answer cannot be written before the key update is whole. */
static void half_a_key_update_costs_nothing_and_ends_the_connection(void **state)
{
    static const char ping[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                               "\0\0\x08\x06\0\0\0\0\0ping-pin";
    static const uint8_t half[] = { 0x18, 0, 0, 1, 0x16 }; /* its head, as handshake */
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(
        f, (struct rpc_server_options){ .tls = context, .limits.write_ms = 5 * SHORT_MS });
    BIO *held = BIO_new(BIO_s_mem());
    uint8_t bytes[512];
    struct peer peer;
    int64_t before_ms;
    char *record;
    long size;

    peer_open_sealing(&peer, server);
    SSL_set0_wbio(peer.ssl, held);
    assert_int_equal(SSL_write(peer.ssl, ping, sizeof ping - 1), sizeof ping - 1);
    size = BIO_get_mem_data(held, &record);
    memcpy(bytes, record, (size_t)size);
    size += (long)seal(bytes + size, half, sizeof half);
    before_ms = cpu_ms();
    assert_int_equal(send(SSL_get_rfd(peer.ssl), bytes, (size_t)size, 0), size);
    assert_true(raw_peer_await_close(SSL_get_rfd(peer.ssl)));
    assert_in_range(cpu_ms() - before_ms, 0, 2 * SHORT_MS);
    peer_close(&peer);
    rpc_server_close(server, 0);
}

/* The certificate that a new connection is shown, by what is left of its number. */
static unsigned long shown(const struct rpc_server *server)
{
    struct peer peer;
    unsigned long hash;
    X509 *cert;

    peer_open(&peer, server);
    cert = SSL_get1_peer_certificate(peer.ssl);
    hash = X509_issuer_and_serial_hash(cert);
    X509_free(cert);
    close(SSL_get_fd(peer.ssl));
    peer_close(&peer);
    return hash;
}

static void replace(const char *name, const char *by, const char *ending)
{
    assert_int_equal(
        rename(tls_folder_path(folder, by, ending), tls_folder_path(folder, name, ending)), 0);
}

static void a_reload_is_for_new_connections(void **state)
{
    struct call_fixture *f = *state;
    struct rpc_server *server = open_server(f, (struct rpc_server_options){ .tls = context });
    unsigned long old = shown(server);
    struct why why;

    open_channel(f, rpc_server_address(server), "ca", "localhost");
    assert_int_equal(say(f).code, RPC_OK);
    replace("server", "renewed", "pem");
    assert_int_equal(tls_server_reload(context, &why), ERR_INVALID);
    assert_int_equal(shown(server), old);
    replace("server", "renewed", "key");
    assert_int_equal(tls_server_reload(context, &why), OK);
    assert_int_not_equal(shown(server), old);
    assert_int_equal(say(f).code, RPC_OK); /* on the connection from before */
    channel_close(f->channel);
    f->channel = NULL;
    rpc_server_close(server, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(handshakes_that_stall_are_cut_off_and_others_served),
        TEST(connections_in_the_handshake_count),
        TEST(a_call_says_why_there_is_no_tls),
        TEST(a_client_without_a_certificate_is_told_so),
        TEST(a_record_that_stops_ends_the_connection),
        TEST(half_a_key_update_costs_nothing_and_ends_the_connection),
        TEST(a_reload_is_for_new_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
