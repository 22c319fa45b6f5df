#ifndef TESTS_UNIT_RPC_TLS_FOLDER_H
#define TESTS_UNIT_RPC_TLS_FOLDER_H

#include "rpc/tls.h"
#include "tests/support/certificates.h"

/* A folder of certificates, and contexts made of them. Names are those of
 * certificates.h; what cannot be made fails the test. */

void tls_folder_make(char folder[CERTIFICATES_PATH_SIZE]);
void tls_folder_remove(const char *folder);

/* Gives "FOLDER/NAME.pem", or .key; lent until the fourth call after it. */
const char *tls_folder_path(const char *folder, const char *name, const char *ending);

/* client_ca NULL: clients are not asked for a certificate. */
struct tls_context *tls_folder_server(const char *folder, const char *cert, const char *client_ca);
/* cert NULL: none to show; name NULL: "localhost". */
struct tls_context *tls_folder_client(const char *folder, const char *ca, const char *cert,
                                      const char *name);

#endif
