#ifndef RPC_PICKER_H
#define RPC_PICKER_H

#include "rpc/channel/subchannel.h"

/* Which of a channel's addresses a call goes to. A picker looks at the states
 * of the subchannels and tells them to connect; it remembers only what these do
 * not show. Nothing here calls back: whoever owns it calls picker_update() when
 * a subchannel has changed. Loop's thread only. */

struct picker {
    enum channel_policy policy;
    struct loop *loop;
    struct random *random;
    int64_t stagger_ms;
    void (*on_change)(void *context); /* of the subchannels, and when it wants an update */
    void *context;

    struct subchannel *list[ADDRESSES_MAX]; /* in order of preference */
    unsigned count;

    /* First: tries one after the other, the next one sooner if one takes long
     * (RFC 8305, happy eyeballs), and stays with the first that is READY. */
    struct subchannel *chosen;
    bool passing, passed; /* a pass over the list is under way; one has failed */
    unsigned next;        /* to be tried in this pass */
    struct loop_timer stagger;

    /* In turn: connects to all and stays connected. */
    bool is_active;
    unsigned turn;
};

void picker_init(struct picker *picker);
/* The list has changed; those that are gone are not looked at. */
void picker_replace(struct picker *picker, struct subchannel *const *list, unsigned count);
void picker_stop(struct picker *picker);

/* Somebody wants to call: sees to it that a connection is made, if there may be
 * an attempt now. */
void picker_connect(struct picker *picker);
void picker_update(struct picker *picker);
/* A READY one, or NULL. */
struct subchannel *picker_pick(struct picker *picker);
enum channel_state picker_state(const struct picker *picker);
/* Of the subchannel that failed last in the list; NULL if it is empty. */
const struct rpc_status *picker_failure(const struct picker *picker);

#endif
