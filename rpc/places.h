#ifndef RPC_PLACES_H
#define RPC_PLACES_H

#include "core/base/list.h"

#include <stdint.h>

struct sockaddr;

/* Why a connection was not served. */
enum place_refusal { PLACE_REFUSED_FULL, PLACE_REFUSED_ADDRESS, PLACE_REFUSAL_COUNT };

/* Who may have a connection: so many at a time, so many of them from one
 * address (of IPv6: from one network of 64 bits). When all places are taken,
 * the one whose holder has kept the server waiting the longest makes room, be
 * it idle or in the middle of a request. So a good client gets in beside any
 * number of silent ones: it is done long before its turn to go would come. */

struct place_address;

struct place {
    struct link waiting, waiting_of_address;
    struct place_address *address;
};

struct places {
    unsigned max, address_max; /* in */
    unsigned count;
    struct link waiting; /* the longest first */
    struct place_address **buckets;
    uint64_t seed; /* so that nobody can aim at one bucket */
    uint32_t mask;
};

/* False if out of memory. max and address_max are set. */
bool places_init(struct places *places);
/* Every place is given back. */
void places_free(struct places *places);

/* What it takes to let a connection from there in. */
enum welcome {
    WELCOME_SERVE,
    WELCOME_MAKE_ROOM, /* when *victim has given back its place */
    WELCOME_TURN_AWAY, /* for *refusal; it may be told so */
    WELCOME_DROP,      /* there are too many of those already, or no memory */
};
enum welcome places_ask(struct places *places, const struct sockaddr *peer, struct place **victim,
                        enum place_refusal *refusal);

/* False if out of memory. The place is busy at first. */
bool place_take(struct places *places, const struct sockaddr *peer, struct place *place);
void place_give_back(struct places *places, struct place *place);

/* From now on it is the peer's turn: to ask, or to go on with what it asks. */
void place_wait(struct places *places, struct place *place);
/* The peer has nothing to wait for: the first to go. */
void place_linger(struct places *places, struct place *place);
/* The server is at work for it. */
void place_busy(struct place *place);

#endif
