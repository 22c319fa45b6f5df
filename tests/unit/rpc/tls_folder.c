#include "tests/unit/rpc/tls_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tls_folder_make(char folder[CERTIFICATES_PATH_SIZE])
{
    const char *temporary = getenv("TMPDIR");

    snprintf(folder, CERTIFICATES_PATH_SIZE, "%s/sync-tls-XXXXXX",
             temporary != NULL ? temporary : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_true(certificates_make(folder));
}

void tls_folder_remove(const char *folder)
{
    DIR *opened = opendir(folder);
    const struct dirent *entry;

    assert_non_null(opened);
    while ((entry = readdir(opened)) != NULL)
        unlinkat(dirfd(opened), entry->d_name, 0);
    closedir(opened);
    assert_int_equal(rmdir(folder), 0);
}

const char *tls_folder_path(const char *folder, const char *name, const char *ending)
{
    static char paths[4][CERTIFICATES_PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, CERTIFICATES_PATH_SIZE, "%s/%s.%s", folder, name, ending);
    return path;
}

struct tls_context *tls_folder_server(const char *folder, const char *cert, const char *client_ca)
{
    const struct tls_server_options options = {
        .cert_file = tls_folder_path(folder, cert, "pem"),
        .key_file = tls_folder_path(folder, cert, "key"),
        .client_ca_file = client_ca != NULL ? tls_folder_path(folder, client_ca, "pem") : NULL,
    };
    struct tls_context *context = NULL;
    struct why why = { .text = "" };

    if (tls_server_new(&options, &context, &why) != OK)
        print_error("%s\n", why.text);
    assert_non_null(context);
    return context;
}

struct tls_context *tls_folder_client(const char *folder, const char *ca, const char *cert,
                                      const char *name)
{
    const struct tls_client_options options = {
        .ca_file = tls_folder_path(folder, ca, "pem"),
        .cert_file = cert != NULL ? tls_folder_path(folder, cert, "pem") : NULL,
        .key_file = cert != NULL ? tls_folder_path(folder, cert, "key") : NULL,
        .server_name = name,
    };
    struct tls_context *context = NULL;
    struct why why = { .text = "" };

    if (tls_client_new(&options, "localhost:1", &context, &why) != OK)
        print_error("%s\n", why.text);
    assert_non_null(context);
    return context;
}
