#ifndef WORKER_CHECKPOINT_H
#define WORKER_CHECKPOINT_H

#include "tools/worker/connectors/connector.h"

/* The bytes that the server keeps for a run, opaque to it: how far each entity
 * is. JSON, so that a person who looks can read it:
 *
 *   {"version": 1, "generation": 1,
 *    "entities": {"products": {"phase": 0, "position": "250", "done": 250, ...}}} */

struct checkpoint_entity {
    char name[NAME_SIZE_MAX + 1];
    struct entity_state state;
};

/* Gives the text (free() it), not NUL-terminated; empty data: out of memory, or
 * larger than the server takes. */
struct bytes checkpoint_write(uint32_t generation, const struct checkpoint_entity *entities,
                              size_t count);

/* The state of one entity; zeros if the text is empty, of another generation,
 * or does not speak of it. False: it is not a checkpoint. */
bool checkpoint_read(struct bytes text, uint32_t generation, const char *entity,
                     struct entity_state *state);

#endif
