#include "rpc/net/tls_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Certificates and keys from files, and what may be wrong with them: an operator
 * reads what this says, at the start or in the log after a reload. */

static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text != NULL ? text : "its content is wrong";
}

static enum err check_readable(const char *setting, const char *file, struct why *why)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_because(why, ERR_INVALID, "%s: cannot read %.120s: %s", setting, file,
                           strerror(errno));
    close(fd);
    return OK;
}

/* ---- The certificate. ---- */

static int64_t time_of(const ASN1_TIME *time)
{
    struct tm parts;

    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) * 1000 : 0;
}

static enum err check_dates(const char *file, const X509 *cert, int64_t *expiry_ms, struct why *why)
{
    const ASN1_TIME *begin = X509_get0_notBefore(cert), *end = X509_get0_notAfter(cert);
    time_t expiry;
    char text[32];

    *expiry_ms = time_of(end);
    expiry = (time_t)(*expiry_ms / 1000);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", gmtime_r(&expiry, &(struct tm){ 0 }));
    if (X509_cmp_current_time(end) <= 0)
        return err_because(why, ERR_INVALID,
                           "tls-cert: %.120s expired on %s: put a new certificate there", file,
                           text);
    if (X509_cmp_current_time(begin) > 0)
        return err_because(why, ERR_INVALID,
                           "tls-cert: %.120s is not valid yet: is this machine's clock right?",
                           file);
    return OK;
}

static enum err use_cert(SSL_CTX *settings, const char *file, int64_t *expiry_ms, struct why *why)
{
    enum err e = check_readable("tls-cert", file, why);

    if (e != OK)
        return e;
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(settings, file) != 1)
        return err_because(why, ERR_INVALID,
                           "tls-cert: %.100s is not a certificate in PEM, with those above it"
                           " behind it: %s",
                           file, reason());
    return check_dates(file, SSL_CTX_get0_certificate(settings), expiry_ms, why);
}

/* ---- The key. ---- */

/* Whoever may read the key may pass for us. */
static enum err open_key(const char *file, FILE **opened, struct why *why)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status = { .st_mode = S_IRWXO };

    if (fd < 0)
        return err_because(why, ERR_INVALID, "tls-key: cannot read %.120s: %s", file,
                           strerror(errno));
    (void)fstat(fd, &status);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        close(fd);
        return err_because(why, ERR_INVALID,
                           "tls-key: %.120s is open to others than its owner (mode %04o): chmod 600"
                           " it",
                           file, (unsigned)status.st_mode & 07777);
    }
    *opened = fdopen(fd, "r");
    if (*opened != NULL)
        return OK;
    close(fd);
    return err_because(why, ERR_UNAVAILABLE, "out of memory");
}

/* Otherwise the terminal would be asked. */
static int note_encryption(char *text, int room, int writing, void *is_encrypted)
{
    (void)text;
    (void)room;
    (void)writing;
    *(bool *)is_encrypted = true;
    return -1;
}

static enum err read_key(const char *file, EVP_PKEY **key, struct why *why)
{
    bool is_encrypted = false;
    FILE *opened;
    enum err e = open_key(file, &opened, why);

    if (e != OK)
        return e;
    ERR_clear_error();
    *key = PEM_read_PrivateKey(opened, NULL, note_encryption, &is_encrypted);
    fclose(opened);
    if (*key != NULL)
        return OK;
    if (is_encrypted)
        return err_because(why, ERR_INVALID,
                           "tls-key: %.120s is encrypted, and nobody is asked for its passphrase:"
                           " write it without (openssl pkey)",
                           file);
    return err_because(why, ERR_INVALID, "tls-key: %.120s is not a private key in PEM: %s", file,
                       reason());
}

enum err tls_use_identity(SSL_CTX *settings, const char *cert_file, const char *key_file,
                          int64_t *expiry_ms, struct why *why)
{
    EVP_PKEY *key = NULL;
    enum err e = use_cert(settings, cert_file, expiry_ms, why);
    int fits;

    if (e == OK)
        e = read_key(key_file, &key, why);
    if (e != OK)
        return e;
    fits = SSL_CTX_use_PrivateKey(settings, key);
    EVP_PKEY_free(key);
    if (fits == 1)
        return OK;
    return err_because(why, ERR_INVALID,
                       "tls-key: %.90s is not the key of the certificate in %.90s (tls-cert)",
                       key_file, cert_file);
}

/* ---- Whom to trust. ---- */

enum err tls_use_authorities(SSL_CTX *settings, const char *setting, const char *file,
                             struct why *why)
{
    enum err e;

    if (file == NULL)
        return SSL_CTX_set_default_verify_paths(settings) == 1
                   ? OK
                   : err_because(why, ERR_UNAVAILABLE, "%s: the system's certificates: %s", setting,
                                 reason());
    e = check_readable(setting, file, why);
    if (e != OK)
        return e;
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(settings, file) == 1)
        return OK;
    return err_because(why, ERR_INVALID, "%s: %.120s holds no certificates in PEM: %s", setting,
                       file, reason());
}
