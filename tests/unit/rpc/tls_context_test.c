#include "tests/unit/rpc/tls_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What an operator is told about certificates and keys that are wrong. */

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

static const char *path(const char *name, const char *ending)
{
    return tls_folder_path(folder, name, ending);
}

static void write_file(const char *name, const char *ending, const char *text)
{
    FILE *file = fopen(path(name, ending), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path(name, ending), 0600), 0);
}

/* The server with these files is refused, and each of `words` is in the reason. */
static void assert_refused(const char *cert, const char *key, const char *client_ca,
                           const char *const *words)
{
    const struct tls_server_options options = { cert, key, client_ca };
    struct tls_context *context = NULL;
    struct why why = { .text = "" };

    assert_int_equal(tls_server_new(&options, &context, &why), ERR_INVALID);
    for (; *words != NULL; words++)
        if (strstr(why.text, *words) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", why.text, *words);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    assert_refused(path("none", "pem"), path("server", "key"), NULL,
                   WORDS("tls-cert: ", "/none.pem", "No such file"));
    assert_refused(path("server", "pem"), path("none", "key"), NULL,
                   WORDS("tls-key: ", "/none.key", "No such file"));
    assert_refused(path("server", "pem"), path("server", "key"), path("none", "pem"),
                   WORDS("tls-client-ca: ", "/none.pem", "No such file"));
}

static void a_file_that_is_something_else_is_named(void **state)
{
    (void)state;
    write_file("text", "pem", "no certificate\n");
    assert_refused(path("text", "pem"), path("server", "key"), NULL,
                   WORDS("tls-cert: ", "/text.pem", "PEM"));
    assert_refused(path("server", "pem"), path("text", "pem"), NULL,
                   WORDS("tls-key: ", "/text.pem", "PEM"));
    assert_refused(path("server", "pem"), path("server", "key"), path("text", "pem"),
                   WORDS("tls-client-ca: ", "/text.pem", "PEM"));
}

static void a_certificate_out_of_its_time_is_refused(void **state)
{
    (void)state;
    assert_refused(path("expired", "pem"), path("expired", "key"), NULL,
                   WORDS("tls-cert: ", "/expired.pem", "expired on 2", "new certificate"));
    assert_refused(path("early", "pem"), path("early", "key"), NULL,
                   WORDS("tls-cert: ", "/early.pem", "not valid yet", "clock"));
}

static void a_weak_key_is_refused(void **state)
{
    (void)state;
    assert_refused(path("weak", "pem"), path("weak", "key"), NULL,
                   WORDS("tls-cert: ", "/weak.pem", "key too small"));
}

static void a_key_that_others_may_read_is_refused(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit <= 040; bit *= 2) {
        assert_int_equal(chmod(path("server", "key"), 0600 | bit), 0);
        assert_refused(path("server", "pem"), path("server", "key"), NULL,
                       WORDS("tls-key: ", "/server.key", "chmod 600"));
    }
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    (void)state;
    assert_refused(path("server", "pem"), path("renewed", "key"), NULL,
                   WORDS("tls-key: ", "/renewed.key", "not the key of", "/server.pem"));
}

/* And nobody is asked on the terminal. */
static void an_encrypted_key_is_refused(void **state)
{
    FILE *from = fopen(path("server", "key"), "r"), *to = fopen(path("secret", "key"), "w");
    EVP_PKEY *key = PEM_read_PrivateKey(from, NULL, NULL, NULL);

    (void)state;
    assert_int_equal(PEM_write_PKCS8PrivateKey(to, key, EVP_aes_128_cbc(), "word", 4, NULL, NULL),
                     1);
    fclose(from);
    fclose(to);
    EVP_PKEY_free(key);
    assert_int_equal(chmod(path("secret", "key"), 0600), 0);
    assert_refused(path("server", "pem"), path("secret", "key"), NULL,
                   WORDS("tls-key: ", "/secret.key", "encrypted", "passphrase"));
}

static void a_client_is_told_of_its_files_by_the_same_names(void **state)
{
    struct tls_client_options options = { .ca_file = path("none", "pem") };
    struct tls_context *context = NULL;
    struct why why;

    (void)state;
    assert_int_equal(tls_client_new(&options, "localhost:1", &context, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "tls-ca: "));
    options.ca_file = NULL; /* the system's */
    options.cert_file = path("alice", "pem");
    assert_int_equal(tls_client_new(&options, "localhost:1", &context, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "tls-cert and tls-key go together"));
    options.key_file = path("server", "key");
    assert_int_equal(tls_client_new(&options, "localhost:1", &context, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "tls-key: "));
    options.key_file = path("alice", "key");
    assert_int_equal(tls_client_new(&options, "localhost:1", &context, &why), OK);
    tls_context_free(context);
}

static uint64_t metric(struct tls_context *context, const char *name)
{
    struct metrics_source *source = tls_metrics_source(context);
    struct metrics_text text = { .data = NULL };
    const char *line;
    uint64_t value = 0;
    char start[128];

    snprintf(start, sizeof start, "\n%s ", name);
    source->write(source, &text);
    assert_false(text.failed);
    line = strstr(text.data, start);
    assert_non_null(line);
    assert_int_equal(sscanf(line + strlen(start), "%" SCNu64, &value), 1);
    free(text.data);
    return value;
}

static void wrong_files_leave_a_reload_with_the_old_certificate(void **state)
{
    struct tls_context *context = tls_folder_server(folder, "server", NULL);
    uint64_t expiry = metric(context, "sync_tls_certificate_expiry_timestamp_seconds");
    struct why why;

    (void)state;
    assert_int_equal(rename(path("renewed", "pem"), path("server", "pem")), 0);
    assert_int_equal(tls_server_reload(context, &why), ERR_INVALID); /* the old key */
    assert_non_null(strstr(why.text, "not the key of"));
    assert_int_equal(metric(context, "sync_tls_certificate_expiry_timestamp_seconds"), expiry);
    assert_int_equal(metric(context, "sync_tls_reloads_total"), 0);
    assert_int_equal(rename(path("renewed", "key"), path("server", "key")), 0);
    assert_int_equal(tls_server_reload(context, &why), OK);
    assert_in_range(metric(context, "sync_tls_certificate_expiry_timestamp_seconds"),
                    expiry + 29 * 24 * 3600, expiry + 31 * 24 * 3600);
    assert_int_equal(metric(context, "sync_tls_reloads_total"), 1);
    tls_context_free(context);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_is_not_there_is_named),
        TEST(a_file_that_is_something_else_is_named),
        TEST(a_certificate_out_of_its_time_is_refused),
        TEST(a_weak_key_is_refused),
        TEST(a_key_that_others_may_read_is_refused),
        TEST(a_key_of_another_certificate_is_refused),
        TEST(an_encrypted_key_is_refused),
        TEST(a_client_is_told_of_its_files_by_the_same_names),
        TEST(wrong_files_leave_a_reload_with_the_old_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
