#ifndef RPC_ADDRESS_H
#define RPC_ADDRESS_H

#include "core/base/err.h"

#include <stdbool.h>
#include <sys/socket.h>

/* "127.0.0.1:9470", "localhost:9470", "[::1]:9470": text and socket addresses. */

enum { ADDRESS_TEXT_SIZE = 80, ADDRESS_PART_SIZE = 272, ADDRESSES_MAX = 32 };

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
    unsigned part; /* which name of a list it comes from, from 0 */
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

/* The same for several, separated by commas: their addresses in that order, those
 * of one name with IPv6 and IPv4 in turn (RFC 8305), up to ADDRESSES_MAX. Not
 * found is only if none is. */
MUST_USE enum err address_read_list(const char *text, struct addresses *addresses, struct why *why);
MUST_USE enum err address_resolve_list(const char *text, struct addresses *addresses,
                                       struct why *why);
/* Copies one of them, from 0, as it is written. False if there are not so many,
 * or if it is too long to be one. */
bool address_part(const char *text, unsigned part, char copy[ADDRESS_PART_SIZE]);
bool address_equal(const struct address *a, const struct address *b);

void address_write(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

#endif
