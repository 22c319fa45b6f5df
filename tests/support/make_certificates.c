#include "tests/support/certificates.h"

#include <stdio.h>
#include <stdlib.h>

/* For tests that are not in C: make_certificates FOLDER */

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: make_certificates FOLDER\n", stderr);
        return 2;
    }
    return certificates_make(argv[1]) ? EXIT_SUCCESS : EXIT_FAILURE;
}
