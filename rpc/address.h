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

/* May ask the network for names that are not numbers, and wait for it.
 * ERR_INVALID if the text is no address, ERR_UNAVAILABLE if the name is not
 * found; the reason names the text. */
MUST_USE enum err address_resolve(const char *text, struct addresses *addresses, struct why *why);

void address_write(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

#endif
