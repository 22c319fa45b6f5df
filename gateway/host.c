#include "gateway/host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NAME_SIZE_MAX = 253 }; /* RFC 1035, 2.3.4 */

static bool is_localhost(const char *name)
{
    static const char localhost[] = "localhost";
    size_t size = strlen(name), tail = sizeof localhost - 1;

    return size >= tail && strcasecmp(name + size - tail, localhost) == 0 &&
           (size == tail || name[size - tail - 1] == '.');
}

static bool is_ipv4(const char *name)
{
    struct in_addr address;

    return inet_pton(AF_INET, name, &address) == 1;
}

static bool is_listed(const char *name, const char *names)
{
    size_t size = strlen(name);

    while (names != NULL && *names != '\0') {
        size_t entry = strcspn(names, ",");

        if ((entry == 1 && *names == '*') || (entry == size && strncasecmp(names, name, size) == 0))
            return true;
        names += entry;
        names += strspn(names, ", ");
    }
    return false;
}

bool host_is_known(const char *host, const char *names)
{
    size_t size = strcspn(host, ":");
    char name[NAME_SIZE_MAX + 1];

    if (host[0] == '[') /* an IPv6 address: the head's reader has looked at it */
        return true;
    if (size > NAME_SIZE_MAX)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)size, host);
    return is_ipv4(name) || is_localhost(name) || is_listed(name, names);
}
