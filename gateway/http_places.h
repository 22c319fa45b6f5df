#ifndef GATEWAY_HTTP_PLACES_H
#define GATEWAY_HTTP_PLACES_H

#include "core/base/list.h"
#include "gateway/http_counts.h"

#include <stdint.h>

struct sockaddr;

/* Who may have a connection: so many at a time, so many of them from one
 * address (of IPv6: from one network of 64 bits). When all places are taken,
 * the one whose holder has kept the server waiting the longest makes room, be
 * it idle or in the middle of a request. So a good client gets in beside any
 * number of silent ones: it is done long before its turn to go would come. */

struct http_address;

struct http_place {
    struct link waiting, waiting_of_address;
    struct http_address *address;
};

struct http_places {
    unsigned max, address_max;       /* in */
    unsigned count;
    struct link waiting;             /* the longest first */
    struct http_address **buckets;
    uint64_t seed;                   /* so that nobody can aim at one bucket */
    uint32_t mask;
};

/* False if out of memory. max and address_max are set. */
bool http_places_init(struct http_places *places);
/* Every place is given back. */
void http_places_free(struct http_places *places);

/* What it takes to let a connection from there in. */
enum http_welcome {
    HTTP_SERVE,
    HTTP_MAKE_ROOM,                  /* when *victim has given back its place */
    HTTP_TURN_AWAY,                  /* for *refusal; it may be told so */
    HTTP_DROP,                       /* there are too many of those already, or no memory */
};
enum http_welcome http_places_ask(struct http_places *places, const struct sockaddr *peer,
                                  struct http_place **victim, enum http_refusal *refusal);

/* False if out of memory. The place is busy at first. */
bool http_place_take(struct http_places *places, const struct sockaddr *peer,
                     struct http_place *place);
void http_place_give_back(struct http_places *places, struct http_place *place);

/* From now on it is the peer's turn: to ask, or to go on with what it asks. */
void http_place_wait(struct http_places *places, struct http_place *place);
/* The peer has nothing to wait for: the first to go. */
void http_place_linger(struct http_places *places, struct http_place *place);
/* The server is at work for it. */
void http_place_busy(struct http_place *place);

#endif
