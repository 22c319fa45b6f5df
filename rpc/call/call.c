#include "rpc/call.h"

#include "rpc/call/call_state.h"
#include "rpc/grpc/grpc_header.h"

#include <time.h>

/* What methods ask of a call, and the work that is put off to the loop so that
 * nothing they call calls them back. */

struct loop *call_loop(struct rpc_call *call)
{
    return call_pool_loop(call->pool);
}

void call_post(struct rpc_call *call, struct loop_task *task)
{
    loop_post(call_loop(call), task);
}

struct arena *call_arena(struct rpc_call *call)
{
    return call->arena;
}

ProtobufCAllocator *call_allocator(struct rpc_call *call)
{
    return &call->allocator;
}

const struct rpc_method *call_method(struct rpc_call *call)
{
    return call->method;
}

const struct rpc_service *call_service(struct rpc_call *call)
{
    return call->service;
}

bool call_metadata_add(struct rpc_call *call, struct call_metadata_list *list, struct bytes name,
                       struct bytes value)
{
    struct call_metadata *entry = arena_alloc(call->arena, sizeof *entry);

    if (entry == NULL)
        return false;
    entry->name = arena_copy(call->arena, name.data, name.size);
    entry->value = bytes_of(arena_copy(call->arena, value.data, value.size), value.size);
    if (entry->name == NULL || entry->value.data == NULL)
        return false;
    *list->last = entry;
    list->last = &entry->next;
    list->count++;
    return true;
}

const char *call_metadata(struct rpc_call *call, const char *name, size_t *size)
{
    return call_metadata_at(call, name, 0, size);
}

const char *call_metadata_at(struct rpc_call *call, const char *name, size_t index, size_t *size)
{
    const struct bytes name_bytes = bytes_of_text(name);
    struct bytes value = { NULL, 0 };

    for (struct call_metadata *entry = call->metadata.first; entry != NULL; entry = entry->next)
        if (strcmp(entry->name, name) == 0 &&
            grpc_value_at(name_bytes, entry->value, &index, &value))
            break;
    if (value.data != NULL && grpc_name_is_binary(name_bytes))
        value = grpc_binary_decode(value, call->arena);
    if (size != NULL)
        *size = value.size;
    return (const char *)value.data;
}

bool call_message_was_compressed(struct rpc_call *call)
{
    return call->message_was_compressed;
}

int64_t call_time_left_ms(struct rpc_call *call)
{
    int64_t left_ms;

    if (call->deadline_ms == INT64_MAX)
        return INT64_MAX;
    left_ms = call->deadline_ms - loop_mono_ms();
    return left_ms > 0 ? left_ms : 0;
}

const char *call_actor(struct rpc_call *call)
{
    return call->actor;
}

const char *call_peer(struct rpc_call *call)
{
    const char *at = strrchr(call->actor, '@');

    return at != NULL ? at + 1 : "";
}

bool call_is_over(struct rpc_call *call)
{
    return call->over || call->ended;
}

void call_on_over(struct rpc_call *call, void (*on_over)(struct rpc_call *call))
{
    call->on_over = on_over;
}

void call_set_tag(struct rpc_call *call, void *tag)
{
    call->tag = tag;
}

void *call_tag(struct rpc_call *call)
{
    return call->tag;
}

void call_on_message(struct rpc_call *call,
                     void (*on_message)(struct rpc_call *call, const ProtobufCMessage *message))
{
    call->on_message = on_message;
}

void call_on_half_close(struct rpc_call *call, void (*on_half_close)(struct rpc_call *call))
{
    call->on_half_close = on_half_close;
}

void call_on_writable(struct rpc_call *call, void (*on_writable)(struct rpc_call *call))
{
    call->on_writable = on_writable;
}

void call_note_kept(struct rpc_call *call)
{
    size_t size = buffer_size(&call->out) + buffer_size(&call->pending) +
                  buffer_size(&call->reader.partial) + arena_used_bytes(call->arena);

    if (call->message_arena != NULL)
        size += arena_used_bytes(call->message_arena);

    if (size < CALL_KEPT_MIN)
        size = 0;
    if (size == call->kept || call->user.stream == NULL)
        return;
    call->kept = size;
    call->user.stream->ops->hold(call->user.stream, size);
}

void call_pause_reading(struct rpc_call *call)
{
    call->paused = true;
}

void call_resume_reading(struct rpc_call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    if (!call->feeding)
        call_post_turn(call);
}

static void take_turn(struct loop_task *task)
{
    struct rpc_call *call = container_of(task, struct rpc_call, turn);

    call->turn_is_posted = false;
    if (!call_is_over(call))
        call_read_pending(call);
    if (!call_is_over(call) && call->wants_writable && buffer_size(&call->out) <= CALL_SEND_LOW) {
        call->wants_writable = false;
        if (call->on_writable != NULL)
            call->on_writable(call);
    }
    call_release(call);
}

void call_post_turn(struct rpc_call *call)
{
    if (call->turn_is_posted)
        return;
    call->turn_is_posted = true;
    call->turn.run = take_turn;
    call_hold(call);
    call_post(call, &call->turn);
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void call_set_over(struct rpc_call *call)
{
    struct rpc_hooks *hooks = rpc_registry_hooks(call_pool_registry(call->pool));

    if (call->over)
        return;
    call->over = true;
    loop_timer_stop(call_loop(call), &call->deadline);
    if (!call->ended)
        call->code = RPC_CANCELLED;
    if (call->on_over != NULL)
        call->on_over(call);
    if (hooks != NULL && hooks->ended != NULL && call->method != NULL)
        hooks->ended(hooks, call, call->code, call->begun_us > 0 ? now_us() - call->begun_us : 0);
}

void call_note_begin(struct rpc_call *call)
{
    const struct rpc_hooks *hooks = rpc_registry_hooks(call_pool_registry(call->pool));

    if (hooks != NULL && hooks->ended != NULL)
        call->begun_us = now_us();
}
