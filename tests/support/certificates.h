#ifndef TESTS_SUPPORT_CERTIFICATES_H
#define TESTS_SUPPORT_CERTIFICATES_H

#include <stdbool.h>

/* Certificates and keys for a test, made when it runs. In the folder are then
 * (each NAME.pem with its NAME.key, mode 0600):
 *
 *   ca, other-ca     authorities that do not know each other
 *   server           of ca, for localhost, 127.0.0.1 and ::1; valid for 30 days
 *   renewed          like it, with another key and for 60 days
 *   elsewhere        for elsewhere.example
 *   nameless         "localhost" is its common name only
 *   expired, early   no more, and not yet
 *   weak             an RSA key of 1024 bits
 *   alice            a client's, of ca; its common name is "alice"
 *   stranger         a client's, of other-ca
 *   expired-client   of ca
 *   unnamed-client   of ca, without a common name */

enum { CERTIFICATES_PATH_SIZE = 512 };

/* False if it could not; errors are printed. */
bool certificates_make(const char *folder);

#endif
