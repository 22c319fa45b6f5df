#include "rpc/channel/address_source.h"

enum { ASK_INTERVAL_MS = 1000 };

static void back_off(struct address_source *source)
{
    int64_t wait_ms;

    source->failures++;
    wait_ms = backoff_ms(&source->backoff, source->failures, source->random);
    source->ask_ms = loop_mono_ms() + wait_ms;
    loop_timer_start(source->loop, &source->timer, wait_ms);
}

static void on_timer(struct loop_timer *timer)
{
    struct address_source *source = container_of(timer, struct address_source, timer);

    source->on_change(source->context);
}

static void on_resolved(struct resolver_owner *owner, enum err e, const struct addresses *addresses,
                        const struct why *why)
{
    struct address_source *source = container_of(owner, struct address_source, owner);

    source->resolver = NULL;
    if (e != OK) {
        rpc_status_set(&source->failure, RPC_UNAVAILABLE, "%s", why->text);
        back_off(source);
        source->on_change(source->context);
        return;
    }
    source->is_known = true;
    source->is_stale = false;
    source->failures = 0;
    source->ask_ms = loop_mono_ms() + ASK_INTERVAL_MS;
    source->on_addresses(source->context, addresses);
}

enum err address_source_open(struct address_source *source, struct addresses *addresses,
                             struct why *why)
{
    enum err e = address_read_list(source->text, addresses, why);

    source->timer.fire = on_timer;
    source->owner.on_resolved = on_resolved;
    source->is_name = e == ERR_UNAVAILABLE;
    if (!source->is_name)
        return e;
    addresses->count = 0;
    return OK;
}

void address_source_close(struct address_source *source)
{
    loop_timer_stop(source->loop, &source->timer);
    if (source->resolver != NULL)
        resolver_cancel(source->resolver);
    source->resolver = NULL;
}

void address_source_distrust(struct address_source *source)
{
    source->is_stale = true;
}

void address_source_reject(struct address_source *source)
{
    source->is_known = false;
    back_off(source);
}

bool address_source_ask(struct address_source *source)
{
    bool must = source->is_name && (source->is_stale || !source->is_known);

    if (source->resolver != NULL)
        return true;
    if (!must || loop_mono_ms() < source->ask_ms)
        return false;
    source->resolver = resolver_start(source->loop, source->text, &source->owner);
    if (source->resolver != NULL)
        return true;
    rpc_status_set(&source->failure, RPC_UNAVAILABLE,
                   "cannot connect to %s: no thread to resolve the name", source->text);
    back_off(source);
    return false;
}
