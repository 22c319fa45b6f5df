#include "rpc/call/call_pool.h"

#include "rpc/call/call_state.h"

#include <assert.h>
#include <stdlib.h>

enum { FREE_MAX = 256 };

struct call_pool {
    struct loop *loop;
    const struct rpc_registry *registry;
    size_t message_bytes_max;
    struct grpc_coder *coder;
    struct rpc_call *free;
    size_t free_count;
    atomic_size_t live;
    bool closed; /* freed by its owner: goes with its last call */
};

struct call_pool *call_pool_new(struct loop *loop, const struct rpc_registry *registry,
                                size_t message_bytes_max)
{
    struct call_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return NULL;
    pool->coder = grpc_coder_new();
    if (pool->coder == NULL) {
        free(pool);
        return NULL;
    }
    pool->loop = loop;
    pool->registry = registry;
    pool->message_bytes_max = message_bytes_max;
    return pool;
}

static void free_call(struct rpc_call *call)
{
    arena_free(call->arena);
    arena_free(call->message_arena);
    grpc_reader_clear(&call->reader, 0);
    buffer_clear(&call->pending, 0);
    buffer_clear(&call->out, 0);
    free(call);
}

static void free_pool(struct call_pool *pool)
{
    grpc_coder_free(pool->coder);
    free(pool);
}

void call_pool_free(struct call_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->free != NULL) {
        struct rpc_call *call = pool->free;
        pool->free = call->next_free;
        free_call(call);
    }
    pool->free_count = 0;
    pool->closed = true;
    if (atomic_load(&pool->live) == 0)
        free_pool(pool);
}

static void *allocate(void *context, size_t size)
{
    struct rpc_call *call = context;
    void *memory = arena_alloc(call->arena, size);

    call->arena_is_full |= memory == NULL;
    return memory;
}

static void *allocate_for_message(void *context, size_t size)
{
    struct rpc_call *call = context;
    void *memory = arena_alloc(call->message_arena, size);

    call->arena_is_full |= memory == NULL;
    return memory;
}

static void keep(void *context, void *memory) /* the arena frees it all */
{
    (void)context;
    (void)memory;
}

static struct rpc_call *make_call(const struct call_pool *pool)
{
    struct rpc_call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->arena = arena_new(CALL_ARENA_EXTRA + 2 * pool->message_bytes_max);
    if (call->arena == NULL) {
        free(call);
        return NULL;
    }
    call->reader.message_max = pool->message_bytes_max;
    return call;
}

/* As new, but for the memory it keeps. */
static void wipe(struct rpc_call *call)
{
    struct rpc_call kept = {
        .arena = call->arena,
        .message_arena = call->message_arena,
        .reader = call->reader,
        .pending = call->pending,
        .out = call->out,
    };

    arena_reset(kept.arena);
    if (kept.message_arena != NULL)
        arena_reset(kept.message_arena);
    grpc_reader_clear(&kept.reader, CALL_KEEP_BYTES);
    buffer_clear(&kept.pending, CALL_KEEP_BYTES);
    buffer_clear(&kept.out, CALL_KEEP_BYTES);
    *call = kept;
}

struct stream_user *call_pool_accept(struct call_pool *pool, struct stream *stream,
                                     const char *actor)
{
    struct rpc_call *call = pool->free;

    if (call != NULL) {
        pool->free = call->next_free;
        pool->free_count--;
    } else {
        call = make_call(pool);
    }
    if (call == NULL)
        return NULL;
    atomic_fetch_add(&pool->live, 1);
    call->user = (struct stream_user){ &call_stream_ops, stream };
    call->pool = pool;
    atomic_init(&call->holds, 1); /* the stream's */
    call->allocator = (ProtobufCAllocator){ allocate, keep, call };
    call->message_allocator = (ProtobufCAllocator){ allocate_for_message, keep, call };
    call->metadata.last = &call->metadata.first;
    call->initial.last = &call->initial.first;
    call->trailers.last = &call->trailers.first;
    call->timeout_ms = call->deadline_ms = INT64_MAX;
    strncpy(call->actor, actor, sizeof call->actor - 1);
    return &call->user;
}

static void recycle(struct rpc_call *call)
{
    struct call_pool *pool = call->pool;

    assert(call->user.stream == NULL && call->deadline.item.place == 0);
    if (pool->closed || pool->free_count == FREE_MAX) {
        free_call(call);
    } else {
        wipe(call);
        call->next_free = pool->free;
        pool->free = call;
        pool->free_count++;
    }
    if (atomic_fetch_sub(&pool->live, 1) == 1 && pool->closed)
        free_pool(pool);
}

static void recycle_on_loop(struct loop_task *task)
{
    recycle(container_of(task, struct rpc_call, free_task));
}

struct rpc_call *call_hold(struct rpc_call *call)
{
    atomic_fetch_add_explicit(&call->holds, 1, memory_order_relaxed);
    return call;
}

void call_release(struct rpc_call *call)
{
    struct loop *loop = call->pool->loop;

    if (atomic_fetch_sub_explicit(&call->holds, 1, memory_order_acq_rel) > 1)
        return;
    if (loop_is_current(loop)) {
        recycle(call);
        return;
    }
    call->free_task.run = recycle_on_loop;
    loop_post(loop, &call->free_task);
}

size_t call_pool_live(const struct call_pool *pool)
{
    return atomic_load(&pool->live);
}

struct grpc_coder *call_pool_coder(const struct call_pool *pool)
{
    return pool->coder;
}

struct loop *call_pool_loop(const struct call_pool *pool)
{
    return pool->loop;
}

const struct rpc_registry *call_pool_registry(const struct call_pool *pool)
{
    return pool->registry;
}
