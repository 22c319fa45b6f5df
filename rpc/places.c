#include "rpc/places.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"

enum { BUCKETS_MAX = 65536 };

struct place_address {
    struct place_address *next; /* in its bucket */
    uint64_t network[2];        /* IPv4 in the form that is mapped into IPv6 */
    unsigned count;
    struct link waiting; /* its places, the longest first */
};

bool places_init(struct places *places)
{
    struct random *random = random_real();
    uint32_t count = 16;

    while (count < places->max && count < BUCKETS_MAX)
        count *= 2;
    places->buckets = calloc(count, sizeof *places->buckets);
    places->mask = count - 1;
    places->seed = random->next(random);
    places->count = 0;
    link_init(&places->waiting);
    return places->buckets != NULL;
}

void places_free(struct places *places)
{
    assert(places->count == 0);
    free(places->buckets);
}

/* One host of IPv6 has a whole network of 64 bits to itself. */
static void read_network(const struct sockaddr *peer, uint64_t network[2])
{
    struct in6_addr address = IN6ADDR_ANY_INIT;

    if (peer->sa_family == AF_INET6)
        address = ((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
    if (peer->sa_family == AF_INET) {
        address.s6_addr[10] = address.s6_addr[11] = 0xff;
        memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr,
               4);
    }
    if (!IN6_IS_ADDR_V4MAPPED(&address))
        memset(address.s6_addr + 8, 0, 8);
    memcpy(network, &address, sizeof address);
}

static struct place_address **bucket_of(const struct places *places, const uint64_t network[2])
{
    uint64_t hash = (network[0] ^ places->seed) * 0x9e3779b97f4a7c15u;

    hash = (hash ^ hash >> 32 ^ network[1]) * 0xd6e8feb86659fd93u;
    hash = (hash ^ hash >> 32 ^ places->seed) * 0xd6e8feb86659fd93u;
    return &places->buckets[(hash >> 32) & places->mask];
}

static struct place_address *find(const struct places *places, const uint64_t network[2])
{
    struct place_address *address = *bucket_of(places, network);

    while (address != NULL && memcmp(address->network, network, sizeof address->network) != 0)
        address = address->next;
    return address;
}

static struct place_address *add(struct places *places, const uint64_t network[2])
{
    struct place_address **bucket = bucket_of(places, network);
    struct place_address *address = calloc(1, sizeof *address);

    if (address == NULL)
        return NULL;
    memcpy(address->network, network, sizeof address->network);
    link_init(&address->waiting);
    address->next = *bucket;
    *bucket = address;
    return address;
}

static void forget(struct places *places, struct place_address *address)
{
    struct place_address **at = bucket_of(places, address->network);

    while (*at != address)
        at = &(*at)->next;
    *at = address->next;
    free(address);
}

/* A few more than may be served are let in to be told so. */
static enum welcome turn_away(const struct places *places)
{
    return places->count < places->max + places->max / 8 + 1 ? WELCOME_TURN_AWAY : WELCOME_DROP;
}

enum welcome places_ask(struct places *places, const struct sockaddr *peer, struct place **victim,
                        enum place_refusal *refusal)
{
    const struct place_address *address;
    uint64_t network[2];

    read_network(peer, network);
    address = find(places, network);
    *refusal = PLACE_REFUSED_ADDRESS;
    if (address != NULL && address->count >= places->address_max) {
        if (!link_is_linked(&address->waiting))
            return turn_away(places);
        *victim = container_of(address->waiting.next, struct place, waiting_of_address);
        return WELCOME_MAKE_ROOM;
    }
    *refusal = PLACE_REFUSED_FULL;
    if (places->count < places->max)
        return WELCOME_SERVE;
    if (!link_is_linked(&places->waiting))
        return turn_away(places);
    *victim = container_of(places->waiting.next, struct place, waiting);
    return WELCOME_MAKE_ROOM;
}

bool place_take(struct places *places, const struct sockaddr *peer, struct place *place)
{
    uint64_t network[2];

    read_network(peer, network);
    place->address = find(places, network);
    if (place->address == NULL)
        place->address = add(places, network);
    if (place->address == NULL)
        return false;
    link_init(&place->waiting);
    link_init(&place->waiting_of_address);
    place->address->count++;
    places->count++;
    return true;
}

void place_give_back(struct places *places, struct place *place)
{
    place_busy(place);
    places->count--;
    if (--place->address->count == 0)
        forget(places, place->address);
    place->address = NULL;
}

void place_busy(struct place *place)
{
    list_remove(&place->waiting);
    list_remove(&place->waiting_of_address);
}

void place_wait(struct places *places, struct place *place)
{
    place_busy(place);
    list_append(&places->waiting, &place->waiting);
    list_append(&place->address->waiting, &place->waiting_of_address);
}

void place_linger(struct places *places, struct place *place)
{
    place_busy(place);
    list_prepend(&places->waiting, &place->waiting);
    list_prepend(&place->address->waiting, &place->waiting_of_address);
}
