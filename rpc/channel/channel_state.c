#include "rpc/channel/channel_state.h"

/* Watches are told from a task of their own, so that they may do whatever they
 * like to the channel. */

static void tell_watches(struct loop_task *task)
{
    struct channel *channel = container_of(task, struct channel, tell);

    channel->tell_is_posted = false;
    for (bool told = true; told;) {
        told = false;
        list_each(link, &channel->watches) {
            struct channel_watch *watch = container_of(link, struct channel_watch, link);
            if (watch->told == (enum channel_state)channel->state)
                continue;
            watch->told = channel->state;
            watch->on_state(watch, watch->told); /* may end any watch: begin again */
            told = true;
            break;
        }
    }
    channel_release(channel);
}

static void post_tell(struct channel *channel)
{
    if (channel->tell_is_posted || !link_is_linked(&channel->watches))
        return;
    channel->tell_is_posted = true;
    channel->holds++;
    channel->tell.run = tell_watches;
    loop_post(channel->loop, &channel->tell);
}

void channel_init_state(struct channel *channel, enum channel_state state)
{
    link_init(&channel->watches);
    atomic_init(&channel->state, (int)state);
}

void channel_set_state(struct channel *channel, enum channel_state state)
{
    if (atomic_exchange(&channel->state, (int)state) != (int)state)
        post_tell(channel);
}

bool channel_is_watched(const struct channel *channel)
{
    return link_is_linked(&channel->watches);
}

void channel_end_watches(struct channel *channel)
{
    while (link_is_linked(&channel->watches))
        list_remove(channel->watches.next);
}

enum channel_state channel_state(const struct channel *channel)
{
    return (enum channel_state)atomic_load(&channel->state);
}

const char *channel_state_name(enum channel_state state)
{
    static const char *const names[] = { "idle", "connecting", "ready", "failing", "shut down" };

    return names[state];
}

void channel_connect(struct channel *channel)
{
    if (channel->ops->connect != NULL)
        channel->ops->connect(channel);
}

void channel_watch(struct channel *channel, struct channel_watch *watch)
{
    watch->told = channel_state(channel);
    list_append(&channel->watches, &watch->link);
    channel_connect(channel);
}

void channel_unwatch(struct channel_watch *watch)
{
    list_remove(&watch->link);
}
