#ifndef RPC_HOLDINGS_H
#define RPC_HOLDINGS_H

#include "core/base/list.h"

/* The memory that peers make the server keep: bodies that are not whole, and
 * answers that nobody has read; and the bodies that it works on. All of it
 * together is bounded. When it runs out, whoever has made the server keep some
 * the longest loses it: who sends and reads as fast as he can has it kept for a
 * moment only. Half of it is never taken from peers, so that much work does not
 * cost those their connection who keep little. */

struct holdings {
    size_t max; /* in */
    size_t kept, at_work;
    struct link holders; /* the longest first */
};

struct holding {
    struct link link;
    size_t size;
};

void holdings_init(struct holdings *holdings);

void holding_init(struct holding *holding);
/* So much is kept for it from now on. */
void holding_set(struct holdings *holdings, struct holding *holding, size_t size);

bool holdings_are_full(const struct holdings *holdings);
/* Who must go so that there is room: never `self`. NULL: there is room, or
 * there is nobody to take it from. */
struct holding *holdings_victim(const struct holdings *holdings, const struct holding *self);

/* Instead: who keeps the most. NULL: there is room. */
struct holding *holdings_largest(const struct holdings *holdings);

#endif
