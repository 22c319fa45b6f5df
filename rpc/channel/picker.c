#include "rpc/channel/picker.h"

static bool has_state(const struct picker *picker, enum channel_state state)
{
    for (unsigned i = 0; i < picker->count; i++)
        if (subchannel_state(picker->list[i]) == state)
            return true;
    return false;
}

/* ---- The first that answers. ---- */

/* Goes on to the next address that may be tried. */
static void advance(struct picker *picker)
{
    loop_timer_stop(picker->loop, &picker->stagger);
    while (picker->next < picker->count) {
        struct subchannel *subchannel = picker->list[picker->next++];
        subchannel_connect(subchannel);
        if (subchannel_state(subchannel) == CHANNEL_CONNECTING) {
            if (picker->next < picker->count)
                loop_timer_start(picker->loop, &picker->stagger, picker->stagger_ms);
            return;
        }
    }
}

static void end_pass(struct picker *picker, bool failed)
{
    loop_timer_stop(picker->loop, &picker->stagger);
    picker->passing = false;
    picker->passed = failed;
}

static void begin_pass(struct picker *picker)
{
    if (picker->chosen != NULL || picker->passing || !has_state(picker, CHANNEL_IDLE))
        return;
    picker->passing = true;
    picker->passed = false;
    picker->next = 0;
    advance(picker);
}

static void on_stagger(struct loop_timer *timer)
{
    struct picker *picker = container_of(timer, struct picker, stagger);

    advance(picker);
    picker->on_change(picker->context);
}

static void choose(struct picker *picker, struct subchannel *chosen)
{
    picker->chosen = chosen;
    end_pass(picker, false);
    for (unsigned i = 0; i < picker->count; i++)
        if (picker->list[i] != chosen)
            subchannel_stop(picker->list[i]);
}

static struct subchannel *first_ready(const struct picker *picker)
{
    for (unsigned i = 0; i < picker->count; i++)
        if (subchannel_state(picker->list[i]) == CHANNEL_READY)
            return picker->list[i];
    return NULL;
}

static void update_first(struct picker *picker)
{
    struct subchannel *ready;

    if (picker->chosen != NULL && subchannel_state(picker->chosen) == CHANNEL_READY)
        return;
    picker->chosen = NULL;
    ready = first_ready(picker);
    if (ready != NULL) {
        choose(picker, ready);
        return;
    }
    if (picker->passing && !has_state(picker, CHANNEL_CONNECTING))
        advance(picker);
    if (picker->passing && !has_state(picker, CHANNEL_CONNECTING))
        end_pass(picker, true);
}

static enum channel_state state_of_first(const struct picker *picker)
{
    if (picker->chosen != NULL)
        return CHANNEL_READY;
    if (picker->passing)
        return CHANNEL_CONNECTING;
    return picker->passed || !has_state(picker, CHANNEL_IDLE) ? CHANNEL_FAILING : CHANNEL_IDLE;
}

/* ---- All in turn. ---- */

static void connect_all(struct picker *picker)
{
    picker->is_active = true;
    for (unsigned i = 0; i < picker->count; i++)
        subchannel_connect(picker->list[i]);
}

static struct subchannel *pick_in_turn(struct picker *picker)
{
    for (unsigned i = 0; i < picker->count; i++) {
        struct subchannel *subchannel = picker->list[picker->turn++ % picker->count];
        if (subchannel_state(subchannel) == CHANNEL_READY)
            return subchannel;
    }
    return NULL;
}

static enum channel_state state_of_all(const struct picker *picker)
{
    static const enum channel_state best[] = { CHANNEL_READY, CHANNEL_CONNECTING, CHANNEL_FAILING };

    for (size_t i = 0; i < sizeof best / sizeof best[0]; i++)
        if (has_state(picker, best[i]))
            return best[i];
    return CHANNEL_IDLE;
}

/* ---- Either. ---- */

/* Where each client begins is its own affair, so that not all of them load the
 * first server of the list. */
void picker_init(struct picker *picker)
{
    picker->stagger.fire = on_stagger;
    picker->turn = (unsigned)random_below(picker->random, ADDRESSES_MAX);
}

void picker_replace(struct picker *picker, struct subchannel *const *list, unsigned count)
{
    bool chosen_stays = false;

    for (unsigned i = 0; i < count; i++) {
        picker->list[i] = list[i];
        chosen_stays |= list[i] == picker->chosen;
    }
    picker->count = count;
    if (!chosen_stays)
        picker->chosen = NULL;
    end_pass(picker, false);
}

void picker_stop(struct picker *picker)
{
    loop_timer_stop(picker->loop, &picker->stagger);
}

void picker_connect(struct picker *picker)
{
    if (picker->policy == CHANNEL_ROUND_ROBIN)
        connect_all(picker);
    else
        begin_pass(picker);
}

void picker_update(struct picker *picker)
{
    if (picker->policy == CHANNEL_PICK_FIRST)
        update_first(picker);
    else if (picker->is_active)
        connect_all(picker);
}

struct subchannel *picker_pick(struct picker *picker)
{
    if (picker->policy == CHANNEL_ROUND_ROBIN)
        return pick_in_turn(picker);
    if (picker->chosen != NULL && subchannel_state(picker->chosen) == CHANNEL_READY)
        return picker->chosen;
    return NULL;
}

enum channel_state picker_state(const struct picker *picker)
{
    return picker->policy == CHANNEL_ROUND_ROBIN ? state_of_all(picker) : state_of_first(picker);
}

const struct rpc_status *picker_failure(const struct picker *picker)
{
    const struct rpc_status *failure = NULL;

    for (unsigned i = 0; i < picker->count; i++)
        if (failure == NULL || subchannel_state(picker->list[i]) == CHANNEL_FAILING)
            failure = subchannel_failure(picker->list[i]);
    return failure;
}
