#include "rpc/net/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_SIZE = 256, PORT_SIZE = 8 };

/* The host without the brackets that an IPv6 address needs before a port. */
static bool split(const char *text, char host[HOST_SIZE], char port[PORT_SIZE])
{
    const char *colon = strrchr(text, ':'), *begin = text, *end = colon;

    if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) >= PORT_SIZE)
        return false;
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1) || atol(colon + 1) > UINT16_MAX)
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

static void add(struct addresses *addresses, const struct addrinfo *info)
{
    struct address *address = &addresses->list[addresses->count];

    if (addresses->count == ADDRESSES_MAX)
        return;
    *address = (struct address){ .size = info->ai_addrlen };
    memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
    addresses->count++;
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
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next)
        add(addresses, info);
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

/* ---- Several. ---- */

bool address_part(const char *text, unsigned part, char copy[ADDRESS_PART_SIZE])
{
    size_t size;

    for (; part > 0; part--) {
        text = strchr(text, ',');
        if (text == NULL)
            return false;
        text++;
    }
    text += strspn(text, " ");
    size = strcspn(text, ",");
    while (size > 0 && text[size - 1] == ' ')
        size--;
    if (size >= ADDRESS_PART_SIZE)
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return true;
}

/* The first of another family than `family`, from `from` on; otherwise the first. */
static unsigned next_of_other_family(const struct addresses *addresses, unsigned from, int family)
{
    for (unsigned i = from; i < addresses->count; i++)
        if (addresses->list[i].storage.ss_family != family)
            return i;
    return from;
}

/* The system's order within a family stays as it is. */
static void take_families_in_turn(struct addresses *addresses)
{
    for (unsigned i = 1; i < addresses->count; i++) {
        unsigned from =
            next_of_other_family(addresses, i, addresses->list[i - 1].storage.ss_family);
        struct address moved = addresses->list[from];
        memmove(&addresses->list[i + 1], &addresses->list[i], (from - i) * sizeof moved);
        addresses->list[i] = moved;
    }
}

static void add_part(struct addresses *addresses, const struct addresses *found, unsigned part)
{
    for (unsigned i = 0; i < found->count && addresses->count < ADDRESSES_MAX; i++) {
        struct address *address = &addresses->list[addresses->count++];
        *address = found->list[i];
        address->part = part;
    }
}

static enum err look_up_list(const char *text, int flags, struct addresses *addresses,
                             struct why *why, bool *some_are_missing)
{
    char copy[ADDRESS_PART_SIZE];
    struct addresses found;
    enum err missing = OK;

    addresses->count = 0;
    *some_are_missing = false;
    for (unsigned part = 0; part < ADDRESSES_MAX && address_part(text, part, copy); part++) {
        enum err e = look_up(copy, flags, &found, why);
        if (e == ERR_INVALID)
            return e;
        if (e != OK) {
            missing = e;
            continue;
        }
        take_families_in_turn(&found);
        add_part(addresses, &found, part);
    }
    *some_are_missing = missing != OK;
    if (addresses->count == 0 && missing == OK)
        return err_because(why, ERR_INVALID, "\"%.80s\" is not an address: HOST:PORT is needed",
                           text);
    return addresses->count > 0 ? OK : missing;
}

enum err address_read_list(const char *text, struct addresses *addresses, struct why *why)
{
    bool some_are_names;
    enum err e = look_up_list(text, AI_NUMERICHOST, addresses, why, &some_are_names);

    return e == OK && some_are_names ? ERR_UNAVAILABLE : e;
}

enum err address_resolve_list(const char *text, struct addresses *addresses, struct why *why)
{
    bool some_are_missing;

    return look_up_list(text, 0, addresses, why, &some_are_missing);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->size == b->size && a->part == b->part &&
           memcmp(&a->storage, &b->storage, a->size) == 0;
}

/* ---- Text. ---- */

void address_write(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    char host[64] = "?", port[PORT_SIZE] = "?";
    bool brackets = address->storage.ss_family == AF_INET6;

    getnameinfo((const struct sockaddr *)&address->storage, address->size, host, sizeof host, port,
                sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, ADDRESS_TEXT_SIZE, brackets ? "[%s]:%s" : "%s:%s", host, port);
}
