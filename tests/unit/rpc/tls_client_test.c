#include "tests/unit/rpc/call_cases.h"

#include "tests/unit/rpc/tls_folder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A client that speaks TLS, and a server made by hand that OpenSSL makes do what
 * ours never would: it gives tickets, in small records. */

enum { RECORD_BYTES = 512, TICKET_BYTES = 3000, WAIT_MS = 200 };

static char folder[CERTIFICATES_PATH_SIZE];

struct fixture {
    struct call_fixture calls; /* the loop and the channel */
    SSL_CTX *settings;
    SSL *ssl;
    int listener;
    uint8_t got[4096];
    size_t got_size;
};

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *size,
                     const unsigned char *offer, unsigned offer_size, void *context)
{
    (void)ssl;
    (void)offer;
    (void)offer_size;
    (void)context;
    *out = (const unsigned char *)"h2";
    *size = 2;
    return SSL_TLSEXT_ERR_OK;
}

/* As large as one that holds a client's certificate. */
static int fill_ticket(SSL *ssl, void *context)
{
    static const uint8_t data[TICKET_BYTES];

    (void)context;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, sizeof data);
}

static void open_listener(struct fixture *f, char address[64])
{
    struct sockaddr_in name = { .sin_family = AF_INET };
    socklen_t size = sizeof name;

    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(f->listener, 1), 0);
    getsockname(f->listener, (struct sockaddr *)&name, &size);
    snprintf(address, 64, "127.0.0.1:%d", ntohs(name.sin_port));
}

static void prepare_server(struct fixture *f)
{
    f->settings = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_file(
                         f->settings, tls_folder_path(folder, "server", "pem"), SSL_FILETYPE_PEM),
                     1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(
                         f->settings, tls_folder_path(folder, "server", "key"), SSL_FILETYPE_PEM),
                     1);
    SSL_CTX_set_alpn_select_cb(f->settings, select_h2, NULL);
    SSL_CTX_set_session_ticket_cb(f->settings, fill_ticket, NULL, NULL);
    SSL_CTX_set_num_tickets(f->settings, 0); /* but when the test says so */
    assert_int_equal(SSL_CTX_set_max_send_fragment(f->settings, RECORD_BYTES), 1);
}

static int setup(void **state)
{
    static struct fixture f;

    *state = &f;
    memset(&f, 0, sizeof f);
    tls_folder_make(folder);
    prepare_server(&f);
    return call_fixture_open(&f.calls);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    channel_close(f->calls.channel);
    call_fixture_close(&f->calls);
    close(SSL_get_rfd(f->ssl));
    close(f->listener);
    SSL_free(f->ssl);
    SSL_CTX_free(f->settings);
    tls_folder_remove(folder);
    return 0;
}

static bool has_input(void *context)
{
    struct pollfd fd = { .fd = *(int *)context, .events = POLLIN };

    return poll(&fd, 1, 0) == 1;
}

static bool is_shaken(void *context)
{
    return SSL_do_handshake(((struct fixture *)context)->ssl) == 1;
}

static bool is_ready(void *context)
{
    return channel_state(((struct fixture *)context)->calls.channel) == CHANNEL_READY;
}

/* A connection that both take for ready. */
static void connect_client(struct fixture *f)
{
    char address[64];
    const struct tls_client_options tls = { .ca_file = tls_folder_path(folder, "ca", "pem"),
                                            .server_name = "localhost" };
    struct why why;

    open_listener(f, address);
    assert_int_equal(channel_open(f->calls.loop,
                                  &(struct channel_options){ .address = address, .tls = &tls },
                                  &f->calls.channel, &why),
                     OK);
    channel_connect(f->calls.channel);
    run_until(&f->calls, has_input, &f->listener);
    f->ssl = SSL_new(f->settings);
    SSL_set_fd(f->ssl, accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    SSL_set_accept_state(f->ssl);
    run_until(&f->calls, is_shaken, f);
    assert_int_equal(SSL_write(f->ssl, "\0\0\0\4\0\0\0\0\0", 9), 9);
    run_until(&f->calls, is_ready, f);
}

static bool has_pong(void *context)
{
    static const char pong[] = "\0\0\x08\x06\x01\0\0\0\0ping-pin";
    struct fixture *f = context;
    int size = SSL_read(f->ssl, f->got + f->got_size, (int)(sizeof f->got - f->got_size));

    if (size > 0)
        f->got_size += (size_t)size;
    return memmem(f->got, f->got_size, pong, sizeof pong - 1) != NULL;
}

static bool is_time(void *context)
{
    return loop_mono_ms() >= *(int64_t *)context;
}

static int64_t cpu_ms(void)
{
    struct timespec used;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* Until the ticket is whole, nothing can be written, however willing the socket. */
static void half_a_ticket_holds_up_what_is_written_and_costs_nothing(void **state)
{
    struct fixture *f = *state;
    BIO *held = BIO_new(BIO_s_mem());
    int64_t end_ms, before_ms;
    char *records;
    long size;

    connect_client(f);
    SSL_set0_wbio(f->ssl, held);
    assert_int_equal(SSL_write(f->ssl, "\0\0\x08\x06\0\0\0\0\0ping-pin", 17), 17);
    assert_int_equal(SSL_new_session_ticket(f->ssl), 1);
    assert_int_equal(SSL_do_handshake(f->ssl), 1);
    size = BIO_get_mem_data(held, &records);
    assert_true(size > TICKET_BYTES);
    assert_int_equal(send(SSL_get_rfd(f->ssl), records, (size_t)size / 2, 0), size / 2);
    end_ms = loop_mono_ms() + WAIT_MS;
    before_ms = cpu_ms();
    run_until(&f->calls, is_time, &end_ms);
    assert_in_range(cpu_ms() - before_ms, 0, WAIT_MS / 2);
    assert_false(has_pong(f));
    assert_int_equal(send(SSL_get_rfd(f->ssl), records + size / 2, (size_t)(size - size / 2), 0),
                     size - size / 2);
    run_until(&f->calls, has_pong, f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(half_a_ticket_holds_up_what_is_written_and_costs_nothing,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
