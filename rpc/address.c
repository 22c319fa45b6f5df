#include "rpc/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { HOST_SIZE = 256, PORT_SIZE = 8 };

/* The host without the brackets that an IPv6 address needs before a port. */
static bool split(const char *text, char host[HOST_SIZE], char port[PORT_SIZE])
{
    const char *colon = strrchr(text, ':'), *begin = text, *end = colon;

    if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) >= PORT_SIZE)
        return false;
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    if (*begin == '[') {
        begin++;
        if (end - begin < 1 || *--end != ']')
            return false;
    } else if (memchr(begin, ':', (size_t)(end - begin)) != NULL) {
        return false; /* IPv6 without brackets: which colon is the port's? */
    }
    if (end - begin < 1 || end - begin >= HOST_SIZE)
        return false;
    snprintf(host, HOST_SIZE, "%.*s", (int)(end - begin), begin);
    snprintf(port, PORT_SIZE, "%s", colon + 1);
    return true;
}

static enum err look_up(const char *text, int flags, struct addresses *addresses, struct why *why)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = flags };
    struct addrinfo *found;
    char host[HOST_SIZE], port[PORT_SIZE];
    int result;

    if (!split(text, host, port))
        return err_because(why, ERR_INVALID, "\"%s\" is not an address: HOST:PORT is needed", text);
    result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return err_because(why, ERR_UNAVAILABLE, "cannot resolve \"%s\": %s", text,
                           gai_strerror(result));
    addresses->count = 0;
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        struct address *address = &addresses->list[addresses->count];
        if (addresses->count == ADDRESSES_MAX)
            break;
        memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
        address->size = info->ai_addrlen;
        addresses->count++;
    }
    freeaddrinfo(found);
    return OK;
}

enum err address_read(const char *text, struct addresses *addresses, struct why *why)
{
    return look_up(text, AI_NUMERICHOST, addresses, why);
}

enum err address_resolve(const char *text, struct addresses *addresses, struct why *why)
{
    return look_up(text, 0, addresses, why);
}

void address_write(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    char host[64] = "?", port[PORT_SIZE] = "?";
    bool brackets = address->storage.ss_family == AF_INET6;

    getnameinfo((const struct sockaddr *)&address->storage, address->size, host, sizeof host, port,
                sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, ADDRESS_TEXT_SIZE, brackets ? "[%s]:%s" : "%s:%s", host, port);
}
