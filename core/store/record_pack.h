#ifndef CORE_RECORD_PACK_H
#define CORE_RECORD_PACK_H

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "sync/store/v1/records.pb-c.h"

#include <stdlib.h>

/* protobuf over arenas, for record*.c and nobody else. */

static inline void *allocate(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static inline void leave_allocated(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

static inline void *need(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static inline ProtobufCBinaryData to_binary(struct bytes bytes)
{
    return (ProtobufCBinaryData){ .len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data };
}

static inline struct bytes from_binary(ProtobufCBinaryData binary)
{
    return bytes_of(binary.data, binary.len);
}

static inline struct bytes pack(const ProtobufCMessage *message, struct arena *mem)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = need(arena_alloc(mem, size + 1));

    return bytes_of(data, protobuf_c_message_pack(message, data));
}

/* NULL if the bytes do not parse; then *e says which error it is. */
static inline void *unpack(const ProtobufCMessageDescriptor *type, struct bytes b, struct arena *mem,
                    enum err *e, struct why *why)
{
    ProtobufCAllocator allocator = { allocate, leave_allocated, mem };
    void *message = protobuf_c_message_unpack(type, &allocator, b.size, b.data);

    if (message != NULL)
        *e = OK;
    else if (arena_alloc(mem, b.size + 256) == NULL)
        *e = err_because(why, ERR_LIMIT, "the answer is too large");
    else
        *e = err_because(why, ERR_CORRUPT, "a stored %s does not parse", type->short_name);
    return message;
}

static inline void *array(struct arena *mem, size_t count, size_t size)
{
    return need(arena_alloc(mem, count * size + 1));
}

#endif
