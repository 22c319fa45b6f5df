#include "tests/support/certificates.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

enum { DAY_S = 24 * 3600 };

struct wanted {
    const char *file, *common_name, *names, *usage; /* NULL: without */
    const char *authority;                          /* NULL: is one itself */
    long from_day, to_day;
    unsigned rsa_bits; /* 0: an elliptic curve */
};

static const struct wanted all[] = {
    { "ca", "Test CA", NULL, NULL, NULL, -1, 90, 0 },
    { "other-ca", "Other CA", NULL, NULL, NULL, -1, 90, 0 },
    { "server", "server", "DNS:localhost,IP:127.0.0.1,IP:::1", "serverAuth", "ca", -1, 30, 0 },
    { "renewed", "server", "DNS:localhost,IP:127.0.0.1,IP:::1", "serverAuth", "ca", -1, 60, 0 },
    { "elsewhere", "server", "DNS:elsewhere.example", "serverAuth", "ca", -1, 30, 0 },
    { "nameless", "localhost", NULL, "serverAuth", "ca", -1, 30, 0 },
    { "expired", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth", "ca", -30, -1, 0 },
    { "early", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth", "ca", 1, 30, 0 },
    { "weak", "server", "DNS:localhost,IP:127.0.0.1", "serverAuth", "ca", -1, 30, 1024 },
    { "alice", "alice", NULL, "clientAuth", "ca", -1, 30, 0 },
    { "stranger", "alice", NULL, "clientAuth", "other-ca", -1, 30, 0 },
    { "expired-client", "alice", NULL, "clientAuth", "ca", -30, -1, 0 },
    { "unnamed-client", NULL, "DNS:nobody.example", "clientAuth", "ca", -1, 30, 0 },
};

static FILE *open_file(const char *folder, const char *name, const char *ending, int flags)
{
    char path[CERTIFICATES_PATH_SIZE];
    int fd;

    snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    fd = open(path, flags | O_CLOEXEC, 0600);
    return fd >= 0 ? fdopen(fd, flags == O_RDONLY ? "r" : "w") : NULL;
}

static bool add_extension(X509 *cert, X509 *authority, int which, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;
    int added;

    if (value == NULL)
        return true;
    X509V3_set_ctx(&context, authority, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, which, value);
    added = extension != NULL ? X509_add_ext(cert, extension, -1) : 0;
    X509_EXTENSION_free(extension);
    return added == 1;
}

/* As authorities must: not to be guessed. */
static bool number(X509 *cert)
{
    BIGNUM *serial = BN_new();
    bool numbered = serial != NULL &&
                    BN_rand(serial, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                    BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

    BN_free(serial);
    return numbered;
}

static bool fill(X509 *cert, const struct wanted *wanted, EVP_PKEY *key, X509 *authority)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    const char *constraint = wanted->authority == NULL ? "critical,CA:true" : "critical,CA:false";

    if (wanted->common_name != NULL)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)wanted->common_name, -1, -1, 0);
    X509_gmtime_adj(X509_getm_notBefore(cert), wanted->from_day * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(cert), wanted->to_day * DAY_S);
    return number(cert) && X509_set_version(cert, X509_VERSION_3) == 1 &&
           X509_set_pubkey(cert, key) == 1 &&
           X509_set_issuer_name(cert, X509_get_subject_name(authority)) == 1 &&
           add_extension(cert, authority, NID_basic_constraints, constraint) &&
           add_extension(cert, authority, NID_ext_key_usage, wanted->usage) &&
           add_extension(cert, authority, NID_subject_alt_name, wanted->names);
}

static bool write_both(const char *folder, const char *name, X509 *cert, EVP_PKEY *key)
{
    FILE *certs = open_file(folder, name, "pem", O_WRONLY | O_CREAT | O_TRUNC);
    FILE *keys = open_file(folder, name, "key", O_WRONLY | O_CREAT | O_TRUNC);
    bool written = certs != NULL && keys != NULL && PEM_write_X509(certs, cert) == 1 &&
                   PEM_write_PrivateKey(keys, key, NULL, NULL, 0, NULL, NULL) == 1;

    if (certs != NULL)
        written = fclose(certs) == 0 && written;
    if (keys != NULL)
        written = fclose(keys) == 0 && written;
    return written;
}

static bool read_authority(const char *folder, const char *name, X509 **cert, EVP_PKEY **key)
{
    FILE *certs = open_file(folder, name, "pem", O_RDONLY);
    FILE *keys = open_file(folder, name, "key", O_RDONLY);

    if (certs != NULL && keys != NULL) {
        *cert = PEM_read_X509(certs, NULL, NULL, NULL);
        *key = PEM_read_PrivateKey(keys, NULL, NULL, NULL);
    }
    if (certs != NULL)
        fclose(certs);
    if (keys != NULL)
        fclose(keys);
    return *cert != NULL && *key != NULL;
}

static bool make(const char *folder, const struct wanted *wanted)
{
    EVP_PKEY *key = wanted->rsa_bits > 0 ? EVP_RSA_gen(wanted->rsa_bits) : EVP_EC_gen("P-256");
    X509 *cert = X509_new(), *authority = NULL;
    EVP_PKEY *authority_key = NULL;
    bool made = key != NULL && cert != NULL;

    if (made && wanted->authority != NULL)
        made = read_authority(folder, wanted->authority, &authority, &authority_key);
    made = made && fill(cert, wanted, key, authority != NULL ? authority : cert) &&
           X509_sign(cert, authority_key != NULL ? authority_key : key, EVP_sha256()) > 0 &&
           write_both(folder, wanted->file, cert, key);
    if (!made)
        ERR_print_errors_fp(stderr);
    X509_free(authority);
    EVP_PKEY_free(authority_key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return made;
}

bool certificates_make(const char *folder)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!make(folder, &all[i])) {
            fprintf(stderr, "cannot make %s/%s.pem\n", folder, all[i].file);
            return false;
        }
    return true;
}
