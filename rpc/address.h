#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include "core/base/err.h"

#include <sys/socket.h>

/* "127.0.0.1:9470", "localhost:9470", "[::1]:9470": text and socket addresses. */

enum { ADDRESS_TEXT_SIZE = 80, ADDRESSES_MAX = 8 };

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

struct addresses {
    struct address list[ADDRESSES_MAX];
    unsigned count;
};

/* ERR_INVALID if the text is no address, ERR_UNAVAILABLE if the name is not
 * found; the reason names the text. address_read() knows numbers only, so it
 * never waits, and has not found a name; address_resolve() may ask the network. */
MUST_USE enum err address_read(const char *text, struct addresses *addresses, struct why *why);
MUST_USE enum err address_resolve(const char *text, struct addresses *addresses, struct why *why);

void address_write(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

#endif
