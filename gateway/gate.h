#ifndef GATEWAY_GATE_H
#define GATEWAY_GATE_H

#include "rpc/loop.h"

/* Where requests wait that take much time or memory: large bodies to be read,
 * long lists to be written. Only so much of them is under way at once, and only
 * for a few milliseconds of each turn of the loop are new ones begun; so all
 * others, who need little, have theirs in between.
 *
 * Who has had much lets others go first (start-time fair queueing: each ticket
 * stands where its asker would be had all askers been served evenly). Loop's
 * thread. */

struct gate_ticket {
    /* Its turn has come. Never called from inside gate_ask(). */
    void (*enter)(struct gate_ticket *ticket);
    size_t cost;                 /* bytes that it will need, about */
    uint64_t asker;              /* who is to be served as much as others: a hash */
    uint64_t turn;               /* the gate's */
    struct link link;            /* while it waits */
    bool is_inside;
};

enum { GATE_ASKERS = 256 };      /* told apart; more of them share */

struct gate {
    struct loop *loop;           /* in */
    size_t cost_max;             /* in; one ticket may cost more, alone */
    size_t cost;                 /* of those inside */
    struct link waiting;         /* by turn */
    uint64_t now;                /* the turn of the last one that was let in */
    uint64_t next[GATE_ASKERS];  /* turn of what an asker wants next */
    struct loop_timer again;
};

void gate_init(struct gate *gate);
/* Nobody waits or is inside. */
void gate_close(struct gate *gate);

/* True: it is inside. Otherwise it will be called. */
MUST_USE bool gate_ask(struct gate *gate, struct gate_ticket *ticket);
/* It is done, or does not want to wait any longer. Also for one that never
 * asked (zeroed). */
void gate_leave(struct gate *gate, struct gate_ticket *ticket);

#endif
