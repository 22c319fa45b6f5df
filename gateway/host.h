#ifndef GATEWAY_HOST_H
#define GATEWAY_HOST_H

#include <stdbool.h>

/* Whether a Host header's value ("localhost:8470") is one that a client of ours
 * would use. A web page may give its own name the address of a server that only
 * this machine's browser can reach, and is then, to the browser, of one origin
 * with it (DNS rebinding): so names must be known. Addresses cannot be given
 * away, "localhost" and what ends in ".localhost" is never anybody else's (RFC
 * 6761, 6.3). `names`: others, separated by commas; "*" is any; NULL: none. */
bool host_is_known(const char *host, const char *names);

#endif
